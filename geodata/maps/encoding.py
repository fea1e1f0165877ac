"""How the text of a map file is encoded: what the file says, and what its bytes allow.

Never a silent guess: ``candidates`` are shown to a person, and a reader refuses text that is not
ASCII, that no encoding is declared for, and that nobody declared one for.
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterable

from core.errors import UsageError

CANDIDATES = ("UTF-8", "GB18030", "Big5", "ISO-8859-1")
_SAMPLE_SIGNS = 80
_NAMES = {
    "936": "GBK", "cp936": "GBK", "ansi 936": "GBK", "ansi_936": "GBK", "gb2312": "GB18030",
    "gbk": "GBK", "gb18030": "GB18030", "65001": "UTF-8", "utf8": "UTF-8", "utf-8": "UTF-8",
    "950": "Big5", "ansi 950": "Big5", "ansi_950": "Big5", "big5": "Big5", "1252": "cp1252",
    "ansi 1252": "cp1252", "ansi_1252": "cp1252", "88591": "ISO-8859-1",
    "iso-8859-1": "ISO-8859-1", "iso88591": "ISO-8859-1", "latin1": "ISO-8859-1",
}  # fmt: skip
_PAGE = re.compile(r"(?:ansi|cp|ms|windows)?[ _-]?([0-9]{3,5})")
_LANGUAGE_DRIVERS = {0x4D: "GBK", 0x4F: "Big5", 0x57: "cp1252", 0x03: "cp1252"}
"""Byte 29 of a .dbf: what some programs say there of its code page."""


class EncodingUnknown(UsageError):
    """The encoding is not known, or the text is not written in it."""


def named(name: str) -> str:
    """Return the usual name of an encoding.

    Raises:
        EncodingUnknown: if there is none of that name for text.
    """
    plain = name.strip().lower()
    if plain in _NAMES:
        return _NAMES[plain]
    page = _PAGE.fullmatch(plain)
    plain = f"cp{page[1]}" if page else plain
    try:
        found = codecs.lookup(plain)
        "".encode(plain)
    except (LookupError, UnicodeError, ValueError):
        raise EncodingUnknown(
            f"{name[:40]!r} is no encoding of text", remedy="write GBK, GB18030, UTF-8 or Big5"
        ) from None
    return found.name


def known(name: str) -> str:
    """Return the usual name of what a file declares, "" if that is nothing known."""
    try:
        return named(name)
    except EncodingUnknown:
        return ""


def candidates(pieces: Iterable[bytes], cut: Iterable[bytes] = ()) -> tuple[tuple[str, str], ...]:
    """Return the encodings in which all pieces can be read, with a sample of each.

    Args:
        cut: pieces that fill their field, and may end within a sign.
    """
    held = [piece for piece in pieces if not piece.isascii()]
    full = [piece for piece in cut if not piece.isascii()]
    found = []
    for name in CANDIDATES:
        try:
            texts = [piece.decode(name) for piece in held]
            texts += [whole_signs(piece, name) for piece in full]
        except UnicodeDecodeError:
            continue
        sample = " | ".join(texts[:8])[:_SAMPLE_SIGNS]
        if all(text.isprintable() for text in texts) or name != "ISO-8859-1":
            found.append((name, sample))
    return tuple(found)


def whole_signs(piece: bytes, encoding: str) -> str:
    """Decode text that may have been cut within its last sign; what is left of that is dropped.

    Raises:
        UnicodeDecodeError: if it is not written in that encoding.
    """
    return codecs.getincrementaldecoder(encoding)().decode(piece)


def decoded(piece: bytes, encoding: str, where: str) -> str:
    """Decode text.

    Raises:
        EncodingUnknown: if it is not written in that encoding, naming the place.
    """
    try:
        return piece.decode(encoding)
    except UnicodeDecodeError:
        others = [name for name, _ in candidates([piece]) if name != encoding]
        raise EncodingUnknown(
            f"{where}: the text {piece[:40]!r} is not {encoding}",
            remedy=f"it can be read as {', '.join(others)}" if others else "the text is damaged",
        ) from None


def of_dbf(head: bytes) -> str:
    """Return what byte 29 of a .dbf says of the encoding, "" if nothing."""
    return _LANGUAGE_DRIVERS.get(head[29], "") if len(head) > 29 else ""
