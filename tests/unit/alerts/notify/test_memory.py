from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from alerts.notify.memory import Claim, Memory
from core.errors import ConfigInvalid


def test_what_was_told_is_known_after_a_restart(tmp_path: Path) -> None:
    path = tmp_path / "told"
    memory = Memory.open(path)
    assert memory.claim("a", "", "k1") is Claim.MINE
    assert memory.claim("a", "", "k1") is Claim.BUSY
    assert memory.claim("a", "x@y", "k1") is Claim.MINE
    memory.keep("a", "", "k1")
    memory.drop("a", "x@y", "k1")
    again = Memory.open(path)
    assert again.claim("a", "", "k1") is Claim.DONE
    assert again.claim("a", "x@y", "k1") is Claim.MINE
    assert again.claim("b", "", "k1") is Claim.MINE


def test_a_torn_line_costs_one_key_at_most(tmp_path: Path) -> None:
    path = tmp_path / "told"
    memory = Memory.open(path)
    for key in ("k1", "k2"):
        memory.claim("a", "", key)
        memory.keep("a", "", key)
    path.write_bytes(path.read_bytes()[:-3])
    torn = Memory.open(path)
    torn.claim("a", "", "k3")
    torn.keep("a", "", "k3")
    again = Memory.open(path)
    assert again.claim("a", "", "k1") is Claim.DONE
    assert again.claim("a", "", "k2") is Claim.MINE
    assert again.claim("a", "", "k3") is Claim.DONE


def test_a_folder_that_is_not_there_stops_the_start(tmp_path: Path) -> None:
    with pytest.raises(ConfigInvalid, match="memory_file"):
        Memory.open(tmp_path / "no" / "told")


@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 12), st.booleans()), max_size=60))
def test_the_newest_keys_are_kept_and_the_file_stays_small(
    tmp_path_factory: pytest.TempPathFactory, deeds: list[tuple[int, bool]]
) -> None:
    path = tmp_path_factory.mktemp("memory") / "told"
    memory = Memory.open(path, most=5)
    kept: list[str] = []
    for number, restart in deeds:
        key = f"k{number}"
        if restart:
            memory = Memory.open(path, most=5)
        expected = Claim.DONE if key in kept else Claim.MINE
        assert memory.claim("a", "", key) is expected
        if expected is Claim.MINE:
            memory.keep("a", "", key)
            kept = [*kept, key][-5:]
    assert len(path.read_text().splitlines()) <= 11
