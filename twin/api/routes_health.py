"""Is it alive, is it ready, which version, and its metrics."""

from __future__ import annotations

import ipaddress

from fastapi import APIRouter, Request, Response

from core.version import version
from twin.api import reads
from twin.api.answers import json_reply
from twin.api.problems import AWAY, Refused, problem
from twin.api.runtime import Runtime, of
from twin.api.shapes import refusals

router = APIRouter(tags=["health"])


@router.get("/livez", response_model=dict[str, str])
async def livez() -> Response:
    """Answer as long as the process runs."""
    return json_reply({"status": "ok"})


@router.get("/readyz", response_model=dict[str, str], responses=refusals(503))
@router.get("/healthz", response_model=dict[str, str], responses=refusals(503))
async def readyz(request: Request, verbose: str | None = None) -> Response:
    """Answer 200 when the database is there and the state is live; `?verbose` says which is not."""
    checks = await _checks(of(request))
    failing = [name for name, word in checks.items() if word != "ok"]
    if failing:
        detail = "; ".join(f"{name}: {checks[name]}" for name in failing)
        return problem(503, detail, headers={"Retry-After": "2"})
    return json_reply({"status": "ok"} | (checks if verbose is not None else {}))


@router.get("/version", response_model=dict[str, str])
async def get_version() -> Response:
    """Return the version of the program."""
    return json_reply({"version": version()})


@router.get(
    "/metrics",
    response_class=Response,
    responses={
        200: {"content": {"text/plain": {"schema": {"type": "string"}}}},
        **refusals(403),
    },
)
async def metrics(request: Request) -> Response:
    """Return metrics in the Prometheus text format, to this machine only."""
    if request.client is None or not _loopback(request.client.host):
        raise Refused(403, "metrics are given to this machine only")
    text = of(request).metrics.text()
    return Response(text, media_type="text/plain; version=0.0.4; charset=utf-8")


async def _checks(runtime: Runtime) -> dict[str, str]:
    live = "ok" if runtime.live.ready else "the state is not live yet"
    try:
        async with runtime.pool.connection(timeout=runtime.cfg.database_wait_s) as conn:
            await conn.execute(reads.SQL["probe"])
    except AWAY as error:
        return {"database": type(error).__name__, "state": live}
    return {"database": "ok", "state": live}


def _loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
