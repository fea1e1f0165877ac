"""The alarm report out of the database: what alarms cost, and how many were confirmed."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from psycopg import Connection

from alerts.desk import kpi
from alerts.desk.kpi import Counted
from core.db.queries import load
from core.errors import UsageError

SQL = load("alerts.desk", "report.sql")

MOST_BURSTS = 20_000
"""Beginnings read to find chatter; more of them change nothing about who chatters most."""


def alarm_report(
    conn: Connection[Any], begin: datetime, end: datetime, operators: int, *, now: datetime
) -> dict[str, Any]:
    """Return the report of a stretch of time.

    Args:
        conn: a connection; everything is read in one transaction.
        begin: inclusive, aware; ``end`` exclusive.
        operators: how many people share the alarms at a time.
        now: our clock; what lies after it is left out, or it would count as quiet.

    Raises:
        UsageError: if the stretch is empty, longer than a year, or has not begun.
    """
    if end <= begin:
        raise UsageError("the report ends before it begins", remedy="give an earlier start")
    if begin >= now:
        raise UsageError("the report begins in the future", remedy="give an earlier start")
    end = min(end, now)
    if end - begin > kpi.LONGEST:
        raise UsageError(
            f"a report spans at most {kpi.LONGEST.days} days", remedy="ask for a shorter stretch"
        )
    return kpi.report(_counted(conn, begin, end), operators)


def _counted(conn: Connection[Any], begin: datetime, end: datetime) -> Counted:
    asked: dict[str, Any] = {
        "begin": begin,
        "end": end,
        "stale": end - kpi.STALE_AFTER,
        "top": kpi.TOP,
        "most": MOST_BURSTS,
    }
    with conn.transaction():
        slots = dict(conn.execute(SQL["slots"], asked).fetchall())
        sources = conn.execute(SQL["sources"], asked).fetchall()
        stale = conn.execute(SQL["stale"], asked).fetchone()
        return Counted(
            begin=begin,
            end=end,
            held=slots.pop(None, 0),
            slots=slots,
            priorities=dict(conn.execute(SQL["priorities"], asked).fetchall()),
            stale=stale[0] if stale else 0,
            top=[(rule, subject, count) for rule, subject, count, _ in sources],
            beginnings=sources[0][3] if sources else 0,
            bursts=conn.execute(SQL["bursts"], asked).fetchall(),
            causes=dict(conn.execute(SQL["causes"], asked).fetchall()),
        )
