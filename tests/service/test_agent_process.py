"""``blocktwin agent`` as its own process: kill -9, a clean stop, what it takes of the machine."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from pathlib import Path
from typing import Any

import psutil
import pytest

from dev.servers import PrivateMosquitto
from tests.support.receiving import playing_worker
from tests.support.servers import Program, Runner, settings
from tests.support.waiting import eventually

GATEWAY = "gw-a"
RSS_BYTES = 60e6
CPU_SHARE = 0.05


def environment(broker: PrivateMosquitto, spool: Path, **more: Any) -> dict[str, str]:
    base: dict[str, Any] = {
        "agent__gateway_id": GATEWAY,
        "agent__spool_dir": str(spool),
        "agent__driver": "tests.support.agent_process:counting",
        "agent__resend_after_s": 0.5,
        "agent__reconnect_first_s": 0.05,
        "agent__will_delay_s": 1,
    }
    return settings(broker=broker, user=GATEWAY, **(base | more))


def start(
    run: Runner, broker: PrivateMosquitto, spool: Path, options: dict[str, str], **more: object
) -> Program:
    return run("agent", env=environment(broker, spool, agent__driver_options=options, **more))


async def test_kills_amid_the_flow_lose_and_double_no_sequence(
    broker: PrivateMosquitto, tmp_path: Path, run_blocktwin: Runner
) -> None:
    """Each life counts on from its own thousand; what was in a spool at the kill comes later."""
    options = {"pause_s": "0.005"}
    async with playing_worker(broker) as worker:
        worker.deaf = {5, 6, 7, 40, 41}
        for life in range(3):
            words = options | {"start": str(life * 1000)}
            small = {"agent__batch_readings": 3, "agent__flush_s": 0.02}
            agent = start(run_blocktwin, broker, tmp_path, words, **small)
            floor = life * 1000
            await eventually(
                lambda at=floor: sum(v >= at for v in worker.values(GATEWAY)) > 60,  # type: ignore[misc]
                20,
            )
            agent.kill()
        worker.deaf = set()
        last = {"agent__driver": "idle", "agent__driver_options": {}}
        seen = len(worker.statuses)
        idle = run_blocktwin("agent", env=environment(broker, tmp_path, **last))

        await eventually(lambda: any(one["online"] for _, _, one in worker.statuses[seen:]), 20)
        assert await asyncio.to_thread(idle.stop)
        assert idle.exit_code == 0
        assert '"pending": 0' in idle.output()
    seqs = worker.seqs(GATEWAY)
    epochs = {epoch for epoch, _ in seqs}
    assert len(epochs) == 1
    assert sorted(seq for _, seq in seqs) == list(range(1, len(seqs) + 1))
    values = worker.values(GATEWAY)
    for life in range(3):
        mine = [value - life * 1000 for value in values if value // 1000 == life]
        assert mine == list(range(len(mine)))
    assert len(values) == sum(len(one) for one in {g.seq: g.values for g in worker.got}.values())


async def test_a_killed_agent_leaves_its_will_and_a_stopped_one_its_word(
    broker: PrivateMosquitto, tmp_path: Path, run_blocktwin: Runner
) -> None:
    async with playing_worker(broker) as worker:
        options = {"start": "0", "pause_s": "0.05"}
        agent = start(run_blocktwin, broker, tmp_path, options)
        await eventually(lambda: worker.last_status(GATEWAY).get("online") is True, 20)
        agent.kill()
        await eventually(lambda: worker.last_status(GATEWAY).get("online") is False, 10)
        assert worker.last_status(GATEWAY) == {"online": False, "gateway": GATEWAY}
        agent = start(run_blocktwin, broker, tmp_path, options)
        await eventually(lambda: worker.last_status(GATEWAY).get("online") is True, 20)
        assert await asyncio.to_thread(agent.stop)
        assert agent.exit_code == 0
        await eventually(lambda: worker.last_status(GATEWAY).get("online") is False, 10)
        assert worker.last_status(GATEWAY)["spooled"] == 0


async def test_a_second_agent_on_one_spool_is_refused(
    broker: PrivateMosquitto, tmp_path: Path, run_blocktwin: Runner
) -> None:
    async with playing_worker(broker) as worker:
        options = {"start": "0", "pause_s": "0.05"}
        start(run_blocktwin, broker, tmp_path, options)
        await eventually(lambda: worker.last_status(GATEWAY).get("online") is True, 20)
        second = start(run_blocktwin, broker, tmp_path, options)
        code = await asyncio.to_thread(second.wait, 20)
    assert code == 2
    assert "in use by another agent" in second.output()
    assert "Traceback" not in second.output()


@pytest.mark.slow
async def test_a_hundred_readings_a_second_fit_the_budget(
    broker: PrivateMosquitto,
    tmp_path: Path,
    run_blocktwin: Runner,
) -> None:
    """Ten devices at 10 Hz through spool, broker and receipts."""
    async with playing_worker(broker) as worker:
        options = {"start": "0", "pause_s": "0.1", "each": "10"}
        production = {"agent__resend_after_s": 5.0}
        agent = start(run_blocktwin, broker, tmp_path, options, **production)
        await eventually(lambda: len(worker.got) > 5, 20)
        process = psutil.Process(agent.pid)
        before, first = process.cpu_times(), len(worker.got)
        await eventually(lambda: len(worker.got) >= first + 50, 60)
        after = process.cpu_times()
        seconds = worker.got[first + 49].at_s - worker.got[first - 1].at_s
        readings = sum(len(one.values) for one in worker.got[first : first + 50])
        cpu = (after.user + after.system - before.user - before.system) / seconds
        rss = process.memory_info().rss
    sys.stdout.write(f"{cpu:.1%} of a core, RSS {rss / 1e6:.1f} MB\n")
    assert readings / seconds > 80
    assert cpu <= CPU_SHARE
    assert rss <= RSS_BYTES


@pytest.mark.slow
@pytest.mark.parametrize("stuck", ["worker", "broker"])
async def test_memory_stays_bounded_while_something_is_stuck(
    broker: PrivateMosquitto,
    tmp_path: Path,
    run_blocktwin: Runner,
    stuck: str,
) -> None:
    """A worker that commits nothing, a broker that answers nothing: readings pile up on disk."""
    async with playing_worker(broker, receipts=stuck == "broker") as worker:
        options = {"start": "0", "pause_s": "0.01", "each": "100"}
        patient = {"agent__resend_after_s": 600.0, "agent__puback_timeout_s": 600.0}
        agent = start(run_blocktwin, broker, tmp_path, options, **patient)
        await eventually(lambda: len(worker.got) >= 100, 20)
        if stuck == "broker":
            os.kill(broker.pid, signal.SIGSTOP)
        try:
            process = psutil.Process(agent.pid)
            early = process.memory_info().rss
            spool = tmp_path / GATEWAY / "spool.db"
            await eventually(lambda: spool.stat().st_size > 6e6, 60)
            late = process.memory_info().rss
        finally:
            os.kill(broker.pid, signal.SIGCONT)
        if stuck == "worker":
            assert len(worker.got) == 100
    sys.stdout.write(f"RSS {early / 1e6:.1f} MB, then {late / 1e6:.1f} MB\n")
    assert late <= RSS_BYTES
    assert late - early < 6e6
