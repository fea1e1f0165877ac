"""Recordings: good values come through exactly, bad ones are told with line and column."""

from __future__ import annotations

import gzip
import math
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.model import is_id
from edge.mapping import Mapping, MappingInvalid, load_mapping
from edge.recording import BadCell, Row, devices_in, open_recording, parse_number, parse_when, slug

MAPPING = """\
[file]
time = "when"
time_format = "unix"
[gateway]
id = "gw-a"
name = "A"
lon = 114.1
lat = 22.5
[device]
kind = "heat"
interval_s = 1
lon = 114.1
lat = 22.5
[[value]]
column = "a"
device = "dev.{room}.a"
name = "{room} a"
quantity = "temperature"
[[value]]
column = "b"
device = "dev.{room}.b"
quantity = "temperature"
unit = "K"
"""
HEADER = "when,room,a,other,b\n"


@pytest.fixture
def mapping(tmp_path: Path) -> Mapping:
    return mapping_in(tmp_path)


def mapping_in(folder: Path) -> Mapping:
    path = folder / "mapping.toml"
    path.write_text(MAPPING)
    return load_mapping(path)


def read(folder: Path, mapping: Mapping, data: str | bytes) -> list[Row]:
    path = folder / "data.csv"
    path.write_bytes(data.encode() if isinstance(data, str) else data)
    with open_recording(path, mapping) as recording:
        return list(recording.rows())


def test_good_rows(tmp_path: Path, mapping: Mapping) -> None:
    rows = read(tmp_path, mapping, HEADER + "1790000000.5,Room 1,20,x,300\n1790000001,r2,NA,,\n")
    first, second = rows
    assert [(r.device, r.value, r.unit, r.observed_s) for r in first.readings] == [
        ("dev.room-1.a", 20.0, None, 1790000000.5),
        ("dev.room-1.b", 300.0, "K", 1790000000.5),
    ]
    assert (second.readings, second.empty, second.refusals) == ((), 2, ())
    assert (first.line, second.line) == (2, 3)


def test_a_bad_cell_costs_its_value_only(tmp_path: Path, mapping: Mapping) -> None:
    rows = read(tmp_path, mapping, HEADER + "1790000000,r,2o,x,300\n1790000001,r,21,x,1e999\n")
    assert [len(row.readings) for row in rows] == [1, 1]
    (bad,), (huge,) = rows[0].refusals, rows[1].refusals
    assert (bad.line, bad.column, bad.name, bad.text, bad.values) == (2, 3, "a", "2o", 1)
    assert (huge.line, huge.column) == (3, 5)
    assert bad.spot(Path("f.csv")) == "f.csv:2:3"


@pytest.mark.parametrize(
    ("line", "column", "told"),
    [
        ("noon,r,20,x,300", 1, "no time"),
        ("86400,r,20,x,300", 1, "before 1978"),
        ("1e300,r,20,x,300", 1, "after 9999"),
        ("1790000000,r,20,x", None, "4 cells, the header has 5"),
        ("1790000000,r,20,x,300,1", None, "6 cells"),
        ('1790000000,"r,20,x,300', None, "no CSV"),
        ("1790000000,r,2\r0,x,300", None, "no CSV"),
        ("x" * 1_100_000, None, "longer than"),
    ],
)
def test_a_bad_row_costs_itself_only(
    tmp_path: Path, mapping: Mapping, line: str, column: int | None, told: str
) -> None:
    good = "1790000000,r,20,x,300\n"
    before, bad, after = read(tmp_path, mapping, HEADER + good + line + "\n" + good)
    assert len(before.readings) == len(after.readings) == 2
    assert not bad.readings
    assert bad.at_s is None
    (refusal,) = bad.refusals
    assert (refusal.line, refusal.column, refusal.values) == (3, column, 2)
    assert told in refusal.reason
    assert after.line == 4


def test_a_device_without_a_name_or_with_a_taken_one_is_refused(
    tmp_path: Path, mapping: Mapping
) -> None:
    lines = ["Room 1", "room-1", "", "x" * 80, "Room 1"]
    rows = read(tmp_path, mapping, HEADER + "".join(f"1790000000,{room},1,x,2\n" for room in lines))
    assert [len(row.readings) for row in rows] == [2, 0, 0, 0, 2]
    assert "stands for something else" in rows[1].refusals[0].reason
    assert "'room', which names the device, is empty" in rows[2].refusals[0].reason
    assert "is no device id" in rows[3].refusals[0].reason


def test_plain_gzipped_with_mark_with_crlf_and_blank_lines_are_one(
    tmp_path: Path, mapping: Mapping
) -> None:
    text = HEADER + "1790000000,r,20,x,300\n\n1790000001,r,21,x,301\n"
    plain = read(tmp_path, mapping, text)
    readings = [row.readings for row in plain]
    assert len(plain) == 2
    for data in (
        gzip.compress(text.encode()),
        b"\xef\xbb\xbf" + text.encode(),
        text.replace("\n", "\r\n").encode(),
        text.rstrip("\n").encode(),
    ):
        assert [row.readings for row in read(tmp_path, mapping, data)] == readings


def test_a_cut_gzip_gives_what_it_holds_and_says_so(tmp_path: Path, mapping: Mapping) -> None:
    lines = "".join(f"{1790000000 + n},r,{n * 7919 % 1000},x,300\n" for n in range(5000))
    data = gzip.compress((HEADER + lines).encode())
    rows = read(tmp_path, mapping, data[: len(data) // 2])
    assert len(rows) > 100
    assert all(len(row.readings) == 2 for row in rows[:-2])
    assert "cannot be read on" in rows[-1].refusals[0].reason


@pytest.mark.parametrize(
    ("header", "told"),
    [
        ("when,room,a,other\n", ":1: no column 'b'"),
        ("when,room,a,a,b\n", ":1: more than one column 'a'"),
        ("", "no header line"),
        ("\n", "no header line"),
        ('"when\n', ":1: cannot read the header"),
    ],
)
def test_a_file_that_does_not_fit_is_told(
    tmp_path: Path, mapping: Mapping, header: str, told: str
) -> None:
    with pytest.raises(MappingInvalid) as failure:
        read(tmp_path, mapping, header + "1,2,3,4,5\n") if header else read(tmp_path, mapping, "")
    assert told in str(failure.value)


def test_a_folder_or_nothing_is_told(tmp_path: Path, mapping: Mapping) -> None:
    for path in (tmp_path, tmp_path / "none.csv"):
        with (
            pytest.raises(MappingInvalid, match="cannot read the recording"),
            open_recording(path, mapping),
        ):
            pass


def test_devices_in_a_file(tmp_path: Path, mapping: Mapping) -> None:
    path = tmp_path / "data.csv"
    path.write_text(HEADER + "1790000000,R1,1,x,2\n1790000000,R2,1,x,\nbad\n1790000000,R1,1,x,2\n")
    district = devices_in(mapping, path)
    assert district.spaces == ()
    assert [gateway.gateway_id for gateway in district.gateways] == ["gw-a"]
    assert [device.device_id for device in district.devices] == [
        "dev.r1.a",
        "dev.r1.b",
        "dev.r2.a",
    ]
    first = district.devices[0]
    assert (first.name, first.kind, first.quantities) == ("R1 a", "heat", ("temperature",))
    assert (first.lon, first.lat, first.gateway_id) == (114.1, 22.5, "gw-a")


@pytest.mark.parametrize(
    ("text", "form", "seconds"),
    [
        ("2026-07-01T08:00:00+08:00", "iso", 1782864000.0),
        ("2026-07-01 00:00:00.250", "iso", 1782835200.25),
        ("1782864000.5", "unix", 1782864000.5),
        ("1782864000500", "unix_ms", 1782864000.5),
        ("01.07.2026 00:00", "%d.%m.%Y %H:%M", 1782835200.0),
    ],
)
def test_times(text: str, form: str, seconds: float) -> None:
    from datetime import timedelta, timezone

    assert parse_when(text, form, timezone(timedelta(hours=8))) == seconds


def test_a_naive_time_needs_an_offset() -> None:
    with pytest.raises(BadCell, match="timezone is not set"):
        parse_when("2026-07-01 00:00", "iso", None)


@pytest.mark.parametrize("text", ["nan", "inf", "-inf", "1_000", "", "1,5", "0x10", "½", "1e400"])
def test_no_numbers(text: str) -> None:
    with pytest.raises(BadCell):
        parse_number(text)


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_numbers_come_back_exactly(value: float) -> None:
    assert parse_number(repr(value)) == value


@given(st.text())
def test_a_slug_has_only_id_signs(text: str) -> None:
    assert is_id("a" + slug(text)[:50])


SHOWN = {"good": "{!r}", "bad": "{}?", "empty": "NA"}
CELLS = st.lists(
    st.tuples(
        st.floats(-1e6, 1e6, allow_nan=False),
        st.sampled_from(["good", "bad", "empty"]),
    ),
    max_size=30,
)


@settings(max_examples=60)
@given(CELLS)
def test_every_value_is_read_refused_or_empty(
    tmp_path_factory: pytest.TempPathFactory, cells: list[tuple[float, str]]
) -> None:
    folder = tmp_path_factory.getbasetemp()
    lines = [
        f"{1790000000 + n},r,{SHOWN[how].format(value)},x,1\n"
        for n, (value, how) in enumerate(cells)
    ]
    rows = read(folder, mapping_in(folder), HEADER + "".join(lines))
    assert [
        (row.readings[0].value if how == "good" else None, len(row.refusals), row.empty)
        for row, (_, how) in zip(rows, cells, strict=True)
    ] == [(value if how == "good" else None, how == "bad", how == "empty") for value, how in cells]


@settings(max_examples=150)
@given(st.binary(max_size=400), st.booleans())
def test_any_bytes_give_rows_that_add_up_and_never_a_crash(
    tmp_path_factory: pytest.TempPathFactory, junk: bytes, packed: bool
) -> None:
    folder = tmp_path_factory.getbasetemp()
    mapping = mapping_in(folder)
    data = HEADER.encode() + junk + b"\n1790000000,r,20,x,300\n"
    rows = read(folder, mapping, gzip.compress(data) if packed else data)
    for row in rows:
        refused = sum(refusal.values for refusal in row.refusals)
        assert len(row.readings) + refused + row.empty == len(mapping.values)
        assert all(math.isfinite(reading.value) for reading in row.readings)
        assert all(is_id(reading.device) for reading in row.readings)
    assert len(rows[-1].readings) == 2


@settings(max_examples=80)
@given(st.binary(max_size=200))
def test_any_file_is_read_or_told(tmp_path_factory: pytest.TempPathFactory, junk: bytes) -> None:
    folder = tmp_path_factory.getbasetemp()
    with pytest.raises(MappingInvalid):
        read(folder, mapping_in(folder), junk)
