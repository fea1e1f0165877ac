"""Judge a block map before it is brought into force: everything a person should know of it.

The parts look at outlines, overlaps, gaps, codes, parents, and whether the map as a whole lies
where it should; this module puts them in order. ``docs/map-checks.md`` explains every kind.
Nothing is changed but one thing: parents that the file does not name are filled in.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass, replace

import shapely

from core.model import SpaceKind
from geodata.maps import gaps, labels, outlines, overlap, parents
from geodata.maps.laid import lay
from geodata.maps.limits import Limits
from geodata.maps.model import Cells, Finding, Weight, told
from geodata.maps.shift import shift
from geodata.said import Said

__all__ = ["KINDS", "Checked", "Limits", "check", "shift"]

KINDS = (
    "shift", "far_vertices", "empty_geometry", "invalid_geometry", "duplicate_code",
    "malformed_code", "rounded_codes", "orphan", "unknown_parent", "parent_disagrees",
    "outside_parent", "overlap", "gap", "sliver", "tiny_cell", "huge_cell", "repeated_vertices",
    "parent_found",
)  # fmt: skip
"""Every kind of finding that is made here, in the order in which they are told."""

_WEIGHTS = tuple(Weight)
_OF_THE_PLACE = frozenset({"far_vertices", "outside_parent", "overlap", "gap", "sliver"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Checked:
    """A map with its parents filled in, and what was found: errors first, then by kind."""

    cells: Cells
    findings: tuple[Finding, ...]

    @property
    def passed(self) -> bool:
        """Whether no finding stops the import."""
        return all(one.weight is not Weight.ERROR for one in self.findings)


def check(
    cells: Cells,
    existing: Cells,
    *,
    limits: Limits | None = None,
    kinds_replaced: Collection[SpaceKind] | None = None,
    within: str | shapely.Geometry | None = None,
    declared: str = "",
    outline: shapely.Geometry | None = None,
) -> Checked:
    """Judge a map against itself and against what is in force.

    Args:
        cells: the map, in degrees EPSG:4490.
        existing: everything in force, of every kind; may be empty.
        limits: from where on something is told; the defaults are explained in ``Limits``.
        kinds_replaced: as for ``diff``; None means the kinds that the map has.
        within: as for ``diff``; cells outside of it stay and are neighbours of the new ones.
        declared: the frame the file was read in, as ``geodata.frames`` names it; it helps to name
            the cause of a shift.
        outline: of the district, in degrees, if none is in force.

    Raises:
        ValueError: if ``within`` is a code that nobody knows.
    """
    limits = limits or Limits()
    kinds = set(cells.kinds) if kinds_replaced is None else kinds_replaced
    laid = lay(cells, existing, kinds_replaced=kinds, within=within, far_m=limits.far_m)
    moved = shift(cells, existing, declared=declared, outline=outline, shift_m=limits.shift_m)
    findings = [moved] if moved is not None else []
    findings += outlines.judge(laid, limits)
    findings += labels.judge(laid, existing)
    laid, about_parents = parents.fill(laid)
    findings += about_parents
    findings += parents.judge(laid, limits)
    findings += overlap.judge(laid, limits)
    findings += gaps.judge(laid, limits)
    if moved is not None and not moved.codes:
        findings = _without_consequences(moved, findings)
    return Checked(cells=laid.cells, findings=tuple(_bounded(findings, limits.most)))


def _without_consequences(moved: Finding, findings: list[Finding]) -> list[Finding]:
    """Leave out what a whole map in the wrong place brings with it: one cause, not 200 errors."""
    rest = [one for one in findings if one.kind not in _OF_THE_PLACE]
    hidden = len(findings) - len(rest)
    if not hidden:
        return findings
    cause = replace(
        moved,
        mend=f"{moved.mend}; {hidden:,} findings that follow from it are left out until then",
        mend_zh=f"{moved.mend_zh}；由位置引起的 {hidden:,} 项问题在此之前不再列出",
    )
    return [cause if one is moved else one for one in rest]


def _bounded(findings: Iterable[Finding], most: int) -> list[Finding]:
    """Return the findings in order, of each kind and weight the first ``most``, then the number."""
    groups: dict[tuple[int, int], list[Finding]] = {}
    for one in findings:
        groups.setdefault((_WEIGHTS.index(one.weight), KINDS.index(one.kind)), []).append(one)
    told: list[Finding] = []
    for key in sorted(groups):
        group = sorted(groups[key], key=lambda one: -(one.area_m2 or 0.0))
        told += group[:most]
        if len(group) > most:
            told.append(_others(group[most:]))
    return told


def _others(rest: list[Finding]) -> Finding:
    codes = dict.fromkeys(code for one in rest for code in one.codes)
    return told(
        rest[0].kind,
        rest[0].weight,
        Said(
            f"同类问题另有 {len(rest)} 项，不再逐一列出",
            f"and {len(rest)} more of this kind, which are not told one by one",
        ),
        Said("请先改正已列出的各项，再重新检查", "mend the first ones and look again"),
        codes=tuple(codes),
    )
