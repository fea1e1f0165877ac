"""Judge each outline alone: valid, of a likely size, without repeated vertices, not far away."""

from __future__ import annotations

import re
from collections.abc import Iterator

import numpy as np
import shapely

from geodata.maps.laid import Laid, finding
from geodata.maps.limits import Limits
from geodata.maps.model import Finding, Weight
from geodata.maps.plane import polygons_only

_FLAT_M2 = 0.01
"""An outline with less area is a line whose points were rounded."""

_REASONS = {
    "Self-intersection": "the border crosses itself (自相交)",
    "Ring Self-intersection": "the border touches itself in a point (环自接触)",
    "Hole lies outside shell": "a hole lies outside the border (洞在外环之外)",
    "Holes are nested": "a hole lies in another hole (洞套洞)",
    "Nested holes": "a hole lies in another hole (洞套洞)",
    "Interior is disconnected": "holes cut the area in two (内部不连通)",
    "Nested shells": "a part lies inside another part (部件嵌套)",
    "Duplicate Rings": "a ring stands twice (重复环)",
    "Too few points in geometry component": "a ring has fewer than three corners (点数过少)",
    "Invalid Coordinate": "a coordinate is no number (坐标无效)",
    "Ring is not closed": "a ring is not closed (环未闭合)",
}


def judge(laid: Laid, limits: Limits) -> Iterator[Finding]:
    """Yield what is wrong with the outlines themselves."""
    yield from _empty(laid)
    yield from _far(laid, limits)
    yield from _invalid(laid)
    yield from _repeated(laid)
    yield from _sizes(laid, limits)


def _empty(laid: Laid) -> Iterator[Finding]:
    outlines = laid.cells.outlines
    hollow = shapely.is_missing(outlines) | shapely.is_empty(outlines)
    flat = ~hollow & ~laid.far & (shapely.area(laid.shapes) < _FLAT_M2)
    for i in np.flatnonzero(hollow | flat).tolist():
        why = "has no outline" if hollow[i] else "has an outline without area"
        yield finding(
            laid, "empty_geometry", Weight.ERROR, [i], f"{laid.cells.codes[i]} {why}",
            mend="draw it, or take the feature out of the file",
        )  # fmt: skip


def _far(laid: Laid, limits: Limits) -> Iterator[Finding]:
    far = np.flatnonzero(laid.far).tolist()
    if far and len(far) == len(laid.cells):
        yield finding(
            laid, "far_vertices", Weight.ERROR, far,
            f"all {len(far)} outlines lie more than {limits.far_m / 1000:g} km from the district, "
            "or nowhere on the earth",
            mend="declare the coordinate system that the file is in: look at its eastings (with or "
            "without the number of the zone), its zone and the order of its axes",
        )  # fmt: skip
        return
    for i in far:
        lon, lat = _farthest(laid, i)
        yield finding(
            laid, "far_vertices", Weight.ERROR, [i],
            f"{laid.cells.codes[i]} has a vertex at {lon:g}, {lat:g}, more than "
            f"{limits.far_m / 1000:g} km from the district",
            mend="correct the vertex; nothing else of this cell was judged",
        )  # fmt: skip


def _farthest(laid: Laid, i: int) -> tuple[float, float]:
    points = shapely.get_coordinates(laid.cells.outlines[i])
    away = np.hypot(*(points - np.array(laid.plane.middle)).T)
    lon, lat = points[int(np.argmax(np.where(np.isfinite(away), away, np.inf)))]
    return float(lon), float(lat)


def _invalid(laid: Laid) -> Iterator[Finding]:
    outlines = laid.cells.outlines
    wrong = np.flatnonzero(
        ~shapely.is_valid(outlines) & ~shapely.is_missing(outlines) & ~laid.far
    ).tolist()
    drawn = laid.plane.laid(outlines[wrong])
    for i, before in zip(wrong, drawn, strict=True):
        reason, at = _reason(shapely.is_valid_reason(outlines[i]))
        after = laid.shapes[i]
        parts = shapely.get_num_geometries(after)
        found = finding(
            laid, "invalid_geometry", Weight.ERROR, [i], f"{laid.cells.codes[i]}: {reason}",
            mend=f"made valid it has {shapely.area(after):,.1f} m² instead of "
            f"{shapely.area(before):,.1f} m², in {parts} part{'s' if parts != 1 else ''}",
            spot=after,
        )  # fmt: skip
        yield found if at is None else _at(found, at)


def _at(found: Finding, at: tuple[float, float]) -> Finding:
    return Finding(
        kind=found.kind, weight=found.weight, codes=found.codes, detail=found.detail,
        where=found.where, mend=found.mend, area_m2=found.area_m2, at=at,
    )  # fmt: skip


def _reason(said: str) -> tuple[str, tuple[float, float] | None]:
    """Return GEOS's reason in plain words, and the point it names."""
    match = re.fullmatch(r"([A-Za-z -]+?)(?:\[(\S+) (\S+)\])?", said)
    if match is None:
        return said, None
    words = _REASONS.get(match[1], match[1])
    if match[2] is None:
        return words, None
    lon, lat = float(match[2]), float(match[3])
    if not np.isfinite([lon, lat]).all():
        return words, None
    return f"{words} at {lon:.6f}, {lat:.6f}", (round(lon, 7), round(lat, 7))


def _repeated(laid: Laid) -> Iterator[Finding]:
    usable = np.flatnonzero(~laid.far & (shapely.area(laid.shapes) > 0))
    drawn = laid.cells.outlines[usable]
    more = shapely.get_num_coordinates(drawn) - shapely.get_num_coordinates(
        shapely.remove_repeated_points(drawn, 0.0)
    )
    twice = np.flatnonzero(more > 0)
    if len(twice):
        yield finding(
            laid, "repeated_vertices", Weight.NOTE, usable[twice].tolist(),
            f"{int(more[twice].sum())} vertices of {len(twice)} outlines stand twice in a row",
            mend="without them the outlines are the same",
        )  # fmt: skip


def _sizes(laid: Laid, limits: Limits) -> Iterator[Finding]:
    sizes = shapely.area(laid.shapes)
    for i in np.flatnonzero(sizes >= _FLAT_M2).tolist():
        kind = laid.cells.kinds[i]
        least, most = limits.sizes_m2.get(kind, (0.0, np.inf))
        if least <= sizes[i] <= most:
            continue
        word, bound = ("tiny_cell", least) if sizes[i] < least else ("huge_cell", most)
        yield finding(
            laid, word, Weight.WARNING, [i],
            f"{laid.cells.codes[i]} has {sizes[i]:,.1f} m²; a {kind} has "
            f"{'at least' if sizes[i] < least else 'at most'} {bound:,.0f} m²",
            mend="look whether its kind is right and its outline whole",
            area_m2=sizes[i], spot=polygons_only(laid.shapes[i : i + 1])[0],
        )  # fmt: skip
