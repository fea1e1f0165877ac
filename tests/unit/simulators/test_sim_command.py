from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from core.config import Invocation
from core.errors import ConfigInvalid, UsageError
from simulators.command import sim
from simulators.config import SimConfig
from simulators.fleet import write_report


def call(*words: str, env: dict[str, str] | None = None) -> Result:
    invocation = Invocation(config_path=None, verbose=0, env=env or {})
    return CliRunner().invoke(sim, words, obj=invocation)


def test_list_tells_the_story_before_it_happens() -> None:
    result = call("list", "--json")
    assert result.exit_code == 0, result.output
    events = json.loads(result.stdout)
    assert [event["kind"] for event in events] == ["fire", "storm", "slope", "traffic", "outage"]


def test_list_takes_the_seed_from_the_settings_and_the_option() -> None:
    by_settings = call("list", env={"BLOCKTWIN_SIM__SEED": "9"}).stdout
    by_option = call("list", "--seed", "9", env={"BLOCKTWIN_SIM__SEED": "7"}).stdout
    assert by_settings == by_option
    assert by_settings.count("must alarm") == 5


def test_run_without_a_spool_folder_says_what_to_set() -> None:
    result = call("run", "--seconds", "1")
    assert isinstance(result.exception, UsageError)
    assert "spool_dir" in str(result.exception)
    assert "BLOCKTWIN_SIM__SPOOL_DIR" in result.exception.remedy


def test_run_names_the_gateway_without_a_password(tmp_path: Path) -> None:
    env = {
        "BLOCKTWIN_SIM__SPOOL_DIR": str(tmp_path / "spool"),
        "BLOCKTWIN_SIM__CREDENTIALS_DIR": str(tmp_path),
    }
    result = call("run", "--seconds", "1", env=env)
    assert isinstance(result.exception, ConfigInvalid)
    assert "gw-01" in str(result.exception)


@pytest.mark.parametrize("words", [("run", "--speed", "0"), ("run", "--seconds", "0")])
def test_senseless_options_are_refused(words: tuple[str, ...]) -> None:
    assert call(*words).exit_code == 2


def test_the_defaults_are_the_demo_district() -> None:
    assert SimConfig().seed == 7
    assert SimConfig().drain_s == 8.0
    assert SimConfig().story


def test_a_report_replaces_the_one_before(tmp_path: Path) -> None:
    path = tmp_path / "report.json"
    write_report(path, "1")
    write_report(path, "2")
    assert path.read_text() == "2"
    assert list(tmp_path.iterdir()) == [path]
