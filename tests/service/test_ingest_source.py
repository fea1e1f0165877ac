from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import aiomqtt
import pytest
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties as PacketProperties

from core.config import MqttConfig
from core.errors import BrokerAway
from core.model import Channel
from core.topics import topic
from dev.servers import PrivateMosquitto
from ingest.config import IngestConfig
from ingest.message import Message
from ingest.source import MqttSource
from tests.support.proxy import proxy_to
from tests.support.waiting import eventually

LIVE = topic("gw-a", Channel.LIVE)


def mqtt(broker: PrivateMosquitto, user: str = "ingest", **more: object) -> MqttConfig:
    given = {
        "host": broker.host,
        "port": broker.port,
        "username": user,
        "password": broker.password(user),
        **more,
    }
    return MqttConfig(**given)  # type: ignore[arg-type]


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
    await source.connect()
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


async def test_content_types_and_bytes_of_any_kind_arrive_as_sent(
    broker: PrivateMosquitto,
) -> None:
    source = MqttSource(mqtt(broker), settings())
    await source.connect()
    said = PacketProperties(PacketTypes.PUBLISH)  # type: ignore[no-untyped-call]
    said.ContentType = "application/senml+cbor"
    said.MessageExpiryInterval = 3600
    said.UserProperty = ("site", "北")
    large = bytes(range(256)) * 4096
    async with gateway(broker) as client:
        await client.publish(LIVE, b"\0\xff", qos=1, properties=said)
        await client.publish(LIVE, large, qos=1)
        await client.publish(LIVE, b"", qos=0)
    messages = await taken(source, 3)
    assert [m.payload for m in messages] == [b"\0\xff", large, b""]
    assert [m.content_type for m in messages] == ["application/senml+cbor", "", ""]
    assert [bool(m.packet) for m in messages] == [True, True, False]
    await source.close()


async def test_a_cut_connection_is_made_again_and_what_was_not_acknowledged_comes_again(
    broker: PrivateMosquitto, caplog: pytest.LogCaptureFixture
) -> None:
    with proxy_to(broker.host, broker.port) as proxy:
        source = MqttSource(mqtt(broker, host=proxy.host, port=proxy.port), settings())
        async with asyncio.TaskGroup() as tasks:
            running = tasks.create_task(source.run(), name="source")
            await eventually(lambda: source.connected)
            await publish(broker, [b"%d" % n for n in range(10)])
            first = await taken(source, 10)
            source.acknowledge(first[:3])
            # A receipt that comes back says that the broker has read what was sent before it.
            async with gateway(broker) as client:
                await client.subscribe(topic("gw-a", Channel.RECEIPT), qos=1)
                assert source.publish(topic("gw-a", Channel.RECEIPT), b"{}")
                async with asyncio.timeout(10):
                    await anext(client.messages)
            proxy.cut()
            await eventually(lambda: not source.connected)
            source.acknowledge(first[3:])
            await publish(broker, [b"meanwhile"])
            proxy.heal()
            again = await taken(source, 8)
            await eventually(lambda: source.connects == 2)
            running.cancel()
    assert [m.payload for m in again] == [b"%d" % n for n in range(3, 10)] + [b"meanwhile"]
    assert {m.link for m in again}.isdisjoint({m.link for m in first})
    assert "kept nothing" not in caplog.text


async def test_a_broker_without_our_session_is_told(
    broker: PrivateMosquitto, caplog: pytest.LogCaptureFixture
) -> None:
    source = MqttSource(mqtt(broker, session_expiry_s=0), settings())
    await source.connect()
    assert "kept nothing" not in caplog.text
    await source.connect()
    assert "the broker has kept nothing for us" in caplog.text
    await source.close()


async def test_a_frozen_connection_is_lost_after_the_keepalive_and_made_again(
    broker: PrivateMosquitto,
) -> None:
    with proxy_to(broker.host, broker.port) as proxy:
        config = mqtt(broker, host=proxy.host, port=proxy.port, keepalive_s=5)
        source = MqttSource(config, settings())
        async with asyncio.TaskGroup() as tasks:
            running = tasks.create_task(source.run(), name="source")
            await eventually(lambda: source.connected)
            proxy.freeze()
            await publish(broker, [b"meanwhile"])
            assert source.connected
            await eventually(lambda: not source.connected, 12)
            proxy.heal()
            await eventually(lambda: source.connected)
            assert [m.payload for m in await taken(source, 1)] == [b"meanwhile"]
            running.cancel()


async def test_two_workers_of_one_name_are_told(
    broker: PrivateMosquitto, caplog: pytest.LogCaptureFixture
) -> None:
    first = MqttSource(mqtt(broker), settings())
    second = MqttSource(mqtt(broker), settings())
    async with asyncio.TaskGroup() as tasks:
        running = tasks.create_task(first.run(), name="first")
        await eventually(lambda: first.connected)
        await second.connect()
        await eventually(lambda: "another worker has the same worker_id" in caplog.text)
        running.cancel()
    await second.close()


async def test_a_backlog_is_taken_and_acknowledged_whole(broker: PrivateMosquitto) -> None:
    source = MqttSource(mqtt(broker), settings(queue_messages=500, batch_readings=200))
    await source.connect()
    await source.close()
    number = 5000
    payloads = [b"%d" % n for n in range(number)]
    await publish(broker, payloads)
    await source.connect()
    got: list[bytes] = []
    async with asyncio.timeout(60):
        while len(got) < number:
            messages = await source.next_batch(1.0)
            source.acknowledge(messages)
            got += [m.payload for m in messages]
    assert got == payloads
    await source.close()
    # Nothing of it is left at the broker.
    await source.connect()
    await publish(broker, [b"last"])
    assert [m.payload for m in await taken(source, 1)] == [b"last"]
    await source.close()


@pytest.mark.parametrize("fault", ["password", "port"])
async def test_a_broker_that_cannot_be_used_is_away(broker: PrivateMosquitto, fault: str) -> None:
    if fault == "password":
        config = MqttConfig(host=broker.host, port=broker.port, username="ingest", password="no")
    else:
        config = MqttConfig(host=broker.host, port=1, username="ingest", password="no")
    source = MqttSource(config, settings())
    with pytest.raises(BrokerAway, match=f"{config.host}:{config.port}") as refused:
        await source.connect()
    assert fault in refused.value.remedy
    assert not source.connected
    await source.close()
