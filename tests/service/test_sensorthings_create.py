"""Creating through SensorThings: a real API, broker and worker, and a foreign client."""

from __future__ import annotations

import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import frost_sta_client as frost
import httpx2
import psycopg
import pytest

from dev.servers import PrivateMosquitto
from edge.config import SPOOL_FILE
from tests.support.sensorthings import HEAT, fill
from tests.support.servers import Program, Runner, settings
from tests.support.waiting import wait_until
from twin.operators import Role, add
from twin.sensorthings import landing

Conn = psycopg.Connection[Any]
Check = Callable[["World"], None]
CHECKS: dict[str, Check] = {}
pytestmark = pytest.mark.filterwarnings("ignore:furl.pathstr:DeprecationWarning")
"""What the foreign client itself does."""
THING = {
    "@iot.id": "heat-new",
    "name": "温感 new",
    "description": "made by a client",
    "properties": {"kind": "heat", "floor": 3, "interval_s": 30},
    "Locations": [
        {
            "name": "here",
            "description": "a corner",
            "encodingType": "application/geo+json",
            "location": {"type": "Point", "coordinates": [114.10045, 22.50045, 2.5]},
        }
    ],
    "Datastreams": [{"name": "t", "ObservedProperty": {"@iot.id": "temperature"}}],
}


@dataclass(slots=True)
class World:
    """The running parts."""

    client: httpx2.Client
    conn: Conn
    broker: PrivateMosquitto
    worker: Program
    api: Program
    port: int
    token: str

    def post(self, path: str, body: Any) -> Any:
        return self.client.post(f"/sta/v1.1{path}", json=body)

    def get(self, path: str) -> Any:
        answer = self.client.get(f"/sta/v1.1{path}")
        assert answer.status_code == 200, answer.text
        return answer.json()

    def thing(self, number: str = "heat-new") -> int:
        """Create the thing above and return the id of its Datastream."""
        made = self.post("/Things", THING | {"@iot.id": number})
        assert made.status_code == 201, made.text
        streams = self.get(f"/Things('{number}')/Datastreams")["value"]
        return int(streams[0]["@iot.id"])

    def observe(self, stream: int, result: Any, *, ago_s: float = 5.0) -> Any:
        at = (datetime.now(UTC) - timedelta(seconds=ago_s)).isoformat()
        return self.post(
            f"/Datastreams({stream})/Observations", {"phenomenonTime": at, "result": result}
        )


def operators_of(folder: Path, *roles: Role) -> tuple[Path, list[str]]:
    path = folder / "operators.toml"
    return path, [add(path, str(role), role) for role in roles]


@pytest.fixture
def world(
    dsn: str,
    conn: Conn,
    broker: PrivateMosquitto,
    run_blocktwin: Runner,
    free_port: int,
    tmp_path: Path,
) -> Iterator[World]:
    fill(conn)
    operators, (token,) = operators_of(tmp_path, Role.OPERATOR)
    env = settings(dsn, broker, ingest__batch_s=0.02, ingest__receipt_every_s=0.1)
    worker = run_blocktwin("ingest", env=env)
    api = run_blocktwin(
        "serve",
        env=settings(
            dsn,
            broker,
            "sta-http",
            api__port=free_port,
            api__operators_file=str(operators),
            sensorthings__create=True,
            sensorthings__spool_dir=str(tmp_path / "spool"),
            sensorthings__wait_s=8.0,
        ),
    )
    headers = {"Authorization": f"Bearer {token}"}
    with httpx2.Client(
        base_url=f"http://127.0.0.1:{free_port}", headers=headers, timeout=20
    ) as client:
        found = World(client, conn, broker, worker, api, free_port, token)
        wait_until(lambda: up(found), 30, what="the API")
        yield found


def up(world: World) -> bool:
    assert world.api.running, world.api.output()
    try:
        if world.client.get("/readyz").status_code != 200:
            return False
    except httpx2.TransportError:
        return False
    # The broker is there once an Observation is refused for what it is, not for the way.
    probe = world.post("/Datastreams(999999)/Observations", {"result": 1})
    return probe.status_code == 422 and "gateway sta-http" not in world.api.output()


def requires(name: str) -> Callable[[Check], Check]:
    def keep(check: Check) -> Check:
        CHECKS[name] = check
        return check

    return keep


def test_an_observation_is_created_once_and_a_retry_finds_it(world: World) -> None:
    stream = world.thing()
    made = world.observe(stream, 21.5)
    assert made.status_code == 201, made.text
    link = made.headers["location"]
    assert world.client.get(link).json() == made.json()
    assert made.json()["result"] == 21.5
    same = made.json()["phenomenonTime"]
    again = world.post(
        "/Observations",
        {"phenomenonTime": same, "result": 21.5, "Datastream": {"@iot.id": stream}},
    )
    assert (again.status_code, again.headers["location"]) == (201, link)
    other = world.post(
        f"/Datastreams({stream})/Observations", {"phenomenonTime": same, "result": 9}
    )
    assert other.status_code == 409
    assert "21.5" in other.json()["detail"]
    rows = world.conn.execute("SELECT count(*) FROM reading WHERE series_id = %s", (stream,))
    assert rows.fetchone() == (1,)
    root = world.get("")
    assert set(landing.CREATING) <= set(root["serverSettings"]["conformance"])


@requires("create-update-delete/link-to-existing-entities")
def _link(world: World) -> None:
    place = world.get(f"/Things('{HEAT}')/Locations")["value"][0]
    body = THING | {"@iot.id": "heat-linked", "Locations": [{"@iot.id": place["@iot.id"]}]}
    assert world.post("/Things", body).status_code == 201
    mine = world.get("/Things('heat-linked')/Locations")["value"][0]
    assert mine["location"] == place["location"]
    stream = world.get("/Things('heat-linked')/Datastreams?$expand=ObservedProperty,Sensor")[
        "value"
    ][0]
    assert stream["ObservedProperty"]["@iot.id"] == "temperature"
    assert stream["Sensor"]["@iot.id"] == "heat"
    missing = world.post("/Things", body | {"@iot.id": "x", "Locations": [{"@iot.id": 10**6}]})
    assert missing.status_code == 422


@requires("create-update-delete/deep-insert")
def _deep(world: World) -> None:
    made = world.post("/Things", THING)
    thing = world.get("/Things('heat-new')?$expand=Locations,Datastreams,HistoricalLocations")
    assert thing["Locations"][0]["location"]["coordinates"] == [114.10045, 22.50045, 2.5]
    assert thing["Locations"][0]["properties"]["space"] == "a-b000000-1"
    assert len(thing["Datastreams"]) == len(thing["HistoricalLocations"]) == 1
    assert thing["properties"]["gateway_id"] == "sta-http"
    assert thing["properties"]["attributes"] == {"floor": 3, "description": "made by a client"}
    assert made.json()["@iot.id"] == "heat-new"


@requires("create-update-delete/deep-insert-status-code")
def _deep_status(world: World) -> None:
    made = world.post("/Things", THING)
    assert made.status_code == 201
    assert made.headers["location"].endswith("/sta/v1.1/Things('heat-new')")
    assert world.post("/Things", THING).status_code == 409
    changes: tuple[dict[str, Any], ...] = (
        {"properties": {"kind": "toaster"}}, {"Locations": []}, {"name": ""}, {"@iot.id": "A B"},
        {"Datastreams": [{"ObservedProperty": {"@iot.id": "colour"}}]}, {"wishes": 1},
    )  # fmt: skip
    for change in changes:
        refused = world.post("/Things", THING | {"@iot.id": "heat-other"} | change)
        assert refused.status_code == 422, change
        assert refused.json()["detail"]
    assert world.client.post("/sta/v1.1/Things", content=b"{").status_code == 400


@requires("data-array/data-array")
def _arrays(world: World) -> None:
    stream = world.thing()
    times = [(datetime.now(UTC) - timedelta(seconds=s)).isoformat() for s in range(250, 0, -1)]
    rows = [[at, 20 + i % 5] for i, at in enumerate(times)] + [["soon", 1], [times[0]]]
    body = [
        {
            "Datastream": {"@iot.id": stream},
            "components": ["phenomenonTime", "result"],
            "dataArray@iot.count": len(rows),
            "dataArray": rows,
        }
    ]
    made = world.post("/CreateObservations", body)
    assert made.status_code == 201, made.text
    said = made.json()
    assert len(said) == len(rows)
    assert [one.startswith("error") for one in said] == [False] * 250 + [True] * 2
    assert world.client.get(said[0]).json()["result"] == 20
    assert world.get(f"/Datastreams({stream})/Observations?$count=true&$top=0")["@iot.count"] == 250
    shown = world.get(f"/Datastreams({stream})/Observations?$resultFormat=dataArray&$top=3")
    assert shown["value"][0]["dataArray@iot.count"] == 3


@pytest.mark.parametrize("name", list(CHECKS))
def test_requirement(name: str, world: World) -> None:
    CHECKS[name](world)


def test_what_is_claimed_of_creating_is_what_is_tested() -> None:
    assert set(landing.CREATING) == {landing.SPEC + name for name in CHECKS}


def test_an_observation_goes_the_way_of_all_readings(world: World) -> None:
    stream = world.thing()
    assert world.observe(stream, 5000).json()["resultQuality"]["words"] == ["out_of_range"]
    known = world.get(f"/Things('{HEAT}')/Datastreams")["value"][0]["@iot.id"]
    foreign = world.observe(known, 20)
    assert foreign.status_code == 422
    assert "foreign_gateway" in foreign.json()["detail"]
    future = world.observe(stream, 20, ago_s=-90 * 86_400)
    assert future.status_code == 422
    assert "bad_time" in future.json()["detail"]
    spools = world.conn.execute("SELECT gateway_id FROM uplink").fetchall()
    assert spools == [("sta-http",)]
    tally = world.conn.execute("SELECT received, stored, rejected FROM tally").fetchall()
    assert tally == [(3, 1, 2)]


def test_a_created_thing_is_judged_by_the_alarms(world: World) -> None:
    stream = world.thing()
    for ago_s in range(60, 0, -5):
        assert world.observe(stream, 90.0, ago_s=ago_s).status_code == 201

    def raised() -> bool:
        found = world.conn.execute("SELECT 1 FROM alarm WHERE device_id = 'heat-new'").fetchall()
        return bool(found)

    wait_until(raised, 10, what="an alarm")


def test_what_cannot_be_created_is_refused_with_its_reason(world: World) -> None:
    stream = world.thing()
    path = f"/Datastreams({stream})/Observations"
    bodies: tuple[Any, ...] = (
        {}, [], 1, {"result": "warm"}, {"result": None}, {"result": 1, "phenomenonTime": "now"},
        {"result": 1, "phenomenonTime": "2026-01-01T00:00:00"}, {"result": 1, "parameters": {}},
        {"result": 1, "phenomenonTime": "2026-01-01T00:00:00Z/2026-01-02T00:00:00Z"},
        {"result": 1, "Datastream": {"@iot.id": stream + 1}}, {"result": 1, "Datastream": {}},
    )  # fmt: skip
    for body in bodies:
        refused = world.post(path, body)
        assert refused.status_code == 422, (body, refused.text)
    assert world.post("/Observations", {"result": 1}).status_code == 422
    assert world.post("/Datastreams", {}).status_code == 405
    assert world.post("/Nothing", {}).status_code == 404
    for method in ("PATCH", "DELETE", "PUT"):
        answer = world.client.request(method, "/sta/v1.1/Things('heat-new')")
        assert (answer.status_code, answer.headers["allow"]) == (405, "GET")
    assert world.client.request("PATCH", "/sta/v1.1/Things").headers["allow"] == "GET, POST"


def test_without_a_worker_the_client_is_told_and_the_retry_finds_it(
    world: World, run_blocktwin: Runner, dsn: str
) -> None:
    stream = world.thing()
    world.worker.stop()
    at = datetime.now(UTC).isoformat()
    body = {"phenomenonTime": at, "result": 20}
    late = world.post(f"/Datastreams({stream})/Observations", body)
    assert (late.status_code, late.headers["retry-after"]) == (504, "2")
    run_blocktwin("ingest", env=settings(dsn, world.broker, ingest__batch_s=0.02))

    def there() -> bool:
        made: int = world.post(f"/Datastreams({stream})/Observations", body).status_code
        return made == 201

    wait_until(there, 40, what="the Observation")
    rows = world.conn.execute("SELECT value FROM reading WHERE series_id = %s", (stream,))
    assert rows.fetchall() == [(20.0,)]


def test_the_api_stops_in_time_while_a_client_waits_for_the_worker(
    world: World, tmp_path: Path
) -> None:
    stream = world.thing()
    world.worker.stop()
    spool = tmp_path / "spool" / "sta-http"
    before = size(spool)
    told: list[int] = []

    def ask() -> None:
        with suppress(httpx2.TransportError):
            told.append(world.observe(stream, 20).status_code)

    asking = threading.Thread(target=ask)
    asking.start()
    wait_until(lambda: size(spool) > before, 10, what="the Observation in the spool")
    assert world.api.stop(10)
    asking.join(10)
    assert 201 not in told
    with closing(sqlite3.connect(spool / SPOOL_FILE)) as left:
        assert left.execute("SELECT count(*) FROM message").fetchone() == (1,)


def size(folder: Path) -> int:
    """Bytes of the files in a folder."""
    return sum(one.stat().st_size for one in folder.iterdir())


def test_without_a_broker_nothing_is_kept(world: World) -> None:
    stream = world.thing()
    world.broker.stop()
    wait_until(lambda: "is away" in world.api.output(), 20, what="the loss of the broker")
    began = time.monotonic()
    refused = world.observe(stream, 20)
    assert refused.status_code == 503
    assert "nothing was kept" in refused.json()["detail"]
    assert time.monotonic() - began < 2


def service_of(world: World) -> Any:
    auth = frost.AuthHandler(username="operator", password=world.token)
    return frost.SensorThingsService(f"http://127.0.0.1:{world.port}/sta/v1.1", auth_handler=auth)


def test_the_frost_client_reads(world: World) -> None:
    service = service_of(world)
    assert len([*service.things().query().top(7).list()]) == 20
    heat = service.things().query().filter("properties/kind eq 'heat'").expand("Datastreams").list()
    assert sorted(thing.id for thing in heat) == ["heat.00001", "heat.00016"]
    thing = service.things().find(HEAT)
    assert thing.name == "设备 1"
    streams = [*thing.get_datastreams().query().list()]
    assert [one.unit_of_measurement.symbol for one in streams] == ["Cel"]
    query = service.observations().query().filter("Datastream/id eq 1").orderby("phenomenonTime")
    results = [one.result for one in query.top(5).count().list()]
    assert len(results) == 12
    assert results == sorted(results, reverse=True)
    assert service.locations().query().list().entities[0].location is not None
    for dao in (service.sensors(), service.observed_properties(), service.features_of_interest(),
                service.historical_locations()):  # fmt: skip
        assert dao.query().top(3).list().entities


def test_the_frost_client_creates(world: World) -> None:
    service = service_of(world)
    place = frost.Location(
        name="here", description="", encoding_type="application/geo+json",
        location={"type": "Point", "coordinates": [114.10045, 22.50045]},
    )  # fmt: skip
    stream = frost.Datastream(
        name="temperature",
        description="",
        observation_type="http://www.opengis.net/def/observationType/OGC-OM/2.0/OM_Measurement",
        unit_of_measurement=frost.UnitOfMeasurement(
            name="degree Celsius", symbol="Cel", definition="ucum:Cel"
        ),
        observed_property=frost.ObservedProperty(
            name="temperature", definition="http://example.org/temperature", description=""
        ),
        sensor=frost.Sensor(
            name="heat detector", description="", encoding_type="text/html", metadata="none"
        ),
    )
    thing = frost.Thing(
        name="made by frost", description="foreign", properties={"kind": "heat"},
        locations=[place], datastreams=[stream],
    )  # fmt: skip
    service.create(thing)
    found = service.things().find(thing.id)
    assert found.name == "made by frost"
    made = next(iter(found.get_datastreams().query().list()))
    observation = frost.Observation(
        phenomenon_time=datetime.now(UTC).isoformat(), result=22.25, datastream=made
    )
    service.create(observation)
    assert service.observations().find(observation.id).result == 22.25
