"""compose.yaml, the image, the units and the examples: every command and setting in them exists.

No container engine runs where these tests run, so structure is all that can be tested here.
"""

from __future__ import annotations

import importlib
import re
import shlex
import shutil
import stat
import subprocess
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import msgspec
import pytest
import yaml

import blocktwin
from core.config import Section
from core.fields import describe

ROOT = Path(__file__).resolve().parent.parent
OURS = ("migrate", "ingest", "serve", "notify", "maintain")
LASTING = ("broker", "db", "ingest", "serve", "notify", "maintain")
COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "compose.yaml").read_text(encoding="utf-8"))
SERVICES: dict[str, Any] = COMPOSE["services"]
DOCKERFILE = (ROOT / "deploy/Dockerfile").read_text(encoding="utf-8")
UNITS = sorted((ROOT / "deploy/systemd").glob("*.service"))


def section(name: str) -> type[Section]:
    module, _, attribute = blocktwin.SECTIONS[name].partition(":")
    kind: type[Section] = getattr(importlib.import_module(module), attribute)
    assert issubclass(kind, Section)
    return kind


def assert_setting_exists(variable: str) -> None:
    """Check that a BLOCKTWIN_ variable names a section and a field of it."""
    name, divider, key = variable.removeprefix("BLOCKTWIN_").lower().partition("__")
    assert divider, f"{variable} names no section"
    assert name in blocktwin.SECTIONS, f"{variable}: no section {name}"
    fields = {note.name: note for note in describe(section(name))}
    if key in fields:
        return
    plain = key.removesuffix("_file")
    assert plain != key, f"{variable}: [{name}] has no {key}"
    assert plain in fields, f"{variable}: [{name}] has no {plain}"
    # The form with _FILE is offered for secrets only.
    assert fields[plain].secret, f"{variable}: {plain} is no secret"


def assert_command_exists(words: list[str]) -> None:
    """Check that ``blocktwin`` takes these words: sub-commands, then arguments and options."""
    command: click.Command = blocktwin.cli
    context = click.Context(command, info_name="blocktwin")
    rest = list(words)
    while isinstance(command, click.Group) and rest:
        found = command.get_command(context, rest.pop(0))
        assert found is not None, f"no command in {words}"
        command, context = found, click.Context(found, parent=context, info_name=found.name)
    alone = not isinstance(command, click.Group) or command.invoke_without_command
    assert alone, f"{words} lacks a sub-command"
    command.make_context(words[-1], rest, parent=context.parent)


def variables(environment: dict[str, Any]) -> Iterator[str]:
    return (name for name in environment if name.startswith("BLOCKTWIN_"))


def test_the_services_are_there() -> None:
    assert set(SERVICES) == {*OURS, *LASTING}


@pytest.mark.parametrize("name", [*LASTING, "migrate"])
def test_images_are_pinned(name: str) -> None:
    image, _, tag = SERVICES[name]["image"].partition(":")
    assert image
    assert re.match(r"\d+\.\d+\.\d+", tag), f"{image} has no exact tag"


def test_the_base_image_is_pinned() -> None:
    bases = re.findall(r"^FROM (\S+)", DOCKERFILE, re.MULTILINE)
    assert bases
    assert all(re.search(r":\d+\.\d+\.\d+", base) for base in bases)


def test_the_image_has_the_version_of_the_project() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert SERVICES["ingest"]["image"] == f"blocktwin:{project['version']}"


@pytest.mark.parametrize("name", [*LASTING, "migrate"])
def test_no_service_is_root_or_writes_to_its_image(name: str) -> None:
    service = SERVICES[name]
    user, _, group = service["user"].partition(":")
    assert int(user) > 0
    assert int(group) > 0
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert "no-new-privileges:true" in service["security_opt"]


@pytest.mark.parametrize("name", LASTING)
def test_every_lasting_service_has_a_health_check_and_comes_back(name: str) -> None:
    service = SERVICES[name]
    assert service["healthcheck"]["test"][0] == "CMD"
    assert {"interval", "timeout", "retries"} <= set(service["healthcheck"])
    assert service["restart"] == "unless-stopped"


def test_what_is_waited_for_is_there_and_can_be_waited_for() -> None:
    for name, service in SERVICES.items():
        for other, how in service.get("depends_on", {}).items():
            wanted = SERVICES[other]
            if how["condition"] == "service_healthy":
                assert "healthcheck" in wanted, f"{name} waits for the health of {other}"
            else:
                assert how["condition"] == "service_completed_successfully"
                assert wanted["restart"] == "no", f"{other} never completes"


def test_secrets_are_files_that_somebody_uses() -> None:
    used = {secret for service in SERVICES.values() for secret in service.get("secrets", [])}
    assert used == set(COMPOSE["secrets"])
    for source in COMPOSE["secrets"].values():
        assert source["file"].startswith("./deploy/secrets/")
    for name, service in SERVICES.items():
        for value in service.get("environment", {}).values():
            if str(value).startswith("/run/secrets/"):
                assert value.removeprefix("/run/secrets/") in service["secrets"], name


def test_no_secret_stands_in_the_file() -> None:
    for service in SERVICES.values():
        for name in service.get("environment", {}):
            assert not re.search(r"(PASSWORD|SECRET|TOKEN|DSN)$", name), name


def test_named_volumes_and_mounted_files_are_there() -> None:
    for service in SERVICES.values():
        for volume in service.get("volumes", []):
            source = volume.partition(":")[0]
            if source.startswith("."):
                assert (ROOT / source).exists(), source
            else:
                assert source in COMPOSE["volumes"]


@pytest.mark.parametrize("name", OURS)
def test_every_command_exists(name: str) -> None:
    assert_command_exists(SERVICES[name]["command"])


@pytest.mark.parametrize("name", OURS)
def test_every_setting_exists(name: str) -> None:
    found = list(variables(SERVICES[name]["environment"]))
    assert found
    for variable in found:
        assert_setting_exists(variable)


@pytest.mark.parametrize("name", ["ingest", "serve", "notify", "maintain"])
def test_health_is_asked_at_the_port_that_answers(name: str) -> None:
    kind = section({"serve": "api", "maintain": "upkeep"}.get(name, name))
    field = "port" if name == "serve" else "http_port"
    defaults = {info.name: info.default for info in msgspec.structs.fields(kind)}
    assert SERVICES[name]["healthcheck"]["test"][-1] == str(defaults[field])


def test_the_broker_runs_with_the_paths_of_its_mounts() -> None:
    conf = (ROOT / "deploy/mosquitto/mosquitto.conf").read_text(encoding="utf-8")
    for path in ("/mosquitto/config/acl", "/mosquitto/data/", "/run/secrets/mosquitto_passwd"):
        assert path in conf
    mounted = " ".join(SERVICES["broker"]["volumes"])
    assert "/mosquitto/config/acl" in mounted
    assert "/mosquitto/data" in mounted


def test_the_image_copies_what_is_there_and_the_context_lets_in() -> None:
    allowed = (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()
    for words in re.findall(r"^COPY (?!--from|\. )(.+)$", DOCKERFILE, re.MULTILINE):
        for source in words.split()[:-1]:
            assert (ROOT / source).exists(), source
            assert f"!{source.partition('/')[0]}" in allowed, f"{source} is not in the context"


def test_what_the_wheel_is_built_from_is_in_the_context() -> None:
    allowed = (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()
    packages = [path.parent.name for path in ROOT.glob("*/__init__.py")]
    for name in {*packages, "blocktwin.py", "pyproject.toml", "README.md", "LICENSE", "web"}:
        if name not in {"tests", "bench"}:
            assert f"!{name}" in allowed, name


def test_every_word_of_the_instructions_is_a_command() -> None:
    text = (ROOT / "compose.yaml").read_text(encoding="utf-8")
    lines = re.findall(r"docker compose run --rm serve (.+)$", text, re.MULTILINE)
    assert lines
    for line in lines:
        assert_command_exists(shlex.split(line.replace("NAME", "name")))


@pytest.mark.parametrize("unit", UNITS, ids=lambda path: path.stem)
def test_units_start_commands_and_set_settings_that_exist(unit: Path) -> None:
    text = unit.read_text(encoding="utf-8")
    (start,) = re.findall(r"^ExecStart=(.+)$", text, re.MULTILINE)
    program, *words = shlex.split(start)
    assert program == "/opt/blocktwin/bin/blocktwin"
    assert unit.stem == f"blocktwin-{words[0]}"
    assert_command_exists(words)
    for variable, value in re.findall(r"^Environment=(BLOCKTWIN_\w+)=(.*)$", text, re.MULTILINE):
        assert_setting_exists(variable)
        if value.startswith("%d/"):
            assert f"LoadCredential={value.removeprefix('%d/')}:" in text


@pytest.mark.parametrize("unit", UNITS, ids=lambda path: path.stem)
def test_units_are_hardened_and_stop_in_time(unit: Path) -> None:
    lines = unit.read_text(encoding="utf-8").splitlines()
    for line in ("NoNewPrivileges=yes", "ProtectSystem=strict", "CapabilityBoundingSet="):
        assert line in lines
    assert "User=blocktwin" in lines
    assert "TimeoutStopSec=15" in lines


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="no systemd here")
def test_systemd_understands_the_units() -> None:
    argv = ["systemd-analyze", "verify", *map(str, UNITS)]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=60, check=False)
    faults = [line for line in done.stderr.splitlines() if "is not executable" not in line]
    assert faults == []


def test_the_example_of_the_environment_sets_settings_that_exist() -> None:
    text = (ROOT / "deploy/env.example").read_text(encoding="utf-8")
    found = re.findall(r"^#?(BLOCKTWIN_\w+)=", text, re.MULTILINE)
    assert found
    for variable in found:
        assert_setting_exists(variable)


def test_a_wrong_setting_would_be_noticed() -> None:
    with pytest.raises(AssertionError, match="has no hots"):
        assert_setting_exists("BLOCKTWIN_MQTT__HOTS")
    with pytest.raises(AssertionError, match="no secret"):
        assert_setting_exists("BLOCKTWIN_MQTT__HOST_FILE")


def test_a_wrong_command_would_be_noticed() -> None:
    with pytest.raises(AssertionError, match="no command"):
        assert_command_exists(["ingset"])
    with pytest.raises(click.UsageError):
        assert_command_exists(["serve", "--no-such-option"])


def test_secrets_are_made_once_and_gateways_added(tmp_path: Path) -> None:
    script = shutil.copy(ROOT / "deploy/make-secrets.sh", tmp_path)
    argv = [script, "gw-01"]
    subprocess.run(argv, check=True, timeout=60, capture_output=True)
    made = tmp_path / "secrets"
    first = {
        path.name: path.read_text(encoding="ascii") for path in made.glob("*") if path.is_file()
    }
    subprocess.run([script, "gw-02"], check=True, timeout=60, capture_output=True)
    again = {name: (made / name).read_text(encoding="ascii") for name in first}
    users = [line.partition(":")[0] for line in again.pop("mosquitto_passwd").splitlines()]
    assert users == ["ingest", "notify", "serve", "gw-01", "gw-02"]
    assert again.items() <= first.items()
    assert first["postgres_password"] in first["database_dsn"]
    assert first["mqtt_ingest"] not in first["mosquitto_passwd"]
    assert stat.S_IMODE(made.stat().st_mode) == 0o700
    assert {Path(source["file"]).name for source in COMPOSE["secrets"].values()} <= set(first)


def test_an_id_that_is_none_is_refused(tmp_path: Path) -> None:
    script = shutil.copy(ROOT / "deploy/make-secrets.sh", tmp_path)
    done = subprocess.run(
        [script, "no id"], check=False, timeout=60, capture_output=True, text=True
    )
    assert done.returncode == 2
    assert "is no gateway id" in done.stderr
