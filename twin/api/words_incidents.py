"""The bodies of incidents and of the alarm report."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

from pydantic import ConfigDict, Field

from core.model import Field as Duty
from twin.api.words import Alarm, Count, Ladder, PathStep, Text, Word

Share = Annotated[float, Field(ge=0)]


class Incident(Word):
    """Alarms of one place and time; space is null and path empty when they share none.

    `field` is that of the worst alarm and `fields` are all, that one first; `unacknowledged` counts
    the visible ones.
    """

    incident_id: str
    state: Literal["open", "closed"]
    severity: Ladder
    field: Duty
    fields: list[Duty]
    space: str | None
    path: list[PathStep]
    title: Text
    opened_at: datetime
    last_at: datetime
    closed_at: datetime | None
    alarms: Count
    unacknowledged: Count
    lon: float | None
    lat: float | None


class IncidentDetail(Incident):
    """An incident with its alarms, visible and worst first, 1,000 at most."""

    alarm_list: list[Alarm]


class IncidentList(Word):
    """A page of incidents, the newest first."""

    incidents: list[Incident]
    next: str | None


class Rates(Word):
    """Alarms told, per operator and ten minutes."""

    avg: Share
    max: Share
    operators: Count


class FloodWord(Word):
    """Slots of ten minutes with more than ten alarms for an operator, until fewer than five."""

    share: Share
    longest_min: Share
    count: Count


class Chatter(Word):
    """What began three times within a minute; times: beginnings that belong to that."""

    rule_id: str
    subject: str
    times: Count


class Source(Word):
    """One of the ten worst sources; share: of all beginnings."""

    rule_id: str
    subject: str
    share: Share
    count: Count


class Priorities(Word):
    """Alarms by the worst they were."""

    blue: Count
    yellow: Count
    orange: Count
    red: Count


class Confirmed(Word):
    """Alarms closed, by cause; share_true: of those called true or false, null without any."""

    model_config = ConfigDict(extra="forbid", populate_by_name=True)

    true_: Annotated[Count, Field(alias="true")]
    false_: Annotated[Count, Field(alias="false")]
    test: Count
    maintenance: Count
    returned: Count
    share_true: float | None


class Target(Word):
    """A measure beside its limit."""

    value: float
    limit: float
    ok: bool


class AlarmReport(Word):
    """What the alarms cost; from inclusive, to exclusive.

    `alarms` are beginnings that people were told of, `held` those that were hidden or damped. The
    report names the limits of ISA-18.2 and EEMUA 191; `blue_share` is the one to be reached.
    """

    model_config = ConfigDict(extra="forbid", populate_by_name=True)

    from_: Annotated[datetime, Field(alias="from")]
    to: datetime
    alarms: Count
    held: Count
    per_operator_10min: Rates
    floods: FloodWord
    chattering: list[Chatter]
    stale: Count
    top: list[Source]
    priorities: Priorities
    confirmed: Confirmed
    targets: dict[str, Target]
