"""The recent past of the series that a rise rule judges, in few bytes, and the slope through it.

A ring holds ``SLOTS`` buckets of mean time and mean value, each a ``SLOTS - 1``-th of the window
long, so that a sensor of any rate fits and its noise is averaged. The reading being judged counts
by itself.
"""

from __future__ import annotations

from collections.abc import Mapping
from ctypes import c_float as _f4
from typing import Any

import numpy as np
import numpy.typing as npt

from core.batch import F8, I8

SLOTS = 12
MIN_SAMPLES = 4
MIN_COVERAGE = 0.8
"""Share of the window that the samples must span before a slope is believed."""

_CHUNK = 4096  # rings whose buckets stay in the processor's cache while they are worked on
_KEPT = ("_begin_us", "_delay_s", "_mean", "_count", "_head")
_BUCKETS = ("_begin_us", "_delay_s", "_mean", "_count")
_FULL = np.iinfo(np.uint16).max

Index = npt.NDArray[np.intp]
F4 = npt.NDArray[np.float32]


class Rings:
    """One ring per (rise rule, series); indexed by ring number.

    Attributes:
        window_us: length of each ring's window.
    """

    __slots__ = ("_begin_us", "_count", "_delay_s", "_head", "_length_us", "_mean", "window_us")

    def __init__(self, window_us: I8) -> None:
        count = len(window_us)
        self.window_us = window_us
        self._length_us = window_us // (SLOTS - 1)
        self._begin_us = np.zeros((count, SLOTS), dtype=np.int64)  # 0: empty
        self._delay_s = np.zeros((count, SLOTS), dtype=np.float32)  # mean time after the begin
        self._mean = np.zeros((count, SLOTS), dtype=np.float32)
        self._count = np.zeros((count, SLOTS), dtype=np.uint16)
        self._head = np.zeros(count, dtype=np.uint8)

    def __len__(self) -> int:
        return len(self.window_us)

    @property
    def nbytes(self) -> int:
        """Bytes held."""
        return sum(getattr(self, name).nbytes for name in self.__slots__)

    def slopes(self, ring: Index, at_us: I8, value: F8) -> F8:
        """Take one reading for each of some rings; return the slope per minute, NaN if unknown.

        Args:
            ring: ring numbers, none twice.
            at_us: event time of each reading, later than the ring's last.
            value: finite values.
        """
        slope = np.empty(len(ring))
        for begin in range(0, len(ring), _CHUNK):
            part = slice(begin, begin + _CHUNK)
            slope[part] = self._fit(ring[part], at_us[part], value[part])
            self._keep(ring[part], at_us[part], value[part])
        return slope

    def slopes_of_one(self, ring: int, at_us: I8, value: F8) -> F8:
        """Take any number of readings, in order of time, of one ring; return each one's slope."""
        buckets = [getattr(self, name)[ring].tolist() for name in _BUCKETS]
        head = int(self._head[ring])
        seen: list[list[list[float]]] = [[], [], [], []]
        length_us = int(self._length_us[ring])
        for at, one in zip(at_us.tolist(), value.tolist(), strict=True):
            for column, bucket in zip(seen, buckets, strict=True):
                column.append(bucket.copy())
            head = _keep_one(buckets, head, at, one, length_us)
        for name, bucket in zip(_BUCKETS, buckets, strict=True):
            getattr(self, name)[ring] = bucket
        self._head[ring] = head
        begin_us, delay_s, mean, count = (
            np.array(column, dtype=getattr(self, name).dtype).reshape(-1, SLOTS)
            for name, column in zip(_BUCKETS, seen, strict=True)
        )
        window_us = np.full(len(at_us), self.window_us[ring])
        return _slope(window_us, begin_us, delay_s, mean, count, at_us, value)

    def forget(self, ring: Index) -> None:
        """Empty some rings."""
        self._begin_us[ring] = 0

    def state(self, ring: Index) -> dict[str, npt.NDArray[Any]]:
        """Return what a snapshot keeps of some rings."""
        return {f"ring{name}": getattr(self, name)[ring] for name in _KEPT} | {
            "ring_window_us": self.window_us[ring]
        }

    def take(self, mine: Index, state: Mapping[str, npt.NDArray[Any]], theirs: Index) -> None:
        """Take over rows ``theirs`` of a ``state`` as ``mine``, where the windows are equal."""
        same = self.window_us[mine] == state["ring_window_us"][theirs]
        mine, theirs = mine[same], theirs[same]
        for name in _KEPT:
            getattr(self, name)[mine] = state[f"ring{name}"][theirs]

    def _fit(self, ring: Index, at_us: I8, value: F8) -> F8:
        return _slope(
            self.window_us[ring],
            self._begin_us[ring],
            self._delay_s[ring],
            self._mean[ring],
            self._count[ring],
            at_us,
            value,
        )

    def _keep(self, ring: Index, at_us: I8, value: F8) -> None:
        """Put readings into the newest bucket, or open the next one when it is long enough."""
        head = self._head[ring]
        delay_us = at_us - self._begin_us[ring, head]
        new = delay_us >= self._length_us[ring]
        opened, to = ring[new], (head[new] + 1) % SLOTS
        self._head[opened] = to
        self._begin_us[opened, to] = at_us[new]
        self._delay_s[opened, to] = 0.0
        self._mean[opened, to] = value[new]
        self._count[opened, to] = 1
        joined, to = ring[~new], head[~new]
        count = np.minimum(self._count[joined, to], _FULL - 1) + 1
        self._count[joined, to] = count
        delay_s = self._delay_s[joined, to]
        self._delay_s[joined, to] = delay_s + (delay_us[~new] * 1e-6 - delay_s) / count
        mean = self._mean[joined, to]
        self._mean[joined, to] = mean + (value[~new] - mean) / count


def _keep_one(buckets: list[list[Any]], head: int, at_us: int, value: float, length_us: int) -> int:
    """Put one reading into the buckets of one ring, as ``Rings._keep`` does; return the head.

    What is stored is rounded as there, so that both give the same to the last bit.
    """
    begin_us, delay_s, mean, count = buckets
    delay_us = at_us - begin_us[head]
    if delay_us >= length_us:
        head = (head + 1) % SLOTS
        begin_us[head], delay_s[head], mean[head], count[head] = at_us, 0.0, _f4(value).value, 1
        return head
    many = min(count[head], _FULL - 1) + 1
    count[head] = many
    delay_s[head] = _f4(delay_s[head] + (delay_us * 1e-6 - delay_s[head]) / many).value
    mean[head] = _f4(mean[head] + (value - mean[head]) / many).value
    return head


def _slope(
    window_us: I8,
    begin_us: I8,
    delay_s: F4,
    mean: F4,
    count: npt.NDArray[np.uint16],
    at_us: I8,
    value: F8,
) -> F8:
    """Least squares through the buckets in the window and the reading, which is the origin."""
    age_us = begin_us - at_us[:, None]
    inside = age_us >= -window_us[:, None]
    age_s = (age_us * inside).astype(np.float32) * np.float32(1e-6)
    weight = count * inside.astype(np.float32)
    x = age_s + delay_s
    y = mean - value[:, None].astype(np.float32)
    wx = weight * x
    # einsum adds short rows up many times as fast as sum does.
    n = np.einsum("ij->i", weight).astype(np.float64) + 1.0
    sx = np.einsum("ij->i", wx).astype(np.float64)
    sy = np.einsum("ij,ij->i", weight, y).astype(np.float64)
    sxx = np.einsum("ij,ij->i", wx, x).astype(np.float64)
    sxy = np.einsum("ij,ij->i", wx, y).astype(np.float64)
    spread = n * sxx - sx * sx
    oldest_s = age_s[:, 0].copy()
    for slot in range(1, SLOTS):  # column by column, for the same reason
        np.minimum(oldest_s, age_s[:, slot], out=oldest_s)
    covered = oldest_s * -1e6 >= MIN_COVERAGE * window_us
    known = (n >= MIN_SAMPLES) & covered & (spread > 0)
    fit = np.full(len(at_us), np.nan)
    np.divide(n * sxy - sx * sy, spread, out=fit, where=known)
    return fit * 60.0
