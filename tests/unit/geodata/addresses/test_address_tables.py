import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.errors import UsageError
from geodata.addresses.names import built_in
from geodata.addresses.places import StandardAddress
from geodata.addresses.table import KeptBack, Line, decode, find_columns, read
from geodata.frames import frame

HOUSE = "4403030010010100012000301"


def rows(text: str, frame_name: str = "EPSG:4490", **columns: str) -> list[Line | KeptBack]:
    given = frame(frame_name)
    return list(read(text, frame=given, names=built_in(), source="test", columns=columns))


def only(text: str) -> StandardAddress:
    (found,) = rows(text)
    assert isinstance(found, Line), found
    return found.address


def reason(text: str) -> str:
    (found,) = rows(text)
    assert isinstance(found, KeptBack), found
    return found.reason


@pytest.mark.parametrize(
    ("content", "encoding", "read_in"),
    [
        ("地址".encode(), None, "utf-8"),
        ("地址".encode("utf-8-sig"), None, "utf-8-sig"),
        ("地址".encode("utf-8-sig"), "gbk", "utf-8-sig"),
        ("地址".encode("utf-16"), None, "utf-16"),
        ("地址".encode("gbk"), None, "gb18030"),
        ("地址".encode("gbk"), "gbk", "gbk"),
        ("地址㐀".encode("gb18030"), None, "gb18030"),
    ],
)
def test_encodings(content: bytes, encoding: str | None, read_in: str) -> None:
    text, name = decode(content, encoding)
    assert text.startswith("地址")
    assert name == read_in


@pytest.mark.parametrize(
    ("content", "encoding", "says"),
    [(b"\x80\xff\xff", None, "not utf-8 nor gb18030"), (b"a", "klingon", "no encoding"),
     (b"xn--", "idna", "no encoding"), (b"a", "undefined", "no encoding"), (b"a", "a\0", "no enc"),
     ("地".encode(), "ascii", "not ascii"), (b"\xff\xfe\x00", None, "not utf-16")],
)  # fmt: skip
def test_what_cannot_be_decoded_is_refused(content: bytes, encoding: str | None, says: str) -> None:
    with pytest.raises(UsageError, match=says):
        decode(content, encoding)


def test_columns_are_found_by_chinese_and_english_headings() -> None:
    found = find_columns([" 标准地址 ", "LON", "纬度", "房屋编码"], {})
    assert (found.address, found.lon, found.lat, found.house_code) == (0, 1, 2, 3)
    assert found.source == -1
    assert find_columns(["a", "b"], {"address": "B"}).address == 1


@pytest.mark.parametrize(
    ("heading", "given", "says"),
    [
        (["lon", "lat"], {}, "no column holds the address"),
        ([], {}, "no column holds the address"),
        (["地址", "address"], {}, "could all be the address"),
        (["地址", "lon"], {}, "must both be there"),
        (["地址"], {"lon": "x"}, "no column 'x'"),
        (["地址"], {"colour": "地址"}, "nothing a column can hold"),
    ],
)
def test_headings_that_cannot_be_used(heading: list[str], given: dict[str, str], says: str) -> None:
    with pytest.raises(UsageError, match=says):
        find_columns(heading, given)


def test_a_row_becomes_an_address() -> None:
    found = only(f"地址,经度,纬度,房屋编码\n 罗湖区文锦中路２８号301 ,114.1,22.5,{HOUSE}\n")
    assert found.address.normal == "广东省深圳市罗湖区文锦中路28号301室"
    assert (found.lon, found.lat) == (114.1, 22.5)
    assert (found.building_code, found.house_code) == (HOUSE[:19], HOUSE)
    assert (found.source, found.frame) == ("test", "EPSG:4490")


def test_without_a_position_it_stands_in_its_building() -> None:
    found = only(f"地址,楼栋编码\n文锦中路28号,{HOUSE[:19]}\n")
    assert (found.lon, found.space_code) == (None, HOUSE[:19])


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_delimiters(delimiter: str) -> None:
    text = "\n".join(delimiter.join(c) for c in (("地址", "x", "y"), ("路1号", "114", "22")))
    assert only(text).lon == 114.0


@pytest.mark.parametrize(
    ("row", "says"),
    [
        (",114,22,,", "the address is empty"),
        ("路" * 201 + ",114,22,,", "201 characters"),
        ("路" * 801 + ",114,22,,", "a cell has more than"),
        ("文锦中路1号,x,22,,", "is no position"),
        ("文锦中路1号,114,,,", "is no position"),
        ("文锦中路1号,nan,22,,", "is no position"),
        ("文锦中路1号,,,,", "neither a position nor"),
        ("文锦中路1号,114,22,123,", "is not 19 digits"),
        ("文锦中路1号,114,22,,12", "is not 25 digits"),
        (
            "文锦中路1号,114,22,,４４０３０３００１００１０１０００１２０００３０１",
            "is not 25 digits",
        ),
        (f"文锦中路1号,114,22,{'1' * 19},{HOUSE}", "does not begin with"),
        ("文锦中路1号,200,22,,", "200"),
        ("---,114,22,,", "no address was read"),
    ],
)
def test_rows_kept_back(row: str, says: str) -> None:
    assert says in reason(f"地址,经度,纬度,楼栋编码,房屋编码\n{row}\n")


def test_the_line_is_that_of_the_file() -> None:
    text = '地址,经度,纬度\n"文锦\n中路1号",114,22\n\n,114,22\n文锦 中路1号,114,22\n'
    first, second, third = rows(text)
    assert (first.line, second.line, third.line) == (2, 5, 6)
    assert isinstance(third, KeptBack)
    assert third.reason.startswith("line 2 has ")


def test_one_bad_point_does_not_take_its_batch_with_it() -> None:
    found = rows(
        "地址,x,y\n路1号,513526,2494532\n路2号,1e12,0\n路3号,513530,2494532\n", "EPSG:4547"
    )
    assert [type(one) for one in found] == [Line, KeptBack, Line]


def test_a_file_that_is_no_csv_names_the_line() -> None:
    with pytest.raises(UsageError, match="line 3"):
        rows('地址,x,y\n路1号,114,22\n"路2号,114,22\n')


@given(st.text(max_size=300))
@settings(max_examples=300, deadline=None)
def test_any_text_is_read_or_refused(text: str) -> None:
    try:
        found = rows("地址,x,y\n" + text)
    except UsageError:
        return
    assert all(one.line > 1 for one in found)
