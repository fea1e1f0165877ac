"""ThingsBoard's messages: every form of payload, and what is none."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.intake.thingsboard import is_data, translate
from edge.intake.words import Kind, Presence, Translation, Why

NOW_S = 1_790_000_000.0
TS = 1_780_000_000_123
JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)
TOPICS = [
    "v1/devices/me/telemetry",
    "v1/devices/me/attributes",
    "v1/gateway/telemetry",
    "v1/gateway/attributes",
    "v1/gateway/connect",
    "v1/gateway/disconnect",
]


def said(topic: str, body: Any, *, is_gateway: bool = True) -> Translation:
    payload = body if isinstance(body, bytes) else json.dumps(body).encode()
    return translate(topic, payload, owner="me", is_gateway=is_gateway, now_s=NOW_S)


def heard(translation: Translation) -> list[tuple[str, str, object, float]]:
    return [(one.device, one.key, one.value, one.at_s) for one in translation.samples]


@pytest.mark.parametrize(
    ("body", "want"),
    [
        ({"a": 1, "b": "2"}, [("a", 1, NOW_S), ("b", "2", NOW_S)]),
        ([{"a": 1}, {"b": True}], [("a", 1, NOW_S), ("b", True, NOW_S)]),
        ({"ts": TS, "values": {"a": 1.5}}, [("a", 1.5, TS / 1e3)]),
        ([{"ts": TS, "values": {"a": 1}}, {"b": 2}], [("a", 1, TS / 1e3), ("b", 2, NOW_S)]),
        ({"ts": str(TS), "values": {"a": 1}}, [("a", 1, TS / 1e3)]),
        ({"ts": 5, "x": 6}, [("ts", 5, NOW_S), ("x", 6, NOW_S)]),
        ({"ts": TS, "values": 6}, [("ts", TS, NOW_S), ("values", 6, NOW_S)]),
        ({}, []),
        ([], []),
    ],
)
def test_every_form_of_telemetry_is_understood(
    body: Any, want: list[tuple[str, object, float]]
) -> None:
    own = said("v1/devices/me/telemetry", body, is_gateway=False)
    assert heard(own) == [("me", *one) for one in want]
    assert {one.kind for one in own.samples} <= {Kind.MEASURED}
    behind = said("v1/gateway/telemetry", {"Kiln 1": body, "Kiln 2": body})
    assert heard(behind) == [(name, *one) for name in ("Kiln 1", "Kiln 2") for one in want]
    assert own.asides == behind.asides == []


def test_what_a_gateway_says_of_itself_is_no_measurement() -> None:
    own = said("v1/devices/me/telemetry", {"cpu": 40})
    assert [one.kind for one in own.samples] == [Kind.LINK]


@pytest.mark.parametrize("behind", [True, False])
def test_attributes_are_told_apart_from_telemetry(behind: bool) -> None:
    body = {"model": "K-9", "limit": 5}
    if behind:
        found = said("v1/gateway/attributes", {"Kiln": body})
    else:
        found = said("v1/devices/me/attributes", body, is_gateway=False)
    assert [(one.key, one.value) for one in found.samples] == [("model", "K-9"), ("limit", 5)]
    assert {one.kind for one in found.samples} == {Kind.ATTRIBUTE}


@pytest.mark.parametrize(("word", "online"), [("connect", True), ("disconnect", False)])
def test_devices_come_and_go(word: str, online: bool) -> None:
    found = said(f"v1/gateway/{word}", {"device": "Kiln", "type": "default"})
    assert found.presences == [Presence(device="Kiln", online=online)]
    many = said(f"v1/gateway/{word}", [{"device": "A"}, {"device": ""}, 7])
    assert many.presences == [Presence(device="A", online=online)]
    assert [one.why for one in many.asides] == [Why.UNPARSABLE] * 2


@pytest.mark.parametrize("ts", [0, 1_780_000_000, -TS, 10**40, True, None, "soon", [TS], 1e300])
def test_a_time_that_is_none_sets_the_values_aside_with_their_names(ts: object) -> None:
    found = said("v1/gateway/telemetry", {"Kiln": [{"ts": ts, "values": {"a": 1}}]})
    assert found.samples == []
    assert [(one.why, one.device, one.key) for one in found.asides] == [(Why.BAD_TIME, "Kiln", "a")]


@pytest.mark.parametrize("payload", [b"", b"{", b"\xff\xfe", b"nan", b"[" * 100_000, b'{"a":1}x'])
@pytest.mark.parametrize("topic", TOPICS)
def test_what_is_no_json_is_set_aside_as_a_whole(topic: str, payload: bytes) -> None:
    found = said(topic, payload)
    assert [one.why for one in found.asides] == [Why.UNPARSABLE]
    assert found.samples == []


@pytest.mark.parametrize(
    ("topic", "body"),
    [
        ("v1/gateway/telemetry", [1, 2]),
        ("v1/gateway/telemetry", {"Kiln": 5}),
        ("v1/gateway/telemetry", {"Kiln": [5]}),
        ("v1/gateway/attributes", {"Kiln": [{"a": 1}]}),
        ("v1/devices/me/telemetry", "a"),
        ("v1/devices/me/attributes", [1]),
    ],
)
def test_a_form_that_is_none_is_set_aside(topic: str, body: Any) -> None:
    found = said(topic, body)
    assert [one.why for one in found.asides] == [Why.UNPARSABLE]


def test_a_device_does_not_speak_for_others() -> None:
    found = said("v1/gateway/telemetry", {"Kiln": {"a": 1}}, is_gateway=False)
    assert found.samples == []
    assert [one.why for one in found.asides] == [Why.BAD_TOPIC]


def test_only_data_is_data() -> None:
    assert all(is_data(topic) for topic in TOPICS)
    assert not is_data("v1/devices/me/rpc/request/1")
    assert [one.why for one in said("v1/other", {}).asides] == [Why.BAD_TOPIC]


@given(st.sampled_from(TOPICS), st.binary(max_size=300), st.booleans())
def test_no_bytes_raise(topic: str, payload: bytes, is_gateway: bool) -> None:
    translate(topic, payload, owner="me", is_gateway=is_gateway, now_s=NOW_S)


@given(st.sampled_from(TOPICS), JSON_VALUES)
def test_no_json_raises(topic: str, body: Any) -> None:
    said(topic, body)


@given(st.dictionaries(st.text(), st.dictionaries(st.text(), st.floats(-1e9, 1e9)), max_size=5))
def test_every_value_of_every_device_is_there_once(body: dict[str, dict[str, float]]) -> None:
    timed = {device: [{"ts": TS, "values": values}] for device, values in body.items()}
    found = said("v1/gateway/telemetry", timed)
    want = [(device, key, value) for device in body for key, value in body[device].items()]
    assert [(one.device, one.key, one.value) for one in found.samples] == want
