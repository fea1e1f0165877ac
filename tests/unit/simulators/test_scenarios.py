"""What every scenario keeps, whatever happens in it; then the physics of each."""

from __future__ import annotations

from collections.abc import Callable
from random import Random

import numpy as np
import pytest
from shapely import Point

from core.model import District, Field
from core.units import DEVICE_KINDS, QUANTITIES
from geodata.placement import parse
from simulators.events import Event, clock, sites
from simulators.layout import to_plane
from simulators.scenarios import fire, slope, storm, traffic
from simulators.signals import traffic_state
from simulators.story import ROUND_S

Make = Callable[[District, str, Random, float], Event]
MAKERS: list[tuple[Make, tuple[str, ...], Field]] = [
    (fire.fire, fire.KINDS, Field.FIRE),
    (storm.storm, storm.KINDS, Field.WATER),
    (slope.slope, slope.KINDS, Field.SLOPE),
    (traffic.traffic, traffic.KINDS, Field.TRAFFIC),
]
SAMPLE = {"temperature": 27.0, "occupancy": 6.0, "vehicle_flow": 500.0, "speed": 48.0,
          "voltage": 226.0, "current": 16.0, "level": 1.2, "crack_width": 2.5}  # fmt: skip


def every_event(district: District, make: Make, kinds: tuple[str, ...]) -> list[Event]:
    places = sites(district, *kinds)
    return [make(district, site, Random(f"{site}"), 100.0) for site in places]


@pytest.mark.parametrize(("make", "kinds", "field"), MAKERS)
def test_every_place_makes_a_sound_event(
    district: District, make: Make, kinds: tuple[str, ...], field: Field
) -> None:
    devices = {device.device_id: device for device in district.devices}
    for event in every_event(district, make, kinds):
        assert event.field is field
        assert event.must_alarm, event.site
        assert set(event.must_alarm) <= {device for device, _ in event.traces}
        assert all(0 < since_s < event.lasts_s for since_s in event.must_alarm.values())
        assert event.begins_s == 100.0
        assert event.lasts_s < ROUND_S - 40
        for (device, quantity), trace in event.traces.items():
            kind = DEVICE_KINDS[devices[device].kind]
            assert quantity in kind.quantities
            assert (kind.field is field) or kind.field is Field.WATER
            assert len(trace.offset) == len(trace.gain)


@pytest.mark.parametrize(("make", "kinds", "field"), MAKERS)
def test_it_begins_and_ends_at_the_background(
    district: District, make: Make, kinds: tuple[str, ...], field: Field
) -> None:
    for event in every_event(district, make, kinds)[:8]:
        for (_, quantity), trace in event.traces.items():
            quiet = SAMPLE.get(quantity, 0.0)
            span = QUANTITIES[quantity].high - QUANTITIES[quantity].low
            for since_s in (-1.0, 0.0, event.lasts_s, event.lasts_s + 5):
                assert trace.apply(quiet, since_s) == pytest.approx(quiet, abs=2e-3 * span)


@pytest.mark.parametrize(("make", "kinds", "field"), MAKERS)
def test_the_place_lies_in_its_space(
    district: District, make: Make, kinds: tuple[str, ...], field: Field
) -> None:
    spaces = {space.code: space for space in district.spaces}
    for event in every_event(district, make, kinds)[:8]:
        outline = parse([event.space], [spaces[event.space].outline])[0]
        assert outline.buffer(3e-5).contains(Point(event.lon, event.lat))


@pytest.mark.parametrize(("make", "kinds", "field"), MAKERS)
def test_one_seed_makes_one_event(
    district: District, make: Make, kinds: tuple[str, ...], field: Field
) -> None:
    site = next(iter(sites(district, *kinds)))
    first, second = (make(district, site, Random(3), 0.0) for _ in range(2))
    assert first.facts == second.facts
    assert first.must_alarm == second.must_alarm
    for key, trace in first.traces.items():
        assert np.array_equal(trace.offset, second.traces[key].offset)


# Fire


def test_t_squared_fires_reach_1055_kw_at_their_nominal_times() -> None:
    for growth, nominal_s in (("slow", 600), ("medium", 300), ("fast", 150), ("ultra-fast", 75)):
        release = fire.GROWTH_KW_S2[growth] * nominal_s**2
        assert release == pytest.approx(1055, rel=2e-3)


def test_release_grows_with_the_square_until_it_is_fought() -> None:
    times = clock(200.0)
    release = fire.heat_release(times, fire.GROWTH_KW_S2["fast"])
    assert release[np.searchsorted(times, 40)] == pytest.approx(
        4 * release[np.searchsorted(times, 20)]
    )
    assert times[np.argmax(release)] == pytest.approx(70.0)
    assert release[-1] < 1.0


def test_alperts_jet_at_its_worked_point() -> None:
    """1,000 kW, 3 m ceiling: 16.9·1000^(2/3)/3^(5/3) = 270.8 K over the fire, less outside."""
    assert fire.jet_rise(np.array([1000.0]), 0.3)[0] == pytest.approx(270.8, abs=0.2)
    assert fire.jet_rise(np.array([1000.0]), 6.0)[0] == pytest.approx(54.3, abs=0.2)
    at_the_border = [fire.jet_rise(np.array([500.0]), r)[0] for r in (0.539, 0.541)]
    assert at_the_border[1] == pytest.approx(at_the_border[0], rel=0.02)


def test_smoke_comes_before_heat_before_the_distant_detectors(district: District) -> None:
    for event in every_event(district, fire.fire, fire.KINDS):
        kinds = {device: device.split("-")[0] for device in event.must_alarm}
        first = {
            kind: min(s for device, s in event.must_alarm.items() if kinds[device] == kind)
            for kind in set(kinds.values())
        }
        assert first["smoke"] < first["fire_panel"] < first["heat"]
        assert first["smoke"] < 25
        assert first["heat"] < 45


def test_the_nearer_a_heat_detector_the_hotter() -> None:
    release = fire.heat_release(clock(100.0), fire.GROWTH_KW_S2["ultra-fast"])
    peaks = [fire.detector_rise(release, off).max() for off in (0.5, 2.0, 4.0, 8.0, 15.0)]
    assert peaks == sorted(peaks, reverse=True)
    assert fire.detector_rise(release, 1.0).max() < fire.jet_rise(release, 1.0).max()


def test_a_slow_fire_alarms_later_than_an_ultra_fast_one(district: District) -> None:
    site = next(iter(sites(district, *fire.KINDS)))
    first = {
        growth: min(
            fire.fire(district, site, Random(1), 0.0, growth=growth).must_alarm.values(),
            default=np.inf,
        )
        for growth in ("medium", "fast", "ultra-fast")
    }
    assert first["ultra-fast"] < first["fast"] < first["medium"]


def test_the_smoke_bit_has_hysteresis() -> None:
    values = np.array([0.0, 0.12, 0.16, 0.12, 0.09, 0.12, 0.15])
    assert fire.latched(values, 0.15, 0.10).tolist() == [0, 0, 1, 1, 0, 0, 1]


def test_only_the_burning_storey_sees_the_fire(district: District) -> None:
    event = every_event(district, fire.fire, fire.KINDS)[0]
    devices = {device.device_id: device for device in district.devices}
    floors = {devices[device].attributes.get("floor") for device, _ in event.traces}
    assert floors == {event.facts["floor"], None}


# Storm


def test_the_reservoir_keeps_the_water_and_delays_the_peak() -> None:
    times = clock(150.0)
    rain = storm.hyetograph(times, 120.0)
    out = storm.reservoir(rain, 5.0)
    assert rain.max() == pytest.approx(120.0, rel=0.01)
    assert out.sum() == pytest.approx(rain.sum(), rel=0.01)
    assert out.max() < rain.max()
    assert np.argmax(out) > np.argmax(rain)


def test_the_rational_formula_at_a_worked_point() -> None:
    """0.75 · 60 mm/h · 24 ha / 360 = 3 m³/s, once the rain has lasted."""
    steady = storm.runoff(np.full(400, 60.0), 24.0, 3.0)
    assert steady[-1] == pytest.approx(3.0, rel=1e-6)


def test_a_drizzle_that_the_drains_take_leaves_no_pond() -> None:
    assert storm.ponding(np.full(400, 30.0), 1.0).max() == 0.0


def test_the_pond_drains_away_after_the_rain(district: District) -> None:
    times = clock(150.0)
    depth = storm.ponding(storm.hyetograph(times, 140.0), 1.5)
    assert depth.max() > 0.4
    assert depth[-1] == 0.0
    assert times[np.argmax(depth)] > 9.0


def test_rain_comes_before_flow_before_the_road_is_under_water(district: District) -> None:
    event = next(
        event
        for event in every_event(district, storm.storm, storm.KINDS)
        if {q for _, q in event.traces} >= {"rain_intensity", "flow", "depth", "level"}
    )
    peaks = {
        quantity: min(
            int(np.argmax(trace.offset))
            for (_, q), trace in event.traces.items()
            if q == quantity and trace.offset.max() > 0
        )
        for quantity in ("rain_intensity", "flow", "depth", "level")
    }
    assert peaks["rain_intensity"] < peaks["flow"] < peaks["level"]
    assert peaks["flow"] < peaks["depth"]
    assert min(event.must_alarm.values()) < 12.0


def test_far_away_it_does_not_rain(district: District) -> None:
    event = every_event(district, storm.storm, storm.KINDS)[0]
    devices = {device.device_id: device for device in district.devices}
    centre = np.array(to_plane(event.lon, event.lat))
    away = [
        np.hypot(*(np.array(to_plane(devices[d].lon, devices[d].lat)) - centre))
        for d, _ in event.traces
    ]
    assert max(away) < 3 * 900.0


# Slope


def test_inverse_velocity_falls_in_a_straight_line() -> None:
    times = clock(43.0)
    moved = slope.creep(times, 170.0)
    speed = np.diff(moved) / np.diff(times)
    middle = (times[1:] + times[:-1]) / 2
    fit, residual, *_ = np.polyfit(middle, 1 / speed, 1, full=True)
    assert -fit[1] / fit[0] == pytest.approx(45.0, abs=0.1)
    assert residual[0] / np.sum((1 / speed) ** 2) < 1e-5
    assert slope.creep(clock(100.0), 170.0)[-1] == pytest.approx(170.0)


def test_the_middle_of_the_slope_moves_most(district: District) -> None:
    devices = {device.device_id: device for device in district.devices}
    for event in every_event(district, slope.slope, slope.KINDS):
        moved = sorted(
            (float(devices[device].attributes["centre_m"]), trace.offset.max())
            for (device, quantity), trace in event.traces.items()
            if quantity == "displacement"
        )
        assert [peak for _, peak in moved] == sorted((p for _, p in moved), reverse=True)


# Traffic


def test_the_fundamental_diagram_is_free_then_full_then_still() -> None:
    density = np.array([1.0, 20.0, 36.0, 80.0, 140.0])
    occupancy, flow, speed = traffic_state(density, 50.0)
    assert np.all(np.diff(occupancy) > 0)
    assert flow[2] == pytest.approx(1800.0)
    assert flow[-1] == pytest.approx(0.0)
    assert speed[:3] == pytest.approx([50.0, 50.0, 50.0])
    assert flow == pytest.approx(density * speed)


def test_the_queue_grows_upstream(district: District) -> None:
    devices = {device.device_id: device for device in district.devices}
    for event in every_event(district, traffic.traffic, traffic.KINDS):
        reached = sorted(
            (-float(devices[device].attributes["along_m"]), since_s)
            for device, since_s in event.must_alarm.items()
            if device.startswith("geomagnetic")
        )
        assert len(reached) == 6
        times = [since_s for _, since_s in reached]
        assert times == sorted(times)
        assert times[-1] < 60.0


def test_voltage_falls_by_current_times_resistance(district: District) -> None:
    devices = {device.device_id: device for device in district.devices}
    event = every_event(district, traffic.traffic, traffic.KINDS)[3]
    meters = [device for device, quantity in event.traces if quantity == "voltage"]
    assert len(meters) == 4
    for meter in meters:
        ohm = float(devices[meter].attributes["feeder_ohm"])
        current = event.traces[meter, "current"].offset
        assert event.traces[meter, "voltage"].offset == pytest.approx(-ohm * current)
    due = {meter: event.must_alarm[meter] for meter in meters if meter in event.must_alarm}
    assert len(due) >= 3
    worst = max(meters, key=lambda meter: float(devices[meter].attributes["feeder_ohm"]))
    assert due[worst] == min(due.values())
