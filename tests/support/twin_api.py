"""The API for tests: in process over ASGI, with the state followed by a real task."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import httpx2
import psycopg
from fastapi import FastAPI
from psycopg.types.json import Jsonb

from core.config import DatabaseConfig
from core.db.pool import open_pool
from tests.support.waiting import eventually
from twin.api.app import create_app
from twin.api.live import Live
from twin.config import ApiConfig
from twin.operators import Role, add

RULES = {
    "heat-high": {
        "id": "heat-high",
        "name": {"zh": "定温火警", "en": "Fixed-temperature fire alarm"},
        "advice": {"zh": "派人查看", "en": "Send somebody to look"},
        "field": "fire",
        "type": "high",
        "select": {"kind": ["heat"], "quantity": "temperature"},
        "levels": [
            {"severity": "orange", "raise": 57.0, "clear": 50.0},
            {"severity": "red", "raise": 80.0, "clear": 70.0},
        ],
    },
    "heat-rise": {
        "id": "heat-rise",
        "name": {"zh": "差温火警", "en": "Rate-of-rise fire alarm"},
        "advice": {"zh": "派人查看", "en": "Send somebody to look"},
        "field": "fire",
        "type": "rise",
        "select": {"kind": ["heat"], "quantity": "temperature"},
        "levels": [{"severity": "orange", "raise": 8.3, "clear": 4.0}],
    },
    "gateway-offline": {
        "id": "gateway-offline",
        "name": {"zh": "网关离线", "en": "Gateway offline"},
        "advice": {"zh": "检查供电", "en": "Check its power"},
        "field": "system",
        "type": "gateway_offline",
        "select": {},
        "levels": [],
    },
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Api:
    """A running API and a client of it for each role."""

    app: FastAPI
    live: Live
    operator: httpx2.AsyncClient
    viewer: httpx2.AsyncClient
    gis: httpx2.AsyncClient
    admin: httpx2.AsyncClient
    stranger: httpx2.AsyncClient

    async def get(self, path: str, **query: Any) -> Any:
        """Return the JSON of a path as a viewer; it must be 200."""
        response = await self.viewer.get(path, params=query)
        assert response.status_code == 200, response.text
        return response.json()


@asynccontextmanager
async def running_api(dsn: str, folder: Path, **settings: Any) -> AsyncIterator[Api]:
    """Run the API over a database, its live state included, until the block ends."""
    operators = folder / "operators.toml"
    tokens = {role: add(operators, str(role), role) for role in Role}
    plain: dict[str, Any] = {"operators_file": str(operators), "scan_every_s": 0.1}
    cfg = ApiConfig(**(plain | settings))
    database = DatabaseConfig(dsn=dsn, pool_size=4)
    async with open_pool(database, "test") as pool:
        app = create_app(cfg, pool, database)
        live: Live = app.state.runtime.live
        async with asyncio.TaskGroup() as tasks:
            following = tasks.create_task(live.run(), name="live")
            await eventually(lambda: live.ready and live.status is not None)
            async with _clients(app, [*(f"Bearer {tokens[role]}" for role in Role), ""]) as clients:
                viewer, operator, gis, admin, stranger = clients
                yield Api(
                    app=app,
                    live=live,
                    operator=operator,
                    viewer=viewer,
                    gis=gis,
                    admin=admin,
                    stranger=stranger,
                )
            following.cancel()


@asynccontextmanager
async def _clients(
    app: FastAPI, credentials: Iterable[str]
) -> AsyncIterator[list[httpx2.AsyncClient]]:
    clients = [
        httpx2.AsyncClient(
            transport=httpx2.ASGITransport(app=app, raise_app_exceptions=False),
            base_url="http://api.test",
            headers={"Authorization": word} if word else {},
        )
        for word in credentials
    ]
    try:
        yield clients
    finally:
        for client in clients:
            await client.aclose()


async def soon(read: Callable[[], Awaitable[Any]]) -> Any:
    """Return the first truthy thing that ``read`` gives."""
    return await eventually(cast("Callable[[], Any]", read))


def load_rules(conn: psycopg.Connection[Any]) -> None:
    """Put the rules above into the database, as version 1."""
    for rule_id, body in RULES.items():
        conn.execute(
            "INSERT INTO rule (rule_id, version, body, sha256) VALUES (%s, 1, %s, '')",
            (rule_id, Jsonb(body)),
        )


def read_once(
    conn: psycopg.Connection[Any], device: str, quantity: str, value: float, *, ago_s: float = 0
) -> None:
    """Store one reading of a device as the newest, received ``ago_s`` seconds ago."""
    conn.execute(
        """WITH new AS (
               INSERT INTO reading
               SELECT series_id, now() - make_interval(secs => %(ago)s),
                      now() - make_interval(secs => %(ago)s), %(value)s, 0
                 FROM series WHERE device_id = %(device)s AND quantity = %(quantity)s
            RETURNING *)
           INSERT INTO latest SELECT * FROM new ON CONFLICT (series_id) DO UPDATE
               SET observed_at = excluded.observed_at, received_at = excluded.received_at,
                   value = excluded.value, quality = excluded.quality""",
        {"ago": ago_s, "value": value, "device": device, "quantity": quantity},
    )
