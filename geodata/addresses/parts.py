"""An address taken apart, and its one spelling; ``geodata.addresses.parse`` takes it apart."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, fields

_LANE = re.compile(
    r"(?:\d+|[东西南北中上下前后]|[东西南北中上下][一二三四五六七八九十])(?:巷|弄|坊|区|组|队|街|横巷)"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Address:
    """An address taken apart; every part is empty where the text does not say it.

    Attributes:
        ways: roads, villages and lanes in the order given; the door number is the last one's.
        door: its number; ``door_to`` the end of a range (28-30号), ``door_sub`` a sub-number
            (28号之2, 28-2号, 28号附2).
        estate: 小区, 院, 大厦: what has a name and holds buildings.
        floor: below ground negative.
        shop: whether the room is a 铺.
        hint: what describes the place and is no part of the address.
        rest: what was not understood.
        bare: the part that the last number was taken for although no word says so; "" for none.
        notes: what was assumed, one sentence each.
    """

    province: str = ""
    city: str = ""
    district: str = ""
    street: str = ""
    community: str = ""
    grid: str = ""
    ways: tuple[str, ...] = ()
    door: str = ""
    door_to: str = ""
    door_sub: str = ""
    estate: str = ""
    building: str = ""
    unit: str = ""
    floor: str = ""
    room: str = ""
    room_sub: str = ""
    shop: bool = False
    hint: str = ""
    rest: str = ""
    bare: str = ""
    notes: tuple[str, ...] = ()

    @property
    def admin(self) -> tuple[str, str, str, str, str]:
        """Province, city, district, street and community."""
        return self.province, self.city, self.district, self.street, self.community

    @property
    def local(self) -> str:
        """The normal form without what lies above the grid."""
        return "".join(_spelled(self)).strip()

    @property
    def normal(self) -> str:
        """The one text of this address."""
        city = "" if self.city == self.province else self.city
        head = (self.province, city, self.district, self.street, self.community)
        return "".join(head) + self.local

    def parts(self) -> dict[str, object]:
        """Return the parts that are there, by name."""
        return {
            field.name: value if not isinstance(value, tuple) else list(value)
            for field in fields(self)
            if (value := getattr(self, field.name))
        }


def _spelled(address: Address) -> Iterator[str]:
    if address.grid:
        yield f"{address.grid}网格"
    yield from address.ways
    if address.door:
        sub = f"之{address.door_sub}" if address.door_sub else ""
        yield address.door + (f"~{address.door_to}" if address.door_to else "") + "号" + sub
    yield address.estate
    if address.building:
        yield f"{address.building}栋"
    if address.unit:
        yield f"{address.unit}单元"
    if address.floor:
        yield f"{address.floor}层".replace("-", "负")
    if address.room:
        sub = f"之{address.room_sub}" if address.room_sub else ""
        yield address.room + ("铺" if address.shop else "室") + sub
    if address.rest:
        yield f" {address.rest}"


def is_lane(way: str) -> bool:
    """Whether a name says nothing without the village or road it belongs to: 3巷, 东区."""
    return _LANE.fullmatch(way) is not None


def road_of(address: Address) -> str:
    """Return what the door number belongs to, a lane with its village or road: 向西村3巷."""
    ways = address.ways
    if len(ways) > 1 and is_lane(ways[-1]):
        return ways[-2] + ways[-1]
    return ways[-1] if ways else ""
