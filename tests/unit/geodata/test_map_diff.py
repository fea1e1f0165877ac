"""What a map changes: added, redrawn, renamed, gone, same; and what became of what."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st
from shapely import Polygon, affinity

from core.model import SpaceKind
from geodata.frames import frame
from geodata.maps.diff import NO_PLACE_M, Changed, Diff, diff
from geodata.maps.lineage import LineageKind
from geodata.maps.model import Cells
from geodata.maps.scope import descendants
from tests.support.map_drawing import (
    COMMUNITY,
    PLANE,
    STEP_M,
    cells,
    community,
    demo,
    joined,
    nothing,
    of_kinds,
    quads,
)

GRIDS = {SpaceKind.GRID}
COLUMNS, ROWS = 5, 4


def code(number: int) -> str:
    return f"{COMMUNITY}{number:03d}"


def in_force() -> Cells:
    return joined(community(COLUMNS, ROWS), cells(quads(COLUMNS, ROWS, 1)))


def against(map_: Cells, **facts: object) -> Diff:
    return diff(map_, in_force(), kinds_replaced=GRIDS, **facts)  # type: ignore[arg-type]


def test_the_same_map_changes_nothing() -> None:
    found = against(cells(quads(COLUMNS, ROWS, 1)))
    assert found.empty
    assert found.same == COLUMNS * ROWS


def test_a_trip_through_a_projection_is_the_same_map() -> None:
    gk = frame("EPSG:4547")
    map_ = of_kinds(demo(), SpaceKind.BLOCK)
    there = shapely.transform(map_.outlines, lambda xy: np.round(gk.from_degrees(xy), 3))
    back = replace(map_, outlines=shapely.transform(there, gk.to_degrees))
    found = diff(back, demo(), kinds_replaced={SpaceKind.BLOCK})
    assert found.empty
    assert found.same == len(map_)


def test_added_gone_and_redrawn_cells_are_told_by_code() -> None:
    shapes = quads(COLUMNS, ROWS, 1)
    gone = shapes.pop(3)
    codes = [code(n) for n in range(1, 21) if n != 4]
    shapes[0] = shapely.box(-5, 0, *shapes[0].bounds[2:])
    found = against(cells([*shapes, gone.buffer(-20)], codes=[*codes, code(99)]))
    assert found.added == (code(99),)
    assert found.gone == (code(4),)
    assert [one.code for one in found.redrawn] == [code(1)]
    assert found.same == 18


@settings(deadline=None)
@given(st.floats(0.5, 30), st.integers(0, 1000))
def test_a_redrawn_border_tells_area_and_largest_move(by_m: float, seed: int) -> None:
    before = quads(COLUMNS, ROWS, seed, jitter_m=0)
    west, south, east, north = before[7].bounds
    after = [*before]
    after[7] = shapely.box(west, south, east + by_m, north)
    found = diff(cells(after), cells(before), kinds_replaced=GRIDS)
    (one,) = found.redrawn
    assert one.area_before_m2 == pytest.approx(STEP_M * STEP_M, rel=0.001)
    assert one.area_change_m2 == pytest.approx(by_m * STEP_M, rel=0.05)
    assert one.shift_m == pytest.approx(by_m, abs=0.02)


def test_a_move_within_the_tolerance_is_none() -> None:
    shapes = [affinity.translate(shape, 0.03, 0) for shape in quads(COLUMNS, ROWS, 1)]
    assert against(cells(shapes)).empty
    assert len(against(cells(shapes), tolerance_m=0.01).redrawn) == 20


def test_a_vertex_on_the_border_or_another_first_vertex_is_no_change() -> None:
    shapes = quads(COLUMNS, ROWS, 1)
    ring = list(shapes[0].exterior.coords)[:-1]
    middle = ((ring[0][0] + ring[1][0]) / 2, (ring[0][1] + ring[1][1]) / 2)
    shapes[0] = Polygon([*ring[1:], ring[0], middle])
    assert against(cells(shapes)).empty


def test_other_facts_are_told_before_and_after() -> None:
    map_ = cells(quads(COLUMNS, ROWS, 1), names=["新名", *[""] * 19])
    heights = map_.heights_m.copy()
    heights[1] = 12.5
    map_ = replace(
        map_, heights_m=heights, parents=(*map_.parents[:-1], "440303001002"),
        kinds=(*map_.kinds[:2], SpaceKind.BLOCK, *map_.kinds[3:]),
    )  # fmt: skip
    assert set(against(map_).changed) == {
        Changed(code=code(1), field="name", before="", after="新名"),
        Changed(code=code(2), field="height_m", before="", after="12.5"),
        Changed(code=code(3), field="kind", before="grid", after="block"),
        Changed(code=code(20), field="parent", before=COMMUNITY, after="440303001002"),
    }
    assert against(map_).same == 16


def test_only_replaced_kinds_go() -> None:
    empty = cells([])
    assert diff(empty, in_force(), kinds_replaced=set()).gone == ()
    assert len(diff(empty, in_force(), kinds_replaced=GRIDS).gone) == 20
    assert diff(empty, in_force(), kinds_replaced=GRIDS).left == ()


def test_what_stays_below_a_space_that_goes_is_left_without_a_parent() -> None:
    found = diff(nothing(), in_force(), kinds_replaced={SpaceKind.COMMUNITY})
    assert found.gone == (COMMUNITY,)
    assert found.left == tuple(code(n) for n in range(1, 21))


def test_within_a_code_or_an_area_only_what_lies_there_goes() -> None:
    empty = nothing()
    assert len(diff(empty, in_force(), kinds_replaced=GRIDS, within=COMMUNITY).gone) == 20
    west = PLANE.lifted(np.array([shapely.box(-1, -1, STEP_M, ROWS * STEP_M)], dtype=object))[0]
    gone = diff(empty, in_force(), kinds_replaced=GRIDS, within=west).gone
    assert gone == tuple(code(n) for n in (1, 6, 11, 16))
    with pytest.raises(ValueError, match="no space '440309'"):
        diff(empty, in_force(), kinds_replaced=GRIDS, within="440309")


def test_descendants_end_in_a_circle_of_parents() -> None:
    circle = cells(quads(2, 1, 1), codes=["a", "b"], parents=["b", "a"])
    assert descendants(circle, "a") == {"b"}


def test_a_split_a_merge_and_a_new_code_are_recognised() -> None:
    before = quads(COLUMNS, ROWS, 1, jitter_m=0)
    west, south, east, north = before[0].bounds
    cut = west + 40
    halves = [shapely.box(west, south, cut, north), shapely.box(cut, south, east, north)]
    merged = shapely.union(before[5], before[6])
    rest = [n for n in range(20) if n not in (0, 5, 6, 9)]
    shapes = [*(before[n] for n in rest), *halves, merged, before[9]]
    codes = [*(code(n + 1) for n in rest), code(101), code(102), code(103), code(104)]
    found = diff(cells(shapes, codes=codes), cells(before), kinds_replaced=GRIDS)
    merge, recoded, split = found.lineages
    assert (merge.kind, merge.before, merge.after) == (
        LineageKind.MERGE, (code(6), code(7)), (code(103),),
    )  # fmt: skip
    assert merge.shares == pytest.approx((0.5, 0.5), abs=0.001)
    assert (recoded.kind, recoded.before, recoded.after) == (
        LineageKind.RECODED, (code(10),), (code(104),),
    )  # fmt: skip
    assert (split.kind, split.before, set(split.after)) == (
        LineageKind.SPLIT, (code(1),), {code(101), code(102)},
    )  # fmt: skip
    assert sorted(split.shares) == pytest.approx([1 / 3, 2 / 3], abs=0.001)


def test_a_split_is_recognised_though_one_part_kept_the_code() -> None:
    before = quads(COLUMNS, ROWS, 1, jitter_m=0)
    west, south, east, north = before[0].bounds
    after = [shapely.box(west, south, west + 60, north), *before[1:]]
    after.append(shapely.box(west + 60, south, east, north))
    (split,) = diff(cells(after), cells(before), kinds_replaced=GRIDS).lineages
    assert (split.before, set(split.after)) == ((code(1),), {code(1), code(21)})


def test_invalid_missing_and_far_outlines_are_compared_without_an_error() -> None:
    shapes: list[Polygon | None] = list(quads(COLUMNS, ROWS, 1))
    shapes[0] = None
    shapes[1] = Polygon([(0, 0), (100, 100), (100, 0), (0, 100)])
    map_ = cells(shapes)
    map_.outlines[2] = shapely.box(22, 114, 23, 115)
    found = against(map_)
    assert [one.code for one in found.redrawn] == [code(1), code(2), code(3)]
    assert found.redrawn[0].shift_m == NO_PLACE_M


@settings(deadline=None, max_examples=20)
@given(st.integers(0, 1000), st.integers(0, 1000))
def test_there_and_back_are_each_others_opposite(one: int, other: int) -> None:
    here = cells(quads(3, 3, one))
    there = cells(quads(4, 2, other))
    forth = diff(there, here, kinds_replaced=GRIDS)
    back = diff(here, there, kinds_replaced=GRIDS)
    assert set(forth.added) == set(back.gone)
    assert {r.code for r in forth.redrawn} == {r.code for r in back.redrawn}
    assert forth.same == back.same
