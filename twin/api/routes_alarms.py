"""Alarms: list, look at, acknowledge, comment, close."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable
from datetime import datetime
from functools import partial
from typing import Annotated, Any, Literal

import psycopg
from fastapi import APIRouter, Query, Request, Response

from alerts import store
from core.db import pool
from core.model import CloseCause, Field
from twin.api import cursor, reads
from twin.api.answers import encode, json_reply, reply
from twin.api.problems import Refused
from twin.api.reads import AlarmQuery, Row
from twin.api.runtime import Runtime, identity, of
from twin.api.shapes import UUID, After, AlarmId, DeviceFilter, SpaceFilter, refusals
from twin.api.words import (
    Acknowledgement,
    Alarm,
    AlarmDetail,
    AlarmList,
    Closure,
    Comment,
)

router = APIRouter(prefix="/api/v1/alarms", tags=["alarms"])

PAGE = 1000
_ACTING = refusals(401, 403, 404, 409, 413, 422, 503)
_OPEN = {"open": True, "closed": False, "all": None}

Action = Callable[[psycopg.Connection[Any]], object]


@router.get("", response_model=AlarmList, responses=refusals(401, 422, 503))
async def alarms(
    request: Request,
    state: Literal["open", "closed", "all"] = "open",
    field: Field | None = None,
    severity: Annotated[int | None, Query(ge=1, le=4, description="exactly this one")] = None,
    space: SpaceFilter = None,
    device: DeviceFilter = None,
    limit: Annotated[int, Query(ge=1, le=PAGE)] = 200,
    after: After = None,
) -> Response:
    """Return alarms, the newest first; `next` is the cursor of the following page or null."""
    runtime = of(request)
    query = AlarmQuery(
        open=_OPEN[state],
        field=field,
        severity=severity,
        space=space,
        device=device,
        after=_position(after) if after is not None else None,
        limit=limit + 1,
    )
    topology = runtime.live.current().topology
    async with runtime.connection() as conn:
        found = await reads.alarms(conn, query)
    words = [reads.alarm_word(row, topology) for row in found[:limit]]
    following = _following(found[limit - 1]) if len(found) > limit else None
    encoded = await asyncio.to_thread(encode, {"alarms": words, "next": following})
    return reply(request, encoded)


@router.get("/{alarm_id}", response_model=AlarmDetail, responses=refusals(401, 404, 422, 503))
async def alarm(request: Request, alarm_id: AlarmId) -> Response:
    """Return one alarm with every change it went through."""
    runtime = of(request)
    async with runtime.connection() as conn:
        word = await _alarm(runtime, conn, alarm_id)
        events = await reads.rows(conn, "alarm_events", alarm=alarm_id)
    return json_reply(word | {"events": [reads.event_word(event) for event in events]})


@router.post("/{alarm_id}/acknowledge", response_model=Alarm, responses=_ACTING)
async def acknowledge(
    request: Request, alarm_id: AlarmId, body: Acknowledgement | None = None
) -> Response:
    """Say that somebody has seen it and takes care of it."""
    note = body.note if body is not None else ""
    actor = identity(request).name
    return await _act(request, alarm_id, partial(_acknowledge, alarm_id, actor, note))


@router.post("/{alarm_id}/close", response_model=Alarm, responses=_ACTING)
async def close(request: Request, alarm_id: AlarmId, body: Closure) -> Response:
    """Close it, and say what it turned out to be."""
    actor, cause = identity(request).name, CloseCause(body.cause)
    return await _act(request, alarm_id, partial(_close, alarm_id, actor, cause, body.note))


@router.post("/{alarm_id}/comment", response_model=Alarm, responses=_ACTING)
async def comment(request: Request, alarm_id: AlarmId, body: Comment) -> Response:
    """Add a sentence to its history."""
    actor = identity(request).name
    return await _act(request, alarm_id, partial(_comment, alarm_id, actor, body.note))


def _acknowledge(alarm_id: str, actor: str, note: str, conn: psycopg.Connection[Any]) -> None:
    store.acknowledge(conn, alarm_id, actor, note)


def _close(
    alarm_id: str, actor: str, cause: CloseCause, note: str, conn: psycopg.Connection[Any]
) -> None:
    store.close(conn, alarm_id, actor, cause, note)


def _comment(alarm_id: str, actor: str, note: str, conn: psycopg.Connection[Any]) -> None:
    store.comment(conn, alarm_id, actor, note)


async def _act(request: Request, alarm_id: str, action: Action) -> Response:
    """Do it on a connection of its own, and answer with the alarm as it is then."""
    runtime = of(request)
    async with runtime.actions:
        try:
            await asyncio.to_thread(_commit, runtime, action)
        except store.AlarmUnknown as error:
            raise Refused(404, f"there is no alarm {alarm_id}") from error
        except store.InvalidAction as error:
            raise Refused(409, str(error)) from error
    async with runtime.connection() as conn:
        return json_reply(await _alarm(runtime, conn, alarm_id))


def _commit(runtime: Runtime, action: Action) -> None:
    with pool.connect(runtime.database, application_name="blocktwin serve action") as conn:
        action(conn)


async def _alarm(runtime: Runtime, conn: reads.Conn, alarm_id: str) -> Row:
    found = await reads.alarms(conn, AlarmQuery(ids=[alarm_id]))
    if not found:
        raise Refused(404, f"there is no alarm {alarm_id}")
    return reads.alarm_word(found[0], runtime.live.current().topology)


def _following(row: Row) -> str:
    return cursor.encode(row["raised_at"].isoformat(), row["alarm_id"])


def _position(after: str) -> tuple[str, str]:
    """Return (raised_at, alarm id) of a cursor, checked: a client could have made it up."""
    at, alarm_id = cursor.decode(after, 2)
    try:
        when = datetime.fromisoformat(at)
    except ValueError:
        when = None
    if when is None or when.tzinfo is None or not re.fullmatch(UUID, alarm_id):
        raise Refused(422, "after: this cursor was not given by this list")
    return at, alarm_id
