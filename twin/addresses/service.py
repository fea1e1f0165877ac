"""The index of the address service: made from the database, made anew when the registry changes.

At most one index is being made at a time, in a thread; who asks meanwhile is answered from the one
before, so that nobody but the very first waits for it. Its
size is bounded by ``store.LIMIT`` addresses and what spaces and devices the database holds.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

import shapely
from psycopg.rows import dict_row

from core.config import DatabaseConfig
from core.db import pool
from core.model import Space, SpaceKind
from geodata import placement
from geodata.addresses.index import build
from geodata.addresses.places import PlacedDevice, PlacedSpace, StandardAddress
from geodata.addresses.reverse import Locator
from twin.addresses.store import LIMIT, SQL, Conn, standard_address

AT_ONCE = 5000
"""Addresses fetched and placed together."""

Home = tuple[StandardAddress, str | None]


def locate(conn: Conn) -> Locator:
    """Make the index and the grid; takes seconds for a large district.

    The addresses are read in pieces and never in memory as rows all together.
    """
    with conn.transaction():
        with conn.cursor(row_factory=dict_row) as cursor:
            spaces = [_space(row) for row in cursor.execute(SQL["spaces"])]
            devices = [PlacedDevice(**row) for row in cursor.execute(SQL["devices"])]
        grid = placement.build(spaces)
        index = build(_placed(spaces, grid), devices, _homes(conn, grid))
    return Locator(index=index, grid=grid)


def _homes(conn: Conn, grid: placement.Grid) -> Iterator[Home]:
    """Yield every address with the space it lies in: as delivered, or else as it is placed now."""
    known = frozenset(grid.codes)
    with conn.cursor(name="addresses", row_factory=dict_row) as cursor:
        cursor.execute(SQL["addresses"], {"limit": LIMIT})
        while rows := cursor.fetchmany(AT_ONCE):
            batch = [standard_address(row) for row in rows]
            homeless = [one for one in batch if one.space_code not in known and one.lon is not None]
            found = placement.place(
                grid,
                [one.lon or 0.0 for one in homeless],
                [one.lat or 0.0 for one in homeless],
                tolerance_m=placement.TOLERANCE_M,
            )
            homes = {id(one): where.code for one, where in zip(homeless, found, strict=True)}
            for one in batch:
                yield one, homes.get(id(one), one.space_code)


def _space(row: dict[str, Any]) -> Space:
    return Space(
        code=row["code"],
        kind=SpaceKind(row["kind"]),
        name=row["name"],
        name_en=row["name_en"],
        parent=row["parent"],
        outline=row["outline"],
    )


def _placed(spaces: list[Space], grid: placement.Grid) -> list[PlacedSpace]:
    points = shapely.get_coordinates(shapely.point_on_surface(grid.outlines))
    inside = dict(zip(grid.codes, points.tolist(), strict=True))
    return [
        PlacedSpace(
            code=space.code,
            kind=space.kind,
            name=space.name,
            name_en=space.name_en,
            parent=space.parent,
            lon=round(inside[space.code][0], 7),
            lat=round(inside[space.code][1], 7),
        )
        for space in spaces
    ]


class AddressService:
    """The index for a running API."""

    def __init__(self, database: DatabaseConfig) -> None:
        self._database = database
        self._making = asyncio.Lock()
        self._locator: Locator | None = None
        self._version = -1

    async def locator(self, version: int) -> Locator:
        """Return the index there is; the first one is waited for.

        Raises:
            DatabaseAway: it has to be made, and the database cannot be reached.
        """
        if self._locator is None:
            await self.renew(version)
        assert self._locator is not None
        return self._locator

    def behind(self, version: int) -> bool:
        """Whether the registry has changed since the index was made, and nobody makes it anew."""
        return self._version < version and not self._making.locked()

    async def renew(self, version: int) -> None:
        """Make the index for this version of the registry, unless it was made meanwhile.

        Raises:
            DatabaseAway: the database cannot be reached; the index stays as it is.
        """
        async with self._making:
            if self._locator is None or self._version < version:
                self._locator = await asyncio.to_thread(_make, self._database)
                self._version = version


def _make(database: DatabaseConfig) -> Locator:
    with pool.connect(
        database, autocommit=True, application_name="blocktwin serve addresses"
    ) as conn:
        return locate(conn)
