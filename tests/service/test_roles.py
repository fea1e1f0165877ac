"""Who may do what, over every route that the app has: nothing is open by being forgotten."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import psycopg
import pytest
from fastapi import FastAPI
from starlette.routing import BaseRoute

from tests.support.small_district import small_district
from tests.support.twin_api import Api, running_api
from twin.api.guard import OPEN_PATHS, SESSION_PATH
from twin.api.page import is_page
from twin.store import load_district

SAFE = {"GET", "HEAD", "OPTIONS"}
MAPS = ("maps", "addresses", "relations", "surfaces")


@pytest.fixture
async def api(dsn: str, conn: psycopg.Connection, tmp_path: Path) -> AsyncIterator[Api]:
    load_district(conn, small_district())
    async with running_api(dsn, tmp_path) as running:
        yield running


def doors(app: FastAPI) -> Iterator[tuple[str, str]]:
    """Every method of every path, with something in the place of its parameters."""
    for route in app.routes:
        yield from _doors(route)


def _doors(route: BaseRoute) -> Iterator[tuple[str, str]]:
    inner = getattr(route, "original_router", None)
    for one in inner.routes if inner is not None else []:
        yield from _doors(one)
    path = re.sub(r"\{[^}]*\}", "x", getattr(route, "path", ""))
    for method in sorted(getattr(route, "methods", None) or ()):
        yield method, path


async def test_a_stranger_gets_through_no_door_but_the_open_ones(api: Api) -> None:
    tried = 0
    for method, path in set(doors(api.app)):
        if path in OPEN_PATHS or path == SESSION_PATH or (method in SAFE and is_page(path)):
            continue
        answer = await api.stranger.request(method, path)
        assert answer.status_code == 401, (method, path, answer.status_code)
        assert answer.headers["www-authenticate"]
        tried += 1
    assert tried > 60


async def test_a_viewer_changes_nothing_anywhere(api: Api) -> None:
    changes = [(m, p) for m, p in set(doors(api.app)) if m not in SAFE and p != SESSION_PATH]
    assert {"DELETE", "PATCH", "POST", "PUT"} == {method for method, _ in changes}
    for method, path in changes:
        answer = await api.viewer.request(method, path)
        assert answer.status_code in {403, 405}, (method, path, answer.status_code)
        assert answer.status_code == 403 or not path.startswith(("/api/", "/sta/"))


async def test_maps_are_the_cartographers_and_alarms_the_operators(api: Api) -> None:
    for method, path in set(doors(api.app)):
        if method in SAFE or path == SESSION_PATH or path.startswith("/api/v1/devices"):
            continue
        maps = path.startswith(tuple(f"/api/v1/{one}" for one in MAPS))
        other = api.operator if maps else api.gis
        answer = await other.request(method, path)
        assert answer.status_code == 403, (method, path, answer.status_code)


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE"])
async def test_a_change_with_the_cookie_alone_is_refused(api: Api, method: str) -> None:
    token = api.operator.headers["Authorization"].removeprefix("Bearer ")
    opened = await api.stranger.post(SESSION_PATH, json={"token": token})
    assert opened.status_code in {200, 201}, opened.text
    for path in ("/sta/v1.1/Things", "/api/v1/devices/x/desired"):
        answer = await api.stranger.request(method, path)
        assert answer.status_code == 403, answer.text
        assert "X-Blocktwin" in answer.json()["detail"]
