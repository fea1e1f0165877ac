"""The district now, in one answer, and the runtime at a glance."""

from __future__ import annotations

from typing import Any

import numpy as np
from fastapi import APIRouter, Request, Response

from core.version import version
from twin.api import reads
from twin.api.answers import json_reply, reply
from twin.api.live import Live, totals
from twin.api.routes_spaces import inside
from twin.api.runtime import of
from twin.api.shapes import SpaceFilter, SpaceKinds, refusals
from twin.api.words import StateBody, StatusBody

router = APIRouter(prefix="/api/v1", tags=["state"])


@router.get("/state", response_model=StateBody, responses=refusals(401, 404, 422, 503))
async def state(request: Request, kind: SpaceKinds = None, within: SpaceFilter = None) -> Response:
    """Return freshness and worst alarm of every device, folded up the tree.

    It contains every alarm event up to `event_id`. Open the stream first and load this then: what
    happens in between comes on the stream.
    """
    runtime = of(request)
    live = runtime.live
    index = inside(live.current(), within)
    key = ("state", live.version, live.revision, kind, index)

    async def make() -> dict[str, Any]:
        return _body(live, set(kind.split(",")) if kind else None, index)

    return reply(request, await runtime.cache.get(key, make))


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


def _body(live: Live, kinds: set[str] | None, index: int) -> dict[str, Any]:
    now = live.current()
    mask = now.topology.inside(index)
    rows = now.space_rows()
    keys = ("severity", "open", "unacknowledged", "devices", "fresh", "stale")
    spaces = now.topology.spaces
    chosen = [i for i in np.flatnonzero(mask).tolist() if i]
    return {
        "at": live.at,
        "event_id": live.event_id,
        "totals": totals(now, index),
        "spaces": [
            {"code": spaces[i - 1].code, "kind": spaces[i - 1].kind}
            | dict(zip(keys, rows[i], strict=True))
            for i in chosen
            if kinds is None or spaces[i - 1].kind in kinds
        ],
        "devices": now.devices_inside(index),
        "gateways": live.gateways,
    }
