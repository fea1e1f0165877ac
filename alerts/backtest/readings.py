"""Read stored readings as columns, quickly: as binary arrays, taken apart by numpy.

An array of a fixed-width type without NULL has a header of five 32-bit numbers (dimensions, whether
there are NULLs, type, length, first index), then length and value of each element, all big-endian.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Generator, Iterable, Sequence
from datetime import datetime
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
_WAITING = 2
"""Slices read ahead of the engine."""

Slice = tuple[datetime, datetime]


def batches_of(
    conn: Connection[Any],
    series: Sequence[int],
    slices: Iterable[Slice],
    *,
    backfilled: bool = False,
    needed: Callable[[Batch], Batch] = lambda batch: batch,
) -> Generator[tuple[Slice, int, Batch], None, None]:
    """Yield each slice, how many readings it has, and those needed, read ahead in a thread.

    They count as received when they were observed. Stop the thread by closing the generator.

    Args:
        conn: an open connection that nobody else uses meanwhile.
        series: whose readings.
        slices: stretches, the end exclusive.
        backfilled: let readings that came over the backfill channel speak, which they never do for
            alarms of now.
        needed: takes the readings of each slice in turn and returns those to yield.

    Raises:
        DatabaseAway: if the database goes away.
    """
    waiting: queue.Queue[tuple[Slice, int, Batch] | psycopg.Error | None] = queue.Queue(_WAITING)
    stopped = threading.Event()

    def put(what: tuple[Slice, int, Batch] | psycopg.Error | None) -> None:
        while not stopped.is_set():
            try:
                waiting.put(what, timeout=0.2)
            except queue.Full:
                continue
            return

    def run() -> None:
        try:
            for piece in slices:
                if stopped.is_set():
                    return
                batch = read(conn, series, piece, backfilled=backfilled)
                put((piece, len(batch), needed(batch)))
            put(None)
        except psycopg.Error as error:
            put(error)

    thread = threading.Thread(target=run, name="backtest readings", daemon=True)
    thread.start()
    try:
        while (got := waiting.get()) is not None:
            if isinstance(got, psycopg.Error):
                raise DatabaseAway(f"the database went away: {got}") from got
            yield got
    finally:
        stopped.set()
        thread.join()


def read(
    conn: Connection[Any], series: Sequence[int], piece: Slice, *, backfilled: bool = False
) -> Batch:
    """Read one slice, ordered by series and time."""
    parameters = {"series": list(series), "since": piece[0], "until": piece[1]}
    with conn.cursor(binary=True) as cursor:
        for kind in ("timestamptz", "float8", "int4"):
            cursor.adapters.register_loader(cursor.adapters.types[kind].array_oid, _AsBytes)
        rows = cursor.execute(_SQL["readings"], parameters, prepare=False).fetchall()
    if not rows:
        return batches.empty()
    at_us = np.concatenate([decode(row[1], ">i8") for row in rows]) + _EPOCH_2000_US
    quality = np.concatenate([decode(row[3], ">i4") for row in rows])
    if backfilled:
        quality &= ~int(Quality.BACKFILLED)
    value = np.concatenate([decode(row[2], ">f8") for row in rows])
    counts = [(len(row[1]) - _HEADER_BYTES) // 12 for row in rows]
    ids = np.repeat([row[0] for row in rows], counts)
    return batches.of(ids, at_us, at_us, value, quality).sorted()


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
