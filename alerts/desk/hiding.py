"""Hide and show many alarms, a few hundred in a transaction.

The lock on alarm events is held for one part at a time, so that the worker, who needs it to commit
a transition, waits for some hundredths of a second and not for a whole storm.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from uuid import UUID

from alerts import book, ledger
from alerts.book import Deed
from alerts.desk.flaps import DESK
from alerts.desk.store import Conn
from alerts.desk.suppress import Cause
from alerts.ledger import Sheet
from alerts.lifecycle import Action

AT_ONCE = 200
"""Alarms changed in one transaction."""


def hide(conn: Conn, causes: Mapping[UUID, Cause], now: datetime) -> int:
    """Hide alarms by what explains them; return how many it was possible for.

    One that was closed, or hidden otherwise, since it was read stays as it is.
    """
    deeds = {
        alarm: Deed(action=Action.SUPPRESS, actor=DESK, at=now, note=cause.why, about=cause.by)
        for alarm, cause in causes.items()
    }
    return _do(conn, deeds)


def show(conn: Conn, alarms: Iterable[UUID], now: datetime) -> int:
    """Show suppressed alarms again, and close those that have returned; return how many."""
    deed = Deed(action=Action.UNSUPPRESS, actor=DESK, at=now)
    return _do(conn, dict.fromkeys(alarms, deed))


def _do(conn: Conn, deeds: Mapping[UUID, Deed]) -> int:
    names = list(deeds)
    done = 0
    for start in range(0, len(names), AT_ONCE):
        with conn.transaction():
            ledger.lock(conn)
            sheet = Sheet()
            for alarm in ledger.alarms(conn, names[start : start + AT_ONCE]):
                if (change := book.done(alarm, deeds[alarm.alarm_id])) is not None:
                    sheet.note(*change)
            done += len(sheet.write(conn))
    return done
