from __future__ import annotations

import asyncio
import logging

import pytest

from alerts.notify.keep import kept


class Broken(Exception):
    """A fault of the program."""


async def test_what_a_fault_ends_is_begun_again(caplog: pytest.LogCaptureFixture) -> None:
    stop, turns, faults = asyncio.Event(), 0, 0

    async def work() -> None:
        nonlocal turns
        turns += 1
        if turns < 3:
            raise Broken("no such key")

    def faulty() -> None:
        nonlocal faults
        faults += 1

    with caplog.at_level(logging.ERROR):
        await kept("desk", work, stop, faulty=faulty, again_s=0.0)
    assert (turns, faults) == (3, 2)
    assert "desk: ended by a fault" in caplog.text
    assert "no such key" in caplog.text


async def test_after_the_stop_nothing_is_begun_again() -> None:
    stop = asyncio.Event()

    async def work() -> None:
        stop.set()
        raise Broken

    await kept("desk", work, stop, again_s=3600.0)


async def test_a_cancelled_keeper_ends_what_it_keeps() -> None:
    began, ended = asyncio.Event(), asyncio.Event()

    async def work() -> None:
        began.set()
        try:
            await asyncio.sleep(3600)
        finally:
            ended.set()

    keeper = asyncio.create_task(kept("desk", work, asyncio.Event()))
    await began.wait()
    keeper.cancel()
    with pytest.raises(asyncio.CancelledError):
        await keeper
    assert ended.is_set()
