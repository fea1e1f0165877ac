"""The simulator as a driver of the agent: the devices behind one gateway, in real time."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass

from core.model import Channel
from edge.drivers import Sink
from simulators.faults import Faults
from simulators.reporting import Reporter


@dataclass(frozen=True, slots=True, kw_only=True)
class StoryClock:
    """The story's clock, which may run faster than ours.

    Attributes:
        started_s: our monotonic clock at the story's begin.
        speed: seconds of the story in one of ours.
    """

    started_s: float
    speed: float = 1.0

    @classmethod
    def start(cls, speed: float) -> StoryClock:
        """Begin the story now."""
        return cls(started_s=time.monotonic(), speed=speed)

    def story_s(self) -> float:
        """Return the time on the story's clock."""
        return (time.monotonic() - self.started_s) * self.speed

    def until(self, story_s: float) -> float:
        """Return our seconds until the story gets there; 0 if it is past."""
        return max(0.0, self.started_s + story_s / self.speed - time.monotonic())


class GatewayDriver:
    """An ``edge.drivers.Driver`` that never ends.

    It may be run again after its agent was killed; the devices then go on from that moment.

    Args:
        reporter: the devices.
        clock: the story's clock, shared by all gateways.
        tick_s: seconds between two looks at what is due.
        offset_s: shifts the looks against other gateways', so that they do not all work at once.
        faults: wrong readings to mix in; None for none.
    """

    def __init__(
        self,
        reporter: Reporter,
        clock: StoryClock,
        *,
        tick_s: float,
        offset_s: float = 0.0,
        faults: Faults | None = None,
    ) -> None:
        self._reporter = reporter
        self._clock = clock
        self._tick_s = tick_s
        self._offset_s = offset_s
        self._faults = faults

    async def run(self, sink: Sink) -> None:
        """Put readings into the sink until cancelled."""
        while True:
            now = time.monotonic() - self._offset_s
            await asyncio.sleep(self._tick_s - now % self._tick_s)
            await self._tick(sink, time.time(), self._clock.story_s())

    async def _tick(self, sink: Sink, unix_s: float, story_s: float) -> None:
        due = self._reporter.due(unix_s, story_s)
        if due.urgent:
            await sink.put(due.urgent, Channel.EVENT)
        if due.live:
            await sink.put(due.live)
        if self._faults is None:
            return
        wrong = self._faults.due(unix_s, due.live)
        if wrong:
            await sink.put([fault.reading for fault in wrong])
            # Counted only once they are on disk: the report must not promise more.
            await sink.flush()
            self._faults.count(wrong)
