"""Every row lies in a marked stretch, and few rows mark much."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from core import batch as batches
from core.batch import Batch
from ingest.marks import ALL, FEW_MINUTES, MANY_SERIES, MINUTE_US, Marks, marks_of

NOW_US = 1_790_000_000_000_000
NOON_US = NOW_US // MINUTE_US * MINUTE_US

ROWS = st.lists(
    st.tuples(st.integers(1, 400), st.integers(-90_000_000_000, 200_000_000)),
    max_size=60,
)


def batch(rows: list[tuple[int, int]]) -> Batch:
    """Rows of (series, microseconds from now), all received now."""
    series = [one for one, _ in rows]
    observed = [NOW_US + apart for _, apart in rows]
    n = len(rows)
    return batches.of(series, observed, [NOW_US] * n, [0.0] * n, [0] * n)


def listed(marks: Marks) -> list[tuple[int, int, int]]:
    return list(
        zip(marks.series.tolist(), marks.from_us.tolist(), marks.to_us.tolist(), strict=True)
    )


@given(ROWS)
def test_every_row_lies_in_a_stretch_of_whole_minutes_that_stands_for_it(
    rows: list[tuple[int, int]],
) -> None:
    marks = listed(marks_of(batch(rows)))
    for series, apart in rows:
        at = NOW_US + apart
        assert any(one in (series, ALL) and low <= at < high for one, low, high in marks)
    for _, low, high in marks:
        assert low < high
        assert low % MINUTE_US == high % MINUTE_US == 0


def test_readings_of_now_mark_their_minutes_once_for_all() -> None:
    rows = [(series, second * 1_000_000) for series in range(1, 500) for second in (-100, -1, 0)]
    marks = marks_of(batch(rows))
    low = (NOW_US - 100_000_000) // MINUTE_US * MINUTE_US
    assert listed(marks)[0][1] == low
    assert set(marks.series.tolist()) == {ALL}
    assert len(marks) <= 2


def test_a_gap_between_two_minutes_stays_unmarked() -> None:
    rows = [(1, -119_000_000), (2, 0), (3, 119_000_000)]
    marks = listed(marks_of(batch(rows)))
    assert all(high - low == MINUTE_US for _, low, high in marks)
    assert len(marks) == 3


def test_a_backfilled_series_marks_itself_alone() -> None:
    month = [(7, -minute * MINUTE_US) for minute in range(10, 43_200)]
    assert listed(marks_of(batch(month))) == [
        (7, NOON_US - 43_199 * MINUTE_US, NOON_US - 9 * MINUTE_US)
    ]


def test_a_town_that_comes_back_marks_its_minutes_for_all() -> None:
    rows = [(series, -600_000_000) for series in range(1, MANY_SERIES + 2)]
    marks = listed(marks_of(batch(rows)))
    low = (NOW_US - 600_000_000) // MINUTE_US * MINUTE_US
    assert marks == [(ALL, low, low + MINUTE_US)]


def test_many_series_over_many_minutes_mark_themselves() -> None:
    rows = [
        (series, -(10 + minute) * MINUTE_US)
        for series in range(1, MANY_SERIES + 2)
        for minute in (0, series)
    ]
    rows += [(1, -(10 + minute) * MINUTE_US) for minute in range(FEW_MINUTES + 1)]
    marks = marks_of(batch(rows))
    assert len(marks) == MANY_SERIES + 1
    assert ALL not in marks.series
    assert np.all(np.diff(marks.series) > 0)
