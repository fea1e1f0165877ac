"""A sentence for a person in Chinese and in English, side by side where it is made.

Both are written from the same figures, so neither can say another number than the other; the page
shows the Chinese one first, the command line the English one.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from core.model import SpaceKind

KINDS_ZH = {
    SpaceKind.DISTRICT: "区",
    SpaceKind.STREET: "街道",
    SpaceKind.COMMUNITY: "社区",
    SpaceKind.GRID: "网格",
    SpaceKind.BLOCK: "区块",
    SpaceKind.BUILDING: "楼栋",
}
"""What the page calls the kinds of spaces."""


class Said(NamedTuple):
    """One sentence, or one piece of a sentence, in both languages."""

    zh: str
    en: str


NOTHING = Said("", "")


def quoted(text: str) -> str:
    r"""Return a text in Chinese quotation marks, signs that cannot be seen as escapes.

    Example:
        >>> quoted("44\u200b03")
        '“44\\u200b03”'
    """
    return f"“{repr(text)[1:-1]}”"


def place_zh(where: str) -> str:
    """Return the Chinese of a place in a file, as the readers of files write it in English.

    Example:
        >>> place_zh("layer blocks, feature 12")
        '图层 blocks 第 12 个要素'
    """
    found = re.fullmatch(r"layer (.+?)(?:, feature ([0-9]+))?", where, flags=re.DOTALL)
    if found is None:
        return where
    return f"图层 {found[1]}" + (f" 第 {found[2]} 个要素" if found[2] else "")
