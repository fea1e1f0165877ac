"""Who is told of an alarm event: the decision, from the configured routes and the rosters. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
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


def targets(
    channel: str, occasion: Occasion, routes: Sequence[RouteConfig], rosters: Sequence[Roster]
) -> list[Target]:
    """Return whom a channel tells of an event; nobody is named twice.

    An advisory alarm is told to nobody who would be woken. Without routes every channel is told;
    with them those that a fitting route names, and the contacts on duty of the rosters it names.
    What is grave and fits no route is told by every channel: a gap in the routes must not be one
    in the warning.
    """
    if occasion.advisory:
        return []
    fitting = [route for route in routes if _fits(route, occasion)]
    if not routes or (not fitting and occasion.grave):
        return [Target()]
    found = [Target()] if any(channel in route.channels for route in fitting) else []
    named = {name for route in fitting for name in route.rosters}
    called = calls((r for r in rosters if r.roster_id in named), occasion.at)
    return found + [target(call) for call in called if call.contact.channel == channel]


def target(call: Call) -> Target:
    """Return the receiver that a call means."""
    return Target(recipient=call.recipient, called=call.told())


def _fits(route: RouteConfig, occasion: Occasion) -> bool:
    return (
        (not route.fields or occasion.field in route.fields)
        and (not route.spaces or bool(set(route.spaces).intersection(occasion.path)))
        and occasion.severity >= Severity[route.min_severity.upper()]
        and (not route.kinds or occasion.kind in route.kinds)
        and (not route.hours or any(within(hours, occasion.at) for hours in route.hours))
    )
