"""Slow, obvious forecasts of one series: plain loops over all of its readings, nothing kept.

``alerts.forecasts`` must say the same from its rings and running sums.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import median

Reading = tuple[float, float]
"""Seconds and value."""


def averages(readings: Sequence[Reading], bin_s: float, phase_us: int) -> list[Reading]:
    """Return mean time and mean value of every stretch that a later reading has closed."""
    stretches: dict[int, list[Reading]] = {}
    for at_s, value in readings:
        stretches.setdefault((round(at_s * 1e6) + phase_us) // int(bin_s * 1e6), []).append(
            (at_s, value)
        )
    closed = sorted(stretches)[:-1]
    return [
        (
            sum(at for at, _ in stretches[number]) / len(stretches[number]),
            sum(value for _, value in stretches[number]) / len(stretches[number]),
        )
        for number in closed
    ]


def median_slope(points: Sequence[Reading | None]) -> float:
    """Return the median slope between points up to a quarter of the places apart, per second."""
    reach = max(len(points) // 4, 1)
    slopes = [
        (b[1] - a[1]) / (b[0] - a[0])
        for place, a in enumerate(points)
        for b in points[place + 1 : place + 1 + reach]
        if a is not None and b is not None
    ]
    return median(slopes) if slopes else math.nan


def tilt_rate(readings: Sequence[Reading], bin_s: float, bins: int, phase_us: int) -> float:
    """Return degrees per hour, NaN until half of the window is covered."""
    points = averages(readings, bin_s, phase_us)[-bins:]
    if not points:
        return math.nan
    newest = points[-1][0]
    young = [point for point in points if point[0] >= newest - bin_s * bins]
    if newest - young[0][0] < 0.5 * bin_s * bins:
        return math.nan
    missing: list[Reading | None] = [None] * (bins - len(young))
    return abs(median_slope([*missing, *young])) * 3600.0


def minutes_to(
    readings: Sequence[Reading],
    *,
    target: float,
    horizon_min: float,
    window_min: float,
    damping_min: float,
    significance: float = 3.0,
) -> float:
    """Return minutes until the damped line through the fading past reaches the target.

    Without a profile, so of readings of less than two days.
    """
    now_s, value = readings[-1]
    if value >= target:
        return 0.0
    weights = [math.exp((at_s - now_s) / (window_min * 60.0)) for at_s, _ in readings]
    total = sum(weights)
    t_mean = sum(w * (at_s - now_s) for w, (at_s, _) in zip(weights, readings, strict=True)) / total
    x_mean = sum(w * x for w, (_, x) in zip(weights, readings, strict=True)) / total
    stt = stx = sxx = 0.0
    for weight, (at_s, x) in zip(weights, readings, strict=True):
        dt, dx = at_s - now_s - t_mean, x - x_mean
        stt, stx, sxx = stt + weight * dt * dt, stx + weight * dt * dx, sxx + weight * dx * dx
    if total < 3.0 or math.sqrt(stt / total) < 0.15 * window_min * 60.0:
        return math.nan
    trend = stx / stt
    scatter = max(sxx - stx * trend, 0.0) / max(total - 2.0, 1.0)
    if trend <= 0 or trend <= significance * math.sqrt(scatter / stt):
        return horizon_min
    level = x_mean - trend * t_mean
    damping_s = damping_min * 60.0
    # level + trend * damping * (1 - exp(-t / damping)) = target, solved for t
    share = (target - level) / (trend * damping_s)
    if share >= 1.0:
        return horizon_min
    seconds = 0.0 if share <= 0 else -damping_s * math.log(1.0 - share)
    return min(seconds / 60.0, horizon_min)
