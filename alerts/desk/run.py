"""The desk as a task: woken by the database when there is an event, and by time."""

from __future__ import annotations

import asyncio
import logging
import random
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import psycopg
from psycopg import Connection
from psycopg.errors import ForeignKeyViolation

from alerts import timers
from alerts.desk import store
from alerts.desk.config import DeskConfig
from alerts.desk.store import Places
from alerts.desk.work import Look, look
from core.config import DatabaseConfig
from core.db.pool import connect
from core.errors import DatabaseAway

log = logging.getLogger(__name__)

_FIRST_RETRY_S = 0.2
_LEAST_WAIT_S = 0.02


@dataclass(slots=True)
class Desk:
    """Hides, joins and judges alarm events until ``stop`` is set; one at a time, others stand by.

    Attributes:
        database_ok: whether the last look went well, ours or that of the desk we stand by for.
        counts: verdicts by kind since the start, and alarms ``hidden`` and ``shown``.
    """

    cfg: DeskConfig
    database: DatabaseConfig
    stop: asyncio.Event
    database_ok: bool = False
    counts: dict[str, int] = field(default_factory=dict)
    _wake: asyncio.Event = field(default_factory=asyncio.Event)
    _complained: bool = False

    async def run(self) -> None:
        """Work until told to stop; a look under way is finished."""
        async with asyncio.TaskGroup() as tasks:
            listener = tasks.create_task(self._listen(), name="desk listener")
            working = tasks.create_task(self._work(), name="desk")
            await self.stop.wait()
            self._wake.set()
            await asyncio.wait([working])
            listener.cancel()

    async def _work(self) -> None:
        """Work, over losses of the database."""
        delay_s = _FIRST_RETRY_S
        while not self.stop.is_set():
            try:
                conn = await asyncio.to_thread(
                    connect, self.database, autocommit=True, application_name="blocktwin desk"
                )
                try:
                    await self._work_on(conn)
                finally:
                    conn.close()
                delay_s = _FIRST_RETRY_S
            except (DatabaseAway, psycopg.OperationalError, ForeignKeyViolation) as error:
                # The last: an event was deleted (a canary's) between its reading and its verdict.
                self._away(error)
                await self._rest(delay_s * random.uniform(0.5, 1.0))
                delay_s = min(delay_s * 2, 5.0)

    async def _work_on(self, conn: Connection[Any]) -> None:
        places = Places()
        while not await asyncio.to_thread(store.claim, conn):
            self._back()  # another desk is at work: stand by, whatever is announced
            self._wake.clear()
            await self._rest(self.cfg.poll_s)
            if self.stop.is_set():
                return
        scan = True
        while not self.stop.is_set():
            self._wake.clear()
            done = await asyncio.to_thread(self._look, conn, places, scan)
            scan = False
            self._back()
            if not done.more:
                await self._rest(self._pause_s(done))

    def _look(self, conn: Connection[Any], places: Places, scan: bool) -> Look:
        now = datetime.now(UTC)
        timers.run_due(conn, now)
        done = look(conn, self.cfg, places, now, scan=scan)
        for word in ("told", "digested", "held", "hidden", "shown"):
            self.counts[word] = self.counts.get(word, 0) + getattr(done, word)
        return done

    def _pause_s(self, done: Look) -> float:
        if done.next_at is None:
            return self.cfg.poll_s
        left_s = (done.next_at - datetime.now(UTC)).total_seconds()
        return min(max(left_s, _LEAST_WAIT_S), self.cfg.poll_s)

    async def _rest(self, seconds: float) -> None:
        """Wait for an event, the stop, or so long."""
        if self.stop.is_set():
            return
        with suppress(TimeoutError):
            await asyncio.wait_for(self._wake.wait(), timeout=seconds)

    def _away(self, error: Exception) -> None:
        """Log a loss of the database once."""
        self.database_ok = False
        self._wake.clear()
        if not self._complained:
            self._complained = True
            log.warning("the desk waits for the database: %s", error)

    def _back(self) -> None:
        """Log its return once."""
        self.database_ok = True
        if self._complained:
            self._complained = False
            log.info("the desk works again")

    async def _listen(self) -> None:
        """Wake the desk when events are announced."""
        while True:
            with suppress(psycopg.OperationalError):
                async with await psycopg.AsyncConnection.connect(
                    self.database.dsn,
                    autocommit=True,
                    connect_timeout=max(2, round(self.database.connect_timeout_s)),
                    application_name="blocktwin desk listener",
                ) as conn:
                    await conn.execute("LISTEN blocktwin_alarm")
                    self._wake.set()
                    async for _ in conn.notifies():
                        self._wake.set()
            await asyncio.sleep(self.cfg.poll_s * random.uniform(0.5, 1.0))
