"""The process that keeps the store: refreshes what is marked, deletes what is past its time.

One thread works at a time, on one connection; when the database goes away the next turn opens a new
one. A stop breaks the statement under way off, and its transaction leaves nothing behind.
"""

from __future__ import annotations

import asyncio
import logging
import os
import random
import socket
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial
from typing import Any

import psycopg
from prometheus_client import CollectorRegistry, Counter, Gauge, generate_latest
from psycopg import Connection

from core.config import DatabaseConfig
from core.db import migrate
from core.db.pool import connect
from core.db.upkeep import editions, retention, rollups
from core.db.upkeep.config import UpkeepConfig
from core.db.upkeep.retention import Freed
from core.db.upkeep.rollups import LEVELS, MINUTES, Level, Pace
from core.errors import DatabaseAway

log = logging.getLogger(__name__)

_FIRST_RETRY_S = 0.2
_HEARD_S = 2.0  # how long the server has to heed a request to cancel
_TURN_S = 60.0
"""How long one level goes on before the next one has its turn."""


@dataclass(slots=True)
class Metrics:
    """What the upkeep counts for Prometheus."""

    registry: CollectorRegistry = field(default_factory=CollectorRegistry)
    rows: Counter = field(init=False)
    waiting: Gauge = field(init=False)
    lag_s: Gauge = field(init=False)
    chunks: Counter = field(init=False)
    freed: Counter = field(init=False)

    def __post_init__(self) -> None:
        """Make the metrics in the registry of this object."""
        self.rows = self._counter("refreshed_rows", "Rows of a rollup made or changed.", "level")
        self.waiting = Gauge(
            "blocktwin_upkeep_marks_waiting",
            "Marks of changed stretches that no refresh has taken up yet.",
            ["level"],
            registry=self.registry,
        )
        self.lag_s = Gauge(
            "blocktwin_upkeep_lag_seconds",
            "How long before now a rollup ends; what is newer is made for each reader.",
            ["level"],
            registry=self.registry,
        )
        self.chunks = self._counter("dropped_chunks", "Chunks deleted by retention.", "table")
        self.freed = self._counter("freed_bytes", "Bytes freed by retention.", "table")

    def _counter(self, name: str, documentation: str, label: str) -> Counter:
        full = f"blocktwin_upkeep_{name}"
        return Counter(full, documentation, [label], registry=self.registry)

    def text(self) -> str:
        """Return all of them as Prometheus reads them."""
        return generate_latest(self.registry).decode()


@dataclass(frozen=True, slots=True, kw_only=True)
class Turn:
    """What one turn did: rows by level, whether another process did the work, what was deleted."""

    rows: dict[str, int]
    aside: bool
    freed: list[Freed]


@dataclass(slots=True, kw_only=True)
class Upkeep:
    """Keeps one store: ``run`` until ``stop`` is set, or ``turn`` once.

    Attributes:
        clock: the present, with a time zone; only the process owns one.
        alive: whether the last turn was done.
    """

    cfg: UpkeepConfig
    database: DatabaseConfig
    clock: Callable[[], datetime]
    metrics: Metrics = field(default_factory=Metrics)
    alive: bool = False
    _conn: Connection[Any] | None = None
    _pace: Pace = field(default_factory=Pace)
    _over: threading.Event = field(default_factory=threading.Event)
    _due_s: dict[str, float] = field(default_factory=dict)
    _away: bool = False

    async def run(self, stop: asyncio.Event) -> None:
        """Work until told to stop, over losses of the database.

        Raises:
            SchemaTooOld: if the database lacks migrations.
        """
        delay_s = _FIRST_RETRY_S
        async with asyncio.TaskGroup() as tasks:
            ender = tasks.create_task(self._break_off(stop), name="stop of the statement under way")
            while not stop.is_set():
                try:
                    await asyncio.to_thread(self.turn)
                except (DatabaseAway, psycopg.OperationalError) as error:
                    self._lost(error, told_to_stop=stop.is_set())
                    await _rest(stop, delay_s * random.uniform(0.5, 1.0))
                    delay_s = min(delay_s * 2, self.cfg.retry_max_s)
                else:
                    self._back()
                    delay_s = _FIRST_RETRY_S
                    await _rest(stop, self.cfg.every_s)
            ender.cancel()
        self.close()

    def turn(self) -> Turn:
        """Do what is due now.

        Raises:
            DatabaseAway: if the database cannot be reached.
            psycopg.OperationalError: if it goes away, or cancels a statement.
            SchemaTooOld: if it lacks migrations.
        """
        conn = self._open()
        done = Turn(rows={}, aside=False, freed=[])
        if editions.rollups(conn) == editions.OURS:
            rollups.summarise(conn, self.clock())
            done = self._refresh(conn)
        if self._due("retention", self.cfg.retain_every_s):
            freed = retention.retain(conn, self.cfg, self.clock(), stop=self._over.is_set)
            self._count(freed)
            done.freed.extend(freed)
        return done

    def close(self) -> None:
        """Close the connection, if there is one."""
        if self._conn is not None:
            self._conn.close()
            self._conn = None

    def _open(self) -> Connection[Any]:
        if self._conn is None or self._conn.closed:
            own = connect(self.database, autocommit=True, application_name="blocktwin maintain")
            self._conn = own
            migrate.require_current(own)
            rollups.prepare(own)
            rollups.allow(own, self.cfg.statement_timeout_s)
            editions.apply_policies(own, migrate.edition(own)[1], self.cfg)
        return self._conn

    def _refresh(self, conn: Connection[Any]) -> Turn:
        levels = LEVELS if self._due("coarse", self.cfg.coarse_every_s) else (MINUTES,)
        rows, aside = {}, False
        for level in levels:
            made = self._refresh_level(conn, level)
            aside = aside or made is None
            rows[level.name] = made or 0
            self.metrics.rows.labels(level.name).inc(made or 0)
        self._measure(conn)
        return Turn(rows=rows, aside=aside, freed=[])

    def _refresh_level(self, conn: Connection[Any], level: Level) -> int | None:
        """Do a level until nothing is left or its time is over; None when another process does."""
        until_s = time.monotonic() + _TURN_S
        rows = 0
        while not self._over.is_set():
            began_s = time.monotonic()
            done = rollups.refresh(
                conn,
                level,
                now=self.clock(),
                grace=timedelta(seconds=self.cfg.grace_s),
                most_all=self._pace.of(level),
            )
            if done is None:
                return None
            rows += done.rows
            if done.marks:
                self._pace.learn(level, time.monotonic() - began_s)
            if not done.more:
                break
            if time.monotonic() > until_s:
                self._due_s.pop("coarse", None)
                break
        return rows

    def _measure(self, conn: Connection[Any]) -> None:
        for name, level in rollups.standing(conn).items():
            self.metrics.waiting.labels(name).set(level.waiting)
            if level.done_to is not None:
                # Asked for when it is read, so that it grows while a turn hangs or fails.
                self.metrics.lag_s.labels(name).set_function(partial(self._lag_s, level.done_to))

    def _lag_s(self, done_to: datetime) -> float:
        return (self.clock() - done_to).total_seconds()

    def _count(self, freed: list[Freed]) -> None:
        for line in freed:
            self.metrics.chunks.labels(line.table).inc(line.chunks)
            self.metrics.freed.labels(line.table).inc(line.size)
            if line.rows or line.chunks:
                log.info("deleted of %s: %d chunks, about %d rows, %d bytes", line.table,
                         line.chunks, line.rows, line.size)  # fmt: skip
            if line.held:
                log.warning("%s: %s", line.table, line.held)

    def _due(self, what: str, every_s: float) -> bool:
        """Say whether something is due, and note that it is done now."""
        now_s = time.monotonic()
        if now_s < self._due_s.get(what, 0.0):
            return False
        self._due_s[what] = now_s + every_s
        return True

    async def _break_off(self, stop: asyncio.Event) -> None:
        await stop.wait()
        self._over.set()
        # The request to cancel goes through a connection of its own, off the event loop.
        await asyncio.to_thread(self._cancel)
        await asyncio.sleep(_HEARD_S)
        self._cut()

    def _cancel(self) -> None:
        conn = self._conn
        if conn is not None and not conn.closed:
            with suppress(psycopg.Error):
                conn.cancel_safe(timeout=_HEARD_S)

    def _cut(self) -> None:
        """Break the connection: a server that answers nothing would hold the thread for ever."""
        conn = self._conn
        if conn is not None:
            # libpq owns the descriptor; a duplicate reaches the same socket.
            with (
                suppress(OSError, psycopg.OperationalError),
                socket.socket(fileno=os.dup(conn.fileno())) as twin,
            ):
                twin.shutdown(socket.SHUT_RDWR)

    def _lost(self, error: Exception, *, told_to_stop: bool) -> None:
        self.alive = False
        self._due_s.clear()
        with suppress(psycopg.Error):
            self.close()
        if not self._away and not told_to_stop:
            log.warning("the upkeep waits: %s", str(error).strip())
        self._away = True

    def _back(self) -> None:
        self.alive = True
        if self._away:
            log.info("the upkeep goes on")
            self._away = False


async def _rest(stop: asyncio.Event, seconds: float) -> None:
    with suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await stop.wait()
