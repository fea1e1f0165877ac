"""Paths, options, tokens and bodies: what they mean, and that no text does harm."""

from __future__ import annotations

import contextlib
from datetime import UTC, datetime
from typing import Any

import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st

from core.model import Quality
from core.units import DEVICE_KINDS, QUANTITIES
from twin.sensorthings import catalogue, paging, shapes, things, wishes
from twin.sensorthings.address import parse_path, quoted
from twin.sensorthings.faults import NotOffered, NotThere, QueryInvalid
from twin.sensorthings.model import ENTITIES, SETS
from twin.sensorthings.options import DEEPEST, MOST_EXPANDED, MOST_TOP, parse_query
from twin.sensorthings.render import judgement

NOW = datetime(2026, 1, 1, tzinfo=UTC)
WORDS = st.sampled_from(
    ["$top", "$skip", "$expand", "$filter", "$select", "$orderby", "$count", "=", "&", "(", ")",
     ";",
     ",", "/", "'", "1", "Datastreams", "Things", "Observations", "name", "id", " desc", "true",
     "Thing", "%27", "+", "%", "$ref", "$value", "x", "@iot.id", "-1", "$skiptoken"]
)  # fmt: skip
SOUP = st.text(max_size=60) | st.lists(WORDS, max_size=25).map("".join)


# Paths ------------------------------------------------------------------------------------------


def test_a_path_leads_over_links_to_a_set_an_entity_or_a_property() -> None:
    found = parse_path("Datastreams(12)/Thing/Locations")
    assert [step.entity.name for step in found.steps] == ["Datastream", "Thing", "Location"]
    assert (found.many, found.steps[0].key, found.leaf) == (True, 12, None)
    leaf = parse_path("Things('it''s/a')/properties/a/b/$value")
    assert (leaf.steps[0].key, leaf.leaf, leaf.inside, leaf.value) == (
        "it's/a", "properties", ("a", "b"), True,
    )  # fmt: skip
    assert parse_path("/Things('x')/Datastreams/$ref/").refs
    assert not parse_path("Datastreams(1)/Thing").many


@pytest.mark.parametrize(
    "path",
    ["", "nothing", "Things(1)", "Datastreams('1')", "Things/name", "Things('x')/nothing",
     "Things('x')/Datastreams/name", "Things('x", "Observations(1)"],
)  # fmt: skip
def test_a_path_that_leads_nowhere_is_not_there(path: str) -> None:
    with pytest.raises(NotThere):
        parse_path(path)


@pytest.mark.parametrize(
    "path",
    ["Things('x')/$value", "Things('x')/name/$ref", "Things('x')/name/more", "x" * 3000, "a\x00",
     "Datastreams(1)/Thing('x')", "Datastreams(1)" + "/Thing/Datastreams(1)" * 9],
)  # fmt: skip
def test_a_path_that_makes_no_sense_is_refused(path: str) -> None:
    with pytest.raises(QueryInvalid):
        parse_path(path)


@given(SOUP)
@settings(max_examples=500)
def test_no_path_does_harm(path: str) -> None:
    with contextlib.suppress(NotThere, QueryInvalid):
        parse_path(path)


@given(st.text(max_size=40).filter(lambda text: "\x00" not in text))
def test_any_id_comes_back_out_of_its_path(key: str) -> None:
    assert parse_path(f"Things({quoted(ENTITIES['Thing'], key)})").steps[0].key == key


# Options ----------------------------------------------------------------------------------------


def test_options_inside_an_expansion_belong_to_it() -> None:
    query = (
        "$expand=Datastreams($expand=Observations($top=1;$filter=result gt 1 and result lt 2;"
        "$orderby=phenomenonTime desc);$select=name),Locations&$top=5&other=1"
    )
    options = parse_query(query, ENTITIES["Thing"])
    assert [one.link.name for one in options.expand] == ["Datastreams", "Locations"]
    inner = options.expand[0].options
    assert inner.select == frozenset({"name"})
    assert inner.expand[0].options.top == 1
    assert inner.expand[0].options.orderby[0].descending
    assert options.limit == 5
    short = parse_query("$expand=Datastreams/Observations($top=1)", ENTITIES["Thing"])
    assert short.expand[0].options.expand[0].options.top == 1


def test_a_top_is_bounded_and_usual_without_one() -> None:
    assert parse_query("$top=99999999", ENTITIES["Thing"]).limit == MOST_TOP
    assert parse_query("", ENTITIES["Thing"]).limit == 100
    assert parse_query("$filter=name+eq+%27a%26b%27", ENTITIES["Thing"]).filter is not None


@pytest.mark.parametrize(
    "query",
    ["$top=", "$top=1&$top=2", "$top=-1", "$top=1.5", "$top=٣", "$skip=99999999999", "$count=1",
     "$select=", "$select=name,,id", "$orderby=", "$orderby=name desc desc", "$expand=",
     "$expand=Datastreams,Datastreams", "$expand=Datastreams($top)", "$expand=Datastreams)",
     "$expand=Datastreams($top=1;$top=2)", "$expand=Datastreams('", "$filter=", "$filter=%00",
     "$orderby=" + ",".join(["name"] * 9), "$expand=" + "Datastreams($expand=Thing(" * 9,
     "$orderby=Datastreams/name", "$resultFormat=dataArray",
     "$filter=name eq '" + "x" * 20000 + "'"],
)  # fmt: skip
def test_malformed_options_are_refused(query: str) -> None:
    with pytest.raises(QueryInvalid):
        parse_query(query, ENTITIES["Thing"])


def test_expansions_are_bounded_in_depth_and_number() -> None:
    deep = "/".join(["Datastreams", "Thing"] * DEEPEST)
    with pytest.raises(QueryInvalid, match="levels"):
        parse_query(f"$expand={deep}", ENTITIES["Thing"])
    wide = "Thing,Sensor,ObservedProperty,Observations"
    many = f"$expand=Datastreams($expand={wide}),Locations($expand=Things($expand=Datastreams("
    many += f"$expand={wide}),Locations),HistoricalLocations),HistoricalLocations"
    with pytest.raises(QueryInvalid, match=str(MOST_EXPANDED)):
        parse_query(many, ENTITIES["Thing"])


def test_an_option_that_is_not_offered_says_so() -> None:
    for query in ("$search=x", "$apply=x", "$resultFormat=csv", "$expand=Datastreams($levels=2)"):
        with pytest.raises(NotOffered):
            parse_query(query, ENTITIES["Thing"])


@given(SOUP, st.sampled_from(list(SETS)))
@settings(max_examples=500)
def test_no_options_do_harm(query: str, name: str) -> None:
    with contextlib.suppress(QueryInvalid, NotOffered):
        parse_query(query, SETS[name])


# Tokens -----------------------------------------------------------------------------------------


@given(
    st.lists(
        st.integers(-(2**62), 2**62)
        | st.text(max_size=10)
        | st.floats(allow_nan=False, allow_infinity=False)
        | st.datetimes(min_value=datetime(1971, 1, 1), timezones=st.just(UTC)),  # noqa: DTZ001
        max_size=4,
    )
)
def test_a_token_says_again_what_was_put_in(values: list[Any]) -> None:
    place = paging.read(paging.make(5, 10, values), 5, 10)
    assert place is not None
    assert list(place.values) == values


@given(st.text(max_size=80))
def test_no_token_does_harm(text: str) -> None:
    paging.read(text, 1, 1)


def test_a_link_carries_the_options_and_the_place() -> None:
    link = paging.next_link("http://h/Things", {"$filter": "a&b", "$skip": "3"}, 5, 8, "t")
    assert link == "http://h/Things?$filter=a%26b&$top=5&$skip=8&$skiptoken=t"


# Geometries -------------------------------------------------------------------------------------


@given(
    st.floats(114, 114.01), st.floats(22.5, 22.51),
    st.sampled_from(["equals", "disjoint", "touches", "within", "overlaps", "crosses", "intersects",
                     "contains", "relate", "distance"]),
    st.sampled_from(["eq", "lt", "le", "ge"]), st.floats(0, 900), st.booleans(),
)  # fmt: skip
def test_what_a_box_leaves_out_is_never_meant(
    lon: float, lat: float, name: str, operator: str, limit: float, swapped: bool
) -> None:
    shape = shapely.box(114.003, 22.503, 114.006, 22.506)
    point = shapely.Point(lon, lat)
    how = (operator, limit) if name == "distance" else ("", 0.0)
    held = shapes.meets(
        name, shapely.points([[lon, lat]]), shape, swapped=swapped, pattern="FF*******", limit=how
    )
    west, south, east, north = shapes.box(name, shape, *how)
    inside = west <= point.x <= east and south <= point.y <= north
    assert inside or not held[0]


def test_a_distance_is_metres() -> None:
    """A thousandth of a degree of latitude at 22.5° is 110.7 m (ellipsoid of CGCS2000)."""
    there = shapely.points([[114.0, 22.501]])
    for limit, near in ((110.6, False), (110.8, True)):
        held = shapes.meets(
            "distance",
            there,
            shapely.Point(114, 22.5),
            swapped=False,
            pattern="",
            limit=("lt", limit),
        )
        assert bool(held[0]) is near


# Bodies -----------------------------------------------------------------------------------------


def test_an_observation_is_read() -> None:
    body = {"phenomenonTime": "2026-01-01T08:00:00.000001+08:00", "result": True, "resultTime": "x"}
    wish = wishes.observation(body | {"Datastream": {"@iot.id": 3}}, None, NOW)
    assert wish == wishes.Wish(series=3, observed_us=1_767_225_600_000_001, value=1.0)
    assert wishes.observation({"result": 2}, 3, NOW).observed_us == 1_767_225_600_000_000


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3)
    | st.dictionaries(
        st.sampled_from(
            ["result", "phenomenonTime", "Datastream", "@iot.id", "components", "dataArray", "name",
             "properties", "kind", "Locations", "location", "type", "coordinates", "Datastreams",
             "ObservedProperty", "unitOfMeasurement", "Sensor", "geometry", "interval_s"]
        ),
        inner, max_size=4,
    ),
    max_leaves=12,
)  # fmt: skip


@given(JSON)
@settings(max_examples=400)
def test_no_body_does_harm(body: Any) -> None:
    for read in (
        lambda: wishes.observation(body, 1, NOW),
        lambda: wishes.observations(body, NOW),
        lambda: things.device(body, things.Position(lon=1, lat=1), "gw", "new"),
        lambda: things.position(body),
    ):
        with contextlib.suppress(wishes.Unfit):
            read()


@given(st.binary(max_size=60))
def test_no_bytes_do_harm(body: bytes) -> None:
    with contextlib.suppress(QueryInvalid):
        wishes.decode(body)


def test_a_thing_becomes_a_device() -> None:
    body = {
        "name": "x",
        "properties": {"kind": "heat", "address": "A 1", "floor": 2},
        "Datastreams": [
            {"ObservedProperty": {"name": "temperature"}, "unitOfMeasurement": {"symbol": "Cel"}}
        ],
    }
    made = things.device(body, things.Position(lon=114, lat=22), "sta-http", "sta-1")
    assert (made.device_id, made.kind, made.gateway_id) == ("sta-1", "heat", "sta-http")
    assert (made.quantities, made.attributes) == (("temperature",), {"floor": 2})
    assert made.address == "A 1"


# Words ------------------------------------------------------------------------------------------


def test_every_quantity_has_a_definition_and_a_unit_name() -> None:
    found = catalogue.quantities()
    assert {one["id"] for one in found} == set(QUANTITIES)
    assert all(
        one["definition"].startswith(("http://qudt.org/", "urn:blocktwin:")) for one in found
    )
    assert {one["id"] for one in catalogue.kinds()} == set(DEVICE_KINDS)


def test_every_quality_bit_has_its_word() -> None:
    assert judgement(sum(Quality))["words"] == [str(one.name).lower() for one in Quality if one]
