"""Read lists of standard addresses from CSV: find the columns, keep back what cannot be used.

A row is kept back with its number and the reason, never silently dropped. The number is the line of
the file that the row begins on, so that an editor shows it. Storing is ``twin.addresses.store``.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from core.errors import UsageError
from geodata.addresses.names import Gazetteer
from geodata.addresses.parse import parse
from geodata.addresses.places import StandardAddress
from geodata.addresses.text import MAX_TEXT
from geodata.frames import Frame, OutOfFrame, Points

HEADINGS = {
    "address": ("address", "text", "地址", "标准地址", "详细地址", "地址全称", "统一地址"),
    "lon": ("lon", "lng", "longitude", "x", "经度", "东坐标"),
    "lat": ("lat", "latitude", "y", "纬度", "北坐标"),
    "space_code": ("space_code", "space", "grid_code", "空间编码", "网格编码", "单元编码"),
    "building_code": ("building_code", "楼栋编码", "建筑编码", "建筑物编码"),
    "house_code": ("house_code", "room_code", "房屋编码", "户室编码"),
    "source": ("source", "来源", "数据来源"),
}
"""Column names that are understood, by what they hold; capitals and spaces around do not matter."""

ROWS_AT_ONCE = 2000
_LONGEST_CELL = 4 * MAX_TEXT
_MARKS = ((b"\xef\xbb\xbf", "utf-8-sig"), (b"\xff\xfe", "utf-16"), (b"\xfe\xff", "utf-16"))


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptBack:
    """A row that was not taken, the line it stands on, and why."""

    line: int
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Columns:
    """Which column holds what; -1 for none."""

    address: int
    lon: int = -1
    lat: int = -1
    space_code: int = -1
    building_code: int = -1
    house_code: int = -1
    source: int = -1


@dataclass(frozen=True, slots=True)
class Line:
    """An address read and the line it stood on."""

    line: int
    address: StandardAddress


def decode(content: bytes, encoding: str | None) -> tuple[str, str]:
    """Return the text of a file and the encoding it was read in.

    A byte order mark decides; without one UTF-8 is tried, then GB 18030, which contains GBK.

    Raises:
        UsageError: the encoding is unknown or does not fit.
    """
    marked = next((name for mark, name in _MARKS if content.startswith(mark)), None)
    tries = [marked] if marked else [encoding] if encoding else ["utf-8", "gb18030"]
    for name in tries:
        try:
            return content.decode(name), name
        except UnicodeDecodeError:
            continue
        except (LookupError, ValueError) as error:
            raise UsageError(
                f"there is no encoding {name!r}", remedy="use UTF-8 or GB18030"
            ) from error
    raise UsageError(
        f"the file is not {' nor '.join(str(name) for name in tries)}",
        remedy="name its encoding with --encoding, or save it as UTF-8",
    )


def find_columns(heading: Sequence[str], given: Mapping[str, str]) -> Columns:
    """Find the columns by their headings.

    Args:
        heading: the first row.
        given: what -> heading, where it is none of ``HEADINGS``.

    Raises:
        UsageError: a heading stands twice or is missing.
    """
    known = [cell.strip().lower() for cell in heading]
    places: dict[str, int] = {}
    for what, names in HEADINGS.items():
        wanted = (given[what].strip().lower(),) if what in given else names
        found = [i for i, cell in enumerate(known) if cell in wanted]
        if len(found) > 1:
            raise UsageError(
                f"the columns {', '.join(heading[i] for i in found)} could all be the {what}",
                remedy=f"say which: --column {what}=HEADING",
            )
        if what in given and not found:
            raise UsageError(f"there is no column {given[what]!r}", remedy=_has(heading))
        if found:
            places[what] = found[0]
    if unknown := set(given) - set(HEADINGS):
        raise UsageError(
            f"{min(unknown)!r} is nothing a column can hold",
            remedy=f"one of: {', '.join(HEADINGS)}",
        )
    if "address" not in places:
        raise UsageError("no column holds the address", remedy=_has(heading))
    if ("lon" in places) != ("lat" in places):
        raise UsageError("longitude and latitude must both be there", remedy=_has(heading))
    return Columns(**places)


def _has(heading: Sequence[str]) -> str:
    return f"the file has: {', '.join(heading[:40])}; name one with --column WHAT=HEADING"


def read(
    text: str, *, frame: Frame, names: Gazetteer, source: str, columns: Mapping[str, str]
) -> Iterator[Line | KeptBack]:
    """Yield every row of a CSV text, as an address or kept back, in order.

    Args:
        text: the file, decoded; the first row holds the headings.
        frame: of its positions; those that come out are EPSG:4490.
        names: the gazetteer to read the addresses with.
        source: for rows that name none.
        columns: see ``find_columns``.

    Raises:
        UsageError: the headings cannot be used, or the file is no CSV.
    """
    rows = _rows(text)
    _, heading = next(rows, (0, []))
    found = find_columns(heading, columns)
    seen: dict[str, int] = {}
    batch: list[Line | KeptBack] = []
    for line, cells in rows:
        batch.append(_one(line, cells, found, names, source))
        if len(batch) == ROWS_AT_ONCE:
            yield from _unique(_converted(batch, frame), seen)
            batch = []
    yield from _unique(_converted(batch, frame), seen)


def _rows(text: str) -> Iterator[tuple[int, list[str]]]:
    """Yield rows with the line they begin on; empty ones are passed over."""
    sample = text[:4000].splitlines()[:1]
    delimiter = max(",;\t", key=lambda sign: sample[0].count(sign) if sample else 0)
    reader = csv.reader(io.StringIO(text), delimiter=delimiter, strict=True)
    begin = 1
    try:
        for cells in reader:
            if any(cell.strip() for cell in cells):
                yield begin, cells
            begin = reader.line_num + 1
    except csv.Error as error:
        raise UsageError(
            f"line {reader.line_num}: the file is no CSV from here on: {error}",
            remedy="look for a quotation mark that is not closed",
        ) from error


def _one(
    line: int, cells: list[str], columns: Columns, names: Gazetteer, source: str
) -> Line | KeptBack:
    def cell(place: int) -> str:
        return cells[place].strip() if 0 <= place < len(cells) else ""

    text = cell(columns.address)
    if any(len(one) > _LONGEST_CELL for one in cells):
        return KeptBack(line=line, reason=f"a cell has more than {_LONGEST_CELL} characters")
    if reason := _unusable(text):
        return KeptBack(line=line, reason=reason)
    position = _position(cell(columns.lon), cell(columns.lat))
    codes = {
        name: cell(getattr(columns, name)) or None
        for name in ("space_code", "building_code", "house_code")
    }
    reason = position if isinstance(position, str) else _code_wrong(codes)
    if not reason and position is None and not any(codes.values()):
        reason = "it has neither a position nor the code of a space, building or house"
    address = parse(text, names)
    if not reason and not (address.local or any(address.admin)):
        reason = f"no address was read in {text!r}"
    if reason:
        return KeptBack(line=line, reason=reason)
    assert not isinstance(position, str)
    lon, lat = position or (None, None)
    house, building = codes["house_code"], codes["building_code"]
    building = building or (house[:19] if house else None)
    return Line(
        line,
        StandardAddress(
            text=text,
            address=address,
            lon=lon,
            lat=lat,
            space_code=codes["space_code"] or (building if position is None else None),
            building_code=building,
            house_code=house,
            source=cell(columns.source) or source,
        ),
    )


def _unusable(text: str) -> str:
    if not text:
        return "the address is empty"
    if len(text) > MAX_TEXT:
        return f"the address has {len(text)} characters; at most {MAX_TEXT} are read"
    if "\x00" in text:
        return "the address holds a NUL character"
    return ""


def _position(lon: str, lat: str) -> tuple[float, float] | str | None:
    """Return the position as it stands, None if there is none, a reason if it cannot be read."""
    if not lon and not lat:
        return None
    try:
        x, y = float(lon), float(lat)
    except ValueError:
        return f"({lon or 'nothing'}, {lat or 'nothing'}) is no position"
    return (x, y) if np.isfinite([x, y]).all() else f"({lon}, {lat}) is no position"


def _code_wrong(codes: Mapping[str, str | None]) -> str:
    for name, digits in (("building_code", 19), ("house_code", 25)):
        code = codes[name]
        if code and not (code.isascii() and code.isdigit() and len(code) == digits):
            return f"{name} {code!r} is not {digits} digits"
    house, building = codes["house_code"], codes["building_code"]
    if house and building and not house.startswith(building):
        return f"house_code {house} does not begin with building_code {building}"
    space = codes["space_code"]
    if space and len(space) > 64:
        return "space_code has more than 64 characters"
    return ""


def _converted(batch: list[Line | KeptBack], frame: Frame) -> Iterator[Line | KeptBack]:
    """Bring the positions of a batch to EPSG:4490; those that are nowhere are kept back."""
    placed = [one for one in batch if isinstance(one, Line) and one.address.lon is not None]
    there = dict(zip((one.line for one in placed), _degrees(placed, frame), strict=True))
    for one in batch:
        degrees = there.get(one.line) if isinstance(one, Line) else None
        if isinstance(one, KeptBack) or degrees is None:
            yield one
        elif isinstance(degrees, str):
            yield KeptBack(line=one.line, reason=degrees)
        else:
            lon, lat = (round(value, 8) for value in degrees)
            yield Line(one.line, replace(one.address, lon=lon, lat=lat, frame=frame.name))


def _degrees(placed: list[Line], frame: Frame) -> list[list[float] | str]:
    """Return longitude and latitude for each line, or why its position cannot be."""
    given = np.array([(one.address.lon, one.address.lat) for one in placed], dtype=np.float64)
    if not placed:
        return []
    try:
        return [*frame.to_degrees(given).tolist()]
    except OutOfFrame:
        return [_one_degree(xy, frame) for xy in given]


def _one_degree(xy: Points, frame: Frame) -> list[float] | str:
    try:
        found: list[float] = frame.to_degrees(xy.reshape(1, 2))[0].tolist()
    except OutOfFrame as error:
        return error.reason
    return found


def _unique(batch: Iterator[Line | KeptBack], seen: dict[str, int]) -> Iterator[Line | KeptBack]:
    """Keep back what an earlier line of the same file already says."""
    for one in batch:
        if isinstance(one, KeptBack):
            yield one
            continue
        keys = [key for key in (one.address.address.normal, one.address.house_code) if key]
        earlier = [(key, seen[key]) for key in keys if key in seen]
        if earlier:
            key, line = earlier[0]
            yield KeptBack(line=one.line, reason=f"line {line} has {key} already")
            continue
        seen |= dict.fromkeys(keys, one.line)
        yield one
