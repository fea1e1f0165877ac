"""The demo district as a whole: codes, outlines that nest and do not overlap, devices in place."""

from __future__ import annotations

import json
import re
from collections import Counter
from importlib.resources import files
from itertools import pairwise

import numpy as np
import pytest
import shapely
from shapely import STRtree

from core.model import District, Space, SpaceKind
from core.units import DEVICE_KINDS
from geodata.placement import build, parse, place
from simulators.district import demo_district
from simulators.installations import COUNTS
from twin.district import check

DIGITS = {
    SpaceKind.DISTRICT: 6,
    SpaceKind.STREET: 9,
    SpaceKind.COMMUNITY: 12,
    SpaceKind.GRID: 15,
    SpaceKind.BLOCK: 17,
    SpaceKind.BUILDING: 19,
}
LEVELS = list(SpaceKind)
SQUARE_DEGREE_M2 = 111_195.0**2 * np.cos(np.radians(22.57))


def of_kind(district: District, kind: SpaceKind) -> list[Space]:
    return [space for space in district.spaces if space.kind is kind]


def outlines(spaces: list[Space]) -> list[shapely.Geometry]:
    shapes = parse([space.code for space in spaces], [space.outline for space in spaces])
    return list(shapes)


def overlaps_m2(spaces: list[Space]) -> list[float]:
    """The areas that two of the spaces share."""
    shapes = outlines(spaces)
    first, second = STRtree(shapes).query(shapes, predicate="intersects")
    return [
        shapes[a].intersection(shapes[b]).area * SQUARE_DEGREE_M2
        for a, b in zip(first.tolist(), second.tolist(), strict=True)
        if a < b
    ]


def test_it_has_the_size_that_was_asked_for(district: District) -> None:
    kinds = Counter(space.kind for space in district.spaces)
    assert (kinds[LEVELS[0]], kinds[LEVELS[1]], kinds[LEVELS[2]]) == (1, 10, 109)
    assert kinds[SpaceKind.BLOCK] >= 800
    assert kinds[SpaceKind.BUILDING] >= 4000
    assert len(district.gateways) == 12
    assert Counter(device.kind for device in district.devices) == COUNTS
    assert set(COUNTS) == set(DEVICE_KINDS)
    assert sum(COUNTS.values()) == 1200


def test_the_twin_accepts_it(district: District) -> None:
    check(district)


def test_streets_and_communities_bear_the_published_codes_and_names(district: District) -> None:
    table = json.loads(files("simulators.data").joinpath("luohu_codes.json").read_text("utf-8"))
    published = {
        one["code"]: one["name"]
        for street in table["streets"]
        for one in [street, *street["communities"]]
    }
    ours = {
        space.code: space.name
        for space in district.spaces
        if space.kind in (SpaceKind.STREET, SpaceKind.COMMUNITY)
    }
    assert ours == published


def test_codes_are_digits_of_their_level_and_begin_with_their_parents(district: District) -> None:
    codes = {space.code: space for space in district.spaces}
    assert len(codes) == len(district.spaces)
    for space in district.spaces:
        assert re.fullmatch(rf"\d{{{DIGITS[space.kind]}}}", space.code)
        if space.parent is None:
            continue
        parent = codes[space.parent]
        assert LEVELS.index(parent.kind) == LEVELS.index(space.kind) - 1
        if space.kind is SpaceKind.BUILDING:
            # Two digits of the grid stand in a building's code, three in the grid's own.
            assert space.code.startswith(parent.code[:12] + parent.code[13:])
        else:
            assert space.code.startswith(parent.code)


def test_parents_come_before_their_children(district: District) -> None:
    seen: set[str] = set()
    for space in district.spaces:
        assert space.parent is None or space.parent in seen
        seen.add(space.code)


def test_grids_are_numbered_from_west_to_east_in_bands_from_the_north(district: District) -> None:
    middles: dict[str, list[tuple[float, float]]] = {}
    grids = of_kind(district, SpaceKind.GRID)
    for grid, shape in zip(grids, outlines(grids), strict=True):
        middles.setdefault(grid.parent or "", []).append((shape.centroid.x, shape.centroid.y))
    band = 400.0 / 111_195.0
    for row in middles.values():
        for (x1, y1), (x2, y2) in pairwise(row):
            assert x2 > x1 or y2 < y1
            assert y2 < y1 + band


def test_every_outline_says_that_it_is_invented(district: District) -> None:
    assert {space.source for space in district.spaces} == {"synthetic"}


@pytest.mark.parametrize("kind", [SpaceKind.BLOCK, SpaceKind.BUILDING])
def test_no_two_of_them_touch(district: District, kind: SpaceKind) -> None:
    assert overlaps_m2(of_kind(district, kind)) == []


@pytest.mark.parametrize("kind", [SpaceKind.STREET, SpaceKind.COMMUNITY, SpaceKind.GRID])
def test_neighbours_share_a_border_and_no_ground(district: District, kind: SpaceKind) -> None:
    assert max(overlaps_m2(of_kind(district, kind))) < 30.0


@pytest.mark.parametrize(
    ("kind", "margin_m"),
    [
        (SpaceKind.BUILDING, 0.0),
        (SpaceKind.BLOCK, 0.0),
        (SpaceKind.GRID, 0.1),
        (SpaceKind.COMMUNITY, 0.1),
        (SpaceKind.STREET, 0.1),
    ],
)
def test_each_lies_inside_its_parent(district: District, kind: SpaceKind, margin_m: float) -> None:
    shapes = dict(
        zip([s.code for s in district.spaces], outlines(list(district.spaces)), strict=True)
    )
    spaces = of_kind(district, kind)
    parents = [shapes[space.parent or ""] for space in spaces]
    around = shapely.buffer(parents, margin_m / 111_195.0) if margin_m else parents
    inside = shapely.covers(around, [shapes[space.code] for space in spaces])
    assert [s.code for s, ok in zip(spaces, inside.tolist(), strict=True) if not ok] == []


def test_it_looks_like_a_city_and_not_like_a_checkerboard(district: District) -> None:
    """Blocks of very different size, turned in many directions, with roads between them."""
    blocks = outlines(of_kind(district, SpaceKind.BLOCK))
    scale = np.array([np.cos(np.radians(22.57)), 1.0])
    angles = []
    for block in blocks:
        corners = shapely.get_coordinates(block) * scale
        sides = np.diff(corners, axis=0)
        longest = sides[np.argmax(np.hypot(*sides.T))]
        angles.append(np.degrees(np.arctan2(longest[1], longest[0])) % 90.0)
    bins, _ = np.histogram(angles, bins=9, range=(0, 90))
    assert bins.min() > len(blocks) * 0.02
    areas = np.array([block.area for block in blocks]) * SQUARE_DEGREE_M2
    assert np.quantile(areas, 0.9) > 3 * np.quantile(areas, 0.1)
    ground = outlines(of_kind(district, SpaceKind.DISTRICT))[0].area * SQUARE_DEGREE_M2
    assert 0.6 < areas.sum() / ground < 0.9


def test_every_device_stands_in_the_space_that_was_meant(district: District) -> None:
    grid = build(district.spaces)
    lon = [device.lon for device in district.devices]
    lat = [device.lat for device in district.devices]
    found = place(grid, lon, lat, tolerance_m=0.0)
    wrong = [
        (device.device_id, device.attributes["space"], placement)
        for device, placement in zip(district.devices, found, strict=True)
        if placement.code != device.attributes["space"]
    ]
    assert wrong == []


def test_detectors_hang_in_buildings_and_loops_lie_in_roads(district: District) -> None:
    kinds = {space.code: space.kind for space in district.spaces}
    where = {(device.kind, kinds[str(device.attributes["space"])]) for device in district.devices}
    expected = {
        "smoke": "building", "heat": "building", "fire_panel": "building",
        "rain_gauge": "building", "outfall_flow": "grid", "pipe_flow": "grid",
        "waterlogging": "grid", "river_level": "grid", "water_quality": "grid", "tilt": "block",
        "displacement": "block", "crack": "block", "pore_pressure": "block",
        "geomagnetic": "grid", "charging_voltage": "block",
    }  # fmt: skip
    assert where == set(expected.items())


def test_every_street_has_devices(district: District) -> None:
    streets = {str(device.attributes["space"])[:9] for device in district.devices}
    assert len(streets) == 10


def test_gateways_carry_like_loads_and_whole_sites(district: District) -> None:
    loads = Counter(device.gateway_id for device in district.devices)
    assert set(loads) == {gateway.gateway_id for gateway in district.gateways}
    assert min(loads.values()) >= 80
    assert max(loads.values()) <= 120
    homes: dict[object, set[str]] = {}
    for device in district.devices:
        homes.setdefault(device.attributes["site"], set()).add(device.gateway_id)
    assert all(len(gateways) == 1 for gateways in homes.values())


def test_one_seed_gives_one_district_and_another_seed_another(district: District) -> None:
    assert demo_district(7) == district
    other = demo_district(8)
    assert other != district
    assert len(other.devices) == 1200
    assert sum(space.kind is SpaceKind.BLOCK for space in other.spaces) >= 800
    check(other)
