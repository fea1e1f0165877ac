"""The ingest worker: takes batches, has them judged and stored, then acknowledges and receipts.

One batch is stored at a time, by a thread; meanwhile the next one is taken and decoded. While the
database is away both wait and nothing is acknowledged. Data that the database refuses is searched
by halves, so that one bad message is set aside and its neighbours are stored.
"""

from __future__ import annotations

import asyncio
import gc
import json
import logging
import math
import random
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Any, Protocol, TypeVar

import numpy as np
import psycopg

from alerts.config import AlertsConfig
from core import topics
from core.config import DatabaseConfig
from core.errors import BlocktwinError, DatabaseAway
from core.model import Channel, Transition, TransitionKind
from ingest import start
from ingest.accounts import LedgerStale
from ingest.config import IngestConfig
from ingest.ledger import Key
from ingest.message import Message
from ingest.metrics import Metrics
from ingest.pipeline import Opened, Pipeline, Prepared
from ingest.receipts import Receipts
from ingest.source import Source, waited
from ingest.store import BatchRefused, Outcome, Store, Work, break_off

log = logging.getLogger(__name__)

T = TypeVar("T")

_IDLE_S = 0.25  # how long a quiet loop waits before it looks at its clocks and at `stop`
_TICK_S = 1.0
_LATEST_S = 1.0  # how far the table of newest values may be behind the readings
_SLOW_S = 1.0  # a batch that took longer has let a backlog grow somewhere


class WorkerSource(Source, Protocol):
    """What the worker needs of a source beyond taking and acknowledging."""

    @property
    def connected(self) -> bool:
        """Whether messages can arrive."""
        ...

    @property
    def backlog(self) -> int:
        """Messages received and not yet taken."""
        ...

    async def run(self) -> None:
        """Stay connected until cancelled."""
        ...

    async def next_urgent(self) -> list[Message]:
        """Return what has come that must not wait, at once; none when there is none."""
        ...

    def publish(self, topic: str, payload: bytes) -> bool:
        """Send a message; False when it cannot be sent now."""
        ...


@dataclass(slots=True, kw_only=True)
class Worker:
    """One worker: ``run`` it until ``stop`` is set.

    Attributes:
        source: where messages come from.
        store: where they go.
        metrics: what is counted on the way.
        stop: set from outside to end it after the batch under way.
        pipeline: None until the registry, the rules and the ledger are read.
    """

    ingest: IngestConfig
    database: DatabaseConfig
    alerts: AlertsConfig
    source: WorkerSource
    store: Store
    metrics: Metrics
    stop: asyncio.Event
    pipeline: Pipeline | None = None
    _receipts: Receipts = field(init=False)
    _ear: psycopg.AsyncConnection[Any] | None = None
    _reload: asyncio.Event = field(default_factory=asyncio.Event)
    _strangers: bool = False
    _loaded_s: float = 0.0
    _ticked_s: float = 0.0
    _stalled_s: float = 0.0
    _away: bool = False
    _over: bool = False

    def __post_init__(self) -> None:
        """Make what depends on the settings."""
        self._receipts = Receipts(self.ingest.receipt_every_s)

    @property
    def database_ok(self) -> bool:
        """Whether the last thing asked of the database was done."""
        return self.pipeline is not None and self.store.is_open and not self._away

    async def run(self) -> None:
        """Work until ``stop``.

        Raises:
            SchemaTooOld: if the database lacks migrations.
            UsageError: if the rules cannot be used.
        """
        self.pipeline = await self._begin()
        if self.pipeline is None:
            return
        self._stalled_s = time.monotonic()
        async with asyncio.TaskGroup() as tasks:
            others = [
                tasks.create_task(self.source.run(), name="source"),
                tasks.create_task(self._listen(), name="registry listener"),
                tasks.create_task(self._end_in_time(), name="drain limit"),
                tasks.create_task(self._follow_latest(), name="newest values"),
            ]
            try:
                await self._pump(self.pipeline)
                self._send_receipts(self.pipeline, math.inf)
                await self._flush_latest()
            finally:
                self._over = True
                if self._ear is not None:
                    # Cancelled in a query, psycopg would wait for a server that may not answer;
                    # so its connection is broken first, and it is given a moment to notice.
                    break_off(self._ear)
                    await asyncio.wait([others[1]], timeout=_IDLE_S)
                for task in others:
                    task.cancel()
                await asyncio.to_thread(self.store.close)

    async def _begin(self) -> Pipeline | None:
        """Read everything at start; None when told to stop before the database was there."""
        while not self.stop.is_set():
            try:
                pipeline = await self._load()
            except DatabaseAway as error:
                await self._wait_for_database(error, self.ingest.retry_max_s)
            else:
                self._back()
                self._loaded_s = time.monotonic()
                return pipeline
        return None

    async def _load(self) -> Pipeline:
        # Listening first: a registration between the two is then announced, not missed.
        try:
            self._ear = await self._open_ear()
        except psycopg.OperationalError as error:
            raise DatabaseAway(f"the database cannot be reached: {error}") from error
        try:
            pipeline = await asyncio.to_thread(
                start.load, self.database, self.ingest, self.alerts, _now_us()
            )
            await asyncio.to_thread(self.store.open)
        except BlocktwinError:
            await self._ear.close()
            raise
        # The registry stays: a collector that walks its objects each time stops everything.
        gc.freeze()
        return pipeline

    async def _end_in_time(self) -> None:
        """Once told to stop, break off after ``drain_s`` what the database has not answered."""
        await self.stop.wait()
        await asyncio.sleep(self.ingest.drain_s)
        log.warning("the database does not answer; what it has not confirmed comes again")
        self.store.abort()

    async def _pump(self, pipeline: Pipeline) -> None:
        opened: Opened | None = None
        while not self.stop.is_set():
            if opened is None:
                opened = await self._take(pipeline)
            else:
                await self._overtake(pipeline)
                opened = await self._store_and_take(pipeline, opened)
            if not self.source.connected or self.source.backlog > self.ingest.batch_readings:
                self._stalled_s = time.monotonic()
            self._send_receipts(pipeline, time.monotonic())
            await self._reload_if_due(pipeline)
            await self._tick(pipeline)

    async def _overtake(self, pipeline: Pipeline) -> None:
        """Store what is urgent before a batch that is taken already; once, so that it gets on."""
        urgent = self._open(pipeline, await self.source.next_urgent())
        if urgent is not None:
            await self._store_timed(pipeline, pipeline.prepare(urgent))

    async def _take(self, pipeline: Pipeline) -> Opened | None:
        """Take the next messages and decode them; None when there are none for a while."""
        wait_s = self._receipts.wait_s(time.monotonic(), _IDLE_S)
        return self._open(pipeline, await self.source.next_batch(wait_s))

    def _open(self, pipeline: Pipeline, messages: Sequence[Message]) -> Opened | None:
        self.metrics.messages.inc(len(messages))
        self.metrics.in_flight.take(messages)
        return pipeline.open(messages) if messages else None

    async def _store_and_take(self, pipeline: Pipeline, opened: Opened) -> Opened | None:
        """Store a batch and meanwhile take the next."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._store_timed(pipeline, pipeline.prepare(opened)), name="store")
            return await self._take(pipeline)

    async def _store_timed(self, pipeline: Pipeline, prepared: Prepared) -> None:
        began_s = time.monotonic()
        await self._store(pipeline, prepared)
        took_s = time.monotonic() - began_s
        self.metrics.batch_s.observe(took_s)
        if took_s > _SLOW_S:
            self._stalled_s = time.monotonic()
        self._send_receipts(pipeline, time.monotonic())

    async def _store(self, pipeline: Pipeline, prepared: Prepared) -> None:
        """Write until it is written, divided if need be, and do what follows a commit."""
        try:
            outcome = await self._commit(prepared.work)
        except BatchRefused as error:
            await self._divide(pipeline, prepared, error)
        except LedgerStale as error:
            await self._store(pipeline, await self._renewed(pipeline, prepared, error))
        else:
            if outcome is not None:
                self._finish(pipeline, prepared, outcome)

    async def _renewed(
        self, pipeline: Pipeline, prepared: Prepared, stale: LedgerStale
    ) -> Prepared:
        """Prepare a batch again on what another worker has left in the ledger of its spools."""
        self.metrics.failures.labels("stale").inc()
        spools = await self._until_answered(lambda: self.store.load_spools(stale.keys))
        if spools is not None:
            pipeline.ledger.replace(spools)
        again = pipeline.prepare(pipeline.open(prepared.messages), judge=False)
        return replace(again, work=replace(again.work, transitions=prepared.work.transitions))

    async def _commit(self, work: Work) -> Outcome | None:
        """Write until it is written; None when told to stop while the database is away."""
        return await self._until_answered(lambda: self.store.commit(work))

    async def _until_answered(self, ask: Callable[[], T]) -> T | None:
        """Ask the database until it answers; None when told to stop while it is away."""
        delay_s = 0.1
        while True:
            try:
                answer = await asyncio.to_thread(ask)
            except DatabaseAway as error:
                self.metrics.failures.labels("away").inc()
                if self.stop.is_set():
                    return None
                await self._wait_for_database(error, delay_s)
                delay_s = min(delay_s * 2, self.ingest.retry_max_s)
            else:
                self._back()
                return answer

    async def _follow_latest(self) -> None:
        """Keep the table of newest values close behind the readings."""
        while not self._over:
            if await waited(self.stop, _LATEST_S):
                return
            await self._flush_latest()

    async def _flush_latest(self) -> None:
        with suppress(DatabaseAway):  # the batches say so already, and the next start repairs it
            await asyncio.to_thread(self.store.flush_latest)

    async def _wait_for_database(self, error: DatabaseAway, delay_s: float) -> None:
        if not self._away:
            log.warning("%s; nothing is acknowledged until it is back", error)
        self._away = True
        await waited(self.stop, delay_s * random.uniform(0.5, 1.0))

    def _back(self) -> None:
        if self._away:
            log.info("the database is back")
            self._away = False

    def _finish(self, pipeline: Pipeline, prepared: Prepared, outcome: Outcome) -> None:
        """Do what may only be done after the commit."""
        work = prepared.work
        pipeline.ledger.adopt(work.draft)
        self.source.acknowledge(prepared.messages)
        now_s = time.monotonic()
        self._receipts.note(work.draft.spools, now_s)
        self._receipts.hurry(prepared.again, now_s)
        self._strangers = self._strangers or prepared.strangers
        self.metrics.in_flight.settle(len(prepared.messages))
        self.metrics.count(outcome.tally, work.rejected)
        prompt_us = work.batch.observed_us[prepared.prompt]
        self.metrics.commit_s.observe((outcome.committed_us - prompt_us) / 1e6)
        self._observe_alarms(work.transitions, outcome.committed_us)

    def _observe_alarms(self, transitions: Sequence[Transition], committed_us: int) -> None:
        worse = (TransitionKind.RAISED, TransitionKind.ESCALATED)
        at_us = np.array([t.at_us for t in transitions if t.kind in worse], dtype=np.int64)
        took_s = (committed_us - at_us) / 1e6
        # An alarm of a replayed day, or of a wrong clock, says nothing about our speed.
        self.metrics.alarm_s.observe(took_s[np.abs(took_s) <= self.ingest.clock_skew_s])

    async def _divide(self, pipeline: Pipeline, prepared: Prepared, error: BatchRefused) -> None:
        """Store what can be stored of work that the database refuses as a whole."""
        self.metrics.failures.labels("refused").inc()
        if prepared.work.transitions:
            alone = pipeline.prepare(pipeline.open(prepared.messages), judge=False)
            await self._store(pipeline, alone)
            await self._save_transitions(prepared.work.transitions)
        elif len(prepared.messages) > 1:
            half = len(prepared.messages) // 2
            for part in (prepared.messages[:half], prepared.messages[half:]):
                await self._store(pipeline, pipeline.prepare(pipeline.open(part), judge=False))
        else:
            await self._set_aside(pipeline, prepared.messages[0], error)

    async def _set_aside(self, pipeline: Pipeline, message: Message, error: BatchRefused) -> None:
        log.error("%s: set aside: %s", message.topic, error)
        rejected = pipeline.reject(message, str(error))
        try:
            outcome = await self._commit(rejected.work)
        except LedgerStale as stale:
            # Perhaps the other worker has set it aside already.
            await self._store(pipeline, await self._renewed(pipeline, rejected, stale))
        else:
            if outcome is not None:
                self._finish(pipeline, rejected, outcome)

    async def _save_transitions(self, transitions: Sequence[Transition]) -> None:
        """Write transitions without a batch, one by one if need be."""
        if not transitions:
            return
        try:
            outcome = await self._commit(Work(transitions=transitions))
        except BatchRefused:
            if len(transitions) == 1:
                self.metrics.transitions_lost.inc()
                log.exception("the store refuses an alarm: %s", transitions[0])
                return
            for transition in transitions:
                await self._save_transitions([transition])
        else:
            if outcome is not None:
                self._observe_alarms(transitions, outcome.committed_us)

    def _send_receipts(self, pipeline: Pipeline, now_s: float) -> None:
        for key in self._receipts.take(now_s):
            if not self._send_receipt(pipeline, key):
                self._receipts.put_back(key, now_s)

    def _send_receipt(self, pipeline: Pipeline, key: Key) -> bool:
        body = json.dumps(pipeline.ledger.receipt(key), separators=(",", ":")).encode()
        return self.source.publish(topics.topic(key[0], Channel.RECEIPT), body)

    async def _tick(self, pipeline: Pipeline) -> None:
        """Let the engine look for silence, once a second, when nothing is still on its way."""
        now_s = time.monotonic()
        if now_s - self._ticked_s < _TICK_S or now_s - self._stalled_s < self.ingest.settle_s:
            return
        self._ticked_s = now_s
        await self._save_transitions(pipeline.engine.tick(_now_us()))

    async def _reload_if_due(self, pipeline: Pipeline) -> None:
        waited_s = time.monotonic() - self._loaded_s
        if not self._reload.is_set() and not (
            self._strangers and waited_s >= self.ingest.reload_every_s
        ):
            return
        self._reload.clear()
        self._strangers = False
        self._loaded_s = time.monotonic()
        try:
            await asyncio.to_thread(start.reload, self.database, pipeline, _now_us())
        except DatabaseAway as error:
            self._reload.set()
            await self._wait_for_database(error, self.ingest.retry_max_s)

    async def _listen(self) -> None:
        """Ask for a reload when the registry is announced to have changed."""
        while not self._over:
            with suppress(psycopg.OperationalError):
                if self._ear is None or self._ear.closed:
                    self._ear = await self._open_ear()
                    # A change while we did not listen was not heard.
                    self._reload.set()
                async with self._ear as conn:
                    async for _ in conn.notifies():
                        self._reload.set()
            await waited(self.stop, self.ingest.retry_max_s * random.uniform(0.5, 1.0))

    async def _open_ear(self) -> psycopg.AsyncConnection[Any]:
        """Return a connection that hears of changes of the registry."""
        conn = await psycopg.AsyncConnection.connect(
            self.database.dsn,
            autocommit=True,
            connect_timeout=max(2, round(self.database.connect_timeout_s)),
            application_name=f"blocktwin ingest {self.ingest.worker_id} listener",
        )
        await conn.execute("LISTEN blocktwin_registry")
        return conn


def _now_us() -> int:
    return time.time_ns() // 1000
