"""Writing cells as DXF: a CAD layer for each kind, closed polylines, and the code as text.

Every ring is a polyline with the cell's values in XDATA (application BLOCKTWIN), so that holes,
parts and names come back when ``geodata.maps.dxf`` reads the file; other programs see outlines and
labels.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import shapely

from geodata.maps.dxf import APP, ezdxf_module

_PIECE = 80
"""Signs of one XDATA string, which holds 255 bytes at most."""
_METRES = 6
_COLOURS = {"district": 1, "street": 2, "community": 3, "grid": 4, "block": 5, "building": 8}


def write_dxf(
    path: Path, rows: Sequence[tuple[Mapping[str, str], shapely.Geometry]], *, projected: bool
) -> None:
    """Write rows of values (with ``kind`` and ``code``) and shapes."""
    ezdxf = ezdxf_module()
    drawing = ezdxf.new("R2010")
    drawing.header["$INSUNITS"] = _METRES if projected else 0
    drawing.appids.add(APP)
    space = drawing.modelspace()
    for number, (values, shape) in enumerate(rows):
        layer = values["kind"]
        if layer not in drawing.layers:
            drawing.layers.add(layer, color=_COLOURS.get(layer, 7))
        for part, hole, ring in _rings(shape):
            line = space.add_lwpolyline(list(ring.coords)[:-1], close=True)
            line.dxf.layer = layer
            line.set_xdata(APP, _pieces({"cell": number, "part": part, "hole": hole,
                                         "values": dict(values)}))  # fmt: skip
        place = shapely.point_on_surface(shape)
        if not place.is_empty:
            label = space.add_text(
                values["code"], height=_height(shape), dxfattribs={"layer": layer}
            )
            label.set_placement((place.x, place.y))
    drawing.saveas(path)


def _rings(shape: shapely.Geometry) -> Iterator[tuple[int, int, Any]]:
    for part, polygon in enumerate(shapely.get_parts(shape)):
        if polygon.is_empty:
            continue
        yield part, 0, polygon.exterior
        for hole, ring in enumerate(polygon.interiors, start=1):
            yield part, hole, ring


def _pieces(held: object) -> list[tuple[int, str]]:
    text = json.dumps(held, ensure_ascii=True)
    return [(1000, text[at : at + _PIECE]) for at in range(0, len(text), _PIECE)]


def _height(shape: shapely.Geometry) -> float:
    west, south, east, north = shape.bounds
    return float(max(min(east - west, north - south) / 20, 1e-6))
