"""Geometries of the filter: WKT in, and which rows they touch. Pure; degrees, longitude first."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt
import shapely

from twin.sensorthings.faults import QueryInvalid

MOST_POINTS = 2000
"""Points of one geometry in a filter."""

Geometries = npt.NDArray[np.object_]
Mask = npt.NDArray[np.bool_]

_SEMI_MAJOR_M = 6_378_137.0
_ECCENTRICITY_2 = 0.006_694_380_022_9
"""The ellipsoid of CGCS2000 (GB 22021-2008); that of WGS 84 differs in the tenth digit."""

_TESTS = {
    "equals": shapely.equals,
    "disjoint": shapely.disjoint,
    "touches": shapely.touches,
    "within": shapely.within,
    "overlaps": shapely.overlaps,
    "crosses": shapely.crosses,
    "intersects": shapely.intersects,
    "contains": shapely.contains,
}
_FAR = frozenset({"disjoint", "relate"})
"""What may hold for geometries that lie outside of each other's box."""

_COMPARE = {
    "eq": np.equal,
    "ne": np.not_equal,
    "lt": np.less,
    "le": np.less_equal,
    "gt": np.greater,
    "ge": np.greater_equal,
}


def read_shape(text: str) -> Any:
    """Return the geometry of a WKT text, in degrees.

    Raises:
        QueryInvalid: it is none, is empty, has too many points, or crosses itself.
    """
    try:
        shape = shapely.from_wkt(text.partition(";")[2] if text.startswith("SRID=") else text)
    except (shapely.errors.GEOSException, ValueError, TypeError) as error:
        raise QueryInvalid(f"$filter: no WKT: {text[:60]!r}") from error
    except NotImplementedError as error:
        raise QueryInvalid("$filter: a geometry has straight edges only, no arcs") from error
    if shape is None or shape.is_empty:
        raise QueryInvalid("$filter: the geometry is empty")
    if shapely.get_num_coordinates(shape) > MOST_POINTS:
        raise QueryInvalid(f"$filter: a geometry has more than {MOST_POINTS} points")
    bounds = shape.bounds
    if not all(math.isfinite(part) for part in bounds):
        raise QueryInvalid("$filter: a coordinate is not finite")
    if bounds[0] < -180 or bounds[2] > 180 or bounds[1] < -90 or bounds[3] > 90:
        raise QueryInvalid("$filter: coordinates are degrees, longitude first")
    if not shape.is_valid:
        raise QueryInvalid("$filter: the geometry crosses itself")
    return shape


def box(name: str, shape: Any, operator: str, limit: float) -> tuple[float, float, float, float]:
    """Return the box outside of which nothing can be meant: west, south, east, north.

    Example:
        >>> box("within", shapely.Point(114, 22), "", 0)
        (114.0, 22.0, 114.0, 22.0)
        >>> box("disjoint", shapely.Point(114, 22), "", 0)
        (-180.0, -90.0, 180.0, 90.0)
    """
    if name in _FAR or operator in {"gt", "ge", "ne"}:
        return (-180.0, -90.0, 180.0, 90.0)
    west, south, east, north = shape.bounds
    if name != "distance":
        return (west, south, east, north)
    wide, high = scale((south + north) / 2)
    # A tenth more, because the scale is that of the middle.
    reach = abs(limit) * 1.1
    return (west - reach / wide, south - reach / high, east + reach / wide, north + reach / high)


def meets(
    name: str,
    shapes: Geometries,
    shape: Any,
    *,
    swapped: bool,
    pattern: str,
    limit: tuple[str, float],
) -> Mask:
    """Tell for each geometry whether it stands to ``shape`` as asked."""
    if name == "distance":
        operator, metres = limit
        far: Mask = _COMPARE[operator](_distances(shapes, shape), metres)
        return far
    first, second = (shape, shapes) if swapped else (shapes, shape)
    if name == "relate":
        related: Mask = shapely.relate_pattern(first, second, pattern)
        return related
    found: Mask = _TESTS[name](first, second)
    return found


def scale(lat: float) -> tuple[float, float]:
    """Return metres of one degree of longitude and of latitude, at a latitude.

    Example:
        >>> [round(one) for one in scale(22.5)]
        [102896, 110737]
    """
    phi = math.radians(min(max(lat, -89.9), 89.9))
    part = 1 - _ECCENTRICITY_2 * math.sin(phi) ** 2
    across = _SEMI_MAJOR_M / math.sqrt(part)
    along = _SEMI_MAJOR_M * (1 - _ECCENTRICITY_2) / part**1.5
    return math.radians(1) * across * math.cos(phi), math.radians(1) * along


def length_m(shape: Any) -> float:
    """Return the metres of a line, 0 of a point or an area."""
    factors = np.array(scale(shape.centroid.y))
    lines = [part for part in shapely.get_parts(shape) if part.geom_type == "LineString"]
    return float(
        sum(shapely.transform(shapely.force_2d(p), lambda xy: xy * factors).length for p in lines)
    )


def _distances(shapes: Geometries, shape: Any) -> npt.NDArray[np.float64]:
    """Metres on the plane that touches the ellipsoid at the given geometry.

    Within 30 km it is right to a thousandth; what is farther is only far.
    """
    factors = np.array(scale(shape.centroid.y))
    flat = shapely.transform(shapely.force_2d(shapes), lambda xy: xy * factors)
    other = shapely.transform(shapely.force_2d(shape), lambda xy: xy * factors)
    found: npt.NDArray[np.float64] = shapely.distance(flat, other)
    return found
