from __future__ import annotations

import numpy as np
import pytest

from core.model import District, Field
from simulators.events import Event, adding
from simulators.world import World

NOON_S = 1_782_878_400.0


def rise(device: str, begins_s: float, by: float, lasts_s: float = 20.0) -> Event:
    return Event(
        kind="rise",
        field=Field.FIRE,
        site="",
        space="",
        lon=0.0,
        lat=0.0,
        begins_s=begins_s,
        lasts_s=lasts_s,
        traces={(device, "temperature"): adding(np.full(int(lasts_s * 4) + 1, by))},
        must_alarm={},
        facts={},
    )


@pytest.fixture
def heat(district: District) -> str:
    return next(device.device_id for device in district.devices if device.kind == "heat")


def temperature(world: World, device: str, story_s: float) -> float:
    return float(world.values(world.positions([device]), NOON_S, story_s)[0])


def test_an_event_lies_over_the_background_while_it_lasts(district: District, heat: str) -> None:
    world = World(district, 7, plot=lambda _: [rise(heat, 10.0, 40.0)], round_s=300.0)
    quiet = temperature(world, heat, 5.0)
    assert temperature(world, heat, 15.0) == pytest.approx(quiet + 40.0, abs=0.11)
    assert temperature(world, heat, 31.0) == quiet
    assert world.moving([heat, "smoke-0001"], 15.0) == [heat]
    assert world.moving([heat], 5.0) == []
    assert world.moving([heat], 30.0) == []


def test_two_events_on_one_series_add_up(district: District, heat: str) -> None:
    both = [rise(heat, 10.0, 20.0), rise(heat, 12.0, 15.0)]
    world = World(district, 7, plot=lambda _: both, round_s=300.0)
    quiet = temperature(world, heat, 1.0)
    assert temperature(world, heat, 15.0) == pytest.approx(quiet + 35.0, abs=0.11)


def test_rounds_follow_each_other_and_the_truth_keeps_them_all(
    district: District, heat: str
) -> None:
    world = World(district, 7, plot=lambda n: [rise(heat, 10.0 + 300.0 * n, 40.0)], round_s=300.0)
    assert world.events(5.0) == []
    quiet = temperature(world, heat, 100.0)
    assert temperature(world, heat, 315.0) > quiet + 30
    assert [event.begins_s for event in world.events(320.0)] == [10.0, 310.0]
    assert [event.begins_s for event in world.events(950.0)] == [10.0, 310.0, 610.0, 910.0]


def test_without_a_plot_nothing_moves(district: District, heat: str) -> None:
    world = World(district, 7, plot=None, round_s=300.0)
    assert world.moving([heat], 15.0) == []
    assert world.events(1000.0) == []


def test_devices_are_those_behind_the_gateway(district: District) -> None:
    world = World(district, 7, plot=None, round_s=300.0)
    found = [
        device.device_id
        for gateway in district.gateways
        for device in world.devices_of(gateway.gateway_id)
    ]
    assert sorted(found) == sorted(device.device_id for device in district.devices)
