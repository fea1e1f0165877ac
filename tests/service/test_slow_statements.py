"""The slow-query log, on real connections."""

from __future__ import annotations

import logging

import psycopg
import pytest
from psycopg import sql

from core.config import DatabaseConfig
from core.db import slow
from core.db.pool import connect, open_pool
from core.db.queries import load

NAMED = load("core.db", "backup.sql")
SLEEP = "SELECT pg_sleep(0.05), %s::text"


@pytest.fixture(autouse=True)
def tally(monkeypatch: pytest.MonkeyPatch) -> slow.Tally:
    """A tally of this test alone."""
    own = slow.Tally()
    monkeypatch.setattr(slow, "TALLY", own)
    return own


def lines(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [
        record.getMessage()
        for record in caplog.records
        if record.name == "core.db.slow" and record.levelno == logging.WARNING
    ]


def config(dsn: str, slow_query_s: float) -> DatabaseConfig:
    return DatabaseConfig(dsn=dsn, slow_query_s=slow_query_s)


def test_a_slow_statement_is_told_with_time_and_rows_and_without_parameters(
    dsn: str, caplog: pytest.LogCaptureFixture, tally: slow.Tally
) -> None:
    with connect(config(dsn, 0.04), application_name="x") as conn:
        conn.execute(SLEEP, ["s3cret"])
        conn.execute("SELECT 1")
    (line,) = lines(caplog)
    assert line.startswith("slow statement SELECT pg_sleep(0.05), %s::text: ")
    assert line.endswith(" ms, 1 rows")
    assert 50 <= int(line.split()[-4]) < 5000
    assert "s3cret" not in caplog.text
    assert tally.total == 1


def test_a_statement_of_ours_is_told_by_its_file_and_name(
    dsn: str, caplog: pytest.LogCaptureFixture
) -> None:
    with connect(config(dsn, 1e-9), application_name="x") as conn:
        conn.execute(NAMED["licence"])
        table = sql.Identifier("secret_table_of_someone")
        with pytest.raises(psycopg.errors.UndefinedTable):
            conn.execute(sql.SQL(NAMED["count"]).format(table=table))
    first, second = lines(caplog)
    assert first.startswith("slow statement core.db/backup.sql:licence: ")
    assert second.startswith("slow statement SELECT count(*) FROM: ")
    assert "someone" not in caplog.text


def test_what_fails_copies_and_many_statements_are_timed_too(
    dsn: str, caplog: pytest.LogCaptureFixture
) -> None:
    with connect(config(dsn, 1e-9), application_name="x") as conn, conn.cursor() as cursor:
        cursor.executemany("SELECT %s::int", [(1,), (2,)])
        with cursor.copy("COPY (SELECT 1) TO STDOUT") as copy:
            assert list(copy)
        with pytest.raises(psycopg.errors.DivisionByZero):
            cursor.execute("SELECT 1/0")
    told = [line.removeprefix("slow statement ").split(":")[0] for line in lines(caplog)]
    assert told == ["SELECT %s", "COPY (SELECT 1) TO STDOUT", "SELECT 1/0"]


async def test_the_statements_of_a_pool_are_timed_too(
    dsn: str, caplog: pytest.LogCaptureFixture, tally: slow.Tally
) -> None:
    async with open_pool(config(dsn, 0.04), "x") as pool, pool.connection() as conn:
        await conn.execute(SLEEP, ["s3cret"])
        assert len(lines(caplog)) == 1
        async with conn.cursor() as cursor:
            async with cursor.copy("COPY (SELECT pg_sleep(0.05)) TO STDOUT") as copy:
                async for _ in copy:
                    pass
            await cursor.executemany("SELECT pg_sleep(%s)", [(0.03,), (0.03,)])
    assert len(lines(caplog)) == 3
    assert tally.total == 3


async def test_nothing_is_timed_when_it_is_off(dsn: str, caplog: pytest.LogCaptureFixture) -> None:
    with connect(config(dsn, 0), application_name="x") as conn:
        conn.execute(SLEEP, ["x"])
        assert type(conn.cursor()) is psycopg.Cursor
    async with open_pool(config(dsn, 0), "x") as pool, pool.connection() as conn:
        await conn.execute(SLEEP, ["x"])
    assert lines(caplog) == []


def test_a_statement_that_is_always_slow_is_counted_and_seldom_told() -> None:
    tally = slow.Tally()
    told = [tally.note("a", second) for second in (0.0, 1.0, 9.9, 10.0, 10.1, 30.0)]
    assert told == [0, None, None, 2, None, 1]
    assert tally.note("b", 10.1) == 0
    assert tally.total == 7
    for number in range(2000):
        tally.note(f"made up {number}", 31.0)
    assert len(tally._logged) == 1000
