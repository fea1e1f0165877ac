"""From the geometries of a file to areas: what is taken, what is taken with a note, what is not."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import shapely
from shapely.errors import GEOSException

from geodata.frames_words import HUGE
from geodata.maps.model import Finding, Shapes, Weight, told
from geodata.maps.raw import Bounds, FileRefused, RawLayer
from geodata.said import NOTHING, Said

_SHOWN = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Areas:
    """The rows of a layer that have an area.

    Attributes:
        rows: their index in the layer.
        shapes: Polygons and MultiPolygons, in the file's coordinates.
    """

    rows: tuple[int, ...]
    shapes: Shapes
    findings: tuple[Finding, ...]


def types(layer: RawLayer) -> dict[str, int]:
    """Count the geometry types of a layer; "none" is an empty geometry."""
    names = ["none" if s is None or s.is_empty else s.geom_type for s in layer.shapes]
    return dict(Counter(names).most_common())


def of(layer: RawLayer, bounds: Bounds) -> Areas:
    """Take the areas of a layer.

    Raises:
        FileRefused: if it holds too many vertices, or coordinates that are no place.
    """
    _check_size(layer, bounds)
    kept: list[int] = []
    shapes: list[shapely.Geometry] = []
    empty: list[int] = []
    closed: list[int] = []
    other: list[int] = []
    for row, shape in enumerate(layer.shapes):
        if shape is None or (shape.is_empty and shape.geom_type != "Point"):
            empty.append(row)
            continue
        area = _area(shape)
        if area is None:
            other.append(row)
            continue
        if shape.geom_type not in ("Polygon", "MultiPolygon"):
            closed.append(row)
        kept.append(row)
        shapes.append(area)
    return Areas(
        rows=tuple(kept),
        shapes=np.array(shapes, dtype=object),
        findings=tuple(_findings(layer, empty, closed, other)),
    )


def _area(shape: shapely.Geometry) -> shapely.Geometry | None:
    """Return the shape as areas, or None if it is none."""
    if shape.geom_type in ("Polygon", "MultiPolygon"):
        return shape
    parts = list(shape.geoms) if hasattr(shape, "geoms") else [shape]
    polygons: list[shapely.Polygon] = []
    for part in parts:
        if part.geom_type == "GeometryCollection":
            return None
        made = _polygons(part)
        if made is None:
            return None
        polygons += made
    if not polygons:
        return None
    return polygons[0] if len(polygons) == 1 else shapely.MultiPolygon(polygons)


def _polygons(part: shapely.Geometry) -> list[shapely.Polygon] | None:
    if part.geom_type == "Polygon":
        return [part]
    if part.geom_type == "MultiPolygon":
        return list(part.geoms)
    if part.geom_type in ("LineString", "LinearRing") and len(part.coords) >= 4 and part.is_closed:
        try:
            return [shapely.Polygon(part.coords)]
        except (GEOSException, ValueError):
            return None
    return None


def _check_size(layer: RawLayer, bounds: Bounds) -> None:
    counts = shapely.get_num_coordinates(layer.shapes)
    if counts.sum() > bounds.vertices:
        raise FileRefused(
            f"layer {layer.name} has {int(counts.sum())} vertices; {bounds.vertices} are read",
            remedy="simplify the map, or split it",
        )
    if len(counts) and counts.max() > bounds.feature_vertices:
        row = int(counts.argmax())
        raise FileRefused(
            f"{layer.where(row)} has {int(counts[row])} vertices; "
            f"{bounds.feature_vertices} are read",
            remedy="simplify it",
        )
    points, owners = shapely.get_coordinates(layer.shapes, return_index=True)
    bad = ~np.isfinite(points).all(axis=1) | (np.abs(np.nan_to_num(points)) > HUGE).any(axis=1)
    if bad.any():
        first = int(bad.argmax())
        x, y = points[first].tolist()
        raise FileRefused(
            f"{layer.where(int(owners[first]))} has the vertex ({x:.6g}, {y:.6g}), "
            "which is no place on a map"
        )


def _findings(
    layer: RawLayer, empty: Sequence[int], closed: Sequence[int], other: Sequence[int]
) -> list[Finding]:
    found = []
    if empty:
        found.append(
            _told(layer, "empty_geometry", Weight.WARNING, empty,
                  Said("没有几何图形", "have no geometry"),
                  Said("请补绘图形，或删除这些行", "draw them, or delete the rows"))
        )  # fmt: skip
    if closed:
        found.append(
            _told(layer, "closed_line", Weight.NOTE, closed,
                  Said("为闭合线，已按面读取", "are closed lines, taken as areas"))
        )  # fmt: skip
    if other:
        found.append(
            _told(layer, "not_an_area", Weight.ERROR, other, _no_areas(layer, other),
                  Said("请转换为面要素：闭合线，并把点移出该图层",
                       "convert them to polygons: close the lines, and take points off the layer"))
        )  # fmt: skip
    if layer.flat:
        found.append(
            told(
                "heights_dropped",
                Weight.NOTE,
                Said(
                    "节点带有高程（Z）或度量值（M），已舍去",
                    "its vertices have heights or measures, which were dropped",
                ),
                where=f"layer {layer.name}",
            )
        )
    return found


def _told(
    layer: RawLayer,
    kind: str,
    weight: Weight,
    rows: Sequence[int],
    what: Said,
    mend: Said = NOTHING,
) -> Finding:
    numbers = [str(layer.places[r] if r < len(layer.places) else r + 1) for r in rows[:_SHOWN]]
    more = len(rows) - _SHOWN
    detail = Said(
        f"图层 {layer.name} 有 {len(rows)} 个要素{what.zh}：第 {'、'.join(numbers)} 个"
        + (f"，另有 {more} 个" if more > 0 else ""),
        f"{len(rows)} features of layer {layer.name} {what.en}: {', '.join(numbers)}"
        + (f" and {more} more" if more > 0 else ""),
    )
    return told(kind, weight, detail, mend, where=layer.where(rows[0]))


def _no_areas(layer: RawLayer, rows: Sequence[int]) -> Said:
    counted = Counter(layer.shapes[row].geom_type for row in rows)
    each = [f"{count} {kind}" for kind, count in counted.most_common()]
    return Said(f"不是面（{'、'.join(each)}）", f"are none ({', '.join(each)})")
