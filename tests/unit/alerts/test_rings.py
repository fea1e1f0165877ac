from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from alerts.rings import SLOTS, Rings
from tests.support.alerting import T0_US

ONE = np.zeros(1, dtype=np.intp)


def slopes(times_s: np.ndarray, values: np.ndarray, window_s: float) -> list[float]:
    ring = Rings(np.array([round(window_s * 1e6)], dtype=np.int64))
    return [
        float(ring.slopes(ONE, np.array([T0_US + round(t * 1e6)]), np.array([v]))[0])
        for t, v in zip(times_s.tolist(), values.tolist(), strict=True)
    ]


@pytest.mark.parametrize("step_s", [0.01, 0.3, 1.0, 2.5, 7.0])
@pytest.mark.parametrize("rate", [-12.0, 0.0, 8.3, 600.0])
def test_a_straight_line_has_its_slope_at_any_rate(step_s: float, rate: float) -> None:
    times = np.arange(0, 65, step_s)
    last = slopes(times, 1000.0 + rate / 60 * times, 30.0)[-1]
    assert last == pytest.approx(rate, rel=1e-3, abs=1e-2)


def test_noise_is_averaged_like_by_a_fit_through_all_samples() -> None:
    rng = np.random.default_rng(5)
    times = np.arange(0, 600, 0.5)
    values = 20 + rng.normal(0, 1, len(times))
    found = np.array(slopes(times, values, 30.0)[60:])
    exact = np.array(
        [
            np.polyfit(times[n - 60 : n + 1], values[n - 60 : n + 1], 1)[0] * 60
            for n in range(60, 1200)
        ]
    )
    assert np.std(found - exact) < 0.45 * np.std(exact)
    assert np.std(found) < 1.2 * np.std(exact)


@settings(max_examples=50, deadline=None)
@given(st.lists(st.floats(0.001, 50), min_size=1, max_size=60), st.floats(1, 60))
def test_a_slope_is_either_unknown_or_within_what_the_values_allow(
    gaps: list[float], window_s: float
) -> None:
    times = np.cumsum(gaps)
    values = np.where(np.arange(len(times)) % 3, 10.0, -10.0)
    for slope in slopes(times, values, window_s):
        assert np.isnan(slope) or abs(slope) < 60 * 20 / (0.1 * window_s)


def test_rings_do_not_mix_and_can_be_forgotten() -> None:
    rings = Rings(np.full(2, 30_000_000, dtype=np.int64))
    both = np.arange(2)
    for second in range(40):
        at = np.full(2, T0_US + second * 1_000_000)
        found = rings.slopes(both, at, np.array([second * 1.0, second * -2.0]))
    assert found == pytest.approx([60.0, -120.0])
    rings.forget(ONE)
    after = rings.slopes(both, at + 1_000_000, np.array([40.0, -80.0]))
    assert np.isnan(after[0])
    assert after[1] == pytest.approx(-120.0)


def test_a_ring_is_small() -> None:
    assert Rings(np.full(100, 30_000_000, dtype=np.int64)).nbytes / 100 <= 20 * SLOTS
