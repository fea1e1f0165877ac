"""DXF through ezdxf: closed polylines, circles and hatches as areas, texts inside them as values.

A CAD layer is a layer. Blocks that are inserted are taken apart, and their attributes become fields
of the areas that come from them. A text belongs to the smallest area around it, of its own layer
first: the field ``code`` if it looks like a code, else ``text``. What ``write`` wrote (XDATA of the
application BLOCKTWIN) is read back whole. ``dxf_curves`` flattens arcs, ``dxf_text`` decodes.
"""

from __future__ import annotations

import io
import json
import math
import re
import struct
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import shapely
from shapely.errors import GEOSException

from core.errors import MissingPrerequisite
from geodata.maps import dxf_curves as curves
from geodata.maps import dxf_text
from geodata.maps.archive import Opened
from geodata.maps.model import Finding, Weight, told
from geodata.maps.raw import Bounds, FileRefused, Loaded, RawLayer, Value
from geodata.said import NOTHING, Said

APP = "BLOCKTWIN"
_DEEPEST = 8
_MOST_UNFOLDED = 100_000
_MILLIMETRES = 4
_METRES_AT_MOST = 1e8
_UNITS = {
    1: Said("英寸", "inches"), 2: Said("英尺", "feet"), 4: Said("毫米", "millimetres"),
    5: Said("厘米", "centimetres"), 6: Said("米", "metres"), 7: Said("千米", "kilometres"),
}  # fmt: skip
_CODE = re.compile(r"[0-9]{6,25}|[NS][0-9]{2}[A-Z][0-9A-F]*")
_DRAWN = {"LWPOLYLINE", "POLYLINE", "CIRCLE", "ELLIPSE", "SPLINE"}
_TEXTS = {"TEXT", "MTEXT", "ATTRIB"}
_XREF = "XREF"


@dataclass(slots=True)
class _Found:
    """What the drawing holds, layer by layer.

    ``joined`` are the gaps of curves that were closed, ``opened`` the least of those left open.
    """

    areas: list[tuple[str, shapely.Geometry, dict[str, str]]] = field(default_factory=list)
    texts: list[tuple[str, shapely.Point, str]] = field(default_factory=list)
    others: dict[str, dict[str, int]] = field(default_factory=dict)
    written: dict[tuple[str, int], dict[str, Any]] = field(default_factory=dict)
    joined: dict[str, list[float]] = field(default_factory=dict)
    opened: dict[str, float] = field(default_factory=dict)
    features: int = 0


def ezdxf_module() -> Any:
    """Return ezdxf.

    Raises:
        MissingPrerequisite: naming the extra.
    """
    try:
        import ezdxf
    except ImportError as missing:
        raise MissingPrerequisite(
            "reading and writing DXF needs ezdxf", remedy='pip install "blocktwin[gis]"'
        ) from missing
    return ezdxf


def load(file: Opened, bounds: Bounds, encoding: str | None) -> Loaded:
    """Read the model space.

    Raises:
        FileRefused: if the text is no DXF, is cut off, or unfolds to more than the bounds.
        EncodingUnknown: if the text is not in the encoding that was declared.
    """
    data = file.path.read_bytes()
    text, facts, findings = dxf_text.decoded(data, file.name, encoding)
    if not re.search(r"\n\s*0\s*\r?\n\s*EOF\s*$", text):
        raise FileRefused(f"{file.name} does not end as a DXF does: it is cut off")
    ezdxf = ezdxf_module()
    failures = (
        ezdxf.DXFError, ValueError, TypeError, KeyError, IndexError, AttributeError,
        ArithmeticError, AssertionError, RecursionError, struct.error, GEOSException,
    )  # fmt: skip
    try:
        drawing = ezdxf.read(io.StringIO(text))
        found = _Found()
        _check_blocks(drawing)
        for entity in drawing.modelspace():
            _take(entity, found, bounds, {})
        unit = int(drawing.header.get("$INSUNITS", 0))
    except FileRefused:
        raise
    except failures as wrong:
        raise FileRefused(
            f"{file.name} is no DXF that can be read: {type(wrong).__name__} {str(wrong)[:200]}",
            remedy="save it again as DXF (R2007 or newer)",
        ) from wrong
    scale, said = _scale(found, unit)
    layers = tuple(_layers(found, scale))
    return Loaded(
        layers=layers, text=facts, findings=(*findings, *said, *_joined(found), *_left(found))
    )


def _take(entity: Any, found: _Found, bounds: Bounds, values: dict[str, str]) -> None:
    kind, layer = entity.dxftype(), str(entity.dxf.get("layer", "0"))
    found.features += 1
    if found.features > bounds.features:
        raise FileRefused(f"the drawing unfolds to more than {bounds.features} entities")
    if kind == "INSERT":
        _take_insert(entity, found, bounds, values)
    elif kind in _TEXTS:
        _take_text(entity, kind, layer, found)
    elif kind in _DRAWN:
        ring, gap = curves.ring(entity, bounds)
        if ring is None:
            _count(found, layer, f"open {kind}")
            found.opened[layer] = min(gap, found.opened.get(layer, gap))
            return
        if gap > curves.CLOSED:
            found.joined.setdefault(layer, []).append(gap)
        _take_ring(entity, layer, ring, found, values)
    elif kind == "HATCH":
        area = curves.hatch(entity)
        if area is None:
            _count(found, layer, kind)
        else:
            found.areas.append((layer, area, values))
    else:
        _count(found, layer, kind)


def _check_blocks(drawing: Any) -> None:
    """Refuse blocks that unfold to too much, by counting, before anything is unfolded."""
    sizes: dict[str, int] = {}
    total = sum(_size(drawing, one, sizes, 0) for one in drawing.modelspace().query("INSERT"))
    if total > _MOST_UNFOLDED:
        raise FileRefused(
            f"the blocks of the drawing unfold to {total} entities; {_MOST_UNFOLDED} are read",
            remedy="take the blocks apart in the drawing, and leave out what is no area",
        )


def _size(drawing: Any, insert: Any, sizes: dict[str, int], depth: int) -> int:
    """Return how many entities an inserted block unfolds to."""
    if depth >= _DEEPEST:
        raise FileRefused(
            f"the blocks of the drawing are nested more than {_DEEPEST} deep",
            remedy="take the blocks apart in the drawing",
        )
    name = str(insert.dxf.name).lower()
    if name not in sizes:
        block = drawing.blocks.get(name)
        inside = () if block is None else tuple(block)
        sizes[name] = len(inside) + sum(
            _size(drawing, one, sizes, depth + 1) for one in inside if one.dxftype() == "INSERT"
        )
    return max(1, int(insert.mcount)) * (1 + sizes[name])


def _take_insert(entity: Any, found: _Found, bounds: Bounds, values: dict[str, str]) -> None:
    held = dict(values)
    for attribute in entity.attribs:
        held[str(attribute.dxf.tag)] = str(attribute.dxf.text).strip()
    block = entity.block()
    if block is not None and block.block.is_xref:
        _count(found, str(entity.dxf.get("layer", "0")), f"{_XREF} {block.name}")
        return
    copies = entity.multi_insert() if entity.mcount > 1 else (entity,)
    for copy in copies:
        for part in copy.virtual_entities():
            _take(part, found, bounds, held)


def _take_text(entity: Any, kind: str, layer: str, found: _Found) -> None:
    text = entity.plain_text() if kind != "ATTRIB" else entity.dxf.text
    text = " ".join(str(text).split())
    place = entity.dxf.insert
    if kind != "MTEXT" and entity.dxf.hasattr("align_point") and entity.dxf.get("halign", 0):
        place = entity.dxf.align_point
    if text:
        found.texts.append((layer, shapely.Point(float(place.x), float(place.y)), text))


def _take_ring(
    entity: Any, layer: str, ring: shapely.Polygon, found: _Found, values: dict[str, str]
) -> None:
    own = _own(entity)
    if own is None:
        found.areas.append((layer, ring, values))
        return
    cell = found.written.setdefault((layer, own["cell"]), {"values": own["values"], "rings": []})
    cell["rings"].append((own["part"], own["hole"], ring))


def _own(entity: Any) -> dict[str, Any] | None:
    """Return what ``write_dxf`` put into the entity, None if it was another's hand."""
    if not entity.has_xdata(APP):
        return None
    text = "".join(str(tag.value) for tag in entity.get_xdata(APP) if tag.code == 1000)
    try:
        held = json.loads(text)
    except ValueError:
        return None
    right = (
        isinstance(held, dict)
        and isinstance(held.get("values"), dict)
        and all(isinstance(held.get(key), int) for key in ("cell", "part", "hole"))
    )
    return held if right else None


def _left(found: _Found) -> Iterator[Finding]:
    """Say what was drawn beside the areas and is none."""
    for layer, others in found.others.items():
        what = [f"{count} {kind}" for kind, count in others.items()]
        opened = any(kind.startswith(("open", _XREF)) for kind in others)
        gap = found.opened.get(layer, math.inf)
        least = Said(f"；开口最小 {gap:.3g}", f"; the smallest gap is {gap:.3g} drawing units")
        least = least if math.isfinite(gap) else NOTHING
        yield told(
            "not_an_area",
            Weight.WARNING if opened else Weight.NOTE,
            Said(
                f"图层 {layer} 另有非面图形，已略去：{'、'.join(what)}{least.zh}",
                f"layer {layer} also holds what is no area and is left out: {', '.join(what)}"
                f"{least.en}",
            ),
            Said(
                "应为面的多段线请闭合，外部参照请绑定",
                "close the polylines that should be areas, and bind external references",
            )
            if opened
            else NOTHING,
            where=f"layer {layer}",
        )


def _joined(found: _Found) -> Iterator[Finding]:
    """Say which curves were closed over a gap."""
    for layer, gaps in found.joined.items():
        yield told(
            "not_closed",
            Weight.WARNING,
            Said(
                f"图层 {layer} 有 {len(gaps)} 条线首尾未相接，"
                f"开口最大 {max(gaps):.3g} 图形单位，已连接",
                f"{len(gaps)} curves of layer {layer} do not quite close; gaps of up to "
                f"{max(gaps):.3g} drawing units were joined",
            ),
            Said("请在图中闭合这些线", "close them in the drawing"),
            where=f"layer {layer}",
        )


def _count(found: _Found, layer: str, kind: str) -> None:
    held = found.others.setdefault(layer, {})
    held[kind] = held.get(kind, 0) + 1


def _scale(found: _Found, unit: int) -> tuple[float, tuple[Finding, ...]]:
    """Return what makes metres of drawing units; the numbers have the last word, and it is said."""
    name = _UNITS.get(unit, NOTHING)
    shapes = [area for _, area, _ in found.areas]
    shapes += [ring for cell in found.written.values() for _, _, ring in cell["rings"]]
    if unit in (1, 2, 7) and shapes:
        return 1.0, (_foreign(name),)
    if unit not in (_MILLIMETRES, 5) or not shapes:
        return 1.0, ()
    points = shapely.get_coordinates(np.array(shapes, dtype=object))
    large = float(np.abs(points).max()) > _METRES_AT_MOST if len(points) else False
    factor = {_MILLIMETRES: 0.001, 5: 0.01}[unit]
    if large:
        detail = Said(
            f"文件头声明单位为{name.zh}；已除以 {1 / factor:g} 换算为米",
            f"its header says {name.en}; divided by {1 / factor:g} to metres",
        )
        return factor, (told("unit", Weight.NOTE, detail),)
    detail = Said(
        f"文件头声明单位为{name.zh}，但坐标大小相当于米；已按米读取",
        f"its header says {name.en}, but its coordinates have the size of metres; taken as metres",
    )
    return 1.0, (told("unit", Weight.WARNING, detail),)


def _foreign(name: Said) -> Finding:
    """Say that a unit was not believed: AutoCAD's own template says inches of any drawing."""
    detail = Said(
        f"文件头声明单位为{name.zh}；坐标按所声明坐标系的单位读取，未换算",
        f"its header says {name.en}; its numbers were taken in the unit of the declared system",
    )
    mend = Said("请核对图纸单位", "look whether the drawing is in metres")
    return told("unit", Weight.WARNING, detail, mend)


def _layers(found: _Found, scale: float) -> Iterator[RawLayer]:
    rows: dict[str, list[tuple[shapely.Geometry, dict[str, str]]]] = {}
    labelled = _labelled(found)
    for (layer, area, _), values in zip(found.areas, labelled, strict=True):
        rows.setdefault(layer, []).append((area, values))
    for (layer, _), cell in found.written.items():
        values = {str(key): str(value) for key, value in cell["values"].items()}
        rows.setdefault(layer, []).append((_assembled(cell["rings"]), values))
    for layer, others in found.others.items():
        if layer not in rows:
            rows[layer] = [(shapely.Point(0, 0), {}) for _ in range(min(1, sum(others.values())))]
    for layer, held in rows.items():
        shapes = np.array([shape for shape, _ in held], dtype=object)
        if scale != 1.0:
            shapes = shapely.transform(shapes, lambda points: points * scale)
        names = list(dict.fromkeys(name for _, values in held for name in values))
        columns: dict[str, list[Value]] = {
            name: [values.get(name) for _, values in held] for name in names
        }
        yield RawLayer(name=layer, shapes=shapes, columns=columns, places=range(1, len(held) + 1))


def _assembled(rings: list[tuple[int, int, shapely.Polygon]]) -> shapely.Geometry:
    """Put the rings of a written cell together: hole 0 is the outer one of its part."""
    parts: dict[int, tuple[list[Any], list[Any]]] = {}
    for part, hole, ring in rings:
        parts.setdefault(part, ([], []))[1 if hole else 0].append(ring.exterior.coords)
    polygons = [shapely.Polygon(outer[0], holes) for outer, holes in parts.values() if outer]
    if not polygons:
        return shapely.Polygon()
    return polygons[0] if len(polygons) == 1 else shapely.MultiPolygon(polygons)


def _labelled(found: _Found) -> list[dict[str, str]]:
    """Return the values of each area: its block's attributes, and the texts inside it."""
    values = [dict(held) for _, _, held in found.areas]
    if not values or not found.texts:
        return values
    shapes = np.array([area for _, area, _ in found.areas], dtype=object)
    sizes = shapely.area(shapes)
    tree = shapely.STRtree(shapes)
    points = np.array([point for _, point, _ in found.texts], dtype=object)
    around: dict[int, list[int]] = {}
    for text, area in tree.query(points, predicate="intersects").T.tolist():
        around.setdefault(text, []).append(area)
    for text, areas in around.items():
        layer, _, said = found.texts[text]
        mine = [area for area in areas if found.areas[area][0] == layer] or areas
        smallest = min(mine, key=lambda area: float(sizes[area]))
        _label(values[smallest], said)
    return values


def _label(values: dict[str, str], said: str) -> None:
    key = "code" if _CODE.fullmatch(said) else "text"
    values[key] = f"{values[key]} {said}" if key in values else said
