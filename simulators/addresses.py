"""Standard addresses for the buildings of the demo district; every road and estate is invented.

Roads run from west to east through each street (subdistrict), odd numbers on their northern side.
A block of housing is an estate with one door number, an office block a 大厦 with towers by letter,
and in an urban village each house has its own number. ``source`` says that it is synthetic.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterator
from random import Random

from geodata.addresses.parse import parse
from geodata.addresses.places import StandardAddress
from simulators import city as plan
from simulators.city import Area, City
from simulators.district import DEFAULT_SEED
from simulators.layout import to_degrees

SOURCE = "synthetic: invented roads and numbers"
_HEAD = "广东省深圳市罗湖区"
_ROAD_EVERY_M = 260.0
_FIRST = "云锦瑞嘉泰和丰景秀雅清逸康宁祥福盛华昌荣安乐兴隆德仁礼信美佳金玉晨曦朝阳星月春夏"
_SECOND = "庭澜畔湾峰岸园林泉溪桥亭台阁轩苑堤坡岭谷川江河湖海洋港帆舟渔樵耕读书画琴棋诗酒"
_ROADS = ("路", "路", "街", "大道")
_ENDINGS = {
    "housing": ("花园", "苑", "家园", "居"),
    "offices": ("大厦", "广场", "中心"),
    "works": ("工业园", "产业园"),
}


def demo_addresses(seed: int = DEFAULT_SEED) -> tuple[StandardAddress, ...]:
    """Return one address for each building of ``simulators.district.demo_district(seed)``."""
    city = plan.build(seed)
    names = _Names(Random(f"{seed}:addresses"))
    buildings: dict[str, list[Area]] = defaultdict(list)
    for building in city.buildings:
        buildings[building.space.parent or ""].append(building)
    communities = {area.space.code: area.space.name for area in city.communities}
    found = []
    for road, door, block in _doors(city, names):
        head = f"{_HEAD}{block.street_zh}{communities[block.space.code[:12]]}"
        for text, building in _of_block(block, buildings[block.space.code], road, door, names):
            found.append(_address(head + text, building))
    return tuple(found)


class _Names:
    """Invented names, none given twice."""

    def __init__(self, rng: Random) -> None:
        pairs = [a + b for a in _FIRST for b in _SECOND]
        rng.shuffle(pairs)
        self._left = iter(pairs)
        self._rng = rng

    def draw(self, endings: tuple[str, ...]) -> str:
        return next(self._left) + self._rng.choice(endings)

    def step(self) -> int:
        """How much higher the next number on a side is: even, most often 2."""
        return self._rng.choice((2, 2, 2, 4, 6))


def _doors(city: City, names: _Names) -> Iterator[tuple[str, int, Area]]:
    """Yield each block with its road and door number."""
    bands: dict[tuple[str, int], list[Area]] = defaultdict(list)
    for block in city.blocks:
        band = math.floor(block.plane.centroid.y / _ROAD_EVERY_M)
        bands[block.street_zh, band].append(block)
    for (_, band), blocks in sorted(bands.items()):
        road = names.draw(_ROADS)
        middle = (band + 0.5) * _ROAD_EVERY_M
        last = [-1, 0]
        for block in sorted(blocks, key=lambda b: b.plane.centroid.x):
            side = 0 if block.plane.centroid.y > middle else 1
            last[side] += names.step()
            yield road, last[side], block


def _of_block(
    block: Area, buildings: list[Area], road: str, door: int, names: _Names
) -> Iterator[tuple[str, Area]]:
    if not buildings:
        return
    if block.use == "village":
        village = names.draw(("村", "新村"))
        for number, building in enumerate(buildings, start=1):
            yield f"{village}{number}号", building
        return
    estate = names.draw(_ENDINGS[block.use])
    for number, building in enumerate(buildings):
        tower = chr(ord("A") + number) if block.use == "offices" and number < 26 else number + 1
        word = f"{tower}栋" if len(buildings) > 1 else ""
        yield f"{road}{door}号{estate}{word}", building


def _address(text: str, building: Area) -> StandardAddress:
    inside = building.plane.representative_point()
    lon, lat = to_degrees(inside.x, inside.y)
    return StandardAddress(
        text=text,
        address=parse(text),
        lon=lon,
        lat=lat,
        space_code=building.space.code,
        building_code=building.space.code,
        source=SOURCE,
    )
