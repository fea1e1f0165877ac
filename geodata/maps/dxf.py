"""DXF through ezdxf: closed polylines, circles and hatches as areas, texts inside them as values.

A CAD layer is a layer. Blocks that are inserted are taken apart, and their attributes become fields
of the areas that come from them. A text belongs to the smallest area around it, of its own layer
first: the field ``code`` if it looks like a code, else ``text``. What ``write`` wrote (XDATA of the
application BLOCKTWIN) is read back whole. ``dxf_curves`` flattens arcs.
"""

from __future__ import annotations

import io
import json
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
from geodata.maps import encoding as enc
from geodata.maps.archive import Opened
from geodata.maps.model import Finding, Weight
from geodata.maps.raw import Bounds, FileRefused, Loaded, RawLayer, TextFacts, Value

APP = "BLOCKTWIN"
_DEEPEST = 8
_MOST_UNFOLDED = 100_000
_MILLIMETRES = 4
_METRES_AT_MOST = 1e8
_UNITS = {4: "millimetres", 5: "centimetres", 6: "metres"}
_CODE = re.compile(r"[0-9]{6,25}|[NS][0-9]{2}[A-Z][0-9A-F]*")
_VERSION = re.compile(r"\$ACADVER\s*\n\s*1\s*\n\s*(AC[0-9]{4})")
_PAGE = re.compile(r"\$DWGCODEPAGE\s*\n\s*3\s*\n\s*([A-Za-z0-9_]{1,20})")
_CHINESE = re.compile("[\u3400-\u9fff]")
_UTF8_SINCE = "AC1021"
_DRAWN = {"LWPOLYLINE", "POLYLINE", "CIRCLE", "ELLIPSE", "SPLINE"}
_TEXTS = {"TEXT", "MTEXT", "ATTRIB"}


@dataclass(slots=True)
class _Found:
    """What the drawing holds, layer by layer; ``budget`` counts down over everything."""

    areas: list[tuple[str, shapely.Geometry, dict[str, str]]] = field(default_factory=list)
    texts: list[tuple[str, shapely.Point, str]] = field(default_factory=list)
    others: dict[str, dict[str, int]] = field(default_factory=dict)
    written: dict[tuple[str, int], dict[str, Any]] = field(default_factory=dict)
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
    text, facts, findings = _text(data, file.name, encoding)
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
    return Loaded(layers=layers, text=facts, findings=(*findings, *said, *_left(found)))


def _text(
    data: bytes, name: str, encoding: str | None
) -> tuple[str, TextFacts, tuple[Finding, ...]]:
    """Decode the drawing: by its header, unless its bytes are plainly UTF-8."""
    head = data[:200_000].decode("latin-1").replace("\r", "")
    version, page = _VERSION.search(head), _PAGE.search(head)
    declared = enc.known(page[1]) if page and page[1].upper() != "ANSI_0" else ""
    utf8 = _plainly_utf8(data)
    modern = version is not None and version[1] >= _UTF8_SINCE
    right = "UTF-8" if modern or utf8 else (declared or "")
    used = enc.named(encoding) if encoding else (right or "UTF-8")
    plain = data.isascii()
    findings: tuple[Finding, ...] = ()
    if not plain and not encoding and utf8 and not modern and declared != "UTF-8":
        findings = (_said_utf8(declared),)
    sure = plain or bool(encoding or right)
    if not sure:
        text = data.decode(used, "replace")
    else:
        text = enc.decoded(data, used, name) if not plain else data.decode("ascii")
    facts = TextFacts(
        used=used,
        declared="UTF-8" if modern else declared,
        ascii=plain,
        sure=sure,
        candidates=() if plain else enc.candidates(_lines(data)),
        remarks=()
        if sure
        else ("its header names no code page that is known, and its text is not ASCII",),
    )
    return text.replace("\r\n", "\n").replace("\r", "\n"), facts, findings


def _lines(data: bytes) -> list[bytes]:
    return [line.strip() for line in data.splitlines() if not line.isascii()][:500]


def _said_utf8(declared: str) -> Finding:
    return Finding(
        kind="encoding",
        weight=Weight.WARNING,
        codes=(),
        detail=f"its header says {declared or 'no code page'}, but its text is UTF-8 and was read "
        "so",
        mend="look whether the names read right, or declare the encoding",
    )


def _plainly_utf8(data: bytes) -> bool:
    """Tell whether bytes are UTF-8 with Chinese in it; text in GBK hardly ever is."""
    try:
        return not data.isascii() and bool(_CHINESE.search(data.decode("utf-8")))
    except UnicodeDecodeError:
        return False


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
        ring = curves.ring(entity, bounds)
        if ring is None:
            _count(found, layer, f"open {kind}")
        else:
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
        what = ", ".join(f"{count} {kind}" for kind, count in others.items())
        opened = any(kind.startswith("open") for kind in others)
        yield Finding(
            kind="not_an_area",
            weight=Weight.WARNING if opened else Weight.NOTE,
            codes=(),
            where=f"layer {layer}",
            detail=f"layer {layer} also holds what is no area and is left out: {what}",
            mend="close the polylines that should be areas" if opened else "",
        )


def _count(found: _Found, layer: str, kind: str) -> None:
    held = found.others.setdefault(layer, {})
    held[kind] = held.get(kind, 0) + 1


def _scale(found: _Found, unit: int) -> tuple[float, tuple[Finding, ...]]:
    """Return what makes metres of drawing units; the numbers have the last word, and it is said."""
    name = _UNITS.get(unit, "")
    shapes = [area for _, area, _ in found.areas]
    shapes += [ring for cell in found.written.values() for _, _, ring in cell["rings"]]
    if unit not in (_MILLIMETRES, 5) or not shapes:
        return 1.0, ()
    points = shapely.get_coordinates(np.array(shapes, dtype=object))
    large = float(np.abs(points).max()) > _METRES_AT_MOST if len(points) else False
    factor = {_MILLIMETRES: 0.001, 5: 0.01}[unit]
    if large:
        detail = f"its header says {name}; divided by {1 / factor:g} to metres"
        return factor, (_unit(detail, Weight.NOTE),)
    detail = f"its header says {name}, but its coordinates have the size of metres; taken as metres"
    return 1.0, (_unit(detail, Weight.WARNING),)


def _unit(detail: str, weight: Weight) -> Finding:
    return Finding(kind="unit", weight=weight, codes=(), detail=detail)


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
