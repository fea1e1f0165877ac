"""When a creeping slope fails: the inverse of its velocity, drawn on to zero.

For accelerating creep 1/v falls to zero at failure (Fukuzono; Voight, Science 243, 1989): as a
straight line where the exponent of the law is 2; for others the power ``1 - exponent`` of v does.
One line over one window says too late a time (alerting notes, section 6: late at every step on
Preonzo). So several windows and exponents are fitted, recent points weigh more, and every fit gives
a spread of times; together they give the 10-90 % interval, and the alarm is held against its early
end. No time is said before the gates are passed, and none any more once the slope slows down.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import IntEnum
from typing import Annotated, ClassVar

import msgspec
import numpy as np

from alerts.forecasts import bins
from alerts.forecasts.columns import Column, Columns, Kept
from alerts.judges import Board, Bool, Index
from core.batch import F8, I8
from core.registry import Registry, SeriesInfo

EXPONENTS = (1.6, 2.0, 2.4)
"""Of the rate-acceleration law; 2 is the usual one, field cases lie between 1.5 and 2.5."""

_Z = np.array([-1.2816, -0.6745, 0.0, 0.6745, 1.2816])
"""Normal quantiles at 10, 25, 50, 75 and 90 %: the times that one fit contributes."""

_QUANTILES = (0.1, 0.5, 0.9)
_AGREE = 5
_LEAST_BINS = 6
_LEAST_FALL = 0.02
"""Share by which the line of 1/v must fall over the shortest window, or nothing accelerates."""

_NOISE_RATE = 0.02
_CLIP = 3.0


class Gate(IntEnum):
    """What a forecast must pass before a time is said, in this order."""

    PASSED = 0
    TOO_FEW = 1
    UNDER_FLOOR = 2
    DIRECTION = 3
    SLOWING = 4
    SCATTER = 5
    TOO_FAR = 6


_SAID = {
    Gate.TOO_FEW: ("数据不足", "too few averages yet"),
    Gate.UNDER_FLOOR: ("速度未超过噪声", "the speed is not above the noise floor"),
    Gate.DIRECTION: ("连续五次速度方向不一致", "five velocities do not agree in direction"),
    Gate.SLOWING: ("速度没有继续加快", "the slope is not accelerating"),
    Gate.SCATTER: ("倒速度拟合不佳", "the inverse velocity does not follow a line"),
    Gate.TOO_FAR: ("预计时间超出范围", "the time lies beyond the horizon"),
}


class InverseVelocityOptions(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Settings of ``inverse_velocity``.

    Attributes:
        bin_s: seconds of readings that are averaged before velocities are taken.
        short: velocities in the shortest window; ``middle`` and ``long`` in the others.
        floor_per_h: speed below which nothing is said, in the quantity's unit per hour, whatever
            the instrument's own noise.
        noise: the speed must also be so many times the instrument's own noise.
        r2: least share of the scatter of 1/v that the best line must explain.
        horizon_min: minutes ahead beyond which no time is said.
    """

    bin_s: Annotated[float, msgspec.Meta(ge=1, le=86_400)] = 3600.0
    short: Annotated[float, msgspec.Meta(ge=5, le=64)] = 6.0
    middle: Annotated[float, msgspec.Meta(ge=5, le=64)] = 12.0
    long: Annotated[float, msgspec.Meta(ge=5, le=64)] = 24.0
    floor_per_h: Annotated[float, msgspec.Meta(gt=0)] = 0.1
    noise: Annotated[float, msgspec.Meta(ge=0)] = 3.0
    r2: Annotated[float, msgspec.Meta(ge=0, le=1)] = 0.7
    horizon_min: Annotated[float, msgspec.Meta(gt=0)] = 10_080.0


class InverseVelocity(Kept):
    """Minutes to failure at the early end of the interval, of displacement, crack width or tilt.

    Windows take in every reading that is judged; only the noise floor is learned, and that only
    where ``learn`` says so.
    """

    name: ClassVar[str] = "inverse_velocity"
    worse: ClassVar[int] = -1
    unit: ClassVar[str] = "min"
    Options: ClassVar[type[msgspec.Struct]] = InverseVelocityOptions

    def __init__(
        self,
        options: InverseVelocityOptions,
        series: Sequence[SeriesInfo],
        registry: Registry,  # noqa: ARG002
        levels: Sequence[float],
    ) -> None:
        self._options = options
        self._windows = sorted({int(options.short), int(options.middle), int(options.long)})
        self._far_min = max(options.horizon_min, 4.0 * max(levels, default=0.0))
        self._held = Columns(
            len(series),
            bins.columns(self._windows[-1] + 1)
            | {
                "noise": Column(dtype="f4"),
                "noise_count": Column(dtype="i4"),
                "early_s": Column(dtype="f8", empty=np.nan),
                "middle_s": Column(dtype="f8", empty=np.nan),
                "late_s": Column(dtype="f8", empty=np.nan),
                "now_s": Column(dtype="f8", empty=np.nan),
                "speed": Column(dtype="f4", empty=np.nan),
                "gate": Column(dtype="i1", empty=int(Gate.TOO_FEW)),
            },
        )
        self._bins = bins.Bins(self._held, options.bin_s, series)

    def judge(self, row: Index, at_us: I8, value: F8, learn: Bool, board: Board) -> F8:  # noqa: ARG002
        """Return minutes to the early end of the interval; ``horizon_min`` where none is near.

        NaN while too little is known, and where a fit is too poor to say that a forecast has ended.
        """
        held = self._held
        held["now_s"][row] = at_us / 1e6
        closed = self._bins.take(row, at_us, value)
        if closed.any():
            self._forecast(row[closed], learn[closed])
        gate = held["gate"][row]
        left = np.clip((held["early_s"][row] - at_us / 1e6) / 60.0, 0.0, self._far_min)
        unknown = (gate == Gate.TOO_FEW) | (gate == Gate.SCATTER)
        judged: F8 = np.where(gate == Gate.PASSED, left, np.where(unknown, np.nan, self._far_min))
        return judged

    def explain(self, row: int) -> tuple[str, str]:
        """Say when failure is expected, or which gate failed."""
        held = self._held
        gate = Gate(int(held["gate"][row]))
        speed = float(held["speed"][row])
        if gate is not Gate.PASSED:
            zh, en = _SAID[gate]
            moves = "" if np.isnan(speed) else f" ({speed:.3g}/h)"
            return f"未作失稳预测：{zh}{moves}", f"no time of failure: {en}{moves}"
        early, middle, late = (
            max(float(held[name][row]) - float(held["now_s"][row]), 0.0) / 3600.0
            for name in ("early_s", "middle_s", "late_s")
        )
        until = f"{late:.1f}" if np.isfinite(late) else "∞"
        return (
            f"倒速度法预计{early:.1f}至{until}小时内失稳(中值{middle:.1f}小时)，速度{speed:.3g}/h",
            (
                f"inverse velocity expects failure in {early:.1f} to {until} h "
                f"(median {middle:.1f} h) at {speed:.3g}/h"
            ),
        )

    def _forecast(self, row: Index, learn: Bool) -> None:
        """Work the gates and times of some rows out anew, after a bin was closed."""
        held, options = self._held, self._options
        at_s, mean = self._bins.last(row, self._windows[-1] + 1)
        speed_at, speed = _velocities(at_s, mean)
        self._learn_noise(row[learn], speed[learn])
        sign = np.sign(np.nansum(speed[:, -_AGREE:], axis=1))[:, None]
        forward = speed * sign
        newest = forward[:, -1]
        floor = np.maximum(options.floor_per_h, options.noise * held["noise"][row])
        times, weight, best, fall = self._fits(speed_at, forward)
        early, middle, late = _mixture(times, weight)
        known = np.isfinite(speed[:, -_LEAST_BINS + 1 :]).all(axis=1)
        gate = np.select(
            [
                ~known,
                newest < floor,
                ~(forward[:, -_AGREE:] > 0).all(axis=1),
                ~(fall >= _LEAST_FALL),
                best < options.r2,
                (early - speed_at[:, -1]) / 60.0 > options.horizon_min,
            ],
            [Gate.TOO_FEW, Gate.UNDER_FLOOR, Gate.DIRECTION, Gate.SLOWING, Gate.SCATTER,
             Gate.TOO_FAR],
            Gate.PASSED,
        )  # fmt: skip
        held["gate"][row] = gate
        held["speed"][row] = np.where(known, newest, np.nan)
        for name, when in (("early_s", early), ("middle_s", middle), ("late_s", late)):
            held[name][row] = np.where(gate == Gate.PASSED, when, np.nan)

    def _learn_noise(self, row: Index, speed: F8) -> None:
        """Learn how much two neighbouring velocities differ by chance: quiet slopes' scatter."""
        held = self._held
        scatter = np.abs(speed[:, -1] - speed[:, -2]) / np.sqrt(2.0)
        known = np.isfinite(scatter)
        row, scatter = row[known], scatter[known]
        before, count = held["noise"][row], held["noise_count"][row]
        usual = np.where(count < _LEAST_BINS, np.inf, _CLIP * before)
        rate = np.maximum(_NOISE_RATE, 1.0 / (count + 1.0))
        held["noise"][row] = before + rate * (np.minimum(scatter, usual) - before)
        held["noise_count"][row] = np.minimum(count + 1, 1_000_000)

    def _fits(self, at_s: F8, speed: F8) -> tuple[F8, F8, F8, F8]:
        """Fit every window and exponent.

        Returns:
            Times in s, (rows, fits × quantiles), infinite where a line never meets zero; the
            weight of each; the best R² of the exponent 2; the share by which 1/v falls over the
            shortest window.
        """
        times, weights = [], []
        best = np.full(len(speed), -np.inf)
        fall = np.full(len(speed), np.nan)
        for window in self._windows:
            for exponent in EXPONENTS:
                line = _Line(at_s[:, -window:], speed[:, -window:], exponent)
                times.append(line.zeros())
                weights.append(np.repeat(line.weight()[:, None], len(_Z), axis=1))
                if exponent == 2.0:
                    best = np.fmax(best, line.r2)
                    if window == self._windows[0]:
                        fall = line.fall()
        return np.hstack(times), np.hstack(weights), best, fall


def _velocities(at_s: F8, mean: F8) -> tuple[F8, F8]:
    """Return where velocities stand (s) and what they are, per hour; one less than the means."""
    between: F8 = np.diff(at_s, axis=1)
    speed: F8 = np.diff(mean, axis=1) / np.maximum(between, 1e-6) * 3600.0
    middle: F8 = at_s[:, :-1] + between / 2.0
    return middle, speed


class _Line:
    """A weighted line through v^(1 - exponent) over one window of velocities, for each row."""

    __slots__ = ("_middle", "_origin", "_span", "_spread", "_weight", "_y", "r2", "slope")

    def __init__(self, at_s: F8, speed: F8, exponent: float) -> None:
        good = speed > 0
        place = np.arange(speed.shape[1]) / max(speed.shape[1] - 1, 1)
        # The newest point weighs three times as much as the oldest.
        weight = np.where(good, 1.0 + 2.0 * place, 0.0)
        safe = np.where(good, speed, 1.0)
        y = np.where(good, safe ** (1.0 - exponent), 0.0)
        self._origin = at_s[:, -1]
        x = np.where(good, at_s - self._origin[:, None], 0.0)
        self._span = -x.min(axis=1)
        total = np.maximum(weight.sum(axis=1), 1e-12)
        x_mean, y_mean = (weight * x).sum(axis=1) / total, (weight * y).sum(axis=1) / total
        dx, dy = x - x_mean[:, None], y - y_mean[:, None]
        sxx = np.maximum((weight * dx * dx).sum(axis=1), 1e-12)
        syy = np.maximum((weight * dy * dy).sum(axis=1), 1e-300)
        sxy = (weight * dx * dy).sum(axis=1)
        enough = good.sum(axis=1) >= _AGREE
        self.slope = np.where(enough, sxy / sxx, np.nan)
        self.r2 = np.where(enough, sxy * sxy / (sxx * syy), np.nan)
        freedom = np.maximum(good.sum(axis=1) - 2.0, 1.0)
        left = np.maximum(syy - sxy * sxy / sxx, 0.0)
        mean_weight = total / np.maximum(good.sum(axis=1), 1.0)
        scatter = left / mean_weight / freedom
        self._spread = np.sqrt(scatter * mean_weight / sxx)
        self._middle, self._y = x_mean, y_mean
        self._weight = mean_weight

    def weight(self) -> F8:
        """Return how much the fit counts: its R², nothing where the line does not fall."""
        weight: F8 = np.where(self.slope < 0, np.nan_to_num(self.r2), 0.0)
        return weight

    def fall(self) -> F8:
        """Return the share of its mean by which the line falls from end to end."""
        share: F8 = -self.slope * self._span / np.maximum(self._y, 1e-300)
        return share

    def zeros(self) -> F8:
        """Return when the line meets zero, s, at each of ``_Z`` of its slope's spread."""
        steep = self.slope[:, None] + _Z[None, :] * self._spread[:, None]
        falling = steep < 0
        ahead = self._middle[:, None] - self._y[:, None] / np.where(falling, steep, -1.0)
        when: F8 = self._origin[:, None] + np.where(falling, ahead, np.inf)
        return when


def _mixture(times: F8, weight: F8) -> tuple[F8, F8, F8]:
    """Return the 10, 50 and 90 % points of weighted times, row by row."""
    order = np.argsort(times, axis=1, kind="stable")
    ordered = np.take_along_axis(times, order, axis=1)
    mass = np.cumsum(np.take_along_axis(weight, order, axis=1), axis=1)
    found = []
    for share in _QUANTILES:
        reached = mass >= share * mass[:, -1:]
        place = np.argmax(reached, axis=1)
        when = ordered[np.arange(len(ordered)), place]
        found.append(np.where(mass[:, -1] > 0, when, np.nan))
    return found[0], found[1], found[2]
