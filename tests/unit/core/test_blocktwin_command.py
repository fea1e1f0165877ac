"""The command line: help without imports, errors without tracebacks, and ``config``."""

import json
import os
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import click
import pytest

import blocktwin
from core.config import PREFIX
from core.errors import ConfigInvalid, DatabaseAway
from core.version import version


@pytest.fixture(autouse=True)
def _environment(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    for variable in [name for name in os.environ if name.startswith(PREFIX)]:
        monkeypatch.delenv(variable)
    kept = dict(os.environ)
    yield
    os.environ.clear()
    os.environ.update(kept)


def run(
    capsys: pytest.CaptureFixture[str], *arguments: str, env: Mapping[str, str] | None = None
) -> tuple[int, str, str]:
    os.environ.update(env or {})
    with pytest.raises(SystemExit) as caught:
        blocktwin.main(list(arguments))
    assert isinstance(caught.value.code, int)
    out, err = capsys.readouterr()
    return caught.value.code, out, err


def fail_with(monkeypatch: pytest.MonkeyPatch, error: BaseException) -> None:
    @click.command()
    def failing() -> None:
        raise error

    monkeypatch.setitem(blocktwin.COMMANDS, "failing", ("tests_failing:failing", ""))
    module = type(sys)("tests_failing")
    module.failing = failing  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "tests_failing", module)


def test_help_lists_every_command_and_imports_none(capsys: pytest.CaptureFixture[str]) -> None:
    before = set(sys.modules)
    code, out, _ = run(capsys, "--help")
    assert code == 0
    for name in blocktwin.COMMANDS:
        assert f"\n  {name} " in out
    assert not {name for name in set(sys.modules) - before if name.endswith(".command")}


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(capsys, "--version") == (0, f"blocktwin, version {version()}\n", "")


@pytest.mark.parametrize("arguments", [["nonsense"], ["config", "shout"], ["--nonsense"]])
def test_a_wrong_call_is_exit_code_2(
    capsys: pytest.CaptureFixture[str], arguments: list[str]
) -> None:
    code, _, err = run(capsys, *arguments)
    assert code == 2
    assert "No such" in err


@pytest.mark.parametrize(
    ("error", "code", "err"),
    [
        (ConfigInvalid("bad", remedy="mend it"), 2, "error: bad\n  try: mend it\n"),
        (DatabaseAway("gone"), 1, "error: gone\n"),
        (ExceptionGroup("tasks", [DatabaseAway("gone"), DatabaseAway("b")]), 1, "error: gone\n"),
        (KeyboardInterrupt(), 130, "\ninterrupted\n"),
    ],
)
def test_errors_on_purpose_are_one_line_and_a_remedy(
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    error: BaseException,
    code: int,
    err: str,
) -> None:
    fail_with(monkeypatch, error)
    found = run(capsys, "failing")
    assert found[0] == code
    assert found[2].strip() == err.strip()


@pytest.mark.parametrize(
    "error", [ZeroDivisionError(), ExceptionGroup("x", [DatabaseAway("a"), ZeroDivisionError()])]
)
def test_a_defect_keeps_its_traceback(monkeypatch: pytest.MonkeyPatch, error: Exception) -> None:
    fail_with(monkeypatch, error)
    with pytest.raises(type(error)):
        blocktwin.main(["failing"])


def test_a_missing_library_is_named(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "psycopg", None)
    monkeypatch.delitem(sys.modules, "core.db.command", raising=False)
    code, _, err = run(capsys, "db", "status")
    assert code == 2
    assert "psycopg" in err
    assert "blocktwin[server]" in err


def test_show_says_value_and_origin_of_everything_and_no_secret(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    path = tmp_path / "c.toml"
    path.write_text('[mqtt]\nhost = "broker"\npassword = "s3cret"\n', encoding="utf-8")
    env = {
        "BLOCKTWIN_MQTT__PORT": "1999",
        "BLOCKTWIN_DATABASE__DSN": "postgresql://u:s3cret@h/x",
    }
    code, out, _ = run(capsys, "--config", str(path), "config", "show", env=env)
    assert code == 0
    assert f'host = "broker"  # file {path}' in out
    assert "port = 1999  # BLOCKTWIN_MQTT__PORT" in out
    assert "keepalive_s = 30  # default" in out
    assert "s3cret" not in out
    code, out, _ = run(capsys, "--config", str(path), "config", "show", "--json", env=env)
    rows = {(row["section"], row["key"]): row for row in json.loads(out)}
    assert rows["mqtt", "port"]["value"] == 1999
    assert rows["mqtt", "port"]["source"] == "env"
    assert rows["mqtt", "password"]["value"] == "***"
    assert {section for section, _ in rows} == set(blocktwin.SECTIONS)
    assert "s3cret" not in out


def test_show_of_one_section(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = run(capsys, "config", "show", "log")
    assert code == 0
    assert "[log]" in out
    assert "[mqtt]" not in out
    assert run(capsys, "config", "show", "nothing")[0] == 2


def test_check_counts_what_is_set(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    path = tmp_path / "c.toml"
    path.write_text("[log]\njson = true\n", encoding="utf-8")
    env = {"BLOCKTWIN_CONFIG": str(path), "BLOCKTWIN_MQTT__PORT": "1999"}
    code, out, _ = run(capsys, "config", "check", env=env)
    assert (code, out) == (
        0,
        f"ok: {path}; 1 values from the file, 1 from the environment, the rest by default\n",
    )
    code, out, _ = run(capsys, "config", "check", "--json")
    assert json.loads(out) == {"ok": True, "file": str(path), "values_set": 2}


def test_check_refuses_and_names_the_place(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    path = tmp_path / "c.toml"
    path.write_text("[ingest]\nbatch_seconds = 1\n", encoding="utf-8")
    code, _, err = run(capsys, "--config", str(path), "config", "check")
    assert code == 2
    assert err.startswith(f"error: {path}:2: ingest.batch_seconds: unknown key")
    assert "did you mean 'batch_" in err


def test_check_of_a_file_that_is_not_there(capsys: pytest.CaptureFixture[str]) -> None:
    code, _, err = run(capsys, "--config", "/nowhere.toml", "config", "check")
    assert code == 2
    assert "/nowhere.toml" in err
