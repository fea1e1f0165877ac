from __future__ import annotations

import pytest

from core.model import Device, District, Reading
from core.units import conversion
from simulators.faults import DUPLICATE, PERIOD_S, VISITOR, Fault, Faults
from simulators.reporting import Reporter
from simulators.world import World

NOON_S = 1_782_878_400.0


@pytest.fixture
def devices(district: District) -> list[Device]:
    return [device for device in district.devices if device.gateway_id == "gw-08"]


def run(
    district: District, devices: list[Device], lasts_s: float
) -> tuple[list[Fault], list[Reading]]:
    reporter = Reporter(World(district, 7, plot=None, round_s=300.0), "gw-08")
    faults = Faults(devices)
    wrong: list[Fault] = []
    right: list[Reading] = []
    for step in range(int(lasts_s * 2)):
        live = reporter.due(NOON_S + step / 2, step / 2).live
        found = faults.due(NOON_S + step / 2, live)
        faults.count(found)
        wrong += found
        right += live
    assert sum(faults.expected.values()) == len(wrong)
    return wrong, right


def of(wrong: list[Fault], expected: str) -> list[Reading]:
    return [fault.reading for fault in wrong if fault.expected == expected]


def test_the_visitor_is_registered_nowhere(district: District, devices: list[Device]) -> None:
    strangers = of(run(district, devices, 60.0)[0], "unknown_device")
    assert len(strangers) == pytest.approx(60.0 / PERIOD_S, abs=1)
    assert {reading.device for reading in strangers} == {VISITOR}
    assert VISITOR not in {device.device_id for device in district.devices}


def test_the_wrong_unit_cannot_be_converted(district: District, devices: list[Device]) -> None:
    wrong = of(run(district, devices, 60.0)[0], "bad_unit")
    assert len(wrong) == pytest.approx(60.0 / PERIOD_S, abs=1)
    for reading in wrong:
        assert reading.device in {device.device_id for device in devices}
        assert conversion(reading.unit or "", reading.quantity) is None


def test_the_logger_says_again_what_it_said(district: District, devices: list[Device]) -> None:
    wrong, right = run(district, devices, 60.0)
    again = of(wrong, DUPLICATE)
    assert len(again) in (5, 6)
    assert all(reading in right for reading in again)
    assert len({reading.observed_s for reading in again}) == len(again)


def test_nothing_is_counted_before_it_is_safe(devices: list[Device]) -> None:
    faults = Faults(devices)
    found = faults.due(NOON_S, [])
    assert found
    assert set(faults.expected.values()) == {0}
    faults.count(found)
    assert sum(faults.expected.values()) == len(found)
