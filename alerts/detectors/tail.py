"""How rare is a score on this very series: the tail of its own past, from its largest scores.

The share of readings with a score beyond ``x`` is taken as ``k / n * exp(-(x - u) / m)``: ``n``
readings were seen, the ``k`` largest of their scores lie beyond ``u`` and on average by ``m``
(peaks over a threshold with an exponential tail). What is said is ``-log10`` of it, so 4 is once in
ten thousand readings on every series, however noisy.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import numpy.typing as npt

from alerts.detectors.columns import Column, Columns
from alerts.judges import Index
from core.batch import F8

TOP = 24
"""Largest scores kept for each row; 40 gain one point on the NAB benchmark for 64 bytes more."""

LONG = 40_000
"""Readings after which the older half of the past counts no more."""

HIGHEST = 20.0
"""No score says more than this."""

_KNOWN = 100  # scores counted before any is too large to be believed
_LN10 = float(np.log(10.0))


@dataclass(frozen=True, slots=True, kw_only=True)
class Floor:
    """The lightest tail that is believed, so that a few quiet days make no sharp one.

    Attributes:
        begin: least ``u``, in the units of the score.
        mean: least ``m``.
        assumed: ``m`` before any excess was seen; ``weight`` for how many it counts.
    """

    begin: float
    mean: float
    assumed: float = 0.0
    weight: float = 0.0


NORMAL = Floor(begin=3.0, mean=0.4)
"""For scores in standard deviations: a normal tail beyond 3 exceeds it by 0.28 on average."""


class Tail(Columns):
    """The largest scores of each row; ``count`` of ``top`` are in use, all beyond ``begin``."""

    LAYOUT: ClassVar[Mapping[str, Column]] = {
        "top": Column(dtype="f4", width=TOP),
        "begin": Column(dtype="f4"),
        "count": Column(dtype="u1"),
        "seen": Column(dtype="i4"),
    }

    top: npt.NDArray[np.float32]
    begin: npt.NDArray[np.float32]
    count: npt.NDArray[np.uint8]
    seen: npt.NDArray[np.int32]

    def score(self, row: Index, x: F8, floor: Floor) -> F8:
        """Return -log10 of the share of readings with a score of at least ``x``; 0 within."""
        begin = np.maximum(self.begin[row].astype(np.float64), floor.begin)
        said = np.zeros(len(row))
        far = np.flatnonzero(x > begin)
        if len(far):
            rows, u = row[far], begin[far]
            rare, mean = self._beyond(rows, u, floor)
            said[far] = np.minimum(rare + (x[far] - u) / (mean * _LN10), HIGHEST)
        return said

    def learn(self, row: Index, x: F8, floor: Floor, most: float) -> None:
        """Count one score for each of some rows, as if it said no more than ``most``.

        Without that, one broken reading would make the series blind for all that follows; with it,
        many of them still teach that this series does such things.
        """
        far = np.flatnonzero(x > self.begin[row])
        if len(far):
            rows = row[far]
            u = np.maximum(self.begin[rows].astype(np.float64), floor.begin)
            rare, mean = self._beyond(rows, u, floor)
            limit = u + np.maximum(most - rare, 0.5) * mean * _LN10
            known = self.seen[rows] >= _KNOWN
            self._keep(rows, np.where(known, np.minimum(x[far], limit), x[far]))
        self.seen[row] += 1
        long = row[self.seen[row] >= LONG]
        if len(long):
            self._shorten(long)

    def _beyond(self, row: Index, u: F8, floor: Floor) -> tuple[F8, F8]:
        """Return -log10 of the share beyond ``u``, and by how much it is exceeded on average."""
        top = self.top[row].astype(np.float64)
        used = np.arange(TOP) < self.count[row][:, None]
        beyond = np.where(used, np.maximum(top - u[:, None], 0.0), 0.0)
        # Fewer than all lie beyond u where the floor is higher than the own begin.
        k = np.maximum((beyond > 0).sum(axis=1), 1)
        assumed = floor.weight * floor.assumed
        mean = np.maximum((beyond.sum(axis=1) + assumed) / (k + floor.weight), floor.mean)
        return np.log10(np.maximum(self.seen[row], k) / k), mean

    def borrow(self, row: Index, donors: Index) -> None:
        """Begin some rows with the typical tail of others of their kind."""
        ordered = -np.sort(-self.top[donors], axis=1)
        self.top[row] = np.median(ordered, axis=0)
        self.begin[row] = self.top[row].min(axis=1)
        self.count[row] = TOP
        self.seen[row] = np.int32(np.median(self.seen[donors]))

    def _keep(self, row: Index, x: F8) -> None:
        count = self.count[row]
        slot = np.where(count < TOP, count, self.top[row].argmin(axis=1))
        self.top[row, slot] = x
        count = np.minimum(count + 1, TOP).astype(np.uint8)
        self.count[row] = count
        full = row[count == TOP]
        self.begin[full] = self.top[full].min(axis=1)

    def _shorten(self, row: Index) -> None:
        """Keep every other score of half as many readings: the same tail, open to the present."""
        ordered = -np.sort(-self.top[row], axis=1)
        half = TOP // 2
        self.top[row, :half] = ordered[:, ::2]
        self.top[row, half:] = 0.0
        self.begin[row] = ordered[:, ::2].min(axis=1) * (1 - 1e-6)
        self.count[row] = half
        self.seen[row] //= 2
