"""OGC API - Features, requirement by requirement; a test carries the identifiers it shows.

Identifiers of OGC 17-069r4 and OGC 18-058. What is claimed and what is tested is compared.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import AsyncIterator, Callable
from datetime import datetime
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import parse_qsl, urlsplit

import psycopg
import pytest
import shapely
from openapi_spec_validator import OpenAPIV30SpecValidator

from core.model import District
from tests.service.test_api import HEAT, HEAT_BLOCK, raise_alarm
from tests.support.small_district import SOUTH, STEP, WEST, small_district, square
from tests.support.twin_api import Api, load_rules, running_api, soon
from twin.features.collections import COLLECTIONS
from twin.features.conformance import CLASSES
from twin.features.crs import CRS84, SUPPORTED
from twin.store import load_district

Conn = psycopg.Connection[Any]
Test = TypeVar("Test", bound=Callable[..., Any])

PLAIN = small_district()
EPSG = "http://www.opengis.net/def/crs/EPSG/0/"
ROOT = "/ogc/features"
SHOWN: set[str] = set()


def shows(*requirements: str) -> Callable[[Test], Test]:
    """Note that a test shows these requirements."""
    SHOWN.update(requirements)
    return lambda test: test


@pytest.fixture
def loaded(conn: Conn) -> Conn:
    load_district(conn, PLAIN)
    load_rules(conn)
    raise_alarm(conn)
    return conn


@pytest.fixture
async def api(loaded: Conn, dsn: str, tmp_path: Path) -> AsyncIterator[Api]:
    async with running_api(dsn, tmp_path) as running:
        yield running


def href(body: dict[str, Any], rel: str) -> str:
    return next(str(one["href"]) for one in body["links"] if one["rel"] == rel)


async def follow(api: Api, link: str) -> Any:
    """Return the JSON behind an absolute link."""
    parts = urlsplit(link)
    return await api.get(parts.path, **dict(parse_qsl(parts.query)))


def typed(body: Any) -> bool:
    """Whether every link in a body says its relation and its type."""
    if isinstance(body, list):
        return all(map(typed, body))
    if not isinstance(body, dict):
        return True
    return all(one.get("rel") and one.get("type") for one in body.get("links", [])) and all(
        map(typed, body.values())
    )


@shows("/req/core/root-op", "/req/core/root-success")
async def test_the_landing_page_leads_everywhere(api: Api) -> None:
    for path in (ROOT, f"{ROOT}/"):
        body = await api.get(path)
        assert {"self", "service-desc", "service-doc", "conformance", "data"} <= {
            one["rel"] for one in body["links"]
        }
        assert typed(body)
    for rel in ("self", "conformance", "data", "service-desc"):
        assert await follow(api, href(body, rel))


@shows(
    "/req/core/api-definition-op",
    "/req/core/api-definition-success",
    "/req/oas30/oas-definition-1",
    "/req/oas30/oas-definition-2",
)
async def test_the_api_definition_is_openapi_3_0(api: Api) -> None:
    landing = await api.get(f"{ROOT}/")
    response = await api.viewer.get(href(landing, "service-desc"))
    assert response.status_code == 200
    assert response.headers["content-type"] == "application/vnd.oai.openapi+json;version=3.0"
    OpenAPIV30SpecValidator(response.json()).validate()
    page = await api.viewer.get(href(landing, "service-doc"))
    assert page.status_code == 200
    assert page.headers["content-type"].startswith("text/html")
    assert "/collections/devices/items" in page.text


@shows("/req/core/conformance-op", "/req/core/conformance-success")
async def test_the_conformance_page_claims_what_is_listed(api: Api) -> None:
    body = await api.get(f"{ROOT}/conformance")
    assert body == {"conformsTo": list(CLASSES)}


@shows("/req/core/http", "/req/oas30/oas-impl", "/req/oas30/completeness")
async def test_every_operation_of_the_definition_answers_as_it_says(api: Api) -> None:
    definition = await api.get(f"{ROOT}/api")
    assert len(definition["paths"]) == 5 + 3 * len(COLLECTIONS)
    for path, operations in definition["paths"].items():
        assert list(operations) == ["get"]
        for feature, expected in ((await first(api, path), 200), ("nothing", 404)):
            filled = path.replace("{featureId}", feature)
            response = await api.viewer.get(f"{ROOT}{filled}")
            wanted = expected if "{" in path else 200
            documented = operations["get"]["responses"][str(wanted)]
            assert response.status_code == wanted, (path, response.text)
            media = [kind.partition(";")[0] for kind in documented["content"]]
            assert response.headers["content-type"].partition(";")[0] in media
        head = await api.viewer.head(f"{ROOT}{filled}")
        assert (head.status_code, head.content) == (response.status_code, b"")
        assert (await api.admin.delete(f"{ROOT}{filled}")).status_code == 405


async def first(api: Api, path: str) -> str:
    """The id of some feature of the collection that a path belongs to."""
    if "{featureId}" not in path:
        return ""
    body = await api.get(f"{ROOT}{path.removesuffix('/{featureId}')}", limit=1)
    return str(body["features"][0]["id"])


@shows("/req/oas30/exceptions-codes")
async def test_every_refusal_is_one_of_the_definition(api: Api) -> None:
    definition = await api.get(f"{ROOT}/api")
    for path, query, status in (
        ("/collections/devices/items", "limit=0", 400),
        ("/collections/devices/items/nothing", "", 404),
        ("/collections/alarms/items/nothing", "", 404),
        ("/collections/spaces/items/nothing", "", 404),
        ("/collections/space-versions/items/1", "", 404),
    ):
        response = await api.viewer.get(f"{ROOT}{path}?{query}")
        assert response.status_code == status
        template = path.removesuffix("/nothing").removesuffix("/1")
        template += "/{featureId}" if template != path else ""
        assert str(status) in definition["paths"][template]["get"]["responses"]
        assert response.json()["status"] == status
    assert (await api.viewer.get(f"{ROOT}/collections/nothing/items")).status_code == 404
    assert (await api.viewer.get(f"{ROOT}/collections/nothing")).status_code == 404


@shows("/req/oas30/security")
async def test_the_definition_says_how_to_be_let_in_and_nobody_else_is(api: Api) -> None:
    definition = await api.get(f"{ROOT}/api")
    assert set(definition["components"]["securitySchemes"]) == {"bearer", "basic", "cookie"}
    for path in definition["paths"]:
        filled = path.replace("{featureId}", HEAT)
        response = await api.stranger.get(f"{ROOT}{filled}")
        assert response.status_code == 401, path
        assert "Basic" in response.headers["www-authenticate"]
        assert "401" in definition["paths"][path]["get"]["responses"]


@shows("/req/core/query-param-unknown", "/req/core/query-param-invalid")
async def test_a_parameter_that_is_unknown_or_wrong_is_400(api: Api) -> None:
    definition = await api.get(f"{ROOT}/api")
    for path in definition["paths"]:
        filled = path.replace("{featureId}", HEAT)
        response = await api.viewer.get(f"{ROOT}{filled}?colour=red")
        assert response.status_code == 400, path
        assert "colour" in response.json()["detail"]
    for wrong in ("limit=x", "bbox=1,2", "datetime=now", "crs=EPSG:4326", "kind=nothing",
                  "after=%00", "limit=1&limit=2"):  # fmt: skip
        response = await api.viewer.get(f"{ROOT}/collections/devices/items?{wrong}")
        assert response.status_code == 400, wrong
    response = await api.viewer.get(f"{ROOT}/collections/alarms/items?after=nonsense")
    assert response.status_code == 400


@shows(
    "/req/core/fc-md-op",
    "/req/core/fc-md-success",
    "/req/core/fc-md-links",
    "/req/core/fc-md-items",
    "/req/core/fc-md-items-links",
)
async def test_every_collection_is_listed_with_its_links(api: Api) -> None:
    body = await api.get(f"{ROOT}/collections")
    assert [one["id"] for one in body["collections"]] == list(COLLECTIONS)
    assert href(body, "self").endswith(f"{ROOT}/collections")
    assert typed(body)
    for one in body["collections"]:
        assert (await follow(api, href(one, "items")))["type"] == "FeatureCollection"


@shows("/req/core/sfc-md-op", "/req/core/sfc-md-success")
async def test_a_collection_says_of_itself_what_the_list_says(api: Api) -> None:
    for one in (await api.get(f"{ROOT}/collections"))["collections"]:
        assert await api.get(f"{ROOT}/collections/{one['id']}") == one


@shows("/req/core/fc-md-extent")
async def test_an_extent_holds_every_place_and_time(api: Api) -> None:
    for one in (await api.get(f"{ROOT}/collections"))["collections"]:
        box = shapely.box(*one["extent"]["spatial"]["bbox"][0]).buffer(1e-9)
        start = datetime.fromisoformat(one["extent"]["temporal"]["interval"][0][0])
        body = await follow(api, href(one, "items"))
        for feature in body["features"]:
            shape = shapely.from_geojson(json.dumps(feature["geometry"]))
            assert box.covers(shape)
            assert begin(feature) >= start


def begin(feature: dict[str, Any]) -> datetime:
    word = feature["properties"]
    found = next(word[k] for k in ("valid_from", "raised_at", "created_at") if k in word)
    return datetime.fromisoformat(found)


@shows(
    "/req/core/fc-op", "/req/core/fc-response", "/req/geojson/definition", "/req/geojson/content"
)
async def test_features_are_geojson(api: Api) -> None:
    for name in COLLECTIONS:
        response = await api.viewer.get(f"{ROOT}/collections/{name}/items")
        assert response.status_code == 200
        assert response.headers["content-type"] == "application/geo+json"
        body = response.json()
        assert body["type"] == "FeatureCollection"
        assert body["features"]
        for feature in body["features"]:
            assert feature["type"] == "Feature"
            assert isinstance(feature["id"], str)
            assert shapely.from_geojson(json.dumps(feature["geometry"])).is_valid
    plain = await api.viewer.get(f"{ROOT}/collections")
    assert plain.headers["content-type"] == "application/json"


@shows("/req/core/fc-limit-definition", "/req/core/fc-limit-response-1")
async def test_a_page_holds_at_most_what_was_asked_and_the_next_goes_on(
    api: Api, loaded: Conn
) -> None:
    for number in range(1, 5):
        raise_alarm(loaded, number, subject=f"device:smoke.000{number:02d}")
    definition = await api.get(f"{ROOT}/api")
    limit = definition["components"]["parameters"]["limit"]
    assert (limit["in"], limit["required"], limit["style"], limit["explode"]) == (
        "query", False, "form", False,
    )  # fmt: skip
    assert limit["schema"] == {"type": "integer", "minimum": 1, "maximum": 10000, "default": 1000}
    for name in COLLECTIONS:
        whole = await api.get(f"{ROOT}/collections/{name}/items")
        ids = [feature["id"] for feature in whole["features"]]
        assert len(ids) == len(set(ids)) == whole["numberMatched"] > 4
        seen: list[str] = []
        body = await api.get(f"{ROOT}/collections/{name}/items", limit=3)
        while True:
            assert len(body["features"]) <= 3
            assert body["numberMatched"] == len(ids)
            seen += [feature["id"] for feature in body["features"]]
            if not any(one["rel"] == "next" for one in body["links"]):
                break
            body = await follow(api, href(body, "next"))
        assert seen == ids, name


@shows("/req/core/fc-bbox-definition", "/req/core/fc-bbox-response")
async def test_a_box_selects_what_it_touches(api: Api) -> None:
    parameters = (await api.get(f"{ROOT}/api"))["components"]["parameters"]
    assert parameters["bbox"]["schema"] == {
        "type": "array", "minItems": 4, "maxItems": 6, "items": {"type": "number"},
    }  # fmt: skip
    west, south, east, north = WEST, SOUTH, WEST + STEP / 2, SOUTH + STEP / 2
    box = shapely.box(west, south, east, north)
    for name in COLLECTIONS:
        whole = (await api.get(f"{ROOT}/collections/{name}/items"))["features"]
        wanted = {
            feature["id"]
            for feature in whole
            if box.intersects(shapely.from_geojson(json.dumps(feature["geometry"])))
        }
        body = await api.get(
            f"{ROOT}/collections/{name}/items", bbox=f"{west},{south},{east},{north}"
        )
        assert {feature["id"] for feature in body["features"]} == wanted, name
        assert body["numberMatched"] == len(wanted)
        far = await api.get(f"{ROOT}/collections/{name}/items", bbox="170,-20,-170,20")
        assert far["numberMatched"] == 0


async def test_an_alarm_that_stands_nowhere_lies_in_every_box(api: Api, loaded: Conn) -> None:
    loaded.execute("UPDATE alarm SET device_id = NULL, gateway_id = NULL")
    body = await api.get(f"{ROOT}/collections/alarms/items", bbox="0,0,1,1")
    assert [feature["geometry"] for feature in body["features"]] == [None]


@shows("/req/core/fc-time-definition", "/req/core/fc-time-response")
async def test_a_time_selects_what_was_then(api: Api, loaded: Conn) -> None:
    assert "datetime" in (await api.get(f"{ROOT}/api"))["components"]["parameters"]
    for name in COLLECTIONS:
        never = await api.get(
            f"{ROOT}/collections/{name}/items", datetime="../2000-01-01T00:00:00Z"
        )
        assert never["numberMatched"] == 0, name
        ever = await api.get(f"{ROOT}/collections/{name}/items", datetime="2000-01-01T00:00:00Z/..")
        assert ever["numberMatched"] > 0
    # The alarm was raised at the beginning of 2026 and is open.
    path = f"{ROOT}/collections/alarms/items"
    for when, count in (("2025-12-31", 0), ("2026-01-01", 1), ("2026-05-01T00:00:00Z", 1)):
        assert (await api.get(path, datetime=when))["numberMatched"] == count
    closed = "UPDATE alarm SET state = 'closed', close_cause = 'true', closed_at = '2026-02-01Z'"
    loaded.execute(closed)
    assert (await api.get(path, datetime="2026-05-01T00:00:00Z"))["numberMatched"] == 0
    assert (await api.get(path, datetime="2026-01-15/2026-05-01"))["numberMatched"] == 1


@shows("/req/core/fc-links", "/req/core/fc-rel-type", "/req/core/fc-numberMatched",
       "/req/core/fc-numberReturned", "/req/core/fc-timeStamp")  # fmt: skip
async def test_a_page_says_what_it_is(api: Api, loaded: Conn) -> None:
    row = loaded.execute("SELECT now()").fetchone()
    assert row is not None
    for name in COLLECTIONS:
        body = await api.get(f"{ROOT}/collections/{name}/items", limit=2)
        assert href(body, "self").endswith("/items?limit=2")
        assert typed(body)
        assert body["numberReturned"] == len(body["features"])
        stamp = datetime.fromisoformat(body["timeStamp"])
        assert 0 <= (stamp - row[0]).total_seconds() < 60


async def test_properties_filter(api: Api) -> None:
    body = await api.get(f"{ROOT}/collections/spaces/items", kind="block", parent="grid-a")
    assert body["numberMatched"] == 6
    assert {f["properties"]["parent"] for f in body["features"]} == {"grid-a"}
    devices = await api.get(f"{ROOT}/collections/devices/items", kind="heat", field="fire")
    assert {f["properties"]["kind"] for f in devices["features"]} == {"heat"}
    for query, count in (({"severity": "3"}, 1), ({"severity": "4"}, 0), ({"device_id": HEAT}, 1)):
        found = await api.get(f"{ROOT}/collections/alarms/items", **query)
        assert found["numberMatched"] == count


async def test_a_device_and_a_space_carry_their_state(api: Api) -> None:
    async def alarmed() -> Any:
        found = await api.get(f"{ROOT}/collections/devices/items/{HEAT}")
        return found if found["properties"]["severity"] == 3 else None

    assert (await soon(alarmed))["properties"]["freshness"] == "never"
    block = await api.get(f"{ROOT}/collections/spaces/items/{HEAT_BLOCK}")
    assert (block["properties"]["severity"], block["properties"]["open_alarms"]) == (3, 1)


@shows("/req/core/f-op", "/req/core/f-success", "/req/core/f-links")
async def test_every_feature_can_be_asked_for_alone(api: Api) -> None:
    for name in COLLECTIONS:
        for feature in (await api.get(f"{ROOT}/collections/{name}/items"))["features"]:
            alone = await api.get(f"{ROOT}/collections/{name}/items/{feature['id']}")
            assert href(alone, "self").endswith(f"/items/{feature['id']}")
            assert href(alone, "collection").endswith(f"/collections/{name}")
            assert typed(alone)
            assert alone["geometry"] == feature["geometry"]
            assert alone["id"] == feature["id"]


async def test_a_replaced_outline_is_a_version_and_no_space(api: Api, loaded: Conn) -> None:
    block = next(space for space in PLAIN.spaces if space.code == HEAT_BLOCK)
    outline = square(WEST + STEP, SOUTH, WEST + 1.5 * STEP, SOUTH + STEP / 2)
    moved = dataclasses.replace(block, outline=outline)
    load_district(loaded, District(spaces=(moved,), gateways=(), devices=()))

    async def redrawn() -> Any:
        found = await api.get(f"{ROOT}/collections/spaces/items/{HEAT_BLOCK}")
        return found if found["geometry"] == outline else None

    assert await soon(redrawn)
    path = f"{ROOT}/collections/space-versions/items"
    old, new = (await api.get(path, code=HEAT_BLOCK))["features"]
    assert old["properties"]["valid_to"] == new["properties"]["valid_from"]
    assert "severity" not in old["properties"]
    then = await api.get(path, code=HEAT_BLOCK, datetime=f"{new['properties']['valid_from']}/..")
    assert then["numberMatched"] == 2, "the moment of the change belongs to both"


@shows("/req/core/crs84", "/req/crs/crs-uri", "/req/crs/fc-md-crs-list",
       "/req/crs/fc-md-storageCrs", "/req/crs/fc-md-storageCrs-valid-value",
       "/req/crs/fc-md-crs-list-global")  # fmt: skip
async def test_systems_are_listed_by_uri_the_stored_one_among_them(api: Api) -> None:
    body = await api.get(f"{ROOT}/collections")
    assert body["crs"][0] == CRS84.uri
    for one in body["collections"]:
        assert one["crs"] == list(SUPPORTED)
        assert one["storageCrs"] in one["crs"]
        assert one["extent"]["spatial"]["crs"] == CRS84.uri
    for uri in SUPPORTED:
        assert uri.startswith("http://www.opengis.net/def/crs/")


@shows("/req/crs/fc-crs-definition", "/req/crs/fc-crs-valid-value", "/req/crs/fc-crs-default-value",
       "/req/crs/fc-crs-action", "/req/crs/geojson", "/req/crs/ogc-crs-header",
       "/req/crs/ogc-crs-header-value")  # fmt: skip
async def test_coordinates_come_in_the_system_asked_for_in_its_axis_order(api: Api) -> None:
    assert "crs" in (await api.get(f"{ROOT}/api"))["components"]["parameters"]
    plain = await api.viewer.get(f"{ROOT}/collections/devices/items")
    assert plain.headers["content-crs"] == f"<{CRS84.uri}>"
    lonlat = [f["geometry"]["coordinates"] for f in plain.json()["features"]]
    for code in (4326, 4490, 4547, 4526, 3857):
        uri = f"{EPSG}{code}"
        response = await api.viewer.get(f"{ROOT}/collections/devices/items", params={"crs": uri})
        assert response.headers["content-crs"] == f"<{uri}>"
        got = [f["geometry"]["coordinates"] for f in response.json()["features"]]
        for (lon, lat), (a, b) in zip(lonlat, got, strict=True):
            if code in {4326, 4490}:
                assert (a, b) == pytest.approx((lat, lon), abs=1e-9)
            elif code == 3857:
                assert 1.26e7 < a < 1.28e7
                assert 2.56e6 < b < 2.6e6
            else:
                assert 2.48e6 < a < 2.51e6
                assert 5.0e5 < b % 1_000_000 < 5.3e5
        alone = await api.viewer.get(f"{ROOT}/collections/devices/items/{HEAT}?crs={uri}")
        assert alone.headers["content-crs"] == f"<{uri}>"
        space = await api.viewer.get(f"{ROOT}/collections/spaces/items?crs={uri}&limit=1")
        ring = space.json()["features"][0]["geometry"]["coordinates"][0][0]
        assert ring == pytest.approx(got[0], rel=0.01)
    refused = await api.viewer.get(f"{ROOT}/collections/devices/items?crs={EPSG}2000")
    assert refused.status_code == 400


@shows("/req/crs/fc-bbox-crs-definition", "/req/crs/fc-bbox-crs-valid-value",
       "/req/crs/fc-bbox-crs-valid-defaultValue", "/req/crs/fc-bbox-crs-action")  # fmt: skip
async def test_a_box_may_be_given_in_any_of_them(api: Api) -> None:
    assert "bbox-crs" in (await api.get(f"{ROOT}/api"))["components"]["parameters"]
    path = f"{ROOT}/collections/devices/items"
    degrees = (WEST, SOUTH, WEST + STEP, SOUTH + 2 * STEP)
    plain = await api.get(path, bbox=",".join(map(str, degrees)))
    ids = [feature["id"] for feature in plain["features"]]
    assert 0 < len(ids) < len(PLAIN.devices)
    for uri, crs in SUPPORTED.items():
        import numpy as np

        corners = crs.from_degrees(np.array([degrees[:2], degrees[2:]])).ravel().tolist()
        asked = {"bbox": ",".join(map(repr, corners)), "bbox-crs": uri}
        found = await api.get(path, **asked)
        assert [feature["id"] for feature in found["features"]] == ids, uri
    wrong = await api.viewer.get(path, params={"bbox": "1,2,3,4", "bbox-crs": "EPSG:4326"})
    assert wrong.status_code == 400


def test_what_is_claimed_is_what_is_tested() -> None:
    assert {name for names in CLASSES.values() for name in names} == SHOWN
