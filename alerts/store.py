"""What may be done to alarms in the database: the engine's transitions and people's actions.

Every step is worked out by ``alerts.book`` and written by ``alerts.ledger`` under its lock.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from psycopg import Connection

from alerts import book, ledger
from alerts.book import LONGEST_SHELF, Alarm, Deed, moment
from alerts.ledger import Sheet
from alerts.lifecycle import HIDING, OPENING, Action, Sight, action_of
from alerts.rulestore import load_rules
from core.errors import BlocktwinError
from core.model import CloseCause, Transition

__all__ = [
    "DESK", "Acknowledged", "AlarmUnknown", "InvalidAction", "acknowledge", "acknowledge_all",
    "apply", "assign", "close", "comment", "load_rules", "put_in_service",
    "shelve", "suppress", "take_out_of_service", "unshelve", "unsuppress",
]  # fmt: skip

DESK = "desk"
"""Actor of what the desk hides and shows by itself."""

Conn = Connection[Any]


class AlarmUnknown(BlocktwinError):
    """There is no alarm of this id."""


class InvalidAction(BlocktwinError):
    """The alarm is not in a state in which this can be done to it."""


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
        ledger.lock(conn)
        course = _Course(conn, transitions)
        detected_at = moment(detected_us)
        for transition in transitions:
            course.take(transition, detected_at)
        return course.sheet.write(conn)


def acknowledge(conn: Conn, alarm_id: str, actor: str, note: str = "") -> int:
    """Note that a person has taken an alarm up; return the event's number.

    Raises:
        AlarmUnknown: if there is no such alarm.
        InvalidAction: if it is acknowledged or closed already.
    """
    return _do(conn, alarm_id, Deed(action=Action.ACKNOWLEDGE, actor=actor, at=_now(), note=note))


@dataclass(frozen=True, slots=True, kw_only=True)
class Acknowledged:
    """What became of several acknowledgements at once.

    Attributes:
        done: ids of the alarms that were acknowledged, in the order asked.
        refused: why not, by id as given.
    """

    done: tuple[str, ...]
    refused: dict[str, str]


def acknowledge_all(conn: Conn, ids: Sequence[str], actor: str, note: str = "") -> Acknowledged:
    """Acknowledge several alarms in one transaction; those that cannot be are said with why."""
    deed = Deed(action=Action.ACKNOWLEDGE, actor=actor, at=_now(), note=note)
    done: list[str] = []
    refused: dict[str, str] = {}
    with conn.transaction():
        ledger.lock(conn)
        sheet = Sheet()
        for name in dict.fromkeys(ids):
            try:
                sheet.note(*_done(_find(conn, name), deed))
            except (AlarmUnknown, InvalidAction) as error:
                refused[name] = str(error)
            else:
                done.append(name)
        sheet.write(conn)
    return Acknowledged(done=tuple(done), refused=refused)


def assign(conn: Conn, alarm_id: str, actor: str, to: str, note: str = "") -> int:
    """Say who is to look after an alarm, nobody if ``to`` is empty; return the event's number.

    Raises:
        AlarmUnknown: if there is no such alarm.
        InvalidAction: if it is closed.
    """
    deed = Deed(action=Action.ASSIGN, actor=actor, at=_now(), note=note, about=to)
    return _do(conn, alarm_id, deed)


def comment(conn: Conn, alarm_id: str, actor: str, note: str) -> int:
    """Add a note to an alarm, open or closed; return the event's number.

    Raises:
        AlarmUnknown: if there is no such alarm.
    """
    return _do(conn, alarm_id, Deed(action=Action.COMMENT, actor=actor, at=_now(), note=note))


def shelve(conn: Conn, alarm_id: str, actor: str, lasting: timedelta, why: str) -> int:
    """Hide an alarm for a while, or shelve it anew from now on; return the event's number.

    It is shown again when the time is over, or when it becomes worse than it ever was.

    Args:
        lasting: more than nothing and at most ``LONGEST_SHELF``.
        why: the reason; required.

    Raises:
        AlarmUnknown: if there is no such alarm.
        InvalidAction: if it is closed or out of service, no reason is given, or the time is wrong.
    """
    if not timedelta(0) < lasting <= LONGEST_SHELF:
        hours = LONGEST_SHELF / timedelta(hours=1)
        raise InvalidAction(f"an alarm is shelved for more than nothing and at most {hours:g} h")
    now = _now()
    deed = Deed(action=Action.SHELVE, actor=actor, at=now, note=why, until=now + lasting)
    return _do(conn, alarm_id, deed)


def unshelve(conn: Conn, alarm_id: str, actor: str, note: str = "") -> int:
    """Show a shelved alarm again before its time; return the event's number.

    Raises:
        AlarmUnknown: if there is no such alarm.
        InvalidAction: if it is not shelved.
    """
    return _do(conn, alarm_id, Deed(action=Action.UNSHELVE, actor=actor, at=_now(), note=note))


def suppress(conn: Conn, alarm_id: str, by: str, why: str, *, actor: str = DESK) -> int:
    """Hide an alarm that is the consequence of something else; return the event's number.

    Args:
        by: what it follows from, as ``gateway:ID``, ``device:ID`` or ``alarm:UUID``.
        why: the reason in a sentence; required.
        actor: who says so.

    Raises:
        AlarmUnknown: if there is no such alarm.
        InvalidAction: if it is closed, hidden already, of life safety, or no reason is given.
    """
    deed = Deed(action=Action.SUPPRESS, actor=actor, at=_now(), note=why, about=by)
    return _do(conn, alarm_id, deed)


def unsuppress(conn: Conn, alarm_id: str, *, actor: str = DESK, note: str = "") -> int:
    """Show a suppressed alarm again, or close it if it has returned; return the event's number.

    Raises:
        AlarmUnknown: if there is no such alarm.
        InvalidAction: if it is not suppressed.
    """
    return _do(conn, alarm_id, Deed(action=Action.UNSUPPRESS, actor=actor, at=_now(), note=note))


def take_out_of_service(conn: Conn, alarm_id: str, actor: str, work_order: str, why: str) -> int:
    """Hide an alarm while its device is being worked on; return the event's number.

    Args:
        work_order: under which it is; required, as is ``why``.

    Raises:
        AlarmUnknown: if there is no such alarm.
        InvalidAction: if it is closed or out of service already, or no work order or reason given.
    """
    if not work_order.strip():
        raise InvalidAction("say under which work order the alarm is out of service")
    deed = Deed(action=Action.TAKE_OUT, actor=actor, at=_now(), note=why, about=work_order)
    return _do(conn, alarm_id, deed)


def put_in_service(conn: Conn, alarm_id: str, actor: str, note: str = "") -> int:
    """Show an alarm again whose device is back in service; return the event's number.

    Raises:
        AlarmUnknown: if there is no such alarm.
        InvalidAction: if it is not out of service.
    """
    return _do(conn, alarm_id, Deed(action=Action.PUT_BACK, actor=actor, at=_now(), note=note))


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


class _Course:
    """Transitions of one transaction worked into the alarms they concern."""

    def __init__(self, conn: Conn, transitions: Sequence[Transition]) -> None:
        self.sheet = Sheet()
        keys = {(one.rule_id, one.subject) for one in transitions}
        self._open = {(one.rule_id, one.subject): one for one in ledger.open_alarms(conn, keys)}
        names = [key for one in transitions for key in book.keys_of(one)]
        self._told = ledger.known_events(conn, names)
        begun = [one for one in transitions if action_of(one.kind) in OPENING]
        self._known = ledger.known_alarms(conn, [book.alarm_id(one) for one in begun])
        self._terms = ledger.terms(conn, {(one.rule_id, one.rule_version) for one in begun})

    def take(self, transition: Transition, detected_at: datetime) -> None:
        """Work one transition in; one that was told before changes nothing."""
        key, *others = book.keys_of(transition)
        if others and self._told.get(key, transition.severity) != transition.severity:
            (key,) = others
        if key in self._told:
            return
        self._told[key] = transition.severity
        alarm = self._open.get((transition.rule_id, transition.subject))
        if alarm is None:
            self._begin(key, transition, detected_at)
        elif (change := book.moved(alarm, transition, detected_at)) is not None:
            self._note(key, *change)

    def _begin(self, key: UUID, transition: Transition, detected_at: datetime) -> None:
        name = book.alarm_id(transition)
        if action_of(transition.kind) in OPENING and name not in self._known:
            self._known.add(name)
            self.sheet.begun[name] = transition
            terms = self._terms.get((transition.rule_id, transition.rule_version))
            self._note(key, *book.opened(transition, detected_at, terms))

    def _note(self, key: UUID, alarm: Alarm, event: book.Event) -> None:
        self.sheet.note(alarm, replace(event, key=key))
        subject = (alarm.rule_id, alarm.subject)
        if alarm.closed_at is None:
            self._open[subject] = alarm
        else:
            self._open.pop(subject, None)


def _do(conn: Conn, alarm_id: str, deed: Deed) -> int:
    with conn.transaction():
        ledger.lock(conn)
        sheet = Sheet()
        sheet.note(*_done(_find(conn, alarm_id), deed))
        return sheet.write(conn)[0]


def _done(alarm: Alarm, deed: Deed) -> book.Change:
    if deed.action in HIDING and not deed.note.strip():
        raise InvalidAction(f"say why: a reason is needed to {deed.action} an alarm")
    change = book.done(alarm, deed)
    if change is not None:
        return change
    if deed.action is Action.SUPPRESS and alarm.life_safety:
        raise InvalidAction("an alarm of life safety is never suppressed")
    raise InvalidAction(f"cannot {deed.action} an alarm that is {_said(alarm)}")


def _find(conn: Conn, alarm_id: str) -> Alarm:
    try:
        found = ledger.alarms(conn, [UUID(alarm_id)])
    except ValueError as error:
        raise AlarmUnknown(f"{alarm_id!r} is no alarm id") from error
    if not found:
        raise AlarmUnknown(f"there is no alarm {alarm_id}")
    return found[0]


def _said(alarm: Alarm) -> str:
    words = alarm.phase.value.replace("_", " and ")
    return words if alarm.sight is Sight.SHOWN else f"{words} and {alarm.sight.replace('_', ' ')}"


def _now() -> datetime:
    return datetime.now(UTC)
