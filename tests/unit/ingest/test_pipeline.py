"""From messages to work, and again: what a reading is found to be does not change on a retry."""

from __future__ import annotations

import itertools
import json
from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from alerts.engine import Engine
from core import senml
from core.model import Channel, Quality
from ingest.check import Limits, tables_of
from ingest.ledger import Ledger
from ingest.message import Message
from ingest.pipeline import Pipeline, Prepared
from ingest.quality import Delays, Marker
from tests.support.alerting import HIGH, loaded
from tests.support.ingesting import EPOCH, NOW_S, NOW_US, message, readings, small_registry


def pipeline() -> Pipeline:
    registry = small_registry()
    tables = tables_of(registry)
    rules = loaded(HIGH)
    return Pipeline(
        rules=rules,
        tables=tables,
        marker=Marker(tables, Delays(late_s=300.0, clock_skew_s=300.0)),
        engine=Engine(rules, registry, now_us=NOW_US),
        ledger=Ledger({}, above_bound=1000),
        limits=Limits(clock_skew_s=300.0, max_future_s=86_400.0),
    )


def heat(*course: tuple[float, float]) -> Message:
    """One message with (seconds after NOW, degrees) of the heat detector."""
    records = [{"n": "heat-1:temperature", "t": NOW_S + at, "v": value} for at, value in course]
    return message(json.dumps(records).encode())


def first(subject: Pipeline, *messages: Message) -> Prepared:
    return subject.prepare(subject.open(messages))


def again(subject: Pipeline, messages: Sequence[Message]) -> Prepared:
    return subject.prepare(subject.open(messages), judge=False)


def bits(*parts: Prepared) -> list[int]:
    return [quality for part in parts for quality in part.work.batch.quality.tolist()]


COURSE = [
    heat((0, 20.0), (1, 90.0)),
    heat((1, 90.0)),
    message(b"["),
    heat((2, 20.0), (0, 20.0)),
    message(heat((0, 20.0)).payload, channel=Channel.BACKFILL),
    heat((-400, 20.0)),
    heat((3, 20.0)),
]
FOUND = [
    0, Quality.JUMP, Quality.DUPLICATE, Quality.JUMP, Quality.DUPLICATE,
    Quality.BACKFILLED | Quality.DUPLICATE, Quality.LATE, 0,
]  # fmt: skip


def test_bits_go_into_the_work_and_the_engine_sees_them() -> None:
    subject = pipeline()
    prepared = first(subject, *COURSE)
    assert bits(prepared) == FOUND
    # The doubtful leap raises the fire; the leap back, as doubtful, does not end it.
    assert [str(t.kind) for t in prepared.work.transitions] == ["raised", "returned"]
    assert [t.at_us - NOW_US for t in prepared.work.transitions] == [1_000_000, 3_000_000]


def test_preparing_again_finds_the_same_and_takes_nothing_in() -> None:
    subject = pipeline()
    first(subject, heat((-1, 20.0)))
    prepared = first(subject, *COURSE)
    for _ in range(2):
        retried = again(subject, COURSE)
        assert bits(retried) == bits(prepared)
        assert retried.work.transitions == []
    assert bits(first(subject, heat((3, 20.0), (4, 20.0)))) == [Quality.DUPLICATE, 0]


@settings(max_examples=50, deadline=None)
@given(st.lists(st.integers(0, len(COURSE)), max_size=4))
def test_however_it_is_divided_each_part_keeps_its_bits(cuts: list[int]) -> None:
    subject = pipeline()
    first(subject, *COURSE)
    ends = [0, *sorted(cuts), len(COURSE)]
    parts = [again(subject, COURSE[a:b]) for a, b in itertools.pairwise(ends)]
    assert bits(*parts) == FOUND


def test_a_message_that_another_worker_has_stored_takes_no_bits_from_the_others() -> None:
    packs = [
        message(senml.pack(readings("heat-1", [NOW_S + n], value), seq=n, epoch=EPOCH, low=1))
        for n, value in ((1, 20.0), (2, 90.0), (3, 90.0))
    ]
    subject = pipeline()
    assert bits(first(subject, *packs)) == [0, Quality.JUMP, 0]
    taken = again(subject, packs[:1])
    subject.ledger.adopt(taken.work.draft)
    retried = again(subject, packs)
    assert retried.work.redelivered == 1
    assert bits(retried) == [Quality.JUMP, 0]


def test_a_message_that_was_never_judged_is_only_looked_at() -> None:
    subject = pipeline()
    first(subject, heat((0, 20.0)))
    stray = heat((0, 20.0), (1, 90.0))
    assert bits(again(subject, [stray])) == [Quality.DUPLICATE, Quality.JUMP]
    assert bits(first(subject, stray)) == [Quality.DUPLICATE, Quality.JUMP]


def test_setting_a_message_aside_leaves_the_series_as_it_is() -> None:
    subject = pipeline()
    bad = heat((1, 90.0))
    first(subject, heat((0, 20.0)), bad)
    subject.reject(bad, "no")
    assert bits(first(subject, heat((1, 90.0), (2, 90.0)))) == [Quality.DUPLICATE, 0]


@pytest.mark.parametrize("messages", [[], [message(b"[")]])
def test_nothing_to_judge_is_nothing(messages: list[Message]) -> None:
    subject = pipeline()
    assert bits(first(subject, *messages)) == bits(again(subject, messages)) == []
