"""Door numbers that nobody recorded: their neighbours on the same road, and a point between them.

Even and odd numbers stand on two sides; only numbers of one side are put between each other.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from geodata.addresses.index import LEVELS, Index
from geodata.addresses.places import Level
from geodata.placement import METRES_PER_DEGREE

FARTHEST_NUMBERS = 60
FARTHEST_M = 600.0
"""Between doors farther apart, in numbers or metres, nothing is reckoned."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Neighbours:
    """What is known near a door number.

    Attributes:
        nearest: row of the nearest number, of the same side if there is one within
            ``FARTHEST_NUMBERS``; ``same_side`` says whether it is.
        number: that row's number.
        point: longitude and latitude between the neighbours, None where they are too far apart.
        between: the two numbers that the point lies between.
    """

    nearest: int
    number: int
    same_side: bool
    point: tuple[float, float] | None
    between: tuple[int, int] | None


def neighbours(index: Index, road: int, number: int) -> Neighbours | None:
    """Look for the neighbours of a number on a road; None if the road has no door with a point."""
    rows = index.by_road.of(road)
    level = index.columns["level"][rows]
    doors = rows[(level == LEVELS.index(Level.DOOR)) & ~np.isnan(index.lon[rows])]
    if not len(doors):
        return None
    numbers = index.columns["door_no"][doors]
    side = numbers % 2 == number % 2
    away = np.abs(numbers - number)
    same = bool((side & (away <= FARTHEST_NUMBERS)).any())
    picked = int(np.argmin(np.where(side, away, away + 10**6) if same else away))
    point, between = None, None
    low, high = side & (numbers < number), side & (numbers > number)
    if low.any() and high.any():
        a, b = int(np.flatnonzero(low)[-1]), int(np.flatnonzero(high)[0])
        if point := _between(index, (int(doors[a]), int(doors[b])), numbers[[a, b]], number):
            between = int(numbers[a]), int(numbers[b])
    return Neighbours(
        nearest=int(doors[picked]),
        number=int(numbers[picked]),
        same_side=bool(side[picked]),
        point=point,
        between=between,
    )


def _between(
    index: Index, rows: tuple[int, int], numbers: np.ndarray, number: int
) -> tuple[float, float] | None:
    a, b = rows
    if numbers[1] - numbers[0] > FARTHEST_NUMBERS or metres(index, a, b) > FARTHEST_M:
        return None
    share = (number - numbers[0]) / (numbers[1] - numbers[0])
    lon = index.lon[a] + share * (index.lon[b] - index.lon[a])
    lat = index.lat[a] + share * (index.lat[b] - index.lat[a])
    return round(float(lon), 7), round(float(lat), 7)


def metres(index: Index, a: int, b: int) -> float:
    """Distance of two rows."""
    narrow = np.cos(np.radians(index.lat[a]))
    x = (index.lon[a] - index.lon[b]) * narrow
    return float(np.hypot(x, index.lat[a] - index.lat[b]) * METRES_PER_DEGREE)
