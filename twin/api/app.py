"""Put the API together: routes, guard, errors, and an OpenAPI document that says what is true."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from fastapi import FastAPI, Request, Response
from fastapi.openapi.utils import get_openapi
from psycopg_pool import AsyncConnectionPool
from starlette.middleware import Middleware
from starlette.middleware.gzip import GZipMiddleware

from core.config import DatabaseConfig
from core.version import version
from twin.api import (
    page,
    problems,
    routes_addresses,
    routes_alarms,
    routes_devices,
    routes_events,
    routes_features,
    routes_health,
    routes_incidents,
    routes_maps,
    routes_notify,
    routes_readings,
    routes_relations,
    routes_rules,
    routes_scenes,
    routes_sensorthings,
    routes_session,
    routes_spaces,
    routes_state,
    routes_twins,
)
from twin.api.answers import SMALLEST_GZIP, Cache, json_reply
from twin.api.bounds import BodyLimit, Heads, SecurityHeaders
from twin.api.guard import COOKIE, OPEN_PATHS, SESSION_PATH, Gatekeeper, Guard
from twin.api.hub import Hub
from twin.api.live import Live
from twin.api.metrics import Counting, Metrics
from twin.api.reads import Conn
from twin.api.runtime import Runtime
from twin.api.words import Problem
from twin.config import ApiConfig
from twin.kinds import BUILT_IN, Kinds
from twin.operators import Roster

FILE_PATHS = (
    "/api/v1/maps/inspect",
    "/api/v1/maps/proposals",
    "/api/v1/addresses/import",
    "/api/v1/relations/import",
    "/api/v1/surfaces",
)
"""Where a body may be a file."""

CACHED_ANSWERS = 16
FLEETING_ANSWERS = 8
ACTIONS_AT_ONCE = 4
PASTS_AT_ONCE = 2

_DESCRIPTION = """Live state, alarms and readings of a city district. Times are UTC, RFC 3339;
positions are EPSG:4490, longitude first. Every refusal is an RFC 9457 problem."""


def create_app(
    cfg: ApiConfig,
    pool: AsyncConnectionPool[Conn],
    database: DatabaseConfig,
    *,
    clock: Callable[[], float] = time.time,
    kinds: Kinds = BUILT_IN,
) -> FastAPI:
    """Make the app; whoever serves it also runs ``app.state.runtime.live.run()``.

    The pool is the caller's to open and close. ``database`` is for connections outside it: the one
    that listens, and those of the alarm actions.
    """
    hub = Hub(streams=cfg.streams, queue=cfg.stream_queue)
    metrics = Metrics(hub)
    gatekeeper = Gatekeeper(
        Roster(Path(cfg.operators_file) if cfg.operators_file else None),
        session_s=cfg.session_hours * 3600,
        limit=cfg.sessions,
        clock=clock,
    )
    app = FastAPI(
        title="blocktwin",
        version=version(),
        description=_DESCRIPTION,
        openapi_url=None,
        docs_url=None,
        redoc_url=None,
        middleware=[
            Middleware(SecurityHeaders),
            Middleware(Counting, metrics=metrics),
            Middleware(Guard, gatekeeper=gatekeeper, is_page=page.is_page),
            Middleware(
                BodyLimit, limit=cfg.request_bytes, files=FILE_PATHS, file_limit=cfg.file_bytes
            ),
            Middleware(Heads, below=("/ogc/", "/sta/")),
            Middleware(GZipMiddleware, minimum_size=SMALLEST_GZIP, compresslevel=4),
        ],
    )
    app.state.runtime = Runtime(
        cfg=cfg,
        database=database,
        pool=pool,
        hub=hub,
        live=Live(cfg, pool, hub, database, clock=clock),
        gatekeeper=gatekeeper,
        cache=Cache(entries=CACHED_ANSWERS),
        fleeting=Cache(entries=FLEETING_ANSWERS),
        metrics=metrics,
        actions=asyncio.Semaphore(ACTIONS_AT_ONCE),
        looking_back=asyncio.Semaphore(PASTS_AT_ONCE),
        questions=asyncio.Semaphore(max(1, database.pool_size // 2)),
        question_s=database.statement_timeout_s,
        kinds=kinds,
    )
    problems.install(app)
    _install_routes(app)
    return app


def _install_routes(app: FastAPI) -> None:
    for routes in (
        routes_health,
        routes_session,
        routes_spaces,
        routes_devices,
        routes_readings,
        routes_alarms,
        routes_incidents,
        routes_rules,
        routes_notify,
        routes_state,
        routes_events,
        routes_maps,
        routes_addresses,
        routes_twins,
        routes_relations,
        routes_scenes,
        routes_features,
        routes_sensorthings,
    ):
        app.include_router(routes.router)

    async def openapi(_request: Request) -> Response:
        return json_reply(document(app))

    app.add_route("/openapi.json", openapi, include_in_schema=False)
    page.install(app)


def document(app: FastAPI) -> dict[str, Any]:
    """Return the OpenAPI document: what FastAPI knows, and how to be let in."""
    if app.openapi_schema is not None:
        return app.openapi_schema
    schema = get_openapi(
        title=app.title, version=app.version, description=app.description, routes=app.routes
    )
    components = schema.setdefault("components", {})
    schemas = components.setdefault("schemas", {})
    schemas["Problem"] = Problem.model_json_schema()
    for unused in ("HTTPValidationError", "ValidationError"):
        schemas.pop(unused, None)
    components["securitySchemes"] = {
        "bearer": {"type": "http", "scheme": "bearer"},
        "cookie": {"type": "apiKey", "in": "cookie", "name": COOKIE},
    }
    schema["security"] = [{"bearer": []}, {"cookie": []}]
    for path, methods in schema["paths"].items():
        for method, operation in methods.items():
            if "HTTPValidationError" in str(operation["responses"].get("422")):
                # FastAPI's guess for a route whose parameters take anything.
                del operation["responses"]["422"]
            if path in OPEN_PATHS or (path, method) == (SESSION_PATH, "post"):
                operation["security"] = []
    app.openapi_schema = schema
    return schema
