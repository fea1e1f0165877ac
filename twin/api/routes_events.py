"""Server-Sent Events: alarms with replay, changes of state, and the runtime's pulse."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator
from typing import Annotated

from fastapi import APIRouter, Header, Query, Request
from fastapi.responses import StreamingResponse
from starlette.types import Message, Send

from twin.api.guard import Identity
from twin.api.hub import Frame, Stream
from twin.api.live import reset
from twin.api.runtime import Runtime, identity, of
from twin.api.shapes import refusals

router = APIRouter(prefix="/api/v1", tags=["events"])

log = logging.getLogger(__name__)

RECONNECT_MS = 2000
HEARTBEAT = b": alive\n\n"
NEWEST = 2**63 - 1

Position = Annotated[int | None, Query(ge=0, le=NEWEST, description="the last event id seen")]
LastEventId = Annotated[
    str | None, Header(description="the same, as a browser's EventSource sends it; goes first")
]


class EventStream(StreamingResponse):
    """A response of type text/event-stream that gives up on a client that takes nothing."""

    media_type = "text/event-stream"

    def __init__(self, flow: AsyncGenerator[bytes], *, write_s: float) -> None:
        headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
        super().__init__(flow, headers=headers)
        self._flow = flow
        self._write_s = write_s

    async def stream_response(self, send: Send) -> None:
        """Send until the flow ends or one write takes too long."""

        async def bounded(message: Message) -> None:
            async with asyncio.timeout(self._write_s):
                await send(message)

        try:
            await super().stream_response(bounded)
        except TimeoutError:
            log.info("a client took nothing for %g s; its stream is cut off", self._write_s)
        finally:
            await self._flow.aclose()


@router.get(
    "/events",
    status_code=200,
    response_class=EventStream,
    responses={
        200: {
            "description": "`alarm` (with id), `provisional`, `state`, `status`, `reset` events; "
            "docs/api.md",
            "content": {"text/event-stream": {"schema": {"type": "string"}}},
        },
        **refusals(401, 422, 503),
    },
)
async def events(
    request: Request, after: Position = None, last_event_id: LastEventId = None
) -> EventStream:
    """Stream what happens. With a position, first the alarm events after it and the whole state.

    Subscribing comes before reading, so nothing falls between what is replayed and what comes.
    """
    runtime = of(request)
    runtime.live.current()
    position = position_of(last_event_id, after)
    stream = runtime.hub.open()
    try:
        opening, sent = await _opening(runtime, stream, position)
    except BaseException:
        runtime.hub.leave(stream)
        raise
    return EventStream(
        _flow(runtime, stream, opening, sent, identity(request)),
        write_s=runtime.cfg.stream_write_s,
    )


def position_of(header: str | None, after: int | None) -> int | None:
    """The header goes first: a browser that reconnects repeats the old query string with it."""
    if header is not None and header.isascii() and header.isdecimal() and int(header) <= NEWEST:
        return int(header)
    return after


async def _opening(
    runtime: Runtime, stream: Stream, position: int | None
) -> tuple[list[bytes], int]:
    """Return what a new stream begins with, and the newest event id that is in it."""
    live = runtime.live
    if position is None:
        # An id without data is remembered by the browser and shown to nobody.
        parts, newest = [f"id: {live.event_id}\n\n".encode()], live.event_id
    else:
        async with runtime.connection() as conn:
            missed = await live.replay(conn, position)
        frames = [reset(live.event_id)] if missed is None else missed
        newest = max([position if missed is not None else 0, *(f.event_id for f in frames)])
        parts = [*(frame.data for frame in frames), live.full().data]
    stream.skip_unnumbered()
    if live.status is not None:
        parts.append(live.status.data)
    parts += [frame.data for frame in live.provisional.frames()]
    return [f"retry: {RECONNECT_MS}\n\n".encode(), *parts], newest


async def _flow(
    runtime: Runtime, stream: Stream, opening: list[bytes], sent: int, who: Identity
) -> AsyncGenerator[bytes]:
    """Yield the opening, then what is published, until the client or the server leaves."""
    try:
        yield b"".join(opening)
        while not stream.ended:
            frames = await stream.get(runtime.cfg.heartbeat_s)
            if not runtime.gatekeeper.still(who):
                return
            if not stream.ended:
                yield joined(frames, sent)
    finally:
        runtime.hub.leave(stream)


def joined(frames: list[Frame], sent: int) -> bytes:
    """Join what waits, without the events that the opening has told already."""
    news = [frame.data for frame in frames if not 0 < frame.event_id <= sent]
    return b"".join(news) or HEARTBEAT
