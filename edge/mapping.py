"""What the columns of a recording mean: ``mapping.toml``, typed and checked.

A mapping names the time column, the gateway, and for each value column the device, quantity and
unit. ``edge.recording`` reads the file with it.
"""

from __future__ import annotations

import difflib
import re
import string
import tomllib
from collections.abc import Iterable
from collections.abc import Mapping as Table
from dataclasses import dataclass
from datetime import UTC, timedelta, timezone
from pathlib import Path
from typing import Annotated, Any, NoReturn, TypeVar

import msgspec
from msgspec import Meta

from core.errors import UsageError
from core.model import is_id
from core.units import DEVICE_KINDS, QUANTITIES, conversion

S = TypeVar("S", bound=msgspec.Struct)
Lon = Annotated[float, Meta(ge=-180, le=180)]
Lat = Annotated[float, Meta(ge=-90, le=90)]


class MappingInvalid(UsageError):
    """A mapping cannot be used, or does not fit its recording."""


class FileTable(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """``[file]``: how the recording is written.

    Attributes:
        time: name of the time column.
        time_format: ``iso``, ``unix``, ``unix_ms`` or a strptime format.
        timezone: offset of times that carry none, like ``+08:00``; empty: they must carry one.
        delimiter: one character.
        null: what an empty value looks like.
        max_gap_s: when paced, a longer pause in the recording is skipped; 0 skips none.
    """

    time: str
    time_format: str = "iso"
    timezone: Annotated[str, Meta(pattern=r"^([+-]\d\d:\d\d|UTC|)$")] = ""
    delimiter: Annotated[str, Meta(min_length=1, max_length=1)] = ","
    null: list[str] = msgspec.field(default_factory=lambda: ["", "NA", "NaN"])
    max_gap_s: Annotated[float, Meta(ge=0)] = 0.0


class GatewayTable(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """``[gateway]``: the gateway that the recording is published as; degrees, EPSG:4490."""

    id: str
    name: str
    lon: Lon
    lat: Lat


class ValueTable(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """``[[value]]``: one value column; what stands in ``[device]`` need not be repeated.

    Attributes:
        column: its name.
        device: device id; ``{other_column}`` stands for what that column says in the row.
        quantity: a key of ``core.units.QUANTITIES``.
        unit: of the values; empty: the quantity's own.
        kind: a key of ``core.units.DEVICE_KINDS``.
        name: what people call the device; may hold ``{column}`` too; empty: its id.
        lon: degrees east; lat: degrees north, EPSG:4490.
        interval_s: expected seconds between two readings.
    """

    column: str
    device: str
    quantity: str
    kind: str
    lon: Lon
    lat: Lat
    interval_s: Annotated[float, Meta(gt=0)]
    unit: str = ""
    name: str = ""
    height_m: float | None = None
    address: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Template:
    """Text with ``{column}`` holes.

    Attributes:
        text: as written.
        columns: the columns it names, in order.
    """

    text: str
    columns: tuple[str, ...]

    @classmethod
    def parse(cls, text: str) -> Template:
        """Parse a template.

        Raises:
            ValueError: if the braces do not match, or hold more than a name.
        """
        holes = []
        for _, name, spec, change in string.Formatter().parse(text):
            if name is not None and (not name or spec or change):
                raise ValueError(f"{text!r}: write {{column}} and nothing more between the braces")
            if name is not None:
                holes.append(name)
        return cls(text=text, columns=tuple(holes))

    def fill(self, values: Table[str, str]) -> str:
        """Return the text with every hole filled."""
        return "".join(
            before + (values[name] if name else "")
            for before, name, _, _ in string.Formatter().parse(self.text)
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Value:
    """One value column.

    Attributes:
        table: as written, with the defaults of ``[device]``.
        device: template of the device id.
        name: template of the device's name.
        unit: what goes over the wire; None when it is the quantity's own.
    """

    table: ValueTable
    device: Template
    name: Template
    unit: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Mapping:
    """A checked mapping."""

    path: Path
    file: FileTable
    gateway: GatewayTable
    values: tuple[Value, ...]

    @property
    def columns(self) -> tuple[str, ...]:
        """Every column that the mapping names, the time column first, each once."""
        names = [self.file.time]
        for value in self.values:
            names += [value.table.column, *value.device.columns, *value.name.columns]
        return tuple(dict.fromkeys(names))

    @property
    def offset(self) -> timezone | None:
        """The time zone of times that carry none, if the mapping says one."""
        text = self.file.timezone
        if not text or text == "UTC":
            return UTC if text else None
        hours, minutes = int(text[1:3]), int(text[4:6])
        sign = -1 if text[0] == "-" else 1
        return timezone(sign * timedelta(hours=hours, minutes=minutes))


def load_mapping(path: Path) -> Mapping:
    """Read and check a mapping.

    Raises:
        MappingInvalid: naming file, line and key.
    """
    source = _Source.read(path)
    source.expect_tables({"file", "gateway", "device", "value"})
    file = source.convert(source.table("file"), FileTable, "file")
    gateway = source.convert(source.table("gateway"), GatewayTable, "gateway")
    if not is_id(gateway.id):
        source.fail(f"{gateway.id!r} is no gateway id ([a-z0-9._-], 64 at most)", "gateway", "id")
    _check_file(source, file)
    values = tuple(_value(source, n, table) for n, table in enumerate(source.values()))
    _check_devices(source, values)
    return Mapping(path=path, file=file, gateway=gateway, values=values)


def nearest(word: str, known: Iterable[str]) -> str:
    """Return a remedy that names the known words most like this one, or lists some."""
    words = list(known)
    close = difflib.get_close_matches(word, words, n=3, cutoff=0.5)
    shown = close or words[:20]
    return f"{'did you mean' if close else 'there are'}: {', '.join(shown)}"


def _value(source: _Source, number: int, given: dict[str, Any]) -> Value:
    place = f"value.{number}"
    table = source.convert({**source.content.get("device", {}), **given}, ValueTable, place)
    if table.quantity not in QUANTITIES:
        remedy = nearest(table.quantity, QUANTITIES)
        source.fail(f"unknown quantity {table.quantity!r}", place, "quantity", remedy)
    if table.kind not in DEVICE_KINDS:
        remedy = nearest(table.kind, DEVICE_KINDS)
        source.fail(f"unknown device kind {table.kind!r}", place, "kind", remedy)
    measured = DEVICE_KINDS[table.kind].quantities
    if table.quantity not in measured:
        remedy = f"it measures: {', '.join(measured)}"
        source.fail(f"a {table.kind} does not measure {table.quantity}", place, "quantity", remedy)
    if table.unit and conversion(table.unit, table.quantity) is None:
        remedy = f"{table.quantity} is kept in {QUANTITIES[table.quantity].unit}"
        source.fail(f"unit {table.unit!r} cannot be converted", place, "unit", remedy)
    own = not table.unit or table.unit == QUANTITIES[table.quantity].unit
    return Value(
        table=table,
        device=_template(source, table.device, place, "device"),
        name=_template(source, table.name, place, "name"),
        unit=None if own else table.unit,
    )


def _template(source: _Source, text: str, place: str, key: str) -> Template:
    try:
        template = Template.parse(text)
    except ValueError as error:
        source.fail(str(error), place, key)
    if key == "device" and not template.columns and not is_id(text):
        source.fail(f"{text!r} is no device id ([a-z0-9._-], 64 at most)", place, key)
    return template


def _check_file(source: _Source, file: FileTable) -> None:
    known = {"iso", "unix", "unix_ms"}
    if file.time_format not in known and "%" not in file.time_format:
        remedy = "write iso, unix, unix_ms or a strptime format like %Y-%m-%d %H:%M:%S"
        source.fail(f"unknown time format {file.time_format!r}", "file", "time_format", remedy)
    if file.delimiter in '"\r\n':
        source.fail("the delimiter cannot be a quote or a line end", "file", "delimiter")


def _check_devices(source: _Source, values: tuple[Value, ...]) -> None:
    """Refuse columns that say different things of one device, or the same thing twice."""
    first: dict[str, ValueTable] = {}
    seen: set[tuple[str, str]] = set()
    for number, value in enumerate(values):
        table, place = value.table, f"value.{number}"
        if (table.device, table.quantity) in seen:
            told = f"{table.quantity} of device {table.device} stands twice"
            source.fail(told, place, "quantity")
        seen.add((table.device, table.quantity))
        known = first.setdefault(table.device, table)
        for key in ("kind", "name", "lon", "lat", "height_m", "interval_s", "address"):
            if getattr(known, key) != getattr(table, key):
                told = f"{key} of device {table.device} differs from an earlier [[value]]"
                source.fail(told, place, key)


_SAMPLE = "the examples in examples/replay show what a mapping holds"
_HEADER = re.compile(r"\s*\[+\s*([A-Za-z_]+)\s*\]+")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Source:
    """A mapping file: what it says, and its lines for the places of errors."""

    path: Path
    lines: list[str]
    content: dict[str, Any]

    @classmethod
    def read(cls, path: Path) -> _Source:
        try:
            text = path.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise MappingInvalid(
                f"cannot read the mapping {path}: {error}", remedy="give a readable file with --map"
            ) from error
        try:
            content = tomllib.loads(text)
        except tomllib.TOMLDecodeError as error:
            where = re.search(r"line (\d+), column (\d+)", str(error))
            spot = f":{where[1]}:{where[2]}" if where else ""
            raise MappingInvalid(f"{path}{spot}: no valid TOML: {error}") from error
        return cls(path=path, lines=text.splitlines(), content=content)

    def expect_tables(self, known: set[str]) -> None:
        for name, table in self.content.items():
            if name not in known:
                self.fail(f"unknown table [{name}]", name, None, nearest(name, sorted(known)))
            if not isinstance(table, list if name == "value" else dict):
                form = "[[value]]" if name == "value" else f"[{name}]"
                self.fail(f"{name} must be a table: write {form}", name, None)

    def table(self, name: str) -> dict[str, Any]:
        if name not in self.content:
            raise MappingInvalid(f"{self.path}: there is no [{name}]", remedy=_SAMPLE)
        found: dict[str, Any] = self.content[name]
        return found

    def values(self) -> list[dict[str, Any]]:
        found = self.content.get("value", [])
        if not found:
            raise MappingInvalid(f"{self.path}: there is no [[value]]", remedy=_SAMPLE)
        for number, table in enumerate(found):
            if not isinstance(table, dict):
                self.fail("write [[value]]", f"value.{number}", None)
        return list(found)

    def convert(self, raw: dict[str, Any], kind: type[S], place: str) -> S:
        try:
            return msgspec.convert(raw, kind)
        except msgspec.ValidationError as error:
            text = str(error)
            key = re.search(r"\$\.(\w+)", text) or re.search(r"unknown field `(\w+)`", text)
            fields = [info.name for info in msgspec.structs.fields(kind)]
            self.fail(
                text.replace("Object", f"[{place.partition('.')[0]}]", 1),
                place,
                key[1] if key else None,
                nearest(key[1], fields) if key and key[1] not in fields else "",
            )

    def fail(self, what: str, place: str, key: str | None, remedy: str = "") -> NoReturn:
        raise MappingInvalid(f"{self.path}{self._spot(place, key)}: {what}", remedy=remedy)

    def _spot(self, place: str, key: str | None) -> str:
        """Return ``:line:column`` of a key in ``file``, ``value.2``, …, as far as it is found."""
        table, _, number = place.partition(".")
        wanted, count, header = int(number or 0), -1, ""
        in_table = in_defaults = head = ""
        for at, line in enumerate(self.lines, start=1):
            spot = f":{at}:{len(line) - len(line.lstrip()) + 1}"
            if found := _HEADER.match(line):
                header = found[1]
                count += header == table
                if header == table and count == wanted:
                    head = spot
            elif key is not None and line.partition("=")[0].strip() == key:
                if header == table and count == wanted:
                    in_table = in_table or spot
                elif header == "device" and table == "value":
                    in_defaults = in_defaults or spot
        return in_table or in_defaults or head
