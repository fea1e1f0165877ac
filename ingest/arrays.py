"""Columns in PostgreSQL's binary formats, packed by numpy: no reading becomes a Python object."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from psycopg import Connection
from psycopg.adapt import Dumper
from psycopg.pq import Format

from core.batch import Batch, of

PG_EPOCH_US = 946_684_800_000_000
"""PostgreSQL counts timestamps in microseconds from 2000-01-01 UTC; this is it since 1970."""

INT4, FLOAT8, TIMESTAMPTZ = 23, 701, 1184
"""Type oids, fixed since PostgreSQL 7."""

_ITEMS = {INT4: ">i4", FLOAT8: ">f8", TIMESTAMPTZ: ">i8"}

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


class Packed(bytes):
    """An array in PostgreSQL's binary format, as ``pack_array`` makes it."""

    __slots__ = ()


class _PackedDumper(Dumper):
    """Send the bytes as they are, in binary; the statement names the type."""

    format = Format.BINARY

    def dump(self, obj: bytes) -> bytes:
        return obj


def prepare(conn: Connection[Any]) -> None:
    """Teach a connection to send packed arrays; once, before the first of them."""
    conn.adapters.register_dumper(Packed, _PackedDumper)


def pack_array(values: npt.NDArray[Any], oid: int) -> Packed:
    """Return a one-dimensional array without nulls in PostgreSQL's binary format."""
    item = np.dtype(_ITEMS[oid])
    items = np.empty(len(values), dtype=[("len", ">i4"), ("item", item)])
    items["len"] = item.itemsize
    items["item"] = values
    # Dimensions, no null bitmap, element type, length, lower bound (array_recv, arrayfuncs.c).
    head = np.array([1, 0, oid, len(values), 1], dtype=">i4")
    return Packed(head.tobytes() + items.tobytes())


def columns(batch: Batch) -> dict[str, Packed]:
    """Return the columns of a batch as arrays, by the names that the statements use."""
    return {
        "series": pack_array(batch.series, INT4),
        "observed": pack_array(batch.observed_us - PG_EPOCH_US, TIMESTAMPTZ),
        "received": pack_array(batch.received_us - PG_EPOCH_US, TIMESTAMPTZ),
        "value": pack_array(batch.value, FLOAT8),
        "quality": pack_array(batch.quality, INT4),
    }


def pack_rows(batch: Batch) -> bytes:
    """Return the batch as the whole stream of a binary COPY."""
    rows = np.empty(len(batch), dtype=_ROW)
    rows["fields"] = len(_LENGTHS)
    for name, length in _LENGTHS.items():
        rows[f"{name}_len"] = length
    rows["series"] = batch.series
    rows["observed"] = batch.observed_us - PG_EPOCH_US
    rows["received"] = batch.received_us - PG_EPOCH_US
    rows["value"] = batch.value
    rows["quality"] = batch.quality
    return b"".join((_COPY_HEAD, rows.tobytes(), _COPY_TAIL))


def unpack_rows(stream: bytes) -> Batch:
    """Return the batch of a whole binary COPY stream whose rows are as ``pack_rows`` makes them."""
    body = stream[len(_COPY_HEAD) : -len(_COPY_TAIL)]
    rows = np.frombuffer(body, dtype=_ROW)
    return of(
        rows["series"],
        rows["observed"].astype(np.int64) + PG_EPOCH_US,
        rows["received"].astype(np.int64) + PG_EPOCH_US,
        rows["value"],
        rows["quality"],
    )
