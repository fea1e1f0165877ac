"""Gaps: ground of a parent that none of its cells covers, and holes where no parent is drawn."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import shapely

from core.model import SpaceKind
from geodata.maps.laid import Laid, finding, of_kind
from geodata.maps.limits import Limits
from geodata.maps.model import Finding, Shapes, Weight
from geodata.maps.overlap import wide_parts
from geodata.maps.plane import mean_width, polygons_only
from geodata.said import KINDS_ZH, Said


def judge(laid: Laid, limits: Limits) -> Iterator[Finding]:
    """Yield the gaps between cells of the kinds that cover their parent without rest.

    The parents of ``laid.cells`` are filled in. Cells that stay in force cover ground too.
    """
    outlines = _known_outlines(laid)
    for kind in SpaceKind:
        if kind not in limits.partitions:
            continue
        mine, theirs = of_kind(laid.cells, kind), of_kind(laid.rest, kind)
        if not len(mine):
            continue
        groups: dict[str, list[int]] = {}
        for i in mine.tolist():
            parent = laid.cells.parents[i]
            groups.setdefault(parent if parent in outlines else "", []).append(i)
        cover = np.concatenate([laid.shapes[mine], laid.rest_shapes[theirs]])
        tree = shapely.STRtree(cover)
        for parent, children in groups.items():
            if parent:
                near = cover[tree.query(outlines[parent], predicate="intersects")]
                open_ground = shapely.difference(outlines[parent], shapely.union_all(near))
                place = Said(f"{parent} 内", f"inside {parent}")
            else:
                union = shapely.union_all(
                    np.concatenate([laid.shapes[children], cover[len(mine) :]])
                )
                open_ground = _holes(union)
                place = Said(f"{KINDS_ZH[kind]}之间", f"between the cells of kind {kind}")
            yield from _told(laid, limits, children, open_ground, place)


def _known_outlines(laid: Laid) -> dict[str, shapely.Geometry]:
    """Return the areas by code, of the map before those in force."""
    found = dict(zip(laid.rest.codes, laid.rest_shapes, strict=True))
    found.update(zip(laid.cells.codes, laid.shapes, strict=True))
    return {code: shape for code, shape in found.items() if not shapely.is_empty(shape)}


def _holes(union: shapely.Geometry) -> shapely.Geometry:
    rings = [
        shapely.get_interior_ring(part, k)
        for part in shapely.get_parts(union)
        for k in range(shapely.get_num_interior_rings(part))
    ]
    return shapely.union_all(shapely.polygons(rings)) if rings else shapely.Polygon()


def _told(
    laid: Laid, limits: Limits, children: list[int], ground: shapely.Geometry, place: Said
) -> Iterator[Finding]:
    """Yield the parts of open ground that are large and wide enough."""
    wide = wide_parts(polygons_only(np.array([ground], dtype=object)), limits.width_m)[0]
    parts: Shapes = shapely.get_parts(wide)
    sizes = shapely.area(parts)
    widths = mean_width(sizes, parts)
    tree = shapely.STRtree(laid.shapes[children])
    for k in np.argsort(-sizes).tolist():
        if sizes[k] < limits.area_m2:
            continue
        near = tree.query(parts[k], predicate="dwithin", distance=limits.width_m)
        beside = [children[n] for n in sorted(near.tolist())] or children[:1]
        sliver = widths[k] < limits.sliver_m
        detail, mend = _strip(place, sizes[k], widths[k]) if sliver else _hole(place, sizes[k])
        yield finding(
            laid, "sliver" if sliver else "gap", Weight.WARNING, beside, detail, mend=mend,
            area_m2=sizes[k], spot=parts[k],
        )  # fmt: skip


def _strip(place: Said, size: float, width: float) -> tuple[Said, Said]:
    return Said(
        f"{place.zh}有狭缝不属于任何单元，面积 {size:,.1f} m²，宽 {width:.2f} m",
        f"a strip of {size:,.1f} m², {width:.2f} m wide, {place.en} belongs to no cell",
    ), Said(
        "请只绘一条公共边界，两侧共用", "draw the border once and let both neighbours follow it"
    )


def _hole(place: Said, size: float) -> tuple[Said, Said]:
    return Said(
        f"{place.zh}有空隙 {size:,.1f} m² 不属于任何单元",
        f"{size:,.1f} m² {place.en} belong to no cell",
    ), Said("请将该地块划入某一单元，或补绘单元", "give the ground to a cell, or draw one for it")
