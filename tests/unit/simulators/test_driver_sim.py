from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field

import pytest

from core.model import Channel, District, Reading
from simulators.driver import GatewayDriver, StoryClock
from simulators.faults import Faults
from simulators.reporting import Reporter
from simulators.story import ROUND_S, events_of
from simulators.world import World
from tests.support.waiting import eventually


@dataclass
class Bucket:
    """A sink that keeps what it gets."""

    got: dict[Channel, list[Reading]] = field(default_factory=dict)
    flushes: int = 0

    async def put(self, readings: Sequence[Reading], channel: Channel = Channel.LIVE) -> None:
        self.got.setdefault(channel, []).extend(readings)

    async def flush(self) -> None:
        self.flushes += 1

    async def settled(self, patience_s: float) -> bool:
        return True


def world_of(district: District) -> World:
    return World(district, 7, plot=lambda n: events_of(district, 7, n), round_s=ROUND_S)


async def until(driver: GatewayDriver, sink: Bucket, quantity: str, channel: Channel) -> None:
    """Run the driver until a reading of this quantity came on this channel."""
    async with asyncio.TaskGroup() as group:
        running = group.create_task(driver.run(sink), name="driver")
        await eventually(
            lambda: any(r.quantity == quantity for r in sink.got.get(channel, [])), 20.0
        )
        running.cancel()


async def test_it_sends_in_real_time_and_alarms_on_their_own_channel(district: District) -> None:
    world = world_of(district)
    fire = events_of(district, 7, 0)[0]
    gateway = next(d.gateway_id for d in district.devices if d.device_id in fire.must_alarm)
    speed = 10.0
    driver = GatewayDriver(
        Reporter(world, gateway, speed=speed), StoryClock.start(speed), tick_s=0.1
    )
    sink = Bucket()
    await until(driver, sink, "smoke_alarm", Channel.EVENT)
    assert {r.quantity for r in sink.got[Channel.EVENT]} <= {"smoke_alarm", "panel_fire"}
    assert sink.got[Channel.LIVE]


async def test_it_runs_again_after_its_agent_was_killed(district: District) -> None:
    driver = GatewayDriver(
        Reporter(world_of(district), "gw-08", speed=20.0), StoryClock.start(1.0), tick_s=0.1
    )
    first, second = Bucket(), Bucket()
    await until(driver, first, "smoke_obscuration", Channel.LIVE)
    await until(driver, second, "smoke_obscuration", Channel.LIVE)
    before = {(r.device, r.quantity, r.observed_s) for r in first.got[Channel.LIVE]}
    after = {(r.device, r.quantity, r.observed_s) for r in second.got[Channel.LIVE]}
    assert not before & after


async def test_faults_are_flushed_before_they_count(district: District) -> None:
    faults = Faults([d for d in district.devices if d.gateway_id == "gw-08"])
    driver = GatewayDriver(
        Reporter(world_of(district), "gw-08"), StoryClock.start(1.0), tick_s=0.1, faults=faults
    )
    sink = Bucket()
    async with asyncio.TaskGroup() as group:
        running = group.create_task(driver.run(sink), name="driver")
        await eventually(lambda: faults.expected["unknown_device"])
        running.cancel()
    assert sink.flushes == 1


def test_the_storys_clock_runs_at_its_speed() -> None:
    clock = StoryClock(started_s=StoryClock.start(1.0).started_s - 3.0, speed=4.0)
    assert clock.story_s() == pytest.approx(12.0, abs=0.5)
    assert clock.until(20.0) == pytest.approx(2.0, abs=0.2)
    assert clock.until(1.0) == 0.0
