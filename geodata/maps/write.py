"""Writing cells as a map file that ``geodata.maps.read`` gives back the same.

    format   how
    gpkg     GeoPackage, one layer ``spaces``
    shp      a .zip with the parts of a Shapefile, or a folder if the path has no suffix; text is
             GBK or UTF-8, and its .cpg says so
    geojson  RFC 7946 in WGS 84; in another system with the foreign member ``frame`` and a remark
    kml      OGC KML in WGS 84; in GCJ-02 or BD-09 with a remark in its description
    gdb      a File Geodatabase folder (or .zip)
    dxf      see ``geodata.maps.write_dxf``

Each row has code, kind, name, name_en, parent, height, source, frame.
"""

from __future__ import annotations

import json
import tempfile
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape

import numpy as np
import shapely

from core.errors import UsageError
from geodata.frames import Frame, OutOfFrame, geometries
from geodata.maps import encoding as enc
from geodata.maps.gdal import quiet
from geodata.maps.model import Cells
from geodata.maps.raw import FileRefused
from geodata.maps.write_dxf import write_dxf

FORMATS = ("gpkg", "shp", "geojson", "kml", "gdb", "dxf")
FIELDS = ("code", "kind", "name", "name_en", "parent", "height", "source", "frame")
SUFFIXES = {
    "gpkg": ".gpkg", "shp": ".zip", "geojson": ".geojson", "kml": ".kml", "gdb": ".zip",
    "dxf": ".dxf",
}  # fmt: skip
_DRIVERS = {"gpkg": "GPKG", "shp": "ESRI Shapefile", "gdb": "OpenFileGDB"}
_LAYER = "spaces"
_DBF_BYTES = 254
_DECIMALS_DEG = 11
_DECIMALS_M = 6
_FINE_DEG = {"XORIGIN": "-400", "YORIGIN": "-400", "XYSCALE": "1e11"}
_FINE_M = {"XORIGIN": "-1e8", "YORIGIN": "-1e8", "XYSCALE": "1e7"}
"""A geodatabase keeps whole numbers: without this, degrees of a system it does not know are cut to
a ten-thousandth."""
_LIKE_WGS84 = ("EPSG:4326", "EPSG:4490")

Row = tuple[dict[str, str], shapely.Geometry]


def write(
    path: Path,
    cells: Cells,
    *,
    format: str,  # noqa: A002
    frame: Frame,
    encoding: str = "UTF-8",
    sources: Sequence[str] = (),
) -> None:
    """Write cells.

    Args:
        path: must not exist yet; for shp and gdb a .zip, or a name without suffix for a folder.
        frame: the system to write in.
        encoding: of a Shapefile's text: UTF-8 or GBK.
        sources: where each cell comes from; empty for none.

    Raises:
        UsageError: for an unknown format, a frame that does not fit it, text that the encoding or
            the format cannot hold, or cells outside the frame.
    """
    if format not in FORMATS:
        raise UsageError(f"{format!r} is no map format", remedy=f"one of {', '.join(FORMATS)}")
    if format == "kml" and frame.projected:
        raise UsageError(
            f"KML holds degrees, not {frame.name}", remedy="write EPSG:4490, GCJ-02 or BD-09"
        )
    if path.exists():
        raise UsageError(f"{path} is there already", remedy="give a new name, or remove it")
    rows = _rows(cells, frame, sources)
    try:
        if format in _DRIVERS:
            _write_gdal(path, rows, format, frame, enc.named(encoding))
        elif format == "geojson":
            path.write_text(_geojson(rows, frame), encoding="utf-8")
        elif format == "kml":
            path.write_text(_kml(rows, frame), encoding="utf-8")
        else:
            write_dxf(path, rows, projected=frame.projected)
    except OSError as failed:
        raise UsageError(f"{path} cannot be written: {failed.strerror}") from failed


def _rows(cells: Cells, frame: Frame, sources: Sequence[str]) -> list[Row]:
    try:
        shapes = geometries(cells.outlines, frame.from_degrees)
    except OutOfFrame as outside:
        raise UsageError(
            f"{cells.codes[outside.row]}: {outside.reason}", remedy="choose another system"
        ) from outside
    rows = []
    for i, shape in enumerate(shapes):
        height = float(cells.heights_m[i])
        values = {
            "code": cells.codes[i],
            "kind": cells.kinds[i].value,
            "name": cells.names[i],
            "name_en": cells.names_en[i],
            "parent": cells.parents[i],
            "height": "" if np.isnan(height) else repr(height),
            "source": sources[i] if sources else "",
            "frame": frame.name,
        }
        rows.append((values, shape))
    return rows


def _write_gdal(path: Path, rows: list[Row], form: str, frame: Frame, encoding: str) -> None:
    if form == "shp":
        _check_dbf(rows, encoding)
    with tempfile.TemporaryDirectory(prefix="blocktwin-map-") as folder:
        home = Path(folder)
        made = home / {"gpkg": "map.gpkg", "shp": "spaces.shp", "gdb": "spaces.gdb"}[form]
        _call_gdal(made, rows, form, frame, encoding)
        if form == "shp":
            made.with_suffix(".cpg").write_text(encoding, encoding="ascii")
        _deliver(home, made, path, form)


def _call_gdal(made: Path, rows: list[Row], form: str, frame: Frame, encoding: str) -> None:
    multi = form != "shp"
    blobs = np.array(
        [shapely.to_wkb(_multi(shape) if multi else shape) for _, shape in rows] or [], dtype=object
    )
    columns: list[Any] = []
    for name in FIELDS:
        texts = [values[name] for values, _ in rows]
        if name == "height":
            columns.append(np.array([float(t) if t else np.nan for t in texts], dtype=np.float64))
        else:
            columns.append(np.array(texts, dtype=object))
    options: dict[str, Any] = {"encoding": encoding} if form == "shp" else {}
    if form == "gdb":
        options = _FINE_M if frame.projected else _FINE_DEG
    with quiet(made.name) as pyogrio:
        pyogrio.raw.write(
            made,
            blobs,
            columns,
            list(FIELDS),
            driver=_DRIVERS[form],
            layer=_LAYER,
            geometry_type="MultiPolygon" if multi else "Polygon",
            crs=frame.name if frame.name.startswith("EPSG:") else None,
            **options,
        )


def _deliver(home: Path, made: Path, path: Path, form: str) -> None:
    if form == "gpkg":
        path.write_bytes(made.read_bytes())
        return
    inside = sorted(made.iterdir()) if made.is_dir() else sorted(home.iterdir())
    prefix = f"{made.name}/" if made.is_dir() else ""
    if path.suffix.lower() != ".zip":
        path.mkdir()
        for one in inside:
            (path / one.name).write_bytes(one.read_bytes())
        return
    with zipfile.ZipFile(path, "x", zipfile.ZIP_DEFLATED) as archive:
        for one in inside:
            archive.write(one, f"{prefix}{one.name}")


def _check_dbf(rows: list[Row], encoding: str) -> None:
    """Refuse what a .dbf would cut off or could not hold."""
    for values, _ in rows:
        for name, text in values.items():
            try:
                size = len(text.encode(encoding))
            except UnicodeEncodeError:
                raise UsageError(
                    f"{values['code']}: {encoding} cannot hold the {name} {text[:40]!r}",
                    remedy="write UTF-8",
                ) from None
            if size > _DBF_BYTES:
                raise UsageError(
                    f"{values['code']}: its {name} has {size} bytes, and a Shapefile holds "
                    f"{_DBF_BYTES}",
                    remedy="write a GeoPackage",
                )


def _multi(shape: shapely.Geometry) -> shapely.Geometry:
    return shapely.MultiPolygon([shape]) if shape.geom_type == "Polygon" else shape


def _geojson(rows: list[Row], frame: Frame) -> str:
    head: dict[str, Any] = {"type": "FeatureCollection", "name": _LAYER}
    if frame.name not in _LIKE_WGS84:
        head["frame"] = frame.name
        head["remark"] = (
            f"coordinates are {frame.name}, not the WGS 84 of RFC 7946; readers that do not know "
            "the member frame will misplace them"
        )
    decimals = _DECIMALS_M if frame.projected else _DECIMALS_DEG
    features = []
    for values, shape in rows:
        properties: dict[str, Any] = dict(values)
        properties["height"] = float(values["height"]) if values["height"] else None
        features.append(
            {"type": "Feature", "properties": properties, "geometry": _rounded(shape, decimals)}
        )
    return json.dumps({**head, "features": features}, ensure_ascii=False, separators=(",", ":"))


def _rounded(shape: shapely.Geometry, decimals: int) -> dict[str, Any]:
    """Return GeoJSON with outer rings counter-clockwise, as RFC 7946, 3.1.6, asks."""
    wound = shapely.orient_polygons(shape)
    rounded = shapely.transform(wound, lambda points: np.round(points, decimals))
    held: dict[str, Any] = json.loads(shapely.to_geojson(rounded))
    return held


def _kml(rows: list[Row], frame: Frame) -> str:
    remark = ""
    if frame.name not in _LIKE_WGS84:
        remark = f"<description>coordinates are {frame.name}, not WGS 84</description>"
    marks = "\n".join(_placemark(values, shape) for values, shape in rows)
    return (
        '<?xml version="1.0" encoding="UTF-8"?>\n'
        f'<kml xmlns="http://www.opengis.net/kml/2.2"><Document><name>{_LAYER}</name>{remark}\n'
        f"{marks}\n</Document></kml>\n"
    )


def _placemark(values: Mapping[str, str], shape: shapely.Geometry) -> str:
    data = "".join(
        f'<Data name="{key}"><value>{_xml(text)}</value></Data>' for key, text in values.items()
    )
    polygons = "".join(_kml_polygon(polygon) for polygon in shapely.get_parts(shape))
    body = f"<MultiGeometry>{polygons}</MultiGeometry>" if "Multi" in shape.geom_type else polygons
    name = _xml(values["name"] or values["code"])
    return f"<Placemark><name>{name}</name><ExtendedData>{data}</ExtendedData>{body}</Placemark>"


def _kml_polygon(polygon: shapely.Polygon) -> str:
    holes = "".join(
        f"<innerBoundaryIs>{_kml_ring(ring)}</innerBoundaryIs>" for ring in polygon.interiors
    )
    outer = f"<outerBoundaryIs>{_kml_ring(polygon.exterior)}</outerBoundaryIs>"
    return f"<Polygon>{outer}{holes}</Polygon>"


def _kml_ring(ring: Any) -> str:
    points = " ".join(f"{x:.{_DECIMALS_DEG}f},{y:.{_DECIMALS_DEG}f}" for x, y in ring.coords)
    return f"<LinearRing><coordinates>{points}</coordinates></LinearRing>"


def _xml(text: str) -> str:
    """Escape text, and drop what XML 1.0 cannot hold."""
    return escape("".join(sign for sign in text if sign.isprintable() or sign in "\t\n"))


__all__ = ["FIELDS", "FORMATS", "SUFFIXES", "FileRefused", "write"]
