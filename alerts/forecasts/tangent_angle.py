"""How steep a creep curve has become: the improved tangent angle.

Displacement S is made a time by the velocity v of the steady stage, T = S / v, so that the curve's
angle has no unit's arbitrariness: 45 degrees is steady creep, 80 and 85 are the last stages. It
needs a steady velocity first: given, or learned while nothing accelerates.
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

_STEADY_BELOW_DEG = 60.0
"""An angle from which on the steady velocity is no longer learned: it would follow the creep."""

_LEAST_SHARE = 0.8
"""Share of the window that must be covered before an angle is said."""


class TangentAngleOptions(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Settings of ``tangent_angle``.

    Attributes:
        bin_s: seconds of readings that are averaged.
        bins: averages whose median slope is the velocity of now.
        steady_per_d: velocity of the steady stage, in the quantity's unit per day; 0: learn it.
        least_per_d: what a learned one is at least; below it a resting slope's noise would be
            steep.
        learn_d: days of quiet before a learned velocity counts.
    """

    bin_s: Annotated[float, msgspec.Meta(ge=1, le=86_400)] = 3600.0
    bins: Annotated[float, msgspec.Meta(ge=4, le=32)] = 12.0
    steady_per_d: Annotated[float, msgspec.Meta(ge=0)] = 0.0
    least_per_d: Annotated[float, msgspec.Meta(gt=0)] = 1.0
    learn_d: Annotated[float, msgspec.Meta(gt=0, le=365)] = 7.0


class TangentAngle(Kept):
    """The improved tangent angle of displacement or crack width, in degrees."""

    name: ClassVar[str] = "tangent_angle"
    worse: ClassVar[int] = 1
    unit: ClassVar[str] = "deg"
    Options: ClassVar[type[msgspec.Struct]] = TangentAngleOptions

    def __init__(
        self,
        options: TangentAngleOptions,
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
                "angle": Column(dtype="f4", empty=np.nan),
                "speed": Column(dtype="f4", empty=np.nan),
                "steady": Column(dtype="f4"),
                "learned_s": Column(dtype="f8"),
            },
        )
        self._bins = bins.Bins(self._held, options.bin_s, series)

    def judge(self, row: Index, at_us: I8, value: F8, learn: Bool, board: Board) -> F8:  # noqa: ARG002
        """Return the angle in degrees; NaN before a steady velocity and a window are known."""
        closed = self._bins.take(row, at_us, value)
        if closed.any():
            self._measure(row[closed], learn[closed])
        angle: F8 = self._held["angle"][row].astype(np.float64)
        return angle

    def explain(self, row: int) -> tuple[str, str]:
        """Say the angle with both velocities."""
        angle, speed, steady = (
            float(self._held[name][row]) for name in ("angle", "speed", "steady")
        )
        if np.isnan(angle):
            days = float(self._held["learned_s"][row]) / 86_400.0
            return (
                f"切线角未知：匀速阶段速度尚未确定(已学习{days:.1f}天)",
                f"no tangent angle: the steady velocity is not known yet ({days:.1f} d learned)",
            )
        v = self._steady(np.array([steady]))[0]
        return (
            f"改进切线角{angle:.1f}°：当前速度{speed:.3g}/天, 匀速阶段{v:.3g}/天",
            (
                f"improved tangent angle {angle:.1f} deg: {speed:.3g} a day now, "
                f"{v:.3g} a day in the steady stage"
            ),
        )

    def _steady(self, learned: F8) -> F8:
        given = self._options.steady_per_d
        steady: F8 = np.maximum(learned, self._options.least_per_d)
        return np.full_like(steady, given) if given > 0 else steady

    def _measure(self, row: Index, learn: Bool) -> None:
        """Work out velocity and angle of some rows after a bin was closed, and learn."""
        held, options = self._held, self._options
        at_s, mean = self._bins.last(row, self._count)
        speed = np.abs(bins.median_slope(at_s, mean)) * 86_400.0
        span = at_s[:, -1] - at_s[:, 0]
        known = np.isfinite(speed) & (span >= _LEAST_SHARE * options.bin_s * (self._count - 1))
        fresh = np.minimum(np.nan_to_num(at_s[:, -1] - at_s[:, -2]), 2.0 * options.bin_s)
        angle = np.degrees(np.arctan(speed / self._steady(held["steady"][row].astype(np.float64))))
        ready = known & (
            (options.steady_per_d > 0) | (held["learned_s"][row] >= options.learn_d * 86_400.0)
        )
        held["angle"][row] = np.where(ready, angle, np.nan)
        held["speed"][row] = speed
        quiet = known & learn & ((angle < _STEADY_BELOW_DEG) | ~ready)
        self._learn(row[quiet], speed[quiet], fresh[quiet])

    def _learn(self, row: Index, speed: F8, fresh_s: F8) -> None:
        """Let the steady velocity follow, by at most a factor of three, over ``learn_d``."""
        held = self._held
        before = held["steady"][row]
        seen = held["learned_s"][row]
        known_s = np.minimum(seen + fresh_s, self._options.learn_d * 86_400.0)
        share = np.minimum(fresh_s / np.maximum(known_s, 1.0), 1.0)
        capped = np.minimum(speed, 3.0 * np.maximum(before, self._options.least_per_d))
        held["steady"][row] = before + share * (capped - before)
        held["learned_s"][row] = seen + fresh_s
