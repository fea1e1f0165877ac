"""A life-safety transition as a message of its own, told before it is stored.

The worker publishes it on ``bt/v1/alarm/{field}/{severity}``; the notifier delivers it at once. It
is provisional, for the commit may come minutes later, when the database is back. What is told twice
is known by ``event_key``. Pure.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Annotated, Literal
from uuid import UUID, uuid5

import msgspec

from alerts.rules import Rule, Text
from core.model import Field, Severity, Transition
from core.registry import SeriesInfo

ROOT = "bt/v1/alarm"
FILTER = f"{ROOT}/#"
"""Everything under the root; a gateway can write there as well: ``bt/v1/alarm/{its id}/live``."""

FILTERS = tuple(f"{ROOT}/+/{severity.name.lower()}" for severity in Severity)
"""What to subscribe to, to hear every provisional alarm and nothing that a gateway may write."""

MOST_BYTES = 16_384
"""Largest message that ``parse`` reads; ``message`` stays far below it."""

_NAMESPACE = UUID("4f0a4d3e-7c0b-5d65-9a53-6f4f2f9c5e21")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MOST_US = 253_402_300_799_999_999  # the last microsecond that has a date


class Provisional(msgspec.Struct, frozen=True, kw_only=True):
    """A transition as it is told before its commit. A message, so its names are the wire's.

    Attributes:
        event_key: names this event for ever; the committed event has the same one.
        alarm_id: of the alarm that the onset opens. If an earlier one of the rule and subject is
            still open, the committed event belongs to that one. Never the key.
        kind: ``raised``, ``escalated``, ``eased`` or ``returned``.
        rule_id: the rule; ``rule_version`` the version that judged.
        name: the rule's name; ``advice`` what it says is to be done.
        subject: ``device:ID``, ``gateway:ID`` or ``space:CODE``.
        field: the department's field; ``severity`` the level now in force.
        quantity: quantity id, or "" where the rule has none.
        value: what decided, in the quantity's own unit; ``threshold`` the limit it was held
            against; None: not a finite number.
        said: one sentence with numbers; empty texts where value and threshold say it all.
        at_us: event time (the device's), microseconds since the Unix epoch; ``event_at`` the same
            as RFC 3339.
        onset_us: event time at which the condition began, same unit.
        detected_us: our clock when it was judged, same unit.
        latch: whether the alarm stays open after its return.
        spaces: codes of the containing spaces, district first; empty if not known.
        lon: degrees east; lat: degrees north, EPSG:4490; None if not known.
        device_kind: kind of the subject's device, or "".
        provisional: always true; no committed event says so.
    """

    event_key: UUID
    alarm_id: UUID
    kind: Literal["raised", "escalated", "eased", "returned"]
    rule_id: str
    rule_version: int
    name: Text
    advice: Text
    subject: str
    field: Field
    severity: Literal["blue", "yellow", "orange", "red"]
    quantity: str
    value: float | None
    threshold: float | None
    said: tuple[str, str]
    at_us: Annotated[int, msgspec.Meta(ge=0, le=_MOST_US)]
    event_at: str
    onset_us: Annotated[int, msgspec.Meta(ge=0, le=_MOST_US)]
    detected_us: Annotated[int, msgspec.Meta(ge=0, le=_MOST_US)]
    latch: bool
    spaces: tuple[str, ...] = ()
    lon: float | None = None
    lat: float | None = None
    device_kind: str = ""
    provisional: Literal[True] = True

    @property
    def rank(self) -> Severity:
        """The severity as a number."""
        return Severity[self.severity.upper()]


_DECODER = msgspec.json.Decoder(Provisional)


def event_key(rule_id: str, subject: str, kind: str, at_us: int) -> UUID:
    """Return the key of one event of the engine: the same one however often it is told.

    It names the event by what it says and not by the alarm it belongs to: which alarm is still open
    is known to the database alone, and the key must be there while that is away.

    Args:
        rule_id: the rule.
        subject: as in the transition.
        kind: ``raised``, ``escalated``, ``eased`` or ``returned``, as in ``alarm_event.kind``.
        at_us: event time, microseconds since the Unix epoch, as in ``alarm_event.event_at``.

    Example:
        >>> event_key("smoke-bit", "device:smoke-7", "raised", 1_767_225_600_000_000)
        UUID('b9fe1da0-8095-52ca-b882-d8df2daaa752')
    """
    return uuid5(_NAMESPACE, f"{rule_id}\n{subject}\n{kind}\n{at_us}")


def key_of(transition: Transition) -> UUID:
    """Return the key of the event that a transition becomes."""
    return event_key(transition.rule_id, transition.subject, str(transition.kind), transition.at_us)


def topic(field: Field, severity: Severity) -> str:
    """Return where a provisional alarm is published.

    Example:
        >>> topic(Field.FIRE, Severity.ORANGE)
        'bt/v1/alarm/fire/orange'
    """
    return f"{ROOT}/{field}/{severity.name.lower()}"


def message(
    transition: Transition,
    *,
    alarm_id: UUID,
    onset_us: int,
    detected_us: int,
    rule: Rule,
    where: SeriesInfo | None = None,
) -> bytes:
    """Return the JSON of a transition.

    Args:
        transition: what happened.
        alarm_id: the alarm it opens or belongs to (``alerts.book.alarm_id`` of its onset).
        onset_us: event time at which the condition began, microseconds since the Unix epoch.
        detected_us: our clock, same unit.
        rule: what judged; its texts are told.
        where: any series of the subject's device, for its place; None where there is none.
    """
    placed = where is not None and where.lon == where.lon and where.lat == where.lat
    return msgspec.json.encode(
        {
            "event_key": key_of(transition),
            "alarm_id": alarm_id,
            "kind": transition.kind,
            "rule_id": transition.rule_id,
            "rule_version": transition.rule_version,
            "name": rule.name,
            "advice": rule.advice,
            "subject": transition.subject,
            "field": transition.field,
            "severity": transition.severity.name.lower(),
            "quantity": transition.quantity,
            "value": transition.value,
            "threshold": transition.threshold,
            "said": transition.said,
            "at_us": transition.at_us,
            "event_at": _written(transition.at_us),
            "onset_us": onset_us,
            "detected_us": detected_us,
            "latch": transition.latch,
            "spaces": where.spaces if where else (),
            "lon": where.lon if where and placed else None,
            "lat": where.lat if where and placed else None,
            "device_kind": where.kind if where else "",
            "provisional": True,
        }
    )


def parse(payload: bytes) -> Provisional:
    """Read a provisional alarm; unknown keys are passed over (a newer worker may say more).

    Raises:
        ValueError: if it is none.
    """
    if len(payload) > MOST_BYTES:
        raise ValueError(f"a provisional alarm has at most {MOST_BYTES} bytes, not {len(payload)}")
    return _DECODER.decode(payload)


def _written(at_us: int) -> str:
    """Write a time as RFC 3339, UTC, with microseconds."""
    at = _EPOCH + timedelta(microseconds=at_us)
    return at.strftime("%Y-%m-%dT%H:%M:%S.%fZ")
