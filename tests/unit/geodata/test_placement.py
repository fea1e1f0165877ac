"""Placement: the smallest space that holds a point, the snap, and the reasons."""

from __future__ import annotations

import math
import time
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.model import Space, SpaceKind
from geodata.placement import METRES_PER_DEGREE, Grid, OutlineInvalid, build, place
from tests.support.small_district import (
    BLOCK,
    SOUTH,
    STEP,
    WEST,
    block_code,
    small_district,
    square,
)

COLUMNS, ROWS = 4, 3
EAST, NORTH = WEST + COLUMNS * STEP, SOUTH + ROWS * STEP
METRE = 1 / METRES_PER_DEGREE


def district_grid() -> Grid:
    return build(small_district(columns=COLUMNS, rows=ROWS).spaces)


def space(code: str, outline: dict[str, Any], kind: SpaceKind = SpaceKind.BLOCK) -> Space:
    return Space(code=code, kind=kind, name="", name_en="", parent=None, outline=outline)


def one(grid: Grid, lon: float, lat: float, tolerance_m: float = 20.0) -> tuple[str | None, str]:
    found = place(grid, [lon], [lat], tolerance_m=tolerance_m)[0]
    return found.code, found.how


def test_the_building_goes_before_the_block_and_the_block_before_the_grid() -> None:
    grid = district_grid()
    x, y = WEST + BLOCK / 2, SOUTH + BLOCK / 2
    assert one(grid, x, y) == (f"{block_code(0, 0)}-1", "within")
    assert one(grid, WEST + BLOCK / 10, y) == (block_code(0, 0), "within")
    assert one(grid, WEST + (BLOCK + STEP) / 2, y) == ("grid-a", "within")


def test_the_deeper_level_wins_even_where_it_is_larger() -> None:
    hall = space("hall", square(114.0, 22.0, 114.1, 22.1), SpaceKind.BUILDING)
    plot = space("plot", square(114.0, 22.0, 114.05, 22.05))
    assert one(build([plot, hall]), 114.02, 22.02) == ("hall", "within")


def test_a_shared_border_always_goes_to_the_same_side() -> None:
    left = space("b-left", square(114.0, 22.0, 114.25, 22.25))
    right = space("a-right", square(114.25, 22.0, 114.5, 22.25))
    assert one(build([left, right]), 114.25, 22.05) == ("a-right", "within")
    assert one(build([right, left]), 114.25, 22.05) == ("a-right", "within")


def test_a_hole_does_not_hold() -> None:
    ring = square(114.0, 22.0, 114.1, 22.1)
    ring["coordinates"].append(square(114.02, 22.02, 114.08, 22.08)["coordinates"][0])
    code, how = one(build([space("ring", ring)]), 114.05, 22.05)
    assert (code, how) == (None, "unplaced")


@pytest.mark.parametrize(("metres", "how"), [(19.0, "snapped"), (21.0, "unplaced")])
@pytest.mark.parametrize("axis", ["east", "north"])
def test_the_snap_is_in_metres_along_both_axes(metres: float, how: str, axis: str) -> None:
    middle = math.cos(math.radians((SOUTH + NORTH) / 2))
    lon = EAST + metres * METRE / middle if axis == "east" else WEST + STEP / 2
    lat = SOUTH + STEP / 2 if axis == "east" else NORTH + metres * METRE
    assert one(district_grid(), lon, lat)[1] == how


def test_equally_near_spaces_give_the_smallest() -> None:
    code, how = one(district_grid(), EAST + 5 * METRE, SOUTH + STEP / 2)
    assert (code, how) == ("grid-b", "snapped")


def test_a_clearly_nearer_space_wins_over_a_smaller_one() -> None:
    far = space("far", square(114.0 + 10 * METRE, 22.0, 114.01, 22.01), SpaceKind.BUILDING)
    near = space("near", square(113.9, 22.0, 114.0, 22.01), SpaceKind.GRID)
    assert one(build([far, near]), 114.0 + 2 * METRE, 22.005) == ("near", "snapped")


def test_the_reason_names_the_nearest_space_and_the_distance() -> None:
    found = place(district_grid(), [WEST - 0.01], [SOUTH], tolerance_m=20.0)[0]
    assert found.how == "unplaced"
    assert "the nearest, " in found.note
    assert "1027 m" in found.note


def test_exchanged_axes_are_named() -> None:
    found = place(district_grid(), [SOUTH + 0.001], [WEST + 0.001 - 90], tolerance_m=20.0)[0]
    assert found.how == "unplaced"
    shifted = build([space("s", square(22.0, 10.0, 23.0, 11.0))])
    found = place(shifted, [10.5], [22.5], tolerance_m=20.0)[0]
    assert "longitude and latitude are exchanged" in found.note
    found = place(district_grid(), [SOUTH], [WEST], tolerance_m=20.0)[0]
    assert "may be exchanged" in found.note


@pytest.mark.parametrize("bad", [math.nan, math.inf, -181.0])
def test_what_is_no_position_is_unplaced(bad: float) -> None:
    found = place(district_grid(), [bad], [22.5], tolerance_m=20.0)[0]
    assert (found.code, found.how) == (None, "unplaced")
    assert "no position on the earth" in found.note


def test_without_spaces_everything_is_unplaced() -> None:
    found = place(build([]), [114.0], [22.0], tolerance_m=20.0)[0]
    assert (found.how, found.note) == ("unplaced", "no space is loaded")
    assert place(district_grid(), [], [], tolerance_m=20.0) == []


BOWTIE = {
    "type": "Polygon",
    "coordinates": [[[0, 0], [1, 1], [1, 0], [0, 1], [0, 0]]],
}


@pytest.mark.parametrize(
    "outline",
    [
        {"type": "Point", "coordinates": [114.0, 22.0]},
        {"type": "Polygon", "coordinates": []},
        {"type": "Polygon"},
        {"type": "Nonsense", "coordinates": [1]},
        {},
        BOWTIE,
    ],
)
def test_an_outline_that_cannot_be_used_is_named(outline: dict[str, Any]) -> None:
    with pytest.raises(OutlineInvalid, match="'bad'") as caught:
        build([space("good", square(0, 0, 1, 1)), space("bad", outline)])
    assert caught.value.code == "bad"


@given(
    st.lists(
        st.tuples(st.floats(WEST - STEP, EAST + STEP), st.floats(SOUTH - STEP, NORTH + STEP)),
        max_size=30,
    )
)
def test_bulk_agrees_with_one_at_a_time_by_hand(points: list[tuple[float, float]]) -> None:
    """The oracle knows the plan of the squares and uses no geometry library."""
    grid = district_grid()
    found = place(grid, [x for x, _ in points], [y for _, y in points], tolerance_m=0.001)
    for (x, y), placement in zip(points, found, strict=True):
        expected = by_hand(x, y)
        if expected is not ...:
            assert placement.code == expected, (x, y)


def by_hand(x: float, y: float) -> Any:
    """Code that holds a point, None outside, ... within a hair of a border."""
    column, dx = divmod((x - WEST) / STEP, 1)
    row, dy = divmod((y - SOUTH) / STEP, 1)
    edges = (0, 0.3, 0.6, 0.9, 1)
    if any(abs(d - edge) < 1e-4 for d in (dx, dy) for edge in edges):
        return ...
    if not (0 <= column < COLUMNS and 0 <= row < ROWS):
        return None
    block = block_code(int(column), int(row))
    if dx < 0.9 and dy < 0.9:
        return f"{block}-1" if 0.3 < dx < 0.6 and 0.3 < dy < 0.6 else block
    return "grid-a" if column < COLUMNS // 2 else "grid-b"


def test_twenty_thousand_points_in_five_thousand_cells_take_less_than_two_seconds() -> None:
    spaces = [
        space(
            f"c{i:02d}{j:02d}",
            square(114 + i * STEP, 22 + j * STEP, 114 + (i + 1) * STEP, 22 + (j + 1) * STEP),
        )
        for i in range(71)
        for j in range(71)
    ]
    rng = np.random.default_rng(7)
    lon, lat = 114 + rng.uniform(-0.02, 0.09, 20_000), 22 + rng.uniform(-0.02, 0.09, 20_000)
    began = time.process_time()
    found = place(build(spaces), lon, lat, tolerance_m=20.0)
    assert time.process_time() - began < 2.0
    assert len(found) == 20_000
