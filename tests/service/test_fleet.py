"""The whole district against a real broker, worker and database, at four times its speed.

The story of a minute passes in fifteen seconds; a gateway dies in it and comes back for the end.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import psycopg
import pytest

from core.model import District
from dev.places import free_port
from dev.servers import PrivateMosquitto
from edge.config import AgentConfig
from edge.spool import Counts, Spool
from simulators.district import demo_district
from tests.support.servers import Program, Runner, settings
from tests.support.waiting import wait_until
from twin.store import load_district

Db = psycopg.Connection[Any]
SPEED = 4.0


@pytest.fixture(scope="module")
def district() -> District:
    return demo_district()


@dataclass
class Ground:
    """Everything that the fleet needs, running."""

    conn: Db
    env: dict[str, str]
    spools: Path
    run: Runner

    def fleet(self, *words: str) -> Program:
        return self.run("sim", "run", "--speed", str(SPEED), *words, env=self.env)

    def tally(self) -> dict[str, int]:
        row = self.conn.execute(
            "SELECT sum(received)::int, sum(stored)::int, sum(rejected)::int, sum(duplicates)::int"
            " FROM tally"
        ).fetchone()
        assert row is not None
        names = ("received", "stored", "rejected", "duplicates")
        return {name: value or 0 for name, value in zip(names, row, strict=True)}

    def rejected(self) -> dict[str, int]:
        rows = self.conn.execute("SELECT reason, sum(readings)::int FROM rejected GROUP BY reason")
        return dict(rows.fetchall())

    def alarms(self) -> list[tuple[str, str, datetime]]:
        rows = self.conn.execute("SELECT field, subject, raised_at FROM alarm ORDER BY raised_at")
        return [(field, subject, raised_at) for field, subject, raised_at in rows.fetchall()]

    def spooled(self) -> Counts:
        found = []
        for number in range(1, 13):
            cfg = AgentConfig(gateway_id=f"gw-{number:02d}", spool_dir=str(self.spools))
            with Spool.open(cfg.spool_path(), cfg.spool_max_messages) as spool:
                found.append(spool.counts)
        return Counts(
            accepted=sum(one.accepted for one in found),
            receipted=sum(one.receipted for one in found),
            dropped=sum(one.dropped for one in found),
            pending=sum(one.pending for one in found),
        )


@pytest.fixture
def ground(
    dsn: str,
    conn: Db,
    broker: PrivateMosquitto,
    district: District,
    run_blocktwin: Runner,
    tmp_path: Path,
) -> Iterator[Ground]:
    load_district(conn, district)
    credentials = tmp_path / "secrets"
    credentials.mkdir()
    for gateway in district.gateways:
        (credentials / gateway.gateway_id).write_text(broker.password(gateway.gateway_id))
    env = settings(
        dsn,
        broker,
        ingest__http_port=free_port(),
        sim__spool_dir=str(tmp_path / "spool"),
        sim__credentials_dir=str(credentials),
    )
    worker = run_blocktwin("ingest", env=env)
    worker.wait_for("reading from the broker")
    yield Ground(conn, env, tmp_path / "spool", run_blocktwin)
    assert worker.running


def test_the_books_balance_through_a_gateways_death(ground: Ground, tmp_path: Path) -> None:
    report_path = tmp_path / "report.json"
    fleet = ground.fleet("--report", str(report_path))
    fleet.wait_for("is dead", 40.0)
    wait_until(
        lambda: {"fire", "water", "slope", "traffic", "system"} <= {f for f, *_ in ground.alarms()},
        40.0,
        what="an alarm in every field, and one for the dead gateway",
    )
    assert fleet.stop(12.0)
    assert fleet.exit_code == 0, fleet.output()
    assert "starts again" in fleet.output()
    report = json.loads(report_path.read_text(encoding="utf-8"))
    tally = ground.tally()
    assert report["pending"] == report["dropped"] == 0
    assert report["published"] == tally["received"] > 1000
    assert tally["received"] == tally["stored"] + tally["rejected"] + tally["duplicates"]
    wrong = report["expected"]
    assert wrong.pop("duplicate") == tally["duplicates"] > 0
    assert wrong == ground.rejected()
    assert {event["kind"] for event in report["truth"]} == {
        "fire",
        "storm",
        "slope",
        "traffic",
        "outage",
    }
    dead = next(event["site"] for event in report["truth"] if event["kind"] == "outage")
    assert f"gateway:{dead}" in {subject for _, subject, _ in ground.alarms()}


def test_alarms_come_from_what_happened_and_not_before_it(ground: Ground, tmp_path: Path) -> None:
    report_path = tmp_path / "report.json"
    fleet = ground.fleet("--seconds", "12", "--report", str(report_path))
    assert fleet.wait(60.0) == 0
    truth = json.loads(report_path.read_text(encoding="utf-8"))["truth"]
    began: dict[tuple[str, str], datetime] = {}
    for event in truth:
        for device in event["devices"]:
            began[event["field"], f"device:{device}"] = datetime.fromisoformat(event["begins_at"])
    raised = [alarm for alarm in ground.alarms() if alarm[0] != "system"]
    assert raised
    for field, subject, raised_at in raised:
        assert (field, subject) in began, "an alarm for nothing"
        assert raised_at >= began[field, subject]


def test_what_a_killed_fleet_left_is_sent_by_the_next(ground: Ground, tmp_path: Path) -> None:
    first = ground.fleet()
    wait_until(lambda: ground.tally()["received"] > 300, 40.0)
    first.kill()
    report_path = tmp_path / "report.json"
    second = ground.fleet("--seconds", "3", "--report", str(report_path))
    assert second.wait(60.0) == 0
    counts, tally = ground.spooled(), ground.tally()
    assert (counts.pending, counts.dropped) == (0, 0)
    assert counts.accepted == counts.receipted == tally["received"]
    assert json.loads(report_path.read_text(encoding="utf-8"))["pending"] == 0


def test_a_second_fleet_on_the_same_spools_is_refused(ground: Ground) -> None:
    first = ground.fleet()
    wait_until(lambda: ground.tally()["received"] > 0, 40.0)
    second = ground.fleet("--seconds", "1")
    assert second.wait(30.0) == 2
    assert "Traceback" not in second.output()
    assert "spool" in second.output()
    assert first.running
