"""Place points in the block grid, in bulk: the smallest space that holds each, or a reason why not.

Degrees are EPSG:4490, longitude first. Distances are metres on a plane scaled by the cosine of the
grid's middle latitude; over a district of 50 km that is wrong by less than one part in 400, three
centimetres in the tolerance. Reading and writing the database is ``twin.store``'s work.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import shapely
from shapely import STRtree

from core.model import Space, SpaceKind

TOLERANCE_M = 20.0
"""How far outside every space a point may lie and still belong to the nearest one."""

METRES_PER_DEGREE = 111_195.0
"""One degree of a great circle of the mean earth radius, 6,371.0 km."""

SAME_DISTANCE_M = 0.1
"""Spaces that share a border are equally far from a point outside; a grid is not drawn finer."""

_LEVEL = {kind: level for level, kind in enumerate(SpaceKind)}

F8 = npt.NDArray[np.float64]
IX = npt.NDArray[np.intp]


class OutlineInvalid(ValueError):
    """An outline cannot be used; ``code`` names the space, the sentence says what is wrong."""

    def __init__(self, code: str, reason: str) -> None:
        super().__init__(f"the outline of space {code!r} cannot be used: {reason}")
        self.code = code


@dataclass(frozen=True, slots=True, kw_only=True)
class Placement:
    """Where a point belongs.

    Attributes:
        code: the space, None when unplaced.
        how: ``within`` | ``snapped`` | ``unplaced``.
        note: the distance when snapped, the reason when unplaced, else empty.
    """

    code: str | None
    how: str
    note: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Grid:
    """The spaces, the smallest first, so that the lowest index among several is the one to take."""

    codes: tuple[str, ...]
    outlines: npt.NDArray[np.object_]
    metric: npt.NDArray[np.object_]
    scale: tuple[float, float]


def build(spaces: Sequence[Space]) -> Grid:
    """Make a grid of spaces in any order.

    "Smaller" is the deeper level; within a level the smaller area, then the lower code, so that a
    point on a shared border always goes to the same side.

    Raises:
        OutlineInvalid: if an outline is no valid, non-empty polygon or multipolygon.
    """
    codes = [space.code for space in spaces]
    outlines = parse(codes, [space.outline for space in spaces])
    return arrange(codes, [space.kind for space in spaces], outlines)


def arrange(
    codes: Sequence[str], kinds: Sequence[SpaceKind], outlines: npt.NDArray[np.object_]
) -> Grid:
    """Make a grid of columns in any order, as ``build`` does; the outlines are valid polygons."""
    areas = shapely.area(outlines).tolist()
    order = sorted(range(len(codes)), key=lambda i: (-_LEVEL[kinds[i]], areas[i], codes[i]))
    outlines = outlines[order]
    scale = _scale(outlines)
    return Grid(
        codes=tuple(codes[i] for i in order),
        outlines=outlines,
        metric=shapely.transform(outlines, lambda xy: xy * scale),
        scale=scale,
    )


def parse(codes: Sequence[str], outlines: Sequence[dict[str, Any]]) -> npt.NDArray[np.object_]:
    """Turn GeoJSON geometries into shapely ones.

    Raises:
        OutlineInvalid: names the first code whose outline cannot be used.
    """
    return parse_texts(codes, [json.dumps(outline) for outline in outlines])


def parse_texts(codes: Sequence[str], texts: Sequence[str]) -> npt.NDArray[np.object_]:
    """Turn GeoJSON texts into shapely geometries, as ``parse`` does."""
    column = np.array(texts, dtype=object)
    shapes: npt.NDArray[np.object_] = np.asarray(shapely.from_geojson(column, on_invalid="ignore"))
    types = shapely.get_type_id(shapes)
    usable = np.isin(types, (3, 6)) & ~shapely.is_empty(shapes)
    valid = usable & shapely.is_valid(shapes)
    for i in np.flatnonzero(~valid)[:1]:
        reason = shapely.is_valid_reason(shapes[i]) if usable[i] else "it is no polygon"
        raise OutlineInvalid(codes[i], reason)
    return shapes


def place(
    grid: Grid, lon: Sequence[float] | F8, lat: Sequence[float] | F8, *, tolerance_m: float
) -> list[Placement]:
    """Place every point; the result has the points' order."""
    xy = np.column_stack([np.asarray(lon, np.float64), np.asarray(lat, np.float64)])
    result: list[Placement | None] = [_impossible(x, y) for x, y in xy.tolist()]
    if not grid.codes:
        return [
            r or Placement(code=None, how="unplaced", note="no space is loaded") for r in result
        ]
    todo = np.array([i for i, r in enumerate(result) if r is None], dtype=np.intp)
    holder = _holders(grid, xy[todo])
    for i, index in zip(todo.tolist(), holder.tolist(), strict=True):
        if index >= 0:
            result[i] = Placement(code=grid.codes[index], how="within")
    outside = todo[holder < 0]
    for i, placement in zip(outside.tolist(), _snap(grid, xy[outside], tolerance_m), strict=True):
        result[i] = placement
    return [placement for placement in result if placement is not None]


def _scale(outlines: npt.NDArray[np.object_]) -> tuple[float, float]:
    """Metres per degree of longitude and of latitude in the middle of the grid."""
    if not len(outlines):
        return METRES_PER_DEGREE, METRES_PER_DEGREE
    _, south, _, north = shapely.total_bounds(outlines)
    return float(METRES_PER_DEGREE * np.cos(np.radians((south + north) / 2))), METRES_PER_DEGREE


def _impossible(lon: float, lat: float) -> Placement | None:
    if -180 <= lon <= 180 and -90 <= lat <= 90:
        return None
    hint = "; longitude and latitude may be exchanged" if -90 <= lon <= 90 else ""
    return Placement(
        code=None, how="unplaced", note=f"({lon:g}, {lat:g}) is no position on the earth{hint}"
    )


def _holders(grid: Grid, xy: F8) -> IX:
    """Index of the smallest space that holds each point, border included; -1 where none does.

    The tree is of the points and the polygons ask it: shapely prepares the asking geometry, so an
    outline of thousands of vertices is indexed once instead of walked for each point.
    """
    none = len(grid.codes)
    holder = np.full(len(xy), none, dtype=np.intp)
    if len(xy):
        space, point = STRtree(shapely.points(xy)).query(grid.outlines, predicate="intersects")
        np.minimum.at(holder, point, space)
    return np.where(holder == none, -1, holder)


def _snap(grid: Grid, xy: F8, tolerance_m: float) -> list[Placement]:
    """Place points that no space holds: in the nearest within the tolerance, or say why not."""
    if not len(xy):
        return []
    points = shapely.points(xy * grid.scale)
    tree = STRtree(grid.metric)
    point, space = tree.query(points, predicate="dwithin", distance=tolerance_m)
    distance = shapely.distance(points[point], grid.metric[space])
    triples = zip(point.tolist(), space.tolist(), distance.tolist(), strict=True)
    found: dict[int, tuple[int, float]] = {}
    for i, index, metres in sorted(triples):
        if i not in found or metres < found[i][1] - SAME_DISTANCE_M:
            found[i] = (index, metres)
    missing = np.array([i for i in range(len(xy)) if i not in found], dtype=np.intp)
    reasons = dict(zip(missing.tolist(), _reasons(grid, tree, xy, points, missing), strict=True))
    return [
        Placement(code=grid.codes[found[i][0]], how="snapped", note=f"{found[i][1]:.1f} m outside")
        if i in found
        else Placement(code=None, how="unplaced", note=reasons[i])
        for i in range(len(xy))
    ]


def _reasons(
    grid: Grid, tree: STRtree, xy: F8, points: npt.NDArray[np.object_], missing: IX
) -> list[str]:
    """Say for each missing point how far off it is, and whether its axes look exchanged."""
    if not len(missing):
        return []
    (point, space), metres = tree.query_nearest(
        points[missing], return_distance=True, all_matches=False
    )
    exchanged = _holders(grid, xy[missing][:, ::-1]) >= 0
    nearest = dict(
        zip(point.tolist(), zip(space.tolist(), metres.tolist(), strict=True), strict=True)
    )
    return [_reason(grid.codes[i], m, bool(exchanged[k])) for k, (i, m) in sorted(nearest.items())]


def _reason(code: str, metres: float, exchanged: bool) -> str:
    far = f"{metres:.0f} m" if metres < 10_000 else f"{metres / 1000:.0f} km"
    hint = "; longitude and latitude are exchanged" if exchanged else ""
    return f"outside every space; the nearest, {code}, is {far} away{hint}"
