"""Retention on a real database: what goes, what stays, and what it says it freed."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import psycopg
import pytest

from core.db.upkeep import retention, rollups
from core.db.upkeep.config import UpkeepConfig
from core.db.upkeep.editions import CONTINUOUS, OURS
from core.db.upkeep.editions import rollups as kept_by
from tests.oracle.rollups import Row
from tests.support import servers
from tests.support.upkeep import T0, insert, read, refresh_all

KEEP = UpkeepConfig(keep_readings_days=10, keep_1m_days=20, keep_1h_days=60, keep_rejected_days=30)


@pytest.fixture
def own(dsn: str) -> Iterator[psycopg.Connection]:
    with psycopg.connect(dsn, autocommit=True) as conn:
        if kept_by(conn) != OURS:
            pytest.skip("continuous aggregates keep the rollups in this edition of TimescaleDB")
        rollups.prepare(conn)
        yield conn


def days_of(conn: psycopg.Connection, table: str, column: str) -> set[int]:
    """How many days before T0 the rows of a table lie."""
    statement = f"SELECT DISTINCT {column} FROM {table}".encode()
    return {(T0 - when).days for (when,) in conn.execute(statement)}


def reject(conn: psycopg.Connection, when: datetime, size: int = 100) -> None:
    conn.execute(
        "INSERT INTO rejected (received_at, topic, reason, detail, payload, readings)"
        " VALUES (%s, 't', 'unparsable', '', %s, 1)",
        (when, b"x" * size),
    )


def fill(conn: psycopg.Connection, days: int = 90) -> None:
    insert(conn, [Row(1, T0 - timedelta(days=day, minutes=1), 1.0, 0) for day in range(days)])


def test_each_table_keeps_what_it_should_and_says_what_went(own: psycopg.Connection) -> None:
    fill(own)
    for day in (1, 29, 31, 50):
        reject(own, T0 - timedelta(days=day))
    refresh_all(own, T0)
    before = {
        name: own.execute("SELECT hypertable_size(%s)", (name,)).fetchone()
        for name in ("reading", "rollup_1m")
    }
    seen = retention.retain(own, KEEP, T0, dry_run=True)
    assert len(days_of(own, "reading", "observed_at")) == 90
    freed = {line.table: line for line in retention.retain(own, KEEP, T0)}
    assert [line.table for line in seen] == list(freed)
    for planned in seen:
        done = freed[planned.table]
        assert (planned.chunks, planned.size, planned.from_at, planned.to_at) == (
            done.chunks, done.size, done.from_at, done.to_at
        )  # fmt: skip
    assert days_of(own, "reading", "observed_at") == set(range(10))
    assert days_of(own, "rollup_1m", "bucket") == set(range(20))
    assert set(range(60)) <= days_of(own, "rollup_1h", "bucket") < set(range(90))
    assert len(days_of(own, "rollup_1d", "bucket")) == 90
    assert own.execute("SELECT count(*) FROM rejected").fetchone() == (2,)
    for name, size in before.items():
        after = own.execute("SELECT hypertable_size(%s)", (name,)).fetchone()
        assert size is not None
        assert after is not None
        assert freed[name].size == size[0] - after[0] > 0
    assert freed["reading"].chunks == 80
    assert freed["reading"].to_at == T0 - timedelta(days=10)
    assert freed["rejected"].rows == 2
    assert freed["rejected"].size > 200
    assert [(line.chunks, line.rows) for line in retention.retain(own, KEEP, T0)] == [(0, 0)] * 4


def test_readings_that_are_not_rolled_up_stay_however_old(own: psycopg.Connection) -> None:
    fill(own, 15)
    (readings, *_) = retention.retain(own, KEEP, T0)
    assert readings.chunks == 0
    assert "5 chunks are not yet taken up" in readings.held
    refresh_all(own, T0)
    late = Row(7, T0 - timedelta(days=12, minutes=1), 8.0, 0)
    insert(own, [late])
    (readings, *_) = retention.retain(own, KEEP, T0)
    assert readings.chunks == 2
    assert "3 chunks" in readings.held
    refresh_all(own, T0)
    assert (7, late.at.replace(second=0)) in read(own, "reading_1m")
    (readings, *_) = retention.retain(own, KEEP, T0)
    assert (readings.chunks, readings.held) == (3, "")
    assert (7, late.at.replace(second=0)) in read(own, "reading_1m")


def test_zero_keeps_for_ever(own: psycopg.Connection) -> None:
    fill(own)
    refresh_all(own, T0)
    for_ever = UpkeepConfig(
        keep_readings_days=0, keep_1m_days=0, keep_1h_days=0, keep_1d_days=0, keep_rejected_days=0
    )
    assert retention.retain(own, for_ever, T0) == []
    assert len(days_of(own, "reading", "observed_at")) == 90


def test_rejects_go_in_batches_and_a_stop_ends_between_two(
    own: psycopg.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retention, "REJECTS_AT_A_TIME", 3)
    for _ in range(10):
        reject(own, T0 - timedelta(days=40))
    asked: list[int] = []

    def stop() -> bool:
        asked.append(1)
        return len(asked) > 5  # four tables and one batch have gone by

    (*_, rejects) = retention.retain(own, KEEP, T0, stop=stop)
    assert own.execute("SELECT count(*) FROM rejected").fetchone() == (10 - rejects.rows,)
    (*_, rest) = retention.retain(own, KEEP, T0)
    assert 0 < rejects.rows < 10
    assert rejects.rows + rest.rows == 10


def test_the_command_says_what_it_would_free_and_then_frees_it(
    own: psycopg.Connection, dsn: str, run_blocktwin: servers.Runner
) -> None:
    now = datetime.now(UTC)
    insert(own, [Row(1, now - timedelta(days=day), 1.0, 0) for day in (1, 100)])
    refresh_all(own, now)
    env = servers.settings(dsn)
    dry = run_blocktwin("db", "retain", "--dry-run", "--json", env=env)
    assert dry.wait(30) == 0
    planned = json.loads(dry.output())
    done = run_blocktwin("db", "retain", "--json", env=env)
    assert done.wait(30) == 0
    freed = json.loads(done.output())
    assert planned == {**freed, "dry_run": True}
    assert freed["bytes"] == sum(table["bytes"] for table in freed["tables"]) > 0
    assert own.execute("SELECT count(*) FROM reading").fetchone() == (1,)
    plain = run_blocktwin("db", "retain", env=env)
    assert plain.wait(30) == 0
    assert "reading: nothing is past its time" in plain.output()


def test_the_community_edition_drops_from_its_aggregates(dsn: str) -> None:
    with psycopg.connect(dsn, autocommit=True) as conn:
        if kept_by(conn) != CONTINUOUS:
            pytest.skip("this TimescaleDB is the Apache edition")
        rollups.prepare(conn)
        insert(conn, [Row(1, T0 - timedelta(days=day), 1.0, 0) for day in (1, 40)])
        for view in ("reading_1m", "reading_1h", "reading_1d"):
            conn.execute("CALL refresh_continuous_aggregate(%s, NULL, NULL)", (view,))
        freed = {line.table: line for line in retention.retain(conn, KEEP, T0)}
        assert freed["reading"].chunks == 1
        assert freed["reading_1m"].chunks >= 1
        assert len(read(conn, "reading_1d")) == 2
