"""Averages over equal stretches of time, the last few of each series, to read slow movement of.

The mean of a stretch's readings stands at the mean of their times, so the difference of two of them
is a velocity without lag, whatever the instrument's interval is.
"""

from __future__ import annotations

import zlib
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from alerts.forecasts.columns import Column, Columns
from alerts.judges import Index
from core.batch import F8, I8
from core.registry import SeriesInfo


def columns(count: int) -> dict[str, Column]:
    """Return the arrays that ``Bins`` works on: ``count`` closed bins and the open one."""
    return {
        "bin_at_s": Column(dtype="f8", width=count, empty=np.nan),
        "bin_value": Column(dtype="f8", width=count, empty=np.nan),
        "open_number": Column(dtype="i8", empty=-1),
        "open_count": Column(dtype="i4"),
        "open_at_s": Column(dtype="f8"),
        "open_sum": Column(dtype="f8"),
        "open_first_s": Column(dtype="f8"),
        "open_first": Column(dtype="f8"),
    }


def phase_us(device_id: str, bin_s: float) -> int:
    """Return by how much a device's bins begin earlier than multiples of ``bin_s``.

    Every device has its own, always the same: were all bins closed at the full hour, the engine
    would work for a quarter of a second then and not at all in between.

    Example:
        >>> 0 <= phase_us("tilt-0001", 900.0) < 900_000_000
        True
    """
    return zlib.crc32(device_id.encode()) * max(int(bin_s * 1e6), 1) >> 32


class Bins:
    """The closed bins of each row, oldest first, and the one that is being filled.

    Args:
        held: arrays that have at least ``columns``.
        bin_s: seconds of a bin.
        series: of each row.
    """

    __slots__ = ("_bin_us", "_held", "_phase_us")

    def __init__(self, held: Columns, bin_s: float, series: Sequence[SeriesInfo]) -> None:
        self._held = held
        self._bin_us = max(int(bin_s * 1e6), 1)
        self._phase_us = np.array([phase_us(one.device_id, bin_s) for one in series], np.int64)

    def take(self, row: Index, at_us: I8, value: F8) -> npt.NDArray[np.bool_]:
        """Put one reading for each row into its bin; tell which rows have closed one by it."""
        held = self._held
        number = (at_us + self._phase_us[row]) // self._bin_us
        closed: npt.NDArray[np.bool_] = (held["open_number"][row] != number) & (
            held["open_count"][row] > 0
        )
        self._close(row[closed])
        fresh = held["open_count"][row] == 0
        first = row[fresh]
        held["open_number"][first] = number[fresh]
        # Sums are of differences from the first reading: times since 1970 would cost their digits.
        held["open_first_s"][first] = at_us[fresh] / 1e6
        held["open_first"][first] = value[fresh]
        held["open_count"][row] += 1
        held["open_at_s"][row] += at_us / 1e6 - held["open_first_s"][row]
        held["open_sum"][row] += value - held["open_first"][row]
        return closed

    def last(self, row: Index, count: int) -> tuple[F8, F8]:
        """Return the times (s) and means of the last closed bins; (rows, count), oldest first."""
        held = self._held
        return held["bin_at_s"][row, -count:], held["bin_value"][row, -count:]

    def _close(self, row: Index) -> None:
        if not len(row):
            return
        held = self._held
        count = held["open_count"][row]
        at_s = held["open_first_s"][row] + held["open_at_s"][row] / count
        mean = held["open_first"][row] + held["open_sum"][row] / count
        for name, newest in (("bin_at_s", at_s), ("bin_value", mean)):
            ring = held[name][row]
            ring[:, :-1] = ring[:, 1:]
            ring[:, -1] = newest
            held[name][row] = ring
        for name in ("open_count", "open_at_s", "open_sum"):
            held[name][row] = 0


def median_slope(at_s: F8, value: F8) -> F8:
    """Return the median of the slopes between points up to a quarter of the row apart, per second.

    After Theil and Sen, who take all pairs: then a step in the middle lies in half of them and is
    taken for a slope. Of near pairs it touches one in five. Missing points are NaN; a row with
    fewer than two is NaN.

    Example:
        >>> at_s = np.array([[0.0, 1.0, 2.0, 3.0, 4.0], [0.0, np.nan, np.nan, np.nan, np.nan]])
        >>> median_slope(at_s, np.array([[1.0, 3.0, 5.0, 97.0, 99.0]] * 2)).tolist()
        [2.0, nan]
    """
    count = at_s.shape[1]
    early, late = np.triu_indices(count, 1)
    near = late - early <= max(count // 4, 1)
    early, late = early[near], late[near]
    slopes = (value[:, late] - value[:, early]) / (at_s[:, late] - at_s[:, early])
    ordered = np.sort(slopes, axis=1)  # NaN at the end
    known = np.isfinite(slopes).sum(axis=1)
    rows = np.arange(len(slopes))
    middle: F8 = (
        ordered[rows, np.maximum(known - 1, 0) // 2]
        + ordered[rows, np.minimum(known // 2, len(early) - 1)]
    ) / 2.0
    return np.where(known > 0, middle, np.nan)
