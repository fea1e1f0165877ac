"""Whether a change of a condition is news or only flaps; pure.

People are told that a condition began and that it ended, and believe the last they were told. What
agrees with that belief is no news. What contradicts it is told at once the first time; then it must
last: ``calm`` for the second message within the window, and twice as long for each further one. So
an hour of flapping at a threshold is at most two messages, and what stays is told in the end.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from alerts.desk.nouns import RAISING, Told

WORDS = RAISING | {"eased", "returned"}
"""Kinds of events that say something of a condition."""

DESK = "desk"
"""Actor of what this desk does to alarms."""

CHATTER_TIMES = 3
CHATTER_WITHIN = timedelta(minutes=1)
"""Three beginnings within a minute are chatter (EEMUA 191, ISA-18.2; from memory)."""

_OFTEN = "反复告警，第 {n} 次，持续后再告知 / flaps: beginning {n}; told when it stays"
_KNOWN = "已告知过，未变坏 / told before, and not worse"
_SHORT = "太快恢复，稳定后再告知 / over too soon; told when it stays so"
_NOT_TOLD = "开始时未告知 / its beginning was not told"


@dataclass(frozen=True, slots=True, kw_only=True)
class Damping:
    """How long a change must last, and over which stretch messages are counted."""

    calm: timedelta
    window: timedelta

    def needed(self, told: int) -> timedelta:
        """Return how long the next change must last after ``told`` messages in the window."""
        return self.calm * (1 << max(0, min(told - 1, 16)))


@dataclass(frozen=True, slots=True, kw_only=True)
class Say:
    """What to do with a change: tell it, or hold it, at ``recheck_at`` no longer if it lasts."""

    tell: bool
    reason: str = ""
    recheck_at: datetime | None = None


def judge(event: Told, before: Sequence[Told], damping: Damping) -> Say:
    """Decide about one event that says something of a condition.

    Args:
        event: a beginning, a change of level or an end.
        before: earlier events of the same rule on the same subject, oldest first: those of the
            last window, and of older ones at least the last that was told.
        damping: how much calm is asked for.
    """
    believed = _believed(before)
    past = [one for one in before if one.at >= event.at - damping.window]
    told = [one for one in past if _says(one) and one.verdict != "hold"]
    if event.kind in RAISING:
        return _begun(event, past, told, believed, damping)
    if believed == 0:
        return Say(tell=False, reason=_NOT_TOLD)
    return _ended(event, past, told, damping)


def still_holds(event: Told, later: Sequence[Told]) -> bool:
    """Tell whether nothing has contradicted a held event since, nor made it known.

    Args:
        event: the held one, a beginning or an end.
        later: the events of the same rule on the same subject after it.
    """
    if any(_closed_by_hand(one) for one in later):
        return False
    if event.kind == "returned":
        return not any(one.kind in RAISING for one in later if _says(one))
    return not any(
        one.kind == "returned" or (one.kind in RAISING and one.verdict in ("tell", "digest"))
        for one in later
        if _says(one)
    )


def chatters(times: Sequence[datetime]) -> int:
    """Return how many of these beginnings, in order, belong to a burst of chatter.

    Example:
        >>> t = [datetime(2026, 7, 1, 8, 0, s) for s in (0, 20, 40)]
        >>> chatters(t), chatters(t[:2])
        (3, 0)
    """
    part = [False] * len(times)
    for first in range(len(times) - CHATTER_TIMES + 1):
        last = first + CHATTER_TIMES - 1
        if times[last] - times[first] <= CHATTER_WITHIN:
            part[first : last + 1] = [True] * CHATTER_TIMES
    return sum(part)


def _believed(before: Sequence[Told]) -> int:
    """Return the severity that people believe is in force; 0: none, as far as they know."""
    level = 0
    for one in before:
        if _closed_by_hand(one):
            level = 0  # and so somebody knows that it is over
        elif _says(one) and one.verdict != "hold":
            level = 0 if one.kind == "returned" else one.severity
    return level


def _begun(
    event: Told, past: Sequence[Told], told: Sequence[Told], believed: int, damping: Damping
) -> Say:
    if not told or event.severity > max(one.severity for one in told):
        return Say(tell=True)
    if event.severity <= believed:
        return Say(tell=False, reason=_KNOWN)
    times = 1 + sum(one.kind == "raised" for one in past)
    return Say(
        tell=False,
        reason=_OFTEN.format(n=times),
        recheck_at=event.at + damping.needed(len(told)),
    )


def _ended(event: Told, past: Sequence[Told], told: Sequence[Told], damping: Damping) -> Say:
    """Decide about an end, or about one level less: told at once when what ends lasted."""
    worse = [one.at for one in past if one.kind in RAISING and _says(one)]
    lasted = event.at - max(worse) if worse else damping.window
    needed = damping.needed(len(told))
    if lasted >= needed:
        return Say(tell=True)
    if event.kind == "eased":
        return Say(tell=False, reason=_SHORT)
    return Say(tell=False, reason=_SHORT, recheck_at=event.at + needed)


def _says(event: Told) -> bool:
    """Tell whether an event says something of the condition; showing what has closed does not."""
    return event.kind in WORDS and not (event.kind in RAISING and event.state == "closed")


def _closed_by_hand(event: Told) -> bool:
    return event.state == "closed" and event.actor not in ("engine", DESK)
