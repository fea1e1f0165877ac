from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
import pytest

import blocktwin
from alerts import overrides, rulestore
from alerts.overrides import OverrideInvalid, OverrideUnknown
from alerts.rules import Level, Override
from tests.support.alerting import HIGH, LADDER, OFFLINE, loaded
from tests.support.servers import settings
from tests.support.small_district import small_district
from twin.store import load_district

Conn = psycopg.Connection[Any]
Printed = pytest.CaptureFixture[str]

LATER = datetime.now(UTC) + timedelta(days=2)


@pytest.fixture
def world(conn: Conn, dsn: str, monkeypatch: pytest.MonkeyPatch) -> Conn:
    for name, value in settings(dsn).items():
        monkeypatch.setenv(name, value)
    load_district(conn, small_district(devices=30))
    named = "UPDATE device SET name = 'hot' WHERE device_id = %s"
    conn.execute(named, (device(conn, "heat"),))
    rules = [entry.rule for entry in loaded(HIGH, LADDER, OFFLINE, HIGH + "life_safety = true")]
    rulestore.put(conn, rules, author="li", note="first")
    return conn


def device(conn: Conn, kind: str) -> str:
    row = conn.execute(
        "SELECT device_id FROM device WHERE kind = %s ORDER BY device_id LIMIT 1", (kind,)
    ).fetchone()
    assert row is not None
    return str(row[0])


def orange(raise_at: float, clear_at: float) -> tuple[Level, ...]:
    return (Level(severity="orange", raise_at=raise_at, clear_at=clear_at),)


def test_an_override_holds_is_changed_and_ends_and_none_is_forgotten(world: Conn) -> None:
    heat = device(world, "heat")
    what = Override(rule_id="rule-0", device_id=heat, levels=orange(70, 60))
    overrides.put(world, what, author="li", reason="boiler room")
    assert overrides.load(world) == (what,)
    more = Override(rule_id="rule-0", device_id=heat, levels=orange(75, 60))
    overrides.put(world, more, author="wang", reason="hotter boiler")
    assert overrides.load(world) == (more,)
    overrides.end(world, "rule-0", heat, by="li")
    assert overrides.load(world) == ()
    assert overrides.listed(world) == []
    kept = overrides.listed(world, device_id=heat, ever=True)
    assert [(row["author"], row["reason"], row["ended_by"]) for row in kept] == [
        ("wang", "hotter boiler", "li"), ("li", "boiler room", "wang"),
    ]  # fmt: skip
    with pytest.raises(OverrideUnknown):
        overrides.end(world, "rule-0", heat, by="li")


@pytest.mark.parametrize(
    "changed",
    [HIGH.replace('"high"', '"low"').replace("50.0", "60.0"), HIGH.replace("orange", "red")],
)
def test_an_override_that_no_longer_fits_its_rule_holds_no_longer(
    world: Conn, changed: str, caplog: pytest.LogCaptureFixture
) -> None:
    heat = device(world, "heat")
    own = Override(rule_id="rule-0", device_id=heat, levels=orange(70, 60))
    off = Override(rule_id="rule-3", device_id=heat, enabled=False)
    overrides.put(world, own, author="li", reason="boiler room")
    overrides.put(world, off, author="li", reason="being moved", until=LATER)
    rulestore.put(world, [loaded(changed)[0].rule], author="li", note="other way")
    assert overrides.load(world) == (off,)
    assert f"override of rule rule-0 for {heat} holds no longer" in caplog.text
    rulestore.put(world, [loaded(HIGH)[0].rule], author="li", note="and back")
    assert overrides.load(world) == (own, off)


def test_one_whose_time_is_up_holds_no_longer_and_workers_are_told(world: Conn, dsn: str) -> None:
    heat = device(world, "heat")
    off = Override(rule_id="rule-0", device_id=heat, enabled=False)
    overrides.put(world, off, author="li", reason="work", until=LATER)
    assert overrides.load(world) == (off,)
    assert overrides.end_due(world, datetime.now(UTC)) == 0
    with psycopg.connect(dsn, autocommit=True) as listener:
        listener.execute(f"LISTEN {rulestore.CHANNEL}")
        assert overrides.end_due(world, LATER) == 1
        assert [n.payload for n in listener.notifies(timeout=5, stop_after=1)] == ["overrides"]
    assert overrides.listed(world, ever=True)[0]["ended_by"] == "until"


REFUSED: list[tuple[str, str, dict[str, Any], str]] = [
    ("rule-9", "heat", {"enabled": False}, "there is no rule 'rule-9' in force"),
    ("rule-0", "", {"enabled": False}, "there is no device"),
    ("rule-0", "smoke", {"enabled": False}, "does not judge device"),
    ("rule-0", "heat", {}, "say levels, or that the rule is off"),
    ("rule-0", "heat", {"levels": orange(50, 60)}, "clear: must be at or below raise"),
    ("rule-1", "waterlogging", {"levels": (Level(severity="red"),)}, "raise and clear are req"),
    ("rule-0", "heat", {"levels": orange(5, 4), "enabled": False}, "off for the device has n"),
    (
        "rule-0",
        "heat",
        {"levels": (Level(severity="red", raise_at=9.0, clear_at=8.0),)},
        "the rule has no level 'red'",
    ),
    ("rule-3", "heat", {"enabled": False}, "saves lives; it may be off for a device for 7 da"),
]


def test_an_override_that_would_do_nothing_or_harm_is_refused(world: Conn) -> None:
    for rule, kind, what, says in REFUSED:
        name = device(world, kind) if kind else "nowhere"
        with pytest.raises(OverrideInvalid) as caught:
            overrides.put(
                world, Override(rule_id=rule, device_id=name, **what), author="li", reason="why"
            )
        assert says in str(caught.value)
    assert overrides.load(world) == ()


def test_a_rule_that_saves_lives_may_be_off_for_some_days(world: Conn) -> None:
    off = Override(rule_id="rule-3", device_id=device(world, "heat"), enabled=False)
    overrides.put(world, off, author="li", reason="welding", until=LATER)
    assert overrides.load(world) == (off,)
    with pytest.raises(OverrideInvalid, match="reason"):
        overrides.put(world, off, author="li", reason=" ", until=LATER)


def run(*words: str) -> int:
    with pytest.raises(SystemExit) as end:
        blocktwin.main(["rule", "override", *words])
    return int(str(end.value.code or 0))


def test_the_command_sets_lists_and_clears(world: Conn, capsys: Printed) -> None:
    heat = device(world, "heat")
    reason = ("--reason", "boiler", "--as", "li")
    assert run("set", "rule-0", heat, "--level", "orange:70:60", *reason, "--dry-run") == 0
    assert overrides.load(world) == ()
    assert run("set", "rule-0", heat, "--level", "orange:70:60", *reason) == 0
    assert run("set", "rule-0", heat, "--level", "orange70", *reason) == 2
    assert run("set", "rule-0", heat, "--off", *reason, "--until", "tomorrow") == 2
    capsys.readouterr()
    assert run("list") == 0
    said = capsys.readouterr().out
    assert "orange 70" in said
    assert "li: boiler" in said
    assert run("list", "--json") == 0
    (row,) = json.loads(capsys.readouterr().out)["overrides"]
    assert (row["device_name"], row["levels"]) == (
        "hot", [{"severity": "orange", "raise": 70.0, "clear": 60.0}],
    )  # fmt: skip
    assert run("clear", "rule-0", heat) == 0
    assert overrides.load(world) == ()
    assert run("clear", "rule-0", heat) == 2
