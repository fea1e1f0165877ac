"""The resolution of a chart: never too many points, never coarser than it must be."""

from __future__ import annotations

import math
from dataclasses import replace
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.model import NOT_IN_ROLLUPS, Quality
from twin.history.resolution import (
    ALL_BITS,
    FOLD_ROWS,
    Budget,
    Level,
    Plan,
    left_out,
    parse_quality,
    plans,
    quality_names,
    rollups_answer,
)

MINUTE, HOUR, DAY = 60, 3600, 86_400

budgets = st.builds(
    Budget,
    span_s=st.floats(0, 40 * 365 * DAY),
    interval_s=st.floats(0.05, 7 * DAY),
    points=st.integers(2, 20_000),
    rollups=st.booleans(),
)


def first(span_s: float, interval_s: float = 10, points: int = 2000) -> str:
    return plans(Budget(span_s=span_s, interval_s=interval_s, points=points))[0].name


@pytest.mark.parametrize(
    ("span_s", "interval_s", "expected"),
    [
        (0, 10, "raw"),
        (10 * MINUTE, 10, "raw"),
        (HOUR, 10, "raw"),
        (6 * HOUR, 10, "20s"),
        (12 * HOUR, 10, "30s"),
        (DAY, 10, "1m"),
        (7 * DAY, 10, "6m"),
        (30 * DAY, 10, "1h"),
        (365 * DAY, 10, "6h"),
        (10 * 365 * DAY, 10, "2d"),
        (DAY, 60, "raw"),
        (7 * DAY, 60, "6m"),
        (HOUR, 1, "2s"),
        (30 * DAY, 3600, "raw"),
        (365 * DAY, 3600, "6h"),
        (30 * DAY, 600, "30m"),
        (365 * DAY, 86_400, "raw"),
    ],
)
def test_the_ranges_of_a_chart(span_s: float, interval_s: float, expected: str) -> None:
    assert first(span_s, interval_s) == expected


def test_the_ways_down_go_level_by_level() -> None:
    names = [plan.name for plan in plans(Budget(span_s=DAY, interval_s=60))]
    assert names == ["raw", "1m", "1h", "1d"]
    week = [(p.level, p.name) for p in plans(Budget(span_s=7 * DAY, interval_s=10))]
    assert week == [(Level.MINUTE, "6m"), (Level.HOUR, "1h"), (Level.DAY, "1d")]
    assert [p.name for p in plans(Budget(span_s=HOUR, interval_s=10))] == [
        *("raw", "20s", "1m", "1h", "1d")
    ]


@given(budgets)
def test_no_plan_gives_more_points_than_asked(budget: Budget) -> None:
    for plan in plans(budget):
        if plan.step_s == 0:
            assert budget.span_s / budget.interval_s + 1 <= budget.points
        else:
            # Wherever it begins, a window touches one bucket more than it is long.
            touched = math.ceil(budget.span_s / plan.step_s) + 1
            assert touched <= budget.points


@pytest.mark.parametrize("step_s", [20, 60, 300, HOUR, 6 * HOUR, DAY, 30 * DAY])
@pytest.mark.parametrize("points", [2, 3, 100, 2000])
def test_a_width_serves_up_to_the_last_second_that_it_can(step_s: int, points: int) -> None:
    """A window of n widths touches n + 1 of them, wherever it begins; one second more, n + 2."""
    longest = Budget(span_s=step_s * (points - 1), interval_s=1, points=points)
    assert longest.fits(step_s)
    assert not replace(longest, span_s=longest.span_s + 1).fits(step_s)
    assert plans(replace(longest, span_s=longest.span_s + 1))[0].step_s > step_s


@given(budgets)
def test_plans_widen_and_each_can_be_made_of_its_level(budget: Budget) -> None:
    found = plans(budget)
    for one, other in pairwise(found):
        assert one.step_s < other.step_s
    for plan in found:
        if plan.level is not Level.RAW:
            assert plan.step_s % plan.level.width_s == 0
            assert plan.step_s >= plan.level.width_s
        folds = plan.step_s > plan.level.width_s
        if folds and plan.level is not Level.DAY:
            assert budget.rows(plan.level) <= FOLD_ROWS


@given(budgets)
def test_days_always_answer_unless_rollups_may_not(budget: Budget) -> None:
    found = plans(budget)
    if budget.rollups:
        assert found[-1].level is Level.DAY
    else:
        assert {plan.level for plan in found} <= {Level.RAW}


@given(budgets)
def test_a_larger_budget_is_never_answered_more_coarsely(budget: Budget) -> None:
    more = Budget(span_s=budget.span_s, interval_s=budget.interval_s, points=budget.points * 2 + 1)
    less = Budget(span_s=budget.span_s, interval_s=budget.interval_s, points=budget.points)
    assert plans(more)[0].step_s <= plans(less)[0].step_s


@given(st.floats(HOUR, 400 * DAY), st.sampled_from([1, 10, 60, 600]))
def test_a_chart_is_not_needlessly_coarse(span_s: float, interval_s: float) -> None:
    plan = plans(Budget(span_s=span_s, interval_s=interval_s))[0]
    if plan.step_s:
        scanned = span_s / max(interval_s, MINUTE)
        enough = 300 if scanned <= FOLD_ROWS else 240
        assert span_s / plan.step_s >= enough, plan.name


@pytest.mark.parametrize(
    ("span_s", "interval_s", "points"), [(-1, 10, 10), (1, 0, 10), (1, -5, 10), (1, 10, 1)]
)
def test_a_senseless_budget_is_refused(span_s: float, interval_s: float, points: int) -> None:
    with pytest.raises(ValueError, match="no window"):
        plans(Budget(span_s=span_s, interval_s=interval_s, points=points))


def test_without_rollups_a_long_window_has_no_plan() -> None:
    assert plans(Budget(span_s=365 * DAY, interval_s=10, rollups=False)) == ()
    day = plans(Budget(span_s=DAY, interval_s=10, rollups=False))
    assert [(plan.level, plan.name) for plan in day] == [(Level.RAW, "1m")]


def test_readers_say_which_bits_they_accept() -> None:
    raw, minute = Plan(level=Level.RAW, step_s=0), Plan(level=Level.MINUTE, step_s=60)
    assert left_out(None, raw) == Quality.GOOD
    assert left_out(None, minute) == NOT_IN_ROLLUPS
    assert left_out(Quality.GOOD, raw) == ALL_BITS
    assert left_out(ALL_BITS, minute) == Quality.GOOD
    assert Quality.LATE not in left_out(Quality.LATE, raw)


def test_rollups_answer_only_who_leaves_out_what_they_leave_out() -> None:
    assert rollups_answer(None)
    assert rollups_answer(ALL_BITS & ~NOT_IN_ROLLUPS)
    assert not rollups_answer(Quality.GOOD)
    assert not rollups_answer(ALL_BITS)


def test_quality_words_go_both_ways() -> None:
    for bit in Quality:
        assert parse_quality(",".join(quality_names(bit)) or "good") == bit
    assert parse_quality(",".join(quality_names(ALL_BITS))) == ALL_BITS


@pytest.mark.parametrize("text", ["", "STUCK", "good,", "nonsense", "1", "good,all"])
def test_a_word_that_is_no_quality_is_named(text: str) -> None:
    with pytest.raises(ValueError, match="is none of all, good, out_of_range"):
        parse_quality(text)
