"""MQTT packets: examples from the standard, round trips, and bytes of any kind."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.mqtt.packets import (
    Connack,
    Connect,
    Disconnect,
    Frame,
    Kind,
    Level,
    MalformedPacket,
    MqttError,
    Packet,
    PacketTooLarge,
    Properties,
    ProtocolError,
    Puback,
    Publish,
    Reason,
    Splitter,
    Suback,
    Subscribe,
    Subscription,
    Unsuback,
    UnsupportedVersion,
    Will,
    acknowledgements,
    encode,
    parse,
    wording,
)
from core.mqtt.wire import put_variable
from tests.support.packets import cut, packets

LEVELS = [Level.V311, Level.V5]


def frames(data: bytes, most: int = 1 << 20) -> list[Frame]:
    return list(Splitter(most).feed(data))


def read(data: bytes, level: int = Level.V5) -> Packet:
    (frame,) = frames(data)
    return parse(frame, level)


def mistake(splitter: Splitter, data: bytes, level: int = Level.V5) -> MqttError | None:
    """Read all that there is; any other error fails the test."""
    try:
        for frame in splitter.feed(data):
            parse(frame, level)
    except MqttError as error:
        return error
    return None


def assert_named(error: MqttError | None) -> None:
    assert error is None or (str(error) and error.reason_code >= 0x80)


@pytest.mark.parametrize(
    ("code", "level", "packet"),
    [
        ("10 0e 0004 4d515454 04 02 003c 0002 6162", Level.V311,
         Connect(level=Level.V311, client_id="ab", keepalive_s=60)),
        ("10 18 0004 4d515454 04 c2 003c 0002 6162 0003 757372 0003 707764", Level.V311,
         Connect(level=Level.V311, client_id="ab", keepalive_s=60, username="usr",
                 password=b"pwd")),
        ("20 02 01 00", Level.V311, Connack(session_present=True)),
        ("20 02 00 05", Level.V311, Connack(reason=Reason.NOT_AUTHORIZED)),
        ("20 06 00 00 03 21 0014", Level.V5, Connack(properties=Properties(receive_maximum=20))),
        # The non-normative example of section 3.3.2: topic a/b, packet identifier 10.
        ("32 08 0003 612f62 000a 00", Level.V5,
         Publish(topic="a/b", payload=b"", qos=1, packet=10)),
        ("30 06 0003 612f62 78", Level.V311, Publish(topic="a/b", payload=b"x")),
        ("40 02 000a", Level.V5, Puback(packet=10)),
        ("40 03 000a 10", Level.V5, Puback(packet=10, reason=Reason.NO_MATCHING_SUBSCRIBERS)),
        ("82 0d 000a 00 0003 612f62 01 0001 23 00", Level.V5,
         Subscribe(packet=10, subscriptions=(Subscription(filter="a/b", qos=1),
                                             Subscription(filter="#")))),
        ("90 04 000a 01 80", Level.V311, Suback(packet=10, reasons=(1, 0x80))),
        ("b0 02 000a", Level.V311, Unsuback(packet=10)),
        ("e0 00", Level.V5, Disconnect()),
        ("e0 01 04", Level.V5, Disconnect(reason=Reason.DISCONNECT_WITH_WILL)),
        ("e0 02 8e 00", Level.V5, Disconnect(reason=Reason.SESSION_TAKEN_OVER)),
    ],
)  # fmt: skip
def test_bytes_mean_what_the_standard_says(code: str, level: Level, packet: Packet) -> None:
    assert read(bytes.fromhex(code), level) == packet


@pytest.mark.parametrize("level", LEVELS)
@given(data=st.data())
def test_what_is_encoded_is_parsed_the_same(data: st.DataObject, level: Level) -> None:
    packet = data.draw(packets(level))
    assert read(encode(packet, level), level) == packet


@pytest.mark.parametrize("level", LEVELS)
@given(data=st.data(), places=st.lists(st.integers(0, 5000), max_size=8))
def test_any_cut_of_the_stream_gives_the_same_packets(
    data: st.DataObject, places: list[int], level: Level
) -> None:
    sent = data.draw(st.lists(packets(level), max_size=5))
    splitter = Splitter(1 << 20)
    got = [
        parse(frame, level)
        for piece in cut(b"".join(encode(packet, level) for packet in sent), places)
        for frame in splitter.feed(piece)
    ]
    assert got == sent


@given(data=st.data())
def test_a_packet_cut_short_is_refused_or_another_packet(data: st.DataObject) -> None:
    packet = data.draw(packets(Level.V5))
    (frame,) = frames(encode(packet, Level.V5))
    shorter = frame.body[: data.draw(st.integers(0, max(0, len(frame.body) - 1)))]
    try:
        found = parse(frame._replace(body=shorter), Level.V5)
    except MqttError:
        return
    # Only an empty length of properties may be left out (sections 3.4.2.2.1 and 3.14.2.2.1).
    assert shorter == frame.body or found != packet or isinstance(packet, Puback | Disconnect)


@pytest.mark.parametrize("level", LEVELS)
@given(data=st.data())
def test_any_corruption_is_refused_by_its_own_error(data: st.DataObject, level: Level) -> None:
    raw = bytearray(encode(data.draw(packets(level)), level))
    place = data.draw(st.integers(0, len(raw) - 1))
    raw[place] = data.draw(st.integers(0, 255))
    with_rest = bytes(raw) + data.draw(st.binary(max_size=20))
    assert_named(mistake(Splitter(1 << 20), with_rest, level))


@pytest.mark.parametrize("level", LEVELS)
@given(kind=st.sampled_from(Kind), flags=st.integers(0, 15), body=st.binary(max_size=60))
def test_random_bodies_raise_nothing_else(
    kind: Kind, flags: int, body: bytes, level: Level
) -> None:
    data = bytes((kind << 4 | flags,)) + put_variable(len(body)) + body
    assert_named(mistake(Splitter(100), data, level))


@given(pieces=st.lists(st.binary(max_size=40), max_size=6))
def test_random_streams_raise_nothing_else_and_stay_broken(pieces: list[bytes]) -> None:
    splitter = Splitter(64)
    broken = ""
    for piece in pieces:
        try:
            list(splitter.feed(piece))
        except MqttError as error:
            broken = broken or str(error)
            with pytest.raises(MqttError, match=re.escape(broken)):
                list(splitter.feed(b""))


def test_packets_before_a_mistake_are_given_out_first() -> None:
    splitter = Splitter(64)
    found = splitter.feed(bytes.fromhex("c000 d000 0000"))
    assert [next(found).kind, next(found).kind] == [Kind.PINGREQ, Kind.PINGRESP]
    with pytest.raises(MalformedPacket, match="type 0"):
        next(found)
    with pytest.raises(MalformedPacket, match="type 0"):
        list(splitter.feed(b"\xc0\x00"))


def test_packets_that_are_not_taken_wait_for_the_next_call() -> None:
    splitter = Splitter(64)
    next(splitter.feed(bytes.fromhex("c000 d000 c0")))
    assert [frame.kind for frame in splitter.feed(b"\0")] == [Kind.PINGRESP, Kind.PINGREQ]


def test_a_packet_that_is_too_large_is_refused_by_its_header_alone() -> None:
    with pytest.raises(PacketTooLarge, match="a packet of 103 bytes; 100 are taken"):
        frames(b"\x30\x65", most=100)
    with pytest.raises(PacketTooLarge, match="268435460"):
        frames(b"\x30\xff\xff\xff\x7f")
    assert frames(b"\x30\x62" + b"x" * 98, most=100)


def test_large_packets_in_small_pieces_are_joined_once() -> None:
    data = encode(Publish(topic="t", payload=b"x" * 1_048_576), Level.V5)
    splitter = Splitter(2 << 20)
    got = [
        frame for at in range(0, len(data), 1000) for frame in splitter.feed(data[at : at + 1000])
    ]
    assert [len(frame.body) for frame in got] == [1_048_576 + 4]


@pytest.mark.parametrize(
    ("code", "error", "what"),
    [
        ("00 00", MalformedPacket, "packet type 0"),
        ("80 00", MalformedPacket, "SUBSCRIBE with flags 0000"),
        ("c1 00", MalformedPacket, "PINGREQ with flags 0001"),
        ("30 ff ff ff ff", MalformedPacket, "more than four bytes"),
        ("30 80 00", MalformedPacket, "more bytes than it needs"),
        ("c0 01 00", MalformedPacket, "PINGREQ with 1 bytes too many"),
        ("36 05 0001 61 0001", MalformedPacket, "PUBLISH with flags 0110"),
        ("38 04 0001 61 00", MalformedPacket, "PUBLISH with flags 1000"),
        ("34 06 0001 61 0001 00", ProtocolError, "QoS 2"),
        ("32 06 0001 61 0000 00", ProtocolError, "packet id 0"),
        ("30 04 0001 2b 00", MalformedPacket, "wildcard in the topic"),
        ("30 03 0000 00", ProtocolError, "an empty topic"),
        ("30 04 0001 00 00", MalformedPacket, "U\\+0000"),
        ("30 04 0001 ff 00", MalformedPacket, "no UTF-8"),
        ("30 06 0003 eda080 00", MalformedPacket, "no UTF-8"),
        ("30 07 0001 61 03 23 0000", ProtocolError, "topic_alias is 0"),
        ("30 08 0001 61 04 01 00 01 01", ProtocolError, "payload_format is said twice"),
        ("30 06 0001 61 02 01 02", ProtocolError, "payload_format is 2"),
        ("30 07 0001 61 03 21 0001", MalformedPacket, "property 0x21 in PUBLISH"),
        ("30 05 0001 61 01 7f", MalformedPacket, "property 0x7f in PUBLISH"),
        ("30 05 0001 61 05 01", MalformedPacket, "properties is cut off"),
        ("20 06 00 00 03 21 0000", ProtocolError, "receive_maximum is 0"),
        ("20 03 02 00 00", MalformedPacket, "acknowledge flags"),
        # Figure 3-6: its flags promise more than the header that it shows.
        ("10 10 0004 4d515454 05 ce 000a 05 11 0000000a", MalformedPacket, "client id is cut off"),
        ("40 01 00", MalformedPacket, "the packet id is cut off"),
        ("82 03 0001 00", MalformedPacket, "a topic filter is cut off"),
        ("82 07 0001 00 0001 61 03", MalformedPacket, "subscription options"),
        ("82 07 0001 00 0001 61 c0", MalformedPacket, "subscription options"),
        ("82 07 0001 00 0001 61 30", ProtocolError, "retain handling 3"),
        ("82 08 0001 00 0002 6123 00", MalformedPacket, "out of place in the filter"),
        ("82 09 0001 00 0003 232f61 00", MalformedPacket, "out of place in the filter"),
        ("82 06 0001 00 0000 00", MalformedPacket, "an empty topic filter"),
        ("82 0b 0001 04 0b01 0b02 0001 61 00", ProtocolError, "two subscription identifiers"),
        ("50 02 0001", ProtocolError, "PUBREC is out of place"),
        ("f0 00", ProtocolError, "AUTH is out of place"),
        ("10 0d 0004 4d515454 06 02 003c 00 0000", UnsupportedVersion, "MQTT level 6"),
        ("10 0e 0006 4d5149736470 03 02 003c 0000", UnsupportedVersion, "MQIsdp level 3"),
        ("10 0d 0004 48545450 05 02 003c 00 0000", MalformedPacket, "protocol name"),
        ("10 0d 0004 4d515454 05 03 003c 00 0000", MalformedPacket, "reserved connect flag"),
        ("10 0d 0004 4d515454 05 0a 003c 00 0000", MalformedPacket, "contradict"),
        ("10 0e 0004 4d515454 04 42 003c 0000 0000", MalformedPacket, "without a user name"),
    ],
)
def test_what_is_wrong_is_named(code: str, error: type[MqttError], what: str) -> None:
    with pytest.raises(error, match=what):
        read(bytes.fromhex(code))


def test_an_old_server_that_knows_no_mqtt_5_is_understood() -> None:
    assert read(bytes.fromhex("20 02 00 01")) == Connack(reason=Reason.UNSUPPORTED_VERSION)


def test_reasons_without_an_old_word_are_told_as_server_unavailable() -> None:
    assert encode(Connack(reason=Reason.BANNED), Level.V311).hex() == "20020003"
    assert encode(Suback(packet=1, reasons=(1, 0x87)), Level.V311).hex() == "900400010180"


@pytest.mark.parametrize(
    "packet",
    [
        Puback(packet=0),
        Puback(packet=65_536),
        Publish(topic="t" * 65_536, payload=b""),
        Publish(topic="\0", payload=b""),
        Connect(client_id="a", will=Will(topic="t", payload=b"x" * 65_536)),
        Connack(properties=Properties(receive_maximum=65_536)),
        Publish(topic="t", payload=b"", properties=Properties(subscription_ids=(1 << 28,))),
    ],
)
def test_what_does_not_fit_is_not_sent(packet: Packet) -> None:
    with pytest.raises(ValueError):  # noqa: PT011
        encode(packet, Level.V5)


@given(st.lists(st.integers(1, 65_535), max_size=50))
def test_acknowledgements_in_bulk_are_pubacks(ids: list[int]) -> None:
    assert acknowledgements(ids) == b"".join(
        encode(Puback(packet=packet), Level.V5) for packet in ids
    )


def test_every_reason_has_words() -> None:
    assert [wording(reason) for reason in Reason if not wording(reason)[0].isalpha()] == []


@pytest.mark.parametrize(
    ("value", "code"),
    [(0, "00"), (127, "7f"), (128, "8001"), (16_383, "ff7f"), (16_384, "808001"),
     (2_097_151, "ffff7f"), (2_097_152, "80808001"), (268_435_455, "ffffff7f")],
)  # fmt: skip
def test_variable_byte_integers_at_their_borders(value: int, code: str) -> None:
    """Table 1-1."""
    assert put_variable(value).hex() == code
    with pytest.raises(ValueError, match="does not fit"):
        put_variable(268_435_456)
