"""When the store is in trouble: what it owes, what comes meanwhile, and in which portions."""

import time
from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.config import MqttConfig
from ingest.config import IngestConfig
from ingest.lanes import Seen
from ingest.lookout import Lookout
from ingest.message import Message
from ingest.watch import portions

LONG_AGO = -1e9


@dataclass
class Inbox:
    """So many messages wait."""

    backlog: int = 0

    def peek(self, after: Seen) -> tuple[list[Message], Seen]:
        return [], after


def lookout(inbox: Inbox, *, watch_after_s: float = 60.0) -> Lookout:
    return Lookout(
        ingest=IngestConfig(watch_after_s=watch_after_s, queue_messages=1000),
        mqtt=MqttConfig(receive_maximum=300),
        source=inbox,
        warn=lambda _: 0,
    )


@pytest.mark.parametrize(("come", "trouble"), [(99, False), (100, True)])
def test_a_third_of_the_window_while_the_store_owes_an_answer_is_trouble(
    come: int, trouble: bool
) -> None:
    inbox = Inbox(backlog=40)
    subject = lookout(inbox)
    subject.asks(stalled_s=LONG_AGO)
    inbox.backlog += come
    assert subject.in_trouble is trouble
    subject.answered()
    assert not subject.in_trouble


def test_a_backlog_that_comes_in_one_go_is_none() -> None:
    """It is judged in its order; a watch would judge what is newer first."""
    inbox = Inbox()
    subject = lookout(inbox)
    subject.asks(stalled_s=time.monotonic())
    inbox.backlog = 300
    assert not subject.in_trouble


def test_an_answer_that_is_owed_for_long_is_trouble_whatever_comes() -> None:
    subject = lookout(Inbox(), watch_after_s=0.1)
    subject.asks(stalled_s=time.monotonic())
    began_s = time.monotonic()
    while not subject.in_trouble:
        assert time.monotonic() < began_s + 5
    assert time.monotonic() - began_s >= 0.1 - 0.01


def test_a_store_that_was_found_away_is_in_trouble_between_two_questions() -> None:
    subject = lookout(Inbox())
    subject.asks(stalled_s=LONG_AGO)
    subject.answered()
    subject.away = True
    assert subject.in_trouble


@given(st.lists(st.integers(1, 30), max_size=40), st.integers(1, 50))
def test_portions_hold_so_many_readings_and_lose_nothing(packs: list[int], most: int) -> None:
    """A pack of a hundred readings costs a hundred times as long as a message of one."""
    messages = [
        Message(topic="t", payload=b"[" + b'{"n":"a:b","v":1},' * each + b"]", received_us=n)
        for n, each in enumerate(packs)
    ]
    found = list(portions(messages, most))
    assert [one for part in found for one in part] == messages
    weights = [sum(one.weight() for one in part) for part in found]
    assert all(
        weight <= most or len(part) == 1 for part, weight in zip(found, weights, strict=True)
    )
