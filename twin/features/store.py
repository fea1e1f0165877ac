"""Read devices, alarms, outlines and extents for ``twin.features``; SQL in ``store.sql``."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import psycopg
from psycopg.rows import dict_row

from core.db.queries import load
from core.model import parse_time
from twin.features.query import BadParameter, Query

SQL = load("twin.features", "store.sql")

Conn = psycopg.AsyncConnection[Any]
Row = dict[str, Any]

MOST_COUNTED = 100_000
"""Alarms are counted to here; beyond it a count would cost more than the page."""


async def outlines(conn: Conn, collection: str) -> list[Row]:
    """Read the rows of a collection of spaces."""
    return await _rows(conn, collection.replace("-", "_"), {})


async def devices(conn: Conn, query: Query, *, more: int = 0) -> list[Row]:
    """Read a page of devices by id, and ``more`` beyond it."""
    return await _rows(conn, "devices", _device(query, query.limit + more))


async def device(conn: Conn, query: Query, device_id: str) -> list[Row]:
    """Read one device; empty if there is none."""
    return await _rows(conn, "devices", _device(query, 1) | {"id": device_id})


async def device_count(conn: Conn, query: Query) -> int:
    """Count all that a query asks for."""
    return int(await _scalar(conn, "device_count", _device(query, 0)))


async def alarms(conn: Conn, query: Query, *, more: int = 0) -> list[Row]:
    """Read a page of alarms, the newest first, and ``more`` beyond it.

    Raises:
        BadParameter: the cursor was not given by this list.
    """
    return await _rows(conn, "alarms", _alarm(query, query.limit + more))


async def alarm(conn: Conn, query: Query, alarm_id: str) -> list[Row]:
    """Read one alarm; empty if there is none."""
    try:
        wanted = str(UUID(alarm_id))
    except ValueError:
        return []
    return await _rows(conn, "alarms", _alarm(query, 1) | {"id": wanted})


async def alarm_count(conn: Conn, query: Query) -> int | None:
    """Count all that a query asks for, None beyond ``MOST_COUNTED``."""
    parameters = _alarm(query, 0) | {"most": MOST_COUNTED + 1}
    count = int(await _scalar(conn, "alarm_count", parameters))
    return count if count <= MOST_COUNTED else None


async def extent(conn: Conn, collection: str) -> tuple[list[float] | None, Any]:
    """Read the box of a collection (degrees; None if it is empty) and its first time."""
    row = await (await conn.execute(SQL[f"extent_of_{collection}"])).fetchone()
    assert row is not None
    box = [float(value) for value in row[:4]] if row[0] is not None else None
    return box, row[4]


def alarm_cursor(row: Row) -> str:
    """Return where the page after an alarm goes on."""
    return f"{row['raised_at'].isoformat()}~{row['alarm_id']}"


def _device(query: Query, limit: int) -> Row:
    names = ("kind", "field", "gateway_id", "space")
    return (
        _common(query, limit)
        | {name: query.filters.get(name) for name in names}
        | {"after": query.after}
    )


def _alarm(query: Query, limit: int) -> Row:
    names = ("field", "severity", "state", "rule_id", "device_id")
    after_at = after_id = None
    if query.after is not None:
        time, _, identifier = query.after.partition("~")
        try:
            after_at, after_id = parse_time(time), str(UUID(identifier))
        except ValueError as error:
            raise BadParameter("after: this cursor was not given by this list") from error
    return (
        _common(query, limit)
        | {name: query.filters.get(name) for name in names}
        | {
            "after_at": after_at,
            "after_id": after_id,
            "since": query.window.start if query.window else None,
        }
    )


def _common(query: Query, limit: int) -> Row:
    boxes = [edge for box in query.boxes for edge in box] if query.boxes is not None else None
    return {
        "id": None,
        "boxes": boxes,
        "until": query.window.end if query.window else None,
        "limit": limit,
    }


async def _rows(conn: Conn, name: str, parameters: Row) -> list[Row]:
    async with conn.cursor(row_factory=dict_row) as cursor:
        await cursor.execute(SQL[name], parameters)
        return await cursor.fetchall()


async def _scalar(conn: Conn, name: str, parameters: Row) -> Any:
    row = await (await conn.execute(SQL[name], parameters)).fetchone()
    assert row is not None
    return row[0]
