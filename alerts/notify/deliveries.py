"""The proofs of delivery of one alarm, as people and the API read them."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from psycopg import Connection
from psycopg.rows import dict_row

from alerts.notify import escalation
from alerts.notify.rosters import masked
from alerts.store import AlarmUnknown
from core.db.queries import load

_SQL = load("alerts.notify", "deliveries.sql")

MOST = 2000
"""Deliveries of one alarm that are told."""

Row = dict[str, Any]


def of_alarm(conn: Connection[Any], alarm_id: str) -> Row:
    """Return the deliveries and calls of an alarm; addresses are masked.

    Raises:
        AlarmUnknown: if there is no such alarm.
    """
    try:
        name = UUID(alarm_id)
    except ValueError as error:
        raise AlarmUnknown(f"{alarm_id!r} is no alarm id") from error
    if conn.execute(_SQL["alarm"], {"alarm": name}).fetchone() is None:
        raise AlarmUnknown(f"there is no alarm {alarm_id}")
    with conn.cursor(row_factory=dict_row) as cursor:
        parameters = {"alarm": name, "limit": MOST}
        rows = cursor.execute(_SQL["deliveries"], parameters).fetchall()
    return {
        "alarm_id": str(name),
        "deliveries": [_word(row) for row in rows],
        "calls": [
            {
                "asked_at": step["asked_at"],
                "step": step["step"],
                "at": step["at"],
                "level": step["level"],
                "called": step["called"],
                "note": step["note"],
                "next_at": step["next_at"],
            }
            for step in escalation.steps(conn, str(name))
        ],
    }


def table(found: Row) -> str:
    """Return deliveries and calls as lines."""
    lines = []
    for row in found["deliveries"]:
        at = row["delivered_at"] or row["given_up_at"] or row["withheld_at"] or row["folded_at"]
        when = f" {at:%Y-%m-%d %H:%M:%S}" if at else ""
        to = f" -> {row['recipient_masked']}" if row["recipient_masked"] else ""
        step = f" (call {row['step']})" if row["step"] else ""
        why = f": {row['why'] or row['last_error']}" if row["why"] or row["last_error"] else ""
        lines.append(f"{row['kind']:14} {row['channel']}{to}{step}: {row['state']}{when}{why}")
    for call in found["calls"]:
        names = ", ".join(each["name"] for each in call["called"]) or "nobody"
        note = f" ({call['note']})" if call["note"] else ""
        lines.append(
            f"call {call['step']} {call['at']:%Y-%m-%d %H:%M:%S} {call['level']}: {names}{note}"
        )
    return "\n".join(lines) or "nobody was told"


def _word(row: Row) -> Row:
    return {
        "channel": row["channel"],
        "event_id": row["event_id"],
        "event_key": row["event_key"],
        "kind": row["kind"],
        "recipient_masked": masked(row["recipient"]),
        "step": row["step"],
        "called": row["called"],
        "state": _state(row),
        "why": row["withheld_why"],
        "attempts": row["attempts"],
        "before_commit": row["early"],
        "delivered_at": row["delivered_at"],
        "given_up_at": row["given_up_at"],
        "withheld_at": row["withheld_at"],
        "folded_at": row["folded_at"],
        "digest_id": row["digest_id"],
        "last_error": row["last_error"],
    }


def _state(row: Row) -> str:
    if row["delivered_at"] is not None:
        return "delivered" if row["folded_at"] is None else "delivered in a digest"
    if row["given_up_at"] is not None:
        return "given up"
    if row["withheld_at"] is not None:
        return "withheld"
    return "waits for a digest" if row["folded_at"] is not None else "waiting"
