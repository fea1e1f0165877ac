"""Whether a map lies off by one mistake: every mix-up is named, and drawing anew is none."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import replace
from random import Random

import numpy as np
import pytest
import shapely
from shapely import affinity

from core.model import SpaceKind
from geodata.frames import frame
from geodata.maps.check import check, shift
from geodata.maps.mixups import mixups
from geodata.maps.model import Cells, Finding, Weight
from geodata.maps.plane import F8
from geodata.maps.scope import chosen
from tests.support.map_drawing import demo, nothing, of_kinds, recoded

Move = Callable[[F8], F8]


def moved(cells: Cells, move: Move) -> Cells:
    return replace(cells, outlines=shapely.transform(cells.outlines, move))


def in_frame(name: str) -> Move:
    """What becomes of right coordinates that are in a frame and read as degrees of WGS 84."""
    return frame(name).from_degrees


def as_if(true: str, read_as: str) -> Move:
    return lambda xy: frame(read_as).to_degrees(frame(true).from_degrees(xy))


@functools.cache
def blocks() -> Cells:
    return of_kinds(demo(), SpaceKind.BLOCK)


def some(cells: Cells, wanted: Callable[[int], bool]) -> Cells:
    return chosen(cells, np.array([wanted(i) for i in range(len(cells))], dtype=bool))


def found(cells: Cells, existing: Cells | None = None, declared: str = "") -> Finding:
    one = shift(cells, demo() if existing is None else existing, declared=declared)
    assert one is not None
    assert (one.kind, one.weight) == ("shift", Weight.ERROR)
    return one


def redrawn(cells: Cells, seed: int, share: float = 1.0, by_m: float = 60.0) -> Cells:
    """Draw cells anew: moved each its own way, turned, and scaled."""
    rng = Random(seed)
    outlines = cells.outlines.copy()
    for i in range(len(cells)):
        if rng.random() < share:
            step = by_m / 111_000
            shape = affinity.translate(outlines[i], rng.gauss(0, step), rng.gauss(0, step))
            shape = affinity.rotate(shape, rng.uniform(-15, 15))
            outlines[i] = affinity.scale(shape, rng.uniform(0.7, 1.2), rng.uniform(0.7, 1.2))
    return replace(cells, outlines=outlines)


@pytest.mark.parametrize("declared", ["", "EPSG:4326", "EPSG:4490", "wgs84"])
def test_gcj_02_declared_as_wgs_84_is_named_with_its_way(declared: str) -> None:
    one = found(moved(blocks(), in_frame("GCJ-02")), declared=declared)
    assert "the map lies 602 m too far to the south-east" in one.detail
    assert "its coordinates are GCJ-02, read as WGS 84" in one.detail
    assert "1,318 of 1,318 displaced cells are back in place to 0.0 m" in one.detail
    assert one.mend == "read the file again and declare GCJ-02"


@pytest.mark.parametrize(
    ("move", "declared", "cause"),
    [
        (in_frame("BD-09"), "EPSG:4326", "its coordinates are BD-09, read as WGS 84"),
        (frame("GCJ-02").to_degrees, "GCJ-02", "are WGS 84 or CGCS2000, read as GCJ-02"),
        (frame("BD-09").to_degrees, "BD-09", "are WGS 84 or CGCS2000, read as BD-09"),
        (as_if("BD-09", "GCJ-02"), "GCJ-02", "its coordinates are BD-09, read as GCJ-02"),
        (as_if("GCJ-02", "BD-09"), "BD-09", "its coordinates are GCJ-02, read as BD-09"),
        (lambda xy: xy[:, ::-1], "EPSG:4490", "its axes are exchanged (latitude before"),
        (as_if("EPSG:4547", "EPSG:4546"), "EPSG:4546", "meridian 114), read as EPSG:4546"),
        (as_if("EPSG:4547", "EPSG:4509"), "EPSG:4509", "read as EPSG:4509 (zone of 6 degrees"),
        (as_if("EPSG:32650", "EPSG:4509"), "EPSG:4509", "UTM zone 50), read as EPSG:4509"),
    ],
)  # fmt: skip
def test_each_mix_up_is_told_apart(move: Move, declared: str, cause: str) -> None:
    map_ = moved(blocks(), move)
    assert cause in found(map_, declared=declared).detail
    # Without being told, zones that undo alike cannot be told apart; that it is one, can.
    assert shift(map_, demo()) is not None


def test_a_translation_without_a_known_cause_is_told_with_its_way() -> None:
    one = found(moved(blocks(), lambda xy: xy + np.array([0.001, 0.0005])))
    assert "117 m too far to the north-east" in one.detail
    assert "Beijing 1954" in one.detail


@pytest.mark.parametrize("name", ["GCJ-02", "BD-09"])
def test_it_is_caught_though_a_few_cells_changed_and_others_were_added(name: str) -> None:
    map_ = redrawn(blocks(), seed=1, share=0.1)
    codes = tuple(f"new-{i}" if i % 12 == 0 else code for i, code in enumerate(map_.codes))
    one = found(moved(replace(map_, codes=codes), in_frame(name)))
    assert f"its coordinates are {name}" in one.detail


@pytest.mark.parametrize("name", ["GCJ-02", "BD-09"])
def test_it_is_caught_though_only_half_the_map_is_delivered(name: str) -> None:
    half = some(blocks(), lambda i: i < len(blocks()) // 2)
    assert f"are {name}" in found(moved(half, in_frame(name))).detail
    one_street = some(blocks(), lambda i: blocks().codes[i].startswith("440303003"))
    assert f"are {name}" in found(moved(one_street, in_frame(name))).detail


@pytest.mark.parametrize("name", ["GCJ-02", "BD-09"])
def test_it_is_caught_without_a_code_in_common(name: str) -> None:
    map_ = recoded(moved(blocks(), in_frame(name)))
    one = found(map_)
    assert f"are {name}" in one.detail
    assert "the borders in force" in one.detail
    assert shift(recoded(blocks()), demo()) is None


@pytest.mark.parametrize("name", ["GCJ-02", "BD-09"])
def test_a_first_map_of_blocks_is_held_against_the_grids_that_its_codes_name(name: str) -> None:
    grids = of_kinds(demo(), SpaceKind.DISTRICT, SpaceKind.GRID)
    one = found(moved(blocks(), in_frame(name)), grids)
    assert f"are {name}" in one.detail
    assert "the spaces that should contain it" in one.detail
    assert shift(blocks(), grids) is None


@pytest.mark.parametrize("share", [1.0, 0.5])
def test_a_first_map_with_codes_of_its_own_is_held_against_the_outline(share: float) -> None:
    district = of_kinds(demo(), SpaceKind.DISTRICT)
    part = recoded(some(blocks(), lambda i: i < share * len(blocks())))
    one = found(moved(part, in_frame("GCJ-02")), district)
    assert "its coordinates are GCJ-02" in one.detail
    assert "the outline of the district" in one.detail
    assert shift(part, district) is None
    outline = district.outlines[0]
    assert shift(moved(part, in_frame("GCJ-02")), nothing(), outline=outline) is not None
    assert shift(part, nothing(), outline=outline) is None


def test_cells_of_another_system_among_right_ones_are_named_alone() -> None:
    outlines = blocks().outlines.copy()
    wrong = [5, 300, 301, 900]
    outlines[wrong] = shapely.transform(outlines[wrong], in_frame("GCJ-02"))
    one = found(replace(blocks(), outlines=outlines))
    assert one.codes == tuple(blocks().codes[i] for i in wrong)
    assert one.detail.startswith("a part of the map (4 cells)")
    assert one.mend.endswith("these cells alone")


@pytest.mark.parametrize("seed", range(3))
def test_a_map_that_was_drawn_anew_is_not_shifted(seed: int) -> None:
    assert shift(redrawn(blocks(), seed, by_m=20), demo()) is None
    assert shift(redrawn(blocks(), seed, by_m=80), demo(), declared="EPSG:4490") is None
    assert shift(redrawn(blocks(), seed, by_m=400), demo()) is None
    anew = recoded(redrawn(blocks(), seed, by_m=80))
    assert shift(anew, demo(), declared="EPSG:4490") is None


def test_moves_that_only_resemble_a_mix_up_are_none() -> None:
    rng = np.random.default_rng(3)
    outlines = blocks().outlines.copy()
    gcj = moved(blocks(), in_frame("GCJ-02")).outlines
    for i in range(len(outlines)):
        way = shapely.get_coordinates(gcj[i])[0] - shapely.get_coordinates(outlines[i])[0]
        east, north = 0.8 * way + rng.normal(0, 0.001, 2)
        outlines[i] = affinity.translate(outlines[i], east, north)
    assert shift(replace(blocks(), outlines=outlines), demo()) is None


def test_codes_that_were_given_out_anew_are_no_shift() -> None:
    order = list(range(len(blocks())))
    Random(7).shuffle(order)
    shuffled = replace(blocks(), codes=tuple(blocks().codes[i] for i in order))
    assert shift(shuffled, demo()) is None


def test_a_few_metres_are_no_shift() -> None:
    assert shift(moved(blocks(), lambda xy: xy + np.array([0.0003, 0.0002])), demo()) is None


def test_with_nothing_to_be_held_against_only_exchanged_axes_can_be_told() -> None:
    assert shift(blocks(), nothing()) is None
    assert "axes are exchanged" in found(moved(blocks(), lambda xy: xy[:, ::-1]), nothing()).detail
    assert shift(nothing(), demo()) is None


def test_the_whole_check_refuses_a_map_in_gcj_02() -> None:
    judged = check(moved(blocks(), in_frame("GCJ-02")), demo(), declared="EPSG:4326")
    assert not judged.passed
    assert judged.findings[0].kind == "shift"


def test_a_whole_map_in_the_wrong_place_is_one_error_and_not_hundreds() -> None:
    findings = check(moved(blocks(), in_frame("GCJ-02")), demo(), declared="EPSG:4326").findings
    errors = [one for one in findings if one.weight is Weight.ERROR]
    assert [one.kind for one in errors] == ["shift"]
    assert "left out until then" in errors[0].mend
    assert "不再列出" in errors[0].mend_zh


def test_a_part_in_the_wrong_place_hides_nothing() -> None:
    cells = blocks()
    outlines = cells.outlines.copy()
    outlines[:200] = shapely.transform(outlines[:200], in_frame("GCJ-02"))
    findings = check(replace(cells, outlines=outlines), demo(), declared="EPSG:4326").findings
    kinds = {one.kind for one in findings if one.weight is Weight.ERROR}
    assert {"shift", "outside_parent"} <= kinds


def test_a_system_that_only_its_owner_knows_does_not_hinder_the_question() -> None:
    one = found(moved(blocks(), in_frame("GCJ-02")), declared="local:shenzhen")
    assert "GCJ-02" in one.detail


def test_undoing_a_mix_up_gives_the_coordinates_back() -> None:
    points = np.array([[114.1315, 22.5484], [114.0447, 22.6569]])
    for cause in mixups("EPSG:4490", (114.1, 22.6)):
        raw = points[:, ::-1] if cause.exchanged else frame(cause.true).from_degrees(points)
        meant = cause.undo(raw)
        assert meant is not None
        assert np.abs(meant - points).max() < 1e-9


@pytest.mark.parametrize("true", ["GCJ-02", "BD-09"])
def test_degrees_of_a_map_service_that_were_projected_as_if_they_were_right_are_named(
    true: str,
) -> None:
    shifted = moved(blocks(), as_if(true, "EPSG:4490"))
    told = found(shifted, declared="EPSG:4547")
    assert f"its degrees were {true}, and were projected as WGS 84 or CGCS2000" in told.detail
    assert told.mend == f"export the map in degrees (EPSG:4490), then declare {true}"
