"""Closed curves of a drawing as polygons.

Arcs are flattened to ``FLATTEN`` drawing units; those of hatches go through Bezier curves, which
adds up to 0.03 % of the radius.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any, NamedTuple

import shapely

from geodata.maps.raw import Bounds, FileRefused

FLATTEN = 0.01
"""Greatest distance between an arc and its chord, in drawing units (1 cm of a map in metres)."""

CLOSED = 1e-3
"""Ends that are no farther apart, in drawing units, are one point."""

NEARLY = 0.5
"""Ends no farther apart are joined, and it is said; so is the gap of a curve that stays open."""

_GAP_SHARE = 0.05
_MOST_CHORDS = 10_000


class Ring(NamedTuple):
    """A curve: its area, None if it is open, and the gap between its ends in drawing units."""

    area: shapely.Polygon | None
    gap: float = 0.0


def ring(entity: Any, bounds: Bounds) -> Ring:
    """Return the area of a curve that is closed, or as good as."""
    points: list[tuple[float, float]] = []
    for point in _flattened(entity):
        if len(points) >= bounds.feature_vertices:
            raise FileRefused(f"an entity has more than {bounds.feature_vertices} vertices")
        points.append((float(point[0]), float(point[1])))
    if len(points) < 4:
        return Ring(None, math.inf)
    gap = math.dist(points[0], points[-1])
    if gap > NEARLY or (gap > CLOSED and gap > _GAP_SHARE * shapely.LineString(points).length):
        return Ring(None, gap)
    return Ring(shapely.Polygon(points), gap)


def _flattened(entity: Any) -> Iterator[Any]:
    """Yield the points of a curve in world coordinates."""
    kind = entity.dxftype()
    if kind in ("CIRCLE", "ELLIPSE", "SPLINE"):
        yield from entity.flattening(FLATTEN)
    elif kind == "LWPOLYLINE":
        corners = entity.get_points("xyb")
        yield from entity.ocs().points_to_wcs(_bulged(corners, closed=bool(entity.closed)))
    elif entity.is_2d_polyline:
        vertices = [vertex.dxf for vertex in entity.vertices]
        corners = [(v.location.x, v.location.y, v.get("bulge", 0.0)) for v in vertices]
        yield from entity.ocs().points_to_wcs(_bulged(corners, closed=bool(entity.is_closed)))
    elif entity.is_3d_polyline:
        points = [vertex.dxf.location for vertex in entity.vertices]
        yield from points
        yield from points[:1] if entity.is_closed else ()


def _bulged(
    corners: list[tuple[float, float, float]], *, closed: bool
) -> Iterator[tuple[float, float, float]]:
    """Yield the corners with the points of their arcs; a bulge is tan(angle / 4), positive left."""
    if not corners:
        return
    ends = [*corners[1:], *(corners[:1] if closed else ())]
    for (x, y, bulge), (to_x, to_y, _) in zip(corners, ends, strict=False):
        yield (x, y, 0.0)
        if bulge:
            yield from _arc((x, y), (to_x, to_y), bulge)
    last = corners[0] if closed else corners[-1]
    yield (last[0], last[1], 0.0)


def _arc(
    start: tuple[float, float], end: tuple[float, float], bulge: float
) -> Iterator[tuple[float, float, float]]:
    """Yield the points between the ends of an arc, no chord farther than ``FLATTEN`` from it."""
    chord, angle = math.dist(start, end), 4 * math.atan(bulge)
    if chord == 0:
        return
    radius = chord / 2 / abs(math.sin(angle / 2))
    step = 2 * math.acos(max(0.0, 1 - FLATTEN / radius)) or abs(angle)
    count = min(_MOST_CHORDS, math.ceil(abs(angle) / step))
    offset = chord / 2 / math.tan(angle / 2) / chord
    x = (start[0] + end[0]) / 2 - offset * (end[1] - start[1])
    y = (start[1] + end[1]) / 2 + offset * (end[0] - start[0])
    dx, dy = start[0] - x, start[1] - y
    for i in range(1, count):
        cos, sin = math.cos(angle * i / count), math.sin(angle * i / count)
        yield (x + cos * dx - sin * dy, y + sin * dx + cos * dy, 0.0)


def hatch(entity: Any) -> shapely.Geometry | None:
    """Return the boundaries of a hatch as one area, every second one a hole; None without any."""
    from ezdxf.path import from_hatch

    rings = []
    for path in from_hatch(entity):
        points = [(float(p.x), float(p.y)) for p in path.flattening(FLATTEN)]
        if len(points) >= 3:
            rings.append(shapely.Polygon(points))
    area: shapely.Geometry | None = None
    for ring in sorted(rings, key=lambda one: -one.area):
        area = ring if area is None else shapely.symmetric_difference(area, ring)
    return area
