from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import threading
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

import psycopg
import pytest

from alerts import store
from alerts.channel_config import WebhookConfig
from alerts.config import NotifyConfig
from alerts.notify.channels import Channel, DeliveryFailed, Journal, Webhook
from alerts.notify.message import SIGNATURE_HEADER, Message, is_signed
from alerts.notify.run import Notifier
from alerts.notify.ways import channels_of
from core.config import DatabaseConfig
from core.model import CloseCause, Field, Severity, TransitionKind
from dev.servers import PrivatePostgres
from tests.support.alerting import T0_US, S, transition
from tests.support.receiver import Receiver, receiving
from tests.support.servers import Runner, settings
from tests.support.small_district import small_district
from tests.support.waiting import eventually, wait_until
from twin.store import load_district

Conn = psycopg.Connection[Any]
KEY = "s3cret"


@pytest.fixture
def world(conn: Conn) -> Conn:
    load_district(conn, small_district())
    store.load_rules(conn)
    return conn


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as running:
        yield running


def config(receiver: Receiver, **more: Any) -> NotifyConfig:
    plain: dict[str, Any] = {
        "webhooks": (WebhookConfig(name="duty", url=receiver.url, secret=KEY),),
        "retry_first_s": 0.05,
        "retry_max_s": 0.2,
        "poll_s": 30.0,
        "timeout_s": 2.0,
        "cap_messages": 10_000,
    }
    return NotifyConfig(**(plain | more))


@asynccontextmanager
async def running(dsn: str, cfg: NotifyConfig) -> AsyncIterator[Notifier]:
    notifier = Notifier(
        cfg=cfg,
        database=DatabaseConfig(dsn=dsn),
        channels=channels_of(cfg),
        stop=asyncio.Event(),
    )
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(notifier.run(), name="notifier")
        await eventually(lambda: notifier.database_ok)
        yield notifier
        notifier.stop.set()


def raise_alarms(conn: Conn, count: int = 1, at_s: float = 0, **change: Any) -> list[int]:
    plain = {"rule_id": "fire-heat-fixed"} | change
    raised = [
        transition(**({"subject": "device:heat.00001"} | plain), at_us=T0_US + round(at_s * S) + n)
        for n in range(count)
    ]
    with conn.transaction():
        return store.apply(conn, raised, T0_US + 10 * S)


def proofs(conn: Conn, columns: str = "event_id, attempts") -> Sequence[Any]:
    query = (
        f"SELECT {columns} FROM notify_delivery WHERE delivered_at IS NOT NULL ORDER BY event_id"
    )
    return conn.execute(query).fetchall()


async def test_an_event_is_posted_at_once_signed_and_proven(
    dsn: str, world: Conn, receiver: Receiver
) -> None:
    async with running(dsn, config(receiver)):
        began = time.monotonic()
        (number,) = raise_alarms(world)
        await eventually(lambda: receiver.accepted)
        assert time.monotonic() - began < 5
        await eventually(lambda: proofs(world) == [(number, 1)])
    (event,) = receiver.events()
    key = world.execute("SELECT event_key::text FROM alarm_event").fetchone()
    assert (event["specversion"], (event["id"],)) == ("1.0", key)
    assert event["data"]["event_id"] == number
    assert (event["type"], event["source"]) == ("blocktwin.alarm.raised", "urn:blocktwin")
    assert event["subject"] == "device:heat.00001"
    assert event["data"]["severity"] == 3
    alarm = event["data"]["alarm"]
    assert (alarm["device_id"], alarm["name"]["zh"]) == ("heat.00001", "定温火警")
    assert alarm["lon"] is not None
    (headers,) = receiver.headers
    assert headers["content-type"].startswith("application/cloudevents+json")
    assert headers["idempotency-key"] == event["id"]
    sent = headers[SIGNATURE_HEADER.lower()]
    body, now = receiver.accepted[0], int(time.time())
    assert is_signed(sent, KEY, body, now)
    assert not is_signed(sent, KEY, body + b" ", now)
    assert not is_signed(sent, "other", body, now)
    assert not is_signed(sent, KEY, body, now + 301)
    assert not is_signed("nonsense", KEY, body, now)


async def test_every_step_of_an_alarm_is_told_in_order(
    dsn: str, world: Conn, receiver: Receiver
) -> None:
    async with running(dsn, config(receiver)):
        raise_alarms(world)
        row = world.execute("SELECT alarm_id::text FROM alarm").fetchone()
        assert row is not None
        store.acknowledge(world, row[0], "li", "在路上")
        store.close(world, row[0], "li", CloseCause.FALSE)
        await eventually(lambda: len(receiver.accepted) == 3)
    kinds = [event["type"].rpartition(".")[2] for event in receiver.events()]
    assert kinds == ["raised", "acknowledged", "closed"]
    assert receiver.events()[1]["data"]["note"] == "在路上"


async def test_a_receiver_that_fails_first_is_told_again(
    dsn: str, world: Conn, receiver: Receiver
) -> None:
    receiver.statuses = [500, 302, 429]
    async with running(dsn, config(receiver)) as notifier:
        numbers = raise_alarms(world, 3)
        await eventually(lambda: len(proofs(world)) == 3, 20)
        text = notifier.metrics.text()
    assert sorted(receiver.ids()) == numbers
    assert sum(attempts - 1 for _, attempts in proofs(world)) == 3
    assert 'blocktwin_notify_deliveries_total{channel="duty",result="failed"} 3.0' in text


async def test_what_nobody_takes_is_given_up_and_says_so(
    dsn: str, world: Conn, receiver: Receiver
) -> None:
    receiver.statuses = [500] * 3
    async with running(dsn, config(receiver, max_attempts=3)):
        (number,) = raise_alarms(world)
        await eventually(
            lambda: (
                world.execute(
                    "SELECT event_id, attempts, last_error FROM notify_delivery"
                    " WHERE given_up_at IS NOT NULL"
                ).fetchall()
                == [(number, 3, "answered 500 Internal Server Error")]
            ),
            20,
        )
        raise_alarms(world, at_s=5)
        await eventually(lambda: len(receiver.accepted) == 1)


async def test_a_dead_receiver_does_not_hold_the_journal_back(
    dsn: str, world: Conn, tmp_path: Path
) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        nobody = Receiver(url=f"http://127.0.0.1:{taken.getsockname()[1]}/")
        path = tmp_path / "journal.jsonl"
        async with running(dsn, config(nobody, journal_file=str(path))):
            numbers = raise_alarms(world, 5)
            await eventually(lambda: path.exists() and len(path.read_text().splitlines()) == 5)
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    assert [line["data"]["event_id"] for line in lines] == numbers


async def test_a_receiver_that_never_answers_costs_no_more_than_the_timeout(
    world: Conn, receiver: Receiver
) -> None:
    receiver.hold.clear()
    webhook = Webhook(name="duty", url=receiver.url, key="", timeout_s=0.3)
    began = time.monotonic()
    with pytest.raises(DeliveryFailed, match="no answer"):
        await asyncio.to_thread(webhook.deliver, Message(key="1", body=b"{}"))
    assert time.monotonic() - began < 5


def test_a_receiver_that_dribbles_costs_no_more_than_the_timeout() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        done = threading.Event()

        def dribble() -> None:
            peer, _ = server.accept()
            with peer:
                for _ in range(400):
                    if done.wait(0.05):
                        return
                    try:
                        peer.sendall(b"H")
                    except OSError:
                        return

        thread = threading.Thread(target=dribble)
        thread.start()
        url = f"http://127.0.0.1:{server.getsockname()[1]}/"
        webhook = Webhook(name="duty", url=url, key="", timeout_s=0.4)
        began = time.monotonic()
        with pytest.raises(DeliveryFailed):
            webhook.deliver(Message(key="1", body=b"{}"))
        assert time.monotonic() - began < 4
        done.set()
        thread.join()


async def test_a_new_channel_starts_with_what_comes(
    dsn: str, world: Conn, receiver: Receiver
) -> None:
    raise_alarms(world, 3)
    async with running(dsn, config(receiver)):
        await eventually(lambda: world.execute("SELECT 1 FROM notify_channel").fetchone())
        numbers = raise_alarms(world, at_s=5)
        await eventually(lambda: receiver.ids() == numbers)


async def test_what_happens_while_nobody_notifies_is_told_later(
    dsn: str, world: Conn, receiver: Receiver
) -> None:
    async with running(dsn, config(receiver)):
        await eventually(lambda: world.execute("SELECT 1 FROM notify_channel").fetchone())
    numbers = raise_alarms(world, 250)
    async with running(dsn, config(receiver)):
        await eventually(lambda: len(receiver.accepted) == 250, 30)
    assert receiver.ids() == numbers


async def test_a_channel_hears_of_its_fields_and_severities_only(
    dsn: str, world: Conn, receiver: Receiver
) -> None:
    webhook = WebhookConfig(name="fire", url=receiver.url, fields=("fire",), min_severity="orange")
    cfg = config(receiver, webhooks=(webhook,))
    async with running(dsn, cfg):
        raise_alarms(world, rule_id="water-logging", field=Field.WATER)
        raise_alarms(world, severity=Severity.YELLOW)
        wanted = raise_alarms(world, subject="device:x")
        wanted += raise_alarms(
            world,
            subject="device:x",
            kind=TransitionKind.EASED,
            severity=Severity.BLUE,
            at_s=1,
        )
        await eventually(lambda: receiver.ids() == wanted)
        mark = world.execute("SELECT last_event_id FROM notify_channel").fetchone()
        assert mark == (wanted[-1],)
    assert SIGNATURE_HEADER.lower() not in receiver.headers[0]


async def test_a_second_notifier_stands_by(dsn: str, world: Conn, receiver: Receiver) -> None:
    cfg = config(receiver, poll_s=0.1)
    async with running(dsn, cfg) as first, running(dsn, cfg):
        numbers = raise_alarms(world, 30)
        await eventually(lambda: len(proofs(world)) == 30)
        first.stop.set()
        numbers += raise_alarms(world, 30, at_s=5)
        await eventually(lambda: len(proofs(world)) == 60)
    assert receiver.ids() == numbers


async def test_the_database_may_go_away(
    dsn: str, world: Conn, receiver: Receiver, postgres: PrivatePostgres
) -> None:
    async with running(dsn, config(receiver, poll_s=0.2)) as notifier:
        raise_alarms(world)
        await eventually(lambda: len(proofs(world)) == 1)
        postgres.kill()
        await eventually(lambda: not notifier.database_ok)
        postgres.start()
        with psycopg.connect(dsn, autocommit=True) as again:
            numbers = raise_alarms(again, at_s=5)
            await eventually(lambda: numbers[0] in receiver.ids(), 20)


def test_a_killed_notifier_loses_nothing(
    dsn: str, world: Conn, run_blocktwin: Runner, tmp_path: Path, free_port: int
) -> None:
    """Killed in the middle of a delivery, again and again, while alarms come in."""
    journal = tmp_path / "journal.jsonl"
    with receiving() as receiver:
        hooks = [{"name": "duty", "url": receiver.url, "secret": KEY, "records": True}]
        env = settings(
            dsn,
            notify__journal_file=str(journal),
            notify__webhooks=hooks,
            notify__http_port=free_port,
            notify__retry_first_s=0.05,
        )
        numbers: list[int] = []
        for turn in range(3):
            program = run_blocktwin("notify", env=env)
            wait_until(lambda: ready(free_port), 30)
            receiver.hold.clear()
            numbers += raise_alarms(world, 40, at_s=turn * 10)
            arrived = len(receiver.headers)
            wait_until(partial(more_than, receiver, arrived), 15)
            os.kill(program.pid, signal.SIGKILL)
            program.wait(10)
            receiver.hold.set()
        program = run_blocktwin("notify", env=env)
        wait_until(lambda: told(world, numbers) == 2 * len(numbers), 60)
        os.kill(program.pid, signal.SIGTERM)
        assert program.wait(10) == 0
        # The clock and the desk add events of their own.
        heard = [number for number in receiver.ids() if number in set(numbers)]
        assert set(heard) == set(numbers)
        assert len(heard) <= len(numbers) + 3
    lines = [json.loads(line) for line in journal.read_text().splitlines()]
    assert {line["data"]["event_id"] for line in lines} >= set(numbers)


def told(conn: Conn, numbers: list[int]) -> int:
    query = "SELECT count(*) FROM notify_delivery WHERE delivered_at IS NOT NULL"
    row = conn.execute(
        f"{query} AND channel <> 'canary' AND event_id = ANY(%s)", (numbers,)
    ).fetchone()
    assert row is not None
    return int(row[0])


def more_than(receiver: Receiver, requests: int) -> bool:
    return len(receiver.headers) > requests


def ready(port: int) -> bool:
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=1) as sock:
            sock.sendall(b"GET /readyz HTTP/1.1\r\nHost: x\r\n\r\n")
            return b" 200 " in sock.recv(100)
    except OSError:
        return False


def test_the_journal_mends_a_torn_line(tmp_path: Path) -> None:
    path = tmp_path / "journal.jsonl"
    path.write_bytes(b'{"id":"1"}\n{"id":')
    journal: Channel = Journal(path=path)
    journal.deliver(Message(key="2", body=b'{"id":"2"}'))
    journal.deliver(Message(key="3", body=b'{"id":"3"}'))
    assert path.read_bytes() == b'{"id":"1"}\n{"id":\n{"id":"2"}\n{"id":"3"}\n'
    with pytest.raises(DeliveryFailed, match="cannot write"):
        Journal(path=tmp_path / "no" / "file").deliver(Message(key="4", body=b"{}"))
