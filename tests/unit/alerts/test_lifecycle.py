from __future__ import annotations

from itertools import product
from pathlib import Path

import pytest

from alerts.lifecycle import (
    EVENTS,
    TABLE,
    Action,
    Phase,
    action_of,
    diagram,
    follow,
    phase_of,
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


def test_a_latched_alarm_is_closed_by_nothing_but_a_person() -> None:
    for (phase, action), step in TABLE.items():
        if step.under(latch=True) is Phase.CLOSED and phase is not Phase.CLOSED:
            assert action is Action.CLOSE


def test_no_phase_is_a_dead_end_and_all_can_be_reached() -> None:
    reached = {Phase.UNACKNOWLEDGED}
    for _ in Phase:
        reached |= {
            after
            for phase, action, latch in product(reached, Action, (True, False))
            if (after := follow(phase, action, latch=latch)) is not None
        }
    assert reached == set(Phase)


def test_states_and_phases_and_kinds_fit() -> None:
    for phase in Phase:
        returned = phase in (Phase.RETURNED_ACKNOWLEDGED, Phase.RETURNED_UNACKNOWLEDGED)
        assert phase_of(state_of(phase), returned=returned) is phase
    assert {state_of(phase) for phase in Phase} == set(AlarmState)
    assert [EVENTS[action_of(kind)] for kind in TransitionKind] == [str(k) for k in TransitionKind]
    assert set(EVENTS) == set(Action)
