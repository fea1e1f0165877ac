"""The private broker runs with the shipped file; only where it stands may differ."""

from __future__ import annotations

from pathlib import Path

import pytest

from core.errors import MissingPrerequisite
from dev.conf import render_settings, replace_lines
from dev.servers import PrivateMosquitto, find_postgres, require_same_major

SHIPPED = Path(__file__).parents[3] / "deploy/mosquitto/mosquitto.conf"


def settings(text: str) -> list[str]:
    return [line for line in text.splitlines() if line and not line.startswith("#")]


def test_values_are_quoted_for_postgresql() -> None:
    assert render_settings({"a": "x'y", "b": ""}) == "a = 'x''y'\nb = ''\n"


def test_only_the_named_lines_change() -> None:
    shipped = SHIPPED.read_text(encoding="utf-8")
    private = replace_lines(shipped, {"listener": "1999 127.0.0.1"})
    changed = set(settings(private)) ^ set(settings(shipped))
    assert changed == {"listener 1883", "listener 1999 127.0.0.1"}


def test_a_key_that_the_shipped_file_lacks_is_refused() -> None:
    with pytest.raises(KeyError, match="0 lines for bind_interface"):
        replace_lines("listener 1883\n", {"bind_interface": "lo"})


def test_a_key_that_stands_twice_is_refused() -> None:
    with pytest.raises(KeyError, match="2 lines for listener"):
        replace_lines("listener 1883\nlistener 8883\n", {"listener": "1"})


def test_the_private_broker_listens_on_loopback_in_its_own_folder(tmp_path: Path) -> None:
    broker = PrivateMosquitto(tmp_path, {}, port=4711)
    conf = settings(broker._conf())
    assert "listener 4711 127.0.0.1" in conf
    assert all("/mosquitto/" not in line and "/run/" not in line for line in conf)


@pytest.mark.parametrize(
    "line",
    [
        "allow_anonymous false",
        "max_queued_messages 0",
        "persistence true",
        "max_inflight_messages 20000",
        "set_tcp_nodelay false",
    ],
)
def test_what_keeps_messages_safe_is_in_the_shipped_file(line: str) -> None:
    assert line in settings(SHIPPED.read_text(encoding="utf-8"))


def cluster(root: Path, version: str, *, extension: bool = True) -> Path:
    programs = root / version / "bin"
    programs.mkdir(parents=True)
    (programs / "initdb").touch()
    (root / version / "lib").mkdir()
    if extension:
        (root / version / "lib/timescaledb.so").touch()
    return programs


def test_the_newest_postgresql_with_the_extension_is_taken(tmp_path: Path) -> None:
    cluster(tmp_path, "9")
    wanted = cluster(tmp_path, "15")
    cluster(tmp_path, "17", extension=False)
    assert find_postgres(tmp_path) == wanted


def test_without_the_extension_the_error_says_what_to_do(tmp_path: Path) -> None:
    cluster(tmp_path, "15", extension=False)
    with pytest.raises(MissingPrerequisite) as caught:
        find_postgres(tmp_path)
    assert "make setup" in caught.value.remedy


def test_data_of_another_major_version_is_refused(tmp_path: Path) -> None:
    data = tmp_path / "postgres/cluster/data"
    data.mkdir(parents=True)
    (data / "PG_VERSION").write_text("15\n", encoding="ascii")
    programs = cluster(tmp_path, "17")
    with pytest.raises(MissingPrerequisite, match="15; installed is 17"):
        require_same_major(data, programs)
