from __future__ import annotations

from itertools import product
from pathlib import Path

import pytest

from alerts.lifecycle import (
    EVENTS,
    HIDING,
    SHOWING,
    TABLE,
    Action,
    Phase,
    Sight,
    action_of,
    diagram,
    follow,
    phase_of,
    see,
    state_of,
)
from core.model import AlarmState, TransitionKind

DOCS = Path(__file__).parents[3] / "docs" / "alarms.md"
OPEN = [phase for phase in Phase if phase is not Phase.CLOSED]


def walk(*actions: Action, latch: bool = False) -> Phase | None:
    phase: Phase | None = Phase.UNACKNOWLEDGED
    for action in actions:
        assert phase is not None
        phase = follow(phase, action, latch=latch)
    return phase


def test_the_diagram_in_the_docs_is_drawn_from_the_table() -> None:
    assert f"```mermaid\n{diagram()}\n```" in DOCS.read_text(encoding="utf-8")


def test_return_of_an_acknowledged_alarm_closes_it_unless_latched() -> None:
    steps = (Action.ACKNOWLEDGE, Action.RETURN)
    assert walk(*steps) is Phase.CLOSED
    assert walk(*steps, latch=True) is Phase.RETURNED_ACKNOWLEDGED


def test_acknowledging_what_has_returned_closes_it_unless_latched() -> None:
    steps = (Action.RETURN, Action.ACKNOWLEDGE)
    assert walk(*steps) is Phase.CLOSED
    assert walk(*steps, latch=True) is Phase.RETURNED_ACKNOWLEDGED
    assert walk(*steps, Action.CLOSE, latch=True) is Phase.CLOSED


def test_what_comes_again_or_worse_has_to_be_acknowledged_anew() -> None:
    assert walk(Action.ACKNOWLEDGE, Action.ESCALATE) is Phase.UNACKNOWLEDGED
    assert walk(Action.RETURN, Action.RAISE) is Phase.UNACKNOWLEDGED
    returned = (Action.ACKNOWLEDGE, Action.RETURN)
    assert walk(*returned, Action.RAISE, latch=True) is Phase.UNACKNOWLEDGED
    assert walk(Action.ACKNOWLEDGE, Action.EASE) is Phase.ACKNOWLEDGED


@pytest.mark.parametrize("phase", OPEN)
@pytest.mark.parametrize("latch", [True, False])
def test_every_open_alarm_can_be_closed_commented_and_raised_again(
    phase: Phase, latch: bool
) -> None:
    assert follow(phase, Action.CLOSE, latch=latch) is Phase.CLOSED
    assert follow(phase, Action.COMMENT, latch=latch) is phase
    assert follow(phase, Action.RAISE, latch=latch) in OPEN


@pytest.mark.parametrize("action", [action for action in Action if action is not Action.COMMENT])
def test_a_closed_alarm_only_takes_comments(action: Action) -> None:
    assert follow(Phase.CLOSED, action, latch=False) is None
    assert follow(Phase.CLOSED, Action.COMMENT, latch=False) is Phase.CLOSED


@pytest.mark.parametrize("sight", Sight)
@pytest.mark.parametrize("latch", [True, False])
def test_what_is_held_is_closed_by_nothing_but_a_person(sight: Sight, latch: bool) -> None:
    for phase, action in product(OPEN, Action):
        after = follow(phase, action, latch=latch, sight=sight)
        if (latch or sight is not Sight.SHOWN) and after is Phase.CLOSED:
            assert action is Action.CLOSE


def test_a_hidden_alarm_outlives_its_return_and_is_closed_when_it_is_shown() -> None:
    for hidden in (Sight.SHELVED, Sight.SUPPRESSED, Sight.OUT_OF_SERVICE):
        after = follow(Phase.ACKNOWLEDGED, Action.RETURN, latch=False, sight=hidden)
        assert after is Phase.RETURNED_ACKNOWLEDGED
    for action in SHOWING:
        assert follow(Phase.RETURNED_ACKNOWLEDGED, action, latch=False) is Phase.CLOSED
        assert follow(Phase.RETURNED_ACKNOWLEDGED, action, latch=True) is not Phase.CLOSED


def test_a_consequence_that_is_over_is_closed_with_its_cause() -> None:
    after = follow(Phase.RETURNED_UNACKNOWLEDGED, Action.UNSUPPRESS, latch=False)
    assert after is Phase.CLOSED
    for action in (Action.UNSHELVE, Action.SHELF_END, Action.PUT_BACK):
        after = follow(Phase.RETURNED_UNACKNOWLEDGED, action, latch=False)
        assert after is Phase.RETURNED_UNACKNOWLEDGED


@pytest.mark.parametrize(
    ("sight", "action", "after"),
    [
        (Sight.SHOWN, Action.SHELVE, Sight.SHELVED),
        (Sight.SHOWN, Action.UNSHELVE, None),
        (Sight.SHELVED, Action.SHELVE, Sight.SHELVED),
        (Sight.SHELVED, Action.SUPPRESS, None),
        (Sight.SHELVED, Action.WORSEN, Sight.SHOWN),
        (Sight.SUPPRESSED, Action.WORSEN, Sight.SUPPRESSED),
        (Sight.SUPPRESSED, Action.UNSHELVE, None),
        (Sight.SUPPRESSED, Action.SHELVE, Sight.SHELVED),
        (Sight.OUT_OF_SERVICE, Action.SHELVE, None),
        (Sight.OUT_OF_SERVICE, Action.SHELF_END, None),
        (Sight.OUT_OF_SERVICE, Action.WORSEN, Sight.OUT_OF_SERVICE),
        (Sight.SUPPRESSED, Action.COMMENT, Sight.SUPPRESSED),
    ],
)
def test_what_the_desk_sees_after_an_action(
    sight: Sight, action: Action, after: Sight | None
) -> None:
    assert see(sight, action) is after


def test_whatever_hides_can_be_taken_back() -> None:
    for action in HIDING:
        hidden = see(Sight.SHOWN, action)
        assert hidden is not None
        assert Sight.SHOWN in {see(hidden, back) for back in SHOWING}


def test_time_asks_again_and_says_once_that_nobody_came() -> None:
    assert walk(Action.ACKNOWLEDGE, Action.RE_ALARM) is Phase.UNACKNOWLEDGED
    assert walk(Action.OVERDUE) is Phase.UNACKNOWLEDGED
    assert walk(Action.RETURN, Action.OVERDUE) is Phase.RETURNED_UNACKNOWLEDGED
    assert follow(Phase.ACKNOWLEDGED, Action.OVERDUE, latch=False) is None
    assert follow(Phase.RETURNED_ACKNOWLEDGED, Action.RE_ALARM, latch=True) is None


def test_no_phase_is_a_dead_end_and_all_can_be_reached() -> None:
    reached = {Phase.UNACKNOWLEDGED}
    for _ in Phase:
        reached |= {
            after
            for phase, action, latch in product(reached, Action, (True, False))
            if (after := follow(phase, action, latch=latch)) is not None
        }
    assert reached == set(Phase)
    assert {see(Sight.SHOWN, action) for action in Action} == {None, *Sight}


def test_every_step_of_the_table_stays_in_its_half() -> None:
    for (state, _), step in TABLE.items():
        ends = {step.to, step.under(held=True)}
        assert all(type(end) is type(state) for end in ends)


def test_states_and_phases_and_kinds_fit() -> None:
    for phase in Phase:
        returned = phase in (Phase.RETURNED_ACKNOWLEDGED, Phase.RETURNED_UNACKNOWLEDGED)
        assert phase_of(state_of(phase), returned=returned) is phase
    assert {state_of(phase) for phase in Phase} == set(AlarmState)
    assert [EVENTS[action_of(kind)] for kind in TransitionKind] == [str(k) for k in TransitionKind]
    assert set(EVENTS) == set(Action)
