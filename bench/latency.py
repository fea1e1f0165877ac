"""How long a reading and an alarm take, at a steady pace, by PostgreSQL's own commit times.

``track_commit_timestamp`` notes when a transaction was ended, just before its record is flushed to
disk; the worker's own histogram, taken after the answer to COMMIT, is shown beside it. What a
listener hears is taken on a connection that listens as the API does.
"""

from __future__ import annotations

import threading
import time
from bisect import bisect_left
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

import psycopg

from bench.costs import Costs, per_100k, rss_mb
from bench.ground import LIVE, Ground, Worker, say, tally, wait, working
from bench.load import Paced, Sent, quantiles_ms, sending
from ingest.metrics import quantile_from_text

COMMIT, ALARM = "blocktwin_ingest_commit_seconds", "blocktwin_alarm_commit_seconds"
CHANNEL = "blocktwin_alarm"
ALARMS_PER_S = 20
_QUANTILES = "percentile_cont(ARRAY[0.5, 0.99, 1.0]) WITHIN GROUP (ORDER BY took_s)"


class Ear:
    """Listens to the alarms; connects again when the database has been away."""

    def __init__(self, dsn: str) -> None:
        self._heard: list[tuple[int, float]] = []
        self._dsn = dsn
        self._over = threading.Event()
        self.listening = threading.Event()
        self._thread = threading.Thread(target=self._listen, name="ear", daemon=True)

    def start(self) -> None:
        """Listen from now on."""
        self._thread.start()
        self.listening.wait(30)

    def stop(self) -> None:
        """Stop listening."""
        self._over.set()
        self._thread.join()

    @property
    def newest(self) -> int:
        """The highest event number heard of."""
        return self._heard[-1][0] if self._heard else 0

    def when(self, event: int) -> float | None:
        """Return when an event was announced; a transaction announces its last one only."""
        place = bisect_left(self._heard, (event, 0.0))
        return self._heard[place][1] if place < len(self._heard) else None

    def _listen(self) -> None:
        while not self._over.is_set():
            with (
                suppress(psycopg.OperationalError),
                psycopg.connect(self._dsn, autocommit=True, connect_timeout=2) as conn,
            ):
                conn.execute(f"LISTEN {CHANNEL}")
                self.listening.set()
                self._hear(conn)
            self._over.wait(0.1)

    def _hear(self, conn: psycopg.Connection[Any]) -> None:
        while not self._over.is_set():
            for notice in conn.notifies(timeout=0.2, stop_after=1):
                self._heard.append((int(notice.payload), time.time()))


@contextmanager
def ear(dsn: str) -> Iterator[Ear]:
    """Listen meanwhile."""
    one = Ear(dsn)
    one.start()
    try:
        yield one
    finally:
        one.stop()


def measure(ground: Ground) -> dict[str, Any]:
    """Run each pace on one worker and one database."""
    dsn = ground.database("paced")
    pool = ground.sizes.devices
    found: dict[str, Any] = {}
    with working(ground, dsn) as worker, ear(dsn) as listener:
        for per_s, seconds in ground.sizes.paced_s:
            say(f"paced: {per_s} single-reading messages/s for {seconds:.0f} s")
            plan = Paced(
                topic=LIVE,
                per_s=per_s,
                seconds=seconds,
                devices=ground.sizes.devices,
                alarms_per_s=ALARMS_PER_S,
                pool=pool,
            )
            found[str(per_s)] = one_pace(ground, worker, listener, plan)
            pool += round(ALARMS_PER_S * seconds) + 1
    return found


def one_pace(ground: Ground, worker: Worker, listener: Ear, plan: Paced) -> dict[str, Any]:
    """Send at one pace and return its figures."""
    costs = Costs(
        {"broker": ground.broker.pid, "worker": worker.pid, "database": ground.postgres.pid}
    )
    before = worker.metrics()
    with (
        psycopg.connect(worker.dsn, autocommit=True) as conn,
        sending(ground.broker.port, plan) as publisher,
    ):
        start = tally(conn)
        costs.take()
        publisher.go()
        sent = publisher.report(plan.seconds + 60)
        wait(lambda: tally(conn)["received"] - start["received"] >= sent.readings, "the last rows")
        spent = costs.take()
        text = worker.metrics()
        took_s = sent.ended_s - sent.began_s
        return {
            "asked_per_s": plan.per_s,
            "sent_per_s": round(sent.messages / sent.sending_s),
            "sent": sent.messages,
            "generator_late_ms": sent.late_ms,
            "lost": sent.readings - stored(conn, sent, plan),
            "commit_ms": commit_ms(conn, sent, plan),
            "worker_says_commit_ms": from_metrics(before, text, COMMIT),
            "alarm": alarm_figures(conn, listener, sent),
            "worker_says_alarm_ms": from_metrics(before, text, ALARM),
            "cores": round(sum(spent.values()) / took_s, 2),
            "publisher_cores": round(sent.cpu_s / took_s, 2),
            "cpu_s_per_100k": per_100k(spent, sent.readings),
            "worker_mb": round(rss_mb(worker.pid)),
        }


def _span(sent: Sent, plan: Paced) -> dict[str, float]:
    """The device times that a paced run has sent, both ends inclusive, with room for rounding."""
    last_s = sent.began_s + (sent.messages - 1) / plan.per_s
    return {"from": sent.began_s - 1e-5, "to": last_s + 1e-5}


def stored(conn: psycopg.Connection[Any], sent: Sent, plan: Paced) -> int:
    """Count the rows of a paced run."""
    row = conn.execute(
        "SELECT count(*) FROM reading WHERE observed_at BETWEEN to_timestamp(%(from)s)"
        " AND to_timestamp(%(to)s)",
        _span(sent, plan),
    ).fetchone()
    assert row is not None
    return int(row[0])


def commit_ms(conn: psycopg.Connection[Any], sent: Sent, plan: Paced) -> dict[str, float]:
    """Return how long after their device times the rows were committed."""
    row = conn.execute(
        f"SELECT {_QUANTILES} FROM (SELECT extract(epoch FROM"
        " pg_xact_commit_timestamp(xmin) - observed_at)::float8 AS took_s FROM reading"
        " WHERE observed_at BETWEEN to_timestamp(%(from)s) AND to_timestamp(%(to)s)) AS r",
        _span(sent, plan),
    ).fetchone()
    return _three(row)


def _three(row: tuple[Any, ...] | None) -> dict[str, float]:
    if row is None or row[0] is None:
        return {}
    return {
        name: round(1000 * seconds, 1)
        for name, seconds in zip(("p50", "p99", "max"), row[0], strict=True)
    }


def alarm_figures(conn: psycopg.Connection[Any], listener: Ear, sent: Sent) -> dict[str, Any]:
    """Return how long after the deciding reading an alarm was committed, and heard of.

    The device times of alarms are those of the readings that crossed the limit.
    """
    span = {"from": sent.began_s - 1e-5, "to": sent.ended_s}
    found = conn.execute(
        "SELECT e.event_id, extract(epoch FROM e.event_at)::float8,"
        " extract(epoch FROM pg_xact_commit_timestamp(e.xmin))::float8"
        " FROM alarm_event AS e JOIN alarm AS a USING (alarm_id)"
        " WHERE e.kind = 'raised' AND a.rule_id = 'fire-heat-fixed'"
        " AND a.raised_at BETWEEN to_timestamp(%(from)s) AND to_timestamp(%(to)s)",
        span,
    ).fetchall()
    newest = max((number for number, _, _ in found), default=0)
    with suppress(SystemExit):
        wait(lambda: listener.newest >= newest, "the last alarm to be heard of", 5.0)
    heard = [at - at_s for n, at_s, _ in found if (at := listener.when(n)) is not None]
    return {
        "sent": sent.alarms,
        "raised": len(found),
        "heard": len(heard),
        "commit_ms": quantiles_ms([committed_s - at_s for _, at_s, committed_s in found]),
        "heard_ms": quantiles_ms(heard),
    }


def from_metrics(before: str, after: str, name: str) -> dict[str, float]:
    """Return the quantiles of a histogram's growth between two texts."""
    text = _growth(before, after, name)
    return {
        f"p{q * 100:.0f}": round(1000 * (quantile_from_text(text, name, q) or 0), 1)
        for q in (0.5, 0.99)
    }


def _growth(before: str, after: str, name: str) -> str:
    old = dict(line.rsplit(" ", 1) for line in before.splitlines() if line.startswith(name))
    lines = [line.rsplit(" ", 1) for line in after.splitlines() if line.startswith(name)]
    return "\n".join(f"{key} {float(value) - float(old.get(key, 0))}" for key, value in lines)
