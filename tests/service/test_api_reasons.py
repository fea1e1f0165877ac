"""Why a space looks as it does, and who may change what."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import psycopg
import pytest

from core.model import Severity
from tests.service.test_api import HEAT, HEAT_BLOCK, raise_alarm
from tests.support.small_district import small_district
from tests.support.twin_api import Api, load_rules, read_once, running_api, soon
from twin.api import words_spaces
from twin.store import load_district

Conn = psycopg.Connection[Any]


@pytest.fixture
def loaded(conn: Conn) -> Conn:
    load_district(conn, small_district())
    load_rules(conn)
    return conn


@pytest.fixture
async def api(loaded: Conn, dsn: str, tmp_path: Path) -> AsyncIterator[Api]:
    async with running_api(dsn, tmp_path) as running:
        yield running


async def test_a_space_says_why_at_every_level(api: Api, loaded: Conn) -> None:
    alarm = raise_alarm(loaded)
    for code in (HEAT_BLOCK, "grid-a", "community-a", "street-a", "440303"):

        async def known(code: str = code) -> Any:
            found = await api.get(f"/api/v1/spaces/{code}/reasons")
            return found if found["open"] else None

        found = await soon(known)
        words_spaces.Reasons.model_validate(found)
        assert (found["code"], found["severity"], found["unacknowledged"]) == (code, 3, 1)
        reason = found["reasons"][0]
        assert (reason["alarm_id"], reason["device_id"]) == (alarm, HEAT)
        assert reason["rule_name"]["zh"] == "定温火警"
        assert (reason["value"], reason["threshold"], reason["unit"]) == (61.5, 57.0, "Cel")
        assert reason["path"][-1]["code"].startswith(HEAT_BLOCK)
    assert [part["code"] for part in found["parts"]] == ["street-a"]
    quiet = await api.get("/api/v1/spaces/street-b/reasons")
    assert (quiet["severity"], quiet["reasons"], quiet["parts"]) == (0, [], [])


async def test_the_worst_reason_comes_first(api: Api, loaded: Conn) -> None:
    raise_alarm(loaded)
    worse = raise_alarm(
        loaded, 1, rule_id="heat-rise", severity=Severity.RED, subject="device:heat.00016"
    )

    async def both() -> Any:
        found = await api.get("/api/v1/spaces/440303/reasons")
        return found if found["open"] == 2 else None

    found = await soon(both)
    assert [reason["severity"] for reason in found["reasons"]] == [4, 3]
    assert found["reasons"][0]["alarm_id"] == worse


async def test_silent_devices_are_named_with_when_they_were_last_heard(
    api: Api, loaded: Conn
) -> None:
    read_once(loaded, "smoke.00000", "smoke_obscuration", 1.0, ago_s=3600.0)

    async def silent() -> Any:
        found = await api.get("/api/v1/spaces/440303/reasons")
        return found if found["stale_devices"] else None

    found = await soon(silent)
    assert [one["device_id"] for one in found["stale_devices"]] == ["smoke.00000"]
    assert found["freshness"] == {"fresh": 0, "stale": 1, "never": 19}
    assert found["parts"][0]["stale"] == 1


async def test_a_space_that_is_not_there_has_no_reasons(api: Api) -> None:
    assert (await api.viewer.get("/api/v1/spaces/nowhere/reasons")).status_code == 404


@pytest.mark.parametrize(
    ("path", "roles"),
    [
        ("/api/v1/maps/proposals", {"gis", "admin"}),
        ("/api/v1/addresses/import", {"gis", "admin"}),
        ("/api/v1/relations/import", {"gis", "admin"}),
        ("/api/v1/surfaces", {"gis", "admin"}),
        ("/api/v1/devices/x/move", {"operator", "gis", "admin"}),
        ("/api/v1/alarms/x/close", {"operator", "admin"}),
        ("/sta/v1.1/Things", {"operator", "admin"}),
        ("/anything/new", {"operator", "admin"}),
    ],
)
async def test_a_role_changes_what_it_is_for(api: Api, path: str, roles: set[str]) -> None:
    for role in ("viewer", "operator", "gis", "admin"):
        response = await getattr(api, role).post(path, content=b"")
        assert (response.status_code != 403) == (role in roles), (role, response.status_code)


async def test_a_browser_is_not_asked_for_a_password_by_the_page(api: Api) -> None:
    assert "Basic" not in (await api.stranger.get("/api/v1/state")).headers["www-authenticate"]
    assert "Basic" in (await api.stranger.get("/ogc/features/")).headers["www-authenticate"]
