"""The bodies of the twin of a device: attributes of both sides, moves, replacements, kinds."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import AwareDatetime, Field

from core.model import ID_PATTERN
from core.model import Field as Duty
from twin.api.words import NO_NUL, Count, SeverityOrNone, Word

Version = Annotated[int, Field(ge=0, description="counts the writes that changed something")]
Reason = Annotated[
    str, Field(min_length=1, max_length=200, pattern=NO_NUL, description="a sentence for history")
]
Plate = Annotated[str, Field(max_length=200, pattern=NO_NUL)]


class AttributeValue(Word):
    """A value, since when it holds, and who said so."""

    value: Any
    at: datetime
    by: str


class DesiredSide(Word):
    """What is wished for; the version is also the ETag of …/desired."""

    version: Version
    values: dict[str, AttributeValue]


class ReportedSide(Word):
    """What the device says; `at` is of its newest report, null before the first."""

    version: Version
    values: dict[str, AttributeValue]
    at: datetime | None


class Difference(Word):
    """A wish that is not reported as fulfilled; `reported` is null where nothing was said."""

    desired: Any
    reported: Any
    since: datetime


class Installation(Word):
    """An instrument behind the device id; a null `from_at` is as long as anything is known."""

    serial: str
    vendor: str
    model: str
    from_at: datetime | None
    to_at: datetime | None
    recorded_at: datetime
    reason: str
    by: str


class DevicePlace(Word):
    """Where a device stood; from inclusive, to exclusive, null is open on that side."""

    lon: float
    lat: float
    height_m: float | None
    space: str | None
    gateway_id: str
    placed_how: Literal["within", "snapped", "unplaced"]
    placed_note: str
    from_at: datetime | None
    to_at: datetime | None
    recorded_at: datetime
    reason: str
    by: str


class Twin(Word):
    """A device as installed, as wished for, and as it says it is.

    `delta` is what was wished for and is not reported; nothing of ours carries wishes to a gateway.
    """

    device_id: str
    kind: str
    attributes: Annotated[dict[str, Any], Field(description="facts of the installation")]
    installation: Installation | None
    desired: DesiredSide
    reported: ReportedSide
    delta: dict[str, Difference]
    delivery: Annotated[
        Literal["by report only"],
        Field(description="how wishes are known to hold: the device, or a program, reports them"),
    ]
    freshness: Literal["never", "fresh", "stale"]
    severity: SeverityOrNone


class AttributeChange(Word):
    """One change; a null value removed the attribute."""

    change_id: int
    side: Literal["desired", "reported"]
    name: str
    value: Any
    version: Version
    at: datetime
    by: str


class AttributeHistory(Word):
    """A page of changes, the newest first; `next` is the cursor of the following page or null."""

    device_id: str
    changes: list[AttributeChange]
    next: str | None


class DeviceHistory(Word):
    """Instruments, the oldest first, and places, the newest first; `more`: some are left out."""

    device_id: str
    series: dict[str, int]
    installations: list[Installation]
    places: list[DevicePlace]
    more: bool


class MoveBody(Word):
    """Where a device goes. `x` is longitude or east, `y` latitude or north, as the frame has it."""

    x: Annotated[float, Field(allow_inf_nan=False, ge=-1e9, le=1e9)]
    y: Annotated[float, Field(allow_inf_nan=False, ge=-1e9, le=1e9)]
    frame: Annotated[str, Field(min_length=1, max_length=64, pattern=NO_NUL)] = "EPSG:4490"
    height_m: Annotated[float | None, Field(allow_inf_nan=False, ge=-1e4, le=1e4)] = None
    gateway: Annotated[str | None, Field(pattern=f"^{ID_PATTERN.pattern}$")] = None
    reason: Reason
    dry_run: bool = False


class PlaceNow(Word):
    """A place as a move changes it."""

    lon: float
    lat: float
    height_m: float | None
    space: str | None
    gateway_id: str
    placed_how: Literal["within", "snapped", "unplaced"]
    placed_note: str
    frame: str


class MoveReport(Word):
    """A move; `applied` is false when it was only tried."""

    device_id: str
    before: PlaceNow
    after: PlaceNow
    applied: bool


class ReplaceBody(Word):
    """Another instrument behind the same id; `at` is now when left out."""

    serial: Annotated[str, Field(min_length=1, max_length=200, pattern=NO_NUL)]
    vendor: Plate = ""
    model: Plate = ""
    at: AwareDatetime | None = None
    reason: Reason


class KindWord(Word):
    """A kind of device."""

    kind: str
    field: Duty
    zh: str
    en: str
    quantities: list[str]
    attributes: Count
    settable: list[str]
    built_in: bool


class KindList(Word):
    """All kinds that are known."""

    kinds: list[KindWord]
