"""Provisional alarms: what endangers people is told before it is stored, once, by its own key."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path
from typing import Any

import psycopg
import pytest

from alerts import rulestore
from alerts.config import AlertsConfig
from alerts.rule_texts import parse
from core.model import Field, Severity, Transition, TransitionKind
from core.registry import Registry
from dev.servers import PrivateMosquitto
from ingest.config import IngestConfig
from ingest.warn import Warner
from tests.support.ingesting import register
from tests.support.waiting import eventually
from tests.support.warning import (
    HOT,
    WARM,
    broker_of,
    events,
    gateway,
    keys,
    listening,
    rules_in,
    running,
)

Db = psycopg.Connection[Any]


@pytest.fixture
def world(conn: Db) -> Db:
    register(conn, "gw-a", ["heat-1", "heat-2"])
    return conn


@pytest.fixture
def rules(tmp_path: Path) -> AlertsConfig:
    return rules_in(tmp_path / "rules", HOT, WARM)


async def test_a_fire_is_told_before_it_is_stored(
    broker: PrivateMosquitto, dsn: str, world: Db, rules: AlertsConfig
) -> None:
    at = round(time.time(), 3)
    async with (
        running(broker_of(broker), dsn, rules),
        listening(broker) as listener,
        gateway(broker) as gw,
    ):
        with psycopg.connect(dsn) as other:
            other.execute("LOCK TABLE reading IN SHARE MODE")
            await gw.says("heat-1", at, 80.0)
            await eventually(lambda: listener.heard)
            assert events(world) == []
        await eventually(lambda: events(world))
    (told,) = listener.heard
    assert listener.topics == ["bt/v1/alarm/fire/orange"]
    assert (told.rule_id, told.subject, told.kind, told.value, told.threshold) == (
        "hot", "device:heat-1", "raised", 80.0, 57.0,
    )  # fmt: skip
    assert told.name.zh == "高温"
    assert (told.lon, told.lat, told.device_kind) == (114.1, 22.5, "heat")
    assert keys(world) == listener.keys
    found = world.execute(
        "SELECT alarm_id, (extract(epoch FROM raised_at) * 1000000)::bigint,"
        " (extract(epoch FROM detected_at) * 1000000)::bigint FROM alarm"
    ).fetchone()
    assert found == (told.alarm_id, told.at_us, told.detected_us)


async def test_every_step_is_told_and_keeps_the_alarm_of_its_onset(
    broker: PrivateMosquitto, dsn: str, world: Db, tmp_path: Path
) -> None:
    at = round(time.time(), 3) - 290
    async with (
        running(broker_of(broker), dsn, rules_in(tmp_path / "rules", HOT)) as worker,
        listening(broker) as listener,
        gateway(broker) as gw,
    ):
        for step, value in enumerate([20.0, 60.0, 120.0, 60.0, 20.0, 61.0]):
            await gw.says("heat-1", at + 50 * step, value)
        await eventually(lambda: len(listener.heard) == 5)
        await eventually(lambda: len(events(world)) == 5)
        assert "blocktwin_alarm_warning_seconds_count 3.0" in worker.metrics.text()
    assert [one.kind for one in listener.heard] == [
        "raised", "escalated", "eased", "returned", "raised",
    ]  # fmt: skip
    onset_us = listener.heard[0].at_us
    assert [one.onset_us for one in listener.heard[:4]] == [onset_us] * 4
    assert listener.heard[4].onset_us == listener.heard[4].at_us
    assert len({one.alarm_id for one in listener.heard[:4]}) == 1
    assert keys(world) == listener.keys


async def test_what_endangers_nobody_is_told_by_its_commit_alone(
    broker: PrivateMosquitto, dsn: str, world: Db, rules: AlertsConfig
) -> None:
    at = round(time.time(), 3) - 60
    async with (
        running(broker_of(broker), dsn, rules),
        listening(broker) as listener,
        gateway(broker) as gw,
    ):
        for second in (0, 25):
            await gw.says("heat-1", at + second, 45.0)
        await gw.says("heat-2", at + 30, 70.0)
        await eventually(lambda: listener.heard)
        await eventually(lambda: len(events(world)) == 2)
    assert [rule for rule, *_ in events(world)] == ["warm", "hot"]
    assert [one.rule_id for one in listener.heard] == ["hot"]


async def test_an_alarm_that_goes_on_over_a_restart_keeps_its_onset(
    broker: PrivateMosquitto, dsn: str, world: Db, rules: AlertsConfig
) -> None:
    at = round(time.time(), 3) - 60
    async with listening(broker) as listener, gateway(broker) as gw:
        for second, value in ((0, 60.0), (1, 130.0)):
            async with running(broker_of(broker), dsn, rules):
                await gw.says("heat-1", at + second, value)
                await eventually(lambda: len(events(world)) == second + 1)  # noqa: B023
        await eventually(lambda: len(listener.heard) == 2)
    first, second_ = listener.heard
    assert (first.kind, second_.kind) == ("raised", "escalated")
    assert second_.alarm_id == first.alarm_id
    assert second_.onset_us == first.at_us
    assert world.execute("SELECT alarm_id FROM alarm").fetchall() == [(first.alarm_id,)]


async def test_what_could_not_be_sent_is_sent_when_the_broker_is_back(
    broker: PrivateMosquitto,
) -> None:
    (rule,) = parse(HOT, "hot.toml")
    warner = Warner(broker_of(broker), IngestConfig(retry_max_s=0.3))

    def fire(at_us: int) -> Transition:
        return Transition(
            rule_id="hot",
            rule_version=1,
            subject="device:heat-1",
            field=Field.FIRE,
            kind=TransitionKind.RAISED,
            severity=Severity.RED,
            at_us=at_us,
            value=90.0,
            threshold=57.0,
            quantity="temperature",
            latch=True,
            life_safety=True,
        )

    async with asyncio.TaskGroup() as tasks:
        task = tasks.create_task(warner.run(), name="warner")
        await eventually(lambda: warner.connected)
        broker.kill()
        await eventually(lambda: not warner.connected)
        for number in range(3):
            told = warner.tell([fire(number)], {"hot": rule}, Registry([]), now_us=1_000)
            assert told == 1
        assert warner.waiting == 3
        broker.start()
        async with listening(broker) as listener:
            await eventually(lambda: len(listener.heard) == 3)
        assert [one.at_us for one in listener.heard] == [0, 1, 2]
        assert warner.waiting == 0
        task.cancel()


async def test_rules_that_are_loaded_are_taken_up_at_once(
    broker: PrivateMosquitto, dsn: str, world: Db, tmp_path: Path
) -> None:
    """The condition under way goes on: the rule that stays raises nothing anew."""
    at = round(time.time(), 3) - 60
    only_hot = rules_in(tmp_path / "rules", HOT)
    (stricter,) = parse(HOT.replace("57.0", "30.0").replace("50.0", "25.0"), "hot.toml")
    async with running(broker_of(broker), dsn, only_hot) as worker, gateway(broker) as gw:
        await gw.says("heat-1", at, 70.0)
        await gw.says("heat-2", at, 40.0)
        await eventually(lambda: len(events(world)) == 1)
        rulestore.put(world, [stricter], author="test", note="stricter")
        pipeline = worker.pipeline
        assert pipeline is not None
        await eventually(lambda: pipeline.by_id["hot"].levels[0].raise_at == 30.0)
        await gw.says("heat-1", at + 1, 70.0)
        await gw.says("heat-2", at + 1, 40.0)
        await eventually(lambda: len(events(world)) == 2)
    assert [(subject, kind) for _, subject, kind, _ in events(world)] == [
        ("device:heat-1", "raised"), ("device:heat-2", "raised"),
    ]  # fmt: skip


@pytest.mark.parametrize("running_meanwhile", [True, False])
async def test_an_alarm_whose_rule_is_taken_away_can_end(
    broker: PrivateMosquitto, dsn: str, world: Db, tmp_path: Path, running_meanwhile: bool
) -> None:
    both, one = rules_in(tmp_path / "both", HOT, WARM), parse(WARM, "warm.toml")
    async with running(broker_of(broker), dsn, both), gateway(broker) as gw:
        await gw.says("heat-1", round(time.time(), 3) - 60, 70.0)
        await eventually(lambda: len(events(world)) == 1)
        if running_meanwhile:
            rulestore.put(world, one, author="test", note="no more", whole=True)
            await eventually(lambda: len(events(world)) == 2)
    if not running_meanwhile:
        rulestore.put(world, one, author="test", note="no more", whole=True)
        async with running(broker_of(broker), dsn, both):
            await eventually(lambda: len(events(world)) == 2)
    assert [(rule, kind) for rule, _, kind, _ in events(world)] == [
        ("hot", "raised"), ("hot", "returned"),
    ]  # fmt: skip
