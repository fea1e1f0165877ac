from __future__ import annotations

import numpy as np
import pytest

from core.model import District
from simulators.events import STEP_S, Trace, adding, clock, first_reaching, replacing, sites


def test_a_trace_is_linear_between_its_points() -> None:
    trace = adding(np.array([0.0, 4.0, 8.0]))
    assert trace.apply(10.0, 0.0) == 10.0
    assert trace.apply(10.0, STEP_S / 2) == 12.0
    assert trace.apply(10.0, STEP_S) == 14.0
    assert trace.apply(10.0, STEP_S * 1.75) == 17.0


@pytest.mark.parametrize("since_s", [-3.0, -0.001, 2 * STEP_S, 99.0])
def test_outside_its_time_the_background_stands(since_s: float) -> None:
    assert adding(np.array([5.0, 5.0, 5.0])).apply(1.5, since_s) == 1.5


def test_replacing_takes_the_place_of_the_background_by_its_share() -> None:
    trace = replacing(np.array([60.0, 60.0, 60.0]), np.array([0.0, 0.5, 1.0]))
    assert trace.apply(10.0, 0.0) == 10.0
    assert trace.apply(10.0, STEP_S) == 35.0
    assert trace.apply(10.0, 2 * STEP_S - 1e-9) == pytest.approx(60.0)


def test_the_clock_holds_begin_and_end() -> None:
    times = clock(3.0)
    assert times[0] == 0.0
    assert times[-1] == 3.0
    assert np.diff(times) == pytest.approx(STEP_S)


def test_first_reaching_a_level_from_either_side() -> None:
    values = np.array([0.0, 1.0, 3.0, 2.0, 5.0])
    assert first_reaching(values, 2.0) == 2 * STEP_S
    assert first_reaching(values, 9.0) is None
    assert first_reaching(-values, -4.0, from_above=True) == 4 * STEP_S


def test_sites_hold_the_devices_of_the_kinds_asked_for(district: District) -> None:
    found = sites(district, "smoke", "heat", "fire_panel")
    assert list(found) == [f"fire-{number:02d}" for number in range(1, 41)]
    assert {device.kind for devices in found.values() for device in devices} == {
        "smoke",
        "heat",
        "fire_panel",
    }
    assert sum(len(devices) for devices in found.values()) == 490


def test_a_trace_keeps_its_own_step() -> None:
    trace = Trace(offset=np.array([0.0, 10.0]), gain=np.ones(2), step_s=10.0)
    assert trace.apply(0.0, 5.0) == 5.0
