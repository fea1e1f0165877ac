"""Keep the state live: follow alarm events and new readings in the database, tell the streams.

One task listens, on a connection of its own; one follows: it alone touches the state. A lost
notification costs at most one scan, a lost database nothing: events are read by number.
"""

from __future__ import annotations

import asyncio
import logging
import math
import random
from collections.abc import Callable
from datetime import UTC, datetime
from uuid import UUID

import psycopg
from psycopg_pool import AsyncConnectionPool

from alerts.config import CANARY
from core.cancel import heed_cancel
from core.config import DatabaseConfig
from core.errors import DatabaseAway
from twin.api import reads
from twin.api.hub import Frame, Hub, frame
from twin.api.problems import AWAY
from twin.api.provisional import Waiting
from twin.api.reads import SQL, Conn, Row
from twin.config import ApiConfig
from twin.history import moment
from twin.state import Changes, State, totals

log = logging.getLogger(__name__)

EVENTS_AT_ONCE = 500
FIRST_PAUSE_S = 0.2
LONGEST_PAUSE_S = 5.0
LISTEN_PROBE_S = 15.0
"""How long the listening connection may be silent before it is asked whether it still stands."""


class Live:
    """The state of the district and where in the alarm events it stands.

    Attributes:
        state: None until the database was read for the first time.
        event_id: the newest alarm event that the state contains.
        version: counts the readings of the topology; ``revision`` every change of what /state says.
        status: the last ``status`` event, None before the first.
        provisional: alarms that were told and are not committed yet, as far as is known.
    """

    def __init__(
        self,
        cfg: ApiConfig,
        pool: AsyncConnectionPool[Conn],
        hub: Hub,
        database: DatabaseConfig,
        *,
        clock: Callable[[], float],
    ) -> None:
        self._cfg = cfg
        self._pool = pool
        self._hub = hub
        self._database = database
        self._clock = clock
        self._wake = asyncio.Event()
        self._reload = True
        self._scan_at = 0.0
        self._away = True
        self._received: tuple[float, int] | None = None
        self.state: State | None = None
        self.event_id = 0
        self.version = 0
        self.revision = 0
        self.at = datetime.fromtimestamp(0, UTC)
        self.gateways: list[Row] = []
        self.status: Frame | None = None
        self.provisional = Waiting(clock)

    @property
    def ready(self) -> bool:
        """Whether the state is there and the database was reachable at the last look."""
        return self.state is not None and not self._away

    def current(self) -> State:
        """Return the state.

        Raises:
            DatabaseAway: while it cannot be kept live.
        """
        if self.state is None or self._away:
            raise DatabaseAway("the state is not live: the database is away")
        return self.state

    async def run(self) -> None:
        """Follow until cancelled; a lost database is waited for."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._listen(), name="twin listen")
            tasks.create_task(self._follow(), name="twin follow")

    async def replay(self, conn: Conn, after: int) -> list[Frame] | None:
        """Return the ``alarm`` events after a number.

        None when they are too many to replay, or when the number is none of this database's.
        """
        limit = self._cfg.replay_events
        events, alarms = await reads.events(conn, after, limit + 1)
        newest = await reads.scalar(conn, "last_event_id")
        if len(events) > limit or after > newest:
            return None
        state = self.current()
        return [alarm_frame(event, alarms[event["alarm_id"]], state) for event in events]

    def full(self) -> Frame:
        """Return a ``state`` event of everything, for a client that missed some."""
        state = self.current()
        return frame("state", self._state_word(state, state.everything()))

    async def _listen(self) -> None:
        """Wake the follower on every notification; come back after a lost connection."""
        pause = _Pause()
        while True:
            heed_cancel()
            try:
                async with await self._connect() as conn:
                    await self._hear(conn, pause)
            except AWAY as error:
                log.debug("the listening connection is lost: %s", error)
            await asyncio.sleep(pause.next())

    async def _connect(self) -> Conn:
        return await psycopg.AsyncConnection.connect(
            self._database.dsn,
            autocommit=True,
            connect_timeout=math.ceil(self._database.connect_timeout_s),
            application_name="blocktwin serve listen",
        )

    async def _hear(self, conn: Conn, pause: _Pause) -> None:
        await conn.execute(SQL["listen_alarm"])
        await conn.execute(SQL["listen_registry"])
        pause.reset()
        # What happened while nobody listened.
        self._reload = True
        self._wake.set()
        while True:
            async for notice in conn.notifies(timeout=LISTEN_PROBE_S):
                self._reload |= notice.channel == "blocktwin_registry"
                self._wake.set()
            await conn.execute(SQL["probe"])
            heed_cancel()

    async def _follow(self) -> None:
        """Bring the state up to date when woken and at every scan."""
        pause = _Pause()
        while True:
            heed_cancel()
            self._wake.clear()
            try:
                async with self._pool.connection(timeout=self._cfg.database_wait_s) as conn:
                    await self._step(conn)
            except AWAY as error:
                self._lost(error)
                await asyncio.sleep(pause.next())
            else:
                self._found()
                pause.reset()
                await self._rest()

    async def _rest(self) -> None:
        """Wait for a notification or the next scan."""
        left = max(self._scan_at - self._clock(), 0.0)
        try:
            async with asyncio.timeout(left):
                await self._wake.wait()
        except TimeoutError:
            pass

    async def _step(self, conn: Conn) -> None:
        if self._reload:
            self._reload = False
            try:
                await self._load(conn)
            except BaseException:
                self._reload = True
                raise
        state = self.state
        assert state is not None
        await self._catch_up(conn, state)
        status = await self._scan(conn, state) if self._clock() >= self._scan_at else None
        self.at = datetime.fromtimestamp(self._clock(), UTC)
        self.revision += 1
        if changes := state.changes():
            self._hub.publish(frame("state", self._state_word(state, changes)))
        if status is not None:
            self.status = status
            self._hub.publish(status)

    async def _load(self, conn: Conn) -> None:
        """Read everything anew.

        The event number is read first: what commits meanwhile is then read once more as an event,
        which changes nothing, and nothing is missed.
        """
        event_id = int(await reads.scalar(conn, "last_event_id"))
        state = State(await moment.topology(conn), stale_intervals=self._cfg.stale_intervals)
        for alarm in await reads.open_alarms(conn):
            state.put(alarm)
        series, received = await reads.seen(conn)
        state.see(series, received, int(self._clock() * 1e6))
        self.gateways = reads.gateway_words(await reads.rows(conn, "gateways"))
        state.changes()
        first, self.state = self.state is None, state
        self.version += 1
        if first or event_id < self.event_id:
            self.event_id = event_id
        if not first:
            self._hub.publish(reset(event_id))

    async def _catch_up(self, conn: Conn, state: State) -> None:
        """Take in the alarm events since the last one, and publish them."""
        more = True
        while more:
            events, alarms = await reads.events(conn, self.event_id, EVENTS_AT_ONCE)
            for event in events:
                alarm = alarms.get(event["alarm_id"])
                # A canary's alarm is the notifier's business alone; it deletes it in the end.
                if alarm is not None and alarm["rule_id"] != CANARY:
                    if alarm["closed_at"] is None:
                        state.put(moment.open_alarm(alarm))
                    else:
                        state.drop(alarm["alarm_id"])
                    self._hub.publish(alarm_frame(event, alarm, state))
                self.provisional.committed(UUID(event["event_key"]))
                self.event_id = event["event_id"]
            more = len(events) == EVENTS_AT_ONCE

    async def _scan(self, conn: Conn, state: State) -> Frame:
        """Look at the newest readings, the gateways and the tally."""
        self._scan_at = self._clock() + self._cfg.scan_every_s
        series, received = await reads.seen(conn)
        state.see(series, received, int(self._clock() * 1e6))
        self.gateways = reads.gateway_words(await reads.rows(conn, "gateways"))
        tally = (await reads.rows(conn, "tally"))[0]
        now = self._clock()
        before, self._received = self._received, (now, tally["received"])
        passed = now - before[0] if before else 0.0
        rate = (tally["received"] - before[1]) / passed if before and passed > 0 else 0.0
        keys = ("received", "stored", "rejected", "duplicates")
        word = {"at": datetime.fromtimestamp(now, UTC), "readings_per_s": round(max(rate, 0), 1)}
        counts = {key: tally[key] for key in keys}
        return frame("status", word | counts | {"open": state.space(0)[1]})

    def _state_word(self, state: State, changes: Changes) -> Row:
        return {
            "at": self.at,
            "devices": changes.devices,
            "spaces": changes.spaces,
            "totals": totals(state),
        }

    def _lost(self, error: Exception) -> None:
        if not self._away:
            log.warning("the database is away, waiting for it: %s", error)
        self._away = True
        self._received = None

    def _found(self) -> None:
        if self._away and self.state is not None:
            log.info("the state is live: %d devices", len(self.state.topology.devices))
        self._away = False


class _Pause:
    """Seconds until the next try: doubling, jittered, bounded."""

    def __init__(self) -> None:
        self._next = FIRST_PAUSE_S

    def reset(self) -> None:
        self._next = FIRST_PAUSE_S

    def next(self) -> float:
        pause, self._next = self._next, min(self._next * 2, LONGEST_PAUSE_S)
        return pause * random.uniform(0.5, 1.0)


def alarm_frame(event: Row, alarm: Row, state: State) -> Frame:
    """Return an ``alarm`` event: what happened, and the alarm as it stands now."""
    word = {
        "event": reads.event_word(event),
        "alarm": reads.alarm_word(alarm, state.topology),
    }
    return frame("alarm", word, event_id=event["event_id"])


def reset(event_id: int) -> Frame:
    """Return a ``reset`` event: load the lists anew, they contain all up to this event."""
    return frame("reset", {"event_id": event_id}, event_id=event_id)
