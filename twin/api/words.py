"""The API's bodies as types: what OpenAPI documents and the tests hold every answer to.

Large lists are encoded straight from rows; these types then only document them.
"""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from core.model import AlarmState, CloseCause, SpaceKind
from core.model import Field as Duty
from twin.history.resolution import Level
from twin.operators import Role

Count = Annotated[int, Field(ge=0)]
SeverityOrNone = Annotated[int, Field(ge=0, le=4, description="0 none, 1 blue … 4 red")]
Hidden = Literal["shelved", "suppressed", "out_of_service"]
Ladder = Annotated[int, Field(ge=1, le=4, description="1 blue, 2 yellow, 3 orange, 4 red")]


class Word(BaseModel):
    """A body whose members are all known."""

    model_config = ConfigDict(extra="forbid")


class Problem(BaseModel):
    """An RFC 9457 problem."""

    type: str
    title: str
    status: int
    detail: str
    errors: list[dict[str, str]] | None = None


class Login(Word):
    """A token as `blocktwin operator add` printed it."""

    token: Annotated[str, Field(min_length=1, max_length=512)]


class Session(Word):
    """Who is logged in."""

    name: str
    role: Role


class Text(Word):
    """A sentence in both languages."""

    zh: str
    en: str


class PathStep(Word):
    """One space on the way from the district to a place."""

    code: str
    kind: SpaceKind
    name: str
    name_en: str


class SpaceProperties(Word):
    """A space on the map; lon and lat are a point inside it."""

    code: str
    kind: SpaceKind
    name: str
    name_en: str
    parent: str | None
    height_m: float | None
    source: str
    lon: float
    lat: float


class SpaceFeature(Word):
    """GeoJSON feature; id is the code."""

    type: Literal["Feature"]
    id: str
    geometry: dict[str, Any]
    properties: SpaceProperties


class SpaceCollection(Word):
    """GeoJSON feature collection."""

    type: Literal["FeatureCollection"]
    features: list[SpaceFeature]


class SpaceDetail(Word):
    """One space; path leads from the district to its parent and itself."""

    code: str
    kind: SpaceKind
    name: str
    name_en: str
    parent: str | None
    height_m: float | None
    source: str
    path: list[PathStep]
    children: Count
    bbox: tuple[float, float, float, float]


class DeviceProperties(Word):
    """A device on the map; space is null when unplaced."""

    device_id: str
    kind: str
    kind_zh: str
    kind_en: str
    field: Duty
    name: str
    gateway_id: str
    space: str | None
    placed_how: Literal["within", "snapped", "unplaced"]
    interval_s: float


class DeviceFeature(Word):
    """GeoJSON feature; id is the device id."""

    type: Literal["Feature"]
    id: str
    geometry: dict[str, Any]
    properties: DeviceProperties


class DeviceCollection(Word):
    """GeoJSON feature collection; next is the cursor of the following page."""

    type: Literal["FeatureCollection"]
    features: list[DeviceFeature]
    next: str | None


class Latest(Word):
    """The newest reading of a series by device time."""

    observed_at: datetime
    received_at: datetime
    value: float | None
    quality: int


class Threshold(Word):
    """A level of an active rule, in the quantity's unit."""

    rule_id: str
    name: Text
    type: Literal["high", "low"]
    severity: Ladder
    raise_: Annotated[float, Field(alias="raise")]
    clear: float


class QuantityDetail(Word):
    """What a device measures."""

    quantity: str
    zh: str
    en: str
    unit: str
    series_id: int
    latest: Latest | None
    thresholds: list[Threshold]


class Alarm(Word):
    """An alarm and its place; space is null and path empty when it has none."""

    alarm_id: str
    rule_id: str
    rule_version: int
    name: Text
    advice: Text
    field: Duty
    severity: Ladder
    peak_severity: Ladder
    state: AlarmState
    latch: bool
    subject: str
    device_id: str | None
    device_name: str | None
    gateway_id: str | None
    space: str | None
    path: list[PathStep]
    lon: float | None
    lat: float | None
    quantity: str
    quantity_zh: str
    quantity_en: str
    unit: str
    value: float | None
    threshold: float | None
    raised_at: datetime
    detected_at: datetime
    returned_at: datetime | None
    acknowledged_at: datetime | None
    acknowledged_by: str | None
    closed_at: datetime | None
    closed_by: str | None
    close_cause: CloseCause | None
    occurrences: Count
    assigned_to: str | None
    hidden: Annotated[Hidden | None, Field(description="null: the desk sees it")]
    hidden_until: Annotated[datetime | None, Field(description="end of a shelf")]
    hidden_by: Annotated[
        str | None, Field(description="who shelved it, what suppresses it, or the work order")
    ]
    hidden_why: str | None
    life_safety: Annotated[bool, Field(description="told before it was stored")]
    advisory: Annotated[bool, Field(description="shown and counted, wakes nobody")]
    said: Annotated[Text | None, Field(description="null: value and threshold say it all")]
    incident_id: str | None
    event_id: int


class AlarmEvent(Word):
    """One change of an alarm: who, when, why; `about` is to whom, until when, by what, …."""

    event_id: int
    event_key: Annotated[str, Field(description="names it for ever, also before its commit")]
    kind: str
    at: datetime
    event_at: datetime
    actor: str
    severity: int
    state: AlarmState
    value: float | None
    note: str
    hidden: Annotated[Hidden | None, Field(description="as the alarm was after it")]
    about: str


class Occurrence(Word):
    """One time that the condition began; severity and value are the worst level it reached.

    `returned_at` is null while it goes on, and where the next one came without an end of this.
    """

    number: Annotated[int, Field(ge=1)]
    onset_at: datetime
    detected_at: datetime
    returned_at: datetime | None
    severity: Ladder
    value: float | None
    threshold: float | None


class AlarmDetail(Alarm):
    """An alarm with its history: the newest 1,000 changes and 200 occurrences."""

    events: list[AlarmEvent]
    occurrences_list: list[Occurrence]


class AlarmList(Word):
    """A page of alarms, the newest first."""

    alarms: list[Alarm]
    next: str | None


NO_NUL = r"^[^\x00]*$"
"""PostgreSQL text holds every sign but this one."""

Note = Annotated[str, Field(max_length=2000, pattern=NO_NUL)]


class DeviceDetail(Word):
    """Everything a duty officer asks of a device."""

    device_id: str
    kind: str
    kind_zh: str
    kind_en: str
    field: Duty
    name: str
    lon: float
    lat: float
    height_m: float | None
    address: str
    gateway_id: str
    gateway_online: bool | None
    interval_s: float
    placed_how: Literal["within", "snapped", "unplaced"]
    placed_note: str
    attributes: dict[str, Any]
    freshness: Literal["never", "fresh", "stale"]
    severity: SeverityOrNone
    path: list[PathStep]
    quantities: list[QuantityDetail]
    alarms: list[Alarm]


class Readings(Word):
    """A window of one series as columns, ascending; t is milliseconds since the Unix epoch.

    Single readings (`resolution` raw) have `v` and `q`. Points of `step_s` seconds have the others;
    their `t` is where they begin, `good` the share of readings that count in the values.
    """

    device_id: str
    quantity: str
    unit: str
    resolution: Annotated[str, Field(description="raw, or the width of a point: 20s, 1m, 6h, …")]
    step_s: Count
    level: Annotated[Level, Field(description="what the points were read from")]
    complete: Annotated[bool, Field(description="whether nothing ever stored of it is missing")]
    truncated: Annotated[bool, Field(description="whether only the newest points are here")]
    because: Annotated[
        Literal["deleted", "dense"] | None,
        Field(description="why it is wider: retention, or more readings than expected"),
    ]
    left_out: Annotated[list[str], Field(description="quality bits that do not count in values")]
    t: list[int]
    v: list[float | None] | None = None
    q: list[int] | None = None
    min: list[float | None] | None = None
    max: list[float | None] | None = None
    mean: list[float | None] | None = None
    last: list[float | None] | None = None
    count: list[int] | None = None
    good: list[float] | None = None


class Values(Word):
    """One reading of each series as columns; t is milliseconds since the Unix epoch.

    `device` and `quantity` are indexes into `devices` and `quantities`.
    """

    devices: list[str]
    quantities: list[str]
    series: list[int]
    device: list[int]
    quantity: list[int]
    t: list[int]
    v: list[float | None]
    q: list[int]


class LatestBody(Values):
    """The newest reading of every series; r is when it was received, in milliseconds."""

    r: list[int]


class FieldTotal(Word):
    """Open alarms of one field; hidden ones count nowhere here."""

    open: Count
    unacknowledged: Count
    severity: SeverityOrNone


class Totals(Word):
    """Sums over the whole store, or over `within`."""

    devices: Count
    fresh: Count
    stale: Count
    never: Count
    unplaced: Count
    open: Annotated[int, Field(ge=0, description="not closed and not hidden")]
    unacknowledged: Count
    hidden: Annotated[int, Field(ge=0, description="shelved, suppressed or out of service")]
    by_field: dict[Duty, FieldTotal]


class SpaceState(Word):
    """The state of one space and all that lies in it."""

    code: str
    kind: SpaceKind
    severity: SeverityOrNone
    open: Count
    unacknowledged: Count
    devices: Count
    fresh: Count
    stale: Count


class GatewayState(Word):
    """A gateway; at is null when it never reported; online is null at a time in the past."""

    gateway_id: str
    name: str
    lon: float
    lat: float
    online: bool | None
    at: datetime | None


class StateBody(Word):
    """The district; devices: id -> [0 never | 1 fresh | 2 stale, worst severity 0 to 4].

    `level`, `values`, `places` and `absent` are there only for a time in the past.
    """

    at: datetime
    event_id: int
    totals: Totals
    spaces: list[SpaceState]
    devices: dict[str, tuple[int, int]]
    gateways: list[GatewayState]
    level: Annotated[Level | None, Field(description="what the values were read from")] = None
    values: Values | None = None
    places: Annotated[
        dict[str, tuple[float, float]] | None,
        Field(description="lon, lat then of the devices that stand elsewhere now"),
    ] = None
    absent: Annotated[
        list[str] | None, Field(description="devices that were not yet installed")
    ] = None


class Tally(Word):
    """received = stored + rejected + duplicates; redelivered messages count nowhere else."""

    received: Count
    stored: Count
    rejected: Count
    duplicates: Count
    redelivered: Count


class Timescale(Word):
    """What the store runs on, as `blocktwin db upgrade` found it."""

    version: str | None
    edition: str | None


class StatusBody(Word):
    """The runtime at a glance."""

    model_config = ConfigDict(extra="forbid", populate_by_name=True)

    version: str
    schema_: Annotated[str | None, Field(alias="schema")]
    timescaledb: Timescale
    tally: Tally
    open_alarms: Count
    last_reading_at: datetime | None
