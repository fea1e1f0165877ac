"""Conditions as arrays, and the machine that moves them: hysteresis, dwell, counting, ladders.

A *row* is one level of one rule on one key: a two-state machine on event time. A *condition* is one
rule on one key: its level is the number of its rows that are active (a ladder's rows become active
from the mildest up). A key is a series, or the row of a judge. Rows lie sorted by key, so those of
a reading are found by a start and a count.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from alerts.counts import Counts
from alerts.gates import Gates
from alerts.ladder import Bool, Ladder, Pick
from alerts.past import Past
from alerts.spread import Index, Ints, spread
from core.batch import F8, I4, I8
from core.model import ONLY_RAISES


@dataclass(frozen=True, slots=True, kw_only=True)
class Moves:
    """Conditions whose level changed, as columns; one condition's changes in order of time."""

    condition: Index
    before: I4
    after: I4
    at_us: I8
    value: F8


class Limits:
    """The conditions of some rules on some keys.

    Attributes:
        key: of each condition, its key; ascending.
        rule: of each condition, the position of its rule.
        level: of each condition, how many of its levels are active.
        first_row: of each condition, its first row; ``condition_of`` of each row its condition.
        row_start: of each key, its first row; ``row_count`` how many it has.
        level_row: of each row, its place in ``ladder``.
        active: of each row, whether its level is.
        since_us: of each row, when its timer began, event time; 0: no timer runs.
        past: slopes and runs, for the rules that judge those.
    """

    def __init__(self, picks: Sequence[Pick], size: int, gates: Gates | None = None) -> None:
        """Lay the conditions out, all normal.

        Args:
            picks: which keys are judged by what; a rule picks a key once.
            size: one more than the largest key.
            gates: when rules with ``hours`` may raise.
        """
        self.ladder = Ladder.of(picks)
        self._gates = gates
        key = np.concatenate([np.zeros(0, dtype=np.int32), *(pick.keys for pick in picks)])
        many = [len(pick.keys) for pick in picks]
        number = np.repeat(np.array([pick.number for pick in picks], dtype=np.int16), many)
        order = np.lexsort((number, key))
        self.key: I4 = key[order].astype(np.int32)
        self.rule: npt.NDArray[np.int16] = number[order]
        self.level = np.zeros(len(order), dtype=np.uint8)
        self._lay_rows(np.repeat(np.arange(len(picks)), many)[order], size)
        self.counts = Counts(self.ladder, len(self.active))
        self.past = Past(picks, self.key, self.rule, size)

    def _lay_rows(self, pick: Index, size: int) -> None:
        levels = self.ladder.count[pick]
        self.first_row = (np.cumsum(levels, dtype=np.int32) - levels).astype(np.int32)
        self.condition_of = np.repeat(np.arange(len(self.key), dtype=np.int32), levels)
        step = np.arange(len(self.condition_of), dtype=np.int32) - self.first_row[self.condition_of]
        small = np.int16 if len(self.ladder.sign) <= np.iinfo(np.int16).max else np.int32
        self.level_row = (self.ladder.first[pick[self.condition_of]] + step).astype(small)
        count = np.bincount(self.key[self.condition_of], minlength=size)
        self.row_count = count.astype(np.uint8 if count.max(initial=0) < 256 else np.int32)
        self.row_start = (np.cumsum(count) - count).astype(np.int32)
        self.active = np.zeros(len(self.condition_of), dtype=np.bool_)
        self.since_us = np.zeros(len(self.condition_of), dtype=np.int64)  # 0: no timer runs

    def __len__(self) -> int:
        return len(self.key)

    @property
    def nbytes(self) -> int:
        """Bytes of all arrays."""
        arrays = (value for value in vars(self).values() if isinstance(value, np.ndarray))
        return sum(array.nbytes for array in arrays) + self.past.nbytes + self.counts.bits.nbytes

    def step(self, key: I4, at_us: I8, value: F8, quality: I4) -> Moves:
        """Judge readings of different keys, each newer than its key's last.

        A reading that a rule rejects, or that is no number, leaves its conditions as they are. So
        does a doubtful one (``core.model.ONLY_RAISES``), unless it speaks for an alarm.
        """
        if len(self.past):
            self.past.step(key, at_us, value, quality, self.level)
        rows, of = spread(self.row_start, self.row_count, key)
        limit = self.level_row[rows]
        judged = value[of]
        if len(self.past):
            self._derive(rows, limit, judged)
        x = judged * self.ladder.sign[limit]
        usable = ((quality[of] & self.ladder.reject[limit]) == 0) & np.isfinite(x)
        active = self.active[rows]
        speaks = np.where(active, x < self.ladder.clear_at[limit], x >= self.ladder.raise_at[limit])
        doubtful = (quality & int(ONLY_RAISES)) != 0
        if doubtful.any():
            usable &= ~doubtful[of] | (speaks != active)  # only for an alarm
        speaks &= usable
        beyond = speaks
        if self.counts:
            speaks = self.counts.see(rows, limit, speaks, waits=usable & ~active)
        timed = self.since_us[rows] != 0
        some = np.flatnonzero(speaks | (timed & usable))
        if not len(some):
            return no_moves()
        may = beyond[some]  # of counted values, only one that is beyond the level itself raises
        turned = self._turn(rows[some], limit[some], at_us[of[some]], speaks[some], may)
        return self._moves(rows[some][turned], at_us[of[some]][turned], judged[some][turned])

    def _derive(self, rows: Index, limit: Ints, judged: F8) -> None:
        """Put the slope or the run in the place of the value, where that is judged."""
        derived = np.flatnonzero(self.ladder.derived[limit])
        judged[derived] = self.past.found(self.condition_of[rows[derived]])

    def _turn(self, rows: Index, limit: Ints, at_us: I8, speaks: Bool, may: Bool) -> Bool:
        """Run the timers; return which rows change between active and not."""
        since = self.since_us[rows]
        start = np.where(since != 0, since, at_us)
        active = self.active[rows]
        wait = np.where(active, self.ladder.clear_dwell_us[limit], self.ladder.dwell_us[limit])
        turned: Bool = speaks & may & (at_us - start >= wait)
        if self._gates is not None:
            turned &= ~self._shut(rows, limit, at_us, turned & ~active)
        self.since_us[rows] = np.where(speaks & ~turned, start, 0)
        self.active[rows] = active ^ turned
        if self.counts:
            self.counts.clear(rows[turned])
            self._count_anew(rows[turned & active])
        return turned

    def _count_anew(self, ended: Index) -> None:
        """Begin all counts of conditions anew of which a level has ended.

        The levels above it would otherwise begin with values that it counts no longer, and before
        it.
        """
        for condition in np.unique(self.condition_of[ended]).tolist():
            begin = int(self.first_row[condition])
            rows = begin + np.flatnonzero(~self.active[begin : begin + self._levels(condition)])
            if self.ladder.of_n[self.level_row[begin]]:
                self.counts.clear(rows)
                self.since_us[rows] = 0

    def _shut(self, rows: Index, limit: Ints, at_us: I8, asks: Bool) -> Bool:
        """Tell which rows may not raise now; a condition that is active may get worse."""
        assert self._gates is not None
        condition = self.condition_of[rows]
        asking = np.flatnonzero(asks & self.ladder.hours[limit] & (self.level[condition] == 0))
        shut = np.zeros(len(rows), dtype=np.bool_)
        shut[asking] = self._gates.shut(self.rule[condition[asking]], at_us[asking])
        return shut

    def _moves(self, rows: Index, at_us: I8, value: F8) -> Moves:
        """Fold rows that turned into conditions; rows of one condition lie together."""
        if not len(rows):
            return no_moves()
        condition, first = np.unique(self.condition_of[rows], return_index=True)
        before = self.level[condition].astype(np.int32)
        gain = np.where(self.active[rows], 1, -1)
        after = (before + np.add.reduceat(gain, first)).astype(np.int32)
        self.level[condition] = after
        return Moves(
            condition=condition.astype(np.intp),
            before=before,
            after=after,
            at_us=at_us[first],
            value=value[first],
        )

    def forget(self, key: I4) -> None:
        """Stop timers and counts, and empty the past, of keys whose clock was set back."""
        rows, _ = spread(self.row_start, self.row_count, key)
        self.since_us[rows] = 0
        if self.counts:
            self.counts.clear(rows)
        self.past.forget(key)

    def find(self, key: int, rule: int) -> int | None:
        """Return the condition of a rule on a key, None if there is none."""
        begin, end = np.searchsorted(self.key, [key, key + 1])
        found = np.flatnonzero(self.rule[begin:end] == rule)
        return int(begin + found[0]) if len(found) else None

    def ranks(self, condition: int) -> list[int]:
        """Return the severities of a condition's levels."""
        begin = self.first_row[condition]
        rows = self.level_row[begin : begin + self._levels(condition)]
        ranks: list[int] = self.ladder.rank[rows].tolist()
        return ranks

    def limit(self, condition: int, step: int, *, clear: bool) -> float:
        """Return the number that begins (or with ``clear`` ends) a level, counted from 0."""
        row = int(self.level_row[self.first_row[condition] + step])
        column = self.ladder.clear_at if clear else self.ladder.raise_at
        return float(column[row] * self.ladder.sign[row])

    def _levels(self, condition: int) -> int:
        begin = int(self.first_row[condition])
        last = condition + 1 == len(self.first_row)
        return int((len(self.condition_of) if last else self.first_row[condition + 1]) - begin)

    def put(self, condition: int, level: int) -> None:
        """Set a condition to a level, its timers stopped."""
        begin = int(self.first_row[condition])
        end = begin + self._levels(condition)
        self.active[begin:end] = np.arange(end - begin) < level
        self.since_us[begin:end] = 0
        self.level[condition] = level


def no_moves() -> Moves:
    """Return the moves of a step in which nothing moved."""
    none = np.zeros(0, dtype=np.int64)
    empty = np.zeros(0, dtype=np.int32)
    return Moves(
        condition=none.astype(np.intp),
        before=empty,
        after=empty,
        at_us=none,
        value=np.zeros(0, dtype=np.float64),
    )
