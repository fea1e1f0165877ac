"""One transaction per batch: readings, rejects, alarms, sequences and sums, all or nothing.

Synchronous, for a thread of its own. Owns the writing connection. When a COMMIT was sent and the
connection broke before the answer, the transaction's number tells on the next connection how it
ended, so that a batch is never counted twice and never lost. ``flush_latest`` may run in another
thread at the same time, on a connection of its own.
"""

from __future__ import annotations

import os
import socket
import threading
import time
from collections.abc import Callable, Collection, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import psycopg
from psycopg import AsyncConnection, Connection

from core import batch as batches
from core.batch import I8, Batch
from core.config import DatabaseConfig
from core.db.pool import connect
from core.errors import DatabaseAway, Permanent
from core.model import Rejected, Transition
from ingest import accounts, latest, marks, rejects, writer
from ingest.accounts import GatewayWord, LedgerStale, Tally
from ingest.ledger import Committed, Draft, Key

_NOTHING = Draft({}, frozenset())


class BatchRefused(Permanent):
    """The database refuses the data of a batch, and would again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """What one transaction writes.

    Attributes:
        batch: readings to store.
        rejected: readings and messages to keep aside.
        received: readings in all, those two together.
        redelivered: messages that were committed before, and are not in the above.
        draft: the committed sequences of the spools once this is written.
        words: what gateways said of themselves.
        transitions: what the alarm engine made of the batch.
        judged_us: when it did, our clock, microseconds since the Unix epoch; 0: just now.
    """

    batch: Batch = field(default_factory=batches.empty)
    rejected: Sequence[Rejected] = ()
    received: int = 0
    redelivered: int = 0
    draft: Draft = _NOTHING
    words: Sequence[GatewayWord] = ()
    transitions: Sequence[Transition] = ()
    judged_us: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What became of a piece of work, and when (our clock, microseconds since the Unix epoch)."""

    tally: Tally
    committed_us: int


Apply = Callable[[Connection[Any], Sequence[Transition], int], object]
"""``alerts.store.apply``: writes transitions as alarms and events; arguments as there."""


class Store:
    """The writing end of the worker. ``open`` before ``commit``; every failure closes it again."""

    def __init__(self, database: DatabaseConfig, worker: str, apply: Apply) -> None:
        self._database = database
        self._worker = worker
        self._apply = apply
        self._conn: Connection[Any] | None = None
        self._newest: I8 | None = None
        self._marking = True
        self._doubt: tuple[Work, str, Tally] | None = None
        self._pending = latest.Pending()
        self._side: Connection[Any] | None = None
        self._flushing = threading.Lock()

    @property
    def is_open(self) -> bool:
        """Whether there is a connection, as far as is known."""
        return self._conn is not None

    def open(self) -> Connection[Any]:
        """Return the connection, made and prepared if there is none.

        Raises:
            DatabaseAway: if the database cannot be reached.
        """
        if self._conn is None:
            conn = connect(self._database, application_name=f"blocktwin ingest {self._worker}")
            writer.prepare(conn)
            try:
                accounts.lock_worker(conn, self._worker)
                self._pending.clear()
                latest.repair(conn, self._worker)
                self._newest = writer.newest_observed(conn, 1)
                self._marking = marks.are_wanted(conn)
                conn.commit()
            except psycopg.Error as error:
                conn.close()
                raise DatabaseAway(f"the database went away: {error}") from error
            self._conn = conn
        return self._conn

    def close(self) -> None:
        """Close the connections; an open transaction is rolled back."""
        for conn in (self._conn, self._side):
            if conn is not None:
                conn.close()
        self._conn = self._side = None

    def abort(self) -> None:
        """Break the connections, from any thread: what waits on them fails at once."""
        for conn in (self._conn, self._side):
            if conn is not None:
                break_off(conn)

    def flush_latest(self) -> int:
        """Bring ``latest`` up to what is committed; return the rows written.

        Raises:
            DatabaseAway: if it is not known to be done; come again.
        """
        with self._flushing:
            if not len(self._pending):
                return 0
            side = self._side
            if side is None:
                name = f"blocktwin ingest {self._worker} latest"
                side = self._side = connect(self._database, application_name=name)
                writer.prepare(side)
            try:
                return latest.flush(side, self._worker, self._pending)
            except psycopg.Error as error:
                # A batch that failed meanwhile may have closed it, and forgotten it too.
                side.close()
                self._side = None
                raise DatabaseAway(f"the newest values are not written: {error}") from error

    def load_spools(self, keys: Collection[Key]) -> dict[Key, Committed]:
        """Return what the database knows of these spools.

        Raises:
            DatabaseAway: if it cannot be asked.
        """
        try:
            conn = self.open()
            spools = accounts.load_spools(conn, keys)
            conn.commit()
        except psycopg.Error as error:
            self.close()
            raise DatabaseAway(f"the database went away: {error}") from error
        return spools

    def commit(self, work: Work) -> Outcome:
        """Write the work in one transaction.

        Raises:
            DatabaseAway: if it is not known to be written; come again with the same object.
            BatchRefused: if the data itself is refused; nothing of it is written.
            LedgerStale: if another worker has written one of its spools; nothing is written.
        """
        try:
            return self._settle(work) or self._attempt(work)
        except LedgerStale:
            self._roll_back()
            raise
        except psycopg.errors.UniqueViolation as error:
            self._roll_back()
            raise BatchRefused(f"the database refuses the batch: {error}") from error
        except (psycopg.DataError, psycopg.IntegrityError) as error:
            self._roll_back()
            raise BatchRefused(f"the database refuses the batch: {error}") from error
        except psycopg.Error as error:
            self.close()
            if (error.sqlstate or "").startswith("54"):  # class 54: program limit exceeded
                raise BatchRefused(f"the database refuses the batch: {error}") from error
            raise DatabaseAway(f"the database does not take the batch: {error}") from error

    def _settle(self, work: Work) -> Outcome | None:
        """Return the outcome of work whose COMMIT was not answered but done."""
        conn = self.open()
        doubt, self._doubt = self._doubt, None
        if doubt is None or doubt[0] is not work:
            return None
        try:
            committed = accounts.was_committed(conn, doubt[1])
            conn.commit()
        except psycopg.Error:
            self._doubt = doubt
            raise
        return self._done(work, doubt[2]) if committed else None

    def _attempt(self, work: Work) -> Outcome:
        try:
            return self._transact(work, careful=False)
        except psycopg.errors.UniqueViolation:
            # Somebody else has written to our series, a second store or a person.
            self._roll_back()
            return self._transact(work, careful=True)

    def _transact(self, work: Work, *, careful: bool) -> Outcome:
        conn = self.open()
        written, head = self._write_batch(conn, work.batch, careful=careful)
        rejects.write(conn, work.rejected)
        if work.transitions:
            self._apply(conn, work.transitions, work.judged_us or _now_us())
        accounts.save_spools(conn, work.draft.spools)
        accounts.save_words(conn, work.words)
        tally = Tally(
            received=work.received,
            stored=written.stored,
            rejected=sum(reject.readings for reject in work.rejected),
            duplicates=written.duplicates,
            redelivered=work.redelivered,
        )
        behind_us = int(head.observed_us.min()) if len(head) else None
        with self._pending.books:
            number = accounts.add_tally(conn, self._worker, tally, behind_us)
            self._doubt = (work, number, tally)
            conn.commit()
            self._doubt = None
            self._pending.note(head)
        return self._done(work, tally)

    def _write_batch(
        self, conn: Connection[Any], batch: Batch, *, careful: bool
    ) -> tuple[writer.Written, Batch]:
        """Write the rows and their marks; return also the rows that ``latest`` must follow."""
        if not len(batch):
            return writer.Written(0, 0), batch
        assert self._newest is not None  # open() has read it
        self._newest = writer.grown(self._newest, int(batch.series.max()) + 1)
        written = writer.write(conn, batch, self._newest, careful=careful)
        if written.stored and self._marking:
            marks.save(conn, marks.marks_of(batch))
        return written, writer.newest_rows(batch, self._newest)

    def _done(self, work: Work, tally: Tally) -> Outcome:
        if len(work.batch):
            assert self._newest is not None  # open() has read it
            self._newest = writer.grown(self._newest, int(work.batch.series.max()) + 1)
            writer.advance(self._newest, work.batch)
        return Outcome(tally=tally, committed_us=_now_us())

    def _roll_back(self) -> None:
        try:
            if self._conn is not None:
                self._conn.rollback()
        except psycopg.Error:
            self.close()


def break_off(conn: Connection[Any] | AsyncConnection[Any]) -> None:
    """Shut a connection's socket, from any thread: what waits on it fails at once."""
    if not conn.closed:
        # libpq owns the descriptor; a duplicate reaches the same socket.
        with socket.socket(fileno=os.dup(conn.fileno())) as twin, suppress(OSError):
            twin.shutdown(socket.SHUT_RDWR)


def _now_us() -> int:
    return time.time_ns() // 1000
