"""The body that says why a space looks as it does."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from pydantic import Field

from core.model import AlarmState, SpaceKind
from twin.api.words import Count, Ladder, PathStep, SeverityOrNone, Text, Word


class Freshness(Word):
    """How many devices report, are late, and never reported."""

    fresh: Count
    stale: Count
    never: Count


class Reason(Word):
    """An open alarm; the first one is why the space has its colour."""

    alarm_id: str
    severity: Ladder
    state: AlarmState
    rule_id: str
    rule_name: Text
    device_id: str | None
    device_name: str | None
    gateway_id: str | None
    quantity: str
    value: float | None
    threshold: float | None
    unit: str
    since: datetime
    path: list[PathStep]


class SilentDevice(Word):
    """A device that is late, and when it was last heard."""

    device_id: str
    last_at: datetime


class Part(Word):
    """A space right inside, that has an open alarm or a device that is late."""

    code: str
    kind: SpaceKind
    name: str
    name_en: str
    severity: SeverityOrNone
    open: Count
    stale: Count


class Reasons(Word):
    """Why a space has its severity and freshness: the alarms, the silent devices, the parts."""

    code: str
    kind: SpaceKind
    severity: SeverityOrNone
    open: Count
    unacknowledged: Count
    freshness: Freshness
    reasons: Annotated[list[Reason], Field(description="the worst first, at most 50")]
    stale_devices: Annotated[
        list[SilentDevice], Field(description="the longest silent first, at most 20")
    ]
    parts: Annotated[list[Part], Field(description="the worst first, at most 50")]
