"""Clean what a person typed: one width, one case, one script, one kind of dash, Arabic numbers.

Taking the clean text apart is ``geodata.addresses.parse``. Only characters are changed here whose
meaning does not depend on their neighbours; the exception is numerals, which become digits only
before a word that counts something (十二栋), because 五一路 and 三九大厦 are names.
"""

from __future__ import annotations

import re
import unicodedata

from core.errors import UsageError

MAX_TEXT = 200
"""Characters of an address; the longest real ones seen have about 80."""


class AddressTooLong(UsageError):
    """A text is longer than any address."""

    def __init__(self, length: int) -> None:
        super().__init__(
            f"the address has {length} characters; at most {MAX_TEXT} are read",
            remedy="give one address, without remarks",
        )


def admit(text: str) -> str:
    """Return the text, stripped.

    Raises:
        AddressTooLong: it has more than ``MAX_TEXT`` characters.
    """
    stripped = text.strip()
    if len(stripped) > MAX_TEXT:
        raise AddressTooLong(len(stripped))
    return stripped


_TRADITIONAL = dict(
    zip(
        "號棟樓單層區鎮鄉縣龍羅廣東門貝灣園蓮筍崗寶鹽華業廈閣場鋪舖雙綠麗樂銀長陽國寧紅圍蘭橋衛處後裡裏戶負"
        "學術農車馬島發興鵬嶺巖臺灘濱湧豐萬達營廠館醫電鐵機頭書畫錦劉葉黃來雲新龜許趙鄭楊陳張孫韓馮鄧",
        "号栋楼单层区镇乡县龙罗广东门贝湾园莲笋岗宝盐华业厦阁场铺铺双绿丽乐银长阳国宁红围兰桥卫处后里里户负"
        "学术农车马岛发兴鹏岭岩台滩滨涌丰万达营厂馆医电铁机头书画锦刘叶黄来云新龟许赵郑杨陈张孙韩冯邓",
        strict=True,
    )
)
_SIGNS = {
    **dict.fromkeys("‐‑‒–—―─━−ー﹣", "-"),
    **dict.fromkeys("∼〜～", "~"),
    **dict.fromkeys("【〔[{《<〈「『", "("),
    **dict.fromkeys("】〕]}》>〉」』", ")"),
    "№": "#",
    "○": "〇",
    "◯": "〇",
}
_TABLE = str.maketrans(_TRADITIONAL | _SIGNS)
_BREAK = r"[\s,;.。、:/\\|·•・'\"“”‘’!?*_=+&^%$@`]"
_LIST = re.compile(r"(?<=\d)\s*[、~至]\s*(?=\d)")
_BREAK_IN_NUMBER = re.compile(rf"(?<=[0-9A-Z]){_BREAK}+(?=[0-9A-Z])")
_BREAKS = re.compile(rf"{_BREAK}+")
_DASHES = re.compile(r" *-[ -]*")

_DIGITS = dict(zip("〇零一二两三四五六七八九", (0, 0, 1, 2, 2, 3, 4, 5, 6, 7, 8, 9), strict=True))
_FORMAL = str.maketrans("壹贰叁肆伍陆柒捌玖拾佰仟", "一二三四五六七八九十百千")
_UNITS = {"十": 10, "百": 100, "千": 1000}
_NUMERAL = "[〇零一二两三四五六七八九十百千廿卅壹贰叁肆伍陆柒捌玖拾佰仟]{1,9}"
_COUNTED = (
    r"(?=号|栋|幢|座|单元|梯|层|楼|室|房|户|铺|商铺|巷|坊|弄|期|区|组|队|街区|网格|#|之\d|附\d|F\b)"
)
_BEFORE_RANGE = re.compile(
    rf"({_NUMERAL})(?=[至到~-](?:{_NUMERAL}|\d{{1,4}})(?:号|栋|层|楼|室|房))"
)
_BEFORE_COUNTED = re.compile(rf"第?({_NUMERAL}){_COUNTED}")
_AFTER_NUMBER = re.compile(rf"(?<=[号栋幢座元梯层楼室房路街道#附之\-])({_NUMERAL})(?=$|[ \-(])")
_BEFORE_WORD = re.compile(
    rf"(?<=[0-9A-Z{_NUMERAL[1:-6]}]) (?=(?:号|栋|幢|座|单元|梯|层|楼|室|房|户|铺|网格|街区|#))"
)
_ORDINAL = re.compile(r"第(?=\d{1,5}(?:号|栋|幢|座|单元|梯|层|楼|期|组|队))")


_CONTACT = re.compile(
    r"""(?:联系)?(?:电话|手机|TEL|邮政编码|邮编)[号码]{0,2}[ -]?\d[\d-]{4,16}
    |(?<![0-9A-Z-])(?:1[3-9]\d{9}|0\d{2,3}-\d{7,8}(?:-\d{1,5})?)(?![0-9-])
    |^518\d{3}(?=[ 一-鿿])|[ ]518\d{3}$
    """,
    re.VERBOSE,
)
"""Telephone numbers, and postcodes of Shenzhen (518xxx): whose address it is, and no part of it."""

_ENGLISH = re.compile(
    r"(?<![A-Z])(?:ROAD|STREET|AVENUE|DISTRICT|BUILDING|FLOOR|ROOM|RD|ST)(?![A-Z])"
)
_CHINESE = re.compile(r"[一-鿿]")


def clean(text: str) -> str:
    """Return the text in simplified script, half width, upper case, its breaks single spaces.

    A break between two numbers is a dash (``3栋2 101`` -> ``3栋2-101``), a list or range of numbers
    a tilde (``28至30号`` -> ``28~30号``). Longer text is cut at ``MAX_TEXT`` characters.

    Example:
        >>> clean("羅湖區文錦中路　２８號，十二棟 二〇三室")
        '罗湖区文锦中路 28号 12栋 203室'
    """
    wide = unicodedata.normalize("NFKC", text[:MAX_TEXT].translate(_TABLE))
    plain = "".join(c for c in wide if unicodedata.category(c)[0] != "C" or c.isspace())
    plain = re.sub("[a-z]+", lambda m: m[0].upper(), plain.translate(_TABLE))
    plain = _LIST.sub("~", plain)
    plain = _BREAKS.sub(" ", _BREAK_IN_NUMBER.sub("-", plain))
    plain = _DASHES.sub("-", plain).strip(" -~")
    plain = _ORDINAL.sub("", _BEFORE_WORD.sub("", plain))
    plain = _BEFORE_COUNTED.sub(_arabic, _BEFORE_RANGE.sub(_arabic, plain))
    plain = _LIST.sub("~", plain)
    return _AFTER_NUMBER.sub(_arabic, plain)[:MAX_TEXT]


def without_contacts(text: str) -> tuple[str, list[str]]:
    """Return a clean text without telephone numbers and postcodes, and these."""
    found = [match[0].strip() for match in _CONTACT.finditer(text)]
    return (_CONTACT.sub(" ", text).strip(), found) if found else (text, found)


def is_english(text: str) -> bool:
    """Tell whether a clean text is an address transliterated, with no Chinese sign in it."""
    return _ENGLISH.search(text) is not None and not _CHINESE.search(text)


def number(numeral: str) -> int | None:
    """Return the value of a Chinese numeral, None if it is none.

    Digits may stand by themselves (二〇三), or with their tens and hundreds (一百零二).

    Example:
        >>> number("二〇三"), number("一百零二"), number("十二"), number("廿三"), number("百")
        (203, 102, 12, 23, None)
    """
    plain = numeral.translate(_FORMAL).replace("廿", "二十").replace("卅", "三十")
    if not plain or plain[0] in "百千":
        return None
    if not any(sign in _UNITS for sign in plain):
        return int("".join(str(_DIGITS[sign]) for sign in plain))
    return _with_units(plain)


def _with_units(plain: str) -> int | None:
    total, digit, last = 0, None, 10_000
    for sign in plain:
        if sign in _DIGITS:
            if digit not in (None, 0):
                return None
            digit = _DIGITS[sign]
            continue
        unit = _UNITS[sign]
        if unit >= last:
            return None
        total += (1 if digit is None else digit) * unit
        digit, last = None, unit
    # 三百五 is 350 in speech; in an address it is as likely a slip, and is read as it stands: 305.
    return total + (digit or 0)


def _arabic(match: re.Match[str]) -> str:
    value = number(match[1])
    if value is None:
        return match[0]
    zeros = len(match[1]) - len(match[1].lstrip("〇零"))
    return "0" * min(zeros, len(match[1]) - 1) + str(value)
