"""The life of an alarm as one table, after ISA-18.2: what an action makes of a state.

An alarm is in two states at once: where it stands (``Phase``), and whether the desk sees it
(``Sight``). The engine's transitions, people's actions and time move it; nothing else does.
``docs/alarms.md`` draws this table, and a test holds the two equal.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TypeAlias

from core.model import AlarmState, TransitionKind


class Phase(StrEnum):
    """Where an alarm stands: its state, and for an acknowledged one whether it has returned."""

    UNACKNOWLEDGED = "unacknowledged"
    ACKNOWLEDGED = "acknowledged"
    RETURNED_UNACKNOWLEDGED = "returned_unacknowledged"
    RETURNED_ACKNOWLEDGED = "returned_acknowledged"
    CLOSED = "closed"


class Sight(StrEnum):
    """Whether the desk sees an open alarm, and if not, why not; it goes on being judged."""

    SHOWN = "shown"
    SHELVED = "shelved"
    SUPPRESSED = "suppressed"
    OUT_OF_SERVICE = "out_of_service"


class Action(StrEnum):
    """What can happen to an alarm."""

    # The engine's; WORSEN is an escalation beyond the worst that the alarm has ever been.
    RAISE = "raise"
    ESCALATE = "escalate"
    WORSEN = "worsen"
    EASE = "ease"
    RETURN = "return"
    # People's, and the desk's on their behalf.
    ACKNOWLEDGE = "acknowledge"
    ASSIGN = "assign"
    COMMENT = "comment"
    CLOSE = "close"
    SHELVE = "shelve"
    UNSHELVE = "unshelve"
    SUPPRESS = "suppress"
    UNSUPPRESS = "unsuppress"
    TAKE_OUT = "take out of service"
    PUT_BACK = "put back in service"
    # Time's.
    SHELF_END = "end of shelf"
    RE_ALARM = "re-alarm"
    OVERDUE = "overdue"


EVENTS: dict[Action, str] = {
    Action.RAISE: "raised",
    Action.ESCALATE: "escalated",
    Action.WORSEN: "escalated",
    Action.EASE: "eased",
    Action.RETURN: "returned",
    Action.ACKNOWLEDGE: "acknowledged",
    Action.ASSIGN: "assigned",
    Action.COMMENT: "commented",
    Action.CLOSE: "closed",
    Action.SHELVE: "shelved",
    Action.UNSHELVE: "unshelved",
    Action.SUPPRESS: "suppressed",
    Action.UNSUPPRESS: "unsuppressed",
    Action.TAKE_OUT: "out_of_service",
    Action.PUT_BACK: "in_service",
    Action.SHELF_END: "unshelved",
    Action.RE_ALARM: "re_alarmed",
    Action.OVERDUE: "overdue",
}
"""The kind of the event row that an action leaves."""

OPENING = frozenset({Action.RAISE, Action.ESCALATE})
"""Actions that open an alarm where none is open.

An escalation does so too: somebody has closed the alarm while its condition went on, and now it is
worse than what they judged.
"""

State: TypeAlias = Phase | Sight


@dataclass(frozen=True, slots=True)
class Step:
    """What an action leads to, and to what instead while the alarm is held.

    An alarm is held open after its condition has ended if it is latched, and as long as it is
    hidden: whoever hid it would else have to hide the next occurrence too.
    """

    to: State
    held: State | None = None

    def under(self, *, held: bool) -> State:
        """Return the state that follows."""
        return self.held if held and self.held is not None else self.to


_UNACK, _ACK = Phase.UNACKNOWLEDGED, Phase.ACKNOWLEDGED
_RET_UNACK, _RET_ACK = Phase.RETURNED_UNACKNOWLEDGED, Phase.RETURNED_ACKNOWLEDGED
_CLOSED = Phase.CLOSED

HIDING = (Action.SHELVE, Action.SUPPRESS, Action.TAKE_OUT)
SHOWING = (Action.UNSHELVE, Action.SHELF_END, Action.UNSUPPRESS, Action.PUT_BACK)
_STAYING = (Action.COMMENT, Action.ASSIGN, *HIDING, *SHOWING)
_OPEN = (_UNACK, _ACK, _RET_UNACK, _RET_ACK)

TABLE: dict[tuple[State, Action], Step] = {
    **{(phase, action): Step(phase) for phase in _OPEN for action in _STAYING},
    (_UNACK, Action.RAISE): Step(_UNACK),
    (_UNACK, Action.ESCALATE): Step(_UNACK),
    (_UNACK, Action.EASE): Step(_UNACK),
    (_UNACK, Action.RETURN): Step(_RET_UNACK),
    (_UNACK, Action.ACKNOWLEDGE): Step(_ACK),
    (_UNACK, Action.CLOSE): Step(_CLOSED),
    (_UNACK, Action.OVERDUE): Step(_UNACK),
    # What was acknowledged is being dealt with, a repeat of it too; worse than that is news.
    (_ACK, Action.RAISE): Step(_ACK),
    (_ACK, Action.ESCALATE): Step(_UNACK),
    (_ACK, Action.EASE): Step(_ACK),
    (_ACK, Action.RETURN): Step(_CLOSED, held=_RET_ACK),
    (_ACK, Action.CLOSE): Step(_CLOSED),
    (_ACK, Action.RE_ALARM): Step(_UNACK),
    (_RET_UNACK, Action.RAISE): Step(_UNACK),
    (_RET_UNACK, Action.ESCALATE): Step(_UNACK),
    (_RET_UNACK, Action.ACKNOWLEDGE): Step(_CLOSED, held=_RET_ACK),
    (_RET_UNACK, Action.CLOSE): Step(_CLOSED),
    (_RET_UNACK, Action.OVERDUE): Step(_RET_UNACK),
    # It was the consequence of something that people did see, and both are over.
    (_RET_UNACK, Action.UNSUPPRESS): Step(_CLOSED, held=_RET_UNACK),
    # The condition began again after somebody had dealt with it: a new occurrence is news.
    (_RET_ACK, Action.RAISE): Step(_UNACK),
    (_RET_ACK, Action.ESCALATE): Step(_UNACK),
    (_RET_ACK, Action.CLOSE): Step(_CLOSED),
    **{(_RET_ACK, action): Step(_CLOSED, held=_RET_ACK) for action in SHOWING},
    (_CLOSED, Action.COMMENT): Step(_CLOSED),
    (Sight.SHOWN, Action.SHELVE): Step(Sight.SHELVED),
    (Sight.SHOWN, Action.SUPPRESS): Step(Sight.SUPPRESSED),
    (Sight.SHOWN, Action.TAKE_OUT): Step(Sight.OUT_OF_SERVICE),
    (Sight.SHELVED, Action.SHELVE): Step(Sight.SHELVED),
    (Sight.SHELVED, Action.UNSHELVE): Step(Sight.SHOWN),
    (Sight.SHELVED, Action.SHELF_END): Step(Sight.SHOWN),
    (Sight.SHELVED, Action.TAKE_OUT): Step(Sight.OUT_OF_SERVICE),
    # A shelf holds for what was put on it, not for what has become worse since.
    (Sight.SHELVED, Action.WORSEN): Step(Sight.SHOWN),
    (Sight.SUPPRESSED, Action.UNSUPPRESS): Step(Sight.SHOWN),
    (Sight.SUPPRESSED, Action.SHELVE): Step(Sight.SHELVED),
    (Sight.SUPPRESSED, Action.TAKE_OUT): Step(Sight.OUT_OF_SERVICE),
    (Sight.OUT_OF_SERVICE, Action.PUT_BACK): Step(Sight.SHOWN),
}
"""The whole life of an alarm; what is not here is refused."""

_FROM_ENGINE: dict[TransitionKind, Action] = {
    TransitionKind.RAISED: Action.RAISE,
    TransitionKind.ESCALATED: Action.ESCALATE,
    TransitionKind.EASED: Action.EASE,
    TransitionKind.RETURNED: Action.RETURN,
}


def follow(
    phase: Phase, action: Action, *, latch: bool, sight: Sight = Sight.SHOWN
) -> Phase | None:
    """Return the phase after an action, None if the action is not possible.

    Args:
        phase: where the alarm stands.
        action: what happens.
        latch: whether only a person may close it.
        sight: whether the desk sees it *after* the action.

    Example:
        >>> follow(Phase.ACKNOWLEDGED, Action.RETURN, latch=False)
        <Phase.CLOSED: 'closed'>
        >>> follow(Phase.ACKNOWLEDGED, Action.RETURN, latch=False, sight=Sight.SHELVED)
        <Phase.RETURNED_ACKNOWLEDGED: 'returned_acknowledged'>
        >>> follow(Phase.CLOSED, Action.ACKNOWLEDGE, latch=False) is None
        True
    """
    step = TABLE.get((phase, action))
    if step is None:
        return None
    after = step.under(held=latch or sight is not Sight.SHOWN)
    assert isinstance(after, Phase)  # a step does not lead from one half of the table to the other
    return after


def see(sight: Sight, action: Action) -> Sight | None:
    """Return whether the desk sees an alarm after an action, None if the action is not possible.

    Example:
        >>> see(Sight.SHELVED, Action.RETURN), see(Sight.SHELVED, Action.WORSEN)
        (<Sight.SHELVED: 'shelved'>, <Sight.SHOWN: 'shown'>)
        >>> see(Sight.OUT_OF_SERVICE, Action.SUPPRESS) is None
        True
    """
    step = TABLE.get((sight, action))
    if step is None:
        return None if action in (*HIDING, *SHOWING) else sight
    assert isinstance(step.to, Sight)  # as above
    return step.to


def action_of(kind: TransitionKind) -> Action:
    """Return the action that an engine's transition is."""
    return _FROM_ENGINE[kind]


def phase_of(state: AlarmState, *, returned: bool) -> Phase:
    """Return the phase of a stored alarm."""
    if state is AlarmState.ACKNOWLEDGED and returned:
        return Phase.RETURNED_ACKNOWLEDGED
    return Phase(str(state))


def state_of(phase: Phase) -> AlarmState:
    """Return the state that a phase is stored as."""
    if phase is Phase.RETURNED_ACKNOWLEDGED:
        return AlarmState.ACKNOWLEDGED
    return AlarmState(str(phase))


def diagram() -> str:
    """Return both halves of the table as one Mermaid state diagram.

    What moves nothing is left out, but for what the engine and time say.
    """
    lines = [
        "stateDiagram-v2",
        "    state alarm {",
        "        [*] --> unacknowledged: raise, escalate",
    ]
    lines += _arrows(Phase, "        ")
    lines += ["        closed --> [*]", "        --", "        [*] --> shown"]
    return "\n".join([*lines, *_arrows(Sight, "        "), "    }"])


def _arrows(half: type[StrEnum], indent: str) -> list[str]:
    arrows: dict[tuple[State, State], list[str]] = {}
    for (state, action), step in TABLE.items():
        if not isinstance(state, half):
            continue
        if step.held is None:
            if step.to is not state or action not in _STAYING:
                arrows.setdefault((state, step.to), []).append(str(action))
        else:
            arrows.setdefault((state, step.to), []).append(f"{action} (not held)")
            if step.held is not state:
                arrows.setdefault((state, step.held), []).append(f"{action} (held)")
    return [f"{indent}{a} --> {b}: {', '.join(words)}" for (a, b), words in arrows.items()]
