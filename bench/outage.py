"""An outage of a minute while everybody goes on sending: first the database, then the worker.

Both are killed (kill -9) and started again, so that crash recovery, connecting again and the
worker's start are part of the seconds until everything is caught up. Caught up means that less
than one second's worth of what was sent is not stored yet; sending goes on until then. Readings
that cross a limit go on the event channel, as agents send theirs.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import psycopg

from bench.costs import peaks, rss_mb
from bench.ground import EVENT, LIVE, Ground, Worker, say, tally, wait, working
from bench.latency import Ear, alarm_figures, ear, stored
from bench.load import Paced, Sending, Sent, sending

ALARMS_PER_S = 2
_BEFORE_S = 4.0
_DRAIN_S = 90.0


def measure(ground: Ground) -> dict[str, Any]:
    """Let the database be away, then the worker."""
    dsn = ground.database("outage")
    found: dict[str, Any] = {}
    with working(ground, dsn) as worker, ear(dsn) as listener:
        stage = _Stage(ground, worker, listener)
        found["database"] = stage.run(
            "database", ground.postgres.kill, ground.postgres.start, ground.sizes.devices
        )
        found["worker"] = stage.run(
            "worker", worker.kill, lambda: worker.start(wait_s=0), ground.sizes.devices + 1_000
        )
    return found


@dataclass(slots=True)
class _Stage:
    ground: Ground
    worker: Worker
    listener: Ear

    def run(
        self, victim: str, down: Callable[[], None], up: Callable[[], None], pool: int
    ) -> dict[str, Any]:
        """Take the victim away and bring it back while messages go on coming."""
        sizes = self.ground.sizes
        say(f"outage: {victim} killed for {sizes.outage_s:.0f} s at {sizes.outage_per_s}/s")
        plan = Paced(
            topic=LIVE,
            per_s=sizes.outage_per_s,
            seconds=_BEFORE_S + sizes.outage_s + sizes.catch_up_s,
            devices=sizes.devices,
            alarms_per_s=ALARMS_PER_S,
            alarm_topic=EVENT,
            pool=pool,
        )
        books = _Books(self.worker.dsn)
        before_mb = rss_mb(self.worker.pid)
        seen = {"worker": lambda: self.worker.pid, "broker": lambda: self.ground.broker.pid}
        with peaks(seen) as most, sending(self.ground.broker.port, plan) as publisher:
            publisher.go()
            time.sleep(_BEFORE_S)
            books.look()
            down()
            time.sleep(sizes.outage_s)
            books.look()
            queued = publisher.sent - books.received
            back_s = time.time()
            up()
            caught_up_s = self._catch_up(publisher, books, back_s)
            publisher.stop()
            sent = publisher.report()
            drained = books.drain(sent.readings)
            broker_mb = rss_mb(self.ground.broker.pid)
        return self._figures(plan, sent, back_s) | {
            "seconds": sizes.outage_s,
            "queued": queued,
            "caught_up_s": caught_up_s,
            "drained": drained,
            "duplicates": books.duplicates,
            "worker_mb_before": round(before_mb),
            "worker_mb_peak": round(most["worker"]),
            "broker_mb_peak": round(most["broker"]),
            "broker_mb_after": round(broker_mb),
        }

    def _catch_up(self, publisher: Sending, books: _Books, back_s: float) -> float | None:
        """Return the seconds until all but a second's worth is stored; None: not in time."""
        near = self.ground.sizes.outage_per_s
        while time.time() - back_s < self.ground.sizes.catch_up_s:
            books.look()
            if publisher.sent - books.received < near:
                return round(time.time() - back_s, 1)
            time.sleep(0.1)
        return None

    def _figures(self, plan: Paced, sent: Sent, back_s: float) -> dict[str, Any]:
        """Return what was lost, and how long the alarms of after the outage took."""
        with psycopg.connect(self.worker.dsn, autocommit=True) as conn:
            fresh = Sent(
                messages=sent.messages,
                readings=sent.readings,
                began_s=back_s,
                ended_s=sent.ended_s,
                sending_s=sent.ended_s - back_s,
                cpu_s=sent.cpu_s,
                alarms=sum(
                    sent.began_s + number / ALARMS_PER_S >= back_s for number in range(sent.alarms)
                ),
            )
            return {
                "sent": sent.messages,
                "generator_late_ms": sent.late_ms,
                "lost": sent.readings - stored(conn, sent, plan),
                "alarms_after_return": alarm_figures(conn, self.listener, fresh),
            }


class _Books:
    """What the workers' tally has grown by; keeps its last value while the database is away."""

    def __init__(self, dsn: str) -> None:
        self._dsn = dsn
        self._conn: psycopg.Connection[Any] | None = None
        self.received = self.duplicates = 0
        self._start = {"received": 0, "duplicates": 0}
        self._start = self._ask()

    def look(self) -> bool:
        """Ask; False when the database does not answer."""
        try:
            now = self._ask()
        except psycopg.OperationalError:
            self._conn = None
            return False
        self.received = now["received"] - self._start["received"]
        self.duplicates = now["duplicates"] - self._start["duplicates"]
        return True

    def drain(self, readings: int) -> bool:
        """Wait until all that was sent is in the tally; False when it is not in time."""
        with suppress(SystemExit):
            wait(lambda: self.look() and self.received >= readings, "the backlog", _DRAIN_S)
        return self.received >= readings

    def _ask(self) -> dict[str, int]:
        if self._conn is None:
            self._conn = psycopg.connect(self._dsn, autocommit=True, connect_timeout=2)
        return tally(self._conn)
