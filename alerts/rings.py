"""The recent past of the series that a rise rule judges, in few bytes, and the slope through it.

A ring holds ``SLOTS`` buckets of mean time and mean value, each a ``SLOTS - 1``-th of the window
long, so that a sensor of any rate fits and its noise is averaged. The reading being judged counts
by itself.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from core.batch import F8, I8

SLOTS = 12
MIN_SAMPLES = 4
MIN_COVERAGE = 0.8
"""Share of the window that the samples must span before a slope is believed."""

_CHUNK = 4096  # rings whose buckets stay in the processor's cache while they are worked on
_FULL = np.iinfo(np.uint16).max

Index = npt.NDArray[np.intp]


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

    def forget(self, ring: Index) -> None:
        """Empty some rings."""
        self._begin_us[ring] = 0

    def copy_from(self, mine: Index, old: Rings, theirs: Index) -> None:
        """Take over the buckets of another set of rings."""
        for name in ("_begin_us", "_delay_s", "_mean", "_count", "_head"):
            getattr(self, name)[mine] = getattr(old, name)[theirs]

    def _fit(self, ring: Index, at_us: I8, value: F8) -> F8:
        """Least squares through the buckets in the window and the reading, which is the origin."""
        window_us = self.window_us[ring]
        age_us = self._begin_us[ring] - at_us[:, None]
        inside = age_us >= -window_us[:, None]
        age_s = (age_us * inside).astype(np.float32) * np.float32(1e-6)
        weight = self._count[ring] * inside.astype(np.float32)
        x = age_s + self._delay_s[ring]
        y = self._mean[ring] - value[:, None].astype(np.float32)
        wx = weight * x
        n = weight.sum(axis=1, dtype=np.float64) + 1.0
        sx = wx.sum(axis=1, dtype=np.float64)
        sy = np.einsum("ij,ij->i", weight, y).astype(np.float64)
        sxx = np.einsum("ij,ij->i", wx, x).astype(np.float64)
        sxy = np.einsum("ij,ij->i", wx, y).astype(np.float64)
        spread = n * sxx - sx * sx
        covered = age_s.min(axis=1) * -1e6 >= MIN_COVERAGE * window_us
        known = (n >= MIN_SAMPLES) & covered & (spread > 0)
        fit = np.full(len(ring), np.nan)
        np.divide(n * sxy - sx * sy, spread, out=fit, where=known)
        return fit * 60.0

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
