"""Two sessions at the broker: alarm-class readings need not wait behind everybody else's.

What gateways send on their ``event`` channel comes in a session of its own. After an outage the
other one brings minutes of backlog; a smoke detector's word is then still stored in the next batch.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import msgspec

from core.config import MqttConfig
from core.model import Channel
from ingest.config import IngestConfig
from ingest.link import CHANNELS, Lane
from ingest.message import Message
from ingest.source import MqttSource

USUAL = Lane(channels=tuple(one for one in CHANNELS if one is not Channel.EVENT))
URGENT = Lane(name="-event", channels=(Channel.EVENT,))
Seen = tuple[int, int]
"""How many messages have come so far in the urgent and in the usual session."""

_GATHER_S = 0.005  # seconds an urgent batch stays open for what comes together with its first


class TwoLanes:
    """The source of the worker; ``run`` keeps both sessions connected."""

    def __init__(self, mqtt: MqttConfig, ingest: IngestConfig) -> None:
        hasty = msgspec.structs.replace(ingest, batch_s=min(ingest.batch_s, _GATHER_S))
        self._urgent = MqttSource(mqtt, hasty, URGENT, step=-1)
        self._usual = MqttSource(mqtt, ingest, USUAL)
        self._both = (self._urgent, self._usual)

    @property
    def connected(self) -> bool:
        """Whether messages can arrive in both."""
        return all(lane.connected for lane in self._both)

    @property
    def backlog(self) -> int:
        """Messages received and not yet taken."""
        return sum(lane.backlog for lane in self._both)

    @property
    def connects(self) -> int:
        """How often a connection was made, of the session that had to most often."""
        return max(lane.connects for lane in self._both)

    async def run(self) -> None:
        """Stay connected until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._urgent.run(), name="urgent lane")
            tasks.create_task(self._usual.run(), name="usual lane")

    async def connect(self) -> None:
        """Connect and subscribe once, in both; raises BrokerAway."""
        for lane in self._both:
            await lane.connect()

    async def close(self) -> None:
        """Leave the broker; the sessions and what is unacknowledged stay there."""
        for lane in self._both:
            await lane.close()

    async def next_batch(self, wait_s: float) -> list[Message]:
        """Return the next messages of either session; none when none come for ``wait_s``."""
        async with asyncio.TaskGroup() as tasks:
            lanes = [
                tasks.create_task(lane.next_batch(wait_s), name="next batch") for lane in self._both
            ]
            await asyncio.wait(lanes, return_when=asyncio.FIRST_COMPLETED)
            # One that is told to stop while it waits has taken nothing.
            for lane in lanes:
                lane.cancel()
        return [message for lane in lanes if not lane.cancelled() for message in lane.result()]

    async def next_urgent(self) -> list[Message]:
        """Return what has come in the urgent session, at once; none when there is nothing."""
        return await self._urgent.next_batch(0) if self._urgent.backlog else []

    def peek(self, after: Seen) -> tuple[list[Message], Seen]:
        """Return what waits in both and came after what was seen; the urgent first."""
        urgent, n = self._urgent.peek(after[0])
        usual, m = self._usual.peek(after[1])
        return urgent + usual, (n, m)

    def acknowledge(self, messages: Sequence[Message]) -> None:
        """Tell the broker that these are safe; each session knows its own."""
        for lane in self._both:
            lane.acknowledge(messages)

    def publish(self, topic: str, payload: bytes) -> bool:
        """Send a message at QoS 1; False when it cannot be sent now."""
        return self._usual.publish(topic, payload)
