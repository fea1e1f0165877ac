"""A server that speaks MQTT as a test tells it: for brokers that refuse, lie, or do not read."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field

from core.mqtt.packets import (
    Connack,
    Connect,
    Frame,
    Level,
    Packet,
    Properties,
    Publish,
    Splitter,
    Suback,
    Subscribe,
    encode,
    parse,
)

_LAST_WORDS_S = 2.0


@dataclass(slots=True)
class Peer:
    """One connection, seen from the broker."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    number: int
    _splitter: Splitter = field(default_factory=lambda: Splitter(4 << 20))
    _frames: list[Frame] = field(default_factory=list)

    async def packet(self) -> Packet:
        """Return the next packet of the client; EOFError when it has hung up."""
        while not self._frames:
            data = await self.reader.read(65_536)
            if not data:
                raise EOFError
            self._frames += self._splitter.feed(data)
        return parse(self._frames.pop(0), Level.V5)

    def send(self, *packets: Packet) -> None:
        """Send packets in one write."""
        self.raw(b"".join(encode(packet, Level.V5) for packet in packets))

    def raw(self, data: bytes) -> None:
        """Send any bytes."""
        self.writer.write(data)

    async def welcome(
        self, *, session: bool = False, grant: int = 1, said: Properties | None = None
    ) -> Connect:
        """Let the client in and grant its subscriptions; return how it introduced itself."""
        connect = await self.packet()
        assert isinstance(connect, Connect)
        self.send(Connack(session_present=session, properties=said or Properties()))
        subscribe = await self.packet()
        while isinstance(subscribe, Publish):
            subscribe = await self.packet()
        assert isinstance(subscribe, Subscribe)
        self.send(Suback(packet=subscribe.packet, reasons=(grant,) * len(subscribe.subscriptions)))
        return connect

    async def until_it_leaves(self) -> list[Packet]:
        """Return all packets up to the end of the connection."""
        packets: list[Packet] = []
        with suppress(EOFError, ConnectionError):
            while True:
                packets.append(await self.packet())
        return packets


@asynccontextmanager
async def scripted(script: Callable[[Peer], Awaitable[None]]) -> AsyncIterator[int]:
    """Run a server that answers each connection by the script; yields its port.

    A mistake in a script fails the test at the end.
    """
    mistakes: list[BaseException] = []
    running: set[asyncio.Task[None]] = set()
    number = 0

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal number
        number += 1
        task = asyncio.current_task()
        assert task is not None
        running.add(task)
        try:
            await script(Peer(reader, writer, number))
        except (AssertionError, ValueError) as error:
            mistakes.append(error)
        except (EOFError, ConnectionError, asyncio.CancelledError):
            pass  # the client left first, or the test is over
        finally:
            writer.transport.abort()
            running.discard(task)

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        # The client has left; the scripts read what it said last.
        if running:
            await asyncio.wait(running, timeout=_LAST_WORDS_S)
        for task in list(running):
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)
        await server.wait_closed()
    if mistakes:
        raise mistakes[0]
