"""What keeps a rule from raising: the hours of the day, and conditions of other rules.

Hours close a gate in the machine: a value that is beyond its limit when the gate opens raises with
the next reading. Another rule's condition holds a raised condition back: it is told as soon as the
other one has ended, at its level of then, and never if it has ended before.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from alerts.places import Places
from alerts.rules import Hours, LoadedRule
from core.batch import I8
from core.model import Transition, TransitionKind

Bool = npt.NDArray[np.bool_]

_WEEK = 7 * 1440
_DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_CST_MIN = 8 * 60
_THURSDAY = 3 * 1440  # 1970-01-01 was one


class Gates:
    """When each rule may raise, minute by minute of the week in China Standard Time (UTC+8)."""

    def __init__(self, rules: Sequence[LoadedRule]) -> None:
        self._open = {
            number: _minutes(entry.rule.hours)
            for number, entry in enumerate(rules)
            if entry.rule.hours
        }

    def shut(self, rule: npt.NDArray[np.int16], at_us: I8) -> Bool:
        """Tell which rules may not raise at their time."""
        minute = (at_us // 60_000_000 + _CST_MIN + _THURSDAY) % _WEEK
        shut = np.zeros(len(rule), dtype=np.bool_)
        for number in np.unique(rule).tolist():
            if number in self._open:
                own = rule == number
                shut[own] = ~self._open[number][minute[own]]
        return shut


def _minutes(hours: Sequence[Hours]) -> Bool:
    """Return which minutes of a week, from Monday on, lie in one of the stretches."""
    inside = np.zeros(_WEEK, dtype=np.bool_)
    for stretch in hours:
        begin, end = _minute(stretch.begin), _minute(stretch.end)
        length = (end - begin) % 1440 or 1440
        for day in stretch.days or _DAYS:
            first = _DAYS.index(day) * 1440 + begin
            inside[np.arange(first, first + length) % _WEEK] = True
    return inside


def _minute(text: str) -> int:
    hour, minute = text.split(":")
    return int(hour) * 60 + int(minute)


class Inhibitions:
    """Conditions that are held back, and those that hold them.

    Attributes:
        held: what each held condition would have said, by rule id and subject.
        active: onsets (us) of the active conditions of rules that inhibit others, by rule id and
            place, then by subject.
    """

    def __init__(self, rules: Sequence[LoadedRule], places: Places) -> None:
        self._places = places
        self._of = {entry.rule.id: entry.rule.inhibit for entry in rules if entry.rule.inhibit}
        self._scopes: dict[str, set[str]] = {}
        self._waiting: dict[tuple[str, str], set[str]] = {}
        for rule_id, inhibits in self._of.items():
            for inhibit in inhibits:
                for name in inhibit.by:
                    self._scopes.setdefault(name, set()).add(inhibit.same)
                    self._waiting.setdefault((name, inhibit.same), set()).add(rule_id)
        self.held: dict[tuple[str, str], Transition] = {}
        self._holders: dict[tuple[str, str, str], set[str]] = {}

    def __bool__(self) -> bool:
        return bool(self._of or self.held)

    def asks_for(self, rule_id: str) -> bool:
        """Tell whether conditions of a rule hold others back."""
        return rule_id in self._scopes

    def rank(self, rule_id: str) -> int:
        """Order rules at the same moment: those that are never held back come first."""
        return int(rule_id in self._of)

    def pass_on(self, said: Transition) -> list[Transition]:
        """Take a transition; return what is told of it, and what its end lets go."""
        if (said.rule_id in self._of or self.held) and not self._passes(said):
            return []
        told = [said]
        if said.rule_id in self._scopes:
            told += self.note(said.rule_id, said.subject, said.kind, said.at_us)
        return told

    def _passes(self, said: Transition) -> bool:
        key = said.rule_id, said.subject
        if key in self.held:
            if said.kind is TransitionKind.RETURNED:
                del self.held[key]
            else:
                self.held[key] = said
            return False
        if said.kind is TransitionKind.RAISED and self._holds(said):
            self.held[key] = said
            return False
        return True

    def _holds(self, said: Transition) -> bool:
        for inhibit in self._of.get(said.rule_id, ()):
            place = self._places.of(said.subject, inhibit.same)
            if place and any(self._holders.get((by, inhibit.same, place)) for by in inhibit.by):
                return True
        return False

    def note(
        self, rule_id: str, subject: str, kind: TransitionKind, at_us: int
    ) -> list[Transition]:
        """Note that a condition is active or has ended; return what is let go by that."""
        told: list[Transition] = []
        for scope in sorted(self._scopes.get(rule_id, ())):
            place = self._places.of(subject, scope)
            if not place:
                continue
            holders = self._holders.setdefault((rule_id, scope, place), set())
            if kind is not TransitionKind.RETURNED:
                holders.add(subject)
                continue
            holders.discard(subject)
            if not holders:
                del self._holders[rule_id, scope, place]
                told += self._let_go(self._waiting[rule_id, scope], at_us)
        return told

    def _let_go(self, rules: set[str], at_us: int) -> list[Transition]:
        """Tell what no other condition holds any longer."""
        told: list[Transition] = []
        for key in sorted(key for key in self.held if key[0] in rules):
            if key not in self.held or self._holds(self.held[key]):
                continue
            kept = self.held.pop(key)
            raised = replace(kept, kind=TransitionKind.RAISED, at_us=max(at_us, kept.at_us))
            told.append(raised)
            if raised.rule_id in self._scopes:
                told += self.note(raised.rule_id, raised.subject, raised.kind, raised.at_us)
        return told

    def free(self, at_us: int) -> list[Transition]:
        """Tell what nothing holds any longer: rules, devices or places have changed."""
        return self._let_go({key[0] for key in self.held}, at_us) if self.held else []

    def drop(self, rule_id: str, subject: str) -> None:
        """Forget a condition; what it has held is told by ``free``."""
        self.held.pop((rule_id, subject), None)
        for scope in self._scopes.get(rule_id, ()):
            key = rule_id, scope, self._places.of(subject, scope)
            holders = self._holders.get(key, set())
            holders.discard(subject)
            if not holders:
                self._holders.pop(key, None)

    def take(self, held: Sequence[Transition], rules: Collection[str]) -> None:
        """Take over what another engine has held back, as far as the rules are still there."""
        for kept in held:
            if kept.rule_id in rules:
                self.held[kept.rule_id, kept.subject] = kept
