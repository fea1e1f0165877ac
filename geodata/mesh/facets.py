"""The lie of a surface: how steep each facet is, where it falls to, and which one a point is on."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import shapely
from shapely import STRtree

from geodata.mesh.words import F8, I8, Mesh

LEVEL_DEG = 0.01
"""Flatter than this a facet falls nowhere: its aspect is no number."""

BOUNDS_DEG = (5.0, 15.0, 25.0, 35.0, 45.0, 60.0)
"""Where one class of steepness ends and the next begins; an editable seed for pictures, no limit
of any rule."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Stand:
    """Where a point stands on a surface.

    Attributes:
        facet: index of the facet, None outside the surface.
        slope_deg: 0 level, 90 upright; None outside.
        aspect_deg: where the facet falls to, clockwise from north; None outside and on the level.
        height_m: of the surface there, from the origin.
        away_m: horizontal distance to the surface, 0 on it.
    """

    facet: int | None
    slope_deg: float | None
    aspect_deg: float | None
    height_m: float | None
    away_m: float


def slopes(mesh: Mesh) -> F8:
    """Return degrees from the horizontal for each facet."""
    cross = mesh.crosses()
    found: F8 = np.degrees(np.arctan2(np.hypot(cross[:, 0], cross[:, 1]), cross[:, 2]))
    return found


def aspects(mesh: Mesh) -> F8:
    """Return the direction each facet falls to, degrees clockwise from north; NaN on the level."""
    cross = mesh.crosses()
    # The upward normal leans over to where the water runs.
    found: F8 = np.degrees(np.arctan2(cross[:, 0], cross[:, 1])) % 360.0
    # A hair west of north is 360 after rounding, which is north again.
    found = np.where(found >= 360.0, 0.0, found)
    return np.where(slopes(mesh) < LEVEL_DEG, np.nan, found)


def classes(degrees: F8) -> I8:
    """Return for each steepness the number of its class, 0 to ``len(BOUNDS_DEG)``."""
    found: I8 = np.digitize(degrees, BOUNDS_DEG).astype(np.int64)
    return found


class Footing:
    """Finds the facets under points of the plane."""

    def __init__(self, mesh: Mesh) -> None:
        self.mesh = mesh
        ring = mesh.corners()[:, [0, 1, 2, 0], :2]
        self._facets = shapely.polygons(shapely.linearrings(ring))
        self._tree = STRtree(self._facets)
        self._slopes = slopes(mesh)
        self._aspects = aspects(mesh)

    def stands(self, places: F8) -> list[Stand]:
        """Return for n x 2 metres where each stands.

        On an edge or a corner several facets meet: the steepest is taken, the lower number among
        equals.
        """
        points = shapely.points(np.asarray(places, dtype=np.float64).reshape(-1, 2))
        found: dict[int, int] = {}
        pairs = self._tree.query(points, predicate="intersects")
        for point, facet in sorted(zip(*pairs.tolist(), strict=True)):
            best = found.get(point)
            if best is None or self._slopes[facet] > self._slopes[best] + 1e-9:
                found[point] = facet
        nearest, distance = self._tree.query_nearest(
            points, return_distance=True, all_matches=False
        )
        away = dict(zip(nearest[0].tolist(), distance.tolist(), strict=True))
        return [
            self._stand(found[i], point) if i in found else _outside(away.get(i, np.inf))
            for i, point in enumerate(shapely.get_coordinates(points))
        ]

    def heights(self, places: F8) -> F8:
        """Return the surface's height under n x 2 metres; NaN outside."""
        return np.array(
            [np.nan if s.height_m is None else s.height_m for s in self.stands(places)],
            dtype=np.float64,
        )

    def _stand(self, facet: int, place: F8) -> Stand:
        aspect = float(self._aspects[facet])
        return Stand(
            facet=facet,
            slope_deg=float(self._slopes[facet]),
            aspect_deg=None if np.isnan(aspect) else aspect,
            height_m=_height(self.mesh.points[self.mesh.faces[facet]], place),
            away_m=0.0,
        )


def _outside(metres: float) -> Stand:
    return Stand(facet=None, slope_deg=None, aspect_deg=None, height_m=None, away_m=metres)


def _height(corners: F8, place: F8) -> float:
    """Height of the plane through three corners above a place."""
    a, b, c = corners
    normal = np.cross(b - a, c - a)
    step = place - a[:2]
    return float(a[2] - (normal[0] * step[0] + normal[1] * step[1]) / normal[2])
