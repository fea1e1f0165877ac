from __future__ import annotations

import numpy as np
import pytest

from core.model import Device, District
from core.units import DEVICE_KINDS, ON_ANY_DEVICE, QUANTITIES
from simulators.signals import RESOLUTION, SHAPES, Background

NOON_S = 1_782_835_200.0 + 12 * 3600


def devices_of(district: District, kind: str) -> list[Device]:
    return [device for device in district.devices if device.kind == kind]


def every(background: Background) -> np.ndarray[tuple[int], np.dtype[np.intp]]:
    return np.arange(len(background.series), dtype=np.intp)


def test_every_kind_of_device_has_its_signals() -> None:
    wanted = {(kind, q) for kind, facts in DEVICE_KINDS.items() for q in facts.quantities}
    whole = {kind for kind, quantity in SHAPES if not quantity}
    assert {(k, q) for k, q in wanted if k not in whole} | {(k, "") for k in whole} == set(SHAPES)
    assert set(RESOLUTION) == set(QUANTITIES) - ON_ANY_DEVICE


def test_a_value_depends_on_seed_series_and_time_alone(district: District) -> None:
    one, two = (Background(devices_of(district, "heat"), 7) for _ in range(2))
    index = every(one)
    one.raw(index, NOON_S + 5)
    assert np.array_equal(one.raw(index, NOON_S + 60), two.raw(index, NOON_S + 60))
    assert np.array_equal(one.raw(index[5:8], NOON_S), two.raw(index, NOON_S)[5:8])
    other = Background(devices_of(district, "heat"), 8)
    assert not np.array_equal(one.raw(index, NOON_S), other.raw(index, NOON_S))


def test_the_noise_has_the_deviation_and_the_memory_that_are_asked_for(district: District) -> None:
    """As an autoregressive process: after its memory, about e^-1 of the correlation is left."""
    background = Background(devices_of(district, "heat"), 7)
    index = every(background)
    step_s, steps = 100.0, 1728
    values = np.array([background.raw(index, NOON_S + step_s * k) for k in range(steps)])
    shape = SHAPES["heat", "temperature"]
    noise = values - values.mean(axis=0)
    day = 2 * np.pi * (np.arange(steps) * step_s + 12 * 3600 - shape.peak_h * 3600) / 86400
    noise -= shape.daily * (np.cos(day) - np.cos(day).mean())[:, None]
    assert noise.std() == pytest.approx(shape.noise, rel=0.15)
    lag = int(shape.memory_s / step_s)
    correlation = (noise[:-lag] * noise[lag:]).mean() / noise.var()
    assert 0.25 < correlation < 0.5
    assert (noise[:-1] * noise[1:]).mean() / noise.var() > 0.75


def test_afternoons_are_warmer_than_nights(district: District) -> None:
    background = Background(devices_of(district, "heat"), 7)
    index = every(background)
    difference = background.raw(index, NOON_S + 3 * 3600) - background.raw(index, NOON_S - 9 * 3600)
    assert difference.mean() == pytest.approx(5.0, abs=0.5)


def test_traffic_quantities_belong_together(district: District) -> None:
    background = Background(devices_of(district, "geomagnetic"), 7)
    index = every(background)
    values = background.raw(index, NOON_S)
    occupancy, flow, speed = values[0::3], values[1::3], values[2::3]
    density = occupancy / 0.65
    assert flow == pytest.approx(density * (speed + 0.25 * density))
    assert occupancy.max() < 20.0


def test_voltage_is_mains_less_what_the_feeder_takes(district: District) -> None:
    chargers = devices_of(district, "charging_voltage")
    background = Background(chargers, 7)
    values = background.raw(every(background), NOON_S)
    ohm = np.array([float(device.attributes["feeder_ohm"]) for device in chargers])
    assert values[0::2] == pytest.approx(231.0 - ohm * values[1::2])
    assert values[0::2].min() > 210.0


def test_instruments_show_steps_of_their_resolution_inside_their_range(district: District) -> None:
    background = Background(district.devices, 7)
    index = every(background)
    shown = background.read(index, background.raw(index, NOON_S))
    for position, (_, quantity) in enumerate(background.series):
        facts, value = QUANTITIES[quantity], shown[position]
        assert facts.low <= value <= facts.high
        steps = value / RESOLUTION[quantity]
        assert steps == pytest.approx(round(steps), abs=1e-3)
    far = background.read(index, np.full(len(index), 1e9))
    assert far.tolist() == [QUANTITIES[quantity].high for _, quantity in background.series]
