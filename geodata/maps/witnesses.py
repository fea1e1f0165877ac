"""What a map is held against to see whether it lies where it should.

A witness says of points in degrees how far they are from where they belong, in metres east and
north; ``points`` are the map's own, ``owners`` the index of the cell of each. Matching codes are
the best one; then the parents that the codes name; then borders of the same kind; then the outline
of the district.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

import numpy as np
import numpy.typing as npt
import shapely
from shapely import STRtree

from geodata import codes
from geodata.codes import CodeMalformed
from geodata.maps.laid import areas
from geodata.maps.model import Cells, Shapes
from geodata.maps.plane import F8, Plane
from geodata.said import Said

_MOST_POINTS = 4_000
_WHOLE = 0.1
"""A union whose area differs by less from the district's is a map of the whole district."""


class Against(StrEnum):
    """By what the place was judged."""

    CODES = "cells of the same codes in force"
    BORDERS = "the borders in force"
    PARENTS = "the spaces that should contain it"
    OUTLINE = "the outline of the district"

    @property
    def said(self) -> Said:
        """The same in both languages."""
        return Said(_AGAINST_ZH[self.name], self.value)


_AGAINST_ZH = {
    "CODES": "编码相同的现行单元",
    "BORDERS": "现行边界",
    "PARENTS": "应包含它的单元",
    "OUTLINE": "辖区轮廓",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Counterparts:
    """Middles of cells, and the middles of those that they are in force."""

    against: Against
    plane: Plane
    points: F8
    owners: npt.NDArray[np.intp]
    belong: F8

    def offsets(self, lonlat: F8) -> F8:
        """Return the ways from the counterparts' middles."""
        away: F8 = self.plane.metres(lonlat) - self.belong
        return away


@dataclass(frozen=True, slots=True, kw_only=True)
class Borders:
    """Vertices of cells, and the nearest border of their kind in force."""

    against: Against
    plane: Plane
    points: F8
    owners: npt.NDArray[np.intp]
    lines: Shapes

    def offsets(self, lonlat: F8) -> F8:
        """Return the ways from the nearest border."""
        metres = self.plane.metres(lonlat)
        placed = np.flatnonzero(np.isfinite(metres).all(axis=1))
        nearest = STRtree(self.lines).nearest(shapely.points(metres[placed]))
        return _ways(metres, placed, self.lines[nearest])


@dataclass(frozen=True, slots=True, kw_only=True)
class Containers:
    """Vertices of cells, and the area that each should lie in."""

    against: Against
    plane: Plane
    points: F8
    owners: npt.NDArray[np.intp]
    inside: Shapes

    def offsets(self, lonlat: F8) -> F8:
        """Return the ways from the area; zero inside."""
        metres = self.plane.metres(lonlat)
        placed = np.flatnonzero(np.isfinite(metres).all(axis=1))
        return _ways(metres, placed, self.inside[placed])


Witness = Counterparts | Borders | Containers


def counterparts(cells: Cells, existing: Cells, plane: Plane) -> Counterparts | None:
    """Return the cells that are in force under the same code and kind."""
    at = {
        (code, kind): k
        for k, (code, kind) in enumerate(zip(existing.codes, existing.kinds, strict=True))
    }
    keys = list(zip(cells.codes, cells.kinds, strict=True))
    mine = np.array([i for i, key in enumerate(keys) if key in at], dtype=np.intp)
    theirs = np.array([at[key] for key in keys if key in at], dtype=np.intp)
    points = _middles(cells.outlines[mine])
    belong = plane.metres(_middles(existing.outlines[theirs]))
    usable = np.isfinite(points).all(axis=1) & np.isfinite(belong).all(axis=1)
    if not usable.any():
        return None
    return Counterparts(
        against=Against.CODES, plane=plane, points=points[usable], owners=mine[usable],
        belong=belong[usable],
    )  # fmt: skip


def borders(cells: Cells, existing: Cells, plane: Plane) -> Borders | None:
    """Return the borders in force of the kind that most of the map's cells have."""
    shared = [kind for kind in cells.kinds if kind in set(existing.kinds)]
    if not shared:
        return None
    kind = max(set(shared), key=shared.count)
    mine = np.array([i for i, one in enumerate(cells.kinds) if one is kind])
    theirs = np.array([k for k, one in enumerate(existing.kinds) if one is kind])
    points, owners = _vertices(cells.outlines[mine])
    lines = shapely.boundary(areas(plane.laid(existing.outlines[theirs])))
    lines = lines[~shapely.is_empty(lines)]
    if not len(points) or not len(lines):
        return None
    return Borders(
        against=Against.BORDERS, plane=plane, points=points, owners=mine[owners], lines=lines
    )


def containers(cells: Cells, existing: Cells, plane: Plane) -> Containers | None:
    """Return the spaces in force that codes or declared parents name and the map does not bring."""
    named = set(cells.codes)
    at = {code: k for k, code in enumerate(existing.codes) if code not in named}
    pairs = [(i, at[up]) for i in range(len(cells)) if (up := _first(cells, i, at))]
    if not pairs:
        return None
    mine, theirs = (np.array(column, dtype=np.intp) for column in zip(*pairs, strict=True))
    inside = areas(plane.laid(existing.outlines[theirs]))
    drawn = ~shapely.is_empty(inside)
    points, owners = _vertices(cells.outlines[mine[drawn]])
    if not len(points):
        return None
    return Containers(
        against=Against.PARENTS, plane=plane, points=points, owners=mine[drawn][owners],
        inside=inside[drawn][owners],
    )  # fmt: skip


def district(cells: Cells, outline: shapely.Geometry, plane: Plane) -> Witness | None:
    """Return the district's outline: its middle for a whole map, else as what contains the map."""
    laid = areas(plane.laid(np.array([outline], dtype=object)))
    union = shapely.convex_hull(shapely.union_all(areas(cells.outlines)))
    mine = plane.laid(np.array([union], dtype=object))
    hull = shapely.convex_hull(laid)
    size, ours = shapely.area(hull)[0], shapely.area(mine)[0]
    if size > 0 and abs(ours - size) < _WHOLE * size:
        return Counterparts(
            against=Against.OUTLINE, plane=plane,
            points=shapely.get_coordinates(shapely.centroid(union)),
            owners=np.zeros(1, dtype=np.intp),
            belong=shapely.get_coordinates(shapely.centroid(hull)),
        )  # fmt: skip
    points, owners = _vertices(cells.outlines)
    if not len(points) or shapely.is_empty(laid[0]):
        return None
    return Containers(
        against=Against.OUTLINE, plane=plane, points=points, owners=owners,
        inside=np.full(len(points), laid[0], dtype=object),
    )  # fmt: skip


def _ways(metres: F8, placed: npt.NDArray[np.intp], towards: Shapes) -> F8:
    """Return the shortest ways from shapes to points, infinite for points without a place."""
    found = np.full(metres.shape, np.inf)
    lines = shapely.shortest_line(towards, shapely.points(metres[placed]))
    ends = shapely.get_coordinates(lines)
    found[placed] = ends[1::2] - ends[::2]
    return found


def _first(cells: Cells, i: int, at: dict[str, int]) -> str:
    if cells.parents[i] in at:
        return cells.parents[i]
    try:
        above = codes.containers(cells.codes[i])
    except CodeMalformed:
        return ""
    return next((code for code in above if code in at), "")


def _middles(outlines: Shapes) -> F8:
    """Return the middles of outlines, NaN for those without one."""
    return np.column_stack(
        [shapely.get_x(shapely.centroid(outlines)), shapely.get_y(shapely.centroid(outlines))]
    )


def _vertices(outlines: Shapes) -> tuple[F8, npt.NDArray[np.intp]]:
    """Return at most so many vertices, evenly picked, with the index of the outline of each."""
    points, owners = shapely.get_coordinates(outlines, return_index=True)
    step = max(1, -(-len(points) // _MOST_POINTS))
    points, owners = points[::step], owners[::step]
    finite = np.isfinite(points).all(axis=1)
    return points[finite], owners[finite]
