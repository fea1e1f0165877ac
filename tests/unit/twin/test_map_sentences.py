"""Every finding of a map says the same in Chinese and in English, with the same figures."""

from __future__ import annotations

import ast
import dataclasses
import io
import json
import re
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path

import msgspec
import numpy as np
import pytest
import shapely
from shapely import Polygon, affinity

from core.model import Space, SpaceKind
from geodata import codes
from geodata.codes import CodeMalformed
from geodata.frames import frame
from geodata.maps import gdal, read
from geodata.maps.check import Limits, check
from geodata.maps.fields import Mapping
from geodata.maps.mixups import mixups
from geodata.maps.model import Finding, MapContent, Weight, cells_of, told
from geodata.maps.raw import RawLayer
from geodata.maps.shift import shift
from geodata.maps.words import OTHERS, TITLES
from geodata.placement import parse
from geodata.said import Said, place_zh
from tests.support.map_drawing import (
    COMMUNITY,
    PLANE,
    cells,
    community,
    demo,
    joined,
    nothing,
    of_kinds,
    quads,
    recoded,
)
from tests.support.map_files import box, drawing, metres, shapefile, write_raw
from tests.support.maps import SOURCE, by_code, content
from tests.support.small_district import block_code, small_district
from twin.maps import judge, plan
from twin.maps.in_force import InForce
from twin.maps.plan import Touched

ROOT = Path(__file__).parents[3]
GROUND = frame("EPSG:4490")
DISTRICT = small_district(devices=0)
SPACES = by_code(DISTRICT.spaces)
LEFT = block_code(0, 0)
BAD_CODES = (
    "", "x" * 80, "44030", "1234567", "4.40303E+14", "４４０３０３００１００１００１", "440303 001",
    "44\u200b0303001", "'440303001", "440303001.0", "440-303-001", "44O303001", "990303001",
    "440303000", "440303001000", "440303001001000", "4403030010010010000", "44030300100100100",
    "N50F0", "S50F", "N5XF", "N20F", "N50Z", "N50FZZ", "N50F0507ZZZ", "N50F05072DDX",
)  # fmt: skip


def figures(text: str) -> Counter[str]:
    return Counter(re.findall(r"\d+(?:,\d{3})*(?:\.\d+)?", text))


def assert_same(zh: str, en: str) -> None:
    assert re.search("[\u3400-\u9fff]", zh), (zh, en)
    assert figures(zh) == figures(en), (zh, en)
    assert not re.search("[\u3400-\u9fff][,;:]", zh), zh


def of_outlines() -> Iterator[Finding]:
    shapes: list[Polygon | None] = list(quads(5, 4, 5))
    ring = list(quads(5, 4, 5)[2].exterior.coords)
    shapes[2] = Polygon([ring[0], ring[0], *ring[1:]])
    del shapes[7]
    shapes += [None, Polygon([(0, 0), (10, 0), (20, 0), (0, 0)])]
    shapes.append(Polygon([*list(quads(5, 4, 5)[0].exterior.coords)[:3], (0, 60_000.0)]))
    shapes.append(Polygon([(0, 0), (100, 100), (100, 0), (0, 100)]))
    around = [(0, 0), (100, 0), (100, 100), (0, 100)]
    shapes.append(Polygon(around, [[(200, 0), (210, 0), (210, 9)]]))
    shapes.append(shapely.box(-60, 0, 40, 100))
    shapes.append(affinity.translate(shapes[0], 1.0, 0))
    yield from check(cells(shapes), community(5, 4)).findings
    far = [affinity.translate(shape, 900_000, 0) for shape in quads(5, 4, 5)]
    yield from check(cells(far), community(5, 4)).findings
    apart = quads(5, 4, 5, jitter_m=0.0)
    west, south, east, north = apart[6].bounds
    apart[6] = shapely.box(west, south, east - 1, north)
    apart[12] = affinity.translate(apart[12], 1.2, 0)
    yield from check(cells(apart), community(5, 4)).findings
    own = cells(quads(5, 4, 3)[:7] + quads(5, 4, 3)[8:])
    yield from check(replace(own, parents=("",) * len(own)), nothing()).findings
    sizes = cells([shapely.box(0, 0, 20, 20), shapely.box(100, 0, 9_100, 9_000)])
    yield from check(sizes, nothing(), limits=Limits(far_m=50_000)).findings
    many = [shapely.box(n * 30, 0, n * 30 + 10, 10) for n in range(230)]
    yield from check(cells(many), nothing()).findings
    in_force = joined(community(5, 4), cells(quads(5, 4, 2)))
    corner = PLANE.lifted(np.array([shapely.box(-10, -10, 1, 1)], dtype=object))[0]
    fresh = cells([quads(5, 4, 2)[3]], codes=[f"{COMMUNITY}777"])
    yield from check(fresh, in_force, within=corner).findings


def of_codes() -> Iterator[Finding]:
    shapes = quads(5, 6, 5)[: len(BAD_CODES)]
    yield from check(cells(shapes, codes=BAD_CODES), community(5, 6)).findings
    odd = [f"LH{'-' * (n % 9)}{n}" for n in range(12)]
    yield from check(cells(shapes[:12], codes=odd), community(5, 6)).findings
    same = [f"{COMMUNITY}001", f"{COMMUNITY}001", f"{COMMUNITY}00101"]
    yield from check(cells(shapes[:3], codes=same), community(5, 6)).findings
    block = cells([shapes[0]], kind=SpaceKind.BLOCK, codes=[f"{COMMUNITY}001"])
    yield from check(block, joined(community(5, 6), cells(shapes))).findings
    rows = [shapely.box(n * 20, 0, n * 20 + 10, 10) for n in range(20)]
    good = [f"4403030010010{n:06d}" for n in range(10_001, 60_000, 2_513)]
    rounded = [str(int(float(code))) for code in good]
    yield from check(cells(rows, kind=SpaceKind.BUILDING, codes=rounded), nothing()).findings


def of_parents() -> Iterator[Finding]:
    shapes = quads(5, 4, 5)
    other = cells(
        [shapely.box(5000, 0, 6000, 1000)], kind=SpaceKind.COMMUNITY, codes=["440303001002"],
        parents=["440303001"],
    )  # fmt: skip
    above = joined(community(5, 4), other)
    for names, parents in (
        ([f"{COMMUNITY}001", "own-1", "440303001002003"], ["", "", ""]),
        ([f"{COMMUNITY}001", "own-1"], ["440303009009", f"{COMMUNITY}001"]),
        ([f"{COMMUNITY}001", f"{COMMUNITY}002", "own-1", "own-2"], [""] * 4),
    ):
        map_ = replace(cells(shapes[: len(names)], codes=names), parents=tuple(parents))
        yield from check(map_, above, limits=Limits(partitions=frozenset())).findings
    out = cells([shapely.box(-60, 0, 40, 100), shapely.box(500, 0, 640, 100)])
    yield from check(out, above).findings
    lost = replace(cells([shapely.box(9000, 0, 9100, 100)], codes=["own-1"]), parents=("",))
    yield from check(lost, community(5, 4)).findings


def of_shifts() -> Iterator[Finding]:
    blocks = of_kinds(demo(), SpaceKind.BLOCK)
    gcj = replace(blocks, outlines=shapely.transform(blocks.outlines, frame("GCJ-02").from_degrees))
    axes = replace(blocks, outlines=shapely.transform(blocks.outlines, lambda xy: xy[:, ::-1]))
    away = replace(
        blocks,
        outlines=shapely.transform(blocks.outlines, lambda xy: xy + np.array([0.001, 0.0005])),
    )
    some = blocks.outlines.copy()
    some[[5, 300, 301]] = gcj.outlines[[5, 300, 301]]
    grids = of_kinds(demo(), SpaceKind.DISTRICT, SpaceKind.GRID)
    outline = of_kinds(demo(), SpaceKind.DISTRICT)
    for map_, existing in (
        (gcj, demo()), (axes, demo()), (away, demo()), (replace(blocks, outlines=some), demo()),
        (recoded(gcj), demo()), (gcj, grids), (recoded(gcj), outline), (axes, nothing()),
    ):  # fmt: skip
        one = shift(map_, existing)
        assert one is not None
        yield one


def of_files(folder: Path) -> Iterator[Finding]:
    only = Mapping(code="code", kind="=block")
    path = write_raw(folder / "a.gpkg", {"code": ["a", "b"]}, [box(0), box(1)], crs="EPSG:4326")
    yield from read.read(path, frame=frame("GCJ-02"), mapping=only).findings
    spoiled = np.array([*(f"{n}.0E+14" for n in range(1, 30)), "44030300100100101.0"], dtype=object)
    path = write_raw(folder / "b.gpkg", {"code": spoiled}, [box(n) for n in range(30)])
    yield from read.read(path, frame=GROUND, mapping=only).findings
    for n, column in enumerate(([4.4030300100101e18], [440303001.0])):
        path = write_raw(folder / f"c{n}.gpkg", {"code": np.array(column)}, [box(0)])
        yield from read.read(path, frame=GROUND, mapping=only).findings
    zeros = np.array([f"0{i:07d}" for i in range(8)] + ["0012345"], dtype=object)
    path = write_raw(folder / "d.gpkg", {"code": zeros}, [box(i) for i in range(9)])
    yield from read.read(path, frame=GROUND, mapping=only).findings
    path = write_raw(
        folder / "e.gpkg",
        {"code": ["a", "b"], "kind": ["公园", "网格"], "height": ["high", "3"]},
        [shapely.force_3d(box(0), 5.0), shapely.force_3d(box(1), 5.0)],
        geometry_type="Polygon Z",
    )
    kinds = Mapping(code="code", kind="kind", height="height")
    yield from read.read(path, frame=GROUND, mapping=kinds).findings
    many = {"code": [f"c{n}" for n in range(25)]}
    path = write_raw(folder / "f.gpkg", many, [box(n) for n in range(25)])
    yield from read.read(path, frame=GROUND, mapping=Mapping(code="code")).findings
    path = write_raw(folder / "g.gpkg", {"code": ["a"]}, [box(0)], layer="网格")
    point = {"geometry_type": "Point", "layer": "poles", "append": True}
    write_raw(path, {"code": ["a"]}, [shapely.Point(114, 22)], **point)
    yield from read.read(path, frame=GROUND, mapping=Mapping(code="code")).findings
    yield from read.read(_mixed(folder), frame=GROUND, mapping=only).findings


def _mixed(folder: Path) -> Path:
    lines = [shapely.LineString([(114, 22), (114, 23 + n)]) for n in range(7)]
    shapes = [box(0), shapely.LineString(box(1).exterior.coords), shapely.Point(114, 22), None]
    features = [
        {"type": "Feature", "properties": {"code": f"c{i}"},
         "geometry": None if shape is None else json.loads(shapely.to_geojson(shape))}
        for i, shape in enumerate([*shapes, *lines])
    ]  # fmt: skip
    path = folder / "m.geojson"
    path.write_text(json.dumps({"type": "FeatureCollection", "features": features}))
    return path


def of_texts(folder: Path) -> Iterator[Finding]:
    path = shapefile(folder, ["桂园街道", "东门"], encoding="GBK", cpg="GBK")
    mapping = Mapping(code="code", kind="=block")
    yield from read.read(path, frame=GROUND, mapping=mapping, encoding="GB18030").findings
    layer = RawLayer(name="m", shapes=np.array([None], dtype=object), columns={})
    yield from gdal._told_cut(layer, ["the field names: 街区名", "layer m, feature 1: 桂园"])
    path = folder / "twice.geojson"
    outline = shapely.to_geojson(box(0))
    path.write_text(
        '{"type": "FeatureCollection", "features": [{"type": "Feature", "geometry": '
        f'{outline}, "properties": {{"code": "a", "code": "b"}}}}]}}'
    )
    yield from read.read(path, frame=GROUND, mapping=mapping).findings


def of_drawings(folder: Path) -> Iterator[Finding]:
    plane, mapping = frame("EPSG:4547"), Mapping(code="code", kind="=block")
    for version, unit, factor in (("R2000", 4, 1), ("R2010", 4, 1000), ("R2010", 5, 1)):
        made = drawing(version)
        made.header["$INSUNITS"] = unit
        space = made.modelspace()
        corners = [(x * factor, y * factor) for x, y in metres(0)]
        space.add_lwpolyline(corners, close=True, dxfattribs={"layer": "街区"})
        space.add_lwpolyline(corners[:3], dxfattribs={"layer": "街区"})
        space.add_lwpolyline(
            [*corners, (corners[0][0] + 0.1, corners[0][1])], dxfattribs={"layer": "街区"}
        )
        space.add_line((0, 0), (1, 1), dxfattribs={"layer": "道路"})
        x, y = corners[0]
        space.add_text("440303001", dxfattribs={"layer": "街区"}).set_placement((x + 9, y + 9))
        path = folder / f"{version}-{unit}-{factor}.dxf"
        made.saveas(path)
        yield from read.read(path, frame=plane, mapping=mapping).findings
    for page in ("ANSI_936", "ANSI_0"):
        yield from read.read(_with_page(folder, page), frame=plane, mapping=mapping).findings


def _with_page(folder: Path, page: str) -> Path:
    """Return a drawing whose text is UTF-8 and whose header says another code page."""
    made, held = drawing("R2000"), io.StringIO()
    made.modelspace().add_lwpolyline(metres(0), close=True, dxfattribs={"layer": "blocks"})
    x, y = metres(0)[0]
    made.modelspace().add_text("NAME", dxfattribs={"layer": "blocks"}).set_placement((x + 9, y + 9))
    made.modelspace().add_text("440303001", dxfattribs={"layer": "blocks"}).set_placement(
        (x + 9, y + 30)
    )
    made.write(held)
    lines = held.getvalue().replace("NAME", "桂园").splitlines()
    lines[lines.index("$DWGCODEPAGE") + 2] = page
    path = folder / f"{page}.dxf"
    path.write_bytes(("\n".join(lines) + "\n").encode("utf-8"))
    return path


def in_force() -> InForce:
    outlines = [space.outline for space in DISTRICT.spaces]
    names = [space.code for space in DISTRICT.spaces]
    return InForce(
        cells=cells_of(DISTRICT.spaces, parse(names, outlines)),
        sources=tuple(space.source for space in DISTRICT.spaces),
        frames=tuple(space.frame for space in DISTRICT.spaces),
        texts=tuple(json.dumps(outline) for outline in outlines),
        version=1,
    )


def renamed(space: Space, code: str) -> Space:
    return dataclasses.replace(space, code=code)


def of_plans() -> Iterator[Finding]:
    for spaces, drawn in (
        ([renamed(SPACES[LEFT], "new")], {"new"}),
        ([], set()),
        ([renamed(SPACES[f"{LEFT}-1"], "shed"), SPACES[f"{LEFT}-1"]], {"shed"}),
    ):
        touched = Touched(drawn=frozenset(drawn), worded=frozenset(), gone=frozenset({LEFT}))
        yield from plan.make(content(spaces).cells, touched, SOURCE, in_force()).findings
    yield plan._said_adopted({f"c{n}": f"p{n}" for n in range(5)})
    bad = content([SPACES[LEFT], renamed(SPACES[LEFT], "a b/c")])
    yield from judge.judge(bad, in_force(), partial=False).findings
    yield from judge.judge(content([SPACES[LEFT]]), in_force(), partial=True, within="x").findings


@pytest.fixture(scope="module")
def findings(tmp_path_factory: pytest.TempPathFactory) -> list[Finding]:
    folder = tmp_path_factory.mktemp("maps")
    parts: list[Iterable[Finding]] = [
        of_outlines(), of_codes(), of_parents(), of_shifts(), of_files(folder), of_texts(folder),
        of_drawings(folder), of_plans(),
    ]  # fmt: skip
    return [one for part in parts for one in part]


def test_every_kind_of_finding_is_among_those_provoked_here(findings: list[Finding]) -> None:
    assert {one.kind for one in findings} == TITLES.keys() | OTHERS.keys()


def test_both_sentences_are_there_and_have_the_same_figures(findings: list[Finding]) -> None:
    for one in findings:
        assert one.detail
        assert_same(one.detail_zh, one.detail)
        assert bool(one.mend) == bool(one.mend_zh)
        if one.mend:
            assert_same(one.mend_zh, one.mend)


@pytest.mark.parametrize("code", BAD_CODES)
def test_why_a_code_is_refused_is_said_in_both_languages(code: str) -> None:
    with pytest.raises(CodeMalformed) as refused:
        codes.parse(code)
    assert_same(refused.value.reason_zh, refused.value.reason)


@pytest.mark.parametrize("declared", ["", "EPSG:4547", "EPSG:4526", "EPSG:4509", "EPSG:4498"])
def test_every_mix_up_is_named_in_both_languages(declared: str) -> None:
    for cause in mixups(declared, (114.1, 22.6)):
        assert_same(*cause.words)
        assert figures(cause.mend.zh) == figures(cause.mend.en)


def test_the_page_calls_every_kind_as_the_picture_does() -> None:
    words = (ROOT / "web/src/words/maps.ts").read_text("utf-8")
    found = re.findall(r'"kind\.(\w+)": \{ zh: "([^"]+)", en: "([^"]+)" \}', words)
    assert {kind: (zh, en) for kind, zh, en in found} == TITLES | OTHERS


def test_findings_of_maps_are_made_in_one_place_only() -> None:
    made = []
    for path in [*(ROOT / "geodata/maps").glob("*.py"), *(ROOT / "twin/maps").glob("*.py")]:
        calls = (n for n in ast.walk(ast.parse(path.read_text("utf-8"))) if isinstance(n, ast.Call))
        made += [
            path.name for n in calls if isinstance(n.func, ast.Name) and n.func.id == "Finding"
        ]
    assert made == ["model.py"]


def test_a_report_keeps_both_and_one_from_before_still_reads() -> None:
    one = told("gap", Weight.WARNING, Said("有空隙 3 m²", "3 m² are open"), codes=("a",))
    row = msgspec.to_builtins(one) | {"stage": "reading"}
    assert judge.of_reading([row]) == (one,)
    old = {key: value for key, value in row.items() if not key.endswith("_zh")}
    assert judge.of_reading([old]) == (replace(one, detail_zh=""),)


def test_places_in_a_file_are_said_in_chinese() -> None:
    layer = RawLayer(name="a, b", shapes=np.array([None], dtype=object), columns={})
    assert place_zh(layer.where(0)) == "图层 a, b 第 1 个要素"
    assert place_zh("layer poles") == "图层 poles"
    assert place_zh("elsewhere") == "elsewhere"


def test_a_map_that_was_read_keeps_its_sentences_through_judging() -> None:
    one = told("unit", Weight.NOTE, Said("单位为毫米", "it is in millimetres"))
    read_ = MapContent(cells=content([SPACES[LEFT]]).cells, source=SOURCE, findings=(one,))
    assert one in judge.judge(read_, in_force(), partial=True).findings
