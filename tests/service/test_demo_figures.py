"""The figures of a run are those of this run, in a database that holds earlier ones."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import psycopg
import pytest

from core.errors import DatabaseAway
from dev import figures
from dev.figures import Conn, Tally

RULE = "INSERT INTO rule (rule_id, version, body, sha256) VALUES ('r', 1, '{}', '')"
ALARM = """
INSERT INTO alarm (alarm_id, rule_id, rule_version, subject, field, quantity, severity,
                   peak_severity, state, latch, value, threshold, raised_at, detected_at, asked_at,
                   last_event_id, closed_at, close_cause)
VALUES (gen_random_uuid(), 'r', 1, %(subject)s, %(field)s, 'depth', 1, %(peak)s, %(state)s, false,
        1, 1, now(), %(at)s, %(at)s, 1, CASE WHEN %(state)s = 'closed' THEN now() END,
        CASE WHEN %(state)s = 'closed' THEN 'true' END)
"""
REJECT = """
INSERT INTO rejected (received_at, topic, reason, detail, payload, readings)
VALUES (now(), 't', %s, '', '', %s)
"""


@pytest.fixture
def run(dsn: str) -> Iterator[Conn]:
    with closing(figures.connect(dsn)) as conn:
        yield conn


def tally(conn: psycopg.Connection, worker: str, stored: int, rejected: int, doubles: int) -> None:
    conn.execute(
        "INSERT INTO tally VALUES (%(w)s, %(s)s + %(r)s + %(d)s, %(s)s, %(r)s, %(d)s) "
        "ON CONFLICT (worker_id) DO UPDATE SET received = tally.received + excluded.received, "
        "stored = tally.stored + excluded.stored, rejected = tally.rejected + excluded.rejected, "
        "duplicates = tally.duplicates + excluded.duplicates",
        {"w": worker, "s": stored, "r": rejected, "d": doubles},
    )


def test_an_empty_database_has_zero_of_everything(run: Conn) -> None:
    marks = figures.begin(run)
    assert marks.tally == Tally(received=0, stored=0, rejected=0, duplicates=0)
    assert figures.rejected(run, marks) == {}
    assert figures.alarms(run, marks) == {}
    assert figures.open_alarms(run) == 0


def test_readings_of_earlier_runs_and_all_workers(run: Conn, conn: psycopg.Connection) -> None:
    tally(conn, "a", 100, 5, 5)
    marks = figures.begin(run)
    tally(conn, "a", 10, 2, 0)
    tally(conn, "b", 1, 0, 3)
    now = figures.tally(run).since(marks.tally)
    assert now == Tally(received=16, stored=11, rejected=2, duplicates=3)


def test_rejected_readings_are_added_up_by_reason(run: Conn, conn: psycopg.Connection) -> None:
    conn.execute(REJECT, ("bad_unit", 9))
    marks = figures.begin(run)
    for reason, readings in (("bad_unit", 2), ("bad_unit", 3), ("unparsable", 1)):
        conn.execute(REJECT, (reason, readings))
    assert figures.rejected(run, marks) == {"bad_unit": 5, "unparsable": 1}


def test_alarms_are_counted_by_field_and_worst_colour(run: Conn, conn: psycopg.Connection) -> None:
    conn.execute(RULE)
    earlier = {"subject": "x", "field": "fire", "peak": 4, "state": "acknowledged"}
    conn.execute(ALARM, {**earlier, "at": figures.begin(run).at})
    marks = figures.begin(run)
    later = figures.begin(run).at
    for subject, field, peak, state in (
        ("a", "water", 2, "unacknowledged"),
        ("b", "water", 2, "closed"),
        ("c", "water", 3, "unacknowledged"),
        ("d", "slope", 1, "closed"),
    ):
        values = {"subject": subject, "field": field, "peak": peak, "state": state}
        conn.execute(ALARM, {**values, "at": later})
    counted = figures.alarms(run, marks)
    assert counted == {"water": {"yellow": 2, "orange": 1}, "slope": {"blue": 1}}
    assert figures.open_alarms(run) == 3


def test_the_edition_of_timescaledb_is_what_the_upgrade_found(run: Conn) -> None:
    found = figures.timescaledb(run)
    assert found["version"].startswith("2.")
    assert found["edition"] in {"apache", "community"}


def test_quantiles_are_milliseconds_and_absent_without_measurements() -> None:
    text = 'x_bucket{le="0.1"} 98\nx_bucket{le="0.2"} 100\nx_bucket{le="+Inf"} 100\n'
    found = figures.quantiles(text, "x")
    assert found.p50 == pytest.approx(51.0, abs=0.1)
    assert found.p99 == pytest.approx(150.0)
    assert figures.quantiles("", "x").p99 is None


def test_what_was_published_stands_in_the_report(tmp_path: Path) -> None:
    report = tmp_path / "report.json"
    assert figures.published(report) is None
    report.write_text("{", encoding="utf-8")
    assert figures.published(report) is None
    report.write_text(json.dumps({"published": 7, "pending": 0}), encoding="utf-8")
    assert figures.published(report) == 7


def test_no_database_is_said_plainly(free_port: int) -> None:
    with pytest.raises(DatabaseAway, match="cannot be reached"):
        figures.connect(f"host=127.0.0.1 port={free_port} user=x dbname=x")
