from __future__ import annotations

import gzip
import io
import json
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq  # type: ignore[import-untyped]
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core import batch as batches
from core.errors import MissingPrerequisite, UsageError
from core.model import Field
from core.registry import Registry, SeriesInfo
from ingest.arrays import pack_rows
from tests.support.ingesting import NOW_US
from twin.history import transfer_files, transfer_parquet
from twin.history.transfer_choice import Filters, choose
from twin.history.transfer_files import CsvWriter, ParquetWriter, kind_of, replacing
from twin.history.transfer_out import RAW_FIELDS, ROLLUP_FIELDS, Block, parse

HALF_S = 500_000


def info(series_id: int, device: str, quantity: str = "temperature", **more: Any) -> SeriesInfo:
    usual: dict[str, Any] = {
        "kind": "heat", "field": Field.FIRE, "gateway_id": "gw-a", "interval_s": 10.0,
    }  # fmt: skip
    return SeriesInfo(series_id=series_id, device_id=device, quantity=quantity, **usual | more)


SERIES = [info(1, "heat-1"), info(2, "pond-1", "depth", field=Field.WATER, kind="waterlogging")]
RAW = np.array(
    [(1, NOW_US, NOW_US + HALF_S, 20.1, 0), (2, NOW_US, NOW_US, -1e-300, 17)],
    dtype=list(RAW_FIELDS),
)
ROLLUPS = np.array(
    [
        (1, NOW_US, 3, 2, 1.0, 2.0, 3.0, 2.0),
        (1, NOW_US + 60_000_000, 1, 0, np.nan, np.nan, np.nan, np.nan),
    ],
    dtype=list(ROLLUP_FIELDS),
)
MOMENT = "2026-09-21T14:13:20.000000Z"


def test_the_columns_of_readings() -> None:
    out = io.BytesIO()
    writer = CsvWriter(out, SERIES, raw=True)
    writer.write(RAW)
    writer.close()
    assert out.getvalue().decode().splitlines() == [
        "device,quantity,unit,time,value,quality,received",
        f"heat-1,temperature,Cel,{MOMENT},20.1,0,2026-09-21T14:13:20.500000Z",
        f"pond-1,depth,m,{MOMENT},-1e-300,17,{MOMENT}",
    ]


def test_a_rollup_without_good_readings_has_empty_cells() -> None:
    out = io.BytesIO()
    writer = CsvWriter(out, SERIES, raw=False)
    writer.write(ROLLUPS)
    writer.close()
    assert out.getvalue().decode().splitlines() == [
        "device,quantity,unit,time,count,good,min,max,sum,mean,last",
        f"heat-1,temperature,Cel,{MOMENT},3,2,1.0,2.0,3.0,1.5,2.0",
        "heat-1,temperature,Cel,2026-09-21T14:14:20.000000Z,1,0,,,,,",
    ]


def test_the_same_rows_give_the_same_compressed_bytes() -> None:
    files = []
    for _ in range(2):
        out = io.BytesIO()
        writer = CsvWriter(out, SERIES, raw=True, zipped=True)
        writer.write(RAW)
        writer.close()
        files.append(out.getvalue())
    assert files[0] == files[1]
    assert gzip.decompress(files[0]).count(b"\n") == 3


def test_parquet_has_dictionaries_utc_microseconds_and_says_what_it_is(tmp_path: Path) -> None:
    path = tmp_path / "f.parquet"
    with path.open("wb") as out:
        writer = ParquetWriter(out, SERIES, {"resolution": "raw", "left_out": []})
        writer.write(RAW)
        writer.write(RAW[:0])
        writer.write(RAW[:1])
        writer.close()
    table = pq.read_table(path)
    kinds = {name: str(table.schema.field(name).type) for name in table.schema.names}
    assert kinds["device"] == "dictionary<values=string, indices=int32, ordered=0>"
    assert kinds["time"] == "timestamp[us, tz=UTC]"
    rows = table.to_pylist()
    assert [row["device"] for row in rows] == ["heat-1", "pond-1", "heat-1"]
    assert rows[1] == {
        "device": "pond-1", "quantity": "depth", "unit": "m", "value": -1e-300, "quality": 17,
        "time": datetime.fromtimestamp(NOW_US / 1e6, UTC),
        "received": datetime.fromtimestamp(NOW_US / 1e6, UTC),
    }  # fmt: skip
    note = json.loads(table.schema.metadata[b"blocktwin"])
    assert note["resolution"] == "raw"
    assert note["version"]


def test_parquet_rollups_without_good_readings_are_null(tmp_path: Path) -> None:
    path = tmp_path / "f.parquet"
    with path.open("wb") as out:
        writer = ParquetWriter(out, SERIES, {"resolution": "1m"})
        writer.write(ROLLUPS)
        writer.close()
    rows = pq.read_table(path).to_pylist()
    assert [row["mean"] for row in rows] == [1.5, None]
    assert [row["good"] for row in rows] == [2, 0]


def test_row_groups_are_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transfer_files, "_GROUP_ROWS", 4)
    path = tmp_path / "f.parquet"
    with path.open("wb") as out:
        writer = ParquetWriter(out, SERIES, {"resolution": "raw"})
        for _ in range(5):
            writer.write(RAW)
        writer.close()
    found = pq.ParquetFile(path).metadata
    assert [found.row_group(n).num_rows for n in range(found.num_row_groups)] == [4, 4, 2]


def test_without_the_package_the_command_to_install_it_is_named(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(MissingPrerequisite) as error:
        transfer_parquet.pyarrow()
    assert "pip install 'blocktwin[parquet]'" in error.value.remedy


def test_a_file_appears_whole_or_not_at_all(tmp_path: Path) -> None:
    target = tmp_path / "f.csv"
    with replacing(str(target), force=False) as out:
        out.write(b"one")
        assert not target.exists()
    assert target.read_bytes() == b"one"
    with pytest.raises(UsageError, match="there already"), replacing(str(target), force=False):
        pass
    with pytest.raises(TypeError), replacing(str(target), force=True) as out:
        out.writelines([b"two", "no bytes"])  # type: ignore[list-item]
    assert target.read_bytes() == b"one"
    with replacing(str(target), force=True) as out:
        out.write(b"three")
    assert target.read_bytes() == b"three"
    assert list(tmp_path.iterdir()) == [target]


def test_a_file_that_came_meanwhile_is_not_overwritten(tmp_path: Path) -> None:
    target = tmp_path / "f.csv"
    with pytest.raises(UsageError, match="there already"), replacing(str(target), force=False):
        target.write_bytes(b"theirs")
    assert target.read_bytes() == b"theirs"
    assert list(tmp_path.iterdir()) == [target]


def test_folders_and_places_that_are_not_there_are_worded(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="is a folder"), replacing(str(tmp_path), force=True):
        pass
    nowhere = str(tmp_path / "no" / "f.csv")
    with pytest.raises(UsageError, match="cannot be written"), replacing(nowhere, force=False):
        pass


def test_formats_are_known_by_the_name() -> None:
    names = ["a.csv", "a.csv.gz", "a.parquet", "-", "dir.csv/b.parquet"]
    assert [kind_of(n) for n in names] == [".csv", ".csv.gz", ".parquet", ".csv", ".parquet"]
    with pytest.raises(UsageError, match="which format"):
        kind_of("a.xlsx")


def test_a_reader_that_goes_away_ends_the_export_without_a_traceback() -> None:
    script = (
        "from twin.history.transfer_files import replacing\n"
        "import sys\n"
        "from core.errors import BlocktwinError\n"
        "try:\n"
        "    with replacing('-', force=False) as out:\n"
        "        for _ in range(100000): out.write(b'x' * 100)\n"
        "except BlocktwinError as error:\n"
        "    sys.stderr.write(str(error))\n"
    )
    done = subprocess.run(
        ["sh", "-c", f'{sys.executable} -c "$1" | head -c 10', "-", script],
        capture_output=True, text=True, timeout=60, check=False,
        cwd=Path(__file__).parents[3],
    )  # fmt: skip
    assert done.stderr == "whoever read the export has gone away"


@given(st.lists(st.integers(1, 200), max_size=12), st.integers(1, 40), st.integers(1, 9))
def test_a_stream_is_parsed_the_same_however_it_is_cut(
    values: list[int], size: int, rows: int
) -> None:
    n = len(values)
    stream = pack_rows(batches.of(values, [NOW_US] * n, [NOW_US] * n, values, [0] * n))
    pieces = [stream[at : at + size] for at in range(0, len(stream), size)]
    blocks: list[Block] = list(parse(iter(pieces), RAW_FIELDS, rows))
    assert [value for block in blocks for value in block["series"].tolist()] == values
    assert all(set(block["time"].tolist()) == {NOW_US} for block in blocks)
    assert all(0 < len(block) <= rows + size // 54 + 1 for block in blocks)


REGISTRY = Registry(
    [
        info(3, "heat-1", spaces=("d", "s1", "b1")),
        info(1, "heat-2", spaces=("d", "s1", "b2")),
        info(2, "pond-1", "depth", field=Field.WATER, kind="waterlogging", spaces=("d", "s2")),
    ]
)


@pytest.mark.parametrize(
    ("filters", "found"),
    [
        (Filters(), [1, 2, 3]),
        (Filters(devices=("heat-1", "pond-1")), [2, 3]),
        (Filters(quantities=("temperature",)), [1, 3]),
        (Filters(fields=("water",)), [2]),
        (Filters(kinds=("heat",)), [1, 3]),
        (Filters(spaces=("s1",)), [1, 3]),
        (Filters(spaces=("b1", "s2")), [2, 3]),
        (Filters(spaces=("d",), kinds=("heat",), devices=("heat-2",)), [1]),
    ],
)
def test_filters_choose_series(filters: Filters, found: list[int]) -> None:
    assert [one.series_id for one in choose(REGISTRY, filters)] == found


@pytest.mark.parametrize(
    ("filters", "sentence"),
    [
        (Filters(devices=("heat-3",)), "the device 'heat-3'"),
        (Filters(spaces=("s3",)), "the space 's3'"),
        (Filters(kinds=("smoke",)), "the kind 'smoke'"),
        (Filters(spaces=("s2",), kinds=("heat",)), "no series fits"),
    ],
)
def test_filters_that_name_nothing_are_errors(filters: Filters, sentence: str) -> None:
    with pytest.raises(UsageError, match=sentence):
        choose(REGISTRY, filters)
