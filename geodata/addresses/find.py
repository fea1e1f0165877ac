"""From what a person typed to places: an address, a code, a device id, or a position."""

from __future__ import annotations

import re
from bisect import bisect_left
from dataclasses import dataclass, replace

import numpy as np

from geodata.addresses import doors, score, why
from geodata.addresses.index import Index
from geodata.addresses.lookup import likeness_of
from geodata.addresses.names import Admin
from geodata.addresses.parse import parse
from geodata.addresses.parts import Address
from geodata.addresses.places import Answer, Level, Match, Sentence, Source
from geodata.addresses.reverse import Locator
from geodata.addresses.text import admit, clean
from geodata.addresses.titles import with_admin
from geodata.placement import METRES_PER_DEGREE

LEAST_SCORE = 0.3
"""Worse than this is no answer."""

MOST = 50
_POSITION = re.compile(r"\(?\s*(-?\d{1,3}\.\d+)\s*[,，;\s]\s*(-?\d{1,3}\.\d+)\s*\)?")
_CODE = re.compile(r"\d{4,25}")
_DEVICE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*[-._][A-Za-z0-9._-]*")
_CONTAINERS = (19, 12, 9, 6)
_CONTAINERS_OF_BLOCK = (15, 12, 9, 6)
_BETWEEN, _NEAREST, _NEAR_NUMBERS = 0.75, 0.65, 4


@dataclass(frozen=True, slots=True)
class Near:
    """Where the one who asks looks: among equals the nearer place comes first."""

    lon: float
    lat: float


def find(locator: Locator, text: str, *, limit: int = 8, near: Near | None = None) -> Answer:
    """Return the places that a text may mean, the best first.

    An empty text finds nothing. What scores below ``LEAST_SCORE`` is left out.

    Raises:
        AddressTooLong: more than ``text.MAX_TEXT`` characters.
    """
    typed = admit(text)
    limit = min(limit, MOST)
    if not typed:
        return Answer(query=Address(), normalised="")
    if position := _POSITION.fullmatch(typed):
        return _position(locator, float(position[1]), float(position[2]), typed)
    index = locator.index
    if coded := _coded(index, typed, limit):
        return Answer(query=Address(rest=typed), normalised=typed, matches=tuple(coded))
    address, note = _amended(index, parse(typed, index.names))
    found = _matches(index, address, clean(typed), limit * 3)
    kept = _distinct(_ordered(found, near))[:limit]
    return Answer(
        query=address, normalised=address.normal, matches=tuple(kept),
        note=note if kept else _nothing(address),
    )  # fmt: skip


def _nothing(address: Address) -> Sentence:
    if not address.normal:
        return Sentence("没有读出地址", "no address was read in this text")
    return Sentence("库中没有相近的地点", "no known place is like this")


def _position(locator: Locator, first: float, second: float, typed: str) -> Answer:
    """A position; longitude stands first, unless the numbers can only be meant the other way."""
    lon, lat = first, second
    note = Sentence("按经度、纬度理解", "read as longitude, latitude")
    if abs(second) > 90 >= abs(first):
        lon, lat = second, first
        note = Sentence("按纬度、经度理解", "read as latitude, longitude")
    if not (-180 <= lon <= 180 and -90 <= lat <= 90):
        wrong = Sentence("不是地球上的位置", f"({lon:g}, {lat:g}) is no position on the earth")
        return Answer(query=Address(rest=typed), normalised=typed, note=wrong)
    where = locator.at(lon, lat)
    space = where.path[-1] if where.path else None
    match = Match(
        address=where.address,
        level=Level.POINT,
        score=1.0,
        space_code=space.code if space else None,
        space_kind=space.kind if space else None,
        lon=lon,
        lat=lat,
        why=Sentence(f"{note.zh}；{where.why.zh}", f"{note.en}; {where.why.en}"),
        source=Source.TYPED,
        path=where.path,
    )
    return Answer(query=Address(rest=typed), normalised=f"{lon:g},{lat:g}", matches=(match,))


def _coded(index: Index, typed: str, limit: int) -> list[Match]:
    """Find by code or device id: the whole one, ones that begin with it, or what contains it."""
    if not (_CODE.fullmatch(typed) or _DEVICE.fullmatch(typed)):
        return []
    key = typed.upper()
    if (row := index.codes.get(key)) is not None:
        said = Sentence("编码一致", "the code is this one's")
        return [_match(index, row, 1.0, said)]
    begun = _codes_beginning(index, key, limit)
    if begun:
        said = Sentence("编码以此开头", "its code begins with this")
        return [_match(index, index.codes[code], 0.8, said) for code in begun]
    if not key.isdigit():
        return []
    lengths = _CONTAINERS_OF_BLOCK if len(key) <= 17 else _CONTAINERS
    for length in lengths:
        if length < len(key) and (row := index.codes.get(key[:length])) is not None:
            said = Sentence(
                f"没有编码 {typed}，这是其前 {length} 位所指的上级",
                f"no place has the code {typed}; its first {length} digits are this one's",
            )
            return [_match(index, row, 0.5, why.framed([said], 0.5))]
    return []


def _codes_beginning(index: Index, key: str, limit: int) -> list[str]:
    at = bisect_left(index.sorted_codes, key)
    ahead = index.sorted_codes[at : at + limit]
    return [code for code in ahead if code.startswith(key)]


def _amended(index: Index, address: Address) -> tuple[Address, Sentence]:
    """Take a street or community that is not known for the one known that is spelled almost so."""
    said: list[Sentence] = []
    for part, level in (("street", Admin.STREET), ("community", Admin.COMMUNITY)):
        typed = getattr(address, part)
        if not typed or index.names.named(level, typed):
            continue
        alike = [(likeness_of(typed, name), name) for name in index.names.of(level)]
        best = [name for likeness, name in alike if likeness and likeness == max(alike)[0]]
        if len(set(best)) == 1:
            address = with_admin(address, {part: best[0]})
            said.append(Sentence(f"“{typed}”按“{best[0]}”理解", f"{typed} is taken for {best[0]}"))
    if not said:
        return address, Sentence("", "")
    return address, Sentence("；".join(s.zh for s in said), "; ".join(s.en for s in said))


def _matches(index: Index, address: Address, typed: str, limit: int) -> list[Match]:
    scored = score.likely(index, address, typed, limit)
    outside = _outside(index, address)
    rows = [row for row in scored.rows.tolist() if not np.isnan(index.lon[row])]
    if any(not why.lacks(index, address, row) for row in rows):
        # What contains the place asked for is no alternative to it.
        rows = [row for row in rows if not why.lacks(index, address, row)]
    scores = dict(zip(scored.rows.tolist(), scored.scores.tolist(), strict=True))
    found = _unknown_door(index, address, typed, outside)
    for row in rows:
        fit = round(scores[row] * outside, 3)
        if fit >= LEAST_SCORE:
            found.append(_match(index, row, fit, why.explain(index, address, row, fit)))
    return found


def _outside(index: Index, address: Address) -> float:
    """Factor for an address that names a district which is not loaded."""
    here = index.districts
    return 0.4 if address.district and here and address.district not in here else 1.0


def _unknown_door(index: Index, address: Address, typed: str, outside: float) -> list[Match]:
    """For a door number that its road does not have: a point between, and the nearest known."""
    digits = "".join(c for c in address.door if c.isdigit())
    like = score.roads_like(index, address, typed) if digits else []
    roads = [road for road in like if road.likeness > 0.7][:2]
    found: list[Match] = []
    for road in roads:
        number = int(digits)
        known = doors.neighbours(index, road.index, number)
        if known is None or known.number == number:
            continue
        likeness = road.likeness * outside
        near = abs(known.number - number) <= _NEAR_NUMBERS
        value = round(likeness * (_NEAREST if known.same_side and near else _NEAREST - 0.15), 3)
        said = [why.unknown_door(address, known, reckoned=False)]
        nearest = _match(index, known.nearest, value, why.framed(said, value))
        if known.point is not None:
            found.append(_reckoned(index, address, known, nearest, round(likeness * _BETWEEN, 3)))
        found.append(nearest)
    return found


def _reckoned(
    index: Index, address: Address, known: doors.Neighbours, nearest: Match, value: float
) -> Match:
    assert known.point is not None
    road = index.roads.names[int(index.columns["road"][known.nearest])]
    door = replace(Address(), ways=(road,), door=address.door, district=nearest_district(nearest))
    said = [why.unknown_door(address, known, reckoned=True)]
    return replace(
        nearest,
        address=door.normal,
        score=value,
        lon=known.point[0],
        lat=known.point[1],
        why=why.framed(said, value),
        source=Source.DERIVED,
        interpolated=True,
        level=Level.DOOR,
    )


def nearest_district(match: Match) -> str:
    """Return the name of the district that a match lies in, "" if it is placed nowhere."""
    return match.path[0].name if match.path else ""


def _match(index: Index, row: int, value: float, said: Sentence) -> Match:
    space = index.space_of(row)
    return Match(
        address=index.texts[row],
        level=index.level(row),
        score=value,
        space_code=space.code if space else None,
        space_kind=space.kind if space else None,
        lon=float(index.lon[row]),
        lat=float(index.lat[row]),
        why=said,
        source=index.source(row),
        path=index.path(space.code) if space else (),
        device_id=index.device_ids.get(row),
    )


def _ordered(found: list[Match], near: Near | None) -> list[Match]:
    """The best first; among equals the coarser, or the nearer to where one looks."""
    if near is None:
        return sorted(found, key=lambda m: -m.score)
    narrow = float(np.cos(np.radians(near.lat)))

    def away(match: Match) -> float:
        x, y = (match.lon - near.lon) * narrow, match.lat - near.lat
        return float(np.hypot(x, y)) * METRES_PER_DEGREE

    return sorted(found, key=lambda m: (-round(m.score, 2), away(m)))


def _distinct(found: list[Match]) -> list[Match]:
    """One answer for a place that is known in two ways under one name."""
    seen: set[tuple[str, str | None]] = set()
    kept = []
    for match in found:
        key = (match.address, match.device_id)
        if key not in seen:
            seen.add(key)
            kept.append(match)
    return kept
