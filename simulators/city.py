"""Build the ground plan of a synthetic Luohu: codes and names on the cells that ``layout`` cuts.

Codes are text, never numbers: street 9 and community 12 digits as published; grid 15 (community and
3), numbered from west to east in bands from north to south; block 17 (grid and 2); building 19
(community, 2 digits of the grid, and 5: 2 of the block, 3 of its own), as long as the city's own.
"""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from random import Random
from typing import Any

import shapely
from shapely import Polygon

from core.model import Space, SpaceKind
from simulators import layout

# Where the streets' offices lie, roughly; their areas are the points nearest to each.
_STREET_CENTRES = {
    "440303001": (114.1035, 22.5450), "440303002": (114.1400, 22.5530),
    "440303003": (114.1235, 22.5500), "440303004": (114.1300, 22.5680),
    "440303005": (114.1185, 22.5385), "440303006": (114.1045, 22.5640),
    "440303007": (114.1700, 22.5870), "440303008": (114.1850, 22.5660),
    "440303009": (114.1370, 22.5880), "440303010": (114.1080, 22.5860),
}  # fmt: skip
_HALF_STREET_M = {"street": 19.0, "community": 11.0, "grid": 7.5, "block": 5.0}
_GRID_BLOCKS = 4.2
_LEAST_BLOCK_M2 = 1_800.0
_BAND_M = 400.0
_STOREY_M = 3.1


@dataclass(frozen=True, slots=True, kw_only=True)
class Use:
    """What stands on a block.

    Attributes:
        lot_m2: ground of one building; 0 for none.
        cover: how much of the lot's length and width it takes, from and to.
        storeys: from and to.
        zh: how such a block is called.
    """

    lot_m2: float
    cover: tuple[float, float]
    storeys: tuple[int, int]
    zh: str
    en: str


USES = {
    "housing": Use(lot_m2=4_000, cover=(0.5, 0.78), storeys=(7, 32), zh="住宅", en="housing"),
    "village": Use(lot_m2=1_300, cover=(0.8, 0.93), storeys=(5, 9), zh="城中村", en="village"),
    "offices": Use(lot_m2=5_500, cover=(0.55, 0.8), storeys=(12, 60), zh="商务", en="offices"),
    "works": Use(lot_m2=8_500, cover=(0.7, 0.88), storeys=(2, 6), zh="产业", en="works"),
    "park": Use(lot_m2=0, cover=(0, 0), storeys=(0, 0), zh="公园", en="park"),
    "hills": Use(lot_m2=0, cover=(0, 0), storeys=(0, 0), zh="山林", en="hills"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Area:
    """A space together with its outline in plane metres.

    Attributes:
        use: for blocks, a key of ``USES``; else empty.
        street_zh: name of the street it lies in, empty for the district.
    """

    space: Space
    plane: Polygon
    use: str = ""
    street_zh: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class City:
    """The whole plan; every tuple is ordered by code, parents before children over the levels."""

    ground: layout.Ground
    streets: tuple[Area, ...]
    communities: tuple[Area, ...]
    grids: tuple[Area, ...]
    blocks: tuple[Area, ...]
    buildings: tuple[Area, ...]
    district: Area

    def spaces(self) -> tuple[Space, ...]:
        """Return every space, parents before children."""
        levels = (self.streets, self.communities, self.grids, self.blocks, self.buildings)
        return (self.district.space, *(area.space for level in levels for area in level))


@cache
def build(seed: int) -> City:
    """Draw the city; the same seed draws the same one, once a process."""
    codes = json.loads(files("simulators.data").joinpath("luohu_codes.json").read_text("utf-8"))
    land = layout.ground()
    district = _area(codes, SpaceKind.DISTRICT, None, land.outline)
    streets = _streets(codes, land)
    communities: list[Area] = []
    grids: list[Area] = []
    blocks: list[Area] = []
    buildings: list[Area] = []
    for street, facts in zip(streets, codes["streets"], strict=True):
        rng = Random(f"{seed}:{street.space.code}")
        for community in _communities(street, facts, rng):
            communities.append(community)
            for grid in _grids(community, street, rng):
                grids.append(grid)
                frame = (street.plane, community.plane, grid.plane)
                for block in _blocks(grid, frame, land.water, rng):
                    blocks.append(block)
                    buildings.extend(_buildings(block, rng))
    return City(
        ground=land,
        district=district,
        streets=tuple(streets),
        communities=tuple(communities),
        grids=tuple(grids),
        blocks=tuple(blocks),
        buildings=tuple(buildings),
    )


def _area(facts: dict[str, Any], kind: SpaceKind, parent: str | None, plane: Polygon) -> Area:
    space = Space(
        code=facts["code"],
        kind=kind,
        name=facts["name"],
        name_en=facts["name_en"],
        parent=parent,
        outline=layout.ring(plane),
        height_m=facts.get("height_m"),
    )
    return Area(
        space=space, plane=plane, use=facts.get("use", ""), street_zh=facts.get("street_zh", "")
    )


def _streets(codes: dict[str, Any], land: layout.Ground) -> list[Area]:
    centres = [_STREET_CENTRES[street["code"]] for street in codes["streets"]]
    return [
        _area(facts | {"street_zh": facts["name"]}, SpaceKind.STREET, codes["code"], plane)
        for facts, plane in zip(
            codes["streets"], layout.voronoi(land.outline, centres), strict=True
        )
    ]


def _communities(street: Area, facts: dict[str, Any], rng: Random) -> list[Area]:
    named = facts["communities"]
    parts = _in_bands(layout.split_into(street.plane, len(named), rng))
    return [
        _area(one | {"street_zh": street.space.name}, SpaceKind.COMMUNITY, street.space.code, plane)
        for one, plane in zip(named, parts, strict=True)
    ]


def _grids(community: Area, street: Area, rng: Random) -> list[Area]:
    parts = layout.split_until(
        community.plane, lambda x, y: _GRID_BLOCKS * layout.target_block_m2(x, y), rng
    )
    return [
        _area(
            {
                "code": f"{community.space.code}{number:03d}",
                "name": f"{community.space.name}{number:02d}网格",
                "name_en": f"{community.space.name_en} grid {number:02d}",
                "street_zh": street.space.name,
            },
            SpaceKind.GRID,
            community.space.code,
            plane,
        )
        for number, plane in enumerate(_in_bands(parts), start=1)
    ]


def _blocks(
    grid: Area, frame: tuple[Polygon, Polygon, Polygon], water: shapely.Geometry, rng: Random
) -> list[Area]:
    """Leave the roads between the cells free, and the water; what remains are the blocks."""
    inside = water_free = layout.inset(frame[0], _HALF_STREET_M["street"])
    inside = inside.intersection(layout.inset(frame[1], _HALF_STREET_M["community"]))
    inside = inside.intersection(layout.inset(frame[2], _HALF_STREET_M["grid"]))
    water_free = (
        inside.difference(water.buffer(9.0, quad_segs=1)) if inside.intersects(water) else inside
    )
    cells = _in_bands(layout.split_until(grid.plane, layout.target_block_m2, rng))
    shapes: list[Polygon] = []
    for cell in cells:
        chamfer = rng.uniform(2.0, 6.0)
        rough = layout.inset(cell, _HALF_STREET_M["block"]).intersection(water_free)
        for part in layout.polygons_of(rough, _LEAST_BLOCK_M2):
            shape = layout.inset(part, 0.2, chamfer_m=chamfer)
            if shape.area >= _LEAST_BLOCK_M2:
                shapes.append(shape)
    return [_block(grid, number, shape, rng) for number, shape in enumerate(shapes, start=1)]


def _block(grid: Area, number: int, plane: Polygon, rng: Random) -> Area:
    use = _use_of(plane, grid.street_zh, rng)
    return _area(
        {
            "code": f"{grid.space.code}{number:02d}",
            "name": f"{grid.space.name}{number:02d}街区",
            "name_en": f"{grid.space.name_en} block {number:02d}",
            "use": use,
            "street_zh": grid.street_zh,
        },
        SpaceKind.BLOCK,
        grid.space.code,
        plane,
    )


def _use_of(plane: Polygon, street_zh: str, rng: Random) -> str:
    middle = plane.centroid
    target = layout.target_block_m2(middle.x, middle.y)
    if target > 95_000:
        return "hills" if rng.random() < (target - 75_000) / 110_000 else "housing"
    if rng.random() < 0.05:
        return "park"
    weights = {"housing": 5.0, "village": 0.8, "offices": 1.2, "works": 0.2}
    if target < 33_000:
        weights |= {"offices": 5.0, "village": 0.6}
    if street_zh in ("清水河街道", "笋岗街道"):
        weights |= {"works": 4.0}
    return rng.choices(list(weights), list(weights.values()))[0]


def _buildings(block: Area, rng: Random) -> list[Area]:
    use = USES[block.use]
    yard = layout.inset(block.plane, 5.0)
    if not use.lot_m2 or yard.is_empty:
        return []
    lot_m2 = use.lot_m2 * rng.uniform(0.8, 1.4) * (1.0 + yard.area / 60_000)
    lots = _in_bands(layout.split_until(yard, lambda _x, _y: lot_m2, rng))
    shapes = []
    for lot in lots:
        cover = rng.uniform(*use.cover)
        shape = layout.footprint(layout.inset(lot, 1.5), cover, rng)
        if shape.area >= 70 and rng.random() < 0.93:
            shapes.append(shape)
    return [
        _building(block, number, shape, rng.randint(*use.storeys))
        for number, shape in enumerate(shapes, start=1)
    ]


def _building(block: Area, number: int, plane: Polygon, storeys: int) -> Area:
    grid, block_number = block.space.code[:15], block.space.code[15:]
    storeys = min(storeys, 4 + int(plane.area / 25))
    return _area(
        {
            "code": f"{grid[:12]}{grid[13:]}{block_number}{number:03d}",
            "name": f"{block.space.name}{number}栋",
            "name_en": f"{block.space.name_en} building {number}",
            "height_m": round(storeys * _STOREY_M, 1),
            "street_zh": block.street_zh,
        },
        SpaceKind.BUILDING,
        block.space.code,
        plane,
    )


def _in_bands(parts: list[Polygon]) -> list[Polygon]:
    """Order from west to east in bands from north to south, as the grid codes are numbered."""
    middles = {id(part): part.centroid for part in parts}
    return sorted(parts, key=lambda p: (-math.floor(middles[id(p)].y / _BAND_M), middles[id(p)].x))
