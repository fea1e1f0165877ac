from __future__ import annotations

from random import Random

import pytest
import shapely
from hypothesis import given
from hypothesis import strategies as st
from shapely import Polygon

from simulators import layout

FIELD = Polygon([(0, 0), (900, 40), (820, 560), (60, 500)])


@given(st.floats(114.0, 114.3), st.floats(22.4, 22.7))
def test_the_plane_and_back_is_the_same_place(lon: float, lat: float) -> None:
    there = layout.to_degrees(*layout.to_plane(lon, lat))
    assert there == pytest.approx((lon, lat), abs=1e-7)


@given(st.integers(1, 17), st.integers(0, 1000))
def test_a_split_area_is_the_sum_of_its_parts(parts: int, seed: int) -> None:
    found = layout.split_into(FIELD, parts, Random(seed))
    assert len(found) == parts
    assert sum(part.area for part in found) == pytest.approx(FIELD.area, rel=1e-6)
    assert shapely.union_all(found).area == pytest.approx(FIELD.area, rel=1e-6)


@given(st.integers(0, 1000))
def test_parts_of_a_count_are_of_like_size(seed: int) -> None:
    areas = [part.area for part in layout.split_into(FIELD, 8, Random(seed))]
    assert max(areas) < 1.6 * min(areas)


@given(st.floats(5_000, 200_000), st.integers(0, 1000))
def test_splitting_stops_at_the_wanted_size(target_m2: float, seed: int) -> None:
    found = layout.split_until(FIELD, lambda _x, _y: target_m2, Random(seed))
    assert all(part.area < 1.45 * target_m2 for part in found)
    assert len(found) == 1 or min(part.area for part in found) > 0.4 * target_m2


def test_the_old_town_has_smaller_blocks_than_the_hills() -> None:
    town = layout.target_block_m2(*layout.to_plane(114.118, 22.548))
    hills = layout.target_block_m2(*layout.to_plane(114.205, 22.58))
    assert hills > 5 * town


def test_an_inset_keeps_its_distance() -> None:
    inner = layout.inset(FIELD, 10.0, chamfer_m=4.0)
    assert FIELD.exterior.distance(inner) >= 9.4
    assert layout.inset(FIELD, 400.0).is_empty


@given(st.integers(0, 500), st.floats(0.5, 0.95))
def test_a_building_stays_on_its_lot(seed: int, cover: float) -> None:
    lot = Polygon([(0, 0), (60, 4), (55, 40), (-3, 35)])
    building = layout.footprint(lot, cover, Random(seed))
    assert lot.buffer(1e-6).covers(building)
    assert 0.15 < building.area / lot.area < 0.95


def test_no_building_stands_on_nothing() -> None:
    assert layout.footprint(Polygon(), 0.5, Random(1)).is_empty


def test_rings_run_anticlockwise_and_close() -> None:
    ring = layout.ring(FIELD)["coordinates"]
    assert isinstance(ring, list)
    points = ring[0]
    assert points[0] == points[-1]
    assert shapely.LinearRing(points).is_ccw


def test_rivers_stay_in_the_district_and_water_holds_the_reservoir() -> None:
    land = layout.ground()
    assert all(land.outline.buffer(1).covers(river) for river in land.rivers)
    assert land.water.contains(shapely.Point(*layout.to_plane(114.160, 22.577)))
