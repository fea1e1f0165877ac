"""Devices: where they stand, what one says now, and what it said before."""

from __future__ import annotations

import asyncio
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request, Response

from core.model import Field
from core.units import DEVICE_KINDS, QUANTITIES
from twin.api import cursor, reads
from twin.api.answers import GEOJSON, GeoJson, encode, json_reply, reply
from twin.api.problems import Refused
from twin.api.reads import AlarmQuery
from twin.api.runtime import Runtime, of
from twin.api.shapes import (
    After,
    DeviceId,
    GatewayFilter,
    KindFilter,
    QuantityName,
    SpaceFilter,
    Time,
    one_of,
    refusals,
)
from twin.api.words import DeviceCollection, DeviceDetail, Readings

router = APIRouter(prefix="/api/v1", tags=["devices"])

PAGE = 20_000
READINGS = 20_000
OPEN_ALARMS = 200
"""Open alarms shown with a device; there is at most one for each rule."""


@router.get(
    "/devices",
    response_model=DeviceCollection,
    responses={
        304: {"description": "the client has this already"},
        **refusals(401, 422, 503),
    },
    response_class=GeoJson,
)
async def devices(
    request: Request,
    field: Field | None = None,
    kind: KindFilter = None,
    gateway: GatewayFilter = None,
    space: SpaceFilter = None,
    limit: Annotated[int, Query(ge=1, le=PAGE)] = PAGE,
    after: After = None,
) -> Response:
    """Return devices by id, as points; `next` is the cursor of the following page or null."""
    runtime = of(request)
    query = {
        "field": field,
        "kind": one_of(kind, DEVICE_KINDS, "kind"),
        "gateway": gateway,
        "space": space,
        "after": cursor.decode(after, 1)[0] if after is not None else None,
        "limit": limit,
    }
    runtime.live.current()
    key = ("devices", runtime.live.version, *query.values())
    encoded = await runtime.cache.get(key, lambda: _page(runtime, query))
    return reply(request, encoded, media_type=GEOJSON, tag=True)


@router.get(
    "/devices/{device_id}", response_model=DeviceDetail, responses=refusals(401, 404, 422, 503)
)
async def device(request: Request, device_id: DeviceId) -> Response:
    """Return one device with its newest readings, thresholds and open alarms."""
    runtime = of(request)
    state = runtime.live.current()
    async with runtime.connection() as conn:
        found = await reads.rows(conn, "device", device=device_id)
        if not found:
            raise Refused(404, f"there is no device {device_id!r}")
        series = await reads.rows(conn, "device_series", device=device_id)
        quantities = [row["quantity"] for row in series]
        rules = await reads.rows(conn, "limit_rules", quantities=quantities)
        alarms = await reads.alarms(
            conn, AlarmQuery(device=device_id, open=True, limit=OPEN_ALARMS)
        )
    words = [reads.alarm_word(row, state.topology) for row in alarms]
    return json_reply(reads.device_detail(found[0], series, rules, words, state))


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
    limit: Annotated[int, Query(ge=1, le=READINGS)] = 2000,
) -> Response:
    """Return readings in ascending order; of too many the newest `limit` are kept."""
    runtime = of(request)
    one_of(quantity, QUANTITIES, "quantity")
    async with runtime.connection() as conn:
        series = await reads.rows(conn, "series", device=device_id, quantity=quantity)
        if not series:
            raise Refused(404, f"device {device_id!r} measures no {quantity}, or does not exist")
        window = {"since": since, "until": until, "limit": limit + 1}
        found = await reads.rows(conn, "readings", series=series[0]["series_id"], **window)
    word = {"device_id": device_id, "quantity": quantity, "unit": QUANTITIES[quantity].unit}
    encoded = await asyncio.to_thread(lambda: encode(word | reads.columns(found, limit)))
    return reply(request, encoded)


async def _page(runtime: Runtime, query: dict[str, Any]) -> dict[str, Any]:
    limit: int = query["limit"]
    async with runtime.connection() as conn:
        found = await reads.rows(conn, "devices", **(query | {"limit": limit + 1}))
    more = len(found) > limit
    following = cursor.encode(found[limit - 1]["device_id"]) if more else None
    return await asyncio.to_thread(reads.device_features, found[:limit], following)
