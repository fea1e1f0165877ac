"""What a map would bring into force: which spaces begin, change and end, and who adopts whom. Pure.

Between the judgement of a file (``geodata.maps``) and the writing of it (``twin.versions``): the
would-be map, to place in beforehand what stands in it.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, replace

import numpy as np
import shapely

from core.model import Space, SpaceKind
from geodata.maps.model import Cells, Finding, Shapes, Source, Weight, told
from geodata.placement import Grid, arrange
from geodata.said import KINDS_ZH, Said
from twin.maps.in_force import InForce

MOST = 0.5
"""A space belongs to the one that covers more than this share of it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Touched:
    """The codes a map is another for.

    Attributes:
        drawn: those whose outline comes from the map: added and redrawn ones.
        worded: those of which only words or the parent are others.
        gone: those that it lets go.
    """

    drawn: frozenset[str]
    worded: frozenset[str]
    gone: frozenset[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What to bring into force.

    Attributes:
        spaces: those that begin or change; ``shapes`` their outlines, parsed.
        adopted: code -> new parent, of spaces that the map does not name and whose parent goes or
            is redrawn so that it does not cover them any more.
        findings: what speaks against it, beside what the check of the file found.
    """

    spaces: tuple[Space, ...]
    shapes: Shapes
    gone: tuple[str, ...]
    adopted: Mapping[str, str]
    findings: tuple[Finding, ...]


def make(cells: Cells, touched: Touched, source: Source, in_force: InForce) -> Plan:
    """Return what the map changes in the one in force.

    A space that stays while its parent goes, or is redrawn away from it, moves to the would-be
    space of the parent's kind that covers most of it. Where none does and the parent goes, that is
    an error among the findings.
    """
    known = in_force.index()
    mine = {code: i for i, code in enumerate(cells.codes)}
    spaces: list[Space] = []
    shapes: list[object] = []
    for code in sorted(touched.drawn | touched.worded, key=mine.__getitem__):
        i = mine[code]
        if code in touched.drawn:
            spaces.append(_from_file(cells, i, source))
            shapes.append(cells.outlines[i])
        else:
            old = known[code]
            spaces.append(_worded(in_force.space(old), cells, i))
            shapes.append(in_force.cells.outlines[old])
    adopted, findings = _adoptions(cells, touched, in_force)
    for code, parent in adopted.items():
        spaces.append(replace(in_force.space(known[code]), parent=parent))
        shapes.append(in_force.cells.outlines[known[code]])
    column = np.empty(len(shapes), dtype=object)
    column[:] = shapes
    return Plan(
        spaces=tuple(spaces),
        shapes=column,
        gone=tuple(sorted(touched.gone)),
        adopted=adopted,
        findings=tuple(findings),
    )


def would_be(plan: Plan, in_force: InForce) -> Grid:
    """Return the map as it would be, to place in."""
    replaced = {space.code for space in plan.spaces} | set(plan.gone)
    old = in_force.cells
    keep = [i for i, code in enumerate(old.codes) if code not in replaced]
    return arrange(
        [*(old.codes[i] for i in keep), *(space.code for space in plan.spaces)],
        [*(old.kinds[i] for i in keep), *(space.kind for space in plan.spaces)],
        np.concatenate([old.outlines[keep], plan.shapes]),
    )


def loud(touched: Touched, in_force: InForce, *, whole: Collection[SpaceKind]) -> list[Finding]:
    """Say what a whole map lets go, kind by kind."""
    if not touched.gone:
        return []
    kinds = dict(zip(in_force.cells.codes, in_force.cells.kinds, strict=True))
    counts = Counter(kinds[code] for code in touched.gone)
    known = Counter(in_force.cells.kinds)
    parts = [
        Said(f"{KINDS_ZH[kind]} {n} 个（共 {known[kind]} 个）", f"{n} of {known[kind]} {kind}s")
        for kind, n in sorted(counts.items())
    ]
    names = sorted(whole)
    detail = Said(
        f"本文件作为{'、'.join(KINDS_ZH[kind] for kind in names)}的整幅地图，"
        f"未包含的将取消：{'、'.join(part.zh for part in parts)}",
        f"as a whole map of {', '.join(names)} this file ends "
        f"{', '.join(part.en for part in parts)} that it does not hold",
    )
    mend = Said(
        "若只是局部地图，请按局部地图（--partial）导入，未包含的单元便保持不变",
        "if it is only a part of the map, import it with --partial; then nothing ends",
    )
    return [told("gone", Weight.WARNING, detail, mend, codes=tuple(sorted(touched.gone)))]


def _from_file(cells: Cells, i: int, source: Source) -> Space:
    height = float(cells.heights_m[i])
    return Space(
        code=cells.codes[i],
        kind=cells.kinds[i],
        name=cells.names[i],
        name_en=cells.names_en[i],
        parent=cells.parents[i] or None,
        outline=json.loads(shapely.to_geojson(cells.outlines[i])),
        height_m=None if np.isnan(height) else height,
        source=source.origin or source.name,
        frame=source.frame,
    )


def _worded(space: Space, cells: Cells, i: int) -> Space:
    """The space with the words of the file; what a file does not say is kept."""
    height = float(cells.heights_m[i])
    return replace(
        space,
        kind=cells.kinds[i],
        name=cells.names[i] or space.name,
        name_en=cells.names_en[i] or space.name_en,
        parent=cells.parents[i] or None,
        height_m=space.height_m if np.isnan(height) else height,
    )


def _adoptions(
    cells: Cells, touched: Touched, in_force: InForce
) -> tuple[dict[str, str], list[Finding]]:
    adopted: dict[str, str] = {}
    findings = [_ended_parent(cells, i) for i in _lying_in(cells, touched.gone)]
    old, named = in_force.cells, set(cells.codes) | touched.gone
    kinds = dict(zip(old.codes, old.kinds, strict=True))
    left = [i for i in _lying_in(old, touched.gone) if old.codes[i] not in named]
    for i in [*left, *_strays(cells, touched, in_force, named)]:
        parent = _coverer(old.outlines[i], kinds[old.parents[i]], cells, touched, old)
        if parent:
            adopted[old.codes[i]] = parent
        elif old.parents[i] in touched.gone:
            findings.append(_left_alone(old, i))
    if adopted:
        findings.append(_said_adopted(adopted))
    return adopted, findings


def _lying_in(cells: Cells, gone: Collection[str]) -> Iterator[int]:
    return (i for i, parent in enumerate(cells.parents) if parent in gone)


def _strays(cells: Cells, touched: Touched, in_force: InForce, named: Collection[str]) -> list[int]:
    """Places in force of what its parent covered before it was redrawn, and does not any more."""
    old, known = in_force.cells, in_force.index()
    mine = {code: i for i, code in enumerate(cells.codes)}
    redrawn = [code for code in touched.drawn if code in known]
    inside = [i for i in _lying_in(old, set(redrawn)) if old.codes[i] not in named]
    if not inside:
        return []
    outlines = old.outlines[inside]
    before = old.outlines[[known[old.parents[i]] for i in inside]]
    after = cells.outlines[[mine[old.parents[i]] for i in inside]]
    areas = shapely.area(outlines)
    had = shapely.area(shapely.intersection(outlines, before)) > MOST * areas
    has = shapely.area(shapely.intersection(outlines, after)) > MOST * areas
    return [inside[k] for k in np.flatnonzero(had & ~has)]


def _coverer(
    outline: object, kind: SpaceKind, cells: Cells, touched: Touched, old: Cells
) -> str | None:
    """The would-be space of a kind that covers most of an outline."""
    mine = set(cells.codes)
    for column, skip in ((cells, frozenset[str]()), (old, touched.gone | mine)):
        near = shapely.intersects(shapely.box(*shapely.bounds(outline)), column.outlines)
        here = [
            int(i)
            for i in np.flatnonzero(near)
            if column.kinds[i] is kind and column.codes[i] not in skip
        ]
        shares = shapely.area(shapely.intersection(column.outlines[here], outline))
        if here and shares.max() > MOST * shapely.area(outline):
            return column.codes[here[int(shares.argmax())]]
    return None


def _ended_parent(cells: Cells, i: int) -> Finding:
    code, parent = cells.codes[i], cells.parents[i]
    return told(
        "orphan",
        Weight.ERROR,
        Said(
            f"{code} 将属于 {parent}，而本图将取消该上级单元",
            f"{code} would lie in {parent}, which this map lets go",
        ),
        Said(
            "请改填上级单元，或一并提供该上级单元", "name another parent, or deliver the parent too"
        ),
        codes=(code, parent),
        where=cells.wheres[i],
    )


def _left_alone(old: Cells, i: int) -> Finding:
    middle = shapely.point_on_surface(old.outlines[i])
    code, parent, kind = old.codes[i], old.parents[i], old.kinds[i]
    return told(
        "orphan",
        Weight.ERROR,
        Said(
            f"{KINDS_ZH[kind]} {code} 属于 {parent}，而本图将取消该上级单元，"
            "且没有其他单元覆盖其大部分",
            f"{kind} {code} lies in {parent}, which this map lets go, "
            "and no other space covers most of it",
        ),
        Said(
            f"请一并提供 {code} 及其新的上级单元，或保留 {parent}",
            f"deliver {code} too, with its new parent, or keep {parent}",
        ),
        codes=(code, parent),
        at=(float(middle.x), float(middle.y)),
    )


def _said_adopted(adopted: Mapping[str, str]) -> Finding:
    some = list(adopted.items())[:3]
    rest = len(adopted) - len(some)
    detail = Said(
        f"{len(adopted)} 个单元不再被原上级单元覆盖，改归覆盖其大部分的单元："
        + "、".join(f"{code} 归 {parent}" for code, parent in some)
        + (f"，另有 {rest} 个" if rest else ""),
        f"{len(adopted)} spaces that their parent covers no more are taken over by the one "
        "that covers most of them: "
        + ", ".join(f"{code} by {parent}" for code, parent in some)
        + (f" and {rest} more" if rest else ""),
    )
    return told("adopted", Weight.NOTE, detail, codes=tuple(adopted))
