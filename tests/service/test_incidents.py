"""Incidents and the alarm report as people ask for them: over HTTP and on the command line."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest

import blocktwin
from alerts import store
from core.model import CloseCause, Severity
from tests.support.desk import (
    CHARGER,
    DAWN,
    FAR_PUDDLE,
    PUDDLES,
    RULES,
    SMOKE,
    SUPPLY,
    Story,
    desk_district,
)
from tests.support.servers import settings
from tests.support.small_district import block_code
from tests.support.twin_api import Api, running_api
from twin.api.words_incidents import AlarmReport, IncidentDetail, IncidentList
from twin.store import load_district

Conn = psycopg.Connection[Any]

PUDDLE, SECOND = PUDDLES
NOBODY = "00000000-0000-0000-0000-000000000000"


@pytest.fixture
def story(conn: Conn, tmp_path: Path) -> Story:
    """A wet morning: one block with three alarms, one far away, one sensor that chatters."""
    folder = tmp_path / "rules"
    folder.mkdir()
    (folder / "all.toml").write_text(RULES)
    store.load_rules(conn, str(folder))
    load_district(conn, desk_district())
    story = Story(conn)
    story.says("raised", 0, "water-level", PUDDLE)
    story.look(1)
    story.says("raised", 30, "voltage-low", CHARGER)
    story.says("raised", 60, "smoke", SMOKE)
    story.says("raised", 4000, "water-level", FAR_PUDDLE, severity=Severity.RED)
    story.look(4006)
    for second in range(5000, 5060, 10):
        story.says("raised", second, "water-level", SECOND)
        story.says("returned", second + 5, "water-level", SECOND)
        story.look(second + 6)
    return story


@pytest.fixture
async def api(story: Story, dsn: str, tmp_path: Path) -> AsyncIterator[Api]:
    async with running_api(dsn, tmp_path) as running:
        yield running


def run(monkeypatch: pytest.MonkeyPatch, dsn: str, *words: str) -> object:
    """Return the exit code of a command."""
    for key, value in settings(dsn).items():
        monkeypatch.setenv(key, value)
    with pytest.raises(SystemExit) as ended:
        blocktwin.main(list(words))
    return ended.value.code


async def test_incidents_are_listed_by_page_state_field_and_space(api: Api) -> None:
    body = await api.get("/api/v1/incidents")
    IncidentList.model_validate(body)
    assert [one["alarms"] for one in body["incidents"]] == [1, 1, 3]
    newest, far, oldest = body["incidents"]
    assert oldest["fields"] == ["fire", "water", "traffic"]
    assert oldest["path"][-1]["code"] == f"{block_code(0, 0)}-1"
    assert (far["severity"], far["unacknowledged"]) == (4, 1)
    first = await api.get("/api/v1/incidents", limit=2)
    assert first["incidents"] == [newest, far]
    rest = await api.get("/api/v1/incidents", limit=2, after=first["next"])
    assert (rest["incidents"], rest["next"]) == ([oldest], None)
    for query, expected in (
        ({"field": "traffic"}, [oldest]),
        ({"space": "street-b"}, [far]),
        ({"least": 2}, [oldest]),
        ({"state": "closed"}, []),
    ):
        assert (await api.get("/api/v1/incidents", **query))["incidents"] == expected, query


async def test_an_incident_of_two_streets_is_found_in_each(api: Api, story: Story) -> None:
    story.conn.execute("UPDATE incident SET space = '440303' WHERE alarms = 3")
    found = (await api.get("/api/v1/incidents", space=block_code(0, 0)))["incidents"]
    assert 3 in {one["alarms"] for one in found}
    found = (await api.get("/api/v1/incidents", space="street-b"))["incidents"]
    assert 3 not in {one["alarms"] for one in found}


async def test_an_incident_shows_its_alarms_and_is_taken_up_as_a_whole(api: Api) -> None:
    (listed,) = (await api.get("/api/v1/incidents", least=2))["incidents"]
    path = f"/api/v1/incidents/{listed['incident_id']}"
    body = await api.get(path)
    IncidentDetail.model_validate(body)
    assert [one["rule_id"] for one in body["alarm_list"]] == ["smoke", "water-level", "voltage-low"]
    assert {one["incident_id"] for one in body["alarm_list"]} == {listed["incident_id"]}
    refused = await api.viewer.post(f"{path}/acknowledge")
    assert refused.status_code == 403
    done = await api.operator.post(f"{path}/acknowledge", json={"note": "在路上"})
    assert done.status_code == 200, done.text
    IncidentDetail.model_validate(done.json())
    assert {one["state"] for one in done.json()["alarm_list"]} == {"acknowledged"}
    assert done.json()["unacknowledged"] == 0
    again = await api.operator.post(f"{path}/acknowledge")
    assert again.status_code == 200


async def test_what_there_is_not_is_refused_in_words(api: Api) -> None:
    for path, status in (
        (f"/api/v1/incidents/{NOBODY}", 404),
        ("/api/v1/incidents/x", 422),
        ("/api/v1/incidents?after=x", 422),
        ("/api/v1/incidents?limit=0", 422),
        ("/api/v1/reports/alarms?from=2026-07-02T00:00:00Z&to=2026-07-01T00:00:00Z", 422),
        ("/api/v1/reports/alarms?from=2020-07-02T00:00:00Z&to=2026-07-01T00:00:00Z", 422),
        ("/api/v1/reports/alarms?operators=0", 422),
        ("/api/v1/reports/alarms?from=2999-01-01T00:00:00Z&to=2999-01-02T00:00:00Z", 422),
    ):
        assert (await api.viewer.get(path)).status_code == status, path
    assert (await api.operator.post(f"/api/v1/incidents/{NOBODY}/acknowledge")).status_code == 404


async def test_the_report_counts_what_people_were_told(api: Api, story: Story) -> None:
    row = story.conn.execute(
        "SELECT alarm_id::text FROM alarm WHERE subject = %s", (FAR_PUDDLE,)
    ).fetchone()
    assert row is not None
    store.close(story.conn, row[0], "li", CloseCause.TRUE)
    stretch = {"from": DAWN.isoformat(), "to": (DAWN + timedelta(hours=13)).isoformat()}
    body = await api.get("/api/v1/reports/alarms", operators=2, **stretch)
    AlarmReport.model_validate(body)
    # Told: two puddles, a charger, a smoke detector, and the chattering puddle once of six times.
    assert (body["alarms"], body["held"]) == (5, 5)
    # What lies in the future is no quiet time: from dawn to now are 72 slots and a bit.
    assert datetime.fromisoformat(body["to"]) < DAWN + timedelta(hours=12, minutes=10)
    assert body["per_operator_10min"] == {"avg": round(5 / 73 / 2, 3), "max": 1.5, "operators": 2}
    assert body["chattering"] == [{"rule_id": "water-level", "subject": SECOND, "times": 6}]
    assert body["top"][0] == {
        "rule_id": "water-level", "subject": SECOND, "count": 6, "share": 0.6,
    }  # fmt: skip
    assert body["priorities"] == {"blue": 0, "yellow": 3, "orange": 1, "red": 1}
    assert body["confirmed"]["true"] == 1
    assert body["confirmed"]["share_true"] == 1.0
    assert body["targets"]["chattering"] == {"value": 1, "limit": 0, "ok": False}
    assert body["stale"] == 0


async def test_what_the_runtime_tests_itself_with_is_no_alarm_of_the_report(
    api: Api, story: Story
) -> None:
    before = await api.get("/api/v1/reports/alarms", to=DAWN.isoformat())
    assert before["alarms"] == 0
    for second in range(-3000, -2000, 300):
        story.says("raised", second, "voltage-low", SUPPLY, quantity="canary")
        story.says("returned", second + 5, "voltage-low", SUPPLY)
    row = story.conn.execute("SELECT alarm_id::text FROM alarm WHERE quantity = 'canary'")
    (name,) = row.fetchone() or ("",)
    store.close(story.conn, name, "li", CloseCause.TRUE)
    after = await api.get("/api/v1/reports/alarms", to=DAWN.isoformat())
    assert {**after, "from": before["from"]} == before
    assert (await api.get("/api/v1/reports/alarms"))["confirmed"]["true"] == 0


async def test_what_is_open_for_a_day_is_stale_and_what_is_hidden_is_not(
    api: Api, story: Story
) -> None:
    tomorrow = (DAWN + timedelta(hours=40)).isoformat()
    assert (await api.get("/api/v1/reports/alarms", to=tomorrow))["stale"] == 0
    story.conn.execute("UPDATE alarm SET detected_at = detected_at - interval '1 day'")
    assert (await api.get("/api/v1/reports/alarms"))["stale"] == 5
    row = story.conn.execute(
        "SELECT alarm_id::text FROM alarm WHERE subject = %s", (CHARGER,)
    ).fetchone()
    assert row is not None
    store.suppress(story.conn, row[0], "gateway:gw-a", "x")
    assert (await api.get("/api/v1/reports/alarms", to=tomorrow))["stale"] == 4


def test_the_command_lists_shows_takes_up_and_reports(
    story: Story, dsn: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(monkeypatch, dsn, "incident", "list", "--least", "2", "--json") == 0
    (row,) = json.loads(capsys.readouterr().out)
    assert run(monkeypatch, dsn, "incident", "list") == 0
    assert row["incident_id"] in capsys.readouterr().out
    words = ("incident", "ack", row["incident_id"], "--as", "li", "--note", "在路上")
    assert run(monkeypatch, dsn, *words) == 0
    assert "acknowledged 3 alarms" in capsys.readouterr().out
    assert run(monkeypatch, dsn, "incident", "show", row["incident_id"]) == 0
    assert "等 3 个告警" in capsys.readouterr().out
    assert run(monkeypatch, dsn, "incident", "report") == 0
    text = capsys.readouterr().out
    assert "chattering (three within a minute):" in text
    assert "█" in text
    assert "MISSED  chattering sources: 1 (at most 0)" in text
    assert run(monkeypatch, dsn, "incident", "report", "--json") == 0
    assert json.loads(capsys.readouterr().out)["alarms"] == 5
    assert run(monkeypatch, dsn, "incident", "show", NOBODY) == 1
    assert run(monkeypatch, dsn, "incident", "report", "--from", "yesterday") == 2
    assert "2026-07-01T08:00:00+08:00" in capsys.readouterr().err
