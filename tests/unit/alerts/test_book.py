from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from alerts.book import Alarm, Deed, alarm_id, done, moment, moved, opened
from alerts.lifecycle import Action
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
