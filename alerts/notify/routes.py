"""Who is told of an alarm event: the decision, from the configured routes and the rosters. Pure."""

from __future__ import annotations

from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from alerts.channel_config import RouteConfig
from alerts.notify.duty import Call, Roster, calls, within
from core.model import Severity


@dataclass(frozen=True, slots=True, kw_only=True)
class Occasion:
    """What the decision goes by.

    Attributes:
        kind: of the event; ``field`` of its alarm.
        severity: the worst so far, as a number.
        life_safety: whether the rule says so; ``advisory`` likewise.
        path: codes of the spaces that hold the alarm's subject, district first.
        at: event time.
    """

    kind: str
    field: str
    severity: int
    life_safety: bool
    advisory: bool
    path: Sequence[str]
    at: datetime

    @property
    def grave(self) -> bool:
        """Whether it must reach somebody, whatever the routes say."""
        return not self.advisory and (self.life_safety or self.severity >= Severity.ORANGE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """One receiver at a channel; ``recipient`` "" is the channel's own ones."""

    recipient: str = ""
    called: Mapping[str, Any] | None = None


ASKING = frozenset({"raised", "escalated", "re_alarmed", "overdue"})
"""Kinds of events that ask somebody to do something."""


def targets(
    channel: str,
    occasion: Occasion,
    routes: Sequence[RouteConfig],
    rosters: Sequence[Roster],
    *,
    waking: Container[str] | None = None,
) -> list[Target]:
    """Return whom a channel tells of an event; nobody is named twice.

    An advisory alarm is told to nobody who would be woken. Without routes every channel is told;
    with them those that a fitting route names, and the contacts on duty of the rosters it names.
    What is grave and reaches nobody by a route is told by every channel: a gap in the routes, or
    a roster with nobody on duty, must not be one in the warning. What only follows on it
    (acknowledged, closed, …) is told so where no route takes its alarm at all.

    Args:
        channel: which one asks.
        occasion: the event.
        routes: all there are; ``rosters`` likewise.
        waking: names of the channels that wake people; None: all of them do.
    """
    if occasion.advisory:
        return []
    whole = [route for route in routes if _fits(route, occasion)]
    fitting = [route for route in whole if not route.kinds or occasion.kind in route.kinds]
    judged = fitting if occasion.kind in ASKING else whole
    if not routes or (occasion.grave and not _reach(judged, rosters, occasion.at, waking)):
        return [Target()]
    found = [Target()] if any(channel in route.channels for route in fitting) else []
    called = _called(fitting, rosters, occasion.at)
    return found + [target(call) for call in called if call.contact.channel == channel]


def target(call: Call) -> Target:
    """Return the receiver that a call means."""
    return Target(recipient=call.recipient, called=call.told())


def _called(routes: Sequence[RouteConfig], rosters: Sequence[Roster], at: datetime) -> list[Call]:
    named = {name for route in routes for name in route.rosters}
    return calls((roster for roster in rosters if roster.roster_id in named), at)


def _reach(
    routes: Sequence[RouteConfig],
    rosters: Sequence[Roster],
    at: datetime,
    waking: Container[str] | None,
) -> bool:
    """Tell whether some routes lead to anybody who would be woken."""
    ways = [name for route in routes for name in route.channels]
    ways += [call.contact.channel for call in _called(routes, rosters, at)]
    return any(waking is None or way in waking for way in ways)


def _fits(route: RouteConfig, occasion: Occasion) -> bool:
    return (
        (not route.fields or occasion.field in route.fields)
        and (not route.spaces or bool(set(route.spaces).intersection(occasion.path)))
        and occasion.severity >= Severity[route.min_severity.upper()]
        and (not route.hours or any(within(hours, occasion.at) for hours in route.hours))
    )
