"""The ingest worker: takes batches, has them judged and stored, then acknowledges and receipts.

One batch is stored at a time, by a thread; meanwhile the next one is taken and decoded. What the
engine says of life and limb is published before the commit (``ingest.warn``). While the database
is away both batches wait and nothing is acknowledged, but judging goes on (``ingest.lookout``).
Data that the database refuses is searched by halves, so that one bad message is set aside and its
neighbours are stored.
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
from typing import Protocol, TypeVar

import numpy as np

from alerts.config import AlertsConfig
from core import topics
from core.config import DatabaseConfig, MqttConfig
from core.errors import BlocktwinError, DatabaseAway, UsageError
from core.model import Channel, Transition, TransitionKind
from ingest import start
from ingest.accounts import LedgerStale
from ingest.config import IngestConfig
from ingest.ear import Ear
from ingest.keeper import Keeper
from ingest.ledger import Key
from ingest.lookout import Holding, Lookout
from ingest.message import Message
from ingest.metrics import Latencies, Metrics
from ingest.pipeline import Fresh, Opened, Pipeline, Prepared
from ingest.receipts import Receipts
from ingest.source import Source, waited
from ingest.store import BatchRefused, Outcome, Store, Work
from ingest.warn import Warner

log = logging.getLogger(__name__)

T = TypeVar("T")

_IDLE_S = 0.25  # how long a quiet loop waits before it looks at its clocks and at `stop`
_TICK_S = 1.0
_LATEST_S = 1.0  # how far the table of newest values may be behind the readings
_SLOW_S = 1.0  # a batch that took longer has let a backlog grow somewhere
_END_OVERRIDES_S = 10.0


class WorkerSource(Source, Holding, Protocol):
    """What the worker needs of a source beyond taking and acknowledging."""

    @property
    def connected(self) -> bool:
        """Whether messages can arrive."""
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
        warner: where what endangers people is published before it is stored.
        metrics: what is counted on the way.
        stop: set from outside to end it after the batch under way.
        pipeline: None until the registry, the rules and the ledger are read.
        lookout: what goes on while the store is in trouble.
    """

    ingest: IngestConfig
    mqtt: MqttConfig
    database: DatabaseConfig
    alerts: AlertsConfig
    source: WorkerSource
    store: Store
    warner: Warner
    metrics: Metrics
    stop: asyncio.Event
    pipeline: Pipeline | None = None
    lookout: Lookout = field(init=False)
    _receipts: Receipts = field(init=False)
    _ear: Ear = field(init=False)
    _keeper: Keeper = field(init=False)
    _fetching: asyncio.Task[Fresh | BlocktwinError] | None = None
    _strangers: bool = False
    _loaded_s: float = 0.0
    _ticked_s: float = 0.0
    _stalled_s: float = 0.0
    _over: bool = False
    _behind: bool = False  # told to stop, something judged was left uncommitted

    def __post_init__(self) -> None:
        """Make what depends on the settings."""
        self._receipts = Receipts(self.ingest.receipt_every_s)
        self._ear = Ear(self.database, self.ingest)
        self._keeper = Keeper(self.database, self.ingest, self.metrics)
        self.lookout = Lookout(
            ingest=self.ingest, mqtt=self.mqtt, source=self.source, warn=self._warn
        )

    @property
    def database_ok(self) -> bool:
        """Whether the last thing asked of the database was done."""
        return self.pipeline is not None and self.store.is_open and not self.lookout.away

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
        self.lookout.held.add(self.pipeline.owed, _now_us())
        async with asyncio.TaskGroup() as tasks:
            ear = tasks.create_task(self._ear.run(lambda: self._over, self.stop), name="listener")
            others = [
                tasks.create_task(self.source.run(), name="source"),
                tasks.create_task(self.warner.run(), name="warnings"),
                tasks.create_task(self.lookout.run(self.pipeline), name="lookout"),
                tasks.create_task(self._end_in_time(), name="drain limit"),
                tasks.create_task(self._follow_latest(), name="newest values"),
                tasks.create_task(self._end_overrides(), name="overrides"),
            ]
            try:
                await self._pump(self.pipeline, tasks)
                self._send_receipts(self.pipeline, math.inf)
                await self._flush_latest()
                await self._keeper.finish(self.pipeline if self._is_whole() else None)
            finally:
                self._over = True
                # Its connection is broken first, and it is given a moment to notice.
                self._ear.break_off()
                await asyncio.wait([ear], timeout=_IDLE_S)
                for task in (ear, *others, *([self._fetching] if self._fetching else [])):
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
        await self._ear.open()
        try:
            pipeline = await asyncio.to_thread(
                start.load, self.database, self.ingest, self.alerts, _now_us()
            )
            self.warner.remember(pipeline.onsets)
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
        self._keeper.abort()

    async def _pump(self, pipeline: Pipeline, tasks: asyncio.TaskGroup) -> None:
        opened: Opened | None = None
        while not self.stop.is_set():
            if opened is None:
                opened = await self._take(pipeline)
            else:
                await self._meet_strangers(pipeline, opened, tasks)
                await self._overtake(pipeline)
                opened = await self._store_and_take(pipeline, opened)
            if not self.source.connected or self.source.backlog > self.ingest.batch_readings:
                self._stalled_s = time.monotonic()
            self._send_receipts(pipeline, time.monotonic())
            await self._save_held()
            await self._reload_if_due(pipeline, tasks)
            await self._tick(pipeline)
            if self._keeper.due and self._is_whole():
                self._keeper.keep(pipeline, tasks)

    async def _overtake(self, pipeline: Pipeline) -> None:
        """Store what is urgent before a batch that is taken already; once, so that it gets on."""
        urgent = self._open(pipeline, await self.source.next_urgent())
        if urgent is not None:
            await self._store_timed(pipeline, self._prepare(pipeline, urgent))

    async def _take(self, pipeline: Pipeline) -> Opened | None:
        """Take the next messages and decode them; None when there are none for a while."""
        wait_s = self._receipts.wait_s(time.monotonic(), _IDLE_S)
        opened = self._open(pipeline, await self.source.next_batch(wait_s))
        self.lookout.taken = opened
        return opened

    def _open(self, pipeline: Pipeline, messages: Sequence[Message]) -> Opened | None:
        self.metrics.messages.inc(len(messages))
        self.metrics.in_flight.take(messages)
        return pipeline.open(messages) if messages else None

    async def _store_and_take(self, pipeline: Pipeline, opened: Opened) -> Opened | None:
        """Store a batch and meanwhile take the next."""
        prepared = self._prepare(pipeline, opened)
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._store_timed(pipeline, prepared), name="store")
            return await self._take(pipeline)

    def _prepare(self, pipeline: Pipeline, opened: Opened) -> Prepared:
        """Have a batch judged, and publish at once what must not wait for its commit."""
        earlier = self.lookout.held.take()
        prepared = pipeline.prepare(opened)
        if self.lookout.taken is opened:
            self.lookout.taken = None
        if self.lookout.watching:
            self.lookout.note(prepared.work.batch)
        judged_us = self._warn(prepared.work.transitions)
        work = replace(prepared.work, judged_us=judged_us)
        return replace(prepared, work=work, earlier=earlier)

    def _warn(self, transitions: Sequence[Transition]) -> int:
        """Publish what is of life and limb; return when, in microseconds."""
        now_us, pipeline = _now_us(), self.pipeline
        assert pipeline is not None  # somebody has judged
        registry = pipeline.tables.registry
        if self.warner.tell(transitions, pipeline.by_id, registry, now_us):
            urgent = [one for one in transitions if one.life_safety]
            self._observe(self.metrics.warn_s, urgent, now_us)
        return now_us

    async def _save_held(self) -> None:
        """Commit what the watch has found, before any batch in which it is found again."""
        for judged_us, transitions in self.lookout.held.take():
            await self._save_transitions(transitions, judged_us)

    async def _save_in_turn(self, transitions: Sequence[Transition]) -> None:
        """Publish and commit transitions, behind what the watch found before them."""
        self.lookout.held.add(transitions, self._warn(transitions))
        await self._save_held()

    def _is_whole(self) -> bool:
        """Whether everything that was judged is committed; true only between two batches."""
        lookout = self.lookout
        return not (lookout.watching or lookout.away or self._behind or len(lookout.held))

    async def _store_timed(self, pipeline: Pipeline, prepared: Prepared) -> None:
        began_s = time.monotonic()
        for judged_us, transitions in prepared.earlier:
            await self._save_transitions(transitions, judged_us)
        await self._store(pipeline, prepared)
        await self._save_held()
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
        work = prepared.work
        return replace(
            again,
            work=replace(again.work, transitions=work.transitions, judged_us=work.judged_us),
        )

    async def _commit(self, work: Work) -> Outcome | None:
        """Write until it is written; None when told to stop while the database is away."""
        return await self._until_answered(lambda: self.store.commit(work))

    async def _until_answered(self, ask: Callable[[], T]) -> T | None:
        """Ask the database until it answers; None when told to stop while it is away."""
        delay_s = 0.1
        while True:
            self.lookout.asks(stalled_s=self._stalled_s)
            try:
                answer = await asyncio.to_thread(ask)
            except DatabaseAway as error:
                self.metrics.failures.labels("away").inc()
                if self.stop.is_set():
                    self._behind = True
                    return None
                await self._wait_for_database(error, delay_s)
                delay_s = min(delay_s * 2, self.ingest.retry_max_s)
            else:
                self._back()
                return answer
            finally:
                self.lookout.answered()

    async def _end_overrides(self) -> None:
        """End what holds for single devices when its time is up; the ear hears of it."""
        while not await waited(self.stop, _END_OVERRIDES_S):
            with suppress(DatabaseAway):
                await asyncio.to_thread(start.end_overrides, self.database)

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
        if not self.lookout.away:
            log.warning("%s; nothing is acknowledged until it is back", error)
        self.lookout.away = True
        await waited(self.stop, delay_s * random.uniform(0.5, 1.0))

    def _back(self) -> None:
        if self.lookout.away:
            log.info("the database is back")
            self.lookout.away = False

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
        self._observe(self.metrics.alarm_s, work.transitions, outcome.committed_us)

    def _observe(self, into: Latencies, transitions: Sequence[Transition], done_us: int) -> None:
        worse = (TransitionKind.RAISED, TransitionKind.ESCALATED)
        at_us = np.array([t.at_us for t in transitions if t.kind in worse], dtype=np.int64)
        took_s = (done_us - at_us) / 1e6
        # An alarm of a replayed day, or of a wrong clock, says nothing about our speed.
        into.observe(took_s[np.abs(took_s) <= self.ingest.clock_skew_s])

    async def _divide(self, pipeline: Pipeline, prepared: Prepared, error: BatchRefused) -> None:
        """Store what can be stored of work that the database refuses as a whole."""
        self.metrics.failures.labels("refused").inc()
        if prepared.work.transitions:
            alone = pipeline.prepare(pipeline.open(prepared.messages), judge=False)
            await self._store(pipeline, alone)
            await self._save_transitions(prepared.work.transitions, prepared.work.judged_us)
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

    async def _save_transitions(self, transitions: Sequence[Transition], judged_us: int) -> None:
        """Write transitions without a batch, one by one if need be."""
        if not transitions:
            return
        try:
            outcome = await self._commit(Work(transitions=transitions, judged_us=judged_us))
        except BatchRefused:
            if len(transitions) == 1:
                self.metrics.transitions_lost.inc()
                log.exception("the store refuses an alarm: %s", transitions[0])
                return
            for transition in transitions:
                await self._save_transitions([transition], judged_us)
        else:
            if outcome is not None:
                self._observe(self.metrics.alarm_s, transitions, outcome.committed_us)

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
        await self._save_in_turn(pipeline.engine.tick(_now_us()))

    async def _meet_strangers(
        self, pipeline: Pipeline, opened: Opened, tasks: asyncio.TaskGroup
    ) -> None:
        """Let a batch with unknown names wait for the registry that perhaps knows them by now."""
        if not opened.strangers:
            return
        await self._reload_if_due(pipeline, tasks)
        if self._fetching is not None:
            await asyncio.wait([self._fetching])
            await self._reload_if_due(pipeline, tasks)

    async def _reload_if_due(self, pipeline: Pipeline, tasks: asyncio.TaskGroup) -> None:
        """Read registry and rules anew beside the batches, and go on with them between two."""
        if self._fetching is not None:
            if self._fetching.done():
                fetching, self._fetching = self._fetching, None
                await self._renew(pipeline, fetching.result())
            return
        waited_s = time.monotonic() - self._loaded_s
        if not self._ear.changed.is_set() and not (
            self._strangers and waited_s >= self.ingest.reload_every_s
        ):
            return
        self._ear.changed.clear()
        self._strangers = False
        self._loaded_s = time.monotonic()
        self._fetching = tasks.create_task(self._fetch(pipeline), name="reload")

    async def _fetch(self, pipeline: Pipeline) -> Fresh | BlocktwinError:
        try:
            return await asyncio.to_thread(start.fetch, self.database, pipeline, _now_us())
        except (DatabaseAway, UsageError) as error:
            return error

    async def _renew(self, pipeline: Pipeline, found: Fresh | BlocktwinError) -> None:
        if isinstance(found, Fresh):
            self._back()
            await self._save_in_turn(pipeline.renew(found))
        elif isinstance(found, DatabaseAway):
            self._ear.changed.set()
            await self._wait_for_database(found, self.ingest.retry_max_s)
        else:
            log.error("the rules cannot be used: %s; the old ones stay", found)


def _now_us() -> int:
    return time.time_ns() // 1000
