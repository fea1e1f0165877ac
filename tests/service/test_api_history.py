"""What the API says of the past: windows of a series, the newest of all, the state at a time."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest

from alerts import store as alarm_store
from core.model import (
    NOT_IN_ROLLUPS,
    Device,
    District,
    Field,
    Severity,
    Transition,
    TransitionKind,
)
from tests.support import past
from tests.support.past import T0, Row
from tests.support.small_district import SOUTH, STEP, WEST, block_code, small_district, square
from tests.support.twin_api import Api, load_rules, read_once, running_api, soon
from twin.api import words
from twin.history.resolution import quality_names
from twin.store import load_district

Conn = psycopg.Connection[Any]

PLAIN = small_district()
HEAT = "heat.00001"
SMOKE = "smoke.00000"
HEAT_BLOCK = block_code(1, 0)
READINGS = f"/api/v1/devices/{HEAT}/readings"
DAY = 86_400


@pytest.fixture
def loaded(conn: Conn) -> Conn:
    load_district(conn, PLAIN)
    load_rules(conn)
    return conn


@pytest.fixture
async def api(loaded: Conn, dsn: str, tmp_path: Path) -> AsyncIterator[Api]:
    async with running_api(dsn, tmp_path) as running:
        yield running


def at(seconds: float) -> datetime:
    return T0 + timedelta(seconds=seconds)


def said(seconds: float) -> str:
    return at(seconds).isoformat()


def heat(conn: Conn) -> int:
    return past.series_of(conn, HEAT, "temperature")


def alarm(conn: Conn, kind: TransitionKind, when_s: float, severity: Severity) -> None:
    """Let the worker say something of the heat detector's alarm."""
    transition = Transition(
        rule_id="heat-high",
        rule_version=1,
        subject=f"device:{HEAT}",
        field=Field.FIRE,
        kind=kind,
        severity=severity,
        at_us=round(at(when_s).timestamp() * 1e6),
        value=61.5,
        threshold=57.0,
        quantity="temperature",
        latch=False,
    )
    with conn.transaction():
        alarm_store.apply(conn, [transition], transition.at_us)


async def test_a_day_at_automatic_resolution(api: Api, loaded: Conn) -> None:
    past.store(loaded, heat(loaded), [Row(n * 10, n % 60, int(n % 60 == 0)) for n in range(8640)])
    found = await api.get(
        READINGS, quantity="temperature", **{"from": said(0), "to": said(DAY - 1)}
    )
    words.Readings.model_validate(found)
    assert (found["resolution"], found["step_s"], found["level"]) == ("1m", 60, "1m")
    assert found["left_out"] == quality_names(NOT_IN_ROLLUPS)
    assert len(found["t"]) == 1440
    assert (found["min"][0], found["max"][0], found["last"][0]) == (1, 5, 5)
    assert found["good"][0] == pytest.approx(5 / 6, abs=1e-4)
    assert "v" not in found
    coarse = await api.get(
        READINGS,
        quantity="temperature",
        points=30,
        **{"from": said(0), "to": said(DAY - 1)},
    )
    assert (coarse["resolution"], len(coarse["t"])) == ("1h", 24)
    hours = await api.get(
        READINGS,
        quantity="temperature",
        resolution="1h",
        **{"from": said(0), "to": said(DAY - 1)},
    )
    assert hours == coarse


@pytest.mark.parametrize(
    "query",
    [
        {"resolution": "5m"},
        {"points": 1},
        {"points": 20_001},
        {"accept": "nonsense"},
        {"accept": "good", "resolution": "1h", "from": "2026-01-01T00:00:00Z"},
        {"accept": "good", "from": "2020-01-01T00:00:00Z"},
        {"from": "2026-01-02T00:00:00Z", "to": "2026-01-01T00:00:00Z"},
        {"from": "2026-01-01T00:00:00"},
        {"from": "0001-01-01T00:00:00Z"},
    ],
)
async def test_a_senseless_window_is_422(api: Api, query: dict[str, Any]) -> None:
    response = await api.viewer.get(READINGS, params={"quantity": "temperature"} | query)
    assert response.status_code == 422, response.text
    words.Problem.model_validate(response.json())


async def test_the_latest_of_everything_names_each_device_once(api: Api, loaded: Conn) -> None:
    read_once(loaded, HEAT, "temperature", 21.5)
    read_once(loaded, SMOKE, "smoke_alarm", 0)
    read_once(loaded, SMOKE, "smoke_obscuration", 0.5)

    async def three() -> Any:
        found = await api.get("/api/v1/latest")
        return found if len(found["series"]) == 3 else None

    found = await soon(three)
    words.LatestBody.model_validate(found)
    rows = {
        (found["devices"][device], found["quantities"][quantity]): value
        for device, quantity, value in zip(
            found["device"], found["quantity"], found["v"], strict=True
        )
    }
    assert rows == {
        (HEAT, "temperature"): 21.5,
        (SMOKE, "smoke_alarm"): 0.0,
        (SMOKE, "smoke_obscuration"): 0.5,
    }
    now = datetime.now(UTC).timestamp() * 1000
    assert all(now - 30_000 < t <= now + 1000 for t in found["t"] + found["r"])


@pytest.mark.parametrize(
    ("query", "devices"),
    [
        ({"field": "fire"}, {HEAT, SMOKE}),
        ({"field": "water"}, set()),
        ({"kind": "heat"}, {HEAT}),
        ({"gateway": "gw-b"}, set()),
        ({"space": HEAT_BLOCK}, {HEAT}),
        ({"space": "street-a"}, {HEAT, SMOKE}),
    ],
)
async def test_the_latest_is_filtered(
    api: Api, loaded: Conn, query: dict[str, str], devices: set[str]
) -> None:
    read_once(loaded, HEAT, "temperature", 21.5)
    read_once(loaded, SMOKE, "smoke_alarm", 0)

    async def stored() -> bool:
        return len((await api.get("/api/v1/latest"))["series"]) == 2

    await soon(stored)
    found = await api.get("/api/v1/latest", **query)
    assert {found["devices"][index] for index in found["device"]} == devices


async def test_the_latest_is_sent_again_only_when_something_came(api: Api, loaded: Conn) -> None:
    first = await api.viewer.get("/api/v1/latest")
    tag = {"If-None-Match": first.headers["etag"]}
    assert (await api.viewer.get("/api/v1/latest", headers=tag)).status_code == 304
    read_once(loaded, HEAT, "temperature", 21.5)

    async def changed() -> bool:
        return (await api.viewer.get("/api/v1/latest", headers=tag)).status_code == 200

    await soon(changed)


async def test_the_latest_in_no_such_space_is_404(api: Api) -> None:
    assert (await api.viewer.get("/api/v1/latest?space=nowhere")).status_code == 404
    assert (await api.viewer.get("/api/v1/latest?kind=none")).status_code == 422


def values(found: dict[str, Any]) -> dict[str, tuple[int, float]]:
    """Device -> (seconds after T0, value), of the heat detectors and smoke alarms."""
    columns = found["values"]
    return {
        columns["devices"][device]: (round(t / 1000 - T0.timestamp()), v)
        for device, t, v in zip(columns["device"], columns["t"], columns["v"], strict=True)
    }


async def test_the_state_at_a_time_is_what_was_true_then(api: Api, loaded: Conn) -> None:
    past.store(loaded, heat(loaded), [Row(n * 10, n) for n in range(360)])
    smoke = past.series_of(loaded, SMOKE, "smoke_alarm")
    past.store(loaded, smoke, [Row(1000, 0)])
    alarm(loaded, TransitionKind.RAISED, 1200, Severity.ORANGE)
    alarm(loaded, TransitionKind.ESCALATED, 1500, Severity.RED)
    alarm(loaded, TransitionKind.RETURNED, 2000, Severity.RED)

    before = await api.get("/api/v1/state", at=said(1105))
    words.StateBody.model_validate(before)
    assert before["level"] == "raw"
    assert values(before) == {HEAT: (1100, 110), SMOKE: (1000, 0)}
    assert before["devices"][HEAT] == [1, 0]
    assert before["devices"][SMOKE] == [2, 0]
    assert (before["totals"]["fresh"], before["totals"]["stale"]) == (1, 1)
    assert (before["totals"]["open"], before["event_id"]) == (0, 0)
    assert {gateway["online"] for gateway in before["gateways"]} == {None}

    raised = await api.get("/api/v1/state", at=said(1205), kind="block")
    block = next(row for row in raised["spaces"] if row["code"] == HEAT_BLOCK)
    assert (block["severity"], block["open"], block["unacknowledged"]) == (3, 1, 1)
    assert raised["devices"][HEAT] == [1, 3]
    assert raised["totals"]["by_field"]["fire"] == {"open": 1, "unacknowledged": 1, "severity": 3}
    # The smoke detector's word is older than twenty of its intervals.
    assert values(raised) == {HEAT: (1200, 120)}
    assert raised["devices"][SMOKE] == [0, 0]

    escalated = await api.get("/api/v1/state", at=said(1600))
    assert escalated["devices"][HEAT] == [1, 4]
    assert before["event_id"] < raised["event_id"] < escalated["event_id"]
    later = await api.get("/api/v1/state", at=said(3590 + 31))
    assert later["devices"][HEAT][0] == 2


async def test_an_acknowledged_and_closed_alarm_is_open_before_and_gone_after(
    api: Api, loaded: Conn
) -> None:
    alarm(loaded, TransitionKind.RAISED, 0, Severity.ORANGE)
    alarm_id = (await api.get("/api/v1/alarms"))["alarms"][0]["alarm_id"]
    path = f"/api/v1/alarms/{alarm_id}"
    assert (await api.operator.post(f"{path}/acknowledge")).status_code == 200
    between = datetime.now(UTC).isoformat()
    assert (await api.operator.post(f"{path}/close", json={"cause": "test"})).status_code == 200
    after = datetime.now(UTC).isoformat()
    found = [
        (then["totals"]["open"], then["totals"]["unacknowledged"])
        for then in [await api.get("/api/v1/state", at=t) for t in (said(1), between, after)]
    ]
    assert found == [(1, 1), (1, 0), (0, 0)]


async def test_the_state_of_a_part_holds_its_values_only(api: Api, loaded: Conn) -> None:
    past.store(loaded, heat(loaded), [Row(0, 1)])
    past.store(loaded, past.series_of(loaded, SMOKE, "smoke_alarm"), [Row(0, 0)])
    part = await api.get("/api/v1/state", at=said(5), within=HEAT_BLOCK)
    assert set(values(part)) == {HEAT}
    assert part["totals"]["devices"] == 2
    missing = await api.viewer.get("/api/v1/state", params={"at": said(5), "within": "nowhere"})
    assert missing.status_code == 404


async def test_the_state_at_a_time_whose_readings_were_deleted_comes_from_a_rollup(
    api: Api, loaded: Conn
) -> None:
    past.store(loaded, heat(loaded), [Row(n * 10, n) for n in range(3 * DAY // 10)])
    past.roll_up(loaded, at(3 * DAY))
    past.forget(loaded, "reading", at(2 * DAY))
    found = await api.get("/api/v1/state", at=said(3605))
    # 59:50 is the last reading of the last whole minute.
    assert (found["level"], values(found)) == ("1m", {HEAT: (3600, 359)})
    assert found["devices"][HEAT] == [1, 0]
    past.forget(loaded, "rollup_1m", at(DAY))
    found = await api.get("/api/v1/state", at=said(3605))
    assert (found["level"], values(found)) == ("1h", {HEAT: (3600, 359)})
    past.forget(loaded, "rollup_1h", at(30 * DAY))
    loaded.execute("DELETE FROM rollup_1h")
    found = await api.get("/api/v1/state", at=said(DAY + 3605))
    assert (found["level"], values(found)) == ("1m", {HEAT: (DAY + 3600, 8999)})


async def test_an_alarm_of_then_lies_in_the_outline_of_then(api: Api, loaded: Conn) -> None:
    alarm(loaded, TransitionKind.RAISED, 0, Severity.ORANGE)
    before = datetime.now(UTC).isoformat()
    block = next(space for space in PLAIN.spaces if space.code == HEAT_BLOCK)
    moved = dataclasses.replace(block, outline=square(WEST, SOUTH, WEST + STEP / 2, SOUTH + STEP))
    load_district(loaded, District(spaces=(moved,), gateways=(), devices=()))
    found = await api.get("/api/v1/state", at=before, kind="block")
    row = next(row for row in found["spaces"] if row["code"] == HEAT_BLOCK)
    assert (row["severity"], row["open"]) == (3, 1)
    assert len([r for r in found["spaces"] if r["code"] == HEAT_BLOCK]) == 1


async def test_the_state_at_a_time_to_come_is_422(api: Api) -> None:
    tomorrow = (datetime.now(UTC) + timedelta(days=1)).isoformat()
    response = await api.viewer.get("/api/v1/state", params={"at": tomorrow})
    assert response.status_code == 422
    for at in ("0001-01-01T00:00:00Z", "9999-12-31T23:59:59Z"):
        assert (await api.viewer.get("/api/v1/state", params={"at": at})).status_code == 422
    first = await api.get("/api/v1/state", at="1970-01-01T00:00:00Z")
    assert (first["values"]["series"], first["totals"]["never"]) == ([], 20)


async def test_looking_back_needs_an_operator_or_viewer(api: Api) -> None:
    for path in ("/api/v1/latest", f"/api/v1/state?at={said(0)}", f"{READINGS}?quantity=x"):
        response = await api.stranger.get(path.replace("+", "%2B"))
        assert response.status_code == 401
        assert json.loads(response.text)["status"] == 401


def test_the_small_district_is_as_these_tests_expect() -> None:
    known: dict[str, Device] = {device.device_id: device for device in PLAIN.devices}
    assert {known[HEAT].interval_s, known[SMOKE].interval_s} == {10.0}


@pytest.mark.parametrize("resolution", ["auto", "raw", "1m", "1h", "1d"])
@pytest.mark.parametrize("points", [2, 20_000])
async def test_the_longest_window_is_answered(api: Api, resolution: str, points: int) -> None:
    whole = {"from": "1970-01-01T00:00:00Z", "to": "2199-12-31T23:59:59Z"}
    found = await api.get(
        READINGS, quantity="temperature", resolution=resolution, points=points, **whole
    )
    words.Readings.model_validate(found)
    assert found["t"] == []
