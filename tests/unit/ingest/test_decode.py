from __future__ import annotations

import json
import sys
from typing import Any

import cbor2
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core import senml
from core.model import Channel, Quality, Reading, RejectReason
from ingest.decode import CBOR, NO_CODE, OWN_UNIT, SpoolMark, decode
from ingest.message import Message
from tests.support.ingesting import EPOCH, NOW_S, NOW_US, message

SERIES = {"heat-1:temperature": 1, "pond-1:depth": 2}
UNITS = {"Cel": 1, "K": 2, "cm": 3}

NAMES = st.sampled_from(["heat-1:temperature", "pond-1:depth", "x:y", "temperature", "1", "", "-a"])
TIMES = st.one_of(st.integers(-100, 2**31), st.floats(-100, 2e9))
NUMBERS = st.one_of(st.integers(-(10**9), 10**9), st.floats(allow_nan=False, allow_infinity=False))
LABELS: dict[str, st.SearchStrategy[Any]] = {
    "bn": st.sampled_from(["heat-1:", "pond-1:", "", "dev_9.", "é"]),
    "bt": TIMES,
    "bu": st.sampled_from(["Cel", "K", "m"]),
    "bv": NUMBERS,
    "bs": NUMBERS,
    "bver": st.integers(0, 11),
    "n": NAMES,
    "u": st.sampled_from(["Cel", "cm", "furlong"]),
    "t": TIMES,
    "ut": st.integers(0, 100),
    "s": NUMBERS,
    "q": st.integers(0, 255),
    "extra": st.just(1),
    "must_": st.just(1),
}
VALUE = st.one_of(
    st.builds(lambda v: {"v": v}, NUMBERS),
    st.builds(lambda v: {"v": v}, NUMBERS),
    st.builds(lambda v: {"vb": v}, st.booleans()),
    st.builds(lambda v: {"vs": v}, st.text(max_size=4)),
    st.just({"vd": "AQI"}),
    st.just({}),
)


@st.composite
def packs(draw: st.DrawFn, rare: float) -> list[dict[str, Any]]:
    """Packs whose records have now and then a label beyond the plain ones."""
    usual = [{}, {"n", "t"}, {"bn", "n"}, {"bn", "bt", "n", "t", "u", "q"}]
    pack = []
    for _ in range(draw(st.integers(1, 6))):
        chosen = set(draw(st.sampled_from(usual)))
        if draw(st.floats(0, 1)) < rare:
            chosen.add(draw(st.sampled_from(sorted(LABELS))))
        record = {label: draw(LABELS[label]) for label in sorted(chosen)}
        pack.append(record | (draw(VALUE) if rare else {"v": draw(NUMBERS)}))
    return pack


def expected(payload: bytes) -> list[tuple[Any, ...]] | None:
    """What ``core.senml`` makes of a pack, rows that are no number left out; None if it refuses."""
    try:
        resolved = senml.resolve(senml.decode_json(payload), NOW_S)
    except senml.SenmlError:
        return None
    return [
        (r.name, r.unit, r.time_s, float(r.value), int(r.quality))
        for r in resolved
        if isinstance(r.value, (bool, int, float))
    ]


def rows(payload: bytes, content_type: str = "") -> list[tuple[Any, ...]] | None:
    """The same from decode."""
    decoded = decode([message(payload, content_type=content_type)], SERIES, UNITS)
    if any(reject.reason is RejectReason.UNPARSABLE for reject in decoded.rejected):
        assert len(decoded) == 0
        return None
    names = {code: name for name, code in SERIES.items()}
    units = {code: unit for unit, code in UNITS.items()} | {OWN_UNIT: None}
    return [
        (
            names[series] if series != NO_CODE else decoded.names[row],
            units[unit] if unit != NO_CODE else decoded.units[row],
            float(decoded.observed_s[row]),
            float(decoded.value[row]),
            int(decoded.quality[row]),
        )
        for row, (series, unit) in enumerate(
            zip(decoded.series.tolist(), decoded.unit.tolist(), strict=True)
        )
    ]


@given(packs(rare=0.0))
def test_plain_packs_decode_as_resolve_says(pack: list[dict[str, Any]]) -> None:
    payload = json.dumps(pack).encode()
    assert rows(payload) == expected(payload)


@given(packs(rare=0.5))
def test_all_other_packs_too(pack: list[dict[str, Any]]) -> None:
    payload = json.dumps(pack).encode()
    assert rows(payload) == expected(payload)


@given(st.lists(st.binary(max_size=60), max_size=5))
def test_random_bytes_never_raise_and_are_kept_whole(junk: list[bytes]) -> None:
    decoded = decode([message(payload) for payload in junk], SERIES, UNITS)
    refused = [reject.payload for reject in decoded.rejected]
    unreadable = [payload for payload in junk if not payload.strip().startswith(b"[")]
    assert [payload for payload in refused if payload in unreadable] == unreadable


@given(st.binary(max_size=60))
def test_random_bytes_said_to_be_cbor_never_raise(junk: bytes) -> None:
    decode([message(junk, content_type=CBOR)], SERIES, UNITS)


SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**80), 2**80),
    st.floats(),
    st.text(max_size=5),
    st.binary(max_size=5),
)
KEYS = st.one_of(st.integers(-8, 10), st.sampled_from(["n", "v", "q", "seq", "ep", "lo", "x_"]))
NESTED = st.recursive(SCALARS, lambda inner: st.lists(inner, max_size=3), max_leaves=5)


@given(st.lists(st.one_of(NESTED, st.dictionaries(KEYS, NESTED, max_size=5)), max_size=4))
def test_cbor_of_any_shape_never_raises(pack: list[Any]) -> None:
    decode([message(cbor2.dumps(pack), content_type=CBOR)], SERIES, UNITS)


@given(st.lists(st.dictionaries(st.sampled_from(sorted(LABELS)), NESTED, max_size=5), max_size=4))
def test_json_of_any_shape_never_raises(pack: list[Any]) -> None:
    decode([message(json.dumps(pack, default=repr).encode())], SERIES, UNITS)


@pytest.mark.parametrize("deep", [b"[" * 100_000, b'[{"a":' * 50_000, b'[{"v":1,"seq":' * 50_000])
def test_deep_nesting_is_refused(deep: bytes) -> None:
    assert len(decode([message(deep), message(a_pack())], SERIES, UNITS).rejected) == 1


def test_without_the_cbor_library_the_message_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "cbor2", None)
    decoded = decode([message(b"\x80", content_type=CBOR)], SERIES, UNITS)
    assert "extra cbor" in decoded.rejected[0].detail


def test_quality_bits_are_kept_as_resolve_keeps_them() -> None:
    for bits in (0, 5, 65_535, 65_536, -1, 2**62, 2**70):
        payload = b'[{"n":"heat-1:temperature","t":1790000000,"v":1,"q":%d}]' % bits
        assert rows(payload) == expected(payload)


@given(st.text(max_size=60))
def test_random_topics_never_raise(name: str) -> None:
    decoded = decode([Message(topic=name, payload=b"[]", received_us=NOW_US)], SERIES, UNITS)
    assert [reject.reason for reject in decoded.rejected] == [RejectReason.BAD_TOPIC]


def a_pack(seq: int = 7) -> bytes:
    temperatures = [
        Reading(
            device="heat-1",
            quantity="temperature",
            observed_s=NOW_S + second,
            value=20.5,
            quality=Quality.SIMULATED,
        )
        for second in range(3)
    ]
    return senml.pack(temperatures, seq=seq, epoch=EPOCH, low=5)


def test_a_pack_of_the_agent_goes_the_plain_way_with_its_mark() -> None:
    decoded = decode([message(a_pack())], SERIES, UNITS)
    assert decoded.series.tolist() == [1, 1, 1]
    assert decoded.quality.tolist() == [Quality.SIMULATED] * 3
    assert decoded.marks == [SpoolMark("gw-a", EPOCH, 7, 5)]
    assert decoded.observed_s.tolist() == [NOW_S, NOW_S + 1, NOW_S + 2]


def test_a_bad_message_does_not_harm_its_neighbours() -> None:
    decoded = decode([message(a_pack(1)), message(b"{"), message(a_pack(2))], SERIES, UNITS)
    assert decoded.message.tolist() == [0, 0, 0, 2, 2, 2]
    assert [reject.payload for reject in decoded.rejected] == [b"{"]


def test_a_bad_name_late_in_a_pack_takes_the_whole_pack_back() -> None:
    bad = b'[{"n":"nobody:x","v":1},{"n":"heat-1:temperature","v":1},{"n":"-","v":1}]'
    decoded = decode([message(a_pack(1)), message(bad), message(a_pack(2))], SERIES, UNITS)
    assert decoded.message.tolist() == [0, 0, 0, 2, 2, 2]
    assert decoded.names == {}
    assert decoded.rejected[0].readings == 3


def test_a_refused_pack_keeps_its_mark_so_that_its_spool_can_forget_it() -> None:
    bad = json.dumps([{"n": "a:b", "v": 1, "x_": 1, "seq": 9, "ep": EPOCH, "lo": 9}]).encode()
    decoded = decode([message(bad)], SERIES, UNITS)
    assert decoded.marks == [SpoolMark("gw-a", EPOCH, 9, 9)]


@pytest.mark.parametrize(
    "head",
    [
        {"seq": 0, "ep": 1},
        {"seq": -3, "ep": 1},
        {"seq": 1},
        {"ep": 1},
        {"seq": 2**63, "ep": 1},
        {"seq": 1, "ep": -1},
    ],
)
def test_a_nonsensical_mark_is_none(head: dict[str, int]) -> None:
    payload = json.dumps([{"n": "heat-1:temperature", "t": NOW_S, "v": 1, **head}]).encode()
    assert decode([message(payload)], SERIES, UNITS).marks == [None]


def test_a_low_mark_above_its_own_sequence_is_ignored() -> None:
    record = {"n": "heat-1:temperature", "t": NOW_S, "v": 1, "seq": 4, "ep": 1, "lo": 900}
    decoded = decode([message(json.dumps([record]).encode())], SERIES, UNITS)
    assert decoded.marks == [SpoolMark("gw-a", 1, 4, 1)]


def test_text_and_data_are_kept_aside_one_by_one() -> None:
    payload = b'[{"n":"heat-1:temperature","vs":"hot"},{"n":"heat-1:temperature","v":3}]'
    decoded = decode([message(payload)], SERIES, UNITS)
    assert decoded.value.tolist() == [3.0]
    assert [(r.reason, r.readings) for r in decoded.rejected] == [(RejectReason.BAD_VALUE, 1)]


@pytest.mark.parametrize(
    "label", [{"vs": "hot"}, {"vs": ""}, {"vd": "AP8"}, {"s": 4.5}, {"vs": "x", "u": "m", "q": 3}]
)
def test_what_is_no_number_is_kept_as_a_pack_that_says_the_same(label: dict[str, object]) -> None:
    payload = json.dumps([{"bn": "heat-1:", "bt": NOW_S, "n": "temperature", "t": -2} | label])
    [first] = decode([message(payload.encode())], SERIES, UNITS).rejected
    assert json.loads(first.payload) == [{"n": "heat-1:temperature", "t": NOW_S - 2} | label]
    [again] = decode([message(first.payload)], SERIES, UNITS).rejected
    assert again == first


def test_rejects_say_which_message_brought_them() -> None:
    text = b'[{"n":"heat-1:temperature","vs":"hot"},{"n":"heat-1:temperature","vs":"cold"}]'
    stray = Message(topic="bt/v1/zz/gw-a/live", payload=b"[]", received_us=NOW_US)
    decoded = decode([message(a_pack(1)), message(text), message(b"x"), stray], SERIES, UNITS)
    assert decoded.refused == [1, 1, 2, 3]
    assert len(decoded.rejected) == 4


def test_a_message_refused_as_a_whole_keeps_how_it_is_read() -> None:
    [reject] = decode([message(b"x", content_type=CBOR)], SERIES, UNITS).rejected
    assert (reject.payload, reject.content_type) == (b"x", CBOR)


def test_cbor_comes_by_its_content_type() -> None:
    records = senml.decode_json(b'[{"n":"heat-1:temperature","t":1790000000,"v":21.5}]')
    payload = senml.encode_cbor(records)
    assert rows(payload, CBOR) == [("heat-1:temperature", None, NOW_S, 21.5, 0)]


def test_a_message_that_is_too_large_is_refused_unread() -> None:
    payload = b'[{"n":"heat-1:temperature","v":1}' + b" " * senml.MAX_BYTES + b"]"
    decoded = decode([message(payload)], SERIES, UNITS)
    assert len(decoded) == 0
    assert decoded.rejected[0].reason is RejectReason.UNPARSABLE


def test_a_wrong_shard_is_a_bad_topic_and_counts_its_readings() -> None:
    stray = Message(topic="bt/v1/zz/gw-a/live", payload=b'[{"v":1},{"v":2}]', received_us=NOW_US)
    decoded = decode([stray], SERIES, UNITS)
    assert [(r.reason, r.readings) for r in decoded.rejected] == [(RejectReason.BAD_TOPIC, 2)]


def test_the_backfill_channel_is_marked() -> None:
    decoded = decode(
        [message(a_pack(1)), message(a_pack(2), channel=Channel.BACKFILL)], SERIES, UNITS
    )
    assert decoded.backfill.tolist() == [False, True]
