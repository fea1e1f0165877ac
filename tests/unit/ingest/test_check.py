from __future__ import annotations

import dataclasses
import json
import math
from typing import Any

import cbor2
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core import senml
from core.model import Channel, Quality, RejectReason
from core.plausible import own_of
from core.registry import Registry
from core.units import QUANTITIES, UNITS, conversion
from ingest.check import Checked, Limits, check, tables_of
from ingest.decode import CBOR, decode
from ingest.message import Message
from tests.support.ingesting import NOW_S, NOW_US, message, small_registry

TABLES = tables_of(small_registry())
LIMITS = Limits(clock_skew_s=300.0, max_future_s=86_400.0)


def judged(*messages: Message) -> Checked:
    return check(decode(messages, TABLES.series, TABLES.units), messages, TABLES, LIMITS)


def one(name: str = "heat-1:temperature", *, gateway: str = "gw-a", **labels: Any) -> Message:
    record = {"n": name, "t": NOW_S, "v": 20.0} | labels
    return message(json.dumps([record]).encode(), gateway=gateway)


def reasons(checked: Checked) -> list[RejectReason]:
    return [reject.reason for reject in checked.rejected]


def test_a_good_reading_goes_on_unmarked() -> None:
    checked = judged(one(v=21.5))
    assert checked.rejected == []
    assert checked.batch.series.tolist() == [1]
    assert checked.batch.observed_us.tolist() == [NOW_US]
    assert checked.batch.received_us.tolist() == [NOW_US]
    assert checked.batch.value.tolist() == [21.5]
    assert checked.batch.quality.tolist() == [0]


@pytest.mark.parametrize(
    ("record", "reason"),
    [
        (one("nobody:temperature"), RejectReason.UNKNOWN_DEVICE),
        (one("heat-1:depth"), RejectReason.UNKNOWN_QUANTITY),
        (one("temperature"), RejectReason.BAD_NAME),
        (one("Heat-1:temperature"), RejectReason.BAD_NAME),
        (one(gateway="gw-b"), RejectReason.FOREIGN_GATEWAY),
        (one(gateway="gw-new"), RejectReason.FOREIGN_GATEWAY),
        (one(u="V"), RejectReason.BAD_UNIT),
        (one(u="furlong"), RejectReason.BAD_UNIT),
        (one(t=631_151_999.0), RejectReason.BAD_TIME),
        (one(t=NOW_S + 86_401), RejectReason.BAD_TIME),
        (one(vs="hot", v=None), RejectReason.BAD_VALUE),
    ],
)
def test_each_fault_has_its_reason(record: Message, reason: RejectReason) -> None:
    labels = {k: v for k, v in json.loads(record.payload)[0].items() if v is not None}
    faulty = message(json.dumps([labels]).encode(), gateway=record.topic.split("/")[3])
    good = one()
    checked = judged(good, faulty, good)
    assert reasons(checked) == [reason]
    assert len(checked.batch) == 2
    assert checked.received == 3


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_a_value_that_is_no_number_is_rejected(value: float) -> None:
    payload = cbor2.dumps([{0: "heat-1:temperature", 6: NOW_S, 2: value}])
    checked = judged(message(payload, content_type=CBOR))
    assert len(checked.batch) == 0
    assert len(checked.rejected) == 1
    assert checked.rejected[0].reason in {RejectReason.BAD_VALUE, RejectReason.UNPARSABLE}


def test_a_value_that_overflows_in_conversion_is_rejected() -> None:
    assert reasons(judged(one("pond-1:depth", u="cm", v=1e308))) == []
    assert reasons(judged(one("volt-1:voltage", gateway="gw-b", u="V", v=1e308))) == []


@pytest.mark.parametrize("quantity", sorted(QUANTITIES))
def test_every_unit_is_converted_as_the_table_says(quantity: str) -> None:
    info = small_registry().by_id[1]
    registry = Registry(
        [
            type(info)(
                series_id=1,
                device_id="dev",
                quantity=quantity,
                kind=info.kind,
                field=info.field,
                gateway_id="gw-a",
                interval_s=10.0,
            )
        ]
    )
    tables = tables_of(registry)
    for unit in UNITS:
        sent = [one(f"dev:{quantity}", u=unit, v=3.0)]
        checked = check(decode(sent, tables.series, tables.units), sent, tables, LIMITS)
        line = conversion(unit, quantity)
        if line is None:
            assert reasons(checked) == [RejectReason.BAD_UNIT]
        else:
            assert checked.batch.value.tolist() == [pytest.approx(3.0 * line[0] + line[1])]


def test_a_quantity_without_a_table_is_taken_as_it_is() -> None:
    info = small_registry().by_id[1]
    series = type(info)(
        series_id=1,
        device_id="dev",
        quantity="radon",
        kind=info.kind,
        field=info.field,
        gateway_id="gw-a",
        interval_s=10.0,
    )
    tables = tables_of(Registry([series]))
    sent = [one("dev:radon", v=1e9), one("dev:radon", u="Cel")]
    checked = check(decode(sent, tables.series, tables.units), sent, tables, LIMITS)
    assert checked.batch.quality.tolist() == [0]
    assert reasons(checked) == [RejectReason.BAD_UNIT]


def test_implausible_values_are_stored_and_marked() -> None:
    checked = judged(one(v=1200.0), one(v=1200.1), one(v=-40.1))
    marked = Quality.OUT_OF_RANGE
    assert checked.batch.quality.tolist() == [0, marked, marked]


def test_a_clock_ahead_is_marked_and_a_late_reading_is_not() -> None:
    checked = judged(one(t=NOW_S + 300), one(t=NOW_S + 301), one(t=NOW_S - 1e7))
    assert checked.batch.quality.tolist() == [0, Quality.CLOCK_SKEW, 0]


def test_only_readings_with_a_sane_clock_are_timed() -> None:
    checked = judged(one(t=NOW_S - 300), one(t=NOW_S - 301), one(t=NOW_S + 300), one(t=NOW_S - 1e7))
    assert checked.prompt.tolist() == [True, False, True, False]


def test_backfilled_readings_are_marked_and_not_timed() -> None:
    late = message(one().payload, channel=Channel.BACKFILL)
    event = message(one(v=5.0).payload, channel=Channel.EVENT)
    checked = judged(one(), late, event)
    assert checked.batch.quality.tolist() == [0, Quality.BACKFILLED, 0]
    assert checked.prompt.tolist() == [True, False, True]


def test_bits_that_no_one_knows_are_dropped() -> None:
    for bits in (2**20 | 2, 2**40 | 2, 2**70 | 2):
        checked = judged(one(q=bits))
        if checked.rejected:
            assert reasons(checked) == [RejectReason.UNPARSABLE]
        else:
            assert checked.batch.quality.tolist() == [Quality.STUCK]


def test_how_a_reading_came_is_not_the_senders_word() -> None:
    checked = judged(one(q=int(Quality.LATE | Quality.DUPLICATE | Quality.CALIBRATING)))
    assert checked.batch.quality.tolist() == [Quality.CALIBRATING]


def test_rows_know_their_message() -> None:
    pack = json.dumps([{"n": "heat-1:temperature", "t": NOW_S + n, "v": 1} for n in range(3)])
    checked = judged(one(u="V"), message(pack.encode()), message(b"["), one(t=NOW_S + 9))
    assert checked.message.tolist() == [1, 1, 1, 3]


def test_a_device_may_have_its_own_range() -> None:
    info = small_registry().by_id[1]
    own = dataclasses.replace(info, plausible=own_of("temperature", {"temperature": {"high": 50}}))
    tables = tables_of(Registry([own, dataclasses.replace(info, series_id=2, device_id="heat-2")]))
    sent = [one(v=60), one("heat-2:temperature", v=60), one(v=-41)]
    checked = check(decode(sent, tables.series, tables.units), sent, tables, LIMITS)
    marked = Quality.OUT_OF_RANGE
    assert checked.batch.quality.tolist() == [marked, 0, marked]


def test_a_rejected_reading_can_be_sent_again_as_it_was() -> None:
    stray = one("nobody:temperature", u="K", v=300.0, q=4)
    payload = judged(stray).rejected[0].payload
    again = senml.resolve(senml.decode_json(payload), NOW_S + 1000)[0]
    assert (again.name, again.unit, again.value) == ("nobody:temperature", "K", 300.0)
    assert (again.time_s, again.quality) == (NOW_S, 4)


def test_strangers_are_noticed() -> None:
    assert not judged(one(), one(u="V")).strangers
    assert judged(one("nobody:temperature")).strangers


def test_an_empty_registry_knows_nobody() -> None:
    tables = tables_of(Registry([]))
    sent = [one()]
    checked = check(decode(sent, tables.series, tables.units), sent, tables, LIMITS)
    assert reasons(checked) == [RejectReason.UNKNOWN_DEVICE]


MIXED = st.lists(
    st.one_of(
        st.builds(
            one,
            st.sampled_from(["heat-1:temperature", "pond-1:depth", "volt-1:voltage", "x:y", "z"]),
            gateway=st.sampled_from(["gw-a", "gw-b", "gw-c"]),
            v=st.floats(allow_nan=False, allow_infinity=False),
            t=st.floats(-1e6, 4e9),
            u=st.sampled_from(["Cel", "cm", "V", "m", "?"]),
        ),
        st.binary(max_size=30).map(message),
    ),
    max_size=12,
)


@given(MIXED)
def test_every_reading_is_either_in_the_batch_or_rejected(messages: list[Message]) -> None:
    checked = judged(*messages)
    assert checked.received == len(checked.batch) + sum(r.readings for r in checked.rejected)
    assert checked.received >= sum(message.payload != b"[]" for message in messages)
    assert len(checked.prompt) == len(checked.batch)
