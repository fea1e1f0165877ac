from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from functools import partial
from typing import Any

import aiomqtt
import psycopg
import pytest
from psycopg.conninfo import make_conninfo

from alerts.config import AlertsConfig
from core import senml
from core.config import DatabaseConfig, MqttConfig
from core.model import Channel, Reading
from core.topics import topic
from dev.servers import PrivateMosquitto, PrivatePostgres
from ingest.command import build
from ingest.config import IngestConfig
from ingest.worker import Worker
from tests.support.ingesting import EPOCH, RULES, Sender, readings, register
from tests.support.proxy import proxy_to
from tests.support.waiting import eventually

Db = psycopg.Connection[Any]


@pytest.fixture
def world(conn: Db) -> Db:
    """The test's database with two gateways and three heat detectors."""
    register(conn, "gw-a", ["heat-1", "heat-2"])
    register(conn, "gw-b", ["heat-9"])
    return conn


def settings(**more: Any) -> IngestConfig:
    usual = {"batch_s": 0.02, "receipt_every_s": 0.1, "retry_max_s": 0.3, "settle_s": 0.5}
    return IngestConfig(**usual | more)


def make_worker(
    broker: PrivateMosquitto, dsn: str, stop: asyncio.Event, ingest: IngestConfig
) -> Worker:
    mqtt = MqttConfig(
        host=broker.host,
        port=broker.port,
        username="ingest",
        password=broker.password("ingest"),
    )
    rules = AlertsConfig(rules_dir=str(RULES))
    database = DatabaseConfig(dsn=dsn, connect_timeout_s=2)
    return build(ingest, mqtt, database, rules, stop)


@asynccontextmanager
async def running(broker: PrivateMosquitto, dsn: str, **more: Any) -> AsyncIterator[Worker]:
    stop = asyncio.Event()
    worker = make_worker(broker, dsn, stop, settings(**more))
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(worker.run(), name="worker")
        await eventually(lambda: worker.source.connected and worker.database_ok)
        try:
            yield worker
        finally:
            stop.set()


def sender(broker: PrivateMosquitto, gateway: str = "gw-a", **more: Any) -> Sender:
    return Sender(
        host=broker.host,
        port=broker.port,
        gateway=gateway,
        password=broker.password(gateway),
        **more,
    )


@asynccontextmanager
async def sending(*senders: Sender) -> AsyncIterator[None]:
    async with asyncio.TaskGroup() as tasks:
        started = [tasks.create_task(each.run(), name=each.gateway) for each in senders]
        yield
        for each, task in zip(senders, started, strict=True):
            each.finish(task)


async def publish(
    broker: PrivateMosquitto, *payloads: bytes, to: Channel = Channel.LIVE, gateway: str = "gw-a"
) -> None:
    async with aiomqtt.Client(
        broker.host,
        broker.port,
        username=gateway,
        password=broker.password(gateway),
        protocol=aiomqtt.ProtocolVersion.V5,
    ) as client:
        for payload in payloads:
            await client.publish(topic(gateway, to), payload, qos=1)


def tally(conn: Db) -> dict[str, int]:
    names = ("received", "stored", "rejected", "duplicates", "redelivered")
    row = conn.execute(f"SELECT {', '.join(names)} FROM tally").fetchone()
    return dict(zip(names, row or [0] * len(names), strict=True))


def rows(conn: Db) -> int:
    row = conn.execute("SELECT count(*) FROM reading").fetchone()
    assert row is not None
    return int(row[0])


def faults(conn: Db) -> list[str]:
    return [row[0] for row in conn.execute("SELECT reason FROM rejected ORDER BY 1")]


def now() -> float:
    return round(time.time(), 3)


async def test_readings_are_stored_receipted_and_forgotten(
    broker: PrivateMosquitto, dsn: str, world: Db
) -> None:
    a, b = sender(broker), sender(broker, "gw-b")
    start = now() - 60
    async with running(broker, dsn) as worker, sending(a, b):
        for step in range(5):
            a.offer(readings("heat-1", [start + step * 10 + n for n in range(10)]))
            b.offer(readings("heat-9", [start + step]))
        await eventually(lambda: not a.pending and not b.pending)
        assert "blocktwin_ingest_commit_seconds_count 55.0" in worker.metrics.text()
    assert tally(world) | {"redelivered": 0} == {
        "received": 55, "stored": 55, "rejected": 0, "duplicates": 0, "redelivered": 0,
    }  # fmt: skip
    assert rows(world) == 55
    assert world.execute(
        "SELECT gateway_id, epoch, low, above FROM uplink ORDER BY 1"
    ).fetchall() == [
        ("gw-a", EPOCH, 5, []),
        ("gw-b", EPOCH, 5, []),
    ]


async def test_every_reading_ends_stored_rejected_or_duplicate(
    broker: PrivateMosquitto, dsn: str, world: Db
) -> None:
    a = sender(broker)
    at = now()
    async with running(broker, dsn), sending(a):
        a.offer(readings("heat-1", [at, at + 1]))
        a.offer(readings("heat-1", [at, at + 2]))
        a.offer(readings("nobody", [at, at + 1, at + 2]))
        a.offer(readings("heat-9", [at]))
        a.offer([Reading(device="heat-1", quantity="depth", observed_s=at, value=1.0)])
        a.offer(
            [Reading(device="heat-2", quantity="temperature", observed_s=at, value=1, unit="V")]
        )
        await eventually(lambda: not a.pending)
    assert tally(world) | {"redelivered": 0} == {
        "received": a.published, "stored": 3, "rejected": 6, "duplicates": 1, "redelivered": 0,
    }  # fmt: skip
    assert faults(world) == [
        "bad_unit", "foreign_gateway", "unknown_device", "unknown_device", "unknown_device",
        "unknown_quantity",
    ]  # fmt: skip


async def test_a_message_that_comes_again_is_receipted_again_and_counted_apart(
    broker: PrivateMosquitto, dsn: str, world: Db
) -> None:
    payload = senml.pack(readings("heat-1", [now()]), seq=1, epoch=EPOCH, low=1)
    async with (
        running(broker, dsn),
        aiomqtt.Client(
            broker.host,
            broker.port,
            username="gw-a",
            password=broker.password("gw-a"),
            protocol=aiomqtt.ProtocolVersion.V5,
        ) as client,
    ):
        await client.subscribe(topic("gw-a", Channel.RECEIPT), qos=1)
        for _ in range(3):
            await client.publish(topic("gw-a", Channel.LIVE), payload, qos=1)
            async with asyncio.timeout(10):
                heard = await anext(client.messages)
            assert isinstance(heard.payload, bytes)
            assert json.loads(heard.payload) == {"ep": EPOCH, "low": 1, "above": []}
    assert tally(world) == {
        "received": 1, "stored": 1, "rejected": 0, "duplicates": 0, "redelivered": 2,
    }  # fmt: skip


async def test_what_is_committed_is_known_after_a_restart(
    broker: PrivateMosquitto, dsn: str, world: Db
) -> None:
    payload = senml.pack(readings("heat-1", [now()]), seq=1, epoch=EPOCH, low=1)

    def changed(before: dict[str, int]) -> bool:
        return tally(world) != before

    for _ in range(2):
        async with running(broker, dsn):
            before = tally(world)
            await publish(broker, payload)
            await eventually(partial(changed, before))
    assert tally(world)["redelivered"] == 1
    assert tally(world)["received"] == 1


async def test_two_workers_that_read_the_same_gateway_count_each_reading_once(
    broker: PrivateMosquitto, dsn: str, world: Db
) -> None:
    a, at = sender(broker), now() - 3600
    async with (
        running(broker, dsn, worker_id="worker-0") as one,
        running(broker, dsn, worker_id="worker-1") as two,
        sending(a),
    ):
        for step in range(40):
            a.offer(readings("heat-1", [at + step * 2, at + step * 2 + 1]))
            a.offer(readings("nobody", [at + step]))
            await eventually(lambda: len(a.pending) < 10)
        await eventually(lambda: not a.pending)
        noticed = [worker.metrics.failures.labels("stale") for worker in (one, two)]
        assert sum(metric._value.get() for metric in noticed) > 0
    sums = world.execute(
        "SELECT sum(received), sum(stored), sum(rejected), sum(duplicates) FROM tally"
    ).fetchone()
    assert sums == (120, 80, 40, 0)
    assert rows(world) == 80
    assert len(faults(world)) == 40


async def test_the_newest_values_follow_the_readings(
    broker: PrivateMosquitto, dsn: str, world: Db
) -> None:
    a, at = sender(broker), now()

    def newest() -> list[tuple[float, float]]:
        return world.execute(
            "SELECT extract(epoch FROM observed_at)::float8, value FROM latest"
        ).fetchall()

    async with running(broker, dsn), sending(a):
        a.offer(readings("heat-1", [at, at + 1], 20.0))
        await eventually(lambda: newest() == [(at + 1, 20.0)])
        a.offer(readings("heat-1", [at + 2], 21.0))
        await eventually(lambda: not a.pending)
    # An orderly end leaves nothing to repair.
    assert newest() == [(at + 2, 21.0)]
    assert world.execute("SELECT latest_from FROM tally").fetchall() == [(None,)]


async def test_poison_is_set_aside_and_its_neighbours_are_stored(
    broker: PrivateMosquitto, dsn: str, world: Db
) -> None:
    at = now()
    good = [
        json.dumps([{"n": "heat-1:temperature", "t": at + n, "v": 20}]).encode() for n in range(4)
    ]
    junk = [b"", b"\x00\xff", b"[", b'[{"n":"heat-1:temperature","v":"hot"}]', b"[" * 5000]
    strange = b'[{"n":"\\ud800:x","t":%f,"v":1}]' % at
    async with running(broker, dsn):
        await publish(broker, good[0], *junk, good[1], strange, good[2], b'[{"n":"x:y","v":1}]')
        await publish(broker, b"\xff\x00nonsense", to=Channel.STATUS)
        await publish(broker, good[3])
        await eventually(lambda: tally(world)["received"] >= 11)
    assert rows(world) == 4
    assert tally(world)["rejected"] == len(faults(world)) == 7


async def test_data_that_the_database_refuses_does_not_block(
    broker: PrivateMosquitto, dsn: str, world: Db
) -> None:
    world.execute("ALTER TABLE reading ADD CONSTRAINT no_13 CHECK (value <> 13)")
    a = sender(broker)
    at = now()
    async with running(broker, dsn), sending(a):
        for n in range(20):
            a.offer(readings("heat-1", [at + n], 13.0 if n == 7 else 20.0))
        await eventually(lambda: not a.pending)
    assert rows(world) == 19
    assert tally(world) | {"redelivered": 0} == {
        "received": 20, "stored": 19, "rejected": 1, "duplicates": 0, "redelivered": 0,
    }  # fmt: skip
    row = world.execute("SELECT detail FROM rejected").fetchone()
    assert row is not None
    assert "no_13" in row[0]


async def test_backfilled_readings_are_stored_with_their_mark(
    broker: PrivateMosquitto, dsn: str, world: Db
) -> None:
    payload = senml.pack(readings("heat-1", [now() - 86_400], 900.0), seq=1, epoch=EPOCH, low=1)
    async with running(broker, dsn):
        await publish(broker, payload, to=Channel.BACKFILL)
        await eventually(lambda: rows(world) == 1)
    assert world.execute("SELECT quality FROM reading").fetchone() == (16,)
    assert world.execute("SELECT count(*) FROM alarm").fetchone() == (0,)


async def test_a_hot_detector_raises_one_alarm(
    broker: PrivateMosquitto, dsn: str, world: Db
) -> None:
    a = sender(broker)
    at = now() - 10
    async with running(broker, dsn) as worker, sending(a):
        a.offer(readings("heat-1", [at, at + 1], 20.0))
        a.offer(readings("heat-1", [at + 2, at + 3, at + 4], 400.0))
        await eventually(lambda: not a.pending)
        assert "blocktwin_alarm_commit_seconds_count 0.0" not in worker.metrics.text()
    found = world.execute("SELECT DISTINCT subject, device_id FROM alarm").fetchall()
    assert found == [("device:heat-1", "heat-1")]
    kinds = world.execute("SELECT kind FROM alarm_event ORDER BY event_id").fetchall()
    assert kinds[0] == ("raised",)


async def test_an_open_alarm_is_not_raised_again_after_a_restart(
    broker: PrivateMosquitto, dsn: str, world: Db
) -> None:
    a = sender(broker)
    at = now() - 10
    for step in range(2):
        async with running(broker, dsn), sending(a):
            a.offer(readings("heat-1", [at + step], 400.0))
            await eventually(lambda: not a.pending)
    raised = world.execute(
        "SELECT rule_id FROM alarm_event JOIN alarm USING (alarm_id) WHERE kind = 'raised'"
    ).fetchall()
    assert raised
    assert len(raised) == len(set(raised))
    assert world.execute("SELECT max(occurrences) FROM alarm").fetchone() == (1,)


async def test_the_word_of_a_gateway_is_kept(broker: PrivateMosquitto, dsn: str, world: Db) -> None:
    async with running(broker, dsn):
        await publish(broker, b'{"online": true, "spooled": 2}', to=Channel.STATUS)
        await eventually(lambda: world.execute("SELECT online FROM gateway_status").fetchall())
        await publish(broker, b'{"online": false}', to=Channel.STATUS)
        await eventually(
            lambda: world.execute("SELECT online FROM gateway_status").fetchone() == (False,)
        )


@pytest.mark.parametrize("announced", [True, False])
async def test_a_device_that_is_registered_late_is_taken_up(
    broker: PrivateMosquitto, dsn: str, world: Db, announced: bool
) -> None:
    async with running(broker, dsn, reload_every_s=600.0 if announced else 0.1):
        await publish(broker, senml.pack(readings("late", [now()]), seq=1, epoch=1, low=1))
        await eventually(lambda: faults(world) == ["unknown_device"])
        register(world, "gw-a", ["late"])
        if announced:
            world.execute("NOTIFY blocktwin_registry")
        async with asyncio.timeout(20):
            for seq in range(2, 10_000):
                pack = senml.pack(readings("late", [now()]), seq=seq, epoch=1, low=1)
                await publish(broker, pack)
                if rows(world):
                    break


async def test_the_database_may_be_away_and_nothing_is_acknowledged_meanwhile(
    broker: PrivateMosquitto, dsn: str, world: Db, postgres: PrivatePostgres
) -> None:
    a = sender(broker)
    start = now() - 1000
    async with running(broker, dsn, queue_messages=50) as worker, sending(a):
        a.offer(readings("heat-1", [start]))
        await eventually(lambda: not a.pending)
        postgres.kill()
        try:
            for n in range(200):
                a.offer(readings("heat-1", [start + 1 + n]))
            await eventually(lambda: not worker.database_ok)
            await eventually(lambda: worker.source.backlog >= 50)
            assert len(a.pending) == 200
        finally:
            postgres.start()
        await eventually(lambda: not a.pending, 30.0)
        assert worker.database_ok
        await eventually(lambda: worker.source.backlog == 0)
    with psycopg.connect(dsn) as again:
        assert rows(again) == 201
        assert tally(again)["stored"] == tally(again)["received"] == 201


async def test_a_foreign_message_that_is_not_committed_stays_at_the_broker(
    broker: PrivateMosquitto, dsn: str, world: Db, postgres: PrivatePostgres
) -> None:
    del world
    payload = json.dumps([{"n": "heat-1:temperature", "t": now(), "v": 20}]).encode()
    try:
        async with running(broker, dsn) as worker:
            postgres.kill()
            await publish(broker, payload)
            await eventually(lambda: not worker.database_ok)
    finally:
        postgres.start()
    async with running(broker, dsn):
        with psycopg.connect(dsn, autocommit=True) as again:
            await eventually(lambda: rows(again) == 1)
            assert tally(again)["received"] == 1


async def test_the_broker_may_be_away(broker: PrivateMosquitto, dsn: str, world: Db) -> None:
    a = sender(broker, resend_after_s=0.5)
    start = now() - 1000
    async with running(broker, dsn) as worker, sending(a):
        a.offer(readings("heat-1", [start]))
        await eventually(lambda: not a.pending)
        broker.kill()
        await eventually(lambda: not worker.source.connected)
        for n in range(20):
            a.offer(readings("heat-1", [start + 1 + n]))
        broker.start()
        await eventually(lambda: not a.pending, 30.0)
    assert rows(world) == tally(world)["stored"] == tally(world)["received"] == 21


async def test_a_worker_stops_at_once_while_the_database_is_away(
    broker: PrivateMosquitto, dsn: str, world: Db, postgres: PrivatePostgres
) -> None:
    del world
    began = 0.0
    try:
        async with running(broker, dsn) as worker:
            postgres.kill()
            await publish(broker, b"[]" * 3)
            await eventually(lambda: not worker.database_ok)
            began = time.monotonic()
    finally:
        postgres.start()
    assert time.monotonic() - began < 9.0


async def test_a_worker_stops_in_time_while_the_database_does_not_answer(
    broker: PrivateMosquitto, dsn: str, world: Db, postgres: PrivatePostgres
) -> None:
    payload = json.dumps([{"n": "heat-1:temperature", "t": now(), "v": 20}]).encode()
    with proxy_to(postgres.host, postgres.port) as proxy:
        began = 0.0
        slow = make_conninfo(dsn, host=proxy.host, port=proxy.port)
        async with running(broker, slow, drain_s=1.0) as worker:
            proxy.freeze()
            await publish(broker, payload)
            await eventually(lambda: "ingest_messages_total 1.0" in worker.metrics.text())
            began = time.monotonic()
        assert time.monotonic() - began < 9.0
    async with running(broker, dsn):
        await eventually(lambda: rows(world) == 1)


@pytest.fixture(autouse=True)
def quiet_end(world: Db) -> Iterator[None]:
    """Whatever a test did, the sums must add up."""
    yield
    if not world.broken and not world.closed:
        try:
            sums = tally(world)
        except psycopg.OperationalError:
            return
        assert sums["received"] == sums["stored"] + sums["rejected"] + sums["duplicates"]


async def test_what_is_urgent_is_stored_before_the_backlog(
    broker: PrivateMosquitto, dsn: str, world: Db
) -> None:
    """The backlog is what came while a lock kept the worker from storing."""
    at = now() - 600
    backlog = [b'[{"n":"heat-1:temperature","t":%.3f,"v":20}]' % (at + n) for n in range(400)]
    fire = b'[{"n":"heat-2:temperature","t":%.3f,"v":80}]' % now()
    async with running(broker, dsn, batch_readings=20, queue_messages=100) as worker:
        with psycopg.connect(dsn) as other:
            other.execute("LOCK TABLE reading IN SHARE MODE")
            await publish(broker, *backlog)
            await eventually(lambda: worker.source.backlog >= 100)
            held = worker.source.backlog
            await publish(broker, fire, to=Channel.EVENT)
            await eventually(lambda: worker.source.backlog > held)
        await eventually(lambda: rows(world) == 401)
    stored = world.execute(
        "SELECT count(DISTINCT r.xmin::text) FILTER (WHERE r.xmin::text::bigint < urgent.x)"
        "  FROM reading r, LATERAL (SELECT u.xmin::text::bigint AS x FROM reading u"
        "  JOIN series s USING (series_id) WHERE s.device_id = 'heat-2') AS urgent"
    ).fetchone()
    # The batch that was under way; the one taken behind it is overtaken.
    assert stored == (1,)
