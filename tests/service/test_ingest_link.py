"""The source against brokers that refuse, lie, fall silent or do not read."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable

import pytest

from core.config import MqttConfig
from core.errors import BrokerAway
from core.model import Channel
from core.mqtt.packets import (
    Connack,
    Connect,
    Disconnect,
    Level,
    Pingreq,
    Pingresp,
    Properties,
    Puback,
    Publish,
    Reason,
    Suback,
    Subscribe,
    encode,
)
from core.topics import topic
from ingest.config import IngestConfig
from ingest.link import Link
from ingest.source import MqttSource
from tests.support.scripted_broker import Peer, scripted
from tests.support.waiting import eventually

LIVE = topic("gw-a", Channel.LIVE)
RECEIPT = topic("gw-a", Channel.RECEIPT)
Script = Callable[[Peer], Awaitable[None]]


def source_at(port: int, **more: object) -> MqttSource:
    mqtt = MqttConfig(host="127.0.0.1", port=port, username="ingest", password="word")
    given = {"batch_s": 0.02, "retry_max_s": 0.2, "connect_timeout_s": 5, **more}
    return MqttSource(mqtt, IngestConfig(**given))  # type: ignore[arg-type]


def link_of(source: MqttSource) -> Link:
    assert source._link is not None
    return source._link


def live(number: int, qos: int = 1) -> Publish:
    packet = number if qos else 0
    return Publish(topic=LIVE, payload=b"%d" % number, qos=qos, packet=packet)


async def refused(script: Script) -> BrokerAway:
    async with scripted(script) as port:
        source = source_at(port)
        with pytest.raises(BrokerAway, match=f"no connection to the broker at .*:{port}: ") as made:
            await source.connect()
        assert not source.connected
        await source.close()
    return made.value


async def cause_of_loss(script: Script) -> str:
    async with scripted(script) as port:
        source = source_at(port)
        await source.connect()
        link = link_of(source)
        async with asyncio.timeout(10):
            await link.lost.wait()
        assert not source.connected
        await source.close()
    return link.cause


async def test_the_source_introduces_itself_with_what_the_broker_must_know() -> None:
    heard: list[Connect] = []

    async def script(peer: Peer) -> None:
        heard.append(await peer.welcome())
        await peer.until_it_leaves()

    async with scripted(script) as port:
        source = source_at(port, worker_id="north", queue_bytes=2_000_000)
        await source.connect()
        await source.close()
    (connect,) = heard
    assert (connect.client_id, connect.clean_start) == ("blocktwin-ingest-north", False)
    assert (connect.username, connect.password, connect.keepalive_s) == ("ingest", b"word", 30)
    assert connect.properties == Properties(
        session_expiry_s=86_400, receive_maximum=20_000, maximum_packet=2_070_000
    )


@pytest.mark.parametrize(
    ("reason", "remedy"),
    [
        (Reason.NOT_AUTHORIZED, "username and password"),
        (Reason.UNSUPPORTED_VERSION, "MQTT 5"),
        (Reason.SERVER_BUSY, "broker's log"),
    ],
)
async def test_a_refusal_is_told_with_its_remedy(reason: Reason, remedy: str) -> None:
    async def script(peer: Peer) -> None:
        await peer.packet()
        peer.send(Connack(reason=reason, properties=Properties(reason="not today")))
        peer.writer.close()  # at once, as brokers do

    error = await refused(script)
    assert reason.name.lower().replace("_", " ") in str(error)
    assert "not today" in str(error)
    assert remedy in error.remedy


@pytest.mark.parametrize(("grant", "word"), [(0x87, "refuses user 'ingest'"), (0, "QoS 0 only")])
async def test_subscriptions_that_are_not_granted_are_a_refusal(grant: int, word: str) -> None:
    async def script(peer: Peer) -> None:
        await peer.welcome(grant=grant)
        await peer.until_it_leaves()

    error = await refused(script)
    assert word in str(error)
    assert error.remedy


@pytest.mark.parametrize("granted", [True, False])
async def test_a_kept_session_that_brings_more_than_the_queue_holds_is_drained_first(
    granted: bool,
) -> None:
    acknowledged: list[int] = []

    async def script(peer: Peer) -> None:
        await peer.packet()
        peer.send(Connack(session_present=True), *[live(number) for number in range(1, 26)])
        subscribe = await peer.packet()
        assert isinstance(subscribe, Subscribe)
        # What the source has no room for stands before the answer.
        peer.send(*[live(number) for number in range(26, 51)])
        while len(acknowledged) < 50:
            packet = await peer.packet()
            if isinstance(packet, Puback):
                acknowledged.append(packet.packet)
        reason = 1 if granted else Reason.NOT_AUTHORIZED
        peer.send(Suback(packet=subscribe.packet, reasons=(reason,) * len(subscribe.subscriptions)))
        await peer.until_it_leaves()

    async with scripted(script) as port:
        source = source_at(port, queue_messages=10, batch_readings=10)
        await source.connect()
        assert source.connected
        link = link_of(source)
        got: list[bytes] = []
        while len(got) < 50:
            messages = await source.next_batch(1)
            source.acknowledge(messages)
            got += [m.payload for m in messages]
        assert got == [b"%d" % number for number in range(1, 51)]
        if granted:
            await eventually(lambda: link._suback is not None)
            assert source.connected
        else:
            await eventually(link.lost.is_set)
            assert "refuses user 'ingest' the subscriptions" in link.cause
            assert "access list" in link.cause
        await source.close()
    assert acknowledged == list(range(1, 51))


@pytest.mark.parametrize(
    ("answer", "word"),
    [
        (b"", "it closed the connection"),
        (b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n" + b" " * 80, "forbids"),
        (bytes.fromhex("32 05 0001 61 0001"), "forbids: a PUBLISH is cut off"),
        (bytes.fromhex("32 06 0001 61 0001 00"), "a PUBLISH before the CONNACK"),
        (bytes.fromhex("d000"), "PINGRESP is out of place"),
        (bytes.fromhex("2003000024"), "forbids"),
    ],
)
async def test_an_answer_that_is_none_is_named(answer: bytes, word: str) -> None:
    async def script(peer: Peer) -> None:
        await peer.packet()
        peer.raw(answer)
        peer.writer.close()

    assert word in str(await refused(script))


async def test_a_broker_that_says_nothing_is_given_up() -> None:
    async def script(peer: Peer) -> None:
        await peer.until_it_leaves()

    async with scripted(script) as port:
        source = source_at(port, connect_timeout_s=0.3)
        with pytest.raises(BrokerAway, match="no answer in time"):
            await source.connect()


@pytest.mark.parametrize(
    ("code", "word"),
    [
        ("32 05 0001 61 0001", "a PUBLISH is cut off"),
        ("34 06 0001 61 0001 00", "QoS 2"),
        ("30 07 0000 03 23 0001 78", "topic alias"),
        ("32 ff ff ff 7f", "are taken"),
        ("20 03 00 00 00", "CONNACK is out of place"),
        ("62 02 0001", "PUBREL is out of place"),
        ("c0 00", "PINGREQ is out of place"),
        ("00 00", "packet type 0"),
    ],
)
async def test_what_the_standard_forbids_ends_the_link_and_nothing_else(
    code: str, word: str
) -> None:
    farewell: list[object] = []

    async def script(peer: Peer) -> None:
        await peer.welcome()
        peer.raw(bytes.fromhex(code))
        farewell.extend(await peer.until_it_leaves())

    cause = await cause_of_loss(script)
    assert cause.startswith("it sent what MQTT 5 forbids")
    assert word in cause
    assert isinstance(farewell[-1], Disconnect)
    assert farewell[-1].reason >= 0x80


async def test_messages_before_a_mistake_are_kept_and_a_new_link_is_made() -> None:
    async def script(peer: Peer) -> None:
        await peer.welcome(session=peer.number > 1)
        if peer.number == 1:
            peer.send(live(1), live(2))
            peer.raw(b"\0\0")
        else:
            peer.send(live(3))
        await peer.until_it_leaves()

    async with scripted(script) as port, asyncio.TaskGroup() as tasks:
        source = source_at(port)
        running = tasks.create_task(source.run(), name="source")
        await eventually(lambda: source.backlog == 3)
        assert source.connects == 2
        assert [m.payload for m in await source.next_batch(1)] == [b"1", b"2", b"3"]
        running.cancel()


async def test_a_broker_that_hangs_up_each_time_is_not_asked_without_pause() -> None:
    async def script(peer: Peer) -> None:
        await peer.welcome()

    async with scripted(script) as port, asyncio.TaskGroup() as tasks:
        source = source_at(port)
        running = tasks.create_task(source.run(), name="source")
        loop = asyncio.get_running_loop()
        since = loop.time()
        await eventually(lambda: source.connects >= 5)
        # 0.05 + 0.1 + 0.1 + 0.1 s at the least.
        assert loop.time() - since > 0.3
        running.cancel()


async def test_a_farewell_is_told_with_its_cause(caplog: pytest.LogCaptureFixture) -> None:
    async def script(peer: Peer) -> None:
        await peer.welcome()
        peer.send(Disconnect(reason=Reason.SESSION_TAKEN_OVER))
        await peer.until_it_leaves()

    with caplog.at_level(logging.WARNING, "ingest.source"):
        async with scripted(script) as port, asyncio.TaskGroup() as tasks:
            running = tasks.create_task(source_at(port).run(), name="source")
            await eventually(lambda: "session taken over" in caplog.text)
            running.cancel()
    assert "give each worker its own worker_id" in caplog.text


async def test_a_batch_is_acknowledged_in_order_and_qos_0_not_at_all() -> None:
    heard: list[object] = []

    async def script(peer: Peer) -> None:
        await peer.welcome()
        peer.send(*[live(number) for number in range(1, 501)], live(501, qos=0))
        heard.extend(await peer.until_it_leaves())

    async with scripted(script) as port:
        source = source_at(port)
        await source.connect()
        await eventually(lambda: source.backlog == 501)
        source.acknowledge(await source.next_batch(1))
        await source.close()
    acknowledged = [packet for packet in heard if isinstance(packet, Puback)]
    assert acknowledged == [Puback(packet=number) for number in range(1, 501)]
    assert heard[-1] == Disconnect()


async def test_receipts_keep_to_the_window_of_the_broker_and_come_again() -> None:
    sessions: list[list[Publish]] = [[], [], []]

    async def script(peer: Peer) -> None:
        heard = sessions[peer.number - 1]
        connect = await peer.packet()
        assert isinstance(connect, Connect)
        peer.send(
            Connack(
                session_present=peer.number == 2,
                properties=Properties(receive_maximum=3, maximum_packet=1000),
            )
        )
        while True:
            packet = await peer.packet()
            if isinstance(packet, Subscribe):
                assert packet.packet not in {one.packet for one in heard}
                peer.send(Suback(packet=packet.packet, reasons=(1,) * len(packet.subscriptions)))
            elif isinstance(packet, Publish):
                heard.append(packet)
                if packet.payload == b"free":
                    peer.send(Puback(packet=packet.packet))
            elif isinstance(packet, Pingreq):
                peer.send(Pingresp())

    async with scripted(script) as port:
        source = source_at(port)
        await source.connect()
        assert not source.publish(RECEIPT, b"x" * 1000)
        assert [source.publish(RECEIPT, word) for word in [b"free", b"b", b"c", b"d"]] == [
            True, True, True, False,
        ]  # fmt: skip
        # The first is answered, which makes room for one more.
        await eventually(lambda: source.publish(RECEIPT, b"e"))
        await eventually(lambda: len(sessions[0]) == 4)
        await source.connect()
        await eventually(lambda: len(sessions[1]) == 3)
        assert not source.publish(RECEIPT, b"f")
        await source.connect()
        assert source.publish(RECEIPT, b"g")
        await eventually(lambda: len(sessions[2]) == 1)
        await source.close()
    assert [one.payload for one in sessions[0]] == [b"free", b"b", b"c", b"e"]
    assert {one.topic for one in sessions[0]} == {RECEIPT}
    assert [(one.payload, one.duplicate) for one in sessions[1]] == [
        (b"b", True), (b"c", True), (b"e", True),
    ]  # fmt: skip
    # The broker has a new session: what it does not know is not repeated.
    assert [(one.payload, one.duplicate) for one in sessions[2]] == [(b"g", False)]


async def test_a_refused_receipt_is_told_once(caplog: pytest.LogCaptureFixture) -> None:
    async def script(peer: Peer) -> None:
        await peer.welcome()
        while True:
            packet = await peer.packet()
            if isinstance(packet, Publish):
                peer.send(Puback(packet=packet.packet, reason=Reason.NOT_AUTHORIZED))

    async with scripted(script) as port:
        source = source_at(port)
        await source.connect()
        for _ in range(3):
            assert source.publish(RECEIPT, b"{}")
        await eventually(lambda: not len(source._outbox))
        await source.close()
    assert caplog.text.count("refuses a receipt: not authorized") == 1


SECOND = Properties(server_keepalive_s=1)


async def test_a_broker_that_falls_silent_is_lost() -> None:
    async def script(peer: Peer) -> None:
        await peer.welcome(said=SECOND)
        assert Pingreq() in await peer.until_it_leaves()

    assert await cause_of_loss(script) == "no sign of life for 1.5 s"


async def test_a_source_that_does_not_read_still_gives_signs_of_life() -> None:
    pings: list[float] = []
    answering = False

    async def script(peer: Peer) -> None:
        await peer.welcome(said=SECOND)
        peer.send(*[live(number) for number in range(1, 21)])
        while True:
            if isinstance(await peer.packet(), Pingreq):
                pings.append(asyncio.get_running_loop().time())
                if answering:
                    peer.send(Pingresp())

    async with scripted(script) as port:
        source = source_at(port, queue_messages=10, batch_readings=10)
        await source.connect()
        await eventually(lambda: source.backlog == 20)
        transport = link_of(source)._transport
        assert transport is not None
        assert not transport.is_reading()
        await eventually(lambda: len(pings) >= 3)
        assert source.connected
        assert len(await source.next_batch(1)) == 10
        assert not transport.is_reading()
        # The silence that it had no ear for does not count.
        answering = True
        assert len(await source.next_batch(1)) == 10
        assert transport.is_reading()
        await eventually(lambda: len(pings) >= 5)
        assert source.connected
        await source.close()
    assert pings[2] - pings[0] > 1.5


async def test_a_dense_stream_is_read_in_portions_and_goes_on() -> None:
    async def script(peer: Peer) -> None:
        await peer.welcome()
        while isinstance(packet := await peer.packet(), Publish):
            peer.send(Puback(packet=packet.packet), live(packet.packet))

    async with scripted(script) as port:
        source = source_at(port)
        await source.connect()
        link = link_of(source)
        transport = link._transport
        assert transport is not None
        await eventually(transport.is_reading)
        portions = 0
        while transport.is_reading():
            portions += 1
            link.data_received(encode(live(portions), Level.V5))
            assert portions < 100
        for _ in range(50):
            assert source.publish(RECEIPT, b"{}")
        await eventually(lambda: source.backlog == portions + 50)
        await eventually(transport.is_reading)
        await source.close()


async def test_a_broker_that_reads_nothing_does_not_grow_our_memory() -> None:
    async def script(peer: Peer) -> None:
        await peer.welcome(said=SECOND)
        peer.writer.transport.pause_reading()  # type: ignore[attr-defined]
        number = 0
        while True:
            number += 1
            peer.send(live(number % 65_535 + 1))
            await peer.writer.drain()

    async with scripted(script) as port:
        source = source_at(port)
        await source.connect()
        link = link_of(source)
        transport = link._transport
        assert transport is not None
        sent = 0
        while source.publish(RECEIPT, b"x" * 60_000):
            sent += 1
        assert 10 < sent < 200
        assert transport.get_write_buffer_size() < 2_000_000
        assert not transport.is_reading()
        async with asyncio.timeout(10):
            await link.lost.wait()
        assert link.cause == "it took nothing for 1.5 s"
        await source.close()


async def test_a_source_that_is_told_to_end_while_it_connects_leaves_nothing_open() -> None:
    came, left = asyncio.Event(), asyncio.Event()

    async def script(peer: Peer) -> None:
        await peer.packet()
        came.set()
        await peer.until_it_leaves()
        left.set()

    async with scripted(script) as port:
        source = source_at(port)
        async with asyncio.TaskGroup() as tasks, asyncio.timeout(10):
            connecting = tasks.create_task(source.connect(), name="connect")
            await came.wait()
            connecting.cancel()
        async with asyncio.timeout(5):
            await left.wait()
