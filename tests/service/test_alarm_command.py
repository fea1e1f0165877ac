from __future__ import annotations

import json
from typing import Any

import psycopg
import pytest

import blocktwin
from alerts import store
from tests.support.alerting import T0_US, transition
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


def test_what_people_do_is_told_and_kept(
    world: Conn, alarm: str, monkeypatch: pytest.MonkeyPatch, capsys: Printed
) -> None:
    deeds = [
        (["assign", alarm, "--to", "wang"], "assigned to wang"),
        (["comment", alarm, "--note", "门锁着"], "commented by li, orange: 门锁着"),
        (["shelve", alarm, "--minutes", "30", "--why", "hot work"], "shelved by li until"),
        (["unshelve", alarm], "unshelved by li"),
        (["suppress", alarm, "--by", "gateway:gw-a", "--why", "off"], "suppressed by gateway:gw-a"),
        (["unsuppress", alarm], "unsuppressed by li"),
        (["out-of-service", alarm, "--work-order", "WO-7", "--why", "x"], "of service by WO-7: x"),
        (["in-service", alarm, "--note", "ok"], "in service by li, orange: ok"),
    ]
    for words, says in deeds:
        assert run(monkeypatch, "alarm", *words, "--as", "li") == 0, words
        capsys.readouterr()
        assert run(monkeypatch, "alarm", "show", alarm) == 0
        assert says in capsys.readouterr().out


def test_the_list_marks_what_is_hidden(
    world: Conn, alarm: str, monkeypatch: pytest.MonkeyPatch, capsys: Printed
) -> None:
    run(monkeypatch, "alarm", "shelve", alarm, "--minutes", "5", "--why", "test")
    capsys.readouterr()
    run(monkeypatch, "alarm", "list")
    assert "  shelved  " in capsys.readouterr().out
    for hidden, count in (("no", 0), ("only", 1), ("any", 1)):
        run(monkeypatch, "alarm", "list", "--hidden", hidden, "--json")
        assert len(json.loads(capsys.readouterr().out)) == count


def test_several_are_taken_up_and_what_cannot_be_is_said(
    world: Conn, alarm: str, monkeypatch: pytest.MonkeyPatch, capsys: Printed
) -> None:
    assert run(monkeypatch, "alarm", "ack", alarm, "nonsense") == 1
    printed = capsys.readouterr()
    assert f"acknowledged {alarm}" in printed.out
    assert "nonsense: 'nonsense' is no alarm id" in printed.err


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (["shelve", "{}", "--minutes", "481", "--why", "x"], 2),
        (["shelve", "{}", "--minutes", "30"], 2),
        (["shelve", "{}", "--minutes", "30", "--why", " "], 1),
        (["unshelve", "{}"], 1),
        (["out-of-service", "{}", "--why", "x"], 2),
    ],
)
def test_what_is_not_allowed_is_refused(
    world: Conn, alarm: str, monkeypatch: pytest.MonkeyPatch, words: list[str], code: int
) -> None:
    assert run(monkeypatch, "alarm", *(word.format(alarm) for word in words)) == code
    assert world.execute("SELECT count(*) FROM alarm_event").fetchone() == (1,)
