"""What is delivered: a CloudEvents 1.0 message in JSON, the same in words, its signature. Pure."""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from alerts.notify.words import Words, event_words
from core.units import judged_unit

CONTENT_TYPE = "application/cloudevents+json; charset=UTF-8"
SIGNATURE_HEADER = "Blocktwin-Signature"
KEY_HEADER = "Idempotency-Key"

_EVENT_FIELDS = (
    "event_id", "event_key", "kind", "event_at", "actor", "severity", "state", "value", "note",
)  # fmt: skip
_APART = frozenset(
    {*_EVENT_FIELDS, "at", "rule_type", "forecast", "step", "called", "recipient", "urgent",
     "early", "forsaken", "hidden", "verdict", "verdict_reason", "recheck_at", "alarm_state",
     "path"}
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """One message to one receiver.

    Attributes:
        key: names the message for ever: the event's key, and the step of a call behind a dot.
        body: the bytes of its CloudEvent.
        words: the same for people.
        recipient: whom a channel with several receivers hands it to; "" is the channel's own.
        called: the person's name, roster and level, where somebody is called.
        topic: words that an MQTT topic may hold: ``field`` and ``severity``.
        gateway: of the alarm's subject, or "".
        observed_us: event time, microseconds since the Unix epoch; 0 where there is no event.
        kind: of the event, ``digest`` or ``test``.
        rule_id: of the event's alarm, or ""; ``alarm_id`` likewise.
    """

    key: str
    body: bytes
    words: Words = field(default_factory=Words)
    recipient: str = ""
    called: Mapping[str, Any] | None = None
    topic: Mapping[str, str] = field(default_factory=dict)
    gateway: str = ""
    observed_us: int = 0
    kind: str = ""
    rule_id: str = ""
    alarm_id: str = ""


def message(row: Mapping[str, Any], source: str) -> Message:
    """Return the message of an event.

    Args:
        row: one row of the statement ``due``: the event, what its alarm is about, and to whom.
        source: the ``source`` attribute; together with ``id`` it identifies the event for ever.
    """
    step, called = row.get("step", 0), row.get("called")
    key = f"{row['event_key']}.{step}" if step else str(row["event_key"])
    about = {name: value for name, value in row.items() if name not in _APART}
    about["unit"] = judged_unit(row["quantity"], row["rule_type"], row.get("forecast") or "")
    data = {name: row.get(name) for name in _EVENT_FIELDS} | {"alarm": about}
    data["provisional"] = bool(row.get("provisional"))
    if called:
        data["called"] = dict(called) | {"step": step}
    return Message(
        key=key,
        body=cloud_event(
            source, key, f"blocktwin.alarm.{row['kind']}", row["at"], data, subject=row["subject"]
        ),
        words=event_words(row),
        recipient=row.get("recipient", ""),
        called=called,
        topic=topic_words(row["field"], row["severity"]),
        gateway=row.get("gateway_id") or "",
        observed_us=round(row["event_at"].timestamp() * 1_000_000),
        kind=row["kind"],
        rule_id=row["rule_id"],
        alarm_id=str(row["alarm_id"]),
    )


def digest(facts: Mapping[str, Any], words: Words, source: str) -> Message:
    """Return the one message that stands for many.

    Args:
        facts: ``digest_id``, ``recipient``, ``made_at``, ``events`` and whatever else is told.
        words: the same for people.
        source: as for an event.
    """
    key = f"digest.{facts['digest_id']}"
    return Message(
        key=key,
        body=cloud_event(source, key, "blocktwin.alarm.digest", facts["made_at"], dict(facts)),
        words=words,
        recipient=facts["recipient"],
        kind="digest",
    )


def trial(key: str, by: str, at: datetime, source: str, *, recipient: str = "") -> Message:
    """Return a test message: it asks nobody to do anything."""
    words = Words(
        title=f"【测试】报警通知测试 / [TEST] Alarm notification test ({by})",
        text="这是一条测试消息，无需处置。\nThis is a test. Nothing needs to be done.",
    )
    return Message(
        key=key,
        body=cloud_event(source, key, "blocktwin.test", at, {"by": by, "test": True}),
        words=words,
        recipient=recipient,
        topic={"field": "system", "severity": "blue"},
        kind="test",
    )


def cloud_event(
    source: str,
    key: str,
    kind: str,
    at: datetime,
    data: Mapping[str, Any],
    *,
    subject: str = "",
) -> bytes:
    """Return the bytes of a CloudEvent in its JSON format."""
    event = {"specversion": "1.0", "id": key, "source": source, "type": kind, "time": at}
    if subject:
        event["subject"] = subject
    event |= {"datacontenttype": "application/json", "data": data}
    text = json.dumps(event, ensure_ascii=False, separators=(",", ":"), default=_plain)
    return text.encode()


def topic_words(field_name: str, severity: int) -> dict[str, str]:
    """Return what an MQTT topic may hold.

    Example:
        >>> topic_words("fire", 4)
        {'field': 'fire', 'severity': 'red'}
    """
    return {"field": field_name, "severity": ("", "blue", "yellow", "orange", "red")[severity]}


def signature(key: str, body: bytes, at_s: int) -> str:
    """Return the value of the signature header: when it was sent, and proof that we sent it.

    The signed text is the decimal time, a full stop and the body; a receiver refuses old times.

    Example:
        >>> signature("key", b"{}", 1790000000)[:23]
        't=1790000000,v1=099d339'
    """
    digest = hmac.new(key.encode(), f"{at_s}.".encode() + body, hashlib.sha256).hexdigest()
    return f"t={at_s},v1={digest}"


def is_signed(header: str, key: str, body: bytes, now_s: int, *, tolerance_s: int = 300) -> bool:
    """Tell whether a signature header fits, for receivers and tests."""
    stamp = header.partition(",")[0].removeprefix("t=")
    if not stamp.isdecimal() or abs(now_s - int(stamp)) > tolerance_s:
        return False
    return hmac.compare_digest(header.encode(), signature(key, body, int(stamp)).encode())


def _plain(value: object) -> str:
    return value.isoformat() if isinstance(value, datetime) else str(value)
