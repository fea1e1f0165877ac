"""Escalation: who is called, level by level, until somebody acknowledges an alarm.

Each call is a row of its own and deliveries in the outbox, written together: what was due while
nobody notified is called when somebody does, and no call is made twice.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from psycopg import Connection
from psycopg.rows import dict_row
from psycopg.types.json import Jsonb

from alerts.config import CANARY, JOURNAL, NotifyConfig
from alerts.notify.duty import Roster
from alerts.notify.ladder import Step, Waiting, next_step
from alerts.notify.outbox import RECHECK_PATIENCE_S
from core.db.queries import load
from core.model import Severity

_SQL = load("alerts.notify", "escalation.sql")
_BATCH = 100

Conn = Connection[Any]
Row = dict[str, Any]


def claim(conn: Conn) -> bool:
    """Become the one who escalates, on this connection; False if somebody else does."""
    row = conn.execute(_SQL["lock"]).fetchone()
    return bool(row and row[0])


def run_due(
    conn: Conn,
    rosters: Sequence[Roster],
    cfg: NotifyConfig,
    now: datetime,
    *,
    settle_s: float = 0.0,
    channels: frozenset[str] | None = None,
) -> int:
    """Make the calls that are due; return how many alarms were escalated.

    Args:
        conn: an autocommit connection that has claimed the escalation.
        rosters: all there are; without any nobody is ever called.
        cfg: the time an acknowledgement may take, and the most steps.
        now: shifts and deadlines go by it.
        settle_s: seconds the first call waits for the desk, but for life safety.
        channels: names of those that are configured; None: every one that was ever opened.
    """
    if not rosters:
        return 0
    parameters = {
        "ack_within_s": cfg.ack_within_s,
        "least": int(min(roster.rank for roster in rosters)),
        "now": now,
        "settle_s": settle_s,
        "patience_s": RECHECK_PATIENCE_S,
        "batch": _BATCH,
    }
    # One that is configured and not yet opened cannot be written to.
    opened = frozenset(row[0] for row in conn.execute(_SQL["channels"])) - {JOURNAL, CANARY}
    reachable = opened if channels is None else opened & channels
    with conn.cursor(row_factory=dict_row) as cursor:
        rows = cursor.execute(_SQL["due"], parameters).fetchall()
    for row in rows:
        step = next_step(_waiting(row), rosters, now, reachable)
        with conn.transaction():
            _make(conn, row, step, cfg, now)
    return len(rows)


def steps(conn: Conn, alarm_id: str) -> list[Row]:
    """Return the calls made for an alarm, the oldest first."""
    with conn.cursor(row_factory=dict_row) as cursor:
        return cursor.execute(_SQL["steps"], {"alarm": alarm_id}).fetchall()


def _make(conn: Conn, row: Row, step: Step, cfg: NotifyConfig, now: datetime) -> None:
    number = row["step"] + 1
    last = number >= cfg.escalation_steps
    record = {
        "alarm": row["alarm_id"],
        "asked_at": row["asked_at"],
        "step": number,
        "now": now,
        "level": step.level or (row["level"] or ""),
        "called": Jsonb([call.told() | {"channel": call.contact.channel} for call in step.calls]),
        "note": "; ".join(step.left_out),
        "next_at": None if last else now + timedelta(seconds=row["ack_within_s"]),
    }
    if conn.execute(_SQL["record"], record).fetchone() is None or row["event_id"] is None:
        return
    calls = {
        "event": row["event_id"],
        "step": number,
        "urgent": row["life_safety"],
        "channels": [call.contact.channel for call in step.calls],
        "recipients": [call.recipient for call in step.calls],
        "called": [Jsonb(call.told()) for call in step.calls],
    }
    conn.execute(_SQL["add_calls"], calls)


def _waiting(row: Row) -> Waiting:
    return Waiting(
        field=row["field"],
        severity=int(Severity(row["severity"])),
        life_safety=row["life_safety"],
        path=row["path"],
        level=row["level"] or None,
    )
