"""What kind of file it is, archives that are not safe, and damaged files of every format."""

from __future__ import annotations

import io
import random
import stat
import zipfile
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from core.errors import UsageError
from geodata.frames import frame
from geodata.maps import read, write
from geodata.maps.archive import opened
from geodata.maps.fields import Mapping
from geodata.maps.raw import DEFAULT, Bounds, FileRefused
from tests.support.map_files import small_map

GROUND = frame("EPSG:4490")
PLAIN = Mapping(code="code", kind="kind", name="name")


def made(folder: Path, form: str) -> Path:
    path = folder / f"map{write.SUFFIXES[form]}"
    write.write(path, small_map(), format=form, frame=GROUND)
    return path


def zipped(path: Path, members: dict[str, bytes]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return path


def parts(path: Path) -> dict[str, bytes]:
    with zipfile.ZipFile(path) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def test_a_zip_bomb_is_refused_by_its_ratio_before_it_is_unpacked(tmp_path: Path) -> None:
    bomb = zipped(tmp_path / "bomb.zip", {"map.geojson": b" " * 50_000_000})
    with pytest.raises(FileRefused, match="times larger"):
        read.look(bomb)


def test_an_archive_that_lies_about_its_sizes_is_refused(tmp_path: Path) -> None:
    path = zipped(tmp_path / "lie.zip", {"map.geojson": b'{"type":1}' + b" " * 5_000_000})
    data = path.read_bytes()
    true = (5_000_010).to_bytes(4, "little")
    assert data.count(true) == 2
    path.write_bytes(data.replace(true, (10).to_bytes(4, "little")))
    with pytest.raises(FileRefused):
        read.look(path)


def test_too_many_files_and_too_many_bytes_are_refused(tmp_path: Path) -> None:
    many = zipped(tmp_path / "many.zip", {f"{i}.txt": b"" for i in range(30)})
    with pytest.raises(FileRefused, match="30 files"):
        read.look(many, bounds=Bounds(members=20))
    large = zipped(tmp_path / "large.zip", {"a.geojson": random.Random(1).randbytes(100_000)})
    with pytest.raises(FileRefused, match="100000 bytes unpacked"):
        read.look(large, bounds=Bounds(unpacked_bytes=99_999))


@pytest.mark.parametrize(
    "name", ["../map.geojson", "/tmp/map.geojson", "a/../../map.geojson", "C:/map.geojson",
             "..\\map.geojson"],
)  # fmt: skip
def test_a_member_outside_of_the_archive_is_refused(tmp_path: Path, name: str) -> None:
    path = zipped(tmp_path / "m.zip", {name: b"{}"})
    with pytest.raises(FileRefused, match="outside of itself"):
        read.look(path)


def test_a_symbolic_link_in_an_archive_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "m.zip"
    link = zipfile.ZipInfo("map.geojson")
    link.external_attr = (stat.S_IFLNK | 0o777) << 16
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(link, "/etc/passwd")
    with pytest.raises(FileRefused, match="symbolic link"):
        read.look(path)


@pytest.mark.parametrize(
    ("members", "says"),
    [
        ({}, "0 map files"),
        ({"readme.txt": b"x"}, "0 map files"),
        ({"a.geojson": b"{}", "b.kml": b"<kml/>"}, "2 map files"),
        ({"inner.zip": b"PK\x03\x04"}, "0 map files"),
        ({"map.shp": b"\x00\x00\x27\x0a"}, "without its .shx"),
        ({"map.gpkg": b"not sqlite"}, "none of the map formats"),
        ({"a.gdb/a00000001.gdbtable": b"x", "b.gdb/a00000001.gdbtable": b"x"}, "2 geodatabases"),
    ],
)
def test_an_archive_without_one_map_is_refused(
    tmp_path: Path, members: dict[str, bytes], says: str
) -> None:
    with pytest.raises(FileRefused, match=says):
        read.look(zipped(tmp_path / "m.zip", members))


def test_a_map_deep_in_an_archive_is_found_and_strange_neighbours_are_left(tmp_path: Path) -> None:
    held = {f"地图/2024/{name}": data for name, data in parts(made(tmp_path, "shp")).items()}
    held["地图/2024/spaces.qix"] = b"x"
    held["地图/readme.txt"] = b"x"
    path = zipped(tmp_path / "m.zip", held)
    assert len(read.read(path, frame=GROUND, mapping=PLAIN).cells) == 3
    with opened(path, DEFAULT) as file:
        assert "qix" not in {one.suffix[1:] for one in file.path.parent.iterdir()}
        copy = file.path
    assert not copy.exists()


def test_an_archive_with_a_password_is_refused(tmp_path: Path) -> None:
    path = zipped(tmp_path / "m.zip", {"map.geojson": b"{}"})
    data = bytearray(path.read_bytes())
    for mark, at in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        data[data.index(mark) + at] |= 1
    path.write_bytes(bytes(data))
    with pytest.raises(FileRefused, match="unpacked"):
        read.look(path)


@pytest.mark.parametrize(
    ("form", "suffix"),
    [
        (form, suffix)
        for form in ("gpkg", "geojson", "kml", "dxf")
        for suffix in (".shp", ".gpkg", ".txt", ".dxf", ".kml", ".vrt", "")
        if suffix != f".{form}"
    ],
)
def test_a_file_of_another_name_is_refused_saying_what_it_is(
    tmp_path: Path, form: str, suffix: str
) -> None:
    path = made(tmp_path, form)
    with pytest.raises(FileRefused, match=f"is {form} by its content"):
        read.look(path.rename(tmp_path / f"other{suffix}"))


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (b"", "empty"),
        (b"AC1027\x00\x00", "DWG"),
        (b"AutoCAD Binary DXF\r\n", "binary DXF"),
        (b"<OGRVRTDataSource><OGRVRTLayer/></OGRVRTDataSource>", "none of the map formats"),
        (b"/vsicurl/http://127.0.0.1/x", "none of the map formats"),
        (b"name,wkt\n1,POINT(0 0)\n", "none of the map formats"),
        (b"\x89PNG\r\n", "none of the map formats"),
        (b'{"type": "gdal_streamed_alg", "command_line": "x"}', "no GeoJSON"),
        (b"[1,2]", "none of the map formats"),
        (b"{" + b'"a":{' * 100_000, "no JSON"),
        (b"SQLite format 3\x00" + b"\x00" * 100, "damaged|no GeoPackage"),
    ],
)
@pytest.mark.parametrize("suffix", [".gpkg", ".geojson", ".dxf"])
def test_what_is_no_map_is_refused(tmp_path: Path, data: bytes, says: str, suffix: str) -> None:
    path = tmp_path / f"m{suffix}"
    path.write_bytes(data)
    with pytest.raises(FileRefused, match=f"{says}|by its content"):
        read.look(path)


def test_xml_with_entities_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "m.kml"
    path.write_text(
        '<?xml version="1.0"?><!DOCTYPE k [<!ENTITY a "b">]><kml><Placemark/></kml>', "utf-8"
    )
    with pytest.raises(FileRefused, match="document type"):
        read.look(path)


def test_what_is_not_there_and_a_folder_of_anything_are_refused(tmp_path: Path) -> None:
    with pytest.raises(FileRefused, match="is no file"):
        read.look(tmp_path / "none.gpkg")
    with pytest.raises(FileRefused, match="no File Geodatabase"):
        read.look(tmp_path)
    with pytest.raises(FileRefused, match="is no file"):
        read.look(Path("/vsicurl/http://127.0.0.1/map.geojson"))


def test_links_in_a_geodatabase_folder_are_not_followed(tmp_path: Path) -> None:
    folder = tmp_path / "m.gdb"
    write.write(tmp_path / "m", small_map(), format="gdb", frame=GROUND)
    (tmp_path / "m").rename(folder)
    assert len(read.read(folder, frame=GROUND, mapping=PLAIN).cells) == 3
    (folder / "a00000099.gdbtable").symlink_to("/etc/passwd")
    with opened(folder, DEFAULT) as file:
        assert not (file.path / "a00000099.gdbtable").exists()


def test_a_shapefile_folder_comes_back_through_its_shp(tmp_path: Path) -> None:
    write.write(tmp_path / "m", small_map(), format="shp", frame=GROUND, encoding="GBK")
    path = next((tmp_path / "m").glob("*.shp"))
    assert read.read(path, frame=GROUND, mapping=PLAIN).cells.names == small_map().names
    path.with_suffix(".dbf").unlink()
    with pytest.raises(FileRefused, match=r"without its \.dbf"):
        read.look(path)


def damaged(data: bytes, seed: int) -> Iterator[bytes]:
    rng = random.Random(seed)
    for _ in range(12):
        yield data[: rng.randrange(len(data))]
    for _ in range(25):
        spoiled = bytearray(data)
        for _ in range(rng.choice((1, 3, 20))):
            spoiled[rng.randrange(len(spoiled))] = rng.randrange(256)
        yield bytes(spoiled)
    for _ in range(6):
        at, size = rng.randrange(len(data)), rng.randrange(1, 200)
        yield data[:at] + data[at + size :]


@pytest.mark.parametrize("form", ["gpkg", "geojson", "kml", "dxf"])
def test_damage_ends_in_a_refusal_or_a_map(tmp_path: Path, form: str) -> None:
    data = made(tmp_path, form).read_bytes()
    path = tmp_path / f"broken.{form}"
    for broken in damaged(data, seed=11):
        path.write_bytes(broken)
        with suppress(UsageError):
            read.look(path)
        with suppress(UsageError):
            read.read(path, frame=GROUND, mapping=PLAIN)


@pytest.mark.parametrize("form", ["shp", "gdb"])
def test_damage_inside_or_of_an_archive_ends_in_a_refusal_or_a_map(
    tmp_path: Path, form: str
) -> None:
    whole = made(tmp_path, form)
    held = parts(whole)
    path = tmp_path / "broken.zip"
    for broken in damaged(whole.read_bytes(), seed=12):
        path.write_bytes(broken)
        with suppress(UsageError):
            read.read(path, frame=GROUND, mapping=PLAIN)
    rng = random.Random(13)
    names = [name for name, data in held.items() if data]
    for seed in range(8):
        name = rng.choice(names)
        for broken in list(damaged(held[name], seed=seed))[::6]:
            zipped(path, held | {name: broken})
            with suppress(UsageError):
                read.read(path, frame=GROUND, mapping=PLAIN)


@pytest.mark.parametrize("form", ["geojson", "kml", "dxf", "shp"])
def test_a_cut_off_file_is_never_taken_for_a_smaller_map(tmp_path: Path, form: str) -> None:
    path = made(tmp_path, form)
    if form == "shp":
        held = parts(path)
        for name in ("spaces.shp", "spaces.dbf"):
            zipped(path, held | {name: held[name][: len(held[name]) * 2 // 3]})
            with pytest.raises(FileRefused, match="bytes"):
                read.read(path, frame=GROUND, mapping=PLAIN)
        return
    data = path.read_bytes()
    for share in (0.3, 0.5, 0.8, 0.99):
        path.write_bytes(data[: int(len(data) * share)])
        with pytest.raises(UsageError):
            read.read(path, frame=GROUND, mapping=PLAIN)


def test_an_archive_in_memory_of_no_bytes_is_refused(tmp_path: Path) -> None:
    held = io.BytesIO()
    zipfile.ZipFile(held, "w").close()
    path = tmp_path / "m.zip"
    path.write_bytes(held.getvalue())
    with pytest.raises(FileRefused, match="0 map files"):
        read.look(path)
