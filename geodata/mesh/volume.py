"""What was cut and filled between two surveys: exact for the two triangulated surfaces.

Every facet of one survey is laid over the facets of the other; on each piece of the overlay the
difference of heights is linear, and its positive and negative parts have closed integrals. So the
only error is that of the surveys themselves. Where only one survey has a surface nothing is
counted, nor is what is smaller than the surveys can tell, if the caller names that height.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import shapely
from shapely import STRtree

from geodata.mesh.words import F8, I8, Mesh, MeshRefused

MAX_PIECES = 3_000_000
_PIECES_AT_ONCE = 100_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """What changed between two surveys, over the ground both know.

    Attributes:
        cut_m3: taken away; ``fill_m3``: added; both positive.
        net_m3: fill less cut.
        least_m: changes of height below it are not counted in cut and fill.
        area_m2: of the ground compared, on the plane; ``changed_m2``: where it changed by more.
        before_m2, after_m2: the area each survey covers.
        lowered_m, raised_m: the largest change of height downwards and upwards.
    """

    cut_m3: float
    fill_m3: float
    net_m3: float
    least_m: float
    area_m2: float
    changed_m2: float
    before_m2: float
    after_m2: float
    lowered_m: float
    raised_m: float

    def word(self) -> dict[str, Any]:
        """Return it as JSON says it, to a thousandth."""
        return {name: round(getattr(self, name), 3) for name in self.__slots__}


def change(before: Mesh, after: Mesh, *, least_m: float = 0.0) -> Change:
    """Compare two surfaces in one plane, heights of one datum.

    Args:
        before, after: surfaces, as ``tin.surface`` makes them.
        least_m: what changed by less is taken for the surveys' own error and not counted; where
            it changed by more, the whole change counts. Over a large slope an error of 2 cm that
            is not left out adds up to more than a slide.

    Raises:
        MeshRefused: if they have no ground in common, or too many pieces.
    """
    pieces = _Pieces(least_m)
    if before.faces.shape == after.faces.shape and _same_plan(before, after):
        rise = after.points[:, 2] - before.points[:, 2]
        pieces.add(before.corners()[:, :, :2], rise[before.faces])
    else:
        _overlay(before, after, pieces)
    if pieces.area <= 0:
        raise MeshRefused("the two surveys have no ground in common: nothing can be compared")
    return Change(
        cut_m3=pieces.cut,
        fill_m3=pieces.fill,
        net_m3=pieces.fill - pieces.cut,
        least_m=least_m,
        area_m2=pieces.area,
        changed_m2=pieces.changed,
        before_m2=float(before.crosses()[:, 2].sum() / 2),
        after_m2=float(after.crosses()[:, 2].sum() / 2),
        lowered_m=pieces.lowered,
        raised_m=pieces.raised,
    )


def _same_plan(before: Mesh, after: Mesh) -> bool:
    return (
        before.points.shape == after.points.shape
        and bool((before.faces == after.faces).all())
        and bool((before.points[:, :2] == after.points[:, :2]).all())
    )


class _Pieces:
    """Sums over triangles on which the change of height is linear."""

    def __init__(self, least: float) -> None:
        self._least = least
        self.cut = self.fill = self.area = self.changed = self.lowered = self.raised = 0.0

    def add(self, corners: F8, rise: F8) -> None:
        """Add triangles (m x 3 x 2) and the change at their corners (m x 3)."""
        a, b, c = corners[:, 0], corners[:, 1], corners[:, 2]
        area = np.abs(_cross(b - a, c - a)) / 2
        for sign in (1.0, -1.0):
            mean, share = _above_zero(sign * rise - self._least)
            content = float((area * (mean + self._least * share)).sum())
            self.fill, self.cut = (
                (self.fill + content, self.cut) if sign > 0 else (self.fill, self.cut + content)
            )
            self.changed += float((area * share).sum())
        self.area += float(area.sum())
        there = rise[area > 0]
        self.raised = max(self.raised, float(there.max(initial=0.0)))
        self.lowered = max(self.lowered, float(-there.min(initial=0.0)))


def _above_zero(rise: F8) -> tuple[F8, F8]:
    """Return for linear functions over triangles the mean of the positive part, and its share.

    ``rise`` has their values at the corners. With one corner above zero the positive part is a
    pyramid over the corner's piece; with two, it is the whole less the negative pyramid.
    """
    low, middle, high = np.sort(rise, axis=1).T
    mean = (low + middle + high) / 3
    cases = [low >= 0, high <= 0, middle <= 0]
    with np.errstate(divide="ignore", invalid="ignore"):
        tip = high * high / ((high - low) * (high - middle))
        foot = low * low / ((middle - low) * (high - low))
    none = np.zeros_like(mean)
    above = (high > 0).astype(np.float64)
    means: F8 = np.select(cases, [mean, none, tip * high / 3], mean - foot * low / 3)
    shares: F8 = np.select(cases, [above, none, tip], 1.0 - foot)
    return means, shares


def _overlay(before: Mesh, after: Mesh, pieces: _Pieces) -> None:
    one, other = _polygons(before), _polygons(after)
    left, right = STRtree(other).query(one, predicate="intersects")
    if len(left) > MAX_PIECES:
        raise MeshRefused(
            f"the overlay of the surveys has {len(left):,} pieces, more than {MAX_PIECES:,}: "
            "thin the denser survey or cut both to the part that matters"
        )
    for begin in range(0, len(left), _PIECES_AT_ONCE):
        part = slice(begin, begin + _PIECES_AT_ONCE)
        common = shapely.intersection(one[left[part]], other[right[part]])
        solid = shapely.get_type_id(common) == 3  # polygons; the rest only touch
        corners, owner = _fan(common[solid])
        facet_before, facet_after = left[part][solid][owner], right[part][solid][owner]
        rise = _heights(after, facet_after, corners) - _heights(before, facet_before, corners)
        pieces.add(corners, rise)


def _polygons(mesh: Mesh) -> Any:
    return shapely.polygons(shapely.linearrings(mesh.corners()[:, [0, 1, 2, 0], :2]))


def _fan(convex: Any) -> tuple[F8, I8]:
    """Cut convex polygons into triangles from their first corner; return whose each is, too."""
    xy, owner = shapely.get_coordinates(convex, return_index=True)
    if not len(xy):
        return np.empty((0, 3, 2)), np.empty(0, dtype=np.int64)
    begins = np.searchsorted(owner, np.arange(len(convex)))
    inner = np.flatnonzero(
        (owner[1:] == owner[:-1]) & (np.arange(1, len(xy)) > begins[owner[1:]] + 1)
    )
    # The ring's last point is its first: that triangle has no area and adds nothing.
    second = inner + 1
    whose: I8 = owner[second]
    corners = np.stack([xy[begins[whose]], xy[second - 1], xy[second]], axis=1)
    return corners, whose


def _heights(mesh: Mesh, facets: I8, corners: F8) -> F8:
    """Heights of the facets' planes at m x 3 corners."""
    first = mesh.points[mesh.faces[facets, 0]]
    normal = mesh.crosses()[facets]
    step = corners - first[:, None, :2]
    found: F8 = first[:, None, 2] - np.einsum("ijk,ik->ij", step, normal[:, :2]) / normal[:, 2:]
    return found


def _cross(one: F8, other: F8) -> F8:
    found: F8 = one[:, 0] * other[:, 1] - one[:, 1] * other[:, 0]
    return found
