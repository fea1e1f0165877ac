"""Devices: where they stand, and what one says now."""

from __future__ import annotations

import asyncio
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request, Response

from core.model import Field
from core.units import DEVICE_KINDS
from twin.api import cursor, reads
from twin.api.answers import GEOJSON, GeoJson, json_reply, reply
from twin.api.problems import Refused
from twin.api.reads import AlarmQuery
from twin.api.runtime import Runtime, of
from twin.api.shapes import (
    After,
    DeviceId,
    GatewayFilter,
    KindFilter,
    SpaceFilter,
    one_of,
    refusals,
)
from twin.api.words import DeviceCollection, DeviceDetail

router = APIRouter(prefix="/api/v1", tags=["devices"])

PAGE = 20_000
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


async def _page(runtime: Runtime, query: dict[str, Any]) -> dict[str, Any]:
    limit: int = query["limit"]
    async with runtime.connection() as conn:
        found = await reads.rows(conn, "devices", **(query | {"limit": limit + 1}))
    more = len(found) > limit
    following = cursor.encode(found[limit - 1]["device_id"]) if more else None
    return await asyncio.to_thread(reads.device_features, found[:limit], following)
