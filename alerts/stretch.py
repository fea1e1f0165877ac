"""Long runs of readings of a few series, judged at once instead of one after the other.

What the machine of ``alerts.limits`` does step by step has a closed form where a rule neither
counts nor has hours: a row turns on where readings have spoken for it without a break for its
dwell, and off likewise; as ``raise`` is never milder than ``clear``, a reading that turns a row
ends every run the other way. So the state after a reading is that of the last completed run.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import numpy as np

from alerts.ladder import Bool
from alerts.limits import Limits, Moves, no_moves
from alerts.spread import Index, Ints, spread
from core.batch import F8, I4, I8, Batch
from core.model import ONLY_RAISES


def run(limits: Limits, batch: Batch) -> Moves:
    """Judge readings that are sorted by series and time, each newer than those before.

    None of the rules may have ``of_last``, ``hours`` or runs of equal values.
    """
    slopes, slope_of = _slopes(limits, batch)
    rows, of = spread(limits.row_start, limits.row_count, batch.series)
    order = np.argsort(rows, kind="stable")  # of one row, the readings in order of time
    rows, of = rows[order], of[order]
    if not len(rows):
        return no_moves()
    judged = batch.value[of]
    limit = limits.level_row[rows]
    derived = np.flatnonzero(limits.ladder.derived[limit])
    if len(derived):
        ring = limits.past.ring_of(limits.condition_of[rows[derived]])
        judged[derived] = slopes[slope_of(ring, of[derived])]
    turned = _play(limits, rows, limit, judged, batch.observed_us[of], batch.quality[of])
    return _fold(limits, rows[turned], of[turned], batch.observed_us, judged[turned])


@dataclass(frozen=True, slots=True, kw_only=True)
class _Slopes:
    """The slopes of (ring, reading) pairs, found by pair."""

    key: I8
    readings: int

    def __call__(self, ring: I4, of: Index) -> Index:
        return np.searchsorted(self.key, ring.astype(np.int64) * self.readings + of)


def _slopes(limits: Limits, batch: Batch) -> tuple[F8, _Slopes]:
    """Feed the rings; return every slope, NaN where a reading is rejected."""
    ring, of, reject = limits.past.rings_of(batch.series)
    order = np.argsort(ring, kind="stable")
    ring, of, reject = ring[order], of[order], reject[order]
    slope = np.full(len(ring), np.nan)
    good = ((batch.quality[of] & reject) == 0) & np.isfinite(batch.value[of])
    begins = np.flatnonzero(np.r_[True, ring[1:] != ring[:-1]]) if len(ring) else ring
    for begin, end in itertools.pairwise([*begins.tolist(), len(ring)]):
        some = begin + np.flatnonzero(good[begin:end])
        slope[some] = limits.past.rings.slopes_of_one(
            int(ring[begin]), batch.observed_us[of[some]], batch.value[of[some]]
        )
    slope = limits.past.slopes_of(ring, slope)
    return slope, _Slopes(key=ring.astype(np.int64) * len(batch) + of, readings=len(batch))


def _play(limits: Limits, rows: Index, limit: Ints, judged: F8, at_us: I8, quality: I4) -> Bool:
    """Run the machine of every row over its readings; return where a row turns."""
    ladder = limits.ladder
    x = judged * ladder.sign[limit]
    usable = ((quality & ladder.reject[limit]) == 0) & np.isfinite(x)
    sure = usable & ((quality & int(ONLY_RAISES)) == 0)
    first = np.r_[True, rows[1:] != rows[:-1]]
    begin = np.maximum.accumulate(np.where(first, np.arange(len(rows)), 0))
    was = limits.active[rows]
    since = limits.since_us[rows]
    beyond, ended = x >= ladder.raise_at[limit], x < ladder.clear_at[limit]
    up = _Way(speaks=usable & beyond, breaks=sure & ~beyond, begin=begin)
    down = _Way(speaks=sure & ended, breaks=usable & ~ended, begin=begin)
    starts_up = up.starts(at_us, np.where(was, 0, since))
    starts_down = down.starts(at_us, np.where(was, since, 0))
    on = up.speaks & (at_us - starts_up >= ladder.dwell_us[limit])
    off = down.speaks & (at_us - starts_down >= ladder.clear_dwell_us[limit])
    done = np.maximum.accumulate(np.where(on | off, np.arange(len(rows)), -1))
    state = np.where(done >= begin, on[done], was)
    before = np.where(first, was, np.r_[False, state[:-1]])
    last = np.flatnonzero(np.r_[first[1:], True])
    never = done[last] < begin[last]  # not turned in this run, so a timer of before may go on
    runs_up = up.running(last, starts_up, np.where(was, 0, since), carries=never)
    runs_down = down.running(last, starts_down, np.where(was, since, 0), carries=never)
    limits.since_us[rows[last]] = np.where(state[last], runs_down, runs_up)
    limits.active[rows[last]] = state[last]
    turned: Bool = state != before
    return turned


@dataclass(frozen=True, slots=True, kw_only=True)
class _Way:
    """One direction a row may turn in, over the readings of all rows.

    Attributes:
        speaks: readings that speak for it; ``breaks`` those that end a run of such.
        begin: of each reading, the position of its row's first one.
    """

    speaks: Bool
    breaks: Bool
    begin: Index

    def _last_break(self) -> Index:
        place = np.arange(len(self.breaks))
        found: Index = np.maximum.accumulate(np.where(self.breaks, place, -1))
        return found

    def starts(self, at_us: I8, since_us: I8) -> I8:
        """Return when the run that a speaking reading belongs to began.

        Args:
            since_us: when a run that came from before began; 0: there is none.
        """
        size = len(self.speaks)
        place = np.where(self.speaks, np.arange(size), size - 1)
        next_one = np.minimum.accumulate(place[::-1])[::-1]
        broken = self._last_break()
        begin = np.minimum(np.maximum(broken + 1, self.begin), size - 1)
        own = at_us[next_one[begin]]
        carried = (broken < self.begin) & (since_us != 0)
        return np.where(carried, since_us, own)

    def running(self, last: Index, starts_us: I8, since_us: I8, *, carries: Bool) -> I8:
        """Return when the run that is under way after a row's last reading began; 0: none is."""
        size = len(self.speaks)
        spoke = np.maximum.accumulate(np.where(self.speaks, np.arange(size), -1))[last]
        broken = self._last_break()[last]
        begin = self.begin[last]
        under_way = (spoke >= begin) & (spoke > broken)
        kept = carries & (broken < begin)
        return np.where(under_way, starts_us[spoke], np.where(kept, since_us[last], 0))


def _fold(limits: Limits, rows: Index, of: Index, at_us: I8, judged: F8) -> Moves:
    """Fold rows that turned into conditions, change by change."""
    if not len(rows):
        return no_moves()
    condition = limits.condition_of[rows].astype(np.intp)
    order = np.lexsort((rows, of, condition))
    rows, of, condition, judged = rows[order], of[order], condition[order], judged[order]
    new = np.r_[True, (np.diff(condition) != 0) | (np.diff(of) != 0)]
    first = np.flatnonzero(new)
    # A row turns by turns, so its first change tells which way, and each later one the other.
    gain = np.add.reduceat(_ways(limits, rows), first)
    condition, of, judged = condition[first], of[first], judged[first]
    head = np.r_[True, np.diff(condition) != 0]
    total = np.cumsum(gain)
    base = np.maximum.accumulate(np.where(head, np.arange(len(gain)), 0))
    after = limits.level[condition].astype(np.int64) + total - (total[base] - gain[base])
    tail = np.r_[head[1:], True]
    limits.level[condition[tail]] = after[tail]
    return Moves(
        condition=condition,
        before=(after - gain).astype(np.int32),
        after=after.astype(np.int32),
        at_us=at_us[of],
        value=judged,
    )


def _ways(limits: Limits, rows: Index) -> I8:
    """Return +1 where a row turned on and -1 where it turned off; its last turn is known."""
    order = np.argsort(rows, kind="stable")
    sorted_rows = rows[order]
    last = np.r_[sorted_rows[1:] != sorted_rows[:-1], True]
    end = np.minimum.accumulate(np.where(last, np.arange(len(rows)), len(rows))[::-1])[::-1]
    left = end - np.arange(len(rows))  # turns of the row after this one
    on = limits.active[sorted_rows] ^ (left % 2 == 1)
    ways = np.empty(len(rows), dtype=np.int64)
    ways[order] = np.where(on, 1, -1)
    return ways
