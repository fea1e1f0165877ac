"""Messages from the broker, acknowledged only when told so: the port, and MQTT 5 behind it.

The queue between the socket and the worker is bounded in messages and bytes. When it is full the
socket is not read: withheld acknowledgements alone hold nothing back at mosquitto 2.0, which keeps
to the receive maximum only until the first of them. What arrives again on a new connection is
handed on again; ``ingest.ledger`` tells it apart.
"""

from __future__ import annotations

import asyncio
import logging
import random
import ssl
import time
from collections.abc import Sequence
from typing import Protocol

from core.config import MqttConfig
from core.errors import BrokerAway
from ingest.config import IngestConfig
from ingest.link import CHECK, Lane, Link
from ingest.message import Message
from ingest.outbox import Outbox
from ingest.queue import Queue, waited

__all__ = ["MqttSource", "Source", "waited"]

log = logging.getLogger(__name__)

ALL = Lane()
"""Every channel in one session."""


class Source(Protocol):
    """Where messages come from: connect, take a batch, acknowledge it."""

    async def connect(self) -> None:
        """Connect and subscribe once; raises BrokerAway."""
        ...

    async def next_batch(self, wait_s: float) -> list[Message]:
        """Return the next messages; none when there are none for ``wait_s`` seconds."""
        ...

    def acknowledge(self, messages: Sequence[Message]) -> None:
        """Tell the broker that these are safe."""
        ...


class MqttSource:
    """The source over MQTT 5; ``run`` keeps it connected.

    Args:
        mqtt: the broker.
        ingest: the worker's settings.
        lane: which channels to read, in which session.
        step: 1 or -1; two sources whose messages are mixed number their connections differently.
        outbox: what is published through it; its own if none is given.
    """

    def __init__(
        self,
        mqtt: MqttConfig,
        ingest: IngestConfig,
        lane: Lane = ALL,
        *,
        step: int = 1,
        outbox: Outbox | None = None,
    ) -> None:
        self._mqtt = mqtt
        self._ingest = ingest
        self._lane = lane
        self._step = step
        self._queue = Queue(ingest)
        self._outbox = Outbox() if outbox is None else outbox
        self._link: Link | None = None
        self._links = 0
        self._connects = 0

    @property
    def connected(self) -> bool:
        """Whether the subscriptions stand."""
        link = self._link
        return link is not None and link.opened and not link.lost.is_set()

    @property
    def backlog(self) -> int:
        """Messages received and not yet taken."""
        return len(self._queue)

    @property
    def connects(self) -> int:
        """How often a connection was made."""
        return self._connects

    async def run(self) -> None:
        """Stay connected until cancelled; log a broker that is away once, and its return once.

        A connection that ends soon after it was made counts as none: the next try waits longer.
        """
        delay_s = first_s = min(0.1, self._ingest.retry_max_s)
        away = False
        try:
            while True:
                try:
                    await self.connect()
                except BrokerAway as error:
                    if not away:
                        remedy = f" ({error.remedy})" if error.remedy else ""
                        log.warning("%s; trying again%s", error, remedy)
                    away = True
                else:
                    log.info(
                        "%s the broker at %s",
                        "reading from" if self._lane.channels else "publishing to",
                        self._place,
                    )
                    away = False
                    if await self._watch() > self._ingest.retry_max_s:
                        delay_s = first_s
                await asyncio.sleep(delay_s * random.uniform(0.5, 1.0))
                delay_s = min(delay_s * 2, self._ingest.retry_max_s)
        finally:
            await self.close()

    async def _watch(self) -> float:
        """Wait for the connection's end; return how long it stood, in seconds."""
        link = self._link
        assert link is not None  # connect() has just set it
        since_s = time.monotonic()
        await link.lost.wait()
        log.warning("the broker at %s went away: %s", self._place, link.cause)
        return time.monotonic() - since_s

    async def connect(self) -> None:
        """Connect and subscribe once.

        Raises:
            BrokerAway: if the broker cannot be reached, or refuses the user or the subscriptions.
        """
        await self.close()
        self._links += self._step
        link = Link(self._mqtt, self._ingest, self._queue, self._outbox, self._links, self._lane)
        # Already while it opens it brings messages, which are taken and acknowledged.
        self._link = link
        try:
            async with asyncio.timeout(self._ingest.connect_timeout_s):
                await link.open()
        except (OSError, BrokerAway) as error:
            raise BrokerAway(
                f"no connection to the broker at {self._place}: "
                f"{str(error) or 'no answer in time'}",
                remedy=_remedy(error),
            ) from error
        finally:
            if not link.opened:
                self._link = None
                link.abort()
        self._connects += 1
        if self._connects > 1 and self._lane.keep and not link.session_present:
            log.warning("the broker has kept nothing for us; what it lost the agents send again")

    @property
    def _place(self) -> str:
        return f"{self._mqtt.host}:{self._mqtt.port}"

    async def close(self) -> None:
        """Leave the broker; the session and what is unacknowledged stay there."""
        if self._link is not None:
            link, self._link = self._link, None
            await link.close()

    async def next_batch(self, wait_s: float) -> list[Message]:
        """Return up to ``batch_readings`` readings' worth of messages, in order of arrival.

        Waits at most ``wait_s`` for the first message and ``batch_s`` from its arrival for more.
        """
        messages = await self._queue.take(wait_s)
        if self._link is not None and not self._queue.full(share=0.5):
            self._link.resume()
        return messages

    def peek(self, after: int) -> tuple[list[Message], int]:
        """Return what waits and came after the ``after``-th message, and the count so far.

        It is not taken: whoever only looks leaves it for whoever stores it.
        """
        return self._queue.peek(after)

    def acknowledge(self, messages: Sequence[Message]) -> None:
        """Tell the broker that these are safe; those of a lost connection come again instead."""
        link = self._link
        if link is not None:
            link.acknowledge([m.packet for m in messages if m.packet and m.link == link.number])

    def publish(self, topic: str, payload: bytes) -> bool:
        """Send a message at QoS 1; False when there is no connection or no room on it."""
        return self._link is not None and self._link.publish(topic, payload)


def _remedy(error: OSError | BrokerAway) -> str:
    if isinstance(error, BrokerAway):
        return error.remedy
    if isinstance(error, ssl.SSLCertVerificationError):
        return (
            "set mqtt.ca_file to the authority that signed the broker's certificate, and "
            "mqtt.host to the name in it"
        )
    return CHECK
