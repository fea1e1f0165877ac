"""A bare MQTT 5 client: enough to send and to take in as fast as the broker can, and no more."""

from __future__ import annotations

import select
import socket
import struct
from collections.abc import Iterator

PATIENCE_S = 120.0
CONNACK, PUBLISH, PUBACK, SUBACK = 0x20, 0x30, 0x40, 0x90
_READ = 1 << 18


class Bare:
    """One connection with a clean session; packets are parsed, nothing else is kept."""

    def __init__(self, port: int, user: str, password: str, *, receive_maximum: int) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=PATIENCE_S)
        properties = b"\x21" + struct.pack(">H", receive_maximum)
        body = b"\x00\x04MQTT\x05\xc2" + struct.pack(">H", 3600) + bytes([len(properties)])
        body += properties + text(f"bench-{user}") + text(user) + text(password)
        self.socket.sendall(b"\x10" + length(len(body)) + body)
        self.buffer = b""
        kind, packet = next(self.packets())
        if kind != CONNACK or packet[1] != 0:
            raise ConnectionError(f"the broker does not let {user} in: {packet!r}")

    def subscribe(self, pattern: str) -> None:
        """Subscribe at QoS 1."""
        body = b"\x00\x01\x00" + text(pattern) + b"\x01"
        self.socket.sendall(b"\x82" + length(len(body)) + body)
        kind, packet = next(self.packets())
        if kind != SUBACK or packet[-1] >= 0x80:
            raise ConnectionError(f"the broker refuses {pattern}: {packet!r}")

    def packets(self) -> Iterator[tuple[int, bytes]]:
        """Yield what is complete; read more when nothing is."""
        while True:
            whole = parse(self.buffer)
            if whole is None:
                self._read()
                continue
            kind, start, end = whole
            packet, self.buffer = self.buffer[start:end], self.buffer[end:]
            yield kind, packet

    def counted(self, wanted: int, timeout_s: float = PATIENCE_S) -> list[bytes]:
        """Read once, if there is something in time; return the whole packets of one kind."""
        if timeout_s < PATIENCE_S and not select.select([self.socket], [], [], timeout_s)[0]:
            return []
        self._read()
        bodies, at = [], 0
        while (whole := parse(self.buffer, at)) is not None:
            kind, start, at = whole
            if kind & 0xF0 == wanted:
                bodies.append(self.buffer[start:at])
        self.buffer = self.buffer[at:]
        return bodies

    def close(self) -> None:
        """Say goodbye."""
        self.socket.sendall(b"\xe0\x00")
        self.socket.close()

    def _read(self) -> None:
        more = self.socket.recv(_READ)
        if not more:
            raise ConnectionError("the broker closed the connection")
        self.buffer += more


def parse(data: bytes, at: int = 0) -> tuple[int, int, int] | None:
    """Return the kind, start and end of the packet at ``at``; None when it is not complete."""
    size, shift, here = 0, 0, at + 1
    while True:
        if here >= len(data):
            return None
        size |= (data[here] & 0x7F) << shift
        shift += 7
        here += 1
        if data[here - 1] < 128:
            break
    return (data[at], here, here + size) if here + size <= len(data) else None


def length(number: int) -> bytes:
    """Return a length as MQTT writes it."""
    digits = []
    while True:
        number, digit = divmod(number, 128)
        digits.append(digit | (128 if number else 0))
        if not number:
            return bytes(digits)


def text(word: str) -> bytes:
    """Return a text as MQTT writes it."""
    return struct.pack(">H", len(word)) + word.encode()


def publish(topic: str, packet_id: int, payload: bytes) -> bytes:
    """Return a PUBLISH packet at QoS 1."""
    body = text(topic) + struct.pack(">H", packet_id) + b"\x00" + payload
    return b"\x32" + length(len(body)) + body
