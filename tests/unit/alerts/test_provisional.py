"""The message of a provisional alarm, and the key by which it is known again."""

import json
import math
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alerts import provisional
from alerts.rule_texts import parse as parse_rules
from core.model import Field, Severity, Transition, TransitionKind
from core.registry import SeriesInfo
from tests.support.warning import HOT

RULE = parse_rules(HOT, "hot.toml")[0]
ALARM = UUID(int=7)
WORDS = st.text(min_size=1, max_size=12).filter(lambda text: "\n" not in text)


def transition(**more: object) -> Transition:
    usual = {
        "rule_id": "hot",
        "rule_version": 3,
        "subject": "device:heat-1",
        "field": Field.FIRE,
        "kind": TransitionKind.RAISED,
        "severity": Severity.RED,
        "at_us": 1_790_000_000_000_001,
        "value": 70.5,
        "threshold": 57.0,
        "quantity": "temperature",
        "latch": True,
        "life_safety": True,
        "said": ("高", "high"),
    }
    return Transition(**usual | more)  # type: ignore[arg-type]


def told(one: Transition, where: SeriesInfo | None = None) -> bytes:
    return provisional.message(
        one, alarm_id=ALARM, onset_us=one.at_us - 1, detected_us=5, rule=RULE, where=where
    )


def place(lon: float = 114.1) -> SeriesInfo:
    return SeriesInfo(
        series_id=1,
        device_id="heat-1",
        quantity="temperature",
        kind="heat",
        field=Field.FIRE,
        gateway_id="gw-a",
        interval_s=10.0,
        spaces=("440305", "b-1"),
        lon=lon,
        lat=22.5,
    )


def test_it_is_read_as_it_was_written() -> None:
    one = transition()
    found = provisional.parse(told(one, place()))
    assert found.event_key == provisional.key_of(one)
    assert (found.alarm_id, found.kind, found.rank) == (ALARM, "raised", Severity.RED)
    assert (found.rule_id, found.rule_version, found.subject) == ("hot", 3, "device:heat-1")
    assert (found.value, found.threshold, found.said) == (70.5, 57.0, ("高", "high"))
    assert (found.at_us, found.onset_us, found.detected_us) == (one.at_us, one.at_us - 1, 5)
    assert found.event_at == "2026-09-21T14:13:20.000001Z"
    assert (found.spaces, found.lon, found.lat) == (("440305", "b-1"), 114.1, 22.5)
    assert found.name == RULE.name
    assert found.provisional


def test_what_is_not_known_is_said_to_be() -> None:
    found = provisional.parse(told(transition(value=math.inf), place(lon=math.nan)))
    assert (found.value, found.lon, found.lat) == (None, None, None)
    assert provisional.parse(told(transition())).spaces == ()


def test_a_newer_worker_may_say_more() -> None:
    plain = json.loads(told(transition()))
    assert provisional.parse(json.dumps(plain | {"more": 1}).encode()).rule_id == "hot"


@pytest.mark.parametrize(
    "change",
    [{"provisional": False}, {"kind": "closed"}, {"severity": "grey"}, {"event_key": "x"},
     {"at_us": -1}, {"at_us": 2**63}, {"name": {"zh": ""}}],
)  # fmt: skip
def test_what_is_no_provisional_alarm_is_refused(change: dict[str, object]) -> None:
    plain = json.loads(told(transition()))
    with pytest.raises(ValueError, match=r"."):
        provisional.parse(json.dumps(plain | change).encode())


@pytest.mark.parametrize("payload", [b"", b"{", b"\xff", b"[]", b" " * 20_000])
def test_junk_is_refused(payload: bytes) -> None:
    with pytest.raises(ValueError, match=r"."):
        provisional.parse(payload)


@given(
    st.lists(
        st.tuples(WORDS, WORDS, st.sampled_from(list(TransitionKind)), st.integers(0, 2**60)),
        unique=True,
        max_size=10,
    )
)
def test_one_event_has_one_key_and_two_have_two(
    events: list[tuple[str, str, TransitionKind, int]],
) -> None:
    keys = [provisional.event_key(rule, subject, str(k), at) for rule, subject, k, at in events]
    assert len(set(keys)) == len(events)
    assert keys == [
        provisional.key_of(transition(rule_id=rule, subject=subject, kind=k, at_us=at))
        for rule, subject, k, at in events
    ]


def test_the_filter_catches_every_topic() -> None:
    for field in Field:
        for severity in Severity:
            topic = provisional.topic(field, severity)
            assert topic.startswith(provisional.FILTER.rstrip("#"))
            assert len(topic.split("/")) == 5
