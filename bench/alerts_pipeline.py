"""Warnings through the real pipeline: generator, broker, `blocktwin ingest`, PostgreSQL.

    python bench/alerts_pipeline.py [--quick] [--only PART ...]

Four parts, each on a database of its own: how long a fire takes to be published and to be committed
at 24,000 readings a second; how exactly silence is noticed among 20,000 series; how long a killed
worker of 240,000 series takes to be back; what is told while the database is stopped for 30 seconds
at 24,000 readings a second. A provisional alarm is timed where a subscriber hears it.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

# Run as a script, this folder would stand first and hide the packages behind its files.
sys.path[0] = str(Path(__file__).resolve().parent.parent)

import psutil  # noqa: E402
import psycopg  # noqa: E402

from alerts import provisional  # noqa: E402
from alerts.provisional import Provisional  # noqa: E402
from bench.ground import (  # noqa: E402
    INGEST_WORD,
    LIVE,
    Ground,
    Sizes,
    Worker,
    ground,
    rows,
    say,
    tally,
    wait,
    working,
)
from bench.latency import ALARMS_PER_S  # noqa: E402
from bench.load import PACK, Burst, Paced, Sent, quantiles_ms, sending  # noqa: E402
from bench.mqtt import PUBLISH, Bare  # noqa: E402

RULE = "fire-heat-fixed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """How much of everything."""

    per_s: int = 24_000
    paced_s: float = 20.0
    series: int = 20_000
    interval_s: float = 5.0
    silent: int = 1_000
    large: int = 240_000
    since_s: float = 15.0
    stopped_s: float = 30.0
    around_s: float = 5.0
    catch_up_s: float = 90.0

    @classmethod
    def quick(cls) -> Plan:
        """Return sizes that only show that everything runs."""
        return cls(
            per_s=5_000,
            paced_s=3.0,
            series=2_000,
            silent=100,
            large=20_000,
            since_s=3.0,
            stopped_s=5.0,
            around_s=3.0,
            catch_up_s=30.0,
        )


class Listener:
    """Hears provisional alarms on a connection of its own, in a thread."""

    def __init__(self, port: int) -> None:
        self.heard: list[tuple[float, Provisional]] = []
        self._client = Bare(port, "ingest", INGEST_WORD, receive_maximum=1_000)
        self._client.subscribe(provisional.FILTER)
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._listen, name="listener", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Listen no more."""
        self._over.set()
        self._thread.join()
        self._client.close()

    def _listen(self) -> None:
        while not self._over.is_set():
            for body in self._client.counted(PUBLISH, 0.2):
                now_s = time.time()
                name = 2 + int.from_bytes(body[:2], "big")
                self._client.socket.sendall(b"\x40\x02" + body[name : name + 2])
                payload = body[body.index(b"{", name + 2) :]
                self.heard.append((now_s, provisional.parse(payload)))

    def figures(self, from_s: float, to_s: float) -> dict[str, Any]:
        """Return what was heard of onsets in a span of device time."""
        told = [
            (at_s, one)
            for at_s, one in self.heard
            if one.kind == "raised" and from_s * 1e6 <= one.at_us <= to_s * 1e6
        ]
        took_s = [at_s - one.at_us / 1e6 for at_s, one in told]
        return {
            "heard": len(told),
            "twice": len(told) - len({one.event_key for _, one in told}),
            "over_1_s": sum(each > 1.0 for each in took_s),
            "ms": quantiles_ms(took_s),
        }


@contextmanager
def listening(port: int) -> Iterator[Listener]:
    """Listen meanwhile."""
    one = Listener(port)
    try:
        yield one
    finally:
        one.stop()


def measure(*, quick: bool = False, only: list[str] | None = None) -> dict[str, Any]:
    """Measure all parts, or some of them; needs PostgreSQL with TimescaleDB and mosquitto."""
    plan = Plan.quick() if quick else Plan()
    found: dict[str, Any] = {"cores": os.cpu_count(), "load_average": os.getloadavg()[0]}
    for name in only or PARTS:
        devices = plan.large if name == "restart" else plan.series
        with ground(Sizes(devices=devices)) as servers:
            found[name] = PARTS[name](servers, plan)
    return found


def _paced(servers: Ground, plan: Plan) -> dict[str, Any]:
    """A fire among 24,000 readings a second: published, committed."""
    say(f"warnings: {plan.per_s} readings/s for {plan.paced_s:.0f} s")
    dsn = servers.database("paced")
    load = Paced(
        topic=LIVE,
        per_s=plan.per_s,
        seconds=plan.paced_s,
        devices=servers.sizes.devices,
        alarms_per_s=ALARMS_PER_S,
        pool=servers.sizes.devices,
    )
    port = servers.broker.port
    with working(servers, dsn) as worker, listening(port) as listener, sending(port, load) as out:
        out.go()
        sent = out.report(load.seconds + 60)
        with psycopg.connect(dsn, autocommit=True) as conn:
            wait(lambda: tally(conn)["received"] >= sent.readings, "the last rows")
            committed = _committed_ms(conn)
        worker.stop()
        return {
            "sent_per_s": round(sent.messages / sent.sending_s),
            "generator_late_ms": sent.late_ms,
            "alarms": sent.alarms,
            "provisional": listener.figures(sent.began_s - 1, sent.ended_s),
            "committed": committed,
            "lost": sent.readings - rows(dsn),
        }


def _committed_ms(conn: psycopg.Connection[Any]) -> dict[str, Any]:
    took = conn.execute(
        "SELECT extract(epoch FROM pg_xact_commit_timestamp(e.xmin) - e.event_at)::float8"
        "  FROM alarm_event e JOIN alarm a USING (alarm_id)"
        " WHERE e.kind = 'raised' AND a.rule_id = %s",
        (RULE,),
    ).fetchall()
    return {"raised": len(took), "ms": quantiles_ms([row[0] for row in took])}


def _silence(servers: Ground, plan: Plan) -> dict[str, Any]:
    """Some of many series fall silent: how long after their limit is that noticed."""
    say(f"silence: {plan.silent} of {plan.series} series, {3 * plan.interval_s:.0f} s limit")
    dsn = servers.database("silence")
    with psycopg.connect(dsn, autocommit=True) as conn:
        conn.execute("UPDATE device SET interval_s = %s", (plan.interval_s,))
        conn.execute(
            "DELETE FROM series WHERE device_id >= %s", (f"heat-{servers.sizes.devices:06d}",)
        )
        conn.execute(
            "DELETE FROM device WHERE device_id >= %s", (f"heat-{servers.sizes.devices:06d}",)
        )
    per_s = round(plan.series / plan.interval_s)
    settle_s = 12.0
    everybody = Paced(topic=LIVE, per_s=per_s, seconds=settle_s, devices=plan.series)
    others = Paced(
        topic=LIVE,
        per_s=per_s,
        seconds=4 * plan.interval_s + 10,
        devices=plan.series - plan.silent,
    )
    port = servers.broker.port
    with working(servers, dsn) as worker:
        for load in (everybody, others):
            with sending(port, load) as out:
                out.go()
                out.report(load.seconds + 60)
        with psycopg.connect(dsn) as conn:
            took = conn.execute(
                "SELECT extract(epoch FROM a.detected_at - a.raised_at)::float8,"
                "       extract(epoch FROM pg_xact_commit_timestamp(e.xmin) - a.raised_at)::float8,"
                "       a.device_id >= %s"
                "  FROM alarm a JOIN alarm_event e USING (alarm_id)"
                "  JOIN rule r ON r.rule_id = a.rule_id AND r.version = a.rule_version"
                " WHERE r.body ->> 'type' = 'missing' AND e.kind = 'raised'",
                (f"heat-{plan.series - plan.silent:06d}",),
            ).fetchall()
        worker.stop()
    return {
        "series": plan.series,
        "silent": plan.silent,
        "limit_s": 3 * plan.interval_s,
        "raised": sum(row[2] for row in took),
        "raised_wrongly": sum(not row[2] for row in took),
        "noticed_after_limit_ms": quantiles_ms([row[0] for row in took if row[2]]),
        "committed_after_limit_ms": quantiles_ms([row[1] for row in took if row[2]]),
    }


def _restart(servers: Ground, plan: Plan) -> dict[str, Any]:
    """Kill a worker of a whole city, and start it again."""
    say(f"restart: {plan.large} series")
    dsn = servers.database("restart")
    port = servers.broker.port
    packs = Burst(topic=LIVE, messages=plan.large // PACK, readings=PACK, devices=plan.large)
    since = Paced(topic=LIVE, per_s=plan.per_s, seconds=plan.since_s, devices=plan.large)
    worker = Worker(ground=servers, dsn=dsn)
    first_s, _ = _timed(worker)
    try:
        with sending(port, packs) as out:
            out.go()
            out.report()
        with psycopg.connect(dsn, autocommit=True) as conn:
            wait(lambda: tally(conn)["received"] >= plan.large, "every series once")
            after_s = time.time()
            wait(lambda: _taken_s(conn) > after_s, "a snapshot", 180.0)
            size = conn.execute("SELECT octet_length(body) FROM engine_state").fetchone()
            with sending(port, since) as out:
                out.go()
                sent = out.report(since.seconds + 60)
            wait(lambda: tally(conn)["received"] >= plan.large + sent.readings, "all rows")
            text = worker.metrics()
            worker.kill()
            with_s, cpu_s = _timed(worker)
            worker.kill()
            conn.execute("DELETE FROM engine_state")
            without_s, _ = _timed(worker)
    finally:
        worker.stop()
    waits = _sums(text, "blocktwin_ingest_snapshot_seconds")
    return {
        "series": plan.large,
        "readings_since": sent.readings,
        "first_start_s": first_s,
        "restart_s": with_s,
        "restart_cpu_s": cpu_s,
        "restart_without_snapshot_s": without_s,
        "snapshot_mb": round((size or [0])[0] / 1e6, 1),
        "snapshot_pause_ms": round(1000 * waits[0] / max(waits[1], 1), 1),
    }


def _timed(worker: Worker) -> tuple[float, float]:
    """Start it; return the seconds until it is ready, and what of its processor it spent."""
    began_s = time.monotonic()
    worker.start(wait_s=180.0)
    spent = psutil.Process(worker.pid).cpu_times()
    return round(time.monotonic() - began_s, 1), round(spent.user + spent.system, 1)


def _taken_s(conn: psycopg.Connection[Any]) -> float:
    row = conn.execute(
        "SELECT extract(epoch FROM max(taken_at))::float8 FROM engine_state"
    ).fetchone()
    return float(row[0]) if row and row[0] else 0.0


def _sums(text: str, name: str) -> tuple[float, float]:
    found = {
        line.split(" ")[0]: float(line.split(" ")[1])
        for line in text.splitlines()
        if line.startswith(name)
    }
    return found.get(f"{name}_sum", 0.0), found.get(f"{name}_count", 0.0)


def _outage(servers: Ground, plan: Plan) -> dict[str, Any]:
    """Stop the database while everybody goes on sending; fires come on the live channel."""
    say(f"database stopped for {plan.stopped_s:.0f} s at {plan.per_s} readings/s")
    dsn = servers.database("outage")
    load = Paced(
        topic=LIVE,
        per_s=plan.per_s,
        seconds=2 * plan.around_s + plan.stopped_s,
        devices=servers.sizes.devices,
        alarms_per_s=2,
        pool=servers.sizes.devices,
    )
    port = servers.broker.port
    with working(servers, dsn), listening(port) as listener, sending(port, load) as out:
        out.go()
        time.sleep(plan.around_s)
        stopped_s = time.time()
        servers.postgres.stop()
        time.sleep(max(0.0, stopped_s + plan.stopped_s - time.time()))
        servers.postgres.start()
        back_s = time.time()
        sent = out.report(load.seconds + 60)
        caught_up = _drained(dsn, sent, plan.catch_up_s)
        took_s = time.time() - back_s
        return {
            "stopped_s": round(back_s - stopped_s, 1),
            "generator_late_ms": sent.late_ms,
            "while_stopped": listener.figures(stopped_s, back_s),
            "after": listener.figures(back_s, sent.ended_s),
            "caught_up_s": round(took_s, 1) if caught_up else None,
            "lost": sent.readings - rows(dsn),
            **_durable(dsn, listener),
        }


def _drained(dsn: str, sent: Sent, patience_s: float) -> bool:
    with psycopg.connect(dsn, autocommit=True) as conn, suppress(SystemExit):
        wait(lambda: tally(conn)["received"] >= sent.readings, "the backlog", patience_s)
        return True
    return False


def _durable(dsn: str, listener: Listener) -> dict[str, int]:
    """Compare the events told with those committed, by their keys."""
    with psycopg.connect(dsn) as conn:
        found = conn.execute(
            "SELECT a.rule_id, a.subject, e.kind,"
            "       (extract(epoch FROM e.event_at) * 1000000)::bigint"
            "  FROM alarm_event e JOIN alarm a USING (alarm_id) WHERE e.actor = 'engine'"
        ).fetchall()
    committed = [provisional.event_key(*row) for row in found]
    told = {one.event_key for _, one in listener.heard}
    return {
        "events": len(committed),
        "committed_twice": len(committed) - len(set(committed)),
        "told_not_committed": len(told - set(committed)),
    }


PARTS: dict[str, Callable[[Ground, Plan], dict[str, Any]]] = {
    "paced": _paced,
    "silence": _silence,
    "restart": _restart,
    "outage": _outage,
}


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description="Warnings through the real pipeline.")
    parser.add_argument("--quick", action="store_true", help="only to see that everything runs")
    parser.add_argument("--only", action="append", choices=PARTS, help="this part; may be repeated")
    options = parser.parse_args()
    print(json.dumps(measure(quick=options.quick, only=options.only)))


if __name__ == "__main__":
    main()
