"""The database is stopped: warning goes on, nothing is told twice, all of it is durable after."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg.conninfo import make_conninfo

from alerts.config import AlertsConfig
from core.config import DatabaseConfig
from core.model import Channel
from dev.servers import PrivateMosquitto, PrivatePostgres
from ingest.command import build
from ingest.config import IngestConfig
from ingest.message import Message
from ingest.pipeline import Glance
from tests.support import servers
from tests.support.ingesting import NOW_S, message, register
from tests.support.proxy import proxy_to
from tests.support.waiting import eventually, wait_until
from tests.support.warning import (
    HOT,
    MISSING,
    Gateway,
    broker_of,
    events,
    gateway,
    keys,
    listening,
    rules_in,
    running,
    stored,
)

Db = psycopg.Connection[Any]
BURNING = [f"heat-{n}" for n in range(2, 20)]


@pytest.fixture
def world(conn: Db) -> Db:
    register(conn, "gw-a", ["heat-1", *BURNING])
    return conn


@pytest.fixture
def rules(tmp_path: Path) -> AlertsConfig:
    return rules_in(tmp_path / "rules", HOT)


_last_ms = 0


def now() -> float:
    """The time in whole milliseconds, none twice."""
    global _last_ms  # noqa: PLW0603
    _last_ms = max(_last_ms + 1, round(time.time() * 1000))
    return _last_ms / 1000


async def test_warning_goes_on_while_the_database_is_stopped(
    broker: PrivateMosquitto, dsn: str, world: Db, rules: AlertsConfig, postgres: PrivatePostgres
) -> None:
    """The window of 30 messages is full at once; what comes after it only the watch can see."""
    del world
    mqtt = broker_of(broker, receive_maximum=30)
    async with (
        running(mqtt, dsn, rules, queue_messages=20) as worker,
        listening(broker) as listener,
        gateway(broker) as gw,
    ):
        await gw.says("heat-1", now(), 20.0)
        await eventually(lambda: 'stored"} 1.0' in worker.metrics.text())
        postgres.stop()
        await gw.says("heat-1", now(), 21.0)
        await eventually(lambda: worker.lookout.stands)
        for number, device in enumerate(BURNING, start=1):
            for _ in range(25):
                await gw.says("heat-1", now(), 21.0)
            channel = Channel.EVENT if number % 3 == 0 else Channel.LIVE
            await gw.says(device, now(), 70.0, channel)
            await eventually(lambda: len(listener.heard) >= number, 5.0)  # noqa: B023
            took_s = listener.at_s[-1] - listener.heard[-1].at_us / 1e6
            assert took_s < 1.0, f"fire {number} was told after {took_s:.2f} s"
        assert worker.lookout.watching
        assert not worker.database_ok
        postgres.start()
        with psycopg.connect(dsn, autocommit=True) as again:
            await eventually(lambda: stored(again) == gw.sent, 60.0)
            await eventually(lambda: not worker.lookout.watching)
            assert sorted(keys(again)) == sorted(listener.keys)
            assert len(events(again)) == len(BURNING)
            tally = again.execute(
                "SELECT sum(received), sum(stored), sum(duplicates) FROM tally"
            ).fetchone()
            assert tally == (gw.sent, gw.sent, 0)
            early = again.execute(
                "SELECT count(*) FROM alarm WHERE detected_at - raised_at > interval '1 second'"
            ).fetchone()
            assert early == (0,)
            # The watch has shown the marker nothing that it would take for a repeat later.
            twice = again.execute("SELECT count(*) FROM reading WHERE quality & 512 <> 0")
            assert twice.fetchone() == (0,)
        # The condition is judged by the usual session again, and goes on.
        for _ in range(2):  # the first one is a jump, and ends nothing
            await gw.says(listener.heard[0].subject.partition(":")[2], now(), 20.0)
        await eventually(lambda: listener.heard[-1].kind == "returned")
    assert len(set(listener.keys)) == len(listener.keys)


async def test_silence_is_noticed_while_the_database_is_stopped(
    broker: PrivateMosquitto, dsn: str, world: Db, tmp_path: Path, postgres: PrivatePostgres
) -> None:
    """One device falls silent in the outage, the other goes on; three seconds are the limit."""
    world.execute("DELETE FROM series WHERE device_id <> ALL(ARRAY['heat-1', 'heat-2'])")
    world.execute("DELETE FROM device WHERE device_id <> ALL(ARRAY['heat-1', 'heat-2'])")
    world.execute("UPDATE device SET interval_s = 1")
    rules = rules_in(tmp_path / "rules", MISSING)
    async with running(broker_of(broker), dsn, rules) as worker, gateway(broker) as gw:
        await gw.says("heat-1", now(), 20.0)
        await eventually(lambda: 'stored"} 1.0' in worker.metrics.text())
        postgres.stop()
        last_s = time.time()

        while not len(worker.lookout.held):
            assert time.time() < last_s + 20, "nobody is missed"
            await gw.says("heat-2", now(), 20.0)
        postgres.start()
        with psycopg.connect(dsn, autocommit=True) as again:
            await eventually(lambda: events(again), 30.0)
            await eventually(lambda: stored(again) == gw.sent, 30.0)
            ((rule, subject, kind, at_us), *rest) = events(again)
    assert (rule, subject, kind) == ("silent", "device:heat-1", "raised")
    assert at_us / 1e6 < last_s + 4.0
    assert rest == []


async def test_a_database_that_does_not_answer_delays_no_warning(
    broker: PrivateMosquitto, dsn: str, world: Db, rules: AlertsConfig, postgres: PrivatePostgres
) -> None:
    with proxy_to(postgres.host, postgres.port) as proxy:
        slow = make_conninfo(dsn, host=proxy.host, port=proxy.port)
        async with (
            running(broker_of(broker), slow, rules, drain_s=1.0, watch_after_s=0.2) as worker,
            listening(broker) as listener,
            gateway(broker) as gw,
        ):
            proxy.freeze()
            await gw.says("heat-1", now(), 20.0)
            await eventually(lambda: "ingest_messages_total 1.0" in worker.metrics.text())
            # These two are taken behind the batch that is stuck: one batch, or the queue.
            await gw.says("heat-2", now(), 80.0)
            await eventually(lambda: len(listener.heard) == 1)
            await gw.says("heat-3", now(), 80.0)
            await eventually(lambda: len(listener.heard) == 2)
            assert worker.lookout.watching
            assert events(world) == []
    # Stopped before it could commit: the next one finds the same alarms again.
    async with running(broker_of(broker), dsn, rules):
        await eventually(lambda: len(events(world)) == 2)
    assert sorted(keys(world)) == sorted(listener.keys)


async def test_what_the_watch_found_is_committed_before_a_batch_that_was_judged_after_it(
    broker: PrivateMosquitto, dsn: str, world: Db, rules: AlertsConfig
) -> None:
    """The other way round, the alarm would be raised behind its own end and stay for ever."""
    worker = build(
        IngestConfig(), broker_of(broker), DatabaseConfig(dsn=dsn), rules, asyncio.Event()
    )
    pipeline = worker.pipeline = await worker._begin()
    assert pipeline is not None
    at_s = NOW_S
    seen = Glance.of(pipeline).judge([_one("heat-1", at_s, 70.0)])
    worker.lookout.held.add(seen, round(at_s * 1e6))
    # The first of the cool ones is a jump, and ends nothing.
    batch = pipeline.open([_one("heat-1", at_s + n, 20.0) for n in (1, 2)])
    assert len(seen) == 1
    await worker._store_timed(pipeline, worker._prepare(pipeline, batch))
    worker.store.close()
    await worker._ear.close()
    assert [kind for _, _, kind, _ in events(world)] == ["raised", "returned"]
    assert world.execute("SELECT state FROM alarm").fetchall() == [("returned_unacknowledged",)]


def _one(device: str, at_s: float, value: float) -> Message:
    return message(b'[{"n":"%s:temperature","t":%.3f,"v":%g}]' % (device.encode(), at_s, value))


async def test_a_worker_that_is_killed_in_the_outage_tells_nothing_new_after(
    broker: PrivateMosquitto,
    dsn: str,
    world: Db,
    rules: AlertsConfig,
    postgres: PrivatePostgres,
    run_blocktwin: servers.Runner,
) -> None:
    del world
    env = servers.settings(
        dsn, broker, alerts__rules_dir=rules.rules_dir, ingest__http_port=0, ingest__retry_max_s=0.3
    )
    async with listening(broker) as listener, gateway(broker) as gw:
        worker = run_blocktwin("ingest", env=env)
        worker.wait_for("publishing to the broker")
        await _heard(gw, listener.heard, "heat-1")
        postgres.stop()
        await _heard(gw, listener.heard, "heat-2")
        await gw.says("heat-3", now(), 20.0)
        worker.kill()
        postgres.start()
        run_blocktwin("ingest", env=env).wait_for("publishing to the broker")
        with psycopg.connect(dsn, autocommit=True) as again:
            await eventually(lambda: stored(again) == gw.sent, 30.0)
            wait_until(lambda: len(events(again)) == 2)
            assert set(keys(again)) == set(listener.keys)
    assert {one.subject for one in listener.heard} == {"device:heat-1", "device:heat-2"}


async def _heard(gw: Gateway, heard: list[Any], device: str) -> None:
    await gw.says(device, now(), 80.0)
    await eventually(lambda: any(one.subject == f"device:{device}" for one in heard))
