"""KML as columns, parsed here: no links are followed, no entities are known, text stays text.

KML is WGS 84 by its standard (OGC 07-147r2, 4.1); what a Chinese map service exports may be GCJ-02.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from xml.etree.ElementTree import Element, ParseError, XMLParser

import numpy as np
import shapely
from shapely.errors import GEOSException

from geodata.maps.archive import Opened
from geodata.maps.encoding import decoded, known, named
from geodata.maps.raw import Bounds, FileRefused, Loaded, RawLayer, TextFacts, Value

WGS84 = "EPSG:4326"
_DEEPEST = 60
_DECLARED = re.compile(rb"""^\s*<\?xml[^>]*\sencoding\s*=\s*["']([A-Za-z0-9._-]{1,40})["']""")
_COMMA = re.compile(r"(?<=\S)\s*,\s*(?=\S)")
"""The standard allows no space in a triple; several programs write one after each comma."""

_LINES = {"LineString", "LinearRing", "Track"}


def load(file: Opened, bounds: Bounds, encoding: str | None) -> Loaded:
    """Read all placemarks; a folder is a layer.

    Raises:
        FileRefused: if the text is no KML, or has a document type, which could hold entities.
    """
    data = file.path.read_bytes().removeprefix(b"\xef\xbb\xbf")
    said = _DECLARED.match(data)
    declared = known(said[1].decode("ascii")) if said else "UTF-8"
    chosen = named(encoding) if encoding else declared or "UTF-8"
    text = decoded(data, chosen, file.name)
    if re.search(r"<!(DOCTYPE|ENTITY)", text, re.IGNORECASE):
        raise FileRefused(f"{file.name} has a document type, which KML has not")
    parser = XMLParser(encoding="utf-8")  # noqa: S314  no document type, so no entities
    try:
        parser.feed(text.encode("utf-8"))
        root = parser.close()
    except (ParseError, ValueError, RecursionError, UnicodeError) as wrong:
        raise FileRefused(
            f"{file.name} is no KML: {wrong}",
            remedy="the file is cut off or damaged: export it again",
        ) from wrong
    layers = tuple(_layers(root, file, bounds))
    if not layers:
        raise FileRefused(f"{file.name} has no placemarks")
    return Loaded(
        layers=layers, text=TextFacts(used=chosen, declared=declared, ascii=text.isascii())
    )


def _layers(root: Element, file: Opened, bounds: Bounds) -> Iterator[RawLayer]:
    held: dict[str, list[tuple[int, Element]]] = {}
    for number, (folder, mark) in enumerate(_placemarks(root, file.title, 0), start=1):
        if number > bounds.features:
            raise FileRefused(f"{file.name} has more than {bounds.features} features")
        held.setdefault(folder, []).append((number, mark))
        if len(held) > bounds.layers:
            raise FileRefused(f"{file.name} has more than {bounds.layers} folders")
    for folder, marks in held.items():
        yield _layer(folder, marks, file, bounds)


def _placemarks(element: Element, folder: str, depth: int) -> Iterator[tuple[str, Element]]:
    if depth > _DEEPEST:
        raise FileRefused(f"the folders of the KML are nested more than {_DEEPEST} deep")
    for child in element:
        kind = _local(child)
        if kind == "Placemark":
            yield folder, child
        elif kind in ("Folder", "Document"):
            yield from _placemarks(child, _text(child, "name") or folder, depth + 1)


def _layer(name: str, marks: list[tuple[int, Element]], file: Opened, bounds: Bounds) -> RawLayer:
    shapes = np.full(len(marks), None, dtype=object)
    columns: dict[str, list[Value]] = {}
    high = False
    for row, (number, mark) in enumerate(marks):
        where = f"{file.name}, placemark {number}"
        parts, tall = _parts(mark, where)
        high = high or tall
        shapes[row] = _joined(parts)
        for key, value in _attributes(mark).items():
            if key not in columns and len(columns) >= bounds.fields:
                raise FileRefused(f"{file.name} has more than {bounds.fields} fields")
            columns.setdefault(key, [None] * len(marks))[row] = value
    return RawLayer(
        name=name, shapes=shapes, columns=columns, crs=WGS84, places=[n for n, _ in marks],
        flat=high,
    )  # fmt: skip


def _attributes(mark: Element) -> dict[str, str]:
    """Return name, description and the extended data; the latter go before the former."""
    found = {}
    for key in ("name", "description"):
        text = _text(mark, key)
        if text:
            found[key] = text
    for element in mark.iter():
        kind = _local(element)
        key = element.get("name", "")
        if kind == "SimpleData" and key:
            found[key] = (element.text or "").strip()
        elif kind == "Data" and key:
            found[key] = _text(element, "value")
    return found


def _parts(mark: Element, where: str) -> tuple[list[shapely.Geometry], bool]:
    found: list[shapely.Geometry] = []
    high = False
    inside: set[int] = set()
    for element in mark.iter():
        kind = _local(element)
        if kind == "Polygon":
            inside.update(id(child) for child in element.iter())
            made, tall = _polygon(element, where)
            found.append(made)
            high = high or tall
        elif kind == "Point":
            found.append(shapely.Point())
        elif kind in _LINES and id(element) not in inside:
            points, tall = _coordinates(element, where)
            found.append(_line(points))
            high = high or tall
    return found, high


def _joined(parts: list[shapely.Geometry]) -> shapely.Geometry | None:
    if len(parts) <= 1:
        return parts[0] if parts else None
    if all(part.geom_type == "Polygon" for part in parts):
        return shapely.MultiPolygon(parts)
    return shapely.GeometryCollection(parts)


def _line(points: list[tuple[float, float]]) -> shapely.Geometry:
    return shapely.LineString(points) if len(points) >= 2 else shapely.LineString()


def _polygon(element: Element, where: str) -> tuple[shapely.Polygon, bool]:
    rings: dict[str, list[list[tuple[float, float]]]] = {
        "outerBoundaryIs": [],
        "innerBoundaryIs": [],
    }
    high = False
    for border in element:
        if _local(border) in rings:
            for ring in border:
                points, tall = _coordinates(ring, where)
                rings[_local(border)].append(points)
                high = high or tall
    outer = rings["outerBoundaryIs"]
    if len(outer) != 1:
        raise FileRefused(f"{where}: a polygon has {len(outer)} outer boundaries")
    try:
        return shapely.Polygon(outer[0], rings["innerBoundaryIs"]), high
    except (GEOSException, ValueError) as wrong:
        raise FileRefused(f"{where}: a ring cannot be read: {wrong}") from wrong


def _coordinates(element: Element, where: str) -> tuple[list[tuple[float, float]], bool]:
    found = []
    high = False
    for triple in _COMMA.sub(",", _text(element, "coordinates")).split():
        numbers = triple.split(",")
        try:
            x, y = float(numbers[0]), float(numbers[1])
        except (ValueError, IndexError):
            raise FileRefused(f"{where}: {triple[:40]!r} is no coordinate") from None
        high = high or len(numbers) > 2
        found.append((x, y))
    return found, high


def _text(element: Element, key: str) -> str:
    for child in element:
        if _local(child) == key:
            return (child.text or "").strip()
    return ""


def _local(element: Element) -> str:
    return str(element.tag).rpartition("}")[2]
