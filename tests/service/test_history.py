"""Reading a series back: the right rows, the right resolution, and the truth about both."""

from __future__ import annotations

import math
import random
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
import pytest

from core.db.upkeep import rollups
from core.model import NOT_IN_ROLLUPS, Quality
from tests.support import past
from tests.support.past import T0, Row
from tests.support.small_district import small_district
from twin.history import store
from twin.history.resolution import ALL_BITS, DEFAULT_POINTS, Level
from twin.history.store import Answer, Query, Series, TooManyReadings
from twin.store import load_district

Conn = psycopg.Connection[Any]

HEAT = "heat.00001"
MINUTE, HOUR, DAY = 60, 3600, 86_400
INTERVAL_S = 10.0
"""What the small district says of every device."""


@pytest.fixture
def series(conn: Conn) -> Series:
    load_district(conn, small_district())
    return Series(
        series_id=past.series_of(conn, HEAT, "temperature"),
        device_id=HEAT,
        quantity="temperature",
        interval_s=INTERVAL_S,
    )


@pytest.fixture
async def reader(dsn: str) -> AsyncIterator[store.Conn]:
    async with await psycopg.AsyncConnection.connect(dsn, autocommit=True) as conn:
        yield conn


def at(seconds: float) -> datetime:
    return T0 + timedelta(seconds=seconds)


def ms(seconds: float) -> int:
    return round(at(seconds).timestamp() * 1000)


def asking(since_s: float | None, until_s: float, **more: Any) -> Query:
    return Query(
        since=None if since_s is None else at(since_s), until=at(until_s), now=at(until_s), **more
    )


def wave(begin_s: float, count: int, step_s: float = INTERVAL_S) -> list[Row]:
    """Readings that go up and down; every 37th is out of range and every 41st late."""
    return [
        Row(
            begin_s + n * step_s,
            20 + 5 * math.sin(n / 50),
            int(Quality.OUT_OF_RANGE) if n % 37 == 0 else int(Quality.LATE) if n % 41 == 0 else 0,
        )
        for n in range(count)
    ]


def assert_points(answer: Answer, rows: list[Row]) -> None:
    expected = past.points(rows, answer.plan.step_s)
    assert answer.columns["t"] == [point["t"] for point in expected]
    for name in ("min", "max", "last", "count", "good"):
        assert answer.columns[name] == [point[name] for point in expected], name
    means = [point["mean"] for point in expected]
    assert answer.columns["mean"] == pytest.approx(means)


async def test_a_series_is_found_with_its_unit(series: Series, reader: store.Conn) -> None:
    assert await store.find(reader, HEAT, "temperature") == series
    assert series.unit == "Cel"
    assert await store.find(reader, HEAT, "flow") is None
    assert await store.find(reader, "nobody", "temperature") is None


async def test_a_short_window_is_single_readings(
    conn: Conn, series: Series, reader: store.Conn
) -> None:
    rows = wave(0, 400)
    past.store(conn, series.series_id, rows)
    answer = await store.read(reader, series, asking(0, HOUR))
    inside = [row for row in rows if row.at_s <= HOUR]
    assert answer.plan.name == "raw"
    assert answer.columns == {
        "t": [ms(row.at_s) for row in inside],
        "v": [row.value for row in inside],
        "q": [row.quality for row in inside],
    }
    assert (answer.complete, answer.truncated, answer.because) == (True, False, None)
    assert answer.left_out == Quality.GOOD


async def test_without_a_start_it_is_the_newest_readings(
    conn: Conn, series: Series, reader: store.Conn
) -> None:
    past.store(conn, series.series_id, wave(0, 50))
    query = Query(since=None, until=None, now=at(HOUR), points=20)
    answer = await store.read(reader, series, query)
    assert answer.columns["t"] == [ms(n * INTERVAL_S) for n in range(30, 50)]
    assert answer.truncated


@pytest.mark.parametrize(
    ("span_s", "name", "level"),
    [
        (6 * HOUR, "20s", Level.RAW),
        (DAY, "1m", Level.MINUTE),
        (3 * DAY, "3m", Level.MINUTE),
    ],
)
async def test_points_are_what_the_readings_make_them(
    conn: Conn, series: Series, reader: store.Conn, span_s: int, name: str, level: Level
) -> None:
    rows = wave(0, 3 * DAY // 10)
    past.store(conn, series.series_id, rows)
    past.roll_up(conn, at(2 * DAY))
    answer = await store.read(reader, series, asking(0, span_s - 1))
    assert (answer.plan.name, answer.plan.level) == (name, level)
    assert_points(answer, [row for row in rows if row.at_s < span_s])
    assert answer.left_out == NOT_IN_ROLLUPS
    assert len(answer.columns["t"]) <= DEFAULT_POINTS


@pytest.mark.parametrize("seed", range(6))
async def test_any_window_agrees_with_the_slow_way(
    conn: Conn, series: Series, reader: store.Conn, seed: int
) -> None:
    chance = random.Random(seed)
    rows = [
        Row(at_s, chance.uniform(-5, 60), chance.choice([0, 0, 0, 1, 2, 8, 256]))
        for at_s in sorted(chance.sample(range(4 * DAY), 9000))
    ]
    past.store(conn, series.series_id, rows)
    past.roll_up(conn, at(chance.choice([0, 1, 3]) * DAY))
    for _ in range(6):
        since, until = sorted(chance.sample(range(4 * DAY), 2))
        points = chance.choice([10, 50, 300, 2000])
        answer = await store.read(reader, series, asking(since, until, points=points))
        step = answer.plan.step_s
        if step == 0:
            chosen = [row for row in rows if since <= row.at_s <= until]
            assert answer.columns["v"] == [row.value for row in chosen]
        else:
            # The first and the last point are whole where rollups make them.
            unit = answer.plan.level.width_s
            end = until // unit * unit + unit if unit else until + 1
            assert_points(answer, [r for r in rows if since // step * step <= r.at_s < end])
        assert len(answer.columns["t"]) <= points
        assert answer.complete


async def test_more_readings_than_expected_are_answered_from_a_wider_level(
    conn: Conn, series: Series, reader: store.Conn
) -> None:
    rows = wave(0, 3600, step_s=1)
    past.store(conn, series.series_id, rows)
    answer = await store.read(reader, series, asking(0, HOUR - 1, points=500))
    assert (answer.plan.name, answer.because) == ("20s", "dense")
    assert_points(answer, rows)
    past.store(conn, series.series_id, [Row(n / 10 + 0.05, 1.0) for n in range(36_000)])
    answer = await store.read(reader, series, asking(0, HOUR - 1, points=500))
    assert (answer.plan.name, answer.because) == ("1m", "dense")
    assert sum(answer.columns["count"]) == 39_600


async def test_what_retention_deleted_is_answered_from_the_narrowest_level_kept(
    conn: Conn, series: Series, reader: store.Conn
) -> None:
    rows = wave(0, 5 * DAY // 10)
    past.store(conn, series.series_id, rows)
    past.roll_up(conn, at(5 * DAY))
    past.forget(conn, "reading", at(3 * DAY))
    old = [row for row in rows if row.at_s < HOUR]
    answer = await store.read(reader, series, asking(0, HOUR - 1))
    assert (answer.plan.name, answer.because, answer.complete) == ("1m", "deleted", True)
    assert_points(answer, old)

    past.forget(conn, "rollup_1m", at(2 * DAY))
    answer = await store.read(reader, series, asking(0, HOUR * 6 - 1))
    assert (answer.plan.name, answer.because) == ("1h", "deleted")
    assert_points(answer, [row for row in rows if row.at_s < 6 * HOUR])

    fresh = await store.read(reader, series, asking(4 * DAY, 4 * DAY + HOUR))
    assert (fresh.plan.name, fresh.because, fresh.complete) == ("raw", None, True)


async def test_a_window_over_the_edge_of_retention_is_of_one_resolution(
    conn: Conn, series: Series, reader: store.Conn
) -> None:
    rows = wave(0, 5 * DAY // 10)
    past.store(conn, series.series_id, rows)
    past.roll_up(conn, at(5 * DAY))
    past.forget(conn, "reading", at(3 * DAY))
    span = (3 * DAY - HOUR, 3 * DAY + HOUR - 1)
    answer = await store.read(reader, series, asking(*span))
    assert (answer.plan.name, answer.because) == ("1m", "deleted")
    assert_points(answer, [row for row in rows if span[0] <= row.at_s <= span[1]])


async def test_a_series_that_began_in_the_window_lacks_nothing(
    conn: Conn, series: Series, reader: store.Conn
) -> None:
    past.store(conn, series.series_id, wave(HOUR, 100))
    past.roll_up(conn, at(DAY))
    answer = await store.read(reader, series, asking(0, 2 * HOUR))
    assert (answer.plan.name, answer.complete, answer.because) == ("raw", True, None)
    empty = await store.read(reader, series, asking(-HOUR, -MINUTE))
    assert (empty.columns["t"], empty.complete) == ([], True)


async def test_a_resolution_that_is_asked_for_is_kept_and_what_it_lacks_is_said(
    conn: Conn, series: Series, reader: store.Conn
) -> None:
    rows = wave(0, 5 * DAY // 10)
    past.store(conn, series.series_id, rows)
    past.roll_up(conn, at(5 * DAY))
    past.forget(conn, "reading", at(3 * DAY))
    raw = await store.read(reader, series, asking(0, HOUR, level=Level.RAW))
    assert (raw.plan.name, raw.columns["t"], raw.complete) == ("raw", [], False)
    cut = await store.read(reader, series, asking(4 * DAY, 5 * DAY, level=Level.RAW, points=100))
    assert (len(cut.columns["t"]), cut.truncated) == (100, True)
    hours = await store.read(reader, series, asking(0, 2 * DAY - 1, level=Level.HOUR))
    assert (hours.plan.name, len(hours.columns["t"]), hours.complete) == ("1h", 48, True)
    few = await store.read(reader, series, asking(0, 2 * DAY - 1, level=Level.HOUR, points=10))
    assert (len(few.columns["t"]), few.truncated) == (10, True)
    assert few.columns["t"][-1] == hours.columns["t"][-1]
    days = await store.read(reader, series, asking(None, 5 * DAY, level=Level.DAY))
    assert (len(days.columns["t"]), days.truncated) == (5, False)


async def test_a_reader_says_which_quality_it_accepts(
    conn: Conn, series: Series, reader: store.Conn
) -> None:
    rows = wave(0, 360)
    past.store(conn, series.series_id, rows)
    good = await store.read(reader, series, asking(0, HOUR, accept=Quality.GOOD))
    assert good.columns["v"] == [row.value for row in rows if row.quality == 0]
    assert good.left_out == ALL_BITS
    assert good.complete
    late = await store.read(reader, series, asking(0, HOUR, accept=Quality.LATE))
    assert set(late.columns["q"]) == {0, int(Quality.LATE)}
    everything = await store.read(reader, series, asking(0, HOUR, accept=ALL_BITS))
    assert len(everything.columns["v"]) == 360


async def test_rollups_do_not_answer_who_accepts_other_bits(
    conn: Conn, series: Series, reader: store.Conn
) -> None:
    past.store(conn, series.series_id, wave(0, 8640))
    day = await store.read(reader, series, asking(0, DAY, accept=Quality.GOOD))
    assert (day.plan.name, day.plan.level) == ("1m", Level.RAW)
    with pytest.raises(TooManyReadings):
        await store.read(reader, series, asking(0, 30 * DAY, accept=Quality.GOOD))
    with pytest.raises(TooManyReadings):
        await store.read(reader, series, asking(0, DAY, accept=Quality.GOOD, level=Level.MINUTE))
    as_rollups = ALL_BITS & ~NOT_IN_ROLLUPS
    month = await store.read(reader, series, asking(0, 30 * DAY, accept=as_rollups))
    assert month.plan.name == "1h"


async def test_a_time_zone_of_the_connection_changes_nothing(
    conn: Conn, series: Series, reader: store.Conn
) -> None:
    past.store(conn, series.series_id, wave(0, 8640))
    await reader.execute("SET timezone = 'Asia/Shanghai'")
    days = await store.read(reader, series, asking(0, DAY, level=Level.DAY))
    assert days.columns["t"] == [round(T0.astimezone(UTC).timestamp() * 1000)]


async def test_what_the_upkeep_makes_reads_as_the_readings_do(
    conn: Conn, series: Series, reader: store.Conn
) -> None:
    rows = wave(0, 3 * DAY // 10)
    past.store(conn, series.series_id, rows)
    rollups.prepare(conn)
    for level in rollups.LEVELS:
        more = True
        while more:
            done = rollups.refresh(
                conn, level, now=at(3 * DAY), grace=timedelta(0), most_all=10_000
            )
            assert done is not None
            more = done.more
    stored = conn.execute("SELECT count(*) FROM rollup_1h").fetchone()
    assert stored == (72,)
    for asked in (Level.MINUTE, Level.HOUR, Level.DAY):
        query = asking(0, 2 * DAY - 1, level=asked, points=5000)
        answer = await store.read(reader, series, query)
        assert_points(answer, [row for row in rows if row.at_s < 2 * DAY])
        assert not answer.truncated
