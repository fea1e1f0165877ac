"""The set-up where it can do nothing: it says what is missing, how to go on, changes nothing."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.servers import ROOT, open_folder, plain_environment

SCRIPT = ROOT / "dev/setup.sh"
OWN = {"BLOCKTWIN_DATABASE__DSN": "host=db", "BLOCKTWIN_MQTT__HOST": "broker"}


@pytest.fixture
def elsewhere() -> Iterator[Path]:
    """A copy of the script in a folder that anybody may write to, and a machine with nothing."""
    with open_folder() as folder:
        (folder / "dev").mkdir()
        shutil.copy(SCRIPT, folder / "dev")
        (folder / "machine/etc").mkdir(parents=True)
        folder.chmod(0o777)
        yield folder


def set_up(
    folder: Path, release: str, *words: str, env: dict[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """Run the script as somebody who is not root, on a machine of that release."""
    (folder / "machine/etc/os-release").write_text(release, encoding="ascii")
    account = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"]
    return subprocess.run(
        [*(account if os.geteuid() == 0 else []), "dev/setup.sh", *words],
        cwd=folder,
        env={**plain_environment(), "MACHINE_ROOT": str(folder / "machine"), **(env or {})},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_not_on_debian_it_names_what_is_missing_and_the_two_ways_on(elsewhere: Path) -> None:
    done = set_up(elsewhere, "ID=ubuntu\nVERSION_ID=24.04\n")
    assert done.returncode == 2
    assert "mosquitto" in done.stderr
    assert "timescaledb" in done.stderr
    assert "docker compose up" in done.stderr
    assert "BLOCKTWIN_DATABASE__DSN" in done.stderr
    assert "BLOCKTWIN_MQTT__HOST" in done.stderr
    assert not (elsewhere / ".venv").exists()


@pytest.mark.parametrize(
    ("version", "package"), [("12", "postgresql-15"), ("13", "postgresql-17-timescaledb")]
)
def test_without_root_it_says_that_root_is_needed_once(
    elsewhere: Path, version: str, package: str
) -> None:
    done = set_up(elsewhere, f"ID=debian\nVERSION_ID={version}\n", "--tests")
    assert done.returncode == 2
    for missing in ("mosquitto-clients", package, "chromium", "fonts-noto-cjk"):
        assert missing in done.stderr
    assert "as root" in done.stderr


def test_the_client_of_postgresql_alone_does_not_pass_for_its_headers(elsewhere: Path) -> None:
    """Debian's client package brings the makefiles of the server's development package."""
    pgxs = elsewhere / "machine/usr/lib/postgresql/15/lib/pgxs/src/makefiles/pgxs.mk"
    pgxs.parent.mkdir(parents=True)
    pgxs.touch()
    done = set_up(elsewhere, "ID=debian\nVERSION_ID=12\n")
    assert "postgresql-server-dev-15" in done.stderr


def test_with_ones_own_servers_only_python_is_needed(elsewhere: Path) -> None:
    done = set_up(elsewhere, "ID=fedora\n", env=OWN)
    # It gets as far as the lock, which the copy does not have.
    assert "lacks" not in done.stderr
    assert "your own" in done.stdout
    assert (elsewhere / ".venv").exists()


def test_the_tests_need_private_servers_even_then(elsewhere: Path) -> None:
    done = set_up(elsewhere, "ID=fedora\n", "--tests", env=OWN)
    assert done.returncode == 2
    assert "mosquitto" in done.stderr


def test_a_word_it_does_not_know_is_refused(elsewhere: Path) -> None:
    done = set_up(elsewhere, "ID=debian\nVERSION_ID=12\n", "--test")
    assert done.returncode == 2
    assert "usage" in done.stderr


@pytest.mark.parametrize(
    "name", ["dev/setup.sh", "Makefile", "deploy/Dockerfile", "requirements/dev.txt", "web/.npmrc"]
)
def test_mirrors_come_from_the_machine_alone(name: str) -> None:
    text = (ROOT / name).read_text(encoding="utf-8")
    assert not re.search(r"https?://|--(extra-)?index-url|registry *=|find-links +[a-z]*:", text)
