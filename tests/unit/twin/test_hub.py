"""Event streams: bounded queues, one encoding, ends that are felt at once."""

from __future__ import annotations

import asyncio

import pytest

from twin.api.hub import Frame, Hub, frame
from twin.api.problems import Refused


def numbered(number: int) -> Frame:
    return frame("alarm", {"n": number}, event_id=number)


def test_a_frame_is_what_the_standard_says() -> None:
    assert numbered(7).data == b'id: 7\nevent: alarm\ndata: {"n":7}\n\n'
    assert frame("state", "a\nb").data == b'event: state\ndata: "a\\nb"\n\n'


async def test_every_stream_gets_the_same_bytes() -> None:
    hub = Hub(streams=2, queue=4)
    one, two = hub.open(), hub.open()
    hub.publish(numbered(1))
    assert (await one.get(1))[0].data is (await two.get(1))[0].data


async def test_waiting_ends_with_the_timeout_or_the_next_frame() -> None:
    hub = Hub(streams=1, queue=4)
    stream = hub.open()
    assert await stream.get(0.001) == []
    async with asyncio.TaskGroup() as tasks:
        got = tasks.create_task(stream.get(5), name="reader")
        await asyncio.sleep(0)
        hub.publish(numbered(1))
        hub.publish(numbered(2))
    assert [f.event_id for f in got.result()] == [1, 2]


async def test_a_slow_stream_ends_and_the_others_go_on() -> None:
    hub = Hub(streams=2, queue=2)
    slow, quick = hub.open(), hub.open()
    for number in (1, 2, 3):
        hub.publish(numbered(number))
        await quick.get(1)
    assert slow.ended
    assert await slow.get(1) == []
    assert not quick.ended
    assert (len(hub), hub.dropped) == (1, 1)


async def test_closing_wakes_whoever_waits_and_lets_nobody_in() -> None:
    hub = Hub(streams=2, queue=2)
    stream = hub.open()
    async with asyncio.TaskGroup() as tasks, asyncio.timeout(2):
        got = tasks.create_task(stream.get(60), name="reader")
        await asyncio.sleep(0)
        hub.close()
    assert got.result() == []
    with pytest.raises(Refused, match="stopping"):
        hub.open()


def test_there_is_a_bound_on_streams() -> None:
    hub = Hub(streams=1, queue=2)
    stream = hub.open()
    with pytest.raises(Refused, match="too many") as caught:
        hub.open()
    assert caught.value.status == 503
    hub.leave(stream)
    hub.leave(stream)
    hub.open()


def test_unnumbered_frames_can_be_skipped() -> None:
    hub = Hub(streams=1, queue=9)
    stream = hub.open()
    hub.publish(frame("state", 1))
    hub.publish(numbered(1))
    stream.skip_unnumbered()
    assert [f.event_id for f in asyncio.run(stream.get(1))] == [1]
