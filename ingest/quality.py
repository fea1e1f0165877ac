"""What a reading is after those before it: a jump, stuck, late, a duplicate. Pure.

All rows of a batch are judged at once, against the neighbour in the batch or the last known state
of their series. What a row is by itself is found next door, in ``ingest.check``. What each bit
means, and who accepts it, stands in ``docs/quality.md``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from core.batch import F8, I4, I8, Batch
from core.model import NO_MEASURE, Quality
from ingest.check import Tables

Bool = npt.NDArray[np.bool_]
Index = npt.NDArray[np.intp]


@dataclass(frozen=True, slots=True, kw_only=True)
class Delays:
    """When a reading is late, in seconds.

    Attributes:
        late_s: age at arrival beyond which it is marked, on any channel but backfill.
        clock_skew_s: a newest reading this far ahead of our clock is no measure of what is late.
    """

    late_s: float
    clock_skew_s: float


_STATE = ("_newest_us", "_measured_us", "_value", "_since_us")


class Marker:
    """Marks readings by what came before them; holds 32 bytes for each series.

    A series' *newest* is the last device time of its live readings. Its *measure* is the newest of
    them that was a plausible number, and since when it has not changed.
    """

    __slots__ = ("_late_us", "_measured_us", "_newest_us", "_since_us", "_skew_us", "_tables",
                 "_value", "delays")  # fmt: skip

    def __init__(self, tables: Tables, delays: Delays) -> None:
        """Know nothing of any series yet."""
        size = tables.registry.size
        self.delays = delays
        self._tables = tables
        self._late_us = round(delays.late_s * 1e6)
        self._skew_us = round(delays.clock_skew_s * 1e6)
        self._newest_us: I8 = np.zeros(size, dtype=np.int64)  # 0: nothing yet
        self._measured_us: I8 = np.zeros(size, dtype=np.int64)
        self._value: F8 = np.full(size, np.nan)
        self._since_us: I8 = np.zeros(size, dtype=np.int64)

    @property
    def nbytes(self) -> int:
        """Bytes of all state that grows with the number of series."""
        arrays = (self._newest_us, self._measured_us, self._value, self._since_us)
        return sum(array.nbytes for array in arrays)

    def mark(self, batch: Batch, *, advance: bool = True) -> Batch:
        """Return the batch with its bits set; rows may be in any order, which is kept.

        Rows of one series are taken in order of device time; of equal times the first counts.

        Args:
            batch: rows of known series, with the bits of ``ingest.check``.
            advance: whether the series' state goes on; a batch must be taken in only once.
        """
        if not len(batch):
            return batch
        order, rows = _by_series(batch)
        bits = self._judge(rows, advance=advance)
        quality: I4 = np.empty_like(bits)
        quality[order] = bits
        return replace(batch, quality=quality | batch.quality)

    def recall(self, batch: Batch) -> None:
        """Take in readings that were marked and stored before, oldest first, at a start.

        One that was stuck then makes its series stuck at once if it goes on so: the readings that
        showed it may lie further back than what is recalled.
        """
        known = (batch.series >= 0) & (batch.series < len(self._newest_us))
        batch = batch.take(known)
        if not len(batch):
            return
        _, rows = _by_series(batch)
        self._judge(rows, advance=True)
        last = rows.observed_us == self._measured_us[rows.series]
        stuck = rows.series[last & ((rows.quality & Quality.STUCK) != 0)]
        still_us = self._measured_us[stuck] - self._tables.stuck_us[stuck]
        self._since_us[stuck] = np.minimum(self._since_us[stuck], still_us)

    def adopt(self, old: Marker) -> None:
        """Take over the state of a marker with another registry."""
        size = min(len(self._newest_us), len(old._newest_us))
        for name in _STATE:
            getattr(self, name)[:size] = getattr(old, name)[:size]

    def state(self) -> dict[str, bytes]:
        """Return what it knows of each series, by series id, for a snapshot."""
        return {name: getattr(self, name).tobytes() for name in _STATE}

    def resume(self, state: Mapping[str, bytes]) -> None:
        """Take over the state of an earlier marker, as ``state`` returned it.

        Raises:
            ValueError: if it is none; the marker is as it was.
        """
        if set(state) != set(_STATE) or len({len(data) for data in state.values()}) > 1:
            raise ValueError("not the state of a marker")
        size = min(len(self._newest_us), len(state["_newest_us"]) // 8)
        for name in _STATE:
            mine = getattr(self, name)
            mine[:size] = np.frombuffer(state[name], dtype=mine.dtype, count=size)

    def _judge(self, rows: Batch, *, advance: bool) -> I4:
        """Return what is to be set on rows sorted by series and device time."""
        live = (rows.quality & Quality.BACKFILLED) == 0
        newest_us = self._newest_us[rows.series]
        duplicate = _repeats(rows, live) | (rows.observed_us == newest_us)
        older = rows.observed_us < newest_us
        # A clock that was far ahead and has been set right does not make all it says late.
        late = live & older & (newest_us <= rows.received_us + self._skew_us)
        on = live & ~duplicate & ~late
        late |= live & (rows.received_us - rows.observed_us > self._late_us)
        bits: I4 = duplicate * np.int32(Quality.DUPLICATE) + late * np.int32(Quality.LATE)
        measure = on & ((rows.quality & int(NO_MEASURE)) == 0) & np.isfinite(rows.value)
        bits[measure] |= self._compare(rows.take(measure), advance=advance)
        if advance:
            # Of several rows of one series the last, which is the newest, stays.
            self._newest_us[rows.series[on]] = rows.observed_us[on]
        return bits

    def _compare(self, rows: Batch, *, advance: bool) -> I4:
        """Compare each row with its neighbour before it; return its bits.

        Args:
            rows: plausible live rows by series and device time, no time twice.
            advance: whether to remember the last of each series.
        """
        series, at_us, value = rows.series, rows.observed_us, rows.value
        if not len(rows):
            return np.zeros(0, dtype=np.int32)
        first = np.concatenate(([True], series[1:] != series[:-1]))
        before_us, before = np.roll(at_us, 1), np.roll(value, 1)
        before_us[first] = self._measured_us[series[first]]
        before[first] = self._value[series[first]]
        known = (before_us != 0) & (before_us < at_us)
        apart_us = np.where(known, at_us - before_us, 0)
        with np.errstate(over="ignore", invalid="ignore"):
            believed = self._tables.jump[series] + self._tables.jump_per_s[series] * apart_us * 1e-6
            jump = known & (np.abs(value - before) > believed)
        same = known & (value == before) & (apart_us <= self._tables.gap_us[series])
        since_us = self._runs(rows, first, same)
        stuck = same & (at_us - since_us >= self._tables.stuck_us[series])
        stuck &= value != self._tables.rest[series]
        if advance:
            self._measured_us[series] = at_us
            self._value[series] = value
            self._since_us[series] = since_us
        bits: I4 = jump * np.int32(Quality.JUMP) + stuck * np.int32(Quality.STUCK)
        return bits

    def _runs(self, rows: Batch, first: Bool, same: Bool) -> I8:
        """Return since when each row's value has not changed."""
        begins = first | ~same
        since_us = np.where(first & same, self._since_us[rows.series], rows.observed_us)
        run: Index = np.maximum.accumulate(np.where(begins, np.arange(len(rows)), 0))
        found: I8 = since_us[run]
        return found


def _by_series(batch: Batch) -> tuple[Index, Batch]:
    """Return the order by series and device time, and the rows in it."""
    order: Index = np.lexsort((batch.observed_us, batch.series))
    return order, batch.take(order)


def _repeats(rows: Batch, live: Bool) -> Bool:
    """Mark the rows whose series and time an earlier row has.

    A backfilled row makes no live one a repeat: the engine would then judge neither.
    """
    again = np.zeros(len(rows), dtype=np.bool_)
    again[1:] = (rows.series[1:] == rows.series[:-1]) & (
        rows.observed_us[1:] == rows.observed_us[:-1]
    )
    if not again.any():
        return again
    begin = np.maximum.accumulate(np.where(again, 0, np.arange(len(rows))))
    before: Index = np.cumsum(live) - live  # live rows before each one
    repeats: Bool = again & (~live | (before > before[begin]))
    return repeats
