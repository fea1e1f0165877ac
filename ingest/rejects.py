"""Refused readings and messages into the table ``rejected``, inside the caller's transaction.

By COPY, row by row from the objects: nothing is held twice, however many or large they are. What
becomes of them later is ``ingest.rejected_retry``'s.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from psycopg import Connection

from core.db.queries import load
from core.model import Rejected, RejectReason

_SQL = load("ingest", "rejects.sql")
_LONGEST = 500

NAMELESS = frozenset({RejectReason.UNPARSABLE, RejectReason.BAD_TOPIC, RejectReason.BAD_NAME})
"""Rejects of whole messages, and of readings whose name is none; the others open with the name."""
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def write(conn: Connection[Any], rejected: Sequence[Rejected]) -> None:
    """Store what was refused."""
    if not rejected:
        return
    with conn.cursor().copy(_SQL["copy_rejected"]) as copy:
        for reject in rejected:
            copy.write_row(_row(reject))


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


def name_of(reject: Rejected) -> tuple[str | None, str | None]:
    """Return device and quantity of the reading, each None where there is none.

    The sentence of a refused reading opens with its name, see ``ingest.check``.
    """
    if reject.reason in NAMELESS:
        return None, None
    device, _, rest = reject.detail.partition(":")
    return readable(device), readable(rest.partition(":")[0])


def _row(reject: Rejected) -> tuple[object, ...]:
    return (
        _EPOCH + timedelta(microseconds=reject.received_us),
        readable(reject.topic),
        str(reject.reason),
        readable(reject.detail),
        reject.payload,
        reject.readings,
        readable(reject.content_type),
        *name_of(reject),
    )
