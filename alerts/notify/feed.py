"""The alarm events that the CAP feed tells, read from the database."""

from __future__ import annotations

from typing import Any

from core.db.queries import load

_SQL = load("alerts.notify", "feed.sql")
EVENTS = _SQL["events"]
"""Statement of the feed; ``parameters`` makes what it asks for."""

KINDS = ("raised", "escalated", "eased", "returned", "re_alarmed", "closed")
"""Kinds of events that change what an alert says."""

Row = dict[str, Any]


def parameters(
    *, event: int | None = None, field: str | None = None, severity: int = 1, limit: int = 1
) -> Row:
    """Return the parameters of ``EVENTS``.

    Args:
        event: only this one; None: the newest.
        field: only alarms of this one.
        severity: mildest severity of the event.
        limit: most rows.
    """
    return {
        "kinds": list(KINDS),
        "event": event,
        "field": field,
        "severity": severity,
        "limit": limit,
    }


def completed(row: Row) -> Row:
    """Return a row as ``alerts.notify.cap`` takes it: what came before as pairs, oldest first."""
    pairs = zip(row["before_keys"], row["before_times"], strict=True)
    return row | {"before": list(pairs)[::-1]}
