"""The doors of the intake over a real spool, and a bare MQTT client that can misbehave."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec

from core.model import Channel, Reading
from core.mqtt.packets import Connack, Connect, Level, Packet, Publish, Splitter, encode, parse
from edge.intake.aside import ASIDE_FILE, AsideFile
from edge.intake.config import IntakeConfig
from edge.intake.dictionary import Dictionary
from edge.intake.door import ThingsBoardDoor
from edge.intake.keeper import Keeper
from edge.intake.tokens import Owner, Tokens
from edge.sink import Signals, SpoolSink
from edge.spool import Spool

GATEWAY_TOKEN, DEVICE_TOKEN = "token-of-plant-3", "token-of-kiln-1"
_MOST_BYTES = 1 << 20


@dataclass(slots=True)
class Gate:
    """A sink whose disk can be held: ``flush`` waits while the gate is shut."""

    below: SpoolSink
    open: asyncio.Event = field(default_factory=asyncio.Event)

    async def put(self, readings: Sequence[Reading], channel: Channel = Channel.LIVE) -> None:
        await self.below.put(readings, channel)

    async def flush(self) -> None:
        await self.open.wait()
        await self.below.flush()

    async def settled(self, patience_s: float) -> bool:
        return await self.below.settled(patience_s)


@dataclass(slots=True, kw_only=True)
class House:
    """An open ThingsBoard door and what lies behind it."""

    cfg: IntakeConfig
    door: ThingsBoardDoor
    keeper: Keeper
    gate: Gate
    spool: Spool
    folder: Path

    @property
    def port(self) -> int:
        return self.door.port

    def readings(self) -> list[tuple[str, str, float]]:
        """What is on disk, in order: device, quantity, value."""
        return in_spool(self.spool)

    def asides(self) -> list[dict[str, Any]]:
        """What was set aside."""
        return asides_in(self.folder)


def asides_in(folder: Path) -> list[dict[str, Any]]:
    """Return the lines of the file of asides in a folder."""
    path = folder / ASIDE_FILE
    if not path.exists():
        return []
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def in_spool(spool: Spool) -> list[tuple[str, str, float]]:
    """Return all readings of a spool."""
    found = []
    for message in spool.pending(limit=1_000_000):
        device = ""
        for record in msgspec.json.decode(message.body):
            device = record.get("bn", device)
            found.append((device.rstrip(":"), record["n"], record["v"]))
    return found


@asynccontextmanager
async def open_house(
    folder: Path, *, dictionary: Dictionary | None = None, **settings: Any
) -> AsyncIterator[House]:
    """Open a ThingsBoard door over a real spool that nobody empties; the gate is open."""
    settings = {"gather_s": 0.01, "thingsboard_port": 0, **settings}
    cfg = IntakeConfig(spool_dir=str(folder), thingsboard=True, **settings)
    tokens = Tokens(
        {
            GATEWAY_TOKEN: Owner(name="plant-3", is_gateway=True),
            DEVICE_TOKEN: Owner(name="kiln-1", is_gateway=False),
        }
    )
    with Spool.open(folder / "spool.db", 1_000_000) as spool:
        gate = Gate(SpoolSink(spool, Signals(), batch_readings=500, flush_s=60))
        gate.open.set()
        aside = AsideFile(folder / ASIDE_FILE, 1 << 20)
        keeper = Keeper(
            gate,
            dictionary or Dictionary(),
            aside,
            gather_s=cfg.gather_s,
            most=cfg.pending_readings,
        )
        door = ThingsBoardDoor(cfg, keeper, tokens)
        async with asyncio.TaskGroup() as group:
            keeping = group.create_task(keeper.run(), name="keeper")
            async with door.serving():
                yield House(
                    cfg=cfg, door=door, keeper=keeper, gate=gate, spool=spool, folder=folder
                )
            keeping.cancel()


class BareClient:
    """MQTT packet by packet."""

    def __init__(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, level: Level
    ) -> None:
        self._reader = reader
        self._writer = writer
        self._splitter = Splitter(_MOST_BYTES)
        self._waiting: list[Packet] = []
        self.level = level

    async def send(self, packet: Packet) -> None:
        await self.send_bytes(encode(packet, self.level))

    async def send_bytes(self, data: bytes) -> None:
        self._writer.write(data)
        await self._writer.drain()

    async def receive(self, timeout_s: float = 5.0) -> Packet | None:
        """The next packet; None when the door has closed the connection."""
        async with asyncio.timeout(timeout_s):
            while not self._waiting:
                with suppress(ConnectionError):
                    if data := await self._reader.read(65_536):
                        frames = self._splitter.feed(data)
                        self._waiting += [parse(frame, self.level) for frame in frames]
                        continue
                return None
        return self._waiting.pop(0)

    async def publish(self, topic: str, body: object, packet: int = 0) -> None:
        """Publish JSON, at QoS 1 when there is a packet id."""
        payload = json.dumps(body).encode()
        qos = 1 if packet else 0
        await self.send(Publish(topic=topic, payload=payload, qos=qos, packet=packet))


@asynccontextmanager
async def bare_client(
    port: int,
    *,
    level: Level = Level.V5,
    token: str | None = GATEWAY_TOKEN,
    keepalive_s: int = 30,
    client_id: str = "",
) -> AsyncIterator[BareClient]:
    """Connect, with a CONNECT when there is a token; the answer must be that all is well."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    client = BareClient(reader, writer, level)
    try:
        if token is not None:
            await client.send(
                Connect(level=level, client_id=client_id, keepalive_s=keepalive_s, username=token)
            )
            connack = await client.receive()
            assert isinstance(connack, Connack)
            assert connack.reason == 0
        yield client
    finally:
        writer.close()
        with suppress(ConnectionError):
            await writer.wait_closed()
