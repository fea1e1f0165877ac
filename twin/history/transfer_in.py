"""Lines of a file into the store: judged as on the wire, in bounded transactions, counted exactly.

Every line ends stored, as a duplicate, or as a reject that names it; the sums stand under a worker
id of their own in the transaction of the rows. So a broken import is simply started again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from typing import Any

import psycopg
from psycopg import Connection

from core.errors import DatabaseAway, Permanent
from core.model import Rejected
from ingest import accounts, belated, rejects
from ingest.accounts import Tally
from ingest.belated import Judge
from ingest.config import IMPORT
from twin.history.transfer_lines import Lines, decoded

WORKER = IMPORT
"""Under this name the lines of files are counted."""
_ATTEMPTS = 5
_CLASH = (psycopg.errors.DeadlockDetected, psycopg.errors.SerializationFailure)


@dataclass(slots=True)
class Report:
    """What became of the lines; ``read`` is the sum of the other three.

    Attributes:
        first: reason -> the first reject with it.
        reasons: reason -> how many.
    """

    read: int = 0
    stored: int = 0
    rejected: int = 0
    duplicates: int = 0
    reasons: dict[str, int] = field(default_factory=dict)
    first: dict[str, Rejected] = field(default_factory=dict)

    def add(self, tally: Tally, refused: Iterable[Rejected]) -> None:
        """Count what became of some lines."""
        self.read += tally.received
        self.stored += tally.stored
        self.rejected += tally.rejected
        self.duplicates += tally.duplicates
        for reject in refused:
            reason = str(reject.reason)
            self.reasons[reason] = self.reasons.get(reason, 0) + 1
            self.first.setdefault(reason, reject)


@dataclass(frozen=True, slots=True, kw_only=True)
class Import:
    """How lines are stored.

    Attributes:
        conn: autocommit, made ready by ``belated.judge_of``.
        now_us: the clock, microseconds since the Unix epoch.
        dry: change nothing, only say what would happen.
    """

    conn: Connection[Any]
    judge: Judge
    now_us: Callable[[], int]
    dry: bool = False

    def run(self, parts: Iterable[Lines], tell: Callable[[Report], None]) -> Report:
        """Store all lines; ``tell`` hears after each transaction.

        Raises:
            DatabaseAway: if the database goes away; what is done so far is committed.
            Permanent: if it refuses rows.
        """
        report = Report()
        for lines in parts:
            self._store(lines, report)
            tell(report)
        return report

    def _store(self, lines: Lines, report: Report) -> None:
        try:
            tally, refused = self._attempt(lines, _ATTEMPTS)
        except psycopg.OperationalError as error:
            raise DatabaseAway(
                f"the database went away: {error}",
                remedy="import the file again: what is stored counts as duplicate",
            ) from error
        except (psycopg.DataError, psycopg.IntegrityError) as error:
            first = lines.number[0] if lines.number else 0
            raise Permanent(
                f"{lines.source}: the database refuses rows from line {first} on: {error}",
                remedy="what stands before that line is stored; correct the file and go on",
            ) from error
        report.add(tally, refused)

    def _attempt(self, lines: Lines, more: int) -> tuple[Tally, list[Rejected]]:
        try:
            with self.conn.transaction():
                return self._transact(lines)
        except _CLASH:
            # A worker was storing the same readings; one of both had to give way.
            if more == 0:
                raise
        return self._attempt(lines, more - 1)

    def _transact(self, lines: Lines) -> tuple[Tally, list[Rejected]]:
        now_us = self.now_us()
        columns, places = decoded(lines, self.judge.tables, now_us)
        checked = self.judge.check(columns, places)
        refused = [replace(reject, received_us=now_us) for reject in lines.refused]
        refused += checked.rejected
        stored = (
            belated.would_store(self.conn, checked.batch)
            if self.dry
            else belated.store(self.conn, checked.batch, now_us)
        )
        good = int(stored.sum())
        tally = Tally(
            received=len(lines),
            stored=good,
            rejected=len(refused),
            duplicates=len(stored) - good,
        )
        if not self.dry:
            rejects.write(self.conn, refused)
            accounts.add_tally(self.conn, WORKER, tally)
        return tally, refused
