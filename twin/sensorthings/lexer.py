"""Text of a filter to tokens. Pure; never fails but with QueryInvalid."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime, timedelta

from twin.sensorthings.faults import QueryInvalid

LONGEST = 4000
"""Signs of a filter."""

_TIME = r"\d{4}-\d\d-\d\dT\d\d:\d\d(?::\d\d(?:\.\d{1,6}\d*)?)?(?:Z|[+-]\d\d:?\d\d)"
_TOKEN = re.compile(
    rf"""\s*(?:
      (?P<interval>{_TIME}/{_TIME})
    | (?P<time>{_TIME})
    | (?P<geometry>geography'(?:[^']|'')*')
    | (?P<duration>duration'[^']*')
    | (?P<text>'(?:[^']|'')*')
    | (?P<number>(?:\d+\.\d*|\.\d+|\d+)(?:[eE][+-]?\d+)?)
    | (?P<word>[^\W\d][\w.]*|@iot\.\w+)
    | (?P<sign>[(),/-])
    )""",
    re.VERBOSE,
)
_SPACED = re.compile(r":\d\d(?::\d\d(?:\.\d+)?)? \d\d:?\d\d")
"""The rest of a time whose plus sign became a space, as it does in a query."""

_DURATION = re.compile(
    r"(?P<sign>-?)P(?:(?P<days>\d{1,5})D)?"
    r"(?:T(?:(?P<hours>\d{1,6})H)?(?:(?P<minutes>\d{1,7})M)?(?:(?P<seconds>\d{1,9}(?:\.\d{1,6})?)S)?)?"
)


@dataclass(frozen=True, slots=True)
class Token:
    """A token: what it is, its text, and where it stands (from 1)."""

    kind: str
    text: str
    at: int


def tokens(text: str) -> list[Token]:
    """Return the tokens of a filter, an ``end`` last.

    Raises:
        QueryInvalid: it is too long, or something in it is no token.
    """
    if len(text) > LONGEST:
        raise QueryInvalid(f"$filter has {len(text)} signs; it may have {LONGEST}")
    found, place = [], 0
    end = len(text.rstrip())
    while place < end:
        match = _TOKEN.match(text, place)
        if match is None:
            hint = "; a + in a time is written %2B" if _SPACED.match(text, place) else ""
            raise QueryInvalid(
                f"$filter: cannot read {text[place : place + 12]!r} at {place + 1}{hint}"
            )
        kind = match.lastgroup or ""
        found.append(Token(kind, match[kind], match.start(kind) + 1))
        place = match.end()
    found.append(Token("end", "", end + 1))
    return found


def unquoted(text: str) -> str:
    """Return what stands in quotes; two in a row are one.

    Example:
        >>> unquoted("'it''s'")
        "it's"
    """
    return text[text.index("'") + 1 : -1].replace("''", "'")


def moment(token: Token, text: str) -> datetime:
    """Return a time.

    Raises:
        QueryInvalid: there is no such moment.
    """
    try:
        when = datetime.fromisoformat(text)
        when.timestamp()
    except (ValueError, OverflowError) as error:
        raise QueryInvalid(f"$filter: no time at {token.at}: {text!r}") from error
    return when


def duration(token: Token) -> timedelta:
    """Return a duration of days and less.

    Raises:
        QueryInvalid: it is none, or has months or years, which have no length.
    """
    match = _DURATION.fullmatch(unquoted(token.text))
    parts = match.groupdict() if match is not None else {}
    given = {k: float(v) for k, v in parts.items() if v and k != "sign"}
    if not given:
        raise QueryInvalid(
            f"$filter: no duration at {token.at}: write duration'P1DT2H3M4S', without months"
        )
    length = timedelta(**given)
    return -length if parts["sign"] else length
