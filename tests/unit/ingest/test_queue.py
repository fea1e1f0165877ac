"""The queue between socket and worker: order, bounds, batches."""

import asyncio

from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from ingest.config import IngestConfig
from ingest.message import Message
from ingest.queue import Queue


def message(number: int, readings: int = 1, size: int = 0) -> Message:
    payload = b"%d" % number + b"{" * readings
    return Message(topic="t", payload=payload.ljust(size), received_us=0)


def settings(**more: int) -> IngestConfig:
    given_ = {"batch_readings": 10, "queue_messages": 10, **more}
    return IngestConfig(batch_s=0, **given_)  # type: ignore[arg-type]


@hypothesis_settings(deadline=None)  # each example makes an event loop
@given(
    portions=st.lists(st.lists(st.integers(0, 14), max_size=12), max_size=6),
    batch=st.integers(1, 12),
)
def test_batches_keep_order_and_weight_and_lose_nothing(
    portions: list[list[int]], batch: int
) -> None:
    async def drain() -> list[list[Message]]:
        queue = Queue(settings(batch_readings=batch))
        put: list[Message] = []
        for portion in portions:
            messages = [message(len(put) + n, readings) for n, readings in enumerate(portion)]
            queue.extend(messages)
            put += messages
        batches: list[list[Message]] = []
        while len(queue):
            batches.append(await queue.take(0))
        assert [one for taken in batches for one in taken] == put
        assert (queue._weight, queue._bytes, len(queue._weights)) == (0, 0, 0)
        assert not queue._some.is_set()
        assert not queue._enough.is_set()
        assert await queue.take(0) == []
        return batches

    for taken in asyncio.run(drain()):
        assert len(taken) == 1 or sum(one.weight() for one in taken) <= batch


async def test_it_is_full_by_number_or_by_bytes() -> None:
    queue = Queue(settings())
    queue.extend([message(n) for n in range(9)])
    assert queue.full(share=0.5)
    assert not queue.full()
    queue.extend([message(9)])
    assert queue.full()
    large = Queue(settings(queue_bytes=1_048_576))
    large.extend([message(0, size=1_048_575)])
    assert not large.full()
    large.extend([message(1, size=1)])
    assert large.full()
    await large.take(0)
    assert not large.full(share=0.5)


async def test_a_batch_waits_for_more_until_it_is_full_or_its_time_is_over() -> None:
    loop = asyncio.get_running_loop()
    queue = Queue(IngestConfig(batch_s=0.2, batch_readings=3))
    queue.extend([message(0)])
    since = loop.time()
    assert len(await queue.take(5)) == 1
    assert loop.time() - since >= 0.19
    queue = Queue(IngestConfig(batch_s=5, batch_readings=3))
    async with asyncio.TaskGroup() as tasks:
        taking = tasks.create_task(queue.take(5), name="take")
        queue.extend([message(0)])
        queue.extend([message(1), message(2)])
        async with asyncio.timeout(2):
            assert len(await taking) == 3
