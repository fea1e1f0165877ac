"""The bodies of rules, overrides and back-tests."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

from pydantic import AwareDatetime, Field

from alerts.rules import RuleType, SeverityName
from core.model import ID_PATTERN
from core.model import Field as Duty
from twin.api.words import NO_NUL, Count, Text, Word

_ID = f"^{ID_PATTERN.pattern}$"


class LevelWord(Word):
    """One step of a ladder; no numbers where the type has none."""

    severity: SeverityName
    raise_: Annotated[float | None, Field(alias="raise")] = None
    clear: float | None = None


class RuleWord(Word):
    """A rule in force, who loaded it and why; `overrides` is how many devices have another word."""

    rule_id: str
    version: int
    name: Text
    field: Duty
    type: RuleType
    levels: list[LevelWord]
    life_safety: bool
    advisory: bool
    source: str
    loaded_at: datetime
    loaded_by: str
    note: str
    overrides: Count


class RuleList(Word):
    """The rules in force, by id."""

    rules: list[RuleWord]


class VersionWord(Word):
    """A version of a rule with every key, the load that made it and the one that ended it."""

    rule_id: str
    version: int
    active: bool
    body: dict[str, Any]
    loaded_at: datetime
    loaded_by: str
    note: str
    ended_at: datetime | None
    ended_by: str
    ended_note: str


class VersionList(Word):
    """Versions of a rule, the newest first."""

    versions: list[VersionWord]


class OverrideBody(Word):
    """What holds for a device instead: another ladder, or `enabled: false`."""

    levels: Annotated[tuple[LevelWord, ...], Field(max_length=4)] = ()
    enabled: bool = True
    reason: Annotated[str, Field(min_length=1, max_length=2000, pattern=NO_NUL)]
    until: AwareDatetime | None = None


class OverrideWord(Word):
    """An override with who, why and when."""

    override_id: int
    rule_id: str
    device_id: str
    device_name: str
    enabled: bool
    levels: list[LevelWord]
    author: str
    reason: str
    at: datetime
    until: datetime | None
    ended_at: datetime | None
    ended_by: str | None


class OverrideList(Word):
    """A page of overrides, the newest first; `next` is the cursor of the following page or null."""

    overrides: list[OverrideWord]
    next: str | None


class BacktestBody(Word):
    """Which rule is tried on which readings: the one in force by its id, or one as TOML."""

    rule_id: Annotated[str, Field(pattern=f"{_ID}|^$")] = ""
    toml: Annotated[str, Field(max_length=60_000, pattern=NO_NUL)] = ""
    from_: Annotated[AwareDatetime, Field(alias="from")]
    to: AwareDatetime
    space: Annotated[str | None, Field(max_length=64, pattern=NO_NUL)] = None
    backfilled: bool = False


class DayWord(Word):
    """Alarms that began on a day of China Standard Time."""

    day: str
    alarms: Count


class SpaceWord(Word):
    """Alarms in one smallest space; "" is for devices that are not placed."""

    space: str
    alarms: Count


class TriedDevice(Word):
    """Alarms of one device, for the map."""

    device_id: str
    name: str
    lon: float | None
    lat: float | None
    space: str
    alarms: Count
    worst: SeverityName


class TriedAlarm(Word):
    """One alarm that the rule would have raised."""

    device_id: str
    raised_at: datetime
    returned_at: datetime | None
    severity: SeverityName
    peak: SeverityName
    value: float
    threshold: float


class BacktestResult(Word):
    """What a rule would have done; `by_severity` by the worst that each alarm became."""

    alarms: Count
    woken: Annotated[
        int,
        Field(ge=0, description="onsets and worsenings, orange or red, of a rule that pages"),
    ]
    by_severity: dict[SeverityName, Count]
    per_day: list[DayWord]
    peak_10min: Count
    by_space: list[SpaceWord]
    devices: list[TriedDevice]
    list_: Annotated[list[TriedAlarm], Field(alias="list", max_length=1000)]
    list_cut: bool


class BacktestAnswer(Word):
    """What came of it; `in_force` is null where no rule of the id is in force."""

    rule_id: str
    from_: Annotated[datetime, Field(alias="from")]
    to: datetime
    space: str | None
    series: Count
    readings: Count
    seconds: float
    same: Annotated[bool, Field(description="the tried rule is the one in force")]
    candidate: BacktestResult
    in_force: BacktestResult | None
