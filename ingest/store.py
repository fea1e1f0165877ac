"""One transaction per batch: readings, rejects, alarms, sequences and sums, all or nothing.

Synchronous, for a thread of its own. Owns the writing connection. When a COMMIT was sent and the
connection broke before the answer, the transaction's number tells on the next connection how it
ended, so that a batch is never counted twice and never lost.
"""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Callable, Sequence
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
from ingest import accounts, rejects, writer
from ingest.accounts import GatewayWord, Tally
from ingest.ledger import Draft

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
    """

    batch: Batch = field(default_factory=batches.empty)
    rejected: Sequence[Rejected] = ()
    received: int = 0
    redelivered: int = 0
    draft: Draft = _NOTHING
    words: Sequence[GatewayWord] = ()
    transitions: Sequence[Transition] = ()


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
        self._doubt: tuple[Work, str, Tally] | None = None

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
            try:
                accounts.lock_worker(conn, self._worker)
                self._newest = writer.newest_observed(conn, 1)
                conn.commit()
            except psycopg.Error as error:
                conn.close()
                raise DatabaseAway(f"the database went away: {error}") from error
            writer.prepare(conn)
            self._conn = conn
        return self._conn

    def close(self) -> None:
        """Close the connection; an open transaction is rolled back."""
        if self._conn is not None:
            self._conn.close()
            self._conn = None

    def abort(self) -> None:
        """Break the connection, from any thread: what waits on it fails at once."""
        if self._conn is not None:
            break_off(self._conn)

    def commit(self, work: Work) -> Outcome:
        """Write the work in one transaction.

        Raises:
            DatabaseAway: if it is not known to be written; come again with the same object.
            BatchRefused: if the data itself is refused; nothing of it is written.
        """
        try:
            return self._settle(work) or self._attempt(work)
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
        written = self._write_batch(conn, work.batch, careful=careful)
        rejects.write(conn, work.rejected)
        if work.transitions:
            self._apply(conn, work.transitions, _now_us())
        accounts.save_spools(conn, work.draft.spools)
        accounts.save_words(conn, work.words)
        tally = Tally(
            received=work.received,
            stored=written.stored,
            rejected=sum(reject.readings for reject in work.rejected),
            duplicates=written.duplicates,
            redelivered=work.redelivered,
        )
        number = accounts.add_tally(conn, self._worker, tally)
        self._doubt = (work, number, tally)
        conn.commit()
        self._doubt = None
        return self._done(work, tally)

    def _write_batch(self, conn: Connection[Any], batch: Batch, *, careful: bool) -> writer.Written:
        if not len(batch):
            return writer.Written(0, 0)
        assert self._newest is not None  # open() has read it
        self._newest = writer.grown(self._newest, int(batch.series.max()) + 1)
        return writer.write(conn, batch, self._newest, careful=careful)

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
