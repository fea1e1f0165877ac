"""The filter's parser: precedence, types, bounds; nothing but a refusal comes out of any text."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Any

import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.oracle.filters import World
from tests.support.filters import Chance
from twin.sensorthings.compiler import Compiler
from twin.sensorthings.expression import Apply, Cast, Near, Node, walk
from twin.sensorthings.faults import QueryInvalid
from twin.sensorthings.functions import FUNCTIONS, SUPPORTED
from twin.sensorthings.model import ENTITIES, Type
from twin.sensorthings.parser import DEEPEST, MOST_LINKS, MOST_NODES, parse_filter

NOW = datetime(2026, 1, 1, tzinfo=UTC)
THING, OBSERVATION = ENTITIES["Thing"], ENTITIES["Observation"]
PIECES = [
    "result", "name", "properties/kind", "Datastream/name", "eq", "ne", "lt", "and", "or", "not",
    "add", "sub", "mul", "div", "mod", "-", "(", ")", ",", "/", "'x'", "'it''s'", "1", "2.5", "1e3",
    "true", "null", "now()", "2026-01-01T00:00:00Z", "duration'PT1H'", "geography'POINT(114 22)'",
    "st_within(", "geo.distance(", "length(", "substringof(",
    "2026-01-01T00:00:00Z/2026-01-02T00:00:00Z",
    "phenomenonTime", "location", "'", "@iot.id", "during(", "%", "\x00", "设备", "\ud7ff",
]  # fmt: skip


def judged(text: str, **word: Any) -> Any:
    """What a filter says of one Observation, in plain Python."""
    tree = parse_filter(text, OBSERVATION)
    return World({}, {}, NOW).value(tree, {(): word})


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("result add 2 mul 3 eq 7", True),
        ("(result add 2) mul 3 eq 9", True),
        ("result sub 1 sub 1 eq -1", True),
        ("-result add 2 eq 1", True),
        ("not result eq 2 and result eq 1", True),
        ("result eq 2 or result eq 1 and result eq 1", True),
        ("(result eq 1 or result eq 2) and result eq 2", False),
        ("not (result eq 1)", False),
        ("result div 0 eq 1", None),
        ("not result div 0 eq 1", None),
        ("result div 0 eq 1 or result eq 1", True),
        ("phenomenonTime add duration'P1DT1H' eq 2026-01-02T01:00:00Z", True),
        ("phenomenonTime sub duration'-PT0.5S' eq 2026-01-01T08:00:00.5+08:00", True),
        ("during(phenomenonTime,2026-01-01T00:00:00Z/2026-01-02T00:00:00Z)", True),
        ("during(phenomenonTime,2025-01-01T00:00:00Z/2026-01-01T00:00:00Z)", False),
        ("after(phenomenonTime,2025-01-01T00:00:00Z/2026-01-01T00:00:00Z)", True),
        ("before(phenomenonTime,2026-01-01T00:00:00Z/2026-02-01T00:00:00Z)", False),
        ("id eq 'it''s'", True),
        ("resultQuality/code eq 4 and resultQuality/code ne 5", True),
        ("resultQuality/code eq 'x'", None),
        ("resultQuality/none eq null and resultQuality/code ne null", True),
        ("date(phenomenonTime) eq '2026-01-01'", True),
        ("time(phenomenonTime) eq '00:00:00.000000'", True),
    ],
)  # fmt: skip
def test_what_a_filter_means(text: str, expected: bool | None) -> None:
    word = {
        "@iot.id": "it's",
        "result": 1,
        "phenomenonTime": "2026-01-01T00:00:00Z",
        "resultQuality": {"code": 4},
    }
    assert judged(text, **word) is expected


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "missing at 1"),
        ("result", "takes a boolean, not a number"),
        ("result eq", "missing at 10"),
        ("result eq 'x'", "takes a number"),
        ("result eq 1 1", "one too many"),
        ("(result eq 1", "')' is missing at 13"),
        ("results eq 1", "has no 'results'; it has id, phenomenonTime"),
        ("Datastream eq 1", "is no property"),
        ("result/x eq 1", "has no parts"),
        ("shout(result) eq 1", "no function 'shout'"),
        ("length(result) eq 1", "takes a text"),
        ("length('a','b') eq 1", "takes 1 arguments, not 2"),
        ("now(1) eq 1", "takes no arguments"),
        ("null gt 1", "null is compared with eq and ne"),
        ("true gt false", "conditions cannot be compared"),
        ("result eq 2026-13-01T00:00:00Z", "no time at 11"),
        ("result eq duration'P1M'", "without months"),
        ("Datastream/phenomenonTime eq 1", "cannot be"),
        ("Datastream/observedArea eq geography'POINT(1 1)'", "use a function"),
        ("st_within(Datastream/observedArea, 'x')", "compares it with geography"),
        ("st_within('x', geography'POINT(1 1)')", "asks a property"),
        ("st_relate(Datastream/observedArea, geography'POINT(1 1)', 'x')", "nine signs"),
        ("geo.distance(Datastream/observedArea, geography'POINT(1 1)') add 1 lt 2", "can only be"),
        ("geo.distance(Datastream/observedArea, geography'POINT(1 1)') lt result", "of metres"),
        ("st_within(Datastream/observedArea, geography'POINT(1')", "no WKT"),
        (
            "st_within(Datastream/observedArea, geography'CIRCULARSTRING(0 0,1 1,2 0)')",
            "straight edges",
        ),
        ("st_within(Datastream/observedArea, geography'POINT EMPTY')", "empty"),
        ("st_within(Datastream/observedArea, geography'POINT(1000 1)')", "degrees"),
        ("st_within(Datastream/observedArea, geography'POLYGON((0 0,1 1,1 0,0 1,0 0))')", "cross"),
        ("resultQuality/a eq parameters/b", "two parts of objects"),
        ("result eq #", "cannot read"),
        ("phenomenonTime gt 2026-03-01T20:00:00 08:00", "a + in a time is written %2B"),
        ("1e999 gt result", "too large"),
    ],
)  # fmt: skip
def test_what_is_no_filter_is_refused_with_its_reason(text: str, says: str) -> None:
    with pytest.raises(QueryInvalid) as refused:
        parse_filter(text, OBSERVATION)
    assert says in str(refused.value)


@pytest.mark.parametrize(
    "text",
    [
        "(" * (DEEPEST + 5) + "true" + ")" * (DEEPEST + 5),
        "not " * 5000 + "true",
        "-" * 500 + "1 eq 1",
        " or ".join(["true"] * (MOST_NODES + 1)),
        "x" * 5000,
        "Thing/Datastreams/" * MOST_LINKS + "name eq 'x'",
        "tolower(" * 100 + "'a'" + ")" * 100 + " eq 'a'",
    ],
)
def test_a_filter_is_bounded(text: str) -> None:
    with pytest.raises(QueryInvalid):
        parse_filter(text, ENTITIES["Datastream"])


@given(st.text(max_size=80) | st.lists(st.sampled_from(PIECES), max_size=25).map(" ".join))
@settings(max_examples=600)
def test_no_text_brings_anything_but_a_tree_or_a_refusal(text: str) -> None:
    for entity in ENTITIES.values():
        try:
            tree = parse_filter(text, entity)
        except QueryInvalid:
            continue
        compiled(tree)


@given(st.sampled_from(list(ENTITIES)), st.integers(0, 10**6))
@settings(max_examples=300)
def test_every_filter_by_chance_becomes_sql_with_parameters_only(name: str, seed: int) -> None:
    text = Chance(ENTITIES[name], seed).filter()
    sql, values = compiled(parse_filter(text, ENTITIES[name]))
    assert "设备" not in sql
    assert set(re.findall(r"%\((p\d+)\)s", sql)) == values.keys()


def compiled(tree: Node) -> tuple[str, dict[str, Any]]:
    """Compile a filter; every question to geometries has found nothing."""
    found: dict[Near, list[Any]] = {node: [] for node in walk(tree) if isinstance(node, Near)}
    compiler = Compiler({}, NOW, found)
    where = compiler.condition(tree).as_string(None)
    return where + compiler.joins.as_string(None), compiler.values


def test_a_part_of_an_object_is_what_it_is_compared_with() -> None:
    for value, type_ in (("'x'", Type.TEXT), ("1", Type.NUMBER), ("true", Type.BOOL)):
        tree = parse_filter(f"properties/a/b eq {value}", THING)
        assert isinstance(tree, Apply)
        cast = tree.arguments[0]
        assert isinstance(cast, Cast)
        assert (cast.type, cast.path.inside) == (type_, ("a", "b"))


def test_a_distance_may_stand_on_either_side() -> None:
    point = "geography'POINT(114 22)'"
    left = parse_filter(f"geo.distance(location,{point}) lt 5", ENTITIES["Location"])
    right = parse_filter(f"5 gt geo.distance({point},location)", ENTITIES["Location"])
    assert isinstance(left, Near)
    assert left == right
    assert (left.name, left.operator, left.limit) == ("distance", "lt", 5.0)
    assert left.shape == shapely.Point(114, 22)


def test_the_supported_functions_are_those_of_the_standard_and_three_of_time() -> None:
    """OGC 18-088, table 25."""
    standard = (
        "substringof endswith startswith length indexof substring tolower toupper trim concat year "
        "month day hour minute second fractionalseconds date time totaloffsetminutes now "
        "mindatetime maxdatetime round floor ceiling geo.distance geo.length geo.intersects "
        "st_equals st_disjoint st_touches st_within st_overlaps st_crosses st_intersects "
        "st_contains st_relate before after during"
    )
    assert sorted(SUPPORTED) == sorted(standard.split())
    assert FUNCTIONS.keys() <= set(SUPPORTED)


def test_a_length_is_metres_of_a_line_and_nothing_of_all_that_is_no_line() -> None:
    line = "geography'LINESTRING(114 22.5,114 22.501)'"
    assert judged(f"geo.length({line}) gt 110.6 and geo.length({line}) lt 110.8") is True
    assert judged("geo.length(Datastream/observedArea) eq 0") is True
    with pytest.raises(QueryInvalid, match="takes a geometry"):
        parse_filter("geo.length(result) eq 0", OBSERVATION)
