"""SensorThings over a real database: one check for each requirement that the service claims."""

from __future__ import annotations

import gzip
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psycopg
import pytest

from core.units import DEVICE_KINDS, QUANTITIES
from tests.support.sensorthings import FIRST, HEAT, READINGS, fill, moment
from tests.support.twin_api import Api, running_api
from twin.api.problems import Refused
from twin.api.routes_sensorthings import answered
from twin.sensorthings import landing, newest, paging
from twin.sensorthings import read as reading
from twin.sensorthings.frames import Scope, order_of
from twin.sensorthings.model import ENTITIES, Entity
from twin.sensorthings.options import parse_query

Conn = psycopg.Connection[Any]
Check = Callable[["Sta"], Awaitable[None]]
CHECKS: dict[str, Check] = {}


class Sta:
    """The service, asked as a viewer."""

    def __init__(self, api: Api) -> None:
        self.api = api

    async def get(self, path: str, **options: Any) -> Any:
        response = await self.ask(path, **options)
        assert response.status_code == 200, response.text
        return response.json()

    async def ask(self, path: str, **options: Any) -> Any:
        query = {f"${name}": value for name, value in options.items()}
        return await self.api.viewer.get(f"/sta/v1.1{path}", params=query)

    async def follow(self, link: str) -> Any:
        response = await self.api.viewer.get(link)
        assert response.status_code == 200, response.text
        return response.json()

    async def ids(self, path: str, **options: Any) -> list[Any]:
        return [one["@iot.id"] for one in (await self.get(path, **options))["value"]]


@pytest.fixture
async def sta(dsn: str, conn: Conn, tmp_path: Path) -> AsyncIterator[Sta]:
    fill(conn)
    async with running_api(dsn, tmp_path) as api:
        yield Sta(api)


def requires(*names: str) -> Callable[[Check], Check]:
    def keep(check: Check) -> Check:
        for name in names:
            assert name not in CHECKS
            CHECKS[name] = check
        return check

    return keep


# What section 8.2 says of each entity: mandatory properties, and links.
MANDATORY = {
    "Thing": "name description",
    "Location": "name description encodingType location",
    "HistoricalLocation": "time",
    "Datastream": "name description unitOfMeasurement observationType",
    "Sensor": "name description encodingType metadata",
    "ObservedProperty": "name definition description",
    "Observation": "phenomenonTime result resultTime",
    "FeatureOfInterest": "name description encodingType feature",
}
RELATIONS = {
    "Thing": "Locations HistoricalLocations Datastreams",
    "Location": "Things HistoricalLocations",
    "HistoricalLocation": "Thing Locations",
    "Datastream": "Thing Sensor ObservedProperty Observations",
    "Sensor": "Datastreams",
    "ObservedProperty": "Datastreams",
    "Observation": "Datastream FeatureOfInterest",
    "FeatureOfInterest": "Observations",
}


def _entity_checks(entity: Entity, slug: str) -> None:
    @requires(f"datamodel/{slug}/properties")
    async def properties(sta: Sta) -> None:
        for word in (await sta.get(f"/{entity.plural}"))["value"]:
            assert set(MANDATORY[entity.name].split()) <= word.keys()

    @requires(f"datamodel/{slug}/relations")
    async def relations(sta: Sta) -> None:
        words = (await sta.get(f"/{entity.plural}", top=5))["value"]
        assert words
        for word in words:
            for name in RELATIONS[entity.name].split():
                there = await sta.follow(word[f"{name}@iot.navigationLink"])
                assert isinstance(there.get("value"), list) is entity.links[name].many


for _name, _slug in {
    "Thing": "thing", "Location": "location", "HistoricalLocation": "historical-location",
    "Datastream": "datastream", "Sensor": "sensor", "ObservedProperty": "observed-property",
    "Observation": "observation", "FeatureOfInterest": "feature-of-interest",
}.items():  # fmt: skip
    _entity_checks(ENTITIES[_name], _slug)


@requires("datamodel/entity-control-information/common-control-information")
async def _control(sta: Sta) -> None:
    for entity in ENTITIES.values():
        for word in (await sta.get(f"/{entity.plural}", top=3))["value"]:
            again = await sta.follow(word["@iot.selfLink"])
            assert again["@iot.id"] == word["@iot.id"]
            links = {key for key in word if key.endswith("@iot.navigationLink")}
            assert links == {f"{name}@iot.navigationLink" for name in entity.links}


@requires("resource-path/resource-path-to-entities")
async def _paths(sta: Sta) -> None:
    root = await sta.get("")
    assert {one["name"] for one in root["value"]} == {e.plural for e in ENTITIES.values()}
    for one in root["value"]:
        await sta.follow(one["url"])
    thing = f"/Things('{HEAT}')"
    assert (await sta.get(thing))["@iot.id"] == HEAT
    assert await sta.get(f"{thing}/name") == {"name": "设备 1"}
    assert (await sta.ask(f"{thing}/name/$value")).text == "设备 1"
    assert (await sta.get(f"{thing}/properties/kind")) == {"kind": "heat"}
    links = (await sta.get(f"{thing}/Datastreams/$ref"))["value"]
    assert [list(one) for one in links] == [["@iot.selfLink"]]
    assert (await sta.get("/Datastreams(1)/Thing/$ref")).keys() == {"@iot.selfLink"}
    assert len(await sta.ids("/Datastreams(1)/Observations")) == READINGS
    places = await sta.ids("/Datastreams(1)/Thing/Locations")
    assert await sta.get(f"/Datastreams(1)/Thing/Locations({places[0]})")
    deep = f"/Things('{HEAT}')/Datastreams/$ref"
    assert (await sta.ask(deep)).status_code == 200
    for path in (
        "/Nothing", "/Things('no')", "/Things(1)", "/Datastreams('1')", "/Things('no')/Locations",
        f"{thing}/nothing", "/Observations('x')", "/Observations('1-99999999999999999')",
        f"{thing}/properties/nothing", "/Datastreams(999999)/Observations", "/Things/name",
    ):  # fmt: skip
        assert (await sta.ask(path)).status_code == 404, path


@requires("request-data/order")
async def _order_of_options(sta: Sta) -> None:
    """Filter, count, order, skip, top, and then expand and select, in whatever order they stand."""
    base = "/sta/v1.1/Observations?$filter=Datastream/id eq 1"
    parts = ["$top=2", "$skip=1", "$orderby=result desc", "$count=true", "$select=result"]
    for order in (parts, parts[::-1]):
        answer = (await sta.api.viewer.get("&".join([base, *order]))).json()
        assert answer["@iot.count"] == READINGS
        assert answer["value"] == [{"result": 24.0}, {"result": 21.5}]


@requires("request-data/expand")
async def _expand(sta: Sta) -> None:
    answer = await sta.get(
        f"/Things('{HEAT}')",
        expand="Datastreams($expand=Observations($top=1;$orderby=phenomenonTime),Sensor),Locations",
    )
    stream = answer["Datastreams"][0]
    assert stream["Sensor"]["@iot.id"] == "heat"
    assert stream["Observations"] == []
    assert len(answer["Locations"]) == 1
    short = await sta.get(f"/Things('{HEAT}')", expand="Datastreams/Sensor,Locations")
    assert short["Datastreams"][0]["Sensor"] == stream["Sensor"]
    many = await sta.get("/Datastreams", expand="Observations($top=2;$count=true;$skip=1)", top=3)
    first = many["value"][0]
    assert first["Observations@iot.count"] == READINGS
    assert [one["result"] for one in first["Observations"]] == [1.5, 4.0]
    following = await sta.follow(first["Observations@iot.nextLink"])
    assert [one["result"] for one in following["value"]] == [6.5, 9.0]


@requires("request-data/select")
async def _select(sta: Sta) -> None:
    answer = await sta.get("/Things", select="name,Datastreams", top=1)
    assert answer["value"][0].keys() == {"name", "Datastreams@iot.navigationLink"}
    inner = await sta.get("/Datastreams(1)", select="name", expand="Observations($select=result)")
    assert inner.keys() == {"name", "Observations"}
    assert all(one.keys() == {"result"} for one in inner["Observations"])


@requires("request-data/status-code")
async def _statuses(sta: Sta) -> None:
    assert (await sta.ask("/Things")).status_code == 200
    problem = await sta.ask("/Things('no')")
    assert problem.status_code == 404
    assert problem.headers["content-type"] == "application/problem+json"
    assert problem.json()["detail"] == "there is no such Thing"
    for method in ("PATCH", "PUT", "DELETE", "POST"):
        answer = await sta.api.operator.request(method, "/sta/v1.1/Things", content=b"{}")
        assert (answer.status_code, answer.headers["allow"]) == (405, "GET")
    assert (await sta.api.stranger.get("/sta/v1.1/Things")).status_code == 401
    assert (await sta.api.viewer.post("/sta/v1.1/Things", json={})).status_code == 403


@requires("request-data/query-status-code")
async def _query_statuses(sta: Sta) -> None:
    assert (await sta.api.viewer.get("/sta/v1.1/Things?$search=x")).status_code == 501
    assert (await sta.ask("/Observations", resultFormat="csv")).status_code == 501
    for options in (
        {"filter": "name eq"}, {"filter": "nothing eq 1"}, {"filter": "name gt 1"}, {"filter": ""},
        {"top": "-1"}, {"top": "x"}, {"skip": "1.5"}, {"count": "yes"}, {"select": "nothing"},
        {"expand": "Nothing"}, {"expand": "Datastreams("}, {"orderby": "nothing"},
        {"orderby": "name up"}, {"orderby": "Datastreams/name"}, {"filter": "'" * 9},
        {"filter": "(" * 50 + "1 eq 1" + ")" * 50}, {"filter": "name eq '\x00'"},
        {"filter": "st_within(name,geography'POINT(1 1)')"},
    ):  # fmt: skip
        answer = await sta.ask("/Things", **options)
        assert answer.status_code == 400, (options, answer.text)
        assert answer.json()["detail"]
    overflow = await sta.ask("/Observations", filter="result mul 1e308 mul 1e308 gt 1")
    assert overflow.status_code == 400


@requires("request-data/orderby")
async def _orderby(sta: Sta) -> None:
    names = [one["name"] for one in (await sta.get("/Things", orderby="name desc"))["value"]]
    assert names == sorted(names, reverse=True)
    by_kind = await sta.get("/Datastreams", orderby="ObservedProperty/name,Thing/name desc")
    seen = [one["properties"]["quantity"] for one in by_kind["value"]]
    assert seen == sorted(seen)
    results = await sta.get("/Datastreams(1)/Observations", orderby="phenomenonTime desc")
    times = [one["phenomenonTime"] for one in results["value"]]
    assert times == sorted(times, reverse=True)
    assert (await sta.ask("/Things", orderby="properties/kind")).status_code == 200


@requires("request-data/top")
async def _top(sta: Sta) -> None:
    assert len(await sta.ids("/Observations", top=3)) == 3
    assert await sta.ids("/Things", top=0) == []
    assert len(await sta.ids("/Observations", top=10**9)) == 8 * READINGS


@requires("request-data/skip")
async def _skip(sta: Sta) -> None:
    every = await sta.ids("/Things")
    assert await sta.ids("/Things", skip=5) == every[5:]
    assert await sta.ids("/Things", skip=500) == []


@requires("request-data/count")
async def _count(sta: Sta) -> None:
    answer = await sta.get("/Observations", count="true", top=1, filter="result gt 0")
    every = await sta.get("/Observations", filter="result gt 0", top=1000)
    assert answer["@iot.count"] == len(every["value"])
    assert "@iot.count" not in every
    assert "@iot.count" not in await sta.get("/Observations", count="false")


@requires("request-data/filter", "request-data/built-in-filter-operations")
async def _filter(sta: Sta) -> None:
    """What each operator means is compared with Python in test_sensorthings_filter."""
    for text in (
        "result eq 24", "result ne 24", "result gt 4", "result ge 4", "result lt 4", "result le 4",
        "result gt 4 and result lt 9", "result gt 9 or result lt 4", "not result gt 4",
        "result add 1 gt 4", "result sub 1 gt 4", "result mul 2 gt 4", "result div 2 gt 4",
        "result mod 2 eq 1", "(result add 1) mul 2 gt 4", "-result lt 4",
    ):  # fmt: skip
        assert 0 < len(await sta.ids("/Observations", filter=text, top=1000)) < 8 * READINGS, text
    assert await sta.ids("/Things", filter="Datastreams/Observations/result eq 26.5")


FUNCTIONS = {
    "/Things": [
        "substringof('heat',id)", "startswith(id,'heat')", "endswith(id,'1')", "length(id) lt 12",
        "indexof(id,'.') gt 5", "substring(id,1) eq 'eat.00001'", "tolower(id) lt 'h'",
        "toupper(id) lt 'H'", "trim(id) lt 'h'", "concat(id,'x') lt 'h'",
        "properties/kind eq 'heat'", "properties/interval_s eq 10 and id lt 'h'",
    ],
    "/Observations": [
        "second(phenomenonTime) lt 30", "fractionalseconds(phenomenonTime) gt 0",
        "minute(phenomenonTime) eq 1", "hour(phenomenonTime) eq 12 and result gt 5",
        "day(phenomenonTime) eq 1 and result gt 5", "month(phenomenonTime) eq 3 and result gt 5",
        "year(phenomenonTime) eq 2026 and result gt 5",
        "date(phenomenonTime) eq '2026-03-01' and result gt 5",
        "time(phenomenonTime) lt '12:00:30'", "totaloffsetminutes(resultTime) eq 0 and result gt 5",
        "phenomenonTime lt now() and result gt 5", "phenomenonTime lt mindatetime() or result gt 5",
        "phenomenonTime lt maxdatetime() and result gt 5", "round(result) eq 4",
        "floor(result) eq 4", "ceiling(result) eq 4",
        "before(phenomenonTime,2026-03-01T12:00:30Z)", "after(phenomenonTime,2026-03-01T12:00:30Z)",
        "during(phenomenonTime,2026-03-01T12:00:00Z/2026-03-01T12:00:30Z)",
    ],
    "/Locations": [
        f"{name}(location,geography'POLYGON((114.1 22.5,114.102 22.5,114.102 22.502,114.1 22.502,"
        "114.1 22.5))')" for name in ("st_within", "st_intersects", "geo.intersects", "st_disjoint")
    ] + [
        "st_equals(location,geography'POINT(114.10045 22.50045)')",
        ("st_contains(geography'POLYGON((114.1 22.5,114.102 22.5,114.102 22.502,114.1 22.502,"
        "114.1 22.5))',location)"),
        "st_relate(location,geography'LINESTRING(114.1 22.50045,114.104 22.50045)','T********')",
        "geo.length(location) eq 0 and properties/current eq false",
        "geo.distance(location,geography'POINT(114.10045 22.50045)') lt 50",
        "st_touches(location,geography'LINESTRING(114.10045 22.50045,114.104 22.6)')",
    ],
    "/FeaturesOfInterest": [
        "st_crosses(feature,geography'LINESTRING(114.1 22.50045,114.104 22.50045)')",
        (
            "st_overlaps(feature,geography'POLYGON((114.1004 22.5,114.102 22.5,114.102 22.502,"
            "114.1004 22.502,114.1004 22.5))')"
        ),
    ],
}  # fmt: skip


@requires("request-data/built-in-query-functions")
async def _functions(sta: Sta) -> None:
    for path, filters in FUNCTIONS.items():
        every = len(await sta.ids(path, top=1000))
        for text in filters:
            found = len(await sta.ids(path, filter=text, top=1000))
            assert 0 < found < every, (text, found)


@requires("request-data/pagination")
async def _pagination(sta: Sta) -> None:
    for path, order in (
        ("/Observations", ""), ("/Observations", "phenomenonTime desc"), ("/Things", "name desc"),
        ("/Observations", "result,phenomenonTime desc"), ("/Datastreams", "Thing/name"),
    ):  # fmt: skip
        more = {"orderby": order} if order else {}
        every = await sta.ids(path, top=1000, **more)
        answer, found = await sta.get(path, top=7, **more), []
        while True:
            found += [one["@iot.id"] for one in answer["value"]]
            if "@iot.nextLink" not in answer:
                break
            assert "%24top=7" in answer["@iot.nextLink"] or "$top=7" in answer["@iot.nextLink"]
            assert f"$skip={len(found)}" in answer["@iot.nextLink"]
            answer = await sta.follow(answer["@iot.nextLink"])
        assert found == every, (path, order)


async def test_observations_come_as_arrays(sta: Sta) -> None:
    plain = (await sta.get("/Observations", top=1000))["value"]
    answer = await sta.get("/Observations", resultFormat="dataArray", top=1000, count="true")
    assert answer["@iot.count"] == len(plain)
    rows = []
    for part in answer["value"]:
        assert part["dataArray@iot.count"] == len(part["dataArray"])
        assert "/Datastreams(" in part["Datastream@iot.navigationLink"]
        rows += [dict(zip(part["components"], row, strict=True)) for row in part["dataArray"]]
    assert [row["id"] for row in rows] == [one["@iot.id"] for one in plain]
    assert [row["result"] for row in rows] == [one["result"] for one in plain]
    chosen = await sta.get(
        "/Datastreams(1)/Observations", resultFormat="dataArray", select="result", top=2
    )
    assert chosen["value"][0]["dataArray"] == [[-1.0], [1.5]]
    wrong = await sta.ask("/Things", resultFormat="dataArray")
    assert wrong.status_code == 400


@pytest.mark.parametrize("name", list(CHECKS))
async def test_requirement(name: str, sta: Sta) -> None:
    await CHECKS[name](sta)


def test_what_is_claimed_is_what_is_tested() -> None:
    assert set(landing.READING) == {landing.SPEC + name for name in CHECKS}


async def test_creating_is_claimed_only_where_it_is_switched_on(sta: Sta) -> None:
    root = await sta.get("")
    assert root["serverSettings"]["conformance"] == list(landing.READING)
    assert landing.document("x", create=True)["serverSettings"]["conformance"] == [
        *landing.READING,
        *landing.CREATING,
    ]


async def test_every_function_that_is_named_is_tested(sta: Sta) -> None:
    text = json.dumps(FUNCTIONS)
    named = (await sta.get(""))["serverSettings"]["blocktwin"]["functions"]
    assert [name for name in named if f"{name}(" not in text] == []


async def test_a_device_that_moved_has_a_place_now_and_one_before(sta: Sta) -> None:
    thing = "/Things('smoke.00000')"
    now = await sta.get(f"{thing}/Locations")
    past = await sta.get(f"{thing}/HistoricalLocations", expand="Locations")
    assert [len(past["value"]), len(now["value"])] == [2, 1]
    places = [one["Locations"][0] for one in past["value"]]
    assert [one["properties"]["current"] for one in places] == [False, True]
    assert places[1]["@iot.id"] == now["value"][0]["@iot.id"]
    assert await sta.ids(f"/Locations({places[0]['@iot.id']})/Things") == []


async def test_a_feature_is_where_the_device_stood_when_it_measured(sta: Sta, conn: Conn) -> None:
    series = (await sta.ids("/Things('smoke.00000')/Datastreams"))[0]
    conn.execute(
        "INSERT INTO reading VALUES (%s, now() - interval '9 days', now(), 1, 0)", (series,)
    )
    conn.execute("INSERT INTO reading VALUES (%s, now() + interval '1 s', now(), 2, 0)", (series,))
    found = await sta.get(
        f"/Datastreams({series})/Observations", expand="FeatureOfInterest", filter="result le 2",
        orderby="phenomenonTime desc", top=2,
    )  # fmt: skip
    late, early = (one["FeatureOfInterest"] for one in found["value"])
    assert early["@iot.id"] == "a-b000000-1"
    assert late["@iot.id"].startswith("place,")
    ids = await sta.ids(f"/FeaturesOfInterest('{late['@iot.id']}')/Observations")
    assert ids == [found["value"][0]["@iot.id"]]


async def test_an_observation_says_its_quality_in_words(sta: Sta) -> None:
    found = await sta.get("/Datastreams(1)/Observations", top=4)
    said = [one["resultQuality"] for one in found["value"]]
    assert said[0] == {"code": 0, "words": ["good"]}
    assert said[3] == {"code": 3, "words": ["out_of_range", "stuck"]}
    assert found["value"][0]["phenomenonTime"] == "2026-03-01T12:00:00.000000Z"
    assert datetime.fromisoformat(found["value"][1]["phenomenonTime"]) == moment(1)
    assert found["value"][0]["parameters"] == {"delay_s": 0.04}


async def test_a_datastream_says_when_its_observations_begin_and_end(sta: Sta) -> None:
    word = await sta.get("/Datastreams(1)")
    begin, end = map(datetime.fromisoformat, word["phenomenonTime"].split("/"))
    assert (begin, end) == (FIRST, moment(READINGS - 1))
    assert "phenomenonTime" not in await sta.get("/Datastreams(2)")


async def test_all_kinds_and_quantities_are_there(sta: Sta) -> None:
    assert set(await sta.ids("/Sensors")) == set(DEVICE_KINDS)
    assert set(await sta.ids("/ObservedProperties")) == set(QUANTITIES)


async def test_the_quick_answer_is_the_slow_one(sta: Sta, monkeypatch: pytest.MonkeyPatch) -> None:
    options = {"expand": "Observations($top=1;$orderby=phenomenonTime desc)"}
    monkeypatch.setattr(reading, "FEW", 5)
    monkeypatch.setattr(newest, "FEW", 5)
    for top in (6, 10, 1000):
        quick = await sta.get("/Datastreams", top=top, **options)
        monkeypatch.setattr(newest, "FEW", 10**6)
        slow = await sta.get("/Datastreams", top=top, **options)
        monkeypatch.setattr(newest, "FEW", 5)
        assert quick == slow
        assert any(one["Observations"] for one in quick["value"])
    following = await sta.follow((await sta.get("/Datastreams", top=6, **options))["@iot.nextLink"])
    assert len(following["value"]) == 6


async def test_a_client_that_takes_gzip_gets_it(sta: Sta, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(newest, "FEW", 5)
    path = (
        "/sta/v1.1/Datastreams?$top=20000&$expand=Observations($top=1;$orderby=phenomenonTime desc)"
    )
    plain = await sta.api.viewer.get(path, headers={"Accept-Encoding": "identity"})
    zipped = await sta.api.viewer.get(path, headers={"Accept-Encoding": "gzip"})
    assert zipped.headers["content-encoding"] == "gzip"
    assert zipped.json() == plain.json()
    assert newest.compressed(b"x") == gzip.compress(b"x", 1, mtime=0)


async def test_a_made_up_token_does_no_harm(sta: Sta) -> None:
    every = await sta.ids("/Things")
    for token in ("x", "WzEsMixbXSxbXV0", "ÿ", "e30"):
        assert await sta.ids("/Things", skip=3, skiptoken=token) == every[3:]


async def test_a_forged_token_is_refused(sta: Sta) -> None:
    order = order_of(parse_query("", ENTITIES["Datastream"]), Scope())
    for values in (["x"], [datetime.now(UTC)], [1.5]):
        forged = paging.make(order, 3, values)
        answer = await sta.ask("/Datastreams", skip=3, skiptoken=forged)
        assert answer.status_code in {200, 400}


async def test_an_answer_that_would_be_too_large_is_refused(
    sta: Sta, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reading, "MOST_ENTITIES", 30)
    assert len(await sta.ids("/Things", expand="Datastreams($top=0)")) == 20
    refused = await sta.ask("/Datastreams", top=20, expand="Observations")
    assert (refused.status_code, "smaller $top" in refused.json()["detail"]) == (400, True)


def test_a_question_that_takes_too_long_says_what_to_ask_instead() -> None:
    with pytest.raises(Refused) as refused, answered():
        raise psycopg.errors.QueryCanceled("canceling statement due to statement timeout")
    assert refused.value.status == 503
    assert "bound their phenomenonTime" in refused.value.detail
