"""What every detector must hold to, whatever it looks for."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest

from alerts.detectors import DETECTORS
from alerts.detectors.detector import Detector
from core.batch import F8
from core.registry import Registry
from tests.support.detecting import (
    ROWS,
    STEP_US,
    T0_US,
    Weather,
    board_of,
    catchment,
    drain,
    judge_of,
    play,
    weather,
)

NAMES = sorted(DETECTORS)
STEPS = 480
DOCS = Path(__file__).parents[2] / "docs" / "detectors.md"

pytestmark = pytest.mark.parametrize("name", NAMES)


def wild(steps: int, seed: int) -> Weather:
    """Days with spikes, steps, frozen values and a very large number."""
    days = weather(steps, seed)
    chance = np.random.default_rng(seed)
    for row in range(1, ROWS + 1):
        for at in chance.integers(100, steps, size=4):
            days.value[at, row] += chance.normal(0, 5)
            days.value[at : at + 20, row] += chance.normal(0, 1)
            begin = int(chance.integers(100, steps - 20))
            days.value[begin : begin + 20, row] = days.value[begin, row]
    days.value[steps // 2, 1] = 1e12
    return days


@cache
def warmed(name: str) -> tuple[Detector, F8]:
    """Return a detector after some wild days, and what it said; not to be fed any further."""
    judge = judge_of(name)
    return judge, play(judge, wild(STEPS, 7))


def copy(judge: Detector) -> dict[str, Any]:
    return {key: array.copy() for key, array in judge.state().items()}


def resumed(name: str) -> Detector:
    judge = judge_of(name)
    everyone = np.arange(ROWS)
    judge.resume(copy(warmed(name)[0]), everyone, everyone)
    return judge


def rest(steps: int = 60) -> Weather:
    """What comes after the days of ``warmed``."""
    days = wild(STEPS + steps, 7)
    return Weather(at_us=days.at_us[STEPS:], value=days.value[STEPS:])


def test_it_is_named_and_its_scores_are_worse_upwards(name: str) -> None:
    assert DETECTORS[name].name == name
    assert (DETECTORS[name].worse, DETECTORS[name].unit) == (1, "1")


def test_options_have_defaults_are_frozen_and_refuse_unknown_keys(name: str) -> None:
    kind = DETECTORS[name].Options
    options = msgspec.convert({"warm": 300}, kind)
    assert options == msgspec.convert({"warm": 300.0}, kind)
    with pytest.raises(AttributeError):
        options.warm = 1  # type: ignore[attr-defined]
    with pytest.raises(msgspec.ValidationError, match="unknown field"):
        msgspec.convert({"wram": 300}, kind)
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert({"hold_s": -1}, kind)


def test_nothing_is_said_before_it_is_warm(name: str) -> None:
    said = play(judge_of(name), weather(30, 3))
    assert np.isnan(said).all()


def test_it_scores_when_it_is_warm(name: str) -> None:
    said = warmed(name)[1]
    assert np.isfinite(said[-20:]).all()
    assert (said[-20:] >= 0).all()


def test_learning_off_changes_nothing_that_is_learned(name: str) -> None:
    judge = resumed(name)
    before = {key: array.copy() for key, array in judge.learned().items()}
    play(judge, rest(), learn=lambda _: False)
    for key, array in judge.learned().items():
        np.testing.assert_array_equal(array, before[key], err_msg=key)


def test_learning_on_changes_something(name: str) -> None:
    judge = resumed(name)
    before = {key: array.copy() for key, array in judge.learned().items()}
    play(judge, rest(100), learn=lambda _: True)
    assert any((array != before[key]).any() for key, array in judge.learned().items())


def test_the_order_of_rows_has_no_effect(name: str) -> None:
    registry, order = catchment(), [3, 0, 5, 1, 4, 2]
    turned = judge_of(name, series=[registry.by_id[n + 1] for n in order])
    np.testing.assert_array_equal(play(turned, wild(STEPS, 7)), warmed(name)[1][:, order])


def test_how_a_round_is_cut_has_no_effect(name: str) -> None:
    chance = np.random.default_rng(5)

    def parts(_: int, row: Any) -> list[Any]:
        mixed = chance.permutation(row)
        return [np.sort(part) for part in np.split(mixed, [int(chance.integers(1, ROWS))])]

    cut = play(judge_of(name), wild(STEPS, 7), parts=parts)
    np.testing.assert_array_equal(cut, warmed(name)[1])


def test_the_same_readings_give_the_same_scores(name: str) -> None:
    np.testing.assert_array_equal(play(judge_of(name), wild(STEPS, 7)), warmed(name)[1])


def test_its_state_has_no_nan_and_a_row_for_each_series(name: str) -> None:
    for key, array in warmed(name)[0].state().items():
        assert len(array) == ROWS, key
        assert np.isfinite(array).all(), key


def test_it_goes_on_from_a_snapshot_in_another_order(name: str) -> None:
    registry, days = catchment(), wild(STEPS + 60, 7)
    whole = play(judge_of(name), days)
    order = np.array([3, 0, 5, 1, 4, 2])
    first = judge_of(name)
    board = board_of(registry)
    play(first, Weather(at_us=days.at_us[:STEPS], value=days.value[:STEPS]), board=board)
    again = judge_of(name, series=[registry.by_id[n + 1] for n in order.tolist()])
    again.resume(copy(first), np.arange(ROWS), order)
    alarmed = (whole[STEPS - 1] >= 4.0)[order]
    went_on = play(again, days, begin=STEPS, board=board)
    quiet = ~alarmed
    assert quiet.any()
    # The first step after an alarm would teach here and not there.
    np.testing.assert_array_equal(went_on[:, quiet], whole[STEPS:, order][:, quiet])


def test_a_snapshot_of_other_columns_is_refused_and_changes_nothing(name: str) -> None:
    judge = judge_of(name)
    state = copy(warmed(name)[0])
    before, everyone = copy(judge), np.arange(ROWS)
    with pytest.raises(ValueError, match="episode"):
        judge.resume({k: v for k, v in state.items() if "peak" not in k}, everyone, everyone)
    state["said.score"] = state["said.score"].astype("f8")
    with pytest.raises(ValueError, match=r"said\.score"):
        judge.resume(state, everyone, everyone)
    for key, array in judge.state().items():
        np.testing.assert_array_equal(array, before[key])


def test_a_row_begins_anew_and_no_other_does(name: str) -> None:
    judge = resumed(name)
    judge.forget(np.array([2]))
    fresh, before = copy(judge_of(name)), copy(warmed(name)[0])
    for key, array in judge.state().items():
        np.testing.assert_array_equal(array[2], fresh[key][2], err_msg=key)
        others = [0, 1, 3, 4, 5]
        np.testing.assert_array_equal(array[others], before[key][others], err_msg=key)


@pytest.mark.parametrize("value", [0.0, 1.5, -3.0])
def test_a_constant_never_fires(name: str, value: float) -> None:
    days = weather(STEPS, 2)
    days.value[:] = value
    days.value[:, 21:23] = 0.0
    said = play(judge_of(name), days)
    assert not (said > 0).any()


def test_it_neither_grows_nor_shrinks(name: str) -> None:
    assert warmed(name)[0].nbytes == judge_of(name).nbytes


def test_it_takes_as_many_bytes_as_the_docs_say(name: str) -> None:
    row = re.search(rf"^\| `{name}` .*\| (\d+) \|$", DOCS.read_text(encoding="utf-8"), re.MULTILINE)
    assert row is not None
    assert judge_of(name).nbytes / ROWS == int(row[1])


def test_it_explains_itself_in_two_languages_with_numbers(name: str) -> None:
    judge, said = warmed(name)
    for row in range(ROWS):
        zh, en = judge.explain(row)
        assert re.search(r"[一-鿿]", zh)
        assert re.search(r"\d", zh)
        assert re.search(r"\d", en)
        assert f"score {said[-1, row]:.1f}" in en
        assert "nan" not in zh + en
        assert "\n" not in zh + en


def test_it_explains_a_row_that_has_heard_nothing(name: str) -> None:
    zh, en = judge_of(name).explain(0)
    assert zh
    assert en


def test_a_registry_without_the_others_is_no_fault(name: str) -> None:
    lonely = Registry([drain(1, "drain-1")])
    judge = judge_of(name, series=[lonely.by_id[1]], registry=lonely)
    board = board_of(lonely)
    for step in range(200):
        board.at_us[1], board.value[1] = T0_US + step * STEP_US, step % 7
        said = judge.judge(np.array([0]), board.at_us[1:], board.value[1:], np.array([True]), board)
        assert not (said >= 4).any()


def test_no_rows_are_no_fault(name: str) -> None:
    judge = judge_of(name)
    none = np.zeros(0, dtype=np.intp)
    said = judge.judge(
        none, np.zeros(0, dtype=np.int64), np.zeros(0), np.zeros(0, dtype=bool),
        board_of(catchment()),
    )  # fmt: skip
    assert len(said) == 0
    assert judge_of(name, registry=Registry([]), series=[]).nbytes == 0
