"""Rules over several quantities of one device: ``all`` of their parts are true, or ``any`` is.

A part is one comparison with hysteresis; it keeps its word until its quantity says otherwise. How
many parts are true is the value that the rule's ladder is held against, so dwell and hours work as
elsewhere. Readings of one device with one time are taken in together.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from alerts.conditions import Conditions, Sentence
from alerts.keeping import State, Told
from alerts.ladder import Bool
from alerts.limits import Limits, Moves
from alerts.rules import LoadedRule, Part
from alerts.spread import Index, spread
from core.batch import F8, I4, I8, Batch
from core.model import ONLY_RAISES
from core.registry import Registry, SeriesInfo


class Combined(Conditions):
    """The conditions of all ``all`` and ``any`` rules, keyed by their own number."""

    def __init__(
        self,
        rules: tuple[LoadedRule, ...],
        registry: Registry,
        limits: Limits,
        members: Sequence[Sequence[int]],
    ) -> None:
        """Lay the parts out.

        Args:
            limits: condition ``n`` has key ``n``.
            members: of each condition, the series of each part; 0 where the device has none.
        """
        super().__init__(rules, registry, limits)
        many = np.array([len(series) for series in members], dtype=np.int32)
        self._many = many
        self._first = np.cumsum(many, dtype=np.int32) - many
        self._condition = np.repeat(np.arange(len(members), dtype=np.int32), many)
        self._member = np.array([one for series in members for one in series], dtype=np.int32)
        parts = [
            (part, rules[number].rule.reject_mask)
            for number in limits.rule.tolist()
            for part in rules[number].rule.parts
        ]
        sign = [-1.0 if part.type == "low" else 1.0 for part, _ in parts]
        self._sign: F8 = np.array(sign, dtype=np.float64)
        self._raise_at: F8 = self._sign * [part.raise_at for part, _ in parts]
        self._clear_at: F8 = self._sign * [part.clear_at for part, _ in parts]
        self._reject: I4 = np.array([mask for _, mask in parts], dtype=np.int32)
        self._true = np.zeros(len(parts), dtype=np.bool_)
        self._value = np.full(len(parts), np.nan)
        self._found: dict[tuple[int, str], int] = {}
        self._last_us: I8 = np.zeros(len(members), dtype=np.int64)
        order = np.argsort(self._member, kind="stable")
        self._by_series = order[self._member[order] > 0]
        count = np.bincount(self._member[self._by_series], minlength=registry.size)
        self._count = count.astype(np.int32)
        self._start = (np.cumsum(count) - count).astype(np.int32)

    @property
    def nbytes(self) -> int:
        """Bytes of all arrays."""
        own = sum(value.nbytes for value in vars(self).values() if isinstance(value, np.ndarray))
        return own + self.limits.nbytes

    def judge_batch(self, batch: Batch) -> Iterator[Moves]:
        """Judge readings in any number; of one series they are in order of time."""
        at, of = spread(self._start, self._count, batch.series)
        if not len(at):
            return
        part = self._by_series[at]
        condition = self._condition[part]
        order = np.lexsort((batch.observed_us[of], condition))
        part, of, condition = part[order], of[order], condition[order]
        at_us = batch.observed_us[of]
        new = np.r_[True, (np.diff(condition) != 0) | (np.diff(at_us) != 0)]
        first = np.r_[True, np.diff(condition) != 0]
        moment = np.cumsum(new)
        rank = moment - np.maximum.accumulate(np.where(first, moment, 0))
        for number in range(int(rank.max()) + 1):
            some = np.flatnonzero(rank == number)
            yield self._judge(part[some], batch.take(of[some]))

    def _judge(self, part: Index, batch: Batch) -> Moves:
        """Take readings of different parts in, those of one device at one time."""
        x = batch.value * self._sign[part]
        true = self._true[part]
        speaks: Bool = np.where(true, x >= self._clear_at[part], x >= self._raise_at[part])
        usable = ((batch.quality & self._reject[part]) == 0) & np.isfinite(x)
        doubtful = (batch.quality & int(ONLY_RAISES)) != 0
        # Of a doubtful reading only what changes to true, or ends the timer of an end, counts.
        usable &= ~doubtful | speaks
        part, speaks, batch = part[usable], speaks[usable], batch.take(usable)
        self._true[part] = speaks
        self._value[part] = batch.value
        key, first = np.unique(self._condition[part], return_index=True)
        at_us = np.maximum(batch.observed_us[first], self._last_us[key])
        self._last_us[key] = at_us
        rows, of = spread(self._first, self._many, key)
        count = np.bincount(of, weights=self._true[rows], minlength=len(key)).astype(np.float64)
        return self.limits.step(key, at_us, count, np.zeros(len(key), dtype=np.int32))

    def forget(self, series: I4) -> None:
        """Stop the timers of devices whose clock was set back."""
        at, _ = spread(self._start, self._count, series)
        key = np.unique(self._condition[self._by_series[at]])
        self._last_us[key] = 0
        self.limits.forget(key)

    def info(self, condition: int) -> SeriesInfo:
        """Return the first series of a condition's device."""
        return self._registry.by_id[int(self.series(np.array([condition]))[0])]

    def quantity(self, condition: int) -> str:
        """Return "": several quantities are judged."""
        del condition
        return ""

    def said(self, condition: int, value: float) -> Sentence:
        """Say what the parts are."""
        del value
        rule = self._rules[int(self.limits.rule[condition])].rule
        begin = int(self._first[condition])
        words = [_words(part, self._value[begin + n]) for n, part in enumerate(rule.parts)]
        return "；".join(words), "; ".join(words)

    def series(self, condition: Index) -> I4:
        """Return the first series of each condition that its device has."""
        first = [
            int(run[run > 0][0])
            for run in (self._member[b:e] for b, e in zip(*self._bounds(condition), strict=True))
        ]
        return np.array(first, dtype=np.int32)

    def _bounds(self, condition: Index) -> tuple[list[int], list[int]]:
        ends = np.r_[self._first[1:], len(self._member)]
        return self._first[condition].tolist(), ends[condition].tolist()

    def find(self, number: int, series: int) -> int | None:
        """Return a rule's condition on the device of a series, None if there is none."""
        if not self._found:
            devices = [self.info(condition).device_id for condition in range(len(self.limits))]
            pairs = zip(self.limits.rule.tolist(), devices, strict=True)
            self._found = {pair: condition for condition, pair in enumerate(pairs)}
        return self._found.get((number, self._registry.by_id[series].device_id))

    def state(self, number: int, condition: Index) -> State:
        """Return what a snapshot keeps: conditions, and what each part said last."""
        many = len(self._rules[number].rule.parts)
        rows = self._first[condition][:, None] + np.arange(many, dtype=np.int32)
        return super().state(number, condition) | {
            "part_true": self._true[rows],
            "part_value": self._value[rows],
            "last_us": self._last_us[condition],
        }

    def take(self, mine: Index, state: Told, theirs: Index, *, same: bool) -> None:
        """Take over conditions, and of the same parts what they said."""
        super().take(mine, state, theirs, same=same)
        if "last_us" in state:  # it was such a rule before
            self._last_us[mine] = state["last_us"][theirs]
        if same and len(mine):
            many = state["part_true"].shape[1]
            rows = self._first[mine][:, None] + np.arange(many, dtype=np.int32)
            self._true[rows] = state["part_true"][theirs]
            self._value[rows] = state["part_value"][theirs]


def _words(part: Part, value: float) -> str:
    if not np.isfinite(value):
        return f"{part.quantity} –"
    return f"{part.quantity} {value:g} ({'≤' if part.type == 'low' else '≥'} {part.raise_at:g})"
