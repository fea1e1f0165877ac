import json
import time
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from geodata.addresses.names import Admin, Gazetteer, Name, built_in
from geodata.addresses.parse import normalise, parse
from geodata.addresses.parts import Address, road_of
from geodata.addresses.text import MAX_TEXT, AddressTooLong, admit, clean, number

VECTORS = Path(__file__).parents[5] / "shared" / "vectors" / "address_shenzhen.json"

HEAD = "广东省深圳市罗湖区"


@pytest.mark.skipif(not VECTORS.exists(), reason="no ../shared/vectors")
def test_the_published_samples_have_the_rooms_that_are_expected() -> None:
    vectors = json.loads(VECTORS.read_text(encoding="utf-8"))["vectors"]
    assert len(vectors) >= 9
    found = {v["address"]: parse(v["address"]).room or None for v in vectors}
    assert found == {v["address"]: v["expected_room"] for v in vectors}


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("深圳市大鹏新区南澳街道下企沙村33号", {"ways": ["下企沙村"], "door": "33"}),
        ("深圳市福田区赤尾村三坊67号", {"ways": ["赤尾村", "3坊"], "door": "67"}),
        ("向西村东区47号101号", {"ways": ["向西村", "东区"], "door": "47", "room": "101"}),
        ("文锦中路28号之2", {"ways": ["文锦中路"], "door": "28", "door_sub": "2"}),
        ("文锦中路28号之二", {"ways": ["文锦中路"], "door": "28", "door_sub": "2"}),
        ("文锦中路28-2号", {"ways": ["文锦中路"], "door": "28", "door_sub": "2"}),
        ("文锦中路28号附3", {"ways": ["文锦中路"], "door": "28", "door_sub": "3"}),
        ("文锦中路28-30号", {"ways": ["文锦中路"], "door": "28", "door_to": "30"}),
        ("文锦中路28、30号", {"ways": ["文锦中路"], "door": "28", "door_to": "30"}),
        ("文锦中路28至30号", {"ways": ["文锦中路"], "door": "28", "door_to": "30"}),
        ("五一路八号", {"ways": ["五一路"], "door": "8"}),
        ("3号路12号", {"ways": ["3号路"], "door": "12"}),
        ("水贝村三巷12号", {"ways": ["水贝村", "3巷"], "door": "12"}),
        ("宝安南路28", {"ways": ["宝安南路"], "door": "28", "bare": "door"}),
        ("华丽小区12号", {"ways": ["华丽小区"], "door": "12"}),
        (
            "笋岗东路12号宝安广场A座1楼108号商铺",
            {
                "ways": ["笋岗东路"],
                "door": "12",
                "estate": "宝安广场",
                "building": "A",
                "floor": "1",
                "room": "108",
                "shop": True,
            },
        ),
        (
            "东门中路2028号城市广场负一层B12铺",
            {
                "ways": ["东门中路"],
                "door": "2028",
                "estate": "城市广场",
                "floor": "-1",
                "room": "B12",
                "shop": True,
            },
        ),
        ("国贸大厦B1", {"estate": "国贸大厦", "floor": "-1"}),
        ("国贸大厦B1层", {"estate": "国贸大厦", "floor": "-1"}),
        (
            "文锦中路28号（罗湖区政府旁）（3栋）",
            {"ways": ["文锦中路"], "door": "28", "building": "3", "hint": "罗湖区政府旁"},
        ),
        ("文锦中路与深南东路交汇处", {"ways": ["文锦中路"], "hint": "与深南东路交汇处"}),
        ("文锦中路28号对面", {"ways": ["文锦中路"], "door": "28", "hint": "对面"}),
        ("华强北路1号3号铺", {"ways": ["华强北路"], "door": "1", "room": "3", "shop": True}),
        ("学院路28号院3号楼", {"ways": ["学院路"], "door": "28", "estate": "院", "building": "3"}),
    ],
)
def test_the_parts_below_the_community(text: str, parts: dict[str, object]) -> None:
    found = parse(text).parts()
    above = {"province", "city", "district", "street", "community"}
    assert {name: value for name, value in found.items() if name not in above} == parts


@pytest.mark.parametrize(
    ("text", "says", "hint"),
    [
        ("东门中路2001号天地大厦1206-1208室", "天地大厦1206室", "至1208室"),
        ("东门中路2001号天地大厦1206～1208室", "天地大厦1206室", "至1208室"),
        ("布心路3008号水贝大厦31层3101-3105", "31层3101室", "至3105"),
        ("翠竹路2058号翠竹大厦一楼102、103号铺", "1层102铺", "至103铺"),
        ("红岭中路1048号东方广场裙楼4-5层", "裙楼4层", "至5层"),
        ("深南东路2105号中建大厦裙楼一至三层", "裙楼1层", "至3层"),
        ("人民公园路44号B栋1-2层", "B栋1层", "至2层"),
        ("翠竹路8号翠竹苑1-3栋", "翠竹苑1栋", "至3栋"),
    ],
)
def test_of_a_range_the_first_is_read_and_the_last_is_a_hint(
    text: str, says: str, hint: str
) -> None:
    found = parse(text)
    assert found.normal.endswith(says)
    assert (found.hint, found.rest) == (hint, "")
    assert normalise(found.normal) == found.normal


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("文锦中路28-3栋", {"ways": ("文锦中路",), "door": "28", "building": "3"}),
        ("宝安南路2001-2003", {"ways": ("宝安南路",), "door": "2001", "door_to": "2003"}),
        ("黄贝岭中村79栋之二", {"ways": ("黄贝岭中村",), "building": "79之2"}),
        ("文锦中路28号302-1室", {"door": "28", "room": "302", "room_sub": "1"}),
    ],
)
def test_a_number_and_one_that_belongs_to_it_are_no_range(
    text: str, parts: dict[str, object]
) -> None:
    found = parse(text)
    assert {name: getattr(found, name) for name in parts} == parts
    assert (found.hint, found.rest) == ("", "")


@pytest.mark.parametrize(
    ("contact", "hint"),
    [
        ("电话0755-82345678", "电话0755-82345678"),
        ("联系电话：0755 82345678", "联系电话 0755-82345678"),
        ("13800138000", "13800138000"),
        ("邮编518001", "邮编518001"),
        ("518001", "518001"),
    ],
)
def test_a_telephone_number_or_postcode_is_no_room(contact: str, hint: str) -> None:
    found = parse(f"深南东路5016号 {contact}")
    assert (found.normal, found.hint) == ("深南东路5016号", hint)
    assert parse("518001 罗湖区深南东路5016号").normal == f"{HEAD}深南东路5016号"


def test_a_number_of_many_digits_is_not_cut_to_make_a_room_of_its_end() -> None:
    found = parse("深南东路5016号京基大厦 编号82345678")
    assert found.room == ""


def test_an_address_in_english_is_said_not_to_be_read() -> None:
    found = parse("Room 1203, KK100, 5016 Shennan East Road, Luohu District, Shenzhen")
    assert found.estate == found.room == ""
    assert found.rest
    assert found.notes == ("an address in English is not read: give the Chinese one",)
    assert normalise(found.normal) == found.normal


@pytest.mark.parametrize(
    "same",
    [
        [
            "华丽苑12栋203室",
            "华丽苑十二栋二〇三室",
            "华丽苑１２幢２０３房",
            "華麗苑12棟203",
            "华丽苑12#203",
        ],
        ["华丽苑12栋203室", "华丽苑12号楼203", "华丽苑第十二座 203室", "华丽苑 12 栋，203 户"],
        ["文锦中路28号2单元1002室", "文锦中路28号2梯一千零二室", "文锦中路28号二单元一〇〇二"],
        ["文锦中路28号3层", "文锦中路28号三楼", "文锦中路28号3F", "文錦中路28號3樓"],
        ["文锦中路28号负1层", "文锦中路28号地下一层", "文锦中路28号B1层", "文锦中路28号负一楼"],
        ["国贸大厦A座1203", "国贸大厦a座1203室", "国贸大厦Ａ栋1203房"],
        [
            "罗湖区桂园街道",
            "深圳市罗湖区桂园街道",
            "广东省深圳市桂园街道",
            "罗湖桂园",
            "桂园街道办事处",
        ],
        ["深圳市龙华新区民治街道", "龙华区民治街道", "广东省深圳市龙华区民治街道办"],
        ["桂园街道二十三号", "桂园街道廿三号", "桂园街道23号"],
        ["文锦中路28号302室之1", "文锦中路28号302-1室", "文锦中路28号302之一"],
    ],
    ids=lambda same: same[0],
)
def test_spellings_of_one_address_have_one_normal_form(same: list[str]) -> None:
    assert {normalise(text) for text in same} == {normalise(same[0])}


def test_a_district_alone_gets_its_city_and_province() -> None:
    assert normalise("罗湖区文锦中路28号") == f"{HEAD}文锦中路28号"
    assert normalise("黄贝街道文锦中路28号") == f"{HEAD}黄贝街道文锦中路28号"


def test_a_bare_longhua_is_the_one_at_home_and_haikou_keeps_its_own() -> None:
    assert parse("龙华区民治街道").city == "深圳市"
    assert parse("海口市龙华区").province == "海南省"


def test_names_that_do_not_go_together_are_left_and_said() -> None:
    found = parse("福田区黄贝街道")
    assert (found.district, found.street) == ("福田区", "黄贝街道")
    assert found.notes == ("黄贝街道 lies in 广东省深圳市罗湖区",)


@pytest.mark.parametrize(
    ("text", "street", "ways"),
    [
        ("东门中路12号", "", ("东门中路",)),
        ("黄贝路1002号", "", ("黄贝路",)),
        ("黄贝黄贝路1002号", "黄贝街道", ("黄贝路",)),
        ("黄贝文锦中路28号", "黄贝街道", ("文锦中路",)),
        ("黄贝岭中村12号", "", ("黄贝岭中村",)),
        ("东门街道办事处东门中路12号", "东门街道", ("东门中路",)),
    ],
)
def test_a_street_without_its_suffix_is_told_from_a_road(
    text: str, street: str, ways: tuple[str, ...]
) -> None:
    assert (parse(text).street, parse(text).ways) == (street, ways)


def test_a_known_road_is_not_cut_by_a_street_of_the_same_name() -> None:
    names = built_in().with_names([], ["东门步行街"])
    assert parse("东门步行街12号", names).ways == ("东门步行街",)


def test_a_community_is_known_without_its_suffix_and_fills_in_what_contains_it() -> None:
    community = Name(Admin.COMMUNITY, "大塘龙社区", ("广东省", "深圳市", "罗湖区", "桂园街道"))
    names = built_in().with_names([community], [])
    expected = f"{HEAD}桂园街道大塘龙社区1网格2街区3栋"
    for text in (
        "大塘龙社区01网格02街区3栋",
        "大塘龙1网格2街区三栋",
        "罗湖 大塘龙社区居委会1号网格02街区3幢",
    ):
        assert normalise(text, names) == expected


def test_a_lane_belongs_to_its_village() -> None:
    assert road_of(parse("向西村三巷12号")) == "向西村3巷"
    assert road_of(parse("泥岗村金碧路28号")) == "金碧路"


@pytest.mark.parametrize(
    ("numeral", "value"),
    [
        ("〇", 0),
        ("十", 10),
        ("十二", 12),
        ("二十", 20),
        ("廿三", 23),
        ("卅", 30),
        ("一百零二", 102),
        ("二〇三", 203),
        ("一千零二", 1002),
        ("两百", 200),
        ("壹佰贰拾", 120),
        ("百", None),
        ("一十百", None),
        ("", None),
    ],
)
def test_numerals(numeral: str, value: int | None) -> None:
    assert number(numeral) == value


def test_a_text_that_is_too_long_is_refused_at_the_door_and_cut_inside() -> None:
    with pytest.raises(AddressTooLong, match="250 characters; at most 200"):
        admit("路" * 250)
    assert len(clean("路" * 250)) == MAX_TEXT
    assert any("longer than" in note for note in parse("路" * 250).notes)


def test_what_is_not_understood_is_kept() -> None:
    found = parse("文锦中路28号3栋一个很怪的东西")
    assert found.rest == "一个很怪的东西"
    assert found.normal.endswith(found.rest)


WORDS = """
深圳市 罗湖区 龙华新区 黄贝街道 黄贝 水库社区 社区 文锦中路 路 街 巷 村 村东区 3坊 坊 号
栋 座 幢 号楼 单元 梯 层 楼 室 房 铺 商铺 之 附 - ~ # A B1 F 1 12 203 0 28 〇 一 十 百 廿
第 ( ) （旁） 旁 大厦 花园 网格 街区 区 负 地下 道 与 ， 、 。 號 甲 大道 广东省 院 期 户 门
""".split()  # noqa: SIM905 (a list of sixty lines says no more)
LIKE_ADDRESSES = st.lists(st.sampled_from([*WORDS, " "]), max_size=16).map("".join)


@given(LIKE_ADDRESSES | st.text(max_size=60))
@settings(max_examples=600, deadline=None)
def test_normalising_twice_is_normalising_once(text: str) -> None:
    once = normalise(text)
    assert normalise(once) == once


@given(LIKE_ADDRESSES)
@settings(max_examples=200, deadline=None)
def test_the_normal_form_has_the_parts_of_the_text(text: str) -> None:
    once, again = parse(text), parse(normalise(text))
    for name in ("admin", "grid", "ways", "door", "building", "unit", "floor", "room"):
        assert getattr(once, name) == getattr(again, name), name


@given(st.text(max_size=400) | st.binary(max_size=300).map(lambda b: b.decode("utf-16", "ignore")))
@settings(max_examples=500, deadline=None)
def test_parse_takes_any_text(text: str) -> None:
    assert isinstance(parse(text), Address)


@pytest.mark.parametrize(
    "piece", ["1", "路", "A", "号", "-", "(", "一", "1-", "村", "1号", " ", "社区"]
)
def test_the_longest_text_takes_little_time(piece: str) -> None:
    begin = time.process_time()
    parse(piece * MAX_TEXT)
    assert time.process_time() - begin < 1.0


def test_an_empty_gazetteer_still_reads_suffixes() -> None:
    found = parse("某某市某某区某某街道某某社区某某路5号", Gazetteer([]))
    assert found.admin == ("", "某某市", "某某区", "某某街道", "某某社区")
    assert (found.ways, found.door) == (("某某路",), "5")
