"""The agent on a real broker; the test plays the worker and says what is receipted."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from http.client import HTTPConnection
from pathlib import Path

import aiomqtt
import msgspec
import pytest

from core.cancel import heed_cancel
from core.config import MqttConfig
from core.model import Channel, Reading
from core.topics import topic
from dev.servers import PrivateMosquitto
from edge.agent import AgentReport, LinkControl, run_agent
from edge.config import AgentConfig
from edge.drivers import Sink
from edge.spool import Spool
from tests.support.proxy import proxy_to
from tests.support.receiving import PlayedWorker, playing_worker
from tests.support.waiting import eventually, wait_until

GATEWAY = "gw-a"


def reading(value: float) -> Reading:
    return Reading(device="d1", quantity="temperature", observed_s=time.time(), value=value)


class Script:
    """A driver that puts what the test says, when it says so; ``end`` ends its source."""

    def __init__(self) -> None:
        self._words: asyncio.Queue[tuple[list[float], Channel] | None] = asyncio.Queue()
        self._waiting = 0

    def put(self, *values: float, channel: Channel = Channel.LIVE) -> None:
        self._words.put_nowait((list(values), channel))
        self._waiting += 1

    def end(self) -> None:
        self._words.put_nowait(None)

    async def run(self, sink: Sink) -> None:
        while word := await self._words.get():
            values, channel = word
            for value in values:
                await sink.put([reading(value)], channel)
            self._waiting -= 1

    def idle(self) -> bool:
        """Whether all words are put."""
        return self._waiting == 0


def quick(tmp_path: Path, **more: object) -> AgentConfig:
    """Settings with short pauses; one reading a message, so that values count messages."""
    base = AgentConfig(
        gateway_id=GATEWAY,
        spool_dir=str(tmp_path),
        flush_s=0.02,
        batch_readings=1,
        resend_after_s=0.4,
        reconnect_first_s=0.05,
        reconnect_most_s=0.2,
        will_delay_s=1,
        drain_s=5,
        connect_timeout_s=3,
    )
    return msgspec.structs.replace(base, **more)


class Running:
    """An agent at work."""

    def __init__(self, task: asyncio.Task[AgentReport], stop: asyncio.Event, script: Script):
        self.task = task
        self.script = script
        self._stop = stop

    async def stop(self) -> AgentReport:
        self._stop.set()
        return await asyncio.wait_for(self.task, 10)

    async def kill(self) -> None:
        self.task.cancel()
        await asyncio.wait([self.task])


@asynccontextmanager
async def running(
    cfg: AgentConfig,
    broker: PrivateMosquitto,
    *,
    port: int | None = None,
    link: LinkControl | None = None,
) -> AsyncIterator[Running]:
    mqtt = MqttConfig(host=broker.host, port=port or broker.port, keepalive_s=5)
    stop, script = asyncio.Event(), Script()
    async with asyncio.TaskGroup() as group:
        agent = run_agent(
            cfg, mqtt, script, password=broker.password(cfg.gateway_id), stop=stop, link=link
        )
        one = Running(group.create_task(agent), stop, script)
        yield one
        stop.set()


def sent(worker: PlayedWorker, messages: int) -> bool:
    return worker.seqs(GATEWAY).total() >= messages


async def offline(worker: PlayedWorker, timeout_s: float = 10) -> None:
    await eventually(lambda: worker.last_status(GATEWAY).get("online") is False, timeout_s)


async def online(worker: PlayedWorker) -> None:
    await eventually(lambda: worker.last_status(GATEWAY).get("online") is True)


async def test_readings_arrive_and_are_forgotten_on_receipt(
    broker: PrivateMosquitto, tmp_path: Path
) -> None:
    async with playing_worker(broker) as worker, running(quick(tmp_path), broker) as agent:
        agent.script.put(1, 2, 3)
        agent.script.put(4, channel=Channel.EVENT)
        agent.script.put(5, channel=Channel.BACKFILL)
        agent.script.end()
        report = await asyncio.wait_for(agent.task, 10)
    assert worker.values(GATEWAY) == [1, 2, 3, 4, 5]
    assert {one.channel for one in worker.got} == {Channel.LIVE, Channel.EVENT, Channel.BACKFILL}
    assert worker.content_types == {"application/senml+json"}
    assert (report.accepted, report.receipted, report.pending, report.resent) == (5, 5, 0, 0)


async def test_the_brokers_word_is_no_receipt(broker: PrivateMosquitto, tmp_path: Path) -> None:
    """All was acknowledged by the broker and seen by a worker, which commits nothing."""
    cfg = quick(tmp_path, drain_s=0.2)
    async with playing_worker(broker, receipts=False) as worker, running(cfg, broker) as agent:
        agent.script.put(1, 2, 3)
        await eventually(lambda: len(worker.seqs(GATEWAY)) == 3)
        report = await agent.stop()
    assert (report.accepted, report.receipted, report.pending) == (3, 0, 3)


async def test_what_stays_unreceipted_is_sent_again_with_growing_pauses(
    broker: PrivateMosquitto, tmp_path: Path
) -> None:
    async with (
        playing_worker(broker, receipts=False) as worker,
        running(quick(tmp_path), broker) as agent,
    ):
        agent.script.put(1)
        await eventually(partial(sent, worker, 3))
        first, second, third = (one.at_s for one in worker.got)
        # Never early; how late depends on the machine.
        assert second - first > 0.35
        assert third - second > 0.75
        worker.receipts = True
        report = await agent.stop()
    assert (report.receipted, report.pending) == (1, 0)
    assert set(worker.seqs(GATEWAY)) == {(worker.got[0].epoch, 1)}


async def test_only_what_is_missing_is_sent_again(broker: PrivateMosquitto, tmp_path: Path) -> None:
    async with playing_worker(broker) as worker, running(quick(tmp_path), broker) as agent:
        worker.deaf = {3, 5}
        agent.script.put(*range(8))
        await eventually(lambda: len(worker.seqs(GATEWAY)) == 6)
        worker.deaf = set()
        report = await agent.stop()
    assert worker.values(GATEWAY) == list(range(8))
    assert set(worker.seqs(GATEWAY).values()) == {1}
    assert report.resent >= 2


async def test_a_broker_killed_after_its_acknowledgement_loses_nothing(
    broker: PrivateMosquitto, tmp_path: Path
) -> None:
    """The broker had them all, and the worker lost them: they come again."""
    async with playing_worker(broker, receipts=False) as worker:
        worker.deaf = set(range(1, 51))
        async with running(quick(tmp_path, resend_after_s=2.0), broker) as agent:
            agent.script.put(*range(50))
            await eventually(lambda: worker.thrown >= 50)
            await asyncio.to_thread(broker.kill)
            agent.script.put(*range(50, 60))
            worker.deaf, worker.receipts = set(), True
            await asyncio.to_thread(broker.start)
            await eventually(lambda: len(worker.seqs(GATEWAY)) == 60, 20)
            report = await agent.stop()
    assert worker.values(GATEWAY) == list(range(60))
    assert (report.accepted, report.receipted, report.pending) == (60, 60, 0)
    assert report.sessions == 2


async def test_broker_kills_amid_the_flow_lose_and_double_nothing(
    broker: PrivateMosquitto, tmp_path: Path
) -> None:
    async with playing_worker(broker) as worker, running(quick(tmp_path), broker) as agent:
        for round_ in range(3):
            agent.script.put(*range(round_ * 40, round_ * 40 + 40))
            await eventually(partial(sent, worker, round_ * 40 + 6), 20)
            await asyncio.to_thread(broker.kill)
            await asyncio.to_thread(broker.start)
        await eventually(lambda: len(worker.seqs(GATEWAY)) == 120, 20)
        report = await agent.stop()
    assert worker.values(GATEWAY) == list(range(120))
    assert (report.accepted, report.receipted, report.pending) == (120, 120, 0)


async def test_a_receipt_missed_while_away_is_made_up_after_the_reconnect(
    broker: PrivateMosquitto, tmp_path: Path
) -> None:
    link = LinkControl()
    async with (
        playing_worker(broker, receipts=False) as worker,
        running(quick(tmp_path), broker, link=link) as agent,
    ):
        agent.script.put(1, 2)
        await eventually(lambda: len(worker.seqs(GATEWAY)) == 2)
        link.cut()
        await eventually(lambda: not link.connected)
        agent.script.put(3, 4)
        worker.receipts = True
        await offline(worker)
        link.heal()
        await online(worker)
        report = await agent.stop()
    assert worker.values(GATEWAY) == [1, 2, 3, 4]
    assert (report.receipted, report.pending) == (4, 0)


async def test_the_last_will_appears_when_the_agent_is_cut_and_not_when_it_stops(
    broker: PrivateMosquitto, tmp_path: Path
) -> None:
    async with playing_worker(broker) as worker:
        async with running(quick(tmp_path), broker) as agent:
            await online(worker)
            await agent.kill()
            await offline(worker)
        assert worker.last_status(GATEWAY) == {"online": False, "gateway": GATEWAY}
        async with running(quick(tmp_path), broker) as agent:
            await online(worker)
            await agent.stop()
            await offline(worker)
        assert worker.last_status(GATEWAY)["accepted"] == 0


async def test_a_short_break_calls_nobody_offline(broker: PrivateMosquitto, tmp_path: Path) -> None:
    """The agent is back before the will's delay is over, so the broker keeps the will to itself."""
    link = LinkControl()
    async with (
        playing_worker(broker) as worker,
        running(quick(tmp_path, will_delay_s=2), broker, link=link) as agent,
    ):
        await online(worker)
        link.cut()
        await eventually(lambda: not link.connected)
        link.heal()
        await eventually(lambda: len(worker.statuses) == 2)
        agent.script.put(1)
        await eventually(lambda: worker.values(GATEWAY) == [1])
        wills = [body for _, _, body in worker.statuses if not body["online"]]
        assert wills == []


async def test_a_cancellation_that_a_library_swallows_is_heeded() -> None:
    """asyncio.wait_for of Python 3.11 does so when its result comes in the same turn."""
    answer: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    async def victim() -> None:
        await asyncio.wait_for(answer, 5)
        heed_cancel()

    async with asyncio.TaskGroup() as group:
        task = group.create_task(victim())
        await asyncio.sleep(0)
        answer.set_result(None)
        await asyncio.sleep(0)
        task.cancel()
        await asyncio.wait([task])
        assert task.cancelled()


@pytest.mark.parametrize("turns", range(0, 60, 3))
async def test_a_kill_at_any_turn_of_the_loop_is_obeyed(
    broker: PrivateMosquitto, tmp_path: Path, turns: int
) -> None:
    """Also in the turn in which the broker's answer comes, and without leaving a task behind."""
    mqtt = MqttConfig(host=broker.host, port=broker.port)
    before = asyncio.all_tasks()
    agent = run_agent(quick(tmp_path), mqtt, Script(), password=broker.password(GATEWAY))
    async with asyncio.TaskGroup() as group:
        task = group.create_task(agent)
        for _ in range(turns):
            # A turn of a thousandth: the connect runs in a thread, whose answer takes real time.
            await asyncio.sleep(0.001)
        task.cancel()
        await asyncio.wait([task], timeout=5)
        assert task.cancelled()
    await eventually(lambda: asyncio.all_tasks() == before, 5)


async def test_the_status_is_retained(broker: PrivateMosquitto, tmp_path: Path) -> None:
    async with playing_worker(broker) as worker, running(quick(tmp_path), broker) as agent:
        agent.script.put(1)
        await online(worker)
        async with playing_worker(broker) as late:
            await online(late)
        name, retained, body = late.statuses[0]
        assert (name, retained) == (GATEWAY, True)
        facts = {"at", "version", "gateway", "spooled", "accepted", "receipted", "dropped"}
        assert facts <= set(body)
        await agent.stop()
    async with playing_worker(broker) as later:
        await offline(later)
    assert later.statuses[0][1]


async def test_a_full_spool_drops_the_oldest_and_counts_them(
    broker: PrivateMosquitto, tmp_path: Path
) -> None:
    link = LinkControl()
    link.cut()
    cfg = quick(tmp_path, spool_max_messages=10)
    async with playing_worker(broker) as worker, running(cfg, broker, link=link) as agent:
        agent.script.put(*range(35))
        agent.script.put(99, channel=Channel.EVENT)
        await eventually(agent.script.idle)
        link.heal()
        report = await agent.stop()
    assert worker.values(GATEWAY) == [*range(26, 35), 99]
    assert (report.accepted, report.dropped, report.receipted) == (36, 26, 10)
    assert {one.low for one in worker.got if one.seq == 36} == {27}


async def test_an_event_overtakes_a_backlog(broker: PrivateMosquitto, tmp_path: Path) -> None:
    """The window is full of unreceipted messages, and a hundred more wait; the event still goes."""
    cfg = quick(tmp_path, inflight_messages=5, drain_s=0.2, resend_after_s=60.0)
    async with playing_worker(broker, receipts=False) as worker, running(cfg, broker) as agent:
        agent.script.put(*range(100))
        await eventually(lambda: len(worker.got) == 5)
        agent.script.put(1000, channel=Channel.EVENT)
        await eventually(lambda: len(worker.got) == 6)
        assert list(worker.got[-1].values) == [1000]
        worker.receipts = True
        await eventually(lambda: len(worker.seqs(GATEWAY)) == 101)
    assert set(worker.seqs(GATEWAY).values()) == {1}


async def test_without_a_worker_the_broker_gets_no_more_than_the_window(
    broker: PrivateMosquitto, tmp_path: Path
) -> None:
    cfg = quick(tmp_path, inflight_messages=10, drain_s=0.1, resend_after_s=60.0)
    async with playing_worker(broker, receipts=False) as worker, running(cfg, broker) as agent:
        agent.script.put(*range(200))
        await eventually(lambda: agent.script.idle() and len(worker.got) >= 10)
        report = await agent.stop()
    assert worker.seqs(GATEWAY).total() == 10
    assert report.pending == report.accepted == 200


async def test_a_frozen_way_is_noticed_and_healed(broker: PrivateMosquitto, tmp_path: Path) -> None:
    """No byte passes and no side is told: the acknowledgement that stays out ends the link."""
    cfg, link = quick(tmp_path, puback_timeout_s=1.0), LinkControl()
    with proxy_to(broker.host, broker.port) as proxy:
        async with (
            playing_worker(broker) as worker,
            running(cfg, broker, port=proxy.port, link=link) as agent,
        ):
            agent.script.put(1)
            await eventually(lambda: worker.values(GATEWAY) == [1])
            proxy.freeze()
            agent.script.put(2, 3)
            await eventually(lambda: not link.connected)
            proxy.heal()
            await eventually(lambda: worker.values(GATEWAY) == [1, 2, 3], 15)
            report = await agent.stop()
    assert (report.accepted, report.receipted) == (3, 3)


async def test_a_stop_with_a_frozen_broker_ends_in_time_and_keeps_everything(
    broker: PrivateMosquitto, tmp_path: Path
) -> None:
    cfg = quick(tmp_path, drain_s=0.5)
    with proxy_to(broker.host, broker.port) as proxy:
        async with playing_worker(broker) as worker:
            async with running(cfg, broker, port=proxy.port) as agent:
                await online(worker)
                proxy.freeze()
                agent.script.put(1, 2)
                await eventually(agent.script.idle)
                began = time.monotonic()
                report = await agent.stop()
                assert time.monotonic() - began < 5
                proxy.heal()
            assert report.pending == 2
            async with running(cfg, broker) as agent:
                report = await agent.stop()
    assert (report.carried, report.receipted, report.pending) == (2, 2, 0)
    assert worker.values(GATEWAY) == [1, 2]


async def test_a_broker_that_is_away_is_told_once_and_its_return_once(
    broker: PrivateMosquitto, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("DEBUG", logger="edge.uplink")

    def told(words: str, level: str) -> int:
        mine = [one for one in caplog.records if one.name == "edge.uplink"]
        return len([one for one in mine if words in one.message and one.levelname == level])

    async with playing_worker(broker) as worker, running(quick(tmp_path), broker) as agent:
        await online(worker)
        await asyncio.to_thread(broker.kill)
        agent.script.put(1)
        await eventually(lambda: told("is away", "DEBUG") >= 3)
        await asyncio.to_thread(broker.start)
        await eventually(lambda: worker.values(GATEWAY) == [1], 15)
    assert told("is away", "WARNING") == 1
    assert told("is back", "INFO") == 1


async def test_a_wrong_password_is_told_and_readings_stay(
    broker: PrivateMosquitto, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    mqtt = MqttConfig(host=broker.host, port=broker.port)
    script = Script()
    script.put(1)
    script.end()
    cfg = quick(tmp_path, drain_s=0.5)
    report = await run_agent(cfg, mqtt, script, password="wrong")
    assert report.pending == 1
    assert "Not authorized" in caplog.text


async def test_receipts_that_make_no_sense_are_ignored(
    broker: PrivateMosquitto, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with (
        playing_worker(broker, receipts=False) as worker,
        running(quick(tmp_path), broker) as agent,
    ):
        agent.script.put(1, 2)
        await eventually(lambda: len(worker.seqs(GATEWAY)) == 2)
        epoch = worker.got[0].epoch
        bodies = (
            b"no json",
            b'{"low": 2}',
            b"[]",
            b'{"ep": %d, "low": 2}' % (epoch - 1),
            b'{"ep": %d, "low": 99}' % epoch,
            b'{"ep": %d, "low": 0, "above": [77]}' % epoch,
            b'{"ep": %d, "low": -5, "above": []}' % epoch,
        )
        async with aiomqtt.Client(
            broker.host,
            broker.port,
            username="ingest",
            password=broker.password("ingest"),
            protocol=aiomqtt.ProtocolVersion.V5,
        ) as client:
            for body in bodies:
                await client.publish(topic(GATEWAY, Channel.RECEIPT), body, qos=1)
        await eventually(lambda: "given out" in caplog.text and "no receipt" in caplog.text)
        worker.receipts = True
        report = await agent.stop()
    assert (report.receipted, report.pending) == (2, 0)


async def test_a_failing_driver_ends_the_agent_and_what_it_put_is_in_the_spool(
    broker: PrivateMosquitto, tmp_path: Path
) -> None:
    class Failing:
        async def run(self, sink: Sink) -> None:
            await sink.put([reading(1)])
            raise LookupError("the field bus is gone")

    cfg = quick(tmp_path, flush_s=10.0, batch_readings=50)
    mqtt = MqttConfig(host=broker.host, port=broker.port)
    with pytest.raises(LookupError, match="field bus"):
        await run_agent(cfg, mqtt, Failing(), password=broker.password(GATEWAY))
    with Spool.open(cfg.spool_path(), 10) as spool:
        assert spool.counts.pending == 1


async def test_many_agents_share_one_loop_and_one_dies_and_comes_back(
    broker: PrivateMosquitto, tmp_path: Path
) -> None:
    names = [f"gw-{n:02}" for n in range(1, 13)]
    async with playing_worker(broker) as worker, asyncio.TaskGroup() as group:
        agents: dict[str, Running] = {}

        def start(name: str) -> None:
            stop, script = asyncio.Event(), Script()
            cfg = quick(tmp_path, gateway_id=name)
            mqtt = MqttConfig(host=broker.host, port=broker.port)
            work = run_agent(cfg, mqtt, script, password=broker.password(name), stop=stop)
            agents[name] = Running(group.create_task(work), stop, script)

        for name in names:
            start(name)
        for name in names:
            agents[name].script.put(*range(10))
        await eventually(lambda: all(len(worker.seqs(name)) == 10 for name in names), 20)
        await agents["gw-03"].kill()
        start("gw-03")
        for name in names:
            agents[name].script.put(*range(10, 20))
        await eventually(lambda: all(len(worker.seqs(name)) == 20 for name in names), 20)
        reports = [await one.stop() for one in agents.values()]
    for name in names:
        assert worker.values(name) == list(range(20))
    assert all(report.pending == 0 for report in reports)


async def test_the_health_page_tells_readiness_and_figures(
    broker: PrivateMosquitto, tmp_path: Path, free_port: int
) -> None:
    def page(path: str) -> tuple[int, str]:
        connection = HTTPConnection("127.0.0.1", free_port, timeout=5)
        try:
            connection.request("GET", path)
            answer = connection.getresponse()
            return answer.status, answer.read().decode()
        finally:
            connection.close()

    cfg = quick(tmp_path, http_port=free_port)
    async with playing_worker(broker) as worker, running(cfg, broker) as agent:
        agent.script.put(1)
        await eventually(lambda: worker.values(GATEWAY) == [1])
        assert (await asyncio.to_thread(page, "/livez"))[0] == 200
        assert (await asyncio.to_thread(page, "/readyz"))[0] == 200
        _, figures = await asyncio.to_thread(page, "/metrics")
        assert "blocktwin_agent_accepted_total 1\n" in figures
        await asyncio.to_thread(broker.kill)

        await asyncio.to_thread(wait_until, lambda: page("/readyz")[0] == 503)
        assert "failed broker" in (await asyncio.to_thread(page, "/readyz?verbose"))[1]
        await asyncio.to_thread(broker.start)
