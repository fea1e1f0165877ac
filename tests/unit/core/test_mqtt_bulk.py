"""The bulk reader against the plain one, over any stream in any pieces."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.mqtt import bulk
from core.mqtt.bulk import Inbox, Row
from core.mqtt.packets import (
    Frame,
    Kind,
    Level,
    MqttError,
    PacketTooLarge,
    Properties,
    ProtocolError,
    Publish,
    Splitter,
    encode,
    parse,
)
from tests.support.packets import cut, packets, publishes

MOST = 2 << 20


def taken(pieces: list[bytes], most: int = MOST) -> tuple[list[Row], list[Frame], str]:
    """Messages, other packets and the kind of mistake that ended it."""
    inbox = Inbox(most)
    rows: list[Row] = []
    try:
        for piece in pieces:
            inbox.feed(piece, rows)
    except MqttError as error:
        return rows, inbox.others, type(error).__name__
    return rows, inbox.others, ""


def refused(found: tuple[list[Row], list[Frame], str]) -> tuple[list[Row], list[Frame], bool]:
    """Where two things are wrong, either may be named."""
    rows, others, mistake = found
    return rows, others, bool(mistake)


def plainly(data: bytes, most: int = MOST) -> tuple[list[Row], list[Frame], str]:
    """The same by the splitter and the parser."""
    rows: list[Row] = []
    others: list[Frame] = []
    try:
        for frame in Splitter(most).feed(data):
            if frame.kind is not Kind.PUBLISH:
                others.append(frame)
                continue
            message = parse(frame, Level.V5)
            assert isinstance(message, Publish)
            if message.properties.topic_alias is not None:
                raise ProtocolError("no alias")
            content_type = message.properties.content_type or ""
            rows.append((message.topic, message.payload, message.packet, content_type))
    except MqttError as error:
        return rows, others, type(error).__name__
    return rows, others, ""


STREAMS = st.lists(publishes() | packets(Level.V5), max_size=8).map(
    lambda sent: b"".join(encode(packet, Level.V5) for packet in sent)
)
CUTS = st.lists(st.integers(0, 5000), max_size=8)


@given(data=STREAMS, places=CUTS)
def test_any_stream_in_any_pieces_is_read_as_plainly(data: bytes, places: list[int]) -> None:
    assert taken(cut(data, places)) == plainly(data)


@given(data=STREAMS, places=CUTS, damage=st.lists(st.tuples(st.integers(0), st.integers(0, 255))))
def test_a_damaged_stream_is_refused_as_plainly(
    data: bytes, places: list[int], damage: list[tuple[int, int]]
) -> None:
    damaged = bytearray(data)
    for place, byte in damage[:3]:
        if damaged:
            damaged[place % len(damaged)] = byte
    found = taken(cut(bytes(damaged), places), 2000)
    assert refused(found) == refused(plainly(bytes(damaged), 2000))


@given(body=st.binary(max_size=40), flags=st.integers(0, 15), rest=st.binary(max_size=8))
def test_any_body_of_a_message_is_judged_as_plainly(body: bytes, flags: int, rest: bytes) -> None:
    data = bytes((0x30 | flags, len(body))) + body + rest
    assert refused(taken([data])) == refused(plainly(data))


@given(st.lists(st.binary(max_size=40), max_size=6))
def test_random_bytes_raise_nothing_but_mqtt_errors(pieces: list[bytes]) -> None:
    assert refused(taken(pieces, 64)) == refused(plainly(b"".join(pieces), 64))


@pytest.mark.parametrize(
    ("code", "rest"),
    [
        ("32 05 0001 61 0001", "00 00"),  # no length of properties; the next byte would be one
        ("32 06 0001 61 0001 05", "03 0002 6162"),  # properties that would reach on
        ("32 02 0005", "61 62 63 64 65 0001 00"),  # a topic that would
        ("32 01 00", "01 61 0001 00"),  # its length that would
        ("32 00", "0001 61 0001 00"),
        ("30 03 0001 61", "00"),
    ],
)
def test_a_message_that_ends_too_soon_takes_nothing_of_the_next(code: str, rest: str) -> None:
    data = bytes.fromhex(code + rest)
    assert taken([data]) == ([], [], "MalformedPacket") == plainly(data)


def test_a_row_holds_topic_payload_packet_and_content_type() -> None:
    message = Publish(
        topic="a/b", payload=b"x", qos=1, packet=7, properties=Properties(content_type="text/plain")
    )
    rows, _, _ = taken([encode(message, Level.V5)])
    assert rows == [("a/b", b"x", 7, "text/plain")]


def test_a_large_message_in_small_pieces_is_whole() -> None:
    payload = bytes(range(256)) * 4096
    data = encode(Publish(topic="t", payload=payload, qos=1, packet=1), Level.V5)
    around = encode(Publish(topic="t", payload=b"small", qos=1, packet=2), Level.V5)
    stream = around + data + around
    rows, _, mistake = taken([stream[at : at + 999] for at in range(0, len(stream), 999)])
    assert [row[1] for row in rows] == [b"small", payload, b"small"]
    assert mistake == ""


def test_a_message_that_is_too_large_is_refused_before_it_is_there() -> None:
    inbox = Inbox(1000)
    with pytest.raises(PacketTooLarge):
        inbox.feed(b"\x32\xff\xff\x7f", [])


def test_a_topic_alias_is_refused() -> None:
    message = Publish(topic="t", payload=b"", properties=Properties(topic_alias=1))
    for qos, packet in [(0, 0), (1, 5)]:
        data = encode(replace(message, qos=qos, packet=packet), Level.V5)
        assert taken([data]) == ([], [], "ProtocolError")


def test_what_is_remembered_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bulk, "_MOST_KNOWN", 10)
    inbox = Inbox(MOST)
    rows: list[Row] = []
    for number in range(25):
        said = Properties(content_type=f"type/{number}")
        message = Publish(topic=f"t/{number}", payload=b"", qos=1, packet=1, properties=said)
        inbox.feed(encode(message, Level.V5), rows)
    long = Publish(topic="t" * 5000, payload=b"", qos=1, packet=1)
    inbox.feed(encode(long, Level.V5), rows)
    assert [row[3] for row in rows[:25]] == [f"type/{number}" for number in range(25)]
    assert rows[25][0] == "t" * 5000
    assert len(inbox._topics) == 5
    assert len(inbox._properties) == 5
