"""The next call for an alarm that nobody has acknowledged: which level, and who there. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from alerts.notify.duty import Call, Roster, calls, ladder, responsible
from core.model import Severity


@dataclass(frozen=True, slots=True, kw_only=True)
class Waiting:
    """An alarm that waits for an acknowledgement.

    Attributes:
        field: department's field.
        severity: the worst so far, as a number.
        life_safety: whether its rule says so; it is then called for like red.
        path: codes of the spaces that hold it, district first.
        level: the level called last, None before the first call.
    """

    field: str
    severity: int
    life_safety: bool
    path: Sequence[str]
    level: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """A call.

    Attributes:
        level: who is called; "" if there is nobody at any level.
        calls: contacts; never empty where there is a level.
        left_out: levels that were passed over, each with the reason.
    """

    level: str
    calls: tuple[Call, ...]
    left_out: tuple[str, ...]


def next_step(
    alarm: Waiting, rosters: Sequence[Roster], at: datetime, reachable: frozenset[str]
) -> Step:
    """Return the next call: one level higher than the last, past levels where nobody can be called.

    Above the highest level the highest that has somebody is called again.

    Args:
        alarm: what it is about.
        rosters: all there are.
        at: now; shifts go by it.
        reachable: names of the channels that exist.
    """
    levels = ladder(alarm.field)
    begin = levels.index(alarm.level) + 1 if alarm.level in levels else 0
    left_out: list[str] = []
    for level in levels[begin:]:
        found, why = _at(alarm, rosters, level, at, reachable)
        if found:
            return Step(level=level, calls=tuple(found), left_out=tuple(left_out))
        left_out.append(f"{level}: {why}")
    for level in reversed(levels[:begin]):
        found, _ = _at(alarm, rosters, level, at, reachable)
        if found:
            return Step(level=level, calls=tuple(found), left_out=tuple(left_out))
    return Step(level="", calls=(), left_out=tuple(left_out))


def _at(
    alarm: Waiting,
    rosters: Sequence[Roster],
    level: str,
    at: datetime,
    reachable: frozenset[str],
) -> tuple[list[Call], str]:
    severity = int(Severity.RED) if alarm.life_safety else alarm.severity
    nearest = responsible(
        rosters, level=level, field=alarm.field, severity=severity, path=alarm.path
    )
    if not nearest:
        return [], "no roster"
    on_duty = calls(nearest, at)
    if not on_duty:
        return [], f"nobody on duty in {', '.join(roster.roster_id for roster in nearest)}"
    found = [call for call in on_duty if call.contact.channel in reachable]
    return found, "no channel of theirs is configured"
