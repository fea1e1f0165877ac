"""Find rule files and read them: a folder's, or the ones that ship with the program."""

from __future__ import annotations

from collections.abc import Iterable
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path

from alerts.rules import Rule, RuleInvalid, parse, unique


def read_packaged() -> list[Rule]:
    """Return the rules that ship with the program."""
    return _read(_toml(files("alerts").joinpath("defaults").iterdir()), "the packaged rules")


def read_folder(folder: Path) -> list[Rule]:
    """Return the rules of all ``*.toml`` files of a folder.

    Raises:
        RuleInvalid: if there are none, one has a mistake, or an id stands twice.
    """
    try:
        entries = list(folder.iterdir())
    except OSError as error:
        raise RuleInvalid(
            f"cannot read the rules folder {folder}: {error.strerror}",
            remedy="set rules_dir in [alerts] to a folder of *.toml files, or to nothing",
        ) from error
    return _read(_toml(entries), str(folder))


def read_files(paths: Iterable[Path]) -> list[Rule]:
    """Return the rules of some files, which together must be usable.

    Raises:
        RuleInvalid: if one cannot be read or has a mistake, or an id stands twice.
    """
    return _read(paths, "the files together")


def _read(entries: Iterable[Path | Traversable], place: str) -> list[Rule]:
    rules: list[Rule] = []
    for entry in sorted(entries, key=lambda entry: entry.name):
        rules += parse(_text(entry), str(entry))
    if not rules:
        raise RuleInvalid(
            f"{place}: no rules", remedy="put at least one *.toml file of rules there"
        )
    return unique(rules, place)


def _toml(entries: Iterable[Path | Traversable]) -> list[Path | Traversable]:
    return [entry for entry in entries if entry.name.endswith(".toml")]


def _text(entry: Path | Traversable) -> str:
    try:
        return entry.read_text(encoding="utf-8")
    except OSError as error:
        raise RuleInvalid(f"cannot read {entry}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise RuleInvalid(f"{entry}: no UTF-8 text: {error}") from error
