from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest

import blocktwin
from alerts import store
from alerts.notify import rosters
from tests.support.notifying import put_roster, raise_alarm
from tests.support.receiver import Receiver, receiving
from tests.support.servers import settings
from tests.support.small_district import small_district
from twin.store import load_district

Conn = psycopg.Connection[Any]
Printed = pytest.CaptureFixture[str]
DOCS = Path(__file__).parents[2] / "docs" / "notify.md"


@pytest.fixture
def world(conn: Conn, dsn: str, monkeypatch: pytest.MonkeyPatch) -> Conn:
    for name, value in settings(dsn).items():
        monkeypatch.setenv(name, value)
    load_district(conn, small_district())
    return conn


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as running:
        yield running


@pytest.fixture
def sample(tmp_path: Path) -> Path:
    """The file that the documentation shows."""
    text = DOCS.read_text(encoding="utf-8")
    path = tmp_path / "rosters.toml"
    path.write_text("[[roster]]" + text.partition("\n[[roster]]")[2].partition("```")[0], "utf-8")
    return path


def run(*words: str) -> int:
    with pytest.raises(SystemExit) as end:
        blocktwin.main(list(words))
    return int(str(end.value.code or 0))


def test_a_roster_is_written_listed_and_removed(world: Conn, sample: Path, capsys: Printed) -> None:
    assert run("roster", "set", str(sample), "--dry-run") == 0
    assert rosters.rows(world) == []
    assert run("roster", "set", str(sample), "--as", "li") == 0
    said = capsys.readouterr()
    assert "no notifier has had a channel 'duty-room' yet" in said.err
    assert run("roster", "list") == 0
    assert "micro-a" in capsys.readouterr().out
    assert run("roster", "list", "--json") == 0
    text = capsys.readouterr().out
    (found,) = json.loads(text)["rosters"]
    assert (found["roster_id"], found["level"], found["changed_by"]) == (
        "micro-a",
        "micro_station",
        "li",
    )
    assert found["contacts"][1]["address_masked"] == "l***@district.example"
    assert "13800138000" not in text
    assert run("roster", "remove", "micro-a", "--dry-run") == 0
    assert len(rosters.rows(world)) == 1
    assert run("roster", "remove", "micro-a") == 0
    assert rosters.rows(world) == []


def test_a_mistake_is_named_and_nothing_is_written(
    world: Conn, sample: Path, capsys: Printed
) -> None:
    right = sample.read_text("utf-8")
    for before, after, says in (
        ('space = "street-a"', 'space = "nowhere"', "there is no space 'nowhere'"),
        ('level = "micro_station"', 'level = "moon"', "roster 'micro-a'"),
        ('contacts = ["王"]', 'contacts = ["赵"]', "there is no contact '赵'"),
        ("[[roster]]", "[[rooster]]", "[[roster]] tables"),
        ("[[roster]]", "[roster", "no valid TOML"),
        ("min_severity", "min_sverity", "min_sverity"),
    ):
        sample.write_text(right.replace(before, after, 1), "utf-8")
        assert run("roster", "set", str(sample)) == 2
        assert says in capsys.readouterr().err
    assert rosters.rows(world) == []


def test_a_roster_that_is_not_there_cannot_be_removed(world: Conn, capsys: Printed) -> None:
    put_roster(world, "micro")
    assert run("roster", "remove", "mikro") == 2
    assert "did you mean 'micro'?" in capsys.readouterr().err


def test_a_test_message_goes_to_every_receiver(
    world: Conn, receiver: Receiver, capsys: Printed, monkeypatch: pytest.MonkeyPatch
) -> None:
    put_roster(world, "micro")
    hooks = [
        {"name": "duty", "url": receiver.url, "secret": "s3cret"},
        {"name": "other", "url": receiver.url},
    ]
    monkeypatch.setenv("BLOCKTWIN_NOTIFY__WEBHOOKS", json.dumps(hooks))
    assert run("notify", "test", "--dry-run") == 0
    assert receiver.accepted == []
    assert run("notify", "test", "--as", "li") == 0
    assert [event["type"] for event in receiver.events()] == ["blocktwin.test"] * 2
    assert receiver.events()[0]["data"] == {"by": "li", "test": True}
    assert run("notify", "test", "--roster", "micro", "--json") == 0
    rows = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert [(row["channel"], row["state"]) for row in rows] == [("duty", "delivered")]
    assert rows[0]["recipient_masked"] == "tel***ro"
    receiver.statuses = [500]
    assert run("notify", "test", "--channel", "other") == 1
    assert "other: failed: answered 500" in capsys.readouterr().out
    assert run("notify", "test", "--channel", "othr") == 2
    assert "did you mean 'other'?" in capsys.readouterr().err
    assert run("notify", "test", "--roster", "macro") == 2
    assert "s3cret" not in "".join(capsys.readouterr())


def test_the_settings_hide_what_is_secret(
    capsys: Printed, monkeypatch: pytest.MonkeyPatch, world: Conn
) -> None:
    chats = [{"name": "group", "url": "wecombot://s3cret"}]
    mail = [{"name": "mail", "host": "h", "sender": "a@b", "password": "s3cret"}]
    monkeypatch.setenv("BLOCKTWIN_NOTIFY__CHATS", json.dumps(chats))
    monkeypatch.setenv("BLOCKTWIN_NOTIFY__MAIL", json.dumps(mail))
    assert run("config", "show") == 0
    text = capsys.readouterr().out
    assert "group" in text
    assert "s3cret" not in text


def test_the_proofs_of_an_alarm_are_shown(world: Conn, capsys: Printed) -> None:
    store.load_rules(world)
    alarm = raise_alarm(world)
    assert run("notify", "deliveries", alarm) == 0
    assert "nobody was told" in capsys.readouterr().out
    assert run("notify", "deliveries", alarm, "--json") == 0
    assert json.loads(capsys.readouterr().out)["deliveries"] == []
    assert run("notify", "deliveries", "nonsense") != 0
    assert "no alarm id" in capsys.readouterr().err


def test_a_device_is_given_the_canary_of_its_gateway(world: Conn, capsys: Printed) -> None:
    query = "SELECT count(*) FROM series WHERE quantity = 'canary'"
    assert run("notify", "canary", "heat.00001", "--dry-run") == 0
    assert world.execute(query).fetchone() == (0,)
    for _ in range(2):
        assert run("notify", "canary", "heat.00001") == 0
    assert world.execute(query).fetchone() == (1,)
    assert "heat.00001 carries the canary of gw-a" in capsys.readouterr().out
    assert run("notify", "canary", "nobody") == 2
