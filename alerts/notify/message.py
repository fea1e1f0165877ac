"""One alarm event as others read it: a CloudEvents 1.0 message in JSON, and its signature. Pure."""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from core.units import judged_unit

CONTENT_TYPE = "application/cloudevents+json; charset=UTF-8"
SIGNATURE_HEADER = "Blocktwin-Signature"

_EVENT_FIELDS = ("event_id", "kind", "event_at", "actor", "severity", "state", "value", "note")


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """What is delivered: the event's number and the bytes of its CloudEvent."""

    event_id: int
    body: bytes


def message(row: Mapping[str, Any], source: str) -> Message:
    """Return the message of an event.

    Args:
        row: one row of the statement ``due``: the event, and what its alarm is about.
        source: the ``source`` attribute; together with ``id`` it identifies the event for ever.
    """
    apart = (*_EVENT_FIELDS, "at", "rule_type")
    about = {key: value for key, value in row.items() if key not in apart}
    about["unit"] = judged_unit(row["quantity"], row["rule_type"])
    cloud_event = {
        "specversion": "1.0",
        "id": str(row["event_id"]),
        "source": source,
        "type": f"blocktwin.alarm.{row['kind']}",
        "subject": row["subject"],
        "time": row["at"],
        "datacontenttype": "application/json",
        "data": {key: row[key] for key in _EVENT_FIELDS} | {"alarm": about},
    }
    text = json.dumps(cloud_event, ensure_ascii=False, separators=(",", ":"), default=_plain)
    return Message(event_id=row["event_id"], body=text.encode())


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
