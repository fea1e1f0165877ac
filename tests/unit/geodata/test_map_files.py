"""Map files: every format comes back as it was written, and what is wrong is said or refused."""

from __future__ import annotations

import json
import math
import sqlite3
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import shapely
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from core.errors import UsageError
from core.model import SpaceKind
from geodata.frames import frame, local_frame
from geodata.maps import fields, read, write
from geodata.maps.evidence import FrameUndeclared
from geodata.maps.fields import Mapping
from geodata.maps.model import Cells, Finding, MapContent, Weight
from geodata.maps.raw import Bounds, FileRefused
from tests.support.map_files import box, cells_of_shapes, small_map, write_raw
from tests.unit.geodata.test_frames_local import SHORT

GROUND = frame("EPSG:4490")
PLAIN = Mapping(
    code="code", kind="kind", name="name", name_en="name_en", parent="parent", height="height"
)
ONLY_CODE = Mapping(code="code", kind="=block")


def told(content: MapContent, kind: str) -> list[Finding]:
    return [finding for finding in content.findings if finding.kind == kind]


def assert_same(back: Cells, cells: Cells, tolerance_m: float = 1e-5) -> None:
    assert back.codes == cells.codes
    assert back.kinds == cells.kinds
    assert back.names == cells.names
    assert back.names_en == cells.names_en
    assert back.parents == cells.parents
    assert np.array_equal(back.heights_m, cells.heights_m, equal_nan=True)
    apart = shapely.hausdorff_distance(back.outlines, cells.outlines)
    assert float(np.max(apart)) * 111_320 < tolerance_m
    assert np.allclose(shapely.area(back.outlines), shapely.area(cells.outlines), rtol=1e-6)
    holes = shapely.get_num_interior_rings
    assert holes(shapely.get_parts(back.outlines)).tolist() == (
        holes(shapely.get_parts(cells.outlines)).tolist()
    )


def went_round(
    folder: Path, cells: Cells, form: str, name: str, encoding: str = "UTF-8"
) -> MapContent:
    path = folder / f"map{write.SUFFIXES[form]}"
    path.unlink(missing_ok=True)
    write.write(path, cells, format=form, frame=frame(name), encoding=encoding)
    return read.read(path, frame=frame(name), mapping=PLAIN)


PAIRS = [
    (form, name)
    for form in write.FORMATS
    for name in ("EPSG:4490", "EPSG:4547", "EPSG:4526", "GCJ-02", "BD-09")
    if form != "kml" or "45" not in name
]


@pytest.mark.parametrize(("form", "name"), PAIRS)
def test_every_format_in_every_frame_comes_back(tmp_path: Path, form: str, name: str) -> None:
    content = went_round(tmp_path, small_map(), form, name)
    assert_same(content.cells, small_map())
    assert [f for f in content.findings if f.weight is not Weight.NOTE] == []
    assert content.source.driver == form
    assert content.source.frame == name
    assert len(content.source.sha256) == 64


@pytest.mark.parametrize("form", ["gpkg", "shp", "geojson", "dxf", "gdb"])
def test_a_local_system_comes_back(tmp_path: Path, form: str) -> None:
    own = local_frame(SHORT)
    path = tmp_path / f"map{write.SUFFIXES[form]}"
    write.write(path, small_map(), format=form, frame=own)
    assert_same(read.read(path, frame=own, mapping=PLAIN).cells, small_map())


offsets = st.floats(0.0, 0.01)
texts = st.text(st.characters(min_codepoint=0x20, max_codepoint=0x9FA5,
                              exclude_categories=("Cc", "Cs", "Cn", "Co", "Zs", "Cf", "Zl", "Zp")),
                max_size=20)  # fmt: skip


@st.composite
def polygons(draw: Any) -> shapely.Polygon:
    """A star-shaped ring of 3 to 12 corners, perhaps with a hole."""
    corners = draw(st.integers(3, 12))
    radii = [draw(st.floats(0.0005, 0.002)) for _ in range(corners)]
    x, y = 114.1 + draw(offsets), 22.5 + draw(offsets)
    ring = [
        (x + r * math.cos(2 * math.pi * i / corners), y + r * math.sin(2 * math.pi * i / corners))
        for i, r in enumerate(radii)
    ]
    hole = [(x + (a - x) * 0.2, y + (b - y) * 0.2) for a, b in ring]
    return shapely.Polygon(ring, [hole] if draw(st.booleans()) and corners > 3 else [])


@pytest.mark.parametrize("form", write.FORMATS)
@given(shapes=st.lists(polygons(), min_size=1, max_size=4), name=texts)
@settings(
    max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_any_polygons_with_holes_come_back(
    tmp_path: Path, form: str, shapes: list[shapely.Polygon], name: str
) -> None:
    cells = cells_of_shapes(shapes, names=(name,) * len(shapes))
    assert_same(went_round(tmp_path, cells, form, "EPSG:4490").cells, cells)


def test_geojson_says_which_system_it_is_in_only_where_that_is_not_wgs84(tmp_path: Path) -> None:
    for name, says in (("EPSG:4490", None), ("GCJ-02", "GCJ-02"), ("EPSG:4547", "EPSG:4547")):
        path = tmp_path / f"{name.replace(':', '')}.geojson"
        write.write(path, small_map(), format="geojson", frame=frame(name))
        held = json.loads(path.read_text("utf-8"))
        assert held.get("frame") == says
        assert read.look(path).frame.named == (says or "EPSG:4326")


@pytest.mark.parametrize(
    ("form", "name", "says"),
    [("pdf", "EPSG:4490", "no map format"), ("kml", "EPSG:4547", "degrees")],
)
def test_what_cannot_be_written_is_refused(tmp_path: Path, form: str, name: str, says: str) -> None:
    with pytest.raises(UsageError, match=says):
        write.write(tmp_path / "x", small_map(), format=form, frame=frame(name))


def test_nothing_is_written_over_a_file_or_outside_the_frame(tmp_path: Path) -> None:
    path = tmp_path / "map.gpkg"
    path.write_text("mine")
    with pytest.raises(UsageError, match="there already"):
        write.write(path, small_map(), format="gpkg", frame=GROUND)
    with pytest.raises(UsageError, match=r"44030300100100101: .*outside"):
        write.write(tmp_path / "b.gpkg", small_map(), format="gpkg", frame=frame("EPSG:4550"))


def test_a_file_whose_frame_nobody_declares_is_refused_with_the_evidence(tmp_path: Path) -> None:
    path = tmp_path / "m.geojson"
    write.write(path, small_map(), format="geojson", frame=frame("EPSG:4526"))
    with pytest.raises(FrameUndeclared, match="zone 38") as refused:
        read.read(path, frame=None, mapping=PLAIN)
    assert "EPSG:4526" in refused.value.remedy


@pytest.mark.parametrize(
    ("name", "says", "possible"),
    [
        ("EPSG:4490", "degrees in China", "GCJ-02"),
        ("EPSG:4547", "without a zone number", "EPSG:4547"),
        ("EPSG:4526", "3-degree zone 38", "EPSG:4526"),
        ("EPSG:4498", "6-degree zone 20", "EPSG:4498"),
        ("EPSG:3857", "Web Mercator", "EPSG:3857"),
    ],
)
def test_the_size_of_the_coordinates_is_evidence(
    tmp_path: Path, name: str, says: str, possible: str
) -> None:
    path = tmp_path / "m.dxf"
    write.write(path, replace(small_map(), kinds=(SpaceKind.BLOCK,) * 3), format="dxf",
                frame=frame(name))  # fmt: skip
    seen = read.look(path).frame
    assert any(says in sentence for sentence in seen.sentences)
    assert possible in seen.possible


def test_a_declaration_that_the_file_contradicts_is_a_warning_with_the_distance(
    tmp_path: Path,
) -> None:
    path = write_raw(tmp_path / "m.gpkg", {"code": ["44030300100100101"]}, [box(0)])
    content = read.read(path, frame=frame("GCJ-02"), mapping=ONLY_CODE)
    finding = told(content, "frame")[0]
    assert finding.weight is Weight.WARNING
    assert "EPSG:4490" in finding.detail
    assert " 6" in finding.detail or " 5" in finding.detail
    assert told(read.read(path, frame=frame("wgs84"), mapping=ONLY_CODE), "frame") == []


def test_coordinates_that_cannot_be_in_the_declared_frame_name_the_feature(tmp_path: Path) -> None:
    path = write_raw(tmp_path / "m.gpkg", {"code": ["44030300100100101"]}, [box(0)])
    with pytest.raises(UsageError, match=r"layer m, feature 1: .*degrees in China"):
        read.read(path, frame=frame("EPSG:4547"), mapping=ONLY_CODE)


def test_codes_of_nineteen_digits_stay_exact_even_where_some_are_missing(tmp_path: Path) -> None:
    code = 4403030010010100013
    path = write_raw(
        tmp_path / "m.gpkg",
        {"code": np.array([code, 0, code + 2]), "n": np.array([1, 2, 3])},
        [box(0), box(1), box(2)],
        field_mask=[np.array([False, True, False]), None],
    )
    content = read.read(path, frame=GROUND, mapping=ONLY_CODE)
    assert content.cells.codes == (str(code), "", str(code + 2))
    assert told(content, "malformed_code") == []


@pytest.mark.parametrize(
    ("column", "row", "says"),
    [
        (np.array(["44030300100100101", "4.40303E+14"], dtype=object), 2, "scientific"),
        (np.array(["44030300100100101", "44030300100100102.0"], dtype=object), 2, "decimals"),
        (np.array([4.4030300100101e18, 4.4030300100102e18]), 1, "last digits are lost"),
        (np.array([440303001.0, 440303002.0]), 1, "floating-point"),
    ],
)
def test_codes_that_went_through_a_spreadsheet_are_told_and_not_repaired(
    tmp_path: Path, column: Any, row: int, says: str
) -> None:
    path = write_raw(tmp_path / "m.gpkg", {"code": column}, [box(0), box(1)])
    content = read.read(path, frame=GROUND, mapping=ONLY_CODE)
    finding = told(content, "malformed_code")[0]
    assert finding.weight is Weight.ERROR
    assert finding.where == f"layer m, feature {row}"
    assert says in finding.detail
    assert content.cells.codes[1].endswith(("+14", ".0", "+18"))


def test_codes_that_lost_their_leading_zeros_are_told(tmp_path: Path) -> None:
    codes = np.array([f"0{i:07d}" for i in range(8)] + ["0012345"], dtype=object)
    path = write_raw(tmp_path / "m.gpkg", {"code": codes}, [box(i) for i in range(9)])
    finding = told(read.read(path, frame=GROUND, mapping=ONLY_CODE), "malformed_code")[-1]
    assert "leading zeros" in finding.detail


def test_closed_lines_become_areas_and_points_are_told(tmp_path: Path) -> None:
    ring = shapely.LineString(box(0).exterior.coords)
    shapes = [ring, shapely.Point(114, 22.5), shapely.LineString([(114, 22), (114, 23)]),
              None, box(3)]  # fmt: skip
    features = [
        {"type": "Feature", "properties": {"code": f"c{i}"},
         "geometry": None if s is None else json.loads(shapely.to_geojson(s))}
        for i, s in enumerate(shapes)
    ]  # fmt: skip
    path = tmp_path / "m.geojson"
    path.write_text(json.dumps({"type": "FeatureCollection", "features": features}))
    content = read.read(path, frame=GROUND, mapping=ONLY_CODE)
    assert content.cells.codes == ("c0", "c4")
    assert told(content, "not_an_area")[0].weight is Weight.ERROR
    assert "2 features" in told(content, "not_an_area")[0].detail
    assert told(content, "empty_geometry")[0].where == "layer m, feature 4"
    assert len(told(content, "closed_line")) == 1


def test_a_file_of_points_is_refused_with_what_to_do(tmp_path: Path) -> None:
    path = write_raw(
        tmp_path / "m.gpkg", {"code": ["a"]}, [shapely.Point(114, 22)], geometry_type="Point"
    )
    with pytest.raises(FileRefused, match="1 Point") as refused:
        read.read(path, frame=GROUND, mapping=ONLY_CODE)
    assert "polygons" in refused.value.remedy


def test_heights_of_vertices_are_dropped_with_a_note(tmp_path: Path) -> None:
    high = shapely.force_3d(box(0), 5.0)
    path = write_raw(tmp_path / "m.gpkg", {"code": ["a"]}, [high], geometry_type="Polygon Z")
    content = read.read(path, frame=GROUND, mapping=ONLY_CODE)
    assert not shapely.has_z(content.cells.outlines).any()
    assert len(told(content, "heights_dropped")) == 1


@pytest.mark.parametrize(
    ("word", "kind"),
    [("街道", "street"), ("社区", "community"), ("网格", "grid"), ("Blocks", "block"),
     ("楼栋", "building"), ("区", "district"), ("单元网格", "grid")],
)  # fmt: skip
def test_kinds_may_be_chinese_words_in_a_field_or_a_layer(
    tmp_path: Path, word: str, kind: str
) -> None:
    path = write_raw(tmp_path / "m.gpkg", {"编码": ["a"], "类型": [word]}, [box(0)], layer="map")
    by_field = fields.guess(read.look(path))
    assert by_field.mapping.code == "编码"
    assert read.read(path, frame=GROUND, mapping=by_field.mapping).cells.kinds == (SpaceKind(kind),)
    other = write_raw(tmp_path / "n.gpkg", {"编码": ["a"]}, [box(0)], layer=f"2024_{word}")
    by_layer = fields.guess(read.look(other))
    assert by_layer.mapping.layers == {f"2024_{word}": SpaceKind(kind)}
    assert any("name says so" in line for line in by_layer.evidence)
    assert read.read(other, frame=GROUND, mapping=by_layer.mapping).cells.kinds == (
        SpaceKind(kind),
    )


def test_a_kind_that_is_none_is_an_error_at_its_row(tmp_path: Path) -> None:
    path = write_raw(
        tmp_path / "m.gpkg", {"code": ["a", "b"], "kind": ["公园", "网格"]}, [box(0), box(1)]
    )
    content = read.read(path, frame=GROUND, mapping=PLAIN)
    assert content.cells.codes == ("b",)
    assert told(content, "unknown_kind")[0].where == "layer m, feature 1"


def test_layers_with_fields_of_other_names_are_read_together(tmp_path: Path) -> None:
    path = tmp_path / "m.gpkg"
    write_raw(path, {"jddm": ["440303001"], "jdmc": ["桂园"]}, [box(0)], layer="街道")
    write_raw(path, {"sqdm": ["440303001001"], "sqmc": ["老围"]}, [box(0)], layer="社区",
              append=True)  # fmt: skip
    guessed = fields.guess(read.look(path)).mapping
    assert guessed.code == "jddm|sqdm"
    cells = read.read(path, frame=GROUND, mapping=guessed).cells
    assert cells.codes == ("440303001", "440303001001")
    assert cells.kinds == (SpaceKind.STREET, SpaceKind.COMMUNITY)
    one = read.read(path, frame=GROUND, mapping=guessed, layers=["社区"])
    assert one.source.layers == ("社区",)
    with pytest.raises(UsageError, match="no layer 'x'"):
        read.read(path, frame=GROUND, mapping=guessed, layers=["x"])


def test_a_field_that_is_not_there_is_refused_with_those_that_are(tmp_path: Path) -> None:
    path = write_raw(tmp_path / "m.gpkg", {"fid2": ["a"]}, [box(0)])
    with pytest.raises(UsageError, match="no field for the code") as refused:
        read.read(path, frame=GROUND, mapping=Mapping(code="bh", kind="=grid"))
    assert "fid2" in refused.value.remedy


def test_heights_that_are_none_are_left_out_with_a_warning(tmp_path: Path) -> None:
    path = write_raw(
        tmp_path / "m.gpkg",
        {"code": ["a", "b", "c"], "height": np.array(["12.5", "high", "-3"], dtype=object)},
        [box(0), box(1), box(2)],
    )
    content = read.read(path, frame=GROUND, mapping=replace(PLAIN, kind="=building"))
    assert content.cells.heights_m[0] == 12.5
    assert np.isnan(content.cells.heights_m[1:]).all()
    assert "2 values" in told(content, "height")[0].detail


def test_a_mapping_is_read_from_toml() -> None:
    found = fields.load(
        '[fields]\ncode="编码"\nkind="=网格"\nname="名称"\n[layers]\n"A-街道"="street"\n'
    )
    assert (found.code, found.kind, found.name) == ("编码", "=网格", "名称")
    assert found.layers == {"A-街道": SpaceKind.STREET}


@pytest.mark.parametrize(
    ("text", "says"),
    [("[fields", "no TOML"), ("[x]", "'x'"), ("[fields]\nfoo='a'", "'foo'"),
     ("[fields]\ncode=1", "table of texts"), ("[layers]\na='park'", "no kind"),
     ("[fields]\nkind='=park'", "no kind"), (b"\xff", "no TOML"), ("#" * 200_000, "at most")],
)  # fmt: skip
def test_a_wrong_mapping_is_refused_naming_the_key(text: str | bytes, says: str) -> None:
    with pytest.raises(UsageError, match=says):
        fields.load(text)


LIMITS = (
    (Bounds(features=2), "more than 2 (features|entities)"),
    (Bounds(file_bytes=100), "at most 100"),
    (Bounds(vertices=10), "vertices"),
    (Bounds(feature_vertices=6), "vertices"),
    (Bounds(fields=3), "fields|properties"),
    (Bounds(text_length=3), "signs"),
)


@pytest.mark.parametrize(
    ("form", "bounds", "says"),
    [
        (form, bounds, says)
        for form in write.FORMATS
        for bounds, says in LIMITS
        # A drawing has no fields of its own.
        if not (form == "dxf" and bounds.fields == 3)
    ],
)
def test_a_file_beyond_a_limit_is_refused(
    tmp_path: Path, form: str, bounds: Bounds, says: str
) -> None:
    path = tmp_path / f"m{write.SUFFIXES[form]}"
    write.write(path, small_map(), format=form, frame=GROUND)
    with pytest.raises(FileRefused, match=says):
        read.read(path, frame=GROUND, mapping=PLAIN, bounds=bounds)


@pytest.mark.parametrize("value", ["NaN", "Infinity", "1e300"])
def test_vertices_that_are_no_place_are_refused(tmp_path: Path, value: str) -> None:
    path = tmp_path / "m.geojson"
    write.write(path, small_map(), format="geojson", frame=GROUND)
    text = path.read_text("utf-8")
    start = text.index("[[[[") if "[[[[" in text else text.index("[[[")
    first = text.index(",", start)
    path.write_text(text[:start] + "[[[" + value + text[first:].replace("[[[[", "[[[", 1))
    with pytest.raises(FileRefused):
        read.read(path, frame=GROUND, mapping=PLAIN)


def test_a_geopackage_may_hold_no_other_virtual_table_and_no_view(tmp_path: Path) -> None:
    view = (
        "CREATE VIEW v AS SELECT * FROM spaces; "
        "INSERT INTO gpkg_contents (table_name, data_type, identifier) "
        "VALUES ('v', 'features', 'v')"
    )
    for sql, says in (("CREATE VIRTUAL TABLE evil USING fts5(a)", "virtual"), (view, "view")):
        path = tmp_path / f"{says}.gpkg"
        write.write(path, small_map(), format="gpkg", frame=GROUND)
        with sqlite3.connect(path) as held:
            held.executescript(sql)
        held.close()
        with pytest.raises(FileRefused, match=says):
            read.look(path)


def test_the_legacy_crs_member_is_heeded(tmp_path: Path) -> None:
    path = tmp_path / "m.geojson"
    write.write(path, small_map(), format="geojson", frame=frame("EPSG:4547"))
    held = json.loads(path.read_text("utf-8"))
    del held["frame"]
    held["crs"] = {"type": "name", "properties": {"name": "urn:ogc:def:crs:EPSG::4547"}}
    path.write_text(json.dumps(held))
    assert read.look(path).frame.named == "EPSG:4547"


def test_looking_shows_layers_fields_and_samples(tmp_path: Path) -> None:
    path = tmp_path / "m.gpkg"
    write.write(path, small_map(), format="gpkg", frame=GROUND)
    seen = read.look(path)
    layer = seen.layers[0]
    assert (layer.name, layer.features) == ("spaces", 3)
    assert layer.geometry_types == {"MultiPolygon": 3}
    name = next(one for one in layer.fields if one.name == "name")
    assert name.samples[0] == "桂园街区0"
    assert json.loads(json.dumps(seen.as_json(), default=str))["driver"] == "gpkg"


def test_each_layer_that_names_another_system_is_told(tmp_path: Path) -> None:
    path = tmp_path / "m.gpkg"
    for layer, crs in (("blocks", "EPSG:4547"), ("more", "EPSG:4548")):
        code = np.array([f"440303001001001{len(layer):02d}"], dtype=object)
        square = shapely.box(513_000, 2_494_000, 513_100, 2_494_100)
        write_raw(path, {"code": code}, [square], crs=crs, layer=layer)
    content = read.read(path, frame=frame("EPSG:4547"), mapping=Mapping(code="code", kind="=block"))
    (told,) = [one for one in content.findings if one.kind == "frame"]
    assert told.where == "layer more"
    assert "EPSG:4548" in told.detail
    assert "308," in told.detail


def geojson(folder: Path, properties: str) -> Path:
    ring = "[[114.1, 22.5], [114.101, 22.5], [114.101, 22.501], [114.1, 22.5]]"
    shape = f'{{"type": "Polygon", "coordinates": [{ring}]}}'
    feature = f'{{"type": "Feature", "properties": {properties}, "geometry": {shape}}}'
    path = folder / "m.geojson"
    path.write_text(f'{{"type": "FeatureCollection", "features": [{feature}]}}', "utf-8")
    return path


def test_a_member_that_is_named_twice_is_an_error(tmp_path: Path) -> None:
    code = "44030300100100101"
    path = geojson(tmp_path, f'{{"code": "{code}", "code": "44030300100100102"}}')
    content = read.read(path, frame=GROUND, mapping=Mapping(code="code", kind="=block"))
    (told,) = [one for one in content.findings if one.kind == "duplicate_member"]
    assert told.weight is Weight.ERROR
    assert "'code'" in told.detail


@pytest.mark.parametrize(
    ("value", "name"),
    [("NaN", ""), ("1e999", ""), ('"a\\u0000b"', "ab"), ('"a\\ud842"', "a\ufffd")],
)
def test_what_no_store_can_keep_of_a_name_is_left_out(
    tmp_path: Path, value: str, name: str
) -> None:
    path = geojson(tmp_path, f'{{"code": "44030300100100101", "name": {value}}}')
    mapping = Mapping(code="code", kind="=block", name="name")
    assert read.read(path, frame=GROUND, mapping=mapping).cells.names == (name,)


def test_a_kml_whose_names_are_codes_and_whose_commas_have_spaces_is_read(tmp_path: Path) -> None:
    ring = "114.1, 22.5, 0 114.101, 22.5, 0 114.101,22.501,0\n 114.1 ,22.5,0"
    path = tmp_path / "m.kml"
    path.write_text(
        '<kml xmlns="http://www.opengis.net/kml/2.2"><Document><Folder><name>网格</name>'
        "<Placemark><name>440303001001001</name><ExtendedData><SchemaData>"
        '<SimpleData name="网格名称">桂园</SimpleData></SchemaData></ExtendedData><Polygon>'
        f"<outerBoundaryIs><LinearRing><coordinates>{ring}</coordinates></LinearRing>"
        "</outerBoundaryIs></Polygon></Placemark></Folder></Document></kml>",
        "utf-8",
    )
    mapping = fields.guess(read.look(path)).mapping
    assert (mapping.code, mapping.name) == ("name", "网格名称")
    content = read.read(path, frame=GROUND, mapping=mapping)
    assert content.cells.names == ("桂园",)
    assert shapely.get_num_coordinates(content.cells.outlines[0]) == 4
