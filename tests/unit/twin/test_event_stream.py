"""The stream's response: a client that takes nothing is given up, and its place is freed."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator

from starlette.types import Message

from twin.api.hub import frame
from twin.api.routes_events import HEARTBEAT, EventStream, joined, position_of


async def test_a_client_that_takes_nothing_is_cut_off() -> None:
    left = []

    async def flow() -> AsyncGenerator[bytes]:
        try:
            while True:
                yield b"x"
        finally:
            left.append(True)

    async def stuck(message: Message) -> None:
        if message["type"] == "http.response.body":
            await asyncio.Event().wait()

    async with asyncio.timeout(5):
        await EventStream(flow(), write_s=0.01).stream_response(stuck)
    assert left == [True]


def test_what_the_opening_told_is_not_told_again() -> None:
    told, new = (frame("alarm", n, event_id=n) for n in (7, 8))
    plain = frame("state", 0)
    assert joined([told, plain, new], 7) == plain.data + new.data
    assert joined([told], 7) == HEARTBEAT
    assert joined([], 0) == HEARTBEAT


def test_the_header_goes_before_the_query() -> None:
    assert position_of("9", 3) == 9
    assert position_of(None, 3) == 3
    for strange in ("", "x", "-1", "1.5", "９", "9" * 30):
        assert position_of(strange, 3) == 3
    assert position_of(None, None) is None
