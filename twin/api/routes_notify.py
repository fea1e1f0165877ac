"""Rosters, proofs of delivery, test messages, and the CAP feed."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Annotated, Any, TypeVar

import msgspec
import psycopg
from fastapi import APIRouter, Path, Query, Request, Response
from psycopg.rows import dict_row

from alerts import store
from alerts.notify import cap, deliveries, feed, rosters, trials
from alerts.notify.duty import Roster
from core.db import pool
from core.model import Field
from twin.api.answers import json_reply
from twin.api.problems import Refused
from twin.api.reads import Row
from twin.api.runtime import identity, of
from twin.api.shapes import ID, AlarmId, refusals
from twin.api.words_notify import (
    DeliveryList,
    RosterBody,
    RosterList,
    RosterWritten,
    TestBody,
    TestList,
)

router = APIRouter(prefix="/api/v1", tags=["notify"])

T = TypeVar("T")
Conn = psycopg.Connection[Any]

FEED = "/api/v1/cap"
SENDER = "urn:blocktwin"
_CHANGING = refusals(401, 403, 404, 413, 422, 503)
_XML: dict[int | str, dict[str, Any]] = {200: {"content": {cap.MEDIA_TYPE: {}}}}
_ATOM: dict[int | str, dict[str, Any]] = {200: {"content": {cap.ATOM_TYPE: {}}}}

RosterId = Annotated[str, Path(pattern=ID)]
EventId = Annotated[int, Path(ge=1, le=2**63 - 1, description="number of an alarm event")]


@router.get(
    "/alarms/{alarm_id}/deliveries",
    response_model=DeliveryList,
    responses=refusals(401, 404, 422, 503),
)
async def delivered(request: Request, alarm_id: AlarmId) -> Response:
    """Return who was told of an alarm and when, what was held back and why, and who was called."""
    try:
        found = await _work(request, lambda conn: deliveries.of_alarm(conn, alarm_id))
    except store.AlarmUnknown as error:
        raise Refused(404, f"there is no alarm {alarm_id}") from error
    return json_reply(found)


@router.get("/rosters", response_model=RosterList, responses=refusals(401, 503))
async def rosters_(request: Request) -> Response:
    """Return all rosters; addresses are masked."""
    rows = await _work(request, rosters.rows)
    return json_reply({"rosters": [rosters.word(row) for row in rows]})


@router.put("/rosters/{roster_id}", response_model=RosterWritten, responses=_CHANGING)
async def put_roster(request: Request, roster_id: RosterId, body: RosterBody) -> Response:
    """Write a roster, new or changed."""
    who = identity(request).name

    def write(conn: Conn) -> Row:
        known = {roster.roster_id: roster for roster in rosters.rosters(conn)}
        roster = _roster(roster_id, body, known.get(roster_id))
        warnings = rosters.put(conn, roster, who)
        row = next(row for row in rosters.rows(conn) if row["roster_id"] == roster_id)
        return {"roster": rosters.word(row), "warnings": warnings}

    try:
        return json_reply(await _work(request, write))
    except rosters.RosterInvalid as error:
        raise Refused(422, str(error)) from error


@router.delete("/rosters/{roster_id}", status_code=204, responses=_CHANGING)
async def remove_roster(request: Request, roster_id: RosterId) -> Response:
    """Remove a roster: nobody is called by it any more."""
    try:
        await _work(request, lambda conn: rosters.remove(conn, roster_id))
    except rosters.RosterUnknown as error:
        raise Refused(404, f"there is no roster {roster_id}") from error
    return Response(status_code=204)


@router.post(
    "/notify/test", response_model=TestList, status_code=202, responses=refusals(
        401, 403, 404, 409, 413, 422, 503
    ),
)  # fmt: skip
async def ask_test(request: Request, body: TestBody | None = None) -> Response:
    """Ask the notifier to send a test message; ask with GET what became of it."""
    asked, who = body or TestBody(), identity(request).name

    def ask(conn: Conn) -> list[Row]:
        roster = _named(conn, asked.roster) if asked.roster is not None else None
        now = datetime.now(UTC)
        numbers = trials.ask(conn, who, channel=asked.channel, roster=roster, now=now)
        return trials.results(conn, numbers)

    try:
        return json_reply({"tests": await _work(request, ask)}, status=202)
    except trials.TestRefused as error:
        raise Refused(409, str(error)) from error


@router.get(
    "/notify/tests/{test_id}", response_model=TestList, responses=refusals(401, 404, 422, 503)
)
async def test_result(request: Request, test_id: EventId) -> Response:
    """Return what became of a test message."""
    found = await _work(request, lambda conn: trials.results(conn, [test_id]))
    if not found:
        raise Refused(404, f"there is no test {test_id}")
    return json_reply({"tests": found})


@router.get("/cap", response_class=Response, responses=_ATOM | refusals(401, 422, 503))
async def cap_feed(
    request: Request,
    field: Field | None = None,
    severity: Annotated[int, Query(ge=1, le=4, description="this one or worse")] = 1,
    limit: Annotated[int, Query(ge=1, le=200)] = 50,
) -> Response:
    """Return the newest alarm events as an Atom feed of CAP 1.2 alerts."""
    found = await _events(request, feed.parameters(field=field, severity=severity, limit=limit))
    body = cap.feed(found, sender=SENDER, at=datetime.now(UTC), path=FEED)
    return Response(body, media_type=cap.ATOM_TYPE, headers={"Cache-Control": "no-store"})


@router.get(
    "/cap/{event_id}", response_class=Response, responses=_XML | refusals(401, 404, 422, 503)
)
async def cap_alert(request: Request, event_id: EventId) -> Response:
    """Return one alarm event as a CAP 1.2 alert."""
    found = await _events(request, feed.parameters(event=event_id))
    if not found:
        raise Refused(404, f"there is no alert {event_id}")
    body = cap.alert(found[0], sender=SENDER)
    return Response(body, media_type=cap.MEDIA_TYPE, headers={"Cache-Control": "no-store"})


async def _events(request: Request, parameters: Row) -> list[Row]:
    async with (
        of(request).connection() as conn,
        conn.cursor(row_factory=dict_row) as cursor,
    ):
        await cursor.execute(feed.EVENTS, parameters)
        return [feed.completed(row) for row in await cursor.fetchall()]


async def _work(request: Request, action: Callable[[Conn], T]) -> T:
    """Do it on a connection of its own, in a thread."""
    runtime = of(request)
    runtime.live.current()

    def work() -> T:
        name = "blocktwin serve notify"
        with pool.connect(runtime.database, autocommit=True, application_name=name) as conn:
            return action(conn)

    async with runtime.actions:
        return await asyncio.to_thread(work)


def _named(conn: Conn, roster_id: str) -> Roster:
    for roster in rosters.rosters(conn):
        if roster.roster_id == roster_id:
            return roster
    raise Refused(404, f"there is no roster {roster_id}")


def _roster(roster_id: str, body: RosterBody, known: Roster | None) -> Roster:
    """Return the roster of a body; an address that was left out is that of the known one."""
    kept = {(c.name, c.channel): c.address for c in known.contacts} if known else {}
    plain = body.model_dump()
    for contact in plain["contacts"]:
        if contact["address"] is None:
            contact["address"] = kept.get((contact["name"], contact["channel"]), "")
    try:
        return msgspec.convert(plain | {"roster_id": roster_id}, Roster)
    except msgspec.ValidationError as error:
        raise Refused(422, str(error)) from error
