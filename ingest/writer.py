"""Batches into the hypertable, one row per (series, device time), in the caller's transaction.

A row that is newer than everything its series has stored cannot be there already and goes in by
binary COPY; the others go through ON CONFLICT DO NOTHING, 1.7 times as dear. Buffers are packed by
numpy in PostgreSQL's binary formats, so that no reading becomes a Python object.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from psycopg import Connection
from psycopg.adapt import Dumper
from psycopg.pq import Format

from core.batch import I8, Batch, of
from core.db.queries import load
from core.model import Quality

_SQL = load("ingest", "writer.sql")

# PostgreSQL counts timestamps in microseconds from 2000-01-01 UTC.
_PG_EPOCH_US = 946_684_800_000_000

# PostgreSQL, "COPY", binary format: signature, no flags, no header extension; trailer of -1.
_COPY_HEAD = b"PGCOPY\n\xff\r\n\0" + bytes(8)
_COPY_TAIL = b"\xff\xff"
_ROW = np.dtype(
    [
        ("fields", ">i2"),
        ("series_len", ">i4"),
        ("series", ">i4"),
        ("observed_len", ">i4"),
        ("observed", ">i8"),
        ("received_len", ">i4"),
        ("received", ">i8"),
        ("value_len", ">i4"),
        ("value", ">f8"),
        ("quality_len", ">i4"),
        ("quality", ">i4"),
    ]
)
_LENGTHS = {"series": 4, "observed": 8, "received": 8, "value": 8, "quality": 4}

_INT4, _FLOAT8, _TIMESTAMPTZ = 23, 701, 1184  # type oids, fixed since PostgreSQL 7
NEVER = np.iinfo(np.int64).min
"""Newest device time of a series that has none."""


class Packed(bytes):
    """An array in PostgreSQL's binary format, as ``pack_array`` makes it."""

    __slots__ = ()


class _PackedDumper(Dumper):
    """Send the bytes as they are, in binary; the statement names the type."""

    format = Format.BINARY

    def dump(self, obj: bytes) -> bytes:
        return obj


@dataclass(frozen=True, slots=True)
class Written:
    """What became of a batch: rows stored, and rows that were there already."""

    stored: int
    duplicates: int


def prepare(conn: Connection[Any]) -> None:
    """Teach a connection to send packed arrays; once, before the first write."""
    conn.adapters.register_dumper(Packed, _PackedDumper)


def newest_observed(conn: Connection[Any], size: int) -> I8:
    """Return the newest stored device time of each series, in an array of at least ``size``."""
    rows = conn.execute(_SQL["newest_observed"]).fetchall()
    newest = np.full(max([size, *(series + 1 for series, _ in rows)]), NEVER, dtype=np.int64)
    for series, observed_us in rows:
        newest[series] = observed_us
    return newest


def write(conn: Connection[Any], batch: Batch, newest: I8, *, careful: bool = False) -> Written:
    """Store the batch and move ``latest`` forward; ``newest`` is read, not changed.

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
        stored += _copy(conn, rows.take(fresh))
    if len(late):
        stored += conn.execute(_SQL["insert_reading"], _arrays(late), prepare=True).rowcount
    head = rows.take(fresh & last_of_series(rows))
    if len(head):
        conn.execute(_SQL["advance_latest"], _arrays(head), prepare=True)
    return Written(stored, len(batch) - stored)


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


def last_of_series(rows: Batch) -> npt.NDArray[np.bool_]:
    """Mark the newest row of each series; ``rows`` are sorted by series and device time."""
    if not len(rows):
        return np.zeros(0, dtype=np.bool_)
    return np.concatenate((np.diff(rows.series) != 0, [True]))


def pack_rows(batch: Batch) -> bytes:
    """Return the batch as the whole stream of a binary COPY."""
    rows = np.empty(len(batch), dtype=_ROW)
    rows["fields"] = len(_LENGTHS)
    for name, length in _LENGTHS.items():
        rows[f"{name}_len"] = length
    rows["series"] = batch.series
    rows["observed"] = batch.observed_us - _PG_EPOCH_US
    rows["received"] = batch.received_us - _PG_EPOCH_US
    rows["value"] = batch.value
    rows["quality"] = batch.quality
    return b"".join((_COPY_HEAD, rows.tobytes(), _COPY_TAIL))


def unpack_rows(stream: bytes) -> Batch:
    """Return the batch of a whole binary COPY stream whose rows are as ``pack_rows`` makes them."""
    body = stream[len(_COPY_HEAD) : -len(_COPY_TAIL)]
    rows = np.frombuffer(body, dtype=_ROW)
    return of(
        rows["series"],
        rows["observed"].astype(np.int64) + _PG_EPOCH_US,
        rows["received"].astype(np.int64) + _PG_EPOCH_US,
        rows["value"],
        rows["quality"],
    )


def readings_between(conn: Connection[Any], from_us: int, to_us: int) -> Batch:
    """Return the readings of a span of device time (end exclusive) that were not backfilled."""
    span = {"from_s": from_us / 1e6, "to_s": to_us / 1e6, "backfilled": int(Quality.BACKFILLED)}
    with conn.cursor().copy(_SQL["copy_out"], span) as copy:
        return unpack_rows(b"".join(bytes(block) for block in copy))


def pack_array(values: npt.NDArray[Any], oid: int, width: int) -> Packed:
    """Return a one-dimensional array without nulls in PostgreSQL's binary format."""
    kind = "f" if oid == _FLOAT8 else "i"
    items = np.empty(len(values), dtype=[("len", ">i4"), ("item", f">{kind}{width}")])
    items["len"] = width
    items["item"] = values
    # Dimensions, no null bitmap, element type, length, lower bound (array_recv, arrayfuncs.c).
    head = np.array([1, 0, oid, len(values), 1], dtype=">i4")
    return Packed(head.tobytes() + items.tobytes())


def _arrays(batch: Batch) -> dict[str, Packed]:
    return {
        "series": pack_array(batch.series, _INT4, 4),
        "observed": pack_array(batch.observed_us - _PG_EPOCH_US, _TIMESTAMPTZ, 8),
        "received": pack_array(batch.received_us - _PG_EPOCH_US, _TIMESTAMPTZ, 8),
        "value": pack_array(batch.value, _FLOAT8, 8),
        "quality": pack_array(batch.quality, _INT4, 4),
    }


def _copy(conn: Connection[Any], rows: Batch) -> int:
    with conn.cursor() as cursor:
        with cursor.copy(_SQL["copy_reading"]) as copy:
            copy.write(pack_rows(rows))
        return cursor.rowcount
