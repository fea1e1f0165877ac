"""Alarms: list, look at, and everything that people do to them."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import Annotated, Any, Literal, TypeVar

import psycopg
from fastapi import APIRouter, Depends, Query, Request, Response

from alerts import store
from core.db import pool
from core.model import CloseCause, Field
from twin.api import cursor, reads
from twin.api.answers import encode, json_reply, reply
from twin.api.problems import Refused
from twin.api.reads import AlarmQuery, Row
from twin.api.runtime import Runtime, identity, of
from twin.api.shapes import UUID, After, AlarmId, DeviceFilter, SpaceFilter, refusals
from twin.api.words import Alarm, AlarmDetail, AlarmList
from twin.api.words_alarms import (
    Acknowledged,
    Acknowledgement,
    Acknowledgements,
    Assignment,
    Closure,
    Comment,
    OutOfService,
    Shelving,
    Suppression,
)

router = APIRouter(prefix="/api/v1/alarms", tags=["alarms"])

PAGE = 1000
EVENTS = 1000
OCCURRENCES = 200
"""How much of its history an alarm is shown with, the newest first to stay."""

_ACTING = refusals(401, 403, 404, 409, 413, 422, 503)
_OPEN = {"open": True, "closed": False, "all": None}
_HIDDEN = {"no": False, "only": True, "any": None}

Database = psycopg.Connection[Any]
Done = TypeVar("Done")
Person = Callable[[Database, str, str], object]
"""What a person does: given a connection, the alarm's id and the person's name."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Which:
    """Which alarms a list is of, as query parameters."""

    state: Literal["open", "closed", "all"] = "open"
    field: Field | None = None
    severity: Annotated[int | None, Query(ge=1, le=4, description="exactly this one")] = None
    space: SpaceFilter = None
    device: DeviceFilter = None
    hidden: Annotated[
        Literal["no", "only", "any"], Query(description="shelved, suppressed, out of service ones")
    ] = "any"


@router.get("", response_model=AlarmList, responses=refusals(401, 422, 503))
async def alarms(
    request: Request,
    which: Annotated[Which, Depends()],
    limit: Annotated[int, Query(ge=1, le=PAGE)] = 200,
    after: After = None,
) -> Response:
    """Return alarms, the newest first; `next` is the cursor of the following page or null."""
    runtime = of(request)
    query = AlarmQuery(
        open=_OPEN[which.state],
        field=which.field,
        severity=which.severity,
        space=which.space,
        device=which.device,
        hidden=_HIDDEN[which.hidden],
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
    """Return one alarm with the changes and the occurrences it went through."""
    runtime = of(request)
    async with runtime.connection() as conn:
        word = await _alarm(runtime, conn, alarm_id)
        events = await reads.rows(conn, "alarm_events", alarm=alarm_id, limit=EVENTS)
        times = await reads.rows(conn, "alarm_occurrences", alarm=alarm_id, limit=OCCURRENCES)
    return json_reply(
        word
        | {
            "events": [reads.event_word(event) for event in events],
            "occurrences_list": [reads.occurrence_word(time) for time in times],
        }
    )


@router.post(
    "/acknowledge", response_model=Acknowledged, responses=refusals(401, 403, 413, 422, 503)
)
async def acknowledge_all(request: Request, body: Acknowledgements) -> Response:
    """Acknowledge up to 200 alarms at once; those that cannot be are named with the reason."""
    runtime, actor = of(request), identity(request).name

    def act(conn: Database) -> store.Acknowledged:
        return store.acknowledge_all(conn, body.ids, actor, body.note)

    async with runtime.actions:
        became = await asyncio.to_thread(_commit, runtime, act)
    topology = runtime.live.current().topology
    async with runtime.connection() as conn:
        found = await reads.alarms(conn, AlarmQuery(ids=list(became.done)))
    refused = [{"alarm_id": name, "detail": why} for name, why in became.refused.items()]
    words = [reads.alarm_word(row, topology) for row in found]
    return json_reply({"alarms": words, "refused": refused})


@router.post("/{alarm_id}/acknowledge", response_model=Alarm, responses=_ACTING)
async def acknowledge(
    request: Request, alarm_id: AlarmId, body: Acknowledgement | None = None
) -> Response:
    """Say that somebody has seen it and takes care of it."""
    return await _act(request, alarm_id, partial(store.acknowledge, note=_note(body)))


@router.post("/{alarm_id}/assign", response_model=Alarm, responses=_ACTING)
async def assign(request: Request, alarm_id: AlarmId, body: Assignment) -> Response:
    """Say who is to look after it; nobody with an empty `to`."""
    return await _act(request, alarm_id, partial(store.assign, to=body.to, note=body.note))


@router.post("/{alarm_id}/comment", response_model=Alarm, responses=_ACTING)
async def comment(request: Request, alarm_id: AlarmId, body: Comment) -> Response:
    """Add a sentence to its history."""
    return await _act(request, alarm_id, partial(store.comment, note=body.note))


@router.post("/{alarm_id}/shelve", response_model=Alarm, responses=_ACTING)
async def shelve(request: Request, alarm_id: AlarmId, body: Shelving) -> Response:
    """Hide it for a while, eight hours at most; it comes back earlier if it gets worse."""
    lasting = timedelta(minutes=body.minutes)
    return await _act(request, alarm_id, partial(store.shelve, lasting=lasting, why=body.why))


@router.post("/{alarm_id}/unshelve", response_model=Alarm, responses=_ACTING)
async def unshelve(
    request: Request, alarm_id: AlarmId, body: Acknowledgement | None = None
) -> Response:
    """Show it again before its time."""
    return await _act(request, alarm_id, partial(store.unshelve, note=_note(body)))


@router.post("/{alarm_id}/suppress", response_model=Alarm, responses=_ACTING)
async def suppress(request: Request, alarm_id: AlarmId, body: Suppression) -> Response:
    """Hide it as the consequence of something else; never one of life safety."""

    def act(conn: Database, name: str, actor: str) -> None:
        store.suppress(conn, name, body.by, body.why, actor=actor)

    return await _act(request, alarm_id, act)


@router.post("/{alarm_id}/unsuppress", response_model=Alarm, responses=_ACTING)
async def unsuppress(
    request: Request, alarm_id: AlarmId, body: Acknowledgement | None = None
) -> Response:
    """Show it again; one that has returned meanwhile is closed."""

    def act(conn: Database, name: str, actor: str) -> None:
        store.unsuppress(conn, name, actor=actor, note=_note(body))

    return await _act(request, alarm_id, act)


@router.post("/{alarm_id}/out-of-service", response_model=Alarm, responses=_ACTING)
async def out_of_service(request: Request, alarm_id: AlarmId, body: OutOfService) -> Response:
    """Hide it while its device is worked on under a work order."""
    deed = partial(store.take_out_of_service, work_order=body.work_order, why=body.why)
    return await _act(request, alarm_id, deed)


@router.post("/{alarm_id}/in-service", response_model=Alarm, responses=_ACTING)
async def in_service(
    request: Request, alarm_id: AlarmId, body: Acknowledgement | None = None
) -> Response:
    """Show it again: its device is back in service."""
    return await _act(request, alarm_id, partial(store.put_in_service, note=_note(body)))


@router.post("/{alarm_id}/close", response_model=Alarm, responses=_ACTING)
async def close(request: Request, alarm_id: AlarmId, body: Closure) -> Response:
    """Close it, and say what it turned out to be."""
    cause = CloseCause(body.cause)
    return await _act(request, alarm_id, partial(store.close, cause=cause, note=body.note))


async def _act(request: Request, alarm_id: str, deed: Person) -> Response:
    """Do it on a connection of its own, and answer with the alarm as it is then."""
    runtime, actor = of(request), identity(request).name
    async with runtime.actions:
        try:
            await asyncio.to_thread(_commit, runtime, lambda conn: deed(conn, alarm_id, actor))
        except store.AlarmUnknown as error:
            raise Refused(404, f"there is no alarm {alarm_id}") from error
        except store.InvalidAction as error:
            raise Refused(409, str(error)) from error
    async with runtime.connection() as conn:
        return json_reply(await _alarm(runtime, conn, alarm_id))


def _commit(runtime: Runtime, action: Callable[[Database], Done]) -> Done:
    with pool.connect(runtime.database, application_name="blocktwin serve action") as conn:
        return action(conn)


def _note(body: Acknowledgement | None) -> str:
    return body.note if body is not None else ""


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
