"""Readings with their marks for the tests of the upkeep, written as the worker writes them."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
from psycopg import Connection

from core.db.upkeep import rollups
from core.db.upkeep.rollups import LEVELS, Level
from tests.oracle.rollups import Bucket, Key, Row, rollup

T0 = datetime(2026, 3, 4, 0, 0, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
VIEWS = {"1m": "reading_1m", "1h": "reading_1h", "1d": "reading_1d"}


def insert(conn: Connection[Any], rows: Sequence[Row], *, of_all: bool = False) -> list[Row]:
    """Store readings and mark their minutes in one transaction; return those that were new."""
    with conn.transaction(), conn.cursor() as cursor:
        cursor.executemany(
            "INSERT INTO reading VALUES (%s, %s, %s, %s, %s) ON CONFLICT DO NOTHING"
            " RETURNING series_id, observed_at, value, quality",
            [(row.series, row.at, row.at, row.value, row.quality) for row in rows],
            returning=True,
        )
        new = []
        while True:
            new += [Row(*found) for found in cursor.fetchall()]
            if not cursor.nextset():
                break
        mark(conn, rows, of_all=of_all)
    return new


def mark(conn: Connection[Any], rows: Iterable[Row], *, of_all: bool = False) -> None:
    """Mark the minutes of these readings."""
    minutes = {
        (None if of_all else row.series, row.at.replace(second=0, microsecond=0)) for row in rows
    }
    for series, minute in minutes:
        conn.execute(
            "INSERT INTO rollup_dirty (series_id, from_at, to_at) VALUES (%s, %s, %s)",
            (series, minute, minute + MINUTE),
        )


def refresh_all(
    conn: Connection[Any], now: datetime, *, grace: timedelta = timedelta(0), most_all: int = 1440
) -> int:
    """Refresh every level until nothing is left to do; return the rows made."""
    made = 0
    for level in LEVELS:
        while True:
            done = rollups.refresh(conn, level, now=now, grace=grace, most_all=most_all)
            assert done is not None
            made += done.rows
            if not done.more:
                break
    return made


def read(conn: Connection[Any], name: str) -> dict[Key, Bucket]:
    """Return a rollup as its readers see it; each bucket stands once."""
    found: dict[Key, Bucket] = {}
    statement = psycopg.sql.SQL(
        "SELECT series_id, bucket, count, good, min, max, sum, last FROM {}"
    ).format(psycopg.sql.Identifier(name))
    for series, bucket, *values in conn.execute(statement):
        assert (series, bucket) not in found, f"{name} has {series} {bucket} twice"
        found[series, bucket] = Bucket(*values)
    return found


def assert_right(
    conn: Connection[Any], rows: Iterable[Row], levels: Iterable[Level] = LEVELS
) -> None:
    """Compare what readers see with the oracle."""
    known = list(rows)
    for level in levels:
        seen, right = read(conn, VIEWS[level.name]), rollup(known, level.width)
        assert seen.keys() == right.keys(), level.name
        for key, bucket in right.items():
            assert_same(seen[key], bucket, f"{level.name} {key}")


def assert_same(seen: Bucket, right: Bucket, where: str) -> None:
    for name in ("count", "good", "min", "max", "last"):
        assert getattr(seen, name) == getattr(right, name), f"{where}: {name}: {seen} {right}"
    assert (seen.sum is None) == (right.sum is None), where
    if seen.sum is not None and right.sum is not None:
        assert math.isclose(seen.sum, right.sum, rel_tol=1e-12, abs_tol=1e-9), where
