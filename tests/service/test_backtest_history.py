from __future__ import annotations

import json
import math
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest

import blocktwin
from alerts import overrides, rulestore
from alerts.backtest import plan as plans
from alerts.backtest import readings as readings_of
from alerts.backtest.run import Request, backtest
from alerts.engine import Engine
from alerts.rules import LoadedRule, Override
from core import batch as batches
from core.db import registry
from core.errors import DatabaseAway, UsageError
from core.model import TransitionKind
from tests.support.alerting import HIGH, MISSING, RISE, loaded
from tests.support.servers import settings
from tests.support.small_district import small_district
from tests.support.twin_api import running_api
from twin.api.words_rules import (
    BacktestAnswer,
    OverrideList,
    OverrideWord,
    RuleList,
    VersionList,
)
from twin.store import load_district

Conn = psycopg.Connection[Any]
Printed = pytest.CaptureFixture[str]

BEGIN = datetime(2026, 7, 1, tzinfo=UTC)
END = BEGIN + timedelta(days=2)
STEP_S = 120
HEAD = """
[[rule]]
id = "rule-0"
name = { zh = "名", en = "name" }
advice = { zh = "做", en = "do" }
source = "editable seed"
"""
LOWER = HEAD + HIGH.replace("57.0", "54.0")

Readings = list[tuple[int, datetime, float, int]]


def temperature(series: int, number: int) -> float:
    """Return a day's wave that passes 57 in the afternoon of some devices."""
    return 40 + (12 + series % 7 * 2) * math.sin(number * STEP_S / 86_400 * math.tau)


@pytest.fixture
def readings(conn: Conn) -> Readings:
    load_district(conn, small_district(devices=60))
    found = [
        row[0]
        for row in conn.execute(
            "SELECT series_id FROM series WHERE quantity = 'temperature' ORDER BY series_id"
        )
    ]
    steps = round((END - BEGIN).total_seconds() / STEP_S)
    rows = [
        (series, BEGIN + timedelta(seconds=n * STEP_S), temperature(series, n), 16 * (n % 10 == 0))
        for series in found
        for n in range(steps)
    ]
    with (
        conn.cursor() as cursor,
        cursor.copy(
            "COPY reading (series_id, observed_at, received_at, value, quality) FROM STDIN"
        ) as copy,
    ):
        for series, at, value, quality in rows:
            copy.write_row((series, at, at, value, quality))
    rulestore.put(conn, [loaded(HIGH)[0].rule], author="li", note="first")
    return rows


@pytest.fixture
def world(conn: Conn, dsn: str, readings: Readings, monkeypatch: pytest.MonkeyPatch) -> Conn:
    del readings
    for name, value in settings(dsn).items():
        monkeypatch.setenv(name, value)
    return conn


def onsets(conn: Conn, rows: Readings, text: str, *, bits: int = -1) -> list[tuple[str, datetime]]:
    """What the engine says of the readings one by one, as they would have come."""
    engine = Engine(
        [LoadedRule(rule=loaded(text)[0].rule, version=1)],
        registry.load(conn),
        now_us=round(BEGIN.timestamp() * 1e6),
    )
    found = []
    for series, at, value, quality in sorted(rows, key=lambda row: row[1]):
        at_us = round(at.timestamp() * 1e6)
        batch = batches.of([series], [at_us], [at_us], [value], [quality & bits])
        found += [
            (one.subject.partition(":")[2], at)
            for one in engine.process(batch)
            if one.kind is TransitionKind.RAISED
        ]
    return sorted(found)


def test_a_back_test_says_what_the_engine_would_have_said(world: Conn, readings: Readings) -> None:
    answer = backtest(world, Request(since=BEGIN, until=END, toml=LOWER))
    assert answer.in_force is not None
    tried = sorted((one.device_id, one.raised_at) for one in answer.candidate.list)
    assert tried == onsets(world, readings, LOWER.removeprefix(HEAD))
    now = sorted((one.device_id, one.raised_at) for one in answer.in_force.list)
    assert now == onsets(world, readings, HIGH)
    assert len(tried) > len(now) > 0
    assert (answer.same, answer.readings) == (False, len(readings))
    assert answer.candidate.woken == len(tried)
    device = answer.candidate.devices[0]
    assert device.lon is not None
    assert device.space.endswith("-1") or "-b" in device.space


def test_backfilled_readings_speak_only_when_asked_to(world: Conn, readings: Readings) -> None:
    only = "UPDATE reading SET quality = 16"
    world.execute(only)
    quiet = backtest(world, Request(since=BEGIN, until=END, rule_id="rule-0"))
    assert quiet.candidate.alarms == 0
    heard = backtest(world, Request(since=BEGIN, until=END, rule_id="rule-0", backfilled=True))
    said = sorted((one.device_id, one.raised_at) for one in heard.candidate.list)
    assert said == onsets(world, readings, HIGH, bits=0)
    assert heard.same
    assert heard.in_force == heard.candidate


def test_rules_that_look_at_more_than_the_value_are_played_whole(
    world: Conn, readings: Readings
) -> None:
    rise = RISE.replace("8.3", "0.05").replace("4.0", "0.0").replace("30", "1200")
    answer = backtest(world, Request(since=BEGIN, until=END, toml=HEAD + rise))
    said = sorted((one.device_id, one.raised_at) for one in answer.candidate.list)
    assert said == onsets(world, readings, rise)
    assert said


def test_slices_over_two_connections_say_the_same(
    world: Conn, dsn: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = Request(since=BEGIN, until=END, toml=LOWER)
    once = backtest(world, asked)
    monkeypatch.setattr(plans, "SLICE_READINGS", 2000)
    shares: list[float] = []
    with psycopg.connect(dsn, autocommit=True) as beside:
        cut = backtest(world, asked, lambda share, _: shares.append(share), beside=beside)
    assert len(shares) > 4
    assert shares == sorted(shares)
    assert (cut.candidate, cut.in_force, cut.readings) == (
        once.candidate, once.in_force, once.readings,
    )  # fmt: skip


def test_what_goes_wrong_while_reading_is_told_and_nothing_waits_for_it(
    world: Conn, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(content: bytes, element: str) -> None:
        raise ValueError("no plain array of this type")

    monkeypatch.setattr(readings_of, "decode", broken)
    with pytest.raises(ValueError, match="no plain array"):
        backtest(world, Request(since=BEGIN, until=END, toml=LOWER))
    monkeypatch.undo()
    world.execute("ALTER TABLE reading RENAME TO elsewhere")
    with pytest.raises(DatabaseAway):
        backtest(world, Request(since=BEGIN, until=END, rule_id="rule-0"))


def test_silence_is_found_in_history(world: Conn) -> None:
    row = world.execute(
        "SELECT series_id, device_id FROM series WHERE quantity = 'temperature' LIMIT 1"
    ).fetchone()
    assert row is not None
    gap = BEGIN + timedelta(hours=5)
    world.execute("UPDATE device SET interval_s = 120")
    world.execute(
        "DELETE FROM reading WHERE series_id = %s AND observed_at BETWEEN %s AND %s",
        (row[0], gap, gap + timedelta(hours=1)),
    )
    text = HEAD + MISSING.replace("system", "fire")
    text += 'select = { kind = ["heat"], quantity = "temperature" }'
    answer = backtest(world, Request(since=BEGIN, until=BEGIN + timedelta(hours=8), toml=text))
    (one,) = answer.candidate.list
    assert one.device_id == row[1]
    late = one.raised_at - gap
    assert timedelta(seconds=240) <= late <= timedelta(seconds=380)
    assert one.returned_at is not None
    assert one.returned_at - one.raised_at >= timedelta(minutes=50)


def test_overrides_and_the_space_count(world: Conn) -> None:
    whole = backtest(world, Request(since=BEGIN, until=END, rule_id="rule-0"))
    loudest = whole.candidate.devices[0]
    off = Override(rule_id="rule-0", device_id=loudest.device_id, enabled=False)
    overrides.put(world, off, author="li", reason="sun on it")
    without = backtest(world, Request(since=BEGIN, until=END, rule_id="rule-0"))
    assert without.candidate.alarms == whole.candidate.alarms - loudest.alarms
    space = whole.candidate.devices[-1].space
    here = backtest(world, Request(since=BEGIN, until=END, rule_id="rule-0", space=space))
    assert 0 < here.series < whole.series
    assert 0 < here.candidate.alarms < whole.candidate.alarms


def test_what_cannot_be_played_is_refused(world: Conn) -> None:
    two = LOWER + LOWER.replace("rule-0", "rule-1")
    refused = [
        (Request(since=BEGIN, until=END, rule_id="none"), "no rule 'none' in force"),
        (Request(since=END, until=BEGIN, rule_id="rule-0"), "from must be before to"),
        (Request(since=BEGIN, until=END, rule_id="rule-0", space="nowhere"), "judges no series"),
        (Request(since=BEGIN, until=END, toml="[[rule"), "no valid TOML"),
        (Request(since=BEGIN, until=END, toml=two), "the text holds 2 rules"),
    ]
    for request, says in refused:
        with pytest.raises(UsageError) as caught:
            backtest(world, request)
        assert says in str(caught.value)


def run(*words: str) -> int:
    with pytest.raises(SystemExit) as end:
        blocktwin.main(["rule", "backtest", *words])
    return int(str(end.value.code or 0))


def test_the_command_shows_the_tried_rule_beside_the_one_in_force(
    world: Conn, tmp_path: Path, capsys: Printed
) -> None:
    path = tmp_path / "lower.toml"
    path.write_text(LOWER)
    window = ("--from", BEGIN.isoformat(), "--to", END.isoformat())
    assert run(str(path), *window) == 0
    said = capsys.readouterr().out
    assert "times somebody is woken" in said
    assert "most in: " in said
    assert run("rule-0", *window, "--json") == 0
    plain = json.loads(capsys.readouterr().out)
    assert plain["same"] is True
    assert plain["from"] == "2026-07-01T00:00:00Z"
    assert plain["candidate"]["alarms"] == len(plain["candidate"]["list"])
    assert run("rule-9", *window) == 2
    assert run("rule-0", "--from", "yesterday") == 2


@pytest.fixture
def body() -> dict[str, Any]:
    return {"from": BEGIN.isoformat(), "to": END.isoformat()}


async def test_the_api_tries_a_rule_and_says_who_may(
    world: Conn, dsn: str, tmp_path: Path, body: dict[str, Any]
) -> None:
    async with running_api(dsn, tmp_path) as api:
        refused = await api.viewer.post("/api/v1/rules/backtest", json=body | {"toml": LOWER})
        assert refused.status_code == 403
        said = await api.operator.post("/api/v1/rules/backtest", json=body | {"toml": LOWER})
        assert said.status_code == 200, said.text
        answer = said.json()
        BacktestAnswer.model_validate(answer)
        assert answer["candidate"]["alarms"] > answer["in_force"]["alarms"] > 0
        first = answer["candidate"]["devices"][0]
        assert {"device_id", "name", "lon", "lat", "space", "alarms", "worst"} == set(first)
        wrong = await api.operator.post("/api/v1/rules/backtest", json=body | {"rule_id": "none"})
        assert wrong.status_code == 422
        assert "no rule 'none' in force" in wrong.json()["detail"]
        none = await api.operator.post("/api/v1/rules/backtest", json=body)
        assert none.status_code == 422


async def test_the_api_lists_rules_and_overrides_them(
    world: Conn, dsn: str, tmp_path: Path
) -> None:
    row = world.execute("SELECT device_id FROM device WHERE kind = 'heat' LIMIT 1").fetchone()
    assert row is not None
    path = f"/api/v1/rules/rule-0/overrides/{row[0]}"
    levels = [{"severity": "orange", "raise": 70, "clear": 60}]
    async with running_api(dsn, tmp_path) as api:
        (rule,) = (await api.get("/api/v1/rules"))["rules"]
        assert (rule["rule_id"], rule["version"], rule["loaded_by"], rule["overrides"]) == (
            "rule-0", 1, "li", 0,
        )  # fmt: skip
        put = await api.operator.put(path, json={"levels": levels, "reason": "boiler"})
        assert put.status_code == 200, put.text
        assert (put.json()["author"], put.json()["levels"][0]["raise"]) == ("operator", 70.0)
        OverrideWord.model_validate(put.json())
        now = await api.get("/api/v1/rules")
        RuleList.model_validate(now)
        assert now["rules"][0]["overrides"] == 1
        bad = await api.operator.put(path, json={"levels": levels, "enabled": False, "reason": "x"})
        assert bad.status_code == 422
        assert (await api.viewer.delete(path)).status_code == 403
        assert (await api.operator.delete(path)).json()["ended_by"] == "operator"
        assert (await api.operator.delete(path)).status_code == 404
        assert (await api.get("/api/v1/overrides"))["overrides"] == []
        page = await api.get("/api/v1/overrides", ever="true", limit=1, rule="rule-0")
        assert len(page["overrides"]) == 1
        assert page["next"] is None
        OverrideList.model_validate(page)
        found = await api.get("/api/v1/rules/rule-0/versions")
        VersionList.model_validate(found)
        (version,) = found["versions"]
        assert version["body"]["levels"][0]["raise"] == 57.0
        assert (await api.viewer.get("/api/v1/rules/none/versions")).status_code == 404
