"""What conditions do to each other, slow and obvious: everything that was said is kept and looked
through again at every change.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

from alerts.rules import Confirm, Inhibit, LoadedRule
from core.model import Severity, TransitionKind
from core.registry import Registry, SeriesInfo
from tests.oracle.rules import Change

Key = tuple[str, str]
LEVELS = ("district", "street", "community", "grid", "block", "building")


@dataclass(slots=True)
class Told:
    """An active condition: when it began, what its ladder says, and what was told last."""

    onset_us: int
    said: Change
    confirmed: bool = False


class SlowLinks:
    """Holds changes back and makes them worse, one after the other."""

    def __init__(self, rules: Sequence[LoadedRule], registry: Registry) -> None:
        self.rules = {entry.rule.id: entry.rule for entry in rules}
        self.infos = {f"device:{info.device_id}": info for info in registry.by_id.values()}
        self.running: set[Key] = set()  # told as active, as far as inhibition is concerned
        self.held: dict[Key, Change] = {}
        self.active: dict[Key, Told] = {}
        self.onsets: dict[Key, int] = {}

    def follow(self, changes: Sequence[Change]) -> list[Change]:
        order = sorted(
            changes,
            key=lambda c: (c.at_us, bool(self.rules[c.rule_id].inhibit), c.rule_id, c.subject),
        )
        passed = [one for change in order for one in self.hold_back(change)]
        told = [one for change in passed for one in self.make_worse(change)]
        return sorted(told, key=lambda c: c.at_us)

    def hold_back(self, change: Change) -> list[Change]:
        key = change.rule_id, change.subject
        if key in self.held:
            if change.kind is TransitionKind.RETURNED:
                del self.held[key]
            else:
                self.held[key] = change
            return []
        if change.kind is TransitionKind.RAISED and self.is_held(change):
            self.held[key] = change
            return []
        self.mark(change)
        told = [change]
        if change.kind is TransitionKind.RETURNED:
            for other in sorted(self.held):
                kept = self.held[other]
                concerned = any(change.rule_id in i.by for i in self.rules[other[0]].inhibit)
                if concerned and not self.is_held(kept):
                    del self.held[other]
                    raised = replace(
                        kept, kind=TransitionKind.RAISED, at_us=max(change.at_us, kept.at_us)
                    )
                    self.mark(raised)
                    told.append(raised)
        return told

    def mark(self, change: Change) -> None:
        if change.kind is TransitionKind.RETURNED:
            self.running.discard((change.rule_id, change.subject))
        else:
            self.running.add((change.rule_id, change.subject))

    def is_held(self, change: Change) -> bool:
        return any(
            rule_id in inhibit.by and self.same_thing(inhibit, change.subject, subject)
            for inhibit in self.rules[change.rule_id].inhibit
            for rule_id, subject in self.running
        )

    def same_thing(self, inhibit: Inhibit, one: str, other: str) -> bool:
        a, b = self.thing(one, inhibit.same), self.thing(other, inhibit.same)
        return bool(a) and a == b

    def thing(self, subject: str, kind: str) -> str:
        info = self.infos[subject]
        if kind == "device":
            return info.device_id
        if kind == "gateway":
            return info.gateway_id
        depth = LEVELS.index(kind)
        return info.spaces[depth] if depth < len(info.spaces) else ""

    def make_worse(self, change: Change) -> list[Change]:
        key = change.rule_id, change.subject
        told = self.own(key, change)
        if change.kind is TransitionKind.RAISED:
            self.onsets[key] = change.at_us
            told += self.confirm(change.at_us)
        return told

    def own(self, key: Key, change: Change) -> list[Change]:
        confirm = self.rules[key[0]].confirm
        if confirm is None:
            return [change]
        if change.kind is TransitionKind.RETURNED:
            told = self.active.pop(key)
            worst = max(told.said.severity, change.severity) if told.confirmed else change.severity
            return [replace(change, severity=worst)]
        if key not in self.active:
            self.active[key] = Told(change.at_us, change)
            return [change, *self.confirm(change.at_us)]
        told = self.active[key]
        before = told.said.severity
        after = max(change.severity, floor(confirm)) if told.confirmed else change.severity
        if after == before:
            return []
        kind = TransitionKind.ESCALATED if after > before else TransitionKind.EASED
        told.said = replace(change, severity=after, kind=kind)
        return [told.said]

    def confirm(self, now_us: int) -> list[Change]:
        """Look at every active condition again."""
        told = []
        for key, one in self.active.items():
            confirm = self.rules[key[0]].confirm
            assert confirm is not None
            signals = [
                other
                for other, at_us in self.onsets.items()
                if other != key
                and other[0] in confirm.by
                and abs(at_us - one.onset_us) <= confirm.within_s * 1e6
                and self.is_near(confirm, key[1], other[1])
            ]
            if one.confirmed or len(signals) < confirm.needed:
                continue
            one.confirmed = True
            if floor(confirm) > one.said.severity:
                one.said = replace(
                    one.said,
                    kind=TransitionKind.ESCALATED,
                    severity=floor(confirm),
                    at_us=max(now_us, one.said.at_us),
                )
                told.append(one.said)
        return told

    def is_near(self, confirm: Confirm, one: str, other: str) -> bool:
        if confirm.inside is not None:
            a, b = self.thing(one, confirm.inside), self.thing(other, confirm.inside)
            if not a or a != b:
                return False
        if confirm.radius_m is None or one == other:
            return True
        return metres(self.infos[one], self.infos[other]) <= confirm.radius_m


def floor(confirm: Confirm) -> Severity:
    return Severity[confirm.severity.upper()]


def metres(a: SeriesInfo, b: SeriesInfo) -> float:
    """Return the great-circle distance (haversine), infinite if a position is unknown."""
    lat1, lat2 = math.radians(a.lat), math.radians(b.lat)
    half = math.sin((lat2 - lat1) / 2) ** 2
    half += math.cos(lat1) * math.cos(lat2) * math.sin(math.radians(b.lon - a.lon) / 2) ** 2
    return math.inf if math.isnan(half) else 2 * 6_371_008.8 * math.asin(math.sqrt(half))
