"""The picture of a proposal: what it shows can be counted in its pixels."""

from __future__ import annotations

import sys
from dataclasses import replace
from io import BytesIO
from typing import Any

import numpy as np
import pytest
import shapely
from PIL import Image

from core.errors import MissingPrerequisite
from core.model import SpaceKind
from geodata.maps.canvas import Fonts, Ink, Panel
from geodata.maps.check import check
from geodata.maps.diff import diff
from geodata.maps.furniture import nice_length
from geodata.maps.model import Cells, Finding, Weight
from geodata.maps.picture import MOST_FINDINGS, draw
from geodata.maps.sheet import ADDED, GONE, REDRAWN
from tests.support.map_drawing import COMMUNITY, cells, community, demo, joined, nothing, quads

COLUMNS, ROWS = 5, 4
BEFORE = quads(COLUMNS, ROWS, 1)


def in_force() -> Cells:
    return joined(community(COLUMNS, ROWS), cells(BEFORE))


def image_of(map_: Cells, findings: tuple[Finding, ...] = (), **facts: Any) -> Image.Image:
    change = diff(map_, in_force(), kinds_replaced={SpaceKind.GRID})
    png = draw(change, map_, in_force(), findings, **facts)
    return Image.open(BytesIO(png)).convert("RGB")


def near(image: Image.Image, colour: tuple[int, int, int], half: str) -> int:
    """Count the pixels of a colour in the left or right half of the maps."""
    height = round((image.width - 60) // 2 * 0.86)
    pixels = np.asarray(image, dtype=int)[94 : 94 + height]
    middle = pixels.shape[1] // 2
    part = pixels[:, :middle] if half == "left" else pixels[:, middle:]
    return int((np.abs(part - np.array(colour)).max(axis=2) < 12).sum())


def test_each_change_is_painted_in_the_half_where_it_stands() -> None:
    changed = [*BEFORE[:3], BEFORE[3].buffer(-20), *BEFORE[5:]]
    codes = [f"{COMMUNITY}{n:03d}" for n in (1, 2, 3, 4, *range(6, 21))]
    map_ = cells([*changed, BEFORE[4].buffer(-30)], codes=[*codes, f"{COMMUNITY}900"])
    image = image_of(map_, width_px=1200)
    assert near(image, GONE.colour, "left") > 100
    assert near(image, GONE.colour, "right") == 0
    assert near(image, ADDED.colour, "right") > 100
    assert near(image, ADDED.colour, "left") == 0
    assert near(image, REDRAWN.colour, "left") > 100
    assert near(image, REDRAWN.colour, "right") > 100


def test_a_map_without_changes_shows_everything_and_no_colour_of_change() -> None:
    image = image_of(cells(BEFORE), width_px=800)
    assert image.width == 800
    assert all(
        near(image, ink.colour, half) == 0
        for ink in (ADDED, REDRAWN, GONE)
        for half in ("left", "right")
    )


def test_the_classes_differ_by_their_hatching_and_not_by_colour_alone() -> None:
    patterns = set()
    for ink in (ADDED, REDRAWN, GONE):
        panel = Panel(view=(0, 0, 100, 100), size=(100, 100), fonts=Fonts())
        everywhere = np.array([shapely.box(0, 0, 100, 100)], dtype=object)
        panel.fill(everywhere, replace(ink, colour=(0, 0, 0)))
        patterns.add(panel.finished().tobytes())
    assert len(patterns) == 3


def test_findings_are_marked_where_they_are() -> None:
    shapes = [*BEFORE]
    shapes[7] = shapes[7].buffer(15)
    map_ = cells(shapes)
    found = check(map_, in_force())
    assert found.findings
    warning = (179, 112, 0)
    plain = near(image_of(map_, width_px=1000), warning, "right")
    assert near(image_of(map_, found.findings, width_px=1000), warning, "right") > plain + 200


def test_a_long_list_of_findings_is_cut_and_counted() -> None:
    one = Finding(kind="overlap", weight=Weight.WARNING, codes=(), detail="a " * 400)
    few = image_of(cells(BEFORE), (one,) * MOST_FINDINGS, width_px=800)
    many = image_of(cells(BEFORE), (one,) * 500, width_px=800)
    assert 0 < many.height - few.height < 40


def test_without_a_chinese_font_the_picture_is_english_and_says_so() -> None:
    fonts = Fonts(())
    assert not fonts.chinese
    english = image_of(cells(BEFORE), width_px=800, fonts=fonts, title="地图.gpkg")
    assert english.height > image_of(cells(BEFORE), width_px=800, fonts=Fonts()).height - 40


def test_without_pillow_the_error_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "PIL", None)
    monkeypatch.delitem(sys.modules, "geodata.maps.canvas")
    with pytest.raises(MissingPrerequisite, match="Pillow"):
        image_of(cells(BEFORE))


@pytest.mark.parametrize("width_px", [0, 100, 100_000])
def test_a_width_out_of_range_is_refused(width_px: int) -> None:
    with pytest.raises(ValueError, match="640 to 4000"):
        image_of(cells(BEFORE), width_px=width_px)


def test_maps_of_nothing_and_of_broken_outlines_are_drawn() -> None:
    change = diff(nothing(), nothing(), kinds_replaced=set())
    assert draw(change, nothing(), nothing(), width_px=640).startswith(b"\x89PNG")
    broken = cells([None, shapely.Polygon(), *BEFORE[2:]])
    broken.outlines[3] = shapely.box(22, 114, 23, 115)
    assert image_of(broken, width_px=640).width == 640


def test_the_whole_demo_district_is_drawn() -> None:
    change = diff(demo(), nothing(), kinds_replaced=set(SpaceKind))
    assert draw(change, demo(), nothing(), width_px=900).startswith(b"\x89PNG")


@pytest.mark.parametrize(
    ("metres", "nice"), [(999, 500), (1000, 1000), (2.3, 2), (0.07, 0.05), (19_999, 10_000)]
)
def test_a_scale_bar_has_a_length_to_count_with(metres: float, nice: float) -> None:
    assert nice_length(metres) == pytest.approx(nice)


def test_a_hole_stays_free_and_what_lies_in_it_is_painted() -> None:
    ring = shapely.difference(shapely.box(0, 0, 90, 90), shapely.box(20, 20, 70, 70))
    panel = Panel(view=(0, 0, 90, 90), size=(90, 90), fonts=Fonts(), paper=(255, 255, 255))
    ink = Ink(colour=(0, 0, 0), fill=1.0)
    panel.fill(np.array([ring, shapely.box(40, 40, 50, 50)], dtype=object), ink)
    image = panel.finished()
    assert [image.getpixel(at) for at in ((5, 5), (30, 30), (45, 45))] == [
        (0, 0, 0), (255, 255, 255), (0, 0, 0),
    ]  # fmt: skip


def test_findings_stand_in_both_languages_and_long_chinese_ones_are_broken() -> None:
    one = Finding(kind="gap", weight=Weight.WARNING, codes=(), detail="open ground")
    said = replace(one, detail_zh="有空隙不属于任何单元")
    long_ = replace(one, detail_zh="有空隙，不属于任何单元；" * 10)
    heights = [image_of(in_force(), (each,), width_px=640).height for each in (one, said, long_)]
    if not Fonts().chinese:
        assert len(set(heights)) == 1
        return
    assert heights == [heights[0], heights[0] + 20, heights[0] + 60]
