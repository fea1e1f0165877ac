"""Read rules and their tests from TOML, with errors that name file, rule and key of a mistake."""

from __future__ import annotations

import tomllib
from collections.abc import Iterable
from typing import Any, TypeVar

import msgspec

from alerts.rule_faults import fault, near
from alerts.rule_tests import RuleTest, faults_of
from alerts.rules import (
    Confirm,
    Hours,
    Inhibit,
    Level,
    OfLast,
    Part,
    Rule,
    RuleInvalid,
    Select,
    Text,
)

DESCRIBED = "docs/rules.md describes every key"

S = TypeVar("S", bound=msgspec.Struct)


class Document(msgspec.Struct, frozen=True, kw_only=True):
    """What one file says.

    Attributes:
        source: the file's name.
        tests: the tests of its rules, in its order.
    """

    source: str
    rules: tuple[Rule, ...]
    tests: tuple[RuleTest, ...]


def parse(text: str, source: str) -> list[Rule]:
    """Read the rules of one TOML file; its tests are read and not played.

    Args:
        text: the file's content.
        source: its name, for the errors.

    Raises:
        RuleInvalid: naming file, rule and key of the first mistake.
    """
    return list(read(text, source).rules)


def read(text: str, source: str) -> Document:
    """Read the rules and the tests of one TOML file.

    Raises:
        RuleInvalid: naming file, rule or test, and key of the first mistake.
    """
    try:
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise RuleInvalid(f"{source}: no valid TOML: {error}") from error
    unknown = sorted(document.keys() - {"rule", "test"})
    if unknown:
        raise RuleInvalid(
            f"{source}: unknown key {unknown[0]!r}",
            remedy="rules stand in [[rule]] tables, their tests in [[test]]",
        )
    entries = document.get("rule", [])
    if not isinstance(entries, list) or not entries:
        raise RuleInvalid(f"{source}: no rules", remedy="each rule stands in its own [[rule]]")
    rules = unique(
        (_rule(entry, number, source) for number, entry in enumerate(entries, 1)), source
    )
    tests = document.get("test", [])
    if not isinstance(tests, list):
        raise RuleInvalid(f"{source}: test: no list", remedy="each test stands in its own [[test]]")
    known = {rule.id: rule for rule in rules}
    read_tests = [_test(entry, number, known, source) for number, entry in enumerate(tests, 1)]
    return Document(source=source, rules=tuple(rules), tests=tuple(read_tests))


def unique(rules: Iterable[Rule], source: str) -> list[Rule]:
    """Return the rules as a list.

    Raises:
        RuleInvalid: if an id stands twice.
    """
    found: dict[str, Rule] = {}
    for rule in rules:
        if rule.id in found:
            raise RuleInvalid(
                f"{source}: rule {rule.id!r} stands twice", remedy="give one another id"
            )
        found[rule.id] = rule
    return list(found.values())


def _rule(entry: object, number: int, source: str) -> Rule:
    named = entry.get("id") if isinstance(entry, dict) else None
    place = f"{source}: rule {named!r}" if named else f"{source}: rule number {number}"
    rule = convert(entry, Rule, place, (Select, Level, Text, OfLast, Part, Confirm, Hours, Inhibit))
    found = fault(rule)
    if found:
        raise RuleInvalid(f"{place}: {found}", remedy=DESCRIBED)
    return rule


def _test(entry: object, number: int, rules: dict[str, Rule], source: str) -> RuleTest:
    named = entry.get("name") if isinstance(entry, dict) else None
    place = f"{source}: test {named!r}" if named else f"{source}: test number {number}"
    test = convert(entry, RuleTest, place, RuleTest.parts())
    if test.rule not in rules:
        raise RuleInvalid(
            f"{place}: rule: this file has no rule {test.rule!r}{near(test.rule, rules)}"
        )
    found = faults_of(test, rules[test.rule])
    if found:
        raise RuleInvalid(f"{place}: {found}", remedy=DESCRIBED)
    return test


def convert(entry: object, shape: type[S], place: str, inner: Iterable[type[Any]] = ()) -> S:
    """Make a struct of plain data; numbers may be written as integers, so 57 and 57.0 are equal.

    Args:
        entry: the data.
        shape: what it should be; ``inner`` are the structs in it, for the nearest known key.
        place: where it stands, for the errors.
        inner: further structs whose keys are known.

    Raises:
        RuleInvalid: naming place and key.
    """
    try:
        return msgspec.convert(entry, shape)
    except msgspec.ValidationError as error:
        remedy = _hint(str(error), (shape, *inner))
        raise RuleInvalid(f"{place}: {_plain(error)}", remedy=remedy) from error


def _plain(error: msgspec.ValidationError) -> str:
    """Return the sentence of a validation error with the key as the file spells it."""
    said, _, path = str(error).partition(" - at `$")
    sentence = f"{said[:1].lower()}{said[1:]}"
    key = path.rstrip("`").lstrip(".")
    return f"{key}: {sentence}" if key else sentence


def _hint(said: str, shapes: Iterable[type[msgspec.Struct]]) -> str:
    """Return the nearest known key for an unknown one."""
    if "unknown field" not in said:
        return DESCRIBED
    known = {info.encode_name for shape in shapes for info in msgspec.structs.fields(shape)}
    found = near(said.split("`")[1], known)
    return found.strip(" ()") if found else DESCRIBED
