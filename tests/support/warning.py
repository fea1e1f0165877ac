"""Heat rules for fires that cannot wait, a listener of provisional alarms, a worker to test."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiomqtt
import psycopg

from alerts import provisional
from alerts.config import AlertsConfig
from alerts.provisional import Provisional
from core.config import DatabaseConfig, MqttConfig
from core.model import Channel
from core.topics import topic
from dev.servers import PrivateMosquitto
from ingest.command import build
from ingest.config import IngestConfig
from ingest.worker import Worker
from tests.support.waiting import eventually

HOT = """
[[rule]]
id = "hot"
name = { zh = "高温", en = "Hot" }
field = "fire"
select = { kind = ["heat"], quantity = "temperature" }
type = "high"
levels = [
    { severity = "orange", raise = 57.0, clear = 50.0 },
    { severity = "red", raise = 100.0, clear = 90.0 },
]
life_safety = true
advice = { zh = "查看", en = "Look" }
source = "editable seed"
"""

WARM = """
[[rule]]
id = "warm"
name = { zh = "偏热", en = "Warm" }
field = "fire"
select = { kind = ["heat"], quantity = "temperature" }
type = "high"
levels = [{ severity = "yellow", raise = 40.0, clear = 35.0 }]
dwell_s = 20
advice = { zh = "查看", en = "Look" }
source = "editable seed"
"""

MISSING = """
[[rule]]
id = "silent"
name = { zh = "失联", en = "Silent" }
field = "system"
select = { kind = ["heat"] }
type = "missing"
levels = [{ severity = "yellow" }]
intervals = 3
advice = { zh = "查看", en = "Look" }
source = "editable seed"
"""


def rules_in(folder: Path, *texts: str) -> AlertsConfig:
    """Write rules into a folder and return the settings that name it."""
    folder.mkdir(exist_ok=True)
    for number, text in enumerate(texts):
        (folder / f"{number}.toml").write_text(text, encoding="utf-8")
    return AlertsConfig(rules_dir=str(folder))


def broker_of(broker: PrivateMosquitto, **more: Any) -> MqttConfig:
    """Return the worker's way to the broker."""
    return MqttConfig(
        host=broker.host,
        port=broker.port,
        username="ingest",
        password=broker.password("ingest"),
        **more,
    )


@asynccontextmanager
async def running(
    mqtt: MqttConfig, dsn: str, rules: AlertsConfig, **more: Any
) -> AsyncIterator[Worker]:
    """Run a worker in this process."""
    usual = {"batch_s": 0.02, "receipt_every_s": 0.1, "retry_max_s": 0.3, "settle_s": 0.5}
    stop = asyncio.Event()
    database = DatabaseConfig(dsn=dsn, connect_timeout_s=2)
    worker = build(IngestConfig(**usual | more), mqtt, database, rules, stop)
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(worker.run(), name="worker")
        await eventually(
            lambda: worker.source.connected and worker.database_ok and worker.warner.connected
        )
        try:
            yield worker
        finally:
            stop.set()


class Listener:
    """Provisional alarms in the order in which they were heard, and when."""

    def __init__(self) -> None:
        self.heard: list[Provisional] = []
        self.at_s: list[float] = []
        self.topics: list[str] = []

    @property
    def keys(self) -> list[str]:
        return [str(one.event_key) for one in self.heard]


@asynccontextmanager
async def listening(broker: PrivateMosquitto) -> AsyncIterator[Listener]:
    """Listen meanwhile."""
    listener = Listener()
    async with aiomqtt.Client(
        broker.host,
        broker.port,
        username="ingest",
        password=broker.password("ingest"),
        protocol=aiomqtt.ProtocolVersion.V5,
    ) as client:
        await client.subscribe(provisional.FILTER, qos=1)

        async def hear() -> None:
            async for message in client.messages:
                assert isinstance(message.payload, bytes)
                listener.at_s.append(time.time())
                listener.heard.append(provisional.parse(message.payload))
                listener.topics.append(str(message.topic))

        async with asyncio.TaskGroup() as tasks:
            task = tasks.create_task(hear(), name="listener")
            yield listener
            task.cancel()


@asynccontextmanager
async def gateway(broker: PrivateMosquitto, name: str = "gw-a") -> AsyncIterator[Gateway]:
    """Send as a gateway."""
    async with aiomqtt.Client(
        broker.host,
        broker.port,
        username=name,
        password=broker.password(name),
        protocol=aiomqtt.ProtocolVersion.V5,
    ) as client:
        yield Gateway(client, name)


class Gateway:
    """A gateway that sends single temperatures."""

    def __init__(self, client: aiomqtt.Client, name: str) -> None:
        self._client = client
        self._name = name
        self.sent = 0

    async def says(
        self, device: str, at_s: float, value: float, to: Channel = Channel.LIVE
    ) -> None:
        payload = b'[{"n":"%s:temperature","t":%.3f,"v":%g}]' % (device.encode(), at_s, value)
        await self._client.publish(topic(self._name, to), payload, qos=1)
        self.sent += 1


def events(conn: psycopg.Connection[Any]) -> list[tuple[Any, ...]]:
    """Rule, subject, kind and time (microseconds) of each alarm event of the engine, in order."""
    return conn.execute(
        "SELECT a.rule_id, a.subject, e.kind, (extract(epoch FROM e.event_at) * 1000000)::bigint"
        "  FROM alarm_event e JOIN alarm a USING (alarm_id) WHERE e.actor = 'engine'"
        " ORDER BY e.event_id"
    ).fetchall()


def keys(conn: psycopg.Connection[Any]) -> list[str]:
    """The keys of all those events."""
    return [str(provisional.event_key(*row)) for row in events(conn)]


def stored(conn: psycopg.Connection[Any]) -> int:
    """How many readings are stored."""
    row = conn.execute("SELECT count(*) FROM reading").fetchone()
    assert row is not None
    return int(row[0])
