"""The alarm engine: readings in, changes of conditions out. Pure: takes the time, keeps no clock.

It judges limits and slopes on event time (``alerts.limits``) and silence on our own clock
(``alerts.silence``). What it says becomes alarms in ``alerts.store``.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from alerts.limits import Limits, Moves
from alerts.rules import LoadedRule, Rule
from alerts.silence import Silence
from core.batch import I8, Batch
from core.model import NEVER_JUDGED, Field, Severity, Transition, TransitionKind
from core.registry import Registry

CLOCK_TOLERANCE_US = 300_000_000
"""A series' last event time this far ahead of our clock is no measure of what is late.

One reading with a wrong year would otherwise silence its series for that year.
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenCondition:
    """An open alarm as far as the engine is concerned.

    Attributes:
        severity: the level in force, the last one if it has returned.
        returned: whether the condition has ended (the alarm waits for a person).
    """

    rule_id: str
    subject: str
    severity: Severity
    returned: bool


class Engine:
    """All conditions of all series under a set of rules.

    Attributes:
        rules: what it judges by.
        registry: whom it judges.
    """

    def __init__(self, rules: Sequence[LoadedRule], registry: Registry, *, now_us: int) -> None:
        """Lay out the conditions, all normal; silence is counted from ``now_us``."""
        self.rules = tuple(rules)
        self.registry = registry
        self._known = np.zeros(registry.size, dtype=np.bool_)
        self._known[list(registry.by_id)] = True
        self._last_us: I8 = np.zeros(registry.size, dtype=np.int64)  # 0: nothing yet
        self._limits = Limits(self.rules, _selected(self.rules, registry), registry.size)
        self._silence = Silence(self.rules, registry, now_us)

    @property
    def nbytes(self) -> int:
        """Bytes of all state that grows with the number of series."""
        own = self._known.nbytes + self._last_us.nbytes
        return own + self._limits.nbytes + self._silence.nbytes

    def process(self, batch: Batch) -> list[Transition]:
        """Judge a batch; its rows may be in any order.

        Backfilled readings and repeats (``core.model.NEVER_JUDGED``), those of unknown series, and
        those not newer than the last one of their series change no condition. How old a reading is
        by our clock does not matter: a recording gives the alarms of its day.

        Returns:
            The changes, in order of event time.
        """
        series = batch.series
        known = (series >= 0) & (series < len(self._known))
        known[known] = self._known[series[known]]
        known &= (batch.quality & int(NEVER_JUDGED)) == 0
        if not known.all():
            batch = batch.take(known)
        if not len(batch):
            return []
        transitions = self._silence.hear(batch.series, batch.received_us)
        for part in _rounds(batch):
            transitions.extend(self._judge(part))
        return sorted(transitions, key=_order)

    def tick(self, now_us: int) -> list[Transition]:
        """Look for missing data at ``now_us``, our clock; call it about once a second.

        Dwell timers do not run out here: they follow event time, which only readings carry.
        """
        return sorted(self._silence.tick(now_us), key=_order)

    def gateway_status(self, gateway_id: str, online: bool, at_us: int) -> list[Transition]:
        """Take a gateway's word (or its Last Will) that it is online or not."""
        return self._silence.gateway_status(gateway_id, online=online, at_us=at_us)

    def restore(self, open_conditions: Sequence[OpenCondition]) -> None:
        """Set the conditions of open alarms as the database knows them; call it after a warm-up.

        The database was written in the same transaction as the readings, so it outranks what a
        warm-up with a part of the past has found.
        """
        numbers = {entry.rule.id: number for number, entry in enumerate(self.rules)}
        missing: dict[tuple[int, str], bool] = {}
        for condition in open_conditions:
            number = numbers.get(condition.rule_id)
            kind, _, name = condition.subject.partition(":")
            if number is None:
                continue
            rule = self.rules[number].rule
            if rule.type == "gateway_offline" and kind == "gateway":
                self._silence.put_gateway(name, away=not condition.returned)
            elif rule.type == "missing":
                missing[(number, name)] = not condition.returned
            else:
                self._restore_limit(number, rule, name, condition)
        self._silence.put_missing(missing)

    def _restore_limit(self, number: int, rule: Rule, device: str, state: OpenCondition) -> None:
        info = self.registry.find(f"{device}:{rule.select.quantity}")
        condition = self._limits.find(info.series_id, number) if info is not None else None
        if condition is None:
            return
        level = 0 if state.returned else _level_of(rule, state.severity)
        if level or self._limits.level[condition]:
            self._limits.put(condition, level)

    def adopt(self, old: Engine) -> None:
        """Take over the state of an engine with other rules or another registry.

        A rule is the same if its id is; a changed ladder keeps active conditions at the level of
        their severity, and the next reading judges them anew.
        """
        size = min(len(self._last_us), len(old._last_us))
        self._last_us[:size] = old._last_us[:size]
        theirs = {entry.rule.id: number for number, entry in enumerate(old.rules)}
        same = {
            number: theirs[entry.rule.id]
            for number, entry in enumerate(self.rules)
            if entry.rule.id in theirs
        }
        for number, before in same.items():
            self._adopt_rule(number, old, before)
        self._silence.adopt(old._silence, same)

    def _adopt_rule(self, number: int, old: Engine, before: int) -> None:
        rule, was = self.rules[number].rule, old.rules[before].rule
        same = [step.severity for step in rule.levels] == [step.severity for step in was.levels]
        same = same and rule.select.quantity == was.select.quantity
        active = self._limits.copy_rule(number, old._limits, before, same_ladder=same)
        for condition, level in active:
            self._limits.put(condition, _level_of(rule, was.levels[level - 1].rank))

    def _judge(self, batch: Batch) -> Iterator[Transition]:
        """Judge readings of different series."""
        last = self._last_us[batch.series]
        ahead = last > batch.received_us + CLOCK_TOLERANCE_US
        set_back = ahead & (batch.observed_us <= last)
        if set_back.any():
            self._limits.forget(batch.series[set_back])
        fresh = (batch.observed_us > last) | set_back
        if not fresh.all():
            batch = batch.take(fresh)
        self._last_us[batch.series] = batch.observed_us
        moves = self._limits.step(batch.series, batch.observed_us, batch.value, batch.quality)
        return self._transitions(moves)

    def _transitions(self, moves: Moves) -> Iterator[Transition]:
        for n, condition in enumerate(moves.condition.tolist()):
            entry = self.rules[self._limits.rule[condition]]
            info = self.registry.by_id[int(self._limits.series[condition])]
            before, after = int(moves.before[n]), int(moves.after[n])
            step = entry.rule.levels[max(after, 1) - 1]
            limit = step.raise_at if after > before else entry.rule.levels[after].clear_at
            yield Transition(
                rule_id=entry.rule.id,
                rule_version=entry.version,
                subject=f"device:{info.device_id}",
                field=entry.rule.field,
                kind=_kind(before, after),
                severity=entry.rule.levels[(after or before) - 1].rank,
                at_us=int(moves.at_us[n]),
                value=float(moves.value[n]),
                threshold=float(limit or 0.0),
                quantity=info.quantity,
                latch=entry.rule.latch,
            )


def _selected(rules: Sequence[LoadedRule], registry: Registry) -> list[list[int]]:
    """Return the series that each rule judges; series of one kind are asked for together."""
    groups: dict[tuple[str, Field, str], list[int]] = {}
    for series_id, info in registry.by_id.items():
        groups.setdefault((info.kind, info.field, info.quantity), []).append(series_id)
    return [
        [
            series_id
            for (kind, field, quantity), members in groups.items()
            if entry.rule.selects(kind=kind, field=field, quantity=quantity)
            for series_id in members
        ]
        for entry in rules
    ]


def _rounds(batch: Batch) -> Iterator[Batch]:
    """Cut a batch into parts that hold each series once, a series' readings in order of time.

    Writing to an array by index keeps only one of several equal indices, so each part must have
    every series once; within a part, series ascend.
    """
    if len(batch) < 2 or bool((batch.series[1:] > batch.series[:-1]).all()):
        yield batch
        return
    batch = batch.sorted()
    begins = np.flatnonzero(np.r_[True, batch.series[1:] != batch.series[:-1]])
    lengths = np.diff(np.r_[begins, len(batch)])
    rank = np.arange(len(batch)) - np.repeat(begins, lengths)
    order = np.argsort(rank, kind="stable")
    ends = np.cumsum(np.bincount(rank))
    for begin, end in zip(np.r_[0, ends[:-1]].tolist(), ends.tolist(), strict=True):
        yield batch.take(order[begin:end])


def _level_of(rule: Rule, severity: Severity) -> int:
    """Return the highest level of a rule that is no worse than ``severity``, at least the first."""
    return max(1, sum(level.rank <= severity for level in rule.levels))


def _kind(before: int, after: int) -> TransitionKind:
    if after > before:
        return TransitionKind.ESCALATED if before else TransitionKind.RAISED
    return TransitionKind.EASED if after else TransitionKind.RETURNED


def _order(transition: Transition) -> tuple[int, str, str]:
    return transition.at_us, transition.rule_id, transition.subject
