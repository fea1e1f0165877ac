"""Jumps, stuck values, late and repeated readings: what each is, and the state that tells it."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.batch import Batch, empty
from core.model import Field, Quality
from core.plausible import Plausible, default_of
from core.registry import Registry, SeriesInfo
from core.units import QUANTITIES
from ingest.check import tables_of
from ingest.quality import Delays, Marker
from tests.oracle.quality import SlowMarker
from tests.oracle.rules import Row
from tests.support.alerting import S, batch, row

DELAYS = Delays(late_s=60.0, clock_skew_s=30.0)
INTERVAL_S = 2.0
HOUR_S = 3600.0
OWN = {
    1: Plausible(jump=5.0, jump_per_s=1.0, stuck_s=40.0, own_stuck_s=True),
    2: Plausible(jump=1.0, jump_per_s=0.0, stuck_s=20.0, rest=0.0),
    3: Plausible(),
}


def registry(own: dict[int, Plausible], interval_s: float = INTERVAL_S) -> Registry:
    return Registry(
        SeriesInfo(
            series_id=series,
            device_id=f"dev-{series}",
            quantity="temperature",
            kind="heat",
            field=Field.FIRE,
            gateway_id="gw-a",
            interval_s=interval_s,
            plausible=plausible,
        )
        for series, plausible in own.items()
    )


def marker(own: dict[int, Plausible] = OWN, delays: Delays = DELAYS) -> Marker:
    return Marker(tables_of(registry(own)), delays)


def bits(marked: Batch) -> list[Quality]:
    return [Quality(quality) for quality in marked.quality.tolist()]


def one_by_one(
    subject: Marker, series: int, values: Iterable[tuple[float, float]]
) -> list[Quality]:
    return [bits(subject.mark(batch([row(series, at, value)])))[0] for at, value in values]


def at_once(subject: Marker, series: int, values: Iterable[tuple[float, float]]) -> list[Quality]:
    return bits(subject.mark(batch([row(series, at, value) for at, value in values])))


Feed = Callable[[Marker, int, Iterable[tuple[float, float]]], list[Quality]]
EITHER_WAY = pytest.mark.parametrize("feed", [one_by_one, at_once])


@EITHER_WAY
def test_a_change_beyond_step_and_rate_is_a_jump(feed: Feed) -> None:
    course = [(0, 20.0), (1, 26.0), (2, 32.1), (3, 26.1), (4, 20.0), (14, 5.0), (24, 20.1)]
    assert feed(marker(), 1, course) == [
        Quality.GOOD, Quality.GOOD, Quality.JUMP, Quality.GOOD, Quality.JUMP, Quality.GOOD,
        Quality.JUMP,
    ]  # fmt: skip


@EITHER_WAY
def test_the_first_reading_of_a_series_is_no_jump(feed: Feed) -> None:
    assert feed(marker(), 1, [(0, 900.0), (1, 900.0)]) == [0, 0]


@EITHER_WAY
def test_a_value_that_stays_is_stuck_from_its_time_on(feed: Feed) -> None:
    course = [(n * 10, 20.0) for n in range(6)] + [(60, 20.1), (70, 20.1)]
    found = feed(marker(), 1, course)
    assert found == [0, 0, 0, 0, Quality.STUCK, Quality.STUCK, 0, 0]


@EITHER_WAY
def test_a_gap_starts_the_count_anew(feed: Feed) -> None:
    course = [(0, 20.0), (10, 20.0), (20, 20.0), (30.1, 20.0), (40, 20.0), (50, 20.0)]
    assert feed(marker(), 1, course) == [0] * 6


@EITHER_WAY
def test_a_value_at_rest_may_stay(feed: Feed) -> None:
    calm = [(n * 2, 0.0) for n in range(40)]
    assert set(feed(marker(), 2, calm)) == {Quality.GOOD}
    assert feed(marker(), 2, [(at, 0.1) for at, _ in calm])[-1] == Quality.STUCK


@EITHER_WAY
def test_a_quantity_without_limits_is_never_marked(feed: Feed) -> None:
    course = [(n, 1e300 * (-1) ** n) for n in range(9)] + [(9 + n * 6, 1.0) for n in range(900)]
    assert set(feed(marker(), 3, course)) == {Quality.GOOD}


def test_a_slow_reporter_must_say_the_same_twelve_intervals_long() -> None:
    slow = Marker(tables_of(registry({1: Plausible(stuck_s=20.0)}, HOUR_S)), Delays(
        late_s=60.0, clock_skew_s=30.0))  # fmt: skip
    found = one_by_one(slow, 1, [(n * HOUR_S, 20.0) for n in range(14)])
    assert found == [0] * 12 + [Quality.STUCK] * 2


def test_late_is_older_than_a_bound_on_arrival() -> None:
    rows = [row(1, 0, 20.0, received_s=60), row(2, 0, 20.0, received_s=60.001)]
    assert bits(marker().mark(batch(rows))) == [0, Quality.LATE]


def test_late_is_older_than_the_newest_of_its_series() -> None:
    subject = marker()
    one_by_one(subject, 1, [(10, 20.0)])
    found = bits(subject.mark(batch([row(1, 9, 20.0), row(2, 9, 20.0), row(1, 11, 20.0)])))
    assert found == [Quality.LATE, 0, 0]


def test_what_came_together_is_taken_in_order_of_device_time() -> None:
    rows = [row(1, 2, 20.0), row(1, 1, 20.0), row(1, 0, 32.0)]
    assert bits(marker().mark(batch(rows))) == [0, Quality.JUMP, 0]


def test_a_late_reading_does_not_disturb_its_series() -> None:
    subject = marker()
    one_by_one(subject, 1, [(0, 20.0), (10, 20.0), (20, 20.0)])
    assert one_by_one(subject, 1, [(15, 90.0), (5, 20.0)]) == [Quality.LATE, Quality.LATE]
    assert one_by_one(subject, 1, [(30, 20.0), (40, 20.0)]) == [0, Quality.STUCK]


def test_backfill_is_compared_with_nothing_and_leaves_the_series_as_it_is() -> None:
    subject = marker()
    one_by_one(subject, 1, [(0, 20.0)])
    old = [row(1, at, 90.0, Quality.BACKFILLED, received_s=9000) for at in (-500, 500, 501)]
    assert bits(subject.mark(batch(old))) == [Quality.BACKFILLED] * 3
    assert one_by_one(subject, 1, [(1, 20.0)]) == [0]


def test_the_same_time_twice_is_a_duplicate() -> None:
    subject = marker()
    rows = [row(1, 0, 20.0), row(2, 0, 20.0), row(1, 0, 99.0), row(1, 0, 20.0)]
    repeat = Quality.DUPLICATE
    assert bits(subject.mark(batch(rows))) == [0, 0, repeat, repeat]
    assert one_by_one(subject, 1, [(0, 99.0), (1, 20.0)]) == [repeat, 0]


@pytest.mark.parametrize(
    ("first", "second", "found"),
    [
        (0, Quality.BACKFILLED, [0, Quality.DUPLICATE]),
        (Quality.BACKFILLED, Quality.BACKFILLED, [0, Quality.DUPLICATE]),
        (Quality.BACKFILLED, 0, [0, 0]),
    ],
    ids=["live first", "backfill only", "backfill first"],
)
def test_a_backfilled_twin_does_not_make_a_live_reading_a_duplicate(
    first: int, second: int, found: list[int]
) -> None:
    rows = [row(1, 0, 20.0, first), row(1, 0, 20.0, second)]
    marked = bits(marker().mark(batch(rows)))
    assert marked == [found[0] | first, found[1] | second]


def test_a_backfilled_reading_that_came_live_before_is_a_duplicate() -> None:
    subject = marker()
    one_by_one(subject, 1, [(0, 20.0)])
    again = row(1, 0, 20.0, Quality.BACKFILLED)
    assert bits(subject.mark(batch([again]))) == [Quality.BACKFILLED | Quality.DUPLICATE]


@pytest.mark.parametrize("unfit", [Quality.OUT_OF_RANGE, Quality.CALIBRATING, Quality.DEVICE_FAULT])
def test_what_is_no_measure_is_no_neighbour(unfit: Quality) -> None:
    subject = marker()
    rows = [row(1, 0, 20.0), row(1, 1, 900.0, unfit), row(1, 2, 20.0)]
    assert bits(subject.mark(batch(rows))) == [0, unfit, 0]
    assert bits(subject.mark(batch([row(1, 3, 900.0, unfit)]))) == [unfit]
    assert one_by_one(subject, 1, [(2, 20.0), (3.5, 20.0)]) == [Quality.LATE, 0]


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_a_value_that_is_no_number_harms_nothing(value: float) -> None:
    subject = marker()
    rows = [row(1, 0, 20.0), row(1, 1, value), row(1, 2, 20.0), row(1, 3, value)]
    assert bits(subject.mark(batch(rows))) == [0, 0, 0, 0]
    assert one_by_one(subject, 1, [(4, 20.0), (5, 40.0)]) == [0, Quality.JUMP]


def test_a_clock_that_was_far_ahead_and_is_set_right_starts_anew() -> None:
    subject = marker()
    subject.mark(batch([row(1, 86_400, 500.0, received_s=0)]))
    assert one_by_one(subject, 1, [(1, 20.0), (2, 20.0)]) == [0, 0]
    assert one_by_one(subject, 1, [(1.5, 20.0)]) == [Quality.LATE]


def test_a_clock_that_is_set_right_starts_the_count_of_a_stuck_value_anew() -> None:
    subject = marker()
    subject.mark(batch([row(1, 86_400, 20.0, received_s=0)]))
    course = [(n * 10, 20.0) for n in range(6)]
    assert one_by_one(subject, 1, course) == [0, 0, 0, 0, Quality.STUCK, Quality.STUCK]


def test_a_clock_a_little_ahead_is_no_reason_to_start_anew() -> None:
    subject = marker()
    subject.mark(batch([row(1, 30, 20.0, received_s=0)]))
    assert one_by_one(subject, 1, [(0, 20.0)]) == [Quality.LATE]


def test_the_bits_that_were_there_stay() -> None:
    rows = [row(1, 0, 20.0, Quality.SIMULATED), row(1, 1, 99.0, Quality.SIMULATED)]
    assert bits(marker().mark(batch(rows))) == [
        Quality.SIMULATED, Quality.SIMULATED | Quality.JUMP,
    ]  # fmt: skip


def test_looking_without_taking_in_leaves_the_state() -> None:
    subject = marker()
    one_by_one(subject, 1, [(0, 20.0)])
    again = batch([row(1, 1, 99.0), row(1, 1, 99.0)])
    found = [Quality.JUMP, Quality.DUPLICATE]
    assert bits(subject.mark(again, advance=False)) == found
    assert bits(subject.mark(again)) == found
    assert bits(subject.mark(again)) == [Quality.DUPLICATE] * 2


def test_nothing_is_nothing() -> None:
    assert len(marker().mark(empty())) == 0
    marker().recall(empty())


def test_what_is_recalled_is_known() -> None:
    subject = marker()
    subject.recall(batch([row(9, 0, 1.0), row(1, 0, 20.0), row(2, 0, 0.5)]))
    assert one_by_one(subject, 1, [(0, 20.0), (1, 99.0)]) == [Quality.DUPLICATE, Quality.JUMP]


def test_a_series_that_was_stuck_is_stuck_after_a_restart() -> None:
    told = [row(1, 0, 20.0, Quality.STUCK), row(1, 10, 20.0, Quality.STUCK)]
    subject = marker()
    subject.recall(batch(told))
    assert one_by_one(subject, 1, [(20, 20.0), (30, 20.1), (40, 20.1)]) == [Quality.STUCK, 0, 0]


def test_a_series_that_was_stuck_and_moved_again_is_not() -> None:
    subject = marker()
    subject.recall(batch([row(1, 0, 20.0, Quality.STUCK), row(1, 1, 20.1)]))
    assert one_by_one(subject, 1, [(2, 20.1)]) == [0]


def test_another_registry_keeps_what_is_known_and_takes_new_limits() -> None:
    old = marker()
    one_by_one(old, 1, [(0, 20.0)])
    own = OWN | {1: Plausible(jump=500.0), 7: Plausible(jump=1.0)}
    new = Marker(tables_of(registry(own)), DELAYS)
    new.adopt(old)
    assert one_by_one(new, 1, [(0, 20.0), (1, 99.0)]) == [Quality.DUPLICATE, 0]
    assert one_by_one(new, 7, [(0, 0.0), (1, 2.0)]) == [0, Quality.JUMP]
    fewer = Marker(tables_of(registry({1: OWN[1]})), DELAYS)
    fewer.adopt(new)
    assert one_by_one(fewer, 1, [(2, 150.0)]) == [Quality.JUMP]


def test_the_state_is_small() -> None:
    assert marker().nbytes == 32 * (max(OWN) + 1)


@pytest.mark.parametrize("quantity", sorted(QUANTITIES))
def test_the_defaults_of_every_quantity_make_sense(quantity: str) -> None:
    limits = default_of(quantity)
    assert limits.low < limits.high
    assert limits.jump > 0
    assert limits.jump_per_s >= 0
    assert limits.stuck_s >= HOUR_S
    if math.isfinite(limits.jump):
        assert limits.jump < limits.high - limits.low
    if limits.rest is not None:
        assert limits.low <= limits.rest <= limits.high


VALUES = [20.0, 20.0, 20.0, 20.5, 23.0, 31.0, 0.0, 0.0, 900.0, math.nan]
QUALITIES = [0] * 12 + [
    Quality.BACKFILLED, Quality.OUT_OF_RANGE, Quality.DEVICE_FAULT, Quality.SIMULATED,
]  # fmt: skip


@st.composite
def streams(draw: st.DrawFn) -> list[Row]:
    """Readings of three series: mostly in order, now and then old, repeated, or far ahead."""
    rows: list[Row] = []
    clock_us = dict.fromkeys(OWN, 1_790_000_000 * S)
    steps = st.sampled_from([1, 1, 2, 2, 5, 5, 10, 11, 0, -1, -3])
    for _ in range(draw(st.integers(1, 80))):
        series = draw(st.sampled_from(sorted(OWN)))
        clock_us[series] += draw(steps) * S
        ahead_s = draw(st.sampled_from([0] * 30 + [31, 500]))
        rows.append(
            Row(
                series=series,
                observed_us=clock_us[series] + ahead_s * S,
                received_us=clock_us[series] + draw(st.sampled_from([0, 0, 0, 60, 61])) * S,
                value=draw(st.sampled_from(VALUES)),
                quality=draw(st.sampled_from(QUALITIES)),
            )
        )
    return rows


def cut(rows: Sequence[Row], sizes: Sequence[int]) -> list[list[Row]]:
    ends = np.cumsum([0, *sizes]).tolist()
    return [list(rows[a:b]) for a, b in zip(ends, [*ends[1:], len(rows)], strict=True)]


@settings(max_examples=150, deadline=None)
@given(streams(), st.lists(st.integers(0, 20)))
def test_the_marker_agrees_with_the_oracle(rows: list[Row], sizes: list[int]) -> None:
    fast = marker()
    slow = SlowMarker(OWN, INTERVAL_S, DELAYS.late_s, DELAYS.clock_skew_s)
    for part in cut(rows, sizes):
        looked = fast.mark(batch(part), advance=False).quality.tolist()
        assert fast.mark(batch(part)).quality.tolist() == slow.mark(part) == looked


@settings(max_examples=60, deadline=None)
@given(streams(), st.lists(st.integers(0, 20)))
def test_batch_boundaries_do_not_matter_to_what_comes_in_order(
    rows: list[Row], sizes: list[int]
) -> None:
    times: dict[int, int] = {}
    ordered = []
    for each in rows:
        if each.observed_us > times.get(each.series, 0) and each.observed_us <= each.received_us:
            times[each.series] = each.observed_us
            ordered.append(each)
    one, many = marker(), marker()
    whole = one.mark(batch(ordered)).quality.tolist()
    parts = [q for part in cut(ordered, sizes) for q in many.mark(batch(part)).quality.tolist()]
    assert whole == parts
