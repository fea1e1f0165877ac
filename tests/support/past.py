"""A past for tests of what is read back: readings at given times, rollups, retention."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg

from core.model import NOT_IN_ROLLUPS

Conn = psycopg.Connection[Any]

T0 = datetime(2026, 3, 2, tzinfo=UTC)
"""A Monday, midnight UTC."""


@dataclass(frozen=True, slots=True)
class Row:
    """A reading at seconds after T0."""

    at_s: float
    value: float
    quality: int = 0

    @property
    def at(self) -> datetime:
        return T0 + timedelta(seconds=self.at_s)


def series_of(conn: Conn, device: str, quantity: str) -> int:
    """Return the id of a series."""
    row = conn.execute(
        "SELECT series_id FROM series WHERE device_id = %s AND quantity = %s", (device, quantity)
    ).fetchone()
    assert row is not None
    return int(row[0])


def store(conn: Conn, series: int, rows: Iterable[Row]) -> None:
    """Store readings, received when they were observed."""
    with conn.cursor().copy("COPY reading FROM STDIN") as copy:
        for row in rows:
            copy.write_row((series, row.at, row.at, row.value, row.quality))


def roll_up(conn: Conn, until: datetime) -> None:
    """Fill the stored rollups up to a midnight, as the upkeep does."""
    for level in ("1m", "1h", "1d"):
        conn.execute(
            f"INSERT INTO rollup_{level} (bucket, series_id, count, good, min, max, sum, last)"
            f" SELECT bucket, series_id, count, good, min, max, sum, last FROM reading_{level}"
            " WHERE bucket < %s",
            (until,),
        )
        conn.execute(
            "INSERT INTO rollup_level (level, done_to) VALUES (%s, %s)"
            " ON CONFLICT (level) DO UPDATE SET done_to = excluded.done_to",
            (level, until),
        )


def forget(conn: Conn, table: str, before: datetime) -> None:
    """Delete whole chunks, as retention does."""
    conn.execute("SELECT drop_chunks(%s::regclass, %s::timestamptz)", (table, before))


def points(rows: Sequence[Row], step_s: int) -> list[dict[str, Any]]:
    """Make points of readings, slowly and obviously."""
    found = []
    for start in sorted({row.at_s // step_s * step_s for row in rows}):
        inside = sorted(
            (row for row in rows if start <= row.at_s < start + step_s), key=lambda r: r.at_s
        )
        good = [row.value for row in inside if not row.quality & NOT_IN_ROLLUPS]
        found.append(
            {
                "t": round((T0 + timedelta(seconds=start)).timestamp() * 1000),
                "min": min(good, default=None),
                "max": max(good, default=None),
                "mean": sum(good) / len(good) if good else None,
                "last": good[-1] if good else None,
                "count": len(inside),
                "good": round(len(good) / len(inside), 4),
            }
        )
    return found
