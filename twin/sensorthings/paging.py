"""Where the next page begins: by value where the order allows, by number where not. Pure.

A link to the next page carries ``$skip``, for who reads it, and ``$skiptoken``, for us: the last
row's values of the order. With them the database goes on in its index; with ``$skip`` alone it
reads and throws away what was skipped.
"""

from __future__ import annotations

import base64
import binascii
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import quote_plus
from zlib import crc32

import msgspec

LONGEST = 4000


class _Token(msgspec.Struct, array_like=True, frozen=True):
    order: int
    skip: int
    values: list[str | int | float]
    times: list[int]


@dataclass(frozen=True, slots=True)
class Place:
    """Where a page begins: after the row with these values of the order."""

    values: tuple[Any, ...]


def order_number(text: str) -> int:
    """Return a number for an order and what it is of; a token of another is not used."""
    return crc32(text.encode())


def make(order: int, skip: int, values: list[Any]) -> str:
    """Return a token.

    Example:
        >>> token = make(7, 100, [3, "a"])
        >>> read(token, 7, 100), read(token, 8, 100), read(token, 7, 5)
        (Place(values=(3, 'a')), None, None)
    """
    times = [i for i, value in enumerate(values) if isinstance(value, datetime)]
    plain = [v.isoformat() if isinstance(v, datetime) else v for v in values]
    token = _Token(order, skip, plain, times)
    return base64.urlsafe_b64encode(msgspec.json.encode(token)).decode().rstrip("=")


def read(text: str, order: int, skip: int) -> Place | None:
    """Return what a token says; None if it is no token of this order and place."""
    if not text or len(text) > LONGEST:
        return None
    try:
        raw = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
        token = msgspec.json.decode(raw, type=_Token)
        values: list[Any] = list(token.values)
        for index in token.times:
            values[index] = datetime.fromisoformat(str(values[index]))
            values[index].timestamp()
    except (ValueError, binascii.Error, IndexError, OverflowError, RecursionError):
        return None
    return Place(tuple(values)) if (token.order, token.skip) == (order, skip) else None


def next_link(address: str, raw: dict[str, str], top: int, skip: int, token: str) -> str:
    """Return the address of the next page: the same options, further on."""
    options = {name: value for name, value in raw.items() if name not in {"$skip", "$skiptoken"}}
    options |= {"$top": str(top), "$skip": str(skip)}
    if token:
        options["$skiptoken"] = token
    said = "&".join(f"{name}={quote_plus(value, safe='')}" for name, value in options.items())
    return f"{address}?{said}"
