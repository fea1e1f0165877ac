"""Little maps for the tests of map files: cells, shapefiles written byte by byte, drawings."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyogrio
import shapely
from ezdxf.filemanagement import new

from core.model import SpaceKind
from geodata.maps.model import Cells

WEST, SOUTH = 114.10, 22.54


def box(column: int, row: int = 0, size: float = 0.001) -> shapely.Polygon:
    west, south = WEST + column * size, SOUTH + row * size
    return shapely.box(west, south, west + size, south + size)


def cells_of_shapes(shapes: Sequence[shapely.Geometry], **columns: Any) -> Cells:
    """Blocks with these outlines, names in Chinese, every other with a height."""
    count = len(shapes)
    given: dict[str, Any] = {
        "codes": tuple(f"440303001001001{i:02d}" for i in range(1, count + 1)),
        "kinds": (SpaceKind.BLOCK,) * count,
        "names": tuple(f"桂园街区{i}" for i in range(count)),
        "names_en": tuple(f'block {i} & <co> "x"' for i in range(count)),
        "parents": ("440303001001001",) * count,
        "heights_m": np.array([np.nan if i % 2 else 12.5 + i for i in range(count)]),
        "outlines": np.array([*shapes, None], dtype=object)[:-1],
        "wheres": ("",) * count,
    }
    return Cells(**(given | columns))


def small_map(count: int = 3) -> Cells:
    """Blocks in a row; the second has a hole, the third two parts."""
    shapes: list[shapely.Geometry] = [box(i) for i in range(count)]
    if count > 1:
        shapes[1] = shapely.difference(shapes[1], shapely.buffer(shapes[1].centroid, 0.0002))
    if count > 2:
        shapes[2] = shapely.MultiPolygon([shapes[2], box(2, 3)])
    return cells_of_shapes(shapes)


def write_raw(
    path: Path,
    columns: dict[str, Any],
    shapes: Sequence[shapely.Geometry | None],
    **options: Any,
) -> Path:
    """Write any columns through GDAL, as another program would."""
    blobs = np.array([*(None if s is None else s.wkb for s in shapes), None], dtype=object)[:-1]
    drivers = {".shp": "ESRI Shapefile", ".gpkg": "GPKG", ".gdb": "OpenFileGDB"}
    pyogrio.raw.write(
        path,
        blobs,
        [np.asarray(column) for column in columns.values()],
        list(columns),
        driver=drivers[path.suffix],
        **({"geometry_type": "Polygon", "crs": "EPSG:4490"} | options),
    )
    return path


def shapefile(folder: Path, texts: Sequence[str], *, encoding: str, cpg: str | None) -> Path:
    """A Shapefile of boxes whose name column is in that encoding; cpg None leaves none."""
    codes = np.array([f"440303001001001{i:02d}" for i in range(1, len(texts) + 1)], dtype=object)
    path = write_raw(
        folder / "map.shp",
        {"code": codes, "kind": np.array(["街区"] * len(texts), dtype=object),
         "name": np.array(texts, dtype=object)},
        [box(i) for i in range(len(texts))],
        encoding=encoding,
    )  # fmt: skip
    beside = path.with_suffix(".cpg")
    beside.unlink(missing_ok=True)
    if cpg is not None:
        beside.write_text(cpg, encoding="ascii")
    return path


def drawing(version: str = "R2010") -> Any:
    """An empty drawing in metres."""
    made = new(version)
    made.header["$INSUNITS"] = 6
    return made


def metres(column: int, row: int = 0, size: float = 100.0) -> list[tuple[float, float]]:
    """Corners of a square in EPSG:4547."""
    x, y = 513_000 + column * size, 2_494_000 + row * size
    return [(x, y), (x + size, y), (x + size, y + size), (x, y + size)]
