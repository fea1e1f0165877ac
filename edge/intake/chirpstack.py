"""ChirpStack v4's events (its JSON encoding) as samples: pure, never raises on any bytes.

The device's foreign name is its EUI, since a name can be changed in ChirpStack's page. Values are
those of ``object``, which the codec of the device profile makes; nested ones are joined by dots.
The JSON is protobuf's: a zero, false or empty field is left out.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import msgspec

from edge.intake.thingsboard import NO_JSON
from edge.intake.words import (
    MOST_DEPTH,
    Kind,
    Presence,
    Sample,
    Translation,
    Why,
    from_rfc3339,
)

FILTER = "application/+/device/+/event/+"
_TOPIC = re.compile(r"application/[^/]+/device/([0-9a-fA-F]{16})/event/([a-z]+)")
_JSON = msgspec.json.Decoder(dict[str, Any])


def translate(topic: str, payload: bytes, *, now_s: float) -> Translation:
    """Return what an event says; one without a time happened when it arrived."""
    said = Translation()
    place = _TOPIC.fullmatch(topic)
    if place is None:
        said.refuse(Why.BAD_TOPIC, topic)
        return said
    device, event = place[1].lower(), place[2]
    try:
        body = _JSON.decode(payload)
    except NO_JSON as error:
        said.refuse(Why.UNPARSABLE, f"not a JSON object: {error}", device=device)
        return said
    named = _dict(body, "deviceInfo").get("devEui", device)
    if not isinstance(named, str) or named.lower() != device:
        said.refuse(Why.UNPARSABLE, "the event names another device than its topic", device=device)
        return said
    at_s = from_rfc3339(body["time"]) if "time" in body else now_s
    if at_s is None:
        said.refuse(Why.BAD_TIME, body["time"], device=device, key=event)
    elif event == "up":
        _take_up(said, device, body, at_s)
    elif event == "status":
        _add(said, device, _status(body), at_s)
    elif event == "join":
        said.presences.append(Presence(device=device, online=True))
    else:
        said.refuse(Why.NOT_TELEMETRY, event, device=device)
    return said


def _take_up(said: Translation, device: str, body: dict[str, Any], at_s: float) -> None:
    values = body.get("object")
    if isinstance(values, dict):
        for key, value in _flat(values):
            said.samples.append(Sample(device=device, key=key, value=value, at_s=at_s))
    elif body.get("data"):
        # Bytes that no codec has turned into values: only a person can say what they mean.
        said.refuse(Why.NO_CODEC, body["data"], device=device, key=f"port {body.get('fPort', 0)}")
    else:
        said.refuse(Why.NOT_TELEMETRY, "no payload", device=device)
    _add(said, device, _link(body), at_s)


def _add(said: Translation, device: str, facts: dict[str, object], at_s: float) -> None:
    said.samples += [
        Sample(device=device, key=key, value=value, at_s=at_s, kind=Kind.LINK)
        for key, value in facts.items()
    ]


def _link(body: dict[str, Any]) -> dict[str, object]:
    """Return how the best of the receiving gateways heard it, and the frame's own facts."""
    facts: dict[str, object] = {
        "f_cnt": body.get("fCnt", 0),
        "f_port": body.get("fPort", 0),
        "dr": body.get("dr", 0),
    }
    heard = body.get("rxInfo")
    gateways = [one for one in heard if isinstance(one, dict)] if isinstance(heard, list) else []
    if gateways:
        best = max(gateways, key=_rssi)
        facts |= {"rssi": best.get("rssi", 0), "snr": best.get("snr", 0)}
    return facts


def _rssi(gateway: dict[str, Any]) -> float:
    rssi = gateway.get("rssi", 0)
    # Compared as they are: an integer may be too large for a float.
    return rssi if isinstance(rssi, int | float) else -1e9


def _status(body: dict[str, Any]) -> dict[str, object]:
    facts: dict[str, object] = {"margin": body.get("margin", 0)}
    powered = body.get("externalPowerSource", False)
    facts["external_power"] = powered
    if not powered and not body.get("batteryLevelUnavailable", False):
        facts["battery_level"] = body.get("batteryLevel", 0)
    return facts


def _flat(values: dict[str, Any]) -> Iterator[tuple[str, object]]:
    """Yield the leaves of nested objects and lists with their dotted names, in order."""
    waiting: list[tuple[str, object, int]] = [("", values, 0)]
    while waiting:
        name, value, depth = waiting.pop()
        inner: list[tuple[str, object]] = []
        if isinstance(value, dict):
            inner = [(str(key), part) for key, part in value.items()]
        elif isinstance(value, list):
            inner = [(str(place), part) for place, part in enumerate(value)]
        if inner and depth < MOST_DEPTH:
            before = name + "." if name else ""
            waiting += [(before + key, part, depth + 1) for key, part in reversed(inner)]
        elif name:
            yield name, value


def _dict(body: dict[str, Any], key: str) -> dict[str, Any]:
    found = body.get(key)
    return found if isinstance(found, dict) else {}
