"""The twin of a device: attributes wanted and reported, its kind, where it has been."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Annotated, Any, Literal, TypeVar

import msgspec
import psycopg
from fastapi import APIRouter, Body, Header, Query, Request, Response

from core.db import pool
from twin.api import cursor
from twin.api.answers import json_reply
from twin.api.problems import RETRY_AFTER_S, Refused
from twin.api.runtime import Runtime, identity, of
from twin.api.shapes import After, DeviceId, Time, refusals
from twin.api.words_twins import (
    AttributeHistory,
    DesiredSide,
    DeviceHistory,
    KindList,
    MoveBody,
    MoveReport,
    ReplaceBody,
    ReportedSide,
    Twin,
)
from twin.devices import attributes, places, reads
from twin.devices.attributes import AttributesRefused, VersionConflict
from twin.devices.places import ChangeRefused, DeviceUnknown, Instrument, Target
from twin.operators import Role
from twin.state import Freshness
from twin.versions import MapBusy

router = APIRouter(prefix="/api/v1", tags=["twins"])

T = TypeVar("T")
Conn = psycopg.Connection[Any]

PAGE = 1000
_SETTERS = (Role.OPERATOR, Role.ADMIN)
_CHANGING = refusals(401, 403, 404, 409, 413, 422, 503)
_PRECONDITION: dict[int | str, dict[str, Any]] = {
    412: {"description": "somebody changed it: the version is not the one in If-Match"}
}
_VERSION = re.compile(r'"(\d{1,18})"')

Values = Annotated[
    dict[str, Any],
    Body(description="name: value; null removes", min_length=1, max_length=100),
]
IfMatch = Annotated[
    str | None,
    Header(
        max_length=40,
        description='the version read before, as "7"; * or left out writes whatever it is now',
    ),
]


@router.get(
    "/devices/{device_id}/twin", response_model=Twin, responses=refusals(401, 404, 422, 503)
)
async def twin(request: Request, device_id: DeviceId) -> Response:
    """Return a device as installed, as wished for, and as it says it is."""
    runtime = of(request)
    state = runtime.live.current()
    async with runtime.connection() as conn:
        row = await _device(conn, device_id)
        found = await reads.attributes(conn, device_id)
        history = await reads.history(conn, device_id)
    freshness, severity = state.device(device_id)
    installed = history["installations"]
    return json_reply(
        {
            "device_id": device_id,
            "kind": row["kind"],
            "attributes": row["attributes"],
            "installation": installed[-1] if installed else None,
            **reads.sides(found),
            "delivery": "by report only",
            "freshness": Freshness(freshness).name.lower(),
            "severity": severity,
        }
    )


@router.get(
    "/devices/{device_id}/desired",
    response_model=DesiredSide,
    responses=refusals(401, 404, 422, 503),
)
async def desired(request: Request, device_id: DeviceId) -> Response:
    """Return what is wished for; its ETag is the version that If-Match takes."""
    async with of(request).connection() as conn:
        await _device(conn, device_id)
        found = await reads.attributes(conn, device_id)
    return _desired_reply(reads.sides(found)["desired"])


@router.put(
    "/devices/{device_id}/desired",
    response_model=DesiredSide,
    responses=_CHANGING | _PRECONDITION,
)
async def set_desired(
    request: Request, device_id: DeviceId, values: Values, if_match: IfMatch = None
) -> Response:
    """Wish for values. Names left out stay; the schema of the kind says what can be set."""
    _need(request, _SETTERS, "set a device")
    runtime, by = of(request), identity(request).name
    expected = _expected(if_match)

    def act(conn: Conn) -> attributes.Attributes:
        return attributes.set_desired(
            conn, device_id, values, kinds=runtime.kinds, by=by, expected=expected
        )

    found = await _act(runtime, act)
    return _desired_reply(reads.sides(found)["desired"])


@router.put("/devices/{device_id}/reported", response_model=ReportedSide, responses=_CHANGING)
async def report(
    request: Request, device_id: DeviceId, values: Values, at: Time = None
) -> Response:
    """Take in what the device says of its attributes; for programs that read it."""
    _need(request, _SETTERS, "report for a device")
    by, now = identity(request).name, datetime.now(UTC)

    def act(conn: Conn) -> attributes.Attributes:
        return attributes.report(conn, device_id, values, by=by, at=at or now, now=now)

    found = await _act(of(request), act)
    return json_reply(reads.sides(found)["reported"])


@router.get(
    "/devices/{device_id}/attributes",
    response_model=AttributeHistory,
    responses=refusals(401, 404, 422, 503),
)
async def attribute_history(
    request: Request,
    device_id: DeviceId,
    side: Literal["desired", "reported"] | None = None,
    name: Annotated[str | None, Query(pattern="^[a-z][a-z0-9_]{0,63}$")] = None,
    since: Annotated[Time, Query(alias="from")] = None,
    until: Annotated[Time, Query(alias="to")] = None,
    limit: Annotated[int, Query(ge=1, le=PAGE)] = 100,
    after: After = None,
) -> Response:
    """Return every change of a device's attributes, the newest first."""
    position = _position(after) if after is not None else None
    async with of(request).connection() as conn:
        await _device(conn, device_id)
        found = await reads.changes(
            conn,
            device_id,
            side=side,
            name=name,
            since=since,
            until=until,
            after=position,
            limit=limit + 1,
        )
    more = len(found) > limit
    following = cursor.encode(str(found[limit - 1]["change_id"])) if more else None
    return json_reply({"device_id": device_id, "changes": found[:limit], "next": following})


@router.get(
    "/devices/{device_id}/history",
    response_model=DeviceHistory,
    responses=refusals(401, 404, 422, 503),
)
async def device_history(request: Request, device_id: DeviceId) -> Response:
    """Return which instruments stood behind the id, and where the device was when."""
    async with of(request).connection() as conn:
        await _device(conn, device_id)
        return json_reply(await reads.history(conn, device_id))


@router.post("/devices/{device_id}/move", response_model=MoveReport, responses=_CHANGING)
async def move(request: Request, device_id: DeviceId, body: MoveBody) -> Response:
    """Put a device at another place; its id, series and readings stay."""
    by = identity(request).name
    target = Target(
        x=body.x, y=body.y, frame=body.frame, height_m=body.height_m, gateway=body.gateway
    )

    def act(conn: Conn) -> places.Moved:
        return places.move(conn, device_id, target, reason=body.reason, by=by, dry_run=body.dry_run)

    return json_reply(msgspec.to_builtins(await _act(of(request), act)))


@router.post("/devices/{device_id}/replace", response_model=DeviceHistory, responses=_CHANGING)
async def replace(request: Request, device_id: DeviceId, body: ReplaceBody) -> Response:
    """Record that another instrument stands behind the id; series and readings go on."""
    runtime, by, now = of(request), identity(request).name, datetime.now(UTC)
    instrument = Instrument(serial=body.serial, vendor=body.vendor, model=body.model)

    def act(conn: Conn) -> object:
        return places.replace(
            conn, device_id, instrument, at=body.at or now, now=now, reason=body.reason, by=by
        )

    await _act(runtime, act)
    async with runtime.connection() as conn:
        return json_reply(await reads.history(conn, device_id))


@router.get("/kinds", response_model=KindList, responses=refusals(401))
async def kinds(request: Request) -> Response:
    """Return every kind of device."""
    return json_reply({"kinds": reads.kind_words(of(request).kinds)})


@router.get("/kinds/{kind}", response_model=dict[str, Any], responses=refusals(401, 404, 422))
async def kind_schema(request: Request, kind: DeviceId) -> Response:
    """Return the JSON Schema (draft 2020-12) of the attributes of a kind."""
    schema = of(request).kinds.schemas.get(kind)
    if schema is None:
        raise Refused(404, f"there is no kind {kind!r}")
    return json_reply(schema)


async def _device(conn: reads.Conn, device_id: str) -> reads.Row:
    row = await reads.device(conn, device_id)
    if row is None:
        raise Refused(404, f"there is no device {device_id!r}")
    return row


async def _act(runtime: Runtime, action: Callable[[Conn], T]) -> T:
    """Do it on a connection of its own; what it refuses becomes a problem."""
    async with runtime.changes:
        try:
            return await asyncio.to_thread(_commit, runtime, action)
        except DeviceUnknown as error:
            raise Refused(404, str(error)) from error
        except VersionConflict as error:
            raise Refused(412, str(error), headers={"ETag": f'"{error.version}"'}) from error
        except AttributesRefused as error:
            raise Refused(422, str(error)) from error
        except ChangeRefused as error:
            raise Refused(409, str(error)) from error
        except MapBusy as error:
            headers = {"Retry-After": str(RETRY_AFTER_S)}
            raise Refused(503, f"{error}; {error.remedy}", headers=headers) from error


def _commit(runtime: Runtime, action: Callable[[Conn], T]) -> T:
    with pool.connect(runtime.database, application_name="blocktwin serve action") as conn:
        return action(conn)


def _desired_reply(side: dict[str, Any]) -> Response:
    reply = json_reply(side)
    reply.headers["ETag"] = f'"{side["version"]}"'
    return reply


def _expected(if_match: str | None) -> int | None:
    if if_match is None or if_match.strip() == "*":
        return None
    found = _VERSION.fullmatch(if_match.strip())
    if found is None:
        raise Refused(412, 'If-Match takes one version as GET …/desired gave it, like "7"')
    return int(found[1])


def _need(request: Request, roles: tuple[Role, ...], what: str) -> None:
    who = identity(request)
    if who.role not in roles:
        raise Refused(403, f"{who.name} is a {who.role} and may not {what}")


def _position(after: str) -> int:
    text = cursor.decode(after, 1)[0]
    if not re.fullmatch(r"\d{1,18}", text):
        raise Refused(422, "after: this cursor was not given by this list")
    return int(text)
