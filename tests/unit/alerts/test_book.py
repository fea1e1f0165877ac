from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alerts import book
from alerts.book import (
    Alarm,
    Deed,
    Terms,
    alarm_id,
    done,
    elapsed,
    event_key,
    moment,
    moved,
    occurrence,
    opened,
)
from alerts.lifecycle import HIDING, Action, Phase, Sight
from core.model import CloseCause, Severity, TransitionKind
from tests.support.alerting import T0_US, S, transition

NOW = datetime(2026, 9, 1, tzinfo=UTC)


def fresh(**change: object) -> Alarm:
    return opened(transition(**change), NOW)[0]


def after(alarm: Alarm, kind: TransitionKind, at_s: float = 5, **change: object) -> Alarm:
    moved_ = moved(alarm, transition(kind=kind, at_us=T0_US + round(at_s * S), **change), NOW)
    assert moved_ is not None
    return moved_[0]


def by_person(alarm: Alarm, action: Action, cause: CloseCause | None = None) -> Alarm:
    changed = done(alarm, Deed(action=action, actor="li", at=NOW, note="n", cause=cause))
    assert changed is not None
    return changed[0]


def test_the_id_is_that_of_rule_subject_and_onset() -> None:
    assert alarm_id(transition()) == alarm_id(transition(value=99.0, rule_version=7))
    others = [
        transition(rule_id="rule-1"),
        transition(subject="device:heat-2"),
        transition(at_us=T0_US + 1),
    ]
    assert len({alarm_id(t) for t in [transition(), *others]}) == 4


def test_opened() -> None:
    alarm, event = opened(transition(latch=True), NOW)
    assert (alarm.severity, alarm.peak_severity, alarm.state) == (3, 3, "unacknowledged")
    assert (alarm.raised_at, alarm.detected_at, alarm.latch) == (moment(T0_US), NOW, True)
    assert (event.kind, event.actor, event.at, event.event_at) == (
        "raised",
        "engine",
        NOW,
        moment(T0_US),
    )


def test_escalation_and_easing_keep_the_peak() -> None:
    alarm = after(fresh(), TransitionKind.ESCALATED, severity=Severity.RED, value=95.0)
    alarm = after(alarm, TransitionKind.EASED, severity=Severity.YELLOW, value=40.0)
    assert (alarm.severity, alarm.peak_severity, alarm.value) == (2, 4, 40.0)


def test_return_keeps_what_raised_it() -> None:
    alarm = after(fresh(), TransitionKind.RETURNED, value=20.0, threshold=50.0)
    assert (alarm.state, alarm.value, alarm.threshold) == ("returned_unacknowledged", 61.0, 57.0)
    assert alarm.returned_at == moment(T0_US + 5 * S)


def test_an_occurrence_reopens_what_has_returned() -> None:
    alarm = by_person(fresh(latch=True), Action.ACKNOWLEDGE)
    alarm = after(alarm, TransitionKind.RETURNED)
    assert (alarm.state, alarm.acknowledged_by) == ("acknowledged", "li")
    alarm = after(alarm, TransitionKind.RAISED, 9, severity=Severity.RED)
    assert (alarm.state, alarm.occurrences, alarm.returned_at) == ("unacknowledged", 2, None)
    assert (alarm.acknowledged_at, alarm.acknowledged_by) == (None, None)
    assert alarm.raised_at == moment(T0_US)


def test_return_closes_an_acknowledged_alarm() -> None:
    alarm = after(by_person(fresh(), Action.ACKNOWLEDGE), TransitionKind.RETURNED)
    assert (alarm.state, alarm.closed_by, alarm.close_cause) == ("closed", "engine", "returned")
    assert alarm.closed_at == NOW


def test_a_person_closes_with_a_cause() -> None:
    alarm = by_person(fresh(), Action.CLOSE, CloseCause.FALSE)
    assert (alarm.state, alarm.closed_by, alarm.close_cause) == ("closed", "li", "false")
    commented = by_person(alarm, Action.COMMENT)
    assert commented == alarm


@pytest.mark.parametrize(
    ("kind", "first"),
    [
        (TransitionKind.RETURNED, TransitionKind.RETURNED),
        (TransitionKind.EASED, TransitionKind.RETURNED),
    ],
)
def test_what_says_nothing_new_is_nothing(kind: TransitionKind, first: TransitionKind) -> None:
    assert moved(after(fresh(), first), transition(kind=kind, at_us=T0_US + 9 * S), NOW) is None


def test_a_second_acknowledgement_is_refused() -> None:
    alarm = by_person(fresh(), Action.ACKNOWLEDGE)
    assert done(alarm, Deed(action=Action.ACKNOWLEDGE, actor="x", at=NOW)) is None


def test_moments_are_exact_to_the_microsecond() -> None:
    assert moment(1) - moment(0) == timedelta(microseconds=1)
    assert moment(T0_US + 1).microsecond == 1


def test_an_event_of_the_engine_has_the_key_that_was_told_before_it_was_stored() -> None:
    raised = transition(kind=TransitionKind.ESCALATED)
    _, event = opened(raised, NOW)
    assert event.kind == "raised"
    assert event.key == event_key(raised.rule_id, raised.subject, "escalated", raised.at_us)
    by_hand = done(fresh(), Deed(action=Action.COMMENT, actor="li", at=NOW, note="n"))
    assert by_hand is not None
    assert by_hand[1].key is None


def test_an_alarm_takes_over_what_its_rule_says_of_people() -> None:
    terms = Terms(advisory=True, ack_within_s=120.0, re_alarm_s=600.0)
    said = ("烟雾", "smoke")
    alarm, _ = opened(transition(life_safety=True, said=said), NOW, terms)
    assert (alarm.advisory, alarm.life_safety) == (True, True)
    assert alarm.said == {"zh": "烟雾", "en": "smoke"}
    assert alarm.due == (NOW + timedelta(seconds=120), Action.OVERDUE)
    assert fresh().due is None
    assert fresh().said is None


def test_nobody_coming_is_said_once_until_it_is_acknowledged() -> None:
    alarm, _ = opened(transition(), NOW, Terms(ack_within_s=120.0))
    assert elapsed(alarm, NOW + timedelta(seconds=119)) is None
    change = elapsed(alarm, NOW + timedelta(seconds=120))
    assert change is not None
    alarm, event = change
    assert (event.kind, event.actor, alarm.state) == ("overdue", "clock", "unacknowledged")
    assert alarm.due is None
    alarm = after(by_person(alarm, Action.ACKNOWLEDGE), TransitionKind.ESCALATED, severity=4)
    assert alarm.due == (NOW + timedelta(seconds=120), Action.OVERDUE)


def test_what_goes_on_after_an_acknowledgement_asks_again() -> None:
    alarm, _ = opened(transition(), NOW, Terms(re_alarm_s=600.0, ack_within_s=60.0))
    alarm = by_person(alarm, Action.ACKNOWLEDGE)
    assert alarm.due == (NOW + timedelta(seconds=600), Action.RE_ALARM)
    later = NOW + timedelta(seconds=700)
    change = elapsed(alarm, later)
    assert change is not None
    alarm, event = change
    assert (event.kind, alarm.state, alarm.acknowledged_by) == (
        "re_alarmed",
        "unacknowledged",
        None,
    )
    assert alarm.due == (later + timedelta(seconds=60), Action.OVERDUE)
    assert (
        elapsed(after(by_person(alarm, Action.ACKNOWLEDGE), TransitionKind.RETURNED), later) is None
    )


def hidden(alarm: Alarm, action: Action, hours: float = 1) -> Alarm:
    until = NOW + timedelta(hours=hours) if action is Action.SHELVE else None
    about = "" if action is Action.SHELVE else "WO-7"
    change = done(
        alarm, Deed(action=action, actor="li", at=NOW, note="why", about=about, until=until)
    )
    assert change is not None
    return change[0]


def test_a_shelf_ends_with_its_time_and_asks_anew() -> None:
    alarm, _ = opened(transition(), NOW, Terms(ack_within_s=60.0))
    alarm = hidden(alarm, Action.SHELVE)
    assert (alarm.hidden, alarm.hidden_by, alarm.hidden_why) == ("shelved", "li", "why")
    end = NOW + timedelta(hours=1)
    assert alarm.due == (end, Action.SHELF_END)
    change = elapsed(alarm, end)
    assert change is not None
    alarm, event = change
    assert (event.kind, event.actor, event.hidden) == ("unshelved", "clock", None)
    assert (alarm.hidden, alarm.hidden_until, alarm.hidden_by) == (None, None, None)
    assert alarm.due == (end + timedelta(seconds=60), Action.OVERDUE)


def test_a_shelf_does_not_hold_what_becomes_worse_than_ever() -> None:
    alarm = hidden(fresh(), Action.SHELVE)
    alarm = after(alarm, TransitionKind.EASED, severity=Severity.BLUE)
    alarm = after(alarm, TransitionKind.ESCALATED, severity=Severity.ORANGE)
    assert alarm.hidden == "shelved", "no worse than when it was shelved"
    assert after(alarm, TransitionKind.ESCALATED, severity=Severity.RED).hidden is None
    out = hidden(fresh(), Action.TAKE_OUT)
    assert out.hidden_by == "WO-7"
    assert after(out, TransitionKind.ESCALATED, severity=Severity.RED).hidden == "out_of_service"


def test_occurrences_while_hidden_count_on_the_same_alarm() -> None:
    alarm = by_person(hidden(fresh(), Action.TAKE_OUT), Action.ACKNOWLEDGE)
    for turn in range(3):
        alarm = after(alarm, TransitionKind.RETURNED, 10 * turn + 1)
        assert alarm.closed_at is None
        alarm = after(alarm, TransitionKind.RAISED, 10 * turn + 5)
    alarm = after(by_person(alarm, Action.ACKNOWLEDGE), TransitionKind.RETURNED, 50)
    assert (alarm.occurrences, alarm.hidden) == (4, "out_of_service")
    alarm = by_person(alarm, Action.PUT_BACK)
    assert (alarm.state, alarm.close_cause, alarm.hidden) == ("closed", "returned", None)


def test_life_safety_is_never_hidden_because_of_something_else() -> None:
    deed = Deed(action=Action.SUPPRESS, actor="desk", at=NOW, note="why", about="gateway:gw-1")
    assert done(fresh(life_safety=True), deed) is None
    assert done(fresh(), deed) is not None


def test_an_assignment_is_given_and_taken_back() -> None:
    change = done(fresh(), Deed(action=Action.ASSIGN, actor="li", at=NOW, about="wang"))
    assert change is not None
    assert (change[0].assigned_to, change[1].about) == ("wang", "wang")
    change = done(change[0], Deed(action=Action.ASSIGN, actor="li", at=NOW))
    assert change is not None
    assert change[0].assigned_to is None


def test_an_occurrence_keeps_the_worst_it_reached() -> None:
    alarm, event = opened(transition(), NOW)
    known = occurrence(alarm, event)
    course = [
        transition(
            kind=TransitionKind.ESCALATED, severity=Severity.RED, value=95.0, threshold=80.0
        ),
        transition(kind=TransitionKind.EASED, value=70.0),
        transition(kind=TransitionKind.RETURNED, value=20.0, at_us=T0_US + 9 * S),
    ]
    for one in course:
        change = moved(alarm, one, NOW)
        assert change is not None
        alarm = change[0]
        known = book.joined(known, occurrence(*change))
    assert (known.number, known.onset_at) == (1, moment(T0_US))
    assert (known.severity, known.value, known.threshold) == (Severity.RED, 95.0, 80.0)
    assert known.returned_at == moment(T0_US + 9 * S)


@dataclass
class Life:
    """An alarm under anything that may happen to it."""

    alarm: Alarm
    now: datetime = NOW
    told: list[book.Event] = field(default_factory=list)

    def take(self, change: book.Change | None) -> None:
        if change is not None:
            self.alarm, event = change
            self.told.append(event)


KINDS = st.sampled_from(TransitionKind)
ENGINES = {Action.RAISE, Action.ESCALATE, Action.WORSEN, Action.EASE, Action.RETURN}
STEPS = st.lists(
    st.one_of(
        st.tuples(KINDS, st.sampled_from(Severity)),
        st.sampled_from([action for action in Action if action not in ENGINES]),
        st.integers(1, 4000),
    ),
    max_size=40,
)


@given(STEPS, st.booleans(), st.booleans())
def test_whatever_happens_an_alarm_keeps_its_promises(
    steps: list[tuple[TransitionKind, Severity] | Action | int], latch: bool, safety: bool
) -> None:
    terms = Terms(ack_within_s=300.0, re_alarm_s=900.0)
    alarm, first = opened(transition(latch=latch, life_safety=safety), NOW, terms)
    life = Life(alarm, told=[first])
    for number, step in enumerate(steps):
        was = life.alarm
        match step:
            case int():
                life.now += timedelta(seconds=step)
                life.take(elapsed(was, life.now))
            case Action():
                until = life.now + timedelta(hours=1) if step is Action.SHELVE else None
                cause = CloseCause.TRUE if step is Action.CLOSE else None
                about = "gw" if step in HIDING and until is None else ""
                deed = Deed(
                    action=step, actor="li", at=life.now, note="n", cause=cause, about=about,
                    until=until,
                )  # fmt: skip
                life.take(done(was, deed))
            case (kind, severity):
                if was.closed_at is None:
                    at_us = T0_US + (number + 1) * S
                    said = transition(kind=kind, severity=severity, at_us=at_us)
                    life.take(moved(was, said, life.now))
        _promises(was, life)


def _promises(was: Alarm, life: Life) -> None:
    alarm = life.alarm
    assert was.closed_at is None or alarm == was, "nothing moves what is closed"
    assert (alarm.phase is Phase.CLOSED) == (alarm.closed_at is not None)
    assert (alarm.hidden is None) == (alarm.hidden_by is None) == (alarm.hidden_why is None)
    assert (alarm.sight is Sight.SHELVED) == (alarm.hidden_until is not None)
    assert not (alarm.closed_at and (alarm.hidden or alarm.due))
    assert not (alarm.life_safety and alarm.hidden == "suppressed")
    assert alarm.severity <= alarm.peak_severity
    assert alarm.occurrences == sum(event.kind == "raised" for event in life.told)
    assert (alarm.state, alarm.hidden) == (life.told[-1].state, life.told[-1].hidden)
    if alarm.phase is Phase.UNACKNOWLEDGED:
        assert alarm.acknowledged_at is None
    if alarm.latch and alarm.closed_at:
        assert alarm.close_cause != "returned", "only a person closes what is latched"
