"""Messages from the broker, acknowledged only when told so: the port, and gmqtt behind it.

The queue between the socket and the worker is bounded in messages and bytes. When it is full the
socket is not read: withheld acknowledgements alone hold nothing back at mosquitto 2.0, which keeps
to the receive maximum only until the first of them. What arrives again on a new connection is
handed on again; ``ingest.ledger`` tells it apart.
"""

from __future__ import annotations

import asyncio
import logging
import random
import ssl
import time
from collections import deque
from collections.abc import Sequence
from contextlib import suppress
from typing import Any, Protocol

import gmqtt
from gmqtt.mqtt.handler import MQTTConnectError

from core import topics
from core.config import MqttConfig
from core.errors import BrokerAway
from core.model import Channel
from ingest.config import IngestConfig
from ingest.message import Message

log = logging.getLogger(__name__)

_CHANNELS = (Channel.LIVE, Channel.BACKFILL, Channel.EVENT, Channel.STATUS)
_NEVER = -2  # gmqtt's reconnect_retries: -1 is for ever, less than that not once
_SETTLE_S = 1.0
_REFUSED = 128  # MQTT 5 section 3.9.3: reason codes from here on are refusals


async def waited(event: asyncio.Event, timeout_s: float) -> bool:
    """Wait for an event; say whether it came in time.

    Not by ``asyncio.wait_for``, which in Python 3.11 swallows a cancellation that comes together
    with the event.
    """
    with suppress(TimeoutError):
        async with asyncio.timeout(timeout_s):
            await event.wait()
    return event.is_set()


class Source(Protocol):
    """Where messages come from: connect, take a batch, acknowledge it."""

    async def connect(self) -> None:
        """Connect and subscribe once; raises BrokerAway."""
        ...

    async def next_batch(self, wait_s: float) -> list[Message]:
        """Return the next messages; none when there are none for ``wait_s`` seconds."""
        ...

    def acknowledge(self, messages: Sequence[Message]) -> None:
        """Tell the broker that these are safe."""
        ...


class MqttSource:
    """The source over MQTT 5; ``run`` keeps it connected."""

    def __init__(self, mqtt: MqttConfig, ingest: IngestConfig) -> None:
        self._mqtt = mqtt
        self._ingest = ingest
        self._queue = _Queue(ingest)
        self._link: _Link | None = None
        self._links = 0

    @property
    def connected(self) -> bool:
        """Whether the subscriptions stand."""
        return self._link is not None and not self._link.lost.is_set()

    @property
    def backlog(self) -> int:
        """Messages received and not yet taken."""
        return len(self._queue)

    @property
    def connects(self) -> int:
        """How often a connection was made."""
        return self._links

    async def run(self) -> None:
        """Stay connected until cancelled; log a broker that is away once, and its return once."""
        delay_s = first_s = min(0.1, self._ingest.retry_max_s)
        away = False
        try:
            while True:
                try:
                    await self.connect()
                except BrokerAway as error:
                    if not away:
                        log.warning("%s; trying again", error)
                    away = True
                    await asyncio.sleep(delay_s * random.uniform(0.5, 1.0))
                    delay_s = min(delay_s * 2, self._ingest.retry_max_s)
                    continue
                log.info("reading from the broker at %s:%d", self._mqtt.host, self._mqtt.port)
                away, delay_s = False, first_s
                await self._watch()
                log.warning("the broker at %s:%d went away", self._mqtt.host, self._mqtt.port)
                away = True
        finally:
            await self.close()

    async def connect(self) -> None:
        """Connect and subscribe once.

        Raises:
            BrokerAway: if the broker cannot be reached, or refuses the user or the subscriptions.
        """
        await self.close()
        self._links += 1
        link = _Link(self._mqtt, self._ingest, self._queue, self._links)
        try:
            async with asyncio.timeout(self._ingest.connect_timeout_s):
                await link.open()
        except (OSError, MQTTConnectError, BrokerAway) as error:
            await link.close()
            raise BrokerAway(
                f"no connection to the broker at {self._mqtt.host}:{self._mqtt.port}: "
                f"{str(error) or 'no answer in time'}"
            ) from error
        self._link = link

    async def _watch(self) -> None:
        """Return when the connection is lost."""
        link = self._link
        assert link is not None  # connect() has just set it
        while not link.lost.is_set():
            await waited(link.lost, 1.0)
            link.stay_alive()

    async def close(self) -> None:
        """Leave the broker; the session and what is unacknowledged stay there."""
        if self._link is not None:
            await self._link.close()
            self._link = None

    async def next_batch(self, wait_s: float) -> list[Message]:
        """Return up to ``batch_readings`` readings' worth of messages, in order of arrival.

        Waits at most ``wait_s`` for the first message and ``batch_s`` from its arrival for more.
        """
        messages = await self._queue.take(wait_s)
        if self._link is not None and not self._queue.full(share=0.5):
            self._link.resume()
        return messages

    def acknowledge(self, messages: Sequence[Message]) -> None:
        """Tell the broker that these are safe; those of a lost connection come again instead."""
        link = self._link
        if link is not None and not link.lost.is_set():
            link.acknowledge([m.packet for m in messages if m.packet and m.link == link.number])

    def publish(self, topic: str, payload: bytes) -> bool:
        """Send a message at QoS 1; False when there is no connection or no free packet id."""
        link = self._link
        return link is not None and not link.lost.is_set() and link.publish(topic, payload)


class _Queue:
    """Messages between the socket and the worker, with their weight in readings and bytes."""

    def __init__(self, ingest: IngestConfig) -> None:
        self._ingest = ingest
        self._messages: deque[Message] = deque()
        self._weights: deque[int] = deque()
        self._weight = 0
        self._bytes = 0
        self._since = 0.0
        self._some = asyncio.Event()
        self._enough = asyncio.Event()

    def __len__(self) -> int:
        return len(self._messages)

    def put(self, message: Message) -> None:
        if not self._messages:
            self._since = time.monotonic()
            self._some.set()
        weight = message.weight()
        self._messages.append(message)
        self._weights.append(weight)
        self._weight += weight
        self._bytes += len(message.payload)
        if self._weight >= self._ingest.batch_readings:
            self._enough.set()

    def full(self, *, share: float = 1.0) -> bool:
        return (
            len(self._messages) >= self._ingest.queue_messages * share
            or self._bytes >= self._ingest.queue_bytes * share
        )

    async def take(self, wait_s: float) -> list[Message]:
        await waited(self._some, wait_s)
        if not self._messages:
            return []
        rest_s = self._since + self._ingest.batch_s - time.monotonic()
        if rest_s > 0:
            await waited(self._enough, rest_s)
        return self._cut()

    def _cut(self) -> list[Message]:
        taken: list[Message] = []
        weight = 0
        while self._messages and (
            not taken or weight + self._weights[0] <= self._ingest.batch_readings
        ):
            taken.append(self._messages.popleft())
            weight += self._weights.popleft()
            self._bytes -= len(taken[-1].payload)
        self._weight -= weight
        if not self._messages:
            self._some.clear()
        if self._weight < self._ingest.batch_readings:
            self._enough.clear()
        return taken


class _Link:
    """One connection. A lost one is never mended: the next is a new object with a new number."""

    def __init__(self, mqtt: MqttConfig, ingest: IngestConfig, queue: _Queue, number: int) -> None:
        self.number = number
        self.lost = asyncio.Event()
        self._mqtt = mqtt
        self._ingest = ingest
        self._queue = queue
        self._subscribed = asyncio.Event()
        self._heard = asyncio.Event()
        self._refused = False
        self._client: Any = None

    async def open(self) -> None:
        # gmqtt words every lost link itself, with a traceback; `run` says it once.
        logging.getLogger("gmqtt").setLevel(logging.CRITICAL)
        client = gmqtt.Client(
            f"blocktwin-ingest-{self._ingest.worker_id}",
            clean_session=False,
            optimistic_acknowledgement=False,
            session_expiry_interval=self._mqtt.session_expiry_s,
            receive_maximum=self._mqtt.receive_maximum,
        )
        self._client = client
        client.set_config({"reconnect_retries": _NEVER})
        if self._mqtt.username:
            client.set_auth_credentials(self._mqtt.username, self._mqtt.secret())
        client.on_message = self._on_message
        client.on_subscribe = self._on_subscribe
        client.on_disconnect = self._on_disconnect
        # gmqtt's own late acknowledgement is one task a message and one write each. Here the packet
        # id goes into the queue instead; the service tests hold gmqtt to calling these methods.
        handler = client._package_handler  # noqa: SLF001
        handler._handle_qos_1_publish_packet = self._on_qos1  # noqa: SLF001
        handler._handle_pingresp_packet = self._on_pong  # noqa: SLF001
        await client.connect(
            self._mqtt.host,
            self._mqtt.port,
            ssl=self._tls(),
            keepalive=self._mqtt.keepalive_s,
        )
        client.subscribe(
            [
                gmqtt.Subscription(filter_, qos=1)
                for channel in _CHANNELS
                for filter_ in topics.filters(self._ingest.shards, channel)
            ]
        )
        await self._subscribed.wait()
        if self._refused:
            raise BrokerAway(
                f"the broker refuses user {self._mqtt.username!r} the subscriptions",
                remedy="let this user read bt/v1/# in the broker's access list",
            )

    def _tls(self) -> ssl.SSLContext | bool:
        if not self._mqtt.tls:
            return False
        return ssl.create_default_context(cafile=self._mqtt.ca_file or None)

    async def close(self) -> None:
        await self._settle()
        self.lost.set()
        if self._client is not None:
            # A peer that does not answer must not hold up the next try.
            with suppress(OSError, TimeoutError):
                async with asyncio.timeout(self._ingest.connect_timeout_s):
                    await self._client.disconnect()

    async def _settle(self) -> None:
        """Let the broker read our last acknowledgements; it drops what is unread at the close.

        It answers a ping when it has read all before it. Without an answer the messages come again.
        """
        if self._subscribed.is_set() and not self.lost.is_set():
            self._heard.clear()
            self.resume()
            self._client._connection._send_ping_request()  # noqa: SLF001
            await waited(self._heard, _SETTLE_S)

    def acknowledge(self, packets: list[int]) -> None:
        if packets:
            # MQTT 5 section 3.4.2.1: two bytes of length when the reason is success.
            self._client._connection.send_package(  # noqa: SLF001
                b"".join([b"\x40\x02" + packet.to_bytes(2, "big") for packet in packets])
            )

    def publish(self, topic: str, payload: bytes) -> bool:
        try:
            self._client.publish(topic, payload, qos=1, content_type="application/json")
        except OverflowError:
            return False
        return True

    def resume(self) -> None:
        """Read the socket again."""
        if not self.lost.is_set():
            self._transport().resume_reading()

    def stay_alive(self) -> None:
        """Keep gmqtt from taking a socket that we do not read for a dead one."""
        if not self.lost.is_set() and not self._transport().is_reading():
            self._client._connection._last_data_in = time.monotonic()  # noqa: SLF001

    def _transport(self) -> Any:
        return self._client._connection._transport  # noqa: SLF001

    def _on_qos1(self, packet: int, payload: bytes, topic: str, properties: dict[str, Any]) -> None:
        content_type = properties.get("content_type")
        self._queue.put(
            Message(
                topic=topic,
                payload=payload,
                content_type=content_type[0] if content_type else "",
                received_us=time.time_ns() // 1000,
                link=self.number,
                packet=packet,
            )
        )
        if self._queue.full():
            # Again for each message: the stream reader below us resumes on its own account.
            self._transport().pause_reading()

    def _on_message(
        self, _client: object, topic: str, payload: bytes, _qos: int, properties: dict[str, Any]
    ) -> None:
        """Take a QoS 0 message of a foreign sender; there is nothing to acknowledge."""
        self._on_qos1(0, payload, topic, properties)

    def _on_subscribe(
        self, _client: object, _mid: int, codes: Sequence[int], _properties: object
    ) -> None:
        self._refused = any(code >= _REFUSED for code in codes)
        self._subscribed.set()

    def _on_pong(self, _command: int, _packet: bytes) -> None:
        self._heard.set()

    def _on_disconnect(self, _client: object, _packet: object, _error: object = None) -> None:
        self.lost.set()
