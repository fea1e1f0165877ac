"""Play the tests of rules through the real engine, and show where it says something else."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping

import msgspec

from alerts.engine import Engine
from alerts.rule_tests import (
    MAX_SILENCE_S,
    Expected,
    RuleTest,
    Told,
    expected,
    readings,
    stage,
    start,
)
from alerts.rules import LoadedRule, Override, Rule, RuleInvalid
from core import batch as batches
from core.model import Transition, TransitionKind
from core.registry import Registry

_SILENT = frozenset({"missing", "gateway_offline"})
_SECOND_US = 1_000_000


class Said(msgspec.Struct, frozen=True, kw_only=True):
    """One change that the engine said; ``device`` may be a gateway or a space."""

    at_s: float
    kind: TransitionKind
    severity: str
    device: str
    value: float
    threshold: float

    def line(self) -> str:
        """Return it as people read it."""
        return (
            f"{self.at_s:g} s {self.kind} {self.severity} {self.device} "
            f"({self.value:.6g}, limit {self.threshold:.6g})"
        )


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """How a test ended.

    Attributes:
        differences: lines, ``-`` what was expected and not said, ``+`` what was said and not
            expected, indented what agrees; empty if the test holds.
    """

    rule: str
    name: str
    differences: tuple[str, ...]

    @property
    def holds(self) -> bool:
        """Whether the engine said what was expected."""
        return not self.differences


def play(test: RuleTest, rules: Mapping[str, Rule]) -> Outcome:
    """Play one test.

    Args:
        test: as ``alerts.rule_texts.read`` gave it.
        rules: all rules checked together, by id.

    Raises:
        RuleInvalid: if it names a rule that is not among them, or its silence lasts too long.
    """
    judging = _judging(test, rules)
    said = [
        _said(transition, test)
        for transition in _changes(test, judging, rules[test.rule])
        if transition.rule_id == test.rule
    ]
    return Outcome(
        rule=test.rule, name=test.name, differences=tuple(_differences(expected(test), said, test))
    )


def _judging(test: RuleTest, rules: Mapping[str, Rule]) -> list[Rule]:
    """Return the tested rule, those that confirm or inhibit it, and those it asks for."""
    rule = rules[test.rule]
    names = [rule.id, *(rule.confirm.by if rule.confirm else ()), *test.with_]
    names += itertools.chain.from_iterable(inhibit.by for inhibit in rule.inhibit)
    for name in names:
        if name not in rules:
            raise RuleInvalid(
                f"test {test.name!r}: there is no rule {name!r}",
                remedy="give the file that holds it as well",
            )
    return [rules[name] for name in dict.fromkeys(names)]


def _changes(test: RuleTest, judging: list[Rule], rule: Rule) -> Iterator[Transition]:
    registry = stage(test, rule)
    begin_us = round(start(test).timestamp() * _SECOND_US)
    engine = _engine(test, judging, registry, begin_us)
    ticking = any(each.type in _SILENT for each in judging)
    rows = readings(test, rule)
    last_s = max([0.0, *(row.at_s for row in rows), *(at for at, _, _ in test.gateway)])
    until_s = max(last_s, test.until or 0.0)
    if ticking and until_s > MAX_SILENCE_S:
        raise RuleInvalid(
            f"test {test.name!r}: lasts {until_s:g} s, and a test of silence at most "
            f"{MAX_SILENCE_S} s"
        )
    steps: list[tuple[float, int, Told | tuple[str, bool] | None]] = [
        *((row.at_s, 0, row) for row in rows),
        *((at, 1, (name, word == "online")) for at, name, word in test.gateway),
        *((float(at), 2, None) for at in (range(int(until_s) + 1) if ticking else ())),
    ]
    for at_s, _, step in sorted(steps, key=lambda one: one[:2]):
        at_us = begin_us + round(at_s * _SECOND_US)
        if step is None:
            yield from engine.tick(at_us)
        elif isinstance(step, Told):
            yield from _give(engine, registry, step, at_us)
        else:
            yield from engine.gateway_status(*step, at_us)


def _engine(test: RuleTest, judging: list[Rule], registry: Registry, now_us: int) -> Engine:
    overrides = tuple(
        Override(rule_id=test.rule, device_id=name, levels=own.levels, enabled=own.enabled)
        for name, own in test.overrides.items()
    )
    loaded = [LoadedRule(rule=each, version=1) for each in judging]
    return Engine(loaded, registry, now_us=now_us, overrides=overrides)


def _give(engine: Engine, registry: Registry, told: Told, at_us: int) -> list[Transition]:
    series = registry.ids[told.series]
    return engine.process(batches.of([series], [at_us], [at_us], [told.value], [told.quality]))


def _said(transition: Transition, test: RuleTest) -> Said:
    begin_us = round(start(test).timestamp() * _SECOND_US)
    return Said(
        at_s=(transition.at_us - begin_us) / _SECOND_US,
        kind=transition.kind,
        severity=transition.severity.name.lower(),
        device=transition.subject.partition(":")[2],
        value=transition.value,
        threshold=transition.threshold,
    )


def _differences(wanted: list[Expected], said: list[Said], test: RuleTest) -> list[str]:
    lines, holds = [], True
    for want, got in itertools.zip_longest(wanted, said):
        if want is not None and got is not None and _agree(want, got, test.within_s):
            lines.append(f"  {got.line()}")
            continue
        holds = False
        if want is not None:
            lines.append(f"- {_line(want)}")
        if got is not None:
            lines.append(f"+ {got.line()}")
    return [] if holds else lines


def _agree(want: Expected, got: Said, within_s: float) -> bool:
    return (
        abs(want.at_s - got.at_s) <= within_s
        and want.kind is got.kind
        and (want.severity is None or want.severity.name.lower() == got.severity)
        and want.device in ("", got.device)
    )


def _line(want: Expected) -> str:
    severity = want.severity.name.lower() if want.severity is not None else ""
    return " ".join(filter(None, (f"{want.at_s:g} s", str(want.kind), severity, want.device)))
