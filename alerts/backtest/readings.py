"""Read stored readings as columns, quickly: as binary arrays, taken apart by numpy.

An array of a fixed-width type without NULL has a header of five 32-bit numbers (dimensions, whether
there are NULLs, type, length, first index), then length and value of each element, all big-endian.
"""

from __future__ import annotations

import itertools
from collections import deque
from collections.abc import Generator, Iterable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from datetime import datetime
from operator import itemgetter
from typing import Any

import numpy as np
import numpy.typing as npt
import psycopg
from psycopg import Connection
from psycopg.abc import Buffer
from psycopg.adapt import Loader
from psycopg.pq import Format

from core import batch as batches
from core.batch import Batch
from core.db.queries import load
from core.errors import DatabaseAway
from core.model import Quality

_SQL = load("alerts.backtest", "readings.sql")
_HEADER_BYTES = 20
_EPOCH_2000_US = 946_684_800_000_000

Slice = tuple[datetime, datetime]


def batches_of(
    conns: Sequence[Connection[Any]],
    series: Sequence[int],
    slices: Iterable[Slice],
    *,
    backfilled: bool = False,
) -> Generator[tuple[Slice, Batch], None, None]:
    """Yield each slice with its readings, in turn, read ahead over every connection at once.

    They count as received when they were observed. Stop the reading by closing the generator.

    Args:
        conns: open connections that nobody else uses meanwhile, at least one.
        series: whose readings.
        slices: stretches, the end exclusive.
        backfilled: let readings that came over the backfill channel speak, which they never do for
            alarms of now.

    Raises:
        DatabaseAway: if the database goes away.
    """
    ahead: deque[tuple[Slice, Future[Batch]]] = deque()
    with ExitStack() as stack:
        readers = [
            stack.enter_context(ThreadPoolExecutor(1, thread_name_prefix="backtest readings"))
            for _ in conns
        ]
        stack.callback(lambda: [one.cancel() for _, one in ahead])
        turns = itertools.cycle(zip(readers, conns, strict=True))
        for piece, (reader, conn) in zip(slices, turns, strict=False):
            ahead.append((piece, reader.submit(read, conn, series, piece, backfilled=backfilled)))
            if len(ahead) > len(conns):
                yield _got(*ahead.popleft())
        while ahead:
            yield _got(*ahead.popleft())


def _got(piece: Slice, reading: Future[Batch]) -> tuple[Slice, Batch]:
    try:
        return piece, reading.result()
    except psycopg.Error as error:
        raise DatabaseAway(f"the database went away: {error}") from error


def read(
    conn: Connection[Any], series: Sequence[int], piece: Slice, *, backfilled: bool = False
) -> Batch:
    """Read one slice, ordered by series and time."""
    parameters = {"series": list(series), "since": piece[0], "until": piece[1]}
    with conn.transaction(), conn.cursor(binary=True) as cursor:
        cursor.execute(_SQL["room"])
        for kind in ("timestamptz", "float8", "int4"):
            cursor.adapters.register_loader(cursor.adapters.types[kind].array_oid, _AsBytes)
        rows = cursor.execute(_SQL["readings"], parameters, prepare=False).fetchall()
    if not rows:
        return batches.empty()
    rows.sort(key=itemgetter(0))
    at_us = np.concatenate([decode(row[1], ">i8") for row in rows]) + _EPOCH_2000_US
    quality = np.concatenate([decode(row[3], ">i4") for row in rows])
    if backfilled:
        quality &= ~int(Quality.BACKFILLED)
    value = np.concatenate([decode(row[2], ">f8") for row in rows])
    counts = [(len(row[1]) - _HEADER_BYTES) // 12 for row in rows]
    ids = np.repeat([row[0] for row in rows], counts)
    return _in_order(batches.of(ids, at_us, at_us, value, quality))


def _in_order(batch: Batch) -> Batch:
    """Sort by series and time, unless the store has them so already, as it mostly has."""
    series, at_us = batch.series, batch.observed_us
    later = (series[1:] > series[:-1]) | ((series[1:] == series[:-1]) & (at_us[1:] >= at_us[:-1]))
    return batch if later.all() else batch.sorted()


def decode(content: bytes, element: str) -> npt.NDArray[Any]:
    """Take a binary array of a fixed-width type apart.

    Args:
        content: as PostgreSQL sends it, one-dimensional and without NULL.
        element: numpy's name of the element, big-endian.

    Raises:
        ValueError: if it is not that.
    """
    shape = np.dtype([("bytes", ">i4"), ("value", element)])
    if len(content) < _HEADER_BYTES:
        raise ValueError("an array without elements")
    dimensions, nulls, _, count, _ = np.frombuffer(content, ">i4", 5).tolist()
    if dimensions != 1 or nulls or len(content) != _HEADER_BYTES + count * shape.itemsize:
        raise ValueError("no plain array of this type")
    found = np.frombuffer(content, shape, count, _HEADER_BYTES)["value"]
    return found.astype(np.dtype(element).newbyteorder("="))


class _AsBytes(Loader):
    """Leaves an array as it came."""

    format = Format.BINARY

    def load(self, data: Buffer) -> bytes:
        return bytes(data)


def places(conn: Connection[Any], devices: Sequence[str]) -> list[tuple[Any, ...]]:
    """Return id, name, longitude, latitude and space code of devices and gateways."""
    return conn.execute(_SQL["places"], {"devices": list(devices)}).fetchall()
