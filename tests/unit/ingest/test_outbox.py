"""Messages of ours under way: packet ids, the broker's window, repetition."""

from hypothesis import given
from hypothesis import strategies as st

from core.mqtt.packets import Level, Packet, Publish, Splitter, parse
from ingest.outbox import Outbox


def read(data: bytes) -> Publish:
    (packet,) = read_all(data)
    assert isinstance(packet, Publish)
    return packet


def read_all(data: bytes) -> list[Packet]:
    return [parse(frame, Level.V5) for frame in Splitter(1 << 20).feed(data)]


def test_a_message_is_sent_at_qos_1_as_json() -> None:
    message = read(Outbox().put("a/b", b"{}"))
    assert (message.topic, message.payload, message.qos, message.packet) == ("a/b", b"{}", 1, 1)
    assert message.properties.content_type == "application/json"
    assert not message.duplicate


@given(st.lists(st.integers(0, 9)), st.integers(1, 8))
def test_ids_in_use_are_never_given_again(answers: list[int], most: int) -> None:
    outbox = Outbox()
    outbox.most = most
    under_way: set[int] = set()
    for number in answers:
        outbox._last = 65_534  # once around
        if number < 6:
            data = outbox.put("t", b"x")
            assert bool(data) == (len(under_way) < most)
            if data:
                packet = read(data).packet
                assert packet not in under_way
                under_way.add(packet)
            assert outbox.draw() not in under_way
        elif under_way:
            outbox.done(under_way.pop())
        assert len(outbox) == len(under_way)


def test_one_id_is_always_free() -> None:
    outbox = Outbox()
    for _ in range(65_534):
        assert outbox.put("t", b"")
    assert outbox.put("t", b"") == b""
    assert outbox.draw() == 65_535


def test_a_larger_packet_than_the_broker_takes_is_not_sent() -> None:
    outbox = Outbox()
    outbox.most_bytes = len(outbox.put("t", b"x" * 50))
    assert outbox.put("t", b"x" * 50)
    assert outbox.put("t", b"x" * 51) == b""
    assert len(outbox) == 2


def test_what_is_not_acknowledged_is_repeated_in_order_and_marked() -> None:
    outbox = Outbox()
    for payload in [b"a", b"b", b"c", b"d"]:
        outbox.put("t", payload)
    outbox.done(2)
    outbox.done(999)
    outbox.most = 2
    again = [read(data) for data in outbox.again()]
    assert [(one.packet, one.payload, one.duplicate) for one in again] == [
        (1, b"a", True),
        (3, b"c", True),
    ]
    # The window has no room for the last; its id is free again.
    assert len(outbox) == 2
    outbox.clear()
    assert outbox.again() == []
