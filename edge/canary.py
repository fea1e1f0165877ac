"""The dead-man's canary of a gateway: a reading every few minutes that ends as a notification.

It goes the way of a real alarm, so its absence says that real ones might not arrive. The reading is
1, which raises, and seconds later 0, which ends it again; the notifier hears it and measures.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass

from core.model import Channel, Reading
from edge.drivers import Driver, Sink

QUANTITY = "canary"
HOLD_S = 5.0
"""Seconds between the 1 and the 0."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WithCanary:
    """A driver with a canary beside it; ends when the driver ends.

    Attributes:
        driver: where the gateway's own readings come from.
        device: registered device of this gateway that has the quantity ``canary``.
        every_s: seconds between two canaries, more than ``hold_s``.
        hold_s: seconds between the 1 and the 0.
        clock: seconds since the Unix epoch.
    """

    driver: Driver
    device: str
    every_s: float
    hold_s: float = HOLD_S
    clock: Callable[[], float] = time.time

    async def run(self, sink: Sink) -> None:
        """Run both until the driver's source ends."""
        async with asyncio.TaskGroup() as tasks:
            singing = tasks.create_task(self._sing(sink), name=f"canary {self.device}")
            await self.driver.run(sink)
            singing.cancel()

    async def _sing(self, sink: Sink) -> None:
        hold_s = min(self.hold_s, self.every_s / 2)
        while True:
            await self._put(sink, 1.0)
            await asyncio.sleep(hold_s)
            await self._put(sink, 0.0)
            await asyncio.sleep(self.every_s - hold_s)

    async def _put(self, sink: Sink, value: float) -> None:
        reading = Reading(
            device=self.device, quantity=QUANTITY, observed_s=self.clock(), value=value
        )
        await sink.put([reading], Channel.EVENT)
