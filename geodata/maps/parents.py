"""Who contains whom: parents filled in by code, then by place, and cells sticking out of theirs."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
import shapely

from core.model import SpaceKind
from geodata import codes
from geodata.codes import CodeMalformed
from geodata.maps.labels import contradicts
from geodata.maps.laid import LEVEL, Laid, finding
from geodata.maps.limits import Limits
from geodata.maps.model import Finding, Weight
from geodata.maps.overlap import largest_part, wide_parts
from geodata.maps.plane import F8, polygons_only
from geodata.said import KINDS_ZH, Said, quoted


@dataclass(frozen=True, slots=True, kw_only=True)
class _Kin:
    """Everything that can be a parent: the map's cells, then those that stay in force."""

    codes: tuple[str, ...]
    kinds: tuple[SpaceKind, ...]
    shapes: np.ndarray[tuple[int], np.dtype[np.object_]]
    at: dict[str, int]
    levels: frozenset[int]


def fill(laid: Laid) -> tuple[Laid, tuple[Finding, ...]]:
    """Return the map with a parent for each cell that has one, and what was found on the way.

    A declared parent is kept if it is in the map or in force and of a larger kind. Else the code's
    own beginning decides, if it names a space of the next larger kind that holds some of the cell;
    else it stays where it is in force, if that space still holds some of it; else it goes to the
    space of the next larger kind that covers most of it, or of the kinds above. A district
    needs none.
    """
    kin = _kin(laid)
    parents = list(laid.cells.parents)
    findings: list[Finding] = []
    unknown: list[int] = []
    by_code: list[int] = []
    for i, kind in enumerate(laid.cells.kinds):
        if parents[i]:
            wrong = _refused(laid, kin, i)
            if wrong is None:
                continue
            findings.append(wrong)
        elif kind is SpaceKind.DISTRICT:
            continue
        parents[i] = _by_code(laid, kin, i)
        if parents[i]:
            by_code.append(i)
        else:
            parents[i] = _as_in_force(laid, kin, i)
            if not parents[i]:
                unknown.append(i)
    by_place = _by_place(laid, kin, unknown)
    for i, code in by_place.items():
        parents[i] = code
    findings += _told(laid, by_code, "编码", "their codes", "its code")
    overlap = "the largest overlap"
    findings += _told(laid, list(by_place), "最大重叠面积", overlap, overlap)
    findings += _orphans(laid, [i for i in unknown if not parents[i]])
    filled = replace(laid, cells=replace(laid.cells, parents=tuple(parents)))
    return filled, tuple(findings)


def judge(laid: Laid, limits: Limits) -> Iterator[Finding]:
    """Yield the cells whose code names another parent, and those that stick out of theirs."""
    for i, (code, parent) in enumerate(zip(laid.cells.codes, laid.cells.parents, strict=True)):
        if parent and contradicts(code, parent):
            yield finding(
                laid, "parent_disagrees", Weight.WARNING, [i],
                Said(
                    f"图中 {code} 属于 {parent}，但按其编码应属于另一单元",
                    f"{code} lies in {parent} as the map says, in another space by its own digits",
                ),
                mend=Said(
                    "请改正编码或上级单元；以上级单元为准",
                    "correct the code or the parent; the parent is what counts",
                ),
                spot=laid.shapes[i],
            )  # fmt: skip
    yield from _outside(laid, limits)


def _kin(laid: Laid) -> _Kin:
    all_codes = laid.cells.codes + laid.rest.codes
    return _Kin(
        codes=all_codes,
        kinds=laid.cells.kinds + laid.rest.kinds,
        shapes=np.concatenate([laid.shapes, laid.rest_shapes]),
        # The map's own come last here and so before those in force.
        at={code: i for i, code in reversed(list(enumerate(all_codes)))},
        levels=frozenset(LEVEL[kind] for kind in laid.cells.kinds + laid.rest.kinds),
    )


def _refused(laid: Laid, kin: _Kin, i: int) -> Finding | None:
    """Return why the declared parent of a cell cannot be kept, or None."""
    code, parent = laid.cells.codes[i], laid.cells.parents[i]
    known = kin.at.get(parent)
    if known is None:
        detail = Said(
            f"{code} 的上级单元{quoted(parent)}既不在图中，也不在现行地图中",
            f"{code} names {parent!r} as its parent, which is neither in the map nor in force",
        )
    elif LEVEL[kin.kinds[known]] >= LEVEL[laid.cells.kinds[i]]:
        mine, theirs = laid.cells.kinds[i], kin.kinds[known]
        detail = Said(
            f"{code} 为{KINDS_ZH[mine]}，其上级单元{quoted(parent)}为{KINDS_ZH[theirs]}："
            "上级单元的层级应更高",
            f"{code} is a {mine} and names {parent!r} as its parent, "
            f"a {theirs}: a parent is of a larger kind",
        )
    else:
        return None
    mend = Said(
        "请改正上级单元；在此之前按编码或位置判定",
        "correct the parent; until then it is found by code or place",
    )
    return finding(
        laid, "unknown_parent", Weight.WARNING, [i], detail, mend=mend, spot=laid.shapes[i]
    )


def _by_code(laid: Laid, kin: _Kin, i: int) -> str:
    """Return the next larger space that a code names, "" if none is there or none holds the cell.

    A space of a still larger kind is not enough: the place then says which one in between it is.
    """
    try:
        above = codes.containers(laid.cells.codes[i])
    except CodeMalformed:
        return ""
    own = LEVEL[laid.cells.kinds[i]]
    next_larger = max((level for level in kin.levels if level < own), default=-1)
    for code in above:
        known = kin.at.get(code)
        if known is None or LEVEL[kin.kinds[known]] != next_larger:
            continue
        placed = not shapely.is_empty(laid.shapes[i])
        if not placed or shapely.intersects(kin.shapes[known], laid.shapes[i]):
            return code
    return ""


def _as_in_force(laid: Laid, kin: _Kin, i: int) -> str:
    parent = laid.known_parents.get(laid.cells.codes[i], "")
    known = kin.at.get(parent)
    if known is None or LEVEL[kin.kinds[known]] >= LEVEL[laid.cells.kinds[i]]:
        return ""
    held = shapely.intersects(kin.shapes[known], laid.shapes[i])
    return parent if held or shapely.is_empty(laid.shapes[i]) else ""


def _by_place(laid: Laid, kin: _Kin, wanted: list[int]) -> dict[int, str]:
    """Return the space of the next larger kind with the largest overlap, for each that has one."""
    found: dict[int, str] = {}
    for level in range(len(SpaceKind) - 1, 0, -1):
        for above in range(level - 1, -1, -1):
            open_ = [i for i in wanted if LEVEL[laid.cells.kinds[i]] == level and i not in found]
            theirs = np.array([k for k, kind in enumerate(kin.kinds) if LEVEL[kind] == above])
            if open_ and len(theirs):
                found.update(_largest(laid, kin, np.array(open_), theirs))
    return found


def _largest(
    laid: Laid,
    kin: _Kin,
    mine: np.ndarray[tuple[int], np.dtype[np.intp]],
    theirs: np.ndarray[tuple[int], np.dtype[np.intp]],
) -> dict[int, str]:
    tree = shapely.STRtree(kin.shapes[theirs])
    first, second = tree.query(laid.shapes[mine], predicate="intersects")
    i, k = mine[first], theirs[second]
    shared = shapely.area(shapely.intersection(laid.shapes[i], kin.shapes[k]))
    best: dict[int, tuple[float, str]] = {}
    for cell, other, size in zip(i.tolist(), k.tolist(), shared.tolist(), strict=True):
        if size > best.get(cell, (0.0, ""))[0]:
            best[cell] = (size, kin.codes[other])
    return {cell: code for cell, (_, code) in best.items()}


def _told(laid: Laid, indices: list[int], by_zh: str, many: str, one: str) -> list[Finding]:
    if not indices:
        return []
    count, first = len(indices), laid.cells.codes[indices[0]]
    detail = (
        Said(f"{first} 的上级单元已按{by_zh}补全", f"{first} got its parent from {one}")
        if count == 1
        else Said(
            f"{count} 个单元的上级单元已按{by_zh}补全",
            f"{count} cells got their parents from {many}",
        )
    )
    return [finding(laid, "parent_found", Weight.NOTE, indices, detail)]


def _orphans(laid: Laid, indices: list[int]) -> list[Finding]:
    return [
        finding(
            laid, "orphan", Weight.ERROR, [i],
            Said(
                f"{laid.cells.codes[i]} 没有上级单元：按编码和位置都找不到",
                f"{laid.cells.codes[i]} has no parent: neither its code nor its place leads to one",
            ),
            mend=Said(
                "请随图提供上级单元，或注明上级编码",
                "deliver the larger space with the map, or name the parent",
            ),
            spot=laid.shapes[i],
        )
        for i in indices
    ]  # fmt: skip


def _outside(laid: Laid, limits: Limits) -> Iterator[Finding]:
    kin = _kin(laid)
    pairs = [(i, kin.at[parent]) for i, parent in enumerate(laid.cells.parents) if parent in kin.at]
    if not pairs:
        return
    mine, theirs = (np.array(column) for column in zip(*pairs, strict=True))
    mine, theirs = _not_inside(laid, kin, mine, theirs)
    outside = polygons_only(shapely.difference(laid.shapes[mine], kin.shapes[theirs]))
    sizes: F8 = shapely.area(laid.shapes[mine])
    rough = shapely.area(outside) >= limits.outside_share * sizes
    for k in np.flatnonzero(rough & (sizes > 0)).tolist():
        beyond = wide_parts(outside[k : k + 1], limits.width_m)[0]
        share = shapely.area(beyond) / sizes[k]
        if share >= limits.outside_share and shapely.area(beyond) >= limits.area_m2:
            yield _sticks_out(laid, limits, int(mine[k]), beyond, share)


def _not_inside(
    laid: Laid,
    kin: _Kin,
    mine: np.ndarray[tuple[int], np.dtype[np.intp]],
    theirs: np.ndarray[tuple[int], np.dtype[np.intp]],
) -> tuple[np.ndarray[tuple[int], np.dtype[np.intp]], np.ndarray[tuple[int], np.dtype[np.intp]]]:
    """Leave out the pairs that lie inside at once; an empty parent is judged elsewhere."""
    shapely.prepare(kin.shapes)
    drawn = ~shapely.is_empty(kin.shapes[theirs])
    out = drawn & ~shapely.covers(kin.shapes[theirs], laid.shapes[mine])
    return mine[out], theirs[out]


def _sticks_out(
    laid: Laid, limits: Limits, i: int, beyond: shapely.Geometry, share: float
) -> Finding:
    astray = share >= limits.gone_astray_share
    code, parent = laid.cells.codes[i], laid.cells.parents[i]
    return finding(
        laid, "outside_parent", Weight.ERROR if astray else Weight.WARNING, [i],
        Said(
            f"{code} 有 {share:.1%} 超出上级单元 {parent} 的范围",
            f"{share:.1%} of {code} lie outside its parent {parent}",
        ),
        mend=Said("请改正上级单元", "correct the parent") if astray
        else Said("请调整其中一方的边界", "move the border of one of them"),
        area_m2=shapely.area(beyond), spot=largest_part(beyond),
    )  # fmt: skip
