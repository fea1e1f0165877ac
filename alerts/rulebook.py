"""Find rule files and read them: a folder's, or the ones that ship with the program."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path

import msgspec

from alerts.rule_faults import set_fault
from alerts.rule_tests import RuleTest
from alerts.rule_texts import Document, read, unique
from alerts.rules import Rule, RuleInvalid

MAX_FILE_BYTES = 1_000_000
"""A rule file is text that people review; a larger one is none."""


class Book(msgspec.Struct, frozen=True, kw_only=True):
    """Rules that are checked together, and their tests.

    Attributes:
        place: where they come from, for people.
        documents: file by file.
    """

    place: str
    documents: tuple[Document, ...]

    @property
    def rules(self) -> list[Rule]:
        """All rules, file by file."""
        return [rule for document in self.documents for rule in document.rules]

    @property
    def tests(self) -> list[tuple[str, RuleTest]]:
        """All tests with the name of their file."""
        return [(each.source, test) for each in self.documents for test in each.tests]


def packaged() -> Book:
    """Return what ships with the program."""
    entries = _toml(files("alerts").joinpath("defaults").iterdir())
    return _book(entries, "the packaged rules")


def folder(path: Path) -> Book:
    """Return all ``*.toml`` files of a folder.

    Raises:
        RuleInvalid: if there are none, one has a mistake, an id stands twice, or a rule names one
            that is not there.
    """
    try:
        entries = list(path.iterdir())
    except OSError as error:
        raise RuleInvalid(
            f"cannot read the rules folder {path}: {error.strerror}",
            remedy="set rules_dir in [alerts] to a folder of *.toml files, or to nothing",
        ) from error
    return _book(_toml(entries), str(path))


def configured(rules_dir: str | None) -> Book:
    """Return what a worker loads when it starts.

    Args:
        rules_dir: folder of the rule files; None or "" for the packaged ones.

    Raises:
        RuleInvalid: as ``folder`` says.
    """
    return folder(Path(rules_dir)) if rules_dir else packaged()


def some(paths: Iterable[Path], known: Collection[str] = ()) -> Book:
    """Return some files, which together, or with the rules ``known`` by id, must be usable.

    Raises:
        RuleInvalid: if one cannot be read or has a mistake, an id stands twice, or a rule names one
            that is not there.
    """
    return _book(paths, "the files together", known)


def text(content: str, source: str, known: Collection[str] = ()) -> Book:
    """Return the rules of one text, checked as a file is.

    Raises:
        RuleInvalid: as ``some`` says.
    """
    return _checked([read(content, source)], source, known)


def read_packaged() -> list[Rule]:
    """Return the rules that ship with the program."""
    return packaged().rules


def read_folder(path: Path) -> list[Rule]:
    """Return the rules of a folder; it raises what ``folder`` does."""
    return folder(path).rules


def read_files(paths: Iterable[Path]) -> list[Rule]:
    """Return the rules of some files; it raises what ``some`` does."""
    return some(paths).rules


def _book(entries: Iterable[Path | Traversable], place: str, known: Collection[str] = ()) -> Book:
    ordered = sorted(entries, key=lambda entry: entry.name)
    documents = [read(_text(entry), str(entry)) for entry in ordered]
    if not documents:
        raise RuleInvalid(
            f"{place}: no rules", remedy="put at least one *.toml file of rules there"
        )
    return _checked(documents, place, known)


def _checked(documents: list[Document], place: str, known: Collection[str]) -> Book:
    book = Book(place=place, documents=tuple(documents))
    found = set_fault(unique(book.rules, place), known)
    if found:
        raise RuleInvalid(
            f"{place}: {found}", remedy="give the file that holds it as well, or mend the name"
        )
    return book


def _toml(entries: Iterable[Path | Traversable]) -> list[Path | Traversable]:
    return [entry for entry in entries if entry.name.endswith(".toml")]


def _text(entry: Path | Traversable) -> str:
    try:
        content = entry.read_bytes()
    except OSError as error:
        raise RuleInvalid(f"cannot read {entry}: {error.strerror}") from error
    if len(content) > MAX_FILE_BYTES:
        raise RuleInvalid(f"{entry}: {len(content)} bytes are too many for a rule file")
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError as error:
        raise RuleInvalid(f"{entry}: no UTF-8 text: {error}") from error
