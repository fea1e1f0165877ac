"""Overlaps of cells of one kind: their area and place, and whether they are slivers."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import shapely
from shapely import STRtree

from core.model import SpaceKind
from geodata.maps.laid import Laid, finding, of_kind
from geodata.maps.limits import Limits
from geodata.maps.model import Finding, Shapes, Weight
from geodata.maps.plane import F8, mean_width, polygons_only
from geodata.said import Said


def judge(laid: Laid, limits: Limits) -> Iterator[Finding]:
    """Yield the overlaps among the map's cells, and of these with cells that stay in force."""
    for kind in SpaceKind:
        mine = of_kind(laid.cells, kind)
        if not len(mine):
            continue
        shapes = laid.shapes[mine]
        first, second = STRtree(shapes).query(shapes, predicate="intersects")
        once = first < second
        for k, shape, width in _shared(shapes[first[once]], shapes[second[once]], limits):
            i, j = int(mine[first[once][k]]), int(mine[second[once][k]])
            other = Said(laid.cells.codes[j], laid.cells.codes[j])
            yield _overlap(laid, limits, [i, j], other, laid.shapes[j], shape, width)
        yield from _with_rest(laid, limits, kind)


def _with_rest(laid: Laid, limits: Limits, kind: SpaceKind) -> Iterator[Finding]:
    mine, theirs = of_kind(laid.cells, kind), of_kind(laid.rest, kind)
    if not len(theirs):
        return
    shapes, rest = laid.shapes[mine], laid.rest_shapes[theirs]
    first, second = STRtree(rest).query(shapes, predicate="intersects")
    for k, shape, width in _shared(shapes[first], rest[second], limits):
        i, j = int(mine[first[k]]), int(theirs[second[k]])
        code = laid.rest.codes[j]
        other = Said(f"仍然有效的 {code} ", f"{code}, which stays in force")
        yield _overlap(laid, limits, [i], other, laid.rest_shapes[j], shape, width)


def _shared(
    one: Shapes, other: Shapes, limits: Limits
) -> Iterator[tuple[int, shapely.Geometry, float]]:
    """Yield the pairs whose common area counts, with this area and its mean width in metres."""
    common = polygons_only(shapely.intersection(one, other))
    common = wide_parts(common, limits.width_m)
    sizes = shapely.area(common)
    widths = mean_width(sizes, common)
    for k in np.flatnonzero(sizes >= limits.area_m2).tolist():
        yield k, common[k], float(widths[k])


def wide_parts(shapes: Shapes, width_m: float) -> Shapes:
    """Return what is left of areas without everything narrower than ``width_m``.

    An opening with sharp corners: areas wider than that keep their size, slits vanish.
    """
    found = shapes.copy()
    thin = np.flatnonzero(shapely.area(shapes) > 0)
    inner = shapely.buffer(shapes[thin], -width_m / 2, join_style="mitre")
    outer = shapely.buffer(inner, width_m / 2, join_style="mitre")
    found[thin] = shapely.intersection(outer, shapes[thin])
    return polygons_only(found)


def largest_part(shape: shapely.Geometry) -> shapely.Geometry:
    """Return the largest of an area's parts."""
    parts = shapely.get_parts(shape)
    sizes: F8 = shapely.area(parts)
    return parts[int(np.argmax(sizes))]


def _overlap(
    laid: Laid,
    limits: Limits,
    indices: list[int],
    other: Said,
    other_shape: shapely.Geometry,
    shape: shapely.Geometry,
    width_m: float,
) -> Finding:
    code, size = laid.cells.codes[indices[0]], shapely.area(shape)
    smaller = min(shapely.area(laid.shapes[indices[0]]), shapely.area(other_shape))
    share = size / smaller
    sliver = width_m < limits.sliver_m and share < limits.gone_astray_share
    astray = share >= limits.gone_astray_share
    if sliver:
        detail = Said(
            f"{code} 与 {other.zh} 重叠成狭缝，面积 {size:,.1f} m²，宽 {width_m:.2f} m",
            f"{code} and {other.en} overlap in a strip of {size:,.1f} m², {width_m:.2f} m wide",
        )
        mend = Said("请只绘一条公共边界，两侧共用", "draw the border once and let both follow it")
    else:
        detail = Said(
            f"{code} 与 {other.zh} 重叠 {size:,.1f} m²，占较小者的 {share:.1%}",
            f"{code} and {other.en} share {size:,.1f} m², {share:.1%} of the smaller one",
        )
        mend = (
            Said(
                "其中之一可能在图中重复，请去掉一个",
                "one of them seems to stand twice in the map; take one out",
            )
            if astray
            else Said(
                "请确定重叠部分的归属，只绘一条公共边界",
                "decide to which the ground belongs and draw the border once",
            )
        )
    return finding(
        laid, "sliver" if sliver else "overlap", Weight.ERROR if astray else Weight.WARNING,
        indices, detail, mend=mend, area_m2=size, spot=largest_part(shape),
    )  # fmt: skip
