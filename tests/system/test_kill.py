"""kill -9 of worker, database and broker in the middle of a stream: nothing lost or doubled."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import psycopg
import pytest

from core.model import Reading
from dev.servers import PrivateMosquitto, PrivatePostgres
from tests.support import servers
from tests.support.ingesting import NOW_S, RULES, Sender, register
from tests.support.waiting import eventually

MESSAGES = 400
ROWS = 10
DEVICES = [f"heat-{n}" for n in range(8)]
PACE_S = 0.01


@dataclass(slots=True, kw_only=True)
class Stage:
    """The servers and the worker of one test, and how to kill and revive each."""

    broker: PrivateMosquitto
    postgres: PrivatePostgres
    start_worker: Callable[[], servers.Program]
    worker: servers.Program

    def kill(self, victim: str) -> None:
        match victim:
            case "worker":
                self.worker.kill()
            case "database":
                self.postgres.kill()
            case "broker":
                self.broker.kill()

    def revive(self, victim: str) -> None:
        match victim:
            case "worker":
                self.worker = self.start_worker()
            case "database":
                self.postgres.start()
            case "broker":
                self.broker.start()


def message(number: int) -> list[Reading]:
    """Ten readings; every seventh message repeats the last, every fiftieth is a stranger's."""
    said = number - 1 if number % 7 == 6 else number
    device = "nobody" if number % 50 == 49 else DEVICES[said % len(DEVICES)]
    return [
        Reading(
            device=device,
            quantity="temperature",
            observed_s=NOW_S - 86_400 + said * ROWS + row,
            value=20.0,
        )
        for row in range(ROWS)
    ]


def expected() -> tuple[dict[str, int], set[tuple[str, float]]]:
    """What must be in the tally at the end, and the key of every row."""
    keys: set[tuple[str, float]] = set()
    tally = {"received": 0, "stored": 0, "rejected": 0, "duplicates": 0}
    for number in range(MESSAGES):
        for reading in message(number):
            key = (reading.device, reading.observed_s)
            fate = "stored"
            if reading.device == "nobody":
                fate = "rejected"
            elif key in keys:
                fate = "duplicates"
            else:
                keys.add(key)
            tally["received"] += 1
            tally[fate] += 1
    return tally, keys


async def offer(sender: Sender, numbers: range) -> None:
    for number in numbers:
        sender.offer(message(number))
        await asyncio.sleep(PACE_S)


@pytest.mark.parametrize(
    "victims", [["worker"], ["database"], ["broker"], ["worker", "broker", "database", "worker"]]
)
async def test_after_kill_9_every_reading_is_there_once_and_accounted_for(
    broker: PrivateMosquitto,
    postgres: PrivatePostgres,
    dsn: str,
    run_blocktwin: servers.Runner,
    victims: list[str],
) -> None:
    with psycopg.connect(dsn, autocommit=True) as conn:
        register(conn, "gw-a", DEVICES)
    env = servers.settings(
        dsn,
        broker,
        ingest__http_port=0,
        ingest__retry_max_s=0.3,
        alerts__rules_dir=str(RULES),
    )

    def start() -> servers.Program:
        return run_blocktwin("ingest", env=env)

    stage = Stage(broker=broker, postgres=postgres, start_worker=start, worker=start())
    sender = Sender(
        host=broker.host, port=broker.port, gateway="gw-a", password=broker.password("gw-a")
    )
    step = MESSAGES // (len(victims) + 1)
    async with asyncio.TaskGroup() as tasks:
        running = tasks.create_task(sender.run(), name="sender")
        try:
            await offer(sender, range(step))
            await eventually(lambda: len(sender.pending) < step, 30.0, what="the first receipt")
            for turn, victim in enumerate(victims, start=1):
                last = turn == len(victims)
                following = range(turn * step, MESSAGES if last else (turn + 1) * step)
                stream = tasks.create_task(offer(sender, following), name="stream")
                await asyncio.sleep(PACE_S * step / 3)
                stage.kill(victim)
                await stream
                # Here and not in a thread: a child of ours dies with the thread that started it.
                stage.revive(victim)
            await eventually(lambda: not sender.pending, 60.0, what="all receipts")
        finally:
            sender.finish(running)
    assert stage.worker.stop()
    assert stage.worker.exit_code == 0
    with psycopg.connect(dsn) as conn:
        check(conn, sender)


def check(conn: psycopg.Connection[Any], sender: Sender) -> None:
    tally, keys = expected()
    row = conn.execute("SELECT received, stored, rejected, duplicates FROM tally").fetchone()
    assert row is not None
    assert dict(zip(tally, row, strict=True)) == tally
    assert sender.published == tally["stored"] + tally["rejected"] + tally["duplicates"]
    stored = conn.execute(
        "SELECT device_id, extract(epoch FROM observed_at)::float8"
        " FROM reading JOIN series USING (series_id)"
    ).fetchall()
    assert len(stored) == len(keys)
    assert set(stored) == keys
    uplink = conn.execute("SELECT low, above FROM uplink").fetchone()
    assert uplink == (MESSAGES, [])
