"""The watch: readings go on being judged while the store does not take them.

Unacknowledged messages fill the window of the usual sessions within a second of full rate, and then
nothing comes any more. So while the store is away the worker looks at what it holds, and reads the
live and event channels in a second session, which the broker forgets afterwards. What it sees there
is judged and stored nowhere: the same messages come through the usual sessions when the store is
back, and the engine then finds nothing new in them.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import msgspec

from core.config import MqttConfig
from core.model import Channel, Transition
from ingest.config import IngestConfig
from ingest.link import Lane
from ingest.message import Message
from ingest.pipeline import Glance, Pipeline
from ingest.source import MqttSource

WATCH = Lane(name="-watch", channels=(Channel.LIVE, Channel.EVENT), keep=False)

_LOOK_S = 0.05
_TICK_S = 1.0
_GATHER_S = 0.02  # seconds a look stays open for what comes together with its first message


@dataclass(frozen=True, slots=True, kw_only=True)
class Eyes:
    """What the watch needs of its worker.

    Attributes:
        held: returns the messages that are held and were not returned before.
        tell: takes what was found.
        stands: takes whether everything that comes is seen.
        over: whether the watch may end; takes how old what was seen was when it came.
    """

    held: Callable[[], list[Message]]
    tell: Callable[[list[Transition]], None]
    stands: Callable[[bool], None]
    over: Callable[[float | None], bool]


async def watch(mqtt: MqttConfig, ingest: IngestConfig, pipeline: Pipeline, eyes: Eyes) -> None:
    """Judge what comes until the worker says that it is over, or cancelled."""
    source = MqttSource(mqtt, _hasty(ingest), WATCH)
    glance = Glance.of(pipeline)
    async with asyncio.TaskGroup() as tasks:
        running = tasks.create_task(source.run(), name="watch session")
        try:
            await _look(source, ingest, glance, eyes)
        finally:
            running.cancel()


async def _look(source: MqttSource, ingest: IngestConfig, glance: Glance, eyes: Eyes) -> None:
    since_s: float | None = None  # when the session stood, and we had seen what came before it
    ticked_s = time.monotonic()
    while not eyes.over(glance.age_us):
        if since_s is None or not source.connected:
            stands = source.connected
            await _judge(eyes.held(), ingest, glance, eyes)
            since_s = time.monotonic() if stands else None
            eyes.stands(stands)
        heard = await source.next_batch(_LOOK_S)
        source.acknowledge(heard)
        await _judge(heard, ingest, glance, eyes)
        now_s = time.monotonic()
        settled = since_s is not None and now_s - since_s >= ingest.settle_s
        if settled and now_s - ticked_s >= _TICK_S:
            ticked_s = now_s
            eyes.tell(glance.pipeline.engine.tick(time.time_ns() // 1000))


async def _judge(
    messages: Sequence[Message], ingest: IngestConfig, glance: Glance, eyes: Eyes
) -> None:
    """Judge messages in parts; between two of them, everything else has its turn."""
    for part in portions(messages, ingest.batch_readings):
        eyes.tell(glance.judge(part))
        await asyncio.sleep(0)


def portions(messages: Sequence[Message], most: int) -> Iterator[list[Message]]:
    """Cut messages into portions of at most ``most`` readings, or of one message."""
    part: list[Message] = []
    weight = 0
    for message in messages:
        own = message.weight()
        if part and weight + own > most:
            yield part
            part, weight = [], 0
        part.append(message)
        weight += own
    if part:
        yield part


def _hasty(ingest: IngestConfig) -> IngestConfig:
    return msgspec.structs.replace(ingest, batch_s=min(ingest.batch_s, _GATHER_S))
