"""Two kinds of senders for fault runs: an agent, and a stranger who knows QoS 1 and no more."""

from __future__ import annotations

import asyncio
from collections import deque
from dataclasses import dataclass, field

import aiomqtt
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from core.model import Channel
from core.topics import topic
from tests.support.faults_stream import Said, Thrown
from tests.support.ingesting import Sender

_TIMEOUT_S = 1.0
_SECOND_TRY_S = 0.05


def _client(host: str, port: int, user: str, password: str) -> aiomqtt.Client:
    return aiomqtt.Client(
        host,
        port,
        username=user,
        password=password,
        identifier=f"fault-{user}",
        protocol=aiomqtt.ProtocolVersion.V5,
        timeout=_TIMEOUT_S,
    )


@dataclass(slots=True, kw_only=True)
class Agent(Sender):
    """An agent that notices a dead connection within a second, and has a backfill channel.

    Attributes:
        handed: messages that the broker has acknowledged.
        losses: connections that broke or could not be made.
    """

    handed: int = 0
    losses: int = 0
    _channels: dict[int, Channel] = field(default_factory=dict)

    def say(self, said: Said) -> None:
        """Take a message into the spool."""
        self.seq += 1
        low = min(self.pending, default=self.seq)
        self._channels[self.seq] = said.channel
        self.pending[self.seq] = said.payload(self.seq, self.epoch, low)

    async def run(self) -> None:
        """Send and send again until ``finish``, whatever becomes of the broker."""
        self.finished = False
        while not self.finished:
            try:
                await self._session()
            except* aiomqtt.MqttError:
                self.losses += 1
            await asyncio.sleep(_SECOND_TRY_S)

    async def _session(self) -> None:
        async with _client(self.host, self.port, self.gateway, self.password) as client:
            await client.subscribe(topic(self.gateway, Channel.RECEIPT), qos=1)
            async with asyncio.TaskGroup() as tasks:
                hearing = tasks.create_task(self._hear(client), name="receipts")
                await self._send(client)
                hearing.cancel()

    async def _send(self, client: aiomqtt.Client) -> None:
        sent: dict[int, float] = {}
        clock = asyncio.get_running_loop()
        while not self._told_to_end():
            for seq, payload in list(self.pending.items()):
                if self._told_to_end():
                    return
                overdue = clock.time() - sent.get(seq, float("-inf")) >= self.resend_after_s
                if overdue and seq in self.pending:
                    sent[seq] = clock.time()
                    where = topic(self.gateway, self._channels[seq])
                    await client.publish(where, payload, qos=1)
                    self.handed += 1
            await asyncio.sleep(0.01)


@dataclass(slots=True, kw_only=True)
class Stranger:
    """Publishes each message until the broker has acknowledged it, then forgets it."""

    host: str
    port: int
    user: str
    password: str
    waiting: deque[Thrown] = field(default_factory=deque)
    handed: int = 0
    losses: int = 0
    finished: bool = False

    def finish(self, running: asyncio.Task[None]) -> None:
        """End ``run``; a cancellation alone can get lost in an error of the connection."""
        self.finished = True
        running.cancel()

    async def run(self) -> None:
        """Publish until ``finish``."""
        while not self.finished:
            try:
                async with _client(self.host, self.port, self.user, self.password) as client:
                    await self._publish(client)
            except aiomqtt.MqttError:
                self.losses += 1
            await asyncio.sleep(_SECOND_TRY_S)

    async def _publish(self, client: aiomqtt.Client) -> None:
        while not self.finished:
            if not self.waiting:
                await asyncio.sleep(0.01)
                continue
            thrown = self.waiting[0]
            properties = Properties(PacketTypes.PUBLISH)  # type: ignore[no-untyped-call]
            if thrown.content_type:
                properties.ContentType = thrown.content_type
            await client.publish(thrown.topic, thrown.payload, qos=1, properties=properties)
            self.waiting.popleft()
            self.handed += 1
