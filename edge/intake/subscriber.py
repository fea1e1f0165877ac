"""ChirpStack and Sparkplug from the broker: a reader that acknowledges what is safe on disk.

Their servers publish at the broker of section [mqtt]; the intake subscribes there under a stable
client id, so that the broker keeps what is published at QoS 1 while it is away. While the disk is
behind, the socket is not read.
"""

from __future__ import annotations

import asyncio
import logging
import random
import ssl
from dataclasses import dataclass

from core.config import MqttConfig
from core.mqtt.packets import (
    REFUSED,
    Connack,
    Connect,
    Disconnect,
    Level,
    MqttError,
    Pingreq,
    Properties,
    Publish,
    Suback,
    Subscribe,
    Subscription,
    parse,
    wording,
)
from edge.intake import chirpstack, sparkplug
from edge.intake.config import IntakeConfig
from edge.intake.keeper import Keeper
from edge.intake.protobuf import rebirth_command
from edge.intake.wire import Acknowledger, Link, LinkLost
from edge.intake.words import Door, Translation

_LOG = logging.getLogger(__name__)
_MOST_BYTES = 8 << 20
_CONNECT_S = 5.0
_WRITE_S = 30.0
_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 0.5, 30.0
_PATIENCE = 1.5


@dataclass(frozen=True, slots=True, kw_only=True)
class Taken:
    """What became of one message: its translation, and a topic to ask for a birth on, or none."""

    door: Door
    said: Translation
    ask: str | None = None


class Subscriber:
    """The intake as a client of the broker.

    Args:
        mqtt: where the broker is; an empty user name means the gateway id.
        cfg: what to subscribe to.
        keeper: where readings go.

    Attributes:
        connected: whether it is subscribed now.
        sessions: connections since the start.
        host: what is known of Sparkplug's edge nodes.
    """

    def __init__(self, mqtt: MqttConfig, cfg: IntakeConfig, keeper: Keeper) -> None:
        self._mqtt = mqtt
        self._cfg = cfg
        self._keeper = keeper
        self._failing = False
        self.connected = False
        self.sessions = 0
        self.host = sparkplug.Host()

    async def run(self) -> None:
        """Read until cancelled, from one connection to the next.

        Raises:
            ConfigInvalid: if the file of the certificate authority cannot be used.
        """
        context = self._mqtt.trust()
        pause_s = _FIRST_PAUSE_S
        while True:
            before = self.sessions
            try:
                await self._session(context)
            except (LinkLost, MqttError, OSError, TimeoutError) as error:
                self._tell_away(error)
            if self.sessions > before:
                pause_s = _FIRST_PAUSE_S
            self.connected = False
            self.host.look_away()
            await asyncio.sleep(pause_s * random.uniform(0.5, 1.0))
            pause_s = min(_LONGEST_PAUSE_S, 2 * pause_s)

    async def _session(self, context: ssl.SSLContext | None) -> None:
        async with asyncio.timeout(_CONNECT_S):
            reader, writer = await asyncio.open_connection(
                self._mqtt.host, self._mqtt.port, ssl=context
            )
        link = Link(reader, writer, most_bytes=_MOST_BYTES, write_s=_WRITE_S)
        try:
            link.silence_s = _CONNECT_S
            await link.send(self._connect())
            await self._converse(link)
        except BaseExceptionGroup as failures:
            raise failures.exceptions[0] from failures
        finally:
            link.cut()

    async def _converse(self, link: Link) -> None:
        acknowledger = Acknowledger(link, self._cfg.max_unacknowledged)
        async with asyncio.TaskGroup() as group:
            beside = [
                group.create_task(acknowledger.run(), name="intake acknowledge"),
                group.create_task(self._ping(link), name="intake ping"),
            ]
            async for frame in link.frames():
                match parse(frame, Level.V5):
                    case Connack() as connack:
                        await self._subscribe(link, connack)
                    case Suback() as suback:
                        self._subscribed(suback)
                    case Publish() as publish:
                        await self._take(link, acknowledger, publish)
                    case Disconnect() as disconnect:
                        raise LinkLost(wording(disconnect.reason))
                    case _:
                        pass
            for task in beside:
                task.cancel()
        raise LinkLost("the broker closed the connection")

    def _connect(self) -> Connect:
        password = self._mqtt.secret()
        user = self._mqtt.username or (self._cfg.gateway_id if password else None)
        return Connect(
            client_id=f"bt-{self._cfg.gateway_id}-foreign",
            clean_start=False,
            keepalive_s=self._mqtt.keepalive_s,
            username=user,
            password=password.encode() if password else None,
            properties=Properties(
                session_expiry_s=self._mqtt.session_expiry_s,
                receive_maximum=self._cfg.max_unacknowledged,
                maximum_packet=_MOST_BYTES,
            ),
        )

    async def _subscribe(self, link: Link, connack: Connack) -> None:
        if connack.reason >= REFUSED:
            raise LinkLost(f"the broker refuses: {wording(connack.reason)}")
        link.silence_s = _PATIENCE * self._mqtt.keepalive_s + _CONNECT_S
        wanted = []
        if self._cfg.chirpstack:
            wanted.append(Subscription(filter=chirpstack.FILTER, qos=1))
        if self._cfg.sparkplug:
            wanted.append(Subscription(filter=sparkplug.FILTER, qos=1))
        await link.send(Subscribe(packet=1, subscriptions=tuple(wanted)))

    def _subscribed(self, suback: Suback) -> None:
        for reason in suback.reasons:
            if reason >= REFUSED:
                raise LinkLost(f"the broker refuses a subscription: {wording(reason)}")
        self.connected = True
        self.sessions += 1
        if self._failing:
            _LOG.info("intake: broker %s:%d is back", self._mqtt.host, self._mqtt.port)
        self._failing = False

    async def _take(self, link: Link, acknowledger: Acknowledger, publish: Publish) -> None:
        now_s = self._keeper.clock()
        taken = self.translate(publish.topic, publish.payload, now_s)
        commit = await self._keeper.take(taken.door, publish.topic, publish.payload, taken.said)
        if taken.ask is not None:
            _LOG.info("intake: asking for a birth at %s", taken.ask)
            body = rebirth_command(round(now_s * 1e3))
            await link.send(Publish(topic=taken.ask, payload=body))
        if publish.qos:
            await acknowledger.add(commit, publish.packet)

    def translate(self, topic: str, payload: bytes, now_s: float) -> Taken:
        """Return what a message says, by the protocol that its topic belongs to."""
        if topic.startswith("application/"):
            said = chirpstack.translate(topic, payload, now_s=now_s)
            return Taken(door=Door.CHIRPSTACK, said=said)
        said, ask = self.host.take(topic, payload, now_s=now_s)
        return Taken(door=Door.SPARKPLUG, said=said, ask=ask)

    async def _ping(self, link: Link) -> None:
        while True:
            await asyncio.sleep(self._mqtt.keepalive_s)
            await link.send(Pingreq())

    def _tell_away(self, error: BaseException) -> None:
        _LOG.log(
            logging.DEBUG if self._failing else logging.WARNING,
            "intake: broker %s:%d is away (%s)",
            self._mqtt.host,
            self._mqtt.port,
            str(error) or type(error).__name__,
        )
        self._failing = True
