"""Handing on what an engine knows: to one of other rules, to another process, from the database."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from alerts.conditions import Conditions
from alerts.keeping import level_of, severity_of
from alerts.knowing import Knowledge
from alerts.rules import LoadedRule, Rule, digest
from alerts.snapshot import Kept, KeptRule
from alerts.spread import Index
from core.batch import I4
from core.model import Field, Severity, Transition, TransitionKind
from core.registry import Registry

_SILENT = ("missing", "gateway_offline")


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenCondition:
    """An open alarm as far as the engine is concerned.

    Attributes:
        severity: the level in force, the last one if it has returned.
        returned: whether the condition has ended (the alarm waits for a person).
        raised_us: event time of the onset, microseconds since the Unix epoch; 0: not known, and
            then no second signal confirms it.
        rule_version: of the rule that raised it; 0: not known, and then its end is not told if
            the rule is gone.
        field: the rule's; ``quantity``, ``latch`` and ``life_safety`` as the alarm has them.
    """

    rule_id: str
    subject: str
    severity: Severity
    returned: bool
    raised_us: int = 0
    rule_version: int = 0
    field: Field = Field.SYSTEM
    quantity: str = ""
    latch: bool = False
    life_safety: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Outline:
    """What all snapshots of one engine have in common: whose state it is, not the state itself.

    Attributes:
        series: all ids, ascending; ``names`` of them, as ``device:quantity``.
        rules: of each rule that has conditions: its number, these, the place among ``series`` of
            the one that each is known by, and the digest.
    """

    series: I4
    names: list[str]
    rules: list[tuple[int, Index, I4, str]]


def outline(mine: Knowledge) -> Outline:
    """Return the outline of what is known; reads nothing that judging changes."""
    series = np.array(sorted(mine.registry.by_id), dtype=np.int32)
    rules = []
    for number, entry in enumerate(mine.rules):
        found = _rows(mine, number)
        if found is not None:
            where, known_by = found
            place = np.searchsorted(series, known_by).astype(np.int32)
            rules.append((number, where, place, digest(entry.rule)))
    names = [_name(mine.registry, one) for one in series.tolist()]
    return Outline(series=series, names=names, rules=rules)


def keep(mine: Knowledge, common: Outline | None = None) -> Kept:
    """Return all that is known; what is judged later does not change it.

    Args:
        common: what ``outline`` returned; without it, it is found anew.
    """
    common = common or outline(mine)
    series = common.series
    rules = []
    for number, where, place, mark in common.rules:
        entry = mine.rules[number]
        state = _state(mine, number, where)
        rules.append(
            KeptRule(
                rule=entry.rule, digest=mark, version=entry.version, series=place, arrays=state
            )
        )
    gateways, columns = mine.silence.gateways()
    some = series if len(mine.board.value) else series[:0]
    return Kept(
        clock_us=mine.silence.now_us,
        names=common.names,
        last_us=mine.last_us[series],
        heard_us=mine.silence.heard_us[series],
        board_us=mine.board.at_us[some],
        board_value=mine.board.value[some],
        rules=rules,
        gateways=gateways,
        gateway_arrays={name: column.copy() for name, column in columns.items()},
        links=mine.links.state(),
    )


def _rows(mine: Knowledge, number: int) -> tuple[Index, I4] | None:
    """Return the conditions of a rule, and the series they are known by."""
    if mine.rules[number].rule.type == "gateway_offline":
        none = np.zeros(0, dtype=np.int32)
        return none.astype(np.intp), none
    if mine.rules[number].rule.type == "missing":
        return mine.silence.rows(number)
    conditions = _conditions(mine, number)
    return None if conditions is None else conditions.rows(number)


def _state(mine: Knowledge, number: int, where: Index) -> dict[str, npt.NDArray[Any]]:
    """Return copies of the state of a rule's conditions."""
    kind = mine.rules[number].rule.type
    if kind == "gateway_offline":
        return {}
    if kind == "missing":
        return mine.silence.state(where)
    conditions = _conditions(mine, number)
    return {} if conditions is None else conditions.state(number, where)


def _conditions(mine: Knowledge, number: int) -> Conditions | None:
    for one in mine.layout.all:
        if bool((one.limits.rule == number).any()):
            return one
    return None


def take(
    mine: Knowledge, kept: Kept, *, exact: bool, common: Outline | None = None
) -> list[Transition]:
    """Take over what another engine knew.

    Args:
        exact: whether it knew it just now; otherwise silence is counted afresh, and what is to be
            told is left to ``restore``.
        common: what ``outline`` returned; without it, it is found anew.

    Returns:
        The ends of active conditions that nothing judges any longer, and what was held back and is
        no longer.

    Raises:
        ValueError: if a judge cannot read what is kept of it.
    """
    common = common or outline(mine)
    theirs_to_mine = common.series
    if kept.names != common.names:
        ids = mine.registry.ids
        theirs_to_mine = np.array([ids.get(name, 0) for name in kept.names], dtype=np.int32)
    rows = {number: (where, common.series[at]) for number, where, at, _ in common.rules}
    there = theirs_to_mine > 0
    series = theirs_to_mine[there]
    mine.last_us[series] = kept.last_us[there]
    mine.silence.heard_us[series] = kept.heard_us[there]
    if len(mine.board.value) and len(kept.board_us):
        mine.board.at_us[series] = kept.board_us[there]
        mine.board.value[series] = kept.board_value[there]
    numbers = {entry.rule.id: number for number, entry in enumerate(mine.rules)}
    mine.links.take(kept.links)
    held = {(one.rule_id, one.subject) for one in kept.links.held}
    ended: list[Transition] = []
    late = mine.silence.now_us > kept.clock_us
    start_us = mine.silence.now_us
    gone = mine.silence.take_gateways(kept.gateways, kept.gateway_arrays, now_us=kept.clock_us)
    for one in kept.rules:
        number = numbers.get(one.rule.id)
        own = rows.get(number) if number is not None else None
        left = _take_rule(mine, number, one, theirs_to_mine, own)
        ended += _ends(one, left, kept)
        if one.rule.type == "gateway_offline":
            said = _reported(kept) if number is None else gone
            ended += [_end(one, f"gateway:{name}", _first(one), kept.clock_us) for name in said]
    if late and not exact:
        mine.silence.put_armed(start_us)
    _count_busy(mine)
    _know_holders(mine)
    if not exact:  # the database knows what has ended since, and ``restore`` tells the rest
        for t in ended:
            mine.links.drop(t.rule_id, t.subject)
        return []
    for t in ended:
        mine.links.inhibitions.held.pop((t.rule_id, t.subject), None)
    told = mine.links.follow([t for t in ended if (t.rule_id, t.subject) not in held])
    return told + mine.links.free(mine.silence.now_us)


def _know_holders(mine: Knowledge) -> None:
    """Find by the rules and places of now what active conditions hold back."""
    for number, entry in enumerate(mine.rules):
        if mine.links.inhibitions.asks_for(entry.rule.id):
            mine.links.know(entry.rule.id, _active(mine, number))


def _active(mine: Knowledge, number: int) -> list[str]:
    """Return the subjects of a rule's active conditions."""
    if mine.rules[number].rule.type == "gateway_offline":
        names, columns = mine.silence.gateways()
        return [f"gateway:{n}" for n, told in zip(names, columns["reported"], strict=True) if told]
    conditions = _conditions(mine, number)
    where, series = (conditions or mine.silence).rows(number)
    on = mine.silence.missing(where) if conditions is None else conditions.limits.level[where] > 0
    return [f"device:{mine.registry.by_id[one].device_id}" for one in series[on].tolist()]


def _reported(kept: Kept) -> list[str]:
    reported = kept.gateway_arrays["reported"].tolist()
    return [name for name, told in zip(kept.gateways, reported, strict=True) if told]


def _take_rule(
    mine: Knowledge,
    number: int | None,
    kept: KeptRule,
    series_of: I4,
    rows: tuple[Index, I4] | None,
) -> npt.NDArray[np.intp]:
    """Take over one rule's conditions; return the kept ones that have no match."""
    every = np.arange(len(kept.series))
    if number is None or rows is None or not len(every):
        return every
    rule = mine.rules[number].rule
    if (rule.type in _SILENT) != (kept.rule.type in _SILENT):
        return every
    conditions = _conditions(mine, number)
    where, known_by = rows
    a, b = _pairs(rule, kept.rule, mine.registry, known_by, series_of[kept.series])
    if conditions is None:
        if len(b):
            mine.silence.take(where[a], kept.arrays, b)
    else:
        same = digest(rule) == kept.digest or _judges_alike(rule, kept.rule)
        conditions.take(where[a], kept.arrays, b, same=same)
    left = np.ones(len(every), dtype=np.bool_)
    left[b] = False
    return np.flatnonzero(left)


def _pairs(rule: Rule, was: Rule, registry: Registry, mine: I4, theirs: I4) -> tuple[Index, Index]:
    """Return the places of equal conditions: of one series, or of one device if it has several.

    Args:
        theirs: 0 where the series is gone.
    """
    if np.array_equal(mine, theirs):
        return np.arange(len(mine)), np.arange(len(mine))
    there = np.flatnonzero(theirs > 0)
    if not {rule.type, was.type} & {"missing", "all", "any"}:
        _, a, b = np.intersect1d(mine, theirs[there], assume_unique=True, return_indices=True)
        return a, there[b]
    own = {registry.by_id[one].device_id: n for n, one in enumerate(mine.tolist())}
    found = [(registry.by_id[int(theirs[n])].device_id, n) for n in there.tolist()]
    pairs = sorted((own[device], n) for device, n in found if device in own)
    a = np.array([n for n, _ in pairs], dtype=np.intp)
    return a, np.array([n for _, n in pairs], dtype=np.intp)


def _judges_alike(rule: Rule, was: Rule) -> bool:
    """Tell whether two versions of a rule judge the same values."""
    keys = ("type", "detector", "forecast", "options", "parts", "of_last", "window_s")
    alike = all(getattr(rule, key) == getattr(was, key) for key in keys)
    return alike and rule.select.quantity == was.select.quantity


def _ends(one: KeptRule, left: npt.NDArray[np.intp], kept: Kept) -> Iterator[Transition]:
    """Return the ends of kept conditions that were active."""
    arrays = one.arrays
    for n in left.tolist():
        if "missing" in arrays:
            severity = int(arrays["rank"][n]) if arrays["missing"][n] else 0
        else:
            severity = severity_of(int(arrays["mask"][n]), int(arrays["level"][n]))
        if severity:
            device = kept.names[int(one.series[n])].partition(":")[0]
            yield _end(one, f"device:{device}", Severity(severity), kept.clock_us)


def _first(one: KeptRule) -> Severity:
    return one.rule.levels[0].rank


def _end(one: KeptRule, subject: str, severity: Severity, at_us: int) -> Transition:
    rule = one.rule
    return _gone(
        OpenCondition(
            rule_id=rule.id,
            subject=subject,
            severity=severity,
            returned=False,
            rule_version=one.version,
            field=rule.field,
            quantity=rule.select.quantity,
            latch=rule.latch,
            life_safety=rule.life_safety,
        ),
        at_us,
    )


def _gone(condition: OpenCondition, at_us: int) -> Transition:
    return Transition(
        rule_id=condition.rule_id,
        rule_version=condition.rule_version,
        subject=condition.subject,
        field=condition.field,
        kind=TransitionKind.RETURNED,
        severity=condition.severity,
        at_us=at_us,
        value=0.0,
        threshold=0.0,
        quantity=condition.quantity,
        latch=condition.latch,
        life_safety=condition.life_safety,
        said=("规则不再判断此对象", "The rule judges this no longer"),
    )


def _count_busy(mine: Knowledge) -> None:
    if not len(mine.busy):
        return
    mine.busy[:] = 0
    for conditions in (mine.layout.quick, mine.layout.plain):
        active = conditions.limits.key[conditions.limits.level > 0]
        np.add.at(mine.busy, active, 1)


def restore(mine: Knowledge, open_conditions: Sequence[OpenCondition]) -> list[Transition]:
    """Set the conditions of open alarms.

    Returns:
        The ends of those that nothing judges, and what was held back and is no longer.
    """
    numbers = {entry.rule.id: number for number, entry in enumerate(mine.rules)}
    missing: dict[tuple[int, str], bool] = {}
    watched = _watched(mine)
    ended: list[Transition] = []
    for condition in open_conditions:
        number = numbers.get(condition.rule_id)
        kind, _, name = condition.subject.partition(":")
        if number is None:
            ended += _end_open(mine, None, condition)
            continue
        rule = mine.rules[number].rule
        if rule.type == "gateway_offline" and kind == "gateway" and name in mine.registry.gateways:
            mine.silence.put_gateway(name, away=not condition.returned)
            _link(mine, number, condition, condition.severity)
        elif rule.type == "missing" and name in watched.get(number, ()):
            missing[number, name] = not condition.returned
            _link(mine, number, condition, condition.severity)
        elif not _restore_value(mine, number, name, condition):
            ended += _end_open(mine, mine.rules[number], condition)
    mine.silence.put_missing(missing)
    _count_busy(mine)
    return mine.links.follow(ended) + mine.links.free(mine.silence.now_us)


def _watched(mine: Knowledge) -> dict[int, set[str]]:
    return {
        number: {
            mine.registry.by_id[one].device_id for one in mine.silence.rows(number)[1].tolist()
        }
        for number, entry in enumerate(mine.rules)
        if entry.rule.type == "missing"
    }


def _end_open(
    mine: Knowledge, entry: LoadedRule | None, condition: OpenCondition
) -> list[Transition]:
    if condition.returned:
        return []
    if entry is not None:
        kept = KeptRule(
            rule=entry.rule,
            digest="",
            version=condition.rule_version or entry.version,
            series=np.zeros(0, dtype=np.int32),
            arrays={},
        )
        return [_end(kept, condition.subject, condition.severity, mine.silence.now_us)]
    return [_gone(condition, mine.silence.now_us)] if condition.rule_version else []


def _restore_value(mine: Knowledge, number: int, device: str, state: OpenCondition) -> bool:
    """Set a condition on values; tell whether there is one."""
    rule = mine.rules[number].rule
    conditions = _conditions(mine, number)
    quantities = [rule.select.quantity, *(part.quantity for part in rule.parts)]
    infos = [mine.registry.find(f"{device}:{quantity}") for quantity in quantities]
    info = next(filter(None, infos), None)
    found = conditions.find(number, info.series_id) if conditions and info is not None else None
    if conditions is None or found is None:
        return False
    limits = conditions.limits
    ranks = [0, *limits.ranks(found)]
    now = int(limits.level[found])
    level = 0 if state.returned else level_of(limits, found, state.severity)
    if level != now and not _made_worse(rule, ranks[now], state):
        limits.put(found, level)
        now = level
    _link(mine, number, state, Severity(ranks[now] or ranks[1]))
    return True


def _made_worse(rule: Rule, severity: int, state: OpenCondition) -> bool:
    """Tell whether an open alarm is worse than its ladder only because it was confirmed."""
    if rule.confirm is None or state.returned or not severity:
        return False
    return severity < state.severity == Severity[rule.confirm.severity.upper()]


def _link(mine: Knowledge, number: int, state: OpenCondition, level: Severity) -> None:
    if state.returned:
        mine.links.drop(state.rule_id, state.subject)
        return
    entry = mine.rules[number]
    at_us = state.raised_us or mine.silence.now_us
    said = Transition(
        rule_id=state.rule_id,
        rule_version=entry.version,
        subject=state.subject,
        field=entry.rule.field,
        kind=TransitionKind.RAISED,
        severity=state.severity,
        at_us=at_us,
        value=0.0,
        threshold=0.0,
        quantity=entry.rule.select.quantity,
        latch=entry.rule.latch,
        life_safety=entry.rule.life_safety,
    )
    mine.links.put(said, level, state.raised_us)


def _name(registry: Registry, series: int) -> str:
    info = registry.by_id[series]
    return f"{info.device_id}:{info.quantity}"
