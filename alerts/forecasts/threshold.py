"""How many minutes until a value reaches a target: level, daily profile and damped trend.

Level and trend are a line through the recent past whose older points fade away; the profile is what
the hour of the day usually adds (tides, evening flows), learned over days and left out until it is
known. The trend is damped, because no rise goes on for ever. The line's own uncertainty gives the
interval; without a trend that stands out of it, nothing is forecast.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, ClassVar

import msgspec
import numpy as np

from alerts.forecasts.columns import Column, Columns, Kept
from alerts.judges import Board, Bool, Index
from core.batch import F8, I8
from core.registry import Registry, SeriesInfo

SLOTS = 48
"""Half hours of a day in China Standard Time; a day's profile has one offset for each."""

_CHINA_S = 8 * 3600
_DAY_S = 86_400.0
_SLOT_S = _DAY_S / SLOTS
_PROFILE_DAYS = 7.0
_PROFILE_AFTER_S = 2 * _DAY_S
_CLIP = 3.0
_STEPS = 32
_LEAST_COUNT = 3.0
_Z90 = 1.2816


class ThresholdOptions(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Settings of ``threshold``.

    Attributes:
        target: the value whose crossing is forecast, in the quantity's unit.
        falling: the target is reached from above.
        horizon_min: minutes ahead that are looked at.
        window_min: minutes after which a reading counts a third (e to the minus one).
        damping_min: minutes after which the trend has lost two thirds of its force.
        quantile: which of the interval's times is judged: 0.5 the middle one, 0.1 the early one.
        significance: the trend must be so many times its own standard error.
        least_per_min: and at least this, in the quantity's unit per minute.
    """

    target: float
    falling: bool = False
    horizon_min: Annotated[float, msgspec.Meta(gt=0, le=2880)] = 60.0
    window_min: Annotated[float, msgspec.Meta(gt=0, le=1440)] = 10.0
    damping_min: Annotated[float, msgspec.Meta(gt=0, le=2880)] = 60.0
    quantile: Annotated[float, msgspec.Meta(gt=0, lt=1)] = 0.5
    significance: Annotated[float, msgspec.Meta(ge=0)] = 3.0
    least_per_min: Annotated[float, msgspec.Meta(ge=0)] = 0.0


class Threshold(Kept):
    """Minutes until the target is reached; 0 where it is, ``horizon_min`` where it is not in sight.

    The line takes in every reading that is judged; the profile is learned where ``learn`` says so.
    """

    name: ClassVar[str] = "threshold"
    worse: ClassVar[int] = -1
    unit: ClassVar[str] = "min"
    Options: ClassVar[type[msgspec.Struct]] = ThresholdOptions

    def __init__(
        self,
        options: ThresholdOptions,
        series: Sequence[SeriesInfo],
        registry: Registry,  # noqa: ARG002
        levels: Sequence[float],
    ) -> None:
        self._options = options
        self._sign = -1.0 if options.falling else 1.0
        self._far_min = max(options.horizon_min, 4.0 * max(levels, default=0.0))
        self._ahead_s = np.linspace(0.0, self._far_min * 60.0, _STEPS + 1)
        self._tau_s = options.window_min * 60.0
        damping_s = options.damping_min * 60.0
        self._carry_s = damping_s * (1.0 - np.exp(-self._ahead_s / damping_s))
        # How many standard errors beyond the middle path the judged quantile lies.
        self._z = _normal(1.0 - options.quantile)
        sums = ("weight", "t", "tt", "x", "tx", "xx")
        self._held = Columns(
            len(series),
            {name: Column(dtype="f8") for name in sums}
            | {
                "last_s": Column(dtype="f8", empty=np.nan),
                "first_s": Column(dtype="f8", empty=np.nan),
                "origin": Column(dtype="f8", empty=np.nan),
                "mean": Column(dtype="f8", empty=np.nan),
                "scale": Column(dtype="f4"),
                "profile": Column(dtype="f4", width=SLOTS),
                "value": Column(dtype="f4", empty=np.nan),
                "trend": Column(dtype="f4", empty=np.nan),
                "early": Column(dtype="f4", empty=np.nan),
                "middle": Column(dtype="f4", empty=np.nan),
                "late": Column(dtype="f4", empty=np.nan),
            },
        )

    def judge(self, row: Index, at_us: I8, value: F8, learn: Bool, board: Board) -> F8:  # noqa: ARG002
        """Return minutes until the target; NaN until the line stands on enough of its window."""
        held = self._held
        at_s = at_us / 1e6
        self._begin(row, at_s, value)
        rest = value - self._offset(row, at_s)
        self._add(row, at_s, rest)
        judged = self._forecast(row, at_s, value)
        self._learn(row[learn], at_s[learn], value[learn])
        held["last_s"][row] = at_s
        held["value"][row] = value
        return judged

    def explain(self, row: int) -> tuple[str, str]:
        """Say when the target is expected, with its interval, or that it is not in sight."""
        held, options = self._held, self._options
        early, middle, late, value, trend = (
            float(held[name][row]) for name in ("early", "middle", "late", "value", "trend")
        )
        now = f"{value:.3g}", f"{trend:+.3g}"
        far = f"{self._far_min:.0f}"
        if np.isnan(middle):
            return "数据不足，未作预测", "no forecast: too few readings yet"
        if not np.isfinite(middle):
            return (
                f"预计{far}分钟内不会达到{options.target:g}(当前{now[0]}，每分钟{now[1]})",
                (
                    f"{options.target:g} is not expected within {far} min "
                    f"({now[0]} now, {now[1]} per min)"
                ),
            )
        until = f"{late:.0f}" if np.isfinite(late) else f">{far}"
        return (
            (
                f"预计{middle:.0f}分钟后达到{options.target:g}"
                f"(区间{early:.0f}至{until}分钟)，当前{now[0]}，每分钟{now[1]}"
            ),
            (
                f"{options.target:g} expected in {middle:.0f} min ({early:.0f} to {until} min); "
                f"{now[0]} now, {now[1]} per min"
            ),
        )

    def _begin(self, row: Index, at_s: F8, value: F8) -> None:
        new = np.isnan(self._held["first_s"][row])
        first = row[new]
        for name in ("first_s", "last_s"):
            self._held[name][first] = at_s[new]
        for name in ("origin", "mean"):
            self._held[name][first] = value[new]

    def _offset(self, row: Index, at_s: F8) -> F8:
        """Return what the hour of the day adds, between two slots linearly; 0 until learned."""
        place = ((at_s + _CHINA_S) % _DAY_S) / _SLOT_S - 0.5
        below = np.floor(place)
        part = place - below
        slot = below.astype(np.intp)
        profile = self._held["profile"]
        offset = (1 - part) * profile[row, slot % SLOTS] + part * profile[row, (slot + 1) % SLOTS]
        known = at_s - self._held["first_s"][row] >= _PROFILE_AFTER_S
        shown: F8 = np.where(known, offset, 0.0)
        return shown

    def _add(self, row: Index, at_s: F8, rest: F8) -> None:
        """Fade the sums of the line, move their origin to now, and add a point there."""
        held = self._held
        dt = at_s - held["last_s"][row]
        fade = np.exp(-dt / self._tau_s)
        x = rest - held["origin"][row]
        weight, t, tt = (held[name][row] * fade for name in ("weight", "t", "tt"))
        sum_x, tx, xx = (held[name][row] * fade for name in ("x", "tx", "xx"))
        held["tt"][row] = tt - 2 * dt * t + dt * dt * weight
        held["t"][row] = t - dt * weight
        held["tx"][row] = tx - dt * sum_x
        held["weight"][row] = weight + 1.0
        held["x"][row] = sum_x + x
        held["xx"][row] = xx + x * x

    def _line(self, row: Index) -> tuple[F8, F8, F8, F8, Bool]:
        """Return level now, trend per s, their standard errors, and whether they stand."""
        w, t, tt, x, tx, xx = (
            self._held[name][row] for name in ("weight", "t", "tt", "x", "tx", "xx")
        )
        t_mean, x_mean = t / w, x / w
        stt = np.maximum(tt - t * t_mean, 1e-12)
        sxx, stx = np.maximum(xx - x * x_mean, 0.0), tx - t * x_mean
        trend = stx / stt
        level = x_mean - trend * t_mean
        scatter = np.maximum(sxx - stx * trend, 0.0) / np.maximum(w - 2.0, 1.0)
        trend_error = np.sqrt(scatter / stt)
        level_error = np.sqrt(scatter * (1.0 / w + t_mean * t_mean / stt))
        stands = (w >= _LEAST_COUNT) & (np.sqrt(stt / w) >= 0.15 * self._tau_s)
        return level + self._held["origin"][row], trend, level_error, trend_error, stands

    def _forecast(self, row: Index, at_s: F8, value: F8) -> F8:
        held, options = self._held, self._options
        level, trend, level_error, trend_error, stands = self._line(row)
        towards = trend * self._sign
        moving = (towards > options.significance * trend_error) & (
            towards * 60.0 >= max(options.least_per_min, 1e-12)
        )
        there = value * self._sign >= options.target * self._sign
        standing = np.where(there, 0.0, np.where(stands, np.inf, np.nan))
        drawn = np.flatnonzero(moving & stands & ~there)
        times = {name: standing.copy() for name in ("early", "middle", "late", "judged")}
        if len(drawn):
            path = self._path(row[drawn], at_s[drawn], level[drawn], trend[drawn])
            spread = np.hypot(level_error[drawn, None], trend_error[drawn, None] * self._carry_s)
            for name, z in (("early", _Z90), ("middle", 0.0), ("late", -_Z90), ("judged", self._z)):
                reached = _first_reaching(
                    path + z * spread, options.target * self._sign, self._ahead_s
                )
                times[name][drawn] = reached / 60.0
        held["trend"][row] = trend * 60.0
        for name in ("early", "middle", "late"):
            held[name][row] = times[name]
        judged: F8 = np.minimum(times["judged"], self._far_min)
        return judged

    def _path(self, row: Index, at_s: F8, level: F8, trend: F8) -> F8:
        """Return the values ahead, one row each, signed so that they rise to the target."""
        ahead = (at_s[:, None] + self._ahead_s[None, :]).ravel()
        usual = self._offset(np.repeat(row, _STEPS + 1), ahead).reshape(len(row), -1)
        path: F8 = (level[:, None] + trend[:, None] * self._carry_s + usual) * self._sign
        return path

    def _learn(self, row: Index, at_s: F8, value: F8) -> None:
        """Let the day's mean, the usual departure and the profile follow, clipped departures."""
        held = self._held
        dt = np.minimum(at_s - held["last_s"][row], _SLOT_S)
        seen = np.maximum(at_s - held["first_s"][row], 1.0)
        daily = np.minimum(dt / np.minimum(seen, _DAY_S), 1.0)
        mean, scale = held["mean"][row], held["scale"][row].astype(np.float64)
        clip = np.where(seen < _DAY_S / 4, np.inf, _CLIP * np.maximum(scale, 1e-12))
        departure = np.clip(value - mean, -clip, clip)
        held["mean"][row] = mean + daily * departure
        held["scale"][row] = scale + daily * (1.25 * np.abs(departure) - scale)
        slot = (((at_s + _CHINA_S) % _DAY_S) / _SLOT_S).astype(np.intp) % SLOTS
        share = 1.0 - np.exp(-dt / (_SLOT_S * _slots_seen(seen)))
        held["profile"][row, slot] += share * (departure - held["profile"][row, slot])


def _slots_seen(seen_s: F8) -> F8:
    """Return after how many visits of a slot its offset has followed: faster in the first days."""
    days: F8 = np.clip(seen_s / _DAY_S, 0.5, _PROFILE_DAYS)
    return days


def _first_reaching(path: F8, target: float, ahead_s: F8) -> F8:
    """Return the seconds until each row's path first reaches the target; infinite if never.

    Example:
        >>> path = np.array([[0.0, 1.0, 2.0], [0.0, 0.0, 0.0]])
        >>> _first_reaching(path, 1.5, np.array([0.0, 60.0, 120.0])).tolist()
        [90.0, inf]
    """
    reached = path >= target
    place = np.argmax(reached, axis=1)
    rows = np.arange(len(path))
    before = np.maximum(place - 1, 0)
    low, high = path[rows, before], path[rows, place]
    part = np.where(high > low, (target - low) / np.where(high > low, high - low, 1.0), 0.0)
    seconds = ahead_s[before] + np.clip(part, 0.0, 1.0) * (ahead_s[place] - ahead_s[before])
    found: F8 = np.where(reached.any(axis=1), seconds, np.inf)
    return found


def _normal(share: float) -> float:
    """Return the normal quantile, to 0.0005 (Abramowitz and Stegun 26.2.23).

    Example:
        >>> round(_normal(0.5), 3), round(_normal(0.9), 2), round(_normal(0.1), 2)
        (0.0, 1.28, -1.28)
    """
    tail = min(share, 1.0 - share)
    t = np.sqrt(-2.0 * np.log(tail))
    top = 2.515517 + 0.802853 * t + 0.010328 * t * t
    z = t - top / (1.0 + 1.432788 * t + 0.189269 * t * t + 0.001308 * t**3)
    return float(z if share > 0.5 else -z if share < 0.5 else 0.0)
