"""The block grid: outlines as GeoJSON, and one space."""

from __future__ import annotations

import asyncio
from typing import Any

import numpy as np
from fastapi import APIRouter, Request, Response

from twin.api import reads, why
from twin.api.answers import GEOJSON, GeoJson, json_reply, reply
from twin.api.problems import Refused
from twin.api.reads import AlarmQuery
from twin.api.runtime import Runtime, of
from twin.api.shapes import SpaceCode, SpaceFilter, SpaceKinds, refusals
from twin.api.words import SpaceCollection, SpaceDetail
from twin.api.words_spaces import Reasons
from twin.state import State

router = APIRouter(prefix="/api/v1", tags=["spaces"])

REASONS = 50


@router.get(
    "/spaces",
    response_model=SpaceCollection,
    responses={
        304: {"description": "the client has this already"},
        **refusals(401, 404, 422, 503),
    },
    response_class=GeoJson,
)
async def spaces(request: Request, kind: SpaceKinds = None, within: SpaceFilter = None) -> Response:
    """Return outlines; ask with `If-None-Match`, they rarely change."""
    runtime = of(request)
    inside(runtime.live.current(), within)
    key = ("spaces", runtime.live.version, kind, within)
    encoded = await runtime.cache.get(key, lambda: _collection(runtime, kind, within))
    return reply(request, encoded, media_type=GEOJSON, tag=True)


@router.get("/spaces/{code}", response_model=SpaceDetail, responses=refusals(401, 404, 422, 503))
async def space(request: Request, code: SpaceCode) -> Response:
    """Return one space with the way from the district to it."""
    runtime = of(request)
    async with runtime.connection() as conn:
        found = await reads.rows(conn, "spaces", kinds=None, codes=[code])
    if not found:
        raise Refused(404, f"there is no space {code!r}")
    return json_reply(reads.space_detail(found[0], runtime.live.current().topology))


@router.get(
    "/spaces/{code}/reasons", response_model=Reasons, responses=refusals(401, 404, 422, 503)
)
async def reasons(request: Request, code: SpaceCode) -> Response:
    """Say why a space has its severity and freshness, down to the alarms and the devices."""
    runtime = of(request)
    state = runtime.live.current()
    index = inside(state, code)
    worst = state.alarms_inside(index)[:REASONS]
    query = AlarmQuery(ids=[alarm.alarm_id for alarm in worst], open=True)
    async with runtime.connection() as conn:
        found = await reads.alarms(conn, query) if worst else []
    words = {row["alarm_id"]: reads.alarm_word(row, state.topology) for row in found}
    # An alarm that closed since the state was looked at is no reason any more.
    alarms = [words[alarm.alarm_id] for alarm in worst if alarm.alarm_id in words]
    return json_reply(why.reasons(state, index, alarms))


def inside(state: State, within: str | None) -> int:
    """Return the index of a space in force, 0 for the whole store.

    Raises:
        Refused: 404.
    """
    index = 0 if within is None else state.topology.index(within)
    if index is None:
        raise Refused(404, f"there is no space {within!r}")
    return index


async def _collection(runtime: Runtime, kind: str | None, within: str | None) -> dict[str, Any]:
    codes = None
    if within is not None:
        topology = runtime.live.current().topology
        index = inside(runtime.live.current(), within)
        marked = np.flatnonzero(topology.inside(index)).tolist()
        codes = [topology.spaces[i - 1].code for i in marked if i]
    async with runtime.connection() as conn:
        found = await reads.rows(
            conn, "spaces", kinds=kind.split(",") if kind else None, codes=codes
        )
    return await asyncio.to_thread(reads.space_features, found)
