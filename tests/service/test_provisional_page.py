"""Provisional alarms on the page's stream: at once, once, and gone when they are committed."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any
from uuid import UUID

import aiomqtt
import psycopg
import pytest

from alerts import provisional
from alerts import store as alarm_store
from alerts.rule_texts import parse
from core.model import Field, Severity, Transition, TransitionKind
from dev.servers import PrivateMosquitto
from tests.support.small_district import small_district
from tests.support.twin_api import load_rules, running_api
from tests.support.waiting import eventually
from tests.support.warning import HOT, broker_of, gateway
from twin.api.provisional import Ear
from twin.store import load_district

Conn = psycopg.Connection[Any]
DEVICE = small_district().devices[0].device_id
RULE = parse(HOT, "hot.toml")[0]


@pytest.fixture
def loaded(conn: Conn) -> Conn:
    load_district(conn, small_district())
    load_rules(conn)
    return conn


def fire(at_us: int) -> Transition:
    return Transition(
        rule_id="heat-high",
        rule_version=1,
        subject=f"device:{DEVICE}",
        field=Field.FIRE,
        kind=TransitionKind.RAISED,
        severity=Severity.ORANGE,
        at_us=at_us,
        value=60.0,
        threshold=57.0,
        quantity="temperature",
        latch=True,
        life_safety=True,
    )


def told(one: Transition) -> bytes:
    return provisional.message(
        one, alarm_id=UUID(int=1), onset_us=one.at_us, detected_us=one.at_us, rule=RULE
    )


async def test_the_streams_are_told_before_the_commit_and_forget_it_after(
    broker: PrivateMosquitto, dsn: str, loaded: Conn, tmp_path: Path
) -> None:
    one, two = fire(1_767_225_600_000_000), fire(1_767_225_600_000_001)
    async with running_api(dsn, tmp_path) as api, asyncio.TaskGroup() as tasks:
        hub, waiting = api.app.state.runtime.hub, api.live.provisional
        ear = Ear(broker_of(broker), waiting, hub)
        hearing = tasks.create_task(ear.run(), name="ear")
        await eventually(lambda: ear.listening)
        stream = hub.open()
        async with aiomqtt.Client(
            broker.host,
            broker.port,
            username="ingest",
            password=broker.password("ingest"),
            protocol=aiomqtt.ProtocolVersion.V5,
        ) as client:
            where = provisional.topic(one.field, one.severity)
            for payload in (b"junk", told(one), told(one), told(two)):
                await client.publish(where, payload, qos=1)
            await eventually(lambda: len(waiting) == 2)
            frames = [f.data for f in await stream.get(1.0) if b"event: provisional" in f.data]
            assert len(frames) == 2
            assert str(provisional.key_of(one)).encode() in frames[0]
            # A browser that comes now is told what still waits.
            assert [frame.data for frame in waiting.frames()] == frames
            alarm_store.apply(loaded, [one], 1_767_225_600_000_000)
            await eventually(lambda: len(waiting) == 1)
            # What a gateway writes beside it, where it may, is none.
            async with gateway(broker) as gw:
                await gw._client.publish("bt/v1/alarm/gw-a/live", told(fire(3)), qos=1)
            # Heard late, after its commit, it is no news.
            await client.publish(where, told(one), qos=1)
            await client.publish(where, told(fire(1_767_225_600_000_002)), qos=1)
            await eventually(lambda: len(waiting) == 2)
        hub.leave(stream)
        hearing.cancel()
    keys = b"".join(frame.data for frame in waiting.frames())
    assert str(provisional.key_of(one)).encode() not in keys
    assert str(provisional.key_of(fire(3))).encode() not in keys


async def test_a_broker_that_is_away_is_waited_for(
    broker: PrivateMosquitto, dsn: str, loaded: Conn, tmp_path: Path
) -> None:
    del loaded
    broker.kill()
    async with running_api(dsn, tmp_path) as api, asyncio.TaskGroup() as tasks:
        ear = Ear(broker_of(broker), api.live.provisional, api.app.state.runtime.hub)
        hearing = tasks.create_task(ear.run(), name="ear")
        await eventually(lambda: ear._told)
        broker.start()
        await eventually(lambda: ear.listening, 20.0)
        hearing.cancel()


async def test_the_broker_lets_nobody_hear_what_a_gateway_forges(broker: PrivateMosquitto) -> None:
    """A gateway may write ``bt/v1/+/ITS-ID/live``, so also below ``bt/v1/alarm``."""
    heard: list[str] = []
    async with (
        aiomqtt.Client(
            broker.host,
            broker.port,
            username="sta-http",
            password=broker.password("sta-http"),
            protocol=aiomqtt.ProtocolVersion.V5,
        ) as page,
        aiomqtt.Client(
            broker.host,
            broker.port,
            username="ingest",
            password=broker.password("ingest"),
            protocol=aiomqtt.ProtocolVersion.V5,
        ) as worker,
        gateway(broker) as gw,
    ):
        await page.subscribe(provisional.FILTER, qos=1)
        await gw._client.publish("bt/v1/alarm/gw-a/live", told(fire(3)), qos=1)
        await worker.publish("bt/v1/alarm/fire/red", told(fire(4)), qos=1)
        async for message in page.messages:
            heard.append(str(message.topic))
            if heard[-1].endswith("red"):
                break
    assert heard == ["bt/v1/alarm/fire/red"]
