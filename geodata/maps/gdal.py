"""GeoPackage, Shapefile and File Geodatabase through GDAL (pyogrio).

GDAL chooses its driver by content, so the content was looked at before (``archive``), and it gets
a copy of ours. What a GeoPackage could make SQLite do is refused here.
"""

from __future__ import annotations

import re
import sqlite3
import threading
import warnings
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import shapely
from shapely.errors import GEOSException

from core.errors import MissingPrerequisite
from geodata.maps import encoding as enc
from geodata.maps.archive import Opened
from geodata.maps.model import Finding, Weight
from geodata.maps.raw import Bounds, FileRefused, Loaded, RawLayer, TextFacts, Value

_ONE = threading.Lock()
"""GDAL's last error and Python's warnings belong to the process: one reads at a time."""

_CARRIER = "ISO-8859-1"
"""Shapefile text comes through GDAL byte by byte under this name, and is decoded here."""

_SAFE_VIRTUAL = re.compile(
    r"create\s+virtual\s+table\s+.*\susing\s+rtree\s*\(", re.IGNORECASE | re.DOTALL
)


def pyogrio_module() -> Any:
    """Return pyogrio.

    Raises:
        MissingPrerequisite: naming the extra.
    """
    try:
        import pyogrio
    except ImportError as missing:
        raise MissingPrerequisite(
            "reading and writing this format needs pyogrio", remedy='pip install "blocktwin[gis]"'
        ) from missing
    return pyogrio


@contextmanager
def quiet(name: str) -> Iterator[Any]:
    """Give pyogrio to one caller at a time, and turn its errors into ours."""
    pyogrio = pyogrio_module()
    errors = pyogrio.errors
    failures = (
        errors.DataSourceError, errors.DataLayerError, errors.CRSError, errors.FeatureError,
        errors.GeometryError, errors.FieldError, RuntimeError, ValueError, OverflowError,
        IndexError, MemoryError, GEOSException,
    )  # fmt: skip
    with _ONE, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            yield pyogrio
        except FileRefused:
            raise
        except failures as failed:
            raise FileRefused(
                f"{name} cannot be read: {_sentence(failed)}",
                remedy="the file is cut off or damaged: export it again",
            ) from failed


def load(file: Opened, bounds: Bounds, encoding: str | None) -> Loaded:
    """Read all layers.

    Raises:
        FileRefused: if GDAL cannot read it, or it holds too much.
        EncodingUnknown: if a declared encoding does not fit.
    """
    if file.driver == "gpkg":
        _check_sqlite(file)
    declared = _declared_encoding(file.path) if file.driver == "shp" else ""
    if file.driver == "shp":
        file.path.with_suffix(".cpg").write_text(_CARRIER, encoding="ascii")
        _check_shapefile(file)
    with quiet(file.name) as pyogrio:
        names = [str(row[0]) for row in pyogrio.list_layers(file.path).tolist()]
        if len(names) > bounds.layers:
            raise FileRefused(f"{file.name} has {len(names)} layers; {bounds.layers} are read")
        layers = []
        left = bounds.features
        for name in names:
            layer = _layer(pyogrio, file, name, bounds, left)
            left -= len(layer.shapes)
            layers.append(layer)
    if file.driver != "shp":
        return Loaded(layers=tuple(layers))
    return _text_decoded(layers[0], file, declared, encoding)


def _layer(pyogrio: Any, file: Opened, name: str, bounds: Bounds, left: int) -> RawLayer:
    info = pyogrio.read_info(file.path, layer=name, force_feature_count=True)
    if info["features"] > left:
        raise FileRefused(
            f"{file.name} has more than {bounds.features} features", remedy="split the map"
        )
    if len(info["fields"]) > bounds.fields:
        raise FileRefused(f"layer {name} of {file.name} has more than {bounds.fields} fields")
    meta, fids, shapes, values = pyogrio.raw.read(
        file.path, layer=name, force_2d=True, return_fids=True, datetime_as_string=True
    )
    columns: dict[str, list[Value]] = {}
    for field, kind, column in zip(meta["fields"], info["dtypes"], values, strict=True):
        whole = str(kind).startswith(("int", "uint")) and column.dtype.kind == "f"
        if whole:
            columns[str(field)] = _whole(pyogrio, file.path, name, str(field), fids)
        else:
            columns[str(field)] = [_plain(value) for value in column.tolist()]
    if shapes is None:
        shapes = np.full(len(fids), None, dtype=object)
    return RawLayer(
        name=file.title if file.driver == "shp" else name,
        shapes=np.array([_shape(blob) for blob in shapes] or [], dtype=object),
        columns=columns,
        crs=str(info["crs"] or ""),
        places=[int(fid) + (file.driver == "shp") for fid in fids],
        flat=bool(re.search(r"Z|M|25D", str(info["geometry_type"] or "").removeprefix("M"))),
    )


def _whole(pyogrio: Any, path: Path, layer: str, field: str, fids: Any) -> list[Value]:
    """Read a column of whole numbers that has gaps: with the gaps it would come as floats."""
    quoted = field.replace('"', '""')
    _, own, _, values = pyogrio.raw.read(
        path,
        layer=layer,
        columns=[field],
        where=f'"{quoted}" IS NOT NULL',
        return_fids=True,
        read_geometry=False,
    )
    held = dict(zip(own.tolist(), values[0].tolist(), strict=True))
    return [held.get(fid) for fid in fids.tolist()]


def _shape(blob: bytes | None) -> Any:
    return None if blob is None else shapely.force_2d(shapely.from_wkb(blob))


def _plain(value: object) -> Value:
    if value is None or isinstance(value, str | int):
        return value
    if isinstance(value, float):
        return None if np.isnan(value) else value
    return str(value)


def _text_decoded(layer: RawLayer, file: Opened, declared: str, encoding: str | None) -> Loaded:
    pieces = [name.encode("latin-1") for name in layer.columns]
    for column in layer.columns.values():
        pieces += [value.encode("latin-1") for value in column if isinstance(value, str)]
    plain = all(piece.isascii() for piece in pieces)
    options = () if plain else enc.candidates(pieces)
    chosen = encoding or declared or (options[0][0] if options else "UTF-8")
    findings, remarks = [], []
    if not plain and encoding is None and not declared:
        byte = enc.of_dbf(_head(file.path.with_suffix(".dbf")))
        remarks.append(
            "no .cpg that is understood stands beside the .shp, and its text is not ASCII"
        )
        remarks += [f"byte 29 of the .dbf means {byte}"] if byte else []
    if encoding and declared and enc.named(encoding) != declared and not plain:
        findings.append(
            Finding(
                kind="encoding",
                weight=Weight.WARNING,
                codes=(),
                detail=f"its .cpg says {declared}, and {encoding} was declared",
            )
        )
    sure = plain or bool(encoding or declared)
    return Loaded(
        layers=(_decoded(layer, chosen, strict=sure),),
        text=TextFacts(
            used=chosen,
            declared=declared,
            ascii=plain,
            sure=sure,
            candidates=options,
            remarks=tuple(remarks),
        ),
        findings=tuple(findings),
    )


def _decoded(layer: RawLayer, encoding: str, *, strict: bool) -> RawLayer:
    def text(value: Value, where: str) -> Value:
        if not isinstance(value, str):
            return value
        piece = value.encode("latin-1")
        return enc.decoded(piece, encoding, where) if strict else piece.decode(encoding, "replace")

    columns: dict[str, list[Value]] = {}
    for name, column in layer.columns.items():
        field = str(text(name, "the field names"))
        columns[field] = [text(v, layer.where(i)) for i, v in enumerate(column)]
    return RawLayer(
        name=layer.name,
        shapes=layer.shapes,
        columns=columns,
        crs=layer.crs,
        places=layer.places,
        flat=layer.flat,
    )


def _declared_encoding(path: Path) -> str:
    cpg = path.with_suffix(".cpg")
    if not cpg.exists():
        return ""
    said = cpg.read_bytes()[:100].decode("ascii", "replace").strip().strip("\x00")
    return enc.known(said)


def _check_shapefile(file: Opened) -> None:
    """Refuse a .shp or .dbf that is shorter than its own header says."""
    head = _head(file.path)
    said, held = int.from_bytes(head[24:28], "big") * 2, file.path.stat().st_size
    if said > held:
        raise FileRefused(
            f"{file.name}: its .shp has {held} of {said} bytes", remedy="deliver the whole file"
        )
    dbf = file.path.with_suffix(".dbf")
    top = _head(dbf)
    rows, start = int.from_bytes(top[4:8], "little"), int.from_bytes(top[8:10], "little")
    width, size = int.from_bytes(top[10:12], "little"), dbf.stat().st_size
    if start + rows * width > size + 1:
        raise FileRefused(
            f"{file.name}: its .dbf has {size} of {start + rows * width} bytes",
            remedy="deliver the whole file",
        )
    shapes = (file.path.with_suffix(".shx").stat().st_size - 100) // 8
    if rows != shapes:
        raise FileRefused(
            f"{file.name}: its .shx has {shapes} shapes and its .dbf {rows} rows",
            remedy="the parts belong to different maps: deliver those of one",
        )


def _check_sqlite(file: Opened) -> None:
    """Refuse what is no plain GeoPackage: other virtual tables, features in views."""
    try:
        with closing(sqlite3.connect(f"file:{file.path}?mode=ro&immutable=1", uri=True)) as held:
            held.execute("PRAGMA trusted_schema = OFF")
            verdict = held.execute("PRAGMA quick_check(1)").fetchone()
            made = held.execute("SELECT type, name, sql FROM sqlite_master").fetchall()
            names = {str(name).lower() for _, name, _ in made}
            contents = _feature_tables(held) if "gpkg_contents" in names else set()
    except (sqlite3.Error, UnicodeDecodeError) as broken:
        raise FileRefused(
            f"{file.name} is a damaged SQLite file: {_sentence(broken)}",
            remedy="the file is cut off or damaged: export it again",
        ) from broken
    if verdict is None or verdict[0] != "ok":
        raise FileRefused(
            f"{file.name} is a damaged SQLite file: {str(verdict and verdict[0])[:200]}",
            remedy="the file is cut off or damaged: export it again",
        )
    if "gpkg_contents" not in names:
        raise FileRefused(f"{file.name} is an SQLite file and no GeoPackage")
    for kind, name, sql in made:
        text = str(sql or "")
        virtual = text.lower().lstrip().startswith("create virtual")
        if virtual and not _SAFE_VIRTUAL.match(text.strip()):
            raise FileRefused(f"{file.name}: table {name!r} is virtual, which no map needs")
        if kind == "view" and str(name).lower() in contents:
            raise FileRefused(
                f"{file.name}: layer {name!r} is a view", remedy="export it as a table"
            )


def _feature_tables(held: sqlite3.Connection) -> set[str]:
    rows = held.execute("SELECT table_name FROM gpkg_contents").fetchall()
    return {str(name).lower() for (name,) in rows}


def _head(path: Path) -> bytes:
    with path.open("rb") as stream:
        return stream.read(100)


def _sentence(failed: BaseException) -> str:
    return (str(failed).strip() or type(failed).__name__).splitlines()[0][:300]
