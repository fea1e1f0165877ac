"""Metres east, north and up of an origin, and back to degrees.

The plane is a transverse Mercator of scale 1 that touches the CGCS2000 ellipsoid at the origin: at
10 km from the origin it stretches lengths by about one part in a million. "Up" is the height as it
was levelled, less the origin's, and not the height over a tangent plane, which at 1 km would be
8 cm off: a gauge's height must stay what the survey says.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import shapely
from pyproj import Proj

from geodata.mesh.words import F8, Shapes

FARTHEST_DEG = 1.0
"""From the origin; beyond it the plane is the wrong tool."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plane:
    """A local frame.

    Attributes:
        lon, lat: degrees EPSG:4490 of the origin.
        height_m: of the origin, in the heights' own datum.
    """

    lon: float
    lat: float
    height_m: float = 0.0

    def metres(self, lonlat: F8) -> F8:
        """Return n x 2 metres east and north of n x 2 degrees, longitude first."""
        degrees = np.asarray(lonlat, dtype=np.float64).reshape(-1, 2)
        east, north = self._proj()(degrees[:, 0], degrees[:, 1])
        return np.column_stack([east, north])

    def degrees(self, metres: F8) -> F8:
        """Return n x 2 degrees of n x 2 metres."""
        plane = np.asarray(metres, dtype=np.float64).reshape(-1, 2)
        lon, lat = self._proj()(plane[:, 0], plane[:, 1], inverse=True)
        return np.column_stack([lon, lat])

    def outlines(self, shapes: Shapes) -> Shapes:
        """Return geometries in degrees as geometries in metres."""
        return _transformed(shapes, self.metres)

    def _proj(self) -> Proj:
        return Proj(proj="tmerc", lat_0=self.lat, lon_0=self.lon, ellps="GRS80", units="m")


def plane_at(lonlat: F8, height_m: float = 0.0) -> Plane:
    """Return the plane in the middle of points, its origin rounded to a decimetre or so.

    Rounded, so that the same block has the same origin whatever digit its outline ends in.
    """
    low, high = np.min(lonlat, axis=0), np.max(lonlat, axis=0)
    lon, lat = np.round((low + high) / 2, 6).tolist()
    return Plane(lon=lon, lat=lat, height_m=height_m)


def _transformed(shapes: Shapes, convert: Callable[[F8], F8]) -> Shapes:
    found: Shapes = np.asarray(shapely.transform(shapes, convert), dtype=object)
    return found
