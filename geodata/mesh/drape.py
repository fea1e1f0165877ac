"""Ground laid on a surface: the part of an outline that it covers follows it, the rest is flat."""

from __future__ import annotations

import numpy as np
import shapely

from geodata.mesh.facets import Footing
from geodata.mesh.solid import cap
from geodata.mesh.words import F8, Finding, Mesh, Weight, joined

LEAST_M2 = 1.0
"""A remainder smaller than this is the survey's ragged rim and is let go."""


class Ground:
    """The height of the ground everywhere: a surface where there is one, else one flat height.

    Attributes:
        flat_m: the height outside the surface, from the origin.
    """

    def __init__(self, surface: Mesh | None = None, *, within: shapely.Geometry | None = None):
        self.footing = Footing(surface) if surface is not None else None
        self.flat_m = 0.0
        if surface is not None:
            inside = surface.points[:, 2]
            if within is not None:
                mask = shapely.contains_xy(within, surface.points[:, 0], surface.points[:, 1])
                inside = inside[mask] if mask.any() else inside
            self.flat_m = float(np.median(inside))

    def heights(self, places: F8) -> F8:
        """Return the ground's height at n x 2 metres."""
        if self.footing is None:
            return np.full(len(places), self.flat_m)
        found = self.footing.heights(places)
        return np.where(np.isnan(found), self.flat_m, found)

    def laid(self, outline: shapely.Geometry, about: str) -> tuple[Mesh, tuple[Finding, ...]]:
        """Return an outline (metres) as ground, and what share of it is surveyed."""
        if self.footing is None:
            return cap(outline, self.flat_m), ()
        follows = _clipped(self.footing.mesh, outline)
        covered = float(follows.crosses()[:, 2].sum() / 2)
        share = covered / outline.area
        if outline.area - covered < LEAST_M2:
            return follows, ()
        known = shapely.coverage_union_all(_polygons(self.footing.mesh))
        rest = shapely.get_parts(shapely.difference(outline, known))
        rest = rest[(shapely.get_type_id(rest) == 3) & (shapely.area(rest) >= LEAST_M2)]
        if not len(rest):
            return follows, ()
        finding = Finding(
            kind="ground_partly_surveyed",
            weight=Weight.NOTE,
            count=1,
            about=about,
            detail=f"the survey covers {share:.0%} of it; the rest is drawn flat at the middle "
            f"height of the survey",
        )
        flat = [cap(part, self.flat_m) for part in rest]
        return joined([follows, *flat]), (finding,)


def _clipped(surface: Mesh, outline: shapely.Geometry) -> Mesh:
    """Return the part of a surface over an outline; facets at its edge are cut."""
    polygons = _polygons(surface)
    shapely.prepare(outline)
    meets = shapely.intersects(outline, polygons)
    whole = shapely.contains(outline, polygons)
    crossing = np.flatnonzero(meets & ~whole)
    parts, owner = shapely.get_parts(
        shapely.constrained_delaunay_triangles(shapely.intersection(polygons[crossing], outline)),
        return_index=True,
    )
    flat = shapely.get_coordinates(parts).reshape(-1, 4, 2)[:, :3]
    facets = crossing[owner]
    first = surface.points[surface.faces[facets, 0]]
    normal = surface.crosses()[facets]
    step = flat - first[:, None, :2]
    height = first[:, None, 2] - np.einsum("ijk,ik->ij", step, normal[:, :2]) / normal[:, 2:]
    corners = np.concatenate([surface.corners()[whole], np.dstack([flat, height])])
    down = _turn(corners) < 0
    corners[down] = corners[down][:, ::-1]
    number = np.arange(len(corners) * 3, dtype=np.int64)
    return Mesh(points=corners.reshape(-1, 3), faces=number.reshape(-1, 3))


def _polygons(surface: Mesh) -> F8:
    ring = surface.corners()[:, [0, 1, 2, 0], :2]
    found: F8 = shapely.polygons(shapely.linearrings(ring))
    return found


def _turn(corners: F8) -> F8:
    a, b, c = corners[:, 0, :2], corners[:, 1, :2], corners[:, 2, :2]
    found: F8 = (b[:, 0] - a[:, 0]) * (c[:, 1] - a[:, 1]) - (b[:, 1] - a[:, 1]) * (
        c[:, 0] - a[:, 0]
    )
    return found
