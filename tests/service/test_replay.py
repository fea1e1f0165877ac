"""``blocktwin replay`` on a real broker."""

from __future__ import annotations

import asyncio
import json
import time
from pathlib import Path

import pytest

from core.model import Channel
from dev.servers import PrivateMosquitto
from edge.mapping import load_mapping
from edge.recording import open_recording
from tests.support.receiving import playing_worker
from tests.support.servers import Runner, running_broker, settings
from tests.support.waiting import eventually

DATA = Path("../shared/data")

MAPPING = """\
[file]
time = "when"
time_format = "unix"
[gateway]
id = "gw-a"
name = "A"
lon = 114.1
lat = 22.5
[[value]]
column = "a"
device = "dev.{room}"
quantity = "temperature"
kind = "heat"
interval_s = 1
lon = 114.1
lat = 22.5
"""


def write(tmp_path: Path, rows: list[str]) -> tuple[str, str]:
    data, mapping = tmp_path / "d.csv", tmp_path / "m.toml"
    data.write_text("when,room,a\n" + "".join(row + "\n" for row in rows))
    mapping.write_text(MAPPING)
    return str(data), str(mapping)


async def test_a_recording_arrives_with_its_own_times_and_bad_cells_are_told(
    broker: PrivateMosquitto, tmp_path: Path, run_blocktwin: Runner
) -> None:
    rows = [f"{1500000000 + n},r{n % 3},{n}" for n in range(2000)]
    rows[700] = "1500000700,r1,broken"
    data, mapping = write(tmp_path, rows)
    async with playing_worker(broker) as worker:
        program = run_blocktwin(
            "replay", data, "--map", mapping, "--speed", "max", "--json",
            env=settings(broker=broker, user="gw-a"),
        )  # fmt: skip
        code = await asyncio.to_thread(program.wait, 60)
    assert code == 1
    assert f"refused {data}:702:3: no finite number ('broken')" in program.output()
    facts = json.loads(program.output().strip().splitlines()[-1])
    wanted = {"rows": 2000, "readings": 1999, "refused": 1, "accepted": 1999, "receipted": 1999}
    assert (wanted | {"pending": 0, "complete": True}).items() <= facts.items()
    assert worker.values("gw-a") == [float(n) for n in range(2000) if n != 700]
    assert {one.channel for one in worker.got} == {Channel.LIVE}
    assert {name for one in worker.got for name in one.names} == {
        f"dev.r{n}:temperature" for n in range(3)
    }


async def test_a_paced_replay_takes_its_time(
    broker: PrivateMosquitto, tmp_path: Path, run_blocktwin: Runner
) -> None:
    data, mapping = write(tmp_path, [f"{1500000000 + n},r,{n}" for n in range(61)])
    async with playing_worker(broker) as worker:
        program = run_blocktwin(
            "replay", data, "--map", mapping, "--speed", "30",
            env=settings(broker=broker, user="gw-a"),
        )  # fmt: skip
        assert await asyncio.to_thread(program.wait, 60) == 0
    assert len(worker.values("gw-a")) == 61
    assert 1.4 < worker.got[-1].at_s - worker.got[0].at_s < 10


async def test_without_a_worker_a_replay_gives_up_and_says_so(
    broker: PrivateMosquitto, tmp_path: Path, run_blocktwin: Runner
) -> None:
    data, mapping = write(tmp_path, ["1500000000,r,1"])
    program = run_blocktwin(
        "replay", data, "--map", mapping, "--speed", "max", "--patience", "0.5", "--json",
        env=settings(broker=broker, user="gw-a", agent__drain_s=0.5),
    )  # fmt: skip
    code = await asyncio.to_thread(program.wait, 30)
    facts = json.loads(program.output().strip().splitlines()[-1])
    assert code == 1
    assert (facts["pending"], facts["receipted"], facts["complete"]) == (1, 0, False)


async def test_a_stopped_replay_drains_and_exits_with_130(
    broker: PrivateMosquitto, tmp_path: Path, run_blocktwin: Runner
) -> None:
    data, mapping = write(tmp_path, [f"{1500000000 + n},r,{n}" for n in range(1000)])
    async with playing_worker(broker) as worker:
        program = run_blocktwin(
            "replay", data, "--map", mapping, "--json",
            env=settings(broker=broker, user="gw-a"),
        )  # fmt: skip
        await eventually(lambda: worker.values("gw-a"), 20)
        began_s = time.monotonic()
        program.interrupt()
        assert await asyncio.to_thread(program.wait, 15) == 130
        assert time.monotonic() - began_s < 10
    facts = json.loads(program.output().strip().splitlines()[-1])
    assert facts["accepted"] == facts["receipted"] == len(worker.values("gw-a"))
    assert facts["pending"] == 0


async def test_a_broker_that_dies_amid_a_replay_costs_nothing(
    broker: PrivateMosquitto, tmp_path: Path, run_blocktwin: Runner
) -> None:
    data, mapping = write(tmp_path, [f"{1500000000 + n},r,{n}" for n in range(40_000)])
    async with playing_worker(broker) as worker:
        program = run_blocktwin(
            "replay", data, "--map", mapping, "--speed", "max", "--json",
            env=settings(broker=broker, user="gw-a", agent__resend_after_s=1.0),
        )  # fmt: skip
        await eventually(lambda: worker.got, 20)
        await asyncio.to_thread(broker.kill)
        await asyncio.to_thread(broker.start)
        assert await asyncio.to_thread(program.wait, 60) == 0
    assert worker.values("gw-a") == [float(n) for n in range(40_000)]


async def test_an_agent_may_replay_by_its_settings(
    broker: PrivateMosquitto, tmp_path: Path, run_blocktwin: Runner
) -> None:
    data, mapping = write(tmp_path, [f"{1500000000 + n},r,{n}" for n in range(10)])
    env = settings(
        broker=broker,
        user="gw-a",
        agent__gateway_id="gw-a",
        agent__spool_dir=str(tmp_path / "spool"),
        agent__driver="replay",
        agent__driver_options={"file": data, "map": mapping, "speed": "max"},
    )
    async with playing_worker(broker) as worker:
        assert await asyncio.to_thread(run_blocktwin("agent", env=env).wait, 30) == 0
    assert worker.values("gw-a") == [float(n) for n in range(10)]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("mapping", "file", "readings"),
    [
        ("fire_compartments", "fire_compartments/temperatures.csv.gz", 365_724),
        ("river_franklin", "river_water/FranklinBasin2020.csv.gz", 70_272),
        ("river_franklin", "river_water/MainStreet2020.csv.gz", 52_416),
    ],
)
async def test_the_example_mappings_fit_the_recordings(
    tmp_path: Path, run_blocktwin: Runner, mapping: str, file: str, readings: int
) -> None:
    recording, path = DATA / file, Path("examples/replay") / f"{mapping}.toml"
    if not recording.exists():
        pytest.skip(f"{recording} is not there")
    gateway = load_mapping(path).gateway.id
    with running_broker(("ingest", gateway)) as broker:
        async with playing_worker(broker) as worker:
            program = run_blocktwin(
                "replay", str(recording), "--map", str(path), "--speed", "max", "--json",
                env=settings(broker=broker, user=gateway),
            )  # fmt: skip
            assert await asyncio.to_thread(program.wait, 120) == 0
    facts = json.loads(program.output().strip().splitlines()[-1])
    assert (facts["receipted"], facts["refused"], facts["empty"]) == (readings, 0, 0)
    assert len(worker.values(gateway)) == readings
    with open_recording(recording, load_mapping(path)) as again:
        wanted = [reading.value for row in again.rows() for reading in row.readings]
    assert worker.values(gateway) == wanted
