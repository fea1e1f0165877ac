"""Named statements in ``.sql`` files, and the names of migration files."""

import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from core.db import queries
from core.db.migrate import migrations


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., str]:
    """Return a function that makes an importable package of some files and names it."""

    def make(**files: str) -> str:
        name = f"sql_{tmp_path.name}"
        folder = tmp_path / name
        folder.mkdir()
        for file in ("__init__.py", *files):
            (folder / file).write_text(files.get(file, ""), encoding="utf-8")
        monkeypatch.syspath_prepend(tmp_path)
        monkeypatch.delitem(sys.modules, name, raising=False)
        return name

    return make


def test_statements_are_found_by_name_without_their_semicolon(
    package: Callable[..., str],
) -> None:
    text = "-- what this file is for\n\n-- name: one\n-- why\nSELECT 1;\n\n-- name: two\nSELECT 2\n"
    found = queries.load(package(**{"q.sql": text}), "q.sql")
    assert set(found) == {"one", "two"}
    assert found["one"] == "-- why\nSELECT 1"
    assert found["two"] == "SELECT 2"


def test_a_missing_name_says_which_file_lacks_it(package: Callable[..., str]) -> None:
    found = queries.load(package(**{"q.sql": "-- name: one\nSELECT 1;\n"}), "q.sql")
    with pytest.raises(KeyError, match=r"q\.sql has no statement named 'three'"):
        found["three"]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("SELECT 1;\n-- name: one\nSELECT 2;\n", "before the first"),
        ("-- name: one\nSELECT 1;\n-- name: one\nSELECT 2;\n", "stands twice"),
    ],
)
def test_a_file_that_is_off_is_refused(package: Callable[..., str], text: str, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        queries.load(package(**{"q.sql": text}), "q.sql")


def test_shipped_migrations_are_numbered_and_have_distinct_checksums() -> None:
    shipped = migrations()
    assert [migration.version for migration in shipped] == list(range(1, len(shipped) + 1))
    assert len({migration.checksum for migration in shipped}) == len(shipped)


@pytest.mark.parametrize(
    ("files", "words"),
    [
        (["0001_create_base.sql", "0003_add_thing.sql"], "without gaps"),
        (["0001_create_base.sql", "0001_add_thing.sql"], "without gaps"),
        (["1_create_base.sql"], "not named"),
        (["0001_base.sql"], "not named"),
        (["0001-create-base.sql"], "not named"),
    ],
)
def test_misnamed_migrations_are_refused(
    package: Callable[..., str], files: list[str], words: str
) -> None:
    name = package(**dict.fromkeys(files, "SELECT 1;"))
    with pytest.raises(ValueError, match=words):
        migrations(name)


def test_a_migration_may_ask_to_run_without_a_transaction(package: Callable[..., str]) -> None:
    name = package(
        **{"0001_add_a.sql": "-- transaction: none\nVACUUM;\n", "0002_add_b.sql": "SELECT 1;\n"}
    )
    assert [migration.bare for migration in migrations(name)] == [True, False]
