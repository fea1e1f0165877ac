"""What a map speaks of: which cells in force stay whatever it says, and which are its to let go."""

from __future__ import annotations

from collections.abc import Collection

import numpy as np
import numpy.typing as npt
import shapely

from core.model import SpaceKind
from geodata.maps.model import Cells

_MOSTLY = 0.5


def staying(
    cells: Cells,
    existing: Cells,
    *,
    kinds_replaced: Collection[SpaceKind],
    within: str | shapely.Geometry | None = None,
) -> npt.NDArray[np.bool_]:
    """Tell of each cell in force whether it stays as it is, because the map says nothing of it.

    What the map names by its code does not stay as it is; of the rest, a cell stays that is of
    another kind than the replaced ones, or not ``within`` (a code: not below that space; an area in
    degrees: less than half of it inside).

    Raises:
        ValueError: if ``within`` is a code that is neither in force nor in the map.
    """
    named = set(cells.codes)
    stays = np.array([kind not in set(kinds_replaced) for kind in existing.kinds], dtype=bool)
    if within is not None:
        stays |= ~_inside(cells, existing, within)
    stays &= np.array([code not in named for code in existing.codes], dtype=bool)
    return stays


def descendants(cells: Cells, code: str) -> set[str]:
    """Return the codes below a space, itself not; a circle of parents ends where it began."""
    children: dict[str, list[str]] = {}
    for own, parent in zip(cells.codes, cells.parents, strict=True):
        children.setdefault(parent, []).append(own)
    found: set[str] = set()
    ahead = [code]
    while ahead:
        for child in children.get(ahead.pop(), ()):
            if child not in found and child != code:
                found.add(child)
                ahead.append(child)
    return found


def chosen(cells: Cells, keep: npt.NDArray[np.bool_]) -> Cells:
    """Return some of the cells, in their order."""
    indices = np.flatnonzero(keep).tolist()
    return Cells(
        codes=tuple(cells.codes[i] for i in indices),
        kinds=tuple(cells.kinds[i] for i in indices),
        names=tuple(cells.names[i] for i in indices),
        names_en=tuple(cells.names_en[i] for i in indices),
        parents=tuple(cells.parents[i] for i in indices),
        heights_m=cells.heights_m[indices],
        outlines=cells.outlines[indices],
        wheres=tuple(cells.wheres[i] for i in indices),
    )


def _inside(cells: Cells, existing: Cells, within: str | shapely.Geometry) -> npt.NDArray[np.bool_]:
    if isinstance(within, str):
        if within not in existing.codes and within not in cells.codes:
            raise ValueError(f"there is no space {within!r} for the map to be within")
        below = descendants(existing, within)
        return np.array([code in below for code in existing.codes], dtype=bool)
    area = shapely.make_valid(within)
    outlines = shapely.make_valid(existing.outlines)
    shapely.prepare(area)
    share = shapely.area(shapely.intersection(outlines, area))
    inside: npt.NDArray[np.bool_] = share > _MOSTLY * shapely.area(outlines)
    return inside
