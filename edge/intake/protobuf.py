"""The payload of Sparkplug B from its protobuf bytes, and the one message we send back.

A reader of the wire format of our own: field numbers and types are those of the Sparkplug
specification, 6.4; fields that carry no reading (metadata, properties, data sets, templates) are
skipped. It reads what Google's library reads, which the tests compare it with, and raises nothing
but ``ProtobufInvalid`` on any bytes.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from core.errors import Permanent

_VARINT, _FIXED64, _LENGTH, _GROUP, _END, _FIXED32 = range(6)
_MASK64 = (1 << 64) - 1
_MOST_GROUPS = 64
_DOUBLE, _FLOAT = struct.Struct("<d"), struct.Struct("<f")
_BOOLEAN_TYPE = 11
Wire = int | bytes
"""A varint, or the bytes of every other kind."""


class ProtobufInvalid(Permanent):
    """Bytes that are no protobuf message, or no Sparkplug payload."""


@dataclass(slots=True, kw_only=True)
class Metric:
    """One metric; None where the field is absent.

    Attributes:
        datatype: the number of Sparkplug's data type.
        field: number of the value field that is set (10 int … 19 extension), None without value.
        value: of ``field``: unsigned int, float, bool, str or bytes, as on the wire.
    """

    name: str | None = None
    alias: int | None = None
    timestamp: int | None = None
    datatype: int | None = None
    is_historical: bool = False
    is_transient: bool = False
    is_null: bool = False
    field: int | None = None
    value: int | float | bool | str | bytes | None = None


@dataclass(slots=True, kw_only=True)
class Payload:
    """A payload; times in milliseconds since the Unix epoch."""

    timestamp: int | None = None
    metrics: list[Metric] = field(default_factory=list)
    seq: int | None = None


def read_payload(data: bytes) -> Payload:
    """Return the payload that ``data`` holds.

    Raises:
        ProtobufInvalid: if it holds none.
    """
    payload = Payload()
    for number, wire, value in _fields(data):
        if number == 1 and wire == _VARINT:
            payload.timestamp = _int(value)
        elif number == 2 and wire == _LENGTH:
            payload.metrics.append(_metric(_bytes(value)))
        elif number == 3 and wire == _VARINT:
            payload.seq = _int(value)
    return payload


def rebirth_command(now_ms: int) -> bytes:
    """Return the payload that asks an edge node to send its births again."""
    metric = (
        _record(1, b"Node Control/Rebirth")
        + _number(3, now_ms)
        + _number(4, _BOOLEAN_TYPE)
        + _number(14, 1)
    )
    return _number(1, now_ms) + _record(2, metric)


def _metric(data: bytes) -> Metric:
    metric = Metric()
    name: bytes | None = None
    for number, wire, value in _fields(data):
        kind = _KINDS.get(number)
        if kind is None or kind[0] != wire:
            continue
        read = kind[1](value)
        if number >= _FIRST_VALUE:
            # A oneof: the last member that is set holds.
            metric.field, metric.value = number, read
        elif number == 1:
            name = _bytes(value)
        else:
            setattr(metric, _NAMES[number], read)
    # Only what holds in the end is looked at: a text may be said again.
    if name is not None:
        metric.name = _text(name)
    if metric.field == _STRING_FIELD and isinstance(metric.value, bytes):
        metric.value = _text(metric.value)
    return metric


def _int(value: Wire) -> int:
    assert isinstance(value, int)
    return value


def _int32(value: Wire) -> int:
    return _int(value) & 0xFFFFFFFF


def _bool(value: Wire) -> bool:
    return _int(value) != 0


def _bytes(value: Wire) -> bytes:
    assert isinstance(value, bytes)
    return value


def _text(value: bytes) -> str:
    try:
        return value.decode("utf-8")
    except UnicodeDecodeError as error:
        raise ProtobufInvalid(f"text that is no UTF-8: {error}") from error


def _float(value: Wire) -> float:
    found: float = _FLOAT.unpack(_bytes(value))[0]
    return found


def _double(value: Wire) -> float:
    found: float = _DOUBLE.unpack(_bytes(value))[0]
    return found


_FIRST_VALUE, _STRING_FIELD = 10, 15
_NAMES = {
    2: "alias",
    3: "timestamp",
    4: "datatype",
    5: "is_historical",
    6: "is_transient",
    7: "is_null",
}
_KINDS: dict[int, tuple[int, Callable[[Wire], int | float | bool | str | bytes]]] = {
    1: (_LENGTH, _bytes),
    2: (_VARINT, _int),
    3: (_VARINT, _int),
    4: (_VARINT, _int32),
    5: (_VARINT, _bool),
    6: (_VARINT, _bool),
    7: (_VARINT, _bool),
    10: (_VARINT, _int32),
    11: (_VARINT, _int),
    12: (_FIXED32, _float),
    13: (_FIXED64, _double),
    14: (_VARINT, _bool),
    15: (_LENGTH, _bytes),
    16: (_LENGTH, _bytes),
    17: (_LENGTH, _bytes),
    18: (_LENGTH, _bytes),
    19: (_LENGTH, _bytes),
}


def _fields(data: bytes) -> Iterator[tuple[int, int, Wire]]:
    """Yield (field number, wire type, value) of a message; groups are read over."""
    at, groups = 0, list[int]()
    while at < len(data):
        tag, at = _varint(data, at)
        number, wire = tag >> 3, tag & 7
        if number == 0 or tag > 0xFFFFFFFF:
            raise ProtobufInvalid(f"field number {number} before byte {at}")
        value: Wire = 0
        if wire == _VARINT:
            value, at = _varint(data, at)
        elif wire == _LENGTH:
            size, at = _varint(data, at)
            value, at = _slice(data, at, size)
        elif wire in (_FIXED64, _FIXED32):
            value, at = _slice(data, at, 8 if wire == _FIXED64 else 4)
        elif wire == _GROUP:
            groups.append(number)
            if len(groups) > _MOST_GROUPS:
                raise ProtobufInvalid("groups nested too deep")
            continue
        elif wire == _END:
            if not groups or groups.pop() != number:
                raise ProtobufInvalid(f"a group ends before byte {at} that did not begin")
            continue
        else:
            raise ProtobufInvalid(f"wire type {wire} before byte {at}")
        if not groups:
            yield number, wire, value
    if groups:
        raise ProtobufInvalid("a group does not end")


def _varint(data: bytes, at: int) -> tuple[int, int]:
    """Return the number at ``at`` and where it ends; ten bytes at most, 64 bits of them count."""
    value = 0
    for place in range(10):
        if at + place >= len(data):
            break
        byte = data[at + place]
        value |= (byte & 0x7F) << (7 * place)
        if byte < 0x80:
            return value & _MASK64, at + place + 1
    raise ProtobufInvalid(f"a number that does not end at byte {at}")


def _slice(data: bytes, at: int, size: int) -> tuple[bytes, int]:
    if size > len(data) - at:
        raise ProtobufInvalid(f"{size} bytes announced at byte {at}, {len(data) - at} there")
    return data[at : at + size], at + size


def _write_varint(value: int) -> bytes:
    out = bytearray()
    while value >= 0x80:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def _number(number: int, value: int) -> bytes:
    return _write_varint(number << 3 | _VARINT) + _write_varint(value)


def _record(number: int, value: bytes) -> bytes:
    return _write_varint(number << 3 | _LENGTH) + _write_varint(len(value)) + value
