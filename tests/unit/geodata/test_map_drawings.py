"""Drawings (DXF): layers, blocks, arcs, hatches, labels, units and encodings."""

from __future__ import annotations

import io
import math
from pathlib import Path
from typing import Any

import pytest
import shapely

from geodata.frames import frame
from geodata.maps import dxf, fields, read
from geodata.maps.encoding import EncodingUnknown
from geodata.maps.fields import Mapping
from geodata.maps.model import Finding, MapContent, Weight
from geodata.maps.raw import FileRefused
from tests.support.map_files import drawing, metres

PLANE = frame("EPSG:4547")
CODED = Mapping(code="code", name="text", kind="=block")


def saved(folder: Path, made: Any) -> Path:
    path = folder / "m.dxf"
    made.saveas(path)
    return path


def text_of(made: Any) -> str:
    held = io.StringIO()
    made.write(held)
    return held.getvalue()


def square(made: Any, code: str, column: int = 0, layer: str = "街区", name: str = "") -> None:
    space = made.modelspace()
    space.add_lwpolyline(metres(column), close=True, dxfattribs={"layer": layer})
    x, y = metres(column)[0]
    space.add_text(code, height=5, dxfattribs={"layer": layer}).set_placement((x + 10, y + 10))
    if name:
        space.add_mtext(name, dxfattribs={"layer": layer}).set_location((x + 10, y + 60))


def areas_m2(content: MapContent) -> list[float]:
    from geodata.frames import geometries

    plane = geometries(content.cells.outlines, PLANE.from_degrees)
    return [round(float(a), 1) for a in shapely.area(plane)]


def kinds(found: tuple[Finding, ...]) -> dict[str, Weight]:
    return {finding.kind: finding.weight for finding in found}


def test_texts_inside_a_closed_polyline_give_code_and_name(tmp_path: Path) -> None:
    made = drawing()
    square(made, "44030300100100101", name="桂园一街区")
    square(made, "44030300100100102", column=3)
    path = saved(tmp_path, made)
    guessed = fields.guess(read.look(path)).mapping
    content = read.read(path, frame=PLANE, mapping=guessed)
    assert content.cells.codes == ("44030300100100101", "44030300100100102")
    assert content.cells.names == ("桂园一街区", "")
    assert {kind.value for kind in content.cells.kinds} == {"block"}
    assert areas_m2(content) == [10000.0, 10000.0]


def test_a_text_belongs_to_the_smallest_area_of_its_own_layer(tmp_path: Path) -> None:
    made = drawing()
    square(made, "44030300100100101")
    made.modelspace().add_lwpolyline(
        [(512000, 2493000), (515000, 2493000), (515000, 2496000), (512000, 2496000)],
        close=True, dxfattribs={"layer": "网格"},
    )  # fmt: skip
    made.modelspace().add_text("440303001001001", dxfattribs={"layer": "网格"}).set_placement(
        (513050, 2494050)
    )
    content = read.read(saved(tmp_path, made), frame=PLANE, mapping=Mapping(code="code"))
    assert dict(zip(content.cells.kinds, content.cells.codes, strict=True)) == {
        "block": "44030300100100101", "grid": "440303001001001",
    }  # fmt: skip


def test_inserted_blocks_are_taken_apart_and_their_attributes_are_fields(tmp_path: Path) -> None:
    made = drawing()
    block = made.blocks.new("HOUSE")
    block.add_lwpolyline([(0, 0), (20, 0), (20, 10), (0, 10)], close=True,
                         dxfattribs={"layer": "楼栋"})  # fmt: skip
    inner = made.blocks.new("TWIN")
    inner.add_blockref("HOUSE", (0, 0))
    inner.add_blockref("HOUSE", (0, 50), dxfattribs={"rotation": 90})
    one = made.modelspace().add_blockref("HOUSE", (513000, 2494000), dxfattribs={"xscale": 2})
    one.add_attrib("编码", "4403030010010100012", (513001, 2494001))
    made.modelspace().add_blockref("TWIN", (513500, 2494000))
    content = read.read(saved(tmp_path, made), frame=PLANE, mapping=Mapping(code="编码"))
    assert sorted(areas_m2(content)) == [200.0, 200.0, 400.0]
    assert content.cells.codes.count("4403030010010100012") == 1


def test_blocks_that_unfold_without_end_are_refused(tmp_path: Path) -> None:
    made = drawing()
    made.blocks.new("B0").add_lwpolyline(metres(0), close=True)
    for level in range(1, 7):
        block = made.blocks.new(f"B{level}")
        for i in range(12):
            block.add_blockref(f"B{level - 1}", (i, 0))
    made.modelspace().add_blockref("B6", (0, 0))
    with pytest.raises(FileRefused, match="unfold to"):
        read.look(saved(tmp_path, made))
    chain = drawing()
    chain.blocks.new("C0")
    for level in range(1, 12):
        chain.blocks.new(f"C{level}").add_blockref(f"C{level - 1}", (0, 0))
    chain.modelspace().add_blockref("C11", (0, 0))
    with pytest.raises(FileRefused, match="nested more than"):
        read.look(saved(tmp_path, chain))
    array = drawing()
    array.blocks.new("A").add_point((0, 0))
    array.modelspace().add_blockref(
        "A",
        (0, 0),
        dxfattribs={
            "row_count": 30000,
            "column_count": 30000,
            "row_spacing": 1,
            "column_spacing": 1,
        },
    )
    with pytest.raises(FileRefused, match="unfold to"):
        read.look(saved(tmp_path, array))


def test_arcs_are_flattened_within_the_stated_tolerance(tmp_path: Path) -> None:
    made = drawing()
    made.modelspace().add_lwpolyline(
        [(513000, 2494000, 1), (513100, 2494000, 1)], format="xyb", close=True
    )
    made.modelspace().add_circle((513500, 2494000), 50)
    layer = read.look(saved(tmp_path, made)).layers[0]
    assert layer.geometry_types == {"Polygon": 2}
    true = math.pi * 50**2
    path = tmp_path / "m.dxf"
    found = dxf.load(_file(path), read.Bounds(), None).layers[0]
    for area in shapely.area(found.shapes):
        assert true * 0.999 < area <= true


def _file(path: Path) -> Any:
    from geodata.maps.archive import Opened

    return Opened(driver="dxf", path=path, name=path.name, sha256="", size=1)


def test_hatches_keep_their_holes_and_old_polylines_are_read(tmp_path: Path) -> None:
    made = drawing("R12")
    made.modelspace().add_polyline2d(metres(0), close=True)
    assert read.look(saved(tmp_path, made)).layers[0].geometry_types == {"Polygon": 1}
    modern = drawing()
    hatch = modern.modelspace().add_hatch()
    hatch.paths.add_polyline_path([(0, 0), (10, 0), (10, 10), (0, 10)], is_closed=True, flags=1)
    hatch.paths.add_polyline_path([(2, 2), (4, 2), (4, 4), (2, 4)], is_closed=True, flags=16)
    path = saved(tmp_path, modern)
    shape = dxf.load(_file(path), read.Bounds(), None).layers[0].shapes[0]
    assert shape.area == pytest.approx(96)


def test_open_polylines_and_lines_beside_areas_are_told(tmp_path: Path) -> None:
    made = drawing()
    square(made, "44030300100100101")
    space = made.modelspace()
    space.add_lwpolyline(metres(5), dxfattribs={"layer": "街区"})
    space.add_line((0, 0), (1, 1), dxfattribs={"layer": "道路"})
    content = read.read(saved(tmp_path, made), frame=PLANE, mapping=CODED)
    told = [f for f in content.findings if f.kind == "not_an_area"]
    assert {f.weight for f in told} == {Weight.WARNING, Weight.NOTE}
    assert any("1 open LWPOLYLINE" in f.detail and "close" in f.mend for f in told)
    assert len(content.cells) == 1


@pytest.mark.parametrize("version", ["R2000", "R2010"])
@pytest.mark.parametrize("page", ["ANSI_936", "ANSI_1252"])
def test_utf8_under_a_header_that_says_otherwise_reads_right(
    tmp_path: Path, version: str, page: str
) -> None:
    made = drawing(version)
    square(made, "44030300100100101", name="桂园")
    lines = text_of(made).splitlines()
    at = lines.index("$DWGCODEPAGE")
    lines[at + 2] = page
    text = "\n".join(lines) + "\n"
    for plain, sign in (("\\U+6842", "桂"), ("\\U+56ed", "园"), ("\\U+56ED", "园")):
        text = text.replace(plain, sign)
    path = tmp_path / "m.dxf"
    path.write_bytes(text.encode("utf-8"))
    content = read.read(path, frame=PLANE, mapping=CODED)
    assert content.cells.names == ("桂园",)
    assert ("encoding" in kinds(content.findings)) == (version == "R2000")


def test_gbk_under_its_own_code_page_reads_right(tmp_path: Path) -> None:
    made = drawing("R2000")
    square(made, "44030300100100101", name="桂园街道", layer="网格")
    lines = text_of(made).splitlines()
    lines[lines.index("$DWGCODEPAGE") + 2] = "ANSI_936"
    path = tmp_path / "m.dxf"
    path.write_bytes(("\n".join(lines) + "\n").encode("gbk"))
    content = read.read(path, frame=PLANE, mapping=CODED)
    assert content.cells.names == ("桂园街道",)
    assert content.source.encoding == "GBK"
    assert "encoding" not in kinds(content.findings)


def test_gbk_without_a_code_page_is_asked_for(tmp_path: Path) -> None:
    made = drawing("R2000")
    square(made, "44030300100100101", name="桂园街道")
    lines = text_of(made).splitlines()
    at = lines.index("$DWGCODEPAGE")
    del lines[at - 1 : at + 3]
    path = tmp_path / "m.dxf"
    path.write_bytes(("\n".join(lines) + "\n").encode("gbk"))
    assert not read.look(path).encoding.sure
    with pytest.raises(EncodingUnknown, match="no code page"):
        read.read(path, frame=PLANE, mapping=CODED)
    assert read.read(path, frame=PLANE, mapping=CODED, encoding="GBK").cells.names == ("桂园街道",)


@pytest.mark.parametrize(
    ("unit", "factor", "weight"),
    [(4, 1000.0, Weight.NOTE), (4, 1.0, Weight.WARNING), (6, 1.0, None), (0, 1.0, None)],
)
def test_the_units_of_the_header_are_believed_only_where_the_numbers_agree(
    tmp_path: Path, unit: int, factor: float, weight: Weight | None
) -> None:
    made = drawing()
    made.header["$INSUNITS"] = unit
    space = made.modelspace()
    corners = [(x * factor, y * factor) for x, y in metres(0)]
    space.add_lwpolyline(corners, close=True)
    x, y = corners[0]
    space.add_text("44030300100100101").set_placement((x + factor, y + factor))
    content = read.read(saved(tmp_path, made), frame=PLANE, mapping=CODED)
    assert areas_m2(content) == [10000.0]
    assert kinds(content.findings).get("unit") is weight


def test_a_drawing_without_areas_is_refused(tmp_path: Path) -> None:
    made = drawing()
    made.modelspace().add_line((0, 0), (1, 1))
    with pytest.raises(FileRefused, match="holds no area"):
        read.read(saved(tmp_path, made), frame=PLANE, mapping=CODED)


@pytest.mark.parametrize("zone", [0, 38_000_000])
def test_a_gap_is_joined_and_told_or_left_open_and_told(tmp_path: Path, zone: int) -> None:
    made = drawing()
    for column, gap in enumerate((0.0, 0.3, 0.8, 30.0)):
        corners = [(x + zone, y) for x, y in metres(column * 2)]
        ends = [*corners, (corners[0][0] + gap, corners[0][1])]
        made.modelspace().add_lwpolyline(ends, dxfattribs={"layer": "街区"})
        text = made.modelspace().add_text(f"440303001001001{column:02d}")
        text.set_placement((corners[0][0] + 50, corners[0][1] + 50))
    plane = frame("EPSG:4526") if zone else PLANE
    content = read.read(saved(tmp_path, made), frame=plane, mapping=CODED)
    assert content.cells.codes == ("44030300100100100", "44030300100100101")
    told = {one.kind: one for one in content.findings}
    assert told["not_closed"].detail.startswith("1 curves")
    assert "up to 0.3 drawing units" in told["not_closed"].detail
    assert "2 open LWPOLYLINE; the smallest gap is 0.8" in told["not_an_area"].detail


def test_a_small_curve_is_not_closed_over_a_large_part_of_it(tmp_path: Path) -> None:
    made = drawing()
    square(made, "44030300100100101")
    x, y = metres(5)[0]
    made.modelspace().add_lwpolyline([(x, y), (x + 0.4, y), (x + 0.4, y + 0.4), (x, y + 0.4)])
    content = read.read(saved(tmp_path, made), frame=PLANE, mapping=CODED)
    assert len(content.cells) == 1
    assert "not_closed" not in kinds(content.findings)


def test_what_stands_in_another_drawing_is_told(tmp_path: Path) -> None:
    made = drawing()
    square(made, "44030300100100101")
    made.add_xref_def("other.dwg", "OTHER")
    made.modelspace().add_blockref("OTHER", (0, 0))
    content = read.read(saved(tmp_path, made), frame=PLANE, mapping=CODED)
    (told,) = [one for one in content.findings if one.kind == "not_an_area"]
    assert told.weight is Weight.WARNING
    assert "1 XREF OTHER" in told.detail


@pytest.mark.parametrize("name", ["\\U+6842\\U+56ED", "\\M+5B9F0\\M+5D4B0"])
def test_signs_that_the_code_page_lacks_are_read_from_their_numbers(
    tmp_path: Path, name: str
) -> None:
    made = drawing("R2000")
    square(made, "44030300100100101", name=name)
    content = read.read(saved(tmp_path, made), frame=PLANE, mapping=CODED)
    assert content.cells.names == ("桂园",)


@pytest.mark.parametrize("unit", [1, 2, 7])
def test_a_unit_that_no_map_has_is_not_believed_and_told(tmp_path: Path, unit: int) -> None:
    made = drawing()
    made.header["$INSUNITS"] = unit
    square(made, "44030300100100101")
    content = read.read(saved(tmp_path, made), frame=PLANE, mapping=CODED)
    assert areas_m2(content) == [10000.0]
    assert kinds(content.findings)["unit"] is Weight.WARNING
