from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import pytest

from alerts.desk.flaps import Damping
from alerts.desk.nouns import Standing, Told
from alerts.desk.verdicts import Bench, judge, mend
from tests.support.standing import alarm, at, event, name

PUDDLE: dict[str, Any] = {"rule_id": "water-level", "rule_type": "high", "field": "water"}


def bench(alarms: Sequence[Standing], events: Sequence[Told], **more: Any) -> Bench:
    history: dict[tuple[str, str], list[Told]] = {}
    for one in events:
        history.setdefault((one.rule_id, one.subject), []).append(one)
    plain: dict[str, Any] = {
        "alarms": {one.alarm_id: one for one in alarms},
        "history": history,
        "sayings": {},
        "damping": Damping(calm=timedelta(seconds=180), window=timedelta(hours=1)),
        "settle": timedelta(seconds=5),
    }
    return Bench(**(plain | more))


def said(alarms: Sequence[Standing], events: Sequence[Told], now_s: float = 1.0) -> list[str]:
    verdicts, waiting = judge(events, bench(alarms, events), at(now_s))
    words = {one.event_id: one.verdict for one in verdicts}
    words |= {one.event_id: "wait" for one in waiting}
    return [words[one.event_id] for one in events]


def silent(number: int, kind: str, seconds: float, **change: Any) -> Told:
    about = {"rule_id": "device-missing", "subject": "device:puddle"}
    return event(number, kind, seconds, **(about | change))


def test_only_what_something_may_explain_waits_and_what_follows_it_waits_too() -> None:
    missing = [silent(1, "raised", 0), silent(2, "returned", 1)]
    assert said([alarm("puddle")], missing, 4.9) == ["wait", "wait"]
    assert said([alarm("puddle")], missing, 5.0) == ["tell", "hold"]
    assert said([alarm("puddle", **PUDDLE)], [event(1, "raised", 0)]) == ["tell"]
    assert said([alarm("puddle")], missing[:1], -4.9) == ["wait"]
    assert said([alarm("puddle")], missing[:1], -3600) == ["tell"], "our clock was set back"
    lively = [alarm("puddle", life_safety=True)]
    assert said(lively, missing[:1]) == ["tell"]


@pytest.mark.parametrize(
    ("kind", "hidden", "expected"),
    [
        ("raised", "suppressed", "hold"),
        ("suppressed", "suppressed", "hold"),
        ("commented", "shelved", "hold"),
        ("shelved", "shelved", "tell"),
        ("out_of_service", "out_of_service", "tell"),
        ("overdue", None, "tell"),
        ("acknowledged", None, "tell"),
    ],
)
def test_what_is_hidden_is_held_but_not_that_a_person_hid_it(
    kind: str, hidden: str | None, expected: str
) -> None:
    events = [event(1, "raised", 0, verdict="tell"), event(2, kind, 10, hidden=hidden)]
    known = alarm("puddle", hidden=hidden, hidden_by=hidden and "li", **PUDDLE)
    verdicts, _ = judge(events[1:], bench([known], events), at(60))
    assert [one.verdict for one in verdicts] == [expected]


def test_what_people_do_to_what_nobody_was_told_of_is_held() -> None:
    events = [event(1, "raised", 0, verdict="hold"), event(2, "acknowledged", 10, actor="li")]
    verdicts, _ = judge(events[1:], bench([alarm("puddle", **PUDDLE)], events), at(60))
    assert [one.verdict for one in verdicts] == ["hold"]


def test_what_is_shown_again_is_told_if_it_goes_on() -> None:
    events = [event(1, "raised", 0, verdict="tell"), event(2, "unshelved", 60)]
    for active, expected in ((True, "tell"), (False, "hold")):
        known = alarm("puddle", active=active, **PUDDLE)
        verdicts, _ = judge(events[1:], bench([known], events), at(60))
        assert [one.verdict for one in verdicts] == [expected]


def test_one_more_of_an_incident_goes_into_the_digest_unless_it_is_worse() -> None:
    house = name("house")
    alarms = [alarm(word, incident_id=house, **PUDDLE) for word in ("puddle", "other")]
    other: dict[str, Any] = {"alarm_id": name("other"), "subject": "device:other"}
    events = [
        event(1, "raised", 0),
        event(2, "raised", 1, **other),
        event(3, "escalated", 2, severity=3, **other),
        event(4, "escalated", 3, severity=3),
    ]
    assert said(alarms, events) == ["tell", "digest", "tell", "digest"]


def test_a_second_message_about_the_same_alarm_is_not_its_own_digest() -> None:
    alarms = [alarm("puddle", incident_id=name("house"), **PUDDLE)]
    events = [event(1, "raised", 0), event(2, "escalated", 10, severity=4)]
    events.append(event(3, "raised", 4000, severity=4))
    assert said(alarms, events) == ["tell", "tell", "tell"]


@pytest.mark.parametrize(
    ("later", "hidden", "expected"),
    [
        ((), None, "tell"),
        ((), "shelved", "hold"),
        (("returned",), None, "hold"),
        (("commented",), None, "tell"),
    ],
)
def test_a_held_beginning_is_told_if_it_lasts(
    later: Sequence[str], hidden: str | None, expected: str
) -> None:
    held = event(1, "raised", 0, verdict="hold")
    events = [held, *(event(2 + n, kind, 10) for n, kind in enumerate(later))]
    known = alarm("puddle", hidden=hidden, hidden_by=hidden, **PUDDLE)
    (verdict,) = mend([held], bench([known], events))
    assert (verdict.verdict, verdict.recheck_at) == (expected, None)
