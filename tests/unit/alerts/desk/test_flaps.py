from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alerts.desk.flaps import Damping, chatters, judge, still_holds
from alerts.desk.nouns import Told
from tests.support.standing import at, event

DAMPING = Damping(calm=timedelta(seconds=180), window=timedelta(seconds=3600))


class Desk:
    """The rule of the flaps, played through in time: events in, what is told out."""

    def __init__(self) -> None:
        self.known: list[Told] = []
        self.held: list[tuple[float, Told]] = []
        self.told: list[tuple[str, float]] = []

    def say(self, kind: str, seconds: float, **change: int) -> None:
        self.until(seconds)
        one = event(len(self.known) + 1, kind, seconds, **change)
        said = judge(one, self.known, DAMPING)
        if said.tell:
            self.told.append((kind, seconds))
        elif said.recheck_at is not None:
            self.held.append(((said.recheck_at - at(0)).total_seconds(), one))
        self.known.append(replace(one, verdict="tell" if said.tell else "hold"))

    def until(self, seconds: float) -> None:
        for due, one in sorted(self.held, key=lambda pair: pair[0]):
            if due <= seconds:
                self.held.remove((due, one))
                self._recheck(due, one)

    def _recheck(self, due: float, one: Told) -> None:
        later = [other for other in self.known if other.event_id > one.event_id]
        if still_holds(one, later):
            self.told.append((one.kind, due))
            place = one.event_id - 1
            self.known[place] = replace(self.known[place], verdict="tell")

    def words(self) -> list[str]:
        return [kind for kind, _ in self.told]


def played(*steps: tuple[str, float]) -> Desk:
    desk = Desk()
    for kind, seconds in steps:
        desk.say(kind, seconds)
    return desk


def test_an_alarm_that_lasts_is_told_at_both_ends_at_once() -> None:
    assert played(("raised", 0), ("returned", 400)).told == [("raised", 0), ("returned", 400)]


def test_a_short_one_is_told_to_be_over_when_it_stays_so() -> None:
    desk = played(("raised", 0), ("returned", 20))
    assert desk.words() == ["raised"]
    desk.until(200)
    assert desk.told == [("raised", 0), ("returned", 200)]


def test_what_gets_worse_is_told_at_once_however_it_flaps() -> None:
    desk = played(("raised", 0), ("returned", 10), ("raised", 20))
    desk.say("escalated", 30, severity=4)
    assert desk.words() == ["raised", "escalated"]
    desk.say("eased", 40, severity=2)
    desk.say("escalated", 50, severity=4)
    desk.say("eased", 60, severity=2)
    assert desk.words() == ["raised", "escalated"]


def test_after_quiet_of_a_window_it_is_news_again() -> None:
    desk = played(("raised", 0), ("returned", 400), ("raised", 4100))
    assert desk.told[-1] == ("raised", 4100)


def test_each_further_message_needs_twice_the_calm() -> None:
    needed = [DAMPING.needed(told).total_seconds() for told in range(5)]
    assert needed == [180, 180, 360, 720, 1440]


def test_a_closing_by_hand_ends_what_people_believe() -> None:
    desk = played(("raised", 0))
    desk.known.append(event(2, "closed", 30, state="closed", actor="li", verdict="tell"))
    desk.say("raised", 60)
    assert desk.words() == ["raised"]
    desk.until(60 + 180)
    assert desk.words() == ["raised", "raised"]


def test_the_end_of_what_nobody_was_told_is_no_news() -> None:
    hidden = event(1, "raised", 0, verdict="hold")
    assert not judge(event(2, "returned", 10), [hidden], DAMPING).tell


def test_what_another_desk_never_judged_counts_as_told() -> None:
    before = event(1, "raised", 0, verdict=None)
    said = judge(event(2, "raised", 10), [before], DAMPING)
    assert (said.tell, said.recheck_at) == (False, None)


@given(st.lists(st.floats(1, 179), min_size=2, max_size=200))
def test_any_flapping_faster_than_the_calm_is_at_most_two_messages(
    phases: Sequence[float],
) -> None:
    desk, now = Desk(), 0.0
    for number, phase in enumerate(phases):
        if now > 3600:
            break
        desk.say("returned" if number % 2 else "raised", now)
        now += phase
    in_the_hour = [kind for kind, seconds in desk.told if seconds <= 3600]
    assert len(in_the_hour) <= 2
    assert in_the_hour[0] == "raised"


@given(st.lists(st.floats(1, 4000), min_size=1, max_size=60))
def test_in_the_end_people_know_how_it_stands(phases: Sequence[float]) -> None:
    desk, now, kind = Desk(), 0.0, ""
    for number, phase in enumerate(phases):
        kind = "returned" if number % 2 else "raised"
        desk.say(kind, now)
        now += phase
    desk.until(1e9)
    assert desk.told[-1][0] == kind


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [([0, 20, 40], 3), ([0, 20, 100, 170], 0), ([0, 30, 60, 90, 200], 4), ([], 0)],
)
def test_chatter_is_three_within_a_minute(seconds: list[float], expected: int) -> None:
    assert chatters([at(one) for one in seconds]) == expected
