"""Refused readings and messages into the table ``rejected``, inside the caller's transaction."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from psycopg import Connection

from core.db.queries import load
from core.model import Rejected

_SQL = load("ingest", "rejects.sql")
_LONGEST = 500


def write(conn: Connection[Any], rejected: Sequence[Rejected]) -> None:
    """Store what was refused."""
    if rejected:
        with conn.cursor() as cursor:
            cursor.executemany(_SQL["insert_rejected"], [_row(reject) for reject in rejected])


def readable(text: str) -> str:
    r"""Return text that PostgreSQL takes and a person can read, whatever was sent.

    Example:
        >>> readable("a" + chr(0) + "b" + chr(0xD800))
        'a�b\\ud800'
    """
    return (
        text.replace("\0", "\N{REPLACEMENT CHARACTER}")
        .encode("utf-8", errors="backslashreplace")
        .decode("utf-8")[:_LONGEST]
    )


def _row(reject: Rejected) -> dict[str, object]:
    return {
        "received_s": reject.received_us / 1e6,
        "topic": readable(reject.topic),
        "reason": str(reject.reason),
        "detail": readable(reject.detail),
        "payload": reject.payload,
        "readings": reject.readings,
    }
