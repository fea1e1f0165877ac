"""Reading a map file: look at it first, then read it with what was declared.

``look`` shows what is there and refuses little. ``read`` wants to know the coordinate system, and
the encoding where the file does not say; it refuses what it would have to guess. What a single
feature lacks is a finding, what the file as a whole lacks a ``FileRefused``.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from core.errors import UsageError
from geodata.frames import Frame, OutOfFrame, geometries
from geodata.maps import areas, columns, dxf, encoding, evidence, gdal, geojson, kml
from geodata.maps.archive import Opened, opened
from geodata.maps.fields import Mapping
from geodata.maps.inspection import FieldSeen, Inspection, LayerSeen
from geodata.maps.model import Cells, Finding, MapContent, Source, Weight, told
from geodata.maps.raw import DEFAULT, Bounds, FileRefused, Loaded, RawLayer, Value
from geodata.said import Said

__all__ = ["FORMATS", "Bounds", "FileRefused", "Inspection", "look", "read"]

FORMATS = ("gpkg", "shp", "geojson", "kml", "gdb", "dxf")
_LOADERS: dict[str, Callable[[Opened, Bounds, str | None], Loaded]] = {
    "gpkg": gdal.load,
    "shp": gdal.load,
    "gdb": gdal.load,
    "geojson": geojson.load,
    "kml": kml.load,
    "dxf": dxf.load,
}
_SAMPLES = 5
_SAMPLE_SIGNS = 60
_AREAS = {"Polygon", "MultiPolygon", "LinearRing"}


def look(
    path: Path, *, encoding: str | None = None, layer: str | None = None, bounds: Bounds = DEFAULT
) -> Inspection:
    """Return what a file holds; nothing is decided.

    Raises:
        FileRefused: if it is no map file, damaged, not safe or too large.
        UsageError: if there is no such layer, or the encoding does not fit.
    """
    with opened(path, bounds) as file:
        loaded = _loaded(file, bounds, encoding)
        layers = _chosen(loaded, None if layer is None else (layer,), file.name)
        return Inspection(
            name=file.name,
            driver=file.driver,
            size=file.size,
            sha256=file.sha256,
            layers=tuple(_seen(one) for one in layers),
            encoding=loaded.text,
            frame=evidence.seen(layers),
        )


def read(
    path: Path,
    *,
    frame: Frame | None,
    layers: Collection[str] | None = None,
    encoding: str | None = None,
    mapping: Mapping,
    origin: str = "",
    bounds: Bounds = DEFAULT,
) -> MapContent:
    """Read the spaces of a file, in EPSG:4490.

    Args:
        frame: the declared coordinate system; None refuses with the evidence.
        layers: names of those wanted; None takes all that hold areas.
        encoding: of the text; None takes what the file declares.
        mapping: which field means what.
        origin: who made the map and under which licence.

    Raises:
        FileRefused: if it is no map file, damaged, not safe or too large, or holds no area.
        FrameUndeclared: if no frame is given.
        EncodingUnknown: if the text is not ASCII and nobody says its encoding.
        UsageError: if a layer or field is missing, or coordinates lie outside the frame.
    """
    with opened(path, bounds) as file:
        loaded = _loaded(file, bounds, encoding)
        wanted = _chosen(loaded, layers, file.name)
        if frame is None:
            raise evidence.undeclared(file.name, evidence.seen(wanted))
        _check_text(loaded, file.name)
        cells, findings = _cells(wanted, frame, mapping, bounds, file.name, every=layers is None)
        taken = tuple(
            one.name for one in wanted if any(f"layer {one.name}," in w for w in cells.wheres)
        )
        return MapContent(
            cells=cells,
            source=Source(
                name=file.name,
                sha256=file.sha256,
                size=file.size,
                driver=file.driver,
                layers=taken,
                encoding=loaded.text.used,
                frame=frame.name,
                origin=origin,
            ),
            findings=(*loaded.findings, *evidence.contradictions(wanted, frame), *findings),
        )


def _loaded(file: Opened, bounds: Bounds, declared: str | None) -> Loaded:
    name = encoding.named(declared) if declared else None
    loaded = _LOADERS[file.driver](file, bounds, name)
    layers = tuple(_with_own_frame(layer, file.driver) for layer in loaded.layers)
    return replace(loaded, layers=layers)


def _with_own_frame(layer: RawLayer, driver: str) -> RawLayer:
    """Heed the column ``frame`` that ``write`` makes, where the format itself can say nothing."""
    said = set(layer.columns.get("frame", ()))
    only = said.pop() if len(said) == 1 else None
    if not isinstance(only, str) or not evidence.named(only) or (layer.crs and driver != "kml"):
        return layer
    return replace(layer, crs=only)


def _chosen(loaded: Loaded, names: Collection[str] | None, file: str) -> tuple[RawLayer, ...]:
    if names is None:
        return loaded.layers
    held = {layer.name: layer for layer in loaded.layers}
    missing = [name for name in names if name not in held]
    if missing:
        raise UsageError(
            f"{file} has no layer {missing[0]!r}", remedy=f"it has {', '.join(list(held)[:30])}"
        )
    return tuple(held[name] for name in names)


def _check_text(loaded: Loaded, file: str) -> None:
    text = loaded.text
    if text.sure:
        return
    tried = "; ".join(f"{name}: {sample}" for name, sample in text.candidates)
    raise encoding.EncodingUnknown(
        f"{file}: {'; '.join(text.remarks)}; it could be {tried}",
        remedy="look which of these reads right, and declare that encoding",
    )


def _cells(
    layers: Sequence[RawLayer],
    frame: Frame,
    mapping: Mapping,
    bounds: Bounds,
    file: str,
    *,
    every: bool,
) -> tuple[Cells, list[Finding]]:
    findings: list[Finding] = []
    parts: list[Cells] = []
    left_out: list[str] = []
    for layer in layers:
        found = areas.of(layer, bounds)
        if not found.rows:
            left_out.append(f"{layer.name} ({_counted(areas.types(layer))})")
            continue
        findings += found.findings
        meant = columns.of(layer, found.rows, mapping, bounds)
        findings += meant.findings
        parts.append(_converted(layer, found, meant, frame))
    if not parts:
        raise FileRefused(
            f"{file} holds no area: {', '.join(left_out[:10]) or 'it has no layers'}",
            remedy="convert lines to polygons, and declare a layer that holds areas",
        )
    if left_out and not every:
        raise FileRefused(f"layer {left_out[0]} of {file} holds no area")
    findings += [_left_out(name) for name in left_out[:50]]
    return _joined(parts), findings


def _left_out(name: str) -> Finding:
    return told(
        "layer_left_out",
        Weight.NOTE,
        Said(f"图层 {name} 没有面要素，已略去", f"layer {name} holds no area and is left out"),
    )


def _converted(layer: RawLayer, found: areas.Areas, meant: columns.Columns, frame: Frame) -> Cells:
    try:
        outlines = geometries(found.shapes, frame.to_degrees)
    except OutOfFrame as outside:
        raise UsageError(
            f"{layer.where(found.rows[outside.row])}: {outside.reason}; "
            f"{'; '.join(evidence.seen([layer]).sentences)}",
            remedy=outside.remedy,
        ) from outside
    keep = [i for i, kind in enumerate(meant.kinds) if kind is not None]
    return Cells(
        codes=tuple(meant.codes[i] for i in keep),
        kinds=tuple(kind for kind in meant.kinds if kind is not None),
        names=tuple(meant.names[i] for i in keep),
        names_en=tuple(meant.names_en[i] for i in keep),
        parents=tuple(meant.parents[i] for i in keep),
        heights_m=meant.heights_m[keep],
        outlines=outlines[keep],
        wheres=tuple(layer.where(found.rows[i]) for i in keep),
    )


def _joined(parts: Sequence[Cells]) -> Cells:
    return Cells(
        codes=tuple(code for part in parts for code in part.codes),
        kinds=tuple(kind for part in parts for kind in part.kinds),
        names=tuple(name for part in parts for name in part.names),
        names_en=tuple(name for part in parts for name in part.names_en),
        parents=tuple(parent for part in parts for parent in part.parents),
        heights_m=np.concatenate([part.heights_m for part in parts]),
        outlines=np.concatenate([part.outlines for part in parts]),
        wheres=tuple(where for part in parts for where in part.wheres),
    )


def _seen(layer: RawLayer) -> LayerSeen:
    return LayerSeen(
        name=layer.name,
        features=len(layer.shapes),
        geometry_types=areas.types(layer),
        fields=tuple(_field(name, values) for name, values in layer.columns.items()),
        bounds=evidence.bounds_of([layer]),
        crs=layer.crs,
    )


def _field(name: str, values: Sequence[Value]) -> FieldSeen:
    filled = [value for value in values if value not in (None, "")]
    kinds = {type(value) for value in filled}
    kind = "text"
    if not filled:
        kind = "empty"
    elif kinds == {int}:
        kind = "whole"
    elif kinds <= {int, float}:
        kind = "number"
    different = list(dict.fromkeys(columns.written(value) for value in filled[:200]))
    samples = tuple(text[:_SAMPLE_SIGNS] for text in different[:_SAMPLES])
    return FieldSeen(name=name, type=kind, filled=len(filled), samples=samples)


def _counted(types: dict[str, int]) -> str:
    return ", ".join(f"{count} {kind}" for kind, count in types.items()) or "empty"
