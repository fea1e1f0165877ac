"""BeiDou grid location codes, two-dimensional, levels 1 to 10 (GB/T 39409-2020).

A code is a hemisphere letter and one piece a level; each piece divides the cell before it:

    level   cell                 parts (east x north)   written as
    1       6 deg x 4 deg        60 x 22                two digits (column + 31) and a letter
    2       30' x 30'            12 x 8                 two hex digits: column, row
    3       15' x 10'            2 x 3                  one digit: row * 2 + column
    4       1' x 1'              15 x 10                two hex digits
    5       4" x 4"              15 x 15                two hex digits
    6       2" x 2"              2 x 2                  one digit: row * 2 + column
    7..10   1/4, 1/32, 1/256, 1/2048 second   8 x 8     two digits

Columns count from the west, rows from the south. Level 5 is about 120 m, level 10 1.5 cm. Only the
north-eastern quarter of the globe is read, in which China lies with all its islands: elsewhere the
standard mirrors the rows and columns, and no published example was at hand to check that with.

Cells are exact: inside, everything is counted in whole 1/2048 seconds. A cell holds its western and
southern edge. Pure: no clock, no files.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass

from geodata.malformed import Cause, CodeMalformed, text_only
from geodata.said import Said, quoted

UNITS = 3600 * 2048
"""Units of 1/2048 second in a degree, the edge of a cell of level 10."""

LENGTHS = (1, 4, 6, 7, 9, 11, 12, 14, 16, 18, 20)
"""Signs in a code of level 0 to 10."""

DEEPEST = 10
_SNAP = 1e-6
"""Of a unit: what a double may fall short of the edge it stands for (0.02 micrometres)."""

_WEST_LIMIT, _EAST_LIMIT, _NORTH_LIMIT = 0, 180, 88
_FIRST_COLUMN = 31
_LETTERS = "ABCDEFGHIJKLMNOPQRSTUV"
_HEX = "0123456789ABCDEF"


@dataclass(frozen=True, slots=True)
class _Level:
    """One division: the edges of its cells in units, and how many there are in the one before."""

    width: int
    height: int
    columns: int
    rows: int
    one_digit: bool = False


def _levels() -> tuple[_Level, ...]:
    parts = ((12, 8, False), (2, 3, True), (15, 10, False), (15, 15, False), (2, 2, True))
    found = [_Level(6 * UNITS, 4 * UNITS, 30, 22)]
    for columns, rows, one_digit in parts + ((8, 8, False),) * 4:
        above = found[-1]
        found.append(_Level(above.width // columns, above.height // rows, columns, rows, one_digit))
    return tuple(found)


_LEVELS = _levels()


@dataclass(frozen=True, slots=True, kw_only=True)
class Bounds:
    """A cell in degrees, EPSG:4490; the west and south edge belong to it."""

    west: float
    south: float
    east: float
    north: float


def encode(lon: float, lat: float, level: int = DEEPEST) -> str:
    """Return the code of the cell that holds a point.

    Args:
        lon: degrees east, EPSG:4490 (0 up to, not including, 180).
        lat: degrees north (0 up to, not including, 88).
        level: 1 (6 by 4 degrees) to 10 (1.5 cm).

    Raises:
        ValueError: for a level or a place that is out of range.

    Example:
        >>> encode(116.312602778, 39.993161111)
        'N50J47539B8255346152'
        >>> encode(114.1315, 22.5484, 5)
        'N50F05072DD'
    """
    _known_level(level)
    if not (_WEST_LIMIT <= lon < _EAST_LIMIT and 0 <= lat < _NORTH_LIMIT):
        raise ValueError(
            f"{lon}, {lat} is not in the north-eastern quarter of the globe "
            "(longitude 0 to 180, then latitude 0 to 88): are the axes exchanged?"
        )
    return _code(math.floor(lon * UNITS + _SNAP), math.floor(lat * UNITS + _SNAP), level)


def level_of(code: str) -> int:
    """Return the level of a code, 1 to 10, after reading it whole.

    Raises:
        CodeMalformed: if it is none.
        TypeError: if it is no text.
    """
    return _read(code)[2]


def decode(code: str) -> Bounds:
    """Return the cell of a code.

    Example:
        >>> decode("N50F05")
        Bounds(west=114.0, south=22.5, east=114.5, north=23.0)

    Raises:
        CodeMalformed: if the text is no code; the reason names the sign.
    """
    x, y, level = _read(code)
    size = _LEVELS[level - 1]
    return Bounds(
        west=x / UNITS, south=y / UNITS, east=(x + size.width) / UNITS,
        north=(y + size.height) / UNITS,
    )  # fmt: skip


def parent(code: str) -> str | None:
    """Return the code of the cell around it; None for level 1.

    Example:
        >>> parent("N50F05072DD"), parent("N50F")
        ('N50F05072', None)
    """
    level = level_of(code)
    return code[: LENGTHS[level - 1]] if level > 1 else None


def children(code: str) -> tuple[str, ...]:
    """Return the cells inside, row by row from north to south, each row from west to east.

    This is the order in which unit grids are numbered, not the order of the texts (these go up the
    columns from the south). A cell of level 10 has none.

    Example:
        >>> children("N50F05")
        ('N50F054', 'N50F055', 'N50F052', 'N50F053', 'N50F050', 'N50F051')
    """
    x, y, level = _read(code)
    if level == DEEPEST:
        return ()
    inner = _LEVELS[level]
    return tuple(
        _code(x + column * inner.width, y + row * inner.height, level + 1)
        for row in reversed(range(inner.rows))
        for column in range(inner.columns)
    )


def neighbours(code: str) -> dict[str, str]:
    """Return the cells around by direction: N, NE, E, SE, S, SW, W, NW; none beyond the quarter.

    Example:
        >>> neighbours("N50F05072DD")["E"], neighbours("N50F05072DD")["N"]
        ('N50F05072ED', 'N50F05072DE')
    """
    x, y, level = _read(code)
    size = _LEVELS[level - 1]
    around = {
        "N": (0, 1), "NE": (1, 1), "E": (1, 0), "SE": (1, -1),
        "S": (0, -1), "SW": (-1, -1), "W": (-1, 0), "NW": (-1, 1),
    }  # fmt: skip
    found = {}
    for name, (east, north) in around.items():
        at_x, at_y = x + east * size.width, y + north * size.height
        if 0 <= at_x < _EAST_LIMIT * UNITS and 0 <= at_y < _NORTH_LIMIT * UNITS:
            found[name] = _code(at_x, at_y, level)
    return found


def looks_like(text: str) -> bool:
    """Tell whether a text begins as a code of level 1 does; whether it is one, ``decode`` says."""
    return re.match(r"[NS][0-9]{2}[A-Z]", text) is not None


def _known_level(level: int) -> None:
    if not 1 <= level <= DEEPEST:
        raise ValueError(f"level {level} of the BeiDou grid does not exist here: 1 to {DEEPEST}")


def _code(x: int, y: int, level: int) -> str:
    """Return the code of the cell at a place given in units."""
    first = _LEVELS[0]
    column, x = divmod(x, first.width)
    row, y = divmod(y, first.height)
    pieces = [f"N{column + _FIRST_COLUMN:02d}{_LETTERS[row]}"]
    for size in _LEVELS[1:level]:
        column, x = divmod(x, size.width)
        row, y = divmod(y, size.height)
        pieces.append(str(row * 2 + column) if size.one_digit else _HEX[column] + _HEX[row])
    return "".join(pieces)


def _read(code: str) -> tuple[int, int, int]:
    """Return the south-western corner in units, and the level."""
    text = text_only(code, "a BeiDou grid code")
    level = _level_by_length(text)
    x, y = _read_first(text)
    for size, start, end in zip(
        _LEVELS[1:level], LENGTHS[1:level], LENGTHS[2 : level + 1], strict=True
    ):
        column, row = _read_piece(text, size, start, end)
        x, y = x + column * size.width, y + row * size.height
    return x, y, level


def _level_by_length(text: str) -> int:
    if len(text) not in LENGTHS[1:]:
        raise CodeMalformed(
            Said(
                f"{quoted(text)}共 {len(text)} 个字符；北斗网格码应为 "
                f"{'、'.join(str(n) for n in LENGTHS[1:-1])} 或 {LENGTHS[-1]} 个字符（1 至 10 级）",
                f"{text!r} has {len(text)} signs; a BeiDou grid code has "
                f"{', '.join(str(n) for n in LENGTHS[1:-1])} or {LENGTHS[-1]} (levels 1 to 10)",
            ),
            cause=Cause.SHAPE,
        )
    return LENGTHS.index(len(text))


def _read_first(text: str) -> tuple[int, int]:
    if text[0] == "S":
        said = Said(
            f"{quoted(text)}位于赤道以南，不在中国境内",
            f"{text!r} lies south of the equator, not in China",
        )
        raise CodeMalformed(said, cause=Cause.DIGITS)
    if re.match(r"N[0-9]{2}[A-Z]", text) is None:
        raise CodeMalformed(
            Said(
                f"{quoted(text)}以{quoted(text[:4])}开头；"
                "北斗网格码以 N、两位数字和一个大写字母开头，如 N50F",
                f"{text!r} begins with {text[:4]!r}; a BeiDou grid code begins with N, two digits "
                "and a capital letter, as N50F",
            ),
            cause=Cause.SHAPE,
        )
    column, row = int(text[1:3]) - _FIRST_COLUMN, _LETTERS.find(text[3])
    if not 0 <= column < _LEVELS[0].columns:
        raise CodeMalformed(
            Said(
                f"{quoted(text)}第 2-3 位为 {text[1:3]}；东经范围应为 31 至 60",
                f"digits 2-3 of {text!r} are {text[1:3]}; east of Greenwich they are 31 to 60",
            ),
            cause=Cause.DIGITS,
        )
    if row < 0:
        raise CodeMalformed(
            Said(
                f"{quoted(text)}第 4 位为 {text[3]}；应为 A 至 V（纬度 0 至 88 度）",
                f"sign 4 of {text!r} is {text[3]}; it is A to V (latitude 0 to 88)",
            ),
            cause=Cause.DIGITS,
        )
    return column * _LEVELS[0].width, row * _LEVELS[0].height


def _read_piece(text: str, size: _Level, start: int, end: int) -> tuple[int, int]:
    """Return column and row of one piece of a code."""
    digits = [_HEX.find(sign) for sign in text[start:end]]
    if size.one_digit:
        row, column = divmod(digits[0], 2) if digits[0] >= 0 else (-1, -1)
        most = str(size.rows * 2 - 1)
    else:
        column, row = digits
        most = f"{_HEX[size.columns - 1]} and {_HEX[size.rows - 1]}"
    if 0 <= column < size.columns and 0 <= row < size.rows:
        return column, row
    several = end > start + 1
    at = f"{start + 1}-{end}" if several else f"{start + 1}"
    raise CodeMalformed(
        Said(
            f"{quoted(text)}第 {at} 位为{quoted(text[start:end])}；应在 0 至 "
            f"{most.replace(' and ', ' 和 ')} 之间（大写字母）",
            f"{'signs' if several else 'sign'} {at} of {text!r} are {text[start:end]!r}; "
            f"they go from 0 to {most} (capital letters)",
        ),
        cause=Cause.DIGITS,
    )
