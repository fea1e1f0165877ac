"""Alarms, their events and occurrences as rows: read under one lock, written together.

Whoever writes an alarm event holds one lock to the end of the transaction, so event numbers are in
the order of commits and there is never more than one open alarm of a rule on a subject. What is
written is worked out by ``alerts.book``; who may ask for it is the business of ``alerts.store``.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field, fields
from datetime import datetime
from typing import Any
from uuid import UUID

from psycopg import Connection
from psycopg.rows import class_row
from psycopg.types.json import Jsonb

from alerts import book
from alerts.book import ENGINE, Alarm, Event, Occurrence, Terms
from core.db.queries import load
from core.model import Transition

_SQL = load("alerts", "ledger.sql")

Conn = Connection[Any]


@dataclass(slots=True)
class Sheet:
    """Changes of one transaction, in the order in which they happened."""

    alarms: dict[UUID, Alarm] = field(default_factory=dict)
    begun: dict[UUID, Transition] = field(default_factory=dict)
    events: list[Event] = field(default_factory=list)
    occurrences: dict[tuple[UUID, int], Occurrence] = field(default_factory=dict)

    def note(self, alarm: Alarm, event: Event) -> None:
        """Take in a change."""
        self.alarms[alarm.alarm_id] = alarm
        self.events.append(event)
        if event.actor == ENGINE:
            told = book.occurrence(alarm, event)
            key = (told.alarm_id, told.number)
            known = self.occurrences.get(key)
            self.occurrences[key] = told if known is None else book.joined(known, told)

    def write(self, conn: Conn) -> list[int]:
        """Write everything and announce the last event; return the numbers of the events."""
        numbers = _write_events(conn, self.events)
        last = {event.alarm_id: n for event, n in zip(self.events, numbers, strict=True)}
        old = [alarm for name, alarm in self.alarms.items() if name not in self.begun]
        new = [self.alarms[name] for name in self.begun]
        begun = self.begun.values()
        of_rule = {
            "field": [str(one.field) for one in begun],
            "quantity": [one.quantity for one in begun],
        }
        if old:
            conn.execute(_SQL["change_alarms"], _alarm_columns(old, last))
        if new:
            conn.execute(_SQL["add_alarms"], _alarm_columns(new, last) | of_rule)
        if self.occurrences:
            columns = _columns(Occurrence, list(self.occurrences.values()))
            conn.execute(_SQL["note_occurrences"], columns)
        return numbers


def lock(conn: Conn) -> None:
    """Become the one who writes alarm events, to the end of the transaction."""
    conn.execute(_SQL["lock_events"])


def open_alarms(conn: Conn, keys: Collection[tuple[str, str]]) -> list[Alarm]:
    """Read the open alarms of some (rule, subject)."""
    rules, subjects = [rule for rule, _ in keys], [subject for _, subject in keys]
    return _alarms(conn, "open_alarms", {"rules": rules, "subjects": subjects})


def alarms(conn: Conn, ids: Sequence[UUID]) -> list[Alarm]:
    """Read alarms, open or closed; those that are not there are left out."""
    return _alarms(conn, "alarms_by_id", {"alarms": list(ids)})


def due(conn: Conn, now: datetime, limit: int) -> list[Alarm]:
    """Read alarms to which time has something to do by now, the longest waiting first."""
    return _alarms(conn, "alarms_due", {"now": now, "limit": limit})


def anything_due(conn: Conn, now: datetime) -> bool:
    """Tell whether ``due`` would find any; needs no lock."""
    row = conn.execute(_SQL["anything_due"], {"now": now}).fetchone()
    return bool(row and row[0])


def known_alarms(conn: Conn, ids: Collection[UUID]) -> set[UUID]:
    """Return which of these alarms there have ever been."""
    return {row[0] for row in conn.execute(_SQL["known_alarms"], {"alarms": list(ids)})}


def known_events(conn: Conn, keys: Collection[UUID]) -> dict[UUID, int]:
    """Return which of these events have been written before, each with its severity."""
    return dict(conn.execute(_SQL["known_events"], {"keys": list(keys)}).fetchall())


def terms(conn: Conn, versions: Collection[tuple[str, int]]) -> dict[tuple[str, int], Terms]:
    """Read what alarms take over from rules, by rule and version."""
    parameters = {
        "rules": [rule for rule, _ in versions],
        "versions": [version for _, version in versions],
    }
    return {
        (rule, version): Terms(advisory=advisory, ack_within_s=ack, re_alarm_s=again)
        for rule, version, advisory, ack, again in conn.execute(_SQL["terms"], parameters)
    }


def _alarms(conn: Conn, query: str, parameters: dict[str, Any]) -> list[Alarm]:
    with conn.cursor(row_factory=class_row(Alarm)) as cursor:
        return cursor.execute(_SQL[query], parameters).fetchall()


def _write_events(conn: Conn, events: Sequence[Event]) -> list[int]:
    if not events:
        return []
    numbers = [row[0] for row in conn.execute(_SQL["add_events"], _columns(Event, events))]
    conn.execute(_SQL["announce"], {"event": numbers[-1]})
    return numbers


def _alarm_columns(rows: Sequence[Alarm], last: dict[UUID, int]) -> dict[str, list[Any]]:
    return _columns(Alarm, rows) | {
        "said": [Jsonb(row.said) if row.said else None for row in rows],
        "due_at": [row.due[0] if row.due else None for row in rows],
        "last_event_id": [last[row.alarm_id] for row in rows],
    }


def _columns(
    kind: type[Alarm | Event | Occurrence],
    rows: Sequence[Alarm] | Sequence[Event] | Sequence[Occurrence],
) -> dict[str, list[Any]]:
    return {one.name: [getattr(row, one.name) for row in rows] for one in fields(kind)}
