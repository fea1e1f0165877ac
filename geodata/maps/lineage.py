"""What became of what: splits, merges and cells that only got another code.

A guess from the areas alone, to help the reader of a diff; nobody acts on it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
import numpy.typing as npt
import shapely
from shapely import STRtree

from geodata.maps.model import Cells, Shapes
from geodata.maps.plane import Plane, polygons_only

SAME_SHARE = 0.95
"""Two outlines that share so much of their union are one cell with two codes."""

PART_SHARE = 0.8
"""A part lies in the whole with so much of its area, and all parts cover so much of the whole."""


class LineageKind(StrEnum):
    """Whether one became several, several became one, or one got another code."""

    SPLIT = "split"
    MERGE = "merge"
    RECODED = "recoded"


@dataclass(frozen=True, slots=True, kw_only=True)
class Lineage:
    """Cells before and cells after that are the same ground.

    Attributes:
        before: codes in force; ``after`` codes in the map. A code that a cell kept is in both.
        shares: for a split, of the old area in each new cell; for a merge, of the new area from
            each old cell; for a new code, what both share of their union.
    """

    kind: LineageKind
    before: tuple[str, ...]
    after: tuple[str, ...]
    shares: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class _Crossing:
    """Areas that old and new cells share; ``old`` and ``new`` are indices into their columns."""

    old: npt.NDArray[np.intp]
    new: npt.NDArray[np.intp]
    shared: npt.NDArray[np.float64]
    old_areas: npt.NDArray[np.float64]
    new_areas: npt.NDArray[np.float64]


def lineages(
    cells: Cells,
    existing: Cells,
    *,
    plane: Plane,
    added: Sequence[str],
    gone: Sequence[str],
    redrawn: Sequence[str],
) -> tuple[Lineage, ...]:
    """Return the splits, merges and new codes among cells of one kind.

    A cell that kept its code may be a part of a split or the whole of a merge; at least one of the
    others was added or is gone.
    """
    if not added and not gone:
        return ()
    olds = _places(existing, (*gone, *redrawn))
    news = _places(cells, (*added, *redrawn))
    fresh, lost = set(added), set(gone)
    found: list[Lineage] = []
    for kind in {existing.kinds[i] for i in olds}:
        here = [i for i in olds if existing.kinds[i] is kind]
        there = [i for i in news if cells.kinds[i] is kind]
        crossing = _crossing(plane, existing.outlines[here], cells.outlines[there])
        before = [existing.codes[i] for i in here]
        after = [cells.codes[i] for i in there]
        found += _recoded(crossing, before, after, fresh, lost)
        found += _splits(crossing, before, after, fresh)
        found += _merges(crossing, before, after, lost)
    return tuple(sorted(found, key=lambda one: (one.kind, one.before, one.after)))


def _places(cells: Cells, codes: Sequence[str]) -> list[int]:
    at = {code: i for i, code in enumerate(cells.codes)}
    return [at[code] for code in codes]


def _crossing(plane: Plane, old: Shapes, new: Shapes) -> _Crossing:
    old, new = _laid(plane, old), _laid(plane, new)
    first, second = STRtree(new).query(old, predicate="intersects")
    return _Crossing(
        old=first,
        new=second,
        shared=shapely.area(shapely.intersection(old[first], new[second])),
        old_areas=shapely.area(old),
        new_areas=shapely.area(new),
    )


def _laid(plane: Plane, outlines: Shapes) -> Shapes:
    laid = plane.laid(outlines)
    laid[~np.isfinite(shapely.bounds(laid).reshape(-1, 4)).all(axis=1)] = shapely.Polygon()
    return polygons_only(shapely.make_valid(laid))


def _recoded(
    crossing: _Crossing, before: list[str], after: list[str], fresh: set[str], lost: set[str]
) -> list[Lineage]:
    union = crossing.old_areas[crossing.old] + crossing.new_areas[crossing.new] - crossing.shared
    alike = np.flatnonzero(crossing.shared >= SAME_SHARE * union)
    return [
        Lineage(
            kind=LineageKind.RECODED,
            before=(before[crossing.old[k]],),
            after=(after[crossing.new[k]],),
            shares=(_share(crossing.shared[k], union[k]),),
        )
        for k in alike
        if before[crossing.old[k]] in lost and after[crossing.new[k]] in fresh and union[k] > 0
    ]


def _splits(
    crossing: _Crossing, before: list[str], after: list[str], fresh: set[str]
) -> list[Lineage]:
    inside = crossing.shared >= PART_SHARE * crossing.new_areas[crossing.new]
    found = []
    for old, ks in _by(crossing.old, inside & (crossing.shared > 0)):
        parts = [after[crossing.new[k]] for k in ks]
        whole = crossing.old_areas[old]
        if len(ks) < 2 or crossing.shared[ks].sum() < PART_SHARE * whole:
            continue
        if fresh.intersection(parts):
            shares = tuple(_share(crossing.shared[k], whole) for k in ks)
            found.append(
                Lineage(
                    kind=LineageKind.SPLIT, before=(before[old],), after=tuple(parts), shares=shares
                )
            )
    return found


def _merges(
    crossing: _Crossing, before: list[str], after: list[str], lost: set[str]
) -> list[Lineage]:
    inside = crossing.shared >= PART_SHARE * crossing.old_areas[crossing.old]
    found = []
    for new, ks in _by(crossing.new, inside & (crossing.shared > 0)):
        parts = [before[crossing.old[k]] for k in ks]
        whole = crossing.new_areas[new]
        if len(ks) < 2 or crossing.shared[ks].sum() < PART_SHARE * whole:
            continue
        if lost.intersection(parts):
            shares = tuple(_share(crossing.shared[k], whole) for k in ks)
            found.append(
                Lineage(
                    kind=LineageKind.MERGE, before=tuple(parts), after=(after[new],), shares=shares
                )
            )
    return found


def _by(owners: npt.NDArray[np.intp], wanted: npt.NDArray[np.bool_]) -> list[tuple[int, list[int]]]:
    groups: dict[int, list[int]] = {}
    for k in np.flatnonzero(wanted).tolist():
        groups.setdefault(int(owners[k]), []).append(k)
    return list(groups.items())


def _share(part: float, whole: float) -> float:
    return round(float(part / whole), 4)
