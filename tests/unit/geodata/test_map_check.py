"""Checks of a block map: known defects are found with their areas, clean maps give no findings."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st
from shapely import MultiPolygon, Polygon, affinity

from core.model import SpaceKind
from geodata.maps.check import KINDS, Checked, Limits, check
from geodata.maps.model import Cells, Finding, Weight
from geodata.maps.words import TITLES
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

COLUMNS, ROWS = 5, 4
SEEDS = st.integers(0, 10_000)
few = settings(max_examples=25, deadline=None)


def judged(shapes: list[Polygon | None], **facts: list[str]) -> Checked:
    return check(cells(shapes, **facts), community(COLUMNS, ROWS))  # type: ignore[arg-type]


def told(checked: Checked, *kinds: str) -> list[Finding]:
    return [one for one in checked.findings if one.kind in kinds]


def kinds_of(checked: Checked) -> list[str]:
    return [one.kind for one in checked.findings]


def metres(one: Finding) -> tuple[float, float]:
    assert one.at is not None
    x, y = PLANE.metres(np.array([one.at]))[0].tolist()
    return x, y


@few
@given(SEEDS)
def test_a_clean_partition_gives_no_findings(seed: int) -> None:
    assert judged(list(quads(COLUMNS, ROWS, seed))).findings == ()


def test_the_demo_district_is_clean_but_for_a_vertex_that_stands_twice() -> None:
    found = check(demo(), nothing())
    assert kinds_of(found) == ["repeated_vertices"]
    assert found.passed


@few
@given(SEEDS, st.integers(0, COLUMNS * ROWS - 1), st.floats(3, 30))
def test_an_overlap_is_found_with_its_area_and_place(seed: int, which: int, by_m: float) -> None:
    shapes = list(quads(COLUMNS, ROWS, seed))
    # Pushed to the east, over its neighbour; at the eastern end there is none.
    moved = affinity.translate(shapes[which], by_m, 0)
    others = shapes[:which] + shapes[which + 1 :]
    shapes[which] = moved
    overlaps = told(judged(list(shapes)), "overlap", "sliver")
    overlaps = [one for one in overlaps if len(one.codes) == 2 and "belong" not in one.detail]
    shared = [moved.intersection(other) for other in others]
    # What is narrower than 5 cm or smaller than 1 m2 is not told; that takes off the thin ends.
    thin_m2 = sum(min(one.area, 1.0 + 0.05 * one.length) for one in shared)
    total = sum(one.area_m2 or 0.0 for one in overlaps)
    expected = sum(one.area for one in shared)
    assert expected - thin_m2 <= total <= expected + 0.02 * sum(one.length for one in shared)
    plain = [one.area for one in shared if one.area > 50]
    told_m2 = [one.area_m2 for one in overlaps if one.area_m2 and one.area_m2 > 50]
    if all(area > 60 for area in plain):
        assert sorted(told_m2) == pytest.approx(sorted(plain), rel=0.05)
    for one in overlaps:
        assert moved.buffer(0.1).contains(shapely.Point(*metres(one)))


@few
@given(SEEDS, st.integers(0, COLUMNS * ROWS - 1))
def test_a_cell_left_out_is_a_gap_of_its_area(seed: int, which: int) -> None:
    shapes = list(quads(COLUMNS, ROWS, seed))
    lost = shapes.pop(which)
    (gap,) = judged(list(shapes)).findings
    assert gap.kind == "gap"
    assert gap.area_m2 == pytest.approx(lost.area, rel=0.001)
    assert lost.contains(shapely.Point(*metres(gap)))


@few
@given(SEEDS, st.floats(0.3, 1.5))
def test_a_narrow_gap_is_a_sliver_and_says_how_wide(seed: int, width_m: float) -> None:
    shapes = list(quads(COLUMNS, ROWS, seed, jitter_m=0.0))
    west, south, east, north = shapes[6].bounds
    shapes[6] = shapely.box(west, south, east - width_m, north)
    (sliver,) = judged(list(shapes)).findings
    assert sliver.kind == "sliver"
    assert sliver.area_m2 == pytest.approx(width_m * STEP_M, rel=0.05)
    assert len(sliver.codes) >= 2


def test_a_hole_between_cells_without_a_drawn_parent_is_found() -> None:
    shapes = quads(COLUMNS, ROWS, 3)
    lost = shapes.pop(7)
    blocks = cells(shapes)
    found = check(replace(blocks, parents=("",) * len(blocks)), nothing())
    (gap,) = told(found, "gap")
    assert gap.area_m2 == pytest.approx(lost.area, rel=0.001)
    assert len(told(found, "orphan")) == len(shapes)


def test_blocks_leave_the_roads_free_and_that_is_no_gap() -> None:
    blocks = [shape.buffer(-6, join_style="mitre") for shape in quads(COLUMNS, ROWS, 1)]
    grid = cells([shapely.box(0, 0, COLUMNS * STEP_M, ROWS * STEP_M)])
    codes = [f"{COMMUNITY}001{n:02d}" for n in range(1, len(blocks) + 1)]
    parents = [f"{COMMUNITY}001"] * len(blocks)
    found = check(
        cells(blocks, kind=SpaceKind.BLOCK, codes=codes, parents=parents),
        joined(community(COLUMNS, ROWS), grid),
    )
    assert found.findings == ()


def test_the_same_cell_twice_is_an_error_and_not_a_warning() -> None:
    shapes = quads(COLUMNS, ROWS, 2)
    found = judged([*shapes, shapes[4]])
    (twice,) = told(found, "overlap")
    assert twice.weight is Weight.ERROR
    assert twice.area_m2 == pytest.approx(shapes[4].area, rel=0.001)
    assert not found.passed


def test_an_overlap_with_a_cell_that_stays_in_force_is_told() -> None:
    shapes = quads(COLUMNS, ROWS, 2)
    in_force = joined(community(COLUMNS, ROWS), cells(shapes))
    fresh = cells([shapes[3]], codes=[f"{COMMUNITY}777"])
    corner = shapely.box(-10, -10, 1, 1)
    found = check(fresh, in_force, within=PLANE.lifted(np.array([corner], dtype=object))[0])
    (overlap,) = told(found, "overlap")
    assert "which stays in force" in overlap.detail
    assert told(check(fresh, in_force), "overlap") == []


@pytest.mark.parametrize(
    ("shape", "reason", "area_m2"),
    [
        (Polygon([(0, 0), (100, 100), (100, 0), (0, 100)]), "crosses itself", 5000),
        (
            Polygon([(0, 0), (100, 0), (100, 100), (0, 100)], [[(200, 0), (210, 0), (210, 9)]]),
            "hole lies outside",
            10_045,
        ),
    ],
)
def test_an_invalid_outline_is_told_in_words_with_what_mending_gives(
    shape: Polygon, reason: str, area_m2: float
) -> None:
    found = judged([shape])
    (wrong,) = told(found, "invalid_geometry")
    assert wrong.weight is Weight.ERROR
    assert reason in wrong.detail
    assert f"made valid it has {area_m2:,.0f}"[:22] in wrong.mend
    assert wrong.at is not None
    assert wrong.where == "layer cells, feature 1"


def test_missing_flat_and_far_outlines_are_errors_and_harm_nothing_else() -> None:
    shapes: list[Polygon | None] = list(quads(COLUMNS, ROWS, 5))
    shapes += [None, Polygon(), Polygon([(0, 0), (10, 0), (20, 0), (0, 0)])]
    spike = quads(COLUMNS, ROWS, 5)[0]
    shapes.append(Polygon([*list(spike.exterior.coords)[:3], (0, 60_000.0)]))
    found = judged(shapes)
    assert len(told(found, "empty_geometry")) == 3
    (far,) = told(found, "far_vertices")
    assert "23.14" in far.detail
    assert set(kinds_of(found)) <= {"empty_geometry", "far_vertices", "invalid_geometry"}


def test_a_map_that_lies_nowhere_is_told_once() -> None:
    shapes = [affinity.translate(shape, 900_000, 0) for shape in quads(COLUMNS, ROWS, 5)]
    (far,) = told(judged(list(shapes)), "far_vertices")
    assert far.detail.startswith(f"all {COLUMNS * ROWS} outlines")
    assert len(far.codes) == COLUMNS * ROWS


def test_repeated_vertices_are_counted() -> None:
    shapes = quads(COLUMNS, ROWS, 5)
    ring = list(shapes[2].exterior.coords)
    shapes[2] = Polygon([ring[0], ring[0], ring[0], *ring[1:]])
    (note,) = judged(list(shapes)).findings
    assert (note.kind, note.weight) == ("repeated_vertices", Weight.NOTE)
    assert note.detail.startswith("2 vertices of 1 outlines")


def test_tiny_and_huge_cells_are_told_with_their_area() -> None:
    grids = cells([shapely.box(0, 0, 20, 20), shapely.box(100, 0, 9_100, 9_000)])
    found = check(grids, nothing(), limits=Limits(far_m=50_000))
    (tiny,), (huge,) = told(found, "tiny_cell"), told(found, "huge_cell")
    assert tiny.area_m2 == pytest.approx(400, rel=0.001)
    assert huge.area_m2 == pytest.approx(81e6, rel=0.001)


def test_a_code_that_stands_twice_names_both_places() -> None:
    shapes = quads(COLUMNS, ROWS, 5)
    codes = [f"{COMMUNITY}{n:03d}" for n in range(1, len(shapes) + 1)]
    codes[3] = codes[0]
    (twice,) = judged(list(shapes), codes=codes).findings
    assert twice.kind == "duplicate_code"
    assert "layer cells, feature 1, layer cells, feature 4" in twice.detail


def test_a_code_in_force_for_another_kind_is_an_error() -> None:
    shapes = quads(COLUMNS, ROWS, 5)
    block = cells([shapes[0]], kind=SpaceKind.BLOCK, codes=[f"{COMMUNITY}001"])
    found = check(block, joined(community(COLUMNS, ROWS), cells(shapes)))
    assert "is a block in the map and a grid in force" in told(found, "duplicate_code")[0].detail


@pytest.mark.parametrize(
    ("code", "weight", "words"),
    [
        ("4.40303E+14", Weight.ERROR, "scientific notation"),
        ("４４０３０３００１００１００１", Weight.ERROR, "full-width"),
        ("990303001001001", Weight.WARNING, "no province"),
        ("block-7", Weight.WARNING, "none of the known rules"),
        ("44030300100100101", Weight.WARNING, "the code of a block, but the cell is a grid"),
    ],
)
def test_a_malformed_code_weighs_as_much_as_it_spoils(
    code: str, weight: Weight, words: str
) -> None:
    found = judged([quads(COLUMNS, ROWS, 5)[0]], codes=[code])
    wrong = told(found, "malformed_code")[0]
    assert wrong.weight is weight
    assert words in wrong.detail


def test_codes_of_a_districts_own_pattern_are_told_once() -> None:
    shapes = quads(COLUMNS, ROWS, 5)
    (once,) = judged(list(shapes), codes=[f"LH-{n}" for n in range(len(shapes))]).findings
    assert (once.kind, once.weight, len(once.codes)) == ("malformed_code", Weight.WARNING, 20)


def test_codes_that_went_through_a_float_are_an_error_of_the_file() -> None:
    shapes = [shapely.box(n * 20, 0, n * 20 + 10, 10) for n in range(20)]
    good = [f"4403030010010{n:06d}" for n in range(10_001, 60_000, 2_513)]
    codes = [str(int(float(code))) for code in good]
    found = check(cells(shapes, kind=SpaceKind.BUILDING, codes=codes), community(COLUMNS, ROWS))
    assert told(found, "rounded_codes")[0].weight is Weight.ERROR


def with_parents(parents: list[str], *, codes: list[str] | None = None) -> Checked:
    shapes = quads(COLUMNS, ROWS, 5)[: len(parents)]
    # Above the grids there are two communities, side by side.
    other = cells(
        [shapely.box(5000, 0, 6000, 1000)], kind=SpaceKind.COMMUNITY, codes=["440303001002"],
        parents=["440303001"],
    )  # fmt: skip
    map_ = cells(shapes, codes=codes)
    return check(
        replace(map_, parents=tuple(parents)), joined(community(COLUMNS, ROWS), other),
        limits=Limits(partitions=frozenset()),
    )  # fmt: skip


def test_missing_parents_come_from_the_code_and_else_from_the_place() -> None:
    found = with_parents(["", "", ""], codes=[f"{COMMUNITY}001", "own-1", "440303001002003"])
    assert found.cells.parents == (COMMUNITY,) * 3
    notes = [one.detail for one in told(found, "parent_found")]
    assert f"{COMMUNITY}001 got its parent from its code" in notes
    assert "2 cells got their parents from the largest overlap" in notes
    assert told(found, "parent_disagrees")[0].codes == ("440303001002003",)


def test_a_parent_that_nobody_knows_or_that_is_smaller_is_refused_and_found_anew() -> None:
    found = with_parents(["440303009009", f"{COMMUNITY}001"], codes=[f"{COMMUNITY}001", "own-1"])
    details = [one.detail for one in told(found, "unknown_parent")]
    assert "neither in the map nor in force" in details[0] + details[1]
    assert "a parent is of a larger kind" in details[0] + details[1]
    assert found.cells.parents == (COMMUNITY,) * 2


def test_a_cell_far_from_every_larger_one_is_an_orphan() -> None:
    far = cells([shapely.box(9000, 0, 9100, 100)], codes=["own-1"], parents=[""])
    found = check(replace(far, parents=("",)), community(COLUMNS, ROWS))
    (orphan,) = told(found, "orphan")
    assert orphan.weight is Weight.ERROR
    assert found.cells.parents == ("",)


@few
@given(SEEDS, st.floats(0.05, 0.95))
def test_what_sticks_out_of_its_parent_is_told_with_its_share(seed: int, share: float) -> None:
    cell = shapely.box(-100 * share, 0, 100 - 100 * share, 100)
    found = judged([cell, *quads(COLUMNS, ROWS, seed)[2:]])
    (out,) = told(found, "outside_parent")
    assert out.area_m2 == pytest.approx(share * 10_000, rel=0.01)
    assert out.weight is (Weight.ERROR if share >= 0.5 else Weight.WARNING)


def test_findings_come_errors_first_and_are_bounded() -> None:
    shapes = [shapely.box(n * 30, 0, n * 30 + 10, 10) for n in range(500)]
    found = check(cells(shapes, codes=[f"{COMMUNITY}{n:03d}" for n in range(1, 501)]), nothing())
    assert [one.weight for one in found.findings] == sorted(
        (one.weight for one in found.findings), key=list(Weight).index
    )
    tiny = told(found, "tiny_cell")
    assert len(tiny) == Limits().most + 1
    assert "and 300 more" in tiny[-1].detail
    assert len(tiny[-1].codes) == 300


def test_a_map_of_nothing_has_no_findings() -> None:
    assert check(nothing(), nothing()).findings == ()
    assert check(nothing(), demo()).findings == ()


def test_every_kind_has_a_title_in_both_languages() -> None:
    assert list(TITLES) == list(KINDS)
    assert all(zh and en for zh, en in TITLES.values())


@few
@given(
    st.lists(
        st.tuples(
            st.sampled_from(["440303001001001", "", "x", "４４", "4403030010010100012", "N50F"]),
            st.sampled_from(list(SpaceKind)),
            st.sampled_from(["", "440303", "x", "440303001001001"]),
            st.lists(st.tuples(st.integers(-5, 5), st.integers(-5, 5)), min_size=3, max_size=7),
        ),
        max_size=8,
    )
)
def test_whatever_comes_in_is_judged_and_never_raises(
    rows: list[tuple[str, SpaceKind, str, list[tuple[int, int]]]],
) -> None:
    shapes = [Polygon([(x * 50, y * 50) for x, y in ring]) for *_, ring in rows]
    drawn = cells([*shapes])
    map_ = replace(
        drawn,
        codes=tuple(code for code, *_ in rows),
        kinds=tuple(kind for _, kind, *_ in rows),
        parents=tuple(parent for _, _, parent, _ in rows),
    )
    for existing in (nothing(), community(COLUMNS, ROWS)):
        found = check(map_, existing, declared="EPSG:4490")
        assert len(found.cells) == len(rows)
        assert {one.kind for one in found.findings} <= set(KINDS)


def test_a_multipolygon_is_one_cell() -> None:
    shapes = quads(COLUMNS, ROWS, 5)
    both: list[Polygon | None] = [MultiPolygon([shapes[0], shapes[-1]]), *shapes[1:-1]]
    assert judged(both).findings == ()


def test_blocks_of_the_demo_district_are_clean_against_the_rest_of_it() -> None:
    blocks: Cells = of_kinds(demo(), SpaceKind.BLOCK)
    bare = replace(blocks, parents=("",) * len(blocks))
    found = check(bare, demo())
    assert kinds_of(found) == ["parent_found"]
    assert found.cells.parents == blocks.parents


def test_a_cell_that_names_no_parent_stays_where_it_is_in_force() -> None:
    # It lies half and half; in force it is the eastern one's.
    half = COLUMNS * STEP_M / 2
    grids = cells([shapely.box(0, 0, half + 1, 400), shapely.box(half, 0, 2 * half, 400)])
    block = cells(
        [shapely.box(half - 60, 10, half + 40, 90)], kind=SpaceKind.BLOCK, codes=["own-1"],
        parents=[grids.codes[1]],
    )  # fmt: skip
    in_force = joined(joined(community(COLUMNS, ROWS), grids), block)
    bare = replace(block, parents=("",))
    assert check(bare, in_force).cells.parents == (grids.codes[1],)
    assert check(replace(bare, codes=("own-2",)), in_force).cells.parents == (grids.codes[0],)
