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
from geodata.maps.model import Cells, Finding, Shapes, Source, Weight
from geodata.placement import Grid, arrange
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
    parts = ", ".join(f"{n} of {known[kind]} {kind}s" for kind, n in sorted(counts.items()))
    names = ", ".join(sorted(map(str, whole)))
    return [
        Finding(
            kind="gone",
            weight=Weight.WARNING,
            codes=tuple(sorted(touched.gone)),
            detail=f"as a whole map of {names} this file ends {parts} that it does not hold",
            mend="if it is only a part of the map, import it with --partial; then nothing ends",
        )
    ]


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
    return Finding(
        kind="orphan",
        weight=Weight.ERROR,
        codes=(cells.codes[i], cells.parents[i]),
        where=cells.wheres[i],
        detail=f"{cells.codes[i]} would lie in {cells.parents[i]}, which this map lets go",
        mend="name another parent, or deliver the parent too",
    )


def _left_alone(old: Cells, i: int) -> Finding:
    middle = shapely.point_on_surface(old.outlines[i])
    return Finding(
        kind="orphan",
        weight=Weight.ERROR,
        codes=(old.codes[i], old.parents[i]),
        detail=f"{old.kinds[i]} {old.codes[i]} lies in {old.parents[i]}, which this map lets go, "
        f"and no other space covers most of it",
        mend=f"deliver {old.codes[i]} too, with its new parent, or keep {old.parents[i]}",
        at=(float(middle.x), float(middle.y)),
    )


def _said_adopted(adopted: Mapping[str, str]) -> Finding:
    some = ", ".join(f"{code} by {parent}" for code, parent in list(adopted.items())[:3])
    more = f" and {len(adopted) - 3} more" if len(adopted) > 3 else ""
    return Finding(
        kind="adopted",
        weight=Weight.NOTE,
        codes=tuple(adopted),
        detail=f"{len(adopted)} spaces that their parent covers no more are taken over by the one "
        f"that covers most of them: {some}{more}",
    )
