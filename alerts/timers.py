"""What time alone does to alarms: shelves end, acknowledged alarms ask again, nobody has answered.

Run every second or so; an index makes it a probe while nothing is due.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from psycopg import Connection

from alerts import book, ledger
from alerts.ledger import Sheet

AT_ONCE = 500
"""Most alarms that one call works on; what is left is due at the next."""


def run_due(conn: Connection[Any], now: datetime) -> list[int]:
    """Do what is due by now, and write it.

    A shelf that is over shows its alarm again; an acknowledged alarm whose condition goes on asks
    anew after its rule's ``re_alarm_s``; one that nobody has acknowledged within ``ack_within_s``
    is said to be overdue, once until it is acknowledged.

    Args:
        conn: a connection, in a transaction or not.
        now: our clock, aware.

    Returns:
        The numbers of the events written, ascending.
    """
    if not ledger.anything_due(conn, now):
        return []
    with conn.transaction():
        ledger.lock(conn)
        sheet = Sheet()
        for alarm in ledger.due(conn, now, AT_ONCE):
            if (change := book.elapsed(alarm, now)) is not None:
                sheet.note(*change)
        return sheet.write(conn)
