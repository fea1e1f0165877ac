"""Rules: read them, compare versions, override for single devices, try them on history."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable
from contextlib import suppress
from typing import Annotated, Any

import msgspec
import psycopg
from fastapi import APIRouter, Path, Query, Request, Response
from psycopg.rows import dict_row

from alerts import overrides, rule_listing, rulestore
from alerts.backtest.__main__ import Job, Reply
from alerts.backtest.run import Request as Trial
from alerts.rules import Level, Override
from core.db import pool
from core.errors import UsageError
from twin.api import cursor
from twin.api.answers import json_reply
from twin.api.problems import Refused
from twin.api.runtime import Runtime, identity, of
from twin.api.shapes import ID, After, DeviceFilter, DeviceId, refusals
from twin.api.words_rules import (
    BacktestAnswer,
    BacktestBody,
    OverrideBody,
    OverrideList,
    OverrideWord,
    RuleList,
    VersionList,
)

router = APIRouter(prefix="/api/v1", tags=["rules"])

BACKTEST_S = 120.0
"""Seconds that a back-test may take before it is stopped."""

PAGE = 1000
_CHANGING = refusals(401, 403, 404, 409, 413, 422, 503)

Conn = psycopg.Connection[Any]
RuleId = Annotated[str, Path(pattern=ID)]
RuleFilter = Annotated[str | None, Query(pattern=ID, description="rule id")]


@router.get("/rules", response_model=RuleList, responses=refusals(401, 503))
async def rules(request: Request) -> Response:
    """Return the rules in force, who loaded them and why."""
    rows = await _rows(of(request), rulestore.SQL["listed"])
    return json_reply({"rules": [rule_listing.word(row) for row in rows]})


@router.get(
    "/rules/{rule_id}/versions", response_model=VersionList, responses=refusals(401, 404, 422, 503)
)
async def versions(
    request: Request, rule_id: RuleId, limit: Annotated[int, Query(ge=1, le=PAGE)] = 100
) -> Response:
    """Return the versions of a rule with every key, the newest first."""
    rows = await _rows(of(request), rulestore.SQL["history"], rule=rule_id, limit=limit)
    if not rows:
        raise Refused(404, f"there is no rule {rule_id}")
    return json_reply({"versions": rows})


@router.get("/overrides", response_model=OverrideList, responses=refusals(401, 422, 503))
async def list_overrides(
    request: Request,
    rule: RuleFilter = None,
    device: DeviceFilter = None,
    ever: Annotated[bool, Query(description="also those that have ended")] = False,
    limit: Annotated[int, Query(ge=1, le=PAGE)] = 200,
    after: After = None,
) -> Response:
    """Return what holds for single devices instead of what rules say, the newest first."""
    found = await _rows(
        of(request),
        overrides.SQL["listed"],
        rule=rule,
        device=device,
        ever=ever,
        before=_position(after) if after is not None else None,
        limit=limit + 1,
    )
    last = found[limit - 1] if len(found) > limit else None
    following = cursor.encode(str(last["override_id"])) if last else None
    words = [rule_listing.override_word(row) for row in found[:limit]]
    return json_reply({"overrides": words, "next": following})


@router.put(
    "/rules/{rule_id}/overrides/{device_id}", response_model=OverrideWord, responses=_CHANGING
)
async def put_override(
    request: Request, rule_id: RuleId, device_id: DeviceId, body: OverrideBody
) -> Response:
    """Let another ladder hold for a device, or none; running workers take it over at once."""
    by = identity(request).name
    plain = [level.model_dump(by_alias=True) for level in body.levels]
    what = Override(
        rule_id=rule_id,
        device_id=device_id,
        levels=msgspec.convert(plain, tuple[Level, ...]),
        enabled=body.enabled,
    )

    def act(conn: Conn) -> dict[str, Any]:
        overrides.put(conn, what, author=by, reason=body.reason, until=body.until)
        return overrides.listed(conn, rule_id=rule_id, device_id=device_id)[0]

    return json_reply(rule_listing.override_word(await _act(of(request), act)))


@router.delete(
    "/rules/{rule_id}/overrides/{device_id}", response_model=OverrideWord, responses=_CHANGING
)
async def end_override(request: Request, rule_id: RuleId, device_id: DeviceId) -> Response:
    """End an override: the rule's own ladder holds again."""
    by = identity(request).name

    def act(conn: Conn) -> dict[str, Any]:
        overrides.end(conn, rule_id, device_id, by=by)
        return overrides.listed(conn, rule_id=rule_id, device_id=device_id, ever=True)[0]

    return json_reply(rule_listing.override_word(await _act(of(request), act)))


@router.post("/rules/backtest", response_model=BacktestAnswer, responses=_CHANGING)
async def backtest(request: Request, body: BacktestBody) -> Response:
    """Try a rule on stored readings, against the one in force; nothing is changed by it.

    It runs in a process of its own, one at a time: another gets a 503 meanwhile.
    """
    if not body.rule_id and not body.toml:
        raise Refused(422, "say rule_id or toml")
    runtime = of(request)
    trial = Trial(
        since=body.from_,
        until=body.to,
        rule_id=body.rule_id,
        toml=body.toml,
        space=body.space,
        backfilled=body.backfilled,
    )
    job = Job(
        dsn=runtime.database.dsn,
        connect_timeout_s=runtime.database.connect_timeout_s,
        request=trial,
    )
    async with _turn(request):
        reply = await _played(job)
    if reply.error:
        raise Refused(422 if reply.usage else 503, reply.error)
    return Response(bytes(reply.answer), media_type="application/json")


def _turn(request: Request) -> asyncio.Semaphore:
    """Return the one turn of this app, if nobody has it."""
    state = request.app.state
    if not hasattr(state, "backtests"):
        state.backtests = asyncio.Semaphore(1)
    turn: asyncio.Semaphore = state.backtests
    if turn.locked():
        raise Refused(503, "another back-test is running", headers={"Retry-After": "10"})
    return turn


async def _played(job: Job) -> Reply:
    """Play a job in a process of its own, which is stopped when it takes too long."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "alerts.backtest",
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    try:
        async with asyncio.timeout(BACKTEST_S):
            said, _ = await process.communicate(msgspec.json.encode(job))
    except TimeoutError as error:
        raise Refused(
            422, f"it took more than {BACKTEST_S:.0f} s; choose a shorter time or a space"
        ) from error
    finally:
        with suppress(ProcessLookupError):
            process.kill()
        await process.wait()
    try:
        return msgspec.json.decode(said, type=Reply)
    except msgspec.DecodeError as error:
        raise Refused(503, "the back-test failed; the server's log says why") from error


async def _rows(runtime: Runtime, statement: Any, **parameters: Any) -> list[dict[str, Any]]:
    async with runtime.connection() as conn, conn.cursor(row_factory=dict_row) as rows:
        await rows.execute(statement, parameters)
        return await rows.fetchall()


async def _act(runtime: Runtime, action: Callable[[Conn], dict[str, Any]]) -> dict[str, Any]:
    """Do it on a connection of its own; what it refuses becomes a problem."""
    async with runtime.changes:
        try:
            return await asyncio.to_thread(_commit, runtime, action)
        except overrides.OverrideUnknown as error:
            raise Refused(404, str(error)) from error
        except UsageError as error:
            raise Refused(422, str(error)) from error


def _commit(runtime: Runtime, action: Callable[[Conn], dict[str, Any]]) -> dict[str, Any]:
    with pool.connect(runtime.database, application_name="blocktwin serve action") as conn:
        return action(conn)


def _position(after: str) -> int:
    (number,) = cursor.decode(after, 1)
    if not number.isascii() or not number.isdigit() or len(number) > 9:
        raise Refused(422, "after: this cursor was not given by this list")
    return int(number)
