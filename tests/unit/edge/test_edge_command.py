"""The commands as a person calls them, as far as no broker is needed."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from core.config import Invocation
from core.errors import BrokerAway, UsageError
from edge.command import agent, open_driver, replay
from edge.config import AgentConfig
from edge.drivers import Driver, Idle

MAPPING = """\
[file]
time = "when"
time_format = "unix"
[gateway]
id = "gw-a"
name = "A"
lon = 114.1
lat = 22.5
[[value]]
column = "a"
device = "dev.a"
quantity = "temperature"
kind = "heat"
interval_s = 1
lon = 114.1
lat = 22.5
"""


@pytest.fixture
def files(tmp_path: Path) -> tuple[str, str]:
    (tmp_path / "m.toml").write_text(MAPPING)
    (tmp_path / "d.csv").write_text("when,a\n1790000000,20\n1790000001,2o\n1790000002,22\n")
    return str(tmp_path / "d.csv"), str(tmp_path / "m.toml")


def call(*words: str, env: dict[str, str] | None = None) -> tuple[int, str, str, object]:
    invocation = Invocation(config_path=None, verbose=0, env=env or {})
    result = CliRunner().invoke(replay, list(words), obj=invocation)
    return result.exit_code, result.stdout, result.stderr, result.exception


def test_a_dry_run_counts_and_tells_the_place(files: tuple[str, str]) -> None:
    code, out, err, _ = call(files[0], "--map", files[1], "--dry-run", "--json")
    facts = json.loads(out)
    assert code == 1
    assert {"rows": 3, "readings": 2, "refused": 1, "empty": 0, "complete": True}.items() <= (
        facts.items()
    )
    assert f"refused {files[0]}:3:2: no finite number ('2o')" in err


def test_a_clean_dry_run_exits_with_0(files: tuple[str, str]) -> None:
    Path(files[0]).write_text("when,a\n1790000000,20\n")
    code, out, err, _ = call(files[0], "--map", files[1], "--dry-run")
    assert (code, err) == (0, "")
    assert "rows 1, readings 1, refused 0" in out


def test_the_report_lists_every_refusal(files: tuple[str, str], tmp_path: Path) -> None:
    Path(files[0]).write_text("when,a\n" + "1790000000,x\n" * 25)
    report = tmp_path / "r.csv"
    code, _, err, _ = call(files[0], "--map", files[1], "--dry-run", "--rejects", str(report))
    rows = list(csv.DictReader(report.read_text().splitlines()))
    assert code == 1
    assert len(rows) == 25
    assert rows[24] == {
        "file": files[0],
        "line": "26",
        "column": "2",
        "name": "a",
        "reason": "no finite number",
        "text": "x",
        "values": "1",
    }
    assert err.count("refused") == 10


def test_without_a_report_the_rest_is_pointed_to(files: tuple[str, str]) -> None:
    Path(files[0]).write_text("when,a\n" + "1790000000,x\n" * 25)
    _, _, err, _ = call(files[0], "--map", files[1], "--dry-run")
    assert "--rejects FILE lists all of them" in err


@pytest.mark.parametrize("speed", ["0", "fast", "-3"])
def test_a_wrong_speed_is_told(files: tuple[str, str], speed: str) -> None:
    *_, error = call(files[0], "--map", files[1], "--speed", speed, "--dry-run")
    assert isinstance(error, UsageError)
    assert "max" in error.remedy


def test_a_report_that_cannot_be_written_is_told(files: tuple[str, str], tmp_path: Path) -> None:
    report = str(tmp_path / "none" / "r.csv")
    *_, error = call(files[0], "--map", files[1], "--dry-run", "--rejects", report)
    assert isinstance(error, UsageError)


def test_a_broker_that_is_away_is_told_at_once(files: tuple[str, str], free_port: int) -> None:
    env = {"BLOCKTWIN_MQTT__PORT": str(free_port)}
    *_, error = call(files[0], "--map", files[1], env=env)
    assert isinstance(error, BrokerAway)
    assert str(free_port) in str(error)


@pytest.mark.parametrize("key", ["gateway_id", "spool_dir"])
def test_an_agent_without_a_name_or_a_spool_is_told(key: str) -> None:
    env = {"BLOCKTWIN_AGENT__GATEWAY_ID": "gw-a", "BLOCKTWIN_AGENT__SPOOL_DIR": "/tmp/x"}
    del env[f"BLOCKTWIN_AGENT__{key.upper()}"]
    invocation = Invocation(config_path=None, verbose=0, env=env)
    error = CliRunner().invoke(agent, [], obj=invocation).exception
    assert isinstance(error, UsageError)
    assert f"BLOCKTWIN_AGENT__{key.upper()}" in error.remedy


def made(options: dict[str, str]) -> Driver:
    assert options == {"a": "b"}
    return Idle()


def test_a_driver_is_found_by_its_name() -> None:
    assert isinstance(open_driver(AgentConfig()), Idle)
    own = AgentConfig(driver=f"{__name__}:made", driver_options={"a": "b"})
    assert isinstance(open_driver(own), Idle)


@pytest.mark.parametrize("name", ["modbus", "no.such:thing", "json:nothing", ""])
def test_an_unknown_driver_is_told(name: str) -> None:
    with pytest.raises(UsageError, match=r"agent\.driver"):
        open_driver(AgentConfig(driver=name))
