"""Opaque page cursors: where a list goes on, as one word that a client only hands back."""

from __future__ import annotations

import base64
import binascii

import msgspec

from twin.api.problems import Refused

MAX_LENGTH = 512


def encode(*parts: str) -> str:
    """Return the cursor of these parts.

    Example:
        >>> decode(encode("a", "b"), 2)
        ('a', 'b')
    """
    return base64.urlsafe_b64encode(msgspec.json.encode(parts)).decode().rstrip("=")


def decode(cursor: str, count: int) -> tuple[str, ...]:
    """Return the parts of a cursor.

    Raises:
        Refused: 422, if it is none of ours.
    """
    padded = cursor + "=" * (-len(cursor) % 4)
    try:
        text = base64.b64decode(padded, altchars=b"-_", validate=True)
        parts = msgspec.json.decode(text, type=tuple[str, ...])
    except (ValueError, binascii.Error, msgspec.DecodeError):
        parts = ()
    if len(parts) != count or any("\0" in part for part in parts):
        raise Refused(422, "after: this cursor was not given by this list")
    return parts
