"""Bring rejects back: read them again with today's registry and store what is good now.

One bounded transaction after another; each locks its rejects, stores readings, notes what became of
the rejects, and moves the sums, all or nothing. Several may run at once, beside the workers.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import psycopg
from psycopg import Connection
from psycopg.rows import class_row

from core.db.queries import load
from core.errors import DatabaseAway
from ingest import accounts, belated, rejects
from ingest.belated import Judge
from ingest.config import RETRY
from ingest.rejected_choice import Choice
from ingest.rejected_reread import Kept, Settlement, reread, settle

_SQL = load("ingest", "rejected_retry.sql")

WORKER = RETRY
"""Under this name the sums are moved from rejected to stored."""
ROWS = 2000
BYTES = 16 << 20
"""Rejects and bytes of payload in one transaction at most (one reject more, to get on at all)."""
_DROPPED_ROWS = 10_000
_ATTEMPTS = 5
_CLASH = (psycopg.errors.DeadlockDetected, psycopg.errors.SerializationFailure)
_REFUSALS = (psycopg.DataError, psycopg.IntegrityError, psycopg.errors.ProgramLimitExceeded)


@dataclass(slots=True)
class Report:
    """What a retry has done.

    Attributes:
        rejects: rows looked at.
        stored: readings stored; ``duplicates``: readings that were there already.
        still: readings still refused, by reason.
    """

    rejects: int = 0
    stored: int = 0
    duplicates: int = 0
    still: Counter[str] = field(default_factory=Counter)

    def add(self, other: Report) -> None:
        """Take in the report of another part."""
        self.rejects += other.rejects
        self.stored += other.stored
        self.duplicates += other.duplicates
        self.still += other.still


@dataclass(frozen=True, slots=True, kw_only=True)
class Retry:
    """How rejects are brought back.

    Attributes:
        conn: autocommit, made ready by ``belated.judge_of``.
        now_us: the clock, microseconds since the Unix epoch.
        dry: change nothing, only say what would happen.
        rows: rejects in one transaction.
    """

    conn: Connection[Any]
    judge: Judge
    now_us: Callable[[], int]
    dry: bool = False
    rows: int = ROWS

    def run(self, choice: Choice, tell: Callable[[Report], None] = lambda _: None) -> Report:
        """Go once through the open rejects of a choice; ``tell`` hears after each transaction.

        Raises:
            DatabaseAway: if the database goes away; what is done so far is committed.
        """
        report = Report()
        try:
            after, until = 0, _newest(self.conn)
            while after < until:
                part, last = self._next(choice, after, until)
                if last is None:
                    break
                after = last
                report.add(part)
                tell(report)
        except psycopg.OperationalError as error:
            raise _away(error) from error
        return report

    def _next(self, choice: Choice, after: int, until: int) -> tuple[Report, int | None]:
        bounds = {"after": after, "until": until, "rows": self.rows, "bytes": BYTES}
        for attempt in range(1, _ATTEMPTS + 1):
            try:
                with self.conn.transaction(force_rollback=self.dry):
                    kept = _take(self.conn, choice.parameters() | bounds)
                    if not kept:
                        return Report(), None
                    return self._bring_back(kept), kept[-1].rejected_id
            except _CLASH:
                # A worker was storing the same readings; one of both had to give way.
                if attempt == _ATTEMPTS:
                    raise
        raise AssertionError("the loop returns or raises")

    def _bring_back(self, kept: Sequence[Kept]) -> Report:
        """Store what is good; what the store refuses is searched by halves and stays as it is."""
        try:
            with self.conn.transaction():
                return self._store(kept)
        except _REFUSALS:
            if len(kept) == 1:
                return Report(rejects=1, still=Counter({kept[0].reason: kept[0].readings}))
        middle = len(kept) // 2
        report = self._bring_back(kept[:middle])
        report.add(self._bring_back(kept[middle:]))
        return report

    def _store(self, kept: Sequence[Kept]) -> Report:
        read = reread(kept, self.judge)
        if self.dry:
            stored = belated.would_store(self.conn, read.batch)
        else:
            stored = belated.store(self.conn, read.batch, self.now_us())
        done = settle(kept, read, stored)
        if not self.dry:
            _note(self.conn, done)
        return Report(
            rejects=len(kept),
            stored=done.tally.stored,
            duplicates=done.tally.duplicates,
            still=_still(done),
        )


def drop(conn: Connection[Any], choice: Choice, *, dry: bool) -> tuple[int, int]:
    """Give up the open rejects of a choice; return how many, and how many readings.

    Raises:
        DatabaseAway: if the database goes away; what is done so far is committed.
    """
    dropped = readings = 0
    try:
        after, until = 0, _newest(conn)
        while after < until:
            bounds = {"after": after, "until": until, "rows": _DROPPED_ROWS}
            with conn.transaction(force_rollback=dry):
                rows = conn.execute(_SQL["drop"], choice.parameters() | bounds).fetchall()
            if not rows:
                break
            after = max(number for number, _ in rows)
            dropped += len(rows)
            readings += sum(lost for _, lost in rows)
    except psycopg.OperationalError as error:
        raise _away(error) from error
    return dropped, readings


def _newest(conn: Connection[Any]) -> int:
    row = conn.execute(_SQL["newest"]).fetchone()
    return int(row[0]) if row else 0


def _take(conn: Connection[Any], parameters: dict[str, object]) -> list[Kept]:
    with conn.cursor(row_factory=class_row(Kept)) as cursor:
        return cursor.execute(_SQL["take"], parameters).fetchall()


def _note(conn: Connection[Any], done: Settlement) -> None:
    rejects.write(conn, done.added)
    if done.resolved:
        ids, resolutions = list(done.resolved), list(done.resolved.values())
        conn.execute(_SQL["resolve"], {"ids": ids, "resolutions": resolutions})
    if done.reworded:
        _reword(conn, done)
    # The sums last: whoever waits for this row has no lock that this one waits for.
    accounts.add_tally(conn, WORKER, done.tally)


def _reword(conn: Connection[Any], done: Settlement) -> None:
    now = list(done.reworded.values())
    names = [rejects.name_of(reject) for reject in now]
    conn.execute(
        _SQL["reword"],
        {
            "ids": list(done.reworded),
            "reasons": [str(reject.reason) for reject in now],
            "details": [rejects.readable(reject.detail) for reject in now],
            "readings": [reject.readings for reject in now],
            "devices": [device for device, _ in names],
            "quantities": [quantity for _, quantity in names],
        },
    )


def _still(done: Settlement) -> Counter[str]:
    """Count the readings that are still refused, each under the reason of today."""
    still: Counter[str] = Counter()
    for reject in done.added:
        still[str(reject.reason)] += reject.readings
    for one in done.left:
        now = done.reworded.get(one.rejected_id)
        if now is None:
            still[one.reason] += one.readings
        else:
            still[str(now.reason)] += now.readings
    return still


def _away(error: psycopg.OperationalError) -> DatabaseAway:
    return DatabaseAway(
        f"the database went away: {error}",
        remedy="what is done so far is committed; run the same command again",
    )
