"""What every driver must keep to, run over each of them.

To add one, give a way to open it on a source that holds ``VALUES``, ending or not.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import pytest

from core.model import Channel, Reading, is_id
from core.units import QUANTITIES
from edge.drivers import Driver, Idle, Sink
from edge.drivers.replay import Replay, from_options
from edge.mapping import load_mapping
from edge.recording import open_recording

VALUES = [float(n) for n in range(250)]

_MAPPING = """\
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
device = "dev.a"
quantity = "temperature"
kind = "heat"
interval_s = 1
lon = 114.1
lat = 22.5
"""


class Recorder(Sink):
    """A sink that keeps all it gets, and can refuse to settle or make the driver wait."""

    def __init__(self, *, room: int | None = None, settles: bool = True) -> None:
        self.readings: list[Reading] = []
        self.flushed = False
        self._room = room
        self._settles = settles

    async def put(self, readings: Sequence[Reading], channel: Channel = Channel.LIVE) -> None:
        del channel
        if self._room is not None and len(self.readings) + len(readings) > self._room:
            await asyncio.Event().wait()
        self.readings.extend(readings)

    async def flush(self) -> None:
        self.flushed = True

    async def settled(self, patience_s: float) -> bool:
        del patience_s
        self.flushed = True
        return self._settles


def _files(folder: Path) -> tuple[Path, Path]:
    data, mapping = folder / "d.csv", folder / "m.toml"
    data.write_text("when,a\n" + "".join(f"{1790000000 + v},{v}\n" for v in VALUES))
    mapping.write_text(_MAPPING)
    return data, mapping


@contextmanager
def replay(folder: Path) -> Iterator[Driver]:
    data, mapping = _files(folder)
    with open_recording(data, load_mapping(mapping)) as recording:
        yield Replay(recording, speed=None)


@contextmanager
def replay_by_options(folder: Path) -> Iterator[Driver]:
    data, mapping = _files(folder)
    yield from_options({"file": str(data), "map": str(mapping), "speed": "max"})


ENDING = [replay, replay_by_options]
Opener = Callable[[Path], AbstractContextManager[Driver]]


@pytest.mark.parametrize("opener", ENDING)
async def test_a_driver_puts_its_whole_source_once_in_order_and_ends(
    opener: Opener, tmp_path: Path
) -> None:
    sink = Recorder()
    with opener(tmp_path) as driver:
        await asyncio.wait_for(driver.run(sink), 10)
    assert [reading.value for reading in sink.readings] == VALUES


@pytest.mark.parametrize("opener", ENDING)
async def test_readings_are_well_formed(opener: Opener, tmp_path: Path) -> None:
    sink = Recorder()
    with opener(tmp_path) as driver:
        await asyncio.wait_for(driver.run(sink), 10)
    assert all(is_id(reading.device) for reading in sink.readings)
    assert all(reading.quantity in QUANTITIES for reading in sink.readings)


@pytest.mark.parametrize("opener", ENDING)
async def test_a_driver_waits_for_a_full_sink_and_obeys_a_stop_there(
    opener: Opener, tmp_path: Path
) -> None:
    sink = Recorder(room=100)
    with opener(tmp_path) as driver, pytest.raises(TimeoutError):
        await asyncio.wait_for(driver.run(sink), 0.2)
    assert [reading.value for reading in sink.readings] == VALUES[:100]


async def test_an_idle_driver_never_ends_and_obeys_a_stop() -> None:
    sink = Recorder()
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(Idle().run(sink), 0.1)
    assert sink.readings == []


@pytest.mark.parametrize("settles", [True, False])
async def test_a_replay_is_complete_only_when_all_was_receipted(
    tmp_path: Path, settles: bool
) -> None:
    data, mapping = _files(tmp_path)
    with open_recording(data, load_mapping(mapping)) as recording:
        driver = Replay(recording, speed=None)
        await driver.run(Recorder(settles=settles))
    assert driver.complete is settles
    assert (driver.tally.rows, driver.tally.readings) == (len(VALUES), len(VALUES))
