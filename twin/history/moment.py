"""The whole district at a moment in the past: newest values, freshness and open alarms then.

Values are what is known *today* of the moment: a reading that came late counts at the time it was
observed. Alarms are what the desk knew *then*: detected by the moment and not yet closed, with the
severity and state of their last event. Devices are those installed then, where they stood then; of
the grid's outlines it is the versions of then. Series are those registered now: nothing of one that
came later was observed by then.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
from psycopg.rows import dict_row

from core.db.queries import load
from core.model import AlarmState, Field, Severity, SpaceKind
from twin.history.latest import EPOCH_2000_US, Packed, catalog, columns
from twin.history.resolution import Level
from twin.history.store import Columns, Conn
from twin.state import DeviceRow, OpenAlarm, SpaceRow, State, Topology

SQL = load("twin.history", "moment.sql")

HORIZON_INTERVALS = 20
"""A value older than this many intervals of its device says nothing about the moment."""

LONGEST_HORIZON = timedelta(days=2)

_ROW = np.dtype([("series", ">i4"), ("observed", ">i8"), ("value", ">f8"), ("q", ">i4")])
_EPOCH = datetime.fromtimestamp(0, UTC)

Row = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Moment:
    """The district at a moment.

    Attributes:
        event_id: the newest alarm event by then, 0 if there was none.
        level: what the values were read from; ``raw`` unless retention has deleted it.
        values: columns as of ``latest.latest``, without ``r``; of a rollup ``t`` is the end of its
            row and ``q`` 0.
        gateways: as registered now; whether they were online is not kept.
        places: device id -> (longitude, latitude) then, of those that stand elsewhere now.
        absent: ids of the devices that were not yet installed.
    """

    at: datetime
    event_id: int
    level: Level
    state: State
    values: Columns
    gateways: list[Row]
    places: dict[str, tuple[float, float]]
    absent: list[str]


async def topology(conn: Conn, at: datetime | None = None, absent: Sequence[str] = ()) -> Topology:
    """Read the spaces in force at a time (None: now), the devices there and the series.

    Args:
        absent: devices that were not installed then.
    """
    spaces = await _rows(conn, "spaces", at=at)
    if at is None:
        devices = await _rows(conn, "devices")
    else:
        devices = await _rows(conn, "devices_then", at=at, absent=list(absent))
    series = await (await conn.execute(SQL["series"])).fetchall()

    def made() -> Topology:
        return Topology(
            [SpaceRow(**(row | {"kind": SpaceKind(row["kind"])})) for row in spaces],
            [DeviceRow(**row) for row in devices],
            series,
        )

    # A tenth of a second for 20,000 devices, at every change of the registry.
    return await asyncio.to_thread(made)


async def moment(
    conn: Conn, at: datetime, *, stale_intervals: float, now: Topology | None = None
) -> Moment:
    """Return the district at a time.

    Args:
        at: aware; nothing observed later counts.
        stale_intervals: a device was fresh within this many of its intervals.
        now: the topology of now when the caller has it; it serves unless the grid was redrawn or
            devices came since.
    """
    moved = await _rows(conn, "moved", at=at)
    absent = [row["device_id"] for row in await _rows(conn, "absent", at=at)]
    if now is None or absent or await _scalar(conn, "redrawn", at=at):
        now = await topology(conn, at, absent)
    elif moved:
        now = now.with_places({row["device_id"]: row["space_id"] for row in moved})
    names = await catalog(conn)
    level, packed = await _values(conn, at, now)
    alarms = [open_alarm(row) for row in await _rows(conn, "alarms", at=at)]
    event_id = await _scalar(conn, "event", at=at)
    gateways = await _rows(conn, "gateways")

    def fold() -> Moment:
        state = State(now, stale_intervals=stale_intervals)
        at_us = round((at - _EPOCH).total_seconds() * 1e6)
        seen_us = packed["observed"].astype(np.int64) + EPOCH_2000_US + level.width_s * 1_000_000
        # Of a rollup it is known only in which row the reading lies: its device was fresh if it
        # may have been.
        state.see(packed["series"].astype(np.int32), np.minimum(seen_us, at_us), at_us)
        for alarm in alarms:
            state.put(alarm)
        return Moment(
            at=at,
            event_id=int(event_id or 0),
            level=level,
            state=state,
            values=columns(names, packed),
            gateways=[row | {"online": None, "at": None} for row in gateways],
            places={r["device_id"]: (r["lon"], r["lat"]) for r in moved if r["elsewhere"]},
            absent=absent,
        )

    return await asyncio.to_thread(fold)


async def _values(conn: Conn, at: datetime, known: Topology) -> tuple[Level, Packed]:
    """Read the values from the narrowest level that holds any."""
    longest_s = float(known.interval_us.max(initial=0)) / 1e6 * HORIZON_INTERVALS
    horizon = min(timedelta(seconds=max(longest_s, 60)), LONGEST_HORIZON)
    packed = np.empty(0, dtype=_ROW)
    for level in Level:
        since = at - max(horizon, timedelta(seconds=level.width_s))
        cursor = await conn.execute(
            SQL[f"values_{level}"],
            {"at": at, "since": since, "intervals": HORIZON_INTERVALS},
            binary=True,
            prepare=False,
        )
        row = await cursor.fetchone()
        packed = np.frombuffer((row[0] if row else None) or b"", dtype=_ROW)
        if len(packed):
            return level, packed
    return Level.RAW, packed


def open_alarm(row: Row) -> OpenAlarm:
    """Return what the state needs of an alarm row."""
    return OpenAlarm(
        alarm_id=row["alarm_id"],
        field=Field(row["field"]),
        severity=Severity(row["severity"]),
        state=AlarmState(row["state"]),
        device_id=row["device_id"],
        space_id=row["space_id"],
        hidden=row["hidden"] is not None,
        trial=row["quantity"] == "canary",
    )


async def _rows(conn: Conn, name: str, **parameters: Any) -> list[Row]:
    async with conn.cursor(row_factory=dict_row) as cursor:
        await cursor.execute(SQL[name], parameters)
        return await cursor.fetchall()


async def _scalar(conn: Conn, name: str, **parameters: Any) -> Any:
    row = await (await conn.execute(SQL[name], parameters)).fetchone()
    return row[0] if row is not None else None
