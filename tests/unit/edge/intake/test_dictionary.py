"""From foreign names to ids, and from foreign values to numbers."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.model import Channel, is_id
from edge.intake.dictionary import Dictionary, Entry, as_id, as_number
from edge.intake.words import Door, Kind, Sample, Why

AT_S = 1_790_000_000.0


def sample(
    value: object, *, device: str = "D", key: str = "k", at_s: float = AT_S, **more: object
) -> Sample:
    return Sample(device=device, key=key, value=value, at_s=at_s, **more)  # type: ignore[arg-type]


@given(st.text())
def test_any_text_gives_an_id(text: str) -> None:
    assert is_id(as_id(text))


@given(st.text(max_size=100), st.text(max_size=100))
def test_two_names_never_give_one_id(one: str, other: str) -> None:
    assert (as_id(one) == as_id(other)) == (one == other)


@given(st.from_regex(r"[a-z0-9][a-z0-9._-]{0,63}", fullmatch=True))
def test_what_is_an_id_stays_as_it_is(text: str) -> None:
    assert as_id(text) == text


@pytest.mark.parametrize("text", ["", "烟感 3", "-x", "A" * 500, "\ud800", "a/b", "é"])
def test_odd_names_keep_what_can_be_kept(text: str) -> None:
    assert is_id(as_id(text))


@pytest.mark.parametrize(
    ("value", "want"),
    [
        (1, 1.0),
        (-2.5, -2.5),
        (True, 1.0),
        (False, 0.0),
        ("21.5", 21.5),
        (" -3e2 ", -300.0),
        (".5", 0.5),
        ("TRUE", 1.0),
        ("open", Why.TEXT),
        ("1_000", Why.TEXT),
        ("٣", Why.TEXT),
        ("0x10", Why.TEXT),
        ("nan", Why.TEXT),
        ("", Why.TEXT),
        (None, Why.NULL),
        ([1], Why.NESTED),
        ({"a": 1}, Why.NESTED),
        (b"1", Why.NESTED),
        (math.nan, Why.NOT_FINITE),
        (math.inf, Why.NOT_FINITE),
        (10**400, Why.NOT_FINITE),
        ("1e999", Why.NOT_FINITE),
    ],
)
def test_values_become_numbers_or_say_why_not(value: object, want: float | Why) -> None:
    assert as_number(value) == want


def test_words_stand_for_numbers_without_regard_to_case() -> None:
    words = {"on": 1.0, "off": 0.0, "true": 7.0}
    assert [as_number(text, words) for text in ("ON", " off", "True")] == [1.0, 0.0, 7.0]


def test_what_no_entry_names_goes_on_under_its_own_name() -> None:
    found, asides = Dictionary().readings(Door.SPARKPLUG, [sample(5, device="G/N", key="Temp C")])
    [(channel, reading)] = found
    assert asides == []
    assert channel is Channel.LIVE
    assert reading.device == as_id("G/N")
    assert reading.quantity == as_id("Temp C")
    assert (reading.value, reading.unit, reading.observed_s) == (5.0, None, AT_S)


def test_an_entry_gives_quantity_unit_scale_and_words() -> None:
    entry = Entry(quantity="depth", unit="cm", scale=2.0, offset=1.0, words={"dry": 0.0})
    book = Dictionary(devices={(None, "D"): "pond-1"}, keys={(None, None, "k"): entry})
    found, _ = book.readings(Door.CHIRPSTACK, [sample("7"), sample("dry")])
    assert [(r.device, r.quantity, r.unit, r.value) for _, r in found] == [
        ("pond-1", "depth", "cm", 15.0),
        ("pond-1", "depth", "cm", 1.0),
    ]


def test_the_nearer_entry_wins() -> None:
    keys = {
        (None, None, "k"): Entry(quantity="depth"),
        (Door.SPARKPLUG, None, "k"): Entry(quantity="level"),
        (None, "D", "k"): Entry(quantity="flow"),
        (Door.SPARKPLUG, "D", "k"): Entry(quantity="speed"),
    }
    book = Dictionary(keys=keys)
    places = [
        (Door.SPARKPLUG, "D"),
        (Door.CHIRPSTACK, "D"),
        (Door.SPARKPLUG, "E"),
        (Door.CHIRPSTACK, "E"),
    ]
    found = [book.entry(door, device, "k") for door, device in places]
    assert [one.quantity if one else "" for one in found] == ["speed", "flow", "level", "depth"]
    devices = {(None, "D"): "any", (Door.SPARKPLUG, "D"): "near"}
    assert Dictionary(devices=devices).device(Door.SPARKPLUG, "D") == "near"
    assert Dictionary(devices=devices).device(Door.CHIRPSTACK, "D") == "any"


@pytest.mark.parametrize(("kind", "why"), [(Kind.LINK, Why.LINK), (Kind.ATTRIBUTE, Why.ATTRIBUTE)])
def test_facts_beside_the_measurements_travel_only_when_an_entry_says_so(
    kind: Kind, why: Why
) -> None:
    found, asides = Dictionary().readings(Door.CHIRPSTACK, [sample(5, kind=kind)])
    assert found == []
    assert [(one.why, one.device, one.key, one.detail) for one in asides] == [(why, "D", "k", "5")]
    book = Dictionary(keys={(None, None, "k"): Entry(quantity="voltage")})
    assert len(book.readings(Door.CHIRPSTACK, [sample(5, kind=kind)])[0]) == 1


def test_an_ignored_key_is_counted_and_a_bad_time_or_value_is_said() -> None:
    book = Dictionary(
        keys={
            (None, None, "no"): Entry(ignore=True),
            (None, None, "big"): Entry(quantity="depth", scale=1e300),
        }
    )
    samples = [
        sample(1, key="no"),
        sample(1e300, key="big"),
        sample(1, at_s=5.0),
        sample(1, at_s=math.inf),
    ]
    found, asides = book.readings(Door.THINGSBOARD, samples)
    assert found == []
    assert [one.why for one in asides] == [
        Why.IGNORED,
        Why.NOT_FINITE,
        Why.BAD_TIME,
        Why.BAD_TIME,
    ]


def test_history_goes_by_the_channel_that_judges_nothing() -> None:
    found, _ = Dictionary().readings(Door.SPARKPLUG, [sample(1, channel=Channel.BACKFILL)])
    assert [channel for channel, _ in found] == [Channel.BACKFILL]


@given(st.lists(st.tuples(st.text(), st.text(), st.none() | st.booleans() | st.text())))
def test_every_sample_ends_as_a_reading_or_with_a_reason(
    values: list[tuple[str, str, object]],
) -> None:
    samples = [sample(value, device=device, key=key) for device, key, value in values]
    found, asides = Dictionary().readings(Door.THINGSBOARD, samples)
    assert len(found) + len(asides) == len(samples)
    assert all(is_id(r.device) and is_id(r.quantity) for _, r in found)
