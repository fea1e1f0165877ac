"""The bodies of notification: proofs of delivery, rosters, and test messages."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

from pydantic import Field

from twin.api.words import NO_NUL, Count, Text, Word

Name = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9._-]{0,63}$")]
LevelName = Literal["micro_station", "squadron", "brigade", "community", "street", "district"]
FieldName = Literal["fire", "water", "slope", "traffic", "system"]
SeverityName = Literal["blue", "yellow", "orange", "red"]
Day = Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
Words = Annotated[str, Field(min_length=1, max_length=200, pattern=NO_NUL)]
ContactName = Annotated[str, Field(min_length=1, max_length=100, pattern=r"^[^\x00-\x1f]*$")]


class Called(Word):
    """Who is called."""

    roster: str
    level: str
    name: str
    channel: str | None = None


class Delivery(Word):
    """What became of one message; `step` 0 tells as it happens, from 1 on it is a call."""

    channel: str
    event_id: int
    event_key: str
    kind: str
    recipient_masked: str
    step: Count
    called: Called | None
    state: Literal[
        "delivered",
        "delivered in a digest",
        "given up",
        "withheld",
        "waits for a digest",
        "waiting",
    ]
    why: str
    attempts: Count
    before_commit: bool
    delivered_at: datetime | None
    given_up_at: datetime | None
    withheld_at: datetime | None
    folded_at: datetime | None
    digest_id: int | None
    last_error: str


class CallStep(Word):
    """One step of the escalation; `note` says who was passed over and why."""

    asked_at: datetime
    step: Count
    at: datetime
    level: str
    called: list[Called]
    note: str
    next_at: datetime | None


class DeliveryList(Word):
    """The proofs of delivery of an alarm, in the order of its events, and the calls for it."""

    alarm_id: str
    deliveries: list[Delivery]
    calls: list[CallStep]


class ContactWord(Word):
    """A person or a duty phone; of the address only enough is told to know it again."""

    name: str
    channel: str
    address_masked: str


class ShiftWord(Word):
    """Who is on duty when, in China Standard Time; `days` are those on which it begins."""

    days: Annotated[tuple[Day, ...], Field(max_length=7)] = ()
    begin: Annotated[str, Field(pattern=r"^([01]\d|2[0-3]):[0-5]\d$")] = "00:00"
    end: Annotated[str, Field(pattern=r"^(([01]\d|2[0-3]):[0-5]\d|24:00)$")] = "24:00"
    contacts: Annotated[list[ContactName], Field(min_length=1, max_length=50)]


class RosterWord(Word):
    """Who is called for what happens in a space or below it."""

    roster_id: str
    name: Text
    space: str
    level: LevelName
    fields: list[FieldName]
    min_severity: SeverityName
    contacts: list[ContactWord]
    shifts: list[ShiftWord]
    changed_at: datetime
    changed_by: str


class RosterList(Word):
    """All rosters, by id."""

    rosters: list[RosterWord]


class ContactBody(Word):
    """A contact; an address that is left out stays as it was for this name and channel."""

    name: ContactName
    channel: Name
    address: Annotated[str, Field(max_length=200, pattern=r"^[^\x00-\x20]*$")] | None = None


class NameBody(Word):
    """A name in both languages."""

    zh: Words
    en: Words


class RosterBody(Word):
    """A roster as it is to be."""

    name: NameBody
    space: Annotated[str, Field(min_length=1, max_length=64, pattern=NO_NUL)]
    level: LevelName
    fields: Annotated[tuple[FieldName, ...], Field(max_length=5)] = ()
    min_severity: SeverityName = "orange"
    contacts: Annotated[list[ContactBody], Field(min_length=1, max_length=50)]
    shifts: Annotated[tuple[ShiftWord, ...], Field(max_length=200)] = ()


class RosterWritten(Word):
    """The roster as it is now; warnings did not keep it from being written."""

    roster: RosterWord
    warnings: list[str]


class TestBody(Word):
    """Which way is tested: a channel, the contacts on duty of a roster, or every channel."""

    channel: Name | None = None
    roster: Name | None = None


class TestWord(Word):
    """A test message and what became of it; a notifier sends it within seconds."""

    test_id: int
    at: datetime
    by: str
    channel: str
    recipient_masked: str
    state: Literal["waiting", "delivered", "failed"]
    error: str


class TestList(Word):
    """Test messages in the order of their numbers."""

    tests: list[TestWord]
