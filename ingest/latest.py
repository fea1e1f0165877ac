"""The table ``latest`` (the newest reading of each series) follows the readings by about a second.

It is written on a connection of its own beside the batches, so that no batch waits for it. How far
it is behind stands in ``tally.latest_from`` in the transaction of the readings, so that what a
killed worker had not got round to is made good from the readings at the next start.
"""

from __future__ import annotations

import threading
from typing import Any

import numpy as np
import psycopg
from psycopg import Connection

from core.batch import F8, I4, I8, Batch
from core.db.queries import load
from ingest import writer

_SQL = load("ingest", "latest.sql")


class Pending:
    """The newest rows that ``latest`` does not have yet. Used by two threads.

    Attributes:
        books: held while the books of the worker are written; who holds it sees no batch half done.
    """

    def __init__(self) -> None:
        self.books = threading.Lock()
        self._guard = threading.Lock()
        self._due = np.zeros(0, dtype=np.bool_)
        self._observed_us: I8 = np.zeros(0, dtype=np.int64)
        self._received_us: I8 = np.zeros(0, dtype=np.int64)
        self._value: F8 = np.zeros(0, dtype=np.float64)
        self._quality: I4 = np.zeros(0, dtype=np.int32)

    def __len__(self) -> int:
        return int(np.count_nonzero(self._due))

    def note(self, rows: Batch) -> None:
        """Note committed rows, one a series, each newer than all before it of its series."""
        if not len(rows):
            return
        with self._guard:
            self._grow(int(rows.series.max()) + 1)
            self._due[rows.series] = True
            self._observed_us[rows.series] = rows.observed_us
            self._received_us[rows.series] = rows.received_us
            self._value[rows.series] = rows.value
            self._quality[rows.series] = rows.quality

    def take(self) -> Batch:
        """Return what is due, by series id, and count it as done."""
        with self._guard:
            series = np.flatnonzero(self._due).astype(np.int32)
            self._due[series] = False
            return Batch(
                series=series,
                observed_us=self._observed_us[series],
                received_us=self._received_us[series],
                value=self._value[series],
                quality=self._quality[series],
            )

    def put_back(self, rows: Batch) -> None:
        """Count rows that were taken as due again; what was noted meanwhile is newer and stays."""
        with self._guard:
            self._due[rows.series] = True

    def clear(self) -> None:
        """Forget everything: the table is being made good from the readings."""
        with self._guard:
            self._due[:] = False

    def oldest_us(self) -> int | None:
        """Return the oldest device time that is due; None when nothing is."""
        with self._guard:
            return int(self._observed_us[self._due].min()) if self._due.any() else None

    def _grow(self, size: int) -> None:
        more = size - len(self._due)
        if more > 0:
            self._due = np.concatenate([self._due, np.zeros(more, dtype=np.bool_)])
            self._observed_us = np.concatenate([self._observed_us, np.zeros(more, dtype=np.int64)])
            self._received_us = np.concatenate([self._received_us, np.zeros(more, dtype=np.int64)])
            self._value = np.concatenate([self._value, np.zeros(more, dtype=np.float64)])
            self._quality = np.concatenate([self._quality, np.zeros(more, dtype=np.int32)])


def flush(conn: Connection[Any], worker: str, pending: Pending) -> int:
    """Bring ``latest`` up to what is pending, in one transaction; return the rows written.

    Args:
        conn: its own, made ready by ``ingest.arrays.prepare``; not the one of the batches.

    Raises:
        psycopg.Error: if it is not known to be written; the rows are pending again.
    """
    rows = pending.take()
    if not len(rows):
        return 0
    try:
        writer.advance_latest(conn, rows)
        with pending.books:
            # No batch is between its books and its note now: what is not due is in the table.
            conn.execute(_SQL["follow"], {"worker": worker, "from_us": pending.oldest_us()})
            conn.commit()
    except psycopg.Error:
        pending.put_back(rows)
        raise
    return len(rows)


def repair(conn: Connection[Any], worker: str) -> None:
    """Make good what this worker, or one that is gone, had still to write; the caller commits.

    Waits for nobody: a running worker looks after its own.
    """
    for other, from_us in conn.execute(_SQL["behind"]).fetchall():
        row = conn.execute(_SQL["is_gone"], {"worker": other}).fetchone()
        if other == worker or (row is not None and row[0]):
            conn.execute(_SQL["repair"], {"from_us": from_us})
            conn.execute(_SQL["follow"], {"worker": other, "from_us": None})
