from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import aiomqtt
import pytest

from core.config import MqttConfig
from core.errors import BrokerAway
from core.model import Channel
from core.topics import topic
from dev.servers import PrivateMosquitto
from ingest.config import IngestConfig
from ingest.message import Message
from ingest.source import MqttSource
from tests.support.waiting import eventually

LIVE = topic("gw-a", Channel.LIVE)


def mqtt(broker: PrivateMosquitto, user: str = "ingest", **more: object) -> MqttConfig:
    return MqttConfig(
        host=broker.host,
        port=broker.port,
        username=user,
        password=broker.password(user),
        **more,  # type: ignore[arg-type]
    )


def settings(**more: object) -> IngestConfig:
    return IngestConfig(batch_s=0.02, retry_max_s=0.2, connect_timeout_s=5, **more)  # type: ignore[arg-type]


@asynccontextmanager
async def gateway(broker: PrivateMosquitto, name: str = "gw-a") -> AsyncIterator[aiomqtt.Client]:
    async with aiomqtt.Client(
        broker.host,
        broker.port,
        username=name,
        password=broker.password(name),
        protocol=aiomqtt.ProtocolVersion.V5,
    ) as client:
        yield client


async def publish(broker: PrivateMosquitto, payloads: Sequence[bytes], to: str = LIVE) -> None:
    async with gateway(broker) as client:
        for payload in payloads:
            await client.publish(to, payload, qos=1)


async def taken(source: MqttSource, number: int) -> list[Message]:
    messages: list[Message] = []
    async with asyncio.timeout(20):
        while len(messages) < number:
            messages += await source.next_batch(0.2)
    return messages


async def test_messages_come_in_order_with_what_is_known_of_them(broker: PrivateMosquitto) -> None:
    source = MqttSource(mqtt(broker), settings())
    await source.connect()
    await publish(broker, [b"%d" % n for n in range(20)])
    messages = await taken(source, 20)
    assert [m.payload for m in messages] == [b"%d" % n for n in range(20)]
    assert {m.topic for m in messages} == {LIVE}
    assert len({m.packet for m in messages}) == 20
    assert all(m.packet for m in messages)
    await source.close()


async def test_only_what_is_acknowledged_is_gone(broker: PrivateMosquitto) -> None:
    source = MqttSource(mqtt(broker), settings())
    await source.connect()
    await publish(broker, [b"%d" % n for n in range(10)])
    messages = await taken(source, 10)
    source.acknowledge(messages[:4])
    await source.close()
    again = MqttSource(mqtt(broker), settings())
    await again.connect()
    assert [m.payload for m in await taken(again, 6)] == [b"%d" % n for n in range(4, 10)]
    await again.close()


async def test_an_acknowledgement_does_not_reach_over_to_the_next_connection(
    broker: PrivateMosquitto,
) -> None:
    source = MqttSource(mqtt(broker), settings())
    await source.connect()
    await publish(broker, [b"first"])
    old = await taken(source, 1)
    await source.connect()
    source.acknowledge(old)
    assert [m.payload for m in await taken(source, 1)] == [b"first"]
    await source.close()


async def test_a_full_queue_stops_reading_and_loses_nothing(broker: PrivateMosquitto) -> None:
    source = MqttSource(mqtt(broker), settings(queue_messages=50, batch_readings=10))
    await source.connect()
    number = 3000
    payloads = [b"%06d" % n + b" " * 4000 for n in range(number)]
    async with asyncio.timeout(60):
        await publish(broker, payloads)
        # Everything is at the broker, and 12 MB of it; we hold only a queue and what was in flight.
        await eventually(lambda: source.backlog >= 50)
        assert source.backlog < 300
        got: list[bytes] = []
        highest = 0
        while len(got) < number:
            messages = await source.next_batch(1.0)
            source.acknowledge(messages)
            got += [m.payload[:6] for m in messages]
            highest = max(highest, source.backlog)
    assert got == [payload[:6] for payload in payloads]
    assert highest < 300
    await source.close()


async def test_large_messages_fill_the_queue_by_their_bytes(broker: PrivateMosquitto) -> None:
    source = MqttSource(mqtt(broker), settings(queue_bytes=1_048_576, batch_readings=1))
    await source.connect()
    await publish(broker, [b"x" * 200_000] * 30)
    await eventually(lambda: source.backlog >= 6)
    assert source.backlog < 12
    assert len(await taken(source, 30)) == 30
    await source.close()


async def test_a_batch_is_closed_by_its_readings(broker: PrivateMosquitto) -> None:
    source = MqttSource(mqtt(broker), settings(batch_readings=8))
    await source.connect()
    await publish(broker, [b'[{"v":1},{"v":2},{"v":3}]'] * 6)
    await eventually(lambda: source.backlog == 6)
    assert [len(await source.next_batch(0.1)) for _ in range(4)] == [2, 2, 2, 0]
    await source.close()


async def test_the_broker_may_die_and_come_back(broker: PrivateMosquitto) -> None:
    source = MqttSource(mqtt(broker), settings())
    async with asyncio.TaskGroup() as tasks:
        running = tasks.create_task(source.run(), name="source")
        await eventually(lambda: source.connected)
        broker.kill()
        await eventually(lambda: not source.connected)
        assert not source.publish(topic("gw-a", Channel.RECEIPT), b"{}")
        broker.start()
        await eventually(lambda: source.connected)
        await publish(broker, [b"after"])
        assert [m.payload for m in await taken(source, 1)] == [b"after"]
        running.cancel()


async def test_the_retained_word_of_a_gateway_is_heard_on_connecting(
    broker: PrivateMosquitto,
) -> None:
    status = topic("gw-a", Channel.STATUS)
    async with gateway(broker) as client:
        await client.publish(status, b'{"online": true}', qos=1, retain=True)
    source = MqttSource(mqtt(broker), settings())
    await source.connect()
    assert [m.topic for m in await taken(source, 1)] == [status]
    await source.close()


async def test_only_the_own_shards_are_read(broker: PrivateMosquitto) -> None:
    shard = LIVE.split("/")[2]
    other = next(f"{n:02x}" for n in range(64) if f"{n:02x}" != shard)
    mine = MqttSource(mqtt(broker), settings(shards=[shard]))
    not_mine = MqttSource(mqtt(broker), settings(shards=[other], worker_id="worker-1"))
    await mine.connect()
    await not_mine.connect()
    await publish(broker, [b"x"])
    assert len(await taken(mine, 1)) == 1
    assert await not_mine.next_batch(0.2) == []
    await mine.close()
    await not_mine.close()


async def test_receipts_reach_the_gateway(broker: PrivateMosquitto) -> None:
    source = MqttSource(mqtt(broker), settings())
    await source.connect()
    async with gateway(broker) as client:
        await client.subscribe(topic("gw-a", Channel.RECEIPT), qos=1)
        assert source.publish(topic("gw-a", Channel.RECEIPT), b'{"low":1}')
        async with asyncio.timeout(10):
            heard = await anext(client.messages)
    assert heard.payload == b'{"low":1}'
    await source.close()


@pytest.mark.parametrize("fault", ["password", "port"])
async def test_a_broker_that_cannot_be_used_is_away(broker: PrivateMosquitto, fault: str) -> None:
    if fault == "password":
        config = MqttConfig(host=broker.host, port=broker.port, username="ingest", password="no")
    else:
        config = MqttConfig(host=broker.host, port=1, username="ingest", password="no")
    source = MqttSource(config, settings())
    with pytest.raises(BrokerAway, match=f"{config.host}:{config.port}"):
        await source.connect()
    assert not source.connected
    await source.close()
