import dataclasses

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.model import SpaceKind
from geodata import placement
from geodata.addresses import doors
from geodata.addresses.find import Near, find
from geodata.addresses.index import build
from geodata.addresses.lookup import NameTable, distance, likeness_of
from geodata.addresses.parse import parse
from geodata.addresses.places import (
    UNSURE,
    Level,
    Match,
    PlacedDevice,
    PlacedSpace,
    Source,
    StandardAddress,
)
from geodata.addresses.reverse import Locator
from geodata.addresses.text import AddressTooLong
from tests.support.small_district import small_district

WEST, SOUTH = 114.10, 22.50
BUILDING = "4403030010010102003"


def _space(code: str, kind: SpaceKind, name: str, parent: str | None) -> PlacedSpace:
    return PlacedSpace(
        code=code, kind=kind, name=name, name_en=name, parent=parent, lon=WEST, lat=SOUTH
    )


SPACES = [
    _space("440303", SpaceKind.DISTRICT, "罗湖区", None),
    _space("440303001", SpaceKind.STREET, "桂园街道", "440303"),
    _space("440303002", SpaceKind.STREET, "黄贝街道", "440303"),
    _space("440303001001", SpaceKind.COMMUNITY, "大塘龙社区", "440303001"),
    _space("440303001001001", SpaceKind.GRID, "大塘龙社区01网格", "440303001001"),
    _space("44030300100100102", SpaceKind.BLOCK, "大塘龙社区01网格02街区", "440303001001001"),
    _space(BUILDING, SpaceKind.BUILDING, "大塘龙社区01网格02街区3栋", "44030300100100102"),
]
DEVICES = [
    PlacedDevice(
        device_id="smoke-0001",
        name="大塘龙社区01网格02街区3栋5层 烟感1",
        address="罗湖区桂园街道大塘龙社区01网格02街区3栋",
        lon=WEST,
        lat=SOUTH,
        space_code=BUILDING,
    )
]


def _standard(text: str, x: float, **more: str) -> StandardAddress:
    return StandardAddress(
        text=text, address=parse(text), lon=WEST + x * 1e-4, lat=SOUTH, source="test", **more
    )


ADDRESSES = [
    _standard("罗湖区桂园街道云庭路22号", 0),
    _standard("罗湖区桂园街道云庭路26号", 4),
    _standard("罗湖区桂园街道云庭路34号", 12),
    _standard("罗湖区桂园街道云庭路27号", 5),
    _standard("罗湖区桂园街道云庭路40号丰樵居1栋", 20),
    _standard("罗湖区桂园街道云庭路40号丰樵居2栋", 21),
    _standard("罗湖区桂园街道云庭路40号丰樵居12栋", 22),
    _standard("罗湖区桂园街道云庭路40号丰樵居2栋1单元302室", 21, house_code=BUILDING + "000302"),
    _standard("罗湖区桂园街道云庭路40号丰樵居2栋1单元303室", 21),
    _standard("罗湖区黄贝街道锦湾中路8号", 40),
    _standard("罗湖区黄贝街道锦湾南路8号", 50),
    _standard("罗湖区黄贝街道月亭村三巷5号", 60),
]
GRID = placement.build(small_district().spaces)
LOCATOR = Locator(index=build(SPACES, DEVICES, [(one, None) for one in ADDRESSES]), grid=GRID)


def best(text: str) -> Match:
    return find(LOCATOR, text).matches[0]


@pytest.mark.parametrize(
    ("text", "address", "level"),
    [
        ("罗湖区桂园街道云庭路26号", "云庭路26号", Level.DOOR),
        ("云庭路２６號", "云庭路26号", Level.DOOR),
        ("云庭路26", "云庭路26号", Level.DOOR),
        ("云亭路26号", "云庭路26号", Level.DOOR),
        ("云庭", "云庭路", Level.ROAD),
        ("丰樵居12栋", "丰樵居12栋", Level.BUILDING),
        ("丰樵居十二幢", "丰樵居12栋", Level.BUILDING),
        ("丰焦居2栋", "丰樵居2栋", Level.BUILDING),
        ("丰樵居", "丰樵居", Level.ESTATE),
        ("丰樵居2栋1单元302", "2栋1单元302室", Level.ROOM),
        ("云庭路40号2栋1单元303室", "2栋1单元303室", Level.ROOM),
        ("月亭村3巷5号", "月亭村3巷5号", Level.DOOR),
        ("桂园", "桂园街道", Level.STREET),
        ("黄背街道", "黄贝街道", Level.STREET),
        ("大塘龙", "大塘龙社区", Level.COMMUNITY),
        ("大塘龙社区1网格", "大塘龙社区01网格", Level.GRID),
        ("大塘龙社区1网格2街区", "大塘龙社区01网格02街区", Level.BLOCK),
        ("桂园街道大塘龙1网格2街区三幢", "大塘龙社区01网格02街区3栋", Level.BUILDING),
        ("烟感1", "大塘龙社区01网格02街区3栋5层 烟感1", Level.DEVICE),
        (BUILDING, "大塘龙社区01网格02街区3栋", Level.BUILDING),
        (BUILDING + "000302", "2栋1单元302室", Level.ROOM),
        ("440303001001001", "大塘龙社区01网格", Level.GRID),
        ("SMOKE-0001", "大塘龙社区01网格02街区3栋5层 烟感1", Level.DEVICE),
    ],
)
def test_the_best_match(text: str, address: str, level: Level) -> None:
    found = best(text)
    assert found.address.endswith(address)
    assert found.level is level


def test_an_exact_match_scores_one_and_says_so() -> None:
    found = best("罗湖区桂园街道云庭路26号")
    assert (found.score, found.why.en) == (1.0, "every part given agrees")
    assert found.source is Source.STANDARD


def test_a_misspelled_name_is_said() -> None:
    found = best("云亭路26号")
    assert found.score < 1
    assert found.why.en == "云亭路 is taken for 云庭路"
    assert found.why.zh == "“云亭路”按“云庭路”理解"


def test_the_same_number_on_two_like_roads_gives_both() -> None:
    found = find(LOCATOR, "锦湾路8号").matches
    names = {one.address.split("街道")[1] for one in found[:2]}
    assert names == {"锦湾中路8号", "锦湾南路8号"}


def test_an_unknown_door_lies_between_its_neighbours_of_the_same_side() -> None:
    found = find(LOCATOR, "云庭路28号").matches
    reckoned = found[0]
    assert reckoned.interpolated
    assert reckoned.address.endswith("云庭路28号")
    assert reckoned.lon == pytest.approx(WEST + 6e-4)
    assert "is not known; nearest known is 26, same side" in reckoned.why.en
    assert "between 26 and 34" in reckoned.why.en
    nearest = next(one for one in found if one.address.endswith("云庭路26号"))
    assert not nearest.interpolated
    assert nearest.score < reckoned.score < 1


def test_a_door_beyond_the_last_one_is_not_reckoned_and_the_answer_is_a_guess() -> None:
    found = find(LOCATOR, "云庭路9000号").matches
    assert not any(one.interpolated for one in found)
    door = next(one for one in found if one.level is Level.DOOR)
    assert door.score < UNSURE
    assert door.why.en.startswith("unsure: ")
    assert door.why.zh.startswith("不确定：")


def test_doors_far_apart_are_not_put_between() -> None:
    far = [_standard("罗湖区远路2号", 0), _standard("罗湖区远路6号", 900)]
    index = build(SPACES, [], [(one, None) for one in far])
    known = doors.neighbours(index, index.roads.index("远路"), 4)
    assert known is not None
    assert known.point is None


def test_an_unknown_room_is_its_building() -> None:
    found = best("丰樵居12栋1502室")
    assert found.address.endswith("丰樵居12栋")
    assert found.score < 1
    assert found.why.en == "room 1502 is not known; this is the building it belongs to"


def test_another_building_is_no_answer_for_a_building() -> None:
    found = find(LOCATOR, "丰樵居3栋").matches
    assert found[0].level is Level.ESTATE
    assert not any(one.address.endswith(("1栋", "2栋")) for one in found)


def test_another_street_is_said() -> None:
    found = best("黄贝街道云庭路26号")
    assert found.address.endswith("云庭路26号")
    assert found.score < 1
    assert "it lies in 桂园街道, not in 黄贝街道" in found.why.en


def test_another_district_is_a_guess() -> None:
    found = best("福田区云庭路26号")
    assert found.score < UNSURE
    assert "福田区 is not loaded here" in found.why.en


def test_nothing_alike_is_nothing() -> None:
    answer = find(LOCATOR, "完全不同的地方")
    assert answer.matches == ()
    assert answer.note.en == "no known place is like this"
    assert find(LOCATOR, "   ").matches == ()


def test_a_code_nobody_has_is_what_contains_it() -> None:
    found = best(BUILDING + "999999")
    assert found.space_code == BUILDING
    assert found.score < UNSURE
    assert "its first 19 digits are this one's" in found.why.en


def test_the_beginning_of_a_code_finds_codes() -> None:
    assert find(LOCATOR, "44030300100100").matches[0].space_code == "440303001001001"


@pytest.mark.parametrize("text", ["114.1005,22.5005", "22.5005 114.1005", "(114.1005，22.5005)"])
def test_a_position_is_understood_either_way_round(text: str) -> None:
    found = best(text)
    assert (found.level, found.lon, found.lat) == (Level.POINT, 114.1005, 22.5005)


def test_a_position_off_the_earth_is_refused() -> None:
    assert find(LOCATOR, "514.1,92.3").matches == ()


def test_a_place_has_its_way_from_the_district() -> None:
    codes = [step.code for step in best("烟感1").path]
    assert codes[0] == "440303"
    assert codes[-1] == BUILDING


def test_among_equals_the_nearer_comes_first() -> None:
    near = Near(lon=WEST + 50e-4, lat=SOUTH)
    assert find(LOCATOR, "锦湾路8号", near=near).matches[0].address.endswith("锦湾南路8号")
    near = Near(lon=WEST + 40e-4, lat=SOUTH)
    assert find(LOCATOR, "锦湾路8号", near=near).matches[0].address.endswith("锦湾中路8号")


def test_a_text_too_long_is_refused() -> None:
    with pytest.raises(AddressTooLong):
        find(LOCATOR, "路" * 201)


@given(st.text(max_size=200))
@settings(max_examples=300, deadline=None)
def test_find_takes_any_text(text: str) -> None:
    for one in find(LOCATOR, text, limit=5).matches:
        assert 0 <= one.score <= 1
        assert one.why.zh
        assert one.why.en


def test_an_empty_store_finds_nothing() -> None:
    empty = Locator(index=build([]), grid=placement.build([]))
    assert find(empty, "云庭路26号").matches == ()
    assert empty.at(114.1, 22.5).address == ""


def test_an_address_without_a_position_stands_where_its_space_does() -> None:
    bare = dataclasses.replace(ADDRESSES[0], lon=None, lat=None)
    index = build(SPACES, [], [(bare, BUILDING)])
    found = find(Locator(index=index, grid=GRID), "云庭路22号").matches[0]
    assert (found.lon, found.lat, found.space_code) == (WEST, SOUTH, BUILDING)


def test_names_are_found_by_beginning_part_and_slip() -> None:
    table = NameTable(["文锦中路", "文锦北路", "宝安南路", "3栋", "13栋"])
    assert table.names[table.search("文锦中")[0].index] == "文锦中路"
    assert {table.names[f.index] for f in table.search("文锦")} == {"文锦中路", "文锦北路"}
    assert table.names[table.search("文景中路")[0].index] == "文锦中路"
    assert [table.names[f.index] for f in table.search("3栋", begin=False)] == ["3栋"]
    assert table.search("") == []
    assert NameTable([]).search("文锦") == []


@given(st.text("文锦中路", max_size=6), st.text("文锦中路", max_size=6))
def test_the_edit_distance_is_one_of_osa(a: str, b: str) -> None:
    far = len(a) + len(b)
    assert distance(a, b, far) == distance(b, a, far) == _slow_distance(a, b)


def _slow_distance(a: str, b: str) -> int:
    if not a or not b:
        return len(a) + len(b)
    ways = [
        _slow_distance(a[1:], b) + 1,
        _slow_distance(a, b[1:]) + 1,
        _slow_distance(a[1:], b[1:]) + (a[0] != b[0]),
    ]
    if len(a) > 1 and len(b) > 1 and a[0] == b[1] and a[1] == b[0]:
        ways.append(_slow_distance(a[2:], b[2:]) + 1)
    return min(ways)


def test_numbers_are_never_misspelled() -> None:
    assert likeness_of("云庭1期", "云庭2期") == 0
    assert likeness_of("云庭一", "云庭二") > 0
