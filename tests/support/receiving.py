"""A small worker for tests of the agent: keeps what it gets, and sends receipts when told to."""

from __future__ import annotations

import asyncio
import json
import time
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

import aiomqtt

from core import senml
from core.cancel import heed_cancel
from core.model import Channel
from core.topics import parse, topic
from dev.servers import PrivateMosquitto

_EVERY_S = 0.05


@dataclass(frozen=True, slots=True)
class Got:
    """One message as it came, ``at_s`` on the monotonic clock."""

    gateway: str
    channel: Channel
    epoch: int
    seq: int
    low: int
    names: tuple[str, ...]
    values: tuple[float, ...]
    at_s: float


@dataclass(slots=True)
class PlayedWorker:
    """Subscribes like a worker; everything it gets counts as committed at once.

    Attributes:
        receipts: whether it sends receipts.
        deaf: messages with these sequences are taken from the broker and thrown away.
        thrown: how many were.
        got: all messages, repeats too.
        statuses: bodies of the status topics, as they came, with the retain flag.
    """

    receipts: bool = True
    deaf: set[int] = field(default_factory=set)
    thrown: int = 0
    got: list[Got] = field(default_factory=list)
    statuses: list[tuple[str, bool, dict[str, Any]]] = field(default_factory=list)
    connected: asyncio.Event = field(default_factory=asyncio.Event)
    content_types: set[str | None] = field(default_factory=set)

    def seqs(self, gateway: str) -> Counter[tuple[int, int]]:
        """How often each (epoch, sequence) of a gateway came."""
        return Counter((one.epoch, one.seq) for one in self.got if one.gateway == gateway)

    def values(self, gateway: str) -> list[float]:
        """The values of a gateway in order of sequence, repeats once."""
        once = {(one.epoch, one.seq): one.values for one in self.got if one.gateway == gateway}
        return [value for _, values in sorted(once.items()) for value in values]

    def last_status(self, gateway: str) -> dict[str, Any]:
        """What the gateway said last."""
        return next((body for name, _, body in reversed(self.statuses) if name == gateway), {})

    def take(self, message: aiomqtt.Message) -> None:
        """Keep a message."""
        place = parse(str(message.topic))
        assert place is not None
        assert isinstance(message.payload, bytes)
        if place.channel is Channel.STATUS:
            body = json.loads(message.payload)
            self.statuses.append((place.gateway, message.retain, body))
        elif place.channel is not Channel.RECEIPT:
            self.content_types.add(getattr(message.properties, "ContentType", None))
            records = senml.decode_json(message.payload)
            head, rows = records[0], senml.resolve(records, 0.0)
            assert head.seq is not None
            assert head.ep is not None
            assert head.lo is not None
            if head.seq in self.deaf:
                self.thrown += 1
                return
            names = tuple(row.name for row in rows)
            values = tuple(float(row.value) for row in rows if isinstance(row.value, float | int))
            self.got.append(
                Got(
                    place.gateway,
                    place.channel,
                    head.ep,
                    head.seq,
                    head.lo,
                    names,
                    values,
                    time.monotonic(),
                )
            )

    async def receipt(self, client: aiomqtt.Client) -> None:
        """Send each gateway what is committed of its newest spool."""
        for gateway in {one.gateway for one in self.got}:
            epoch = max(one.epoch for one in self.got if one.gateway == gateway)
            mine = {one.seq for one in self.got if (one.gateway, one.epoch) == (gateway, epoch)}
            low = 0
            while low + 1 in mine:
                low += 1
            above = sorted(seq for seq in mine if seq > low)[:1000]
            body = json.dumps({"ep": epoch, "low": low, "above": above})
            await client.publish(topic(gateway, Channel.RECEIPT), body, qos=1)


@asynccontextmanager
async def playing_worker(
    broker: PrivateMosquitto, *, receipts: bool = True
) -> AsyncIterator[PlayedWorker]:
    """Run a worker that comes back whenever the broker does."""
    worker = PlayedWorker(receipts=receipts)
    async with asyncio.TaskGroup() as group:
        task = group.create_task(_work(worker, broker), name="played worker")
        await asyncio.wait_for(worker.connected.wait(), 10)
        yield worker
        task.cancel()


async def _work(worker: PlayedWorker, broker: PrivateMosquitto) -> None:
    while True:
        with suppress(aiomqtt.MqttError):
            async with aiomqtt.Client(
                broker.host,
                broker.port,
                username="ingest",
                password=broker.password("ingest"),
                identifier="played-worker",
                protocol=aiomqtt.ProtocolVersion.V5,
                timeout=5,
            ) as client:
                await client.subscribe("bt/v1/#", qos=1)
                heed_cancel()
                worker.connected.set()
                await _serve(worker, client)
        heed_cancel()
        await asyncio.sleep(_EVERY_S)


async def _serve(worker: PlayedWorker, client: aiomqtt.Client) -> None:
    """Receive until the connection breaks, with receipts beside."""
    async with asyncio.TaskGroup() as group:
        receipting = group.create_task(_receipt(worker, client), name="played receipts")
        with suppress(aiomqtt.MqttError):
            async for message in client.messages:
                worker.take(message)
        receipting.cancel()


async def _receipt(worker: PlayedWorker, client: aiomqtt.Client) -> None:
    seen = 0
    while True:
        await asyncio.sleep(_EVERY_S)
        if worker.receipts and len(worker.got) != seen:
            seen = len(worker.got)
            with suppress(aiomqtt.MqttError):
                await worker.receipt(client)
            heed_cancel()
