"""BeiDou grid codes: the published example, exact cells, and the laws of a hierarchy."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from geodata import beidou
from geodata.beidou import UNITS, Bounds
from geodata.malformed import CodeMalformed

VECTORS = Path(__file__).parents[4] / "shared" / "vectors"
needs_vectors = pytest.mark.skipif(not VECTORS.exists(), reason="no ../shared/vectors")

lons = st.floats(0, 179.999999, allow_nan=False)
lats = st.floats(0, 87.999999, allow_nan=False)
levels = st.integers(1, beidou.DEEPEST)


def in_units(cell: Bounds) -> tuple[int, int, int, int]:
    edges = (cell.west, cell.south, cell.east, cell.north)
    return tuple(round(edge * UNITS) for edge in edges)  # type: ignore[return-value]


@needs_vectors
def test_the_published_example_and_every_vector_are_reproduced() -> None:
    for vector in json.loads((VECTORS / "beidou_grid.json").read_text("utf-8"))["vectors"]:
        lon, lat = vector["lonlat"]
        assert beidou.encode(lon, lat, vector["level"]) == vector["code"]
    for vector in json.loads((VECTORS / "coords.json").read_text("utf-8"))["vectors"]:
        lon, lat = vector["wgs84_lonlat"]
        assert beidou.encode(lon, lat) == vector["beidou2d_level10"]
        assert beidou.encode(lon, lat, 5) == vector["beidou2d_level5"]


@given(lons, lats, levels)
def test_the_cell_of_a_point_holds_the_point(lon: float, lat: float, level: int) -> None:
    code = beidou.encode(lon, lat, level)
    west, south, east, north = in_units(beidou.decode(code))
    assert len(code) == beidou.LENGTHS[level]
    assert beidou.level_of(code) == level
    assert west <= lon * UNITS + 1e-5
    assert lon * UNITS < east
    assert south <= lat * UNITS + 1e-5
    assert lat * UNITS < north


@given(lons, lats, levels)
def test_the_south_western_corner_leads_back_to_the_cell(
    lon: float, lat: float, level: int
) -> None:
    code = beidou.encode(lon, lat, level)
    cell = beidou.decode(code)
    assert beidou.encode(cell.west, cell.south, level) == code


@given(lons, lats, st.integers(1, beidou.DEEPEST - 1))
def test_children_divide_their_parent_without_rest(lon: float, lat: float, level: int) -> None:
    code = beidou.encode(lon, lat, level)
    inside = beidou.children(code)
    assert {beidou.parent(child) for child in inside} == {code}
    west, south, east, north = in_units(beidou.decode(code))
    cells = [in_units(beidou.decode(child)) for child in inside]
    assert len(set(cells)) == len(cells)
    assert sum((e - w) * (n - s) for w, s, e, n in cells) == (east - west) * (north - south)
    assert all(w >= west and s >= south and e <= east and n <= north for w, s, e, n in cells)


@given(lons, lats, st.integers(1, beidou.DEEPEST - 1))
def test_children_stand_in_rows_from_north_to_south_each_from_west_to_east(
    lon: float, lat: float, level: int
) -> None:
    cells = [beidou.decode(c) for c in beidou.children(beidou.encode(lon, lat, level))]
    assert cells == sorted(cells, key=lambda cell: (-cell.south, cell.west))


@given(lons, lats, levels)
def test_a_neighbour_touches_and_knows_the_way_back(lon: float, lat: float, level: int) -> None:
    code = beidou.encode(lon, lat, level)
    around = beidou.neighbours(code)
    back = {"N": "S", "S": "N", "E": "W", "W": "E", "NE": "SW", "SW": "NE", "NW": "SE", "SE": "NW"}
    west, south, east, north = in_units(beidou.decode(code))
    for direction, other in around.items():
        assert beidou.neighbours(other)[back[direction]] == code
        w, s, e, n = in_units(beidou.decode(other))
        assert w <= east
        assert e >= west
        assert s <= north
        assert n >= south
    assert len(set(around.values()) - {code}) == len(around)


def test_at_the_edge_of_the_quarter_there_are_fewer_neighbours() -> None:
    assert set(beidou.neighbours("N31A")) == {"N", "NE", "E"}
    assert beidou.parent("N31A") is None
    assert beidou.children("N50F05072DD250476533") == ()


@pytest.mark.parametrize(("lon", "lat"), [(22.5, 114.1), (-1, 10), (180, 10), (10, 88)])
def test_a_place_outside_the_quarter_is_refused(lon: float, lat: float) -> None:
    with pytest.raises(ValueError, match="axes exchanged"):
        beidou.encode(lon, lat)


@pytest.mark.parametrize("level", [0, 11, -1])
def test_a_level_that_does_not_exist_is_refused(level: int) -> None:
    with pytest.raises(ValueError, match="1 to 10"):
        beidou.encode(114, 22, level)


@given(lons, lats, levels, st.data())
def test_a_changed_sign_is_refused_or_leads_to_another_cell(
    lon: float, lat: float, level: int, data: st.DataObject
) -> None:
    code = beidou.encode(lon, lat, level)
    at = data.draw(st.integers(0, len(code) - 1))
    other = code[:at] + data.draw(st.sampled_from("0123456789ABCDEFNSZ区 ")) + code[at + 1 :]
    assume(other != code)
    try:
        cell = beidou.decode(other)
    except CodeMalformed:
        return
    assert cell != beidou.decode(code)
