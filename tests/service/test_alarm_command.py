from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import psycopg
import pytest

import blocktwin
from alerts import store
from tests.support.alerting import HIGH, T0_US, transition
from tests.support.servers import settings

Conn = psycopg.Connection[Any]
Printed = pytest.CaptureFixture[str]


@pytest.fixture
def world(conn: Conn, dsn: str, monkeypatch: pytest.MonkeyPatch) -> Conn:
    for name, value in settings(dsn).items():
        monkeypatch.setenv(name, value)
    store.load_rules(conn)
    return conn


@pytest.fixture
def alarm(world: Conn) -> str:
    with world.transaction():
        store.apply(world, [transition(rule_id="fire-heat-fixed")], T0_US)
    row = world.execute("SELECT alarm_id::text FROM alarm").fetchone()
    assert row is not None
    return str(row[0])


def run(monkeypatch: pytest.MonkeyPatch, *words: str) -> int:
    del monkeypatch  # the fixture has set the environment
    with pytest.raises(SystemExit) as end:
        blocktwin.main(list(words))
    return int(str(end.value.code or 0))


def test_an_alarm_is_listed_shown_taken_up_and_closed(
    world: Conn, alarm: str, monkeypatch: pytest.MonkeyPatch, capsys: Printed
) -> None:
    assert run(monkeypatch, "alarm", "list") == 0
    text = capsys.readouterr().out
    assert alarm in text
    assert "orange" in text
    assert run(monkeypatch, "alarm", "ack", alarm, "--as", "li", "--note", "on the way") == 0
    assert run(monkeypatch, "alarm", "close", alarm, "--cause", "false", "--as", "li") == 0
    capsys.readouterr()
    assert run(monkeypatch, "alarm", "show", alarm) == 0
    text = capsys.readouterr().out
    assert "定温火警 / Fixed-temperature fire alarm" in text
    assert "acknowledged by li, orange: on the way" in text
    assert run(monkeypatch, "alarm", "show", alarm, "--json") == 0
    shown = json.loads(capsys.readouterr().out)
    assert (shown["state"], shown["close_cause"], len(shown["events"])) == ("closed", "false", 3)


@pytest.mark.parametrize(
    ("options", "count"),
    [([], 0), (["--state", "closed"], 1), (["--state", "all", "--field", "water"], 0)],
)
def test_the_list_is_filtered(
    world: Conn,
    alarm: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: Printed,
    options: list[str],
    count: int,
) -> None:
    run(monkeypatch, "alarm", "close", alarm, "--cause", "test")
    capsys.readouterr()
    assert run(monkeypatch, "alarm", "list", "--json", *options) == 0
    assert len(json.loads(capsys.readouterr().out)) == count


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["show", "nonsense"], "no alarm id"),
        (["show", "00000000-0000-0000-0000-000000000000"], "there is no alarm"),
        (["ack", "00000000-0000-0000-0000-000000000000"], "there is no alarm"),
    ],
)
def test_a_mistake_is_one_line(
    world: Conn, monkeypatch: pytest.MonkeyPatch, capsys: Printed, words: list[str], says: str
) -> None:
    assert run(monkeypatch, "alarm", *words) == 1
    error = capsys.readouterr().err
    assert says in error
    assert "Traceback" not in error


def test_a_closed_alarm_cannot_be_taken_up(
    world: Conn, alarm: str, monkeypatch: pytest.MonkeyPatch, capsys: Printed
) -> None:
    run(monkeypatch, "alarm", "close", alarm, "--cause", "true")
    assert run(monkeypatch, "alarm", "ack", alarm) == 1
    assert "cannot acknowledge an alarm that is closed" in capsys.readouterr().err


def test_rule_files_are_checked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Printed
) -> None:
    path = tmp_path / "mine.toml"
    head = '[[rule]]\nid = "x"\nname = { zh = "a", en = "b" }\nadvice = { zh = "a", en = "b" }\n'
    path.write_text(head + 'source = "x"' + HIGH)
    assert run(monkeypatch, "rule", "check", str(path)) == 0
    assert run(monkeypatch, "rule", "check", "--json") == 0
    assert '{"rules": 28}' in capsys.readouterr().out
    path.write_text(head + HIGH)
    assert run(monkeypatch, "rule", "check", str(path)) == 2
    assert "mine.toml: rule 'x': object missing required field `source`" in capsys.readouterr().err


def test_rules_are_listed(monkeypatch: pytest.MonkeyPatch, capsys: Printed) -> None:
    assert run(monkeypatch, "rule", "list") == 0
    assert "fire-heat-rise" in capsys.readouterr().out
    assert run(monkeypatch, "rule", "list", "--json") == 0
    assert json.loads(capsys.readouterr().out)[0]["id"] == "fire-smoke-alarm"
