"""What the source hands on: one message as the broker delivered it."""

from __future__ import annotations

import msgspec


class Message(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One message of the wire, undecoded. A struct, because one is made for each message.

    Attributes:
        topic: MQTT topic.
        payload: the bytes as received.
        content_type: the MQTT 5 property, or "".
        received_us: our clock at arrival, microseconds since the Unix epoch, UTC.
        link: which connection brought it; an acknowledgement is only good on the same one.
        packet: MQTT packet identifier, 0 for QoS 0.
    """

    topic: str
    payload: bytes
    received_us: int
    content_type: str = ""
    link: int = 0
    packet: int = 0

    def weight(self) -> int:
        """Return about how many readings it carries (each JSON record opens one brace)."""
        return self.payload.count(b"{") or 1
