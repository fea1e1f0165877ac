"""One connection to the broker: settings, Last Will, and the two ways to end it.

aiomqtt ends every connection with a DISCONNECT, after which the broker discards the Last Will. A
connection that breaks or is cut here ends without one, as a gateway that loses power does.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import aiomqtt
import msgspec
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from core.cancel import heed_cancel
from core.config import MqttConfig
from core.errors import BrokerAway
from core.model import Channel
from core.topics import topic
from edge.config import AgentConfig

_BYE_S = 1.0
_INBOX_MESSAGES = 1000


class LinkControl:
    """A switch in the way to the broker, for simulated partitions.

    While it is cut the agent goes on reading and spooling; the broker sees the connection vanish
    and publishes the Last Will after its delay.

    Attributes:
        connected: whether the agent is connected now.
    """

    def __init__(self) -> None:
        self._cut = asyncio.Event()
        self.connected = False

    @property
    def is_cut(self) -> bool:
        """Whether the way is cut now."""
        return self._cut.is_set()

    def cut(self) -> None:
        """Cut the connection without a word, and keep it cut."""
        self._cut.set()

    def heal(self) -> None:
        """Let the agent connect again."""
        self._cut.clear()

    async def wait_cut(self) -> None:
        """Return once the way is cut."""
        await self._cut.wait()


def status_body(gateway_id: str, *, online: bool, **facts: object) -> bytes:
    """Return what goes to the status topic."""
    return msgspec.json.encode({"online": online, "gateway": gateway_id, **facts})


def properties(packet: int, **values: object) -> Properties:
    """Return MQTT 5 properties for a packet type."""
    made = Properties(packet)  # type: ignore[no-untyped-call]  # paho gives it no types
    for name, value in values.items():
        setattr(made, name, value)
    return made


def client_id(gateway_id: str) -> str:
    """Return the stable client id under which the broker keeps a gateway's session."""
    return f"bt-{gateway_id}"


@asynccontextmanager
async def connected(
    mqtt: MqttConfig, agent: AgentConfig, password: str
) -> AsyncIterator[aiomqtt.Client]:
    """Connect; leave with a DISCONNECT when the body ends well, without one when it raises.

    Raises:
        aiomqtt.MqttError: if the broker does not answer or refuses.
        ConfigInvalid: if the file of the certificate authority cannot be used.
    """
    client = _client(mqtt, agent, password)
    try:
        await client.__aenter__()
    except BaseException:
        await _close(client)
        raise
    try:
        heed_cancel()
        yield client
    except BaseException:
        await _cut(client)
        raise
    await _part(client)


async def probe(mqtt: MqttConfig, agent: AgentConfig, password: str) -> None:
    """Connect once and part again, to tell a person at once what is wrong.

    Raises:
        BrokerAway: if the broker cannot be reached or refuses.
    """
    try:
        async with connected(mqtt, agent, password):
            pass
    except (aiomqtt.MqttError, OSError) as error:
        raise BrokerAway(
            f"broker {mqtt.host}:{mqtt.port} refuses or does not answer: {error}",
            remedy="check host, port, username and password of section [mqtt], or start the broker",
        ) from error


def _client(mqtt: MqttConfig, agent: AgentConfig, password: str) -> aiomqtt.Client:
    username = mqtt.username or (agent.gateway_id if password else None)
    client = aiomqtt.Client(
        mqtt.host,
        mqtt.port,
        username=username,
        password=password or None,
        identifier=client_id(agent.gateway_id),
        protocol=aiomqtt.ProtocolVersion.V5,
        will=_will(agent),
        timeout=agent.connect_timeout_s,
        keepalive=mqtt.keepalive_s,
        clean_start=False,
        # A receipt too many is discarded: the next one says all that it said.
        max_queued_incoming_messages=_INBOX_MESSAGES,
        properties=properties(
            PacketTypes.CONNECT,
            SessionExpiryInterval=mqtt.session_expiry_s,
            ReceiveMaximum=min(mqtt.receive_maximum, _INBOX_MESSAGES),
        ),
        tls_context=mqtt.trust(),
    )
    client.pending_calls_threshold = 4 * agent.inflight_messages
    return client


def _will(agent: AgentConfig) -> aiomqtt.Will:
    return aiomqtt.Will(
        topic(agent.gateway_id, Channel.STATUS),
        status_body(agent.gateway_id, online=False),
        qos=1,
        retain=True,
        properties=properties(PacketTypes.WILLMESSAGE, WillDelayInterval=agent.will_delay_s),
    )


async def _part(client: aiomqtt.Client) -> None:
    """Say DISCONNECT; a broker that does not take it is left without."""
    await _still(client)
    try:
        async with asyncio.timeout(_BYE_S):
            await client.__aexit__(None, None, None)
    except (TimeoutError, aiomqtt.MqttError):
        await _cut(client)


async def _cut(client: aiomqtt.Client) -> None:
    """Close the socket and let aiomqtt notice, so that it ends its own tasks."""
    await _close(client)
    with suppress(aiomqtt.MqttError, TimeoutError):
        async with asyncio.timeout(_BYE_S):
            async for _ in client.messages:
                pass


async def _close(client: aiomqtt.Client) -> None:
    """Close the socket without a DISCONNECT.

    aiomqtt has no such call, so this reaches for the paho client below it. A connect that still
    runs in its thread cannot be stopped: its socket is shut as soon as it is open.
    """
    paho = client._client  # noqa: SLF001
    paho.on_socket_open = lambda _client, _userdata, sock: _shut(sock)
    _shut(paho.socket())
    await _still(client)
    paho.loop_read()


async def _still(client: aiomqtt.Client) -> None:
    """Let aiomqtt's pending watch for a writable socket happen, and no further one.

    It is set up by a later turn of the event loop: after the close it would watch a closed file
    descriptor, or the one of another connection that got its number.
    """
    client._client.on_socket_register_write = None  # noqa: SLF001
    await asyncio.sleep(0)


def _shut(sock: object) -> None:
    if isinstance(sock, socket.socket):
        with suppress(OSError):
            sock.shutdown(socket.SHUT_RDWR)
