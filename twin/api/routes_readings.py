"""Readings: a window of one series at a fitting resolution, and the newest of all."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query, Request, Response

from core.errors import UsageError
from core.model import Field, Quality
from core.units import DEVICE_KINDS, QUANTITIES
from twin.api.answers import encode, reply
from twin.api.problems import Refused
from twin.api.routes_spaces import inside
from twin.api.runtime import Runtime, of
from twin.api.shapes import (
    Accept,
    DeviceId,
    GatewayFilter,
    KindFilter,
    QuantityName,
    SpaceFilter,
    Time,
    one_of,
    refusals,
)
from twin.api.words import LatestBody, Readings
from twin.history import latest as newest
from twin.history import store
from twin.history.resolution import DEFAULT_POINTS, Level, parse_quality, quality_names

router = APIRouter(prefix="/api/v1", tags=["readings"])

MOST_POINTS = 20_000


@router.get(
    "/devices/{device_id}/readings",
    response_model=Readings,
    responses=refusals(401, 404, 422, 503),
)
async def readings(
    request: Request,
    device_id: DeviceId,
    quantity: QuantityName,
    since: Annotated[Time, Query(alias="from")] = None,
    until: Annotated[Time, Query(alias="to")] = None,
    resolution: Literal["auto", "raw", "1m", "1h", "1d"] = "auto",
    points: Annotated[int, Query(ge=2, le=MOST_POINTS)] = DEFAULT_POINTS,
    accept: Accept = None,
) -> Response:
    """Return a window of one series in ascending order, at most `points` points.

    `auto` is as fine as the points allow, and says what it became; without `from` it is the newest
    single readings. Of too many points of a given resolution the newest are kept.
    """
    runtime = of(request)
    one_of(quantity, QUANTITIES, "quantity")
    if since is not None and until is not None and since > until:
        raise Refused(422, "from: lies after to")
    query = store.Query(
        since=since,
        until=until,
        now=datetime.now(UTC),
        level=None if resolution == "auto" else Level(resolution),
        points=points,
        accept=_accepted(accept),
    )
    async with runtime.connection() as conn:
        series = await store.find(conn, device_id, quantity)
        if series is None:
            raise Refused(404, f"device {device_id!r} measures no {quantity}, or does not exist")
        try:
            answer = await store.read(conn, series, query)
        except store.TooManyReadings as error:
            raise _refused(error) from error
    encoded = await asyncio.to_thread(lambda: encode(_word(series, answer)))
    return reply(request, encoded)


@router.get(
    "/latest",
    response_model=LatestBody,
    responses={
        304: {"description": "the client has this already"},
        **refusals(401, 404, 422, 503),
    },
)
async def latest(
    request: Request,
    field: Field | None = None,
    kind: KindFilter = None,
    gateway: GatewayFilter = None,
    space: SpaceFilter = None,
) -> Response:
    """Return the newest reading of every series as columns; at most `scan_every_s` old.

    Ask with `If-None-Match`: nothing is sent while nothing was stored.
    """
    runtime = of(request)
    state = runtime.live.current()
    inside(state, space)
    choice = newest.Choice(
        field=field, kind=one_of(kind, DEVICE_KINDS, "kind"), gateway=gateway, space=space
    )
    key = ("latest", runtime.live.version, runtime.live.revision, choice)
    encoded = await runtime.fleeting.get(key, lambda: _latest(runtime, choice))
    return reply(request, encoded, tag=True)


async def _latest(runtime: Runtime, choice: newest.Choice) -> dict[str, Any]:
    async with runtime.connection() as conn:
        try:
            return await newest.latest(conn, choice)
        except newest.TooManySeries as error:
            raise _refused(error) from error


def _word(series: store.Series, answer: store.Answer) -> dict[str, Any]:
    return {
        "device_id": series.device_id,
        "quantity": series.quantity,
        "unit": series.unit,
        "resolution": answer.plan.name,
        "step_s": answer.plan.step_s,
        "level": answer.plan.level,
        "complete": answer.complete,
        "truncated": answer.truncated,
        "because": answer.because,
        "left_out": quality_names(answer.left_out),
        **answer.columns,
    }


def _accepted(text: str | None) -> Quality | None:
    try:
        return None if text is None else parse_quality(text)
    except ValueError as error:
        raise Refused(422, f"accept: {error}") from error


def _refused(error: UsageError) -> Refused:
    return Refused(422, f"{error}; {error.remedy}")
