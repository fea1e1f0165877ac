"""The words of the domain; every other module uses these and makes no second ones.

Nothing here touches the clock, the network, the database or the environment. The columnar form of
readings, which needs numpy, is its neighbour ``core.batch``.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import datetime
from enum import IntEnum, IntFlag, StrEnum
from typing import Any

ID_PATTERN = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}")
"""What a device, gateway or quantity id may look like (the first sign as RFC 8428, 4.5.1, asks)."""


def is_id(text: str) -> bool:
    """Tell whether ``text`` is a valid device, gateway or quantity id.

    Example:
        >>> is_id("gw-03.smoke_7"), is_id("A"), is_id("-x"), is_id("")
        (True, False, False, False)
    """
    return ID_PATTERN.fullmatch(text) is not None


class Field(StrEnum):
    """A department's field of duty; ``system`` is the runtime itself (gateways, links)."""

    FIRE = "fire"
    WATER = "water"
    SLOPE = "slope"
    TRAFFIC = "traffic"
    SYSTEM = "system"


class SpaceKind(StrEnum):
    """The levels of the block grid, from the largest to the smallest."""

    DISTRICT = "district"
    STREET = "street"
    COMMUNITY = "community"
    GRID = "grid"
    BLOCK = "block"
    BUILDING = "building"


class Severity(IntEnum):
    """The national four-colour ladder; a larger number is worse (blue is level IV, red level I)."""

    BLUE = 1
    YELLOW = 2
    ORANGE = 3
    RED = 4


class Quality(IntFlag):
    """What is known against a reading; 0 is a good one. Who reads says which bits it accepts."""

    GOOD = 0
    OUT_OF_RANGE = 1
    STUCK = 2
    JUMP = 4
    CLOCK_SKEW = 8
    BACKFILLED = 16
    CALIBRATING = 32
    SIMULATED = 64
    DEVICE_FAULT = 128
    LATE = 256
    DUPLICATE = 512


NOT_IN_ROLLUPS = (
    Quality.OUT_OF_RANGE
    | Quality.CLOCK_SKEW
    | Quality.CALIBRATING
    | Quality.DEVICE_FAULT
    | Quality.DUPLICATE
)
"""Readings with one of these bits count in a rollup, but not in its min, max, sum and last."""

NEVER_JUDGED = Quality.BACKFILLED | Quality.DUPLICATE
"""Readings with one of these bits are old or known: the alarm engine does not look at them."""

NEVER_ALARMS = Quality.CALIBRATING
"""Readings with one of these bits speak in no rule, whatever its author wrote."""

ONLY_RAISES = Quality.OUT_OF_RANGE | Quality.JUMP | Quality.STUCK
"""Readings with one of these bits are doubtful: where a rule accepts them, they speak only for an
alarm. They may begin one, make it worse and hold it, but neither end it nor stop its timer."""

NO_MEASURE = Quality.OUT_OF_RANGE | Quality.CALIBRATING | Quality.DEVICE_FAULT
"""Readings with one of these bits are no neighbour to compare the next one with."""

SET_BY_STORE = Quality.LATE | Quality.DUPLICATE
"""Bits that say how a reading came here; a sender cannot know them, so they are not taken over."""


class Channel(StrEnum):
    """The last part of a topic. The first five go up from the gateway, the last two come down."""

    LIVE = "live"
    BACKFILL = "backfill"
    EVENT = "event"
    STATUS = "status"
    REPLY = "reply"
    CMD = "cmd"
    RECEIPT = "receipt"


class RejectReason(StrEnum):
    """Why a reading or a whole message was kept aside instead of stored."""

    UNPARSABLE = "unparsable"
    BAD_TOPIC = "bad_topic"
    BAD_NAME = "bad_name"
    BAD_VALUE = "bad_value"
    BAD_TIME = "bad_time"
    BAD_UNIT = "bad_unit"
    UNKNOWN_DEVICE = "unknown_device"
    UNKNOWN_QUANTITY = "unknown_quantity"
    FOREIGN_GATEWAY = "foreign_gateway"


@dataclass(frozen=True, slots=True, kw_only=True)
class Rejected:
    """Bad data as a value: kept with its reason, counted, never raised.

    Attributes:
        reason: the cause, one of a closed list.
        detail: one sentence for a person, naming the place.
        topic: the MQTT topic it came on.
        payload: the bytes as received, for a whole message; for a reading, its record re-encoded.
        received_us: our clock, microseconds since the Unix epoch, UTC.
        readings: how many readings are lost to it (1 for a record and for an unparsable message).
        content_type: how to read the payload, as the message said; "" is JSON.
    """

    reason: RejectReason
    detail: str
    topic: str
    payload: bytes
    received_us: int
    readings: int = 1
    content_type: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """One measured value, for the edge and people; the hot path uses ``core.batch.Batch``.

    Attributes:
        device: device id.
        quantity: quantity id, a key of ``core.units.QUANTITIES``.
        observed_s: device clock, seconds since the Unix epoch, UTC.
        value: in ``unit`` (booleans are 0.0 and 1.0).
        unit: SenML or UCUM code; None means the quantity's own unit.
        quality: bits known at the edge.
    """

    device: str
    quantity: str
    observed_s: float
    value: float
    unit: str | None = None
    quality: Quality = Quality.GOOD


@dataclass(frozen=True, slots=True, kw_only=True)
class Space:
    """A node of the containment tree.

    Attributes:
        code: text, never a number (leading zeros and 19-digit codes).
        kind: its level.
        name: Chinese name; ``name_en`` the English one, possibly empty.
        parent: code of the containing space; None for the district.
        outline: GeoJSON geometry (Polygon or MultiPolygon), EPSG:4490, longitude first.
        height_m: roof height above ground, for buildings.
        source: where the outline comes from, with its licence, or "synthetic".
        frame: the coordinate system the outline was delivered in, as ``geodata.frames`` names it;
            ``outline`` itself is always EPSG:4490.
    """

    code: str
    kind: SpaceKind
    name: str
    name_en: str
    parent: str | None
    outline: dict[str, Any]
    height_m: float | None = None
    source: str = "synthetic"
    frame: str = "EPSG:4490"


@dataclass(frozen=True, slots=True, kw_only=True)
class Gateway:
    """A gateway: the box an agent runs on. Position in degrees, EPSG:4490."""

    gateway_id: str
    name: str
    lon: float
    lat: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Device:
    """An installed instrument.

    Attributes:
        device_id: stable id.
        kind: a key of ``core.units.DEVICE_KINDS``.
        name: what people call it.
        lon: degrees east; lat: degrees north, EPSG:4490.
        height_m: metres above ground, None if unknown.
        address: postal address, possibly empty.
        gateway_id: through which gateway it reports.
        interval_s: expected seconds between two reports.
        quantities: what it measures; empty means what its kind says.
        attributes: further facts of the installation.
        frame: the coordinate system the position was delivered in; ``lon`` and ``lat`` are always
            EPSG:4490.
    """

    device_id: str
    kind: str
    name: str
    lon: float
    lat: float
    gateway_id: str
    interval_s: float
    height_m: float | None = None
    address: str = ""
    quantities: tuple[str, ...] = ()
    attributes: dict[str, Any] = field(default_factory=dict)
    frame: str = "EPSG:4490"


@dataclass(frozen=True, slots=True, kw_only=True)
class District:
    """A whole district to be loaded: its spaces (parents before children), gateways and devices."""

    spaces: tuple[Space, ...]
    gateways: tuple[Gateway, ...]
    devices: tuple[Device, ...]


class AlarmState(StrEnum):
    """Operator side of an alarm, after ISA-18.2."""

    UNACKNOWLEDGED = "unacknowledged"
    ACKNOWLEDGED = "acknowledged"
    RETURNED_UNACKNOWLEDGED = "returned_unacknowledged"
    CLOSED = "closed"


class CloseCause(StrEnum):
    """Why an alarm was closed; the feedback of the closed loop."""

    TRUE = "true"
    FALSE = "false"
    TEST = "test"
    MAINTENANCE = "maintenance"
    RETURNED = "returned"


class TransitionKind(StrEnum):
    """What the engine says about a condition: it began, changed level, or ended."""

    RAISED = "raised"
    ESCALATED = "escalated"
    EASED = "eased"
    RETURNED = "returned"


@dataclass(frozen=True, slots=True, kw_only=True)
class Transition:
    """One change of one condition, from the engine to the alarm store.

    Attributes:
        rule_id: the rule; ``rule_version`` the version that judged.
        subject: ``device:ID``, ``gateway:ID`` or ``space:CODE``.
        field: the department's field.
        kind: what happened; ``severity`` the level now in force (the last one, for RETURNED).
        at_us: event time, microseconds since the Unix epoch, UTC.
        value: the value that decided (seconds of silence for missing data).
        threshold: the limit it was compared with, in the same unit.
        quantity: quantity id, or "" where the rule has none (a gateway).
        latch: a latched alarm stays open after the condition has returned.
        life_safety: said at once, before it is stored (the rule's ``life_safety``).
        said: one sentence with numbers, Chinese and English; empty where value and threshold say
            it all.
    """

    rule_id: str
    rule_version: int
    subject: str
    field: Field
    kind: TransitionKind
    severity: Severity
    at_us: int
    value: float
    threshold: float
    quantity: str
    latch: bool
    life_safety: bool = False
    said: tuple[str, str] = ("", "")


def parse_time(text: str) -> datetime:
    """Parse RFC 3339 text that must carry an offset.

    Raises:
        ValueError: if the text is no time, or carries no offset.
    """
    when = datetime.fromisoformat(text)
    if when.tzinfo is None:
        raise ValueError(
            f"time {text!r} has no UTC offset; write it like 2026-07-01T08:00:00+08:00"
        )
    return when
