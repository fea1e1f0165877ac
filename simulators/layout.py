"""Draw the ground of a synthetic district: cells for streets and blocks, roads, water, footprints.

Plane metres around ``ORIGIN``, x to the east, y to the north. The outline, the rivers and the
reservoir are invented; they only have the size and the lie of the real place, for which no outline
under an open licence exists. Codes and names are ``simulators.district``'s work.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from random import Random

import shapely
from shapely import Polygon

ORIGIN = (114.145, 22.57)
"""Longitude and latitude of the plane's zero point."""

METRES_PER_DEGREE = 111_195.0
_X_SCALE = METRES_PER_DEGREE * math.cos(math.radians(ORIGIN[1]))

_FAR_M = 50_000.0
_SLIVER_M2 = 400.0

_OUTLINE = (
    (114.0975, 22.5360), (114.1075, 22.5305), (114.1165, 22.5290), (114.1225, 22.5345),
    (114.1310, 22.5400), (114.1420, 22.5430), (114.1510, 22.5455), (114.1600, 22.5440),
    (114.1720, 22.5490), (114.1850, 22.5535), (114.1990, 22.5565), (114.2090, 22.5640),
    (114.2120, 22.5760), (114.2040, 22.5870), (114.1920, 22.5950), (114.1790, 22.6050),
    (114.1660, 22.6080), (114.1530, 22.6030), (114.1440, 22.6060), (114.1310, 22.6020),
    (114.1200, 22.5985), (114.1080, 22.6020), (114.0990, 22.5950), (114.0945, 22.5850),
    (114.0965, 22.5730), (114.0945, 22.5600), (114.0955, 22.5470),
)  # fmt: skip
_RIVERS = (
    (
        (114.1225, 22.6040), (114.1200, 22.5930), (114.1150, 22.5830), (114.1135, 22.5730),
        (114.1165, 22.5620), (114.1125, 22.5520), (114.1110, 22.5420), (114.1140, 22.5270),
    ),
    (
        (114.1555, 22.5650), (114.1520, 22.5590), (114.1495, 22.5520), (114.1465, 22.5480),
        (114.1455, 22.5420),
    ),
    (
        (114.2010, 22.5840), (114.1900, 22.5740), (114.1810, 22.5660), (114.1700, 22.5600),
        (114.1620, 22.5530), (114.1590, 22.5430),
    ),
)  # fmt: skip
_RIVER_HALF_WIDTHS_M = (22.0, 14.0, 12.0)
_RESERVOIR = (
    (114.1530, 22.5660), (114.1590, 22.5650), (114.1630, 22.5690), (114.1620, 22.5745),
    (114.1660, 22.5790), (114.1650, 22.5850), (114.1600, 22.5870), (114.1570, 22.5820),
    (114.1540, 22.5790), (114.1555, 22.5730), (114.1515, 22.5695),
)  # fmt: skip


def to_plane(lon: float, lat: float) -> tuple[float, float]:
    """Return metres east and north of ``ORIGIN``."""
    return (lon - ORIGIN[0]) * _X_SCALE, (lat - ORIGIN[1]) * METRES_PER_DEGREE


def to_degrees(x: float, y: float) -> tuple[float, float]:
    """Return longitude and latitude, to a centimetre.

    Example:
        >>> to_degrees(*to_plane(114.1315, 22.5484))
        (114.1315, 22.5484)
    """
    return round(ORIGIN[0] + x / _X_SCALE, 7), round(ORIGIN[1] + y / METRES_PER_DEGREE, 7)


@dataclass(frozen=True, slots=True, kw_only=True)
class Ground:
    """What lies under the city.

    Attributes:
        outline: the district.
        rivers: their courses, as lines.
        water: rivers with their banks, and the reservoir; nothing is built there.
    """

    outline: Polygon
    rivers: tuple[shapely.LineString, ...]
    water: shapely.Geometry


def ground() -> Ground:
    """Return the invented lie of the land."""
    outline = Polygon([to_plane(*point) for point in _OUTLINE])
    rivers = tuple(
        _smooth_line([to_plane(*point) for point in river]).intersection(outline)
        for river in _RIVERS
    )
    reservoir = Polygon([to_plane(*point) for point in _RESERVOIR])
    beds = [
        river.buffer(width, quad_segs=2)
        for river, width in zip(rivers, _RIVER_HALF_WIDTHS_M, strict=True)
    ]
    rounded = reservoir.buffer(-90, quad_segs=4).buffer(110, quad_segs=4)
    return Ground(
        outline=outline,
        rivers=rivers,
        water=shapely.union_all([*beds, rounded]),
    )


def voronoi(outline: Polygon, centres: list[tuple[float, float]]) -> list[Polygon]:
    """Divide an area among centres (degrees); the result has the centres' order."""
    points = [shapely.Point(*to_plane(*centre)) for centre in centres]
    cells = shapely.voronoi_polygons(shapely.MultiPoint(points), extend_to=outline.buffer(2000))
    clipped = [largest(cell.intersection(outline)) for cell in cells.geoms]
    return [next(cell for cell in clipped if cell.contains(point)) for point in points]


# Where the city is densest: the place, its smallest blocks in m², how many km the city reaches.
_CORES = (
    (to_plane(114.1180, 22.5480), 19_000, 4.4),
    (to_plane(114.1745, 22.5585), 32_000, 1.5),
    (to_plane(114.1460, 22.5930), 34_000, 1.0),
    (to_plane(114.1690, 22.5960), 44_000, 0.5),
)


def target_block_m2(x: float, y: float) -> float:
    """Return how large a block is here: small in the old town, large towards the hills."""
    return min(least + _coarser(math.dist((x, y), at) / 1000, reach) for at, least, reach in _CORES)


def _coarser(away_km: float, reach_km: float) -> float:
    city = 11_000 * min(away_km, reach_km)
    return city + min(90_000 * max(0.0, away_km - reach_km), 340_000)


def split_into(area: Polygon, parts: int, rng: Random) -> list[Polygon]:
    """Divide an area into so many parts of like size, by cuts across the longer side."""
    if parts <= 1:
        return [area]
    first = parts // 2
    left, right = _cut(area, first / parts, rng, exact=True)
    return split_into(left, first, rng) + split_into(right, parts - first, rng)


def split_until(
    area: Polygon, target_m2: Callable[[float, float], float], rng: Random
) -> list[Polygon]:
    """Divide an area until every part is about as large as wanted at its place."""
    middle = area.centroid
    if area.area < 1.45 * target_m2(middle.x, middle.y):
        return [area]
    left, right = _cut(area, rng.uniform(0.42, 0.58), rng, exact=False)
    return split_until(left, target_m2, rng) + split_until(right, target_m2, rng)


def inset(area: shapely.Geometry, by_m: float, *, chamfer_m: float = 0.0) -> Polygon:
    """Draw an area smaller by a margin on every side, its corners cut; may be empty."""
    smaller = area.buffer(-by_m - chamfer_m, join_style="mitre")
    if chamfer_m:
        smaller = smaller.buffer(chamfer_m, join_style="bevel").simplify(0.5)
    return largest(smaller)


def largest(shape: shapely.Geometry) -> Polygon:
    """Return the largest polygon of a shape; an empty one if it has none."""
    if isinstance(shape, Polygon):
        return shape
    polygons = [part for part in shapely.get_parts(shape) if isinstance(part, Polygon)]
    return max(polygons, key=lambda part: part.area) if polygons else Polygon()


def polygons_of(shape: shapely.Geometry, least_m2: float) -> list[Polygon]:
    """Return the polygons of a shape that are large enough to count."""
    parts = [part for part in shapely.get_parts(shape) if isinstance(part, Polygon)]
    return [Polygon(part.exterior) for part in parts if part.area >= least_m2]


def footprint(lot: Polygon, cover: float, rng: Random) -> Polygon:
    """Return the outline of a building on its lot: a rectangle along the lot, or an L.

    Args:
        lot: the free ground.
        cover: share of the lot's length and width that the building takes, 0 to 1.
        rng: decides the form.
    """
    if lot.is_empty:
        return lot
    angle, length, width = _axes(lot)
    half_l, half_w = length * cover / 2, width * cover / 2
    corners = [(half_l, -half_w), (half_l, half_w), (-half_l, half_w), (-half_l, -half_w)]
    if half_w > 9 and rng.random() < 0.35:
        corners[1:2] = [(half_l, 0.0), (0.0, 0.0), (0.0, half_w)]
    if rng.random() < 0.5:
        corners = [(-x, -y) for x, y in corners]
    middle, ux, uy = lot.centroid, math.cos(angle), math.sin(angle)
    placed = [(middle.x + x * ux - y * uy, middle.y + x * uy + y * ux) for x, y in corners]
    return largest(Polygon(placed).intersection(lot))


def ring(area: Polygon) -> dict[str, object]:
    """Return an outline as a GeoJSON Polygon in degrees, anticlockwise, without holes."""
    exterior = shapely.geometry.polygon.orient(area).exterior
    points = [list(to_degrees(x, y)) for x, y in exterior.coords]
    return {"type": "Polygon", "coordinates": [points]}


def _cut(area: Polygon, share: float, rng: Random, *, exact: bool) -> tuple[Polygon, Polygon]:
    """Cut an area in two across its longer side, not quite at a right angle.

    Args:
        area: what is cut; if the cut would leave more than two pieces, another angle is tried.
        share: of the length that lies on the near side; of the area, if ``exact``.
        rng: decides the angle.
        exact: whether to search for the place where the areas have that share.
    """
    axis, _, _ = _axes(area)
    pieces: tuple[shapely.Geometry, shapely.Geometry] = (area, area)
    for attempt in range(8):
        angle = axis + math.radians(rng.uniform(-9, 9) + attempt * 13)
        pieces = _halves(area, angle, share, tries=4 if exact else 0)
        if all(isinstance(piece, Polygon) and not piece.is_empty for piece in pieces):
            break
    return largest(pieces[0]), largest(pieces[1])


def _halves(
    area: Polygon, angle: float, share: float, *, tries: int
) -> tuple[shapely.Geometry, shapely.Geometry]:
    """Cut by a line across ``angle``, moved ``tries`` times towards that share of the area."""
    ux, uy = math.cos(angle), math.sin(angle)
    reach = [x * ux + y * uy for x, y in _corners(area)]
    low, high = min(reach), max(reach)
    at = low + share * (high - low)
    for _ in range(tries):
        near = area.intersection(_half_plane(ux, uy, at))
        at += (share - near.area / area.area) * (high - low) * 0.9
    plane = _half_plane(ux, uy, at)
    return area.intersection(plane), area.difference(plane)


def _corners(area: Polygon) -> list[tuple[float, float]]:
    return [(x, y) for x, y in shapely.get_coordinates(area).tolist()]


def _half_plane(ux: float, uy: float, at: float) -> Polygon:
    """Return all points whose reach along (ux, uy) is less than ``at``."""
    edge = (ux * at, uy * at)
    side = (-uy * _FAR_M, ux * _FAR_M)
    back = (ux * _FAR_M, uy * _FAR_M)
    return Polygon(
        [
            (edge[0] + side[0], edge[1] + side[1]),
            (edge[0] - side[0], edge[1] - side[1]),
            (edge[0] - side[0] - back[0], edge[1] - side[1] - back[1]),
            (edge[0] + side[0] - back[0], edge[1] + side[1] - back[1]),
        ]
    )


def _axes(area: Polygon) -> tuple[float, float, float]:
    """Return the direction of the smallest rectangle around an area, its length and its width."""
    hull = _corners(area.convex_hull)
    best = (0.0, math.inf, 0.0)
    for (x1, y1), (x2, y2) in pairwise(hull):
        angle = math.atan2(y2 - y1, x2 - x1)
        ux, uy = math.cos(angle), math.sin(angle)
        along = [x * ux + y * uy for x, y in hull]
        across = [y * ux - x * uy for x, y in hull]
        length, width = max(along) - min(along), max(across) - min(across)
        if length * width < best[1] * best[2] or best[1] == math.inf:
            best = (angle, length, width)
    angle, length, width = best
    return (angle, length, width) if length >= width else (angle + math.pi / 2, width, length)


def _smooth_line(points: list[tuple[float, float]]) -> shapely.LineString:
    """Round the corners of a course by cutting them twice (Chaikin)."""
    for _ in range(2):
        cut = [points[0]]
        for (x1, y1), (x2, y2) in pairwise(points):
            cut.append((0.75 * x1 + 0.25 * x2, 0.75 * y1 + 0.25 * y2))
            cut.append((0.25 * x1 + 0.75 * x2, 0.25 * y1 + 0.75 * y2))
        points = [*cut, points[-1]]
    return shapely.LineString(points)
