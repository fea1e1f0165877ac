from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field

import pytest

from core.model import Channel, Reading
from core.units import QUANTITIES
from edge.canary import QUANTITY, WithCanary
from edge.drivers import Idle, Sink
from tests.support.waiting import eventually


@dataclass(slots=True)
class Kept:
    """A sink that keeps what is put."""

    readings: list[tuple[Channel, Reading]] = field(default_factory=list)

    async def put(self, readings: Sequence[Reading], channel: Channel = Channel.LIVE) -> None:
        self.readings += [(channel, reading) for reading in readings]

    async def flush(self) -> None:
        """Nothing waits."""

    async def settled(self, patience_s: float) -> bool:
        return patience_s >= 0


@dataclass(slots=True)
class Ending:
    """A driver whose source ends, or breaks."""

    error: Exception | None = None

    async def run(self, sink: Sink) -> None:
        await sink.put([Reading(device="own", quantity="depth", observed_s=2e9, value=1.0)])
        if self.error is not None:
            raise self.error


async def test_a_canary_raises_and_ends_and_comes_again() -> None:
    kept = Kept()
    canary = WithCanary(driver=Idle(), device="panel-1", every_s=0.02, clock=lambda: 2e9)
    async with asyncio.TaskGroup() as tasks:
        running = tasks.create_task(canary.run(kept))
        await eventually(lambda: len(kept.readings) >= 4)
        running.cancel()
    assert [reading.value for _, reading in kept.readings[:4]] == [1.0, 0.0, 1.0, 0.0]
    assert {channel for channel, _ in kept.readings} == {Channel.EVENT}
    assert {(r.device, r.quantity, r.observed_s) for _, r in kept.readings} == {
        ("panel-1", "canary", 2e9)
    }


async def test_it_ends_with_its_driver_whose_readings_are_kept() -> None:
    kept = Kept()
    async with asyncio.timeout(10):
        await WithCanary(driver=Ending(), device="panel-1", every_s=3600).run(kept)
    assert ("own", "depth") in {(r.device, r.quantity) for _, r in kept.readings}


async def test_what_its_driver_raises_is_raised() -> None:
    canary = WithCanary(driver=Ending(OSError("torn")), device="panel-1", every_s=3600)
    with pytest.raises(ExceptionGroup) as caught:
        await canary.run(Kept())
    assert caught.group_contains(OSError, match="torn")


def test_the_quantity_is_known() -> None:
    assert QUANTITIES[QUANTITY].unit == "1"
