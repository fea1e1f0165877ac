"""How fast a tiltmeter turns: the median of the slopes between averages of a window.

The median is moved neither by a knock nor by one bad average.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, ClassVar

import msgspec
import numpy as np

from alerts.forecasts import bins
from alerts.forecasts.columns import Column, Columns, Kept
from alerts.judges import Board, Bool, Index
from core.batch import F8, I8
from core.registry import Registry, SeriesInfo

_LEAST_SHARE = 0.5
"""Share of the window that must be covered before a rate is said."""


class TiltRateOptions(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Settings of ``tilt_rate``.

    Attributes:
        bin_s: seconds of readings that are averaged.
        bins: averages in the window.
    """

    bin_s: Annotated[float, msgspec.Meta(ge=1, le=86_400)] = 900.0
    bins: Annotated[float, msgspec.Meta(ge=4, le=32)] = 24.0


class TiltRate(Kept):
    """The rate of tilt in degrees per hour, without sign."""

    name: ClassVar[str] = "tilt_rate"
    worse: ClassVar[int] = 1
    unit: ClassVar[str] = "deg/h"
    Options: ClassVar[type[msgspec.Struct]] = TiltRateOptions

    def __init__(
        self,
        options: TiltRateOptions,
        series: Sequence[SeriesInfo],
        registry: Registry,  # noqa: ARG002
        levels: Sequence[float],  # noqa: ARG002
    ) -> None:
        self._options = options
        self._count = int(options.bins)
        self._held = Columns(
            len(series),
            bins.columns(self._count)
            | {
                "rate": Column(dtype="f4", empty=np.nan),
                "span_s": Column(dtype="f4"),
            },
        )
        self._bins = bins.Bins(self._held, options.bin_s, series)

    def judge(self, row: Index, at_us: I8, value: F8, learn: Bool, board: Board) -> F8:  # noqa: ARG002
        """Return degrees per hour; NaN until half of the window is covered."""
        closed = self._bins.take(row, at_us, value)
        if closed.any():
            self._measure(row[closed])
        rate: F8 = np.abs(self._held["rate"][row]).astype(np.float64)
        return rate

    def explain(self, row: int) -> tuple[str, str]:
        """Say the rate and over how long it was seen."""
        rate, hours = float(self._held["rate"][row]), float(self._held["span_s"][row]) / 3600.0
        if np.isnan(rate):
            return f"倾角速率未知：仅有{hours:.1f}小时数据", f"no tilt rate: {hours:.1f} h of data"
        return (
            f"近{hours:.1f}小时倾角变化速率{rate:+.4f}°/h",
            f"tilt changes by {rate:+.4f} deg/h over the last {hours:.1f} h",
        )

    def _measure(self, row: Index) -> None:
        """Work out the rate of some rows after a bin was closed."""
        at_s, mean = self._bins.last(row, self._count)
        # Averages from before a long gap belong to another time.
        window_s = self._options.bin_s * self._count
        old = at_s < at_s[:, -1:] - window_s
        at_s, mean = np.where(old, np.nan, at_s), np.where(old, np.nan, mean)
        span = at_s[:, -1] - np.nanmin(at_s, axis=1)
        rate = bins.median_slope(at_s, mean) * 3600.0
        self._held["rate"][row] = np.where(span >= _LEAST_SHARE * window_s, rate, np.nan)
        self._held["span_s"][row] = span
