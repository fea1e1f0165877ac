"""Time to a threshold: as the slow version says, honest about its interval, and not fooled."""

from __future__ import annotations

import math
from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from alerts.forecasts.threshold import Threshold, ThresholdOptions
from core.batch import F8
from core.registry import Registry
from tests.contract.test_forecasts import board, series
from tests.oracle import forecasts as slow

T0_S = 1_790_006_400.0
"""Midnight in China, as any other day."""


def make(**options: Any) -> Threshold:
    chosen = msgspec.convert({"target": 1.0} | options, ThresholdOptions)
    return Threshold(chosen, series(1), Registry(series(1)), [30.0])


def say(judge: Threshold, at_s: float, value: float, *, learn: bool = True) -> float:
    row, taught = np.array([0]), np.array([learn])
    at_us = np.array([round((T0_S + at_s) * 1e6)])
    return float(judge.judge(row, at_us, np.array([value]), taught, board())[0])


def all_of(judge: Threshold, at_s: F8, value: F8) -> F8:
    return np.array([say(judge, t, v) for t, v in zip(at_s.tolist(), value.tolist(), strict=True)])


gaps = st.lists(st.integers(5, 200), min_size=1, max_size=60)


@given(gaps=gaps, data=st.data())
@settings(max_examples=60, deadline=None)
def test_the_slow_version_says_the_same(gaps: list[int], data: st.DataObject) -> None:
    at_s = np.cumsum(gaps).astype(float)
    steps = st.floats(-0.05, 0.08, allow_nan=False)
    value = np.cumsum([data.draw(steps) for _ in gaps])
    options = {"target": 1.0, "horizon_min": 120.0, "window_min": 10.0, "damping_min": 60.0}
    judge, readings = make(**options), []
    for now_s, one in zip(at_s.tolist(), value.tolist(), strict=True):
        readings.append((T0_S + now_s, one))
        fast, plain = say(judge, now_s, one), slow.minutes_to(readings, **options)
        trend = float(judge.state()["trend"][0])
        if abs(trend) < 1e-6 or _on_the_edge(judge):
            continue  # rounding decides whether there is a trend at all
        assert math.isnan(fast) == math.isnan(plain)
        # Ours looks at steps of the horizon and draws straight lines between them.
        assert math.isnan(fast) or fast == pytest.approx(plain, abs=0.6)


def _on_the_edge(judge: Threshold) -> bool:
    """Tell whether the trend's significance is decided by rounding, or nearly."""
    _, trend, _, error, _ = judge._line(np.array([0]))
    return bool(abs(abs(trend[0]) - 3.0 * error[0]) < 1e-3 * abs(trend[0]))


def test_a_steady_rise_is_seen_at_its_time() -> None:
    at_s = np.arange(0.0, 3600.0, 60.0)
    said = all_of(make(damping_min=2000.0), at_s, 0.01 * at_s / 60.0)
    left = (100.0 - at_s / 60.0)[20:]
    assert said[20:] == pytest.approx(np.minimum(left, 120.0), abs=2.5)
    assert np.isnan(said[0])


def test_damping_says_later_or_never() -> None:
    at_s = np.arange(0.0, 1800.0, 60.0)
    rise = 0.01 * at_s / 60.0
    times = [all_of(make(damping_min=d), at_s, rise)[-1] for d in (2000.0, 120.0, 30.0)]
    assert times[0] < times[1] <= times[2] == 120.0


def test_there_already_is_zero_and_falling_away_is_far() -> None:
    judge = make()
    assert say(judge, 0.0, 1.0) == 0.0
    at_s = np.arange(60.0, 3000.0, 60.0)
    away = all_of(judge, at_s, 0.9 - 0.01 * at_s / 60.0)
    assert away[-1] == 120.0


def test_a_target_from_above() -> None:
    at_s = np.arange(0.0, 3600.0, 60.0)
    said = all_of(make(target=2.0, falling=True, damping_min=2000.0), at_s, 3.0 - 0.01 * at_s / 60)
    assert said[-1] == pytest.approx(41.0, abs=2.0)


@pytest.mark.parametrize("quantile", [0.1, 0.5, 0.9])
def test_the_interval_holds_as_often_as_it_says(quantile: float) -> None:
    """Over many noisy rises the true time lies after the said quantile about that often."""
    at_s = np.arange(0.0, 1500.0, 60.0)
    chance = np.random.default_rng(3)
    later = 0
    for _ in range(120):
        noisy = 0.02 * at_s / 60.0 + chance.normal(0.0, 0.03, len(at_s))
        said = all_of(make(quantile=quantile, damping_min=2800.0, window_min=20.0), at_s, noisy)
        later += int(said[-1] > 50.0 - at_s[-1] / 60.0)
    assert later / 120 == pytest.approx(quantile, abs=0.17)


def test_the_tide_is_not_taken_for_a_flood() -> None:
    """With a daily profile known, its rise forecasts no more than it brings each day."""
    at_s = np.arange(0.0, 6 * 86_400.0, 600.0)
    tide = 0.5 * np.sin(at_s * 2 * np.pi / 43_200.0)
    options = {"target": 0.65, "horizon_min": 240.0, "window_min": 30.0, "damping_min": 120.0}
    said = all_of(make(**options), at_s, tide)
    first, last = said[:144], said[-144:]
    assert np.nanmin(first) < 120.0
    assert np.nanmin(last) > 200.0
    flood = tide[-40:] + np.linspace(0.0, 0.6, 40)
    judge = make(**options)
    all_of(judge, at_s[:-40], tide[:-40])
    assert np.nanmin(all_of(judge, at_s[-40:], flood)) < 60.0


def test_what_is_not_taught_stays_out_of_the_profile() -> None:
    judge = make()
    for step in range(300):
        say(judge, step * 600.0, 0.3, learn=step < 200)
    profile = judge.state()["profile"].copy()
    for step in range(300, 400):
        say(judge, step * 600.0, 0.9, learn=False)
    assert np.array_equal(judge.state()["profile"], profile)


def test_after_a_long_silence_it_begins_anew() -> None:
    judge = make()
    at_s = np.arange(0.0, 1800.0, 60.0)
    all_of(judge, at_s, 0.02 * at_s / 60.0)
    assert math.isnan(say(judge, 100_000.0, 0.1))


def test_the_sentence_has_the_interval() -> None:
    judge = make()
    at_s = np.arange(0.0, 1800.0, 60.0)
    all_of(judge, at_s, 0.02 * at_s / 60.0 + 0.001 * np.sin(at_s))
    zh, en = judge.explain(0)
    assert "1 expected in" in en
    assert "预计" in zh
    assert "区间" in zh
