"""What people do to alarms over HTTP, and what the district's state makes of hidden ones."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx2
import psycopg
import pytest

from alerts import store
from core.model import Severity, Transition, TransitionKind
from tests.support.alerting import transition
from tests.support.small_district import block_code, small_district
from tests.support.twin_api import Api, load_rules, running_api, soon
from twin.api import words, words_alarms
from twin.store import load_district

Conn = psycopg.Connection[Any]
HEAT = "heat.00001"
BLOCK = block_code(1, 0)
BASE_US = 1_767_225_600_000_000


def said(at_s: int = 0, kind: TransitionKind = TransitionKind.RAISED, **change: Any) -> Transition:
    plain: dict[str, Any] = {"rule_id": "heat-high", "subject": f"device:{HEAT}", "latch": True}
    return transition(kind=kind, at_us=BASE_US + at_s * 1_000_000, **(plain | change))


def apply(conn: Conn, *transitions: Transition) -> list[str]:
    """Write transitions as the worker would; return the ids of all alarms, the oldest first."""
    with conn.transaction():
        store.apply(conn, transitions, BASE_US)
    rows: Sequence[Any] = conn.execute(
        "SELECT alarm_id::text FROM alarm ORDER BY raised_at, subject"
    ).fetchall()
    return [row[0] for row in rows]


@pytest.fixture
def loaded(conn: Conn) -> Conn:
    load_district(conn, small_district())
    load_rules(conn)
    return conn


@pytest.fixture
async def api(loaded: Conn, dsn: str, tmp_path: Path) -> AsyncIterator[Api]:
    async with running_api(dsn, tmp_path) as running:
        yield running


async def act(api: Api, alarm: str, action: str, **body: Any) -> httpx2.Response:
    response = await api.operator.post(f"/api/v1/alarms/{alarm}/{action}", json=body)
    if response.status_code == 200:
        words.Alarm.model_validate(response.json())
    return response


async def test_every_action_answers_with_the_alarm_as_it_is_then(api: Api, loaded: Conn) -> None:
    (alarm,) = apply(loaded, said(said=("温度 61 °C", "61 degC")))
    found = (await act(api, alarm, "assign", to="wang")).json()
    assert (found["assigned_to"], found["said"]) == ("wang", {"zh": "温度 61 °C", "en": "61 degC"})
    assert (found["life_safety"], found["advisory"], found["incident_id"]) == (False, False, None)
    found = (await act(api, alarm, "shelve", minutes=30, why="动火作业")).json()
    assert (found["hidden"], found["hidden_by"], found["hidden_why"]) == (
        "shelved",
        "operator",
        "动火作业",
    )
    until = datetime.fromisoformat(found["hidden_until"])
    assert 1700 < (until - datetime.now(UTC)).total_seconds() <= 1800
    assert (await act(api, alarm, "unshelve")).json()["hidden"] is None
    found = (await act(api, alarm, "suppress", by="gateway:gw-a", why="offline")).json()
    assert (found["hidden"], found["hidden_by"]) == ("suppressed", "gateway:gw-a")
    assert (await act(api, alarm, "unsuppress")).json()["hidden"] is None
    found = (await act(api, alarm, "out-of-service", work_order="WO-7", why="clean")).json()
    assert (found["hidden"], found["hidden_by"]) == ("out_of_service", "WO-7")
    assert (await act(api, alarm, "in-service", note="ok")).json()["hidden"] is None


async def test_the_detail_has_occurrences_and_what_events_are_about(api: Api, loaded: Conn) -> None:
    apply(loaded, said(), said(1, TransitionKind.RETURNED), said(5))
    (alarm,) = apply(loaded, said(6, TransitionKind.ESCALATED, severity=Severity.RED, value=99.0))
    await act(api, alarm, "out-of-service", work_order="WO-7", why="clean")
    found = await api.get(f"/api/v1/alarms/{alarm}")
    words.AlarmDetail.model_validate(found)
    first, second = found["occurrences_list"]
    assert (first["number"], first["severity"]) == (1, 3)
    assert first["returned_at"] > first["onset_at"]
    assert (second["severity"], second["value"], second["returned_at"]) == (4, 99.0, None)
    last = found["events"][-1]
    assert (last["kind"], last["actor"], last["about"], last["note"], last["hidden"]) == (
        "out_of_service",
        "operator",
        "WO-7",
        "clean",
        "out_of_service",
    )


WRONG: list[tuple[str, dict[str, Any]]] = [
    ("shelve", {"minutes": 481, "why": "x"}),
    ("shelve", {"minutes": 0, "why": "x"}),
    ("shelve", {"minutes": 5, "why": " \t"}),
    ("shelve", {"minutes": 5}),
    ("suppress", {"by": "", "why": "x"}),
    ("suppress", {"by": "a b", "why": "x"}),
    ("out-of-service", {"work_order": " ", "why": "x"}),
    ("assign", {"to": "x" * 201}),
    ("assign", {}),
    ("unshelve", {"minutes": 5}),
]


async def test_a_wrong_body_is_422(api: Api, loaded: Conn) -> None:
    (alarm,) = apply(loaded, said())
    for action, body in WRONG:
        assert (await act(api, alarm, action, **body)).status_code == 422, (action, body)
    for ids in ([], ["x"], [str(uuid4())] * 201, None):
        response = await api.operator.post("/api/v1/alarms/acknowledge", json={"ids": ids})
        assert response.status_code == 422


async def test_what_the_state_does_not_allow_is_409_with_the_state(api: Api, loaded: Conn) -> None:
    (alarm,) = apply(loaded, said(life_safety=True))
    refused = await act(api, alarm, "unshelve")
    assert refused.status_code == 409
    assert "cannot unshelve an alarm that is unacknowledged" in refused.json()["detail"]
    refused = await act(api, alarm, "suppress", by="gateway:gw-a", why="x")
    assert refused.status_code == 409
    assert "life safety" in refused.json()["detail"]


async def test_a_viewer_may_do_none_of_it(api: Api, loaded: Conn) -> None:
    (alarm,) = apply(loaded, said())
    for action in ("assign", "shelve", "suppress", "out-of-service", "in-service"):
        response = await api.viewer.post(f"/api/v1/alarms/{alarm}/{action}", json={})
        assert response.status_code == 403, action
    response = await api.viewer.post("/api/v1/alarms/acknowledge", json={"ids": [alarm]})
    assert response.status_code == 403


async def test_several_are_acknowledged_at_once(api: Api, loaded: Conn) -> None:
    devices = [f"device:{device.device_id}" for device in small_district().devices[:3]]
    alarms = apply(loaded, *(said(n, subject=subject) for n, subject in enumerate(devices)))
    await act(api, alarms[1], "close", cause="test")
    nobody = str(uuid4())
    body = {"ids": [*alarms, nobody], "note": "storm"}
    response = await api.operator.post("/api/v1/alarms/acknowledge", json=body)
    assert response.status_code == 200
    found = response.json()
    words_alarms.Acknowledged.model_validate(found)
    assert {one["alarm_id"] for one in found["alarms"]} == {alarms[0], alarms[2]}
    assert {one["acknowledged_by"] for one in found["alarms"]} == {"operator"}
    assert found["refused"] == [
        {"alarm_id": alarms[1], "detail": "cannot acknowledge an alarm that is closed"},
        {"alarm_id": nobody, "detail": f"there is no alarm {nobody}"},
    ]


async def test_a_hidden_alarm_colours_nothing_and_stays_in_the_lists(
    api: Api, loaded: Conn
) -> None:
    (alarm,) = apply(loaded, said())

    async def settled(hidden: int) -> Any:
        totals = (await api.get("/api/v1/state"))["totals"]
        return totals if totals["hidden"] == hidden and totals["open"] == 1 - hidden else None

    totals = await soon(lambda: settled(0))
    assert totals["by_field"]["fire"] == {"open": 1, "unacknowledged": 1, "severity": 3}
    await act(api, alarm, "shelve", minutes=5, why="x")
    totals = await soon(lambda: settled(1))
    assert totals["by_field"]["fire"] == {"open": 0, "unacknowledged": 0, "severity": 0}
    state = await api.get("/api/v1/state")
    words.StateBody.model_validate(state)
    assert state["devices"][HEAT][1] == 0
    row = next(row for row in state["spaces"] if row["code"] == BLOCK)
    assert (row["severity"], row["open"], row["unacknowledged"]) == (0, 0, 0)
    assert (await api.get(f"/api/v1/spaces/{BLOCK}/reasons"))["reasons"] == []
    for hidden, count in (("any", 1), ("only", 1), ("no", 0)):
        assert len((await api.get("/api/v1/alarms", hidden=hidden))["alarms"]) == count
    then = await api.get("/api/v1/state", at=datetime.now(UTC).isoformat())
    assert (then["totals"]["hidden"], then["totals"]["open"]) == (1, 0)
    await act(api, alarm, "unshelve")
    assert await soon(lambda: settled(0))
