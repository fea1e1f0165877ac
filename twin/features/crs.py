"""The coordinate systems that features may be asked for in, by URI, with their axis order.

GeoJSON keeps the axis order of the system that was asked for (OGC 18-058, /req/crs/geojson): CRS84
is longitude, latitude; EPSG:4326 and EPSG:4490 are latitude, longitude; the CGCS2000 projections
are northing, easting.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from geodata import frames

F8 = npt.NDArray[np.float64]
Box = tuple[float, float, float, float]
"""West, south, east, north in degrees; west is more than east across the antimeridian."""

EDGE_POINTS = 21
"""Points on each edge of a projected box; straight there, the edge is bent in degrees."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Crs:
    """A coordinate reference system.

    Attributes:
        frame: its name in ``geodata.frames``; None: the degrees themselves.
        flipped: whether the second axis goes east (latitude, longitude or northing, easting).
    """

    uri: str
    frame: str | None
    flipped: bool

    def from_degrees(self, lonlat: F8) -> F8:
        """Return coordinates in this system's axis order for degrees EPSG:4490, (n, 2)."""
        xy = frames.frame(self.frame).from_degrees(lonlat) if self.frame else lonlat
        return xy[:, ::-1] if self.flipped else xy

    def to_degrees(self, coordinates: F8) -> F8:
        """Return degrees EPSG:4490, longitude first, for coordinates in this axis order, (n, 2)."""
        xy = coordinates[:, ::-1] if self.flipped else coordinates
        return frames.frame(self.frame).to_degrees(xy) if self.frame else xy

    def box(self, corners: tuple[float, float, float, float]) -> Box:
        """Return the box in degrees that holds one given in this system, lower corner first."""
        first, second, third, fourth = corners
        if self.frame is None:
            return (second, first, fourth, third) if self.flipped else corners
        t = np.linspace(0.0, 1.0, EDGE_POINTS)
        a, b = first + (third - first) * t, second + (fourth - second) * t
        edge = np.concatenate(
            [
                np.column_stack([a, np.full_like(a, second)]),
                np.column_stack([a, np.full_like(a, fourth)]),
                np.column_stack([np.full_like(b, first), b]),
                np.column_stack([np.full_like(b, third), b]),
            ]
        )
        lonlat = self.to_degrees(edge)
        (west, south), (east, north) = lonlat.min(axis=0).tolist(), lonlat.max(axis=0).tolist()
        return west, south, east, north


CRS84 = Crs(uri="http://www.opengis.net/def/crs/OGC/1.3/CRS84", frame=None, flipped=False)


def _epsg(code: int, *, flipped: bool) -> Crs:
    uri = f"http://www.opengis.net/def/crs/EPSG/0/{code}"
    # WGS 84 and CGCS2000 are one to us (docs/frames.md).
    degrees = code in {4326, 4490}
    return Crs(uri=uri, frame=None if degrees else f"EPSG:{code}", flipped=flipped)


SUPPORTED = {
    crs.uri: crs
    for crs in (
        CRS84,
        _epsg(4326, flipped=True),
        _epsg(4490, flipped=True),
        _epsg(4547, flipped=True),
        _epsg(4526, flipped=True),
        _epsg(3857, flipped=False),
    )
}
"""By URI; the first is the default and the one that is stored."""
