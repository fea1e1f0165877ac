"""Messages between the socket and the worker, bounded in number and bytes, taken in batches."""

from __future__ import annotations

import asyncio
import itertools
import time
from collections import deque
from collections.abc import Sequence
from contextlib import suppress

from ingest.config import IngestConfig
from ingest.message import Message


async def waited(event: asyncio.Event, timeout_s: float) -> bool:
    """Wait for an event; say whether it came in time.

    Not by ``asyncio.wait_for``, which in Python 3.11 swallows a cancellation that comes together
    with the event.
    """
    with suppress(TimeoutError):
        async with asyncio.timeout(timeout_s):
            await event.wait()
    return event.is_set()


class Queue:
    """Messages in order of arrival, with their weight in readings and bytes.

    The bounds are the reader's to keep: it puts what it has read from the socket in one go and
    stops reading when the queue is ``full``, so at most one such portion stands above them.
    """

    def __init__(self, ingest: IngestConfig) -> None:
        self._ingest = ingest
        self._messages: deque[Message] = deque()
        self._weights: deque[int] = deque()
        self._weight = 0
        self._bytes = 0
        self._put = 0
        self._since = 0.0
        self._some = asyncio.Event()
        self._enough = asyncio.Event()

    def __len__(self) -> int:
        return len(self._messages)

    def extend(self, messages: Sequence[Message]) -> None:
        """Put messages at the end."""
        if not messages:
            return
        if not self._messages:
            self._since = time.monotonic()
            self._some.set()
        self._put += len(messages)
        weights = [message.weight() for message in messages]
        self._messages.extend(messages)
        self._weights.extend(weights)
        self._weight += sum(weights)
        self._bytes += _size(messages)
        if self._weight >= self._ingest.batch_readings:
            self._enough.set()

    def full(self, *, share: float = 1.0) -> bool:
        """Whether this share of either bound is reached."""
        return (
            len(self._messages) >= self._ingest.queue_messages * share
            or self._bytes >= self._ingest.queue_bytes * share
        )

    def peek(self, after: int) -> tuple[list[Message], int]:
        """Return what stands here of the messages put after the ``after``-th, and their count."""
        new = min(self._put - after, len(self._messages))
        start = len(self._messages) - new
        return list(itertools.islice(self._messages, start, None)), self._put

    async def take(self, wait_s: float) -> list[Message]:
        """Return up to ``batch_readings`` readings' worth of messages; at least one message.

        Waits at most ``wait_s`` for the first one, and ``batch_s`` from its arrival for more.
        """
        await waited(self._some, wait_s)
        if not self._messages:
            return []
        rest_s = self._since + self._ingest.batch_s - time.monotonic()
        if rest_s > 0:
            await waited(self._enough, rest_s)
        return self._cut()

    def _cut(self) -> list[Message]:
        most = self._ingest.batch_readings
        if self._weight <= most:
            taken = list(self._messages)
            self._messages.clear()
            self._weights.clear()
            self._weight = 0
        else:
            taken = []
            weight = 0
            while not taken or (self._weights and weight + self._weights[0] <= most):
                taken.append(self._messages.popleft())
                weight += self._weights.popleft()
            self._weight -= weight
        self._bytes -= _size(taken)
        if not self._messages:
            self._some.clear()
        if self._weight < most:
            self._enough.clear()
        return taken


def _size(messages: Sequence[Message]) -> int:
    return sum([len(message.payload) for message in messages])
