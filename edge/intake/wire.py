"""What both ends of MQTT need here: packets of a stream, bounded writes, late acknowledgements."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from contextlib import suppress

from core.hangup import cut, hang_up
from core.mqtt.packets import Frame, Packet, Puback, Splitter, acknowledgements, encode
from edge.intake.keeper import Commit

_READ_BYTES = 65_536
_WRITE_BYTES = 262_144
_FIRST_BYTES = 65_536
"""A stranger's first packet must be whole within so many bytes: it costs memory until then."""


class LinkLost(Exception):
    """The peer is gone, silent, or does not take what it is sent."""


class Link:
    """One connection: whole packets in, packets out, each within a time.

    Args:
        reader: of the connection; ``writer`` likewise.
        most_bytes: size of a packet that is taken.
        write_s: seconds the peer may take to read what it was sent.

    Attributes:
        level: of the protocol; 4 or 5.
        silence_s: longest wait for bytes of the peer; None waits for ever.
        known: the peer's first packet has come.
    """

    def __init__(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        *,
        most_bytes: int,
        write_s: float,
    ) -> None:
        self._reader = reader
        self._writer = writer
        self._splitter = Splitter(most_bytes)
        self._write_s = write_s
        self.level = 5
        self.silence_s: float | None = None
        self.known = False
        writer.transport.set_write_buffer_limits(high=_WRITE_BYTES)

    async def frames(self) -> AsyncIterator[Frame]:
        """Yield packets until the peer hangs up; while the caller works, nothing is read.

        Raises:
            LinkLost: if the peer is silent for too long, or the connection breaks.
            MqttError: if what came is no MQTT.
        """
        received = 0
        while True:
            if not self.known and received >= _FIRST_BYTES:
                raise LinkLost(f"no whole packet in the first {received} bytes")
            try:
                async with asyncio.timeout(self.silence_s):
                    data = await self._reader.read(_READ_BYTES)
            except TimeoutError:
                raise LinkLost(f"silent for {self.silence_s} s") from None
            except OSError as error:
                raise LinkLost(str(error)) from error
            if not data:
                return
            received += len(data)
            for frame in self._splitter.feed(data):
                self.known = True
                yield frame

    async def send(self, packet: Packet) -> None:
        """Send a packet; see ``send_bytes``."""
        await self.send_bytes(encode(packet, self.level))

    async def send_bytes(self, data: bytes) -> None:
        """Send bytes.

        Raises:
            LinkLost: if the peer does not read, or the connection breaks.
        """
        try:
            self._writer.write(data)
            async with asyncio.timeout(self._write_s):
                await self._writer.drain()
        except TimeoutError:
            raise LinkLost(f"does not read its answers for {self._write_s} s") from None
        except OSError as error:
            raise LinkLost(str(error)) from error

    async def close(self, last: Packet | None = None) -> None:
        """Say a last word, if there is one and the peer takes it, and close."""
        if last is not None:
            with suppress(LinkLost):
                await self.send(last)
        hang_up(self._writer.transport)
        with suppress(OSError, TimeoutError):
            async with asyncio.timeout(self._write_s):
                await self._writer.wait_closed()

    def cut(self) -> None:
        """Close at once."""
        cut(self._writer.transport)


class Acknowledger:
    """Acknowledges messages in the order they came, each when it is safe on disk.

    Args:
        link: where the acknowledgements go.
        most: messages that may wait; ``add`` waits beyond, and with it the reading of the link.
    """

    def __init__(self, link: Link, most: int) -> None:
        self._link = link
        self._most = most
        self._waiting: deque[tuple[Commit, int, int]] = deque()
        self._some = asyncio.Event()
        self._room = asyncio.Event()
        self._idle = asyncio.Event()
        self._idle.set()

    async def add(self, commit: Commit, packet: int, reason: int = 0) -> None:
        """Acknowledge ``packet`` once ``commit`` is done; returns when there is room for it."""
        while len(self._waiting) >= self._most:
            self._room.clear()
            await self._room.wait()
        self._waiting.append((commit, packet, reason))
        self._idle.clear()
        self._some.set()

    async def run(self) -> None:
        """Acknowledge until cancelled.

        Raises:
            LinkLost: if the peer does not take it.
        """
        while True:
            if not self._waiting:
                self._idle.set()
                self._some.clear()
                await self._some.wait()
            await self._waiting[0][0].done.wait()
            await self._link.send_bytes(self._ready())
            self._room.set()

    async def settled(self) -> None:
        """Return when all that was added is acknowledged."""
        await self._idle.wait()

    def _ready(self) -> bytes:
        """Return the acknowledgements of all at the front that are on disk."""
        parts: list[bytes] = []
        plain: list[int] = []
        while self._waiting and self._waiting[0][0].done.is_set():
            _, packet, reason = self._waiting.popleft()
            if not reason:
                plain.append(packet)
                continue
            parts += [acknowledgements(plain), encode(Puback(packet=packet, reason=reason), 5)]
            plain = []
        return b"".join([*parts, acknowledgements(plain)])
