"""Readings and rollups out of the database, as blocks of rows in the order of series and time.

Each statement reads a few hundred series by binary COPY, and a block is handed on as soon as it is
there: memory does not grow with what is exported.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import numpy as np
import numpy.typing as npt
import psycopg
from psycopg import Connection

from core.db.queries import load
from core.errors import DatabaseAway
from core.model import Quality
from core.registry import SeriesInfo
from ingest.arrays import PG_EPOCH_US
from twin.history.resolution import Level

_SQL = load("twin.history", "transfer_out.sql")

Block = npt.NDArray[np.void]
"""Rows with the fields of ``RAW_FIELDS`` or ``ROLLUP_FIELDS``, times in microseconds since 1970."""

RAW_FIELDS = (("series", "i4"), ("time", "i8"), ("received", "i8"), ("value", "f8"),
              ("quality", "i4"))  # fmt: skip
ROLLUP_FIELDS = (("series", "i4"), ("time", "i8"), ("count", "i8"), ("good", "i8"), ("min", "f8"),
                 ("max", "f8"), ("sum", "f8"), ("last", "f8"))  # fmt: skip
_TIMES = ("time", "received")
_HEAD = 19  # PostgreSQL, "COPY", binary format: signature, flags, length of the extension
_SERIES_AT_ONCE = 256
_BLOCK_ROWS = 65_536


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """What is read.

    Attributes:
        level: readings, or which rollup of them.
        begin: device time, inclusive; None: from the first on.
        end: device time, exclusive; None: to the last.
        left_out: readings with one of these bits are not read; rollups have their own rule.
    """

    level: Level
    begin: datetime | None = None
    end: datetime | None = None
    left_out: Quality = Quality.GOOD


def blocks(
    conn: Connection[Any], series: Sequence[SeriesInfo], span: Span
) -> Iterator[tuple[Block, int]]:
    """Yield blocks of rows, and how many series are complete with each.

    Raises:
        DatabaseAway: if the database goes away.
    """
    fields = RAW_FIELDS if span.level is Level.RAW else ROLLUP_FIELDS
    statement = _SQL[f"copy_{span.level}"]
    limits = {
        "from": span.begin or "-infinity",
        "to": span.end or "infinity",
        "left_out": int(span.left_out),
    }
    try:
        conn.execute(_SQL["no_time_limit"])
        for first in range(0, len(series), _SERIES_AT_ONCE):
            part = [info.series_id for info in series[first : first + _SERIES_AT_ONCE]]
            with conn.cursor().copy(statement, limits | {"series": part}) as copy:
                for block in parse(map(bytes, copy), fields):
                    yield block, first
            yield np.empty(0, dtype=_plain(fields)), first + len(part)
    except psycopg.OperationalError as error:
        raise DatabaseAway(f"the database went away: {error}") from error


def parse(
    stream: Iterator[bytes], fields: Sequence[tuple[str, str]], rows: int = _BLOCK_ROWS
) -> Iterator[Block]:
    """Yield the rows of a binary COPY stream without nulls, at most ``rows`` and a piece at once.

    Args:
        stream: the stream in pieces of any size.
        fields: name and numpy type of each column, in order.
    """
    wire = _wire(fields)
    held = bytearray()
    for piece in stream:
        held += piece
        whole = (len(held) - _HEAD - 2) // wire.itemsize
        if whole >= rows:
            yield _rows(held, whole, wire, fields)
            # The head is kept in front, so that what follows looks like a stream of its own.
            del held[_HEAD : _HEAD + whole * wire.itemsize]
    whole = (len(held) - _HEAD - 2) // wire.itemsize
    if whole > 0:
        yield _rows(held, whole, wire, fields)


def _rows(
    held: bytearray, count: int, wire: np.dtype[np.void], fields: Sequence[tuple[str, str]]
) -> Block:
    raw = np.frombuffer(bytes(held[_HEAD:]), dtype=wire, count=count)
    block = np.empty(count, dtype=_plain(fields))
    for name, _ in fields:
        block[name] = raw[name]
        if name in _TIMES:
            block[name] += PG_EPOCH_US
    return block


def _plain(fields: Sequence[tuple[str, str]]) -> np.dtype[np.void]:
    return np.dtype(list(fields))


def _wire(fields: Sequence[tuple[str, str]]) -> np.dtype[np.void]:
    """Return the row of a binary COPY: the number of columns, then each with its length."""
    parts: list[tuple[str, str]] = [("fields", ">i2")]
    for name, kind in fields:
        parts += [(f"{name}_len", ">i4"), (name, f">{kind}")]
    return np.dtype(parts)
