"""Test messages: asked for through the database, sent once by whoever serves the channel."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from psycopg import Connection
from psycopg.rows import dict_row
from psycopg.types.json import Jsonb

from alerts.notify.channels import Channel, DeliveryFailed
from alerts.notify.duty import Call, Roster, calls
from alerts.notify.message import Message, trial
from alerts.notify.rosters import masked
from core.config import nearest
from core.db.queries import load
from core.errors import UsageError

_SQL = load("alerts.notify", "trials.sql")
MOST_WAITING = 200
"""Tests that may wait; one more is refused."""

Conn = Connection[Any]
Row = dict[str, Any]


class TestRefused(UsageError):
    """A test message cannot be asked for."""

    __test__ = False  # pytest: the name is not one of its own


def ask(
    conn: Conn, by: str, *, channel: str | None, roster: Roster | None, now: datetime
) -> list[int]:
    """Ask for test messages; return their numbers.

    Args:
        conn: an autocommit connection.
        by: who asks.
        channel: only this one; None: every channel that a notifier has opened.
        roster: its contacts on duty instead of the channels' own receivers.
        now: shifts go by it.

    Raises:
        TestRefused: if nobody would be told, or too many wait.
    """
    waiting = conn.execute(_SQL["waiting"]).fetchone()
    if waiting is not None and waiting[0] >= MOST_WAITING:
        raise TestRefused("too many test messages wait", remedy="see that a notifier runs")
    known = [row[0] for row in conn.execute(_SQL["channels"])]
    wanted = _wanted(known, channel, roster, now)
    found: list[int] = []
    with conn.transaction():
        for name, call in wanted:
            parameters = {
                "by": by,
                "channel": name,
                "recipient": call.recipient if call else "",
                "called": Jsonb(call.told()) if call else None,
            }
            row = conn.execute(_SQL["ask"], parameters).fetchone()
            assert row is not None  # RETURNING
            found.append(row[0])
        conn.execute(_SQL["announce"])
    return found


def serve(conn: Conn, channel: Channel, source: str) -> bool:
    """Send the test that waits longest for a channel, once: one that fails has said enough.

    One at a time, so that alarms never wait behind many. Returns whether there was one.
    """
    with conn.cursor(row_factory=dict_row) as cursor:
        rows = cursor.execute(_SQL["due"], {"channel": channel.name}).fetchall()
    for row in rows:
        error = send(channel, f"test.{row['test_id']}", row["by"], row["at"], source, row)
        outcome = "failed" if error else "delivered"
        conn.execute(_SQL[outcome], {"test": row["test_id"], "error": error})
    return bool(rows)


def send(
    channel: Channel, key: str, by: str, at: datetime, source: str, to: Row | None = None
) -> str:
    """Send a test to a receiver (``recipient``), or to all of the channel's own; "" if taken."""
    named = [to["recipient"]] if to is not None and to["recipient"] else list(channel.own)
    if not named:
        return "the channel has no receivers of its own; name a roster"
    for recipient in named:
        made: Message = trial(key, by, at, source, recipient=recipient)
        try:
            channel.deliver(made)
        except DeliveryFailed as failure:
            return str(failure)[:500]
    return ""


def results(conn: Conn, tests: Sequence[int]) -> list[Row]:
    """Return what became of tests, addresses masked."""
    with conn.cursor(row_factory=dict_row) as cursor:
        rows = cursor.execute(_SQL["results"], {"tests": list(tests)}).fetchall()
    return [result_word(row) for row in rows]


def result_word(row: Row) -> Row:
    """Return a test as the API says it."""
    state = "delivered" if row["delivered_at"] else "failed" if row["failed_at"] else "waiting"
    return {
        "test_id": row["test_id"],
        "at": row["at"],
        "by": row["by"],
        "channel": row["channel"],
        "recipient_masked": masked(row["recipient"]),
        "state": state,
        "error": row["last_error"],
    }


def _wanted(
    known: Sequence[str], channel: str | None, roster: Roster | None, now: datetime
) -> list[tuple[str, Call | None]]:
    if channel is not None and channel not in known:
        raise TestRefused(
            f"there is no channel {channel!r}",
            remedy=nearest(channel, known) if known else "configure one and run blocktwin notify",
        )
    if roster is None:
        names = [channel] if channel is not None else list(known)
        if not names:
            raise TestRefused("there is no channel", remedy="configure one, run blocktwin notify")
        return [(name, None) for name in names]
    found = [
        (call.contact.channel, call)
        for call in calls([roster], now)
        if call.contact.channel in known and channel in (None, call.contact.channel)
    ]
    if not found:
        raise TestRefused(f"nobody of roster {roster.roster_id!r} is on duty and reachable")
    return list(found)
