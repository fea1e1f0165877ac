"""The commands `district` and `operator` as a person types them."""

from __future__ import annotations

import json
from pathlib import Path

import msgspec
import pytest

from tests.support.servers import Runner, settings
from tests.support.small_district import small_district


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "district.json"
    path.write_bytes(msgspec.json.encode(small_district()))
    return path


def test_load_twice_and_list(run_blocktwin: Runner, dsn: str, file: Path) -> None:
    env = settings(dsn)
    for added in (20, 0):
        program = run_blocktwin("district", "load", str(file), "--json", env=env)
        assert program.wait(30) == 0
        assert json.loads(program.output())["devices_added"] == added
    program = run_blocktwin("district", "list", "--json", env=env)
    assert program.wait(30) == 0
    assert json.loads(program.output())["gateways"] == 2
    program = run_blocktwin("district", "list", env=env)
    assert program.wait(30) == 0
    assert "440303" in program.output()


@pytest.mark.parametrize("text", ["{", '{"spaces": [], "gateways": [], "devices": [{"kind": 1}]}'])
def test_a_wrong_file_is_one_sentence(
    run_blocktwin: Runner, dsn: str, tmp_path: Path, text: str
) -> None:
    path = tmp_path / "wrong.json"
    path.write_text(text)
    program = run_blocktwin("district", "load", str(path), env=settings(dsn))
    assert program.wait(30) == 2
    assert program.output().startswith(f"error: {path} is no district")
    assert "Traceback" not in program.output()


def test_operators_are_added_listed_and_removed(run_blocktwin: Runner, tmp_path: Path) -> None:
    env = settings(api__operators_file=str(tmp_path / "operators.toml"))
    program = run_blocktwin("operator", "add", "lin", "--role", "viewer", "--json", env=env)
    assert program.wait(30) == 0
    token = json.loads(program.output())["token"]
    assert token not in (tmp_path / "operators.toml").read_text()
    program = run_blocktwin("operator", "list", "--json", env=env)
    assert program.wait(30) == 0
    assert json.loads(program.output()) == [{"name": "lin", "role": "viewer"}]
    assert run_blocktwin("operator", "remove", "lin", env=env).wait(30) == 0
    program = run_blocktwin("operator", "remove", "lin", env=env)
    assert program.wait(30) == 2
    assert "error: " in program.output()


def test_without_an_operators_file_the_remedy_names_the_setting(run_blocktwin: Runner) -> None:
    program = run_blocktwin("operator", "list")
    assert program.wait(30) == 2
    assert "BLOCKTWIN_API__OPERATORS_FILE" in program.output()


MAPPING = """
[file]
time = "t"
time_format = "unix"

[gateway]
id = "gw-replay"
name = "回放"
lon = 114.1
lat = 22.5

[[value]]
column = "c"
device = "room.{room}"
quantity = "temperature"
kind = "heat"
name = "Room {room}"
lon = 114.1
lat = 22.5
interval_s = 1
"""


def test_a_recordings_devices_are_registered(
    run_blocktwin: Runner, dsn: str, tmp_path: Path
) -> None:
    (tmp_path / "m.toml").write_text(MAPPING)
    (tmp_path / "r.csv").write_text("t,room,c\n1767225600,A,20\n1767225601,B,21\n1767225602,A,22\n")
    words = ("district", "register", str(tmp_path / "m.toml"), str(tmp_path / "r.csv"))
    program = run_blocktwin(*words, "--json", env=settings(dsn))
    assert program.wait(30) == 0
    report = json.loads(program.output())
    assert (report["gateways_added"], report["devices_added"], report["series_added"]) == (1, 2, 2)
    assert report["unplaced"] == {"room.a": "no space is loaded", "room.b": "no space is loaded"}


def test_a_recording_without_a_usable_row_registers_nothing(
    run_blocktwin: Runner, dsn: str, tmp_path: Path
) -> None:
    (tmp_path / "m.toml").write_text(MAPPING)
    (tmp_path / "r.csv").write_text("t,room,c\nyesterday,A,20\n")
    words = ("district", "register", str(tmp_path / "m.toml"), str(tmp_path / "r.csv"))
    program = run_blocktwin(*words, env=settings(dsn))
    assert program.wait(30) == 2
    assert "--dry-run" in program.output()
