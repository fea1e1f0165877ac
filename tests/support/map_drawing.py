"""Maps for tests: partitions of jittered quadrilaterals in metres, laid down near Luohu."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from functools import cache
from random import Random

import numpy as np
import shapely
from shapely import Polygon

from core.model import SpaceKind
from geodata.maps.model import Cells, cells_of
from geodata.maps.plane import Plane
from geodata.maps.scope import chosen
from simulators.district import demo_district

PLANE = Plane(middle=(114.1, 22.6))
STEP_M = 120.0
COMMUNITY = "440303001001"


def quads(columns: int, rows: int, seed: int, *, jitter_m: float = 25.0) -> list[Polygon]:
    """Return cells row by row that share their corners; the outer border is straight."""
    rng = Random(seed)

    def corner(column: int, row: int) -> tuple[float, float]:
        inner = 0 < column < columns and 0 < row < rows
        dx, dy = (rng.uniform(-jitter_m, jitter_m) if inner else 0.0 for _ in range(2))
        return column * STEP_M + dx, row * STEP_M + dy

    corners = {(c, r): corner(c, r) for r in range(rows + 1) for c in range(columns + 1)}
    return [
        Polygon([corners[c + dc, r + dr] for dc, dr in ((0, 0), (1, 0), (1, 1), (0, 1))])
        for r in range(rows)
        for c in range(columns)
    ]


def cells(
    shapes: Sequence[shapely.Geometry | None],
    *,
    kind: SpaceKind = SpaceKind.GRID,
    codes: Sequence[str] | None = None,
    parents: Sequence[str] | None = None,
    names: Sequence[str] | None = None,
) -> Cells:
    """Return shapes in metres as cells in degrees with seven decimals."""
    count = len(shapes)
    column = np.empty(count, dtype=object)
    column[:] = shapes
    outlines = shapely.transform(PLANE.lifted(column), lambda xy: np.round(xy, 7))
    return Cells(
        codes=tuple(codes or (f"{COMMUNITY}{n:03d}" for n in range(1, count + 1))),
        kinds=(kind,) * count,
        names=tuple(names or ("",) * count),
        names_en=("",) * count,
        parents=tuple(parents or (COMMUNITY if kind is SpaceKind.GRID else "",) * count),
        heights_m=np.full(count, np.nan),
        outlines=outlines,
        wheres=tuple(f"layer cells, feature {n}" for n in range(1, count + 1)),
    )


def community(columns: int, rows: int) -> Cells:
    """Return the space around a partition, with the one around it."""
    whole = shapely.box(0, 0, columns * STEP_M, rows * STEP_M)
    street = cells([whole], kind=SpaceKind.STREET, codes=["440303001"])
    around = cells([whole], kind=SpaceKind.COMMUNITY, codes=[COMMUNITY], parents=["440303001"])
    return joined(street, around)


def joined(one: Cells, other: Cells) -> Cells:
    """Return the cells of both."""
    return Cells(
        codes=one.codes + other.codes,
        kinds=one.kinds + other.kinds,
        names=one.names + other.names,
        names_en=one.names_en + other.names_en,
        parents=one.parents + other.parents,
        heights_m=np.concatenate([one.heights_m, other.heights_m]),
        outlines=np.concatenate([one.outlines, other.outlines]),
        wheres=one.wheres + other.wheres,
    )


def nothing() -> Cells:
    """Return no cells."""
    return cells([])


@cache
def demo() -> Cells:
    """Return the demo district."""
    spaces = demo_district().spaces
    return cells_of(spaces, shapely.from_geojson([json.dumps(s.outline) for s in spaces]))


def of_kinds(whole: Cells, *kinds: SpaceKind) -> Cells:
    """Return the cells of some kinds."""
    return chosen(whole, np.array([kind in kinds for kind in whole.kinds], dtype=bool))


def recoded(blocks: Cells) -> Cells:
    """Return cells under codes that nobody knows, without parents."""
    codes = tuple(f"new-{n}" for n in range(len(blocks)))
    return replace(blocks, codes=codes, parents=("",) * len(blocks))
