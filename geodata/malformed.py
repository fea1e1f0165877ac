"""What is wrong with a code, as an exception that a person can read."""

from __future__ import annotations

from enum import StrEnum

from core.errors import UsageError
from geodata.said import Said


class Cause(StrEnum):
    """What kind of mistake it is.

    ``SPOILED`` is a code that a program or a keyboard changed on its way here (a spreadsheet,
    full-width digits); ``DIGITS`` has a known length and digits that cannot be; ``SHAPE`` is none
    of the known codes.
    """

    SPOILED = "spoiled"
    DIGITS = "digits"
    SHAPE = "shape"


class CodeMalformed(UsageError):
    """The text is no code of the kind that was asked for.

    Attributes:
        reason: one sentence for a person, which names the digits that are wrong; ``reason_zh`` the
            same in Chinese.
        cause: what kind of mistake.
        mended: the code that was probably meant, where it can be had from the text; else "".
    """

    def __init__(self, said: Said, *, cause: Cause, mended: str = "") -> None:
        super().__init__(said.en, remedy=f"was {mended} meant?" if mended else "")
        self.reason = said.en
        self.reason_zh = said.zh
        self.cause = cause
        self.mended = mended


def text_only(value: object, what: str) -> str:
    """Return ``value`` if it is text.

    Raises:
        TypeError: for a number, with the reason why a code is never one.
    """
    if isinstance(value, str):
        return value
    raise TypeError(
        f"{what} is text, not {type(value).__name__} ({value!r}): a number loses leading zeros, "
        "and from the 16th digit on a spreadsheet or a float changes the digits; read the column "
        "as text"
    )
