"""A real ThingsBoard gateway delivers two devices, and the intake is killed in the middle."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import aiomqtt
import psycopg
import pytest

from dev.places import free_port
from dev.servers import PrivateMosquitto
from edge.intake.dictionary import as_id
from tests.support import servers, thingsboard
from tests.support.ingesting import RULES, register
from tests.support.intake import asides_in
from tests.support.waiting import eventually

MESSAGES = 120
PACE_S = 0.03
NAMES = {"Kiln 1": "heat-1", "Kiln 2": "heat-2"}
MAP = """
[[device]]
door = "thingsboard"
name = "Kiln 1"
id = "heat-1"

[[device]]
door = "thingsboard"
name = "Kiln 2"
id = "heat-2"

[[key]]
name = "temp"
quantity = "temperature"
unit = "[degF]"
"""


@pytest.fixture
def intake_broker() -> Iterator[PrivateMosquitto]:
    """A broker that knows the intake too."""
    with servers.running_broker([*servers.BROKER_USERS, "intake"]) as running:
        yield running


async def publish(port: int, first_ms: int, numbers: range, names: Iterable[str] = NAMES) -> None:
    """Let the devices say a temperature each turn, in Fahrenheit, with their own times."""
    async with aiomqtt.Client("127.0.0.1", port, identifier="plant") as plant:
        for number in numbers:
            for name in names:
                body = {"temp": 32.0 + number, "ts": first_ms + number, "model": "K-9"}
                await plant.publish(f"field/{name}", json.dumps(body), qos=1)
            await asyncio.sleep(PACE_S)


@pytest.mark.slow
async def test_what_a_real_gateway_delivers_is_stored_once_though_the_intake_is_killed(
    intake_broker: PrivateMosquitto, dsn: str, run_blocktwin: servers.Runner, tmp_path: Path
) -> None:
    assert thingsboard.PYTHON.exists(), "run: dev/setup.sh --tests"
    with psycopg.connect(dsn, autocommit=True) as conn:
        register(conn, "intake", NAMES.values())
    (tmp_path / "map.toml").write_text(MAP, encoding="utf-8")
    tokens = f'[gateways]\n"plant-3" = "{thingsboard.TOKEN}"\n'
    (tmp_path / "tokens.toml").write_text(tokens, encoding="utf-8")
    port = free_port()
    start = starter(run_blocktwin, intake_broker, tmp_path, port)
    worker = run_blocktwin(
        "ingest",
        env=servers.settings(dsn, intake_broker, ingest__http_port=0, alerts__rules_dir=str(RULES)),
    )
    intake = start()
    intake.wait_for("ThingsBoard door at")
    first_ms = round(time.time() * 1000) - 3_600_000
    with thingsboard.field_broker(tmp_path) as field:
        config = thingsboard.gateway_files(tmp_path, door_port=port, field_port=field.port)
        with thingsboard.thingsboard_gateway(tmp_path, config) as gateway:
            await eventually(lambda: "field/+" in gateway.tail(500), 40, what="the connector")
            await publish(field.port, first_ms, range(MESSAGES // 3))
            await eventually(lambda: stored(dsn), 20, what="the first rows")
            stream = asyncio.create_task(
                publish(field.port, first_ms, range(MESSAGES // 3, MESSAGES))
            )
            await asyncio.sleep(PACE_S * MESSAGES / 6)
            intake.kill()
            intake = start()
            await stream
            await eventually(lambda: len(stored(dsn)) == 2 * MESSAGES, 40, what="all rows")
            await publish(field.port, first_ms, range(1), ["Kiln 9"])
            await eventually(lambda: rejected(dsn), 20, what="the stranger")
    assert intake.stop()
    assert intake.exit_code == 0
    assert worker.stop()
    want = {
        (device, first_ms + number, number)
        for device in NAMES.values()
        for number in range(MESSAGES)
    }
    got = stored(dsn)
    assert {(device, ms, round(value * 9 / 5)) for device, ms, value in got} == want
    assert len(got) == len(want)
    [(reason, detail)] = rejected(dsn)
    assert reason == "unknown_device"
    assert as_id("Kiln 9") in detail
    asides = asides_in(tmp_path / "spool" / "intake")
    assert {(one["why"], one["device"]) for one in asides if one["key"] == "model"} == {
        ("attribute", name) for name in (*NAMES, "Kiln 9")
    }


def starter(
    run: servers.Runner, broker: PrivateMosquitto, folder: Path, port: int
) -> Callable[[], servers.Program]:
    env = servers.settings(
        broker=broker,
        user="intake",
        intake__thingsboard=True,
        intake__thingsboard_port=port,
        intake__tokens_file=str(folder / "tokens.toml"),
        intake__map=str(folder / "map.toml"),
        intake__spool_dir=str(folder / "spool"),
        log__level="debug",
    )
    return lambda: run("intake", env=env)


def rejected(dsn: str) -> list[tuple[str, str]]:
    with psycopg.connect(dsn) as conn:
        return conn.execute("SELECT reason, detail FROM rejected").fetchall()


def stored(dsn: str) -> list[tuple[str, int, float]]:
    with psycopg.connect(dsn) as conn:
        return conn.execute(
            "SELECT device_id, round(extract(epoch FROM observed_at) * 1000)::bigint, value"
            " FROM reading JOIN series USING (series_id)"
        ).fetchall()
