"""The dead-man's canary: the whole way once with real processes; lateness by the test's clock."""

from __future__ import annotations

import asyncio
import re
import urllib.request
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest

from alerts import store
from alerts.config import CANARY, NotifyConfig
from alerts.notify import canary, escalation, outbox
from alerts.notify.channels import Journal
from alerts.notify.message import Message
from core.config import DatabaseConfig, MqttConfig
from core.model import Field, Severity, TransitionKind
from dev.servers import PrivateMosquitto
from edge.agent import run_agent
from edge.config import AgentConfig
from edge.drivers import Idle
from tests.support.notifying import NOW_US, config, raise_alarm, running
from tests.support.receiver import receiving
from tests.support.servers import Runner, settings
from tests.support.small_district import small_district
from tests.support.waiting import eventually
from twin.store import load_district

Conn = psycopg.Connection[Any]
DEVICE = "heat.00001"
T0 = datetime(2026, 9, 1, tzinfo=UTC)
CFG = NotifyConfig(canary_late_s=900, canary_keep_h=1)


@pytest.fixture
def world(conn: Conn) -> Conn:
    load_district(conn, small_district())
    store.load_rules(conn)
    assert canary.register(conn, DEVICE) == "gw-a"
    return conn


def metrics(port: int) -> str:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=2) as answer:
            return str(answer.read().decode())
    except OSError:
        return ""


async def test_a_canary_travels_from_the_agent_to_the_notifier(
    dsn: str,
    world: Conn,
    broker: PrivateMosquitto,
    run_blocktwin: Runner,
    tmp_path: Path,
    free_port: int,
) -> None:
    run_blocktwin("ingest", env=settings(dsn, broker, ingest__http_port=0))
    env = settings(dsn, broker, notify__http_port=free_port, desk__settle_s=0)
    run_blocktwin("notify", env=env)
    await eventually(lambda: "blocktwin_notify_pending{channel=" in metrics(free_port), 30)
    agent = AgentConfig(
        gateway_id="gw-a", spool_dir=str(tmp_path), canary_device=DEVICE, canary_every_s=1.0
    )
    mqtt = MqttConfig(
        host=broker.host,
        port=broker.port,
        username="gw-a",
        password=broker.password("gw-a"),
    )
    stop = asyncio.Event()
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(run_agent(agent, mqtt, Idle(), stop=stop), name="agent")
        found = re.compile(r'blocktwin_canary_latency_seconds\{gateway="gw-a"\} (\S+)')
        seen = await eventually(lambda: found.search(metrics(free_port)), 30)
        assert seen is not None
        assert 0 <= float(seen[1]) < 30
        query = """SELECT acknowledged_by, close_cause FROM alarm
                    WHERE rule_id = 'canary' AND closed_at IS NOT NULL LIMIT 1"""
        row = await eventually(lambda: world.execute(query).fetchone(), 30)
        stop.set()
    assert row == (CANARY, "returned"), "acknowledged by the notifier, ended by its reading"
    subjects = "SELECT DISTINCT subject, advisory FROM alarm WHERE rule_id = 'canary'"
    assert world.execute(subjects).fetchall() == [(f"device:{DEVICE}", True)]


def look(conn: Conn, watch: canary.Watch, after_s: float) -> list[tuple[str, str]]:
    """Look once; return the kind and subject of what was said."""
    found = []
    for event in watch.look(conn, CFG, T0 + timedelta(seconds=after_s)):
        row = conn.execute(
            """SELECT kind, subject FROM alarm_event JOIN alarm USING (alarm_id)
                WHERE event_id = %s""",
            (event,),
        ).fetchone()
        assert row is not None
        found.append((row[0], row[1]))
    return found


def sing(conn: Conn, after_s: float) -> str:
    """Raise and end the alarm of a canary as the worker does, acknowledged in between."""
    at_s = T0.timestamp() + after_s
    plain = {
        "rule_id": "canary",
        "field": Field.SYSTEM,
        "severity": Severity.BLUE,
        "quantity": "canary",
        "value": 1.0,
        "threshold": 1.0,
    }
    offset = at_s - NOW_US / 1e6
    alarm = raise_alarm(conn, DEVICE, offset, **plain)
    store.acknowledge(conn, alarm, CANARY)
    raise_alarm(conn, DEVICE, offset + 5, kind=TransitionKind.RETURNED, **plain)
    return alarm


def test_a_canary_that_does_not_come_is_an_alarm_and_ends_with_the_next(world: Conn) -> None:
    watch = canary.Watch(since=T0)
    assert [look(world, watch, at) for at in (0, 900)] == [[], []]
    assert look(world, watch, 901) == [("raised", "gateway:gw-a")]
    assert look(world, watch, 2000) == [], "said once"
    assert watch.ages(T0 + timedelta(seconds=2000)) == {"gw-a": 2000.0}
    sing(world, 2100)
    assert look(world, watch, 2110) == [("returned", "gateway:gw-a")]
    assert look(world, watch, 2100 + 900) == []
    assert look(world, watch, 2100 + 901) == [("raised", "gateway:gw-a")]
    row = world.execute(
        """SELECT severity, field, said ->> 'en', gateway_id FROM alarm
            WHERE subject = 'gateway:gw-a'"""
    ).fetchone()
    assert row is not None
    assert row[:2] == (3, "system")
    assert "no canary of this gateway" in row[2]
    assert row[3] == "gw-a"


def test_a_clock_that_is_ahead_does_not_hide_that_no_canary_comes(world: Conn) -> None:
    watch = canary.Watch(since=T0)
    sing(world, 100)
    world.execute("UPDATE alarm_event SET event_at = event_at + interval '1 day'")
    assert look(world, watch, 110) == []
    age = watch.ages(T0 + timedelta(seconds=1100))["gw-a"]
    assert 990 < age <= 1000, "it ages while nobody can look, too"
    assert look(world, watch, 100 + 910) == [("raised", "gateway:gw-a")]


def test_a_notifier_that_was_down_calls_nothing_late(world: Conn) -> None:
    sing(world, 0)
    watch = canary.Watch(since=T0 + timedelta(days=1))
    assert look(world, watch, 86_400) == []


def test_a_gateway_without_a_canary_is_not_missed(conn: Conn) -> None:
    load_district(conn, small_district())
    watch = canary.Watch(since=T0)
    assert look(conn, watch, 10_000) == []
    assert watch.ages(T0) == {}


def test_old_canaries_are_forgotten_with_all_that_belongs_to_them(world: Conn) -> None:
    old, young = sing(world, 0), sing(world, 100)
    world.execute("UPDATE alarm SET closed_at = now() WHERE alarm_id = %s", (young,))
    world.execute(
        "UPDATE alarm SET closed_at = now() - interval '2 hours' WHERE alarm_id = %s", (old,)
    )
    world.execute("INSERT INTO notify_channel VALUES ('journal', 0)")
    world.execute(
        """INSERT INTO notify_delivery (channel, event_id)
           SELECT 'journal', event_id FROM alarm_event"""
    )
    kept = raise_alarm(world, "heat.00016")
    assert (canary.forget(world, 1.0), canary.forget(world, 1.0)) == (1, 0)
    left = {str(row[0]) for row in world.execute("SELECT alarm_id FROM alarm")}
    assert left == {young, kept}


async def test_a_canary_wakes_nobody(dsn: str, world: Conn, tmp_path: Path) -> None:
    journal = tmp_path / "journal.jsonl"
    with receiving() as receiver:
        async with running(dsn, config(receiver, journal_file=str(journal))):
            sing(world, 0)
            raise_alarm(world, "heat.00016")
            await eventually(lambda: len(receiver.accepted) == 1)
            await eventually(
                lambda: journal.exists() and len(journal.read_text().splitlines()) == 4
            )
        assert receiver.events()[0]["subject"] == "device:heat.00016"


def test_hearing_a_canary_that_is_over_is_no_failure(dsn: str, world: Conn) -> None:
    alarm = sing(world, 0)
    heard: list[tuple[str, float]] = []
    channel = canary.Heard(
        database=DatabaseConfig(dsn=dsn), heard=lambda gateway, s: heard.append((gateway, s))
    )
    made = Message(key="k", body=b"", gateway="gw-a", kind="raised", alarm_id=alarm)
    channel.deliver(made)
    assert heard[0][0] == "gw-a"


@pytest.mark.parametrize("name", [CANARY, "escalation", "duty"])
def test_who_looks_after_canaries_and_calls_keeps_nobody_from_a_channel(
    dsn: str, world: Conn, name: str
) -> None:
    assert canary.claim(world)
    assert escalation.claim(world)
    with psycopg.connect(dsn, autocommit=True) as other:
        assert outbox.claim(other, Journal(path=Path("unused"), name=name))
        assert not outbox.claim(world, Journal(path=Path("unused"), name=name))
