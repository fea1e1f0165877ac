"""Move a device, or put another instrument in its place; its id, its series and readings stay.

Every change of place is recorded by the database itself (the triggers of ``device``), whoever
makes it; here stands only who moved it and why. Where a point belongs is ``geodata.placement``'s.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

import numpy as np
import psycopg
from psycopg.rows import dict_row

from core.db.queries import load
from core.errors import BlocktwinError, UsageError
from geodata.frames import FrameUnknown, OutOfFrame, frame
from twin import versions

SQL = load("twin.devices", "store.sql")

Conn = psycopg.Connection[Any]
Row = dict[str, Any]

LONGEST_TEXT = 200
HIGHEST_M = 10_000
"""Metres above or below ground that a device may stand."""

MAX_PLACES = 1000
"""Places of one device that its history shows at most."""


class DeviceUnknown(UsageError):
    """There is no device of this id."""

    def __init__(self, device_id: str) -> None:
        super().__init__(
            f"there is no device {device_id[:80]!r}", remedy="look at: blocktwin device list"
        )


class ChangeRefused(BlocktwinError):
    """A move or a replacement contradicts what is known; nothing was changed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """Where a device goes.

    Attributes:
        x: longitude in degrees or east in metres, as the frame has it; ``y`` latitude or north.
        frame: coordinate system, as ``geodata.frames`` names it.
        height_m: metres above ground; None keeps the height.
        gateway: through which it reports from now on; None keeps it.
    """

    x: float
    y: float
    frame: str = "EPSG:4490"
    height_m: float | None = None
    gateway: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Moved:
    """A move: the device's row before and after; ``applied`` is false for a dry run."""

    device_id: str
    before: Row
    after: Row
    applied: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Instrument:
    """An instrument: what stands on its plate."""

    serial: str
    vendor: str
    model: str


def move(
    conn: Conn, device_id: str, target: Target, *, reason: str, by: str, dry_run: bool
) -> Moved:
    """Put a device at another place, and place it in the map in force.

    A place outside every space is taken, and the device is unplaced with the reason; what it says
    before and after can be seen with ``dry_run``.

    Raises:
        DeviceUnknown: there is no such device.
        ChangeRefused: the position or height is none, or the gateway unknown.
    """
    _refuse_height(target.height_m)
    lon, lat, name = _degrees(target)
    with conn.transaction(force_rollback=dry_run):
        versions.begin(conn)
        versions.sign(conn, by, reason[:LONGEST_TEXT])
        before = device(conn, device_id)
        if target.gateway is not None and not _gateway_exists(conn, target.gateway):
            raise ChangeRefused(
                f"there is no gateway {target.gateway!r}", remedy="name one that is registered"
            )
        conn.execute(
            SQL["move"],
            {
                "device": device_id,
                "lon": lon,
                "lat": lat,
                "frame": name,
                "height_m": target.height_m,
                "gateway": target.gateway,
            },
        )
        versions.place_standing(conn, devices=[device_id], gateways=[])
        after = device(conn, device_id)
        versions.announce(conn)
    return Moved(
        device_id=device_id, before=_place(before), after=_place(after), applied=not dry_run
    )


def replace(
    conn: Conn,
    device_id: str,
    instrument: Instrument,
    *,
    at: datetime,
    now: datetime,
    reason: str,
    by: str,
) -> list[Row]:
    """Record that another instrument stands behind a device id from a time on.

    Returns:
        all installations of the device, the oldest first.

    Raises:
        DeviceUnknown: there is no such device.
        ChangeRefused: the time lies ahead or before the present instrument, or it is the same one.
    """
    if at > now:
        raise ChangeRefused(
            f"{at.isoformat()} lies in the future", remedy="record it when it has happened"
        )
    with conn.transaction():
        if conn.execute(SQL["hold"], {"device": device_id}).fetchone() is None:
            raise DeviceUnknown(device_id)
        present = _one(conn, "installation_now", device=device_id)
        if present is not None:
            _refuse_same(present, instrument, at)
            conn.execute(SQL["end_installation"], {"device": device_id, "at": at})
        conn.execute(
            SQL["insert_installation"],
            {
                "device": device_id,
                "serial": instrument.serial[:LONGEST_TEXT],
                "vendor": instrument.vendor[:LONGEST_TEXT],
                "model": instrument.model[:LONGEST_TEXT],
                "at": at,
                "reason": reason[:LONGEST_TEXT],
                "by": by,
            },
        )
        conn.execute(SQL["announce"])
        return _rows(conn, "installations", device=device_id)


def device(conn: Conn, device_id: str) -> Row:
    """Return a device's row.

    Raises:
        DeviceUnknown: there is none.
    """
    row = _one(conn, "device", device=device_id)
    if row is None:
        raise DeviceUnknown(device_id)
    return row


def _refuse_same(present: Row, instrument: Instrument, at: datetime) -> None:
    if present["serial"] and (present["serial"], present["vendor"]) == (
        instrument.serial,
        instrument.vendor,
    ):
        raise ChangeRefused(
            f"the instrument {instrument.vendor} {instrument.serial} stands there already",
            remedy="give the serial number of the new one",
        )
    if present["from_at"] is not None and at <= present["from_at"]:
        raise ChangeRefused(
            f"the present instrument was installed at {present['from_at'].isoformat()},"
            f" which is not before {at.isoformat()}",
            remedy="give a later time",
        )


def _degrees(target: Target) -> tuple[float, float, str]:
    try:
        known = frame(target.frame)
    except FrameUnknown as error:
        raise ChangeRefused(str(error), remedy="name a coordinate system, as EPSG:4490") from error
    try:
        lon, lat = known.to_degrees(np.array([[target.x, target.y]], dtype=np.float64))[0].tolist()
    except OutOfFrame as error:
        raise ChangeRefused(error.reason, remedy=error.remedy) from error
    return round(lon, 9), round(lat, 9), known.name


def _refuse_height(height_m: float | None) -> None:
    if height_m is not None and not abs(height_m) <= HIGHEST_M:
        raise ChangeRefused(
            f"a height of {height_m:g} m is none",
            remedy=f"give metres above ground, {HIGHEST_M:,} at most",
        )


def _gateway_exists(conn: Conn, gateway: str) -> bool:
    row = conn.execute(SQL["gateway_exists"], {"gateway": gateway}).fetchone()
    return bool(row and row[0])


def _place(row: Row) -> Row:
    keys = ("lon", "lat", "height_m", "space", "gateway_id", "placed_how", "placed_note", "frame")
    return {key: row[key] for key in keys}


def _one(conn: Conn, name: str, **parameters: Any) -> Row | None:
    with conn.cursor(row_factory=dict_row) as cursor:
        return cursor.execute(SQL[name], parameters).fetchone()


def _rows(conn: Conn, name: str, **parameters: Any) -> list[Row]:
    with conn.cursor(row_factory=dict_row) as cursor:
        return cursor.execute(SQL[name], parameters).fetchall()
