"""What a map would change: cells added, redrawn, renamed and gone, and what became of what.

Cells are matched by their codes, which are unique in a map. Outlines are compared on a plane in
metres, so that a trip through a projection and back (millimetres) is no change. Which cells belong
to the map's field is said by the caller: the kinds it replaces, and within what.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

import numpy as np
import shapely

from core.model import SpaceKind
from geodata.maps.lineage import Lineage, lineages
from geodata.maps.model import Cells, Shapes
from geodata.maps.plane import Plane, plane_through
from geodata.maps.scope import descendants, staying

TOLERANCE_M = 0.05
"""A border that moved less did not move: coordinates are kept to 0.01 m, projections to 0.001 m."""

NO_PLACE_M = 2.0e7
"""Stands for the move of a border that was or is nowhere: half around the earth."""

_HEIGHT_TOLERANCE_M = 0.005


@dataclass(frozen=True, slots=True, kw_only=True)
class Redrawn:
    """A cell with another outline.

    Attributes:
        area_before_m2: in force; ``area_after_m2`` in the map.
        shift_m: how far the border moved where it moved most (Hausdorff distance of the borders'
            vertices); ``NO_PLACE_M`` if one of them is missing or lies nowhere.
    """

    code: str
    area_before_m2: float
    area_after_m2: float
    shift_m: float

    @property
    def area_change_m2(self) -> float:
        """Area after less area before."""
        return self.area_after_m2 - self.area_before_m2


@dataclass(frozen=True, slots=True, kw_only=True)
class Changed:
    """A fact of a cell that became another.

    Attributes:
        field: ``name`` | ``name_en`` | ``parent`` | ``kind`` | ``height_m``.
        before: as text, "" for none; ``after`` likewise.
    """

    code: str
    field: str
    before: str
    after: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Diff:
    """A map against what is in force; a cell can be both redrawn and changed.

    Attributes:
        added: codes in the order of the file.
        redrawn: those with another outline; ``changed`` one entry for each fact that differs.
        gone: codes in force that the map lets go, in the order of what is in force.
        same: how many cells are neither added nor redrawn nor changed.
        left: codes in force that stay, though their parent goes or changes to a level below.
        lineages: splits, merges and new codes, a help to the reader; nothing depends on it.
    """

    added: tuple[str, ...]
    redrawn: tuple[Redrawn, ...]
    changed: tuple[Changed, ...]
    gone: tuple[str, ...]
    same: int
    left: tuple[str, ...] = ()
    lineages: tuple[Lineage, ...] = ()

    @property
    def empty(self) -> bool:
        """Whether the map changes nothing."""
        return not (self.added or self.redrawn or self.changed or self.gone)


def diff(
    cells: Cells,
    existing: Cells,
    *,
    kinds_replaced: Collection[SpaceKind],
    within: str | shapely.Geometry | None = None,
    tolerance_m: float = TOLERANCE_M,
) -> Diff:
    """Compare a map with what is in force.

    Args:
        cells: the map, with its parents filled in (``check``), each code once.
        existing: everything in force, of every kind.
        kinds_replaced: a cell of another kind in force never goes.
        within: the code of a space or an area in degrees: only what lies in it can go (a map of
            one street says nothing of the others). None: everywhere.
        tolerance_m: how far a border may move and be the same.

    Raises:
        ValueError: if ``within`` is a code that is neither in force nor in the map.
    """
    plane = plane_through(existing.outlines, cells.outlines)
    here = {code: i for i, code in enumerate(cells.codes)}
    there = {code: i for i, code in enumerate(existing.codes)}
    pairs = [(i, there[code]) for code, i in here.items() if code in there]
    redrawn = _redrawn(cells, existing, pairs, plane, tolerance_m)
    changed = [one for pair in pairs for one in _changed(cells, existing, pair)]
    stays = staying(cells, existing, kinds_replaced=kinds_replaced, within=within)
    gone = tuple(
        code for code, stay in zip(existing.codes, stays, strict=True)
        if not stay and code not in here
    )  # fmt: skip
    added = tuple(code for code in here if code not in there)
    touched = {one.code for one in redrawn} | {one.code for one in changed}
    return Diff(
        added=added,
        redrawn=tuple(redrawn),
        changed=tuple(changed),
        gone=gone,
        same=len(pairs) - len(touched),
        left=_left(cells, existing, set(gone)),
        lineages=lineages(
            cells, existing, plane=plane, added=added, gone=gone,
            redrawn=[one.code for one in redrawn],
        ),
    )  # fmt: skip


def _redrawn(
    cells: Cells, existing: Cells, pairs: list[tuple[int, int]], plane: Plane, tolerance_m: float
) -> list[Redrawn]:
    new: Shapes = cells.outlines[[i for i, _ in pairs]]
    old: Shapes = existing.outlines[[i for _, i in pairs]]
    unlike = np.flatnonzero(~shapely.equals_identical(new, old))
    new, old = (_placed(plane.laid(shapes[unlike])) for shapes in (new, old))
    shifts = _moves(old, new)
    moved = ~(shifts <= tolerance_m)
    before, after = shapely.area(old), shapely.area(new)
    return [
        Redrawn(
            code=cells.codes[pairs[unlike[i]][0]],
            area_before_m2=float(before[i]),
            area_after_m2=float(after[i]),
            shift_m=float(shifts[i]),
        )
        for i in np.flatnonzero(moved)
    ]


def _moves(old: Shapes, new: Shapes) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    """Return how far borders moved; ``NO_PLACE_M`` where an outline has none."""
    usable = ~(shapely.is_empty(old) | shapely.is_empty(new))
    moves = np.full(len(old), NO_PLACE_M)
    moves[usable] = shapely.hausdorff_distance(
        shapely.boundary(old[usable]), shapely.boundary(new[usable])
    )
    return moves


def _placed(shapes: Shapes) -> Shapes:
    """Return shapes with an empty polygon for those that are missing or have no place."""
    nowhere = ~np.isfinite(shapely.bounds(shapes).reshape(-1, 4)).all(axis=1)
    shapes[nowhere] = shapely.Polygon()
    return shapes


def _changed(cells: Cells, existing: Cells, pair: tuple[int, int]) -> list[Changed]:
    i, j = pair
    facts = (
        ("name", existing.names[j], cells.names[i]),
        ("name_en", existing.names_en[j], cells.names_en[i]),
        ("parent", existing.parents[j], cells.parents[i]),
        ("kind", existing.kinds[j].value, cells.kinds[i].value),
    )
    found = [
        Changed(code=cells.codes[i], field=field, before=before, after=after)
        for field, before, after in facts
        if before != after
    ]
    before_m, after_m = float(existing.heights_m[j]), float(cells.heights_m[i])
    both_unknown = np.isnan(before_m) and np.isnan(after_m)
    if not both_unknown and not abs(before_m - after_m) <= _HEIGHT_TOLERANCE_M:
        before, after = _height(before_m), _height(after_m)
        found.append(Changed(code=cells.codes[i], field="height_m", before=before, after=after))
    return found


def _height(metres: float) -> str:
    return "" if np.isnan(metres) else f"{metres:.2f}".rstrip("0").rstrip(".")


def _left(cells: Cells, existing: Cells, gone: set[str]) -> tuple[str, ...]:
    """Return what stays in force while its parent goes and the map gives it no other."""
    told = set(cells.codes)
    return tuple(
        code
        for code, parent in zip(existing.codes, existing.parents, strict=True)
        if parent in gone and code not in gone and code not in told
    )


__all__ = [
    "NO_PLACE_M",
    "TOLERANCE_M",
    "Changed",
    "Diff",
    "Lineage",
    "Redrawn",
    "descendants",
    "diff",
]
