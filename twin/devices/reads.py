"""Read the twin of a device: its sides, its history; and the kinds as people look at them."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import psycopg
from psycopg.rows import dict_row

from core.kinds import CONFIGURATION, KINDS
from core.units import DEVICE_KINDS
from twin.devices.attributes import Attributes, fold
from twin.devices.places import MAX_PLACES, SQL
from twin.kinds import Kinds

Conn = psycopg.AsyncConnection[Any]
Row = dict[str, Any]


async def device(conn: Conn, device_id: str) -> Row | None:
    """Return a device's row, None if there is none."""
    found = await _rows(conn, "device", device=device_id)
    return found[0] if found else None


async def attributes(conn: Conn, device_id: str, at: datetime | None = None) -> Attributes:
    """Return both sides of a device's attributes now, or at a time."""
    found = await _rows(conn, "attributes", device=device_id, at=at)
    counted = await _rows(conn, "versions", device=device_id)
    return fold(found, counted[0] if counted and at is None else None)


async def changes(
    conn: Conn,
    device_id: str,
    *,
    side: str | None = None,
    name: str | None = None,
    since: datetime | None = None,
    until: datetime | None = None,
    after: int | None = None,
    limit: int,
) -> list[Row]:
    """Return changes of attributes, the newest first, from before a change id on."""
    return await _rows(
        conn,
        "changes",
        device=device_id,
        side=side,
        name=name,
        since=since,
        until=until,
        after=after,
        limit=limit,
    )


async def history(conn: Conn, device_id: str) -> Row:
    """Return installations (the oldest first), places (the newest first) and series of a device."""
    places = await _rows(conn, "places", device=device_id, limit=MAX_PLACES + 1)
    series = await _rows(conn, "series", device=device_id)
    return {
        "device_id": device_id,
        "series": {row["quantity"]: row["series_id"] for row in series},
        "installations": await _rows(conn, "installations", device=device_id),
        "places": places[:MAX_PLACES],
        "more": len(places) > MAX_PLACES,
    }


async def devices(
    conn: Conn,
    *,
    space: str | None,
    kind: str | None,
    stale: bool,
    stale_intervals: float,
    limit: int,
) -> list[Row]:
    """Return devices by id with when they were last heard; ``stale`` keeps the silent ones only."""
    return await _rows(
        conn,
        "list",
        space=space,
        kind=kind,
        stale=stale,
        stale_intervals=stale_intervals,
        limit=limit,
    )


def sides(found: Attributes) -> Row:
    """Return both sides and the delta as plain values."""
    desired, reported = found.desired, found.reported
    return {
        "desired": {"version": desired.version, "values": dict(desired.values)},
        "reported": {
            "version": reported.version,
            "values": dict(reported.values),
            "at": reported.at,
        },
        "delta": dict(found.delta),
    }


def kind_words(kinds: Kinds) -> list[Row]:
    """Return every kind as the list shows it."""
    return [
        {
            "kind": name,
            "field": str(DEVICE_KINDS[name].field),
            "zh": DEVICE_KINDS[name].zh,
            "en": DEVICE_KINDS[name].en,
            "quantities": list(DEVICE_KINDS[name].quantities),
            "attributes": len(schema["properties"]),
            "settable": [
                attribute
                for attribute, one in schema["properties"].items()
                if one.get("side") == CONFIGURATION
            ],
            "built_in": name in KINDS,
        }
        for name, schema in sorted(kinds.schemas.items())
    ]


async def _rows(conn: Conn, statement: str, /, **parameters: Any) -> list[Row]:
    async with conn.cursor(row_factory=dict_row) as cursor:
        await cursor.execute(SQL[statement], parameters)
        return await cursor.fetchall()
