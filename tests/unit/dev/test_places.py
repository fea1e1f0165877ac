"""Where the private servers of a project keep their data."""

from __future__ import annotations

import os
import socket
import stat
from pathlib import Path

import pytest

from dev import places


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project folder; what is open is decided by its own two levels only."""
    folder = tmp_path / "home" / "project"
    folder.mkdir(parents=True)
    real = places.open_to_others
    monkeypatch.setattr(
        places,
        "open_to_others",
        lambda path: real(path) if tmp_path not in path.parents else _open_within(path, tmp_path),
    )
    return folder


def _open_within(path: Path, top: Path) -> bool:
    parts = [part for part in (path, *path.parents) if top in part.parents and part.exists()]
    return all(part.stat().st_mode & stat.S_IXOTH for part in parts)


def test_as_oneself_the_data_stays_in_the_project(project: Path) -> None:
    project.parent.chmod(0o700)
    assert places.state_folder(project, as_root=False) == project / ".blocktwin"


def test_as_root_in_an_open_folder_too(project: Path) -> None:
    project.parent.chmod(0o755)
    assert places.state_folder(project, as_root=True) == project / ".blocktwin"


def test_as_root_below_a_private_folder_it_goes_elsewhere(project: Path, tmp_path: Path) -> None:
    project.parent.chmod(0o700)
    chosen = places.state_folder(project, as_root=True, fallback=tmp_path / "open")
    assert chosen.parent == tmp_path / "open"
    assert chosen == places.state_folder(project, as_root=True, fallback=tmp_path / "open")
    other = project.with_name("other")
    assert chosen != places.state_folder(other, as_root=True, fallback=tmp_path / "open")


def test_a_closed_parent_closes_all_below_it(tmp_path: Path) -> None:
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o700)
    assert not places.open_to_others(closed / "a" / "b")


def test_a_free_port_can_be_listened_on() -> None:
    port = places.free_port()
    with socket.create_server(("127.0.0.1", port)) as server:
        assert server.getsockname()[1] == port


def test_a_free_port_is_none_that_an_outgoing_connection_may_take() -> None:
    ports = {places.free_port() for _ in range(50)}
    assert max(ports) < 32_768
    assert len(ports) > 45


def test_a_private_file_is_readable_by_its_owner_alone(tmp_path: Path) -> None:
    path = tmp_path / "secret"
    path.write_text("old", encoding="utf-8")
    path.chmod(0o644)
    places.write_private(path, "new")
    assert path.read_text(encoding="utf-8") == "new"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_a_private_folder_may_be_entered_by_its_owner_alone(tmp_path: Path) -> None:
    folder = places.make_private(tmp_path / "a" / "b")
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700


def test_only_root_runs_servers_as_other_accounts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    assert places.account_for("postgres") == ""
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    assert places.account_for("postgres") == "postgres"
