"""What keeps a message from a receiver, what folds it into a digest, and what goes out early."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import aiomqtt
import psycopg
import pytest

from alerts import provisional, store
from alerts.book import alarm_id
from alerts.channel_config import RouteConfig
from alerts.notify import deliveries, outbox
from alerts.notify.memory import Memory
from alerts.notify.ways import channels_of
from alerts.rules import from_body
from core.config import MqttConfig
from core.model import Field, Severity, TransitionKind
from core.registry import SeriesInfo
from dev.servers import PrivateMosquitto, PrivatePostgres
from tests.support.alerting import S, transition
from tests.support.notifying import NOW_US, config, put_roster, raise_alarm, running, states
from tests.support.receiver import Receiver, receiving
from tests.support.small_district import small_district
from tests.support.waiting import eventually
from twin.store import load_district

Conn = psycopg.Connection[Any]
PLACE = "a-b001000"
"""Block of heat.00001."""


@pytest.fixture
def world(conn: Conn) -> Conn:
    load_district(conn, small_district())
    store.load_rules(conn)
    return conn


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as running_receiver:
        yield running_receiver


def subjects(receiver: Receiver) -> list[str]:
    return [event["subject"].partition(":")[2] for event in receiver.events()]


async def test_routes_go_by_place_and_rosters_by_who_is_on_duty(
    dsn: str, world: Conn, receiver: Receiver
) -> None:
    put_roster(world, "micro")
    routes = (
        RouteConfig(name="here", spaces=("street-a",), min_severity="yellow", channels=("duty",)),
        RouteConfig(name="people", spaces=(PLACE,), rosters=("micro",)),
    )
    async with running(dsn, config(receiver, routes=routes, ack_within_s=86_400)):
        raise_alarm(world, "heat.00001", severity=Severity.YELLOW)
        raise_alarm(world, "outfall_flow.00003", severity=Severity.YELLOW)  # street b: no route
        raise_alarm(world, "heat.00016", severity=Severity.ORANGE)  # street a, another block
        await eventually(lambda: len(receiver.accepted) == 4)
    # The first by the route and to whom it names; the last by the route, and called for as orange.
    assert sorted(subjects(receiver)) == ["heat.00001", "heat.00001", "heat.00016", "heat.00016"]
    called = [event["data"].get("called") for event in receiver.events()]
    plain = {"roster": "micro", "level": "micro_station", "name": "micro"}
    assert [each for each in called if each and not each["step"]] == [plain | {"step": 0}]
    assert "tel-micro" not in receiver.accepted[0].decode()


async def test_an_advisory_or_hidden_alarm_wakes_nobody_and_is_recorded(
    dsn: str, world: Conn, receiver: Receiver, tmp_path: Path
) -> None:
    journal = tmp_path / "journal.jsonl"
    cfg = config(receiver, journal_file=str(journal))
    async with running(dsn, cfg, settle_s=0.4):
        shelved = raise_alarm(world, "heat.00001")
        store.shelve(world, shelved, "li", timedelta(hours=1), "welding")
        advised = raise_alarm(world, "heat.00002")
        world.execute("UPDATE alarm SET advisory = true WHERE alarm_id = %s", (advised,))
        await eventually(journal.exists)
        await eventually(lambda: len(journal.read_text().splitlines()) == 3)
        told = raise_alarm(world, "heat.00003")
        await eventually(
            lambda: told in {e["data"]["alarm"]["alarm_id"] for e in receiver.events()}
        )
        found = deliveries.of_alarm(world, shelved)["deliveries"]
    mine = [row for row in found if row["channel"] == "duty"]
    assert {(row["state"], row["why"]) for row in mine} == {("withheld", "the alarm is shelved")}
    assert shelved not in {e["data"]["alarm"]["alarm_id"] for e in receiver.events()}


@pytest.mark.parametrize(
    ("verdict", "recheck", "outcome"),
    [
        ("tell", None, "delivered"),
        ("hold", None, "withheld: flaps"),
        ("hold", "now() + interval '1 hour'", "waiting"),
        ("digest", None, "folded"),
    ],
)
async def test_the_desk_is_heard(
    dsn: str, world: Conn, receiver: Receiver, verdict: str, recheck: str | None, outcome: str
) -> None:
    cfg = config(receiver, digest_s=3600)
    async with running(dsn, cfg, settle_s=3600.0):
        raise_alarm(world)
        await eventually(lambda: states(world) == [("", 0, "waiting")])
        world.execute(
            f"""INSERT INTO desk_verdict (event_id, verdict, reason, recheck_at)
                SELECT event_id, %s, 'flaps', {recheck or "NULL"} FROM alarm_event""",
            (verdict,),
        )
        raise_alarm(world, "heat.00002", life_safety=True)  # waits for nobody
        await eventually(lambda: ("", 0, "delivered") in states(world))
        await eventually(lambda: states(world)[0] == ("", 0, outcome))
        if outcome == "waiting":
            world.execute("UPDATE desk_verdict SET verdict = 'tell', recheck_at = NULL")
            world.execute("NOTIFY blocktwin_desk")
            await eventually(lambda: states(world)[0] == ("", 0, "delivered"))
        await eventually(lambda: "heat.00002" in subjects(receiver))


async def test_a_desk_that_says_nothing_holds_nothing_up_for_long(
    dsn: str, world: Conn, receiver: Receiver
) -> None:
    async with running(dsn, config(receiver), settle_s=0.3):
        raise_alarm(world)
        await eventually(lambda: subjects(receiver) == ["heat.00001"])


async def test_beyond_the_cap_there_is_one_digest_and_life_safety_has_none(
    dsn: str, world: Conn, receiver: Receiver
) -> None:
    cfg = config(receiver, cap_messages=2, digest_s=0.0, cap_window_s=3600.0)
    async with running(dsn, cfg):
        for number in (1, 2, 3, 4):
            raise_alarm(world, f"heat.{number:05d}")
        await eventually(lambda: len(receiver.accepted) == 3)
        for number in (5, 6, 7):
            raise_alarm(world, f"heat.{number:05d}", life_safety=True)
        raise_alarm(world, "heat.00008")
        await eventually(lambda: len(receiver.accepted) == 6)
        await eventually(lambda: states(world)[-1] == ("", 0, "folded"))
    events = receiver.events()
    kinds = [event["type"].rpartition(".")[2] for event in events]
    assert kinds == ["raised", "raised", "digest", "raised", "raised", "raised"]
    digest = events[2]["data"]
    assert 1 <= digest["events"] <= 2, "what had come by then"
    assert digest["counts"][0]["field"] == "fire"
    assert digest["worst"][-1]["subject"] == "device:heat.00003"
    # The next digest is a window away.
    assert world.execute("SELECT count(*) FROM notify_digest").fetchone() == (1,)


async def test_a_digest_that_fails_is_tried_again_and_is_the_proof_of_all_in_it(
    dsn: str, world: Conn, receiver: Receiver
) -> None:
    cfg = config(receiver, cap_messages=1, digest_s=0.2, cap_window_s=3600.0, poll_s=0.1)
    async with running(dsn, cfg):
        raise_alarm(world, "heat.00001")
        await eventually(lambda: len(receiver.accepted) == 1)
        receiver.statuses = [500, 500]
        alarms = [raise_alarm(world, f"heat.{number:05d}") for number in (2, 3)]
        await eventually(lambda: len(receiver.accepted) == 2, 20)
        proven = [deliveries.of_alarm(world, alarm)["deliveries"][0] for alarm in alarms]
    assert receiver.events()[1]["type"] == "blocktwin.alarm.digest"
    assert [row["state"] for row in proven] == ["delivered in a digest"] * 2
    assert len(receiver.refused) == 2


def heard(conn: Conn, device: str, **change: Any) -> tuple[Any, bytes]:
    """Return a life-safety transition and its message, as the worker publishes it."""
    plain = {"rule_id": "fire-heat-fixed", "subject": f"device:{device}", "life_safety": True}
    made = transition(**(plain | {"at_us": NOW_US} | change))
    row = conn.execute("SELECT body FROM rule WHERE rule_id = 'fire-heat-fixed'").fetchone()
    assert row is not None
    where = SeriesInfo(
        series_id=1,
        device_id=device,
        quantity="temperature",
        kind="heat",
        field=Field.FIRE,
        gateway_id="gw-a",
        interval_s=10,
        spaces=("440303", "street-a", "community-a", "grid-a", PLACE),
        lon=114.1,
        lat=22.5,
    )
    body = provisional.message(
        made,
        alarm_id=alarm_id(made),
        onset_us=made.at_us,
        detected_us=made.at_us + S,
        rule=from_body(row[0]),
        where=where,
    )
    return made, body


def mqtt_of(broker: PrivateMosquitto) -> MqttConfig:
    return MqttConfig(
        host=broker.host,
        port=broker.port,
        username="ingest",
        password=broker.password("ingest"),
    )


async def publish(broker: PrivateMosquitto, *bodies: bytes) -> None:
    client = aiomqtt.Client(
        broker.host, broker.port, username="ingest", password=broker.password("ingest"),
        protocol=aiomqtt.ProtocolVersion.V5,
    )  # fmt: skip
    async with client:
        for body in bodies:
            await client.publish("bt/v1/alarm/fire/orange", body, qos=1)


async def test_life_safety_is_told_before_the_commit_and_once_also_over_a_restart(
    dsn: str, world: Conn, receiver: Receiver, broker: PrivateMosquitto, tmp_path: Path
) -> None:
    put_roster(world, "micro")
    path = tmp_path / "told"
    cfg = config(receiver, hear_early=True)
    mqtt = mqtt_of(broker)
    first, body = heard(world, "heat.00001")
    second, other = heard(world, "heat.00016", at_us=NOW_US + S)
    async with running(dsn, cfg, mqtt=mqtt, memory=Memory.open(path)) as notifier:
        await eventually(lambda: notifier.early and notifier.early.connected)
        await eventually(lambda: notifier.directory.rosters)
        await publish(broker, body, body, b"nonsense", other)
        await eventually(lambda: len(receiver.accepted) == 4)
        with world.transaction():
            store.apply(world, [first], NOW_US + S)
        await eventually(lambda: states(world).count(("tel-micro", 1, "delivered")) == 1)
        await eventually(lambda: states(world).count(("", 0, "delivered")) == 1)
    # A restart in between: what the file remembers is not told again.
    async with running(dsn, cfg, memory=Memory.open(path)):
        with world.transaction():
            store.apply(world, [second], NOW_US + 2 * S)
        await eventually(lambda: states(world).count(("tel-micro", 1, "delivered")) == 2)
        raise_alarm(world, "heat.00003", at_s=5, severity=Severity.BLUE)
        await eventually(lambda: len(receiver.accepted) == 5)
    keys = [event["id"] for event in receiver.events()]
    assert len(set(keys)) == len(keys) == 5
    early = receiver.events()[:4]
    assert all(event["data"]["provisional"] for event in early)
    assert {event["data"].get("called", {}).get("step") for event in early} == {None, 1}
    rows = world.execute("SELECT early FROM notify_delivery ORDER BY event_id, step").fetchall()
    assert rows == [(True,)] * 4 + [(False,)]


async def test_life_safety_is_told_while_the_database_is_away(
    dsn: str,
    world: Conn,
    receiver: Receiver,
    broker: PrivateMosquitto,
    postgres: PrivatePostgres,
) -> None:
    cfg = config(receiver, hear_early=True, poll_s=0.2)
    made, body = heard(world, "heat.00001")
    async with running(dsn, cfg, mqtt=mqtt_of(broker)) as notifier:
        await eventually(lambda: notifier.early and notifier.early.connected)
        await eventually(lambda: "duty" in notifier.leading)
        postgres.kill()
        await eventually(lambda: not notifier.database_ok)
        receiver.statuses = [503]
        await publish(broker, body)
        await eventually(lambda: len(receiver.accepted) == 1)
        postgres.start()
        with psycopg.connect(dsn, autocommit=True) as again:
            with again.transaction():
                store.apply(again, [made], NOW_US + S)
            await eventually(lambda: states(again) == [("", 0, "delivered")], 20)
    assert len(receiver.accepted) == 1
    assert receiver.events()[0]["data"]["alarm"]["space"] == PLACE


async def test_a_shelved_alarm_is_not_told_early(
    dsn: str, world: Conn, receiver: Receiver, broker: PrivateMosquitto
) -> None:
    alarm = raise_alarm(world, life_safety=True)
    store.shelve(world, alarm, "li", timedelta(hours=1), "welding")
    _, body = heard(
        world, "heat.00001", kind=TransitionKind.ESCALATED, severity=Severity.RED, at_us=NOW_US + S
    )
    _, other = heard(world, "heat.00002", at_us=NOW_US + S)
    async with running(dsn, config(receiver, hear_early=True), mqtt=mqtt_of(broker)) as notifier:
        await eventually(lambda: notifier.early and notifier.early.connected)
        await eventually(lambda: notifier.directory.hidden)
        await publish(broker, body, other)
        await eventually(lambda: subjects(receiver) == ["heat.00002"])


def test_what_the_desk_will_look_at_again_is_not_asked_for_meanwhile(world: Conn) -> None:
    with receiving() as receiver:
        cfg = config(receiver)
        (channel,) = channels_of(cfg)
        desk = outbox.Desk(cfg=cfg)
        assert outbox.claim(world, channel)
        raise_alarm(world)
        world.execute(
            """INSERT INTO desk_verdict (event_id, verdict, recheck_at)
               SELECT event_id, 'hold', now() + interval '1 hour' FROM alarm_event"""
        )
        done = outbox.serve(world, channel, desk, lambda: False)
        assert (done.delivered, done.withheld, done.pending, done.next_s) == (0, 0, 1, None)
        raise_alarm(world, "heat.00016")
        waiting = outbox.serve(world, channel, outbox.Desk(cfg=cfg, settle_s=9.0), lambda: False)
        assert waiting.pending == 2
        assert waiting.next_s is not None
        assert 0 < waiting.next_s <= 1, "a verdict may come at any moment"
        assert receiver.accepted == []
