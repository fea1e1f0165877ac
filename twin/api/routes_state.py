"""The district now or at a time in the past, in one answer, and the runtime at a glance."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request, Response

from core.version import version
from twin.api import reads
from twin.api.answers import Encoded, encode, json_reply, reply
from twin.api.problems import Refused
from twin.api.routes_spaces import inside
from twin.api.runtime import of
from twin.api.shapes import SpaceFilter, SpaceKinds, Time, refusals
from twin.api.words import StateBody, StatusBody
from twin.history import moment
from twin.history.latest import only
from twin.state import State, space_words, totals

router = APIRouter(prefix="/api/v1", tags=["state"])


@router.get("/state", response_model=StateBody, responses=refusals(401, 404, 422, 503))
async def state(
    request: Request,
    kind: SpaceKinds = None,
    within: SpaceFilter = None,
    at: Annotated[Time, Query(description="a time in the past; now when left out")] = None,
) -> Response:
    """Return freshness and worst alarm of every device, folded up the tree.

    It contains every alarm event up to `event_id`. Open the stream first and load this then: what
    happens in between comes on the stream. With `at` it is the district then, and its values:
    the newest reading of each series by then, and the alarms that were known and open.
    """
    runtime = of(request)
    live = runtime.live
    kinds = set(kind.split(",")) if kind else None
    if at is not None:
        return await _past(request, at, kinds, within)
    index = inside(live.current(), within)
    key = ("state", live.version, live.revision, kind, index)

    async def make() -> dict[str, Any]:
        now = live.current()
        return _body(now, index, kinds) | {
            "at": live.at,
            "event_id": live.event_id,
            "gateways": live.gateways,
        }

    return reply(request, await runtime.fleeting.get(key, make))


async def _past(
    request: Request, at: datetime, kinds: set[str] | None, within: str | None
) -> Response:
    runtime = of(request)
    if at > datetime.now(UTC):
        raise Refused(422, "at: lies in the future")
    now = runtime.live.current().topology
    async with runtime.looking_back, runtime.connection() as conn:
        then = await moment.moment(conn, at, stale_intervals=runtime.cfg.stale_intervals, now=now)
    index = inside(then.state, within)

    def make() -> Encoded:
        body = _body(then.state, index, kinds)
        values = then.values if within is None else only(then.values, body["devices"])
        return encode(
            body
            | {
                "at": reads.utc(then.at),
                "event_id": then.event_id,
                "gateways": then.gateways,
                "level": then.level,
                "values": values,
                "places": then.places,
                "absent": then.absent,
            }
        )

    return reply(request, await asyncio.to_thread(make))


@router.get("/status", response_model=StatusBody, responses=refusals(401, 503))
async def status(request: Request) -> Response:
    """Return versions, and the sums of what came in."""
    async with of(request).connection() as conn:
        found = (await reads.rows(conn, "status"))[0]
        tally = (await reads.rows(conn, "tally"))[0]
    return json_reply(
        {
            "version": version(),
            "schema": found["schema_name"],
            "timescaledb": {
                "version": found["timescaledb_version"],
                "edition": found["timescaledb_edition"],
            },
            "tally": tally,
            "open_alarms": found["open_alarms"],
            "last_reading_at": reads.utc(found["last_reading_at"]),
        }
    )


def _body(state: State, index: int, kinds: set[str] | None) -> dict[str, Any]:
    return {
        "totals": totals(state, index),
        "spaces": space_words(state, index, kinds),
        "devices": state.devices_inside(index),
    }
