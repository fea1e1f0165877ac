"""Sixty-four writers at once: one open alarm of a rule on a subject, no occurrence lost."""

from __future__ import annotations

import random
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest

from alerts import store, timers
from core.model import CloseCause, Severity, Transition, TransitionKind
from tests.support.alerting import HIGH, T0_US, S, transition

Conn = psycopg.Connection[Any]

WRITERS = 64
RULE_FILE = """
[[rule]]
id = "rule-0"
name = { zh = "名", en = "name" }
advice = { zh = "做", en = "do" }
source = "editable seed"
ack_within_s = 10
re_alarm_s = 60
"""
RAISED, RETURNED = TransitionKind.RAISED, TransitionKind.RETURNED


@pytest.fixture
def world(conn: Conn, tmp_path: Path) -> Conn:
    (tmp_path / "a.toml").write_text(RULE_FILE + HIGH)
    store.load_rules(conn, str(tmp_path))
    return conn


def said(kind: TransitionKind, at_us: int, **change: Any) -> Transition:
    return transition(kind=kind, at_us=T0_US + at_us, **change)


def at_once(dsn: str, work: Any) -> list[Any]:
    """Run ``work(conn, number)`` on 64 connections that begin together."""
    start = threading.Barrier(WRITERS)

    def run(number: int) -> Any:
        with psycopg.connect(dsn, autocommit=True) as conn:
            start.wait(timeout=60)
            return work(conn, number)

    with ThreadPoolExecutor(WRITERS) as pool:
        return list(pool.map(run, range(WRITERS)))


def count(conn: Conn, query: str) -> int:
    row = conn.execute(query).fetchone()
    assert row is not None
    return int(row[0])


def test_the_same_onset_told_by_all_is_one_alarm_and_one_event(world: Conn, dsn: str) -> None:
    onset = [said(RAISED, 0), said(TransitionKind.ESCALATED, S, severity=Severity.RED)]
    written = at_once(dsn, lambda conn, _: store.apply(conn, onset, T0_US))
    assert sorted(len(numbers) for numbers in written) == [0] * (WRITERS - 1) + [2]
    assert count(world, "SELECT count(*) FROM alarm") == 1
    assert count(world, "SELECT count(*) FROM alarm_event") == 2
    assert count(world, "SELECT count(*) FROM alarm_occurrence") == 1


def test_different_onsets_at_once_are_one_alarm_with_all_occurrences(world: Conn, dsn: str) -> None:
    def work(conn: Conn, number: int) -> None:
        for turn in range(2):
            store.apply(conn, [said(RAISED, number + WRITERS * turn)], T0_US)

    at_once(dsn, work)
    row = world.execute("SELECT state, occurrences FROM alarm").fetchall()
    assert row == [("unacknowledged", 2 * WRITERS)]
    told = "SELECT count(DISTINCT onset_at) FROM alarm_occurrence"
    assert count(world, told) == count(world, "SELECT max(number) FROM alarm_occurrence")
    assert count(world, told) == 2 * WRITERS


def test_engines_people_and_time_at_once_leave_what_the_history_says(world: Conn, dsn: str) -> None:
    subjects = [f"device:d-{n}" for n in range(4)]
    far = datetime.now(UTC) + timedelta(hours=1)

    def act(conn: Conn, number: int) -> int:
        dice = random.Random(number)
        begun = 0
        for turn in range(5):
            subject, at_us = dice.choice(subjects), number + WRITERS * turn
            kind, level = dice.choice(list(TransitionKind)), dice.choice(list(Severity))
            what = said(kind, at_us, subject=subject, severity=level)
            numbers = store.apply(conn, [what], T0_US)
            begun += bool(numbers) and kind is RAISED
            person(conn, dice, subject)
            if number % 8 == 0:
                timers.run_due(conn, far + timedelta(minutes=turn))
        return begun

    begun = sum(at_once(dsn, act))
    assert begun > WRITERS
    consistent(world)
    opened = count(world, "SELECT count(*) FROM alarm_event WHERE kind = 'raised'")
    assert opened >= begun, "an escalation may have opened one, too"


def person(conn: Conn, dice: random.Random, subject: str) -> None:
    row = conn.execute(
        "SELECT alarm_id::text FROM alarm WHERE subject = %s ORDER BY raised_at DESC, alarm_id"
        " LIMIT 1",
        [subject],
    ).fetchone()
    if row is None:
        return
    deeds = [
        lambda: store.acknowledge(conn, row[0], "li"),
        lambda: store.shelve(conn, row[0], "li", timedelta(hours=1), "why"),
        lambda: store.unshelve(conn, row[0], "li"),
        lambda: store.suppress(conn, row[0], "gateway:gw-a", "why"),
        lambda: store.unsuppress(conn, row[0]),
        lambda: store.take_out_of_service(conn, row[0], "li", "WO-1", "why"),
        lambda: store.put_in_service(conn, row[0], "li"),
        lambda: store.close(conn, row[0], "li", CloseCause.TRUE),
    ]
    try:
        dice.choice(deeds)()
    except store.InvalidAction:
        return


def consistent(conn: Conn) -> None:
    """Every alarm is as its last event left it, and its occurrences are those that were told."""
    wrong = conn.execute(
        """SELECT a.alarm_id FROM alarm a
             JOIN alarm_event e ON e.event_id = a.last_event_id
            WHERE (a.state, a.severity) IS DISTINCT FROM (e.state, e.severity::smallint)
               OR a.hidden IS DISTINCT FROM e.hidden OR e.alarm_id <> a.alarm_id
               OR a.last_event_id <> (SELECT max(event_id) FROM alarm_event
                                       WHERE alarm_id = a.alarm_id)
               OR a.occurrences <> (SELECT count(*) FROM alarm_event
                                     WHERE alarm_id = a.alarm_id AND kind = 'raised')
               OR a.occurrences <> (SELECT count(*) FROM alarm_occurrence
                                     WHERE alarm_id = a.alarm_id)
               OR a.peak_severity <> (SELECT max(severity) FROM alarm_occurrence
                                       WHERE alarm_id = a.alarm_id)"""
    ).fetchall()
    assert wrong == []
    most = conn.execute(
        "SELECT count(*) FROM alarm WHERE closed_at IS NULL GROUP BY rule_id, subject"
    ).fetchall()
    assert most
    assert {row[0] for row in most} == {1}


def test_even_who_passes_the_lock_by_cannot_open_a_second_one(world: Conn) -> None:
    store.apply(world, [said(RAISED, 0)], T0_US)
    with pytest.raises(psycopg.errors.UniqueViolation):
        world.execute(
            """INSERT INTO alarm (alarm_id, rule_id, rule_version, subject, field, quantity,
                      severity, peak_severity, state, latch, value, threshold, raised_at,
                      detected_at, asked_at, last_event_id)
               SELECT gen_random_uuid(), rule_id, rule_version, subject, field, quantity, severity,
                      peak_severity, state, latch, value, threshold, raised_at, detected_at,
                      asked_at, last_event_id
                 FROM alarm"""
        )
