"""Read a recording (CSV, also gzipped) with a mapping: rows of readings, and what was refused.

A line is a row: quoted cells may not span lines, so that a stray quote costs one row and not all
that follow. Bad data is a value here, a ``Refusal`` with its line and column; good values of the
same row, and good rows after it, go on. Only a file that does not fit its mapping raises.
"""

from __future__ import annotations

import csv
import gzip
import math
import re
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timezone
from io import BufferedReader
from pathlib import Path
from typing import Protocol

from core.model import Device, District, Gateway, Reading, is_id
from core.senml import RELATIVE_BELOW_S
from edge.mapping import Mapping, MappingInvalid, Template, Value, nearest

_GZIP = b"\x1f\x8b"
_LINE_BYTES = 1 << 20
_MOST_DEVICES = 100_000
_LATEST_S = 253_402_300_799.0  # 9999-12-31
_NO_ID_SIGN = re.compile(r"[^a-z0-9._-]+")


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """A value or row that cannot be read.

    Attributes:
        line: of the file, the header being 1.
        column: the cell's number in the row from 1; None for a whole row.
        name: the column's name, "" for a whole row.
        reason: one sentence.
        text: what stood there, shortened.
        values: how many values are lost to it.
    """

    line: int
    column: int | None
    name: str
    reason: str
    text: str
    values: int

    def spot(self, path: Path) -> str:
        """Return ``file:line:column``."""
        return f"{path}:{self.line}" + (f":{self.column}" if self.column else "")


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One line of a recording.

    Attributes:
        line: of the file.
        at_s: its time, Unix seconds; None when the row was refused.
        readings: its good values.
        refusals: its bad ones.
        empty: how many of its values the recording marks as empty.
        position: bytes of the (compressed) file read so far.
    """

    line: int
    at_s: float | None
    readings: tuple[Reading, ...]
    refusals: tuple[Refusal, ...]
    empty: int
    position: int


class BadCell(ValueError):
    """A cell does not hold what its column should."""


def parse_number(text: str) -> float:
    """Return the number a cell holds.

    Raises:
        BadCell: if it holds none, or none that is finite.

    Example:
        >>> parse_number(" 2.5e1 ")
        25.0
    """
    try:
        value = float(text) if "_" not in text else math.nan
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise BadCell("no finite number")
    return value


def parse_when(text: str, form: str, offset: timezone | None) -> float:
    """Return the Unix seconds of a time as ``form`` writes it; ``offset`` is for naive times.

    Raises:
        BadCell: if the text is no such time.
    """
    try:
        if form in {"unix", "unix_ms"}:
            seconds = parse_number(text) / (1000.0 if form == "unix_ms" else 1.0)
        else:
            seconds = _moment(text, form, offset).timestamp()
    except (ValueError, OverflowError, OSError) as error:
        raise BadCell(f"no time ({form}): {error}") from error
    if not RELATIVE_BELOW_S <= seconds <= _LATEST_S:
        raise BadCell("a time before 1978-07, which SenML takes for a relative one, or after 9999")
    return seconds


def _moment(text: str, form: str, offset: timezone | None) -> datetime:
    if form == "iso":
        when = datetime.fromisoformat(text.strip())
    else:
        when = datetime.strptime(text.strip(), form)  # noqa: DTZ007 - the offset comes below
    if when.tzinfo is None:
        if offset is None:
            raise BadCell("no UTC offset, and [file] timezone is not set")
        when = when.replace(tzinfo=offset)
    return when


def slug(text: str) -> str:
    """Return text as it may stand in an id: lower case, other signs become a hyphen.

    Example:
        >>> slug("100kW Closed/Back_1")
        '100kw-closed-back_1'
    """
    return _NO_ID_SIGN.sub("-", text.strip().lower())


class _Lines(Protocol):
    """What is read line by line: a plain file or an unpacked one."""

    def readline(self, size: int, /) -> bytes:
        """Return up to the next line end, or ``size`` bytes."""


class Recording:
    """An open recording; ``open_recording`` makes one.

    Attributes:
        path: the file.
        size: bytes on disk, compressed or not.
        devices: every device met so far, by id.
    """

    def __init__(self, path: Path, mapping: Mapping, raw: BufferedReader, lines: _Lines) -> None:
        self.path = path
        self.size = path.stat().st_size
        self.devices: dict[str, Device] = {}
        self._mapping = mapping
        self._raw = raw
        self._lines = lines
        self._null = frozenset(mapping.file.null)
        self._header = self._read_header()
        self._at = {name: self._header.index(name) for name in mapping.columns}
        self._ids: dict[tuple[str, tuple[str, ...]], str] = {}
        self._line = 1

    def rows(self) -> Iterator[Row]:
        """Yield every row once, in the file's order."""
        while True:
            self._line += 1
            try:
                data = self._lines.readline(_LINE_BYTES)
                if len(data) == _LINE_BYTES and not data.endswith(b"\n"):
                    self._skip_line()
                    yield self._refused_row(f"longer than {_LINE_BYTES} bytes", data[:80])
                    continue
            except (OSError, EOFError, zlib.error) as error:
                yield self._refused_row(f"the file cannot be read on: {error}", b"")
                return
            if not data:
                return
            if data.strip():
                yield self._row(data)

    def _skip_line(self) -> None:
        while (data := self._lines.readline(_LINE_BYTES)) and not data.endswith(b"\n"):
            pass

    def _read_header(self) -> list[str]:
        try:
            data = self._lines.readline(_LINE_BYTES)
            header = _cells(data.removeprefix(b"\xef\xbb\xbf"), self._mapping.file.delimiter)
        except (OSError, EOFError, zlib.error, csv.Error) as error:
            raise MappingInvalid(f"{self.path}:1: cannot read the header: {error}") from error
        if not any(header):
            raise MappingInvalid(f"{self.path}: there is no header line")
        for name in self._mapping.columns:
            if header.count(name) != 1:
                how = "no" if name not in header else "more than one"
                raise MappingInvalid(
                    f"{self.path}:1: {how} column {name!r}, which {self._mapping.path} names",
                    remedy=nearest(name, dict.fromkeys(header)),
                )
        return header

    def _row(self, data: bytes) -> Row:
        try:
            cells = _cells(data, self._mapping.file.delimiter)
        except csv.Error as error:
            return self._refused_row(f"no CSV: {error}", data)
        if len(cells) != len(self._header):
            return self._refused_row(
                f"{len(cells)} cells, the header has {len(self._header)}", data
            )
        time = self._mapping.file.time
        try:
            text = cells[self._at[time]]
            at_s = parse_when(text, self._mapping.file.time_format, self._mapping.offset)
        except BadCell as error:
            refusal = self._refusal(time, str(error), text, len(self._mapping.values))
            return self._done(None, (), (refusal,), 0)
        return self._values(cells, at_s)

    def _values(self, cells: list[str], at_s: float) -> Row:
        readings, refusals, empty = [], [], 0
        for value in self._mapping.values:
            text = cells[self._at[value.table.column]].strip()
            if text in self._null:
                empty += 1
                continue
            try:
                readings.append(
                    Reading(
                        device=self._device(value, cells),
                        quantity=value.table.quantity,
                        observed_s=at_s,
                        value=parse_number(text),
                        unit=value.unit,
                    )
                )
            except BadCell as error:
                refusals.append(self._refusal(value.table.column, str(error), text, 1))
        return self._done(at_s, tuple(readings), tuple(refusals), empty)

    def _device(self, value: Value, cells: list[str]) -> str:
        """Return the device id of a value, known after its first time."""
        names = value.device.columns
        key = (value.device.text, tuple(cells[self._at[name]] for name in names))
        known = self._ids.get(key)
        return known if known is not None else self._new_device(value, key, cells)

    def _new_device(self, value: Value, key: tuple[str, tuple[str, ...]], cells: list[str]) -> str:
        device_id = self._fill(value.device, cells, slugged=True)
        if not is_id(device_id):
            raise BadCell(f"{device_id!r} is no device id ([a-z0-9._-], 64 at most)")
        if device_id in self.devices:
            raise BadCell(f"device id {device_id!r} stands for something else already")
        if len(self.devices) >= _MOST_DEVICES:
            raise BadCell(f"more than {_MOST_DEVICES} devices")
        self._ids[key] = device_id
        table = value.table
        self.devices[device_id] = Device(
            device_id=device_id,
            kind=table.kind,
            name=self._fill(value.name, cells) or device_id,
            lon=table.lon,
            lat=table.lat,
            gateway_id=self._mapping.gateway.id,
            interval_s=table.interval_s,
            height_m=table.height_m,
            address=table.address,
            quantities=self._quantities(table.device),
            attributes={"source": self.path.name},
        )
        return device_id

    def _quantities(self, device: str) -> tuple[str, ...]:
        tables = (value.table for value in self._mapping.values)
        return tuple(table.quantity for table in tables if table.device == device)

    def _fill(self, template: Template, cells: list[str], *, slugged: bool = False) -> str:
        texts = {name: cells[self._at[name]].strip() for name in template.columns}
        for name, text in texts.items():
            if text in self._null:
                raise BadCell(f"column {name!r}, which names the device, is empty")
        if slugged:
            texts = {name: slug(text) for name, text in texts.items()}
        return template.fill(texts)

    def _refusal(self, name: str, reason: str, text: str, values: int) -> Refusal:
        return Refusal(
            line=self._line,
            column=self._at[name] + 1,
            name=name,
            reason=reason,
            text=text[:80],
            values=values,
        )

    def _refused_row(self, reason: str, data: bytes) -> Row:
        text = data.decode("utf-8", "replace").strip()[:80]
        refusal = Refusal(
            line=self._line,
            column=None,
            name="",
            reason=reason,
            text=text,
            values=len(self._mapping.values),
        )
        return self._done(None, (), (refusal,), 0)

    def _done(
        self,
        at_s: float | None,
        readings: tuple[Reading, ...],
        refusals: tuple[Refusal, ...],
        empty: int,
    ) -> Row:
        return Row(
            line=self._line,
            at_s=at_s,
            readings=readings,
            refusals=refusals,
            empty=empty,
            position=self._raw.tell(),
        )


@contextmanager
def open_recording(path: Path, mapping: Mapping) -> Iterator[Recording]:
    """Open a recording, compressed or not, and read its header.

    Raises:
        MappingInvalid: if the file cannot be opened, or lacks a column that the mapping names.
    """
    try:
        raw = path.open("rb")
    except OSError as error:
        raise MappingInvalid(
            f"cannot read the recording {path}: {error}", remedy="give a CSV file, or one gzipped"
        ) from error
    with raw:
        packed = raw.peek(2)[:2] == _GZIP
        with gzip.GzipFile(fileobj=raw) if packed else raw as lines:
            yield Recording(path, mapping, raw, lines)


def devices_in(mapping: Mapping, path: Path) -> District:
    """Return the gateway and devices that a recording needs registered; its spaces are empty.

    Raises:
        MappingInvalid: if the file does not fit the mapping.
    """
    with open_recording(path, mapping) as recording:
        for _ in recording.rows():
            pass
        devices = tuple(recording.devices.values())
    gateway = Gateway(
        gateway_id=mapping.gateway.id,
        name=mapping.gateway.name,
        lon=mapping.gateway.lon,
        lat=mapping.gateway.lat,
    )
    return District(spaces=(), gateways=(gateway,), devices=devices)


def _cells(data: bytes, delimiter: str) -> list[str]:
    """Return the cells of one line; undecodable bytes become U+FFFD and fail where they matter."""
    text = data.decode("utf-8", "replace").rstrip("\r\n")
    return next(csv.reader([text], delimiter=delimiter, strict=True), [])
