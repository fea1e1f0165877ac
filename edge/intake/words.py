"""What the translators say: samples of foreign devices, and what could not become one.

Pure. A translator reads one protocol and knows no map; ``edge.intake.dictionary`` turns its samples
into readings of ours.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum

from core.model import Channel
from core.senml import RELATIVE_BELOW_S

LATEST_S = 2.0**33
"""Times at or after this (the year 2242) are no times of a device."""
MOST_DEPTH = 16
"""Objects nested deeper than this are set aside as a whole."""
_SHOWN = 200
_STAMP = re.compile(r"(\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d:\d\d)(?:\.(\d{1,6})\d*)?([Zz]|[+-]\d\d:\d\d)")


class Door(StrEnum):
    """The foreign protocol that a message came by."""

    THINGSBOARD = "thingsboard"
    CHIRPSTACK = "chirpstack"
    SPARKPLUG = "sparkplug"


class Kind(StrEnum):
    """What a sample is, which decides what becomes of it when no map names it.

    A measurement is forwarded under a name made from its own, so that the worker keeps and lists
    it. An attribute (a fact of the installation) is set aside. A link fact (signal strength,
    battery, the gateway's own figures) is only counted.
    """

    MEASURED = "measured"
    ATTRIBUTE = "attribute"
    LINK = "link"


class Why(StrEnum):
    """Why something that came did not become a reading."""

    UNPARSABLE = "unparsable"
    BAD_TOPIC = "bad_topic"
    BAD_TIME = "bad_time"
    TEXT = "text"
    NESTED = "nested"
    NULL = "null"
    NOT_FINITE = "not_finite"
    NO_CODEC = "no_codec"
    ATTRIBUTE = "attribute"
    LINK = "link"
    IGNORED = "ignored"
    CONTROL = "control"
    TRANSIENT = "transient"
    NOT_TELEMETRY = "not_telemetry"
    BEFORE_BIRTH = "before_birth"
    UNKNOWN_ALIAS = "unknown_alias"
    STALE_DEATH = "stale_death"
    TOO_MANY = "too_many"


COUNTED_ONLY = frozenset({Why.LINK, Why.IGNORED, Why.CONTROL, Why.TRANSIENT, Why.NOT_TELEMETRY})
"""Reasons that are no loss of a measurement: counted, and not written to the file."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """One value as a foreign device named it.

    Attributes:
        device: the device's foreign name.
        key: the value's foreign name.
        value: as decoded: a number, a boolean, text, None, a list or an object.
        at_s: device clock where the protocol carries it, else ours; seconds since the Unix epoch.
        kind: what it is.
        channel: BACKFILL for what the protocol itself calls history, else LIVE.
    """

    device: str
    key: str
    value: object
    at_s: float
    kind: Kind = Kind.MEASURED
    channel: Channel = Channel.LIVE


@dataclass(frozen=True, slots=True, kw_only=True)
class Aside:
    """Something that did not become a reading; bad data is a value here.

    Attributes:
        why: the cause, one of a closed list.
        device: foreign name, "" when the message is bad as a whole.
        key: foreign name, "" likewise.
        detail: one sentence or the value itself, cut to 200 signs.
    """

    why: Why
    device: str = ""
    key: str = ""
    detail: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Presence:
    """A foreign device was said to be there, or gone."""

    device: str
    online: bool


@dataclass(slots=True, kw_only=True)
class Translation:
    """All that one message says."""

    samples: list[Sample] = field(default_factory=list)
    asides: list[Aside] = field(default_factory=list)
    presences: list[Presence] = field(default_factory=list)

    def refuse(self, why: Why, detail: object = "", *, device: str = "", key: str = "") -> None:
        """Set something aside."""
        self.asides.append(Aside(why=why, device=device, key=key, detail=shown(detail)))


def shown(value: object) -> str:
    """Return a value as a person reads it, of bounded length.

    Example:
        >>> shown("on"), shown([1, 2]), len(shown("x" * 999))
        ('on', '[1, 2]', 200)
    """
    if isinstance(value, int) and value.bit_length() > 512:
        return "a number beyond all measure"
    text = value if isinstance(value, str) else repr(value)
    return text if len(text) <= _SHOWN else text[: _SHOWN - 1] + "…"


def plausible(at_s: float) -> bool:
    """Tell whether a time can travel: not before 1978-07 (SenML's relative times), nor absurd."""
    return RELATIVE_BELOW_S <= at_s < LATEST_S


def from_ms(value: object) -> float | None:
    """Return milliseconds since the Unix epoch as seconds, None when they are no time.

    Example:
        >>> from_ms(1750855643474), from_ms("1750855643474"), from_ms(1750855643), from_ms(True)
        (1750855643.474, 1750855643.474, None, None)
    """
    if isinstance(value, str):
        if not re.fullmatch(r"[0-9]{1,16}", value):
            return None
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    # Compared before it is divided: an integer may be too large for a float.
    if not RELATIVE_BELOW_S * 1e3 <= value < LATEST_S * 1e3:
        return None
    return value / 1e3


def from_rfc3339(text: object) -> float | None:
    """Return a time with an offset as seconds since the Unix epoch; digits past microseconds go.

    Example:
        >>> from_rfc3339("2022-07-18T09:34:15.775023242+00:00")
        1658136855.775023
        >>> from_rfc3339("2022-07-18T09:34:15"), from_rfc3339(7)
        (None, None)
    """
    found = _STAMP.fullmatch(text) if isinstance(text, str) else None
    if found is None:
        return None
    fraction = (found[2] or "").ljust(6, "0")
    offset = "+00:00" if found[3] in "Zz" else found[3]
    try:
        at_s = datetime.fromisoformat(f"{found[1]}.{fraction}{offset}").astimezone(UTC).timestamp()
    except (ValueError, OverflowError):
        return None
    return at_s if plausible(at_s) else None
