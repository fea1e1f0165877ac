"""The text of a drawing: which encoding its header and its bytes speak for, and escaped signs."""

from __future__ import annotations

import re

from geodata.maps import encoding as enc
from geodata.maps.model import Finding, Weight, told
from geodata.maps.raw import TextFacts
from geodata.said import Said

_VERSION = re.compile(r"\$ACADVER\s*\n\s*1\s*\n\s*(AC[0-9]{4})")
_PAGE = re.compile(r"\$DWGCODEPAGE\s*\n\s*3\s*\n\s*([A-Za-z0-9_]{1,20})")
_CHINESE = re.compile("[\u3400-\u9fff]")
_UTF8_SINCE = "AC1021"
_ESCAPED = re.compile(r"\\U\+([0-9A-Fa-f]{4})|\\M\+5([0-9A-Fa-f]{4})")
"""How AutoCAD writes a sign that the code page lacks: Unicode, or code page 936."""


def decoded(
    data: bytes, name: str, encoding: str | None
) -> tuple[str, TextFacts, tuple[Finding, ...]]:
    """Decode the drawing: by its header, unless its bytes are plainly UTF-8."""
    head = data[:200_000].decode("latin-1").replace("\r", "")
    version, page = _VERSION.search(head), _PAGE.search(head)
    declared = enc.known(page[1]) if page and page[1].upper() != "ANSI_0" else ""
    utf8 = _plainly_utf8(data)
    modern = version is not None and version[1] >= _UTF8_SINCE
    right = "UTF-8" if modern or utf8 else (declared or "")
    used = enc.named(encoding) if encoding else (right or "UTF-8")
    plain = data.isascii()
    findings: tuple[Finding, ...] = ()
    if not plain and not encoding and utf8 and not modern and declared != "UTF-8":
        findings = (_said_utf8(declared),)
    sure = plain or bool(encoding or right)
    if not sure:
        text = data.decode(used, "replace")
    else:
        text = enc.decoded(data, used, name) if not plain else data.decode("ascii")
    facts = TextFacts(
        used=used,
        declared="UTF-8" if modern else declared,
        ascii=plain,
        sure=sure,
        candidates=() if plain else enc.candidates(_lines(data)),
        remarks=()
        if sure
        else ("its header names no code page that is known, and its text is not ASCII",),
    )
    text = _ESCAPED.sub(_unescaped, text)
    return text.replace("\r\n", "\n").replace("\r", "\n"), facts, findings


def _unescaped(match: re.Match[str]) -> str:
    """Return the sign, or what stands there if it is none that a line of text can hold."""
    code = bytes.fromhex(match[1] or match[2])
    try:
        sign = code.decode("utf-16-be" if match[1] else "gbk")
    except UnicodeDecodeError:
        return match[0]
    return sign if sign.isprintable() else match[0]


def _lines(data: bytes) -> list[bytes]:
    return [line.strip() for line in data.splitlines() if not line.isascii()][:500]


def _said_utf8(declared: str) -> Finding:
    return told(
        "encoding",
        Weight.WARNING,
        Said(
            f"文件头{f'声明代码页为 {declared}' if declared else '未声明代码页'}，"
            "但文字实为 UTF-8，已按 UTF-8 读取",
            f"its header says {declared or 'no code page'}, but its text is UTF-8 and was read "
            "as UTF-8",
        ),
        Said(
            "请核对名称是否正确，或声明文字编码",
            "look whether the names read right, or declare the encoding",
        ),
    )


def _plainly_utf8(data: bytes) -> bool:
    """Tell whether bytes are UTF-8 with Chinese in it; text in GBK hardly ever is."""
    try:
        return not data.isascii() and bool(_CHINESE.search(data.decode("utf-8")))
    except UnicodeDecodeError:
        return False
