"""GeoPackage, Shapefile and File Geodatabase through GDAL (pyogrio).

GDAL chooses its driver by content, so the content was looked at before (``archive``), and it gets
a copy of ours. What a GeoPackage could make SQLite do is refused here.
"""

from __future__ import annotations

import re
import sqlite3
import threading
import warnings
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import shapely
from shapely.errors import GEOSException

from core.errors import MissingPrerequisite
from geodata.maps import encoding as enc
from geodata.maps.archive import Opened
from geodata.maps.model import Finding, Weight, told
from geodata.maps.raw import Bounds, FileRefused, Loaded, RawLayer, TextFacts, Value
from geodata.said import Said

_ONE = threading.Lock()
"""GDAL's last error and Python's warnings belong to the process: one reads at a time."""

_NAME_BYTES = 10
"""A field of a .dbf has no longer name: three Chinese signs of UTF-8 and a part of the fourth."""

_CUTS_TOLD, _CUT_SHOWN = 5, 20

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
    widths = _widths(file.path.with_suffix(".dbf"), len(layer.columns))
    pieces, full = _pieces(layer, widths)
    plain = all(piece.isascii() for piece in (*pieces, *full))
    options = () if plain else enc.candidates(pieces, full)
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
            told(
                "encoding",
                Weight.WARNING,
                Said(
                    f".cpg 文件声明 {declared}，导入时声明的是 {encoding}",
                    f"its .cpg says {declared}, and {encoding} was declared",
                ),
            )
        )
    sure = plain or bool(encoding or declared)
    read, cut = _decoded(layer, chosen, widths, strict=sure)
    return Loaded(
        layers=(read,),
        text=TextFacts(
            used=chosen,
            declared=declared,
            ascii=plain,
            sure=sure,
            candidates=options,
            remarks=tuple(remarks),
        ),
        findings=(*findings, *_told_cut(layer, cut)),
    )


def _pieces(layer: RawLayer, widths: Sequence[int]) -> tuple[list[bytes], list[bytes]]:
    """Return the texts of a layer, and those that fill their field: these may have been cut."""
    pieces: list[bytes] = []
    full: list[bytes] = []
    for (name, column), width in zip(layer.columns.items(), widths, strict=True):
        title = name.encode("latin-1")
        (full if len(title) == _NAME_BYTES else pieces).append(title)
        for value in column:
            if isinstance(value, str):
                piece = value.encode("latin-1")
                (full if len(piece) == width else pieces).append(piece)
    return pieces, full


def _decoded(
    layer: RawLayer, encoding: str, widths: Sequence[int], *, strict: bool
) -> tuple[RawLayer, list[str]]:
    """Decode names and values; return the places of those that end within a sign, too."""
    cut: list[str] = []

    def text(value: Value, where: str, width: int) -> Value:
        if not isinstance(value, str):
            return value
        piece = value.encode("latin-1")
        if not strict:
            return piece.decode(encoding, "replace")
        if len(piece) != width:
            return enc.decoded(piece, encoding, where)
        try:
            whole = enc.whole_signs(piece, encoding)
        except UnicodeDecodeError:
            return enc.decoded(piece, encoding, where)
        if whole.encode(encoding) != piece:
            cut.append(f"{where}: {whole[-_CUT_SHOWN:]}")
        return whole

    columns: dict[str, list[Value]] = {}
    for (name, column), width in zip(layer.columns.items(), widths, strict=True):
        field = str(text(name, "the field names", _NAME_BYTES))
        while field in columns:  # two names that are one once their last sign is gone
            field += "_"
        columns[field] = [text(v, layer.where(i), width) for i, v in enumerate(column)]
    decoded = RawLayer(
        name=layer.name,
        shapes=layer.shapes,
        columns=columns,
        crs=layer.crs,
        places=layer.places,
        flat=layer.flat,
    )
    return decoded, cut


def _told_cut(layer: RawLayer, cut: Sequence[str]) -> tuple[Finding, ...]:
    if not cut:
        return ()
    shown = cut[:_CUTS_TOLD]
    return (
        told(
            "text_cut",
            Weight.WARNING,
            Said(
                f"{len(cut)} 处文字超出 .dbf 字段宽度，末字被截断并已略去：{'；'.join(shown)}",
                f"{len(cut)} texts are longer than their field of the .dbf and were cut within "
                f"their last sign, which is left out: {'; '.join(shown)}",
            ),
            Said(
                "请缩短字段名（UTF-8 至多 3 个汉字）或改用 GeoPackage 交付",
                "use field names of at most 3 Chinese signs of UTF-8, or deliver a GeoPackage",
            ),
            where=f"layer {layer.name}",
        ),
    )


def _widths(dbf: Path, count: int) -> list[int]:
    """Return the bytes of each field of a .dbf; zeros if it has not so many fields."""
    data = dbf.read_bytes()[: 32 + 32 * count]
    found = [data[at + 16] for at in range(32, len(data) - 31, 32)]
    return found if len(found) == count else [0] * count


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
