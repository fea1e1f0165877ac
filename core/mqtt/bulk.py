"""Many PUBLISH packets at once: the hot path of a reader at MQTT 5.

``core.mqtt.packets`` makes one object of each packet and checks all it says. Here a whole buffer is
walked in one loop: what repeats (topics, properties) is checked once and then found by its bytes,
and the rest are slices. It refuses what that refuses, and topic aliases; a test holds it to that.
"""

from __future__ import annotations

from core.mqtt import properties
from core.mqtt.packets import Level, Publish, parse
from core.mqtt.wire import (
    Frame,
    Kind,
    MalformedPacket,
    MqttError,
    ProtocolError,
    Reader,
    checked_topic,
    decoded,
    frame,
    measure,
)

_MOST_KNOWN = 65_536  # topics, and properties, that are remembered; then it starts anew
_LONGEST_KNOWN = 256  # bytes of one


Row = tuple[str, bytes, int, str]
"""A message: topic, payload, packet identifier (0 at QoS 0), content type or "".

A plain tuple, because a named one takes three times as long to make.
"""


class Inbox:
    """Cuts the stream of a connection at MQTT 5 into messages at QoS 0 and 1, and other packets.

    It holds at most one unfinished packet. It belongs to a client that allows no topic aliases.
    """

    __slots__ = ("_most", "_need", "_pieces", "_properties", "_size", "_topics", "others")

    def __init__(self, most: int) -> None:
        """Take packets of up to ``most`` bytes, their header included."""
        self._most = most
        self._pieces: list[bytes] = []
        self._size = 0
        self._need = 0
        self._topics: dict[bytes, str] = {}
        self._properties: dict[bytes, str] = {}
        self.others: list[Frame] = []
        """Packets that are no message, for the caller to take away."""

    def feed(self, data: bytes, into: list[Row]) -> None:
        """Take more bytes and append the messages that are complete now.

        Raises:
            MqttError: the stream cannot be read on; what stood before the mistake is in ``into``.
        """
        if self._pieces:
            # A large packet comes in many pieces: they are joined once, when it is whole.
            self._pieces.append(data)
            self._size += len(data)
            if self._size < self._need:
                return
            data = b"".join(self._pieces)
            self._pieces.clear()
        try:
            at, self._need = self._walk(data, into)
        except IndexError as error:  # a body too short for its topic, at the end of the data
            raise _wrong(whole=False) from error
        if at < len(data):
            self._pieces.append(data[at:])
            self._size = len(data) - at

    def _walk(self, data: bytes, into: list[Row]) -> tuple[int, int]:
        """Return where the first unfinished packet begins and its size, 0 when not known."""
        topics, contents, most = self._topics, self._properties, self._most
        at, size = 0, len(data)
        # This loop is what a message costs: names are looked up once, short forms come first.
        append = into.append
        while at + 1 < size:
            length = data[at + 1]
            begin = at + 2
            end = begin + length
            if length > 0x7F or end - at > most:
                begin, end = measure(data, at, most)
                if end == 0:
                    return at, 0
            if end > size:
                return at, end - at
            first = data[at]
            if first & 0xF6 == 0x32:  # PUBLISH at QoS 1, whatever DUP and RETAIN say
                packet_at = begin + 2 + (data[begin] << 8 | data[begin + 1])
                packet = data[packet_at] << 8 | data[packet_at + 1]
                properties_at = packet_at + 2
                if packet == 0 or properties_at >= end:
                    raise _wrong(whole=properties_at < end)
            else:
                self._other(frame(first, data[begin:end]), into)
                at = end
                continue
            raw = data[begin + 2 : packet_at]
            topic = topics.get(raw) or self._topic(raw)
            length = data[properties_at]
            if length == 0:
                append((topic, data[properties_at + 1 : end], packet, ""))
            else:
                properties_at += 1
                if length > 0x7F:
                    length, properties_at = _long(data, properties_at - 1, end)
                payload_at = properties_at + length
                if payload_at > end:
                    raise _wrong(whole=False)
                raw = data[properties_at:payload_at]
                content = contents.get(raw)
                if content is None:
                    content = self._content(raw)
                append((topic, data[payload_at:end], packet, content))
            at = end
        return at, 0

    def _other(self, found: Frame, into: list[Row]) -> None:
        """Take a packet that is no PUBLISH at QoS 1."""
        if found.kind is not Kind.PUBLISH:
            self.others.append(found)
            return
        message = parse(found, Level.V5)
        assert isinstance(message, Publish)  # so its kind says
        _refuse_alias(message.properties)
        into.append((message.topic, message.payload, 0, message.properties.content_type or ""))

    def _topic(self, raw: bytes) -> str:
        """Check a topic that is met for the first time."""
        topic = checked_topic(decoded(raw, "the topic"))
        _remember(self._topics, raw, topic)
        return topic

    def _content(self, raw: bytes) -> str:
        """Return the content type among properties that are met for the first time."""
        found = properties.parse(raw, Kind.PUBLISH)
        _refuse_alias(found)
        content = found.content_type or ""
        _remember(self._properties, raw, content)
        return content


def _remember(known: dict[bytes, str], raw: bytes, text: str) -> None:
    """Keep what may come again, within bounds."""
    if len(raw) > _LONGEST_KNOWN:
        return
    if len(known) >= _MOST_KNOWN:
        known.clear()
    known[raw] = text


def _wrong(*, whole: bool) -> MqttError:
    """Return what is to be said of a PUBLISH at QoS 1 that ends too soon or has no packet id."""
    return ProtocolError("packet id 0") if whole else MalformedPacket("a PUBLISH is cut off")


def _refuse_alias(found: properties.Properties) -> None:
    """Section 3.3.2.3.4: without a Topic Alias Maximum from us there may be none."""
    if found.topic_alias is not None:
        raise ProtocolError("a topic alias, where none is allowed")


def _long(data: bytes, at: int, end: int) -> tuple[int, int]:
    """Return a length of more than one byte, and the place after it."""
    reader = Reader(data[at : min(end, at + 4)])
    length = reader.variable("the length of the properties")
    return length, at + reader.read
