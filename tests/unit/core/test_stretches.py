"""Stretches of time against the obvious: sets of single buckets."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta

import pytest

from core.db.upkeep.stretches import Stretch, join, plan, without

T0 = datetime(2026, 7, 1, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
SERIES = (None, 1, 2, 3)

Span = tuple[datetime, datetime]
Cells = set[tuple[int | None, int]]


def span(begin: int, end: int) -> Span:
    return T0 + begin * MINUTE, T0 + end * MINUTE


def numbers(spans: list[Span]) -> list[tuple[int, int]]:
    return [((a - T0) // MINUTE, (b - T0) // MINUTE) for a, b in spans]


def cells(stretches: list[Stretch]) -> Cells:
    return {
        (part.series, minute)
        for part in stretches
        for minute in range((part.from_at - T0) // MINUTE, (part.to_at - T0) // MINUTE)
    }


def random_marks(rng: random.Random) -> list[Stretch]:
    marks = []
    for _ in range(rng.randint(0, 12)):
        begin = rng.randint(0, 30)
        marks.append(Stretch(rng.choice(SERIES), *span(begin, begin + rng.randint(1, 9))))
    return marks


def test_spans_that_touch_or_overlap_become_one() -> None:
    spans = [span(5, 7), span(0, 2), span(2, 3), span(6, 9), span(6, 7)]
    assert numbers(join(spans)) == [(0, 3), (5, 9)]


@pytest.mark.parametrize(
    ("spans", "others", "rest"),
    [
        ([(0, 9)], [], [(0, 9)]),
        ([(0, 9)], [(0, 9)], []),
        ([(0, 9)], [(2, 3), (5, 6)], [(0, 2), (3, 5), (6, 9)]),
        ([(0, 3), (5, 8)], [(2, 6)], [(0, 2), (6, 8)]),
        ([(4, 5)], [(0, 2), (7, 9)], [(4, 5)]),
        ([(0, 2), (3, 5)], [(1, 9)], [(0, 1)]),
    ],
)
def test_what_lies_in_another_is_taken_out(
    spans: list[tuple[int, int]], others: list[tuple[int, int]], rest: list[tuple[int, int]]
) -> None:
    assert numbers(without([span(*s) for s in spans], [span(*o) for o in others])) == rest


@pytest.mark.parametrize("seed", range(200))
def test_nothing_is_lost_and_nothing_done_twice_or_too_early(seed: int) -> None:
    rng = random.Random(seed)
    marks = random_marks(rng)
    ready = rng.randint(0, 40)
    most_all, most_one = rng.randint(1, 12), rng.randint(1, 12)
    made = plan(marks, T0 + ready * MINUTE, MINUTE, most_all=most_all, most_one=most_one)
    done_all = cells([Stretch(None, *part) for part in made.of_all])
    done_one = cells(list(made.of_one))
    left = cells(list(made.left))
    # A mark for all stands for each series too.
    for series, minute in cells(marks):
        covered = {(series, minute), (None, minute)}
        assert covered & (done_all | done_one | left), (series, minute)
    assert done_all | done_one | left <= cells(marks)
    assert not done_all & left
    assert not done_one & left
    assert all(minute < ready for _, minute in done_all | done_one)
    assert not {minute for _, minute in done_all} & {minute for _, minute in done_one}
    assert len(done_all) <= most_all
    assert len(done_one) <= most_one
    assert sum(numbers([(p.from_at, p.to_at)])[0][1] - numbers([(p.from_at, p.to_at)])[0][0]
               for p in made.of_one) == len(done_one)  # fmt: skip


def test_repeating_a_plan_on_what_is_left_ends() -> None:
    rng = random.Random(5)
    left = [Stretch(rng.choice(SERIES), *span(n, n + 50)) for n in range(20)]
    for _ in range(100):
        made = plan(left, T0 + 100 * MINUTE, MINUTE, most_all=3, most_one=2)
        left = list(made.left)
    assert left == []
