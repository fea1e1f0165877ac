"""A map laid out on its plane together with what stays in force around it, ready to be judged."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import shapely

from core.model import SpaceKind
from geodata.maps.model import Cells, Finding, Shapes, Weight, told
from geodata.maps.plane import Plane, plane_through, polygons_only
from geodata.maps.scope import chosen, staying
from geodata.said import NOTHING, Said

LEVEL = {kind: level for level, kind in enumerate(SpaceKind)}


@dataclass(frozen=True, slots=True, kw_only=True)
class Laid:
    """Cells of the map and cells that stay, in metres.

    Attributes:
        cells: the map; ``shapes`` its outlines as valid areas, empty where there is none.
        rest: what stays in force; ``rest_shapes`` likewise.
        far: cells of the map without a place on the plane; their shapes are empty.
        known_parents: the parents of the map's cells as they are in force, by code.
    """

    plane: Plane
    cells: Cells
    shapes: Shapes
    far: npt.NDArray[np.bool_]
    rest: Cells
    rest_shapes: Shapes
    known_parents: Mapping[str, str]


def lay(
    cells: Cells,
    existing: Cells,
    *,
    kinds_replaced: Collection[SpaceKind],
    within: str | shapely.Geometry | None,
    far_m: float,
) -> Laid:
    """Lay out a map; the plane stands where the spaces in force are, if there are any."""
    plane = plane_through(existing.outlines, cells.outlines)
    keep = staying(cells, existing, kinds_replaced=kinds_replaced, within=within)
    rest = chosen(existing, keep)
    shapes = plane.laid(cells.outlines)
    known = plane.laid(existing.outlines)
    far = _far(shapes, known, far_m)
    shapes[far] = shapely.Polygon()
    return Laid(
        plane=plane,
        cells=cells,
        shapes=areas(shapes),
        far=far,
        rest=rest,
        rest_shapes=areas(known[keep]),
        known_parents={
            code: parent
            for code, parent in zip(existing.codes, existing.parents, strict=True)
            if parent
        },
    )


def areas(shapes: Shapes) -> Shapes:
    """Return shapes as valid areas; what has none, or no place, is an empty polygon."""
    found = shapes.copy()
    boxes = shapely.bounds(found).reshape(-1, 4)
    found[shapely.is_missing(found) | ~np.isfinite(boxes).all(axis=1)] = shapely.Polygon()
    return polygons_only(shapely.make_valid(found))


def of_kind(cells: Cells, kind: SpaceKind) -> npt.NDArray[np.intp]:
    """Return the indices of one kind's cells."""
    return np.flatnonzero(np.array([one is kind for one in cells.kinds], dtype=bool))


def finding(
    laid: Laid,
    kind: str,
    weight: Weight,
    indices: Sequence[int],
    detail: Said,
    *,
    mend: Said = NOTHING,
    area_m2: float | None = None,
    spot: shapely.Geometry | None = None,
) -> Finding:
    """Return a finding about cells of the map; the first one's place in the file is told.

    Args:
        spot: a shape of the plane in which the finding's point is set.
    """
    at = None
    if spot is not None and not shapely.is_empty(spot):
        at = laid.plane.place(shapely.point_on_surface(spot))
    return told(
        kind,
        weight,
        detail,
        mend,
        codes=tuple(laid.cells.codes[i] for i in indices),
        where=laid.cells.wheres[indices[0]] if len(indices) else "",
        area_m2=None if area_m2 is None else round(float(area_m2), 2),
        at=at,
    )


def _far(shapes: Shapes, known: Shapes, far_m: float) -> npt.NDArray[np.bool_]:
    """Tell which shapes have a vertex far from what is in force, or from the map's own middle."""
    boxes = shapely.bounds(shapes).reshape(-1, 4)
    placed = np.isfinite(boxes).all(axis=1)
    frame = shapely.bounds(known).reshape(-1, 4)
    frame = frame[np.isfinite(frame).all(axis=1)]
    if not len(frame):
        frame = _own_frame(boxes[placed])
    # What has no outline at all is another finding's.
    hollow = shapely.is_missing(shapes) | shapely.is_empty(shapes)
    inside: npt.NDArray[np.bool_]
    if not len(frame):
        inside = placed | hollow
        return ~inside
    west, south = frame[:, 0].min() - far_m, frame[:, 1].min() - far_m
    east, north = frame[:, 2].max() + far_m, frame[:, 3].max() + far_m
    inside = (
        (boxes[:, 0] >= west) & (boxes[:, 1] >= south)
        & (boxes[:, 2] <= east) & (boxes[:, 3] <= north)
    )  # fmt: skip
    inside |= hollow
    return ~inside


def _own_frame(boxes: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Return the box of the middle nine tenths of the boxes."""
    if not len(boxes):
        return boxes
    low, high = np.quantile(boxes, 0.05, axis=0), np.quantile(boxes, 0.95, axis=0)
    frame: npt.NDArray[np.float64] = np.array([[low[0], low[1], high[2], high[3]]])
    return frame
