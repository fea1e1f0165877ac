from __future__ import annotations

import decimal
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pyarrow as pa  # type: ignore[import-untyped]
import pyarrow.parquet as pq  # type: ignore[import-untyped]
import pytest

from core.errors import UsageError
from twin.history import transfer_parquet
from twin.history.transfer_csv import Reading
from twin.history.transfer_lines import Lines

MOMENT = datetime(2026, 7, 1, tzinfo=UTC)
MOMENT_US = 1_782_864_000_000_000
SHANGHAI = ZoneInfo("Asia/Shanghai")


def written(path: Path, **columns: Any) -> Path:
    """A file of one row, or of what ``columns`` say."""
    usual: dict[str, Any] = {
        "device": pa.array(["heat-1"]),
        "quantity": pa.array(["temperature"]),
        "time": pa.array([MOMENT], pa.timestamp("us", tz="UTC")),
        "value": pa.array([20.5]),
    }
    given = usual | columns
    pq.write_table(pa.table({k: v for k, v in given.items() if v is not None}), path)
    return path


def lines_of(path: Path, **how: Any) -> Lines:
    [lines] = transfer_parquet.read(path, Reading(**{"columns": {}} | how))
    return lines


@pytest.mark.parametrize(
    "columns",
    [
        {},
        {"device": pa.array(["heat-1"]).dictionary_encode()},
        {"device": pa.array(["heat-1"], pa.large_string())},
        {"time": pa.array([MOMENT], pa.timestamp("ns", tz="UTC"))},
        {"time": pa.array([MOMENT], pa.timestamp("ms", tz="Asia/Shanghai"))},
        {"time": pa.array([MOMENT], pa.timestamp("s", tz="+08:00"))},
        {"time": pa.array(["2026-07-01T08:00:00+08:00"])},
        {"value": pa.array([20.5], pa.float32())},
        {"value": pa.array([decimal.Decimal("20.5")])},
        {"value": pa.array(["20.5"])},
        {"unit": pa.array([None], pa.string()), "quality": pa.array([None], pa.int8())},
        {"unit": pa.nulls(1), "quality": pa.array([0.0])},
    ],
)
def test_types_that_mean_the_same_give_the_same_line(tmp_path: Path, columns: Any) -> None:
    lines = lines_of(written(tmp_path / "f.parquet", **columns))
    assert not lines.refused
    assert (lines.number, lines.name) == ([1], ["heat-1:temperature"])
    assert (lines.observed_us, lines.value) == ([MOMENT_US], [20.5])
    assert (lines.unit, lines.quality) == ([""], [0])


@pytest.mark.parametrize(("value", "found"), [(pa.array([7]), 7.0), (pa.array([True]), 1.0)])
def test_whole_numbers_and_booleans_are_values(tmp_path: Path, value: Any, found: float) -> None:
    assert lines_of(written(tmp_path / "f.parquet", value=value)).value == [found]


def test_timestamps_without_a_zone_need_one(tmp_path: Path) -> None:
    naive = pa.array([datetime(2026, 7, 1, 8)], pa.timestamp("us"))  # noqa: DTZ001 (that is the point)
    path = written(tmp_path / "f.parquet", time=naive)
    with pytest.raises(UsageError, match="in no time zone"):
        lines_of(path)
    assert lines_of(path, zone=SHANGHAI).observed_us == [MOMENT_US]


def test_nulls_are_refused_by_row(tmp_path: Path) -> None:
    path = written(
        tmp_path / "f.parquet",
        device=pa.array(["heat-1", None, "heat-1", "heat-1"]),
        quantity=pa.array(["temperature"] * 4),
        time=pa.array([MOMENT, MOMENT, None, MOMENT], pa.timestamp("us", tz="UTC")),
        value=pa.array([1.0, 2.0, 3.0, None]),
    )
    lines = lines_of(path)
    assert lines.number == [1]
    assert [(r.topic, str(r.reason)) for r in lines.refused] == [
        ("import/f.parquet:2", "bad_name"),
        ("import/f.parquet:3", "bad_time"),
        ("import/f.parquet:4", "bad_value"),
    ]


@pytest.mark.parametrize(
    ("columns", "sentence"),
    [
        ({"time": pa.array([1_782_864_000])}, "must be timestamps"),
        ({"time": pa.array([MOMENT.date()])}, "must be timestamps"),
        ({"device": pa.array([7])}, "'device' is int64; it must be text"),
        ({"value": pa.array([[1.0]])}, "must be numbers"),
        ({"value": None}, "there is no column 'value'"),
        ({"unit": pa.array([1])}, "'unit' is int64"),
    ],
)
def test_columns_that_would_have_to_be_guessed_at_are_errors(
    tmp_path: Path, columns: Any, sentence: str
) -> None:
    with pytest.raises(UsageError, match=sentence):
        lines_of(written(tmp_path / "f.parquet", **columns))


def test_columns_may_have_other_names_and_further_ones_are_not_looked_at(tmp_path: Path) -> None:
    path = written(
        tmp_path / "f.parquet", device=None, sensor=pa.array(["heat-1"]), extra=pa.array([[1]])
    )
    lines = lines_of(path, columns={"device": "sensor"})
    assert lines.name == ["heat-1:temperature"]


def test_what_is_no_parquet_is_a_worded_error(tmp_path: Path) -> None:
    path = tmp_path / "f.parquet"
    whole = written(path).read_bytes()
    for bad in (b"", b"device,quantity\n", whole[:-10], whole[:4] + b"\xff" * 60 + whole[64:]):
        path.write_bytes(bad)
        with pytest.raises(UsageError, match="cannot be read after row 0"):
            lines_of(path)


def test_rows_come_in_bounded_parts_and_are_numbered_through(tmp_path: Path) -> None:
    n = 25
    path = written(
        tmp_path / "f.parquet",
        device=pa.array(["heat-1"] * n),
        quantity=pa.array(["temperature"] * n),
        time=pa.array([MOMENT] * n, pa.timestamp("us", tz="UTC")),
        value=pa.array([1.0] * n),
    )
    parts = list(transfer_parquet.read(path, Reading(columns={}, rows=10)))
    assert [part.number[0] for part in parts] == [1, 11, 21]
