"""A second, independent signal makes an alarm worse. It never delays one.

Each rule with ``confirm`` remembers the onsets of the rules it names, and its own active
conditions, by place. Whichever comes second finds the other (GB 50116 asks two independent signals
before anything is started; here they raise the severity). An onset counts for ``within_s`` even
if its condition has ended since, for a fire may pass the range of an instrument.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from alerts.places import Places
from alerts.rules import Confirm, LoadedRule
from core.model import Severity, Transition, TransitionKind

Key = tuple[str, str]
"""A condition: rule id and subject."""

Cell = tuple[object, ...]

MOST_ONSETS = 512
"""Onsets remembered per rule and place; the oldest is dropped first. One confirms as well as all.
"""


@dataclass(slots=True, kw_only=True)
class Active:
    """An active condition of a rule that others can confirm.

    Attributes:
        said: what was told last of it, with the severity that was told.
        level: the severity of its own ladder.
        onset_us: event time of its onset; 0: not known.
        confirmed: whether it has been made worse.
    """

    said: Transition
    level: Severity
    onset_us: int
    confirmed: bool = False


class Confirmations:
    """Who waits for a second signal, and which signals there were."""

    def __init__(self, rules: Sequence[LoadedRule], places: Places) -> None:
        self._places = places
        self._wants: dict[str, Confirm] = {
            entry.rule.id: entry.rule.confirm for entry in rules if entry.rule.confirm
        }
        self._served: dict[str, list[str]] = {}
        for rule_id, confirm in self._wants.items():
            for name in dict.fromkeys(confirm.by):
                self._served.setdefault(name, []).append(rule_id)
        self.active: dict[Key, Active] = {}
        self._waiting: dict[tuple[str, Cell], dict[Key, None]] = {}
        self._onsets: dict[tuple[str, Cell], dict[Key, int]] = {}

    def __bool__(self) -> bool:
        return bool(self._wants)

    def pass_on(self, said: Transition) -> list[Transition]:
        """Take a transition; return what is told of it, and what it makes worse."""
        told = self._own(said) if said.rule_id in self._wants else [said]
        if said.kind is TransitionKind.RAISED:
            for rule_id in self._served.get(said.rule_id, ()):
                told += self._serve(rule_id, said)
        return told

    def _own(self, said: Transition) -> list[Transition]:
        """Follow a condition that can be confirmed; what is told never lies under the floor."""
        key = said.rule_id, said.subject
        if said.kind is TransitionKind.RETURNED:
            active = self.active.pop(key, None)
            self._unwait(key)
            worst = said.severity if active is None else max(said.severity, active.said.severity)
            return [replace(said, severity=worst) if active and active.confirmed else said]
        active = self.active.get(key)
        if active is None:
            return self._begin(key, said)
        active.level = said.severity
        before = active.said.severity
        after = said.severity
        if active.confirmed:
            after = max(after, _floor(self._wants[said.rule_id]))
        if after == before:
            return []
        kind = TransitionKind.ESCALATED if after > before else TransitionKind.EASED
        active.said = replace(said, severity=after, kind=kind)
        return [active.said]

    def _begin(self, key: Key, said: Transition) -> list[Transition]:
        active = Active(said=said, level=said.severity, onset_us=said.at_us)
        self.active[key] = active
        self._wait(key)
        found = list(self._signals(key, active.onset_us))
        return [said, *self._judge(key, active, found, said.at_us)]

    def _serve(self, rule_id: str, said: Transition) -> list[Transition]:
        """Remember an onset for one rule, and look which of its conditions it confirms."""
        signal = said.rule_id, said.subject
        confirm = self._wants[rule_id]
        cell = self._cell(confirm, said.subject)
        if cell is None:
            return []
        onsets = self._onsets.setdefault((rule_id, cell), {})
        onsets.pop(signal, None)
        onsets[signal] = said.at_us
        self._prune(onsets, confirm, said.at_us)
        told: list[Transition] = []
        for place in _around(confirm, cell):
            for key in list(self._waiting.get((rule_id, place), ())):
                active = self.active[key]
                if key != signal and self._near(confirm, key, signal, active.onset_us, said.at_us):
                    found = list(self._signals(key, active.onset_us))
                    told += self._judge(key, active, found, said.at_us)
        return told

    def _prune(self, onsets: dict[Key, int], confirm: Confirm, now_us: int) -> None:
        old = now_us - 2 * round(confirm.within_s * 1e6)
        while onsets:
            first = next(iter(onsets))
            if onsets[first] >= old and len(onsets) <= MOST_ONSETS:
                return
            del onsets[first]

    def _signals(self, key: Key, onset_us: int) -> Iterator[tuple[Key, int]]:
        """Return the signals that count for a condition, nearest in time first."""
        rule_id, subject = key
        confirm = self._wants[rule_id]
        cell = self._cell(confirm, subject)
        if cell is None or not onset_us:
            return iter(())
        found = [
            (signal, at_us)
            for place in _around(confirm, cell)
            for signal, at_us in self._onsets.get((rule_id, place), {}).items()
            if signal != key and self._near(confirm, key, signal, onset_us, at_us)
        ]
        return iter(sorted(found, key=lambda one: (abs(one[1] - onset_us), one[0])))

    def _near(self, confirm: Confirm, key: Key, signal: Key, onset_us: int, at_us: int) -> bool:
        if not onset_us or abs(at_us - onset_us) > round(confirm.within_s * 1e6):
            return False
        if confirm.radius_m is None or key[1] == signal[1]:
            return True
        return self._places.apart_m(key[1], signal[1]) <= confirm.radius_m

    def _judge(
        self, key: Key, active: Active, found: list[tuple[Key, int]], now_us: int
    ) -> list[Transition]:
        confirm = self._wants[key[0]]
        if active.confirmed or len(found) < confirm.needed:
            return []
        active.confirmed = True
        self._unwait(key)
        floor = _floor(confirm)
        if floor <= active.said.severity:
            return []
        (rule_id, subject), at_us = found[0]
        apart_s = abs(at_us - active.onset_us) / 1e6
        more = len(found) - 1
        active.said = replace(
            active.said,
            kind=TransitionKind.ESCALATED,
            severity=floor,
            at_us=max(now_us, active.said.at_us),
            said=_sentence(rule_id, subject, apart_s, more),
        )
        return [active.said]

    def _cell(self, confirm: Confirm, subject: str) -> Cell | None:
        """Return under which key a place's signals are kept, None if the place is unknown."""
        if confirm.inside is not None:
            place = self._places.of(subject, confirm.inside)
            return (place,) if place else None
        if confirm.radius_m is None:
            return ()
        square = self._places.cell(subject, confirm.radius_m)
        return square if square is not None else ("at", subject)

    def _wait(self, key: Key) -> None:
        cell = self._cell(self._wants[key[0]], key[1])
        if cell is not None:
            self._waiting.setdefault((key[0], cell), {})[key] = None

    def _unwait(self, key: Key) -> None:
        cell = self._cell(self._wants[key[0]], key[1])
        if cell is None:
            return
        waiting = self._waiting.get((key[0], cell), {})
        waiting.pop(key, None)
        if not waiting:
            self._waiting.pop((key[0], cell), None)

    def put(self, said: Transition, level: Severity, onset_us: int) -> None:
        """Set an active condition as it was told last; its onset confirms others, too."""
        key = said.rule_id, said.subject
        for rule_id in self._served.get(key[0], ()) if onset_us else ():
            cell = self._cell(self._wants[rule_id], key[1])
            if cell is not None:
                self._onsets.setdefault((rule_id, cell), {}).setdefault(key, onset_us)
        if key[0] not in self._wants:
            return
        confirmed = said.severity > level and said.severity >= _floor(self._wants[key[0]])
        self.active[key] = Active(said=said, level=level, onset_us=onset_us, confirmed=confirmed)
        if not confirmed:
            self._wait(key)

    def drop(self, key: Key) -> None:
        """Forget an active condition."""
        if self.active.pop(key, None) is not None:
            self._unwait(key)

    def state(self) -> tuple[list[Active], list[tuple[str, str, str, int]]]:
        """Return what a snapshot keeps: active conditions, and onsets (rule, by, subject, us)."""
        onsets = [
            (rule_id, *signal, at_us)
            for (rule_id, _), found in self._onsets.items()
            for signal, at_us in found.items()
        ]
        return list(self.active.values()), onsets

    def take(self, active: Sequence[Active], onsets: Sequence[tuple[str, str, str, int]]) -> None:
        """Take over a ``state``, as far as the rules still ask for it."""
        for one in active:
            key = one.said.rule_id, one.said.subject
            if key[0] in self._wants:
                self.active[key] = one
                if not one.confirmed:
                    self._wait(key)
        for rule_id, name, subject, at_us in onsets:
            if rule_id not in self._served.get(name, ()):
                continue
            cell = self._cell(self._wants[rule_id], subject)
            if cell is not None:
                self._onsets.setdefault((rule_id, cell), {})[name, subject] = at_us


def _around(confirm: Confirm, cell: Cell) -> list[Cell]:
    """Return the places to look in: the space, or the square with its neighbours."""
    if confirm.inside is not None or confirm.radius_m is None or cell[0] == "at":
        return [cell]
    row, column = cell
    assert isinstance(row, int)
    assert isinstance(column, int)
    return [(row + n, column + e) for n in (-1, 0, 1) for e in (-1, 0, 1)]


def _floor(confirm: Confirm) -> Severity:
    return Severity[confirm.severity.upper()]


def _sentence(rule_id: str, subject: str, apart_s: float, more: int) -> tuple[str, str]:
    others_zh = f"等 {more + 1} 个信号" if more else ""
    others_en = f" and {more} more" if more else ""
    return (
        f"由 {subject} 的 {rule_id}{others_zh}确认，相隔 {apart_s:.0f} 秒",
        f"Confirmed by {rule_id} on {subject}{others_en}, {apart_s:.0f} s apart",
    )
