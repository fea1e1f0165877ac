"""The gazetteer of what is loaded, for reading the addresses of a list."""

from __future__ import annotations

from core.model import SpaceKind
from geodata.addresses.names import Gazetteer
from geodata.addresses.places import PlacedSpace
from geodata.addresses.titles import gazetteer_of
from twin.addresses.store import SQL, Conn


def names_of(conn: Conn) -> Gazetteer:
    """Return the districts, streets and communities in force, and the built-in names."""
    rows = conn.execute(SQL["names"]).fetchall()
    return gazetteer_of(
        PlacedSpace(
            code=code, kind=SpaceKind(kind), name=name, name_en="", parent=parent, lon=0, lat=0
        )
        for code, kind, name, parent in rows
    )
