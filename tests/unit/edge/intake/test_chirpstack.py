"""ChirpStack's events, as its documentation shows them and as they should not be."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.intake.chirpstack import translate
from edge.intake.words import Kind, Presence, Translation, Why, from_rfc3339

NOW_S = 1_790_000_000.0
EUI = "0101010101010101"
UP = {
    "deduplicationId": "3ac7e3c4-4401-4b8d-9386-a5c902f9202d",
    "time": "2022-07-18T09:34:15.775023242+00:00",
    "deviceInfo": {"deviceName": "Test device", "devEui": EUI, "tags": {"key": "value"}},
    "devAddr": "00189440",
    "dr": 1,
    "fPort": 1,
    "data": "qg==",
    "rxInfo": [
        {"gatewayId": "0016c001f153a14b", "rssi": -90, "snr": 2.5},
        {"gatewayId": "0016c001f153a14c", "rssi": -36, "snr": 10.5},
    ],
}
JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


def said(event: str, body: Any, eui: str = EUI) -> Translation:
    payload = body if isinstance(body, bytes) else json.dumps(body).encode()
    return translate(f"application/app-1/device/{eui}/event/{event}", payload, now_s=NOW_S)


def values(translation: Translation, kind: Kind = Kind.MEASURED) -> dict[str, object]:
    return {one.key: one.value for one in translation.samples if one.kind is kind}


def test_the_decoded_object_gives_the_values_with_dotted_names() -> None:
    inner = {"temp": 21.5, "door": {"open": True, "times": [1, 2]}, "text": "ok", "no": {}}
    found = said("up", {**UP, "object": inner})
    assert values(found) == {
        "temp": 21.5,
        "door.open": True,
        "door.times.0": 1,
        "door.times.1": 2,
        "text": "ok",
        "no": {},
    }
    assert {one.device for one in found.samples} == {EUI}
    assert {one.at_s for one in found.samples} == {1658136855.775023}
    assert found.asides == []


def test_how_it_was_heard_is_a_link_fact_of_the_best_gateway() -> None:
    found = said("up", {**UP, "object": {"a": 1}})
    assert values(found, Kind.LINK) == {
        "f_cnt": 0,
        "f_port": 1,
        "dr": 1,
        "rssi": -36,
        "snr": 10.5,
    }


def test_bytes_without_a_codec_are_set_aside_with_the_bytes() -> None:
    found = said("up", UP)
    assert values(found) == {}
    [aside] = found.asides
    assert (aside.why, aside.device, aside.key, aside.detail) == (
        Why.NO_CODEC,
        EUI,
        "port 1",
        "qg==",
    )


def test_an_uplink_without_a_payload_is_only_counted() -> None:
    bare = {key: value for key, value in UP.items() if key not in ("data", "fPort")}
    assert [one.why for one in said("up", bare).asides] == [Why.NOT_TELEMETRY]


@pytest.mark.parametrize(
    ("body", "want"),
    [
        (
            {"margin": 10, "batteryLevel": 88.3},
            {"margin": 10, "external_power": False, "battery_level": 88.3},
        ),
        ({}, {"margin": 0, "external_power": False, "battery_level": 0}),
        ({"externalPowerSource": True}, {"margin": 0, "external_power": True}),
        ({"batteryLevelUnavailable": True}, {"margin": 0, "external_power": False}),
    ],
)
def test_a_field_that_is_left_out_is_zero(body: dict[str, Any], want: dict[str, Any]) -> None:
    assert values(said("status", body), Kind.LINK) == want


def test_a_join_says_that_the_device_is_there() -> None:
    assert said("join", {"devAddr": "00189440"}).presences == [Presence(device=EUI, online=True)]


@pytest.mark.parametrize("event", ["ack", "txack", "log", "location", "integration", "new"])
def test_other_events_are_counted(event: str) -> None:
    assert [one.why for one in said(event, {}).asides] == [Why.NOT_TELEMETRY]


def test_without_a_time_it_happened_now_and_with_a_bad_one_it_is_set_aside() -> None:
    assert {one.at_s for one in said("up", {"object": {"a": 1}}).samples} == {NOW_S}
    for bad in ("yesterday", 7, None, "2022-13-18T09:34:15Z", "1960-01-01T00:00:00Z"):
        found = said("up", {"time": bad, "object": {"a": 1}})
        assert found.samples == []
        assert [one.why for one in found.asides] == [Why.BAD_TIME]


def test_an_event_that_names_another_device_than_its_topic_is_refused() -> None:
    body = {"deviceInfo": {"devEui": "0202020202020202"}, "object": {"a": 1}}
    assert [one.why for one in said("up", body).asides] == [Why.UNPARSABLE]
    upper = said("up", {"deviceInfo": {"devEui": "ABABABABABABABAB"}, "object": {"a": 1}}, "ab" * 8)
    assert len(values(upper)) == 1


@pytest.mark.parametrize(
    "topic", ["application/1/device/xyz/event/up", "a/b", "application/1/device/00/event/up/x", ""]
)
def test_a_topic_that_is_none_of_an_event_is_said(topic: str) -> None:
    assert [one.why for one in translate(topic, b"{}", now_s=NOW_S).asides] == [Why.BAD_TOPIC]


@pytest.mark.parametrize("payload", [b"", b"[]", b"{", b"\xff", b'{"a":' * 100_000])
def test_what_is_no_object_is_set_aside(payload: bytes) -> None:
    assert [one.why for one in said("up", payload).asides] == [Why.UNPARSABLE]


def test_an_object_nested_without_end_is_one_value() -> None:
    deep: Any = 1
    for _ in range(200):
        deep = {"a": deep}
    found = said("up", {"object": deep})
    assert len(values(found)) == 1


@given(st.sampled_from(["up", "status", "join", "log"]), st.binary(max_size=300))
def test_no_bytes_raise(event: str, payload: bytes) -> None:
    said(event, payload)


@given(
    st.sampled_from(["up", "status", "join"]),
    st.dictionaries(
        st.sampled_from(
            ["object", "data", "rxInfo", "deviceInfo", "time", "margin", "fPort", "batteryLevel"]
        ),
        JSON_VALUES,
    ),
)
def test_no_json_raises(event: str, body: dict[str, Any]) -> None:
    said(event, body)


@given(st.datetimes())
def test_times_are_read_to_the_microsecond(when: Any) -> None:
    found = from_rfc3339(f"{when.isoformat(timespec='microseconds')}999Z")
    assert found is None or abs(found - (when - type(when)(1970, 1, 1)).total_seconds()) < 1e-6
