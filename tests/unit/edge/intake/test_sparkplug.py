"""Sparkplug B: births, aliases, sequence numbers, deaths; frames of others and of our own."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.model import Channel
from edge.intake import sparkplug
from edge.intake.sparkplug import Host
from edge.intake.words import Presence, Translation, Why
from tests.unit.edge.intake.test_protobuf import GooglePayload

NOW_S = 1_790_000_000.0
MS = 1_750_855_643_474
NODE = "spBv1.0/luohu/{}/gw-1"
DEVICE = "spBv1.0/luohu/{}/gw-1/rtu-1"
ASK = "spBv1.0/luohu/NCMD/gw-1"
# Public frames: united-manufacturing-hub/benthos-umh (Apache-2.0), test_vectors.go.
NBIRTH = bytes.fromhex(
    "08D2E283B9FA32120D0A056264536571100120085858121C0A144E6F646520436F6E74726F6C2F5265626972746810"
    "02200B7000121A0A0B54656D70657261747572651064200A6900000000008035401800"
)
NDATA = bytes.fromhex("08D2E283B9FA32120D1064200A6900000000008036401801")
NDATA_GAP = bytes.fromhex("08D2E283B9FA32120D1064200A690000000000003B401805")
NDATA_WRAP = bytes.fromhex("08D2E283B9FA32120D1064200A690000000000003E401800")
NDEATH = bytes.fromhex("08D2E283B9FA32120D0A0562645365711000200858001800")


def payload(seq: int | None, *metrics: dict[str, Any], timestamp: int | None = MS) -> bytes:
    made = GooglePayload()
    if timestamp is not None:
        made.timestamp = timestamp
    if seq is not None:
        made.seq = seq
    for metric in metrics:
        made.metrics.add(**metric)
    found: bytes = made.SerializeToString()
    return found


def birth(seq: int = 0, bd_seq: int = 88) -> bytes:
    return payload(
        seq,
        {"name": "bdSeq", "datatype": 8, "long_value": bd_seq},
        {"name": "Temp", "alias": 100, "datatype": 10, "double_value": 21.5},
    )


def device_birth(seq: int) -> bytes:
    return payload(
        seq,
        {"name": "level", "alias": 1, "datatype": 10, "double_value": 0.1},
        {"name": "tilt", "alias": 2, "datatype": 3, "int_value": 2**32 - 1500},
    )


def take(host: Host, topic: str, data: bytes, now_s: float = NOW_S) -> tuple[Any, str | None]:
    said, ask = host.take(topic, data, now_s=now_s)
    return said, ask


def values(said: Translation) -> list[tuple[str, str, object]]:
    return [(one.device, one.key, one.value) for one in said.samples]


def whys(said: Translation) -> list[Why]:
    return [one.why for one in said.asides]


def test_public_frames_are_read_as_their_makers_say() -> None:
    host = Host()
    said, ask = take(host, NODE.format("NBIRTH"), NBIRTH)
    assert ask is None
    assert values(said) == [("luohu/gw-1", "Temperature", 21.5)]
    assert whys(said) == [Why.CONTROL, Why.CONTROL]
    assert said.presences == [Presence(device="luohu/gw-1", online=True)]
    said, ask = take(host, NODE.format("NDATA"), NDATA)
    assert values(said) == [("luohu/gw-1", "Temperature", 22.5)]
    assert said.samples[0].at_s == MS / 1e3
    assert ask is None
    said, _ = take(host, NODE.format("NDEATH"), NDEATH)
    assert whys(said) == [Why.STALE_DEATH]
    assert said.presences == []


def test_a_gap_asks_for_a_birth_and_what_came_by_alias_is_read_with_it() -> None:
    host = Host()
    take(host, NODE.format("NBIRTH"), NBIRTH)
    take(host, NODE.format("NDATA"), NDATA)
    said, ask = take(host, NODE.format("NDATA"), NDATA_GAP)
    assert values(said) == []
    assert whys(said) == [Why.BEFORE_BIRTH]
    assert ask == ASK
    said, ask = take(host, NODE.format("NBIRTH"), NBIRTH)
    assert values(said) == [
        ("luohu/gw-1", "Temperature", 21.5),
        ("luohu/gw-1", "Temperature", 27.0),
    ]
    assert ask is None
    assert (host.figures.gaps, host.figures.asked, host.figures.recovered) == (1, 1, 1)


def test_after_a_gap_what_names_itself_is_read_at_once() -> None:
    host = Host()
    take(host, NODE.format("NBIRTH"), birth())
    data = payload(9, {"name": "Temp", "datatype": 10, "double_value": 3.0})
    said, ask = take(host, NODE.format("NDATA"), data)
    assert values(said) == [("luohu/gw-1", "Temp", 3.0)]
    assert ask == ASK


def test_the_sequence_wraps_from_255_to_0() -> None:
    host = Host()
    take(host, NODE.format("NBIRTH"), birth())
    for seq in range(1, 256):
        data = payload(seq, {"alias": 100, "double_value": float(seq)})
        _, ask = take(host, NODE.format("NDATA"), data)
        assert ask is None
    said, ask = take(host, NODE.format("NDATA"), NDATA_WRAP)
    assert values(said) == [("luohu/gw-1", "Temp", 30.0)]
    assert ask is None
    assert host.figures.gaps == 0


def test_data_before_its_birth_waits_for_it_and_requests_are_spaced() -> None:
    host = Host()
    asked = []
    for second in (0, 1, 9, 11, 20, 32):
        said, ask = take(host, NODE.format("NDATA"), NDATA, NOW_S + second)
        assert whys(said) == [Why.BEFORE_BIRTH]
        if ask:
            asked.append(second)
    assert asked == [0, 11, 32]
    said, _ = take(host, NODE.format("NBIRTH"), NBIRTH)
    assert [value for _, _, value in values(said)] == [21.5] + [22.5] * 6


def test_held_messages_are_bounded_the_oldest_goes() -> None:
    host = Host()
    for number in range(sparkplug.MOST_HELD + 5):
        data = payload(1, {"alias": 100, "double_value": float(number)})
        take(host, NODE.format("NDATA"), data)
    said, _ = take(host, NODE.format("NBIRTH"), birth())
    held = [value for _, _, value in values(said)][1:]
    assert held == [float(number) for number in range(5, sparkplug.MOST_HELD + 5)]


def test_what_is_held_for_all_nodes_is_bounded_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sparkplug, "MOST_HELD_METRICS", 3)
    host = Host()
    two = payload(1, {"alias": 100, "double_value": 1.0}, {"alias": 100, "double_value": 2.0})
    for _ in range(3):
        said, _ = take(host, NODE.format("NDATA"), two)
        assert whys(said) == [Why.BEFORE_BIRTH] * 2
    said, _ = take(host, NODE.format("NBIRTH"), birth())
    assert len(said.samples) == 3
    take(host, "spBv1.0/luohu/NDATA/gw-2", two)
    said, _ = take(host, "spBv1.0/luohu/NBIRTH/gw-2", birth())
    assert len(said.samples) == 3


def test_a_node_that_died_does_not_lend_its_aliases() -> None:
    host = Host()
    take(host, NODE.format("NBIRTH"), birth())
    take(host, DEVICE.format("DBIRTH"), device_birth(1))
    said, _ = take(
        host,
        NODE.format("NDEATH"),
        payload(None, {"name": "bdSeq", "datatype": 8, "long_value": 88}),
    )
    assert said.presences == [
        Presence(device="luohu/gw-1", online=False),
        Presence(device="luohu/gw-1/rtu-1", online=False),
    ]
    said, ask = take(host, NODE.format("NDATA"), payload(2, {"alias": 100, "double_value": 1.0}))
    assert (whys(said), ask) == ([Why.BEFORE_BIRTH], ASK)
    take(host, NODE.format("NDEATH"), payload(None))
    said, _ = take(host, NODE.format("NBIRTH"), birth())
    assert len(said.samples) == 1


def test_a_device_has_a_birth_of_its_own() -> None:
    host = Host()
    take(host, NODE.format("NBIRTH"), birth())
    data = payload(1, {"alias": 1, "double_value": 0.5})
    said, ask = take(host, DEVICE.format("DDATA"), data)
    assert (whys(said), ask) == ([Why.BEFORE_BIRTH], ASK)
    said, _ = take(host, NODE.format("NBIRTH"), birth())
    assert len(said.samples) == 1
    said, ask = take(host, DEVICE.format("DBIRTH"), device_birth(1))
    assert values(said) == [
        ("luohu/gw-1/rtu-1", "level", 0.1),
        ("luohu/gw-1/rtu-1", "tilt", -1500),
        ("luohu/gw-1/rtu-1", "level", 0.5),
    ]
    assert ask is None
    said, _ = take(host, DEVICE.format("DDEATH"), payload(2))
    assert said.presences == [Presence(device="luohu/gw-1/rtu-1", online=False)]
    said, ask = take(host, DEVICE.format("DDATA"), payload(3, {"alias": 1, "double_value": 1.0}))
    assert whys(said) == [Why.BEFORE_BIRTH]


def test_an_alias_belongs_to_its_device() -> None:
    host = Host()
    take(host, NODE.format("NBIRTH"), birth())
    take(host, DEVICE.format("DBIRTH"), device_birth(1))
    said, ask = take(host, DEVICE.format("DDATA"), payload(2, {"alias": 100, "double_value": 1.0}))
    assert (values(said), whys(said), ask) == ([], [Why.UNKNOWN_ALIAS], ASK)


@pytest.mark.parametrize(
    ("datatype", "field", "wire", "want"),
    [
        (1, "int_value", 0xFF, -1),
        (1, "int_value", 0xFFFFFFFF, -1),
        (1, "int_value", 0x7F, 127),
        (2, "int_value", 0xFFFF8000, -32768),
        (3, "int_value", 2**31, -(2**31)),
        (3, "long_value", 2**64 - 5, -5),
        (4, "long_value", 2**63, -(2**63)),
        (5, "int_value", 255, 255),
        (8, "long_value", 2**64 - 1, 2**64 - 1),
        (9, "float_value", 0.5, 0.5),
        (10, "double_value", -0.1, -0.1),
        (11, "boolean_value", True, True),
        (12, "string_value", "7.5", "7.5"),
    ],
)
def test_values_are_read_by_their_data_type(
    datatype: int, field: str, wire: object, want: object
) -> None:
    host = Host()
    take(host, NODE.format("NBIRTH"), birth())
    data = payload(1, {"name": "x", "datatype": datatype, field: wire})
    said, _ = take(host, NODE.format("NDATA"), data)
    assert values(said) == [("luohu/gw-1", "x", want)]


@pytest.mark.parametrize(
    ("metric", "why"),
    [
        ({"name": "x", "datatype": 13, "long_value": MS}, Why.NESTED),
        ({"name": "x", "datatype": 17, "bytes_value": b"1"}, Why.NESTED),
        ({"name": "x", "datatype": 16, "dataset_value": b""}, Why.NESTED),
        ({"name": "x", "datatype": 10, "is_null": True}, Why.NULL),
        ({"name": "x", "datatype": 10}, Why.NULL),
        ({"name": "x", "datatype": 10, "double_value": 1.0, "is_transient": True}, Why.TRANSIENT),
        ({"name": "x", "timestamp": 5, "double_value": 1.0}, Why.BAD_TIME),
        ({"name": "Node Control/Rebirth", "boolean_value": False}, Why.CONTROL),
        ({"alias": 7, "double_value": 1.0}, Why.UNKNOWN_ALIAS),
    ],
)
def test_what_is_no_reading_says_why(metric: dict[str, Any], why: Why) -> None:
    host = Host()
    take(host, NODE.format("NBIRTH"), birth())
    said, _ = take(host, NODE.format("NDATA"), payload(1, metric))
    assert (values(said), whys(said)) == ([], [why])


def test_history_is_said_to_be_history_and_times_go_from_metric_to_payload_to_arrival() -> None:
    host = Host()
    take(host, NODE.format("NBIRTH"), birth())
    metrics = [
        {"name": "a", "double_value": 1.0, "is_historical": True, "timestamp": MS + 5000},
        {"name": "b", "double_value": 2.0},
    ]
    said, _ = take(host, NODE.format("NDATA"), payload(1, *metrics))
    assert [(one.channel, one.at_s) for one in said.samples] == [
        (Channel.BACKFILL, MS / 1e3 + 5),
        (Channel.LIVE, MS / 1e3),
    ]
    said, _ = take(host, NODE.format("NDATA"), payload(2, metrics[1], timestamp=None))
    assert [one.at_s for one in said.samples] == [NOW_S]


def test_after_looking_away_no_alias_is_trusted() -> None:
    host = Host()
    take(host, NODE.format("NBIRTH"), birth())
    host.look_away()
    said, ask = take(host, NODE.format("NDATA"), payload(1, {"alias": 100, "double_value": 5.0}))
    assert (whys(said), ask) == ([Why.BEFORE_BIRTH], ASK)
    other = payload(0, {"name": "Other", "alias": 100, "datatype": 10, "double_value": 1.0})
    said, _ = take(host, NODE.format("NBIRTH"), other)
    assert values(said) == [("luohu/gw-1", "Other", 1.0), ("luohu/gw-1", "Other", 5.0)]


def test_a_birth_sooner_resets_the_pause_between_requests() -> None:
    host = Host()
    assert take(host, NODE.format("NDATA"), NDATA, NOW_S)[1] == ASK
    take(host, NODE.format("NBIRTH"), NBIRTH, NOW_S + 1)
    assert take(host, NODE.format("NDATA"), NDATA_GAP, NOW_S + 2)[1] == ASK


@pytest.mark.parametrize(
    "topic",
    [
        "spBv1.0/luohu/NDATA",
        "spBv1.0/luohu/NDATA/gw-1/x",
        "spBv1.0/luohu/DDATA/gw-1",
        "spBv1.0//NDATA/gw-1",
        "spBv1.0/luohu/XDATA/gw-1",
        "spAv1.0/luohu/NDATA/gw-1",
    ],
)
def test_a_topic_that_is_none_is_said(topic: str) -> None:
    said, ask = take(Host(), topic, NDATA)
    assert (whys(said), ask) == ([Why.BAD_TOPIC], None)


@pytest.mark.parametrize("topic", ["spBv1.0/STATE/host-1", ASK, "spBv1.0/luohu/DCMD/gw-1/rtu-1"])
def test_what_is_not_said_by_an_edge_node_is_left_alone(topic: str) -> None:
    said, ask = take(Host(), topic, b"\xff")
    assert (said, ask) == (Translation(), None)


def test_edge_nodes_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sparkplug, "MOST_NODES", 1)
    host = Host()
    take(host, NODE.format("NBIRTH"), birth())
    said, _ = take(host, "spBv1.0/luohu/NBIRTH/gw-2", birth())
    assert (values(said), whys(said)) == ([], [Why.TOO_MANY])


KINDS = st.sampled_from(["NBIRTH", "NDATA", "NDEATH", "DBIRTH", "DDATA", "DDEATH"])


@given(st.lists(st.tuples(KINDS, st.binary(max_size=80)), max_size=8))
def test_no_bytes_raise(messages: list[tuple[str, bytes]]) -> None:
    host = Host()
    for kind, data in messages:
        topic = (DEVICE if kind[0] == "D" else NODE).format(kind)
        said, ask = take(host, topic, data)
        assert ask in (None, ASK)
        assert all(one.key for one in said.samples) or said is not None


METRICS = st.fixed_dictionaries(
    {},
    optional={
        "name": st.sampled_from(["a", "b", "bdSeq"]),
        "alias": st.integers(0, 3),
        "timestamp": st.sampled_from([0, MS, 2**64 - 1]),
        "datatype": st.integers(0, 40),
        "int_value": st.integers(0, 2**32 - 1),
        "is_historical": st.booleans(),
        "is_null": st.booleans(),
    },
)


@given(
    st.lists(
        st.tuples(KINDS, st.none() | st.integers(0, 300), st.lists(METRICS, max_size=3)),
        max_size=10,
    )
)
def test_in_any_order_of_messages_every_metric_is_said_or_set_aside(
    messages: list[tuple[str, int | None, list[dict[str, Any]]]],
) -> None:
    host = Host()
    for kind, seq, metrics in messages:
        topic = (DEVICE if kind[0] == "D" else NODE).format(kind)
        said, _ = take(host, topic, payload(seq, *metrics))
        if kind in ("NDATA", "DDATA"):
            assert len(said.samples) + len(said.asides) == len(metrics)
