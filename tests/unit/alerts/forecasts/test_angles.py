"""Tangent angle and tilt rate: as the slow versions say, and not moved by a knock."""

from __future__ import annotations

import math
from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from alerts.forecasts import FORECASTS, bins
from alerts.forecasts.columns import Columns
from alerts.judges import Judge
from core.batch import F8
from core.registry import Registry
from tests.contract.test_forecasts import board, series
from tests.oracle import forecasts as slow

T0_S = 1_790_006_400.0


def make(name: str, **options: Any) -> Judge:
    kind = FORECASTS[name]
    return kind(msgspec.convert(options, kind.Options), series(1), Registry(series(1)), [1.0])


def say(judge: Judge, at_s: float, value: float, *, learn: bool = True) -> float:
    at_us = np.array([round((T0_S + at_s) * 1e6)])
    row = np.array([0])
    return float(judge.judge(row, at_us, np.array([value]), np.array([learn]), board())[0])


def all_of(judge: Judge, at_s: F8, value: F8, *, learn: bool = True) -> F8:
    said = [
        say(judge, t, v, learn=learn) for t, v in zip(at_s.tolist(), value.tolist(), strict=True)
    ]
    return np.array(said)


@given(
    gaps=st.lists(st.integers(20, 2500), min_size=1, max_size=120),
    data=st.data(),
)
@settings(max_examples=40, deadline=None)
def test_the_slow_tilt_rate_is_the_same(gaps: list[int], data: st.DataObject) -> None:
    judge, readings, now_s = make("tilt_rate", bin_s=600, bins=8), [], 0.0
    phase = bins.phase_us("d-0", 600.0)
    for gap in gaps:
        now_s += gap
        value = data.draw(st.floats(-5, 5, allow_nan=False, width=32))
        readings.append((T0_S + now_s, value))
        fast, plain = say(judge, now_s, value), slow.tilt_rate(readings, 600.0, 8, phase)
        assert math.isnan(fast) == math.isnan(plain)
        assert math.isnan(fast) or fast == pytest.approx(plain, rel=1e-4, abs=1e-5)


@given(gaps=st.lists(st.integers(1, 900), min_size=1, max_size=80), data=st.data())
@settings(max_examples=40, deadline=None)
def test_averages_are_those_of_all_readings(gaps: list[int], data: st.DataObject) -> None:
    held = Columns(1, bins.columns(5))
    made, readings, now_s = bins.Bins(held, 300.0, series(1)), [], T0_S
    for gap in gaps:
        now_s += gap
        value = data.draw(st.floats(-1e4, 1e4, allow_nan=False))
        readings.append((now_s, value))
        made.take(np.array([0]), np.array([round(now_s * 1e6)]), np.array([value]))
    at_s, mean = made.last(np.array([0]), 5)
    wanted = slow.averages(readings, 300.0, bins.phase_us("d-0", 300.0))[-5:]
    known = np.isfinite(at_s[0])
    assert at_s[0][known] == pytest.approx([at for at, _ in wanted], abs=1e-5)
    assert mean[0][known] == pytest.approx([value for _, value in wanted], rel=1e-9, abs=1e-6)


def test_a_knock_moves_no_rate_and_a_turn_does() -> None:
    at_s = np.arange(0.0, 86_400.0, 300.0)
    noise = np.random.default_rng(1).normal(0.0, 0.002, len(at_s))
    knocked = noise + np.where(at_s > 43_200.0, 0.5, 0.0)
    spike = noise + np.where(at_s == 43_200.0, 30.0, 0.0)
    turning = noise + np.maximum(at_s - 43_200.0, 0.0) / 3600.0 * 0.05
    assert np.nanmax(all_of(make("tilt_rate"), at_s, spike)) < 0.006
    after = all_of(make("tilt_rate"), at_s, knocked)
    assert after[-1] < 0.003
    assert all_of(make("tilt_rate"), at_s, turning)[-1] == pytest.approx(0.05, abs=0.005)


DAYS = np.arange(0.0, 14.0, 1 / 24.0)


def test_steady_creep_is_45_degrees_and_faster_ones_steeper() -> None:
    """T = S / v makes 45 degrees of the steady stage, whatever its velocity is."""
    for velocity in (1.5, 6.0, -6.0):
        said = all_of(make("tangent_angle"), DAYS * 86_400.0, np.multiply(velocity, DAYS))
        assert said[-1] == pytest.approx(45.0, abs=0.5)
        assert np.isnan(said[DAYS < 6.9]).all()
    judge = make("tangent_angle", steady_per_d=2.0)
    moved = np.concatenate([2.0 * DAYS, 28.0 + 2.0 * 5.671 * (DAYS[:48] + 1 / 24)])
    at_s = 3600.0 * np.arange(len(moved), dtype=np.float64)
    said = all_of(judge, at_s, moved)
    assert said[len(DAYS) - 1] == pytest.approx(45.0, abs=0.5)
    assert said[-1] == pytest.approx(80.0, abs=0.2)


def test_the_steady_velocity_is_not_learned_of_the_acceleration() -> None:
    judge = make("tangent_angle")
    creep = np.where(DAYS < 10.0, 2.0 * DAYS, 20.0 + 60.0 * (DAYS - 10.0))
    said = all_of(judge, DAYS * 86_400.0, creep)
    assert said[-1] > 85.0
    assert float(judge.state()["steady"][0]) < 4.0


def test_what_must_not_be_learned_is_not() -> None:
    judge = make("tangent_angle")
    all_of(judge, DAYS * 86_400.0, 2.0 * DAYS, learn=False)
    assert float(judge.state()["steady"][0]) == 0.0
    assert np.isnan(say(judge, 15 * 86_400.0, 30.0, learn=False))


def test_a_slope_at_rest_is_flat_however_it_rattles() -> None:
    noise = np.random.default_rng(2).normal(0.0, 0.04, len(DAYS))
    said = all_of(make("tangent_angle"), DAYS * 86_400.0, noise)
    assert np.nanmax(said) < 45.0
