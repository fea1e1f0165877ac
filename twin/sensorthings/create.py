"""Create Observations and Things: the questions to the store around the one way of all readings."""

from __future__ import annotations

import json
import secrets
from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any

import psycopg

from core.db.queries import load
from core.errors import UsageError
from core.model import Channel, District, Reading
from core.model import Gateway as GatewayRow
from core.topics import topic
from twin.sensorthings.gateway import Gateway
from twin.sensorthings.things import Position, device, position
from twin.sensorthings.wishes import Unfit, Wish
from twin.store import load_district

SQL = load("twin.sensorthings", "create.sql")

Conn = psycopg.AsyncConnection[Any]
Connect = Callable[[], AbstractAsyncContextManager[Conn]]

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_CLOCKS_S = 5.0
"""Seconds that the worker's clock may be behind ours."""


class Fate(StrEnum):
    """What became of a wish."""

    STORED = "stored"
    DIFFERS = "differs"
    REFUSED = "refused"
    LOST = "lost"


@dataclass(frozen=True, slots=True)
class Verdict:
    """What became of a wish, and why."""

    fate: Fate
    why: str = ""


class Taken(ValueError):
    """A Thing of this id exists: 409."""


async def submit(connect: Connect, gateway: Gateway, wishes: Sequence[Wish]) -> list[Verdict]:
    """Send what is not stored yet, wait for the receipts, and tell what became of each.

    No connection is held while it waits.

    Raises:
        Unfit: a Datastream does not exist.
        BrokerMissing: there is no broker.
        ReceiptLate: the worker did not answer in time.
    """
    async with connect() as conn:
        names = await _names(conn, wishes)
        values = await _stored(conn, wishes)
    missing = [wish for i, wish in enumerate(wishes) if i not in values]
    since = datetime.now(UTC) - timedelta(seconds=_CLOCKS_S)
    if missing:
        await gateway.send([_reading(wish, names[wish.series]) for wish in missing])
    refusals: dict[tuple[str, str, int], str] = {}
    async with connect() as conn:
        values = await _stored(conn, wishes)
        if len(values) < len(wishes):
            refusals = await _refusals(conn, gateway.cfg.gateway, names, since)
    return [
        _verdict(wish, values.get(i), refusals.get((*names[wish.series], wish.observed_us)))
        for i, wish in enumerate(wishes)
    ]


def register(conn: psycopg.Connection[Any], body: Any, gateway: str, by: str) -> str:
    """Register the device that a Thing means; return its id.

    Raises:
        Unfit: it cannot be one.
        Taken: its id is taken.
    """
    where = position(body)
    with conn.transaction():
        conn.execute(SQL["by"], {"by": by})
        if where.location is not None:
            where = _place(conn, where.location)
        new = device(body, where, gateway, f"sta-{secrets.token_hex(6)}")
        if _is(conn, "device", device=new.device_id):
            raise Taken(f"there is a Thing {new.device_id!r}")
        known = _is(conn, "gateway", gateway=gateway)
        own = GatewayRow(gateway_id=gateway, name="SensorThings", lon=where.lon, lat=where.lat)
        try:
            load_district(
                conn, District(spaces=(), gateways=() if known else (own,), devices=(new,)), by=by
            )
        except UsageError as error:
            raise Unfit(str(error)) from error
    return new.device_id


def at(wish: Wish) -> datetime:
    """Return the time of a wish."""
    return _EPOCH + timedelta(microseconds=wish.observed_us)


def observation_id(wish: Wish) -> str:
    """Return the id that the Observation will have."""
    return f"{wish.series}-{wish.observed_us}"


async def _names(conn: Conn, wishes: Sequence[Wish]) -> dict[int, tuple[str, str]]:
    series = sorted({wish.series for wish in wishes})
    rows = await (await conn.execute(SQL["series"], {"series": series})).fetchall()
    names = {number: (device_id, quantity) for number, device_id, quantity, _ in rows}
    unknown = [str(number) for number in series if number not in names]
    if unknown:
        raise Unfit(f"there is no Datastream {', '.join(unknown[:5])}")
    return names


async def _stored(conn: Conn, wishes: Sequence[Wish]) -> dict[int, float]:
    wanted = [
        {"i": i, "series": wish.series, "at": at(wish).isoformat()} for i, wish in enumerate(wishes)
    ]
    cursor = await conn.execute(SQL["stored"], {"wanted": json.dumps(wanted)}, prepare=False)
    return dict(await cursor.fetchall())


async def _refusals(
    conn: Conn, gateway: str, names: dict[int, tuple[str, str]], since: datetime
) -> dict[tuple[str, str, int], str]:
    parameters = {
        "topic": topic(gateway, Channel.LIVE),
        "devices": sorted({device_id for device_id, _ in names.values()}),
        "since": since,
        "limit": 10_000,
    }
    rows = await (await conn.execute(SQL["refused"], parameters)).fetchall()
    found: dict[tuple[str, str, int], str] = {}
    for device_id, quantity, reason, detail, payload in rows:
        when = _time_of(bytes(payload))
        if when is not None:
            found.setdefault((device_id, quantity, when), f"{reason}: {detail}")
    return found


def _time_of(payload: bytes) -> int | None:
    """The time of a rejected record, in microseconds; it is kept as a pack of one."""
    try:
        return round(float(json.loads(payload)[0]["t"]) * 1e6)
    except (ValueError, KeyError, IndexError, TypeError):
        return None


def _verdict(wish: Wish, value: float | None, why: str | None) -> Verdict:
    if value is not None:
        if value == wish.value:
            return Verdict(Fate.STORED)
        return Verdict(Fate.DIFFERS, f"another result, {value!r}, stands at this time")
    if why is not None:
        return Verdict(Fate.REFUSED, why)
    return Verdict(Fate.LOST, "the worker took it and it is not to be found")


def _reading(wish: Wish, name: tuple[str, str]) -> Reading:
    device_id, quantity = name
    return Reading(
        device=device_id, quantity=quantity, observed_s=wish.observed_us / 1e6, value=wish.value
    )


def _place(conn: psycopg.Connection[Any], location: int) -> Position:
    row = conn.execute(SQL["place"], {"location": location}).fetchone()
    if row is None:
        raise Unfit(f"there is no Location {location}")
    return Position(lon=row[0], lat=row[1], height_m=row[2])


def _is(conn: psycopg.Connection[Any], name: str, **parameters: Any) -> bool:
    row = conn.execute(SQL[name], parameters).fetchone()
    return bool(row and row[0])
