from __future__ import annotations

from collections import Counter
from itertools import pairwise

import pytest

from core.model import District, Quality, Reading
from core.units import DEVICE_KINDS
from simulators.reporting import ALARM_BITS, DEAD_BAND, LOOK_S, Due, Reporter
from simulators.signals import measured
from simulators.story import ROUND_S, events_of
from simulators.world import World

NOON_S = 1_782_878_400.0
TICK_S = 0.5


def quiet(district: District) -> World:
    return World(district, 7, plot=None, round_s=ROUND_S)


def storied(district: District) -> World:
    return World(district, 7, plot=lambda n: events_of(district, 7, n), round_s=ROUND_S)


def run(reporter: Reporter, lasts_s: float, begin_s: float = 0.0) -> list[Due]:
    steps = range(int(begin_s / TICK_S), int((begin_s + lasts_s) / TICK_S))
    return [reporter.due(NOON_S + step * TICK_S, step * TICK_S) for step in steps]


def readings(dues: list[Due]) -> list[Reading]:
    return [reading for due in dues for reading in (*due.urgent, *due.live)]


def burning(district: District) -> str:
    fire = events_of(district, 7, 0)[0]
    return next(d.gateway_id for d in district.devices if d.device_id in fire.must_alarm)


def test_every_device_reports_all_its_quantities_once_an_interval(district: District) -> None:
    found = readings(run(Reporter(quiet(district), "gw-03"), 60.0))
    times: dict[tuple[str, str], list[float]] = {}
    for reading in found:
        times.setdefault((reading.device, reading.quantity), []).append(reading.observed_s)
    mine = [device for device in district.devices if device.gateway_id == "gw-03"]
    assert set(times) == {(d.device_id, q) for d in mine for q in measured(d)}
    for moments in times.values():
        assert len(moments) in (5, 6)
        assert all(b - a == pytest.approx(10.0, abs=TICK_S) for a, b in pairwise(moments))
    assert {reading.quality for reading in found} == {Quality.SIMULATED}


def test_phases_spread_the_load(district: District) -> None:
    loads = [len(due.live) for due in run(Reporter(quiet(district), "gw-03"), 20.0)][20:]
    assert max(loads) < 4 * sum(loads) / len(loads)


def test_the_whole_district_sends_about_as_much_as_was_asked_for(district: District) -> None:
    world = storied(district)
    found = [
        reading
        for gateway in district.gateways
        for reading in readings(run(Reporter(world, gateway.gateway_id), 60.0))
    ]
    assert 150 <= len(found) / 60.0 <= 300


def test_no_reading_is_sent_twice(district: District) -> None:
    found = readings(run(Reporter(storied(district), burning(district)), 120.0))
    keys = Counter((r.device, r.quantity, r.observed_s) for r in found)
    assert keys.most_common(1)[0][1] == 1


def test_what_moves_is_reported_every_second_and_what_rests_is_not(district: District) -> None:
    fire = events_of(district, 7, 0)[0]
    heat = next(device for device in fire.must_alarm if device.startswith("heat"))
    dues = run(Reporter(storied(district), burning(district)), 60.0)
    times = [r.observed_s - NOON_S for r in readings(dues) if r.device == heat]
    early = [moment for moment in times if moment < 12.0]
    late = [moment for moment in times if 35.0 <= moment < 45.0]
    assert len(early) <= 3
    assert len(late) == pytest.approx(10 / LOOK_S, abs=2)


def test_alarm_bits_go_on_the_event_channel_when_they_change(district: District) -> None:
    dues = run(Reporter(storied(district), burning(district)), 60.0)
    urgent = [reading for due in dues for reading in due.urgent]
    assert urgent
    assert {reading.quantity for reading in urgent} <= ALARM_BITS
    assert {reading.value for reading in urgent} == {1.0}
    assert max(Counter(reading.device for reading in urgent).values()) == 1


def test_after_a_pause_nothing_is_made_up(district: District) -> None:
    reporter = Reporter(quiet(district), "gw-03")
    run(reporter, 20.0)
    back = readings([reporter.due(NOON_S + 95.0, 95.0)])
    assert max(Counter((r.device, r.quantity) for r in back).values()) == 1
    assert {reading.observed_s for reading in back} == {NOON_S + 95.0}
    after = readings(run(reporter, 19.0, begin_s=96.0))
    assert max(Counter((r.device, r.quantity) for r in after).values()) <= 2


def test_at_double_speed_devices_report_twice_as_often(district: District) -> None:
    slow = len(readings(run(Reporter(quiet(district), "gw-03"), 40.0)))
    fast = len(readings(run(Reporter(quiet(district), "gw-03", speed=2.0), 40.0)))
    assert fast == pytest.approx(2 * slow, rel=0.02)


def test_every_quantity_has_a_dead_band() -> None:
    assert {q for kind in DEVICE_KINDS.values() for q in kind.quantities} <= set(DEAD_BAND)
    assert all(band > 0 for band in DEAD_BAND.values())
