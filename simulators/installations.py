"""Put instruments where they would stand: detectors on storeys, outfalls on banks, loops in roads.

A *site* is what belongs together: the detectors of a building, the points of a slope, the
detectors along a road, a low spot, the meters of a charging area. Scenarios happen to sites. Every
device carries in its attributes its ``site`` and the ``space`` it was put into, so that a test can
compare that with where the twin places it. Ids and gateways are given in ``simulators.district``.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import pairwise
from random import Random
from typing import Any

import shapely
from shapely import Point, Polygon, STRtree

from simulators.city import Area, City
from simulators.layout import inset

FIRE_SITES = 40
SLOPE_SITES = 20
ROADS = 35
LOW_SPOTS = 35
CHARGING_AREAS = 20

COUNTS = {
    "smoke": 300, "heat": 150, "fire_panel": 40,
    "outfall_flow": 40, "pipe_flow": 50, "waterlogging": 70, "river_level": 15,
    "rain_gauge": 25, "water_quality": 10,
    "tilt": 70, "displacement": 60, "crack": 50, "pore_pressure": 30,
    "geomagnetic": 210, "charging_voltage": 80,
}  # fmt: skip
"""How many of each kind the demo district has: 1,200 together."""

ROAD_SPACING_M = 45.0
_STOREY_M = 3.1
_DETECTOR_BELOW_CEILING_M = 0.1
_ROOM_RADIUS_M = 4.5
_ROADSIDE_M = 3.0
_CLEAR_OF_EDGE_M = 60.0
_SLOPE_RADIUS_M = 35.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Post:
    """An instrument at its place, still without id and gateway.

    Attributes:
        at: metres on the plane of ``simulators.layout``.
        space: the smallest space that holds it, with its street's name.
    """

    kind: str
    site: str
    at: tuple[float, float]
    space: Area
    name: str
    height_m: float
    facts: dict[str, Any] = field(default_factory=dict)


def install(city: City, seed: int) -> list[Post]:
    """Return every instrument of the district."""
    makers: dict[str, Callable[[City, Random], Iterator[Post]]] = {
        "fire": _fire,
        "river": _river,
        "rain": _rain,
        "drains": _drains,
        "slope": _slope,
        "roads": _roads,
        "charging": _charging,
    }
    return [
        post
        for name, make in makers.items()
        for post in make(city, Random(f"{seed}:install:{name}"))
    ]


def _share(total: int, sites: int) -> list[int]:
    """Return how many of ``total`` each site gets.

    Example:
        >>> _share(7, 3)
        [3, 2, 2]
    """
    return [total // sites + (index < total % sites) for index in range(sites)]


def _fire(city: City, rng: Random) -> Iterator[Post]:
    blocks = {block.space.code: block for block in city.blocks}
    fit = [b for b in city.buildings if b.plane.area > 260 and (b.space.height_m or 0) > 12]
    by_use: dict[str, list[Area]] = {}
    for building in fit:
        by_use.setdefault(blocks[building.space.parent or ""].use, []).append(building)
    uses = rng.choices(("housing", "village", "offices", "works"), (4, 3, 3, 2), k=FIRE_SITES)
    chosen = [by_use[use].pop(rng.randrange(len(by_use[use]))) for use in uses]
    smokes = _share(COUNTS["smoke"], FIRE_SITES)
    heats = _share(COUNTS["heat"], FIRE_SITES)
    for number, building in enumerate(chosen):
        site = f"fire-{number + 1:02d}"
        yield Post(
            kind="fire_panel",
            site=site,
            at=_inside(building.plane, rng),
            space=building,
            name=f"{building.space.name} 消防主机",
            height_m=1.5,
        )
        yield from _rooms(building, site, smokes[number], heats[number], rng)


def _rooms(building: Area, site: str, smokes: int, heats: int, rng: Random) -> Iterator[Post]:
    """Fill rooms on a few storeys; each has smoke detectors and, while they last, a heat one."""
    storeys = max(2, int((building.space.height_m or 0) / _STOREY_M))
    rooms = max(heats, 1)
    kinds = ["smoke"] * smokes + ["heat"] * heats
    centres = [_inside(building.plane, rng) for _ in range(rooms)]
    floors = [rng.randint(1, storeys) for _ in range(rooms)]
    counts = {"smoke": 0, "heat": 0}
    for kind in kinds:
        room = counts[kind] % rooms
        counts[kind] += 1
        floor = floors[room]
        yield Post(
            kind=kind,
            site=site,
            at=_near(centres[room], _ROOM_RADIUS_M, building.plane, rng),
            space=building,
            name=f"{building.space.name}{floor}层 {_FIRE_NAMES[kind]}{counts[kind]}",
            height_m=round(floor * _STOREY_M - _DETECTOR_BELOW_CEILING_M, 2),
            facts={"floor": floor, "room": room + 1},
        )


_FIRE_NAMES = {"smoke": "烟感", "heat": "温感"}


def _river(city: City, rng: Random) -> Iterator[Post]:
    """Outfalls on both banks, level gauges and quality stations in the stream."""
    find = _Finder(city.grids)
    widths = (22.0, 14.0, 12.0)
    total = sum(river.length for river in city.ground.rivers)
    for kind, zh in (
        ("outfall_flow", "排口"),
        ("river_level", "水位站"),
        ("water_quality", "水质站"),
    ):
        count = COUNTS[kind]
        for number in range(1, count + 1):
            along = (number - rng.uniform(0.3, 0.7)) / count * total
            side = 0.0 if kind != "outfall_flow" else rng.choice((-1.0, 1.0))
            at, grid = _on_river(city, find, widths, along, side)
            yield Post(
                kind=kind,
                site=f"{kind}-{number:02d}",
                at=at,
                space=grid,
                name=f"{grid.space.name} {zh}{number:02d}",
                height_m=0.0,
            )


def _on_river(
    city: City, find: _Finder, widths: tuple[float, ...], along: float, side: float
) -> tuple[tuple[float, float], Area]:
    """Return the point so many metres down all rivers, on the bank that ``side`` names."""
    index = 0
    rivers = city.ground.rivers
    while along > rivers[index].length and index + 1 < len(rivers):
        along -= rivers[index].length
        index += 1
    river = rivers[index]
    along = min(max(along, 40.0), river.length - 40.0)
    here, ahead = river.interpolate(along), river.interpolate(along + 5.0)
    dx, dy = ahead.x - here.x, ahead.y - here.y
    off = side * (widths[index] + 3.0) / math.hypot(dx, dy)
    at = (here.x - dy * off, here.y + dx * off)
    grid = find.at(at)
    return (at, grid) if grid is not None else ((here.x, here.y), find.nearest((here.x, here.y)))


def _rain(city: City, rng: Random) -> Iterator[Post]:
    """Rain gauges on roofs, one in every few communities."""
    communities = sorted({building.space.code[:12] for building in city.buildings})
    step = len(communities) / COUNTS["rain_gauge"]
    for number in range(COUNTS["rain_gauge"]):
        code = communities[int(number * step)]
        roof = rng.choice([b for b in city.buildings if b.space.code.startswith(code)])
        yield Post(
            kind="rain_gauge",
            site=f"rain_gauge-{number + 1:02d}",
            at=_inside(roof.plane, rng),
            space=roof,
            name=f"{roof.space.name} 雨量站{number + 1:02d}",
            height_m=roof.space.height_m or 0.0,
        )


def _drains(city: City, rng: Random) -> Iterator[Post]:
    """Low spots with two gauges each, and flow meters in the storm pipes under the roads."""
    edges = _road_edges(city, least_m=60.0)
    chosen = rng.sample(edges, LOW_SPOTS + COUNTS["pipe_flow"])
    gauges = _share(COUNTS["waterlogging"], LOW_SPOTS)
    for number, edge in enumerate(chosen[:LOW_SPOTS], start=1):
        middle = edge.line.length / 2
        # How deep a spot drowns under one and the same rain; the second gauge sits a little lower.
        storage = round(rng.uniform(0.7, 1.5), 2)
        for gauge in range(gauges[number - 1]):
            yield Post(
                kind="waterlogging",
                site=f"low-{number:02d}",
                at=edge.point(middle + 12.0 * gauge),
                space=edge.grid,
                name=f"{edge.grid.space.name}低洼点{number:02d} 积水{gauge + 1}",
                height_m=0.0,
                facts={"storage": storage, "lower_m": round(0.04 * gauge, 2)},
            )
    for number, edge in enumerate(chosen[LOW_SPOTS:], start=1):
        yield Post(
            kind="pipe_flow",
            site=f"pipe-{number:02d}",
            at=edge.point(edge.line.length / 2),
            space=edge.grid,
            name=f"{edge.grid.space.name} 雨水管{number:02d}",
            height_m=-2.5,
        )


def _slope(city: City, rng: Random) -> Iterator[Post]:
    hills = [block for block in city.blocks if block.use == "hills"]
    kinds = {"tilt": "倾角", "displacement": "位移", "crack": "裂缝", "pore_pressure": "孔压"}
    shares = {kind: _share(COUNTS[kind], SLOPE_SITES) for kind in kinds}
    for number, block in enumerate(rng.sample(hills, SLOPE_SITES), start=1):
        centre = _inside(inset(block.plane, 50.0) or block.plane, rng)
        for kind, zh in kinds.items():
            for one in range(1, shares[kind][number - 1] + 1):
                at = _near(centre, _SLOPE_RADIUS_M, block.plane, rng)
                yield Post(
                    kind=kind,
                    site=f"slope-{number:02d}",
                    at=at,
                    space=block,
                    name=f"{block.space.name}边坡{number:02d} {zh}{one}",
                    height_m=round(rng.uniform(-6.0, -1.0) if kind == "pore_pressure" else 0.3, 1),
                    facts={"centre_m": round(math.dist(at, centre), 1)},
                )


def _roads(city: City, rng: Random) -> Iterator[Post]:
    """Rows of detectors along roads; ``along_m`` counts in the driving direction."""
    per_road = COUNTS["geomagnetic"] // ROADS
    edges = _road_edges(city, least_m=ROAD_SPACING_M * per_road)
    for number, edge in enumerate(rng.sample(edges, ROADS), start=1):
        begin = (edge.line.length - ROAD_SPACING_M * (per_road - 1)) / 2
        free_kmh = rng.choice((40, 50, 60))
        for one in range(per_road):
            along = ROAD_SPACING_M * one
            yield Post(
                kind="geomagnetic",
                site=f"road-{number:02d}",
                at=edge.point(begin + along),
                space=edge.grid,
                name=f"{edge.grid.space.name}路段{number:02d} 地磁{one + 1}",
                height_m=0.0,
                facts={"along_m": along, "free_kmh": free_kmh},
            )


def _charging(city: City, rng: Random) -> Iterator[Post]:
    """Charging areas for electric bicycles: meters in the yards of housing and villages."""
    blocks = [block for block in city.blocks if block.use in ("housing", "village")]
    built: dict[str, list[Polygon]] = {}
    for building in city.buildings:
        built.setdefault(building.space.parent or "", []).append(building.plane)
    meters = _share(COUNTS["charging_voltage"], CHARGING_AREAS)
    for number, block in enumerate(rng.sample(blocks, CHARGING_AREAS), start=1):
        houses = shapely.union_all(built.get(block.space.code, [])).buffer(1.0)
        centre = _inside(block.plane, rng, avoid=houses)
        # The resistance of the feeder grows to the last meter at its end.
        for one in range(meters[number - 1]):
            yield Post(
                kind="charging_voltage",
                site=f"charging-{number:02d}",
                at=_near(centre, 14.0, block.plane, rng, avoid=houses),
                space=block,
                name=f"{block.space.name}充电区{number:02d} 电压{one + 1}",
                height_m=1.2,
                facts={"feeder_ohm": round(0.24 + 0.04 * one, 2)},
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Edge:
    """A stretch of road along one side of a grid cell, running on the cell's own side."""

    grid: Area
    line: shapely.LineString

    def point(self, along: float) -> tuple[float, float]:
        here = self.line.interpolate(along)
        return here.x, here.y


def _road_edges(city: City, *, least_m: float) -> list[_Edge]:
    """Return the sides of grid cells that are long enough and away from water and the border."""
    clear = city.district.plane.buffer(-_CLEAR_OF_EDGE_M).difference(city.ground.water.buffer(20.0))
    edges = []
    for grid in city.grids:
        verge = inset(grid.plane, _ROADSIDE_M)
        sides = [shapely.LineString(pair) for pair in pairwise(verge.exterior.coords)]
        longest = max(sides, key=lambda side: side.length)
        if longest.length >= least_m + 20.0 and clear.contains(longest):
            edges.append(_Edge(grid=grid, line=longest))
    return edges


class _Finder:
    """Finds the cell that holds a point."""

    def __init__(self, areas: tuple[Area, ...]) -> None:
        self._areas = areas
        self._tree = STRtree([area.plane for area in areas])

    def at(self, point: tuple[float, float]) -> Area | None:
        found = self._tree.query(Point(point), predicate="within")
        return self._areas[int(found[0])] if len(found) else None

    def nearest(self, point: tuple[float, float]) -> Area:
        return self._areas[int(self._tree.nearest(Point(point)))]


def _inside(
    area: Polygon, rng: Random, *, avoid: shapely.Geometry | None = None
) -> tuple[float, float]:
    """Return a random point inside an area, a metre or more from its edge."""
    free = inset(area, 1.0) if avoid is None else inset(area, 1.0).difference(avoid)
    west, south, east, north = free.bounds
    for _ in range(200):
        point = Point(rng.uniform(west, east), rng.uniform(south, north))
        if free.contains(point):
            return point.x, point.y
    point = free.representative_point()
    return point.x, point.y


def _near(
    centre: tuple[float, float],
    radius: float,
    area: Polygon,
    rng: Random,
    *,
    avoid: shapely.Geometry | None = None,
) -> tuple[float, float]:
    """Return a random point inside an area, within a radius of a point of it."""
    circle = Point(centre).buffer(radius, quad_segs=6).intersection(area)
    parts = [part for part in shapely.get_parts(circle) if part.area > 12.0]
    return _inside(max(parts, key=lambda part: part.area), rng, avoid=avoid) if parts else centre
