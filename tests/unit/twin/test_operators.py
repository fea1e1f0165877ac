"""The operators file: hashes only, whole replacements, honest refusals."""

from __future__ import annotations

from pathlib import Path

import pytest

from core.errors import ConfigInvalid, UsageError
from twin.operators import Role, Roster, add, digest, match, read, remove


def test_a_token_is_matched_and_never_written(tmp_path: Path) -> None:
    path = tmp_path / "sub" / "operators.toml"
    token = add(path, "lin", Role.OPERATOR)
    other = add(path, "wall", Role.VIEWER)
    text = path.read_text()
    assert token not in text
    assert other not in text
    assert digest(token) in text
    found = match(read(path), token)
    assert found is not None
    assert (found.name, found.role) == ("lin", Role.OPERATOR)
    assert match(read(path), token + "x") is None
    assert match(read(path), "\udc80") is None
    assert path.stat().st_mode & 0o077 == 0
    assert list(path.parent.iterdir()) == [path]


def test_a_removed_operator_is_gone(tmp_path: Path) -> None:
    path = tmp_path / "operators.toml"
    token = add(path, "lin", Role.OPERATOR)
    add(path, "chen", Role.VIEWER)
    remove(path, "lin")
    assert match(read(path), token) is None
    assert [o.name for o in read(path)] == ["chen"]
    with pytest.raises(UsageError, match="is not in"):
        remove(path, "lin")


@pytest.mark.parametrize("name", ["", "A", "-x", "a b", 'x"\nrole', "é"])
def test_a_name_must_be_an_id(tmp_path: Path, name: str) -> None:
    with pytest.raises(UsageError, match="must match"):
        add(tmp_path / "operators.toml", name, Role.VIEWER)
    assert not (tmp_path / "operators.toml").exists()


def test_a_name_is_taken_once(tmp_path: Path) -> None:
    path = tmp_path / "operators.toml"
    add(path, "lin", Role.OPERATOR)
    with pytest.raises(UsageError, match="already exists"):
        add(path, "lin", Role.VIEWER)


HASH = "0" * 64


@pytest.mark.parametrize(
    "text",
    [
        "[[operator]",
        f'[[operator]]\nname = "a"\nrole = "king"\ntoken_sha256 = "{HASH}"',
        '[[operator]]\nname = "a"\nrole = "viewer"\ntoken_sha256 = "12"',
        f'[[operator]]\nname = "a"\nrole = "viewer"\ntoken_sha256 = "{HASH}"\ntoken = "x"',
        f'[[operator]]\nname = "a"\nrole = "viewer"\ntoken_sha256 = "{HASH}"\n' * 2,
    ],
)
def test_a_broken_file_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "operators.toml"
    path.write_text(text)
    with pytest.raises(ConfigInvalid, match=r"operators\.toml"):
        read(path)


def test_the_roster_follows_the_file(tmp_path: Path) -> None:
    path = tmp_path / "operators.toml"
    roster = Roster(path)
    assert roster.current() == ()
    add(path, "lin", Role.OPERATOR)
    assert [o.name for o in roster.current()] == ["lin"]
    path.write_text("broken [")
    for _ in range(2):
        with pytest.raises(ConfigInvalid):
            roster.current()
    path.unlink()
    assert roster.current() == ()
    assert Roster(None).current() == ()


def test_a_folder_that_cannot_be_written_is_a_users_mistake(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises((UsageError, ConfigInvalid)):
        add(tmp_path / "file" / "operators.toml", "lin", Role.VIEWER)
