"""What an address is called in the tables of the index, and the names that spaces bring along."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import replace

from core.model import SpaceKind
from geodata.addresses.names import Admin, Gazetteer, Name, built_in
from geodata.addresses.parts import Address, road_of
from geodata.addresses.places import Level, PlacedSpace
from geodata.addresses.text import clean

ADMIN = ("province", "city", "district", "street", "community")
_GENERIC_ESTATE = re.compile(r"\d+[^\d]{1,2}|院|[东西南北中]区")


def gazetteer_of(spaces: Iterable[PlacedSpace], roads: Iterable[str] = ()) -> Gazetteer:
    """Return the built-in gazetteer with the streets and communities in force."""
    by_code = {space.code: space for space in spaces}
    kinds = {
        SpaceKind.DISTRICT: Admin.DISTRICT,
        SpaceKind.STREET: Admin.STREET,
        SpaceKind.COMMUNITY: Admin.COMMUNITY,
    }
    known = built_in()
    names = []
    for space in by_code.values():
        if space.kind not in kinds:
            continue
        chain = [space]
        while chain[-1].parent in by_code and len(chain) < len(SpaceKind):
            chain.append(by_code[chain[-1].parent or ""])
        district = clean(chain[-1].name)
        home = next((n.within for n in known.named(Admin.DISTRICT, district)
                     if n.within[:2] == known.home), known.home)  # fmt: skip
        above = [clean(one.name) for one in reversed(chain[1:])]
        names.append(Name(kinds[space.kind], clean(space.name), (*home, *above)))
    return known.with_names(names, roads)


def estate_of(address: Address) -> str:
    """Return what holds the building; 2街区 or 院 alone says nothing without what it lies in."""
    if not address.estate or not _GENERIC_ESTATE.fullmatch(address.estate):
        return address.estate
    door = f"{address.door}号" if address.door else ""
    grid = f"{address.grid}网格" if address.grid else ""
    return f"{address.community}{grid}{road_of(address)}{door}{address.estate}"


def label_of(address: Address) -> str:
    """Return the name of a place down to the building, with its community in front."""
    upto = replace(address, unit="", floor="", room="", room_sub="", rest="")
    return (address.community + upto.local).strip() or address.street or address.district


def level_of(address: Address) -> Level:
    """Return the level of the finest part of an address."""
    order = (
        (address.room, Level.ROOM),
        (address.floor, Level.FLOOR),
        (address.unit, Level.UNIT),
        (address.building, Level.BUILDING),
        (address.estate, Level.ESTATE),
        (address.door, Level.DOOR),
        (bool(address.ways), Level.ROAD),
        (address.grid, Level.GRID),
        (address.community, Level.COMMUNITY),
        (address.street, Level.STREET),
    )
    return next((level for part, level in order if part), Level.DISTRICT)


def with_admin(address: Address, upper: Mapping[str, str]) -> Address:
    """Return the address with other names from the province to the community."""
    return replace(
        address,
        province=upper.get("province", address.province),
        city=upper.get("city", address.city),
        district=upper.get("district", address.district),
        street=upper.get("street", address.street),
        community=upper.get("community", address.community),
    )
