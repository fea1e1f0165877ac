"""Running sums that grow while a series stays off its mean (Page's test, both sides).

Each standardised error is clipped at three and lessened by an allowance, so one spike adds little
and a small error that lasts adds up. A sum's way from 0 to its highest and back to 0 is one
excursion; the tail is taught by their peaks, because a sum that taught by each of its steps would
make itself usual while it grows.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import numpy as np
import numpy.typing as npt

from alerts.detectors.columns import Column, Columns
from alerts.detectors.tail import Floor
from alerts.judges import Index
from core.batch import F8, I8

CLIP = 3.0

SUMS = Floor(begin=3.0, mean=1.0, assumed=5.0, weight=4.0)
"""The lightest tail of a sum: independent errors at an allowance of 0.5 exceed by 1 on average.

Few excursions are seen in the first days and those of a real series are longer, so more is assumed.
"""


class Cusum(Columns):
    """Sums above and below the mean of each row.

    Attributes:
        up_us: since when the sum above is not 0, 0: it is; ``down_us`` of the sum below.
        up_peak: how high it was since then; ``down_peak`` likewise.
    """

    LAYOUT: ClassVar[Mapping[str, Column]] = {
        "up": Column(dtype="f4"),
        "down": Column(dtype="f4"),
        "up_us": Column(dtype="i8"),
        "down_us": Column(dtype="i8"),
        "up_peak": Column(dtype="f4"),
        "down_peak": Column(dtype="f4"),
    }
    RUNNING: ClassVar[frozenset[str]] = frozenset(LAYOUT)

    up: npt.NDArray[np.float32]
    down: npt.NDArray[np.float32]
    up_us: I8
    down_us: I8
    up_peak: npt.NDArray[np.float32]
    down_peak: npt.NDArray[np.float32]

    def add(self, row: Index, at_us: I8, z: F8, allowance: float) -> tuple[F8, F8]:
        """Add standardised errors; return each row's larger sum, and the peak that has ended."""
        z = np.clip(z, -CLIP, CLIP)
        up = np.maximum(self.up[row] + z - allowance, 0.0)
        down = np.maximum(self.down[row] - z - allowance, 0.0)
        self.up[row], self.down[row] = up, down
        ended = np.zeros(len(row))
        for sum_, since, peak in (
            (up, self.up_us, self.up_peak), (down, self.down_us, self.down_peak)
        ):  # fmt: skip
            grows = sum_ > 0
            ended = np.maximum(ended, np.where(grows, 0.0, peak[row]))
            peak[row] = np.where(grows, np.maximum(peak[row], sum_), 0.0)
            since[row] = np.where(grows, np.where(since[row] == 0, at_us, since[row]), 0)
        return np.maximum(up, down), ended

    def side(self, row: int) -> tuple[bool, int]:
        """Return whether the sum above is the larger one, and since when that one grows."""
        above = bool(self.up[row] >= self.down[row])
        return above, int((self.up_us if above else self.down_us)[row])
