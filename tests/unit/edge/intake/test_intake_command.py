"""``blocktwin intake`` as a person calls it, as far as no broker is needed."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from core.config import Invocation
from core.errors import ConfigInvalid, UsageError
from edge.config import AgentConfig
from edge.intake.command import agent_config, intake
from edge.intake.config import IntakeConfig

EXAMPLES = Path(__file__).parents[4] / "examples" / "intake"


def call(*words: str, **settings: str) -> tuple[int, str, BaseException | None]:
    env = {f"BLOCKTWIN_INTAKE__{key.upper()}": value for key, value in settings.items()}
    invocation = Invocation(config_path=None, verbose=0, env=env)
    result = CliRunner().invoke(intake, list(words), obj=invocation)
    return result.exit_code, result.stdout, result.exception


def test_check_says_which_doors_would_be_open() -> None:
    code, out, _ = call(
        "--check",
        "--json",
        thingsboard="true",
        sparkplug="true",
        map=str(EXAMPLES / "thingsboard.toml"),
        tokens_file=str(EXAMPLES / "tokens.toml"),
    )
    assert code == 0
    assert json.loads(out) == {
        "gateway": "intake",
        "thingsboard": "127.0.0.1:1884",
        "tokens": 2,
        "tls": False,
        "chirpstack": False,
        "sparkplug": True,
        "mapped_devices": 2,
        "mapped_keys": 4,
    }
    code, out, _ = call("--check", chirpstack="true")
    assert code == 0
    assert out.startswith("ok: gateway intake, thingsboard None")


@pytest.mark.parametrize(
    ("settings", "names"),
    [
        ({}, "no door"),
        ({"thingsboard": "true"}, "tokens_file"),
        ({"thingsboard": "true", "tokens_file": "/nowhere"}, "/nowhere"),
        ({"chirpstack": "true", "map": "/nowhere"}, "/nowhere"),
        ({"chirpstack": "true", "tls_cert_file": "/nowhere"}, "/nowhere"),
    ],
)
def test_check_names_what_is_wrong(settings: dict[str, str], names: str) -> None:
    _, _, error = call("--check", **settings)
    assert isinstance(error, UsageError)
    assert names in str(error)
    assert error.remedy


def test_without_a_folder_for_the_spool_it_does_not_start() -> None:
    _, _, error = call(chirpstack="true")
    assert isinstance(error, ConfigInvalid)
    assert "BLOCKTWIN_INTAKE__SPOOL_DIR" in error.remedy


def test_the_agent_below_stands_in_the_intakes_place() -> None:
    cfg = IntakeConfig(gateway_id="in-1", spool_dir="/s", http_port=7, spool_max_messages=123)
    made = agent_config(cfg, AgentConfig(gateway_id="gw-a", spool_dir="/a", drain_s=1.0))
    assert (made.gateway_id, made.spool_dir, made.http_port) == ("in-1", "/s", 7)
    assert (made.spool_max_messages, made.drain_s) == (123, 1.0)
