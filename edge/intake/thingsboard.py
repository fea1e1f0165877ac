"""ThingsBoard's MQTT API, device and gateway side, as samples: pure, never raises on any bytes.

Of the client's messages: telemetry and attributes (``v1/devices/me/…`` of the publisher itself,
``v1/gateway/…`` of devices behind it), connect and disconnect. What the client asks (attributes,
remote calls) is ``edge.intake.door``'s to answer.

Telemetry may be ``{"k": v}``, ``{"ts": ms, "values": {…}}`` or a list of either; a gateway names
the device before it, ``{"Device A": [ … ]}``. What carries no ``ts`` gets the time of arrival.
"""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from edge.intake.words import Kind, Presence, Sample, Translation, Why, from_ms

OWN = "v1/devices/me/"
BEHIND = "v1/gateway/"
_TELEMETRY, _ATTRIBUTES = "telemetry", "attributes"
_DATA = {
    OWN + _TELEMETRY,
    OWN + _ATTRIBUTES,
    BEHIND + _TELEMETRY,
    BEHIND + _ATTRIBUTES,
    BEHIND + "connect",
    BEHIND + "disconnect",
}
_JSON = msgspec.json.Decoder()
NO_JSON = (msgspec.DecodeError, UnicodeDecodeError, RecursionError, ValueError)
"""What decoding any bytes as JSON may raise."""


def is_data(topic: str) -> bool:
    """Tell whether a topic carries what ``translate`` reads."""
    return topic in _DATA


def translate(
    topic: str, payload: bytes, *, owner: str, is_gateway: bool, now_s: float
) -> Translation:
    """Return what a message says.

    Args:
        topic: one that ``is_data`` accepts; any other sets the message aside.
        payload: as it came.
        owner: foreign name of the publisher.
        is_gateway: it speaks for others; its own telemetry is then about itself, not measured.
        now_s: time of arrival.
    """
    said = Translation()
    if topic not in _DATA or (topic.startswith(BEHIND) and not is_gateway):
        said.refuse(Why.BAD_TOPIC, topic)
        return said
    try:
        body = _JSON.decode(payload)
    except NO_JSON as error:
        said.refuse(Why.UNPARSABLE, f"not JSON: {error}")
        return said
    word = topic.rpartition("/")[2]
    if topic.startswith(OWN):
        kind = Kind.LINK if is_gateway else Kind.MEASURED
        _take(said, word, owner, body, kind, now_s)
    elif word in (_TELEMETRY, _ATTRIBUTES):
        _take_all(said, word, body, now_s)
    else:
        _take_presence(said, body, online=word == "connect")
    return said


def _take_all(said: Translation, word: str, body: object, now_s: float) -> None:
    """Take the data of several devices."""
    if not isinstance(body, dict):
        said.refuse(Why.UNPARSABLE, "a gateway writes an object: device name to data")
        return
    for device, data in body.items():
        _take(said, word, device, data, Kind.MEASURED, now_s)


def _take(
    said: Translation, word: str, device: str, data: object, kind: Kind, now_s: float
) -> None:
    """Take the data of one device."""
    if word == _TELEMETRY:
        for at_s, values in _timed(said, device, data, now_s):
            _add(said, device, values, at_s, kind)
    elif isinstance(data, dict):
        about = Kind.ATTRIBUTE if kind is Kind.MEASURED else kind
        _add(said, device, data, now_s, about)
    else:
        said.refuse(Why.UNPARSABLE, "attributes are an object", device=device)


def _timed(
    said: Translation, device: str, data: object, now_s: float
) -> Iterator[tuple[float, dict[str, object]]]:
    """Yield each set of values with its time; what is none is set aside."""
    for item in data if isinstance(data, list) else [data]:
        if not isinstance(item, dict):
            said.refuse(Why.UNPARSABLE, item, device=device)
        elif "ts" in item and isinstance(item.get("values"), dict):
            at_s = from_ms(item["ts"])
            if at_s is None:
                said.refuse(Why.BAD_TIME, item["ts"], device=device, key=_keys(item["values"]))
            else:
                yield at_s, item["values"]
        else:
            yield now_s, item


def _add(
    said: Translation, device: str, values: dict[str, object], at_s: float, kind: Kind
) -> None:
    said.samples += [
        Sample(device=device, key=key, value=value, at_s=at_s, kind=kind)
        for key, value in values.items()
    ]


def _take_presence(said: Translation, body: object, *, online: bool) -> None:
    """Take ``{"device": name}`` or, as newer gateways write, a list of such."""
    for item in body if isinstance(body, list) else [body]:
        name = item.get("device") if isinstance(item, dict) else None
        if isinstance(name, str) and name:
            said.presences.append(Presence(device=name, online=online))
        else:
            said.refuse(Why.UNPARSABLE, "no device is named")


def _keys(values: dict[str, object]) -> str:
    return ", ".join(list(values)[:8])
