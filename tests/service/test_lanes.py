from __future__ import annotations

import asyncio

import pytest

from core.model import Channel
from core.topics import shard_of, topic
from dev.servers import PrivateMosquitto
from ingest.lanes import TwoLanes
from ingest.message import Message
from ingest.source import MqttSource
from tests.service.test_ingest_source import gateway, mqtt, settings
from tests.support.waiting import eventually

LIVE, EVENT = topic("gw-a", Channel.LIVE), topic("gw-a", Channel.EVENT)


async def taken(source: TwoLanes | MqttSource, number: int) -> list[Message]:
    messages: list[Message] = []
    async with asyncio.timeout(20):
        while len(messages) < number:
            messages += await source.next_batch(0.2)
    return messages


async def test_what_is_urgent_does_not_wait_behind_a_backlog(broker: PrivateMosquitto) -> None:
    source = TwoLanes(mqtt(broker), settings(batch_readings=10, queue_messages=50))
    await source.connect()
    async with gateway(broker) as client:
        for number in range(500):
            await client.publish(LIVE, b"%d" % number, qos=1)
        await eventually(lambda: source.backlog >= 50)
        await client.publish(EVENT, b"fire", qos=1)
        urgent: list[Message] = []
        async with asyncio.timeout(10):
            while not urgent:
                urgent = await source.next_urgent()
                await asyncio.sleep(0)
    assert [message.payload for message in urgent] == [b"fire"]
    assert await source.next_urgent() == []
    assert [m.payload for m in await taken(source, 500)] == [b"%d" % n for n in range(500)]
    await source.close()


async def test_each_session_acknowledges_its_own(broker: PrivateMosquitto) -> None:
    """Packet ids begin at 1 in each: what is taken for the other's would come again."""
    first = TwoLanes(mqtt(broker), settings())
    await first.connect()
    async with gateway(broker) as client:
        for number in range(3):
            await client.publish(LIVE, b"live %d" % number, qos=1)
            await client.publish(EVENT, b"event %d" % number, qos=1)
    messages = await taken(first, 6)
    first.acknowledge([m for m in messages if m.payload not in {b"live 1", b"event 2"}])
    await first.close()
    again = TwoLanes(mqtt(broker), settings())
    await again.connect()
    assert {m.payload for m in await taken(again, 2)} == {b"live 1", b"event 2"}
    assert await again.next_batch(0.2) == []
    await again.close()


async def test_messages_of_both_come_each_once(broker: PrivateMosquitto) -> None:
    source = TwoLanes(mqtt(broker), settings())
    await source.connect()
    async with gateway(broker) as client, asyncio.TaskGroup() as tasks:
        reading = tasks.create_task(taken(source, 400), name="reading")
        for number in range(200):
            await client.publish(LIVE, b"live %d" % number, qos=1)
            await client.publish(EVENT, b"event %d" % number, qos=1)
    payloads = [m.payload for m in reading.result()]
    assert len(payloads) == len(set(payloads)) == 400
    events = [payload for payload in payloads if payload.startswith(b"event")]
    assert events == [b"event %d" % number for number in range(200)]
    await source.close()


@pytest.mark.parametrize("before", [None, [shard_of("gw-a")]])
async def test_a_session_forgets_what_other_settings_subscribed_to(
    broker: PrivateMosquitto, before: list[str] | None
) -> None:
    other = f"{(int(shard_of('gw-a'), 16) + 1) % 64:02x}"
    source = MqttSource(mqtt(broker), settings(shards=before))
    await source.connect()
    await source.close()
    source = MqttSource(mqtt(broker), settings(shards=[other]))
    await source.connect()
    async with gateway(broker) as client:
        # The broker answers a ping behind the packets before it; one round settles the order.
        await source.close()
        await source.connect()
        await client.publish(LIVE, b"no longer ours", qos=1)
    assert await source.next_batch(0.3) == []
    await source.close()
