"""Parquet to lines. pyarrow is an extra: imported when needed, asked for when it is not there."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import tzinfo
from importlib import import_module
from pathlib import Path
from typing import Any

from core.errors import MissingPrerequisite, UsageError
from twin.history.transfer_csv import Reading, columns_of
from twin.history.transfer_lines import Line, Lines


def pyarrow() -> Any:
    """Return the package, with its part for Parquet.

    Raises:
        MissingPrerequisite: if it is not installed.
    """
    try:
        arrow = import_module("pyarrow")
        import_module("pyarrow.parquet")
    except ModuleNotFoundError as error:
        raise MissingPrerequisite(
            f"Parquet needs the Python package pyarrow ({error.name} is missing)",
            remedy="pip install 'blocktwin[parquet]', or use .csv.gz",
        ) from error
    return arrow


def read(path: Path, how: Reading) -> Iterator[Lines]:
    """Yield the rows of a file, ``how.rows`` at once; the first row is number 1.

    Raises:
        UsageError: if the file cannot be read on, or a column is of a type that cannot be meant.
        MissingPrerequisite: if pyarrow is not installed.
    """
    arrow = pyarrow()
    row = 0
    try:
        with arrow.parquet.ParquetFile(path) as file:
            schema = file.schema_arrow
            places = columns_of(schema.names, how.columns, path.name)
            names = {column: schema.names[place] for column, place in places.items()}
            _check_types(arrow, schema, names, how.zone, path.name)
            for batch in file.iter_batches(batch_size=how.rows, columns=list(names.values())):
                lines = Lines(source=path.name, zone=how.zone)
                for line in _lines(arrow, batch, names, row):
                    lines.add(line)
                row += len(batch)
                yield lines
    except (arrow.ArrowException, OSError) as error:
        raise UsageError(f"{path}: cannot be read after row {row}: {error}") from error


def _check_types(
    arrow: Any, schema: Any, names: Mapping[str, str], zone: tzinfo | None, source: str
) -> None:
    """Refuse types that would have to be guessed at."""
    types = arrow.types
    for column, name in names.items():
        kind = schema.field(name).type
        plain = kind.value_type if types.is_dictionary(kind) else kind
        text = types.is_string(plain) or types.is_large_string(plain) or types.is_string_view(plain)
        number = types.is_integer(plain) or types.is_floating(plain)
        fits = {
            "time": text or types.is_timestamp(plain),
            "value": text or number or types.is_boolean(plain) or types.is_decimal(plain),
            "quality": text or number or types.is_null(plain),
            "unit": text or types.is_null(plain),
        }.get(column, text)
        if not fits:
            wanted = {"time": "timestamps or RFC 3339 text", "value": "numbers"}.get(column, "text")
            raise UsageError(f"{source}: the column {name!r} is {kind}; it must be {wanted}")
        if types.is_timestamp(plain) and plain.tz is None and zone is None:
            raise UsageError(
                f"{source}: the timestamps of {name!r} are in no time zone",
                remedy="say which they are in: --tz Asia/Shanghai, or --tz UTC",
            )


def _lines(arrow: Any, batch: Any, names: Mapping[str, str], before: int) -> Iterator[Line]:
    columns = {name: _cells(arrow, batch.column(at)) for name, at in names.items()}
    nothing = [None] * len(batch)
    cells = zip(
        columns["device"], columns["quantity"], columns["time"], columns["value"],
        columns.get("unit", nothing), columns.get("quality", nothing), strict=True,
    )  # fmt: skip
    for number, (device, quantity, time, value, unit, quality) in enumerate(cells, before + 1):
        yield Line(
            number=number, device=device or "", quantity=quantity or "", time=time, value=value,
            unit=unit, quality=quality,
        )  # fmt: skip


def _cells(arrow: Any, column: Any) -> list[Any]:
    """Return a column as plain values: text, numbers, microseconds for times, None for null."""
    types = arrow.types
    if types.is_dictionary(column.type):
        column = column.dictionary_decode()
    if types.is_timestamp(column.type) and column.type.tz is None:
        # Without a zone it is local time there; ISO text goes the way of a CSV's.
        return [None if cell is None else cell.isoformat() for cell in _naive(arrow, column)]
    if types.is_timestamp(column.type):
        column = column.cast(arrow.timestamp("us", tz="UTC"), safe=False).cast(arrow.int64())
    elif types.is_decimal(column.type):
        column = column.cast(arrow.float64(), safe=False)
    cells: list[Any] = column.to_pylist()
    return cells


def _naive(arrow: Any, column: Any) -> list[Any]:
    cells: list[Any] = column.cast(arrow.timestamp("us"), safe=False).to_pylist()
    return cells
