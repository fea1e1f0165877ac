"""The words, topics, units, columns and the registry: small promises that others rely on."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core import batch, topics, units
from core.errors import BlocktwinError, ConfigInvalid, DatabaseAway, Transient, UsageError
from core.model import Channel, Field, is_id, parse_time
from core.registry import Registry, SeriesInfo
from core.senml import is_name
from core.topics import Topic

IDS = st.from_regex(r"[a-z0-9][a-z0-9._-]{0,63}", fullmatch=True)


def info(series_id: int, device: str = "d1", quantity: str = "depth") -> SeriesInfo:
    return SeriesInfo(
        series_id=series_id,
        device_id=device,
        quantity=quantity,
        kind="waterlogging",
        field=Field.WATER,
        gateway_id="gw-01",
        interval_s=10,
    )


@pytest.mark.parametrize(
    "text", ["", "-a", ".a", "A", "a b", "a/b", "a\n", "é", "a" * 65, "a+", "#"]
)
def test_what_is_no_id(text: str) -> None:
    assert not is_id(text)


@given(IDS, IDS)
def test_an_id_and_a_quantity_make_a_senml_name(device: str, quantity: str) -> None:
    assert is_name(f"{device}:{quantity}")


@pytest.mark.parametrize("text", ["2026-07-01T08:00:00", "2026-07-01", "08:00", "yesterday", ""])
def test_a_time_needs_an_offset(text: str) -> None:
    with pytest.raises(ValueError, match=r"offset|Invalid"):
        parse_time(text)


def test_times_of_two_zones_are_one_moment() -> None:
    assert parse_time("2026-07-01T08:00:00+08:00") == parse_time("2026-07-01T00:00:00Z")


@given(IDS, st.sampled_from(Channel))
def test_a_topic_reads_back(gateway: str, channel: Channel) -> None:
    text = topics.topic(gateway, channel)
    assert topics.parse(text) == Topic(topics.shard_of(gateway), gateway, channel)
    assert int(topics.shard_of(gateway), 16) < topics.SHARDS


@pytest.mark.parametrize(
    "text",
    [
        "bt/v1/1f/gw-01",
        "bt/v1/1f/gw-01/live/x",
        "bt/v2/1f/gw-01/live",
        "bt/v1/00/gw-01/live",
        "bt/v1/1F/gw-01/live",
        "bt/v1/1f/GW-01/live",
        "bt/v1/1f/gw-01/nothing",
        "/bt/v1/1f/gw-01/live",
        "",
    ],
)
def test_what_is_no_topic_of_ours(text: str) -> None:
    assert topics.parse(text) is None


def test_a_gateway_of_a_bad_name_has_no_topic() -> None:
    with pytest.raises(ValueError, match="gateway id"):
        topics.topic("gw/01", Channel.LIVE)


def test_the_shard_of_a_gateway_never_changes() -> None:
    assert [topics.shard_of(f"gw-{number:02}") for number in (1, 2, 3)] == ["1f", "25", "33"]


def test_subscriptions_of_some_shards_and_of_all() -> None:
    assert topics.filters(["00", "3f"], Channel.LIVE) == ["bt/v1/00/+/live", "bt/v1/3f/+/live"]
    assert topics.filters(None, Channel.STATUS) == ["bt/v1/+/+/status"]


def test_every_kind_measures_known_quantities_and_has_both_names() -> None:
    for kind, said in units.DEVICE_KINDS.items():
        assert is_id(kind)
        assert said.quantities
        assert set(said.quantities) <= set(units.QUANTITIES)
        assert said.zh
        assert said.en
    measured = {q for kind in units.DEVICE_KINDS.values() for q in kind.quantities}
    assert measured | units.ON_ANY_DEVICE == set(units.QUANTITIES)
    assert not measured & units.ON_ANY_DEVICE


def test_every_quantity_has_a_range_and_both_names() -> None:
    for name, quantity in units.QUANTITIES.items():
        assert is_id(name)
        assert quantity.low < quantity.high
        assert quantity.unit
        assert quantity.zh
        assert quantity.en


@pytest.mark.parametrize(
    ("value", "unit", "quantity", "expected"),
    [
        (273.15, "K", "temperature", 0.0),
        (212, "[degF]", "temperature", 100.0),
        (3600, "m3/h", "flow", 1.0),
        (150, "mm", "depth", 0.15),
        (0.5, "/", "occupancy", 50.0),
        (10, "m/s", "speed", 36.0),
        (2, "Cel", "temperature", 2.0),
    ],
)
def test_units_convert(value: float, unit: str, quantity: str, expected: float) -> None:
    found = units.conversion(unit, quantity)
    assert found is not None
    assert value * found[0] + found[1] == pytest.approx(expected, abs=1e-9)


def test_a_unit_of_another_dimension_does_not_convert() -> None:
    assert units.conversion("V", "depth") is None
    with pytest.raises(KeyError):
        units.conversion("m", "no such quantity")


def test_columns_sort_by_series_then_time_and_keep_equal_keys_in_order() -> None:
    rows = batch.of([2, 1, 2, 1], [5, 9, 5, 3], [0, 0, 0, 0], [1, 2, 3, 4], [0, 0, 0, 0])
    ordered = rows.sorted()
    assert ordered.series.tolist() == [1, 1, 2, 2]
    assert ordered.observed_us.tolist() == [3, 9, 5, 5]
    assert ordered.value.tolist() == [4, 2, 1, 3]
    assert len(rows.take(rows.value > 2)) == 2
    assert len(batch.empty()) == 0


def test_columns_have_their_types_and_one_length() -> None:
    rows = batch.of([1], [1], [1], [1], [1])
    assert rows.series.dtype == rows.quality.dtype == np.int32
    assert rows.observed_us.dtype == rows.received_us.dtype == np.int64
    assert rows.value.dtype == np.float64
    with pytest.raises(ValueError, match="differ in length"):
        batch.of([1, 2], [1], [1], [1], [1])


def test_series_are_found_by_name_and_by_id() -> None:
    registry = Registry([info(7), info(9, "d2", "flow")], ["gw-02"])
    assert registry.find("d1:depth") is registry.by_id[7]
    assert registry.find("d1:flow") is None
    assert registry.devices == {"d1", "d2"}
    assert registry.gateways == {"gw-01", "gw-02"}
    assert registry.size == 10
    assert Registry([]).size == 1


def test_errors_carry_an_exit_code_and_a_remedy() -> None:
    error = ConfigInvalid("file is bad", remedy="mend it")
    assert (str(error), error.remedy, error.exit_code) == ("file is bad", "mend it", 2)
    assert isinstance(error, UsageError)
    assert isinstance(DatabaseAway("gone"), Transient)
    assert BlocktwinError("x").exit_code == 1
