"""The judgement of a map against the one in force: report, diff, and the plan that follows. Pure.

``geodata.maps`` looks at outlines and codes; here is added what only the whole store knows: what a
file does not say is kept, what stays needs a parent, and a map that ends much says so loudly.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

import msgspec
import numpy as np
import shapely

from core.model import SpaceKind
from geodata.maps.check import check
from geodata.maps.diff import Diff, diff
from geodata.maps.model import Cells, Finding, MapContent, Source, Weight, told
from geodata.said import Said, quoted
from twin.district import CODE_PATTERN
from twin.maps import columns, plan
from twin.maps.in_force import InForce, taken
from twin.maps.plan import Plan, Touched

_READING, _JUDGING = "reading", "judging"


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """A map that was looked at.

    Attributes:
        cells: all of the file, parents filled in; ``given`` the same as the file has them.
        usable: those that could be compared: with a polygon that is valid, each code once.
        findings: of reading, checking and planning, the errors first; ``report`` the same as plain
            JSON, with the ``stage`` that each was found at.
        diff: of the usable cells; ``facts`` the same as plain JSON, as a proposal keeps it.
    """

    cells: Cells
    given: Cells
    usable: Cells
    findings: tuple[Finding, ...]
    report: tuple[dict[str, Any], ...]
    diff: Diff
    facts: dict[str, Any]
    plan: Plan


def judge(
    content: MapContent, in_force: InForce, *, partial: bool, within: str | None = None
) -> Judged:
    """Judge a map.

    Args:
        partial: the file is a part; nothing that it lacks is gone.
        within: code of a space: only what lies in it can go. None: everywhere.
    """
    given = replace(content.cells, outlines=columns.rounded(content.cells.outlines))
    told, lost = _within(within, in_force)
    replaced: set[SpaceKind] = set() if partial or lost else set(given.kinds)
    checked = check(
        completed(given, in_force),
        in_force.cells,
        kinds_replaced=set() if partial else None,
        within=told,
        declared=content.source.frame,
    )
    usable = _usable(checked.cells)
    found = diff(usable, in_force.cells, kinds_replaced=replaced, within=told)
    facts = _facts(found)
    touched = touched_of(facts)
    planned = plan.make(usable, touched, content.source, in_force)
    later = [*checked.findings, *planned.findings, *lost]
    later += plan.loud(touched, in_force, whole=replaced)
    later += _odd_codes(checked.cells)
    report = _report(content.findings, later)
    return Judged(
        cells=checked.cells,
        given=given,
        usable=usable,
        findings=tuple(msgspec.convert(report, list[Finding])),
        report=tuple(report),
        diff=found,
        facts=facts,
        plan=planned,
    )


def touched_of(facts: dict[str, Any]) -> Touched:
    """Return the codes that a kept diff names."""
    drawn = frozenset(facts["added"]) | {one["code"] for one in facts["redrawn"]}
    return Touched(
        drawn=drawn,
        worded=frozenset(one["code"] for one in facts["changed"]) - drawn,
        gone=frozenset(facts["gone"]),
    )


def source_of(file: dict[str, Any]) -> Source:
    """Return where a map came from, of a proposal's words."""
    return msgspec.convert(file, Source)


def of_reading(findings: Iterable[dict[str, Any]]) -> tuple[Finding, ...]:
    """Return the kept findings that reading the file gave; the others are made anew."""
    return tuple(msgspec.convert(one, Finding) for one in findings if one["stage"] == _READING)


def _report(reading: Iterable[Finding], judging: Iterable[Finding]) -> list[dict[str, Any]]:
    rows = [
        msgspec.to_builtins(one) | {"stage": stage}
        for stage, findings in ((_READING, reading), (_JUDGING, judging))
        for one in findings
    ]
    order = [str(weight) for weight in Weight]
    return sorted(rows, key=lambda row: order.index(row["weight"]))


def _within(within: str | None, in_force: InForce) -> tuple[str | None, list[Finding]]:
    if within is None or within in in_force.cells.codes:
        return within, []
    return None, [
        told(
            "unknown_within",
            Weight.ERROR,
            Said(
                f"声明地图在{quoted(within)}范围内，但现行地图中没有该单元",
                f"the map should lie within {within!r}, which is no space in force",
            ),
            Said(
                "请填写本图所属街道或社区的编码",
                "name the code of the street or community that the map is of",
            ),
            codes=(within,),
        )
    ]


def completed(cells: Cells, in_force: InForce) -> Cells:
    """Keep the names and heights in force where the file does not say any."""
    old, at = in_force.cells, in_force.index()
    places = [at.get(code) for code in cells.codes]

    def kept(new: tuple[str, ...], known: tuple[str, ...]) -> tuple[str, ...]:
        pairs = zip(new, places, strict=True)
        return tuple(text or (known[i] if i is not None else "") for text, i in pairs)

    heights = cells.heights_m.copy()
    for k, i in enumerate(places):
        if i is not None and np.isnan(heights[k]):
            heights[k] = old.heights_m[i]
    return replace(
        cells,
        names=kept(cells.names, old.names),
        names_en=kept(cells.names_en, old.names_en),
        heights_m=heights,
    )


def _usable(cells: Cells) -> Cells:
    """The cells that can be compared and placed in; why not the others, the check has said."""
    polygons = np.isin(shapely.get_type_id(cells.outlines), (3, 6))
    valid = polygons & shapely.is_valid(cells.outlines) & ~shapely.is_empty(cells.outlines)
    seen: set[str] = set()
    keep = []
    for i, code in enumerate(cells.codes):
        if valid[i] and code and code not in seen:
            seen.add(code)
            keep.append(i)
    return taken(cells, keep)


def _odd_codes(cells: Cells) -> list[Finding]:
    odd = [i for i, code in enumerate(cells.codes) if not CODE_PATTERN.fullmatch(code)]
    return [
        told(
            "unusable_code",
            Weight.ERROR,
            Said(
                f"编码{quoted(cells.codes[i])}不可用：须为 1 至 64 个字符，不含空格和 "
                "/ \\ ? # % & ,",
                f"the code {cells.codes[i]!r} cannot be used: 1 to 64 signs, no blank, none of "
                "/ \\ ? # % & ,",
            ),
            Said("请为该单元另行编码", "give the space another code"),
            codes=(cells.codes[i],),
            where=cells.wheres[i],
        )
        for i in odd[:100]
    ]


def _facts(found: Diff) -> dict[str, Any]:
    facts: dict[str, Any] = msgspec.to_builtins(found)
    return facts | {
        "counts": {
            "added": len(found.added),
            "redrawn": len(found.redrawn),
            "changed": len({one.code for one in found.changed}),
            "gone": len(found.gone),
            "same": found.same,
        }
    }
