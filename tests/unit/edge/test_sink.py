"""The sink: how readings become messages, and that none is lost or kept twice on the way."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core import senml
from core.model import Channel, Reading
from edge.sink import Signals, SpoolSink
from edge.spool import Spool
from tests.support.waiting import eventually


def reading(value: float, at_s: float = 1.79e9) -> Reading:
    return Reading(device="d1", quantity="temperature", observed_s=at_s, value=value)


@pytest.fixture
def spool(tmp_path: Path) -> Iterator[Spool]:
    with Spool.open(tmp_path / "spool.db", 1000) as opened:
        yield opened


def sink_of(spool: Spool, *, batch: int = 10, wait_at: int | None = None) -> SpoolSink:
    return SpoolSink(spool, Signals(), batch_readings=batch, flush_s=0.05, wait_at_messages=wait_at)


def sizes(spool: Spool) -> list[tuple[Channel, int]]:
    return [(message.channel, message.readings) for message in spool.pending(limit=1000)]


def values(spool: Spool) -> list[object]:
    return [
        row.value
        for message in spool.pending(limit=1000)
        for row in senml.resolve(senml.decode_json(message.body), 0.0)
    ]


async def test_full_messages_go_at_once_and_the_rest_with_the_flush(spool: Spool) -> None:
    sink = sink_of(spool)
    await sink.put([reading(n) for n in range(25)])
    assert sizes(spool) == [(Channel.LIVE, 10), (Channel.LIVE, 10)]
    assert sink.waiting == 5
    await sink.flush()
    assert sizes(spool)[-1] == (Channel.LIVE, 5)
    assert values(spool) == list(range(25))


async def test_an_event_is_on_disk_when_put_returns_and_leaves_others_waiting(
    spool: Spool,
) -> None:
    sink = sink_of(spool)
    await sink.put([reading(1)])
    await sink.put([reading(2)], Channel.EVENT)
    assert sizes(spool) == [(Channel.EVENT, 1)]
    assert sink.waiting == 1


async def test_what_waits_is_flushed_in_time(spool: Spool) -> None:
    sink = sink_of(spool)
    async with asyncio.TaskGroup() as group:
        running = group.create_task(sink.run())
        await sink.put([reading(1)])
        await eventually(lambda: spool.depth == 1, 2)
        await sink.put([reading(2)])
        await eventually(lambda: spool.depth == 2, 2)
        running.cancel()


async def test_channels_are_not_mixed(spool: Spool) -> None:
    sink = sink_of(spool)
    await sink.put([reading(1)], Channel.BACKFILL)
    await sink.put([reading(2)])
    await sink.flush()
    assert sorted(sizes(spool)) == [(Channel.BACKFILL, 1), (Channel.LIVE, 1)]


async def test_what_cannot_travel_is_counted_not_sent(
    spool: Spool, caplog: pytest.LogCaptureFixture
) -> None:
    sink = sink_of(spool)
    bad = [reading(math.nan), reading(math.inf), reading(1, math.nan), reading(1, 86_400.0)]
    await sink.put([*bad, reading(7)])
    await sink.flush()
    assert sink.refused == 4
    assert values(spool) == [7]
    assert len(caplog.records) == 1


async def test_a_source_that_can_wait_waits_while_the_spool_is_full(spool: Spool) -> None:
    sink = sink_of(spool, batch=1, wait_at=3)
    async with asyncio.TaskGroup() as group:
        putting = group.create_task(sink.put([reading(n) for n in range(8)]))
        await eventually(lambda: spool.depth == 3)
        assert not putting.done()
        spool.forget(2)
        await eventually(lambda: spool.depth == 3)
        spool.forget(5)
        await eventually(putting.done)
    assert [message.seq for message in spool.pending()] == [6, 7, 8]
    assert spool.counts.dropped == 0


async def test_a_full_disk_makes_the_driver_wait_and_loses_nothing(
    spool: Spool, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    sink = sink_of(spool)
    spool._conn.execute("PRAGMA max_page_count = 1")
    async with asyncio.TaskGroup() as group:
        putting = group.create_task(sink.put([reading(n) for n in range(500)]))
        await eventually(lambda: "full" in caplog.text)
        spool._conn.execute("PRAGMA max_page_count = 100000")
        await eventually(putting.done)
    assert values(spool) == list(range(500))
    assert "can be written again" in caplog.text


async def test_a_receipt_that_repeats_does_not_end_the_patience(spool: Spool) -> None:
    signals = Signals()
    sink = SpoolSink(spool, signals, batch_readings=10, flush_s=0.05, wait_at_messages=None)
    await sink.put([reading(1)])
    waiting = asyncio.create_task(sink.settled(20.0), name="settling")
    await eventually(lambda: spool.depth == 1)
    signals.forgotten.set()
    await eventually(lambda: not signals.forgotten.is_set())
    spool.forget(1, [])
    signals.forgotten.set()
    assert await waiting


async def test_settled_tells_whether_all_was_receipted(spool: Spool) -> None:
    sink = sink_of(spool)
    await sink.put([reading(1)])
    assert not await sink.settled(0.05)
    spool.forget(1)
    assert await sink.settled(0.05)


@settings(max_examples=30, deadline=None)
@given(
    puts=st.lists(st.integers(1, 30), min_size=1, max_size=8),
    turns=st.integers(0, 12),
)
def test_a_cancelled_put_keeps_every_reading_once_and_in_order(
    tmp_path_factory: pytest.TempPathFactory, puts: list[int], turns: int
) -> None:
    """Wherever the stop strikes, the last flush makes up exactly what had been put."""

    async def scenario(spool: Spool) -> int:
        sink, begun = sink_of(spool, batch=4), 0

        async def drive() -> None:
            nonlocal begun
            for count in puts:
                batch = [reading(begun + n) for n in range(count)]
                begun += count
                await sink.put(batch)

        async with asyncio.TaskGroup() as group:
            driving = group.create_task(drive())
            for _ in range(turns):
                await asyncio.sleep(0)
            driving.cancel()
        await sink.flush()
        return begun

    with Spool.open(tmp_path_factory.mktemp("spool") / "spool.db", 1000) as spool:
        begun = asyncio.run(scenario(spool))
        assert values(spool) == list(range(begun))
