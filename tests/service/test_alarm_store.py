from __future__ import annotations

import dataclasses
import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import psycopg
import pytest

from alerts import store
from alerts.rules import RuleInvalid
from core.model import CloseCause, Severity, Transition, TransitionKind
from tests.support.alerting import HIGH, OFFLINE, T0_US, S, transition
from tests.support.small_district import block_code, small_district
from twin.store import load_district

Conn = psycopg.Connection[Any]

RULE_FILE = """
[[rule]]
id = "rule-0"
name = { zh = "名", en = "name" }
advice = { zh = "做", en = "do" }
source = "editable seed"
"""


@pytest.fixture
def rules(tmp_path: Path) -> Path:
    folder = tmp_path / "rules"
    folder.mkdir()
    (folder / "a.toml").write_text(RULE_FILE + HIGH)
    (folder / "b.toml").write_text(RULE_FILE.replace("rule-0", "rule-1") + OFFLINE)
    return folder


@pytest.fixture
def world(conn: Conn, rules: Path) -> Conn:
    store.load_rules(conn, str(rules))
    return conn


def apply(conn: Conn, *transitions: Transition, at_us: int = T0_US + 100 * S) -> list[int]:
    with conn.transaction():
        return store.apply(conn, transitions, at_us)


def said(kind: TransitionKind, at_s: float, **change: Any) -> Transition:
    return transition(kind=kind, at_us=T0_US + round(at_s * S), **change)


RAISED, RETURNED = TransitionKind.RAISED, TransitionKind.RETURNED
ESCALATED, EASED = TransitionKind.ESCALATED, TransitionKind.EASED


def alarms(
    conn: Conn, columns: str = "state, severity, peak_severity, occurrences"
) -> Sequence[Any]:
    return conn.execute(f"SELECT {columns} FROM alarm ORDER BY raised_at, alarm_id").fetchall()


def events(conn: Conn, columns: str = "kind, state, severity, actor") -> Sequence[Any]:
    return conn.execute(f"SELECT {columns} FROM alarm_event ORDER BY event_id").fetchall()


def the_alarm(conn: Conn) -> str:
    row = conn.execute("SELECT alarm_id::text FROM alarm").fetchone()
    assert row is not None
    return str(row[0])


def test_rules_are_versioned_by_their_content(conn: Conn, rules: Path) -> None:
    first = store.load_rules(conn, str(rules))
    assert [(e.rule.id, e.version) for e in first] == [("rule-0", 1), ("rule-1", 1)]
    assert store.load_rules(conn, str(rules)) == first
    (rules / "a.toml").write_text(RULE_FILE + HIGH.replace("57.0", "60.0"))
    (rules / "b.toml").unlink()
    assert [(e.rule.id, e.version) for e in store.load_rules(conn, str(rules))] == [("rule-0", 2)]
    rows = conn.execute(
        "SELECT rule_id, version, active FROM rule WHERE rule_id LIKE 'rule-%' ORDER BY 1, 2"
    ).fetchall()
    assert rows == [("rule-0", 1, False), ("rule-0", 2, True), ("rule-1", 1, False)]
    stored = conn.execute("SELECT body->'levels'->0->>'raise' FROM rule WHERE active").fetchone()
    assert stored == ("60.0",)


def test_a_mistake_in_a_rule_changes_nothing(world: Conn, rules: Path) -> None:
    (rules / "a.toml").write_text(RULE_FILE + HIGH.replace("clear", "claer"))
    with pytest.raises(RuleInvalid):
        store.load_rules(world, str(rules))
    assert world.execute("SELECT count(*) FROM rule WHERE active").fetchone() == (2,)


def test_workers_that_start_at_once_agree_on_the_versions(dsn: str) -> None:
    def start(_: int) -> list[tuple[str, int]]:
        with psycopg.connect(dsn, autocommit=True) as conn:
            return [(entry.rule.id, entry.version) for entry in store.load_rules(conn)]

    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(start, range(8)))
    assert all(versions == found[0] for versions in found)
    assert {version for _, version in found[0]} == {1}


def test_an_alarm_from_its_beginning_to_its_end(world: Conn) -> None:
    apply(world, said(RAISED, 0))
    apply(
        world,
        said(ESCALATED, 1, severity=Severity.RED, value=95.0),
        said(EASED, 2, value=70.0),
    )
    store.acknowledge(world, the_alarm(world), "li", "在路上")
    numbers = apply(world, said(RETURNED, 3, value=20.0))
    assert alarms(world) == [("closed", 3, 4, 1)]
    assert events(world) == [
        ("raised", "unacknowledged", 3, "engine"),
        ("escalated", "unacknowledged", 4, "engine"),
        ("eased", "unacknowledged", 3, "engine"),
        ("acknowledged", "acknowledged", 3, "li"),
        ("returned", "closed", 3, "engine"),
    ]
    assert alarms(world, "close_cause, closed_by, last_event_id") == [
        ("returned", "engine", numbers[-1])
    ]


def test_a_new_onset_after_the_end_is_a_new_alarm(world: Conn) -> None:
    apply(world, said(RAISED, 0))
    store.close(world, the_alarm(world), "li", CloseCause.TEST, "演练")
    apply(world, said(RETURNED, 1))
    apply(world, said(RAISED, 2))
    assert [row[0] for row in alarms(world)] == ["closed", "unacknowledged"]


def test_being_told_twice_changes_nothing(world: Conn) -> None:
    course = [said(RAISED, 0), said(ESCALATED, 1, severity=Severity.RED), said(EASED, 2)]
    assert len(apply(world, *course, *course)) == 3
    assert apply(world, *course) == []
    assert alarms(world) == [("unacknowledged", 3, 4, 1)]
    store.close(world, the_alarm(world), "li", CloseCause.TRUE)
    assert apply(world, said(RAISED, 0)) == []


def test_a_repeat_while_open_counts(world: Conn) -> None:
    apply(world, said(RAISED, 0), said(RETURNED, 1), said(RAISED, 2), said(RETURNED, 3))
    apply(world, said(RAISED, 4))
    assert alarms(world) == [("unacknowledged", 3, 3, 3)]


def test_ends_of_what_is_not_open_are_passed_over(world: Conn) -> None:
    assert apply(world, said(RETURNED, 0), said(EASED, 1)) == []
    assert apply(world) == []
    assert alarms(world) == []


def test_what_gets_worse_after_it_was_closed_is_a_new_alarm(world: Conn) -> None:
    apply(world, said(RAISED, 0))
    store.close(world, the_alarm(world), "li", CloseCause.FALSE)
    apply(world, said(ESCALATED, 5, severity=Severity.RED))
    assert alarms(world) == [("closed", 3, 3, 1), ("unacknowledged", 4, 4, 1)]
    assert events(world, "kind")[-1] == ("raised",)


def test_an_alarm_has_the_place_of_its_device_or_gateway(world: Conn) -> None:
    load_district(world, small_district())
    apply(
        world,
        said(RAISED, 0, subject="device:heat.00001"),
        said(RAISED, 1, rule_id="rule-1", subject="gateway:gw-a", quantity=""),
        said(RAISED, 2, subject=f"space:{block_code(1, 0)}"),
        said(RAISED, 3, subject="device:unknown"),
    )
    found = world.execute(
        "SELECT device_id, gateway_id, code FROM alarm LEFT JOIN space USING (space_id)"
        " ORDER BY raised_at"
    ).fetchall()
    assert found == [
        ("heat.00001", "gw-a", f"{block_code(1, 0)}-1"),
        (None, "gw-a", f"{block_code(0, 0)}-1"),
        (None, None, block_code(1, 0)),
        (None, None, None),
    ]


def test_actions_that_are_not_possible_are_refused(world: Conn) -> None:
    apply(world, said(RAISED, 0))
    alarm = the_alarm(world)
    with pytest.raises(store.InvalidAction, match="returned"):
        store.close(world, alarm, "li", CloseCause.RETURNED)
    store.acknowledge(world, alarm, "li")
    with pytest.raises(store.InvalidAction, match="cannot acknowledge an alarm that is acknow"):
        store.acknowledge(world, alarm, "wang")
    store.close(world, alarm, "li", CloseCause.TRUE)
    with pytest.raises(store.InvalidAction):
        store.close(world, alarm, "li", CloseCause.TRUE)
    store.comment(world, alarm, "wang", "afterwards")
    for name in ("not-an-id", "00000000-0000-0000-0000-000000000000"):
        with pytest.raises(store.AlarmUnknown):
            store.comment(world, name, "li", "x")
    assert events(world, "kind, actor, note")[-1] == ("commented", "wang", "afterwards")


def test_the_event_is_announced_with_its_number(world: Conn, dsn: str) -> None:
    with psycopg.connect(dsn, autocommit=True) as listener:
        listener.execute("LISTEN blocktwin_alarm")
        numbers = apply(world, said(RAISED, 0), said(RETURNED, 1))
        (heard,) = listener.notifies(timeout=5, stop_after=1)
        assert heard.payload == str(numbers[-1])


def test_a_rolled_back_transaction_leaves_nothing(world: Conn) -> None:
    with world.transaction(force_rollback=True):
        assert store.apply(world, [said(RAISED, 0)], T0_US) != []
    assert alarms(world) == []
    assert apply(world, said(RAISED, 0)) != []


def test_many_writers_at_once_make_one_alarm_and_count(world: Conn, dsn: str) -> None:
    writers, each = 8, 12
    start = threading.Barrier(writers)

    def write(number: int) -> list[int]:
        written: list[int] = []
        with psycopg.connect(dsn) as conn:
            start.wait(timeout=30)
            for turn in range(each):
                at_s = 1 + number + writers * turn
                written += store.apply(conn, [said(RAISED, at_s)], T0_US)
                conn.commit()
        return written

    with ThreadPoolExecutor(writers) as pool:
        written = [number for part in pool.map(write, range(writers)) for number in part]
    assert alarms(world) == [("unacknowledged", 3, 3, writers * each)]
    assert len(set(written)) == len(events(world)) == writers * each


def test_event_numbers_are_in_the_order_of_commits(world: Conn, dsn: str) -> None:
    """Readers that poll meanwhile never see a number appear below one they have seen."""
    writers, each = 6, 15
    done = threading.Event()
    gaps: list[tuple[int, int]] = []

    def write(number: int) -> None:
        with psycopg.connect(dsn) as conn:
            for turn in range(each):
                subject = f"device:d-{number}"
                kind = RETURNED if turn % 2 else RAISED
                store.apply(conn, [said(kind, turn, subject=subject)], T0_US)
                conn.execute("SELECT pg_sleep(0.001 * %s)", [number])
                conn.commit()

    def read() -> None:
        seen: set[int] = set()
        with psycopg.connect(dsn, autocommit=True) as conn:
            while not done.is_set():
                numbers = {row[0] for row in conn.execute("SELECT event_id FROM alarm_event")}
                new = numbers - seen
                if seen and new and min(new) < max(seen):
                    gaps.append((min(new), max(seen)))
                seen = numbers

    with ThreadPoolExecutor(writers + 1) as pool:
        reader = pool.submit(read)
        list(pool.map(write, range(writers)))
        done.set()
        reader.result(timeout=30)
    assert gaps == []
    assert len(events(world)) == writers * each


def test_people_and_engine_at_once_leave_a_consistent_history(world: Conn, dsn: str) -> None:
    apply(world, said(RAISED, 0, latch=True))
    alarm = the_alarm(world)

    def engine() -> None:
        with psycopg.connect(dsn) as conn:
            for turn in range(1, 30):
                kind = RETURNED if turn % 2 else RAISED
                store.apply(conn, [said(kind, turn)], T0_US)
                conn.commit()

    def person() -> None:
        with psycopg.connect(dsn, autocommit=True) as conn:
            for _ in range(30):
                try:
                    store.acknowledge(conn, alarm, "li")
                except store.InvalidAction:
                    continue

    with ThreadPoolExecutor(2) as pool:
        for job in [pool.submit(engine), pool.submit(person)]:
            job.result(timeout=60)
    last = events(world, "state, event_id")[-1]
    assert alarms(world, "state, last_event_id") == [tuple(last)]


def test_a_flood_is_written_whole(world: Conn) -> None:
    flood = [said(RAISED, 0, subject=f"device:d-{n}") for n in range(2000)]
    assert len(set(apply(world, *flood))) == 2000
    assert set(alarms(world)) == {("unacknowledged", 3, 3, 1)}
    assert len(apply(world, *(dataclasses.replace(one, kind=RETURNED) for one in flood))) == 2000
    assert {row[0] for row in alarms(world)} == {"returned_unacknowledged"}
