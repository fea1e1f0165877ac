"""The REST API over a real database: every answer as its own document promises."""

from __future__ import annotations

import dataclasses
import json
import re
import uuid
from collections.abc import AsyncIterator
from datetime import datetime
from pathlib import Path
from typing import Any

import httpx2
import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from alerts import store as alarm_store
from core.model import District, Field, Severity, Transition, TransitionKind, parse_time
from tests.support.small_district import SOUTH, STEP, WEST, block_code, small_district, square
from tests.support.twin_api import Api, load_rules, read_once, running_api, soon
from twin.api import words
from twin.api.app import document
from twin.store import load_district

Conn = psycopg.Connection[Any]
PLAIN = small_district()
HEAT = "heat.00001"
HEAT_BLOCK = block_code(1, 0)
BASE_US = 1_767_225_600_000_000


def raise_alarm(conn: Conn, number: int = 0, **change: Any) -> str:
    """Raise an alarm as the worker would, and return its id."""
    plain = Transition(
        rule_id="heat-high",
        rule_version=1,
        subject=f"device:{HEAT}",
        field=Field.FIRE,
        kind=TransitionKind.RAISED,
        severity=Severity.ORANGE,
        at_us=BASE_US + number * 1_000_000,
        value=61.5,
        threshold=57.0,
        quantity="temperature",
        latch=True,
    )
    transition = dataclasses.replace(plain, **change)
    with conn.transaction():
        ids = alarm_store.apply(conn, [transition], transition.at_us)
    row = conn.execute(
        "SELECT alarm_id::text FROM alarm_event WHERE event_id = %s", (ids[-1],)
    ).fetchone()
    assert row is not None
    return str(row[0])


@pytest.fixture
def loaded(conn: Conn) -> Conn:
    load_district(conn, PLAIN)
    load_rules(conn)
    return conn


@pytest.fixture
async def api(loaded: Conn, dsn: str, tmp_path: Path) -> AsyncIterator[Api]:
    async with running_api(dsn, tmp_path) as running:
        yield running


async def test_spaces_are_geojson_with_a_tag(api: Api) -> None:
    found = await api.get("/api/v1/spaces", kind="block,building")
    words.SpaceCollection.model_validate(found)
    assert len(found["features"]) == 24
    feature = next(f for f in found["features"] if f["id"] == HEAT_BLOCK)
    assert feature["properties"]["parent"] == "grid-a"
    assert feature["geometry"]["coordinates"][0][0] == [WEST + STEP, SOUTH]
    first = await api.viewer.get("/api/v1/spaces")
    assert first.headers["content-type"] == "application/geo+json"
    headers = {"If-None-Match": first.headers["etag"]}
    assert (await api.viewer.get("/api/v1/spaces", headers=headers)).status_code == 304
    other = await api.viewer.get("/api/v1/spaces?kind=grid", headers=headers)
    assert other.status_code == 200


async def test_spaces_within_one(api: Api) -> None:
    found = await api.get("/api/v1/spaces", within=HEAT_BLOCK)
    assert [f["id"] for f in found["features"]] == [HEAT_BLOCK, f"{HEAT_BLOCK}-1"]
    assert (await api.viewer.get("/api/v1/spaces?within=nowhere")).status_code == 404


async def test_one_space_knows_its_way(api: Api) -> None:
    found = await api.get(f"/api/v1/spaces/{HEAT_BLOCK}")
    words.SpaceDetail.model_validate(found)
    path = [step["code"] for step in found["path"]]
    assert path == ["440303", "street-a", "community-a", "grid-a", HEAT_BLOCK]
    assert found["children"] == 1
    assert found["bbox"][:2] == [WEST + STEP, SOUTH]


async def test_a_redrawn_grid_is_seen_without_a_restart(api: Api, loaded: Conn) -> None:
    tag = (await api.viewer.get("/api/v1/spaces")).headers["etag"]
    block = next(space for space in PLAIN.spaces if space.code == HEAT_BLOCK)
    moved = dataclasses.replace(block, outline=square(WEST, SOUTH, WEST + STEP / 2, SOUTH + STEP))
    load_district(loaded, District(spaces=(moved,), gateways=(), devices=()))

    async def changed() -> bool:
        return (await api.viewer.get("/api/v1/spaces")).headers["etag"] != tag

    await soon(changed)


async def test_devices_are_paged_by_cursor(api: Api) -> None:
    everything = await api.get("/api/v1/devices")
    words.DeviceCollection.model_validate(everything)
    ids = [f["id"] for f in everything["features"]]
    assert ids == sorted(d.device_id for d in PLAIN.devices)
    assert everything["next"] is None
    seen: list[str] = []
    cursor = None
    while True:
        query = {"limit": 7} | ({"after": cursor} if cursor else {})
        page = await api.get("/api/v1/devices", **query)
        seen += [f["id"] for f in page["features"]]
        if (cursor := page["next"]) is None:
            break
    assert seen == ids


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ({"field": "fire"}, 6),
        ({"kind": "heat"}, 2),
        ({"gateway": "gw-b"}, 10),
        ({"space": HEAT_BLOCK}, 2),
        ({"space": "street-b", "kind": "heat"}, 0),
        ({"space": "nowhere"}, 0),
    ],
)
async def test_devices_are_filtered(api: Api, query: dict[str, str], expected: int) -> None:
    assert len((await api.get("/api/v1/devices", **query))["features"]) == expected


async def test_a_device_says_all_about_itself(api: Api, loaded: Conn) -> None:
    read_once(loaded, HEAT, "temperature", 61.5)
    alarm = raise_alarm(loaded)

    async def live() -> bool:
        found = await api.get(f"/api/v1/devices/{HEAT}")
        return bool(found["freshness"] == "fresh" and found["severity"] == 3)

    await soon(live)
    found = await api.get(f"/api/v1/devices/{HEAT}")
    words.DeviceDetail.model_validate(found)
    assert [a["alarm_id"] for a in found["alarms"]] == [alarm]
    quantity = found["quantities"][0]
    assert quantity["latest"]["value"] == 61.5
    levels = [(t["type"], t["severity"], t["raise"]) for t in quantity["thresholds"]]
    assert levels == [("high", 3, 57.0), ("high", 4, 80.0)]
    assert found["gateway_online"] is None
    smoke = await api.get("/api/v1/devices/smoke.00000")
    assert [q["thresholds"] for q in smoke["quantities"]] == [[], []]


async def test_readings_are_ascending_and_the_newest_are_kept(api: Api, loaded: Conn) -> None:
    for number in range(5):
        read_once(loaded, HEAT, "temperature", number, ago_s=100 - number)
    path = f"/api/v1/devices/{HEAT}/readings"
    found = await api.get(path, quantity="temperature")
    words.Readings.model_validate(found)
    assert found["v"] == [0, 1, 2, 3, 4]
    assert found["t"] == sorted(found["t"])
    assert not found["truncated"]
    newest = await api.get(path, quantity="temperature", points=2)
    assert (newest["v"], newest["truncated"]) == ([3, 4], True)
    at = datetime.fromtimestamp(found["t"][1] / 1000 + 0.001).astimezone().isoformat()
    assert (await api.get(path, quantity="temperature", **{"from": at}))["v"] == [2, 3, 4]
    assert (await api.get(path, quantity="temperature", to=at))["v"] == [0, 1]
    assert (await api.viewer.get(path + "?quantity=flow")).status_code == 404


async def test_alarms_are_listed_newest_first_by_cursor(api: Api, loaded: Conn) -> None:
    ids = [
        raise_alarm(loaded, n, subject=f"device:{d.device_id}", at_us=BASE_US + n // 2)
        for n, d in enumerate(PLAIN.devices[:7])
    ]
    found = await api.get("/api/v1/alarms")
    words.AlarmList.model_validate(found)
    listed = [a["alarm_id"] for a in found["alarms"]]
    assert sorted(listed) == sorted(ids)
    times = [parse_time(a["raised_at"]) for a in found["alarms"]]
    assert times == sorted(times, reverse=True)
    seen: list[str] = []
    cursor = None
    while True:
        page = await api.get("/api/v1/alarms", limit=2, **({"after": cursor} if cursor else {}))
        seen += [a["alarm_id"] for a in page["alarms"]]
        if (cursor := page["next"]) is None:
            break
    assert seen == listed


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ({"state": "closed"}, 0),
        ({"state": "all"}, 2),
        ({"field": "system"}, 1),
        ({"severity": 2}, 1),
        ({"space": "grid-a"}, 2),
        ({"space": HEAT_BLOCK}, 1),
        ({"space": "grid-b"}, 0),
        ({"device": HEAT}, 1),
    ],
)
async def test_alarms_are_filtered(
    api: Api, loaded: Conn, query: dict[str, Any], expected: int
) -> None:
    raise_alarm(loaded)
    raise_alarm(
        loaded,
        rule_id="gateway-offline",
        subject="gateway:gw-a",
        field=Field.SYSTEM,
        severity=Severity.YELLOW,
        quantity="",
    )
    assert len((await api.get("/api/v1/alarms", **query))["alarms"]) == expected


async def test_a_rise_is_told_per_minute(api: Api, loaded: Conn) -> None:
    level = await api.get(f"/api/v1/alarms/{raise_alarm(loaded)}")
    rise = await api.get(f"/api/v1/alarms/{raise_alarm(loaded, rule_id='heat-rise')}")
    assert (level["unit"], rise["unit"]) == ("Cel", "Cel/min")


async def test_a_gateways_alarm_has_a_place_but_no_device(api: Api, loaded: Conn) -> None:
    alarm = raise_alarm(
        loaded,
        rule_id="gateway-offline",
        subject="gateway:gw-a",
        field=Field.SYSTEM,
        quantity="",
    )
    found = await api.get(f"/api/v1/alarms/{alarm}")
    words.AlarmDetail.model_validate(found)
    assert (found["device_id"], found["gateway_id"], found["unit"]) == (None, "gw-a", "s")
    assert found["path"][-1]["code"] == f"{block_code(0, 0)}-1"
    assert found["lon"] is not None


async def test_an_alarm_is_acknowledged_commented_and_closed(api: Api, loaded: Conn) -> None:
    alarm = raise_alarm(loaded)
    path = f"/api/v1/alarms/{alarm}"
    done = await api.operator.post(f"{path}/acknowledge", json={"note": "在路上"})
    assert done.status_code == 200
    words.Alarm.model_validate(done.json())
    assert (done.json()["state"], done.json()["acknowledged_by"]) == ("acknowledged", "operator")
    assert (await api.operator.post(f"{path}/comment", json={"note": "x"})).status_code == 200
    closing = {"cause": "false", "note": "cooking"}
    closed = await api.operator.post(f"{path}/close", json=closing)
    assert (closed.json()["state"], closed.json()["close_cause"]) == ("closed", "false")
    again = await api.operator.post(f"{path}/close", json=closing)
    assert again.status_code == 409
    assert words.Problem.model_validate(again.json()).status == 409
    found = await api.get(path)
    words.AlarmDetail.model_validate(found)
    events = [(e["kind"], e["actor"]) for e in found["events"]]
    assert [kind for kind, _ in events] == ["raised", "acknowledged", "commented", "closed"]
    assert {actor for _, actor in events[1:]} == {"operator"}
    assert found["events"][1]["note"] == "在路上"


async def test_an_acknowledgement_needs_no_body(api: Api, loaded: Conn) -> None:
    path = f"/api/v1/alarms/{raise_alarm(loaded)}/acknowledge"
    assert (await api.operator.post(path)).status_code == 200


async def test_an_action_on_no_alarm_is_404(api: Api) -> None:
    path = f"/api/v1/alarms/{uuid.uuid4()}/acknowledge"
    assert (await api.operator.post(path)).status_code == 404


@pytest.mark.parametrize(
    ("action", "body"),
    [
        ("close", {"cause": "returned"}),
        ("close", {}),
        ("comment", {"note": ""}),
        ("comment", {"note": "x" * 2001}),
        ("acknowledge", {"note": 5}),
        ("acknowledge", {"who": "me"}),
        ("comment", {"note": "a\0b"}),
    ],
)
async def test_a_wrong_body_is_422(
    api: Api, loaded: Conn, action: str, body: dict[str, Any]
) -> None:
    response = await api.operator.post(f"/api/v1/alarms/{raise_alarm(loaded)}/{action}", json=body)
    assert response.status_code == 422
    assert words.Problem.model_validate(response.json()).errors


async def test_the_state_folds_up_and_agrees_with_the_alarms(api: Api, loaded: Conn) -> None:
    read_once(loaded, HEAT, "temperature", 20)
    read_once(loaded, "smoke.00000", "smoke_alarm", 0, ago_s=60)
    raise_alarm(loaded)

    async def settled() -> Any:
        found = await api.get("/api/v1/state", kind="block")
        totals = found["totals"]
        return found if totals["open"] and totals["fresh"] and totals["stale"] else None

    found = await soon(settled)
    words.StateBody.model_validate(found)
    assert found["event_id"] > 0
    assert {row["kind"] for row in found["spaces"]} == {"block"}
    row = next(row for row in found["spaces"] if row["code"] == HEAT_BLOCK)
    assert (row["severity"], row["open"], row["unacknowledged"]) == (3, 1, 1)
    assert (row["devices"], row["fresh"], row["stale"]) == (2, 1, 0)
    assert found["devices"][HEAT] == [1, 3]
    assert found["devices"]["smoke.00000"] == [2, 0]
    assert found["devices"]["fire_panel.00002"] == [0, 0]
    assert found["totals"]["never"] == 18
    assert found["totals"]["by_field"]["fire"] == {"open": 1, "unacknowledged": 1, "severity": 3}
    assert [g["gateway_id"] for g in found["gateways"]] == ["gw-a", "gw-b"]
    part = await api.get("/api/v1/state", within="grid-b")
    assert (part["totals"]["devices"], part["totals"]["open"]) == (10, 0)
    assert HEAT not in part["devices"]


async def test_the_status_sums_the_workers(api: Api, loaded: Conn) -> None:
    for worker in ("w0", "w1"):
        loaded.execute(
            "INSERT INTO tally (worker_id, received, stored, rejected, duplicates) "
            "VALUES (%s, 10, 7, 2, 1)",
            (worker,),
        )
    found = await api.get("/api/v1/status")
    words.StatusBody.model_validate(found)
    assert found["tally"]["received"] == 20
    assert found["schema"]


async def test_a_session_by_cookie_needs_the_header_for_changes(api: Api, loaded: Conn) -> None:
    token = api.operator.headers["authorization"].removeprefix("Bearer ")
    opened = await api.stranger.post("/api/v1/session", json={"token": token})
    assert opened.json() == {"name": "operator", "role": "operator"}
    cookie = opened.headers["set-cookie"]
    for part in ("bt_session=", "HttpOnly", "SameSite=strict", "Path=/", "Max-Age=43200"):
        assert part in cookie
    assert (await api.stranger.get("/api/v1/session")).json()["name"] == "operator"
    path = f"/api/v1/alarms/{raise_alarm(loaded)}/acknowledge"
    refused = await api.stranger.post(path)
    assert refused.status_code == 403
    assert "X-Blocktwin" in refused.json()["detail"]
    ours = {"X-Blocktwin": "1"}
    assert (await api.stranger.post(path, headers=ours)).status_code == 200
    assert (await api.stranger.delete("/api/v1/session", headers=ours)).status_code == 204
    assert (await api.stranger.get("/api/v1/session")).status_code == 401


async def test_a_wrong_token_is_401(api: Api) -> None:
    response = await api.stranger.post("/api/v1/session", json={"token": "wrong"})
    assert response.status_code == 401
    assert "set-cookie" not in response.headers


async def test_a_viewer_may_not_act(api: Api, loaded: Conn) -> None:
    path = f"/api/v1/alarms/{raise_alarm(loaded)}/acknowledge"
    assert (await api.viewer.post(path)).status_code == 403


OPEN = {"/livez", "/readyz", "/healthz", "/version", "/metrics", "/"}


NEEDED = {
    "quantity": "temperature",
    "text": "罗湖区",
    "lon": "114.1",
    "lat": "22.5",
    "node": f"device:{HEAT}",
    "format": "geojson",
    "before": "nothing",
    "after": "nothing",
}
"""A value for each parameter that some route cannot do without."""


def filled(path: str) -> str:
    """A documented path with an id in each place."""
    known = {
        "device_id": HEAT,
        "code": HEAT_BLOCK,
        "alarm_id": str(uuid.uuid4()),
        "proposal_id": "1",
        "version_id": "1",
        "surface_id": "nothing",
        "set_name": "nothing",
        "kind": "heat",
        "incident_id": str(uuid.uuid4()),
        "roster_id": "nothing",
        "rule_id": "nothing",
        "event_id": "1",
        "test_id": "1",
    }
    return re.sub(r"{(\w+)}", lambda match: known[match[1]], path)


async def test_everything_that_is_not_open_is_closed_to_strangers(api: Api) -> None:
    for path, methods in document(api.app)["paths"].items():
        for method in methods:
            if path in OPEN or (path, method) == ("/api/v1/session", "post"):
                continue
            response = await api.stranger.request(method, filled(path))
            assert response.status_code == 401, (method, path)
            assert response.headers["content-type"] == "application/problem+json"
            assert "WWW-Authenticate" in response.headers
    for path in ("/openapi.json", "/docs", "/api/v1/", "/nothing", "/../etc/passwd", "/%00"):
        assert (await api.stranger.get(path)).status_code == 401, path
    assert (await api.stranger.post("/livez")).status_code == 401


async def test_every_route_answers_as_documented(api: Api, loaded: Conn) -> None:
    """Each status is listed, each body has the listed type; streams have tests of their own."""
    raise_alarm(loaded)
    described = (await api.viewer.get("/openapi.json")).json()
    checked = 0
    for path, methods in described["paths"].items():
        for method, operation in methods.items():
            if path == "/api/v1/events":
                continue
            needed = [p["name"] for p in operation.get("parameters", []) if p.get("required")]
            query = {name: NEEDED[name] for name in needed if name in NEEDED}
            response = await api.admin.request(method, filled(path), params=query)
            documented = operation["responses"].get(str(response.status_code))
            assert documented, (method, path, response.status_code, response.text)
            if response.status_code != 204:
                kind = response.headers["content-type"].partition(";")[0]
                assert kind in documented["content"], (method, path, kind)
            checked += 1
    assert checked >= 58
    text = json.dumps(described)
    named = set(re.findall(r"#/components/schemas/(\w+)", text))
    assert named == set(described["components"]["schemas"])
    geojson = described["paths"]["/api/v1/spaces"]["get"]["responses"]["200"]["content"]
    assert list(geojson) == ["application/geo+json"]
    assert geojson["application/geo+json"]["schema"]["$ref"].endswith("/SpaceCollection")
    assert described["openapi"].startswith("3.")


async def test_unknown_paths_and_methods_are_problems(api: Api) -> None:
    for method, path, status in (("GET", "/api/v1/nothing", 404), ("PUT", "/api/v1/alarms", 405)):
        response = await api.operator.request(method, path)
        assert response.status_code == status
        assert words.Problem.model_validate(response.json()).status == status


async def test_every_answer_carries_the_security_headers(api: Api) -> None:
    for path in ("/", "/livez", "/api/v1/state", "/api/v1/nothing"):
        headers = (await api.viewer.get(path)).headers
        policy = headers["content-security-policy"]
        assert "default-src 'self'" in policy
        assert "worker-src 'self' blob:" in policy
        assert headers["x-content-type-options"] == "nosniff"


async def test_health_needs_nobody(api: Api) -> None:
    for path in ("/livez", "/readyz", "/healthz", "/readyz?verbose", "/version"):
        assert (await api.stranger.get(path)).status_code == 200
    text = (await api.stranger.get("/metrics")).text
    assert 'blocktwin_api_requests_total{method="GET",route="/readyz",status="200"}' in text
    assert "/api/v1/devices/" not in text.replace("/api/v1/devices/{device_id}", "")


async def test_metrics_are_for_this_machine_only(api: Api) -> None:
    for peer, status in (("127.0.0.1", 200), ("::1", 200), ("10.0.0.9", 403), ("socket", 403)):
        transport = httpx2.ASGITransport(app=api.app, client=(peer, 1))
        async with httpx2.AsyncClient(transport=transport, base_url="http://t") as client:
            assert (await client.get("/metrics")).status_code == status


async def test_an_empty_store_answers_too(dsn: str, tmp_path: Path) -> None:
    async with running_api(dsn, tmp_path) as api:
        assert (await api.get("/api/v1/spaces"))["features"] == []
        assert (await api.get("/api/v1/devices"))["features"] == []
        assert (await api.get("/api/v1/alarms"))["alarms"] == []
        state = await api.get("/api/v1/state")
        words.StateBody.model_validate(state)
        assert (state["event_id"], state["totals"]["devices"]) == (0, 0)
        words.StatusBody.model_validate(await api.get("/api/v1/status"))


async def test_a_large_body_is_413(api: Api) -> None:
    response = await api.operator.post("/api/v1/session", content=b"x" * 70_000)
    assert response.status_code == 413

    async def unannounced() -> AsyncIterator[bytes]:
        for _ in range(70):
            yield b"x" * 1000

    response = await api.operator.post("/api/v1/session", content=unannounced())
    assert response.status_code == 413


STRANGE = st.text(max_size=70) | st.sampled_from(
    [
        *("0", "-1", "1e400", "9" * 30, "\0", "NaN", "'; DROP TABLE alarm; --", "%", "{}", "../.."),
        *("0001-01-01T00:00:00Z", "1970-01-01T00:00:00Z", "2026-01-01T00:00:00Z", "auto", "1d"),
        *("2199-12-31T23:59:59Z", "9999-12-31T23:59:59Z", "temperature", "good", "raw", "2"),
    ]
)
NAMES = ["kind", "within", "field", "gateway", "space", "limit", "after", "severity"]
NAMES += ["device", "state", "quantity", "from", "to", "resolution", "points", "accept", "at"]


@given(data=st.data())
@settings(
    max_examples=150,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
async def test_no_id_cursor_or_parameter_makes_a_500(api: Api, data: st.DataObject) -> None:
    paths = sorted(set(document(api.app)["paths"]) - {"/api/v1/events"})
    path = data.draw(st.sampled_from(paths))
    path = re.sub(r"{\w+}", lambda _: quoted(data.draw(STRANGE)), path)
    query = data.draw(st.dictionaries(st.sampled_from(NAMES), STRANGE, max_size=4))
    method = data.draw(st.sampled_from(["GET", "POST", "DELETE"]))
    body = data.draw(
        st.none()
        | st.dictionaries(
            st.sampled_from(["note", "cause", "token"]), STRANGE | st.integers() | st.none()
        )
    )
    response = await api.operator.request(method, path, params=query, json=body)
    assert response.status_code < 500, (method, path, query, response.text)
    if response.status_code >= 400:
        words.Problem.model_validate(response.json())


def quoted(text: str) -> str:
    return "".join(f"%{byte:02x}" for byte in text.encode("utf-8", "replace")) or "x"


@pytest.mark.parametrize("path", ["/api/v1/alarms", "/api/v1/devices"])
@pytest.mark.parametrize("cursor", ["", "x", "bnVsbA", "WyJhIl0", "WyJhIiwiYiJd", "W10"])
async def test_a_made_up_cursor_is_422_or_harmless(api: Api, path: str, cursor: str) -> None:
    response = await api.viewer.get(path, params={"after": cursor})
    assert response.status_code in {200, 422}
