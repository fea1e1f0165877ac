"""Incidents, and the report of what the alarms cost."""

from __future__ import annotations

import asyncio
import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, Literal

import psycopg
from fastapi import APIRouter, Path, Query, Request, Response
from psycopg.rows import dict_row

from alerts.desk import listing
from alerts.desk.listing import IncidentUnknown, Wanted
from alerts.desk.report import alarm_report
from core.db import pool
from core.errors import UsageError
from core.model import Field
from twin.api import cursor, reads
from twin.api.answers import encode, json_reply, reply
from twin.api.problems import Refused
from twin.api.reads import AlarmQuery, Row
from twin.api.runtime import Runtime, identity, of
from twin.api.shapes import UUID, After, SpaceFilter, Time, refusals
from twin.api.words_alarms import Acknowledgement
from twin.api.words_incidents import AlarmReport, IncidentDetail, IncidentList
from twin.state import Topology

router = APIRouter(prefix="/api/v1", tags=["incidents"])

PAGE = 1000
REPORT_DAYS = 7
"""How far a report goes back that is asked without a start."""

IncidentId = Annotated[str, Path(pattern=UUID, description="UUID in lower case")]

_TIMES = ("opened_at", "last_at", "closed_at")
_ACTING = refusals(401, 403, 404, 413, 422, 503)


@router.get("/incidents", response_model=IncidentList, responses=refusals(401, 422, 503))
async def incidents(
    request: Request,
    state: Literal["open", "closed", "all"] = "open",
    field: Annotated[Field | None, Query(description="one of its alarms is of this field")] = None,
    space: SpaceFilter = None,
    least: Annotated[int, Query(ge=1, le=1000, description="has so many alarms")] = 1,
    limit: Annotated[int, Query(ge=1, le=PAGE)] = 100,
    after: After = None,
) -> Response:
    """Return incidents, the newest first; `next` is the cursor of the following page or null."""
    runtime = of(request)
    wanted = Wanted(
        state=None if state == "all" else state,
        field=field,
        space=space,
        least=least,
        limit=limit + 1,
    )
    if after is not None:
        at, name = _position(after)
        wanted = replace(wanted, after_at=at, after_id=name)
    topology = runtime.live.current().topology
    async with runtime.connection() as conn:
        found = await _rows(conn, "incidents", wanted.parameters())
    words = [_word(row, topology) for row in found[:limit]]
    following = None
    if len(found) > limit:
        last = found[limit - 1]
        following = cursor.encode(last["opened_at"].isoformat(), last["incident_id"])
    encoded = await asyncio.to_thread(encode, {"incidents": words, "next": following})
    return reply(request, encoded)


@router.get(
    "/incidents/{incident_id}",
    response_model=IncidentDetail,
    responses=refusals(401, 404, 422, 503),
)
async def incident(request: Request, incident_id: IncidentId) -> Response:
    """Return one incident with its alarms."""
    return reply(request, await asyncio.to_thread(encode, await _detail(of(request), incident_id)))


@router.post(
    "/incidents/{incident_id}/acknowledge", response_model=IncidentDetail, responses=_ACTING
)
async def acknowledge(
    request: Request, incident_id: IncidentId, body: Acknowledgement | None = None
) -> Response:
    """Take up all its visible alarms; those that somebody has taken up stay theirs."""
    runtime, actor = of(request), identity(request).name
    note = body.note if body is not None else ""
    async with runtime.actions:
        try:
            await asyncio.to_thread(_take_up, runtime, incident_id, actor, note)
        except IncidentUnknown as error:
            raise Refused(404, f"there is no incident {incident_id}") from error
    return json_reply(await _detail(runtime, incident_id))


@router.get("/reports/alarms", response_model=AlarmReport, responses=refusals(401, 422, 503))
async def report(
    request: Request,
    begin: Annotated[Time, Query(alias="from")] = None,
    end: Annotated[Time, Query(alias="to")] = None,
    operators: Annotated[int, Query(ge=1, le=1000, description="who share the alarms")] = 1,
) -> Response:
    """Return what the alarms of a stretch cost, a year at most; the last week if none is given."""
    runtime = of(request)
    until = end or datetime.now(UTC)
    since = begin or until - timedelta(days=REPORT_DAYS)
    async with runtime.looking_back:
        try:
            found = await asyncio.to_thread(_report, runtime, since, until, operators)
        except UsageError as error:
            raise Refused(422, f"{error}; {error.remedy}") from error
    return json_reply(found)


async def _detail(runtime: Runtime, incident_id: str) -> Row:
    topology = runtime.live.current().topology
    async with runtime.connection() as conn:
        wanted = Wanted(limit=1).parameters() | {"incident": incident_id}
        found = await _rows(conn, "incidents", wanted)
        if not found:
            raise Refused(404, f"there is no incident {incident_id}")
        asked = {"incident": incident_id, "limit": listing.MOST_MEMBERS}
        names = [row["alarm_id"] for row in await _rows(conn, "members", asked)]
        members = {row["alarm_id"]: row for row in await reads.alarms(conn, AlarmQuery(ids=names))}
    alarms = [reads.alarm_word(members[name], topology) for name in names if name in members]
    return _word(found[0], topology) | {"alarm_list": alarms}


async def _rows(conn: reads.Conn, name: str, parameters: dict[str, Any]) -> list[Row]:
    async with conn.cursor(row_factory=dict_row) as found:
        await found.execute(listing.SQL[name], parameters)
        return await found.fetchall()


def _word(row: Row, topology: Topology) -> Row:
    index = topology.index(row["space"]) if row["space"] is not None else None
    space_id = None if index is None else topology.spaces[index - 1].space_id
    return row | {
        "path": reads.path_word(topology, space_id),
        **{key: reads.utc(row[key]) for key in _TIMES},
    }


def _take_up(runtime: Runtime, incident_id: str, actor: str, note: str) -> None:
    with _database(runtime) as conn:
        listing.take_up(conn, incident_id, actor, note)


def _report(runtime: Runtime, since: datetime, until: datetime, operators: int) -> dict[str, Any]:
    with _database(runtime) as conn:
        begin, end = since.astimezone(UTC), until.astimezone(UTC)
        return alarm_report(conn, begin, end, operators, now=datetime.now(UTC))


def _database(runtime: Runtime) -> psycopg.Connection[Any]:
    return pool.connect(
        runtime.database, autocommit=True, application_name="blocktwin serve incidents"
    )


def _position(after: str) -> tuple[datetime, str]:
    """Return (opened_at, incident id) of a cursor, checked: a client could have made it up."""
    at, incident_id = cursor.decode(after, 2)
    try:
        when = datetime.fromisoformat(at)
    except ValueError:
        when = None
    if when is None or when.tzinfo is None or not re.fullmatch(UUID, incident_id):
        raise Refused(422, "after: this cursor was not given by this list")
    return when, incident_id
