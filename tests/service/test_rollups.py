"""Rollups on a real database: whatever comes in whatever order, readers see what an oracle says."""

from __future__ import annotations

import random
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import psycopg
import pytest

from core.db.upkeep import rollups
from core.db.upkeep.editions import OURS
from core.db.upkeep.editions import rollups as kept_by
from core.db.upkeep.rollups import DAYS, HOURS, LEVELS, MINUTES, Pace
from core.model import NOT_IN_ROLLUPS, Quality
from tests.oracle.rollups import Row
from tests.support.upkeep import MINUTE, T0, assert_right, insert, mark, read, refresh_all

BITS = (
    0,
    0,
    0,
    int(Quality.JUMP),
    int(Quality.OUT_OF_RANGE),
    int(Quality.CALIBRATING | Quality.LATE),
)


@pytest.fixture
def own(dsn: str) -> Iterator[psycopg.Connection]:
    """A connection prepared for the refresh, to a store whose rollups are ours."""
    with psycopg.connect(dsn, autocommit=True) as conn:
        if kept_by(conn) != OURS:
            pytest.skip("continuous aggregates keep the rollups in this edition of TimescaleDB")
        rollups.prepare(conn)
        yield conn


def random_rows(rng: random.Random, now: datetime, number: int) -> list[Row]:
    """Readings of now, late ones, ones of weeks ago, and times that are there already."""
    rows = []
    for _ in range(number):
        age_s = rng.choice((rng.uniform(0, 120), rng.uniform(0, 7200), rng.uniform(0, 3e5)))
        at = now - timedelta(seconds=round(age_s / 20) * 20)
        rows.append(
            Row(rng.randint(1, 6), at, rng.choice((rng.uniform(-9, 9), 0.0)), rng.choice(BITS))
        )
    return rows


@pytest.mark.parametrize("seed", range(6))
def test_whatever_comes_in_whatever_order_readers_see_the_same(
    own: psycopg.Connection, seed: int
) -> None:
    rng = random.Random(seed)
    now, stored = T0, []
    for _ in range(12):
        now += timedelta(seconds=rng.choice((10, 70, 2500, 40_000, 100_000)))
        rows = random_rows(rng, now, rng.randint(1, 60))
        stored += insert(own, rows, of_all=rng.random() < 0.3)
        if rng.random() < 0.7:
            most = rng.choice((97, 1440))
            refresh_all(own, now, grace=timedelta(seconds=rng.choice((0, 150))), most_all=most)
            assert_right(own, stored)
    refresh_all(own, now)
    assert_right(own, stored)
    for level in LEVELS:
        done = rollups.standing(own)[level.name].done_to
        assert done is not None
        kept = read(own, level.table)
        assert {key for key in read(own, f"reading_{level.name}") if key[1] < done} == kept.keys()


@pytest.mark.parametrize("seed", range(3))
def test_newer_readings_are_seen_at_once_and_late_ones_after_the_next_refresh(
    own: psycopg.Connection, seed: int
) -> None:
    rng = random.Random(100 + seed)
    stored = insert(own, random_rows(rng, T0, 40))
    refresh_all(own, T0)
    fresh = insert(own, [Row(1, T0 + timedelta(seconds=s), float(s), 0) for s in (0, 30, 3700)])
    assert_right(own, stored + fresh)
    late = insert(own, [Row(2, T0 - timedelta(days=3, seconds=7), 5.0, 0)])
    assert_right(own, stored + fresh)
    refresh_all(own, T0)
    assert_right(own, stored + fresh + late)


def test_what_was_stored_before_the_first_refresh_is_rolled_up_without_marks(
    own: psycopg.Connection,
) -> None:
    rows = [Row(s, T0 - timedelta(days=d, minutes=s), float(d), 0) for d in (1, 9) for s in (1, 2)]
    insert(own, rows)
    own.execute("DELETE FROM rollup_dirty")
    refresh_all(own, T0)
    assert_right(own, rows)
    assert len(read(own, "rollup_1m")) == len(rows)


def test_an_empty_store_is_complete_up_to_now(own: psycopg.Connection) -> None:
    assert refresh_all(own, T0) == 0
    assert rollups.standing(own)["1m"].done_to == T0
    rows = insert(own, [Row(1, T0 - timedelta(days=400), 2.0, 0), Row(1, T0, 3.0, 0)])
    refresh_all(own, T0)
    assert_right(own, rows)


def test_nothing_is_done_twice_and_a_second_round_finds_nothing(own: psycopg.Connection) -> None:
    rows = random_rows(random.Random(7), T0, 50)
    insert(own, rows, of_all=True)
    assert refresh_all(own, T0) > 0
    mark(own, rows, of_all=True)
    assert refresh_all(own, T0) == 0


def test_a_reading_in_an_open_minute_leaves_its_mark_for_later(own: psycopg.Connection) -> None:
    refresh_all(own, T0)
    rows = insert(own, [Row(1, T0 + timedelta(seconds=20), 1.0, 0)], of_all=True)
    now = T0 + timedelta(seconds=50)
    assert refresh_all(own, now) == 0
    assert rollups.standing(own)["1m"].waiting == 1
    refresh_all(own, now + MINUTE)
    assert rollups.standing(own)["1m"].waiting == 0
    assert read(own, "rollup_1m").keys() == {(1, T0)}
    assert_right(own, rows)


def test_a_batch_that_commits_after_its_minute_was_complete_is_taken_up_next(
    own: psycopg.Connection, dsn: str
) -> None:
    refresh_all(own, T0)
    with psycopg.connect(dsn) as slow:
        late = Row(1, T0 + timedelta(seconds=5), 4.0, 0)
        with slow.transaction():
            insert(slow, [late], of_all=True)
            refresh_all(own, T0 + 5 * MINUTE)
            assert rollups.standing(own)["1m"].done_to == T0 + 5 * MINUTE
    assert rollups.standing(own)["1m"].waiting == 1
    refresh_all(own, T0 + 5 * MINUTE)
    assert_right(own, [late])


def test_complete_moves_no_further_than_the_first_mark_that_is_left(
    own: psycopg.Connection,
) -> None:
    refresh_all(own, T0)
    rows = insert(own, [Row(1, T0 + n * MINUTE, 1.0, 0) for n in range(6)], of_all=True)
    now = T0 + 30 * MINUTE
    for reached in (2, 4):
        done = rollups.refresh(own, MINUTES, now=now, grace=timedelta(0), most_all=2)
        assert done is not None
        assert done.more
        assert rollups.standing(own)["1m"].done_to == T0 + reached * MINUTE
        assert_right(own, rows, [MINUTES])
    done = rollups.refresh(own, MINUTES, now=now, grace=timedelta(0), most_all=2)
    assert done is not None
    assert not done.more
    assert rollups.standing(own)["1m"].done_to == now


def test_complete_stays_complete_when_the_clock_is_set_back(own: psycopg.Connection) -> None:
    refresh_all(own, T0)
    rows = insert(own, [Row(1, T0 - MINUTE, 1.0, 0)])
    refresh_all(own, T0 - timedelta(hours=5), grace=timedelta(seconds=150))
    assert rollups.standing(own)["1m"].done_to == T0
    assert_right(own, rows)


def test_many_late_series_mark_their_hour_once_for_all(
    own: psycopg.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rollups, "MANY_SERIES", 3)
    refresh_all(own, T0)
    few = insert(own, [Row(s, T0 - timedelta(hours=30), 1.0, 0) for s in (1, 2, 3)])
    rollups.refresh(own, MINUTES, now=T0, grace=timedelta(0), most_all=9)
    assert {s for (s,) in own.execute("SELECT series_id FROM rollup_dirty")} == {1, 2, 3}
    many = insert(own, [Row(s, T0 - timedelta(hours=40), 1.0, 0) for s in (1, 2, 3, 4)])
    rollups.refresh(own, MINUTES, now=T0, grace=timedelta(0), most_all=9)
    hours = own.execute(
        "SELECT series_id, from_at FROM rollup_dirty WHERE level = '1h' AND from_at < %s",
        (T0 - timedelta(hours=31),),
    ).fetchall()
    assert hours == [(None, T0 - timedelta(hours=40))]
    refresh_all(own, T0)
    assert_right(own, few + many)


def test_a_second_refresh_stands_aside(own: psycopg.Connection, dsn: str) -> None:
    with psycopg.connect(dsn, autocommit=True) as other:
        rollups.prepare(other)
        with rollups.locked(own):
            assert rollups.refresh(
                other, MINUTES, now=T0, grace=timedelta(0), most_all=9
            ) is None  # fmt: skip
        assert rollups.refresh(other, MINUTES, now=T0, grace=timedelta(0), most_all=9) is not None


def test_readers_and_a_writer_beside_two_refreshers_never_see_a_hole_or_a_double(
    own: psycopg.Connection, dsn: str
) -> None:
    rng = random.Random(11)
    steps = [
        [Row(rng.randint(1, 5), T0 + timedelta(seconds=n * 40 + rng.randint(0, 39)), 1.0, 0)
         for _ in range(8)] for n in range(60)
    ]  # fmt: skip
    now = [T0]
    over = threading.Event()
    faults: list[BaseException] = []

    def refresher() -> None:
        with psycopg.connect(dsn, autocommit=True) as conn:
            rollups.prepare(conn)
            while not over.is_set():
                for level in LEVELS:
                    rollups.refresh(conn, level, now=now[0], grace=timedelta(0), most_all=3)

    def reader() -> None:
        """What is committed and not late is in the sum at every moment, once."""
        with psycopg.connect(dsn) as conn:
            conn.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
            while not over.is_set():
                with conn.transaction():
                    row = conn.execute(
                        "SELECT (SELECT count(*) FROM reading),"
                        " (SELECT sum(count) FROM reading_1m),"
                        " (SELECT sum(count) FROM reading_1h), (SELECT sum(count) FROM reading_1d)"
                    ).fetchone()
                assert row is not None
                assert row[1:] == (row[0] or None,) * 3, row

    def guarded(work: object) -> None:
        assert callable(work)
        try:
            work()
        except BaseException as error:
            faults.append(error)
            over.set()
            raise

    refresh_all(own, T0)
    works = (refresher, refresher, reader, reader)
    threads = [threading.Thread(target=guarded, args=(work,)) for work in works]
    for thread in threads:
        thread.start()
    stored: list[Row] = []
    for number, rows in enumerate(steps):
        if over.is_set():
            break
        stored += insert(own, rows, of_all=True)
        # The present follows the readings, so that none is late and each must be seen at once.
        now[0] = T0 + timedelta(seconds=(number + 1) * 40)
    over.set()
    for thread in threads:
        thread.join(30)
    assert faults == []
    refresh_all(own, now[0] + timedelta(days=2))
    assert_right(own, stored)


def test_deleted_readings_do_not_take_their_rollups_with_them(own: psycopg.Connection) -> None:
    old = T0 - timedelta(days=20)
    rows = insert(own, [Row(1, old + timedelta(seconds=s), float(s), 0) for s in (1, 2, 3)])
    refresh_all(own, T0)
    own.execute("SELECT drop_chunks('reading', %s::timestamptz)", (T0 - timedelta(days=10),))
    rollups.record_kept_from(own, "reading", T0 - timedelta(days=10))
    assert_right(own, rows)
    insert(own, [Row(1, old + timedelta(seconds=9), 99.0, 0)])  # one of four is not the truth
    new = insert(own, [Row(2, old, 5.0, 0)])  # all that is known of series 2
    refresh_all(own, T0)
    assert_right(own, rows + new)


def test_a_rebuild_makes_everything_anew_whatever_stands_there(own: psycopg.Connection) -> None:
    rows = insert(own, random_rows(random.Random(3), T0, 80))
    refresh_all(own, T0)
    for table in ("rollup_1m", "rollup_1h", "rollup_1d"):
        own.execute(f"UPDATE {table} SET count = count + 7, max = 1e6".encode())
        own.execute(
            f"INSERT INTO {table} VALUES (%s, 77, 1, 1, 0, 0, 0, 0)".encode(),
            (T0 - timedelta(days=1),),
        )
    begin = min(row.at for row in rows)
    levels = [level for level, _, _ in rollups.rebuild(own, (begin, T0 + timedelta(days=1)))]
    assert set(levels) == {"1m", "1h", "1d"}
    assert_right(own, rows)
    refresh_all(own, T0)
    assert_right(own, rows)


def test_a_reader_of_one_series_opens_only_the_chunks_of_its_time(own: psycopg.Connection) -> None:
    insert(own, [Row(1, T0 - timedelta(days=d), 1.0, 0) for d in range(12)])
    refresh_all(own, T0 - timedelta(days=2))
    for view, days in (("reading_1m", 5), ("reading_1h", 5), ("reading_1d", 5), ("reading_1m", 1)):
        begin = T0 - timedelta(days=days)
        plan = own.execute(
            f"EXPLAIN (ANALYZE, COSTS OFF, TIMING OFF) SELECT * FROM {view}"
            " WHERE series_id = 1 AND bucket >= %s AND bucket < %s".encode(),
            (begin, begin + timedelta(days=1)),
        ).fetchall()
        scans = [line for (line,) in plan if "Scan" in line and "_chunk" in line]
        opened = [line for line in scans if "never executed" not in line]
        assert 1 <= len(opened) <= 3, "\n".join(line for (line,) in plan)
        assert all("Seq Scan" not in line for line in opened) or len(opened) == 1


def test_new_pages_are_found_by_time_without_reading_all(own: psycopg.Connection) -> None:
    own.execute(
        "INSERT INTO reading SELECT s, %s::timestamptz + t * interval '10 s', now(), 1, 0"
        " FROM generate_series(0, 359) t, generate_series(1, 200) s ORDER BY t, s",
        (T0,),
    )
    assert rollups.summarise(own, T0 + timedelta(hours=1)) > 0
    assert rollups.summarise(own, T0 + timedelta(hours=1)) == 0
    with own.transaction():
        own.execute(rollups._SQL["by_time"])
        plan = own.execute(
            "EXPLAIN (ANALYZE, COSTS OFF, TIMING OFF) SELECT count(*) FROM reading"
            " WHERE observed_at >= %s AND observed_at < %s",
            (T0 + 30 * MINUTE, T0 + 31 * MINUTE),
        ).fetchall()
    text = "\n".join(line for (line,) in plan)
    assert "reading_when" in text
    removed = [int(line.split(":")[1]) for (line,) in plan if "Removed by Index Recheck" in line]
    assert sum(removed) < 72_000 / 4, text


def test_the_mask_in_the_views_is_that_of_the_words(own: psycopg.Connection) -> None:
    for view in ("reading_1m", "reading_1h", "reading_1d"):
        row = own.execute("SELECT pg_get_viewdef(%s::regclass)", (view,)).fetchone()
        assert row is not None
        assert f"quality & {int(NOT_IN_ROLLUPS)}" in row[0]


def test_dear_buckets_slow_the_pace_and_cheap_ones_quicken_it() -> None:
    pace = Pace()
    assert [pace.of(level) for level in LEVELS] == [1, 1, 1]
    for _ in range(20):
        pace.learn(HOURS, 0.1)
    assert pace.of(HOURS) == HOURS.most_all
    assert pace.of(DAYS) == 1
    pace.learn(HOURS, 1.0)
    assert pace.of(HOURS) == HOURS.most_all
    for _ in range(20):
        pace.learn(HOURS, 9.0)
    assert pace.of(HOURS) == 1


def test_a_bucket_begins_where_the_database_says(own: psycopg.Connection) -> None:
    when = datetime(2026, 3, 1, 23, 59, 59, 999999, tzinfo=UTC)
    for level in LEVELS:
        row = own.execute("SELECT time_bucket(%s, %s::timestamptz)", (level.width, when)).fetchone()
        assert row == (rollups.floor(when, level.width),)
