"""Errors as RFC 9457 problem details: one shape for every refusal, one table of causes."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

import msgspec
import psycopg
import psycopg_pool
from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException

from core.errors import Transient

log = logging.getLogger(__name__)

MEDIA_TYPE = "application/problem+json"
RETRY_AFTER_S = 2
"""What a client is told to wait while the database is away."""

AWAY = (Transient, psycopg.OperationalError, psycopg_pool.PoolTimeout, psycopg_pool.PoolClosed)
"""Broken surroundings: the same request may succeed in a moment."""


class Refused(Exception):
    """A request is refused for a reason that its sender can act on."""

    def __init__(
        self, status: int, detail: str, *, headers: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(detail)
        self.status = status
        self.detail = detail
        self.headers = headers


def problem(
    status: int,
    detail: str,
    *,
    headers: Mapping[str, str] | None = None,
    errors: list[dict[str, str]] | None = None,
) -> Response:
    """Return a problem response; ``errors`` names the faulty parameters of a 422."""
    body: dict[str, Any] = {
        "type": "about:blank",
        "title": HTTPStatus(status).phrase,
        "status": status,
        "detail": detail,
    }
    if errors is not None:
        body["errors"] = errors
    return Response(
        msgspec.json.encode(body),
        status_code=status,
        media_type=MEDIA_TYPE,
        headers={"Cache-Control": "no-store", **(headers or {})},
    )


def away() -> Response:
    """Return what a request gets while the database is away."""
    return problem(
        503,
        "the database is away; try again in a moment",
        headers={"Retry-After": str(RETRY_AFTER_S)},
    )


def install(app: FastAPI) -> None:
    """Make every refusal and failure of the app a problem."""
    app.add_exception_handler(Refused, _refused)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(HTTPException, _http)
    for cause in AWAY:
        app.add_exception_handler(cause, _away)
    app.add_exception_handler(Exception, _failed)


async def _refused(_request: Request, error: Exception) -> Response:
    assert isinstance(error, Refused)
    return problem(error.status, error.detail, headers=error.headers)


async def _invalid(_request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    errors = [
        {"at": ".".join(str(part) for part in item["loc"]), "detail": str(item["msg"])}
        for item in error.errors()
    ]
    return problem(422, "; ".join(f"{e['at']}: {e['detail']}" for e in errors[:3]), errors=errors)


async def _http(_request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    return problem(error.status_code, str(error.detail), headers=error.headers)


async def _away(request: Request, error: Exception) -> Response:
    log.debug("%s %s: %s", request.method, request.url.path, error)
    return away()


async def _failed(_request: Request, _error: Exception) -> Response:
    # The server logs the traceback; its text is not for the client.
    return problem(500, "the server failed at this request; its log says why")
