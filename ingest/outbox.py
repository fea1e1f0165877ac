"""Messages of ours at QoS 1 that the broker has not acknowledged; they outlive a connection."""

from __future__ import annotations

from core.mqtt.packets import Level, Properties, Publish, encode

_IDS = 65_535  # MQTT 5 section 2.2.1
_DUPLICATE = 0x08  # section 3.3.1.1
_JSON = Properties(content_type="application/json")


class Outbox:
    """Gives each message a packet id and keeps it until its PUBACK.

    Args:
        lasting: whether a message is sent again also when the broker has forgotten our session.

    Attributes:
        most: messages that may be under way, the broker's receive maximum (section 3.3.4).
        most_bytes: the largest packet that the broker takes (section 3.2.2.3.6).
    """

    def __init__(self, *, lasting: bool = False) -> None:
        self._lasting = lasting
        self.most = _IDS
        self.most_bytes = 0
        self._sent: dict[int, bytes] = {}
        self._last = 0

    def __len__(self) -> int:
        return len(self._sent)

    def draw(self) -> int:
        """Return a packet id that is not in use."""
        while True:
            self._last = self._last % _IDS + 1
            if self._last not in self._sent:
                return self._last

    def put(self, topic: str, payload: bytes) -> bytes:
        """Return the packet of a message; b"" when it must not be sent now."""
        # One id stays free, so that `draw` finds one.
        if len(self._sent) >= min(self.most, _IDS - 1):
            return b""
        packet = self.draw()
        message = Publish(topic=topic, payload=payload, qos=1, packet=packet, properties=_JSON)
        data = encode(message, Level.V5)
        if self.most_bytes and len(data) > self.most_bytes:
            return b""
        self._sent[packet] = data
        return data

    def done(self, packet: int) -> None:
        """Forget a message that is acknowledged; an unknown one is none of ours any more."""
        self._sent.pop(packet, None)

    def again(self) -> list[bytes]:
        """Return what a new connection to the same session must repeat (section 4.4), marked so.

        What the broker's receive maximum has no room for is forgotten.
        """
        for packet in list(self._sent)[self.most :]:
            del self._sent[packet]
        return [bytes((data[0] | _DUPLICATE,)) + data[1:] for data in self._sent.values()]

    def resume(self, *, session_present: bool) -> list[bytes]:
        """Return what a new connection must send first.

        In a new session (section 3.2.2.1.1) everything is a first try, so nothing is marked.
        """
        if session_present:
            return self.again()
        if self._lasting:
            return list(self._sent.values())[: self.most]
        self.clear()
        return []

    def clear(self) -> None:
        """Forget all; the broker has a new session (section 3.2.2.1.1)."""
        self._sent.clear()
