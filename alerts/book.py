"""An alarm under change: what one action makes of its fields, and the event row it leaves.

Pure; ``alerts.store`` reads and writes what is worked out here.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid5

from alerts.lifecycle import EVENTS, Action, Phase, action_of, follow, phase_of, state_of
from core.model import AlarmState, CloseCause, Transition

ENGINE = "engine"
"""Actor of what no person did."""

_NAMESPACE = UUID("9f0c8a4e-5a1d-5d0e-8c55-1f6a0b9b7c11")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class Alarm:
    """The fields of an alarm that change, and those that changes are decided by."""

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
    returned_at: datetime | None = None
    acknowledged_at: datetime | None = None
    acknowledged_by: str | None = None
    closed_at: datetime | None = None
    closed_by: str | None = None
    close_cause: str | None = None
    occurrences: int = 1

    @property
    def phase(self) -> Phase:
        """Where it stands."""
        return phase_of(AlarmState(self.state), returned=self.returned_at is not None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """A row of the alarm's history; ``at`` is our clock, ``event_at`` the device's."""

    alarm_id: UUID
    kind: str
    at: datetime
    event_at: datetime
    actor: str
    severity: int
    state: str
    value: float | None = None
    note: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Deed:
    """What a person does to an alarm; ``cause`` only where it is closed."""

    action: Action
    actor: str
    at: datetime
    note: str = ""
    cause: CloseCause | None = None


def moment(at_us: int) -> datetime:
    """Return microseconds since the epoch as a time."""
    return _EPOCH + timedelta(microseconds=at_us)


def alarm_id(transition: Transition) -> UUID:
    """Return the id of the alarm that a transition would open: the same one however often told."""
    return uuid5(_NAMESPACE, f"{transition.rule_id}\n{transition.subject}\n{transition.at_us}")


def opened(transition: Transition, detected_at: datetime) -> tuple[Alarm, Event]:
    """Return a new alarm and its first event."""
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
    )
    return alarm, _told(alarm, Action.RAISE, transition, detected_at)


def moved(
    alarm: Alarm, transition: Transition, detected_at: datetime
) -> tuple[Alarm, Event] | None:
    """Return an open alarm after a transition, and the event; None if it says nothing new."""
    action = action_of(transition.kind)
    phase = follow(alarm.phase, action, latch=alarm.latch)
    if phase is None:
        return None
    if action is Action.RETURN:
        alarm = replace(alarm, returned_at=moment(transition.at_us))
    else:
        alarm = replace(
            alarm,
            severity=transition.severity,
            peak_severity=max(alarm.peak_severity, transition.severity),
            value=transition.value,
            threshold=transition.threshold,
            returned_at=None,
            occurrences=alarm.occurrences + (action is Action.RAISE),
        )
    alarm = _entered(alarm, phase, actor=ENGINE, at=detected_at, cause=CloseCause.RETURNED)
    return alarm, _told(alarm, action, transition, detected_at)


def done(alarm: Alarm, deed: Deed) -> tuple[Alarm, Event] | None:
    """Return an alarm after what a person did, and the event; None if it is not possible."""
    phase = follow(alarm.phase, deed.action, latch=alarm.latch)
    if phase is None:
        return None
    if deed.action is Action.ACKNOWLEDGE:
        alarm = replace(alarm, acknowledged_at=deed.at, acknowledged_by=deed.actor)
    cause = deed.cause or CloseCause.RETURNED
    alarm = _entered(alarm, phase, actor=deed.actor, at=deed.at, cause=cause)
    event = Event(
        alarm_id=alarm.alarm_id,
        kind=EVENTS[deed.action],
        at=deed.at,
        event_at=deed.at,
        actor=deed.actor,
        severity=alarm.severity,
        state=alarm.state,
        note=deed.note,
    )
    return alarm, event


def _entered(alarm: Alarm, phase: Phase, *, actor: str, at: datetime, cause: CloseCause) -> Alarm:
    """Return the alarm in a phase, with the fields that belong to it."""
    if phase is Phase.CLOSED and alarm.closed_at is None:
        alarm = replace(alarm, closed_at=at, closed_by=actor, close_cause=str(cause))
    if phase is Phase.UNACKNOWLEDGED:
        alarm = replace(alarm, acknowledged_at=None, acknowledged_by=None)
    return replace(alarm, state=str(state_of(phase)))


def _told(alarm: Alarm, action: Action, transition: Transition, at: datetime) -> Event:
    return Event(
        alarm_id=alarm.alarm_id,
        kind=EVENTS[action],
        at=at,
        event_at=moment(transition.at_us),
        actor=ENGINE,
        severity=transition.severity,
        state=alarm.state,
        value=transition.value,
    )
