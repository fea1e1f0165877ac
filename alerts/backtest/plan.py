"""What a back-test plays: which rules under which ids, whose readings, and in which pieces; pure.

The rule that is tried and the one in force run side by side in one engine, the tried one under an
id of its own. Rules that confirm or inhibit one of them run as well, and where a detector or a
forecast learns, those during whose alarms it does not; none of these are counted.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import msgspec

from alerts.rule_faults import direction, level_fault
from alerts.rules import LoadedRule, Override, Rule
from core.errors import UsageError
from core.registry import Registry, SeriesInfo

MAX_DAYS = 366
MAX_SERIES = 20_000
MAX_READINGS = 100_000_000
"""What one back-test may read at most, by the registered intervals."""

SLICE_READINGS = 1_500_000
"""Readings read at once, about."""

CANDIDATE = "candidate"
"""Prefix of the tried rule's id in the engine; no rule's own id has a colon."""

_LEARNING = timedelta(days=14)
_AROUND = frozenset({"neighbour", "balance", "rain_explained", "dry_weather"})
"""Detectors that look at other series too."""

_ON_VALUES = frozenset({"high", "low", "rise", "fall", "stuck"})
"""Rules on a series' own values: no judge learns from the series while one is active."""


class TooMuch(UsageError):
    """The back-test would read more than one may."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """The stretch that is counted, both with offset; ``lead`` before it is only played."""

    since: datetime
    until: datetime
    lead: timedelta = timedelta(0)

    @property
    def days(self) -> float:
        """Its length without the lead."""
        return (self.until - self.since) / timedelta(days=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What is played.

    Attributes:
        candidate: the tried rule; ``current`` the one in force of the same id, if there is one.
        rules: all that run, the tried one as ``candidate:ID``.
        registry: the series whose readings are played.
        judged: how many of them the tried rule judges.
        same: the two rules are equal, so only the tried one runs.
    """

    candidate: Rule
    current: Rule | None
    rules: tuple[LoadedRule, ...]
    registry: Registry
    judged: int
    window: Window
    overrides: tuple[Override, ...]
    same: bool

    @property
    def tried_id(self) -> str:
        """The tried rule's id in the engine."""
        return f"{CANDIDATE}:{self.candidate.id}"

    @property
    def looks_around(self) -> bool:
        """Whether a detector looks at other series, which must then be as far as its own."""
        return any(entry.rule.detector in _AROUND for entry in self.rules)

    def slices(self) -> Iterator[tuple[datetime, datetime]]:
        """Yield stretches that follow each other, each with a bounded number of readings."""
        rate = sum(1 / info.interval_s for info in self.registry.by_id.values())
        # Days of UTC, or equal parts of them, as the store lays readings down: no page is read
        # for two slices.
        parts = min(1440, max(1, math.ceil(rate * 86_400 / SLICE_READINGS)))
        step = timedelta(days=1) / parts
        begin, end = self.window.since - self.window.lead, self.window.until
        day = begin.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
        while begin < end:
            following = day + step * ((begin - day) // step + 1)
            yield begin, min(following, end)
            begin = following


def make(
    candidate: Rule,
    known: Mapping[str, Rule],
    registry: Registry,
    window: Window,
    *,
    overrides: Sequence[Override] = (),
    space: str | None = None,
) -> Plan:
    """Lay a back-test out.

    Args:
        candidate: the rule that is tried.
        known: the rules in force by id, and those that come with the tried one.
        registry: all series.
        window: the stretch that is counted; its lead is set here.
        overrides: those in force; they hold for the tried rule too where its ladder allows it.
        space: only devices in it.

    Raises:
        TooMuch: if the window, the series or the readings are more than one back-test may take.
        UsageError: if the rule judges no series there, or names a rule that is not known.
    """
    current = known.get(candidate.id)
    same = current == candidate
    running = [candidate] if same or current is None else [candidate, current]
    companions = _companions(running, known)
    narrowed = _inside(registry, space)
    judged = [info for info in narrowed if _judges(candidate, info)]
    if not judged and candidate.type != "gateway_offline":
        raise UsageError(
            f"rule {candidate.id!r} judges no series{' in ' + space if space else ''}",
            remedy="look at its selector, and at `blocktwin device list`",
        )
    if candidate.type == "gateway_offline":
        judged = narrowed
    played = _played([*running, *companions], narrowed, registry)
    companions += _teachers(running, companions, known, played)
    lead = max(map(_lead, running), default=timedelta(0))
    window = Window(since=window.since, until=window.until, lead=lead)
    _check_size(window, played)
    tried = _as_candidate(candidate)
    rules = [tried, *running[1:], *companions]
    return Plan(
        candidate=candidate,
        current=current,
        rules=tuple(LoadedRule(rule=rule, version=1) for rule in rules),
        registry=Registry(played, drains=registry.drains, powers=registry.powers),
        judged=len(judged),
        window=window,
        overrides=tuple(_overrides(overrides, candidate, rules, _outside(registry, space))),
        same=same,
    )


def _companions(running: Sequence[Rule], known: Mapping[str, Rule]) -> list[Rule]:
    """Return the rules that confirm or inhibit those that run, and those that inhibit these."""
    own = {rule.id for rule in running}
    names = [name for rule in running if rule.confirm for name in rule.confirm.by]
    names += [name for rule in running for name in _inhibiting(rule)]
    found: dict[str, Rule] = {}
    while names:
        name = names.pop(0)
        if name in own or name in found:
            continue
        if name not in known:
            raise UsageError(f"there is no rule {name!r}", remedy="load the rule that it is in")
        found[name] = known[name]
        names += _inhibiting(known[name])
    return list(found.values())


def _inhibiting(rule: Rule) -> Iterator[str]:
    return (name for inhibit in rule.inhibit for name in inhibit.by)


def _teachers(
    running: Sequence[Rule],
    companions: Sequence[Rule],
    known: Mapping[str, Rule],
    played: Sequence[SeriesInfo],
) -> list[Rule]:
    """Return the rules in force during whose alarms the judges of those that run do not learn."""
    if not any(rule.type in {"anomaly", "forecast"} for rule in running):
        return []
    there = {rule.id for rule in (*running, *companions)}
    return [
        rule
        for rule in known.values()
        if rule.id not in there
        and rule.type in _ON_VALUES
        and any(_judges(rule, info) for info in played)
    ]


def _as_candidate(rule: Rule) -> Rule:
    """Return a rule under the id that it is tried by, also where it names itself."""
    name = f"{CANDIDATE}:{rule.id}"
    if rule.confirm is None or rule.id not in rule.confirm.by:
        return msgspec.structs.replace(rule, id=name)
    by = tuple(name if one == rule.id else one for one in rule.confirm.by)
    confirm = msgspec.structs.replace(rule.confirm, by=by)
    return msgspec.structs.replace(rule, id=name, confirm=confirm)


def _inside(registry: Registry, space: str | None) -> list[SeriesInfo]:
    infos = registry.by_id.values()
    return [info for info in infos if space is None or space in info.spaces]


def _outside(registry: Registry, space: str | None) -> set[str]:
    if space is None:
        return set()
    return {info.device_id for info in registry.by_id.values() if space not in info.spaces}


def _judges(rule: Rule, info: SeriesInfo) -> bool:
    return rule.selects(kind=info.kind, field=info.field, quantity=info.quantity) and rule.narrows(
        info
    )


def _played(
    rules: Sequence[Rule], narrowed: Iterable[SeriesInfo], registry: Registry
) -> list[SeriesInfo]:
    """Return the series that some rule judges, and those that its detector looks at besides."""
    silent = any(rule.type == "gateway_offline" for rule in rules)
    found = {
        info.series_id: info
        for info in narrowed
        if silent or any(_judges(rule, info) for rule in rules)
    }
    around = {rule.select.quantity for rule in rules if rule.detector in _AROUND}
    if around:
        around.add("rain_intensity")
        found |= {key: info for key, info in registry.by_id.items() if info.quantity in around}
    return list(found.values())


def _lead(rule: Rule) -> timedelta:
    """Return how much of the past a rule must have seen before what it says counts."""
    if rule.type in {"anomaly", "forecast"} or rule.learn_interval or rule.options.get("learn"):
        return _LEARNING
    return timedelta(seconds=(rule.window_s or 0) + rule.dwell_s + 3600)


def _check_size(window: Window, played: Sequence[SeriesInfo]) -> None:
    if window.since >= window.until:
        raise UsageError("from must be before to")
    if window.days > MAX_DAYS:
        raise TooMuch(f"{window.days:.0f} days are too many", remedy=f"ask for {MAX_DAYS} at most")
    if len(played) > MAX_SERIES:
        raise TooMuch(
            f"the rule needs {len(played)} series; a back-test plays {MAX_SERIES} at most",
            remedy="choose a space",
        )
    seconds = (window.until - window.since + window.lead).total_seconds()
    count = sum(seconds / info.interval_s for info in played)
    if count > MAX_READINGS:
        raise TooMuch(
            f"about {count / 1e6:.0f} million readings are too many",
            remedy=f"choose a shorter time or a space; {MAX_READINGS // 1_000_000} million may be",
        )


def _overrides(
    overrides: Sequence[Override], candidate: Rule, rules: Sequence[Rule], outside: set[str]
) -> Iterator[Override]:
    """Yield what holds for single devices, and keep the rules off devices outside the space."""
    for one in overrides:
        if one.device_id in outside:
            continue
        yield one
        if one.rule_id == candidate.id and _fits(one, candidate):
            yield msgspec.structs.replace(one, rule_id=f"{CANDIDATE}:{candidate.id}")
    if any(rule.detector in _AROUND for rule in rules):
        for rule in rules[:2]:
            for device in sorted(outside):
                yield Override(rule_id=rule.id, device_id=device, enabled=False)


def _fits(one: Override, candidate: Rule) -> bool:
    if not one.levels:
        return True
    own = {level.severity for level in candidate.levels}
    if not {level.severity for level in one.levels} <= own:
        return False
    return not level_fault(one.levels, direction(candidate))
