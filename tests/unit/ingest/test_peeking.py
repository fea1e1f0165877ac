"""Looking at what waits without taking it, and messages that outlive a session."""

import asyncio

from hypothesis import given
from hypothesis import strategies as st

from core.mqtt.packets import Level, Publish, Splitter, parse
from ingest.config import IngestConfig
from ingest.message import Message
from ingest.outbox import Outbox
from ingest.queue import Queue


@given(st.lists(st.sampled_from(["put", "put", "take", "peek"]), max_size=40))
def test_a_peek_returns_what_waits_and_was_not_seen(course: list[str]) -> None:
    async def run() -> None:
        queue = Queue(IngestConfig(batch_s=0, batch_readings=2))
        put = seen = 0
        waiting: list[Message] = []
        for step in course:
            if step == "put":
                one = Message(topic="t", payload=b"%d" % put, received_us=put)
                queue.extend([one])
                waiting.append(one)
                put += 1
            elif step == "take":
                taken = await queue.take(0)
                waiting = waiting[len(taken) :]
            else:
                found, seen_now = queue.peek(seen)
                assert found == [one for one in waiting if one.received_us >= seen]
                assert seen_now == put
                seen = seen_now
        assert len(queue) == len(waiting)

    asyncio.run(run())


def sent(outbox: Outbox, *, session_present: bool) -> list[tuple[bytes, bool]]:
    data = b"".join(outbox.resume(session_present=session_present))
    packets = [parse(frame, Level.V5) for frame in Splitter(1 << 20).feed(data)]
    return [(one.payload, one.duplicate) for one in packets if isinstance(one, Publish)]


def test_a_lasting_message_is_sent_again_in_a_new_session_as_a_first_try() -> None:
    lasting, usual = Outbox(lasting=True), Outbox()
    for outbox in (lasting, usual):
        outbox.put("t", b"a")
        outbox.put("t", b"b")
        outbox.done(1)
    assert sent(usual, session_present=True) == [(b"b", True)]
    assert sent(usual, session_present=False) == []
    assert len(usual) == 0
    assert sent(lasting, session_present=True) == [(b"b", True)]
    assert sent(lasting, session_present=False) == [(b"b", False)]
    assert len(lasting) == 1
