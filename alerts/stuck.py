"""How long series have said the same value: what a ``stuck`` rule judges.

A run is counted from the first reading that said the value, in event time. A rule that learns
compares it with what is usual for its series, because an empty lane or a dry road may rest for
hours and a flow meter may not.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from core.batch import F8, I8

Index = npt.NDArray[np.intp]
Bool = npt.NDArray[np.bool_]

MIN_RUNS = 20
"""Runs that must have ended before a learning rule judges (a guess: long enough to have seen rest).
"""

FADE = 0.995
"""What is left of the longest usual run when another one ends, so that one odd run is forgotten."""

_FULL = np.iinfo(np.uint16).max


class Runs:
    """One run per (stuck rule, series), indexed by number."""

    __slots__ = ("_begin_us", "_longest_s", "_seen", "_value", "learn", "tolerance")

    def __init__(self, tolerance: F8, learn: Bool) -> None:
        count = len(tolerance)
        self.tolerance = tolerance
        self.learn = learn
        self._begin_us = np.zeros(count, dtype=np.int64)  # 0: none yet
        self._value = np.zeros(count)
        some = count if learn.any() else 0
        self._longest_s = np.zeros(some, dtype=np.float32)
        self._seen = np.zeros(some, dtype=np.uint16)

    def __len__(self) -> int:
        return len(self.tolerance)

    @property
    def nbytes(self) -> int:
        """Bytes held."""
        return sum(getattr(self, name).nbytes for name in self.__slots__)

    def lengths(self, run: Index, at_us: I8, value: F8, active: Bool) -> F8:
        """Take one reading for each of some runs; return the length of each run.

        Args:
            run: numbers, none twice.
            at_us: event time of each reading, later than the run's last.
            value: finite values.
            active: where an alarm is on; a run that ends there is no usual one.

        Returns:
            Seconds, or for a learning rule multiples of the longest usual run; NaN while that is
            not known.
        """
        begin_us = self._begin_us[run]
        same = (begin_us > 0) & (np.abs(value - self._value[run]) <= self.tolerance[run])
        if len(self._longest_s):
            self._learn(run, at_us, ended=(begin_us > 0) & ~same & ~active)
        new = run[~same]
        self._begin_us[new] = at_us[~same]
        self._value[new] = value[~same]
        length = (at_us - self._begin_us[run]) / 1e6
        if not len(self._longest_s):
            return length
        known = (self._seen[run] >= MIN_RUNS) & (self._longest_s[run] > 0)
        share = np.full(len(run), np.nan)
        np.divide(length, self._longest_s[run], out=share, where=known)
        return np.where(self.learn[run], share, length)

    def _learn(self, run: Index, at_us: I8, *, ended: Bool) -> None:
        done = run[ended]
        length = ((at_us[ended] - self._begin_us[done]) / 1e6).astype(np.float32)
        self._longest_s[done] = np.maximum(self._longest_s[done] * np.float32(FADE), length)
        self._seen[done] = np.minimum(self._seen[done], _FULL - 1) + 1

    def forget(self, run: Index) -> None:
        """Begin new runs; what is usual stays."""
        self._begin_us[run] = 0

    def state(self, run: Index) -> dict[str, npt.NDArray[Any]]:
        """Return what a snapshot keeps of some runs."""
        kept: dict[str, npt.NDArray[Any]] = {
            "run_begin_us": self._begin_us[run],
            "run_value": self._value[run],
        }
        if len(self._longest_s):
            kept |= {"run_longest_s": self._longest_s[run], "run_seen": self._seen[run]}
        return kept

    def take(self, mine: Index, state: Mapping[str, npt.NDArray[Any]], theirs: Index) -> None:
        """Take over rows ``theirs`` of a ``state`` as ``mine``."""
        self._begin_us[mine] = state["run_begin_us"][theirs]
        self._value[mine] = state["run_value"][theirs]
        if len(self._longest_s) and "run_seen" in state:
            self._longest_s[mine] = state["run_longest_s"][theirs]
            self._seen[mine] = state["run_seen"][theirs]
