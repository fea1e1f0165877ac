"""The files of an export: written whole or not at all, as CSV, gzipped CSV or Parquet.

One writer a format; each takes blocks of ``twin.history.transfer_out`` and owns no file.
"""

from __future__ import annotations

import csv
import gzip
import io
import json
import os
import secrets
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, Protocol

import numpy as np

from core.errors import BlocktwinError, UsageError
from core.registry import SeriesInfo
from core.units import QUANTITIES
from core.version import version
from twin.history.transfer_out import Block
from twin.history.transfer_parquet import pyarrow

RAW_COLUMNS = ("device", "quantity", "unit", "time", "value", "quality", "received")
ROLLUP_COLUMNS = ("device", "quantity", "unit", "time", "count", "good", "min", "max", "sum",
                  "mean", "last")  # fmt: skip
SUFFIXES = (".csv", ".csv.gz", ".parquet")
STDOUT = "-"
_GZIP_LEVEL = 5
_GROUP_ROWS = 1_000_000


class Writer(Protocol):
    """Writes blocks in one format."""

    def write(self, block: Block) -> None:
        """Append the rows of a block."""
        ...

    def close(self) -> None:
        """Write what ends the file; the file itself stays open."""
        ...


def kind_of(path: str) -> str:
    """Return which of ``SUFFIXES`` a file has; standard output is CSV.

    Raises:
        UsageError: if it has none of them.
    """
    if path == STDOUT:
        return ".csv"
    found = [suffix for suffix in SUFFIXES if path.endswith(suffix)]
    if not found:
        raise UsageError(
            f"{path}: the name does not say which format it has",
            remedy=f"end it in one of {', '.join(SUFFIXES)}",
        )
    return found[-1]


@contextmanager
def replacing(path: str, *, force: bool) -> Iterator[IO[bytes]]:
    """Yield a file that takes the place of ``path`` when the block ends well, and vanishes if not.

    Raises:
        UsageError: if something stands there and ``force`` is not given, or it cannot be written.
        BlocktwinError: if whoever reads standard output has gone away.
    """
    if path == STDOUT:
        with _to_stdout() as out:
            yield out
        return
    target = Path(path)
    _may_write(target, force=force)
    part = target.with_name(f".{target.name}.{secrets.token_hex(4)}.part")
    try:
        with part.open("xb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        _may_write(target, force=force)
        part.replace(target)
    except OSError as error:
        raise UsageError(f"{path}: cannot be written: {error.strerror}") from error
    finally:
        part.unlink(missing_ok=True)


def writer(
    file: IO[bytes], kind: str, series: Sequence[SeriesInfo], about: Mapping[str, Any]
) -> Writer:
    """Return the writer of a format.

    Args:
        file: where it writes.
        kind: one of ``SUFFIXES``.
        series: what may occur in the blocks.
        about: what is exported; kept in Parquet's metadata. ``resolution`` says which columns.
    """
    if kind == ".parquet":
        return ParquetWriter(file, series, about)
    return CsvWriter(file, series, raw=about["resolution"] == "raw", zipped=kind == ".csv.gz")


class CsvWriter:
    """RFC 4180 with line feeds, UTF-8; times as RFC 3339 in UTC, no number rounded."""

    def __init__(
        self, file: IO[bytes], series: Sequence[SeriesInfo], *, raw: bool, zipped: bool = False
    ) -> None:
        self._heads = {info.series_id: _cells(info) for info in series}
        self._lines = _raw_lines if raw else _rollup_lines
        # No name and no time inside: the same rows give the same bytes.
        self._zip = (
            gzip.GzipFile("", "wb", compresslevel=_GZIP_LEVEL, fileobj=file, mtime=0)
            if zipped
            else None
        )
        self._out: Callable[[bytes], int] = self._zip.write if self._zip else file.write
        self._out((",".join(RAW_COLUMNS if raw else ROLLUP_COLUMNS) + "\n").encode())

    def write(self, block: Block) -> None:
        """Append the rows of a block."""
        heads = [self._heads[series] for series in block["series"].tolist()]
        self._out("".join(self._lines(heads, block)).encode())

    def close(self) -> None:
        """End the compressed stream."""
        if self._zip:
            self._zip.close()


class ParquetWriter:
    """Names as dictionaries, times as microseconds in UTC, a row group about every million rows."""

    def __init__(
        self, file: IO[bytes], series: Sequence[SeriesInfo], about: Mapping[str, Any]
    ) -> None:
        self._arrow = pyarrow()
        self._series = {info.series_id: info for info in series}
        schema = _schema(self._arrow, raw=about["resolution"] == "raw")
        note = json.dumps({"version": version(), **about}, sort_keys=True)
        self._schema = schema.with_metadata({"blocktwin": note})
        self._writer = self._arrow.parquet.ParquetWriter(file, self._schema, compression="zstd")
        self._held: list[Block] = []
        self._rows = 0

    def write(self, block: Block) -> None:
        """Take the rows of a block into the next row group."""
        if len(block):
            self._held.append(block)
            self._rows += len(block)
        if self._rows >= _GROUP_ROWS:
            self._write_group()

    def close(self) -> None:
        """Write the last row group and the footer."""
        if self._rows:
            self._write_group()
        self._writer.close()

    def _write_group(self) -> None:
        block = np.concatenate(self._held)
        self._held, self._rows = [], 0
        columns = self._names(block)
        for name in self._schema.names[len(columns) :]:
            values = _means(block) if name == "mean" else block[name]
            kind = self._schema.field(name).type
            empty = np.isnan(values) if values.dtype.kind == "f" else None
            columns.append(self._arrow.array(values, mask=empty).cast(kind))
        table = self._arrow.Table.from_arrays(columns, schema=self._schema)
        self._writer.write_table(table, row_group_size=len(block))

    def _names(self, block: Block) -> list[Any]:
        """Return the columns device, quantity and unit, each a dictionary of its own few words."""
        ids, code = np.unique(block["series"], return_inverse=True)
        found = [self._series[int(series)] for series in ids]
        columns = []
        for words in (
            [info.device_id for info in found],
            [info.quantity for info in found],
            [_unit(info) for info in found],
        ):
            known = sorted(set(words))
            place = np.array([known.index(word) for word in words], dtype=np.int32)
            columns.append(
                self._arrow.DictionaryArray.from_arrays(self._arrow.array(place[code]), known)
            )
        return columns


def _schema(arrow: Any, *, raw: bool) -> Any:
    words = arrow.dictionary(arrow.int32(), arrow.string())
    when = arrow.timestamp("us", tz="UTC")
    kinds = {
        "device": words, "quantity": words, "unit": words, "time": when, "received": when,
        "quality": arrow.int32(), "count": arrow.int64(), "good": arrow.int64(),
    }  # fmt: skip
    names = RAW_COLUMNS if raw else ROLLUP_COLUMNS
    return arrow.schema([(name, kinds.get(name, arrow.float64())) for name in names])


def _raw_lines(heads: Sequence[str], block: Block) -> Iterator[str]:
    columns = zip(
        heads,
        _moments(block, "time"),
        block["value"].tolist(),
        block["quality"].tolist(),
        _moments(block, "received"),
        strict=True,
    )
    for head, time, value, quality, received in columns:
        yield f"{head}{time}Z,{value!r},{quality},{received}Z\n"


def _rollup_lines(heads: Sequence[str], block: Block) -> Iterator[str]:
    numbers = [block[name].tolist() for name in ("min", "max", "sum")]
    rest = [_means(block).tolist(), block["last"].tolist()]
    counts = [block["count"].tolist(), block["good"].tolist()]
    columns = zip(heads, _moments(block, "time"), *counts, *numbers, *rest, strict=True)
    for head, time, count, good, *values in columns:
        # NaN is the one number that differs from itself; it stands for none.
        cells = ",".join(repr(value) if value == value else "" for value in values)  # noqa: PLR0124
        yield f"{head}{time}Z,{count},{good},{cells}\n"


def _moments(block: Block, name: str) -> list[str]:
    texts: list[str] = np.datetime_as_string(block[name].astype("datetime64[us]")).tolist()
    return texts


def _means(block: Block) -> np.typing.NDArray[np.float64]:
    with np.errstate(invalid="ignore", divide="ignore"):
        mean: np.typing.NDArray[np.float64] = block["sum"] / block["good"]
    return mean


def _cells(info: SeriesInfo) -> str:
    """Return the first cells of a series' lines, with the comma that follows."""
    line = io.StringIO()
    csv.writer(line, lineterminator=",").writerow([info.device_id, info.quantity, _unit(info)])
    return line.getvalue()


def _unit(info: SeriesInfo) -> str:
    quantity = QUANTITIES.get(info.quantity)
    return quantity.unit if quantity else ""


def _may_write(target: Path, *, force: bool) -> None:
    if target.is_dir():
        raise UsageError(f"{target} is a folder", remedy="name a file in it")
    if target.exists() and not force:
        raise UsageError(
            f"{target} is there already", remedy="name another file, or overwrite it with --force"
        )


@contextmanager
def _to_stdout() -> Iterator[IO[bytes]]:
    out = sys.stdout.buffer
    try:
        yield out
        out.flush()
    except BrokenPipeError as error:
        # Python flushes once more when it ends; that must not fail a second time.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise BlocktwinError("whoever read the export has gone away") from error
