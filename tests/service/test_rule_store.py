from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import psycopg
import pytest

import blocktwin
from alerts import rulestore
from alerts.rule_texts import parse
from alerts.rules import RuleInvalid
from tests.support.alerting import HIGH, LOW
from tests.support.servers import settings

Conn = psycopg.Connection[Any]
Printed = pytest.CaptureFixture[str]

HEAD = """
[[rule]]
id = "{}"
name = {{ zh = "名", en = "name" }}
advice = {{ zh = "做", en = "do" }}
source = "editable seed"
"""
TEST = """
[[test]]
rule = "heat"
name = "raises"
readings = [[0, 20], [10, {}]]
expect = [[10, "raised", "orange"]]
"""


def text(name: str, body: str) -> str:
    return HEAD.format(name) + body


@pytest.fixture
def rules(tmp_path: Path) -> Path:
    folder = tmp_path / "rules"
    folder.mkdir()
    (folder / "a.toml").write_text(text("heat", HIGH) + text("volts", LOW) + TEST.format(57))
    return folder


@pytest.fixture
def world(conn: Conn, dsn: str, rules: Path, monkeypatch: pytest.MonkeyPatch) -> Conn:
    for name, value in settings(dsn).items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("BLOCKTWIN_ALERTS__RULES_DIR", str(rules))
    return conn


def run(*words: str) -> int:
    with pytest.raises(SystemExit) as end:
        blocktwin.main(["rule", *words])
    return int(str(end.value.code or 0))


def versions(conn: Conn) -> dict[str, int]:
    return {entry.rule.id: entry.version for entry in rulestore.in_force(conn)}


def test_what_was_loaded_by_hand_stays_until_the_files_change(world: Conn, rules: Path) -> None:
    assert len(rulestore.load_rules(world, str(rules))) == 2
    changed = parse(text("heat", HIGH.replace("57.0", "60.0")), "x")
    change = rulestore.put(world, changed, author="li", note="steam in the kitchen")
    assert (change.added, change.changed, change.retired) == ((), ("heat",), ())
    rulestore.load_rules(world, str(rules))
    assert versions(world) == {"heat": 2, "volts": 1}
    (rules / "a.toml").write_text(text("heat", HIGH.replace("57.0", "61.0")))
    rulestore.load_rules(world, str(rules))
    assert versions(world) == {"heat": 3}
    newest, second, *_ = rulestore.history(world, "heat")
    assert (newest.loaded_by, newest.active, newest.ended_at) == ("start", True, None)
    assert (second.loaded_by, second.note, second.ended_by) == (
        "li", "steam in the kitchen", "start",
    )  # fmt: skip


def test_a_load_tells_running_workers_and_one_that_changes_nothing_does_not(
    world: Conn, dsn: str, rules: Path
) -> None:
    with psycopg.connect(dsn, autocommit=True) as listener:
        listener.execute(f"LISTEN {rulestore.CHANNEL}")
        rulestore.load_rules(world, str(rules))
        assert [n.payload for n in listener.notifies(timeout=5, stop_after=1)] == ["rules"]
        same = parse(text("heat", HIGH), "x")
        assert not rulestore.put(world, same, author="li", note="again")
        assert rulestore.put(world, same, author="li", note="dry", whole=True, dry_run=True)
        rulestore.announce(world, "end of the test")
        assert [n.payload for n in listener.notifies(timeout=5, stop_after=1)] == [
            "end of the test"
        ]
    assert versions(world) == {"heat": 1, "volts": 1}
    loads = world.execute("SELECT author FROM rule_load").fetchall()
    assert loads == [("start",)]


def test_rules_in_force_never_name_one_that_is_not(world: Conn, rules: Path) -> None:
    rulestore.load_rules(world, str(rules))
    naming = parse(text("more", LOW + 'inhibit = [{ by = ["volts"] }]'), "x")
    rulestore.put(world, naming, author="li", note="why")
    alone = parse(text("more", LOW + 'inhibit = [{ by = ["volts"] }]'), "x")
    with pytest.raises(RuleInvalid, match="there is no rule 'volts'"):
        rulestore.put(world, alone, author="li", note="why", whole=True)
    assert set(versions(world)) == {"heat", "volts", "more"}


def test_check_test_list_load_diff_and_history(
    world: Conn, rules: Path, tmp_path: Path, capsys: Printed
) -> None:
    assert run("check") == 0
    assert "2 rules, all usable; 1 tests" in capsys.readouterr().out
    assert run("test") == 0
    assert "1 of 1 tests hold; 1 of 2 rules have none" in capsys.readouterr().out
    assert run("load", "--note", "first", "--as", "wang") == 0
    assert "2 new, 0 changed, 0 ended" in capsys.readouterr().out
    assert run("diff") == 0
    assert capsys.readouterr().out == "no difference\n"

    (rules / "a.toml").write_text(text("heat", HIGH.replace("57.0", "62.0")) + TEST.format(57))
    assert run("test") == 1
    said = capsys.readouterr().out
    assert "test 'raises' does not hold:" in said
    assert "- 10 s raised orange" in said
    assert run("load", "--note", "untested") == 1
    assert versions(world) == {"heat": 1, "volts": 1}

    assert run("diff") == 1
    said = capsys.readouterr().out
    assert "~ heat\n    levels[0].raise: 57 -> 62\n" in said
    assert "- volts: no longer in the files" in said
    assert run("diff", "--json") == 1
    plain = json.loads(capsys.readouterr().out)
    assert plain["changed"]["heat"] == [{"key": "levels[0].raise", "in_force": 57.0, "file": 62.0}]

    one = tmp_path / "one.toml"
    one.write_text(text("heat", HIGH.replace("57.0", "63.0")))
    assert run("load", str(one), "--note", "one only", "--dry-run") == 0
    assert versions(world) == {"heat": 1, "volts": 1}
    assert run("load", str(one), "--note", "one only") == 0
    assert versions(world) == {"heat": 2, "volts": 1}
    capsys.readouterr()
    assert run("list", "--in-force", "--json") == 0
    listed = json.loads(capsys.readouterr().out)["rules"]
    assert [(each["rule_id"], each["version"], each["note"]) for each in listed] == [
        ("heat", 2, "one only"), ("volts", 1, "first"),
    ]  # fmt: skip
    assert run("history", "heat") == 0
    said = capsys.readouterr().out
    assert "* heat v2" in said
    assert "wang: first" in said


@pytest.mark.parametrize("words", [("--note", " "), ("--note", "x", "--as", "y" * 201)])
def test_a_load_says_who_and_why(world: Conn, words: tuple[str, ...], capsys: Printed) -> None:
    assert run("load", *words) == 2
    assert "Traceback" not in capsys.readouterr().err
    assert versions(world) == {}


def test_a_stored_rule_of_another_version_says_what_to_do(world: Conn) -> None:
    world.execute("INSERT INTO rule (rule_id, version, body, sha256) VALUES ('x', 1, '{}', '')")
    with pytest.raises(RuleInvalid, match="rule 'x' in the database") as caught:
        rulestore.in_force(world)
    assert "rule load --all" in caught.value.remedy
    assert run("load", "--note", "after the upgrade") == 0
    assert set(versions(world)) == {"heat", "volts"}
