"""Calls until somebody answers, driven by a clock of the test; the deliveries are real rows."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
import pytest

from alerts import store
from alerts.config import NotifyConfig
from alerts.notify import deliveries, escalation, rosters
from core.model import CloseCause, Severity, TransitionKind
from tests.support.alerting import S
from tests.support.notifying import NOW_US, config, put_roster, raise_alarm, running, states
from tests.support.receiver import Receiver, receiving
from tests.support.small_district import small_district
from tests.support.waiting import eventually
from twin.store import load_district

Conn = psycopg.Connection[Any]
BEGAN = datetime.fromtimestamp(NOW_US / S + 1, UTC)
CFG = NotifyConfig(ack_within_s=60, escalation_steps=5)


@pytest.fixture
def world(conn: Conn) -> Conn:
    load_district(conn, small_district())
    store.load_rules(conn)
    # A rule that ships may say how long an acknowledgement may take; here the settings do.
    conn.execute("UPDATE rule SET body = body - 'ack_within_s'")
    conn.execute("INSERT INTO notify_channel VALUES ('duty', 0)")
    for roster_id, level in (("micro", "micro_station"), ("squad", "squadron"), ("top", "brigade")):
        put_roster(conn, roster_id, level=level)
    return conn


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as running_receiver:
        yield running_receiver


def due(conn: Conn, after_s: float, cfg: NotifyConfig = CFG, **more: Any) -> int:
    now = BEGAN + timedelta(seconds=after_s)
    return escalation.run_due(conn, rosters.rosters(conn), cfg, now, **more)


def called(conn: Conn) -> list[str]:
    query = "SELECT recipient FROM notify_delivery WHERE step > 0 ORDER BY event_id, step"
    return [recipient.removeprefix("tel-") for (recipient,) in conn.execute(query)]


def test_the_levels_are_called_in_their_time_and_no_call_is_made_twice(world: Conn) -> None:
    alarm = raise_alarm(world)
    assert due(world, 0) == 1
    assert due(world, 0) == due(world, 59.9) == 0
    assert due(world, 60) == 1
    assert due(world, 60) == due(world, 119) == 0
    assert [due(world, at) for at in (120, 180, 240, 300, 360)] == [1, 1, 1, 0, 0]
    assert called(world) == ["micro", "squad", "top", "top", "top"]
    steps = deliveries.of_alarm(world, alarm)["calls"]
    assert [(step["step"], step["level"]) for step in steps] == [
        (1, "micro_station"), (2, "squadron"), (3, "brigade"), (4, "brigade"), (5, "brigade"),
    ]  # fmt: skip
    assert [each["next_at"] is None for each in steps] == [False] * 4 + [True]


def test_what_was_due_while_nobody_notified_is_called_once(world: Conn) -> None:
    raise_alarm(world)
    due(world, 0)
    assert due(world, 3600) == 1
    assert due(world, 3601) == 0
    assert called(world) == ["micro", "squad"]


def test_an_answer_ends_the_calls(world: Conn) -> None:
    seen, shut, shelved, broken, open_one = (
        raise_alarm(world, device)
        for device in ("heat.00001", "heat.00016", "smoke.00000", "smoke.00015", "tilt.00009")
    )
    assert due(world, 0) == 5
    store.acknowledge(world, seen, "li")
    store.close(world, shut, "li", CloseCause.FALSE)
    store.shelve(world, shelved, "li", timedelta(hours=1), "welding")
    store.take_out_of_service(world, broken, "li", "WO-1", "broken")
    assert due(world, 60) == 1
    calls = [deliveries.of_alarm(world, alarm)["calls"] for alarm in (seen, shut, shelved, broken)]
    assert [len(each) for each in calls] == [1] * 4
    assert len(deliveries.of_alarm(world, open_one)["calls"]) == 2


def test_an_alarm_that_returned_unseen_goes_on_calling(world: Conn) -> None:
    raise_alarm(world)
    due(world, 0)
    raise_alarm(world, at_s=5, kind=TransitionKind.RETURNED)
    assert due(world, 600) == 1


def test_an_alarm_that_asks_again_begins_anew(world: Conn) -> None:
    alarm = raise_alarm(world)
    due(world, 0)
    due(world, 60)
    store.acknowledge(world, alarm, "li")
    raise_alarm(world, at_s=3600, kind=TransitionKind.ESCALATED, severity=Severity.RED)
    assert due(world, 3700) == 1
    assert called(world) == ["micro", "squad", "micro"]
    row = world.execute(
        """SELECT e.kind FROM notify_delivery JOIN alarm_event e USING (event_id)
            WHERE step = 1 ORDER BY event_id DESC LIMIT 1"""
    ).fetchone()
    assert row == ("escalated",), "what made it ask is what is told"


@pytest.mark.parametrize(
    ("change", "calls"),
    [({"severity": Severity.YELLOW}, 0), ({"severity": Severity.BLUE, "life_safety": True}, 1)],
)
def test_people_are_called_for_orange_and_for_life_safety(
    world: Conn, change: dict[str, Any], calls: int
) -> None:
    raise_alarm(world, **change)
    due(world, 0)
    assert len(called(world)) == calls


def test_an_advisory_alarm_calls_nobody(world: Conn) -> None:
    raise_alarm(world)
    world.execute("UPDATE alarm SET advisory = true")
    assert due(world, 0) == 0


def test_the_first_call_waits_for_the_desk_but_not_for_life_safety(world: Conn) -> None:
    raise_alarm(world, "heat.00001")
    raise_alarm(world, "heat.00002", life_safety=True)
    assert due(world, 0, settle_s=7.0) == 1
    assert due(world, 6.9, settle_s=7.0) == 0
    assert due(world, 7, settle_s=7.0) == 1
    held = raise_alarm(world, "heat.00003")
    world.execute(
        """INSERT INTO desk_verdict (event_id, verdict)
           SELECT event_id, 'hold' FROM alarm_event WHERE alarm_id = %s""",
        (held,),
    )
    assert due(world, 30, settle_s=7.0) == 0
    world.execute("UPDATE desk_verdict SET verdict = 'tell'")
    assert due(world, 30, settle_s=7.0) == 1


def test_a_hold_that_the_desk_never_looks_at_again_ends_by_itself(world: Conn) -> None:
    raise_alarm(world)
    world.execute(
        """INSERT INTO desk_verdict (event_id, verdict, recheck_at)
           SELECT event_id, 'hold', %s FROM alarm_event""",
        (BEGAN,),
    )
    assert [due(world, at, settle_s=7.0) for at in (8, 29.9, 30)] == [0, 0, 1]


def test_life_safety_is_called_for_before_what_waits_longer(
    world: Conn, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(escalation, "_BATCH", 1)
    raise_alarm(world, "heat.00001")
    raise_alarm(world, "heat.00002", at_s=1, life_safety=True)
    row = "SELECT life_safety FROM notify_escalation JOIN alarm USING (alarm_id) ORDER BY at"
    assert due(world, 10) == 1
    assert world.execute(row).fetchall() == [(True,)]


def test_a_rule_that_knows_better_sets_the_time(world: Conn) -> None:
    raise_alarm(world)
    world.execute("UPDATE alarm SET ack_within_s = 600")
    due(world, 0)
    assert [due(world, 599), due(world, 600)] == [0, 1]


def test_only_one_process_escalates(world: Conn, dsn: str) -> None:
    with psycopg.connect(dsn, autocommit=True) as other:
        assert escalation.claim(world)
        assert escalation.claim(world)
        assert not escalation.claim(other)


async def test_a_call_reaches_its_receiver_and_stops_with_an_answer(
    dsn: str, world: Conn, receiver: Receiver
) -> None:
    async with running(dsn, config(receiver, ack_within_s=86_400)):
        alarm = raise_alarm(world)
        await eventually(lambda: len(receiver.accepted) == 2)
        receiver.statuses = [500] * 1000
        receiver.refused.clear()
        other = raise_alarm(world, "heat.00002")
        await eventually(lambda: receiver.refused)
        store.acknowledge(world, other, "li")
        why = ("tel-micro", 1, "withheld: the alarm is acknowledged")
        receiver.statuses.clear()
        await eventually(lambda: why in states(world) or states(world)[-1][2] == "delivered")
        calls = deliveries.of_alarm(world, alarm)["calls"]
    told = {event["id"]: event["data"].get("called") for event in receiver.events()}
    assert {
        "roster": "micro",
        "level": "micro_station",
        "name": "micro",
        "step": 1,
    } in told.values()
    assert len(told) == len(receiver.accepted), "every message has a key of its own"
    assert calls[0]["called"] == [
        {"roster": "micro", "level": "micro_station", "name": "micro", "channel": "duty"}
    ]
