"""A picture of a proposal: what is in force beside what would be, changes in colour and hatching.

Both halves show the same ground: what changes, with a margin; a small map says where that is.
Chinese and English; needs Pillow (the ``gis`` extra).
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from io import BytesIO
from typing import TYPE_CHECKING

import numpy as np
import shapely

from core.errors import MissingPrerequisite
from core.model import SpaceKind
from geodata.maps.diff import Diff
from geodata.maps.laid import LEVEL, areas
from geodata.maps.model import Cells, Finding, Shapes, Weight
from geodata.maps.plane import Plane, plane_through
from geodata.maps.words import OTHERS, TITLES

if TYPE_CHECKING:
    from geodata.maps.canvas import Fonts, Panel

WIDTHS_PX = (640, 4000)
"""Narrower, the legend has no room; wider, it is a poster and takes minutes."""

MOST_FINDINGS = 12
_TITLES = TITLES | OTHERS
_MOST_LABELS = 60
_MARGIN = 0.12
_LEAST_VIEW_M = 250.0
_INSET_BELOW = 0.7
_BUILDINGS_BELOW_M = 3_000.0

_COLOURS = {
    Weight.ERROR: (178, 24, 43),
    Weight.WARNING: (179, 112, 0),
    Weight.NOTE: (90, 100, 115),
}
_CONTEXT = {
    SpaceKind.DISTRICT: ((60, 60, 60), 2.6),
    SpaceKind.STREET: ((95, 95, 95), 2.0),
    SpaceKind.COMMUNITY: ((150, 150, 150), 1.2),
    SpaceKind.GRID: ((185, 185, 185), 0.8),
    SpaceKind.BLOCK: ((190, 190, 186), 0.8),
    SpaceKind.BUILDING: ((205, 205, 200), 0.5),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class _Side:
    """One half: the cells that it shows and their areas; ``at`` finds a code."""

    cells: Cells
    shapes: Shapes
    at: dict[str, int]

    def of(self, codes: Collection[str]) -> Shapes:
        found: Shapes = self.shapes[[self.at[code] for code in codes if code in self.at]]
        return found


def draw(
    diff: Diff,
    cells: Cells,
    existing: Cells,
    findings: Sequence[Finding] = (),
    *,
    width_px: int = 1600,
    title: str = "",
    fonts: Fonts | None = None,
) -> bytes:
    """Return the picture as PNG.

    Args:
        diff: of ``cells`` against ``existing``.
        findings: the first dozen are listed; those with a place inside the picture are marked.
        width_px: 640 to 4000; the height follows.
        title: a line of the caller's, e.g. the file's name.

    Raises:
        MissingPrerequisite: if Pillow is not installed.
        ValueError: for a width out of range.
    """
    if not WIDTHS_PX[0] <= width_px <= WIDTHS_PX[1]:
        raise ValueError(f"a width of {width_px} is not in {WIDTHS_PX[0]} to {WIDTHS_PX[1]} pixels")
    canvas_fonts = fonts if fonts is not None else _fonts()
    from geodata.maps import sheet

    plane = plane_through(existing.outlines, cells.outlines)
    before, after = _side(existing, plane), _side(_would_be(diff, cells, existing), plane)
    view = _view(diff, before, after)
    side_px = (width_px - 3 * sheet.EDGE) // 2
    size = (side_px, round(side_px * 0.86))
    shown = _numbered(findings, plane, view)
    left = sheet.panel(view, size, canvas_fonts)
    right = sheet.panel(view, size, canvas_fonts)
    _context(left, before)
    _context(right, after)
    redrawn = [one.code for one in diff.redrawn]
    sheet.changes_before(left, before.of(diff.gone), before.of(redrawn))
    sheet.changes_after(right, after.of(diff.added), after.of(redrawn), before.of(redrawn))
    for half, side in ((left, before), (right, after)):
        _large_borders(half, side)
    small = None
    if _is_part(view, before, after):
        changed = before.of([*diff.gone, *redrawn])
        small = sheet.small_map(left, _everything(before, after), changed)
    for number, one, at in shown:
        if at is not None:
            right.mark(number, at, _COLOURS[one.weight])
    _labels(left, before, [*diff.gone, *redrawn])
    _labels(right, after, [*diff.added, *redrawn])
    image = sheet.assembled(
        left, right,
        small=small,
        heading=sheet.Heading(
            title=title, added=len(diff.added), redrawn=len(diff.redrawn), gone=len(diff.gone),
            changed=len({one.code for one in diff.changed}), same=diff.same,
        ),
        lines=[
            sheet.line(number, _COLOURS[one.weight], _TITLES.get(one.kind, (one.kind, one.kind)),
                       (one.detail_zh, one.detail))
            for number, one, _ in shown
        ],
        more=max(0, len(findings) - MOST_FINDINGS),
        width_px=width_px,
    )  # fmt: skip
    out = BytesIO()
    image.save(out, "PNG", optimize=True)
    return out.getvalue()


def _fonts() -> Fonts:
    try:
        from geodata.maps.canvas import Fonts as Found
    except ModuleNotFoundError as missing:
        if (missing.name or "").split(".")[0] != "PIL":
            raise
        raise MissingPrerequisite(
            "the picture of a map needs Pillow", remedy="pip install 'blocktwin[gis]'"
        ) from missing
    return Found()


def _side(cells: Cells, plane: Plane) -> _Side:
    shapes = areas(plane.laid(cells.outlines))
    return _Side(cells=cells, shapes=shapes, at={code: i for i, code in enumerate(cells.codes)})


def _would_be(diff: Diff, cells: Cells, existing: Cells) -> Cells:
    """Return what would be in force: the map, and of what is in force all that stays."""
    from geodata.maps.scope import chosen

    out = set(diff.gone) | set(cells.codes)
    rest = chosen(existing, np.array([code not in out for code in existing.codes], dtype=bool))
    return Cells(
        codes=cells.codes + rest.codes,
        kinds=cells.kinds + rest.kinds,
        names=cells.names + rest.names,
        names_en=cells.names_en + rest.names_en,
        parents=cells.parents + rest.parents,
        heights_m=np.concatenate([cells.heights_m, rest.heights_m]),
        outlines=np.concatenate([cells.outlines, rest.outlines]),
        wheres=cells.wheres + rest.wheres,
    )


def _view(diff: Diff, before: _Side, after: _Side) -> tuple[float, float, float, float]:
    """Return the box of what changes with a margin; of everything if nothing does."""
    redrawn = [one.code for one in diff.redrawn]
    worded = [one.code for one in diff.changed]
    changed = np.concatenate(
        [before.of([*diff.gone, *redrawn]), after.of([*diff.added, *redrawn, *worded])]
    )
    box = _box(changed) if len(changed) else None
    box = box or _box(_everything(before, after)) or (0.0, 0.0, 1000.0, 1000.0)
    west, south, east, north = box
    x, y = (west + east) / 2, (south + north) / 2
    half_w = max((east - west) / 2 * (1 + 2 * _MARGIN), _LEAST_VIEW_M / 2)
    half_h = max((north - south) / 2 * (1 + 2 * _MARGIN), _LEAST_VIEW_M / 2)
    return x - half_w, y - half_h, x + half_w, y + half_h


def _box(shapes: Shapes) -> tuple[float, float, float, float] | None:
    if not len(shapes) or shapely.is_empty(shapes).all():
        return None
    box = shapely.total_bounds(shapes)
    return tuple(box.tolist()) if np.isfinite(box).all() else None


def _everything(before: _Side, after: _Side) -> Shapes:
    """Return the largest kind that is there, for the small map."""
    for side in (before, after):
        for kind in SpaceKind:
            here = [i for i, one in enumerate(side.cells.kinds) if one is kind]
            shapes: Shapes = side.shapes[here]
            if here and not shapely.is_empty(shapes).all():
                return shapes
    return np.array([], dtype=object)


def _is_part(view: tuple[float, float, float, float], before: _Side, after: _Side) -> bool:
    box = _box(_everything(before, after))
    if box is None:
        return False
    whole = max(box[2] - box[0], box[3] - box[1])
    return max(view[2] - view[0], view[3] - view[1]) < _INSET_BELOW * whole


def _context(panel: Panel, side: _Side) -> None:
    """Draw all cells lightly, the small ones first, so that larger borders lie on top."""
    from geodata.maps.canvas import Ink

    wide = panel.view[2] - panel.view[0]
    for kind in sorted(SpaceKind, key=lambda kind: -LEVEL[kind]):
        if kind is SpaceKind.BUILDING and wide > _BUILDINGS_BELOW_M:
            continue
        shapes = side.shapes[[i for i, one in enumerate(side.cells.kinds) if one is kind]]
        colour, width = _CONTEXT[kind]
        ink = Ink(colour=colour, width=width, fill=0.25)
        if kind in (SpaceKind.BLOCK, SpaceKind.BUILDING):
            panel.fill(shapes, ink)
        panel.border(shapes, ink)


def _large_borders(panel: Panel, side: _Side) -> None:
    """Draw the borders of streets and the district again, over what changes."""
    from geodata.maps.canvas import Ink

    for kind in (SpaceKind.STREET, SpaceKind.DISTRICT):
        shapes = side.shapes[[i for i, one in enumerate(side.cells.kinds) if one is kind]]
        colour, width = _CONTEXT[kind]
        panel.border(shapes, Ink(colour=colour, width=width))


def _labels(panel: Panel, side: _Side, changed: Sequence[str]) -> None:
    """Write the names of what changed as far as there is room, then those of streets."""
    for code in changed[:_MOST_LABELS]:
        if code in side.at:
            _label(panel, side, side.at[code], 12, (40, 40, 40))
    for i, kind in enumerate(side.cells.kinds):
        if kind is SpaceKind.STREET:
            _label(panel, side, i, 15, (95, 95, 95))


def _label(panel: Panel, side: _Side, i: int, size: int, colour: tuple[int, int, int]) -> None:
    clipped = shapely.intersection(side.shapes[i], shapely.box(*panel.view))
    if shapely.is_empty(clipped):
        return
    cells = side.cells
    name = cells.names[i] if panel.fonts.chinese else cells.names_en[i]
    text = name if name and len(name) <= 40 else cells.codes[i]
    if not panel.fonts.chinese and not text.isascii():
        text = cells.codes[i]
    spot = shapely.point_on_surface(clipped)
    box = shapely.bounds(clipped)
    room_px = (box[2] - box[0]) / panel.metres_per_pixel
    short = _short(cells, i, text)
    for one in (text, short):
        if len(one) * size * (1.0 if not one.isascii() else 0.55) <= room_px * 1.05:
            panel.label(one, (spot.x, spot.y), size=size, colour=colour)
            return


def _short(cells: Cells, i: int, name: str) -> str:
    """Return a name without its parent's, which stands at its head in most block maps."""
    parent = cells.parents[i]
    if parent in cells.codes:
        above = cells.names[cells.codes.index(parent)]
        if above and name.startswith(above) and len(name) > len(above):
            return name[len(above) :]
    return cells.codes[i][-2:] if name == cells.codes[i] else name


def _numbered(
    findings: Sequence[Finding], plane: Plane, view: tuple[float, float, float, float]
) -> list[tuple[str, Finding, tuple[float, float] | None]]:
    """Return the findings to list; those with a place in the view get a number and it."""
    found: list[tuple[str, Finding, tuple[float, float] | None]] = []
    number = 0
    for one in findings[:MOST_FINDINGS]:
        at = None
        if one.at is not None:
            x, y = plane.metres(np.array([one.at]))[0].tolist()
            if view[0] <= x <= view[2] and view[1] <= y <= view[3]:
                at = (x, y)
                number += 1
        found.append((str(number) if at else "", one, at))
    return found
