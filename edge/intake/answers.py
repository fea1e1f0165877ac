"""What a ThingsBoard client asks for, and what it is told: pure.

Attributes on a server and remote calls are not ours to have: a client is answered as by a server
that has none, at once, since it waits for an answer before it goes on. What it may subscribe to is
what ThingsBoard would send it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

import msgspec

from edge.intake.thingsboard import NO_JSON

_OWN = "v1/devices/me/"
_ATTRIBUTES = re.compile(re.escape(_OWN) + r"attributes/request/(\d{1,10})")
_CALL = re.compile(re.escape(_OWN) + r"rpc/request/(\d{1,10})")
_GATEWAY_ATTRIBUTES = "v1/gateway/attributes/request"
_HEARD = re.compile(
    r"v1/devices/me/(rpc/response/\d{1,10}|claim)|v1/gateway/(rpc|rpc/response|claim)"
)
_FILTERS = re.compile(
    r"v1/devices/me/(attributes|attributes/response/(\+|\d{1,10})|"
    r"rpc/(request|response)/(\+|\d{1,10}))|"
    r"v1/gateway/(attributes|attributes/response|rpc|rpc/response|disconnect)|"
    r"v2/fw/response/\+(/chunk/\+)?"
)
_JSON = msgspec.json.Decoder()


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What a client is told of this door: bytes of a packet, messages in flight."""

    packet_bytes: int
    inflight: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """A message for the client; an empty topic is none."""

    topic: str = ""
    payload: bytes = b""


HEARD = Answer()
"""The client said something that needs no answer and carries no reading."""


def may_subscribe(topic_filter: str) -> bool:
    """Tell whether a client may subscribe to a filter.

    Example:
        >>> may_subscribe("v1/devices/me/rpc/request/+"), may_subscribe("#")
        (True, False)
    """
    return _FILTERS.fullmatch(topic_filter) is not None


def answer(topic: str, payload: bytes, limits: Limits) -> Answer | None:
    """Return what to tell a client; None when the topic is no question of ThingsBoard's API."""
    if found := _ATTRIBUTES.fullmatch(topic):
        return Answer(topic=f"{_OWN}attributes/response/{found[1]}", payload=b"{}")
    if found := _CALL.fullmatch(topic):
        return Answer(topic=f"{_OWN}rpc/response/{found[1]}", payload=_called(payload, limits))
    if topic == _GATEWAY_ATTRIBUTES:
        return _gateway_attributes(payload)
    return HEARD if _HEARD.fullmatch(topic) else None


def _called(payload: bytes, limits: Limits) -> bytes:
    """Return the result of a call of the client's; the one that is known asks for the limits."""
    body = _object(payload)
    if body.get("method") != "getSessionLimits":
        return b"{}"
    told = {
        "maxPayloadSize": limits.packet_bytes,
        "maxInflightMessages": limits.inflight,
        "rateLimits": {},
        "gatewayRateLimits": {},
    }
    return msgspec.json.encode(told)


def _gateway_attributes(payload: bytes) -> Answer:
    body = _object(payload)
    number, device = body.get("id"), body.get("device")
    if not isinstance(number, int) or not isinstance(device, str):
        return HEARD
    told = {"id": number, "device": device, "values": {}}
    return Answer(topic="v1/gateway/attributes/response", payload=msgspec.json.encode(told))


def _object(payload: bytes) -> dict[str, object]:
    try:
        body = _JSON.decode(payload)
    except NO_JSON:
        return {}
    return body if isinstance(body, dict) else {}
