"""From a point to an address: the spaces that hold it, and the nearest address or building.

Degrees are EPSG:4490, longitude first; whoever has another frame converts it before.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from geodata.addresses.index import LEVELS, SOURCES, Index
from geodata.addresses.places import Level, Sentence, Source, Step
from geodata.placement import METRES_PER_DEGREE, TOLERANCE_M, Grid, place

NEAR_M = 60.0
"""A standard address farther away is not the point's own."""

NEARBY_M = 2000.0
"""What is farther away is not named at all."""

_WINDS = (
    ("北", "north"), ("东北", "north-east"), ("东", "east"), ("东南", "south-east"),
    ("南", "south"), ("西南", "south-west"), ("西", "west"), ("西北", "north-west"),
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Nearest:
    """The nearest known place: how far, and in which direction from it the point lies."""

    address: str
    level: Level
    distance_m: float
    direction: Sentence
    lon: float
    lat: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Where:
    """What is said of a point.

    Attributes:
        address: a standard address if one is near, else the names of the spaces; "" for neither.
        level: of ``address``; None where there is none.
        path: the spaces that hold it, the district first.
        how: ``within``, ``snapped`` (outside, but within the tolerance) or ``unplaced``.
        distance_m: to the address, None where the spaces only were named.
        nearest: the nearest address, building or block, None within ``NEARBY_M``.
    """

    lon: float
    lat: float
    address: str
    level: Level | None
    path: tuple[Step, ...]
    space_code: str | None
    how: str
    distance_m: float | None
    nearest: Nearest | None
    why: Sentence


@dataclass(frozen=True, slots=True, kw_only=True)
class Locator:
    """The index together with the grid of the same spaces."""

    index: Index
    grid: Grid

    def at(self, lon: float, lat: float) -> Where:
        """Say where a point is; never raises for a position that lies nowhere."""
        placed = place(self.grid, [lon], [lat], tolerance_m=TOLERANCE_M)[0]
        path = self.index.path(placed.code)
        nearest, row = self._nearest(lon, lat, placed.code)
        own = nearest if nearest and self._is_own(row, nearest, placed.code) else None
        containing = Level(str(path[-1].kind)) if path else None
        return Where(
            lon=lon,
            lat=lat,
            address=own.address if own else _of_path(path),
            level=own.level if own else containing,
            path=path,
            space_code=placed.code,
            how=placed.how,
            distance_m=own.distance_m if own else None,
            nearest=nearest,
            why=_say(placed.how, placed.note, nearest, own=own is not None),
        )

    def _is_own(self, row: int, nearest: Nearest, code: str | None) -> bool:
        if self.index.source(row) not in (Source.STANDARD, Source.DERIVED):
            return False
        space = self.index.space_of(row)
        return nearest.distance_m <= NEAR_M or (space is not None and space.code == code)

    def _nearest(self, lon: float, lat: float, code: str | None) -> tuple[Nearest | None, int]:
        """The nearest place with a door or a building; a building's own address before others."""
        if not np.isfinite([lon, lat]).all() or not len(self.index):
            return None, -1
        columns = self.index.columns
        x = (self.index.lon - lon) * np.cos(np.radians(lat)) * METRES_PER_DEGREE
        y = (self.index.lat - lat) * METRES_PER_DEGREE
        away = np.hypot(x, y)
        away[np.isnan(away) | ~_SHOWN[columns["level"]]] = np.inf
        rank = np.where(columns["source"] == SOURCES.index(Source.STANDARD), 0.0, 0.5)
        rank += np.where(columns["source"] == SOURCES.index(Source.SPACE), 2.0, 0.0)
        number = self.index.space_number.get(code or "", -2)
        # An address of the very building that holds the point is nearer than any other.
        building = number >= 0 and str(self.index.spaces[number].kind) == "building"
        own = (columns["space"] == number) & (rank < 2) if building else np.zeros(len(away), bool)
        order = np.where(own & np.isfinite(away), away - 1e6, away) + rank * 0.01
        row = int(np.argmin(order))
        if not np.isfinite(away[row]) or away[row] > NEARBY_M:
            return None, -1
        found = Nearest(
            address=self.index.texts[row],
            level=self.index.level(row),
            distance_m=round(float(away[row]), 1),
            direction=_wind(-float(x[row]), -float(y[row])),
            lon=float(self.index.lon[row]),
            lat=float(self.index.lat[row]),
        )
        return found, row


_SHOWN = np.array(
    [level in (Level.DOOR, Level.ESTATE, Level.BUILDING, Level.BLOCK) for level in LEVELS]
)


def _wind(east: float, north: float) -> Sentence:
    """Return the direction of a way as one of eight."""
    turn = np.degrees(np.arctan2(east, north)) % 360
    return Sentence(*_WINDS[int((turn + 22.5) // 45) % 8])


def _of_path(path: tuple[Step, ...]) -> str:
    """Write the names of the spaces one after another, none twice."""
    text = ""
    for step in path:
        # A grid, block or building here bears its container's name in its own.
        above = next((p.name for p in reversed(path[: path.index(step)])), "")
        text += step.name.removeprefix(above) if above else step.name
    return text


def _say(how: str, note: str, nearest: Nearest | None, *, own: bool) -> Sentence:
    if nearest is None:
        zh = "附近没有已知的地址或楼栋"
        en = "no known address or building is near"
    elif own:
        zh = f"距标准地址 {nearest.distance_m:.0f} 米"
        en = f"{nearest.distance_m:.0f} m from this standard address"
    else:
        zh = f"在{nearest.address}{nearest.direction.zh}方向 {nearest.distance_m:.0f} 米"
        en = f"{nearest.distance_m:.0f} m {nearest.direction.en} of {nearest.address}"
    if how == "within":
        return Sentence(zh, en)
    if how == "snapped":
        return Sentence(f"在所有单元之外，归入最近的单元；{zh}", f"{note} every space; {en}")
    return Sentence(f"不在任何单元内；{zh}", f"{note}; {en}")
