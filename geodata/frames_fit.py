"""Fitting a plane to control points: parameters, residuals, and which point looks wrong.

``Helmert4`` is fitted here; the seven parameters in space are ``geodata.frames_space``'s, which
shares the judgement of residuals. All figures are metres. Pure.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from geodata.frames_words import Convert, Points, checked

ARCSEC = math.pi / (180 * 3600)
LEAST_EXTENT_M = 10.0
"""Control points nearer together than this fix a direction no better than a door does."""

_OUTLIER_RATIO = 5.0
_OUTLIER_FLOOR_M = 0.02
_SCALE_ODD = 0.01


class Degenerate(ValueError):
    """The control points do not fix the parameters; the text says why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Control:
    """A point known in both systems: local x (east), y (north), and base east, north, in metres."""

    name: str
    x: float
    y: float
    east: float
    north: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Helmert4:
    """Shift, rotation (counter-clockwise) and scale in the plane, from local to base."""

    dx_m: float
    dy_m: float
    rotation_arcsec: float
    scale_ppm: float

    def forward(self, xy: Points) -> Points:
        """Return base east, north."""
        cos, sin = self._turn()
        x, y = xy[:, 0], xy[:, 1]
        return np.column_stack((self.dx_m + cos * x - sin * y, self.dy_m + sin * x + cos * y))

    def inverse(self, base: Points) -> Points:
        """Return local x, y."""
        cos, sin = self._turn()
        size = cos * cos + sin * sin
        e, n = base[:, 0] - self.dx_m, base[:, 1] - self.dy_m
        return np.column_stack(((cos * e + sin * n) / size, (cos * n - sin * e) / size))

    def _turn(self) -> tuple[float, float]:
        size, angle = 1 + self.scale_ppm * 1e-6, self.rotation_arcsec * ARCSEC
        return size * math.cos(angle), size * math.sin(angle)


@dataclass(frozen=True, slots=True, kw_only=True)
class Bursa7:
    """Seven parameters from the local datum to CGCS2000: position vector rotation (EPSG 9606)."""

    tx_m: float
    ty_m: float
    tz_m: float
    rx_arcsec: float
    ry_arcsec: float
    rz_arcsec: float
    scale_ppm: float


Parameters = Helmert4 | Bursa7


@dataclass(frozen=True, slots=True, kw_only=True)
class Fit:
    """Parameters with what the control points say of them.

    Attributes:
        residuals: control minus converted, east and north, one row a point.
        rms_m: root mean square length of the residuals; None without control points.
        redundancy: observations beyond those that the parameters need; at 0 residuals say nothing.
        outlier: name of the point that the others contradict; empty if none.
        remarks: sentences for a person.
    """

    parameters: Parameters
    residuals: Points
    rms_m: float | None
    redundancy: int
    outlier: str = ""
    remarks: tuple[str, ...] = ()


def columns(controls: Sequence[Control]) -> tuple[Points, Points]:
    """Return local and base coordinates of control points.

    Raises:
        OutOfFrame: if one is not finite, or larger than any map.
    """
    local = checked([[c.x, c.y] for c in controls])
    return local, checked([[c.east, c.north] for c in controls])


def fit_helmert4(controls: Sequence[Control]) -> Fit:
    """Fit the four parameters by least squares; two points fix them, more show their quality.

    Raises:
        Degenerate: for fewer than two different points, or points that lie too near together.
    """
    local, base = columns(controls)
    check_spread(local, base, least=2)
    parameters = _helmert4(local, base)
    remarks = _oddities(local, base, parameters)
    outlier, said = suspect(controls, lambda a, b: _helmert4(a, b).forward, least=2)
    return _fit(parameters, controls, parameters.forward, 4, outlier, (*remarks, *said))


def judged(parameters: Parameters, controls: Sequence[Control], onto: Convert) -> Fit:
    """Return how far control points lie off parameters that are given."""
    return _fit(parameters, controls, onto, 0, "", ())


def fitted(
    parameters: Parameters,
    controls: Sequence[Control],
    onto: Convert,
    outlier: str,
    remarks: tuple[str, ...],
) -> Fit:
    """Return parameters fitted in space with the residuals of their control points."""
    return _fit(parameters, controls, onto, 7, outlier, remarks)


def _fit(
    parameters: Parameters,
    controls: Sequence[Control],
    onto: Convert,
    needed: int,
    outlier: str,
    remarks: tuple[str, ...],
) -> Fit:
    local, base = columns(controls)
    residuals = base - onto(local) if len(controls) else base
    redundancy = max(0, 2 * len(controls) - needed)
    if needed and redundancy == 0:
        remarks = (*remarks, "no point is left over: the residuals say nothing of the quality")
    return Fit(
        parameters=parameters,
        residuals=residuals,
        rms_m=rms(residuals) if len(controls) else None,
        redundancy=redundancy,
        outlier=outlier,
        remarks=remarks,
    )


def rms(residuals: Points) -> float:
    """Return the root mean square length of residuals."""
    return float(np.sqrt((residuals**2).sum(axis=1).mean()))


def check_spread(local: Points, base: Points, *, least: int) -> None:
    """Refuse points that fix nothing.

    Raises:
        Degenerate: saying why.
    """
    for points, which in ((local, "local"), (base, "base")):
        different = len(np.unique(points, axis=0))
        if different < least:
            raise Degenerate(f"{different} different {which} points; {least} are needed")
        extent = float(np.ptp(points, axis=0).max())
        if extent < LEAST_EXTENT_M:
            raise Degenerate(
                f"all {which} points lie within {extent:.3f} m; "
                f"they must be {LEAST_EXTENT_M:g} m apart at least"
            )


def suspect(
    controls: Sequence[Control],
    fit: Callable[[Points, Points], Convert],
    *,
    least: int,
) -> tuple[str, tuple[str, ...]]:
    """Name the point without which the others agree far better, and say so.

    Each point is left out once; it is suspect if it then lies more than five times as far off as
    the others among themselves (and more than 0.1 m). Needs two points beyond the least.
    """
    local, base = columns(controls)
    if len(controls) < least + 2:
        return "", ()
    trials = []
    for i in range(len(controls)):
        keep = np.arange(len(controls)) != i
        try:
            check_spread(local[keep], base[keep], least=least)
            onto = fit(local[keep], base[keep])
        except Degenerate:
            continue
        off = float(np.hypot(*(base[i] - onto(local[i : i + 1])[0])))
        trials.append((rms(base[keep] - onto(local[keep])), off, i))
    if not trials:
        return "", ()
    others, off, i = min(trials)
    if off <= _OUTLIER_RATIO * max(others, _OUTLIER_FLOOR_M):
        return "", ()
    name = controls[i].name
    return name, (
        (
            f"point {name} lies {off:.3f} m off what the other {len(controls) - 1} say, "
            f"which agree within {others:.3f} m: check it"
        ),
    )


def _helmert4(local: Points, base: Points) -> Helmert4:
    middle, target = local.mean(axis=0), base.mean(axis=0)
    d, e = local - middle, base - target
    size = float((d**2).sum())
    cos = float((d * e).sum()) / size
    sin = float((d[:, 0] * e[:, 1] - d[:, 1] * e[:, 0]).sum()) / size
    return Helmert4(
        dx_m=float(target[0] - cos * middle[0] + sin * middle[1]),
        dy_m=float(target[1] - sin * middle[0] - cos * middle[1]),
        rotation_arcsec=math.atan2(sin, cos) / ARCSEC,
        scale_ppm=(math.hypot(cos, sin) - 1) * 1e6,
    )


def _oddities(local: Points, base: Points, parameters: Helmert4) -> tuple[str, ...]:
    remarks = []
    if abs(parameters.scale_ppm) * 1e-6 > _SCALE_ODD:
        remarks.append(
            f"the scale differs from 1 by {parameters.scale_ppm * 1e-6:.4f}: "
            "is one side in another unit, or is a point wrong?"
        )
    swapped = local[:, ::-1]
    mine = rms(base - parameters.forward(local))
    other = rms(base - _helmert4(swapped, base).forward(swapped))
    if other * 10 < mine and len(local) > 2:
        remarks.append(
            f"with x and y exchanged the RMS would be {other:.3f} m instead of {mine:.3f} m: "
            "x is east and y is north here; surveyors' x is often north"
        )
    return tuple(remarks)
