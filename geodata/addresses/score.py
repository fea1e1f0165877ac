"""Which known places a parsed address may mean, and how well each fits.

A score is a product: how alike the names are, times a factor for each part that the place lacks,
has beyond what was said, or contradicts. The factors are ours, set by the scored set of the tests
and no measure of probability.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from geodata.addresses.index import LEVELS, SOURCES, Index
from geodata.addresses.lookup import IX, Found, NameTable
from geodata.addresses.parts import Address, road_of
from geodata.addresses.places import Level, Source
from geodata.addresses.titles import estate_of, label_of

F8 = npt.NDArray[np.float64]

NAMES_AT_ONCE = 12
"""So many like names are followed up; more alike ones than that say nothing."""
ROWS_OF_NAME = 300
COMPLETIONS = 20

_LACKS = {
    "door": 0.7, "door_sub": 0.9, "building": 0.75, "unit": 0.96, "floor": 0.97, "room": 0.85,
    "room_sub": 0.97,
}  # fmt: skip
"""Factor when the address says a part and the place has none."""

_BEYOND = {
    "door": 0.9,
    "door_sub": 0.96,
    "building": 0.92,
    "unit": 0.95,
    "floor": 0.95,
    "room": 0.9,
}
"""Factor when the place has a part that the address does not say."""

_OTHER = {"street": 0.8, "community": 0.85, "grid": 0.3}
"""Factor when the two say different things; of the parts below, another one is another place."""

_OTHER_ROAD, _NO_ROAD = 0.55, 0.9
_OTHER_ESTATE, _NO_ESTATE = 0.6, 0.85
_DEVICE = 0.9
_BEGUN_NUMBER = 0.8
_NOT_UNDERSTOOD = 0.95


@dataclass(frozen=True, slots=True, kw_only=True)
class Scored:
    """Rows that may be meant, each once, with their scores; the best first."""

    rows: IX
    scores: F8


def likely(index: Index, address: Address, typed: str, limit: int) -> Scored:
    """Return the rows that fit best, at most ``limit``.

    Args:
        index: the places.
        address: what was typed, taken apart.
        typed: the same, only cleaned: a name is looked for as it was typed as well.
        limit: how many rows.
    """
    best: dict[int, float] = {}
    for rows, scores in (
        _by_road(index, address, typed),
        _by_estate(index, address, typed),
        _by_label(index, address, typed),
    ):
        for row, score in zip(rows.tolist(), scores.tolist(), strict=True):
            if score > best.get(row, 0.0):
                best[row] = score
    order = sorted(best, key=lambda row: (-best[row], index.columns["level"][row], row))[:limit]
    return Scored(
        rows=np.array(order, dtype=np.int32),
        scores=np.array([best[row] for row in order], dtype=np.float64),
    )


def roads_like(index: Index, address: Address, typed: str) -> list[Found]:
    """Return roads like the one the address names; also its village, and what may be one."""
    asked = [road_of(address), *reversed(address.ways), address.estate, *_as_typed(address, typed)]
    return _names_like(index.roads, asked, address)


def _as_typed(address: Address, typed: str) -> list[str]:
    """The text itself, where it may be the beginning of a name."""
    return [] if address.door or address.building or address.room else [typed]


def _names_like(table: NameTable, asked: list[str], address: Address) -> list[Found]:
    best: dict[int, float] = {}
    # A name may only be begun where the address ends with it.
    begun = not (address.door or address.building or address.room)
    for name in dict.fromkeys(asked):
        for found in table.search(name, begin=begun)[:NAMES_AT_ONCE]:
            best[found.index] = max(best.get(found.index, 0.0), found.likeness)
    ordered = sorted(best.items(), key=lambda item: -item[1])[:NAMES_AT_ONCE]
    return [Found(i, likeness) for i, likeness in ordered]


def _by_road(index: Index, address: Address, typed: str) -> tuple[IX, F8]:
    found = roads_like(index, address, typed)
    picked = [_rows_of_road(index, address, one.index) for one in found]
    rows, like = _together(picked, found)
    return rows, like * _fits(index, address, rows) * _estate_factor(index, address, rows)


def _by_estate(index: Index, address: Address, typed: str) -> tuple[IX, F8]:
    asked = [estate_of(address), address.estate, *address.ways, *_as_typed(address, typed)]
    found = _names_like(index.estates, asked, address)
    picked = [_rows_of_estate(index, address, one.index) for one in found]
    rows, like = _together(picked, found)
    return rows, like * _fits(index, address, rows) * _road_factor(index, address, rows)


def _by_label(index: Index, address: Address, typed: str) -> tuple[IX, F8]:
    """Rows by their whole name: spaces, devices, and addresses without road and estate."""
    label = label_of(address)
    found = index.labels.search(label)[: 2 * NAMES_AT_ONCE]
    for part in ("unit", "floor", "room"):
        if getattr(address, part):
            found = [Found(one.index, one.likeness * _LACKS[part]) for one in found]
    if typed != label:
        # The name of a device is no address: …3栋5层 烟感3.
        found += index.labels.search(typed)[: 2 * NAMES_AT_ONCE]
    picked = [index.by_label.of(one.index)[:ROWS_OF_NAME] for one in found]
    rows, like = _together(picked, found)
    factor = np.ones(len(rows))
    for part in ("street", "community"):
        factor *= _other(index, part, getattr(address, part), rows)
    named = _device_named(index, rows, like)
    return rows, like * factor * named


def _device_named(index: Index, rows: IX, like: F8) -> F8:
    """A device counts in full only under its own whole name."""
    device = index.columns["source"][rows] == SOURCES.index(Source.DEVICE)
    return np.where(device & (like < 1), _DEVICE, 1.0)


def _together(picked: list[IX], found: list[Found]) -> tuple[IX, F8]:
    if not picked:
        return np.empty(0, dtype=np.int32), np.empty(0)
    rows = np.concatenate(picked)
    like = np.concatenate(
        [np.full(len(one), name.likeness) for one, name in zip(picked, found, strict=True)]
    )
    return rows, like


def _rows_of_road(index: Index, address: Address, road: int) -> IX:
    rows = index.by_road.of(road)
    numbers = index.columns["door_no"][rows]
    first = int(np.searchsorted(numbers, 0))
    undoored = rows[:first][:ROWS_OF_NAME]
    digits = "".join(c for c in address.door if c.isdigit())
    if not digits:
        doors = rows[first:]
        coarse = index.columns["level"][doors] == LEVELS.index(Level.DOOR)
        return np.concatenate([undoored, doors[coarse][:COMPLETIONS]])
    number = int(digits)
    spans = [(number, number + 1)]
    if address.bare == "door":
        spans += [(number * 10, number * 10 + 10), (number * 100, number * 100 + 100)]
    parts = [undoored]
    for low, high in spans:
        begin, end = np.searchsorted(numbers, (low, high))
        parts.append(rows[begin:end][:ROWS_OF_NAME])
    return np.concatenate(parts)


def _rows_of_estate(index: Index, address: Address, estate: int) -> IX:
    rows = index.by_estate.of(estate)
    buildings = index.columns["building"][rows]
    first = int(np.searchsorted(buildings, 0))
    without = rows[:first][:ROWS_OF_NAME]
    if not address.building:
        return np.concatenate([without, rows[first:][:COMPLETIONS]])
    begin, end = np.searchsorted(buildings, (w := index.word(address.building), w + 1))
    return np.concatenate([without, rows[begin:end][:ROWS_OF_NAME]])


def _fits(index: Index, address: Address, rows: IX) -> F8:
    """Return the factor for everything but road and estate."""
    factor = np.full(len(rows), _NOT_UNDERSTOOD if address.rest else 1.0)
    for part in _OTHER:
        factor *= _other(index, part, getattr(address, part), rows)
    for part, lacks in _LACKS.items():
        said = index.word(getattr(address, part))
        has = index.columns[part][rows]
        if said == -1:
            factor *= np.where(has >= 0, _BEYOND.get(part, 0.97), 1.0)
        elif part == "door" and address.bare == "door":
            begun = np.where(has >= 0, _BEGUN_NUMBER, lacks)
            factor *= np.where(has == said, 1.0, begun)
        else:
            factor *= np.where(has == said, 1.0, np.where(has < 0, lacks, 0.0))
    device = index.columns["source"][rows] == SOURCES.index(Source.DEVICE)
    return np.asarray(factor * np.where(device, _DEVICE, 1.0))


def _other(index: Index, part: str, said: str, rows: IX) -> F8:
    """Return the factor for a part above the road: lower where both say it, and differently."""
    if not said:
        return np.ones(len(rows))
    has = index.columns[part][rows]
    return np.where((has >= 0) & (has != index.word(said)), _OTHER[part], 1.0)


def _estate_factor(index: Index, address: Address, rows: IX) -> F8:
    if not address.estate:
        return np.ones(len(rows))
    table = np.full(len(index.estates.names) + 1, _OTHER_ESTATE)
    table[-1] = _NO_ESTATE
    for name in (estate_of(address), address.estate):
        for found in index.estates.search(name)[:NAMES_AT_ONCE]:
            table[found.index] = max(table[found.index], found.likeness)
    # An estate taken for the road itself is no estate beside it.
    for found in index.roads.search(address.estate, begin=False)[:1]:
        if not address.ways:
            return np.where(index.columns["road"][rows] == found.index, 1.0, 0.6)
    return np.asarray(table[index.columns["estate"][rows]])


def _road_factor(index: Index, address: Address, rows: IX) -> F8:
    if not address.ways:
        return np.ones(len(rows))
    table = np.full(len(index.roads.names) + 1, _OTHER_ROAD)
    table[-1] = _NO_ROAD
    for found in index.roads.search(road_of(address))[:NAMES_AT_ONCE]:
        table[found.index] = max(table[found.index], found.likeness)
    return np.asarray(table[index.columns["road"][rows]])
