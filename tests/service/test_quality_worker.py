"""Quality bits on their whole way: from the broker through the worker into the table."""

from __future__ import annotations

import asyncio
import json
import time
from typing import Any

import aiomqtt
import psycopg

from alerts.config import AlertsConfig
from core.config import DatabaseConfig, MqttConfig
from core.model import Channel, Quality
from core.topics import topic
from dev.servers import PrivateMosquitto
from ingest.command import build
from ingest.config import IngestConfig
from tests.support.ingesting import RULES, register
from tests.support.waiting import eventually


async def test_a_batch_that_is_refused_in_part_keeps_its_bits(
    broker: PrivateMosquitto, dsn: str, conn: psycopg.Connection[Any]
) -> None:
    register(conn, "gw-a", ["heat-1"])
    conn.execute("ALTER TABLE reading ADD CONSTRAINT no_13 CHECK (value <> 13)")
    mqtt = MqttConfig(
        host=broker.host, port=broker.port, username="ingest", password=broker.password("ingest")
    )
    stop = asyncio.Event()
    worker = build(
        IngestConfig(batch_s=0.5),
        mqtt,
        DatabaseConfig(dsn=dsn),
        AlertsConfig(rules_dir=str(RULES)),
        stop,
    )
    at = float(int(time.time()))
    course = [(-3600, 20.0), (0, 20.0), (1, 90.0), (2, 13.0), (3, 13.5), (0, 20.0), (4, 99.0)]

    def count(sums: str) -> int:
        row = conn.execute(f"SELECT coalesce(sum({sums}), 0) FROM tally").fetchone()
        assert row is not None
        return int(row[0])

    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(worker.run(), name="worker")
        await eventually(lambda: worker.source.connected and worker.database_ok)
        async with aiomqtt.Client(
            broker.host,
            broker.port,
            username="gw-a",
            password=broker.password("gw-a"),
            protocol=aiomqtt.ProtocolVersion.V5,
        ) as client:
            for seconds, value in course:
                record = {"n": "heat-1:temperature", "t": at + seconds, "v": value}
                await client.publish(topic("gw-a", Channel.LIVE), json.dumps([record]), qos=1)
        await eventually(lambda: count("received") == len(course))
        stop.set()
    assert count("stored") == len(course) - 2
    assert count("rejected") == count("duplicates") == 1
    assert conn.execute("SELECT value, quality FROM reading ORDER BY observed_at").fetchall() == [
        (20.0, Quality.LATE), (20.0, 0), (90.0, Quality.JUMP), (13.5, 0), (99.0, Quality.JUMP),
    ]  # fmt: skip
