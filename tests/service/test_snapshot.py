"""Snapshots of the alarm engine: a worker that is killed forgets no timer."""

from __future__ import annotations

import logging
import time
from pathlib import Path
from typing import Any

import psycopg
import pytest

from alerts.config import AlertsConfig
from core.config import DatabaseConfig
from core.model import Quality
from dev.servers import PrivateMosquitto
from ingest import start
from ingest.config import IngestConfig
from ingest.snapshots import Kept, Shelf, load
from tests.support import servers
from tests.support.ingesting import NOW_S, NOW_US, message, register
from tests.support.waiting import eventually
from tests.support.warning import WARM, broker_of, events, gateway, rules_in, running, stored

Db = psycopg.Connection[Any]


@pytest.fixture
def world(conn: Db) -> Db:
    register(conn, "gw-a", ["heat-1", "heat-2"])
    return conn


@pytest.fixture
def rules(tmp_path: Path) -> AlertsConfig:
    """One rule: 40 degrees and more for 20 seconds."""
    return rules_in(tmp_path / "rules", WARM)


def taken(conn: Db) -> float:
    row = conn.execute("SELECT extract(epoch FROM max(taken_at)) FROM engine_state").fetchone()
    return float(row[0]) if row is not None and row[0] is not None else 0.0


@pytest.mark.parametrize("kept", [True, False])
async def test_a_worker_that_is_killed_in_a_running_dwell_still_fires_on_time(
    broker: PrivateMosquitto,
    dsn: str,
    world: Db,
    rules: AlertsConfig,
    run_blocktwin: servers.Runner,
    kept: bool,
) -> None:
    """It reads no past at start: without the snapshot the dwell begins anew."""
    env = servers.settings(
        dsn,
        broker,
        alerts__rules_dir=rules.rules_dir,
        ingest__http_port=0,
        ingest__warmup_s=0,
        ingest__snapshot_every_s=1,
    )
    onset = float(int(time.time())) - 10
    async with gateway(broker) as gw:
        worker = run_blocktwin("ingest", env=env)
        worker.wait_for("publishing to the broker")
        await gw.says("heat-1", onset - 30, 30.0)
        await gw.says("heat-1", onset, 45.0)
        await gw.says("heat-1", onset + 10, 46.0)
        await eventually(lambda: stored(world) == 3)
        known = time.time()
        await eventually(lambda: taken(world) > known)
        worker.kill()
        if not kept:
            world.execute("DELETE FROM engine_state")
        run_blocktwin("ingest", env=env).wait_for("publishing to the broker")
        await gw.says("heat-1", onset + 19, 46.0)
        await gw.says("heat-1", onset + 21, 46.0)
        await eventually(lambda: stored(world) == 5)
    expected = [("warm", "device:heat-1", "raised", round((onset + 21) * 1e6))]
    assert events(world) == (expected if kept else [])


async def test_an_orderly_end_leaves_a_snapshot_and_an_outage_none(
    broker: PrivateMosquitto, dsn: str, world: Db, rules: AlertsConfig
) -> None:
    async with running(broker_of(broker), dsn, rules), gateway(broker) as gw:
        await gw.says("heat-1", round(time.time(), 3), 45.0)
        await eventually(lambda: stored(world) == 1)
    first = taken(world)
    assert first > 0
    async with running(broker_of(broker), dsn, rules) as worker:
        worker.lookout.away = True
    assert taken(world) == first


def test_only_what_came_since_the_snapshot_is_read(dsn: str, world: Db) -> None:
    """Readings from before it, with room for some that were stored after it, are in it already."""
    pipeline = _load(dsn, NOW_US)
    prepared = pipeline.prepare(
        pipeline.open([message(b'[{"n":"heat-1:temperature","t":%.3f,"v":45}]' % (NOW_S - 200))])
    )
    assert len(prepared.work.batch) == 1
    kept = Kept(taken_us=NOW_US, engine=pipeline.engine.snapshot(), marker=pipeline.marker.state())
    Shelf(DatabaseConfig(dsn=dsn), "worker-0").save(kept)
    world.execute(
        "INSERT INTO reading SELECT series_id, to_timestamp(%s), to_timestamp(%s), 45, 0"
        "  FROM series WHERE device_id = 'heat-2'",
        (NOW_S - 100, NOW_S - 100),
    )
    again = _load(dsn, NOW_US + 1_000_000)
    for device, at, quality in (("heat-1", -200, Quality.DUPLICATE), ("heat-2", -100, 0)):
        body = b'[{"n":"%s:temperature","t":%.3f,"v":45}]' % (device.encode(), NOW_S + at)
        marked = again.prepare(again.open([message(body)])).work.batch.quality
        assert marked.tolist() == [quality], device


@pytest.mark.parametrize("body", [b"", b"junk", b"x\x9c\x03\x00\x00\x00\x00\x01"])
def test_a_broken_snapshot_is_told_and_the_last_readings_are_read_instead(
    dsn: str, world: Db, body: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    world.execute(
        "INSERT INTO engine_state (worker_id, taken_at, format, body) VALUES ('worker-0', now(),"
        " 1, %s)",
        (body,),
    )
    _read_at(world, NOW_S - 100)
    with caplog.at_level(logging.WARNING, "ingest.start"):
        pipeline = _load(dsn, NOW_US)
    assert "snapshot cannot be used" in caplog.text
    again = pipeline.prepare(pipeline.open([_reading(NOW_S - 100)])).work.batch.quality
    assert again.tolist() == [int(Quality.DUPLICATE)]


def test_a_snapshot_of_another_format_is_passed_over(dsn: str, world: Db) -> None:
    world.execute(
        "INSERT INTO engine_state (worker_id, taken_at, format, body) VALUES ('worker-0', now(),"
        " 2, 'x')"
    )
    assert load(world, "worker-0") is None
    assert _load(dsn, NOW_US).engine is not None


def _load(dsn: str, now_us: int) -> Any:
    return start.load(DatabaseConfig(dsn=dsn), IngestConfig(), AlertsConfig(), now_us)


def _reading(at_s: float) -> Any:
    return message(b'[{"n":"heat-1:temperature","t":%.3f,"v":45}]' % at_s)


def _read_at(conn: Db, at_s: float) -> None:
    conn.execute(
        "INSERT INTO reading SELECT series_id, to_timestamp(%s), to_timestamp(%s), 45, 0"
        "  FROM series WHERE device_id = 'heat-1'",
        (at_s, at_s),
    )
