"""Codes of the block grid: administrative units, grids, blocks, buildings, houses, BeiDou cells.

    kind        digits  made of
    province    6       2 and 0000 (GB/T 2260)
    city        6       4 and 00
    district    6
    street      9       district and 3
    community   12      street and 3
    grid        15      community and 3, numbered west to east, north to south (GB/T 30428 family)
    block       17      grid and 2: our own, for maps whose authors number blocks no other way
    building    19      community, 2 of the base grid, 5 of the building (Shenzhen, unified address)
    house       25      building and 6 of the room

The grid has three digits in the 15-digit code and two in the 19-digit one: these are two different
numberings. Nothing here turns one into the other; ``containers`` names what *may* contain a
building and its caller looks whether it does. All codes are text. A number is refused with a
TypeError, because from the 16th digit on a spreadsheet has already changed it.

Pure: no clock, no files. BeiDou grid codes are ``geodata.beidou``'s; ``parse`` knows them too.
"""

from __future__ import annotations

import math
import re
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum

from core.model import SpaceKind
from geodata import beidou
from geodata.malformed import Cause, CodeMalformed, text_only
from geodata.said import KINDS_ZH, Said, quoted

__all__ = [
    "Cause", "Code", "CodeKind", "CodeMalformed", "child", "containers", "in_reading_order",
    "parent", "parse", "rounded", "validate",
]  # fmt: skip


class CodeKind(StrEnum):
    """What a code stands for, from large to small; the words of ``SpaceKind`` recur."""

    PROVINCE = "province"
    CITY = "city"
    DISTRICT = "district"
    STREET = "street"
    COMMUNITY = "community"
    GRID = "grid"
    BLOCK = "block"
    BUILDING = "building"
    HOUSE = "house"
    BEIDOU = "beidou"


@dataclass(frozen=True, slots=True, kw_only=True)
class Code:
    """A code taken apart.

    Attributes:
        text: the code itself.
        parent: code of what surely contains it: its own beginning; None for a province and for a
            BeiDou cell of level 1. A building's is its community, for its two grid digits are no
            unit grid code.
        parts: name and digits of each piece, in order; together they are the text.
        level: 1 to 10 for a BeiDou cell, else None.
    """

    kind: CodeKind
    text: str
    parent: str | None
    parts: tuple[tuple[str, str], ...]
    level: int | None = None


PROVINCES = frozenset(
    str(first * 10 + second)
    for first, seconds in {
        1: range(1, 6), 2: range(1, 4), 3: range(1, 8), 4: range(1, 7), 5: range(5), 6: range(1, 6),
        7: (1,), 8: (1, 2),
    }.items()
    for second in seconds
)  # fmt: skip
"""First two digits of an administrative code (GB/T 2260)."""

_ADMIN = (("province", 2), ("city", 2), ("district", 2), ("street", 3), ("community", 3))
_PIECES: dict[int, tuple[tuple[str, int], ...]] = {
    6: _ADMIN[:3],
    9: _ADMIN[:4],
    12: _ADMIN,
    15: (*_ADMIN, ("grid", 3)),
    17: (*_ADMIN, ("grid", 3), ("block", 2)),
    19: (*_ADMIN, ("base grid", 2), ("building", 5)),
    25: (*_ADMIN, ("base grid", 2), ("building", 5), ("room", 6)),
}
_KINDS = {
    9: CodeKind.STREET, 12: CodeKind.COMMUNITY, 15: CodeKind.GRID, 17: CodeKind.BLOCK,
    19: CodeKind.BUILDING, 25: CodeKind.HOUSE,
}  # fmt: skip
_LENGTHS = {kind: length for length, kind in _KINDS.items()} | dict.fromkeys(
    (CodeKind.PROVINCE, CodeKind.CITY, CodeKind.DISTRICT), 6
)
_PARENT_LENGTHS = {9: 6, 12: 9, 15: 12, 17: 15, 19: 12, 25: 19}
_SPREADSHEET_DIGITS = 15
"""A spreadsheet keeps so many digits of a number and writes zeros for the others."""

_LONGEST = 64
_INVISIBLE = re.compile("[\\s\u00ad\u200b-\u200f\u2060\ufeff]")
_EXPONENT = re.compile(r"[0-9](\.[0-9]+)?[eE]\+?[0-9]{1,3}")
_ROUNDED_CHANCE = 1e-4


def parse(code: str) -> Code:
    """Take a code apart.

    Example:
        >>> found = parse("4403030010010100012")
        >>> found.kind.value, found.parent, found.parts[-2:]
        ('building', '440303001001', (('base grid', '01'), ('building', '00012')))

    Raises:
        CodeMalformed: if it is none of the known codes; the reason names what is wrong.
        TypeError: for anything but text.
    """
    text = text_only(code, "a code")
    if beidou.looks_like(text):
        return _beidou(text)
    _refuse_spoiled(text)
    if not re.fullmatch("[0-9]+", text) or len(text) not in _PIECES:
        raise CodeMalformed(
            _unknown_shape(text),
            cause=Cause.SHAPE,
        )
    _check_digits(text)
    _refuse_cut_by_spreadsheet(text)
    return Code(kind=_kind(text), text=text, parent=_parent(text), parts=_parts(text))


def validate(code: str, kind: CodeKind | str) -> str | None:
    """Return why the text is no code of that kind, or None if it is one.

    Example:
        >>> validate("990303001", CodeKind.STREET)
        "digits 1-2 of '990303001' are 99, which is no province (GB/T 2260)"
        >>> validate("440303001", "street") is None
        True
    """
    wanted = CodeKind(kind)
    try:
        found = parse(code)
    except CodeMalformed as wrong:
        return wrong.reason
    if found.kind is wanted:
        return None
    length = _LENGTHS.get(wanted)
    needs = f"has {length} digits" if length else "begins as N50F"
    return f"{code!r} is the code of a {found.kind}; that of a {wanted} {needs}"


def parent(code: str) -> str | None:
    """Return the code of what surely contains it (see ``Code.parent``)."""
    return parse(code).parent


def containers(code: str) -> tuple[str, ...]:
    """Return codes of what may contain it, the smallest first, from its digits alone.

    For a building these begin with the block and the grid as our own block numbering would have
    them (two digits of the block, then three of the building): look whether such a space exists.

    Example:
        >>> containers("4403030010010100012")[:3]
        ('44030300100100100', '440303001001001', '440303001001')
    """
    found = parse(code)
    chain = []
    if found.kind is CodeKind.BUILDING:
        grid = f"{code[:12]}0{code[12:14]}"
        chain = [grid + code[14:16], grid]
    above = found.parent
    while above is not None:
        chain.append(above)
        above = parse(above).parent
    return tuple(chain)


def child(code: str, number: int) -> str:
    """Return the code of the ``number``-th street, community, grid, block or house inside.

    Raises:
        ValueError: if the number does not fit, or nothing is numbered inside (BeiDou cells have
            ``beidou.children``; a building's number needs a grid that the community does not know).

    Example:
        >>> child("440303001001", 7)
        '440303001001007'
    """
    inside = {
        CodeKind.DISTRICT: 3, CodeKind.STREET: 3, CodeKind.COMMUNITY: 3, CodeKind.GRID: 2,
        CodeKind.BUILDING: 6,
    }  # fmt: skip
    kind = parse(code).kind
    if kind not in inside:
        raise ValueError(f"nothing is numbered by code inside a {kind} ({code})")
    width = inside[kind]
    if not 1 <= number < 10**width:
        raise ValueError(f"number {number} inside {code} is not in 1 to {10**width - 1}")
    return f"{code}{number:0{width}d}"


def in_reading_order(centres: Sequence[tuple[float, float]], band: float) -> list[int]:
    """Return the order in which cells are numbered: west to east in bands from north to south.

    Args:
        centres: x to the east, y to the north, in any unit.
        band: height of a band in the same unit; cells whose centres fall into one are a row.

    Example:
        >>> in_reading_order([(5, 0), (1, 0), (3, 9)], band=5)
        [2, 1, 0]
    """
    if band <= 0:
        raise ValueError(f"a band of {band} has no height")
    return sorted(
        range(len(centres)),
        key=lambda i: (-math.floor(centres[i][1] / band), centres[i][0], -centres[i][1]),
    )


def rounded(codes: Iterable[str]) -> bool:
    """Tell whether the long codes of a file have gone through a floating-point number.

    A single code cannot tell; of many, only one in eight (17 digits) or in 512 (19 digits) would be
    such a number by chance. True from a chance of 1 in 10,000 on.
    """
    chance = 1.0
    for code in set(codes):
        if len(code) in (17, 19) and re.fullmatch("[0-9]+", code):
            if int(float(code)) != int(code):
                return False
            chance *= math.ldexp(1, -max(0, int(code).bit_length() - 53))
    return chance < _ROUNDED_CHANCE


def _beidou(text: str) -> Code:
    level = beidou.level_of(text)
    edges = list(zip(beidou.LENGTHS[:level], beidou.LENGTHS[1 : level + 1], strict=True))
    pieces = [(f"level {n}", text[start:end]) for n, (start, end) in enumerate(edges, start=1)]
    return Code(
        kind=CodeKind.BEIDOU,
        text=text,
        parent=beidou.parent(text),
        parts=(("hemisphere", text[0]), *pieces),
        level=level,
    )


def _kind(text: str) -> CodeKind:
    if len(text) != 6:
        return _KINDS[len(text)]
    if text.endswith("0000"):
        return CodeKind.PROVINCE
    return CodeKind.CITY if text.endswith("00") else CodeKind.DISTRICT


def _parent(text: str) -> str | None:
    if len(text) > 6:
        return text[: _PARENT_LENGTHS[len(text)]]
    if text.endswith("0000"):
        return None
    return f"{text[:2]}0000" if text.endswith("00") else f"{text[:4]}00"


def _parts(text: str) -> tuple[tuple[str, str], ...]:
    found, at = [], 0
    for name, width in _PIECES[len(text)]:
        found.append((name, text[at : at + width]))
        at += width
    return tuple(found)


def _check_digits(text: str) -> None:
    """Refuse digits that cannot be: a province that is none, a part that is 000."""
    if text[:2] not in PROVINCES:
        raise CodeMalformed(
            Said(
                f"{quoted(text)}第 1-2 位为 {text[:2]}，不是省级代码（GB/T 2260）",
                f"digits 1-2 of {text!r} are {text[:2]}, which is no province (GB/T 2260)",
            ),
            cause=Cause.DIGITS,
        )
    at = 6
    for name, width in _PIECES[len(text)][3:]:
        digits, start = text[at : at + width], at
        at += width
        # Nought is a room that stands for the whole building, and a base grid nobody drew.
        if name in ("street", "community", "grid") and not digits.strip("0"):
            _refuse_nought(text, name, start, at)


def _refuse_nought(text: str, name: str, start: int, end: int) -> None:
    padded = not text[start:].strip("0") and len(text) in (9, 12)
    level = KINDS_ZH[SpaceKind(name)]
    raise CodeMalformed(
        Said(
            f"{quoted(text)}第 {start + 1}-{end} 位为 {text[start:end]}，不是{level}代码"
            + (f"；实为 {text[:start]} 末尾补零" if padded else ""),
            f"digits {start + 1}-{end} of {text!r} are {text[start:end]}, no {name}"
            + (f"; it is {text[:start]} filled up with zeros" if padded else ""),
        ),
        cause=Cause.DIGITS,
        mended=text[:start] if padded else "",
    )


def _refuse_spoiled(text: str) -> None:
    """Refuse what a spreadsheet or a keyboard made of a code, and say which code was meant."""
    if _EXPONENT.fullmatch(text):
        raise CodeMalformed(
            Said(
                f"{quoted(text)}是科学计数法的数值：电子表格把编码当作数值，末尾各位已丢失；"
                "该列请按文本提供",
                f"{text!r} is a number in scientific notation: a spreadsheet took the code for a "
                "number and its last digits are lost; deliver the column as text",
            ),
            cause=Cause.SPOILED,
        )
    for why, mended in _mendings(text):
        if mended != text and re.fullmatch("[0-9]+", mended) and len(mended) in _PIECES:
            said = Said(f"{quoted(text)}{why.zh}", f"{text!r} {why.en}")
            raise CodeMalformed(said, cause=Cause.SPOILED, mended=mended)


def _mendings(text: str) -> Iterable[tuple[Said, str]]:
    plain = unicodedata.normalize("NFKC", text[:_LONGEST])
    yield Said("用全角数字书写", "is written with full-width digits"), plain
    bare = _INVISIBLE.sub("", plain)
    yield Said("含空格或不可见字符", "has spaces or invisible signs in it"), bare
    yield (
        Said("带电子表格的文本撇号", "has the apostrophe by which a spreadsheet marks text"),
        bare.strip("'\u2018\u2019\""),
    )
    yield Said("带数值的小数尾", "ends in the decimals of a number"), re.sub(r"\.0+$", "", bare)
    yield Said("带数值分隔符", "has the separators of a number"), re.sub(r"[,_-]", "", bare)
    yield (
        Said("以字母 O 或 l 代替数字", "has letters O or l in place of digits"),
        bare.translate(str.maketrans("OoIl", "0011")),
    )


def _refuse_cut_by_spreadsheet(text: str) -> None:
    tail = text[_SPREADSHEET_DIGITS:]
    if len(text) >= 17 and not tail.strip("0"):
        raise CodeMalformed(
            Said(
                f"{quoted(text)}第 {_SPREADSHEET_DIGITS + 1}-{len(text)} 位全为 0：电子表格的数值"
                f"只保留 {_SPREADSHEET_DIGITS} 位；该列请按文本提供",
                f"digits {_SPREADSHEET_DIGITS + 1}-{len(text)} of {text!r} are all 0: a "
                f"spreadsheet keeps {_SPREADSHEET_DIGITS} digits of a number; "
                "deliver the column as text",
            ),
            cause=Cause.SPOILED,
        )


def _unknown_shape(text: str) -> Said:
    there = _what_is_there(text)
    return Said(
        f"{quoted(text[:_LONGEST])}{there.zh}；可识别的编码为 "
        "6、9、12、15、17、19、25 位数字码和北斗网格码",
        f"{text[:_LONGEST]!r} {there.en}; known are codes of "
        "6, 9, 12, 15, 17, 19 or 25 digits and BeiDou grid codes",
    )


def _what_is_there(text: str) -> Said:
    if not text:
        return Said("为空", "is empty")
    if re.fullmatch("[0-9]+", text):
        lost = len(text) in (5, 8, 11, 16, 18, 24)
        return Said(
            f"共 {len(text)} 位{'，可能少了一位' if lost else ''}",
            f"has {len(text)} digits{', perhaps one was lost' if lost else ''}",
        )
    return Said("含非数字字符", "holds signs that are no digits")
