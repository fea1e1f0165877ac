"""What a worker knows of its series' past and of their own limits, read from a real database."""

from __future__ import annotations

import json
import logging
from collections.abc import Sequence
from typing import Any

import psycopg
import pytest

from alerts.config import AlertsConfig
from core.config import DatabaseConfig
from core.model import Quality, Transition
from ingest import start
from ingest.config import IngestConfig
from ingest.message import Message
from ingest.pipeline import Pipeline
from ingest.store import Store
from tests.support.ingesting import NOW_S, NOW_US, RULES, message, register

Db = psycopg.Connection[Any]


@pytest.fixture
def world(conn: Db) -> Db:
    """The test's database with a gateway and two heat detectors."""
    register(conn, "gw-a", ["heat-1", "heat-2"])
    return conn


def ignore(_conn: Db, _transitions: Sequence[Transition], _us: int) -> None:
    """Stands where alarms are written, in tests that are not about them."""


def load(dsn: str, now_us: int = NOW_US + 1_000_000, **more: Any) -> Pipeline:
    alerts = AlertsConfig(rules_dir=str(RULES))
    return start.load(DatabaseConfig(dsn=dsn), IngestConfig(**more), alerts, now_us)


def heat(*course: tuple[float, float], device: str = "heat-1") -> Message:
    records = [{"n": f"{device}:temperature", "t": NOW_S + at, "v": value} for at, value in course]
    return message(json.dumps(records).encode())


def bits(pipeline: Pipeline, *messages: Message) -> list[int]:
    work = pipeline.prepare(pipeline.open(messages)).work
    return [int(quality) for quality in work.batch.quality]


def store(dsn: str, pipeline: Pipeline, *messages: Message) -> None:
    store = Store(DatabaseConfig(dsn=dsn), "worker-0", ignore)
    store.commit(pipeline.prepare(pipeline.open(messages)).work)
    store.flush_latest()
    store.close()


def say(conn: Db, device: str, quality: object) -> None:
    conn.execute(
        "UPDATE device SET attributes = %s WHERE device_id = %s",
        (json.dumps({"quality": quality}), device),
    )


@pytest.mark.parametrize("ago_s", [10, 5000], ids=["recent", "before the warm-up"])
def test_a_restart_forgets_no_last_reading(dsn: str, world: Db, ago_s: float) -> None:
    store(dsn, load(dsn), heat((-ago_s, 20.0)))
    found = bits(load(dsn), heat((-ago_s, 20.0), (-ago_s + 1, 90.0)))
    late = Quality.LATE if ago_s > 300 else 0
    assert found == [Quality.DUPLICATE | late, Quality.JUMP | late]
    assert world.execute("SELECT count(*) FROM reading").fetchone() == (1,)


def test_a_stuck_series_is_stuck_after_a_restart(dsn: str, world: Db) -> None:
    say(world, "heat-1", {"temperature": {"stuck_s": 60}})
    course = [(n * 10 - 200, 20.0) for n in range(10)]
    store(dsn, load(dsn), heat(*course))
    stored = world.execute("SELECT quality FROM reading ORDER BY observed_at").fetchall()
    assert [row[0] for row in stored] == [0] * 6 + [Quality.STUCK] * 4
    # Nothing of the run but its last reading is shown to the next worker.
    assert bits(load(dsn, warmup_s=0), heat((-100, 20.0))) == [Quality.STUCK]


def test_backfill_is_not_taken_for_the_past(dsn: str, world: Db) -> None:
    records = [{"n": "heat-1:temperature", "t": NOW_S - 10, "v": 90, "q": int(Quality.BACKFILLED)}]
    store(dsn, load(dsn), message(json.dumps(records).encode()))
    assert world.execute("SELECT quality FROM reading").fetchone() == (Quality.BACKFILLED,)
    assert bits(load(dsn), heat((-9, 20.0))) == [0]


def test_a_device_has_its_own_limits_and_a_fault_in_them_is_told_once(
    dsn: str, world: Db, caplog: pytest.LogCaptureFixture
) -> None:
    say(world, "heat-1", {"temperature": {"jump": "far"}})
    with caplog.at_level(logging.WARNING):
        pipeline = load(dsn)
        start.reload(DatabaseConfig(dsn=dsn), pipeline, NOW_US)
    fault = "device heat-1: attributes.quality.temperature: jump: must be a number or null"
    assert [record.getMessage() for record in caplog.records] == [f"{fault}; the defaults stay"]
    assert bits(pipeline, heat((0, 20.0), (1, 90.0))) == [0, Quality.JUMP]
    say(world, "heat-1", {"temperature": {"jump": 500, "high": 100}})
    start.reload(DatabaseConfig(dsn=dsn), pipeline, NOW_US)
    assert bits(pipeline, heat((1, 20.0), (2, 99.0), (3, 101.0))) == [
        Quality.DUPLICATE, 0, Quality.OUT_OF_RANGE,
    ]  # fmt: skip
    assert bits(pipeline, heat((0, 20.0), (1, 90.0), device="heat-2")) == [0, Quality.JUMP]
