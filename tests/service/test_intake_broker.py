"""ChirpStack and Sparkplug through a real broker into the database; the intake is killed too."""

from __future__ import annotations

import asyncio
import json
import urllib.request
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiomqtt
import psycopg
import pytest

from core.model import Quality
from dev.places import free_port
from dev.servers import PrivateMosquitto
from edge.intake.dictionary import as_id
from tests.support import servers
from tests.support.ingesting import RULES, register
from tests.support.intake import asides_in
from tests.support.waiting import eventually, wait_until
from tests.unit.edge.intake.test_protobuf import GooglePayload

T0_MS = 1_785_000_000_000
EUIS = ["24e124136b502217", "24e124136b502218"]
NODE = as_id("luohu/node-1")
RTU = as_id("luohu/node-1/rtu-1")
MAP = """
[[key]]
door = "sparkplug"
name = "Temp/mC"
quantity = "temperature"
scale = 0.001
"""
Row = tuple[str, int, float, int]


@pytest.fixture
def broker() -> Iterator[PrivateMosquitto]:
    """A broker with the users of the intake, of a ChirpStack and of an edge node."""
    users = [*servers.BROKER_USERS, "intake", "chirpstack", "node-1"]
    with servers.running_broker(users) as running:
        yield running


@dataclass(slots=True, kw_only=True)
class Plant:
    """Intake and worker, and how to look at what they did."""

    broker: PrivateMosquitto
    dsn: str
    run: servers.Runner
    folder: Path
    http_port: int
    intake: servers.Program

    def start_intake(self) -> servers.Program:
        env = servers.settings(
            broker=self.broker,
            user="intake",
            intake__chirpstack=True,
            intake__sparkplug=True,
            intake__map=str(self.folder / "map.toml"),
            intake__spool_dir=str(self.folder / "spool"),
            intake__http_port=self.http_port,
        )
        self.intake = self.run("intake", env=env)
        return self.intake

    def metrics(self) -> dict[str, float]:
        url = f"http://127.0.0.1:{self.http_port}/metrics"
        try:
            with urllib.request.urlopen(url, timeout=5) as page:
                text = page.read().decode()
        except OSError:
            return {}
        lines = [line.rsplit(" ", 1) for line in text.splitlines() if not line.startswith("#")]
        return {name.removeprefix("blocktwin_intake_"): float(value) for name, value in lines}

    def ready(self) -> bool:
        return self.metrics().get("broker_connected") == 1

    def rows(self) -> list[Row]:
        with psycopg.connect(self.dsn) as conn:
            return conn.execute(
                "SELECT device_id, round(extract(epoch FROM observed_at) * 1000)::bigint, value,"
                " quality FROM reading JOIN series USING (series_id) ORDER BY 1, 2"
            ).fetchall()

    def rejects(self) -> set[tuple[str, str]]:
        with psycopg.connect(self.dsn) as conn:
            return set(conn.execute("SELECT reason, detail FROM rejected").fetchall())

    def asides(self) -> list[dict[str, Any]]:
        return asides_in(self.folder / "spool" / "intake")


@pytest.fixture
def plant(
    broker: PrivateMosquitto, dsn: str, run_blocktwin: servers.Runner, tmp_path: Path
) -> Plant:
    """Everything runs; the devices are registered at the intake."""
    with psycopg.connect(dsn, autocommit=True) as conn:
        register(conn, "intake", [*EUIS, NODE, RTU])
    (tmp_path / "map.toml").write_text(MAP, encoding="utf-8")
    worker = servers.settings(dsn, broker, ingest__http_port=0, alerts__rules_dir=str(RULES))
    run_blocktwin("ingest", env=worker)
    made = Plant(
        broker=broker,
        dsn=dsn,
        run=run_blocktwin,
        folder=tmp_path,
        http_port=free_port(),
        intake=None,  # type: ignore[arg-type]
    )
    made.start_intake()
    wait_until(made.ready, 20, what="the intake")
    return made


@asynccontextmanager
async def user(broker: PrivateMosquitto, name: str) -> AsyncIterator[aiomqtt.Client]:
    async with aiomqtt.Client(
        broker.host,
        broker.port,
        username=name,
        password=broker.password(name),
        protocol=aiomqtt.ProtocolVersion.V5,
        timeout=5,
    ) as client:
        yield client


def event(eui: str, number: int, **values: object) -> tuple[str, str]:
    """An uplink, as ChirpStack publishes it."""
    body = {
        "time": f"2026-07-25T17:20:{number // 10:02}.{number % 10}00000000+00:00",
        "deviceInfo": {"devEui": eui},
        "fPort": 1,
        "object": {"temperature": 20.0 + number, **values},
        "rxInfo": [{"gatewayId": "00", "rssi": -80}],
    }
    return f"application/a-1/device/{eui}/event/up", json.dumps(body)


async def test_uplinks_of_chirpstack_are_stored_once_though_the_intake_is_killed(
    plant: Plant,
) -> None:
    async with user(plant.broker, "chirpstack") as chirpstack:
        for number in range(100):
            if number == 50:
                plant.intake.kill()
            for eui in EUIS:
                topic, body = event(eui, number)
                await chirpstack.publish(topic, body, qos=1)
        # The broker keeps what comes while nobody reads.
        plant.start_intake()
        stranger, body = event("24e1241360000000", 1, label="text")
        await chirpstack.publish(stranger, body, qos=1)
        await chirpstack.publish(stranger, "no json", qos=1)
    await eventually(lambda: len(plant.rows()) == 200 and plant.rejects(), 30, what="all rows")
    plant.broker.restart()
    async with user(plant.broker, "chirpstack") as chirpstack:
        for eui in EUIS:
            topic, body = event(eui, 100)
            await chirpstack.publish(topic, body, qos=1)
    await eventually(lambda: len(plant.rows()) == 202, 30, what="the rows after the restart")
    assert [(device, value) for device, _, value, _ in plant.rows()] == [
        (eui, 20.0 + number) for eui in EUIS for number in range(101)
    ]
    assert {reason for reason, _ in plant.rejects()} == {"unknown_device"}
    assert all("24e1241360000000" in detail for _, detail in plant.rejects())
    assert [(one["why"], one["device"], one["key"]) for one in plant.asides()] == [
        ("text", "24e1241360000000", "label"),
        ("unparsable", "24e1241360000000", ""),
    ]
    figures = plant.metrics()
    assert figures['aside_total{door="chirpstack",why="unparsable"}'] == 1
    assert figures['aside_total{door="chirpstack",why="link"}'] > 0
    assert plant.intake.stop()
    assert plant.intake.exit_code == 0


def payload(seq: int | None, *metrics: dict[str, Any]) -> bytes:
    made = GooglePayload(timestamp=T0_MS)
    if seq is not None:
        made.seq = seq
    for metric in metrics:
        made.metrics.add(**metric)
    found: bytes = made.SerializeToString()
    return found


def measured(second: int, value: int, **more: Any) -> dict[str, Any]:
    """A temperature in thousandths of a degree, a signed 32-bit integer, by its alias."""
    return {"alias": 7, "timestamp": T0_MS + second * 1000, "int_value": value % 2**32, **more}


async def be_born(node: aiomqtt.Client) -> None:
    named = {"name": "Temp/mC", "datatype": 3}
    end = {"name": "bdSeq", "datatype": 8, "long_value": 1}
    await node.publish("spBv1.0/luohu/NBIRTH/node-1", payload(0, end))
    body = payload(1, {**measured(0, 20_000), **named})
    await node.publish("spBv1.0/luohu/DBIRTH/node-1/rtu-1", body)


async def test_an_edge_node_of_sparkplug_is_understood_and_asked_for_its_birth(
    plant: Plant,
) -> None:
    data = "spBv1.0/luohu/DDATA/node-1/rtu-1"
    async with user(plant.broker, "node-1") as node:
        await node.subscribe("spBv1.0/luohu/NCMD/node-1", qos=1)
        await be_born(node)
        await node.publish(data, payload(2, measured(1, -1500)))
        await node.publish(data, payload(3, measured(2, 7, is_historical=True)))
        await eventually(lambda: len(plant.rows()) == 3, 20, what="three rows")
        # It forgets every alias; what comes before the birth is kept until the birth.
        plant.intake.kill()
        plant.start_intake()
        await eventually(plant.ready, 20, what="the intake")
        await node.publish(data, payload(4, measured(3, 3000)))
        await node.publish(data, payload(5, measured(4, 4000)))
        async with asyncio.timeout(10):
            command = await anext(aiter(node.messages))
        assert isinstance(command.payload, bytes)
        [metric] = GooglePayload.FromString(command.payload).metrics
        assert (metric.name, metric.boolean_value) == ("Node Control/Rebirth", True)
        await be_born(node)
        await eventually(lambda: len(plant.rows()) == 5, 20, what="five rows")
        end = {"name": "bdSeq", "datatype": 8, "long_value": 1}
        await node.publish("spBv1.0/luohu/NDEATH/node-1", payload(None, end))
        await eventually(
            lambda: plant.metrics().get('devices_left_total{door="sparkplug"}') == 2, 10
        )
    rows = plant.rows()
    assert [(device, ms - T0_MS, value) for device, ms, value, _ in rows] == [
        (RTU, second * 1000, value) for second, value in enumerate([20.0, -1.5, 0.007, 3.0, 4.0])
    ]
    assert [bool(quality & Quality.BACKFILLED) for _, _, _, quality in rows] == [
        False,
        False,
        True,
        False,
        False,
    ]
    figures = plant.metrics()
    assert figures["sparkplug_rebirths_asked_total"] == 1
    assert figures["sparkplug_recovered_total"] == 2
    assert [one["why"] for one in plant.asides()] == ["before_birth"] * 2
    assert plant.rejects() == set()


async def attempt(broker: PrivateMosquitto, name: str, topic: str, body: bytes) -> None:
    """Publish; this broker ends the connection of a client that may not."""
    with suppress(aiomqtt.MqttError):
        async with user(broker, name) as client:
            await client.publish(topic, body, qos=1, timeout=1)


async def test_nobody_speaks_for_another_node_or_server(broker: PrivateMosquitto) -> None:
    node, uplink = "spBv1.0/luohu/NDATA/{}", f"application/a/device/{EUIS[0]}/event/up"
    async with user(broker, "intake") as intake:
        for name in ("spBv1.0/#", "application/+/device/+/event/+"):
            await intake.subscribe(name, qos=1)
        await attempt(broker, "node-1", node.format("node-2"), b"1")
        await attempt(broker, "node-1", uplink, b"2")
        await attempt(broker, "node-1", node.format("node-1"), b"3")
        await attempt(broker, "chirpstack", node.format("node-1"), b"4")
        await attempt(broker, "intake", uplink, b"5")
        await attempt(broker, "chirpstack", uplink, b"6")
        async with asyncio.timeout(10):
            got = [(await anext(aiter(intake.messages))).payload for _ in range(2)]
    assert got == [b"3", b"6"]
