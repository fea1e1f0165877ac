"""Event streams: an event is encoded once and handed to every stream's own bounded queue."""

from __future__ import annotations

import asyncio
from collections import deque
from dataclasses import dataclass
from typing import Any

import msgspec

from twin.api.problems import RETRY_AFTER_S, Refused


@dataclass(frozen=True, slots=True, kw_only=True)
class Frame:
    """One event as it goes over the wire; ``event_id`` is 0 for an event without an id."""

    data: bytes
    event_id: int = 0


def frame(event: str, content: Any, *, event_id: int = 0) -> Frame:
    """Encode an event."""
    head = f"id: {event_id}\n" if event_id else ""
    body = msgspec.json.encode(content)
    return Frame(data=f"{head}event: {event}\ndata: ".encode() + body + b"\n\n", event_id=event_id)


class Stream:
    """What waits for one client. It ends when the queue overruns, or when the hub closes."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._waiting: deque[Frame] = deque()
        self._wake = asyncio.Event()
        self.ended = False

    def put(self, item: Frame) -> bool:
        """Queue a frame; False when the client was too slow and the stream has ended."""
        if len(self._waiting) >= self._limit:
            self.end()
            return False
        self._waiting.append(item)
        self._wake.set()
        return True

    def end(self) -> None:
        """End the stream; what still waits is not sent, the client comes back and asks for it."""
        self.ended = True
        self._waiting.clear()
        self._wake.set()

    def skip_unnumbered(self) -> None:
        """Forget waiting frames without an id: the client is about to get something newer."""
        self._waiting = deque(item for item in self._waiting if item.event_id)

    async def get(self, timeout_s: float) -> list[Frame]:
        """Return all that waits; empty after the timeout, or when the stream has ended."""
        if not self._waiting and not self.ended:
            self._wake.clear()
            try:
                async with asyncio.timeout(timeout_s):
                    await self._wake.wait()
            except TimeoutError:
                return []
        found = list(self._waiting)
        self._waiting.clear()
        return found


class Hub:
    """All open streams of this process.

    Attributes:
        dropped: streams ended because their client was too slow.
    """

    def __init__(self, *, streams: int, queue: int) -> None:
        self._limit = streams
        self._queue = queue
        self._streams: set[Stream] = set()
        self._closed = False
        self.dropped = 0

    def __len__(self) -> int:
        return len(self._streams)

    def open(self) -> Stream:
        """Open a stream; it gets every event published from now on.

        Raises:
            Refused: 503, when too many are open or the server is stopping.
        """
        if self._closed or len(self._streams) >= self._limit:
            why = "the server is stopping" if self._closed else "too many event streams are open"
            raise Refused(503, why, headers={"Retry-After": str(RETRY_AFTER_S)})
        stream = Stream(self._queue)
        self._streams.add(stream)
        return stream

    def leave(self, stream: Stream) -> None:
        """Forget a stream whose client is gone."""
        stream.end()
        self._streams.discard(stream)

    def publish(self, item: Frame) -> None:
        """Hand a frame to every stream."""
        for stream in list(self._streams):
            if not stream.put(item):
                self._streams.discard(stream)
                self.dropped += 1

    def close(self) -> None:
        """End every stream now and open no more."""
        self._closed = True
        for stream in self._streams:
            stream.end()
        self._streams.clear()
