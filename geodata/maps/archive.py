"""What kind of file it is, by its content, and a safe copy of it to open.

Nothing is opened where it lies: a copy under names of ours stands in a folder of its own, so that
no name, sibling, link or prefix in a delivery can make a library open something else.
"""

from __future__ import annotations

import hashlib
import shutil
import stat
import tempfile
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from geodata.maps.raw import Bounds, FileRefused

SHAPEFILE_PARTS = ("shp", "shx", "dbf", "prj", "cpg")
_NEEDED = ("shp", "shx", "dbf")
_GDB_NAMES = (".gdbtable", ".gdbtablx", ".gdbindexes", ".atx", ".spx", ".freelist", ".horizon")
_CHUNK = 1 << 20
_HEAD = 65_536
_RATIO_FROM = 1_000_000
_SUFFIXES = {
    "gpkg": ("gpkg",), "geojson": ("geojson", "json"), "kml": ("kml",), "dxf": ("dxf",),
    "shp": ("shp", "zip"), "gdb": ("gdb", "zip"),
}  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Opened:
    """A map file that was recognised and copied.

    Attributes:
        driver: gpkg, shp, geojson, kml, gdb or dxf.
        path: the copy: a file, for shp the .shp, for gdb the folder.
        name: of what was delivered; ``title`` without suffix.
        sha256, size: of what was delivered; of a folder, over its files in order of their names.
    """

    driver: str
    path: Path
    name: str
    sha256: str
    size: int

    @property
    def title(self) -> str:
        """Return the name without its suffix."""
        return PurePosixPath(self.name).stem or self.name


@contextmanager
def opened(path: Path, bounds: Bounds) -> Iterator[Opened]:
    """Recognise a map file and give a copy of it for as long as the block lasts.

    Raises:
        FileRefused: for what is no map file, too large, or an archive that is not safe.
    """
    with tempfile.TemporaryDirectory(prefix="blocktwin-map-") as folder:
        target = Path(folder)
        try:
            yield _taken(path, target, bounds)
        except OSError as failed:
            raise FileRefused(f"{path.name} cannot be read: {failed.strerror}") from failed


def _taken(path: Path, target: Path, bounds: Bounds) -> Opened:
    if path.is_dir():
        return _folder(path, target, bounds)
    if not path.is_file():
        raise FileRefused(f"{path} is no file", remedy="look at the path")
    files = _with_siblings(path)
    digest, size = _digest(files, bounds)
    driver = _driver(path)
    if driver == "zip":
        driver, copy = _unpacked(path, target, bounds)
    elif driver == "shp":
        copy = _shapefile({p.suffix[1:].lower(): p for p in files}, target, path.name)
    else:
        if driver in ("geojson", "kml", "dxf") and size > bounds.text_bytes:
            raise FileRefused(
                f"{path.name} has {size} bytes; of a text format at most {bounds.text_bytes} "
                "are read",
                remedy="deliver a GeoPackage",
            )
        copy = Path(shutil.copyfile(path, target / f"map.{driver}"))
    return Opened(driver=driver, path=copy, name=path.name, sha256=digest, size=size)


def _folder(path: Path, target: Path, bounds: Bounds) -> Opened:
    held = sorted(path.iterdir())
    if len(held) > bounds.members:
        raise FileRefused(f"{path.name} holds more than {bounds.members} files")
    files = [p for p in held if _is_geodatabase(p.name) and p.is_file() and not p.is_symlink()]
    if not any(p.suffix == ".gdbtable" for p in files):
        raise FileRefused(
            f"{path.name} is a folder, and no File Geodatabase",
            remedy="give the map file itself",
        )
    digest, size = _digest(files, bounds)
    copy = target / "map.gdb"
    copy.mkdir()
    for one in files:
        shutil.copyfile(one, copy / one.name)
    return Opened(driver="gdb", path=copy, name=path.name, sha256=digest, size=size)


def _with_siblings(path: Path) -> list[Path]:
    if path.suffix.lower() != ".shp":
        return [path]
    mine = [
        p
        for p in sorted(path.parent.iterdir())
        if p.stem == path.stem and p.suffix[1:].lower() in SHAPEFILE_PARTS and p.is_file()
    ]
    return [path, *(p for p in mine if p != path)]


def _digest(files: list[Path], bounds: Bounds) -> tuple[str, int]:
    size = sum(p.stat().st_size for p in files)
    if size > bounds.file_bytes:
        raise FileRefused(
            f"{files[0].name} has {size} bytes; at most {bounds.file_bytes} are read",
            remedy="split the map into several files",
        )
    if size == 0:
        raise FileRefused(f"{files[0].name} is empty")
    digest = hashlib.sha256()
    for one in files:
        with one.open("rb") as stream:
            while chunk := stream.read(_CHUNK):
                digest.update(chunk)
    return digest.hexdigest(), size


def _driver(path: Path) -> str:
    with path.open("rb") as stream:
        head = stream.read(_HEAD)
    driver = recognised(head)
    if driver == "":
        raise FileRefused(
            f"{path.name} is none of the map formats by its content",
            remedy="GeoPackage, Shapefile, GeoJSON, KML, File Geodatabase (zip or folder) and "
            "DXF as text are read",
        )
    suffix = path.suffix[1:].lower()
    if driver != "zip" and suffix not in _SUFFIXES[driver]:
        raise FileRefused(
            f"{path.name} is called .{suffix}, and is {driver} by its content",
            remedy=f"rename it to .{driver} if that is what it is",
        )
    return driver


def recognised(head: bytes) -> str:
    """Return the format by the first bytes of a file; "" if it is none of ours.

    Raises:
        FileRefused: for near relations of ours, with what to do.
    """
    if head.startswith(b"SQLite format 3\x00"):
        return "gpkg"
    if head.startswith((b"PK\x03\x04", b"PK\x05\x06")):
        return "zip"
    if head[:4] == b"\x00\x00\x27\x0a":
        return "shp"
    if head.startswith(b"AutoCAD Binary DXF"):
        raise FileRefused("the file is a binary DXF", remedy="save it as a text DXF")
    if head.startswith(b"AC10") and head[4:6].isdigit():
        raise FileRefused("the file is a DWG", remedy="save it as DXF (R2007 or newer)")
    text = head.removeprefix(b"\xef\xbb\xbf").lstrip()
    if text.startswith(b"{"):
        return "geojson"
    if text.startswith(b"<") and b"<kml" in text:
        return "kml"
    lines = [line.strip() for line in text.split(b"\n", 8)[:8]]
    if lines[0] in (b"0", b"999") and (b"SECTION" in lines or lines[0] == b"999"):
        return "dxf"
    return ""


def _unpacked(path: Path, target: Path, bounds: Bounds) -> tuple[str, Path]:
    try:
        with zipfile.ZipFile(path) as archive:
            return _chosen(archive, _members(archive, path, bounds), target, path, bounds)
    except (zipfile.BadZipFile, zipfile.LargeZipFile, NotImplementedError, EOFError) as broken:
        raise FileRefused(f"{path.name} is a broken archive: {broken}") from broken
    except RuntimeError as locked:
        raise FileRefused(f"{path.name} cannot be unpacked: {locked}") from locked
    except (ValueError, UnicodeError, zlib.error) as broken:
        raise FileRefused(f"{path.name} is a broken archive: {broken}") from broken


def _members(archive: zipfile.ZipFile, path: Path, bounds: Bounds) -> list[zipfile.ZipInfo]:
    held = archive.infolist()
    if len(held) > bounds.members:
        raise FileRefused(f"{path.name} holds {len(held)} files; at most {bounds.members} are read")
    total = sum(one.file_size for one in held)
    if total > bounds.unpacked_bytes:
        raise FileRefused(
            f"{path.name} would be {total} bytes unpacked; at most {bounds.unpacked_bytes} are read"
        )
    for one in held:
        _check_member(one, path, bounds)
    return [one for one in held if not one.is_dir()]


def _check_member(one: zipfile.ZipInfo, path: Path, bounds: Bounds) -> None:
    name = one.filename.replace("\\", "/")
    parts = PurePosixPath(name).parts
    if name.startswith("/") or ".." in parts or (parts and ":" in parts[0]):
        raise FileRefused(f"{path.name} holds a file outside of itself: {name[:100]!r}")
    if stat.S_ISLNK(one.external_attr >> 16):
        raise FileRefused(f"{path.name} holds a symbolic link: {name[:100]!r}")
    packed = max(1, one.compress_size)
    if one.file_size > _RATIO_FROM and one.file_size / packed > bounds.ratio:
        raise FileRefused(
            f"{path.name}: {name[:100]!r} is {one.file_size // packed} times larger unpacked; "
            f"at most {bounds.ratio:g} times is believed"
        )


def _chosen(
    archive: zipfile.ZipFile,
    members: list[zipfile.ZipInfo],
    target: Path,
    path: Path,
    bounds: Bounds,
) -> tuple[str, Path]:
    tables = [one for one in members if one.filename.lower().endswith(".gdbtable")]
    if tables:
        return "gdb", _geodatabase(archive, members, tables, target, path)
    maps = [one for one in members if _suffix(one) in ("shp", "gpkg", "geojson", "kml", "dxf")]
    if len(maps) != 1:
        what = ", ".join(sorted(one.filename for one in maps)[:5]) or "no map file"
        raise FileRefused(
            f"{path.name} holds {len(maps)} map files ({what})",
            remedy="deliver one map in one archive",
        )
    only = maps[0]
    if _suffix(only) == "shp":
        stem = only.filename[:-4]
        parts = {_suffix(one): one for one in members if one.filename[: -1 - len(_suffix(one))]
                 == stem and _suffix(one) in SHAPEFILE_PARTS}  # fmt: skip
        loose = {key: _extract(archive, one, target / f"raw.{key}") for key, one in parts.items()}
        return "shp", _shapefile(loose, target, path.name)
    limit = bounds.file_bytes if _suffix(only) == "gpkg" else bounds.text_bytes
    if only.file_size > limit:
        raise FileRefused(f"{only.filename} in {path.name} has more than {limit} bytes")
    copy = _extract(archive, only, target / f"map.{_suffix(only)}")
    return _driver(copy), copy


def _geodatabase(
    archive: zipfile.ZipFile,
    members: list[zipfile.ZipInfo],
    tables: list[zipfile.ZipInfo],
    target: Path,
    path: Path,
) -> Path:
    folders = {str(PurePosixPath(one.filename).parent) for one in tables}
    if len(folders) != 1:
        raise FileRefused(f"{path.name} holds {len(folders)} geodatabases; deliver one")
    home = target / "map.gdb"
    home.mkdir()
    for one in members:
        inside = PurePosixPath(one.filename)
        if str(inside.parent) in folders and _is_geodatabase(inside.name):
            _extract(archive, one, home / inside.name)
    return home


def _is_geodatabase(name: str) -> bool:
    plain = name.isascii() and name.replace(".", "").replace("_", "").isalnum()
    return plain and (name.endswith(_GDB_NAMES) or name in ("gdb", "timestamps"))


def _shapefile(parts: dict[str, Path], target: Path, name: str) -> Path:
    missing = [key for key in _NEEDED if key not in parts]
    if missing:
        raise FileRefused(
            f"{name} is a Shapefile without its .{missing[0]}",
            remedy="deliver .shp, .shx, .dbf, .prj and .cpg together, best in one .zip",
        )
    for key, one in parts.items():
        shutil.copyfile(one, target / f"map.{key}")
    return target / "map.shp"


def _extract(archive: zipfile.ZipFile, one: zipfile.ZipInfo, to: Path) -> Path:
    """Unpack one member, and no byte more than it says it has."""
    left = one.file_size
    with archive.open(one) as source, to.open("wb") as sink:
        while chunk := source.read(_CHUNK):
            left -= len(chunk)
            if left < 0:
                raise FileRefused(f"{one.filename[:100]!r} is larger than its archive says")
            sink.write(chunk)
    return to


def _suffix(one: zipfile.ZipInfo) -> str:
    return PurePosixPath(one.filename).suffix[1:].lower()
