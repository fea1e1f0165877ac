"""What the notifier does besides its channels, about once a second, on one connection.

Reading the directory anew, calling for alarms that nobody has acknowledged, and watching the
canaries. One notifier at a time does the last two; another one only reads.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from psycopg import Connection

from alerts.config import NotifyConfig
from alerts.notify import canary, escalation
from alerts.notify.directory import Directory

CANARIES_EVERY_S = 5.0
FORGET_EVERY_S = 60.0
DIRECTORY_EVERY_S = 30.0
_LONG_AGO = datetime(1970, 1, 1, tzinfo=UTC)

Conn = Connection[Any]


@dataclass(slots=True, kw_only=True)
class Rounds:
    """The rounds of one process; ``make`` is called in a thread.

    Attributes:
        cfg: deadlines.
        directory: is kept fresh.
        watch: over the canaries.
        channels: names of the configured ones that wake people.
        settle_s: seconds the first call for an alarm waits for the desk.
        stale: set it when rosters, rules or hidden alarms may have changed.
    """

    cfg: NotifyConfig
    directory: Directory
    watch: canary.Watch
    channels: frozenset[str]
    settle_s: float = 0.0
    stale: bool = True
    _directory_at: datetime = _LONG_AGO
    _canaries_at: datetime = _LONG_AGO
    _forgot_at: datetime = _LONG_AGO
    _claims: dict[str, bool] = field(default_factory=dict)

    def begin(self) -> None:
        """Forget what belonged to a connection that is gone."""
        self._claims = {}
        self.stale = True

    def make(self, conn: Conn, now: datetime) -> int:
        """Make one round; return how many alarms somebody was called for."""
        if self.stale or _over(self._directory_at, now, DIRECTORY_EVERY_S):
            self.stale = False
            self.directory.look(conn)
            self._directory_at = now
        called = 0
        if self._claims.get("calls") or escalation.claim(conn):
            self._claims["calls"] = True
            called = escalation.run_due(
                conn,
                self.directory.rosters,
                self.cfg,
                now,
                settle_s=self.settle_s,
                channels=self.channels,
            )
        if _over(self._canaries_at, now, CANARIES_EVERY_S):
            self._canaries_at = now
            self._watch(conn, now)
        return called

    def _watch(self, conn: Conn, now: datetime) -> None:
        if not self._claims.get("canary") and not canary.claim(conn):
            return
        self._claims["canary"] = True
        self.watch.look(conn, self.cfg, now)
        if _over(self._forgot_at, now, FORGET_EVERY_S):
            self._forgot_at = now
            canary.forget(conn, self.cfg.canary_keep_h)


def _over(last: datetime, now: datetime, every_s: float) -> bool:
    # A clock that was set back must not stop the rounds.
    return math.fabs((now - last).total_seconds()) >= every_s
