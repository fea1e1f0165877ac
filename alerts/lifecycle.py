"""The life of an alarm as one table, after ISA-18.2: what an action makes of a state.

The engine's transitions and people's actions move an alarm; nothing else does. A latched alarm
stays open after its condition has ended, until a person closes it. ``docs/alarms.md`` draws this
table, and a test holds the two equal.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from core.model import AlarmState, TransitionKind


class Phase(StrEnum):
    """Where an alarm stands: its state, and for an acknowledged one whether it has returned."""

    UNACKNOWLEDGED = "unacknowledged"
    ACKNOWLEDGED = "acknowledged"
    RETURNED_UNACKNOWLEDGED = "returned_unacknowledged"
    RETURNED_ACKNOWLEDGED = "returned_acknowledged"
    CLOSED = "closed"


class Action(StrEnum):
    """What can happen to an alarm: the first four come from the engine, the others from people."""

    RAISE = "raise"
    ESCALATE = "escalate"
    EASE = "ease"
    RETURN = "return"
    ACKNOWLEDGE = "acknowledge"
    COMMENT = "comment"
    CLOSE = "close"


EVENTS: dict[Action, str] = {
    Action.RAISE: "raised",
    Action.ESCALATE: "escalated",
    Action.EASE: "eased",
    Action.RETURN: "returned",
    Action.ACKNOWLEDGE: "acknowledged",
    Action.COMMENT: "commented",
    Action.CLOSE: "closed",
}
"""The kind of the event row that an action leaves."""

OPENING = frozenset({Action.RAISE, Action.ESCALATE})
"""Actions that open an alarm where none is open.

An escalation does so too: somebody has closed the alarm while its condition went on, and now it is
worse than what they judged.
"""


@dataclass(frozen=True, slots=True)
class Step:
    """What an action leads to, and to what instead when the alarm is latched."""

    to: Phase
    latched: Phase | None = None

    def under(self, *, latch: bool) -> Phase:
        """Return the phase that follows."""
        return self.latched if latch and self.latched is not None else self.to


_UNACK, _ACK = Phase.UNACKNOWLEDGED, Phase.ACKNOWLEDGED
_RET_UNACK, _RET_ACK = Phase.RETURNED_UNACKNOWLEDGED, Phase.RETURNED_ACKNOWLEDGED
_CLOSED = Phase.CLOSED

TABLE: dict[tuple[Phase, Action], Step] = {
    (_UNACK, Action.RAISE): Step(_UNACK),
    (_UNACK, Action.ESCALATE): Step(_UNACK),
    (_UNACK, Action.EASE): Step(_UNACK),
    (_UNACK, Action.RETURN): Step(_RET_UNACK),
    (_UNACK, Action.ACKNOWLEDGE): Step(_ACK),
    (_UNACK, Action.COMMENT): Step(_UNACK),
    (_UNACK, Action.CLOSE): Step(_CLOSED),
    # What was acknowledged is being dealt with, a repeat of it too; worse than that is news.
    (_ACK, Action.RAISE): Step(_ACK),
    (_ACK, Action.ESCALATE): Step(_UNACK),
    (_ACK, Action.EASE): Step(_ACK),
    (_ACK, Action.RETURN): Step(_CLOSED, latched=_RET_ACK),
    (_ACK, Action.COMMENT): Step(_ACK),
    (_ACK, Action.CLOSE): Step(_CLOSED),
    (_RET_UNACK, Action.RAISE): Step(_UNACK),
    (_RET_UNACK, Action.ESCALATE): Step(_UNACK),
    (_RET_UNACK, Action.ACKNOWLEDGE): Step(_CLOSED, latched=_RET_ACK),
    (_RET_UNACK, Action.COMMENT): Step(_RET_UNACK),
    (_RET_UNACK, Action.CLOSE): Step(_CLOSED),
    # The condition began again after somebody had dealt with it: a new occurrence is news.
    (_RET_ACK, Action.RAISE): Step(_UNACK),
    (_RET_ACK, Action.ESCALATE): Step(_UNACK),
    (_RET_ACK, Action.COMMENT): Step(_RET_ACK),
    (_RET_ACK, Action.CLOSE): Step(_CLOSED),
    (_CLOSED, Action.COMMENT): Step(_CLOSED),
}
"""The whole life of an alarm; what is not here is refused."""

_FROM_ENGINE: dict[TransitionKind, Action] = {
    TransitionKind.RAISED: Action.RAISE,
    TransitionKind.ESCALATED: Action.ESCALATE,
    TransitionKind.EASED: Action.EASE,
    TransitionKind.RETURNED: Action.RETURN,
}


def follow(phase: Phase, action: Action, *, latch: bool) -> Phase | None:
    """Return the phase after an action, None if the action is not possible.

    Example:
        >>> follow(Phase.ACKNOWLEDGED, Action.RETURN, latch=False)
        <Phase.CLOSED: 'closed'>
        >>> follow(Phase.CLOSED, Action.ACKNOWLEDGE, latch=False) is None
        True
    """
    step = TABLE.get((phase, action))
    return None if step is None else step.under(latch=latch)


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
    """Return the table as a Mermaid state diagram."""
    lines = ["stateDiagram-v2", "    [*] --> unacknowledged: raise, escalate"]
    arrows: dict[tuple[Phase, Phase], list[str]] = {}
    for (phase, action), step in TABLE.items():
        if step.latched is None:
            arrows.setdefault((phase, step.to), []).append(str(action))
        else:
            arrows.setdefault((phase, step.to), []).append(f"{action} (not latched)")
            arrows.setdefault((phase, step.latched), []).append(f"{action} (latched)")
    lines += [f"    {a} --> {b}: {', '.join(words)}" for (a, b), words in arrows.items()]
    return "\n".join([*lines, "    closed --> [*]"])
