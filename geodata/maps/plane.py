"""Metres for a map: a transverse Mercator plane laid through its own middle, and widths on it.

The plane stands on the CGCS2000 ellipsoid with its central meridian in the middle of the map, so
that within 50 km of it a length is wrong by less than 1 part in 30,000 and an area by less than 1
in 15,000 (the scale is 1 + (x / 6,371 km)^2 / 2): of a block of 10,000 m2 less than 1 m2, at 10 km
from the middle less than 0.03 m2. In a zone of 3 degrees its meridian can be thrice as far away.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt
import shapely
from pyproj import Transformer

from geodata.maps.model import Shapes

F8 = npt.NDArray[np.float64]

_ELLIPSOID = "+a=6378137 +rf=298.257222101"
"""CGCS2000."""

_CELL_DEG = 0.1
"""Middles are rounded to this, so that the same plane serves a map and its next version."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plane:
    """Metres east and north of a middle given in degrees."""

    middle: tuple[float, float]

    def metres(self, lonlat: F8) -> F8:
        """Return degrees (n, 2) as metres (n, 2); what is too far away becomes infinite."""
        return _convert(_transformer(self.middle), lonlat, back=False)

    def degrees(self, xy: F8) -> F8:
        """Return metres (n, 2) as degrees (n, 2)."""
        return _convert(_transformer(self.middle), xy, back=True)

    def laid(self, outlines: Shapes) -> Shapes:
        """Return shapes in degrees as shapes in metres."""
        found: Shapes = shapely.transform(outlines, self.metres)
        return found

    def lifted(self, shapes: Shapes) -> Shapes:
        """Return shapes in metres as shapes in degrees."""
        found: Shapes = shapely.transform(shapes, self.degrees)
        return found

    def place(self, point: shapely.Point) -> tuple[float, float]:
        """Return a point of the plane in degrees, to the centimetre."""
        lon, lat = self.degrees(np.array([[point.x, point.y]]))[0]
        return round(float(lon), 7), round(float(lat), 7)


def plane_through(*columns: Shapes) -> Plane:
    """Return the plane through the middle of the first column that has a shape with a place.

    The middle is the median of the boxes' middles: a few shapes in Africa do not move it. Without
    any shape it is Shenzhen.
    """
    for outlines in columns:
        boxes = shapely.bounds(outlines).reshape(-1, 4)
        boxes = boxes[np.isfinite(boxes).all(axis=1)]
        boxes = boxes[(np.abs(boxes[:, 0]) <= 180) & (np.abs(boxes[:, 1]) < 85)]
        if len(boxes):
            lon = float(np.median(boxes[:, 0] + boxes[:, 2])) / 2
            lat = float(np.median(boxes[:, 1] + boxes[:, 3])) / 2
            return Plane(middle=(_cell(lon), _cell(lat)))
    return Plane(middle=(114.1, 22.6))


def mean_width(areas: F8, shapes: Shapes) -> F8:
    """Return how wide shapes are along their length, in metres: twice the area by the perimeter.

    Right for a long strip, half the edge for a square.
    """
    around = shapely.length(shapes)
    widths: F8 = np.divide(2 * areas, around, out=np.zeros_like(areas), where=around > 0)
    return widths


def polygons_only(shapes: Shapes) -> Shapes:
    """Return the areas among shapes: points and lines are left out, what is none is empty."""
    parts, owners = shapely.get_parts(shapes, return_index=True)
    parts, inner = shapely.get_parts(parts, return_index=True)
    owners = owners[inner]
    keep = shapely.get_type_id(parts) == shapely.GeometryType.POLYGON
    found = np.full(len(shapes), shapely.Polygon(), dtype=object)
    parts, owners = parts[keep], owners[keep]
    if len(parts):
        whole = shapely.multipolygons(parts, indices=owners, out=np.full(len(shapes), None))
        there = np.unique(owners)
        found[there] = whole[there]
        single = there[np.bincount(owners, minlength=len(shapes))[there] == 1]
        found[single] = shapely.get_geometry(found[single], 0)
    return found


def _cell(degrees: float) -> float:
    return round(round(degrees / _CELL_DEG) * _CELL_DEG, 6)


@lru_cache(maxsize=64)
def _transformer(middle: tuple[float, float]) -> Transformer:
    lon, lat = middle
    return Transformer.from_pipeline(
        "+proj=pipeline +step +proj=unitconvert +xy_in=deg +xy_out=rad "
        f"+step +proj=tmerc +lon_0={lon} +lat_0={lat} +k=1 +x_0=0 +y_0=0 {_ELLIPSOID}"
    )


def _convert(transformer: Transformer, points: F8, *, back: bool) -> F8:
    x, y = transformer.transform(
        points[:, 0], points[:, 1], direction="INVERSE" if back else "FORWARD"
    )
    return np.column_stack([x, y])
