"""Which rule judges what: from rules, registry and overrides to conditions laid out, all normal."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import msgspec
import numpy as np

from alerts.combine import Combined
from alerts.conditions import Conditions
from alerts.detectors import DETECTORS
from alerts.forecasts import FORECASTS
from alerts.gates import Gates
from alerts.judged import Judged
from alerts.judges import Judge
from alerts.ladder import Pick
from alerts.limits import Limits
from alerts.overriding import Overrides
from alerts.rules import Level, LoadedRule, Rule
from core.batch import I4
from core.model import Field
from core.registry import Registry

_PLAIN = ("high", "low", "rise", "fall", "stuck")
_JUDGED = ("anomaly", "forecast")
_COMBINED = ("all", "any")

Groups = Mapping[tuple[str, Field, str], Sequence[int]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """The conditions of an engine.

    Attributes:
        quick: high, low, rise and fall rules on the value itself, which long runs of readings of
            one series are judged by at once; ``plain``: the others of these, with counts, hours or
            runs of equal values.
        judged: one for each anomaly and forecast rule.
        combined: all ``all`` and ``any`` rules.
    """

    quick: Conditions
    plain: Conditions
    judged: tuple[Judged, ...]
    combined: Combined

    @property
    def all(self) -> tuple[Conditions, ...]:
        """Every set of conditions."""
        return self.quick, self.plain, *self.judged, self.combined


def lay_out(rules: tuple[LoadedRule, ...], registry: Registry, overrides: Overrides) -> Layout:
    """Lay the conditions of all rules out."""
    gates = Gates(rules) if any(entry.rule.hours for entry in rules) else None
    groups = _groups(registry)
    picks: dict[bool, list[Pick]] = {True: [], False: []}
    judged = []
    for number, entry in enumerate(rules):
        rule = entry.rule
        if rule.type not in _PLAIN + _JUDGED:
            continue
        series = _judged_series(rule, rule.select.quantity, groups, registry, overrides)
        if rule.type in _PLAIN:
            sign = -1.0 if rule.type == "low" else 1.0
            picks[_is_quick(rule)] += _picks(
                number, rule, sign, series, series, registry, overrides
            )
        elif len(series):
            judged.append(_judged(rules, number, series, registry, overrides, gates))
    return Layout(
        quick=Conditions(rules, registry, Limits(picks[True], registry.size)),
        plain=Conditions(rules, registry, Limits(picks[False], registry.size, gates)),
        judged=tuple(judged),
        combined=_combined(rules, groups, registry, overrides, gates),
    )


def _is_quick(rule: Rule) -> bool:
    return rule.type != "stuck" and rule.of_last is None and not rule.hours


def _judged(
    rules: tuple[LoadedRule, ...],
    number: int,
    series: I4,
    registry: Registry,
    overrides: Overrides,
    gates: Gates | None,
) -> Judged:
    rule = rules[number].rule
    kind = judge_of(rule)
    judge = kind(
        msgspec.convert(rule.options, kind.Options),
        [registry.by_id[one] for one in series.tolist()],
        registry,
        [float(level.raise_at) for level in rule.levels if level.raise_at is not None],
    )
    keys = np.arange(len(series), dtype=np.int32)
    picks = list(_picks(number, rule, float(kind.worse), series, keys, registry, overrides))
    return Judged(rules, number, registry, Limits(picks, len(series), gates), series, judge)


def judge_of(rule: Rule) -> type[Judge]:
    """Return the detector or forecast of a rule.

    Raises:
        KeyError: if there is none of that name; checked rules have one.
    """
    return DETECTORS[rule.detector] if rule.type == "anomaly" else FORECASTS[rule.forecast]


def _combined(
    rules: tuple[LoadedRule, ...],
    groups: Groups,
    registry: Registry,
    overrides: Overrides,
    gates: Gates | None,
) -> Combined:
    picks: list[Pick] = []
    members: list[list[int]] = []
    for number, entry in enumerate(rules):
        if entry.rule.type not in _COMBINED:
            continue
        found = _by_parts(entry.rule, groups, registry, overrides)
        keys = np.arange(len(members), len(members) + len(found), dtype=np.int32)
        known = np.array([next(filter(None, parts)) for parts in found], dtype=np.int32)
        picks += _picks(number, entry.rule, 1.0, known, keys, registry, overrides)
        members += found
    return Combined(rules, registry, Limits(picks, len(members), gates), members)


def _by_parts(
    rule: Rule, groups: Groups, registry: Registry, overrides: Overrides
) -> list[list[int]]:
    """Return the series of each part, device by device; 0 where the device has none.

    An ``all`` rule judges devices that have every quantity, an ``any`` rule those with one.
    """
    devices: dict[str, list[int]] = {}
    for n, part in enumerate(rule.parts):
        for series in _judged_series(rule, part.quantity, groups, registry, overrides).tolist():
            device = registry.by_id[series].device_id
            devices.setdefault(device, [0] * len(rule.parts))[n] = series
    found = list(devices.values())
    return [parts for parts in found if all(parts)] if rule.type == "all" else found


def _picks(
    number: int,
    rule: Rule,
    sign: float,
    series: I4,
    keys: I4,
    registry: Registry,
    overrides: Overrides,
) -> Iterator[Pick]:
    """Return the keys under the rule's own ladder, and those under one of their device's."""
    ladders: dict[tuple[Level, ...], list[int]] = {}
    special = overrides.devices(rule.id)
    if special:
        for n, one in enumerate(series.tolist()):
            levels = overrides.levels(rule, registry.by_id[one].device_id)
            ladders.setdefault(levels, []).append(n)
    else:
        ladders[rule.levels] = list(range(len(series)))
    for levels, members in ladders.items():
        yield Pick(
            number=number,
            rule=rule,
            levels=levels,
            sign=sign,
            keys=keys[np.array(members, np.intp)],
        )


def _judged_series(
    rule: Rule, quantity: str, groups: Groups, registry: Registry, overrides: Overrides
) -> I4:
    """Return the series of a quantity that a rule judges, ascending."""
    found = [
        series
        for (kind, field, measured), members in groups.items()
        if measured == quantity and rule.selects(kind=kind, field=field, quantity=quantity)
        for series in members
    ]
    select = rule.select
    special = overrides.devices(rule.id)
    if select.space or select.tags or select.device or special:
        found = [
            one
            for one in found
            if rule.narrows(registry.by_id[one])
            and overrides.judges(rule.id, registry.by_id[one].device_id)
        ]
    return np.sort(np.array(found, dtype=np.int32))


def _groups(registry: Registry) -> Groups:
    """Return the series by kind, field and quantity; those of one group are asked for together."""
    groups: dict[tuple[str, Field, str], list[int]] = {}
    for series_id, info in registry.by_id.items():
        groups.setdefault((info.kind, info.field, info.quantity), []).append(series_id)
    return groups
