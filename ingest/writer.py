"""Batches into the hypertable, one row per (series, device time), in the caller's transaction.

A row that is newer than everything its series has stored cannot be there already and goes in by
binary COPY; the others go through ON CONFLICT DO NOTHING, 1.7 times as dear. The table ``latest``
follows in its own time, see ``ingest.latest``.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from psycopg import Connection

from core.batch import I8, Batch
from core.db.queries import load
from core.model import Quality
from ingest.arrays import columns, pack_rows, prepare, unpack_rows

__all__ = ["Written", "advance", "advance_latest", "grown", "newest_observed", "newest_rows",
           "prepare", "readings_between", "unique", "write"]  # fmt: skip

_SQL = load("ingest", "writer.sql")

NEVER = np.iinfo(np.int64).min
"""Newest device time of a series that has none."""


@dataclass(frozen=True, slots=True)
class Written:
    """What became of a batch: rows stored, and rows that were there already."""

    stored: int
    duplicates: int


def newest_observed(conn: Connection[Any], size: int) -> I8:
    """Return the newest stored device time of each series, in an array of at least ``size``."""
    rows = conn.execute(_SQL["newest_observed"]).fetchall()
    newest = np.full(max([size, *(series + 1 for series, _ in rows)]), NEVER, dtype=np.int64)
    for series, observed_us in rows:
        newest[series] = observed_us
    return newest


def write(conn: Connection[Any], batch: Batch, newest: I8, *, careful: bool = False) -> Written:
    """Store the batch; ``newest`` is read, not changed.

    Args:
        conn: in a transaction that the caller commits; made ready by ``prepare``.
        batch: rows in any order; of equal keys in it the first is stored.
        newest: newest stored device time by series id.
        careful: let no row go in by COPY, because ``newest`` has been found out of date.

    Raises:
        psycopg.errors.UniqueViolation: if a row that ``newest`` calls new is stored already; roll
            back and come again with ``careful``.
    """
    rows = unique(batch)
    fresh = rows.observed_us > newest[rows.series]
    late = rows if careful else rows.take(~fresh)
    stored = 0
    if not careful and fresh.any():
        stored += _copy(conn, rows if fresh.all() else rows.take(fresh))
    if len(late):
        stored += conn.execute(_SQL["insert_reading"], columns(late), prepare=True).rowcount
    return Written(stored, len(batch) - stored)


def newest_rows(batch: Batch, newest: I8) -> Batch:
    """Return the newest row of each series that is newer than ``newest`` knows, by series id."""
    rows = unique(batch)
    return rows.take((rows.observed_us > newest[rows.series]) & _last_of_series(rows))


def advance_latest(conn: Connection[Any], rows: Batch) -> None:
    """Move ``latest`` forward to these rows, one a series, where they are newer."""
    if len(rows):
        conn.execute(_SQL["advance_latest"], columns(rows), prepare=True)


def advance(newest: I8, batch: Batch) -> None:
    """Note in ``newest`` that the batch is committed."""
    np.maximum.at(newest, batch.series, batch.observed_us)


def grown(newest: I8, size: int) -> I8:
    """Return ``newest`` with room for series ids below ``size``."""
    if len(newest) >= size:
        return newest
    return np.concatenate([newest, np.full(size - len(newest), NEVER, dtype=np.int64)])


def unique(batch: Batch) -> Batch:
    """Return the rows sorted by series and device time, of equal keys the first that came."""
    rows = batch.sorted()
    if len(rows) < 2:
        return rows
    repeat = (np.diff(rows.series) == 0) & (np.diff(rows.observed_us) == 0)
    return rows.take(np.concatenate(([True], ~repeat))) if repeat.any() else rows


def _last_of_series(rows: Batch) -> npt.NDArray[np.bool_]:
    """Mark the newest row of each series; ``rows`` are sorted by series and device time."""
    if not len(rows):
        return np.zeros(0, dtype=np.bool_)
    return np.concatenate((np.diff(rows.series) != 0, [True]))


def readings_between(conn: Connection[Any], from_us: int, to_us: int) -> Batch:
    """Return the readings of a span of device time (end exclusive) that were not backfilled."""
    span = {"from_s": from_us / 1e6, "to_s": to_us / 1e6, "backfilled": int(Quality.BACKFILLED)}
    with conn.transaction():
        conn.execute(_SQL["find_by_time"])
        with conn.cursor().copy(_SQL["copy_out"], span) as copy:
            return unpack_rows(b"".join(bytes(block) for block in copy))


def _copy(conn: Connection[Any], rows: Batch) -> int:
    with conn.cursor() as cursor:
        with cursor.copy(_SQL["copy_reading"]) as copy:
            copy.write(pack_rows(rows))
        return cursor.rowcount
