"""A small registered world, packs as agents send them, a sender that repeats until receipted."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiomqtt
import psycopg

from core import senml
from core.model import Channel, Field, Reading
from core.registry import Registry, SeriesInfo
from core.topics import topic
from core.units import DEVICE_KINDS
from ingest.message import Message

RULES = Path(__file__).parent / "rules"
"""One rule: a heat detector at 57 degrees and more."""
EPOCH = 1_790_000_000_000
NOW_S = 1_790_000_000.0
NOW_US = round(NOW_S * 1e6)


def small_registry() -> Registry:
    """Two gateways; at gw-a a heat detector and a waterlogging gauge, at gw-b a charging area."""
    series = [
        ("heat-1", "temperature", "heat", "gw-a"),
        ("pond-1", "depth", "waterlogging", "gw-a"),
        ("volt-1", "voltage", "charging_voltage", "gw-b"),
        ("volt-1", "current", "charging_voltage", "gw-b"),
    ]
    return Registry(
        SeriesInfo(
            series_id=number,
            device_id=device,
            quantity=quantity,
            kind=kind,
            field=Field(DEVICE_KINDS[kind].field),
            gateway_id=gateway,
            interval_s=10.0,
        )
        for number, (device, quantity, kind, gateway) in enumerate(series, start=1)
    )


def register(conn: psycopg.Connection[Any], gateway: str, heat_detectors: Iterable[str]) -> None:
    """Register heat detectors at a gateway, as ``blocktwin district load`` would."""
    conn.execute(
        "INSERT INTO gateway (gateway_id, name, lon, lat) VALUES (%s, %s, 114.1, 22.5)"
        " ON CONFLICT DO NOTHING",
        (gateway, gateway),
    )
    for device in heat_detectors:
        conn.execute(
            "INSERT INTO device (device_id, kind, field, name, lon, lat, gateway_id, interval_s,"
            " placed_how, placed_note) VALUES (%s, 'heat', 'fire', %s, 114.1, 22.5, %s, 10,"
            " 'unplaced', 'outside')",
            (device, device, gateway),
        )
        conn.execute(
            "INSERT INTO series (device_id, quantity) VALUES (%s, 'temperature')", (device,)
        )


def readings(device: str, times_s: Iterable[float], value: float = 20.0) -> list[Reading]:
    """Temperatures of one device."""
    return [
        Reading(device=device, quantity="temperature", observed_s=time_s, value=value)
        for time_s in times_s
    ]


def message(
    payload: bytes,
    *,
    gateway: str = "gw-a",
    channel: Channel = Channel.LIVE,
    content_type: str = "application/senml+json",
    received_us: int = NOW_US,
) -> Message:
    """A message as the source hands it on."""
    return Message(
        topic=topic(gateway, channel),
        payload=payload,
        content_type=content_type,
        received_us=received_us,
    )


@dataclass(slots=True, kw_only=True)
class Sender:
    """What an agent does on the wire, without its disk: sends again until the receipt comes."""

    host: str
    port: int
    gateway: str
    password: str
    epoch: int = EPOCH
    resend_after_s: float = 1.0
    pending: dict[int, bytes] = field(default_factory=dict)
    published: int = 0
    finished: bool = False
    seq: int = 0

    def offer(self, batch: Sequence[Reading]) -> None:
        """Take readings into the spool."""
        self.seq += 1
        low = min(self.pending, default=self.seq)
        self.pending[self.seq] = senml.pack(batch, seq=self.seq, epoch=self.epoch, low=low)
        self.published += len(batch)

    def finish(self, running: asyncio.Task[None]) -> None:
        """End ``run``; a cancellation alone can get lost in an error of the connection."""
        self.finished = True
        running.cancel()

    async def run(self) -> None:
        """Send and send again until ``finish``, whatever becomes of the broker."""
        self.finished = False
        while not self.finished:
            try:
                await self._session()
            except* aiomqtt.MqttError:
                pass
            await asyncio.sleep(0.05)

    async def _session(self) -> None:
        async with aiomqtt.Client(
            self.host,
            self.port,
            username=self.gateway,
            password=self.password,
            identifier=f"sender-{self.gateway}",
            protocol=aiomqtt.ProtocolVersion.V5,
            timeout=3,
        ) as client:
            await client.subscribe(topic(self.gateway, Channel.RECEIPT), qos=1)
            async with asyncio.TaskGroup() as tasks:
                hearing = tasks.create_task(self._hear(client), name="receipts")
                await self._send(client)
                hearing.cancel()

    def _told_to_end(self) -> bool:
        return self.finished

    async def _send(self, client: aiomqtt.Client) -> None:
        """Send until ``finish``, which is looked for: a publish may swallow the cancellation."""
        sent: dict[int, float] = {}
        clock = asyncio.get_running_loop()
        while not self.finished:
            for seq, payload in list(self.pending.items()):
                if self._told_to_end():
                    return
                overdue = clock.time() - sent.get(seq, float("-inf")) >= self.resend_after_s
                if overdue and seq in self.pending:
                    sent[seq] = clock.time()
                    await client.publish(topic(self.gateway, Channel.LIVE), payload, qos=1)
            await asyncio.sleep(0.01)

    async def _hear(self, client: aiomqtt.Client) -> None:
        async for heard in client.messages:
            assert isinstance(heard.payload, bytes)
            receipt = json.loads(heard.payload)
            if receipt["ep"] == self.epoch:
                above = set(receipt["above"])
                for seq in [s for s in self.pending if s <= receipt["low"] or s in above]:
                    del self.pending[seq]
