import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.model import SpaceKind
from geodata import placement
from geodata.addresses.index import build
from geodata.addresses.parse import parse
from geodata.addresses.places import Level, PlacedSpace, StandardAddress
from geodata.addresses.reverse import NEAR_M, Locator
from tests.support.small_district import BLOCK, SOUTH, STEP, WEST, block_code, small_district

DISTRICT = small_district()
GRID = placement.build(DISTRICT.spaces)
INSIDE = {
    code: shape.representative_point()
    for code, shape in zip(GRID.codes, GRID.outlines, strict=True)
}
SPACES = [
    PlacedSpace(
        code=space.code,
        kind=space.kind,
        name=space.name,
        name_en=space.name_en,
        parent=space.parent,
        lon=INSIDE[space.code].x,
        lat=INSIDE[space.code].y,
    )
    for space in DISTRICT.spaces
]
MIDDLE = (WEST + BLOCK / 2, SOUTH + BLOCK / 2)
BUILDING = f"{block_code(0, 0)}-1"
METRE = 1 / 111_195.0


def located(*addresses: StandardAddress) -> Locator:
    homes = placement.place(
        GRID, [a.lon or 0.0 for a in addresses], [a.lat or 0.0 for a in addresses], tolerance_m=20
    )
    index = build(SPACES, [], [(a, p.code) for a, p in zip(addresses, homes, strict=True)])
    return Locator(index=index, grid=GRID)


def standard(text: str, lon: float, lat: float) -> StandardAddress:
    return StandardAddress(text=text, address=parse(text), lon=lon, lat=lat)


def test_a_point_has_the_spaces_that_hold_it() -> None:
    found = located().at(*MIDDLE)
    assert found.how == "within"
    assert found.space_code == BUILDING
    assert [step.kind for step in found.path] == list(SpaceKind)


def test_the_address_of_its_building_is_its_own_even_if_another_is_nearer() -> None:
    mine = standard("云庭路12号", MIDDLE[0] - 10 * METRE, MIDDLE[1])
    other = standard("云庭路13号", MIDDLE[0] + 24 * METRE, MIDDLE[1])
    found = located(mine, other).at(MIDDLE[0] + 12 * METRE, MIDDLE[1])
    assert found.address == "云庭路12号"
    assert found.level is Level.DOOR
    assert found.distance_m == pytest.approx(22, abs=2)


def test_a_near_address_is_taken_and_a_far_one_only_named() -> None:
    beside = (WEST + BLOCK + STEP / 20, SOUTH + BLOCK / 2)
    near = located(standard("云庭路12号", beside[0], beside[1] + 10 * METRE)).at(*beside)
    assert near.address == "云庭路12号"
    far = (beside[0], beside[1] + (NEAR_M + 40) * METRE)
    found = located(standard("云庭路12号", *far)).at(*beside)
    assert found.address != "云庭路12号"
    assert found.distance_m is None


@pytest.mark.parametrize(
    ("east", "north", "wind"),
    [(0, 1, "north"), (1, 1, "north-east"), (1, 0, "east"), (0, -1, "south"), (-1, 0, "west"),
     (-1, -1, "south-west"), (-1, 1, "north-west"), (1, -1, "south-east")],
)  # fmt: skip
def test_the_direction_is_that_from_the_place_to_the_point(
    east: int, north: int, wind: str
) -> None:
    lonely = Locator(
        index=build([], [], [(standard("云庭路12号", 100.0, 20.0), None)]),
        grid=placement.build([]),
    )
    narrow = math.cos(math.radians(20))
    found = lonely.at(100 + east * 200 * METRE / narrow, 20 + north * 200 * METRE).nearest
    assert found is not None
    assert found.direction.en == wind
    assert found.distance_m == pytest.approx(200 * (2**0.5 if east and north else 1), rel=0.05)


def test_a_point_just_outside_is_snapped_and_one_far_away_is_nowhere() -> None:
    outside = located().at(WEST - 10 * METRE, SOUTH + BLOCK / 2)
    assert outside.how == "snapped"
    assert "outside every space" in outside.why.en
    nowhere = located().at(0.0, 0.0)
    assert (nowhere.address, nowhere.level, nowhere.nearest, nowhere.path) == ("", None, None, ())
    assert nowhere.how == "unplaced"


@given(st.floats(-180, 180), st.floats(-90, 90))
@settings(max_examples=50, deadline=None)
def test_every_position_is_answered(lon: float, lat: float) -> None:
    assert LOCATOR.at(lon, lat).why.zh


LOCATOR = located(standard("云庭路12号", *MIDDLE))
