"""The whole life of an alarm in a real database: people, time, occurrences, and what was before."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import psycopg
import pytest

from alerts import ledger, store, timers
from alerts.book import event_key, key_of, moment
from core.db import migrate
from core.model import CloseCause, Severity, Transition, TransitionKind
from tests.support.alerting import HIGH, T0_US, S, transition
from tests.support.waiting import wait_until

Conn = psycopg.Connection[Any]

RULE_FILE = """
[[rule]]
id = "rule-0"
name = { zh = "名", en = "name" }
advice = { zh = "做", en = "do" }
source = "editable seed"
ack_within_s = 60
re_alarm_s = 600
"""

RAISED, RETURNED = TransitionKind.RAISED, TransitionKind.RETURNED
ESCALATED, EASED = TransitionKind.ESCALATED, TransitionKind.EASED


@pytest.fixture
def world(conn: Conn, tmp_path: Path) -> Conn:
    (tmp_path / "a.toml").write_text(RULE_FILE + HIGH)
    store.load_rules(conn, str(tmp_path))
    return conn


def said(kind: TransitionKind, at_s: float, **change: Any) -> Transition:
    return transition(kind=kind, at_us=T0_US + round(at_s * S), **change)


def apply(conn: Conn, *transitions: Transition, at: datetime | None = None) -> list[int]:
    detected = at or datetime.now(UTC)
    with conn.transaction():
        return store.apply(conn, transitions, round(detected.timestamp() * 1e6))


def raised(conn: Conn, at: datetime | None = None, **change: Any) -> str:
    apply(conn, said(RAISED, 0, **change), at=at)
    return str(one(conn, "alarm_id::text")[0])


def one(conn: Conn, columns: str) -> Any:
    return conn.execute(f"SELECT {columns} FROM alarm").fetchone()


def kinds(conn: Conn) -> list[str]:
    return [row[0] for row in conn.execute("SELECT kind FROM alarm_event ORDER BY event_id")]


def occurrences(conn: Conn, columns: str) -> Sequence[Any]:
    return conn.execute(
        f"SELECT {columns} FROM alarm_occurrence ORDER BY alarm_id, number"
    ).fetchall()


def test_an_alarm_takes_its_terms_from_the_version_that_raised_it(world: Conn) -> None:
    now = datetime.now(UTC)
    raised(world, at=now, life_safety=True, said=("温度 61.0 °C", "61.0 degC"))
    terms = one(world, "ack_within_s, re_alarm_s, life_safety, advisory, said, due_at - asked_at")
    assert terms == (
        60.0,
        600.0,
        True,
        False,
        {"zh": "温度 61.0 °C", "en": "61.0 degC"},
        timedelta(seconds=60),
    )
    assert one(world, "raised_at, detected_at") == (moment(T0_US), now)


def test_every_occurrence_is_kept_with_the_worst_it_reached(world: Conn) -> None:
    apply(world, said(RAISED, 0), said(ESCALATED, 1, severity=Severity.RED, value=95.0))
    apply(world, said(EASED, 2, value=70.0))
    apply(world, said(RETURNED, 3, value=20.0))
    apply(world, said(RAISED, 10, value=58.0))
    apply(world, said(RETURNED, 11, value=20.0), said(RAISED, 20, value=59.0))
    apply(world, said(ESCALATED, 21, severity=Severity.RED, value=99.0))
    at = "extract(epoch FROM onset_at)::bigint, extract(epoch FROM returned_at)::bigint"
    t0 = T0_US // S
    assert occurrences(world, f"number, severity, value, {at}") == [
        (1, 4, 95.0, t0, t0 + 3),
        (2, 3, 58.0, t0 + 10, t0 + 11),
        (3, 4, 99.0, t0 + 20, None),
    ]
    assert one(world, "occurrences") == (3,)


def test_the_occurrence_after_the_end_is_the_first_of_a_new_alarm(world: Conn) -> None:
    name = raised(world)
    store.acknowledge(world, name, "li")
    apply(world, said(RETURNED, 1), said(RAISED, 2))
    states = world.execute("SELECT state, occurrences FROM alarm ORDER BY raised_at").fetchall()
    assert states == [("closed", 1), ("unacknowledged", 1)]
    assert len(occurrences(world, "number")) == 2


def test_an_engine_event_keeps_the_key_it_was_told_under(world: Conn) -> None:
    told = [said(RAISED, 0), said(ESCALATED, 1, severity=Severity.RED)]
    numbers = apply(world, *told)
    store.comment(world, str(one(world, "alarm_id")[0]), "li", "x")
    keys = [row[0] for row in world.execute("SELECT event_key FROM alarm_event ORDER BY event_id")]
    assert keys[:2] == [key_of(one) for one in told]
    assert keys[0] == event_key("rule-0", told[0].subject, "raised", T0_US)
    assert len(set(keys)) == 3
    assert apply(world, *told) == []
    assert len(numbers) == 2


def test_two_steps_at_one_moment_are_both_kept_and_told_once(world: Conn) -> None:
    steps = [
        said(RAISED, 0, severity=Severity.BLUE),
        said(ESCALATED, 1, severity=Severity.ORANGE),
        said(ESCALATED, 1, severity=Severity.RED),
    ]
    assert len(apply(world, *steps)) == 3
    assert apply(world, *steps) == []
    assert apply(world, *steps[1:]) == []
    assert one(world, "severity, peak_severity") == (4, 4)


def test_two_steps_at_one_moment_may_come_in_two_transactions(world: Conn) -> None:
    apply(world, said(RAISED, 0, severity=Severity.BLUE))
    assert len(apply(world, said(ESCALATED, 1, severity=Severity.ORANGE))) == 1
    assert len(apply(world, said(ESCALATED, 1, severity=Severity.RED))) == 1
    assert apply(world, said(ESCALATED, 1, severity=Severity.RED)) == []
    assert apply(world, said(ESCALATED, 1, severity=Severity.ORANGE)) == []
    assert one(world, "severity") == (4,)


def test_an_escalation_told_twice_does_not_open_what_a_person_closed(world: Conn) -> None:
    name = raised(world)
    worse = said(ESCALATED, 1, severity=Severity.RED)
    apply(world, worse)
    store.close(world, name, "li", CloseCause.FALSE)
    assert apply(world, worse) == []
    assert one(world, "state") == ("closed",)


def test_a_shelved_alarm_goes_on_and_comes_back_with_its_time(world: Conn) -> None:
    name = raised(world)
    store.shelve(world, name, "li", timedelta(hours=2), "传感器进水")
    assert one(world, "hidden, hidden_by, hidden_why, due_at = hidden_until") == (
        "shelved",
        "li",
        "传感器进水",
        True,
    )
    apply(world, said(RETURNED, 1), said(RAISED, 2))
    now = datetime.now(UTC)
    assert timers.run_due(world, now + timedelta(hours=1, minutes=59)) == []
    (number,) = timers.run_due(world, now + timedelta(hours=2, minutes=1))
    assert one(world, "hidden, hidden_until, state, occurrences, last_event_id") == (
        None,
        None,
        "unacknowledged",
        2,
        number,
    )
    row = world.execute("SELECT kind, actor, hidden FROM alarm_event ORDER BY event_id DESC")
    assert row.fetchone() == ("unshelved", "clock", None)
    assert world.execute("SELECT about <> '' FROM alarm_event WHERE kind = 'shelved'").fetchone()


def test_a_shelf_ends_at_once_when_it_gets_worse_than_ever(world: Conn) -> None:
    store.shelve(world, raised(world), "li", timedelta(hours=8), "storm")
    apply(world, said(ESCALATED, 5, severity=Severity.RED))
    assert one(world, "hidden, hidden_until, severity") == (None, None, 4)
    assert kinds(world)[-1] == "escalated"


@pytest.mark.parametrize("hours", [0, -1, 8.01])
def test_a_shelf_has_a_longest_time(world: Conn, hours: float) -> None:
    name = raised(world)
    with pytest.raises(store.InvalidAction, match="at most 8 h"):
        store.shelve(world, name, "li", timedelta(hours=hours), "why")


def test_whatever_hides_needs_a_reason(world: Conn) -> None:
    name = raised(world)
    with pytest.raises(store.InvalidAction, match="say why"):
        store.shelve(world, name, "li", timedelta(hours=1), "  ")
    with pytest.raises(store.InvalidAction, match="say why"):
        store.suppress(world, name, "gateway:gw-a", "")
    with pytest.raises(store.InvalidAction, match="say why"):
        store.take_out_of_service(world, name, "li", "WO-7", "")
    with pytest.raises(store.InvalidAction, match="work order"):
        store.take_out_of_service(world, name, "li", " ", "why")
    assert kinds(world) == ["raised"]


def test_a_consequence_is_hidden_and_closed_with_its_cause(world: Conn) -> None:
    name = raised(world)
    store.suppress(world, name, "gateway:gw-a", "网关离线 / gateway offline")
    assert one(world, "hidden, hidden_by, due_at") == ("suppressed", "gateway:gw-a", None)
    apply(world, said(RETURNED, 1))
    store.unsuppress(world, name)
    assert one(world, "state, hidden, close_cause, closed_by") == (
        "closed",
        None,
        "returned",
        "desk",
    )
    events = world.execute("SELECT kind, actor, about, hidden FROM alarm_event ORDER BY event_id")
    assert events.fetchall() == [
        ("raised", "engine", "", None),
        ("suppressed", "desk", "gateway:gw-a", "suppressed"),
        ("returned", "engine", "", "suppressed"),
        ("unsuppressed", "desk", "", None),
    ]


def test_a_consequence_that_goes_on_is_shown_and_asks_anew(world: Conn) -> None:
    name = raised(world, at=datetime.now(UTC) - timedelta(hours=3))
    store.suppress(world, name, "gateway:gw-a", "offline")
    store.unsuppress(world, name)
    assert one(world, "state, hidden, due_at > now()") == ("unacknowledged", None, True)


def test_life_safety_is_never_suppressed(world: Conn) -> None:
    name = raised(world, life_safety=True)
    with pytest.raises(store.InvalidAction, match="life safety is never suppressed"):
        store.suppress(world, name, "gateway:gw-a", "offline")
    store.shelve(world, name, "li", timedelta(minutes=5), "hot work permit 17")
    assert one(world, "hidden") == ("shelved",)


def test_out_of_service_has_no_end_of_its_own(world: Conn) -> None:
    name = raised(world)
    store.acknowledge(world, name, "li")
    store.take_out_of_service(world, name, "li", "WO-2026-17", "lens is being cleaned")
    with pytest.raises(store.InvalidAction, match="acknowledged and out of service"):
        store.unshelve(world, name, "li")
    with pytest.raises(store.InvalidAction):
        store.shelve(world, name, "li", timedelta(hours=1), "why")
    apply(world, said(RETURNED, 1), said(RAISED, 2), said(RETURNED, 3))
    assert timers.run_due(world, datetime.now(UTC) + timedelta(days=400)) == []
    store.acknowledge(world, name, "li")
    assert one(world, "state, hidden, hidden_by, occurrences") == (
        "acknowledged",
        "out_of_service",
        "WO-2026-17",
        2,
    )
    store.put_in_service(world, name, "li", "done")
    assert one(world, "state, close_cause, hidden") == ("closed", "returned", None)


def test_a_closed_alarm_is_not_hidden(world: Conn) -> None:
    name = raised(world)
    store.shelve(world, name, "li", timedelta(hours=1), "why")
    store.close(world, name, "li", CloseCause.MAINTENANCE)
    assert one(world, "hidden, hidden_until, hidden_by, due_at") == (None, None, None, None)
    with pytest.raises(store.InvalidAction, match="closed"):
        store.shelve(world, name, "li", timedelta(hours=1), "why")
    with pytest.raises(store.InvalidAction, match="closed"):
        store.assign(world, name, "li", "wang")
    about = world.execute("SELECT about FROM alarm_event WHERE kind = 'closed'").fetchone()
    assert about == ("maintenance",)


def test_nobody_coming_is_said_once(world: Conn) -> None:
    began = datetime.now(UTC)
    name = raised(world, at=began)
    assert timers.run_due(world, began + timedelta(seconds=59)) == []
    assert len(timers.run_due(world, began + timedelta(seconds=61))) == 1
    assert timers.run_due(world, began + timedelta(days=1)) == []
    assert one(world, "state, overdue_at IS NULL, due_at") == ("unacknowledged", False, None)
    store.acknowledge(world, name, "li")
    again = datetime.now(UTC)
    assert timers.run_due(world, again + timedelta(seconds=590)) == []
    assert len(timers.run_due(world, again + timedelta(seconds=610))) == 1
    assert one(world, "state, acknowledged_by, overdue_at") == ("unacknowledged", None, None)
    assert len(timers.run_due(world, again + timedelta(seconds=671))) == 1
    assert kinds(world) == ["raised", "overdue", "acknowledged", "re_alarmed", "overdue"]


def test_what_has_returned_does_not_ask_again(world: Conn) -> None:
    name = raised(world, latch=True)
    store.acknowledge(world, name, "li")
    apply(world, said(RETURNED, 1))
    assert timers.run_due(world, datetime.now(UTC) + timedelta(days=1)) == []
    assert one(world, "state, due_at") == ("acknowledged", None)


def test_many_are_due_in_portions(world: Conn) -> None:
    began = datetime.now(UTC)
    flood = [said(RAISED, 0, subject=f"device:d-{n}") for n in range(timers.AT_ONCE + 20)]
    apply(world, *flood, at=began)
    due = began + timedelta(seconds=61)
    assert len(timers.run_due(world, due)) == timers.AT_ONCE
    assert len(timers.run_due(world, due)) == 20
    assert timers.run_due(world, due) == []


def test_several_are_acknowledged_in_one_transaction(world: Conn) -> None:
    apply(world, *(said(RAISED, 0, subject=f"device:d-{n}") for n in range(3)))
    rows = world.execute("SELECT alarm_id::text FROM alarm ORDER BY subject").fetchall()
    names = [row[0] for row in rows]
    store.acknowledge(world, names[1], "wang")
    nobody = str(uuid4())
    became = store.acknowledge_all(world, [*names, names[0], nobody, "x"], "li", "all mine")
    assert became.done == (names[0], names[2])
    assert became.refused == {
        names[1]: "cannot acknowledge an alarm that is acknowledged",
        nobody: f"there is no alarm {nobody}",
        "x": "'x' is no alarm id",
    }
    who = world.execute("SELECT acknowledged_by FROM alarm ORDER BY subject").fetchall()
    assert who == [("li",), ("wang",), ("li",)]
    assert store.acknowledge_all(world, [], "li").done == ()


def test_an_assignment_is_kept_and_taken_back(world: Conn) -> None:
    name = raised(world)
    store.assign(world, name, "li", "wang", "knows the house")
    assert one(world, "assigned_to, state") == ("wang", "unacknowledged")
    store.assign(world, name, "li", "")
    assert one(world, "assigned_to") == (None,)
    abouts = world.execute("SELECT about, note FROM alarm_event WHERE kind = 'assigned'")
    assert abouts.fetchall() == [("wang", "knows the house"), ("", "")]


OLD = """
INSERT INTO rule (rule_id, version, body, sha256) VALUES ('r', 1, '{}', '');
INSERT INTO alarm (alarm_id, rule_id, rule_version, subject, field, quantity, severity,
                   peak_severity, state, latch, value, threshold, raised_at, detected_at,
                   returned_at, closed_at, closed_by, close_cause, occurrences, last_event_id)
VALUES ('00000000-0000-0000-0000-000000000001', 'r', 1, 'device:a', 'fire', 'temperature', 3, 4,
        'closed', false, 60, 57, '2026-01-01Z', '2026-01-01Z', '2026-01-01 00:05Z',
        '2026-01-01 00:06Z', 'li', 'true', 2, 6),
       ('00000000-0000-0000-0000-000000000002', 'r', 1, 'device:b', 'fire', 'temperature', 3, 3,
        'unacknowledged', false, 61, 57, '2026-01-02Z', '2026-01-02Z', NULL, NULL, NULL, NULL,
        1, 7);
INSERT INTO alarm_event (alarm_id, kind, at, event_at, actor, severity, state, value)
SELECT ('00000000-0000-0000-0000-00000000000' || a)::uuid, k, d::timestamptz, d::timestamptz,
       'engine', s, 'unacknowledged', v
  FROM (VALUES (1, 'raised', '2026-01-01 00:00Z', 3, 58.0),
               (1, 'escalated', '2026-01-01 00:01Z', 4, 90.0),
               (1, 'returned', '2026-01-01 00:02Z', 4, 20.0),
               (1, 'raised', '2026-01-01 00:04Z', 3, 60.0),
               (1, 'returned', '2026-01-01 00:05Z', 3, 21.0),
               (1, 'closed', '2026-01-01 00:06Z', 3, NULL),
               (2, 'raised', '2026-01-02 00:00Z', 3, 61.0)) AS w (a, k, d, s, v);
"""


def test_alarms_from_before_keep_their_occurrences(empty_dsn: str) -> None:
    with psycopg.connect(empty_dsn, autocommit=True) as conn:
        shipped = migrate.migrations()
        migrate.upgrade(conn, shipped[:8])
        conn.execute(OLD)
        migrate.upgrade(conn, shipped)
        found = occurrences(
            conn,
            "number, severity, value, to_char(onset_at AT TIME ZONE 'UTC', 'DD HH24:MI'),"
            " to_char(returned_at AT TIME ZONE 'UTC', 'DD HH24:MI')",
        )
        assert found == [
            (1, 4, 90.0, "01 00:00", "01 00:02"),
            (2, 3, 60.0, "01 00:04", "01 00:05"),
            (1, 3, 61.0, "02 00:00", None),
        ]
        asked = conn.execute("SELECT asked_at IS NOT NULL, due_at FROM alarm").fetchall()
        assert asked == [(True, None)] * 2
        store.acknowledge(conn, "00000000-0000-0000-0000-000000000002", "li")


@pytest.mark.parametrize("last", [11, 12])
def test_an_upgrade_waits_for_a_worker_at_its_commit(empty_dsn: str, last: int) -> None:
    with (
        psycopg.connect(empty_dsn, autocommit=True) as conn,
        psycopg.connect(empty_dsn) as worker,
        ThreadPoolExecutor(1) as pool,
    ):
        shipped = migrate.migrations()
        migrate.upgrade(conn, shipped[:8])
        conn.execute(OLD)
        migrate.upgrade(conn, shipped[: last - 1])
        ledger.lock(worker)
        worker.execute("UPDATE alarm_event SET note = 'x' WHERE event_id = 1")
        upgrade = pool.submit(migrate.upgrade, conn, shipped[:last])
        waits = "SELECT FROM pg_locks WHERE NOT granted"
        wait_until(lambda: upgrade.done() or worker.execute(waits).fetchone() is not None)
        worker.execute("UPDATE alarm SET severity = 3")
        worker.commit()
        assert len(upgrade.result(timeout=30)) == 1
