"""MQTT packets as values, both ways and for both sides: bytes to packet, packet to bytes.

Levels 4 (MQTT 3.1.1) and 5 (MQTT 5.0); clauses are those of 5.0. A server reads the level from the
CONNECT and names it from then on. Spoken is what ends at QoS 1: the packets of QoS 2 and of the
enhanced authentication are refused as out of place. No socket here, and no state:

    splitter = Splitter(65_536)
    for frame in splitter.feed(data):
        match parse(frame, level):
            case Publish() as publish: ...
            case Subscribe() as subscribe: reply(encode(Suback(...), level))

What a session must hold to (who speaks first, free packet ids, keepalive) is the caller's work.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Sequence

from core.mqtt.nouns import (
    REFUSED,
    Connack,
    Connect,
    Disconnect,
    Level,
    Packet,
    Pingreq,
    Pingresp,
    Puback,
    Publish,
    Reason,
    Suback,
    Subscribe,
    Subscription,
    Unsuback,
    Unsubscribe,
    Will,
    wording,
)
from core.mqtt.properties import NONE, WILL, Properties, put, read
from core.mqtt.wire import (
    WILDCARDS,
    Frame,
    Kind,
    MalformedPacket,
    MqttError,
    PacketTooLarge,
    ProtocolError,
    Reader,
    Splitter,
    UnsupportedVersion,
    checked_topic,
    put_binary,
    put_frame,
    put_text,
)

__all__ = [
    "NONE", "REFUSED", "Connack", "Connect", "Disconnect", "Frame", "Kind", "Level",
    "MalformedPacket", "MqttError", "Packet", "PacketTooLarge", "Pingreq", "Pingresp", "Properties",
    "ProtocolError", "Puback", "Publish", "Reason", "Splitter", "Suback", "Subscribe",
    "Subscription", "Unsuback", "Unsubscribe", "UnsupportedVersion", "Will", "acknowledgements",
    "encode", "parse", "wording",
]  # fmt: skip

# MQTT 3.1.1 table 3.1: return codes 1 to 5 of a CONNACK, as the reason codes of MQTT 5.
_OLD_CODES = {
    1: Reason.UNSUPPORTED_VERSION,
    2: Reason.CLIENT_ID_NOT_VALID,
    3: Reason.SERVER_UNAVAILABLE,
    4: Reason.BAD_USER_OR_PASSWORD,
    5: Reason.NOT_AUTHORIZED,
}
_TO_OLD: dict[int, int] = {reason: old for old, reason in _OLD_CODES.items()}
_OLD_UNAVAILABLE = 3


def parse(frame: Frame, level: int) -> Packet:
    """Return the packet of a frame; ``level`` does not matter for a CONNECT, which says its own.

    Raises:
        MalformedPacket: if its bytes are no such packet.
        ProtocolError: if it says what it must not, or is none of those spoken here.
    """
    read_body = _PARSERS.get(frame.kind)
    if read_body is None:
        raise ProtocolError(f"{frame.kind.name} is out of place")
    reader = Reader(frame.body)
    packet = read_body(reader, frame.flags, level)
    reader.end(frame.kind.name)
    return packet


def _parse_connect(reader: Reader, _flags: int, _level: int) -> Connect:
    name = reader.binary("the protocol name")
    number = reader.number(1, "the protocol level")
    if name not in {b"MQTT", b"MQIsdp"}:
        raise MalformedPacket(f"protocol name {name[:16]!r}")
    if name != b"MQTT" or number not in {Level.V311, Level.V5}:
        raise UnsupportedVersion(f"protocol {name.decode()} level {number}; 4 and 5 are spoken")
    level = Level(number)
    flags = reader.number(1, "the connect flags")
    _check_connect(flags, level)
    keepalive_s = reader.number(2, "the keep alive")
    properties = _properties(reader, Kind.CONNECT, level)
    client_id = reader.text("the client id")
    will = None
    if flags & 0x04:
        will_properties = _properties(reader, WILL, level)
        will = Will(
            topic=checked_topic(reader.text("the will's topic")),
            payload=reader.binary("the will's payload"),
            qos=flags >> 3 & 3,
            retain=bool(flags & 0x20),
            properties=will_properties,
        )
    return Connect(
        level=level,
        client_id=client_id,
        clean_start=bool(flags & 0x02),
        keepalive_s=keepalive_s,
        username=reader.text("the user name") if flags & 0x80 else None,
        password=reader.binary("the password") if flags & 0x40 else None,
        will=will,
        properties=properties,
    )


def _check_connect(flags: int, level: int) -> None:
    """Sections 3.1.2.3 to 3.1.2.9, and 3.1.1's MQTT-3.1.2-22."""
    will_qos = flags >> 3 & 3
    if flags & 0x01:
        raise MalformedPacket("the reserved connect flag is set")
    if will_qos == 3 or (not flags & 0x04 and flags & 0x38):
        raise MalformedPacket("a will's flags that contradict each other")
    if level == Level.V311 and flags & 0x40 and not flags & 0x80:
        raise MalformedPacket("a password without a user name")


def _parse_connack(reader: Reader, _flags: int, level: int) -> Connack:
    flags = reader.number(1, "the acknowledge flags")
    if flags > 1:
        raise MalformedPacket(f"acknowledge flags {flags:08b}")
    reason = reader.number(1, "the reason")
    # A server of 3.1.1 alone answers in its own words, which have no properties.
    if level == Level.V311 or (reason in _OLD_CODES and not reader):
        return Connack(session_present=bool(flags), reason=_OLD_CODES.get(reason, reason))
    return Connack(
        session_present=bool(flags), reason=reason, properties=read(reader, Kind.CONNACK)
    )


def _parse_publish(reader: Reader, flags: int, level: int) -> Publish:
    qos = flags >> 1 & 3
    duplicate = bool(flags & 0x08)
    if qos == 3 or (duplicate and not qos):
        raise MalformedPacket(f"PUBLISH with flags {flags:04b}")
    if qos == 2:
        raise ProtocolError("a PUBLISH at QoS 2, which is not spoken here")
    topic = reader.text("the topic")
    packet = _packet_id(reader) if qos else 0
    properties = _properties(reader, Kind.PUBLISH, level)
    if topic or properties.topic_alias is None:
        checked_topic(topic)
    return Publish(
        topic=topic,
        payload=reader.rest(),
        qos=qos,
        retain=bool(flags & 1),
        duplicate=duplicate,
        packet=packet,
        properties=properties,
    )


def _parse_puback(reader: Reader, _flags: int, level: int) -> Puback:
    packet = _packet_id(reader)
    # Section 3.4.2.1: without more, all is well; without a property length there are none.
    if level == Level.V311 or not reader:
        return Puback(packet=packet)
    reason = reader.number(1, "the reason")
    properties = read(reader, Kind.PUBACK) if reader else NONE
    return Puback(packet=packet, reason=reason, properties=properties)


def _parse_subscribe(reader: Reader, _flags: int, level: int) -> Subscribe:
    packet = _packet_id(reader)
    properties = _properties(reader, Kind.SUBSCRIBE, level)
    if len(properties.subscription_ids) > 1:
        raise ProtocolError("SUBSCRIBE with two subscription identifiers")
    subscriptions: list[Subscription] = []
    while reader or not subscriptions:
        filter_ = _filter(reader.text("a topic filter"))
        subscriptions.append(_subscription(filter_, reader.number(1, "its options"), level))
    return Subscribe(packet=packet, subscriptions=tuple(subscriptions), properties=properties)


def _subscription(filter_: str, options: int, level: int) -> Subscription:
    """Section 3.8.3.1; at level 4 only the QoS may be set."""
    if options & (0xC0 if level == Level.V5 else 0xFC) or options & 3 == 3:
        raise MalformedPacket(f"subscription options {options:08b}")
    if options >> 4 == 3:
        raise ProtocolError("retain handling 3")
    if options & 0x04 and filter_.startswith("$share/"):
        raise ProtocolError("no local on a shared subscription")
    return Subscription(
        filter=filter_,
        qos=options & 3,
        no_local=bool(options & 0x04),
        retain_as_published=bool(options & 0x08),
        retain_handling=options >> 4,
    )


def _parse_suback(reader: Reader, _flags: int, level: int) -> Suback:
    packet = _packet_id(reader)
    properties = _properties(reader, Kind.SUBACK, level)
    return Suback(packet=packet, reasons=tuple(reader.rest()), properties=properties)


def _parse_unsubscribe(reader: Reader, _flags: int, level: int) -> Unsubscribe:
    packet = _packet_id(reader)
    properties = _properties(reader, Kind.UNSUBSCRIBE, level)
    filters: list[str] = []
    while reader or not filters:
        filters.append(_filter(reader.text("a topic filter")))
    return Unsubscribe(packet=packet, filters=tuple(filters), properties=properties)


def _parse_unsuback(reader: Reader, _flags: int, level: int) -> Unsuback:
    packet = _packet_id(reader)
    if level == Level.V311:
        return Unsuback(packet=packet)
    properties = read(reader, Kind.UNSUBACK)
    return Unsuback(packet=packet, reasons=tuple(reader.rest()), properties=properties)


def _parse_disconnect(reader: Reader, _flags: int, level: int) -> Disconnect:
    # Section 3.14.2.1: without a reason it is 0, without a property length there are none.
    if level == Level.V311 or not reader:
        return Disconnect()
    reason = reader.number(1, "the reason")
    return Disconnect(reason=reason, properties=read(reader, Kind.DISCONNECT) if reader else NONE)


_PARSERS: dict[Kind, Callable[[Reader, int, int], Packet]] = {
    Kind.CONNECT: _parse_connect,
    Kind.CONNACK: _parse_connack,
    Kind.PUBLISH: _parse_publish,
    Kind.PUBACK: _parse_puback,
    Kind.SUBSCRIBE: _parse_subscribe,
    Kind.SUBACK: _parse_suback,
    Kind.UNSUBSCRIBE: _parse_unsubscribe,
    Kind.UNSUBACK: _parse_unsuback,
    Kind.PINGREQ: lambda _reader, _flags, _level: Pingreq(),
    Kind.PINGRESP: lambda _reader, _flags, _level: Pingresp(),
    Kind.DISCONNECT: _parse_disconnect,
}


def _properties(reader: Reader, kind: int, level: int) -> Properties:
    return read(reader, kind) if level == Level.V5 else NONE


def _packet_id(reader: Reader) -> int:
    """Section 2.2.1: 0 is no packet identifier."""
    packet = reader.number(2, "the packet id")
    if packet == 0:
        raise ProtocolError("packet id 0")
    return packet


def _filter(text: str) -> str:
    """Section 4.7.1: a wildcard stands alone in its level, # in the last one."""
    levels = text.split("/")
    for place, level in enumerate(levels):
        alone = level in WILDCARDS
        if (not alone and not WILDCARDS.isdisjoint(level)) or (
            level == "#" and place != len(levels) - 1
        ):
            raise MalformedPacket(f"wildcards out of place in the filter {text[:80]!r}")
    if not text:
        raise MalformedPacket("an empty topic filter")
    return text


def encode(packet: Packet, level: int) -> bytes:
    """Return a packet as bytes; what level 4 cannot say (properties, reasons) is left out.

    Raises:
        ValueError: if a value does not fit, or the packet cannot be said at this level.
    """
    match packet:
        case Connect():
            return _encode_connect(packet)
        case Publish():
            return _encode_publish(packet, level)
        case Subscribe() | Unsubscribe():
            return _encode_filters(packet, level)
        case Pingreq():
            return b"\xc0\x00"
        case Pingresp():
            return b"\xd0\x00"
        case _:
            return _encode_answer(packet, level)


def _encode_connect(packet: Connect) -> bytes:
    level, will = packet.level, packet.will
    flags = packet.clean_start << 1
    parts = [put_text(packet.client_id)]
    if will is not None:
        flags |= 0x04 | will.qos << 3 | will.retain << 5
        parts += (_put(will, level), put_text(will.topic), put_binary(will.payload))
    if packet.username is not None:
        flags |= 0x80
        parts.append(put_text(packet.username))
    if packet.password is not None:
        flags |= 0x40
        parts.append(put_binary(packet.password))
    fixed = struct.pack(">H4sBBH", 4, b"MQTT", level, flags, packet.keepalive_s)
    return put_frame(0x10, fixed, _put(packet, level), *parts)


def _encode_connack(packet: Connack, level: int) -> bytes:
    reason = packet.reason
    if level == Level.V311 and reason:
        reason = _TO_OLD.get(reason, _OLD_UNAVAILABLE)
    return put_frame(0x20, bytes((packet.session_present, reason)), _put(packet, level))


def _encode_publish(packet: Publish, level: int) -> bytes:
    first = 0x30 | packet.duplicate << 3 | packet.qos << 1 | packet.retain
    packet_id = _id(packet) if packet.qos else b""
    head = put_text(packet.topic) + packet_id + _put(packet, level)
    return put_frame(first, head, packet.payload)


def _encode_filters(packet: Subscribe | Unsubscribe, level: int) -> bytes:
    if isinstance(packet, Unsubscribe):
        return put_frame(
            0xA2, _id(packet), _put(packet, level), *[put_text(one) for one in packet.filters]
        )
    filters = [
        put_text(one.filter) + bytes((_options(one) if level == Level.V5 else one.qos,))
        for one in packet.subscriptions
    ]
    return put_frame(0x82, _id(packet), _put(packet, level), *filters)


def _options(one: Subscription) -> int:
    return one.qos | one.no_local << 2 | one.retain_as_published << 3 | one.retain_handling << 4


def _encode_answer(packet: Connack | Puback | Suback | Unsuback | Disconnect, level: int) -> bytes:
    codes: Sequence[int]
    match packet:
        case Connack():
            return _encode_connack(packet, level)
        case Suback():
            v5 = level == Level.V5
            codes = packet.reasons if v5 else [min(code, REFUSED) for code in packet.reasons]
            return put_frame(0x90, _id(packet), _put(packet, level), bytes(codes))
        case Unsuback():
            codes = packet.reasons if level == Level.V5 else ()
            return put_frame(0xB0, _id(packet), _put(packet, level), bytes(codes))
        case Puback():
            return put_frame(0x40, _id(packet), *_reason(packet, level))
        case Disconnect():
            return put_frame(0xE0, *_reason(packet, level))


def _reason(packet: Puback | Disconnect, level: int) -> tuple[bytes, ...]:
    """Sections 3.4.2.1 and 3.14.2.1: what is well is not said."""
    if level == Level.V311 or (packet.reason == 0 and packet.properties == NONE):
        return ()
    return bytes((packet.reason,)), put(packet.properties)


def _put(packet: Packet | Will, level: int) -> bytes:
    if isinstance(packet, Pingreq | Pingresp) or level == Level.V311:
        return b""
    return put(packet.properties)


def _id(packet: Publish | Puback | Subscribe | Suback | Unsubscribe | Unsuback) -> bytes:
    if not 1 <= packet.packet <= 0xFFFF:
        raise ValueError(f"packet id {packet.packet} is not within 1 to 65535")
    return packet.packet.to_bytes(2, "big")


def acknowledgements(packets: Sequence[int]) -> bytes:
    """Return the PUBACKs of these packet ids, all well.

    Section 3.4.2.1: without reason and properties a PUBACK is two bytes after its length, so each
    is one word of four bytes.

    Example:
        >>> acknowledgements([1, 515]).hex(" ", 4)
        '40020001 40020203'
    """
    return struct.pack(f">{len(packets)}I", *[0x4002_0000 | packet for packet in packets])
