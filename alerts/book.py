"""An alarm under change: what one action makes of its fields, and the event row it leaves.

Pure; ``alerts.ledger`` reads and writes what is worked out here.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid5

from alerts.lifecycle import (
    EVENTS,
    HIDING,
    SHOWING,
    Action,
    Phase,
    Sight,
    action_of,
    follow,
    phase_of,
    see,
    state_of,
)
from alerts.provisional import event_key, key_of
from core.model import AlarmState, CloseCause, Transition, TransitionKind

__all__ = [
    "CLOCK", "ENGINE", "LONGEST_SHELF", "Alarm", "Change", "Deed", "Event", "Occurrence", "Terms",
    "alarm_id", "done", "elapsed", "event_key", "joined", "key_of", "keys_of", "moment", "moved",
    "occurrence", "opened",
]  # fmt: skip

ENGINE = "engine"
"""Actor of what the judged readings did."""

CLOCK = "clock"
"""Actor of what only time did."""

LONGEST_SHELF = timedelta(hours=8)
"""ISA-18.2 asks for a limit to shelving; a shift has eight hours."""

_NAMESPACE = UUID("9f0c8a4e-5a1d-5d0e-8c55-1f6a0b9b7c11")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_STEPS = (TransitionKind.ESCALATED, TransitionKind.EASED)


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """What an alarm takes over from its rule when it is opened; None: never."""

    advisory: bool = False
    ack_within_s: float | None = None
    re_alarm_s: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Alarm:
    """The fields of an alarm that change, and those that changes are decided by.

    Attributes:
        raised_at: event time of the first onset; ``detected_at`` our clock then.
        hidden: ``shelved``, ``suppressed`` or ``out_of_service``; None: the desk sees it.
        hidden_by: who shelved it, what suppresses it, or the work order.
        asked_at: since when an acknowledgement is asked for; ``overdue_at`` when it was said that
            it did not come within ``ack_within_s``.
        said: the engine's sentence, by language; None where value and threshold say it all.
    """

    alarm_id: UUID
    rule_id: str
    rule_version: int
    subject: str
    severity: int
    peak_severity: int
    state: str
    latch: bool
    value: float
    threshold: float
    raised_at: datetime
    detected_at: datetime
    asked_at: datetime
    returned_at: datetime | None = None
    acknowledged_at: datetime | None = None
    acknowledged_by: str | None = None
    closed_at: datetime | None = None
    closed_by: str | None = None
    close_cause: str | None = None
    occurrences: int = 1
    assigned_to: str | None = None
    hidden: str | None = None
    hidden_until: datetime | None = None
    hidden_by: str | None = None
    hidden_why: str | None = None
    life_safety: bool = False
    advisory: bool = False
    said: dict[str, str] | None = None
    ack_within_s: float | None = None
    re_alarm_s: float | None = None
    overdue_at: datetime | None = None

    @property
    def phase(self) -> Phase:
        """Where it stands."""
        return phase_of(AlarmState(self.state), returned=self.returned_at is not None)

    @property
    def sight(self) -> Sight:
        """Whether the desk sees it."""
        return Sight(self.hidden) if self.hidden else Sight.SHOWN

    @property
    def due(self) -> tuple[datetime, Action] | None:
        """When time does something to it next, and what; None if it never does."""
        if self.sight is Sight.SHELVED and self.hidden_until is not None:
            return self.hidden_until, Action.SHELF_END
        if self.sight is not Sight.SHOWN:
            return None
        if self.phase is Phase.ACKNOWLEDGED and self.acknowledged_at and self.re_alarm_s:
            return self.acknowledged_at + timedelta(seconds=self.re_alarm_s), Action.RE_ALARM
        asked = self.phase in (Phase.UNACKNOWLEDGED, Phase.RETURNED_UNACKNOWLEDGED)
        if asked and self.ack_within_s and self.overdue_at is None:
            return self.asked_at + timedelta(seconds=self.ack_within_s), Action.OVERDUE
        return None


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """A row of the alarm's history; ``at`` is our clock, ``event_at`` the device's.

    Attributes:
        key: names it for ever; None: any new one will do, for it is said only once.
        hidden: as the alarm is after it.
        about: what the action names: to whom, until when, by what, which work order, which cause.
    """

    alarm_id: UUID
    kind: str
    at: datetime
    event_at: datetime
    actor: str
    severity: int
    state: str
    value: float | None = None
    note: str = ""
    hidden: str | None = None
    about: str = ""
    key: UUID | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Occurrence:
    """One time that the condition began; ``number`` counts from 1.

    Attributes:
        onset_at: event time; ``detected_at`` our clock.
        returned_at: None: it goes on, or the next one came without an end of this.
        severity: the worst level it reached, and the ``value`` that reached it.
    """

    alarm_id: UUID
    number: int
    onset_at: datetime
    detected_at: datetime
    returned_at: datetime | None
    severity: int
    value: float
    threshold: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Deed:
    """What a person does to an alarm, or the desk on their behalf.

    Attributes:
        cause: only where it is closed.
        about: the assignee, what suppresses, or the work order.
        until: only where it is shelved.
    """

    action: Action
    actor: str
    at: datetime
    note: str = ""
    cause: CloseCause | None = None
    about: str = ""
    until: datetime | None = None


Change = tuple[Alarm, Event]


def moment(at_us: int) -> datetime:
    """Return microseconds since the epoch as a time."""
    return _EPOCH + timedelta(microseconds=at_us)


def alarm_id(transition: Transition) -> UUID:
    """Return the id of the alarm that a transition would open: the same one however often told."""
    return uuid5(_NAMESPACE, f"{transition.rule_id}\n{transition.subject}\n{transition.at_us}")


def keys_of(transition: Transition) -> tuple[UUID, ...]:
    """Return the keys that the event of a transition may have: the second if the first is taken.

    A condition may step twice at one moment, by its own value and because another one confirms it;
    the event that comes second then is named by its severity, too.
    """
    key = key_of(transition)
    if transition.kind in _STEPS:
        return key, uuid5(key, transition.severity.name)
    return (key,)


def opened(transition: Transition, detected_at: datetime, terms: Terms | None = None) -> Change:
    """Return a new alarm and its first event."""
    terms = terms or Terms()
    alarm = Alarm(
        alarm_id=alarm_id(transition),
        rule_id=transition.rule_id,
        rule_version=transition.rule_version,
        subject=transition.subject,
        severity=transition.severity,
        peak_severity=transition.severity,
        state=AlarmState.UNACKNOWLEDGED,
        latch=transition.latch,
        value=transition.value,
        threshold=transition.threshold,
        raised_at=moment(transition.at_us),
        detected_at=detected_at,
        asked_at=detected_at,
        life_safety=transition.life_safety,
        advisory=terms.advisory,
        ack_within_s=terms.ack_within_s,
        re_alarm_s=terms.re_alarm_s,
        said=_sentence(transition),
    )
    return alarm, _told(alarm, Action.RAISE, transition, detected_at)


def moved(alarm: Alarm, transition: Transition, detected_at: datetime) -> Change | None:
    """Return an open alarm after a transition, and the event; None if it says nothing new."""
    action = action_of(transition.kind)
    worse = action is not Action.RETURN and transition.severity > alarm.peak_severity
    sight = (see(alarm.sight, Action.WORSEN) if worse else None) or alarm.sight
    phase = follow(alarm.phase, action, latch=alarm.latch, sight=sight)
    if phase is None:
        return None
    was = alarm
    if action is Action.RETURN:
        alarm = replace(alarm, returned_at=moment(transition.at_us))
    else:
        alarm = replace(
            alarm,
            severity=transition.severity,
            peak_severity=max(alarm.peak_severity, transition.severity),
            value=transition.value,
            threshold=transition.threshold,
            said=_sentence(transition),
            returned_at=None,
            occurrences=alarm.occurrences + (action is Action.RAISE),
        )
    alarm = _entered(was, alarm, phase, sight, Deed(action=action, actor=ENGINE, at=detected_at))
    return alarm, _told(alarm, action, transition, detected_at)


def done(alarm: Alarm, deed: Deed) -> Change | None:
    """Return an alarm after what a person or time did, and the event; None if not possible.

    What would hide a life-safety alarm because of something else is not possible.
    """
    if deed.action is Action.SUPPRESS and alarm.life_safety:
        return None
    sight = see(alarm.sight, deed.action)
    if sight is None:
        return None
    phase = follow(alarm.phase, deed.action, latch=alarm.latch, sight=sight)
    if phase is None:
        return None
    alarm = _entered(alarm, _marked(alarm, deed), phase, sight, deed)
    event = Event(
        alarm_id=alarm.alarm_id,
        kind=EVENTS[deed.action],
        at=deed.at,
        event_at=deed.at,
        actor=deed.actor,
        severity=alarm.severity,
        state=alarm.state,
        note=deed.note,
        hidden=alarm.hidden,
        about=_about(deed),
    )
    return alarm, event


def elapsed(alarm: Alarm, now: datetime) -> Change | None:
    """Return an alarm after what time has done to it by now, and the event; None if nothing."""
    due = alarm.due
    if due is None or due[0] > now:
        return None
    return done(alarm, Deed(action=due[1], actor=CLOCK, at=now))


def occurrence(alarm: Alarm, event: Event) -> Occurrence:
    """Return the occurrence that an event of the engine belongs to, as far as the event tells."""
    return Occurrence(
        alarm_id=alarm.alarm_id,
        number=alarm.occurrences,
        onset_at=event.event_at,
        detected_at=event.at,
        returned_at=alarm.returned_at,
        severity=event.severity,
        value=alarm.value,
        threshold=alarm.threshold,
    )


def joined(known: Occurrence, told: Occurrence) -> Occurrence:
    """Return an occurrence after a later event of it."""
    if told.severity <= known.severity:
        return replace(known, returned_at=told.returned_at)
    return replace(
        known,
        returned_at=told.returned_at,
        severity=told.severity,
        value=told.value,
        threshold=told.threshold,
    )


def _marked(alarm: Alarm, deed: Deed) -> Alarm:
    """Return the alarm with what the deed itself says; its state follows from the table."""
    match deed.action:
        case Action.ACKNOWLEDGE:
            return replace(alarm, acknowledged_at=deed.at, acknowledged_by=deed.actor)
        case Action.ASSIGN:
            return replace(alarm, assigned_to=deed.about or None)
        case Action.OVERDUE:
            return replace(alarm, overdue_at=deed.at)
        case action if action in HIDING:
            return replace(
                alarm,
                hidden_until=deed.until,
                hidden_by=deed.about or deed.actor,
                hidden_why=deed.note,
            )
        case _:
            return alarm


def _entered(was: Alarm, alarm: Alarm, phase: Phase, sight: Sight, deed: Deed) -> Alarm:
    """Return the alarm in its new states, with the fields that belong to them."""
    if phase is Phase.CLOSED:
        sight = Sight.SHOWN
        if alarm.closed_at is None:
            cause = str(deed.cause or CloseCause.RETURNED)
            alarm = replace(alarm, closed_at=deed.at, closed_by=deed.actor, close_cause=cause)
    if sight is Sight.SHOWN:
        alarm = replace(alarm, hidden=None, hidden_until=None, hidden_by=None, hidden_why=None)
    else:
        alarm = replace(alarm, hidden=str(sight))
    if phase is Phase.UNACKNOWLEDGED:
        alarm = replace(alarm, acknowledged_at=None, acknowledged_by=None)
    asked = (Phase.UNACKNOWLEDGED, Phase.RETURNED_UNACKNOWLEDGED)
    if phase in asked and (was.phase not in asked or (was.hidden and not alarm.hidden)):
        alarm = replace(alarm, asked_at=deed.at, overdue_at=None)
    return replace(alarm, state=str(state_of(phase)))


def _about(deed: Deed) -> str:
    if deed.action in SHOWING:
        return ""
    if deed.cause is not None:
        return str(deed.cause)
    return deed.until.astimezone(UTC).isoformat() if deed.until else deed.about


def _sentence(transition: Transition) -> dict[str, str] | None:
    zh, en = transition.said
    return {"zh": zh, "en": en} if zh or en else None


def _told(alarm: Alarm, action: Action, transition: Transition, at: datetime) -> Event:
    return Event(
        alarm_id=alarm.alarm_id,
        kind=EVENTS[action],
        at=at,
        event_at=moment(transition.at_us),
        actor=ENGINE,
        severity=alarm.severity,
        state=alarm.state,
        value=transition.value,
        hidden=alarm.hidden,
        key=key_of(transition),
    )
