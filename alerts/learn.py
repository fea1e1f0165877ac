"""The usual interval between reports of a device, learned from when they arrive.

It is a running median: each gap moves it by a fixed share towards itself, so one long gap counts
no more than a short one. Until enough gaps were seen the registered interval holds.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from alerts.spread import Index
from core.batch import F8, I8

MIN_GAPS = 16
"""Gaps that must have been seen before what was learned holds (a guess)."""

STEP = 0.05
"""Share by which a gap moves the median: it follows a doubled interval within some 15 gaps."""

SAME_REPORT = 0.1
"""Share of the registered interval below which two arrivals are parts of one report."""

MOST = 10.0
"""Multiple of the registered interval above which nothing is learned: that would hide a failure."""

_FULL = np.iinfo(np.uint8).max


class Gaps:
    """One learned interval per watch."""

    __slots__ = ("_gap_s", "_last_us", "_registered_s", "_seen")

    def __init__(self, registered_s: F8) -> None:
        count = len(registered_s)
        self._registered_s = registered_s.astype(np.float32)
        self._gap_s = self._registered_s.copy()
        self._last_us = np.zeros(count, dtype=np.int64)  # 0: not heard yet
        self._seen = np.zeros(count, dtype=np.uint8)

    def __len__(self) -> int:
        return len(self._gap_s)

    @property
    def nbytes(self) -> int:
        """Bytes held."""
        return sum(getattr(self, name).nbytes for name in self.__slots__)

    def hear(self, watch: Index, at_us: I8, learn: npt.NDArray[np.bool_]) -> None:
        """Take arrivals in; of one watch there may be many, in any order.

        Args:
            at_us: our clock at the arrival.
            learn: false where the watch was missing: the gap that ends a silence is no usual one.
        """
        order = np.lexsort((at_us, watch))
        watch, at_us, learn = watch[order], at_us[order], learn[order]
        first = np.r_[True, np.diff(watch) != 0][: len(watch)]
        place = np.arange(len(watch))
        rank = place - np.maximum.accumulate(np.where(first, place, 0))
        for number in range(int(rank.max(initial=-1)) + 1):
            some = rank == number
            self._hear(watch[some], at_us[some], learn[some])

    def _hear(self, watch: Index, at_us: I8, learn: npt.NDArray[np.bool_]) -> None:
        last_us = self._last_us[watch]
        gap_s = (at_us - last_us) / 1e6
        usual = self._registered_s[watch]
        apart = (last_us == 0) | (gap_s >= SAME_REPORT * usual)
        counts = apart & (last_us > 0) & learn & (gap_s <= MOST * usual)
        self._last_us[watch[apart]] = at_us[apart]
        some, gap_s = watch[counts], gap_s[counts]
        was = self._gap_s[some]
        way = np.sign(gap_s - was)
        moved = np.where(way > 0, was * np.float32(1 + STEP), was * np.float32(1 - STEP))
        # Never past the gap itself, so that a steady interval is met exactly.
        moved = np.where(way > 0, np.minimum(moved, gap_s), np.maximum(moved, gap_s))
        self._gap_s[some] = np.where(way == 0, was, moved)
        self._seen[some] = np.minimum(self._seen[some], _FULL - 1) + 1

    def forget(self) -> None:
        """Forget when arrivals were, not what was learned: our clock was set back."""
        self._last_us[:] = 0

    def interval_s(self) -> F8:
        """Return the interval that holds for each watch, in seconds."""
        known = self._seen >= MIN_GAPS
        return np.where(known, self._gap_s, self._registered_s).astype(np.float64)

    def state(self, watch: Index) -> dict[str, npt.NDArray[Any]]:
        """Return what a snapshot keeps of some watches."""
        return {
            "gap_s": self._gap_s[watch],
            "gap_last_us": self._last_us[watch],
            "gap_seen": self._seen[watch],
        }

    def take(self, mine: Index, state: Mapping[str, npt.NDArray[Any]], theirs: Index) -> None:
        """Take over rows ``theirs`` of a ``state`` as ``mine``."""
        self._gap_s[mine] = state["gap_s"][theirs]
        self._last_us[mine] = state["gap_last_us"][theirs]
        self._seen[mine] = state["gap_seen"][theirs]
