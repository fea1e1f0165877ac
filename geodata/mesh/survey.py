"""Read survey files: ESRI ASCII grids and lists of x, y, z; and pack points for the database.

Bytes come in, points come out, in the coordinates that the file has: which frame that is, its giver
declares. A GeoTIFF is refused with the way to convert it.
"""

from __future__ import annotations

import re
import zlib
from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from geodata.mesh.words import F8, Finding, MeshRefused, Weight

MAX_POINTS = 500_000
"""Of one survey; two million triangles are more than a slope needs or a page bears."""

POINTS_FORMAT = 1
"""Of ``packed``: three columns of little-endian 64-bit floats, their bytes sorted by significance,
deflated."""

_HEADER = {"ncols", "nrows", "xllcorner", "yllcorner", "xllcenter", "yllcenter", "cellsize",
           "nodata_value", "dx", "dy"}  # fmt: skip
_HEIGHT = {"z", "h", "height", "elevation", "elev", "alt", "altitude", "高程", "高度"}
_EAST = {"x", "e", "east", "easting", "lon", "longitude", "lng", "经度", "东坐标"}
_NORTH = {"y", "n", "north", "northing", "lat", "latitude", "纬度", "北坐标"}
_SPLIT = re.compile(r"[,;\t ]+")


class SurveyKind(StrEnum):
    """What a survey is: a regular grid of heights, or points as they were taken."""

    DEM = "dem"
    POINTS = "points"


@dataclass(frozen=True, slots=True, kw_only=True)
class Survey:
    """Points as a file gives them.

    Attributes:
        points: n x 3: x, y in the file's frame (east or longitude first), height in metres; NaN
            heights are holes of a grid.
        shape: rows and columns of a grid, row by row; None for points.
    """

    kind: SurveyKind
    points: F8
    shape: tuple[int, int] | None
    findings: tuple[Finding, ...] = ()


def read(data: bytes, name: str) -> Survey:
    """Read a survey file; ``name`` only helps to tell what it is.

    Raises:
        MeshRefused: it is none of the formats, broken, or has too many points.
    """
    if data[:4] in (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"):
        raise MeshRefused(
            f"{name} is a TIFF, which is not read here; make an ESRI ASCII grid of it: "
            "gdal_translate -of AAIGrid in.tif out.asc"
        )
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise MeshRefused(
            f"{name} is no text at byte {error.start}: an ESRI ASCII grid or x,y,z in UTF-8 is read"
        ) from error
    if not text.strip():
        raise MeshRefused(f"{name} is empty")
    return _grid(text, name) if text.lstrip()[:5].lower() == "ncols" else _list(text, name)


def _grid(text: str, name: str) -> Survey:
    """Read an ESRI ASCII grid; its rows run from north to south."""
    lines = text.splitlines()
    head, begin = _header(lines, name)
    rows, columns = _whole(head, "nrows", name), _whole(head, "ncols", name)
    if rows * columns > MAX_POINTS:
        raise MeshRefused(_too_many(name, rows * columns))
    try:
        heights = np.array(" ".join(lines[begin:]).split(), dtype=np.float64)
    except ValueError as error:
        raise MeshRefused(f"{name}: a height is no number: {error}") from error
    if len(heights) != rows * columns:
        raise MeshRefused(
            f"{name}: {rows} rows of {columns} make {rows * columns} heights, there are "
            f"{len(heights)}"
        )
    heights[heights == head.get("nodata_value", -9999.0)] = np.nan
    dx, dy = head.get("dx", head.get("cellsize", 0)), head.get("dy", head.get("cellsize", 0))
    if not (dx > 0 and dy > 0):
        raise MeshRefused(f"{name}: cellsize must be above 0")
    west = _edge(head, "xll", dx, name) + dx * np.arange(columns)
    north = _edge(head, "yll", dy, name) + dy * np.arange(rows)[::-1]
    x, y = np.meshgrid(west, north)
    points = np.column_stack([x.ravel(), y.ravel(), heights])
    return Survey(kind=SurveyKind.DEM, points=points, shape=(rows, columns))


def _header(lines: list[str], name: str) -> tuple[dict[str, float], int]:
    head: dict[str, float] = {}
    for number, line in enumerate(lines):
        words = line.split()
        if len(words) != 2 or words[0].lower() not in _HEADER:
            return head, number
        try:
            head[words[0].lower()] = float(words[1])
        except ValueError as error:
            raise MeshRefused(f"{name}, line {number + 1}: {words[1]!r} is no number") from error
    return head, len(lines)


def _whole(head: dict[str, float], key: str, name: str) -> int:
    value = head.get(key, 0.0)
    if not (np.isfinite(value) and value == int(value) and 2 <= value <= MAX_POINTS):
        raise MeshRefused(f"{name}: {key} must be a whole number from 2 on, and is {value:g}")
    return int(value)


def _edge(head: dict[str, float], axis: str, step: float, name: str) -> float:
    """Return the first cell's centre along an axis."""
    if f"{axis}center" in head:
        return head[f"{axis}center"]
    if f"{axis}corner" in head:
        return head[f"{axis}corner"] + step / 2
    raise MeshRefused(f"{name}: its header has neither {axis}corner nor {axis}center")


def _list(text: str, name: str) -> Survey:
    """Read lines of x, y, z, with or without a line of names; lines after # are remarks."""
    lines = [
        (number, line.strip())
        for number, line in enumerate(text.splitlines(), start=1)
        if line.strip() and not line.lstrip().startswith("#")
    ]
    if len(lines) > MAX_POINTS + 1:
        raise MeshRefused(_too_many(name, len(lines)))
    if not lines:
        raise MeshRefused(f"{name} has remarks only")
    columns, begin = _columns(lines[0][1], name)
    points = np.empty((len(lines) - begin, 3))
    for row, (number, line) in enumerate(lines[begin:]):
        words = _SPLIT.split(line)
        try:
            points[row] = [float(words[column]) for column in columns]
        except (IndexError, ValueError) as error:
            raise MeshRefused(
                f"{name}, line {number}: {line[:60]!r} are not x, y, z as numbers"
            ) from error
    return Survey(kind=SurveyKind.POINTS, points=points, shape=None, findings=_odd(points))


def _columns(first: str, name: str) -> tuple[tuple[int, int, int], int]:
    """Return where x, y, z stand, and how many lines of names there are."""
    words = [word.strip().strip('"').lower() for word in _SPLIT.split(first)]
    try:
        [float(word) for word in words[:3]]
    except ValueError:
        found = [
            next((i for i, word in enumerate(words) if word in known), None)
            for known in (_EAST, _NORTH, _HEIGHT)
        ]
        x, y, z = found
        if x is None or y is None or z is None:
            raise MeshRefused(
                f"{name}, line 1: {first[:60]!r} names no columns x, y, z "
                "(or lon, lat, height; easting, northing, elevation)"
            ) from None
        return (x, y, z), 1
    return (0, 1, 2), 0


def _odd(points: F8) -> tuple[Finding, ...]:
    """Notice exchanged axes: in China longitudes are above 73 degrees, latitudes below 54."""
    x, y = np.median(points[:, 0]), np.median(points[:, 1])
    if 0 < x < 54 and 73 < y < 136:
        detail = f"x is about {x:.4f} and y about {y:.4f}: latitude seems to stand first"
        return (Finding(kind="axes", weight=Weight.WARNING, detail=detail, count=len(points)),)
    return ()


def _too_many(name: str, number: int) -> str:
    return f"{name} has {number:,} points, more than {MAX_POINTS:,}: thin it or cut it into parts"


def packed(points: F8) -> bytes:
    """Return points as the database keeps them, see ``POINTS_FORMAT``."""
    columns = np.ascontiguousarray(points.T, dtype="<f8")
    by_byte = columns.view(np.uint8).reshape(3, len(points), 8).transpose(0, 2, 1)
    return zlib.compress(by_byte.tobytes(), 6)


def unpacked(data: bytes, count: int) -> F8:
    """Return the points of ``packed``; never more than ``count`` of them are taken out.

    Raises:
        MeshRefused: the bytes are not those of so many points.
    """
    size = count * 24
    opener = zlib.decompressobj()
    try:
        flat = opener.decompress(data, size + 1)
    except zlib.error as error:
        raise MeshRefused(f"stored points cannot be read: {error}") from error
    if len(flat) != size:
        raise MeshRefused(f"stored points are {len(flat)} bytes, {count} points are {size}")
    by_byte = np.frombuffer(flat, dtype=np.uint8).reshape(3, 8, count).transpose(0, 2, 1)
    columns = np.ascontiguousarray(by_byte).view("<f8").reshape(3, count)
    return np.ascontiguousarray(columns.T, dtype=np.float64)
