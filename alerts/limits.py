"""Limit and rise conditions of all series as arrays, and the machine that moves them.

A *row* is one level of one rule on one series: a two-state machine with hysteresis and dwell on
event time. A *condition* is one rule on one series: its level is the number of its rows that are
active (a ladder's rows become active from the mildest up). Rows lie sorted by series, so those of a
reading are found by a start and a count.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from alerts.rings import Index, Rings
from alerts.rules import LoadedRule
from core.batch import F8, I4, I8
from core.model import ONLY_RAISES

_US = 1e6

Bool = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True, kw_only=True)
class Ladder:
    """Every level of every rule as columns; a low limit stands with its sign turned.

    Attributes:
        rule: position of the rule among the rules.
        first: of each rule, its first level's position here.
        count: of each rule, how many levels it has; 0 for a rule that is no limit.
    """

    sign: F8
    raise_at: F8
    clear_at: F8
    dwell_us: I8
    clear_dwell_us: I8
    reject: I4
    rise: Bool
    first: I4
    count: I4

    @classmethod
    def of(cls, rules: Sequence[LoadedRule]) -> Ladder:
        """Lay the rules' levels out."""
        is_limit = [entry.rule.type in ("high", "low", "rise") for entry in rules]
        count = [
            len(e.rule.levels) if limit else 0 for e, limit in zip(rules, is_limit, strict=True)
        ]
        pairs = [
            (entry.rule, level)
            for entry, limit in zip(rules, is_limit, strict=True)
            if limit
            for level in entry.rule.levels
        ]
        sign = np.array([-1.0 if rule.type == "low" else 1.0 for rule, _ in pairs])
        return cls(
            sign=sign,
            raise_at=sign * np.array([level.raise_at for _, level in pairs], dtype=np.float64),
            clear_at=sign * np.array([level.clear_at for _, level in pairs], dtype=np.float64),
            dwell_us=np.array([round(rule.dwell_s * _US) for rule, _ in pairs], dtype=np.int64),
            clear_dwell_us=np.array(
                [round(rule.clear_dwell_s * _US) for rule, _ in pairs], dtype=np.int64
            ),
            reject=np.array([rule.reject_mask for rule, _ in pairs], dtype=np.int32),
            rise=np.array([rule.type == "rise" for rule, _ in pairs], dtype=np.bool_),
            first=(np.cumsum(count, dtype=np.int32) - np.array(count, dtype=np.int32)),
            count=np.array(count, dtype=np.int32),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Moves:
    """Conditions whose level changed in one step, as columns."""

    condition: Index
    before: I4
    after: I4
    at_us: I8
    value: F8


class Limits:
    """The conditions of all limit and rise rules on all series.

    Attributes:
        series: of each condition, its series id.
        rule: of each condition, the position of its rule.
        level: of each condition, how many of its levels are active.
    """

    def __init__(
        self, rules: Sequence[LoadedRule], selected: Sequence[Sequence[int]], size: int
    ) -> None:
        """Lay the conditions out.

        Args:
            rules: all rules; those that are no limits are passed over.
            selected: of each rule, the series it judges.
            size: one more than the largest series id.
        """
        self.ladder = Ladder.of(rules)
        chosen = [
            np.asarray(ids if count else (), dtype=np.int32)
            for ids, count in zip(selected, self.ladder.count, strict=True)
        ]
        series = np.concatenate([np.zeros(0, dtype=np.int32), *chosen])
        rule = np.repeat(np.arange(len(chosen), dtype=np.int16), [len(ids) for ids in chosen])
        order = np.lexsort((rule, series))
        self.series: I4 = series[order]
        self.rule = rule[order]
        self.level = np.zeros(len(order), dtype=np.uint8)
        self._lay_rows(size)
        self._lay_rings(rules)

    def _lay_rows(self, size: int) -> None:
        levels = self.ladder.count[self.rule]
        self._first_row = (np.cumsum(levels, dtype=np.int32) - levels).astype(np.int32)
        self._condition = np.repeat(np.arange(len(self.series), dtype=np.int32), levels)
        step = np.arange(len(self._condition), dtype=np.int32) - self._first_row[self._condition]
        self._limit = (self.ladder.first[self.rule[self._condition]] + step).astype(np.int16)
        count = np.bincount(self.series[self._condition], minlength=size)
        self._row_count = count.astype(np.int32)
        self._row_start = (np.cumsum(count) - count).astype(np.int32)
        self._active = np.zeros(len(self._condition), dtype=np.bool_)
        self._since_us = np.zeros(len(self._condition), dtype=np.int64)  # 0: no timer runs

    def _lay_rings(self, rules: Sequence[LoadedRule]) -> None:
        window_us = np.array(
            [round((entry.rule.window_s or 0.0) * _US) for entry in rules], dtype=np.int64
        )
        mask = np.array([entry.rule.reject_mask for entry in rules], dtype=np.int32)
        rising = np.flatnonzero(window_us[self.rule])
        self._ring_condition = rising.astype(np.int32)
        self._ring_reject = mask[self.rule[rising]]
        self.rings = Rings(window_us[self.rule[rising]])
        self._ring = np.full(len(self.series), -1, dtype=np.int32)
        self._ring[rising] = np.arange(len(rising), dtype=np.int32)
        self._slope = np.full(len(rising), np.nan)
        self._slope_count = np.bincount(self.series[rising], minlength=len(self._row_count)).astype(
            np.int32
        )
        self._slope_start = (np.cumsum(self._slope_count) - self._slope_count).astype(np.int32)

    @property
    def nbytes(self) -> int:
        """Bytes of all arrays."""
        arrays = (value for value in vars(self).values() if isinstance(value, np.ndarray))
        return sum(array.nbytes for array in arrays) + self.rings.nbytes

    def step(self, series: I4, at_us: I8, value: F8, quality: I4) -> Moves:
        """Judge readings of different series, each newer than its series' last.

        A reading that a rule rejects, or that is no number, leaves its conditions as they are. So
        does a doubtful one (``core.model.ONLY_RAISES``), unless it speaks for an alarm.
        """
        if len(self.rings):
            self._slope_step(series, at_us, value, quality)
        rows, of = _spread(self._row_start, self._row_count, series)
        limit = self._limit[rows]
        judged = self._judged(rows, limit, value[of])
        x = judged * self.ladder.sign[limit]
        usable = ((quality[of] & self.ladder.reject[limit]) == 0) & np.isfinite(x)
        active = self._active[rows]
        speaks = np.where(active, x < self.ladder.clear_at[limit], x >= self.ladder.raise_at[limit])
        doubtful = (quality & int(ONLY_RAISES)) != 0
        if doubtful.any():
            usable &= ~doubtful[of] | (speaks != active)  # only for an alarm
        speaks &= usable
        timed = self._since_us[rows] != 0
        some = np.flatnonzero(speaks | (timed & usable))
        if not len(some):
            return _no_moves()
        turned = self._turn(rows[some], limit[some], at_us[of[some]], speaks[some])
        return self._moves(rows[some][turned], at_us[of[some]][turned], judged[some][turned])

    def _slope_step(self, series: I4, at_us: I8, value: F8, quality: I4) -> None:
        rings, of = _spread(self._slope_start, self._slope_count, series)
        good = ((quality[of] & self._ring_reject[rings]) == 0) & np.isfinite(value[of])
        self._slope[rings] = np.nan
        kept, of = rings[good], of[good]
        self._slope[kept] = self.rings.slopes(kept, at_us[of], value[of])

    def _judged(self, rows: Index, limit: npt.NDArray[np.int16], value: F8) -> F8:
        """Return what each row compares: the value itself, or the slope."""
        if not len(self.rings):
            return value
        rising = np.flatnonzero(self.ladder.rise[limit])
        value[rising] = self._slope[self._ring[self._condition[rows[rising]]]]
        return value

    def _turn(self, rows: Index, limit: npt.NDArray[np.int16], at_us: I8, speaks: Bool) -> Bool:
        """Run the timers; return which rows change between active and not."""
        since = self._since_us[rows]
        start = np.where(since != 0, since, at_us)
        active = self._active[rows]
        wait = np.where(active, self.ladder.clear_dwell_us[limit], self.ladder.dwell_us[limit])
        turned: Bool = speaks & (at_us - start >= wait)
        self._since_us[rows] = np.where(speaks & ~turned, start, 0)
        self._active[rows] = active ^ turned
        return turned

    def _moves(self, rows: Index, at_us: I8, value: F8) -> Moves:
        """Fold rows that turned into conditions; rows of one condition lie together."""
        if not len(rows):
            return _no_moves()
        condition, first = np.unique(self._condition[rows], return_index=True)
        before = self.level[condition].astype(np.int32)
        gain = np.where(self._active[rows], 1, -1)
        after = (before + np.add.reduceat(gain, first)).astype(np.int32)
        self.level[condition] = after
        return Moves(
            condition=condition.astype(np.intp),
            before=before,
            after=after,
            at_us=at_us[first],
            value=value[first],
        )

    def forget(self, series: I4) -> None:
        """Stop the timers and empty the rings of series whose clock was set back."""
        rows, _ = _spread(self._row_start, self._row_count, series)
        self._since_us[rows] = 0
        rings, _ = _spread(self._slope_start, self._slope_count, series)
        self.rings.forget(rings)

    def find(self, series: int, rule: int) -> int | None:
        """Return the condition of a rule on a series, None if there is none."""
        begin, end = np.searchsorted(self.series, [series, series + 1])
        found = np.flatnonzero(self.rule[begin:end] == rule)
        return int(begin + found[0]) if len(found) else None

    def put(self, condition: int, level: int) -> None:
        """Set a condition to a level, its timers stopped."""
        begin = int(self._first_row[condition])
        end = begin + int(self.ladder.count[self.rule[condition]])
        self._active[begin:end] = np.arange(end - begin) < level
        self._since_us[begin:end] = 0
        self.level[condition] = level

    def copy_rule(
        self, rule: int, old: Limits, theirs: int, *, same_ladder: bool
    ) -> list[tuple[int, int]]:
        """Take over the state of a rule from another set of conditions.

        Returns:
            When the ladders differ: conditions that were active, with their old level; the caller
            finds the new one and sets it with ``put``.
        """
        mine = np.flatnonzero(self.rule == rule)
        others = np.flatnonzero(old.rule == theirs)
        _, a, b = np.intersect1d(
            self.series[mine], old.series[others], assume_unique=True, return_indices=True
        )
        mine, others = mine[a], others[b]
        self._copy_rings(mine, old, others)
        if not same_ladder:
            pairs = zip(mine.tolist(), old.level[others].tolist(), strict=True)
            return [(condition, level) for condition, level in pairs if level]
        self.level[mine] = old.level[others]
        for step in range(int(self.ladder.count[rule])):
            new, was = self._first_row[mine] + step, old._first_row[others] + step
            self._active[new] = old._active[was]
            self._since_us[new] = old._since_us[was]
        return []

    def _copy_rings(self, mine: Index, old: Limits, others: Index) -> None:
        new, was = self._ring[mine], old._ring[others]
        both = (new >= 0) & (was >= 0)
        new, was = new[both], was[both]
        same = self.rings.window_us[new] == old.rings.window_us[was]
        self.rings.copy_from(new[same].astype(np.intp), old.rings, was[same].astype(np.intp))


def _spread(start: I4, count: I4, series: I4) -> tuple[Index, Index]:
    """Return every entry of some series, and for each of them the position of its series."""
    many = count[series]
    total = int(many.sum())
    of = np.repeat(np.arange(len(series)), many)
    begin = start[series] - (np.cumsum(many) - many)
    return np.arange(total) + begin[of], of


def _no_moves() -> Moves:
    none = np.zeros(0, dtype=np.int64)
    empty = np.zeros(0, dtype=np.int32)
    return Moves(
        condition=none.astype(np.intp),
        before=empty,
        after=empty,
        at_us=none,
        value=np.zeros(0, dtype=np.float64),
    )
