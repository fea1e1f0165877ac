"""The notifier process: one task a channel, woken by the database when there is an event."""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Callable, Coroutine, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any, LiteralString, TypeVar

import psycopg
from psycopg import Connection

from alerts.config import NotifyConfig
from alerts.notify import canary, digests, outbox, trials
from alerts.notify.channels import Channel
from alerts.notify.directory import Directory
from alerts.notify.early import Early
from alerts.notify.keep import kept
from alerts.notify.memory import Memory
from alerts.notify.metrics import Metrics
from alerts.notify.rounds import Rounds
from core.config import DatabaseConfig, MqttConfig
from core.db.pool import connect
from core.errors import DatabaseAway

log = logging.getLogger(__name__)

__all__ = ["Metrics", "Notifier"]

_FIRST_RETRY_S = 0.2
_CALM_S = 1.0  # least wait after a failed delivery, whatever else is due
_ROUND_S = 1.0
_LISTEN: tuple[LiteralString, ...] = (
    "LISTEN blocktwin_alarm",
    "LISTEN blocktwin_desk",
    "LISTEN blocktwin_roster",
    "LISTEN blocktwin_notify_test",
)

T = TypeVar("T")


@dataclass(slots=True, kw_only=True)
class Notifier:
    """Serves all channels until ``stop`` is set.

    Attributes:
        mqtt: the broker of early alarms; None: they are not heard.
        settle_s: seconds that what is not of life safety waits for the desk's verdict.
        memory: what was told before it was stored.
        ready: names of channels whose outbox could be read last time.
        looking: whether the last round went well, so that calls are made from the database.
        leading: names of channels that this process served last, also while the database is away.
    """

    cfg: NotifyConfig
    database: DatabaseConfig
    channels: Sequence[Channel]
    stop: asyncio.Event
    mqtt: MqttConfig | None = None
    settle_s: float = 0.0
    memory: Memory = field(default_factory=Memory)
    metrics: Metrics = field(default_factory=Metrics)
    directory: Directory = field(default_factory=Directory)
    ready: set[str] = field(default_factory=set)
    leading: set[str] = field(default_factory=set)
    looking: bool = False
    early: Early | None = None
    _wakes: list[asyncio.Event] = field(default_factory=list)
    _complained: set[str] = field(default_factory=set)
    _threads: ThreadPoolExecutor = field(init=False)
    _rounds: Rounds = field(init=False)

    def __post_init__(self) -> None:
        """Give each channel a thread of its own: one may block as long as its receiver does."""
        self._threads = ThreadPoolExecutor(len(self.channels) + 1, thread_name_prefix="notify")
        self._rounds = Rounds(
            cfg=self.cfg,
            directory=self.directory,
            watch=canary.Watch(since=datetime.now(UTC)),
            channels=frozenset(channel.name for channel in self.channels if not channel.records),
            settle_s=self.settle_s,
        )

    @property
    def database_ok(self) -> bool:
        """Whether every channel's outbox can be read, by us or by a notifier before us."""
        return len(self.ready) == len(self.channels)

    async def run(self) -> None:
        """Deliver until told to stop; a delivery under way is finished.

        A fault in one channel ends neither the others nor the calls.
        """
        try:
            async with asyncio.TaskGroup() as tasks:
                listener = tasks.create_task(self._listen(), name="alarm listener")
                serving = [
                    self._keep(tasks, each.name, self._serve, each) for each in self.channels
                ]
                serving.append(self._keep(tasks, "rounds", self._go_round))
                hearing = self._hear_early(tasks)
                await self.stop.wait()
                for wake in self._wakes:
                    wake.set()
                listener.cancel()
                if hearing is not None:
                    hearing.cancel()
                await asyncio.wait(serving)
        finally:
            self._threads.shutdown(wait=False)

    def _keep(
        self,
        tasks: asyncio.TaskGroup,
        name: str,
        work: Callable[..., Coroutine[Any, Any, None]],
        *arguments: object,
    ) -> asyncio.Task[None]:
        keeping = kept(
            name, lambda: work(*arguments), self.stop, faulty=lambda: self.ready.discard(name)
        )
        return tasks.create_task(keeping, name=name)

    def _hear_early(self, tasks: asyncio.TaskGroup) -> asyncio.Task[None] | None:
        if self.mqtt is None:
            return None
        self.early = Early(
            mqtt=self.mqtt,
            desk=self._desk(),
            channels=self.channels,
            directory=self.directory,
            leads=self.leading.__contains__,
            told=lambda channel, result: self.metrics.early.labels(channel, result).inc(),
            stored=lambda: self.looking,
        )
        return self._keep(tasks, "early alarms", self.early.run)

    def _desk(self) -> outbox.Desk:
        return outbox.Desk(
            cfg=self.cfg,
            rosters=lambda: self.directory.rosters,
            memory=self.memory,
            settle_s=self.settle_s,
        )

    async def _in_thread(self, work: Callable[..., T], *arguments: object) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._threads, work, *arguments)

    async def _serve(self, channel: Channel) -> None:
        """Serve one channel, over losses of the database."""
        await self._connected(channel.name, lambda conn, wake: self._serve_on(conn, channel, wake))

    async def _go_round(self) -> None:
        """Escalate, watch, and keep the directory fresh, over losses of the database."""
        await self._connected("rounds", self._go_round_on)

    async def _connected(
        self, name: str, work: Callable[[Connection[Any], asyncio.Event], Any]
    ) -> None:
        """Do ``work`` on a connection, and on another one when that is lost, until the stop."""
        wake = asyncio.Event()
        self._wakes.append(wake)
        delay_s = _FIRST_RETRY_S
        while not self.stop.is_set():
            try:
                conn = await self._in_thread(self._open, name)
                try:
                    await work(conn, wake)
                finally:
                    conn.close()
                delay_s = _FIRST_RETRY_S
            except (DatabaseAway, psycopg.OperationalError) as error:
                self.ready.discard(name)
                self.looking = self.looking and work != self._go_round_on
                self._complain("database", f"the database is away, alarms wait: {error}")
                wake.clear()
                await self._rest(wake, delay_s * random.uniform(0.5, 1.0))
                delay_s = min(delay_s * 2, self.cfg.poll_s)

    def _open(self, name: str) -> Connection[Any]:
        return connect(self.database, autocommit=True, application_name=f"blocktwin notify {name}")

    async def _go_round_on(self, conn: Connection[Any], wake: asyncio.Event) -> None:
        self._rounds.begin()
        while not self.stop.is_set():
            wake.clear()
            called = await self._in_thread(self._rounds.make, conn, datetime.now(UTC))
            self.looking = True
            if called:
                self.metrics.calls.inc(called)
                self._wake()
            await self._rest(wake, _ROUND_S, deaf_s=_ROUND_S / 5)
            self._rounds.stale |= wake.is_set()

    async def _serve_on(self, conn: Connection[Any], channel: Channel, wake: asyncio.Event) -> None:
        while not await self._in_thread(outbox.claim, conn, channel):
            self._settle("database", "the database is back")
            self.ready.add(channel.name)  # somebody else serves it: we stand by
            self.leading.discard(channel.name)
            self._complain(channel.name, f"{channel.name}: another notifier serves it; standing by")
            wake.clear()
            await self._rest(wake, self.cfg.poll_s)
            if self.stop.is_set():
                return
        self._settle("database", "the database is back")
        self.leading.add(channel.name)
        desk = self._desk()
        while not self.stop.is_set():
            wake.clear()
            done = await self._in_thread(self._pass, conn, channel, desk, wake.is_set)
            self.ready.add(channel.name)
            self._count(channel, done)
            if not done.more:
                await self._rest(wake, self._pause_s(done), deaf_s=_CALM_S if done.failed else 0.0)

    def _pass(
        self,
        conn: Connection[Any],
        channel: Channel,
        desk: outbox.Desk,
        pressing: Callable[[], bool],
    ) -> outbox.Pass:
        """Serve a channel once: events, then what was beyond a cap, then a test."""
        done = outbox.serve(conn, channel, desk, self.stop.is_set, pressing)
        if not channel.records and not self.stop.is_set():
            error = digests.serve(conn, channel, self.cfg, pressing)
            next_s = digests.next_s(conn, channel, self.cfg)
            if error:
                done = replace(done, failed=done.failed + 1, error=error, more=False)
            if next_s is not None:
                done = replace(done, next_s=min(next_s, done.next_s or next_s))
        tested = not self.stop.is_set() and trials.serve(conn, channel, self.cfg.source)
        return replace(done, more=True) if tested and not done.failed else done

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
        counts = {
            "delivered": done.delivered,
            "failed": done.failed,
            "given_up": done.given_up,
            "withheld": done.withheld,
            "folded": done.folded,
        }
        for result, number in counts.items():
            self.metrics.deliveries.labels(channel.name, result).inc(number)
        self.metrics.pending.labels(channel.name).set(done.pending)
        if done.failed:
            self._complain(channel.name, f"{channel.name}: {done.error}; tried again later")
        elif done.delivered:
            self._settle(channel.name, f"{channel.name}: delivers")

    def text(self) -> str:
        """Return the metrics as Prometheus reads them; canaries age also while nobody can look."""
        self.metrics.canary_age.clear()
        for gateway, age in self._rounds.watch.ages(datetime.now(UTC)).items():
            self.metrics.canary_age.labels(gateway).set(age)
        return self.metrics.text()

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
        """Wake all channels when there is something to tell."""
        while True:
            with suppress(psycopg.OperationalError):
                async with await psycopg.AsyncConnection.connect(
                    self.database.dsn,
                    autocommit=True,
                    connect_timeout=max(2, round(self.database.connect_timeout_s)),
                    application_name="blocktwin notify listener",
                ) as conn:
                    for statement in _LISTEN:
                        await conn.execute(statement)
                    self._wake()
                    async for _ in conn.notifies():
                        self._wake()
            await asyncio.sleep(self.cfg.poll_s * random.uniform(0.5, 1.0))

    def _wake(self) -> None:
        for wake in self._wakes:
            wake.set()
