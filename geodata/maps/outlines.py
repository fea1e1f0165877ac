"""Judge each outline alone: valid, of a likely size, without repeated vertices, not far away."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import shapely

from geodata.maps.laid import Laid, finding
from geodata.maps.limits import Limits
from geodata.maps.model import Finding, Weight
from geodata.maps.plane import polygons_only
from geodata.said import KINDS_ZH, Said

_FLAT_M2 = 0.01
"""An outline with less area is a line whose points were rounded."""

_NESTED = Said("内环互相嵌套", "a hole lies in another hole")
_REASONS = {
    "Self-intersection": Said("边界自相交", "the border crosses itself"),
    "Ring Self-intersection": Said("环自接触于一点", "the border touches itself in a point"),
    "Hole lies outside shell": Said("内环位于外环之外", "a hole lies outside the border"),
    "Holes are nested": _NESTED,
    "Nested holes": _NESTED,
    "Interior is disconnected": Said("内部被内环隔断", "holes cut the area in two"),
    "Nested shells": Said("部件互相嵌套", "a part lies inside another part"),
    "Duplicate Rings": Said("环重复", "a ring stands twice"),
    "Too few points in geometry component": Said(
        "环的节点不足三个", "a ring has fewer than three corners"
    ),
    "Invalid Coordinate": Said("坐标不是有效数值", "a coordinate is no number"),
    "Ring is not closed": Said("环未闭合", "a ring is not closed"),
}
"""GEOS's words -> ours."""


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
        code = laid.cells.codes[i]
        why = (
            Said(f"{code} 没有轮廓", f"{code} has no outline")
            if hollow[i]
            else Said(f"{code} 的轮廓面积为零", f"{code} has an outline without area")
        )
        yield finding(
            laid, "empty_geometry", Weight.ERROR, [i], why,
            mend=Said("请补绘轮廓，或从文件中删除该要素",
                      "draw it, or take the feature out of the file"),
        )  # fmt: skip


def _far(laid: Laid, limits: Limits) -> Iterator[Finding]:
    far = np.flatnonzero(laid.far).tolist()
    km = f"{limits.far_m / 1000:g} km"
    if far and len(far) == len(laid.cells):
        yield finding(
            laid, "far_vertices", Weight.ERROR, far,
            Said(
                f"全部 {len(far)} 个轮廓距辖区超过 {km}，或不在地球范围内",
                f"all {len(far)} outlines lie more than {km} from the district, "
                "or nowhere on the earth",
            ),
            mend=Said(
                "请按文件实际情况声明坐标系：核对横坐标是否带带号、投影带以及坐标轴顺序",
                "declare the coordinate system that the file is in: look at its eastings (with or "
                "without the number of the zone), its zone and the order of its axes",
            ),
        )  # fmt: skip
        return
    for i in far:
        code, (lon, lat) = laid.cells.codes[i], _farthest(laid, i)
        yield finding(
            laid, "far_vertices", Weight.ERROR, [i],
            Said(
                f"{code} 有节点位于 {lon:g}, {lat:g}，距辖区超过 {km}",
                f"{code} has a vertex at {lon:g}, {lat:g}, more than {km} from the district",
            ),
            mend=Said("请改正该节点；该要素的其他内容未作检查",
                      "correct the vertex; nothing else of this cell was judged"),
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
        code, parts = laid.cells.codes[i], shapely.get_num_geometries(after)
        valid, drawn_m2 = f"{shapely.area(after):,.1f} m²", f"{shapely.area(before):,.1f} m²"
        found = finding(
            laid, "invalid_geometry", Weight.ERROR, [i],
            Said(f"{code}：{reason.zh}", f"{code}: {reason.en}"),
            mend=Said(
                f"修复后面积为 {valid}（原为 {drawn_m2}），共 {parts} 个部分",
                f"made valid it has {valid} instead of {drawn_m2}, "
                f"in {parts} part{'s' if parts != 1 else ''}",
            ),
            spot=after,
        )  # fmt: skip
        yield found if at is None else replace(found, at=at)


def _reason(said: str) -> tuple[Said, tuple[float, float] | None]:
    """Return GEOS's reason in plain words, and the point it names."""
    match = re.fullmatch(r"([A-Za-z -]+?)(?:\[(\S+) (\S+)\])?", said)
    if match is None:
        return _of_geos(said), None
    words = _REASONS.get(match[1], _of_geos(match[1]))
    if match[2] is None:
        return words, None
    lon, lat = float(match[2]), float(match[3])
    if not np.isfinite([lon, lat]).all():
        return words, None
    place = f"{lon:.6f}, {lat:.6f}"
    return Said(f"{words.zh}，位于 {place}", f"{words.en} at {place}"), (
        round(lon, 7),
        round(lat, 7),
    )


def _of_geos(reason: str) -> Said:
    return Said(f"几何无效（{reason}）", reason)


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
            Said(
                f"{len(twice)} 个轮廓共有 {int(more[twice].sum())} 个相邻重复节点",
                f"{int(more[twice].sum())} vertices of {len(twice)} outlines stand twice in a row",
            ),
            mend=Said("去掉后轮廓不变", "without them the outlines are the same"),
        )  # fmt: skip


def _sizes(laid: Laid, limits: Limits) -> Iterator[Finding]:
    sizes = shapely.area(laid.shapes)
    for i in np.flatnonzero(sizes >= _FLAT_M2).tolist():
        kind = laid.cells.kinds[i]
        least, most = limits.sizes_m2.get(kind, (0.0, np.inf))
        if least <= sizes[i] <= most:
            continue
        tiny, code = sizes[i] < least, laid.cells.codes[i]
        word, bound = ("tiny_cell", least) if tiny else ("huge_cell", most)
        yield finding(
            laid, word, Weight.WARNING, [i],
            Said(
                f"{code} 面积为 {sizes[i]:,.1f} m²；{KINDS_ZH[kind]}应"
                f"{'不小于' if tiny else '不大于'} {bound:,.0f} m²",
                f"{code} has {sizes[i]:,.1f} m²; a {kind} has "
                f"{'at least' if tiny else 'at most'} {bound:,.0f} m²",
            ),
            mend=Said("请核对层级是否正确、轮廓是否完整",
                      "look whether its kind is right and its outline whole"),
            area_m2=sizes[i], spot=polygons_only(laid.shapes[i : i + 1])[0],
        )  # fmt: skip
