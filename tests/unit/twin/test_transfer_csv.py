from __future__ import annotations

import csv
import gzip
import io
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.errors import UsageError
from core.model import RejectReason
from twin.history import transfer_csv
from twin.history.transfer_csv import LONGEST_LINE, Reading, mapping
from twin.history.transfer_lines import Lines

HEAD = "device,quantity,time,value\n"
ROW = "heat-1,temperature,2026-07-01T00:00:00Z,20.5\n"
PLAIN = Reading(columns={})


def parsed(content: str | bytes, how: Reading = PLAIN) -> Lines:
    """All lines of a file as one."""
    raw = content.encode() if isinstance(content, str) else content
    whole = Lines(source="f.csv")
    for part in transfer_csv.parse(io.BytesIO(raw), "f.csv", how):
        for column in ("number", "name", "unit", "observed_us", "value", "quality", "refused"):
            getattr(whole, column).extend(getattr(part, column))
    return whole


def refusals(lines: Lines) -> list[tuple[str, str]]:
    return [(reject.topic.rpartition(":")[2], str(reject.reason)) for reject in lines.refused]


def test_a_row_is_read_with_its_line() -> None:
    lines = parsed(HEAD + ROW)
    assert (lines.number, lines.name, lines.value) == ([2], ["heat-1:temperature"], [20.5])
    assert lines.observed_us == [1_782_864_000_000_000]
    assert (lines.unit, lines.quality) == ([""], [0])


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(b"\xef\xbb\xbf" + (HEAD + ROW).encode(), id="byte order mark"),
        pytest.param((HEAD + ROW).replace("\n", "\r\n").encode(), id="carriage returns"),
        pytest.param((HEAD + ROW).rstrip("\n").encode(), id="no last line end"),
        pytest.param(b"\n\r\n" + (HEAD + ROW).encode(), id="blank lines before"),
        pytest.param((HEAD + "\n,,,\n" + ROW + "\n\n").encode(), id="blank rows between"),
        pytest.param((HEAD + ROW).replace(",", ";").encode(), id="semicolons"),
        pytest.param((HEAD + ROW).replace(",", "\t").encode(), id="tabs"),
        pytest.param((HEAD.upper() + ROW).encode(), id="upper case header"),
        pytest.param((HEAD.replace(",", " , ") + ROW.replace(",", " , ")).encode(), id="spaces"),
        pytest.param(
            b'"device","quantity","time","value"\n'
            b'"heat-1","temperature","2026-07-01T00:00:00Z","20.5"\n',
            id="quotes",
        ),
        pytest.param(
            b"value,time,note,quantity,device\n20.5,2026-07-01T00:00:00Z,x,temperature,heat-1\n",
            id="another order",
        ),
    ],
)
def test_what_other_programs_write_is_the_same_row(content: bytes) -> None:
    lines = parsed(content)
    assert (lines.name, lines.value) == (["heat-1:temperature"], [20.5])
    assert not lines.refused


def test_a_line_is_named_even_when_a_cell_before_it_has_a_line_feed() -> None:
    content = "note," + HEAD + '"a\nb",' + ROW + "x,heat-1,temperature,never,1\n"
    lines = parsed(content)
    assert (lines.number, refusals(lines)) == ([3], [("4", "bad_time")])


@pytest.mark.parametrize(
    ("cell", "sentence"),
    [
        ("1,234.5", "no number"),
        ('"1,234.5"', "no number"),
        ('"20,5"', "no number"),
        ("#N/A", "no number"),
        ("=A1*2", "no number"),
        ("1_000", "no number"),
        ("20.5°C", "no number"),
        ("", "no value"),
        ("########", "no number"),
    ],
)
def test_numbers_that_a_spreadsheet_has_mangled_are_refused(cell: str, sentence: str) -> None:
    lines = parsed(HEAD + ROW.replace("20.5", cell) + ROW)
    assert len(lines.number) == 1
    [refused] = lines.refused
    assert refused.reason in {RejectReason.BAD_VALUE, RejectReason.UNPARSABLE}
    assert sentence in refused.detail or "5 cells" in refused.detail


@pytest.mark.parametrize("cell", ["NaN", "nan", "inf", "-Infinity"])
def test_what_is_no_finite_number_is_left_to_the_checker(cell: str) -> None:
    assert len(parsed(HEAD + ROW.replace("20.5", cell)).value) == 1


@pytest.mark.parametrize(
    "cell",
    ["", "2026/7/1 8:00", "46204.33", "2026-07-01T08:00:00", "2026-07-01", "08:00", "July", "ÿ"],
)
def test_times_that_are_none_or_have_no_offset_are_refused(cell: str) -> None:
    lines = parsed(HEAD + ROW.replace("2026-07-01T00:00:00Z", cell))
    assert refusals(lines) == [("2", "bad_time")]
    assert lines.refused[0].detail.startswith("heat-1:temperature: ")


def test_times_without_an_offset_are_read_in_the_zone_that_is_given() -> None:
    local = HEAD + ROW.replace("00:00:00Z", "08:00:00")
    zone = Reading(columns={}, zone=ZoneInfo("Asia/Shanghai"))
    assert parsed(local, zone).observed_us == parsed(HEAD + ROW).observed_us


def test_a_time_that_the_clocks_skipped_is_refused() -> None:
    zone = Reading(columns={}, zone=ZoneInfo("Europe/Berlin"))
    lines = parsed(HEAD + ROW.replace("2026-07-01T00:00:00Z", "2026-03-29T02:30:00"), zone)
    assert "put forward" in lines.refused[0].detail


def test_rows_without_a_name_or_with_other_cells_than_the_header_are_refused() -> None:
    content = HEAD + ROW + ",temperature,2026-07-01T00:00Z,1\nheat-1,,x,1\nheat-1\n" + "a,b,c,d,e\n"
    lines = parsed(content)
    assert len(lines.number) == 1
    assert refusals(lines) == [
        ("3", "bad_name"), ("4", "bad_name"), ("5", "unparsable"), ("6", "unparsable"),
    ]  # fmt: skip


def test_unit_and_quality_are_read_if_they_are_there() -> None:
    content = HEAD.strip() + ",unit,quality\n" + ROW.strip() + ",K,64\n" + ROW.strip() + ",,x\n"
    lines = parsed(content)
    assert (lines.unit, lines.quality) == (["K"], [64])
    assert refusals(lines) == [("3", "bad_value")]


def test_columns_may_have_other_names() -> None:
    content = "设备,量,时间,值\n" + ROW
    how = Reading(columns=mapping(["device=设备", "quantity=量", "time=时间", "value=值"]))
    assert parsed(content, how).name == ["heat-1:temperature"]


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"", "empty"),
        (b"\n\n", "empty"),
        (b"device,quantity,time\n", "there is no column 'value'"),
        (b"a\n1\n", "there is no column 'device'"),
        (b"device,device,quantity,time,value\n", "twice"),
        ((HEAD + ROW).encode("utf-16"), "UTF-16"),
        ((HEAD + ROW + '"heat-1,' + ROW).encode(), "f.csv:3: no valid CSV"),
        ((HEAD + ROW + '"heat"-1,' + ROW).encode(), "f.csv:3: no valid CSV"),
        (HEAD.encode() + b"x" * (LONGEST_LINE + 1), "f.csv:2: the line is longer"),
        (HEAD.encode() + b"x" * 200_000 + b",", "f.csv:2: no valid CSV"),
        ((HEAD + ROW).replace("\n", "\r").encode(), "no valid CSV"),
    ],
)
def test_files_that_cannot_be_read_are_errors_that_name_the_line(
    content: bytes, sentence: str
) -> None:
    with pytest.raises(UsageError, match=sentence):
        parsed(content)


def test_a_wrong_encoding_is_named_with_its_line_and_a_guess() -> None:
    content = (HEAD.strip() + ",note\n" + ROW.strip() + ",温度\n").encode("gbk")
    with pytest.raises(UsageError, match=r"f.csv:2: byte \d+ is 0x[0-9a-f]+: not utf-8") as error:
        parsed(content)
    assert "温度" in error.value.remedy
    assert "--encoding gb18030" in error.value.remedy
    assert len(parsed(content, Reading(columns={}, encoding="gb18030"))) == 1


def test_compressed_files_are_read_and_cut_off_ones_are_errors(tmp_path: Path) -> None:
    path = tmp_path / "f.csv.gz"
    packed = gzip.compress((HEAD + ROW * 5000).encode(), mtime=0)
    path.write_bytes(packed)
    assert sum(len(part) for part in transfer_csv.read(path, PLAIN)) == 5000
    for bad in (packed[:-20], b"no gzip at all", packed[:50] + b"?" * 50 + packed[100:]):
        path.write_bytes(bad)
        with pytest.raises(UsageError, match="cut off or damaged"):
            list(transfer_csv.read(path, PLAIN))


def test_lines_come_in_bounded_parts() -> None:
    how = Reading(columns={}, rows=10)
    parts = list(transfer_csv.parse(io.BytesIO((HEAD + ROW * 25).encode()), "f", how))
    assert [len(part) for part in parts] == [10, 10, 5]


@pytest.mark.parametrize("word", ["device", "device=", "=x", "colour=x"])
def test_maps_that_mean_nothing_are_errors(word: str) -> None:
    with pytest.raises(UsageError, match="--map"):
        mapping([word])


@given(st.binary(max_size=400))
def test_no_bytes_do_anything_but_lines_or_a_worded_error(noise: bytes) -> None:
    for content in (noise, HEAD.encode() + noise):
        with suppress(UsageError):
            parsed(content)


CELL = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=12)


@given(st.lists(st.tuples(CELL, CELL, CELL, CELL), max_size=8))
def test_every_row_that_a_writer_writes_is_read_or_refused(rows: list[tuple[str, ...]]) -> None:
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n", quoting=csv.QUOTE_ALL)
    writer.writerow(["device", "quantity", "time", "value"])
    writer.writerows(rows)
    lines = parsed(text.getvalue())
    assert len(lines) == sum(any(row) for row in rows)


@given(
    st.lists(
        st.tuples(
            st.datetimes(timezones=st.sampled_from([ZoneInfo("UTC"), ZoneInfo("Asia/Shanghai")])),
            st.floats(allow_nan=False, allow_infinity=False),
        ),
        max_size=8,
    )
)
def test_times_and_values_are_read_exactly(rows: list[tuple[datetime, float]]) -> None:
    body = "".join(f"d,q,{when.isoformat()},{value!r}\n" for when, value in rows)
    lines = parsed(HEAD + body)
    assert lines.value == [value for _, value in rows]
    epoch = datetime(1970, 1, 1, tzinfo=UTC)
    assert lines.observed_us == [(when - epoch) // timedelta(microseconds=1) for when, _ in rows]
