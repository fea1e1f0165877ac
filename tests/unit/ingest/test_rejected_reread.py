from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core import senml
from core.model import Channel, Quality, Rejected, RejectReason
from core.registry import Registry
from ingest import rejects
from ingest.accounts import Tally
from ingest.belated import Judge
from ingest.check import Limits, check, tables_of
from ingest.decode import decode
from ingest.message import Message
from ingest.rejected_listing import decoded, escaped, printable
from ingest.rejected_reread import Kept, Settlement, reread, settle
from tests.support.ingesting import NOW_S, NOW_US, message, readings, small_registry

LIMITS = Limits(clock_skew_s=300, max_future_s=86_400)
NOTHING = Judge(tables=tables_of(Registry([])), limits=LIMITS)
SMALL = Judge(tables=tables_of(small_registry()), limits=LIMITS)


def refused(messages: list[Message], judge: Judge = NOTHING) -> list[Kept]:
    """The rows of the table ``rejected`` after these messages."""
    columns = decode(messages, judge.tables.series, judge.tables.units)
    found = check(columns, messages, judge.tables, judge.limits).rejected
    return [kept(reject, number) for number, reject in enumerate(found, start=1)]


def kept(reject: Rejected, number: int = 1) -> Kept:
    device, quantity = rejects.name_of(reject)
    return Kept(
        rejected_id=number,
        received_us=reject.received_us,
        topic=reject.topic,
        reason=str(reject.reason),
        detail=reject.detail,
        payload=reject.payload,
        content_type=reject.content_type,
        readings=reject.readings,
        device=device,
        quantity=quantity,
    )


def settled(rows: list[Kept], judge: Judge, *, there: bool = False) -> Settlement:
    read = reread(rows, judge)
    return settle(rows, read, np.full(len(read.batch), not there))


def packed(batch: Any, **labels: Any) -> Message:
    return message(senml.pack(batch, seq=1, epoch=1, low=1), **labels)


def test_what_is_known_today_is_good_and_backfilled() -> None:
    rows = refused([packed(readings("heat-1", [NOW_S, NOW_S - 1], 21.5))])
    read = reread(rows, SMALL)
    assert read.batch.value.tolist() == [21.5, 21.5]
    assert read.batch.quality.tolist() == [int(Quality.BACKFILLED)] * 2
    assert read.batch.received_us.tolist() == [NOW_US] * 2
    assert read.owner.tolist() == [0, 1]
    done = settle(rows, read, np.array([True, False]))
    assert done.resolved == {1: "stored", 2: "duplicate"}
    assert done.tally == Tally(received=0, stored=1, rejected=-2, duplicates=1)


def test_good_and_bad_ones_are_told_apart_in_any_order() -> None:
    names = ["heat-1", "gone-1", "heat-1", "gone-2", "pond-1", "heat-1"]
    batch = [readings(name, [NOW_S - n])[0] for n, name in enumerate(names)]
    rows = refused([packed(batch)])
    done = settled(rows, SMALL)
    assert done.resolved == {1: "stored", 3: "stored", 6: "stored"}
    assert [one.device for one in done.left] == ["gone-1", "gone-2", "pond-1"]
    assert {number: r.reason for number, r in done.reworded.items()} == {
        5: RejectReason.UNKNOWN_QUANTITY
    }
    assert done.tally == Tally(received=0, stored=3, rejected=-3)


def test_a_device_of_another_gateway_stays_refused_for_that_reason() -> None:
    rows = refused([packed(readings("volt-1", [NOW_S]), gateway="gw-a")])
    rows = [replace(rows[0], quantity="voltage",
                    payload=rows[0].payload.replace(b"temperature", b"voltage"))]  # fmt: skip
    done = settled(rows, SMALL)
    assert done.reworded[1].reason is RejectReason.FOREIGN_GATEWAY
    assert done.tally == Tally()


def test_a_line_of_a_file_counts_as_sent_by_the_gateway_of_its_device() -> None:
    [row] = refused([packed(readings("heat-1", [NOW_S]), gateway="gw-b")])
    row = replace(row, topic="import/may.csv:7")
    assert settled([row], SMALL).resolved == {1: "stored"}
    done = settled([row], NOTHING)
    assert (done.resolved, done.reworded, done.left) == ({}, {}, [row])


def test_a_line_of_a_file_that_is_no_pack_keeps_its_reason() -> None:
    for reason in (RejectReason.UNPARSABLE, RejectReason.BAD_TIME, RejectReason.BAD_NAME):
        row = kept(
            Rejected(reason=reason, detail="3 cells, and the header has 4",
                     topic="import/may.csv:7", payload=b"a,b,c", received_us=NOW_US)
        )  # fmt: skip
        done = settled([row], SMALL)
        assert (done.left, done.reworded, done.tally) == ([row], {}, Tally())


def test_a_whole_message_is_divided_and_its_readings_are_counted_anew() -> None:
    payload = json.dumps(
        [
            {"bn": "heat-1:", "n": "temperature", "bt": NOW_S, "v": 1},
            {"n": "temperature", "t": -1, "vs": "warm"},
            {"n": "temperature", "t": -2, "v": 2, "u": "furlong"},
            {"n": "temperature", "t": -3, "v": 3},
        ]
    ).encode()
    row = kept(
        Rejected(reason=RejectReason.UNPARSABLE, detail="?", payload=payload, received_us=NOW_US,
                 topic=message(b"").topic)
    )  # fmt: skip
    done = settled([row], SMALL)
    assert done.resolved == {1: "stored"}
    assert [reject.reason for reject in done.added] == ["bad_value", "bad_unit"]
    assert {reject.topic for reject in done.added} == {row.topic}
    assert done.tally == Tally(received=3, stored=2, rejected=1)
    assert settled([row], SMALL, there=True).resolved == {1: "duplicate"}
    assert settled([row], NOTHING).resolved == {1: "divided"}
    assert settled([row], NOTHING).tally == Tally(received=3, rejected=3)
    counted = replace(row, readings=4)
    assert settled([counted], SMALL).tally == Tally(received=0, stored=2, rejected=-2)
    assert settled([counted], NOTHING).tally == Tally()


def test_a_time_that_was_resolved_is_not_taken_as_relative_to_now() -> None:
    """2 billion seconds ago was 1963: written down so, it would be 50 years later."""
    rows = refused([message(b'[{"n":"heat-1:temperature","t":-2e9,"v":1}]')])
    done = settled(rows, SMALL)
    assert (done.left, done.resolved, done.tally) == (rows, {}, Tally())


def test_a_whole_message_that_is_still_none_says_why_today() -> None:
    row = kept(
        Rejected(reason=RejectReason.UNPARSABLE, detail="before", payload=b'[{"n":"-"},{"n":"a"}]',
                 received_us=NOW_US, topic=message(b"").topic)
    )  # fmt: skip
    done = settled([row], SMALL)
    assert done.reworded[1].readings == 2
    assert done.tally == Tally(received=1, rejected=1)


NAMES = ("heat-1:temperature", "pond-1:depth", "volt-1:voltage", "gone-1:flow", "Ä", "no colon")
RECORDS = st.lists(
    st.fixed_dictionaries(
        {"n": st.sampled_from(NAMES)},
        optional={
            "v": st.one_of(st.floats(-1e6, 1e6), st.just(1)),
            "vs": st.just("text"),
            "t": st.sampled_from([0, -5, NOW_S, NOW_S + 1e6, -2e9, 1e18]),
            "u": st.sampled_from(["Cel", "K", "m", "furlong"]),
            "q": st.sampled_from([0, 64, -1]),
        },
    ),
    max_size=5,
)
MESSAGES = st.lists(
    st.tuples(
        st.one_of(RECORDS.map(lambda records: json.dumps(records).encode()), st.binary(max_size=9)),
        st.sampled_from(["gw-a", "gw-b"]),
        st.sampled_from([Channel.LIVE, Channel.BACKFILL]),
    ),
    max_size=8,
)


@given(MESSAGES)
def test_reading_again_finds_what_would_have_been_found_at_once(messages: list[Any]) -> None:
    """With the registry known too late, the readings and the sums are those of a timely one."""
    sent = [message(payload, gateway=g, channel=c) for payload, g, c in messages]
    timely = check(
        decode(sent, SMALL.tables.series, SMALL.tables.units), sent, SMALL.tables, LIMITS
    )
    rows = refused(sent)
    lost = sum(row.readings for row in rows)
    read = reread(rows, SMALL)
    done = settle(rows, read, np.ones(len(read.batch), dtype=np.bool_))
    assert sorted(zip(read.batch.series.tolist(), read.batch.observed_us.tolist(),
                      read.batch.value.tolist(), strict=True)) == sorted(
        zip(timely.batch.series.tolist(), timely.batch.observed_us.tolist(),
            timely.batch.value.tolist(), strict=True))  # fmt: skip
    assert lost + done.tally.received == timely.received
    assert done.tally.stored == len(timely.batch)
    again = [done.reworded.get(row.rejected_id) for row in done.left]
    still = sum(r.readings if r else row.readings for r, row in zip(again, done.left, strict=True))
    assert lost + done.tally.rejected == still + sum(r.readings for r in done.added)


@given(st.binary(max_size=64))
def test_nothing_that_was_sent_acts_on_a_terminal(payload: bytes) -> None:
    assert escaped(payload).isprintable()
    assert printable(payload.decode("latin-1")).isprintable()


@pytest.mark.parametrize(
    ("payload", "content_type", "found"),
    [
        (b'[{"n":"a","v":1,"u":"m"}]', "", [("a", 1.0, "m")]),
        (b'[{"n":"a","vs":"x"}]', "application/senml+json", [("a", "x", None)]),
        (senml.encode_cbor([senml.Record(n="a", vd="AP8")]), "application/senml+cbor",
         [("a", "\\x00\\xff", None)]),
    ],
)  # fmt: skip
def test_payloads_are_decoded_when_they_can_be(
    payload: bytes, content_type: str, found: list[tuple[Any, ...]]
) -> None:
    records = decoded(payload, content_type, datetime.fromtimestamp(NOW_S, UTC))
    assert isinstance(records, list)
    assert [(r["name"], r["value"], r["unit"]) for r in records] == found
    assert isinstance(decoded(b"noise", content_type, datetime.fromtimestamp(NOW_S, UTC)), str)
