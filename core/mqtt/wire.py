"""MQTT's data types on the wire, its errors, and packets cut out of a stream of bytes.

Clauses are those of MQTT 5.0 (OASIS, 2019); where 3.1.1 differs, it is said. What the bytes of a
packet mean is the work of ``core.mqtt.packets``, and of ``core.mqtt.bulk`` for many at once.
"""

from __future__ import annotations

from collections.abc import Iterator
from enum import IntEnum
from typing import ClassVar, NamedTuple

MOST_LENGTH = 268_435_455
"""Section 2.1.4: the largest remaining length that four bytes can say."""
WILDCARDS = frozenset("#+")
_MOST_STRING = 65_535  # section 1.5.4: two bytes of length
_HEADER = 5  # one byte of kind, at most four of length


class MqttError(ValueError):
    """The peer sent what the standard forbids; the connection cannot go on.

    Attributes:
        reason_code: what a DISCONNECT or CONNACK says about it (section 2.4).
    """

    reason_code: ClassVar[int] = 0x80


class MalformedPacket(MqttError):
    """Bytes that are no packet (section 4.13.1)."""

    reason_code: ClassVar[int] = 0x81


class ProtocolError(MqttError):
    """A packet that is out of place or says what it must not (section 4.13.1)."""

    reason_code: ClassVar[int] = 0x82


class UnsupportedVersion(ProtocolError):
    """A CONNECT of another protocol level than 4 (3.1.1) or 5 (section 3.1.2.2)."""

    reason_code: ClassVar[int] = 0x84


class PacketTooLarge(MqttError):
    """A packet larger than we take (section 3.1.2.11.4)."""

    reason_code: ClassVar[int] = 0x95


class Kind(IntEnum):
    """The control packet types, table 2-1."""

    CONNECT = 1
    CONNACK = 2
    PUBLISH = 3
    PUBACK = 4
    PUBREC = 5
    PUBREL = 6
    PUBCOMP = 7
    SUBSCRIBE = 8
    SUBACK = 9
    UNSUBSCRIBE = 10
    UNSUBACK = 11
    PINGREQ = 12
    PINGRESP = 13
    DISCONNECT = 14
    AUTH = 15


# Table 2-2; those of a PUBLISH say something.
_FLAGS = dict.fromkeys(Kind, 0) | dict.fromkeys((Kind.PUBREL, Kind.SUBSCRIBE, Kind.UNSUBSCRIBE), 2)


class Frame(NamedTuple):
    """One complete packet, its body not yet read.

    Attributes:
        kind: its type.
        flags: the lower half of its first byte.
        body: what follows the remaining length.
    """

    kind: Kind
    flags: int
    body: bytes


def frame(first: int, body: bytes) -> Frame:
    """Return the packet of a first byte and a body.

    Raises:
        MalformedPacket: if the type is 0 or the flags are not those of table 2-2.
    """
    kind, flags = first >> 4, first & 0x0F
    if kind == 0:
        raise MalformedPacket(f"first byte 0x{first:02x}: packet type 0 is reserved")
    known = Kind(kind)
    if known is not Kind.PUBLISH and flags != _FLAGS[known]:
        raise MalformedPacket(f"{known.name} with flags {flags:04b}")
    return Frame(known, flags, body)


def measure(data: bytes, at: int, most: int) -> tuple[int, int]:
    """Return where the body of the packet at ``at`` begins and where it ends.

    ``(0, 0)`` when its remaining length is not there yet; the end may lie beyond the data.

    Raises:
        MalformedPacket: if the length has more than four bytes, or more than it needs.
        PacketTooLarge: if the packet with its header is larger than ``most`` bytes.
    """
    # Two bytes are what most messages need.
    if at + 2 < len(data) and data[at + 1] > 0x7F and 0 < data[at + 2] < 0x80:
        end = at + 3 + (data[at + 1] & 0x7F | data[at + 2] << 7)
        if end - at <= most:
            return at + 3, end
    length = shift = 0
    for place in range(at + 1, min(at + _HEADER, len(data))):
        byte = data[place]
        length |= (byte & 0x7F) << shift
        if byte < 0x80:
            if byte == 0 and shift:
                raise MalformedPacket("a remaining length in more bytes than it needs")
            end = place + 1 + length
            if end - at > most:
                raise PacketTooLarge(f"a packet of {end - at} bytes; {most} are taken")
            return place + 1, end
        shift += 7
    if shift == 28:
        raise MalformedPacket("a remaining length of more than four bytes")
    return 0, 0


class Splitter:
    """Cuts a stream of bytes into packets, whatever pieces it comes in.

    It holds at most one unfinished packet and what was fed with its last piece.

    Example:
        >>> splitter = Splitter(1024)
        >>> [found.kind.name for found in splitter.feed(bytes.fromhex("c0"))]
        []
        >>> [found.kind.name for found in splitter.feed(bytes.fromhex("00d000"))]
        ['PINGREQ', 'PINGRESP']
    """

    __slots__ = ("_at", "_data", "_most", "_need", "_pieces", "_size")

    def __init__(self, most: int) -> None:
        """Take packets of up to ``most`` bytes, their header included."""
        self._most = most
        self._data = b""
        self._at = 0
        self._pieces: list[bytes] = []
        self._size = 0
        self._need = 0

    def feed(self, data: bytes) -> Iterator[Frame]:
        """Take more bytes; iterate over the packets that are complete now.

        What is not iterated over stays for the next call.

        Raises:
            MalformedPacket: while iterating, after the packets before it; and ever after.
            PacketTooLarge: likewise, as soon as the length is known.
        """
        self._pieces.append(data)
        self._size += len(data)
        return self._complete()

    def _complete(self) -> Iterator[Frame]:
        # A large packet comes in many pieces: they are joined once, when it is whole.
        if self._size < self._need:
            return
        self._data = b"".join([self._data[self._at :], *self._pieces])
        self._pieces.clear()
        self._at = self._need = 0
        self._size = len(self._data)
        while self._at < len(self._data):
            body, end = measure(self._data, self._at, self._most)
            if end == 0 or end > len(self._data):
                self._need = end - self._at if end else 0
                break
            found = frame(self._data[self._at], self._data[body:end])
            self._at = end
            yield found
        self._size = len(self._data) - self._at


class Reader:
    """Reads the data types of section 1.5 one after another; each names what it reads."""

    __slots__ = ("_at", "_data")

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    @property
    def read(self) -> int:
        """The bytes read so far."""
        return self._at

    def __bool__(self) -> bool:
        """Whether anything is left."""
        return self._at < len(self._data)

    def take(self, size: int, what: str) -> bytes:
        """Return the next ``size`` bytes.

        Raises:
            MalformedPacket: if there are fewer, as all methods here.
        """
        end = self._at + size
        if end > len(self._data):
            raise MalformedPacket(f"{what} is cut off")
        taken = self._data[self._at : end]
        self._at = end
        return taken

    def rest(self) -> bytes:
        """Return all that is left."""
        return self.take(len(self._data) - self._at, "")

    def number(self, size: int, what: str) -> int:
        """Return an integer of ``size`` bytes (section 1.5.2)."""
        return int.from_bytes(self.take(size, what), "big")

    def variable(self, what: str) -> int:
        """Return a variable byte integer (section 1.5.5)."""
        value = 0
        for shift in (0, 7, 14, 21):
            byte = self.number(1, what)
            value |= (byte & 0x7F) << shift
            if byte < 0x80:
                if byte == 0 and shift:
                    raise MalformedPacket(f"{what} in more bytes than it needs")
                return value
        raise MalformedPacket(f"{what} of more than four bytes")

    def binary(self, what: str) -> bytes:
        """Return binary data (section 1.5.6)."""
        return self.take(self.number(2, what), what)

    def text(self, what: str) -> str:
        """Return a UTF-8 string (section 1.5.4)."""
        return decoded(self.binary(what), what)

    def end(self, what: str) -> None:
        """Refuse anything that is left."""
        if self:
            raise MalformedPacket(f"{what} with {len(self._data) - self._at} bytes too many")


def decoded(raw: bytes, what: str) -> str:
    """Return a UTF-8 string without its length.

    Raises:
        MalformedPacket: if it is no UTF-8 or holds U+0000 (MQTT-1.5.4-1, MQTT-1.5.4-2).
    """
    try:
        text = raw.decode()
    except UnicodeDecodeError as error:
        raise MalformedPacket(f"{what} is no UTF-8") from error
    if "\0" in text:
        raise MalformedPacket(f"{what} holds U+0000")
    return text


def checked_topic(topic: str) -> str:
    """Return a topic's name, if it is one: it has a character and no wildcard (section 4.7).

    Raises:
        ProtocolError: if it is empty (MQTT-4.7.3-1).
        MalformedPacket: if it has a wildcard (MQTT-3.3.2-2).
    """
    if not topic:
        raise ProtocolError("an empty topic")
    if not WILDCARDS.isdisjoint(topic):
        raise MalformedPacket(f"a wildcard in the topic {topic[:80]!r}")
    return topic


def put_variable(value: int) -> bytes:
    """Return a variable byte integer (section 1.5.5).

    Raises:
        ValueError: if it does not fit in four bytes.

    Example:
        >>> put_variable(321).hex()
        'c102'
    """
    if not 0 <= value <= MOST_LENGTH:
        raise ValueError(f"{value} does not fit in a variable byte integer")
    found = bytearray()
    while value > 0x7F:
        found.append(value & 0x7F | 0x80)
        value >>= 7
    found.append(value)
    return bytes(found)


def put_binary(value: bytes) -> bytes:
    """Return binary data with its length (section 1.5.6).

    Raises:
        ValueError: if it is longer than 65,535 bytes.
    """
    if len(value) > _MOST_STRING:
        raise ValueError(f"{len(value)} bytes do not fit in a string of {_MOST_STRING}")
    return len(value).to_bytes(2, "big") + value


def put_text(value: str) -> bytes:
    """Return a UTF-8 string with its length (section 1.5.4).

    Raises:
        ValueError: if it is too long, has U+0000, or cannot be written as UTF-8.
    """
    if "\0" in value:
        raise ValueError("U+0000 cannot be sent in a string")
    return put_binary(value.encode())


def put_frame(first: int, *parts: bytes) -> bytes:
    """Return a packet of its first byte and the parts of its body.

    Raises:
        ValueError: if it is longer than a remaining length can say.
    """
    return b"".join((bytes((first,)), put_variable(sum(map(len, parts))), *parts))
