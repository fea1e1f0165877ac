"""The notifier process: one task a channel, woken by the database when there is an event."""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import psycopg
from prometheus_client import CollectorRegistry, Counter, Gauge, generate_latest
from psycopg import Connection

from alerts.config import NotifyConfig
from alerts.notify import outbox
from alerts.notify.channels import Channel
from core.config import DatabaseConfig
from core.db.pool import connect
from core.errors import DatabaseAway

log = logging.getLogger(__name__)

_FIRST_RETRY_S = 0.2
_CALM_S = 1.0  # least wait after a failed delivery, whatever else is due


@dataclass(slots=True)
class Metrics:
    """What the notifier counts for Prometheus."""

    registry: CollectorRegistry = field(default_factory=CollectorRegistry)
    deliveries: Counter = field(init=False)
    pending: Gauge = field(init=False)

    def __post_init__(self) -> None:
        """Make the metrics in the registry of this object."""
        self.deliveries = Counter(
            "blocktwin_notify_deliveries",
            "Attempts to deliver an alarm event, by what became of them.",
            ["channel", "result"],
            registry=self.registry,
        )
        self.pending = Gauge(
            "blocktwin_notify_pending",
            "Deliveries that a channel has not confirmed yet.",
            ["channel"],
            registry=self.registry,
        )

    def text(self) -> str:
        """Return all of them as Prometheus reads them."""
        return generate_latest(self.registry).decode()


@dataclass(slots=True, kw_only=True)
class Notifier:
    """Serves all channels until ``stop`` is set.

    Attributes:
        ready: names of channels whose outbox could be read last time.
    """

    cfg: NotifyConfig
    database: DatabaseConfig
    channels: Sequence[Channel]
    stop: asyncio.Event
    metrics: Metrics = field(default_factory=Metrics)
    ready: set[str] = field(default_factory=set)
    _wakes: list[asyncio.Event] = field(default_factory=list)
    _complained: set[str] = field(default_factory=set)

    @property
    def database_ok(self) -> bool:
        """Whether every channel's outbox can be read, by us or by a notifier before us."""
        return len(self.ready) == len(self.channels)

    async def run(self) -> None:
        """Deliver until told to stop; a delivery under way is finished."""
        async with asyncio.TaskGroup() as tasks:
            listener = tasks.create_task(self._listen(), name="alarm listener")
            serving = [
                tasks.create_task(self._serve(channel), name=f"channel {channel.name}")
                for channel in self.channels
            ]
            await self.stop.wait()
            for wake in self._wakes:
                wake.set()
            listener.cancel()
            if serving:
                await asyncio.wait(serving)

    async def _serve(self, channel: Channel) -> None:
        """Serve one channel, over losses of the database."""
        wake = asyncio.Event()
        self._wakes.append(wake)
        delay_s = _FIRST_RETRY_S
        while not self.stop.is_set():
            try:
                conn = await asyncio.to_thread(
                    connect,
                    self.database,
                    autocommit=True,
                    application_name=f"blocktwin notify {channel.name}",
                )
                try:
                    await self._serve_on(conn, channel, wake)
                finally:
                    conn.close()
                delay_s = _FIRST_RETRY_S
            except (DatabaseAway, psycopg.OperationalError) as error:
                self.ready.discard(channel.name)
                self._complain("database", f"the database is away, alarms wait: {error}")
                wake.clear()
                await self._rest(wake, delay_s * random.uniform(0.5, 1.0))
                delay_s = min(delay_s * 2, self.cfg.poll_s)

    async def _serve_on(self, conn: Connection[Any], channel: Channel, wake: asyncio.Event) -> None:
        while not await asyncio.to_thread(outbox.claim, conn, channel):
            self._settle("database", "the database is back")
            self.ready.add(channel.name)  # somebody else serves it: we stand by
            self._complain(channel.name, f"{channel.name}: another notifier serves it; standing by")
            wake.clear()
            await self._rest(wake, self.cfg.poll_s)
            if self.stop.is_set():
                return
        self._settle("database", "the database is back")
        while not self.stop.is_set():
            wake.clear()
            done = await asyncio.to_thread(outbox.serve, conn, channel, self.cfg, self.stop.is_set)
            self.ready.add(channel.name)
            self._count(channel, done)
            if not done.more:
                await self._rest(wake, self._pause_s(done), deaf_s=_CALM_S if done.failed else 0.0)

    def _pause_s(self, done: outbox.Pass) -> float:
        if done.next_s is None:
            return self.cfg.poll_s
        return min(done.next_s, self.cfg.poll_s)

    async def _rest(self, wake: asyncio.Event, seconds: float, *, deaf_s: float = 0.0) -> None:
        """Wait, at most ``seconds``, for an event; for ``deaf_s`` only the stop wakes."""
        with suppress(TimeoutError):
            await asyncio.wait_for(self.stop.wait(), timeout=min(deaf_s, self.cfg.retry_first_s))
        with suppress(TimeoutError):
            await asyncio.wait_for(wake.wait(), timeout=seconds)

    def _count(self, channel: Channel, done: outbox.Pass) -> None:
        counts = {"delivered": done.delivered, "failed": done.failed, "given_up": done.given_up}
        for result, number in counts.items():
            self.metrics.deliveries.labels(channel.name, result).inc(number)
        self.metrics.pending.labels(channel.name).set(done.pending)
        if done.failed:
            self._complain(channel.name, f"{channel.name}: {done.error}; tried again later")
        elif done.delivered:
            self._settle(channel.name, f"{channel.name}: delivers")

    def _complain(self, about: str, sentence: str) -> None:
        """Log a failing source once."""
        if about not in self._complained:
            self._complained.add(about)
            log.warning("%s", sentence)

    def _settle(self, about: str, sentence: str) -> None:
        """Log its recovery once."""
        if about in self._complained:
            self._complained.discard(about)
            log.info("%s", sentence)

    async def _listen(self) -> None:
        """Wake all channels when events are announced."""
        while True:
            with suppress(psycopg.OperationalError):
                async with await psycopg.AsyncConnection.connect(
                    self.database.dsn,
                    autocommit=True,
                    connect_timeout=max(2, round(self.database.connect_timeout_s)),
                    application_name="blocktwin notify listener",
                ) as conn:
                    await conn.execute("LISTEN blocktwin_alarm")
                    self._wake(self._wakes)
                    async for _ in conn.notifies():
                        self._wake(self._wakes)
            await asyncio.sleep(self.cfg.poll_s * random.uniform(0.5, 1.0))

    @staticmethod
    def _wake(wakes: Iterable[asyncio.Event]) -> None:
        for wake in wakes:
            wake.set()
