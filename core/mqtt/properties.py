"""The properties of MQTT 5 packets: all of table 2-4, read, checked and written."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields
from enum import Enum
from typing import Any, NamedTuple

from core.mqtt.wire import (
    Kind,
    MalformedPacket,
    ProtocolError,
    Reader,
    put_binary,
    put_text,
    put_variable,
)

WILL = 0
"""Where a packet type is asked for: the properties of a will, which is inside a CONNECT."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Properties:
    """What a packet says beside its fixed fields; None (or no item) is what it does not say.

    The order is that of the identifiers in table 2-4. Intervals are in seconds.
    """

    payload_format: int | None = None
    message_expiry_s: int | None = None
    content_type: str | None = None
    response_topic: str | None = None
    correlation_data: bytes | None = None
    subscription_ids: tuple[int, ...] = ()
    session_expiry_s: int | None = None
    assigned_client_id: str | None = None
    server_keepalive_s: int | None = None
    authentication_method: str | None = None
    authentication_data: bytes | None = None
    request_problem: int | None = None
    will_delay_s: int | None = None
    request_response: int | None = None
    response_information: str | None = None
    server_reference: str | None = None
    reason: str | None = None
    receive_maximum: int | None = None
    topic_alias_maximum: int | None = None
    topic_alias: int | None = None
    maximum_qos: int | None = None
    retain_available: int | None = None
    user: tuple[tuple[str, str], ...] = ()
    maximum_packet: int | None = None
    wildcards_available: int | None = None
    subscription_ids_available: int | None = None
    shared_available: int | None = None


NONE = Properties()


class _Form(Enum):
    """The data types of table 2-4; the number is that of the bytes of an integer."""

    BYTE = 1
    TWO = 2
    FOUR = 4
    VARIABLE = "variable"
    TEXT = "text"
    BINARY = "binary"
    PAIR = "pair"


class _Row(NamedTuple):
    """A row of table 2-4.

    Attributes:
        within: least and greatest integer that may stand (the sections of the packets).
    """

    name: str
    form: _Form
    kinds: frozenset[int]
    within: tuple[int, int] | None = None


_MESSAGE = frozenset({Kind.PUBLISH, WILL})
_CONNECT = frozenset({Kind.CONNECT})
_CONNACK = frozenset({Kind.CONNACK})
_OPENING = _CONNECT | _CONNACK
_AUTH = _OPENING | {Kind.AUTH}
_ANSWERS = frozenset(
    {
        Kind.CONNACK, Kind.PUBACK, Kind.PUBREC, Kind.PUBREL, Kind.PUBCOMP, Kind.SUBACK,
        Kind.UNSUBACK, Kind.DISCONNECT, Kind.AUTH,
    }
)  # fmt: skip
_ALL = _ANSWERS | _MESSAGE | {Kind.CONNECT, Kind.SUBSCRIBE, Kind.UNSUBSCRIBE}
_FLAG = (0, 1)
_NOT_ZERO = (1, 0xFFFF_FFFF)

_TABLE: dict[int, _Row] = {
    0x01: _Row("payload_format", _Form.BYTE, _MESSAGE, _FLAG),
    0x02: _Row("message_expiry_s", _Form.FOUR, _MESSAGE),
    0x03: _Row("content_type", _Form.TEXT, _MESSAGE),
    0x08: _Row("response_topic", _Form.TEXT, _MESSAGE),
    0x09: _Row("correlation_data", _Form.BINARY, _MESSAGE),
    0x0B: _Row(
        "subscription_ids", _Form.VARIABLE, frozenset({Kind.PUBLISH, Kind.SUBSCRIBE}), _NOT_ZERO
    ),
    0x11: _Row("session_expiry_s", _Form.FOUR, _OPENING | {Kind.DISCONNECT}),
    0x12: _Row("assigned_client_id", _Form.TEXT, _CONNACK),
    0x13: _Row("server_keepalive_s", _Form.TWO, _CONNACK),
    0x15: _Row("authentication_method", _Form.TEXT, _AUTH),
    0x16: _Row("authentication_data", _Form.BINARY, _AUTH),
    0x17: _Row("request_problem", _Form.BYTE, _CONNECT, _FLAG),
    0x18: _Row("will_delay_s", _Form.FOUR, frozenset({WILL})),
    0x19: _Row("request_response", _Form.BYTE, _CONNECT, _FLAG),
    0x1A: _Row("response_information", _Form.TEXT, _CONNACK),
    0x1C: _Row("server_reference", _Form.TEXT, _CONNACK | {Kind.DISCONNECT}),
    0x1F: _Row("reason", _Form.TEXT, _ANSWERS),
    0x21: _Row("receive_maximum", _Form.TWO, _OPENING, _NOT_ZERO),
    0x22: _Row("topic_alias_maximum", _Form.TWO, _OPENING),
    0x23: _Row("topic_alias", _Form.TWO, frozenset({Kind.PUBLISH}), _NOT_ZERO),
    0x24: _Row("maximum_qos", _Form.BYTE, _CONNACK, _FLAG),
    0x25: _Row("retain_available", _Form.BYTE, _CONNACK, _FLAG),
    0x26: _Row("user", _Form.PAIR, _ALL),
    0x27: _Row("maximum_packet", _Form.FOUR, _OPENING, _NOT_ZERO),
    0x28: _Row("wildcards_available", _Form.BYTE, _CONNACK, _FLAG),
    0x29: _Row("subscription_ids_available", _Form.BYTE, _CONNACK, _FLAG),
    0x2A: _Row("shared_available", _Form.BYTE, _CONNACK, _FLAG),
}
_IDENTIFIERS = {row.name: identifier for identifier, row in _TABLE.items()}
_NAMES = tuple(field.name for field in fields(Properties))
_REPEATED = {"user", "subscription_ids"}

_READ: dict[_Form, Callable[[Reader, str], Any]] = {
    _Form.BYTE: lambda reader, what: reader.number(1, what),
    _Form.TWO: lambda reader, what: reader.number(2, what),
    _Form.FOUR: lambda reader, what: reader.number(4, what),
    _Form.VARIABLE: Reader.variable,
    _Form.TEXT: Reader.text,
    _Form.BINARY: Reader.binary,
    _Form.PAIR: lambda reader, what: (reader.text(what), reader.text(what)),
}
_WRITE: dict[_Form, Callable[[Any], bytes]] = {
    _Form.BYTE: lambda value: int(value).to_bytes(1, "big"),
    _Form.TWO: lambda value: int(value).to_bytes(2, "big"),
    _Form.FOUR: lambda value: int(value).to_bytes(4, "big"),
    _Form.VARIABLE: put_variable,
    _Form.TEXT: put_text,
    _Form.BINARY: put_binary,
    _Form.PAIR: lambda value: put_text(value[0]) + put_text(value[1]),
}


def read(reader: Reader, kind: int) -> Properties:
    """Read the properties of a packet of this kind, their length first (section 2.2.2).

    Raises:
        MalformedPacket: if they are cut off, or one does not belong to this packet.
        ProtocolError: if one is said twice, or says what it must not.
    """
    length = reader.variable("the length of the properties")
    return parse(reader.take(length, "properties"), kind) if length else NONE


def parse(raw: bytes, kind: int) -> Properties:
    """Read properties without their length; raises as ``read``."""
    reader = Reader(raw)
    found: dict[str, Any] = {}
    while reader:
        identifier = reader.variable("a property's identifier")
        row = _TABLE.get(identifier)
        if row is None or kind not in row.kinds:
            owner = Kind(kind).name if kind else "a will"
            raise MalformedPacket(f"property 0x{identifier:02x} in {owner}")
        value = _READ[row.form](reader, row.name)
        _check(row, value)
        if row.name in _REPEATED:
            found[row.name] = (*found.get(row.name, ()), value)
        elif row.name in found:
            raise ProtocolError(f"property {row.name} is said twice")
        else:
            found[row.name] = value
    return Properties(**found)


def _check(row: _Row, value: Any) -> None:
    if row.within is not None and not row.within[0] <= value <= row.within[1]:
        raise ProtocolError(f"property {row.name} is {value}")


def put(properties: Properties) -> bytes:
    """Return properties with their length.

    Raises:
        ValueError: if a value does not fit its type.
    """
    parts: list[bytes] = []
    try:
        for name in _NAMES:
            value = getattr(properties, name)
            if value is None or value == ():
                continue
            identifier = _IDENTIFIERS[name]
            write = _WRITE[_TABLE[identifier].form]
            for one in value if name in _REPEATED else (value,):
                parts += (bytes((identifier,)), write(one))
    except OverflowError as error:
        raise ValueError(f"property {name} does not fit: {value!r}") from error
    raw = b"".join(parts)
    return put_variable(len(raw)) + raw
