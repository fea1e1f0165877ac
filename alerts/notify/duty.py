"""Rosters: who is called for what happens where, by level and by shift. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from alerts.notify.words import CHINA
from alerts.rules import Hours, Text
from core.model import Severity

Level = Literal["micro_station", "squadron", "brigade", "community", "street", "district"]
SeverityName = Literal["blue", "yellow", "orange", "red"]

FIRE_LEVELS: tuple[Level, ...] = ("micro_station", "squadron", "brigade")
CIVIL_LEVELS: tuple[Level, ...] = ("community", "street", "district")
_DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")


class Contact(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A person or a duty phone.

    Attributes:
        name: what people call it.
        channel: name of the channel it is reached by.
        address: where on that channel (a mail address, a telephone number); "" where the channel
            itself leads there.
    """

    name: Annotated[str, Meta(min_length=1, max_length=100, pattern=r"^[^\x00-\x1f]*$")]
    channel: Annotated[str, Meta(pattern=r"^[a-z0-9][a-z0-9._-]{0,63}$")]
    address: Annotated[str, Meta(max_length=200, pattern=r"^[^\x00-\x20]*$")] = ""


class Shift(Hours, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """When some of a roster's contacts are on duty, in China Standard Time.

    Attributes:
        contacts: their names.
    """

    contacts: Annotated[tuple[str, ...], Meta(min_length=1, max_length=50)]


class Roster(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Who is called for what happens in a space or below it.

    Attributes:
        space: code.
        level: place in the ladder of calls.
        fields: departments' fields; empty means all of its ladder.
        min_severity: mildest severity it is called for.
        contacts: who can be called.
        shifts: who is on duty when; none: all of them, always.
    """

    roster_id: Annotated[str, Meta(pattern=r"^[a-z0-9][a-z0-9._-]{0,63}$")]
    name: Text
    space: Annotated[str, Meta(min_length=1, max_length=64)]
    level: Level
    fields: tuple[Literal["fire", "water", "slope", "traffic", "system"], ...] = ()
    min_severity: SeverityName = "orange"
    contacts: Annotated[tuple[Contact, ...], Meta(min_length=1, max_length=50)]
    shifts: Annotated[tuple[Shift, ...], Meta(max_length=200)] = ()

    @property
    def rank(self) -> Severity:
        """The mildest severity as a number."""
        return Severity[self.min_severity.upper()]

    def on_duty(self, at: datetime) -> tuple[Contact, ...]:
        """Return who is on duty at a time, in the order of the contacts."""
        if not self.shifts:
            return self.contacts
        names = {name for shift in self.shifts if within(shift, at) for name in shift.contacts}
        return tuple(contact for contact in self.contacts if contact.name in names)


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One contact of a roster that is called."""

    roster: str
    level: str
    contact: Contact

    @property
    def recipient(self) -> str:
        """What the delivery is kept under: the address, or who it is where there is none."""
        return self.contact.address or f"{self.roster}/{self.contact.name}"

    def told(self) -> dict[str, str]:
        """Return who is called, as messages and records say it."""
        return {"roster": self.roster, "level": self.level, "name": self.contact.name}


def fault(roster: Roster) -> str:
    """Return what is wrong with a roster whose keys and types are right, "" if nothing is."""
    names = [contact.name for contact in roster.contacts]
    if len(names) != len(set(names)):
        return "contacts: each needs a name of its own"
    for shift in roster.shifts:
        unknown = [name for name in shift.contacts if name not in names]
        if unknown:
            return f"shifts: there is no contact {unknown[0]!r}"
        if shift.begin == shift.end:
            return f"shifts: {shift.begin} to {shift.end} is no time; for all day leave both out"
    return ""


def within(hours: Hours, at: datetime) -> bool:
    """Tell whether a time lies in a stretch of hours; ``days`` are those on which it begins.

    Example:
        >>> night = Hours(days=("fri",), begin="22:00", end="06:00")
        >>> within(night, datetime.fromisoformat("2026-01-03T05:59:00+08:00"))  # a Saturday
        True
        >>> within(night, datetime.fromisoformat("2026-01-03T22:00:00+08:00"))
        False
    """
    local = at.astimezone(CHINA)
    now, begin, end = local.hour * 60 + local.minute, _minutes(hours.begin), _minutes(hours.end)
    if begin < end:
        return begin <= now < end and _begins(hours, local)
    if now >= begin:
        return _begins(hours, local)
    return now < end and _begins(hours, local - timedelta(days=1))


def ladder(field: str) -> tuple[Level, ...]:
    """Return the levels that are called for a field, lowest first."""
    return FIRE_LEVELS if field == "fire" else CIVIL_LEVELS


def responsible(
    rosters: Iterable[Roster], *, level: str, field: str, severity: int, path: Sequence[str]
) -> list[Roster]:
    """Return the rosters of a level that an alarm belongs to: those nearest to its place.

    Args:
        rosters: all there are.
        level: one of the field's ladder.
        field: the alarm's.
        severity: its worst so far; life safety counts as red.
        path: codes of the spaces that hold it, district first.
    """
    fit = [
        roster
        for roster in rosters
        if roster.level == level
        and roster.space in path
        and (not roster.fields or field in roster.fields)
        and severity >= roster.rank
    ]
    depth = max((path.index(roster.space) for roster in fit), default=0)
    return [roster for roster in fit if path.index(roster.space) == depth]


def calls(rosters: Iterable[Roster], at: datetime) -> list[Call]:
    """Return who of some rosters is on duty, none twice."""
    found: dict[tuple[str, str], Call] = {}
    for roster in rosters:
        for contact in roster.on_duty(at):
            call = Call(roster=roster.roster_id, level=roster.level, contact=contact)
            found.setdefault((contact.channel, call.recipient), call)
    return list(found.values())


def _begins(hours: Hours, day: datetime) -> bool:
    return not hours.days or _DAYS[day.weekday()] in hours.days


def _minutes(text: str) -> int:
    hour, _, minute = text.partition(":")
    return int(hour) * 60 + int(minute)
