"""What the doctor sees of the broker: whether we get in, may read, and whether it dropped anything.

It comes under a client id of its own, with a session that ends with it, and reads no gateway. What
it sends to see whether it is heard goes to a gateway that does not exist, and is kept nowhere.
"""

from __future__ import annotations

import asyncio
import secrets
import ssl
from collections.abc import AsyncIterator

import aiomqtt
from paho.mqtt.subscribeoptions import SubscribeOptions

from core import topics
from core.config import MqttConfig
from core.errors import ConfigInvalid
from core.model import Channel
from ingest.doctor_findings import Finding, Level, graded

WAIT_S = 5.0
"""How long each step at the broker may take."""
_DROPPED = "$SYS/broker/publish/messages/dropped"
_HEARD_S = 2.0  # an echo and a retained message come at once, or not at all
_REFUSED = 128  # a reason code from here on is a refusal


async def look(cfg: MqttConfig) -> list[Finding]:
    """Return the findings about the broker."""
    place = f"{cfg.host}:{cfg.port}"
    try:
        async with asyncio.timeout(4 * WAIT_S), _client(cfg) as client:
            found = [Finding("broker", Level.OK, f"{place} lets {cfg.username or 'us'} in")]
            return found + [finding async for finding in _ask(client)]
    except aiomqtt.MqttError as error:
        text = f"no connection to the broker at {place}: {error}"
        remedy = "check [mqtt] host, port, username, password and tls, and the broker's log"
        return [Finding("broker", Level.FAIL, text, remedy)]
    except (ConfigInvalid, OSError) as error:
        text = f"no connection to the broker at {place}: {error}"
        return [Finding("broker", Level.FAIL, text, "check the section [mqtt]")]
    except TimeoutError:
        text = f"the broker at {place} does not answer in time"
        return [Finding("broker", Level.FAIL, text, "see the broker's load and log")]


def _client(cfg: MqttConfig) -> aiomqtt.Client:
    tls = ssl.create_default_context(cafile=cfg.ca_file or None) if cfg.tls else None
    return aiomqtt.Client(
        cfg.host,
        cfg.port,
        username=cfg.username or None,
        password=cfg.secret() or None,
        identifier=f"blocktwin-doctor-{secrets.token_hex(4)}",
        protocol=aiomqtt.ProtocolVersion.V5,
        tls_context=tls,
        timeout=WAIT_S,
        max_queued_incoming_messages=100,
    )


async def _ask(client: aiomqtt.Client) -> AsyncIterator[Finding]:
    heard = await _echo(client)
    remedy = "let this user read bt/v1/# and write receipts (deploy/mosquitto/acl: user ingest)"
    text = f"this user {'may' if heard else 'may not'} write receipts and read what gateways send"
    yield graded("subscription", text, warn=False, fail=not heard, remedy=remedy)
    if not heard:
        return
    dropped = None if await _subscribe(client, _DROPPED) else await _dropped(client)
    if dropped is None:
        text = "the broker does not tell this user what it has dropped ($SYS)"
        remedy = "compare its limits with deploy/mosquitto/mosquitto.conf: max_queued_messages 0"
        yield Finding("broker queue", Level.SKIP, text, remedy)
        return
    remedy = "compare its limits with deploy/mosquitto/mosquitto.conf: max_queued_messages 0"
    text = f"the broker has dropped {dropped:,} messages since its start"
    yield graded("broker queue", text, warn=dropped > 0, fail=False, remedy=remedy)


async def _echo(client: aiomqtt.Client) -> bool:
    """Send a receipt to a gateway that nobody is, and say whether it is heard.

    mosquitto grants every subscription and only then hands nothing on, so asking is not enough.
    """
    topic = topics.topic(f"doctor-{secrets.token_hex(4)}", Channel.RECEIPT)
    if await _subscribe(client, topic):
        return False
    try:
        await client.publish(topic, b"{}", qos=1)
        return await _first(client, topic) is not None
    except aiomqtt.MqttError:
        return False  # some brokers end the connection of whoever may not write


async def _subscribe(client: aiomqtt.Client, topic: str) -> bool:
    """Subscribe; return whether the broker refuses."""
    codes = await client.subscribe(topic, options=SubscribeOptions(qos=0))
    return any(getattr(code, "value", code) >= _REFUSED for code in codes)


async def _dropped(client: aiomqtt.Client) -> int | None:
    told = await _first(client, _DROPPED)
    return int(told) if told is not None and told.isdigit() else None


async def _first(client: aiomqtt.Client, topic: str) -> bytes | None:
    """Return the first message on a topic, None when none comes within a moment."""
    try:
        async with asyncio.timeout(_HEARD_S):
            async for message in client.messages:
                if str(message.topic) == topic and isinstance(message.payload, bytes):
                    return message.payload
    except TimeoutError:
        return None
    return None
