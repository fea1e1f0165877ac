"""Rules, alarms and their events in the database: the engine's transitions and people's actions.

Whoever writes an alarm event holds one lock to the end of the transaction, so event numbers are in
the order of commits and there is never more than one open alarm of a rule on a subject.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict, fields
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID

from psycopg import Connection
from psycopg.rows import class_row
from psycopg.types.json import Jsonb

from alerts import book, rulebook
from alerts.book import Alarm, Deed, Event, moment
from alerts.engine import OpenCondition
from alerts.lifecycle import EVENTS, OPENING, Action, action_of
from alerts.rules import LoadedRule, body, digest
from core.db.queries import load
from core.errors import BlocktwinError
from core.model import CloseCause, Severity, Transition

_SQL = load("alerts", "store.sql")

Conn = Connection[Any]
_Key = tuple[str, str]


class AlarmUnknown(BlocktwinError):
    """There is no alarm of this id."""


class InvalidAction(BlocktwinError):
    """The alarm is not in a state in which this can be done to it."""


def load_rules(conn: Conn, rules_dir: str | None = None) -> list[LoadedRule]:
    """Read the rule files and bring the database's versions up to them.

    A changed rule becomes a new version; a rule that is no longer in the files is retired. Alarms
    keep naming the version that raised them.

    Args:
        conn: a connection, in a transaction or not.
        rules_dir: folder of the rule files; None or "" for the packaged ones.

    Raises:
        RuleInvalid: if a file has a mistake; nothing is changed then.
    """
    rules = rulebook.read_folder(Path(rules_dir)) if rules_dir else rulebook.read_packaged()
    with conn.transaction():
        conn.execute(_SQL["lock_rules"])
        active = {row[0]: (row[1], row[2]) for row in conn.execute(_SQL["active_rules"])}
        digests = {rule.id: digest(rule) for rule in rules}
        old = [name for name, (_, was) in active.items() if digests.get(name) != was]
        conn.execute(_SQL["retire_rules"], {"rules": old})
        loaded = []
        for rule in rules:
            version, was = active.get(rule.id, (0, ""))
            if was != digests[rule.id]:
                parameters = {
                    "rule": rule.id,
                    "body": Jsonb(body(rule)),
                    "sha256": digests[rule.id],
                }
                version = _one(conn.execute(_SQL["add_rule"], parameters).fetchone())
            loaded.append(LoadedRule(rule=rule, version=version))
    return loaded


def apply(conn: Conn, transitions: Sequence[Transition], detected_us: int) -> list[int]:
    """Write transitions as alarms and events; run it in the transaction of the readings.

    A beginning opens an alarm, or counts an occurrence on the one that is open. Being told the same
    transition twice changes nothing, nor does one that ends or eases what is not open.

    Args:
        conn: a connection; the lock on events is held until its transaction ends.
        transitions: in the order in which they happened.
        detected_us: our clock, microseconds since the Unix epoch.

    Returns:
        The numbers of the events written, ascending.
    """
    if not transitions:
        return []
    with conn.transaction():
        conn.execute(_SQL["lock_events"])
        desk = _Desk(conn, transitions)
        detected_at = moment(detected_us)
        for transition in transitions:
            desk.take(transition, detected_at)
        return desk.write()


def acknowledge(conn: Conn, alarm_id: str, actor: str, note: str = "") -> int:
    """Note that a person has taken an alarm up; return the event's number.

    Raises:
        AlarmUnknown: if there is no such alarm.
        InvalidAction: if it is acknowledged or closed already.
    """
    return _do(conn, alarm_id, Deed(action=Action.ACKNOWLEDGE, actor=actor, at=_now(), note=note))


def close(conn: Conn, alarm_id: str, actor: str, cause: CloseCause, note: str = "") -> int:
    """Close an alarm with what it turned out to be; return the event's number.

    Raises:
        AlarmUnknown: if there is no such alarm.
        InvalidAction: if it is closed already, or the cause is not a person's to give.
    """
    if cause is CloseCause.RETURNED:
        raise InvalidAction(
            "only the engine closes an alarm as returned", remedy="true, false, test or maintenance"
        )
    deed = Deed(action=Action.CLOSE, actor=actor, at=_now(), note=note, cause=cause)
    return _do(conn, alarm_id, deed)


def comment(conn: Conn, alarm_id: str, actor: str, note: str) -> int:
    """Add a note to an alarm, open or closed; return the event's number.

    Raises:
        AlarmUnknown: if there is no such alarm.
    """
    return _do(conn, alarm_id, Deed(action=Action.COMMENT, actor=actor, at=_now(), note=note))


def open_conditions(conn: Conn) -> list[OpenCondition]:
    """Return what the engine must know of the open alarms when it starts."""
    return [
        OpenCondition(rule_id=rule, subject=subject, severity=Severity(level), returned=returned)
        for rule, subject, level, returned in conn.execute(_SQL["open_conditions"])
    ]


class _Desk:
    """Transitions of one transaction worked into the alarms they concern, then written at once."""

    def __init__(self, conn: Conn, transitions: Sequence[Transition]) -> None:
        self._conn = conn
        self._new: dict[UUID, Transition] = {}
        self._changed: dict[UUID, Alarm] = {}
        self._events: list[Event] = []
        rules = [transition.rule_id for transition in transitions]
        subjects = [transition.subject for transition in transitions]
        self._open = {
            (alarm.rule_id, alarm.subject): alarm
            for alarm in _alarms(conn, "open_alarms", {"rules": rules, "subjects": subjects})
        }
        begun = [book.alarm_id(t) for t in transitions if action_of(t.kind) in OPENING]
        found = conn.execute(_SQL["known_alarms"], {"alarms": begun})
        self._known = {row[0] for row in found}
        told = conn.execute(
            _SQL["known_events"],
            {
                "alarms": [alarm.alarm_id for alarm in self._open.values()],
                "moments": [moment(transition.at_us) for transition in transitions],
            },
        )
        self._told = {(row[0], row[1], row[2]) for row in told}

    def take(self, transition: Transition, detected_at: datetime) -> None:
        """Work one transition in."""
        key = (transition.rule_id, transition.subject)
        alarm = self._open.get(key)
        if alarm is None:
            self._begin(key, transition, detected_at)
        elif not self._is_told(alarm, transition):
            change = book.moved(alarm, transition, detected_at)
            if change is not None:
                self._note(key, *change)

    def _begin(self, key: _Key, transition: Transition, detected_at: datetime) -> None:
        name = book.alarm_id(transition)
        if action_of(transition.kind) in OPENING and name not in self._known:
            self._known.add(name)
            self._new[name] = transition
            self._note(key, *book.opened(transition, detected_at))

    def _is_told(self, alarm: Alarm, transition: Transition) -> bool:
        kind = EVENTS[action_of(transition.kind)]
        return (alarm.alarm_id, kind, moment(transition.at_us)) in self._told

    def _note(self, key: _Key, alarm: Alarm, event: Event) -> None:
        self._changed[alarm.alarm_id] = alarm
        self._events.append(event)
        self._told.add((event.alarm_id, event.kind, event.event_at))
        if alarm.closed_at is None:
            self._open[key] = alarm
        else:
            self._open.pop(key, None)

    def write(self) -> list[int]:
        """Write everything; return the numbers of the events."""
        numbers = _write_events(self._conn, self._events)
        last = {event.alarm_id: n for event, n in zip(self._events, numbers, strict=True)}
        new, old = [], []
        for name, alarm in self._changed.items():
            row = asdict(alarm) | {"last_event_id": last[name]}
            begun = self._new.get(name)
            if begun is None:
                old.append(row)
            else:
                new.append(row | {"field": str(begun.field), "quantity": begun.quantity})
        _many(self._conn, "change_alarm", old)
        _many(self._conn, "add_alarm", new)
        return numbers


def _do(conn: Conn, alarm_id: str, deed: Deed) -> int:
    with conn.transaction():
        conn.execute(_SQL["lock_events"])
        alarm = _find(conn, alarm_id)
        change = book.done(alarm, deed)
        if change is None:
            raise InvalidAction(f"cannot {deed.action} an alarm that is {_said(alarm)}")
        alarm, event = change
        number = _write_events(conn, [event])[0]
        _many(conn, "change_alarm", [asdict(alarm) | {"last_event_id": number}])
    return number


def _find(conn: Conn, alarm_id: str) -> Alarm:
    try:
        found = _alarms(conn, "one_alarm", {"alarm": UUID(alarm_id)})
    except ValueError as error:
        raise AlarmUnknown(f"{alarm_id!r} is no alarm id") from error
    if not found:
        raise AlarmUnknown(f"there is no alarm {alarm_id}")
    return found[0]


def _alarms(conn: Conn, query: str, parameters: dict[str, Any]) -> list[Alarm]:
    with conn.cursor(row_factory=class_row(Alarm)) as cursor:
        return cursor.execute(_SQL[query], parameters).fetchall()


def _write_events(conn: Conn, events: Sequence[Event]) -> list[int]:
    """Write event rows and announce the last; return their numbers."""
    if not events:
        return []
    columns = {
        field.name: [getattr(event, field.name) for event in events] for field in fields(Event)
    }
    numbers = [row[0] for row in conn.execute(_SQL["add_events"], columns)]
    conn.execute(_SQL["announce"], {"event": numbers[-1]})
    return numbers


def _many(conn: Conn, query: str, rows: Iterable[dict[str, Any]]) -> None:
    rows = list(rows)
    if rows:
        with conn.cursor() as cursor:
            cursor.executemany(_SQL[query], rows)


def _said(alarm: Alarm) -> str:
    return alarm.phase.value.replace("_", " and ")


def _one(row: tuple[int] | None) -> int:
    assert row is not None  # the statement always returns a row
    return row[0]


def _now() -> datetime:
    return datetime.now(UTC)
