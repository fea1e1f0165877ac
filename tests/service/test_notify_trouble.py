"""What hangs, fails or is dead beside a notifier must not hold up a warning, nor double it."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import psycopg
import pytest

from alerts import store
from alerts.channel_config import WebhookConfig
from alerts.notify import outbox, trials
from alerts.notify.message import Message
from alerts.notify.run import Notifier
from alerts.notify.ways import channels_of
from core.config import DatabaseConfig
from core.model import Severity, TransitionKind
from dev.servers import PrivateMosquitto, PrivatePostgres
from tests.service.test_notify_routing import heard, mqtt_of, publish, subjects
from tests.support.alerting import S
from tests.support.notifying import NOW_US, config, put_roster, raise_alarm, running, states
from tests.support.receiver import Receiver, receiving
from tests.support.small_district import small_district
from tests.support.waiting import eventually
from twin.store import load_district

Conn = psycopg.Connection[Any]


class Broken(Exception):
    """A fault of the program."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Faulty:
    """A channel with a fault."""

    name: str = "faulty"
    fields: tuple[str, ...] = ()
    min_severity: Severity = Severity.BLUE
    records: bool = False
    own: tuple[str, ...] = ("",)

    def deliver(self, message: Message) -> None:
        raise Broken(message.key)


@pytest.fixture
def world(conn: Conn) -> Conn:
    load_district(conn, small_district())
    store.load_rules(conn)
    return conn


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as running_receiver:
        yield running_receiver


def test_life_safety_overtakes_what_waits(world: Conn, receiver: Receiver) -> None:
    cfg = config(receiver)
    (channel,) = channels_of(cfg)
    desk = outbox.Desk(cfg=cfg)
    assert outbox.claim(world, channel)
    for number in (1, 2, 3):
        raise_alarm(world, f"heat.{number:05d}")
    first = outbox.serve(world, channel, desk, lambda: False, lambda: True)
    assert (first.delivered, first.more) == (1, True), "news are looked at after each delivery"
    raise_alarm(world, "heat.00004", life_safety=True)
    outbox.serve(world, channel, desk, lambda: False, lambda: False)
    assert subjects(receiver) == ["heat.00001", "heat.00004", "heat.00002", "heat.00003"]


def test_one_test_message_goes_out_at_a_time(world: Conn, receiver: Receiver) -> None:
    (channel,) = channels_of(config(receiver))
    assert outbox.claim(world, channel)
    for _ in range(2):
        world.execute("INSERT INTO notify_test (by, channel) VALUES ('li', 'duty')")
    assert trials.serve(world, channel, "urn:x")
    assert len(receiver.accepted) == 1, "an alarm may be waiting behind it"
    assert trials.serve(world, channel, "urn:x")
    assert not trials.serve(world, channel, "urn:x")


async def test_a_fault_in_one_channel_does_not_silence_the_others(
    dsn: str, world: Conn, receiver: Receiver
) -> None:
    cfg = config(receiver)
    notifier = Notifier(
        cfg=cfg,
        database=DatabaseConfig(dsn=dsn),
        channels=[Faulty(), *channels_of(cfg)],
        stop=asyncio.Event(),
    )
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(notifier.run(), name="notifier")
        await eventually(lambda: notifier.database_ok)
        raise_alarm(world)
        await eventually(lambda: subjects(receiver) == ["heat.00001"])
        await eventually(lambda: not notifier.database_ok, what="readiness says it")
        assert notifier.looking, "the calls go on"
        raise_alarm(world, "heat.00016")
        await eventually(lambda: len(receiver.accepted) == 2)
        notifier.stop.set()


async def test_a_desk_that_never_looks_again_holds_nothing_back_for_ever(
    dsn: str, world: Conn, receiver: Receiver
) -> None:
    async with running(dsn, config(receiver, poll_s=0.1), settle_s=3600.0):
        raise_alarm(world)
        await eventually(lambda: states(world))
        world.execute(
            """INSERT INTO desk_verdict (event_id, verdict, reason, recheck_at)
               SELECT event_id, 'hold', 'flaps', now() - interval '29 s' FROM alarm_event"""
        )
        await eventually(lambda: subjects(receiver) == ["heat.00001"])


async def test_a_channel_that_hangs_holds_up_no_early_alarm_of_another(
    dsn: str, world: Conn, receiver: Receiver, broker: PrivateMosquitto
) -> None:
    with receiving() as hung:
        hung.hold.clear()
        hooks = (
            WebhookConfig(name="hung", url=hung.url),
            WebhookConfig(name="duty", url=receiver.url),
        )
        cfg = config(receiver, webhooks=hooks, hear_early=True, timeout_s=60.0)
        async with running(dsn, cfg, mqtt=mqtt_of(broker)) as notifier:
            await eventually(lambda: notifier.early and notifier.early.connected)
            await eventually(lambda: len(notifier.leading) == 2)
            bodies = [heard(world, "heat.00001", at_us=NOW_US + n)[1] for n in range(40)]
            await publish(broker, *bodies)
            await eventually(lambda: len(receiver.accepted) == 40)
            assert hung.accepted == []
            hung.hold.set()


async def test_a_condition_that_comes_again_calls_nobody_twice(
    dsn: str, world: Conn, receiver: Receiver, broker: PrivateMosquitto
) -> None:
    put_roster(world, "micro")
    cfg = config(receiver, hear_early=True, ack_within_s=86_400)
    async with running(dsn, cfg, mqtt=mqtt_of(broker)) as notifier:
        await eventually(lambda: notifier.early and notifier.early.connected)
        await eventually(lambda: notifier.directory.rosters)
        for turn in range(3):
            for second, kind in ((0, TransitionKind.RAISED), (1, TransitionKind.RETURNED)):
                at_us = NOW_US + (2 * turn + second) * S
                made, body = heard(world, "heat.00001", kind=kind, at_us=at_us)
                await publish(broker, body)
                with world.transaction():
                    store.apply(world, [made], at_us)
        # Each event once, and one call: nobody has answered the first one yet.
        await eventually(lambda: len(receiver.accepted) >= 7)
        await eventually(lambda: [what for *_, what in states(world)] == ["delivered"] * 7)
    called = [event["data"].get("called") for event in receiver.events()]
    assert len(called) == 7
    assert sum(each is not None for each in called) == 1


async def test_calls_go_on_while_the_database_is_away_and_none_is_made_twice(
    dsn: str,
    world: Conn,
    receiver: Receiver,
    broker: PrivateMosquitto,
    postgres: PrivatePostgres,
) -> None:
    for roster_id, level in (("micro", "micro_station"), ("squad", "squadron")):
        put_roster(world, roster_id, level=level)
    cfg = config(receiver, hear_early=True, poll_s=0.2, escalation_steps=2, ack_within_s=0.5)
    made, body = heard(world, "heat.00001")
    async with running(dsn, cfg, mqtt=mqtt_of(broker)) as notifier:
        await eventually(lambda: notifier.early and notifier.early.connected)
        await eventually(lambda: notifier.directory.rosters and notifier.leading)
        postgres.kill()
        await eventually(lambda: not notifier.database_ok and not notifier.looking)
        await publish(broker, body)
        await eventually(lambda: called_steps(receiver) == [("micro", 1), ("squad", 2)], 20)
        postgres.start()
        with psycopg.connect(dsn, autocommit=True) as again:
            again.execute("UPDATE rule SET body = body - 'ack_within_s'")
            with again.transaction():
                store.apply(again, [made], NOW_US + S)
            done = [
                ("", 0, "delivered"),
                ("tel-micro", 1, "delivered"),
                ("tel-squad", 2, "delivered"),
            ]
            await eventually(lambda: states(again) == done, 20)
    assert called_steps(receiver) == [("micro", 1), ("squad", 2)]
    assert len(receiver.accepted) == 3


def called_steps(receiver: Receiver) -> list[tuple[str, int]]:
    calls = [event["data"].get("called") for event in receiver.events()]
    return [(each["roster"], each["step"]) for each in calls if each]
