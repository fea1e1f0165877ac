"""What a map would bring into force, without a database."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Sequence
from itertools import pairwise

import numpy as np
import pytest
import shapely
from hypothesis import given
from hypothesis import strategies as st

from core.model import Space
from geodata.maps.model import Weight, cells_of
from geodata.placement import parse
from tests.support.maps import SOURCE, by_code, content
from tests.support.small_district import BLOCK, SOUTH, WEST, block_code, small_district, square
from twin.maps import columns, judge, plan
from twin.maps.in_force import InForce
from twin.maps.plan import Touched

PLAIN = small_district(devices=0)
SPACES = by_code(PLAIN.spaces)
LEFT = block_code(0, 0)


def in_force(spaces: Sequence[Space] = PLAIN.spaces) -> InForce:
    outlines = [space.outline for space in spaces]
    return InForce(
        cells=cells_of(spaces, parse([space.code for space in spaces], outlines)),
        sources=tuple(space.source for space in spaces),
        frames=tuple(space.frame for space in spaces),
        texts=tuple(json.dumps(outline) for outline in outlines),
        version=1,
    )


def halves() -> list[Space]:
    edges = (WEST, WEST + BLOCK / 4, WEST + BLOCK)
    return [
        dataclasses.replace(
            SPACES[LEFT], code=f"half-{i}", outline=square(west, SOUTH, east, SOUTH + BLOCK)
        )
        for i, (west, east) in enumerate(pairwise(edges))
    ]


def test_a_building_whose_block_goes_is_adopted_by_the_half_that_covers_it() -> None:
    touched = Touched(
        drawn=frozenset({"half-0", "half-1"}), worded=frozenset(), gone=frozenset({LEFT})
    )
    made = plan.make(content(halves()).cells, touched, SOURCE, in_force())
    assert made.adopted == {f"{LEFT}-1": "half-1"}
    assert [one.kind for one in made.findings] == ["adopted"]
    grid = plan.would_be(made, in_force())
    assert LEFT not in grid.codes
    assert {"half-0", "half-1", f"{LEFT}-1"} <= set(grid.codes)


def test_a_building_whose_block_goes_with_nothing_in_its_place_is_an_error() -> None:
    touched = Touched(drawn=frozenset(), worded=frozenset(), gone=frozenset({LEFT}))
    made = plan.make(content([]).cells, touched, SOURCE, in_force())
    assert [(one.kind, one.weight) for one in made.findings] == [("orphan", Weight.ERROR)]
    assert made.findings[0].at is not None


def test_a_cell_that_names_a_parent_which_goes_is_an_error() -> None:
    cell = dataclasses.replace(SPACES[f"{LEFT}-1"], code="shed")
    touched = Touched(drawn=frozenset({"shed"}), worded=frozenset(), gone=frozenset({LEFT}))
    made = plan.make(content([cell, SPACES[f"{LEFT}-1"]]).cells, touched, SOURCE, in_force())
    assert {one.codes[0] for one in made.findings if one.weight is Weight.ERROR} == {
        "shed", f"{LEFT}-1",
    }  # fmt: skip


def test_outlines_carry_the_files_frame_and_origin_and_words_do_not() -> None:
    touched = Touched(drawn=frozenset({LEFT}), worded=frozenset({"grid-a"}), gone=frozenset())
    renamed = dataclasses.replace(SPACES["grid-a"], name="新名")
    made = plan.make(content([SPACES[LEFT], renamed]).cells, touched, SOURCE, in_force())
    found = by_code(made.spaces)
    assert (found[LEFT].frame, found[LEFT].source) == ("EPSG:4547", SOURCE.origin)
    assert (found["grid-a"].frame, found["grid-a"].source) == ("EPSG:4490", "synthetic")
    assert found["grid-a"].name == "新名"


@pytest.mark.parametrize("bad", ["", "a b", "a/b", "x" * 65])
def test_a_code_that_no_path_can_hold_is_an_error(bad: str) -> None:
    cell = dataclasses.replace(SPACES[LEFT], code=bad)
    judged = judge.judge(content([cell]), in_force(), partial=True)
    assert "unusable_code" in {one.kind for one in judged.findings if one.weight is Weight.ERROR}


def test_cells_that_cannot_be_compared_are_kept_and_left_out_of_the_plan() -> None:
    cells = content([SPACES[LEFT], *halves()]).cells
    outlines = cells.outlines.copy()
    outlines[1] = shapely.Polygon([(0, 0), (1, 1), (1, 0), (0, 1)])
    outlines[2] = shapely.Polygon()
    broken = dataclasses.replace(content([]), cells=dataclasses.replace(cells, outlines=outlines))
    judged = judge.judge(broken, in_force(), partial=True)
    assert len(judged.cells) == 3
    assert judged.usable.codes == (LEFT,)
    assert {"half-0", "half-1"} <= {
        code for one in judged.findings if one.weight is Weight.ERROR for code in one.codes
    }
    packed = columns.pack(judged.given, judged.cells.parents)
    assert columns.unpack(packed).codes == judged.cells.codes


@given(st.lists(st.floats(-1e-4, 1e-4), min_size=4, max_size=4), st.floats(0, 500))
def test_cells_come_back_from_json_as_they_went(jitter: list[float], height: float) -> None:
    west, south, east, north = (
        WEST + jitter[0], SOUTH + jitter[1], WEST + BLOCK + jitter[2], SOUTH + BLOCK + jitter[3],
    )  # fmt: skip
    cell = dataclasses.replace(
        SPACES[LEFT], outline=square(west, south, east, north), height_m=height, parent=None
    )
    given_ = content([cell]).cells
    given_ = dataclasses.replace(given_, outlines=columns.rounded(given_.outlines))
    packed = columns.pack(given_, ["grid-a"])
    assert columns.unpack(packed).parents == ("grid-a",)
    back = columns.unpack(packed, as_given=True)
    assert (back.codes, back.parents, back.kinds) == (given_.codes, given_.parents, given_.kinds)
    assert shapely.equals_identical(back.outlines, given_.outlines).all()
    assert np.array_equal(back.heights_m, given_.heights_m)
