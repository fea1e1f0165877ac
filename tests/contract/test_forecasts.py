"""What holds for every forecast: rows stand alone, nothing is lost over a restart, words say it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Any

import msgspec
import numpy as np
import pytest

from alerts.forecasts import FORECASTS
from alerts.judges import Board, Bool, Judge
from core.batch import F8, I8
from core.model import Field
from core.registry import Registry, SeriesInfo
from core.units import judged_unit

T0_US = 1_790_000_000_000_000
ROWS = 7

STEP_S = {"threshold": 60, "inverse_velocity": 900, "tangent_angle": 3600, "tilt_rate": 300}
STEPS = {"threshold": 240, "inverse_velocity": 600, "tangent_angle": 340, "tilt_rate": 200}
OPTIONS: dict[str, dict[str, Any]] = {
    "threshold": {"target": 0.4},
    "inverse_velocity": {"floor_per_h": 0.05},
}
LEVELS = {
    "threshold": [60.0, 30.0],
    "inverse_velocity": [4320.0, 1440.0],
    "tangent_angle": [60.0, 80.0],
    "tilt_rate": [0.01, 0.1],
}
BYTES = {"threshold": 296, "inverse_velocity": 489, "tangent_angle": 256, "tilt_rate": 436}
"""Bytes of a row at default settings, as docs/forecasts.md says."""

every_forecast = pytest.mark.parametrize("name", sorted(FORECASTS))


def series(count: int) -> list[SeriesInfo]:
    return [
        SeriesInfo(
            series_id=number + 1,
            device_id=f"d-{number}",
            quantity="displacement",
            kind="displacement",
            field=Field.SLOPE,
            gateway_id="gw-a",
            interval_s=60.0,
        )
        for number in range(count)
    ]


def make(name: str, infos: Sequence[SeriesInfo] = (), **options: Any) -> Judge:
    kind = FORECASTS[name]
    given = msgspec.convert(OPTIONS.get(name, {}) | options, kind.Options)
    infos = infos or series(ROWS)
    return kind(given, infos, Registry(infos), LEVELS[name])


def course(name: str, rows: int = ROWS, seed: int = 1) -> tuple[I8, F8]:
    """Return times (steps) and values (steps, rows): some rows at rest, some that must alarm."""
    chance = np.random.default_rng(seed)
    steps = STEPS[name]
    at_us = T0_US + np.arange(steps) * STEP_S[name] * 1_000_000
    hours = np.arange(steps) * STEP_S[name] / 3600.0
    half = np.maximum(hours - hours[-1] / 2, 0.0)
    moved = {
        "threshold": half * 0.25,
        "inverse_velocity": -20.0 * np.log(1.0 - hours / (hours[-1] * 1.02)),
        "tangent_angle": hours * 0.05 + half * 0.4,
        "tilt_rate": half * 0.05,
    }[name]
    share = np.linspace(0.0, 1.0, rows)
    return at_us, moved[:, None] * share[None, :] + chance.normal(0.0, 0.002, (steps, rows))


def board() -> Board:
    return Board(at_us=np.zeros(100, np.int64), value=np.full(100, np.nan))


def play(
    judge: Judge, at_us: I8, values: F8, *, learn: bool = True, parts: Sequence[Sequence[int]] = ()
) -> Iterator[F8]:
    """Give every row its reading of each step, some rows at a time; yield what is judged."""
    rows = values.shape[1]
    groups = [np.array(part, np.intp) for part in parts] or [np.arange(rows)]
    for now_us, one in zip(at_us.tolist(), values, strict=True):
        said = np.full(rows, np.nan)
        for row in groups:
            taught: Bool = np.full(len(row), learn)
            times = np.full(len(row), now_us)
            said[row] = judge.judge(row, times, one[row], taught, board())
        yield said


def judged(judge: Judge, at_us: I8, values: F8, **how: Any) -> F8:
    found: F8 = np.array(list(play(judge, at_us, values, **how)))
    return found


def fires(name: str, said: F8) -> Bool:
    """Return where the mildest level is reached."""
    reached: Bool = FORECASTS[name].worse * said >= FORECASTS[name].worse * LEVELS[name][0]
    return reached


@every_forecast
def test_rules_name_it_and_units_know_it(name: str) -> None:
    kind = FORECASTS[name]
    assert kind.name == name
    assert kind.worse in {-1, 1}
    assert kind.unit == judged_unit("displacement", "forecast", name)


@every_forecast
def test_unknown_options_are_refused(name: str) -> None:
    with pytest.raises(msgspec.ValidationError, match="unknown field"):
        msgspec.convert({"target": 1.0, "no_such": 1.0}, FORECASTS[name].Options)


@every_forecast
def test_it_is_silent_first_then_finite_and_fires_when_it_must(name: str) -> None:
    at_us, values = course(name)
    said = judged(make(name), at_us, values)
    assert np.isnan(said[0]).all()
    assert not np.isinf(said).any()
    assert fires(name, said[-1])[-1]
    assert not fires(name, said[:, 0]).any()


@every_forecast
def test_a_constant_and_a_noisy_rest_never_fire(name: str) -> None:
    at_us, values = course(name)
    still = np.zeros_like(values) + np.linspace(-5.0, 0.1, ROWS)
    noisy = still + np.random.default_rng(5).normal(0.0, 0.001, still.shape)
    for quiet in (still, noisy):
        assert not fires(name, judged(make(name), at_us, quiet)).any()


@every_forecast
def test_rows_do_not_know_each_other(name: str) -> None:
    at_us, values = course(name)
    whole = judged(make(name), at_us, values)
    cut = judged(make(name), at_us, values, parts=[[4, 5], [0], [1, 3, 6], [2]])
    alone = judged(make(name, series(ROWS)[3:4]), at_us, values[:, 3:4])
    assert np.array_equal(whole, cut, equal_nan=True)
    assert np.array_equal(whole[:, 3:4], alone, equal_nan=True)


@every_forecast
def test_the_same_readings_give_the_same_values(name: str) -> None:
    at_us, values = course(name)
    one, two = (judged(make(name), at_us, values) for _ in range(2))
    assert np.array_equal(one, two, equal_nan=True)


@every_forecast
@pytest.mark.parametrize("share", [0.02, 0.3, 0.8])
def test_a_restart_changes_nothing_even_in_another_order(name: str, share: float) -> None:
    at_us, values = course(name)
    cut = int(len(at_us) * share)
    through = judged(make(name), at_us, values)[cut:]
    infos = series(ROWS + 2)
    before, after = make(name), make(name, [*infos[ROWS:], *infos[:ROWS][::-1]])
    judged(before, at_us[:cut], values[:cut])
    kept = {key: array.copy() for key, array in before.state().items()}
    mine = np.arange(ROWS)[::-1] + 2
    after.resume(kept, mine, np.arange(ROWS))
    shuffled = np.full((len(at_us) - cut, ROWS + 2), 0.0)
    shuffled[:, mine] = values[cut:]
    assert np.array_equal(judged(after, at_us[cut:], shuffled)[:, mine], through, equal_nan=True)


@every_forecast
def test_the_state_of_something_else_is_refused_and_changes_nothing(name: str) -> None:
    at_us, values = course(name)
    judge, row = make(name), np.arange(ROWS)
    state = {key: array.copy() for key, array in judge.state().items()}
    key = next(iter(state))
    lacking = {other: array for other, array in state.items() if other != key}
    wider = state | {key: np.zeros((ROWS, 99), np.int8)}
    for foreign in (lacking, wider, state | {"more": np.zeros(ROWS)}):
        with pytest.raises(ValueError, match="state"):
            judge.resume(foreign, row, row)
    assert np.array_equal(
        judged(judge, at_us, values), judged(make(name), at_us, values), equal_nan=True
    )


@every_forecast
def test_forgetting_a_row_makes_it_new_and_no_other(name: str) -> None:
    at_us, values = course(name)
    judge = make(name)
    judged(judge, at_us, values)
    judge.forget(np.array([2, 5]))
    fresh = make(name).state()
    for key, array in judge.state().items():
        assert np.array_equal(array[[2, 5]], fresh[key][[2, 5]], equal_nan=True), key
    said = judged(judge, at_us + (at_us[-1] - at_us[0]) + STEP_S[name] * 1_000_000, values)
    assert np.isnan(said[0, [2, 5]]).all()
    assert not np.isnan(said[0, [0, 1]]).any()


@every_forecast
def test_what_must_not_be_learned_is_judged_all_the_same(name: str) -> None:
    at_us, values = course(name)
    options: dict[str, Any] = {"steady_per_d": 1.2} if name == "tangent_angle" else {}
    said = judged(make(name, **options), at_us, values, learn=False)
    assert fires(name, said[-1])[-1]


@every_forecast
def test_it_takes_the_memory_that_is_documented_and_no_more(name: str) -> None:
    at_us, values = course(name)
    judge = make(name)
    before = judge.nbytes
    judged(judge, at_us, values)
    assert judge.nbytes == before == sum(array.nbytes for array in judge.state().values())
    assert before / ROWS == pytest.approx(BYTES[name], abs=0.5)
    assert all(len(array) == ROWS for array in judge.state().values())


@every_forecast
def test_every_value_is_said_in_both_languages_with_numbers(name: str) -> None:
    at_us, values = course(name)
    judge = make(name)
    for _ in play(judge, at_us, values):
        for row in (0, ROWS - 1):
            zh, en = judge.explain(row)
            assert re.search(r"[一-鿿]", zh)
            assert en
            assert "nan" not in zh + en
            assert "inf" not in zh + en.replace("infinite", "")
    _, en = judge.explain(ROWS - 1)
    assert re.search(r"\d", en)
