"""What a coordinate system is to us: a name, two conversions, and the errors that name a row.

Pure. Which systems there are is ``geodata.frames``'s; how each computes, its neighbours'.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from core.errors import UsageError

Points = npt.NDArray[np.float64]
"""One row a point, two columns: east before north, longitude before latitude."""

Convert = Callable[[Points], Points]

HUGE = 1e9
"""No coordinate of a map is larger, in metres or degrees; PROJ has no promise beyond."""


_DECLARE = "declare the coordinate system that the file was made in"
_ZONES = (13, 45)
"""Numbers of the Gauss-Kruger zones of China: 13 to 23 of 6 degrees, 25 to 45 of 3."""


class FrameUnknown(UsageError, ValueError):
    """The name is no coordinate system that we can convert."""


class OutOfFrame(UsageError, ValueError):
    """A point cannot be in that coordinate system.

    Attributes:
        row: index of the point among those that were given.
        reason: the same sentence without the row.
    """

    def __init__(self, row: int, reason: str, *, remedy: str = "") -> None:
        super().__init__(f"point {row}: {reason}", remedy=remedy)
        self.row = row
        self.reason = reason


@dataclass(frozen=True, slots=True, kw_only=True)
class Frame:
    """A coordinate system, and the way between it and EPSG:4490.

    Attributes:
        name: canonical, e.g. ``EPSG:4547``, ``GCJ-02``, ``local:shenzhen``.
        projected: coordinates are metres (or the projection's unit) in a plane, not degrees.
        accuracy_m: how far a converted point may be from the truth because of the conversion
            alone; None if nobody has published that.
        note: one sentence for a person.
        title: the system's own name.
        bounds: west, south, east, north in degrees: where it can be used.
    """

    name: str
    projected: bool
    accuracy_m: float | None
    note: str
    title: str
    bounds: tuple[float, float, float, float] = (-180.0, -90.0, 180.0, 90.0)
    _to: Convert = field(repr=False, compare=False)
    _from: Convert = field(repr=False, compare=False)

    def to_degrees(self, xy: npt.ArrayLike) -> Points:
        """Return EPSG:4490 longitude and latitude in degrees.

        Raises:
            OutOfFrame: naming the first row that is not finite, is huge, or lies outside.
        """
        given = checked(xy)
        if not self.projected:
            _check_degrees(given)
        with np.errstate(all="ignore"):
            degrees = self._to(given)
        self._check_inside(degrees, given)
        return degrees

    def from_degrees(self, lonlat: npt.ArrayLike) -> Points:
        """Return coordinates of this system for EPSG:4490 longitude and latitude in degrees.

        Raises:
            OutOfFrame: naming the first row that is not finite, no degree, or lies outside.
        """
        given = checked(lonlat)
        _check_degrees(given)
        self._check_inside(given, given)
        with np.errstate(all="ignore"):
            found = self._from(given)
        row = _first(~np.isfinite(found).all(axis=1))
        if row is not None:
            raise OutOfFrame(row, f"{_said(given[row])} has no place in {self.name}")
        return found

    def _check_inside(self, degrees: Points, given: Points) -> None:
        west, south, east, north = self.bounds
        x, y = degrees[:, 0], degrees[:, 1]
        inside = (x >= west) & (x <= east) & (y >= south) & (y <= north)
        row = _first(~inside)
        if row is None:
            return
        place = f"would be longitude {x[row]:.4f}, latitude {y[row]:.4f}, "
        if not np.isfinite(degrees[row]).all():
            place = "has no place there, "
        raise OutOfFrame(
            row,
            f"{_said(given[row])} in {self.name} {'' if degrees is given else place}"
            f"{'lies ' if degrees is given else ''}outside the system's "
            f"{west:g} to {east:g} degrees east, {south:g} to {north:g} north",
            remedy=self._hint(given[row]),
        )

    def _hint(self, point: Points) -> str:
        x, y = float(point[0]), float(point[1])
        if self.projected and abs(x) <= 180 and abs(y) <= 90:
            return "these are degrees: declare EPSG:4490 (or GCJ-02, BD-09)"
        return self._hint_of_metres(x, y) if self.projected else _DECLARE

    def _hint_of_metres(self, x: float, y: float) -> str:
        if _ZONES[0] <= x // 1e6 <= _ZONES[1] and 1e6 < y < 6e6:
            return (
                f"the easting begins with zone {int(x // 1e6)}: declare the system with that zone"
            )
        if 8e6 < x < 1.54e7 and 0 < y < 7.4e6:
            return "these look like metres of Web Mercator: declare EPSG:3857"
        if 1e5 <= x < 1e6 and 1e6 < y < 6e6:
            return (
                "the easting has no zone number, and may be of a neighbouring zone: declare the "
                "system by its central meridian (114 degrees is EPSG:4547, 117 EPSG:4548)"
            )
        if 3e5 <= x < 3.3e6 and 6e6 <= y < 2e7:
            return "these may be feet: export the map in metres"
        if 1e6 < x < 6e6 and 0 < y < 1e6:
            return "the columns look exchanged: the first is east, the second north"
        return _DECLARE


def checked(points: npt.ArrayLike) -> Points:
    """Return points as two float columns.

    Raises:
        ValueError: if they are not two columns.
        OutOfFrame: naming the first row that is not finite or larger than ``HUGE``.
    """
    given = np.asarray(points, dtype=np.float64)
    if given.size == 0 and given.ndim <= 2:
        return given.reshape(0, 2)
    if given.ndim != 2 or given.shape[1] != 2:
        raise ValueError(f"points are two columns, not an array of shape {given.shape}")
    row = _first(~np.isfinite(given).all(axis=1))
    if row is not None:
        raise OutOfFrame(row, f"{_said(given[row])} is not finite")
    row = _first((np.abs(given) > HUGE).any(axis=1))
    if row is not None:
        raise OutOfFrame(row, f"{_said(given[row])} is beyond {HUGE:g}, which no map is")
    return given


def _check_degrees(given: Points) -> None:
    row = _first((np.abs(given[:, 0]) > 180) | (np.abs(given[:, 1]) > 90))
    if row is None:
        return
    x, y = float(given[row, 0]), float(given[row, 1])
    swapped = abs(y) <= 180 and abs(x) <= 180
    raise OutOfFrame(
        row,
        f"{_said(given[row])} are no degrees of longitude and latitude",
        remedy="longitude stands first: are the columns exchanged?"
        if swapped
        else "these look like metres: declare the projected system, e.g. EPSG:4547",
    )


def _first(bad: npt.NDArray[np.bool_] | np.bool_) -> int | None:
    return int(np.argmax(bad)) if np.any(bad) else None


def _said(point: Points) -> str:
    return f"({float(point[0]):.10g}, {float(point[1]):.10g})"
