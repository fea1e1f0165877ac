"""The alarm desk at scale: a dead gateway, a storm, and how soon an alarm is judged.

    python bench/desk.py

The desk looks at alarms that were just committed to a private server; the last part runs it as it
runs in the notifier.
"""

from __future__ import annotations

import asyncio
import json
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

# Run as a script, this folder would stand first and hide packages behind files of the same name.
if __name__ == "__main__":
    sys.path[0] = str(Path(__file__).resolve().parent.parent)

import psycopg

from alerts import rulestore
from alerts.desk.config import DeskConfig
from alerts.desk.report import alarm_report
from alerts.desk.run import Desk
from bench.ground import say
from core.config import DatabaseConfig
from core.db.migrate import upgrade
from tests.support.desk import RULES, Story
from tests.support.servers import running_postgres
from tests.support.small_district import small_district
from tests.support.waiting import eventually
from twin.store import load_district

SENSORS = 5_000
STORM = 5_000
SINGLES = 200

Conn = psycopg.Connection[Any]


def measure() -> dict[str, Any]:
    """Measure the desk on a private server."""
    with running_postgres() as postgres:
        dsn = postgres.create_database("desk")
        with psycopg.connect(dsn, autocommit=True) as conn:
            upgrade(conn)
            _furnish(conn)
            return {
                "dead_gateway": _dead_gateway(conn),
                "storm": _storm(conn),
                "single": _single(conn, dsn),
            }


def table(result: dict[str, Any]) -> list[str]:
    """Return the figures as lines."""
    gateway, storm, single = result["dead_gateway"], result["storm"], result["single"]
    return [
        "the desk",
        f"  a gateway with {gateway['sensors']:,} sensors dies: messages {gateway['messages']}",
        f"    hidden in {gateway['hidden_in_s']} s; shown or closed in {gateway['shown_in_s']} s",
        f"  {storm['alarms']:,} alarms at once: judged in {storm['judged_in_s']} s",
        f"    told {storm['told']}, digested {storm['digested']}, incidents {storm['incidents']}",
        f"    the report of 30 days: {storm['report_s']} s",
        f"  one alarm: verdict after p50 {single['p50_ms']} ms, p99 {single['p99_ms']} ms",
    ]


def _furnish(conn: Conn) -> None:
    say(f"loading a district of {2 * SENSORS:,} devices")
    district = small_district(columns=50, rows=50, devices=2 * SENSORS)
    load_district(conn, district)
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "desk.toml").write_text(RULES, encoding="utf-8")
        rulestore.load_rules(conn, folder)
    conn.execute("ANALYZE")


def _dead_gateway(conn: Conn) -> dict[str, Any]:
    """Half of a gateway's sensors are noticed before the gateway, half after."""
    say(f"a gateway with {SENSORS:,} sensors dies")
    story = Story(conn)
    sensors = _devices(conn, "gateway_id = 'gw-a'")
    half = len(sensors) // 2
    story.says("raised", 0, "device-missing", *sensors[:half])
    first_s = _timed(lambda: story.look(1))
    story.says("raised", 3, "gateway-offline", "gateway:gw-a")
    story.says("raised", 4, "device-missing", *sensors[half:])
    looked_s = _timed(lambda: story.look(5))
    story.look(60)
    told = len(story.verdicts())
    story.says("returned", 1000, "gateway-offline", "gateway:gw-a")
    story.says("returned", 1005, "device-missing", *sensors)
    story.look(1006)
    shown_s = _timed(lambda: story.look(1061))
    return {
        "sensors": len(sensors),
        "first_look_s": round(first_s, 2),
        "hidden_in_s": round(looked_s, 2),
        "messages": told,
        "shown_in_s": round(shown_s, 2),
    }


def _storm(conn: Conn) -> dict[str, Any]:
    """As many points report water at once, all over the district."""
    say(f"{STORM:,} alarms at once")
    story = Story(conn)
    points = _devices(conn, "gateway_id = 'gw-b'")[:STORM]
    story.says("raised", 8000, "water-level", *points)
    looked_s = _timed(lambda: story.look(8001))
    words = [len(story.verdicts(word)) for word in ("tell", "digest")]
    incidents = conn.execute("SELECT count(*), max(alarms) FROM incident WHERE field = 'water'")
    now = datetime.now(UTC)
    report_s = _timed(lambda: alarm_report(conn, now - timedelta(days=30), now, 1, now=now))
    found = incidents.fetchone()
    return {
        "alarms": len(points),
        "judged_in_s": round(looked_s, 2),
        "told": words[0],
        "digested": words[1],
        "incidents": found and found[0],
        "largest": found and found[1],
        "report_s": round(report_s, 2),
    }


def _single(conn: Conn, dsn: str) -> dict[str, Any]:
    """The running desk: from the commit of an alarm to the commit of its verdict."""
    say(f"{SINGLES} alarms one after another, the desk running")
    story = Story(conn)
    points = _devices(conn, "kind = 'waterlogging'")[:SINGLES]
    conn.execute("UPDATE alarm SET state = 'closed', closed_at = now(), close_cause = 'test',"
                 " hidden = NULL, hidden_by = NULL, hidden_why = NULL, due_at = NULL"
                 " WHERE closed_at IS NULL")  # fmt: skip
    waits: list[float] = []

    async def scenario() -> None:
        stop = asyncio.Event()
        desk = Desk(DeskConfig(), DatabaseConfig(dsn=dsn), stop)
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(desk.run())
            await eventually(lambda: desk.database_ok)
            await asyncio.to_thread(_one_by_one, story, points, waits)
            stop.set()

    asyncio.run(scenario())
    waits.sort()
    return {
        "alarms": len(waits),
        "p50_ms": round(statistics.median(waits) * 1000, 1),
        "p99_ms": round(waits[int(len(waits) * 0.99) - 1] * 1000, 1),
    }


def _one_by_one(story: Story, points: list[str], waits: list[float]) -> None:
    for number, point in enumerate(points):
        story.says("raised", 40_000 + number, "water-level", point)
        begun = time.perf_counter()
        while not _judged(story.conn):
            if time.perf_counter() - begun > 10:
                raise TimeoutError("the desk did not judge")
            time.sleep(0.001)
        waits.append(time.perf_counter() - begun)


def _judged(conn: Conn) -> bool:
    row = conn.execute(
        "SELECT EXISTS (SELECT FROM desk_verdict WHERE event_id ="
        " (SELECT max(event_id) FROM alarm_event))"
    ).fetchone()
    return bool(row and row[0])


def _devices(conn: Conn, where: str) -> list[str]:
    rows = conn.execute(f"SELECT 'device:' || device_id FROM device WHERE {where} ORDER BY 1")
    return [row[0] for row in rows]


def _timed(work: Callable[[], object]) -> float:
    begun = time.perf_counter()
    work()
    return time.perf_counter() - begun


def main() -> None:
    """Measure on a private server and print."""
    result = measure()
    say("\n".join(table(result)))
    print(json.dumps(result))


if __name__ == "__main__":
    main()
