"""Slope failure by inverse velocity: in time, with an interval, and silent where it must be."""

from __future__ import annotations

from typing import Any

import msgspec
import numpy as np
import pytest

from alerts.forecasts.inverse_velocity import Gate, InverseVelocity, InverseVelocityOptions
from alerts.judges import Index
from core.batch import F8
from core.registry import Registry
from tests.contract.test_forecasts import board, series

T0_S = 1_790_000_000.0
FAILS_H = 200.0


def creep(hours: F8, exponent: float, at_ten_h: float = 1.0) -> F8:
    """Return displacement in mm of a slope that fails at ``FAILS_H``; its velocity in mm/h ten
    hours before is ``at_ten_h``."""
    power = 1.0 / (exponent - 1.0)
    left = FAILS_H - hours
    factor = at_ten_h * 10.0**power
    moved: F8
    if power == 1.0:
        moved = -factor * np.log(left / FAILS_H)
    else:
        moved = factor * (left ** (1.0 - power) - FAILS_H ** (1.0 - power)) / (power - 1.0)
    return moved


class Told:
    """What was judged of one series at each reading, in hours."""

    def __init__(self, hours: F8, moved: F8, *, learn: bool = True, **options: Any) -> None:
        judge = InverseVelocity(
            msgspec.convert(options, InverseVelocityOptions),
            series(1),
            Registry(series(1)),
            [4320.0],
        )
        row, yes = np.array([0]), np.array([learn])
        rows: list[tuple[float, ...]] = []
        self.said: list[tuple[str, str]] = []
        for hour, value in zip(hours.tolist(), moved.tolist(), strict=True):
            at_us = np.array([round((T0_S + hour * 3600) * 1e6)])
            minutes = judge.judge(row, at_us, np.array([value]), yes, board())[0]
            state = judge.state()
            when = [(float(state[f"{n}_s"][0]) - T0_S) / 3600 for n in ("early", "middle", "late")]
            rows.append((hour, minutes, float(state["gate"][0]), *when))
            self.said.append(judge.explain(0))
        self.noise = float(judge.state()["noise"][0])
        self.hour, self.minutes, self.gate, self.early, self.middle, self.late = np.array(rows).T

    @property
    def passed(self) -> Index:
        return np.flatnonzero(self.gate == Gate.PASSED)


def noisy(moved: F8, seed: int, sd: float = 0.03) -> F8:
    return moved + np.random.default_rng(seed).normal(0.0, sd, len(moved))


HOURS = np.arange(0.0, FAILS_H - 1.0, 0.25)


@pytest.mark.parametrize("exponent", [1.6, 2.0, 2.4])
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_the_early_end_is_never_late_and_the_interval_holds_the_failure(
    exponent: float, seed: int
) -> None:
    told = Told(HOURS, noisy(creep(HOURS, exponent), seed))
    passed = told.passed
    assert told.hour[passed[0]] <= FAILS_H - 6.0
    late = told.early[passed] > FAILS_H
    inside = (told.early[passed] <= FAILS_H) & (told.late[passed] >= FAILS_H)
    assert late.mean() <= 0.1
    assert inside.mean() >= 0.75
    last_day = passed[told.hour[passed] > FAILS_H - 24.0]
    assert np.median(np.abs(told.middle[last_day] - FAILS_H)) <= 12.0


def test_a_lone_line_is_late_where_ours_is_not() -> None:
    """What the alerting notes found at Preonzo: one line over the whole window says too late."""
    told = Told(HOURS, creep(HOURS, 2.4))
    lone = Told(HOURS, creep(HOURS, 2.4), short=24, middle=24, long=24)
    last = [np.flatnonzero(one.hour == 190.0)[0] for one in (told, lone)]
    at_s, middle = 190.0, []
    for one, place in zip((told, lone), last, strict=True):
        assert one.gate[place] == Gate.PASSED
        middle.append(one.middle[place] - at_s)
    assert told.early[last[0]] < FAILS_H
    assert middle[0] < middle[1]
    bare = np.polyfit(np.arange(24.0), 1.0 / np.diff(creep(np.arange(165.5, 190.0), 2.4)), 1)
    assert 166.0 - bare[1] / bare[0] > FAILS_H


def test_the_judged_value_is_the_minutes_to_the_early_end_and_runs_down_between_averages() -> None:
    told = Told(HOURS, creep(HOURS, 2.0))
    passed = told.passed
    left = np.clip((told.early[passed] - told.hour[passed]) * 60.0, 0.0, None)
    assert told.minutes[passed] == pytest.approx(np.minimum(left, 4 * 4320.0), abs=0.01)
    same = np.flatnonzero((np.diff(told.early) == 0) & (told.minutes[1:] > 0))
    assert np.diff(told.minutes)[same] == pytest.approx(-15.0)


def test_it_is_cancelled_when_the_slope_slows_down() -> None:
    hours = np.arange(0.0, 260.0, 0.25)
    going = np.minimum(hours, FAILS_H - 20.0)
    moved = creep(going, 2.0) + 0.12 * np.maximum(hours - going, 0.0)
    told = Told(hours, moved)
    slowed = np.flatnonzero(hours >= FAILS_H - 20.0 + 8.0)
    assert told.gate[np.flatnonzero(hours == FAILS_H - 20.0)[0]] == Gate.PASSED
    assert set(told.gate[slowed]) <= {Gate.SLOWING, Gate.UNDER_FLOOR, Gate.TOO_FAR}
    assert (told.minutes[slowed] == 17_280.0).all()


@pytest.mark.parametrize(
    ("moved", "gate", "word"),
    [
        (0.0 * HOURS, Gate.UNDER_FLOOR, "noise floor"),
        (0.5 * HOURS, Gate.SLOWING, "not accelerating"),
        (30.0 * np.sqrt(HOURS + 1), Gate.SLOWING, "not accelerating"),
        (5.0 * np.abs(((HOURS / 4.0) % 2.0) - 1.0), Gate.DIRECTION, "direction"),
    ],
    ids=["rest", "even", "decelerating", "to and fro"],
)
def test_a_gate_that_fails_is_named(moved: F8, gate: Gate, word: str) -> None:
    # A thousandth of a second's chance of scatter decides an exactly even creep.
    told = Told(HOURS, moved, noise=0.0)
    later = told.gate[len(HOURS) // 2 :]
    assert (later == gate).mean() >= 0.5
    assert Gate.PASSED not in later
    place = len(HOURS) // 2 + int(np.argmax(later == gate))
    assert word in told.said[place][1]
    assert told.minutes[place] == 17_280.0


def test_scatter_holds_what_was_said() -> None:
    """A fit that is too poor neither raises an alarm nor ends one: the value is unknown."""
    rough = creep(HOURS, 2.0, 3.0) * (1 + 0.0) + np.cumsum(
        np.random.default_rng(4).exponential(0.4, len(HOURS))
    )
    told = Told(HOURS, rough, r2=0.999, noise=0.0)
    scattered = told.gate == Gate.SCATTER
    assert scattered.any()
    assert np.isnan(told.minutes[scattered]).all()


def test_the_first_bins_are_too_few_and_far_failures_are_not_said() -> None:
    told = Told(HOURS, creep(HOURS, 2.0), horizon_min=600.0)
    few = told.gate == Gate.TOO_FEW
    assert few[: 4 * 5].all()
    assert not few[4 * 8 :].any()
    assert np.isnan(told.minutes[few]).all()
    assert (told.gate == Gate.TOO_FAR).any()
    assert told.hour[told.passed[0]] > FAILS_H - 40.0


def test_months_of_rest_with_a_daily_wave_say_no_time() -> None:
    hours = np.arange(0.0, 60 * 24.0, 1.0)
    wave = 0.15 * np.sin(hours * 2 * np.pi / 24.0)
    for seed in (1,):
        told = Told(hours, noisy(wave, seed, sd=0.05))
        assert len(told.passed) == 0


def test_a_rough_instrument_has_a_higher_floor_learned_of_good_readings_alone() -> None:
    hours = np.arange(0.0, 100.0)
    rough = np.random.default_rng(6).normal(0.0, 2.0, len(hours))
    chance = Told(hours, rough, noise=0.0)
    assert (chance.gate[20:] == Gate.UNDER_FLOOR).mean() < 0.7
    told = Told(hours, rough)
    assert (told.gate[20:] == Gate.UNDER_FLOOR).mean() > 0.85
    assert told.noise == pytest.approx(2.0, rel=0.6)
    assert Told(hours, rough, learn=False).noise == 0.0
