"""Known places in columns: spaces, devices, standard addresses, the roads and doors they imply.

One row is one place; words are numbers of a vocabulary, so that 500,000 rows stay small. Rows of a
road lie together, ordered by door, and rows of an estate by building: a search looks at few.
"""

from __future__ import annotations

import re
from array import array
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from core.model import SpaceKind
from geodata.addresses.lookup import IX, NameTable
from geodata.addresses.names import Gazetteer
from geodata.addresses.parse import parse
from geodata.addresses.parts import Address, road_of
from geodata.addresses.places import (
    Level,
    PlacedDevice,
    PlacedSpace,
    Source,
    StandardAddress,
    Step,
)
from geodata.addresses.text import clean
from geodata.addresses.titles import (
    ADMIN,
    estate_of,
    gazetteer_of,
    label_of,
    level_of,
    with_admin,
)

F8 = npt.NDArray[np.float64]

WORDS = (
    "street",
    "community",
    "grid",
    "door",
    "door_sub",
    "building",
    "unit",
    "floor",
    "room",
    "room_sub",
)
"""Columns of words; ``road``, ``estate`` and ``label`` are numbers of their own tables."""

LEVELS = tuple(Level)
SOURCES = tuple(Source)
_KIND_LEVEL = {kind: Level(str(kind)) for kind in SpaceKind}
_LEADING = re.compile(r"\d+")


@dataclass(frozen=True, slots=True, kw_only=True)
class Index:
    """All known places; made by ``build``.

    Attributes:
        names: the gazetteer that texts are read with.
        spaces: the spaces by number, ``space`` is a column of these numbers, -1 for none.
        districts: names of the districts among them.
        columns: int32 by name: the words, ``road``, ``estate``, ``label``, ``door_no`` (-1 none),
            ``space``, ``level``, ``source``.
        texts: what a row is called.
        lon: degrees east, ``lat`` north, EPSG:4490; NaN where unknown.
        codes: code or device id -> row.
        by_road: rows of each road by door number; ``by_estate`` of each estate by building.
    """

    names: Gazetteer
    spaces: tuple[PlacedSpace, ...]
    space_number: Mapping[str, int]
    districts: frozenset[str]
    words: Mapping[str, int]
    vocabulary: Sequence[str]
    columns: Mapping[str, IX]
    texts: Sequence[str]
    lon: F8
    lat: F8
    device_ids: Mapping[int, str]
    codes: Mapping[str, int]
    sorted_codes: Sequence[str]
    roads: NameTable
    estates: NameTable
    labels: NameTable
    by_road: Grouped
    by_estate: Grouped
    by_label: Grouped

    def __len__(self) -> int:
        return len(self.texts)

    def word(self, text: str) -> int:
        """Return the number of a word: -1 for "", -2 for one that no row has."""
        return self.words.get(text, -2) if text else -1

    def said(self, column: str, row: int) -> str:
        """Return the word of a row."""
        number = int(self.columns[column][row])
        return self.vocabulary[number] if number >= 0 else ""

    def level(self, row: int) -> Level:
        """Return the level of a row."""
        return LEVELS[int(self.columns["level"][row])]

    def source(self, row: int) -> Source:
        """Return where a row comes from."""
        return SOURCES[int(self.columns["source"][row])]

    def path(self, code: str | None) -> tuple[Step, ...]:
        """Return the spaces from the district down to a code."""
        steps: list[Step] = []
        while code is not None and (number := self.space_number.get(code)) is not None:
            one = self.spaces[number]
            steps.append(Step(code=one.code, kind=one.kind, name=one.name, name_en=one.name_en))
            code = one.parent if len(steps) < len(SpaceKind) else None
        return tuple(reversed(steps))

    def space_of(self, row: int) -> PlacedSpace | None:
        """Return the space that a row lies in or is."""
        number = int(self.columns["space"][row])
        return self.spaces[number] if number >= 0 else None


@dataclass(frozen=True, slots=True)
class Grouped:
    """Rows ordered by a key and a second one; ``of(key)`` is a slice of them."""

    rows: IX
    starts: IX

    def of(self, key: int) -> IX:
        """Return the rows of a key in the second key's order."""
        return self.rows[self.starts[key] : self.starts[key + 1]]


def grouped(key: IX, second: IX, count: int) -> Grouped:
    """Order the rows whose key is not -1."""
    rows = np.flatnonzero(key >= 0)
    rows = rows[np.lexsort((rows, second[rows], key[rows]))]
    starts = np.searchsorted(key[rows], np.arange(count + 1)).astype(np.int32)
    return Grouped(rows.astype(np.int32), starts)


class Builder:
    """Collects rows; ``finish`` makes the index."""

    def __init__(self, spaces: Sequence[PlacedSpace], names: Gazetteer) -> None:
        self._spaces = tuple(spaces)
        self._number = {space.code: i for i, space in enumerate(spaces)}
        self._names = names
        self._words: dict[str, int] = {}
        self._roads: dict[str, int] = {}
        self._estates: dict[str, int] = {}
        self._labels: dict[str, int] = {}
        self._rows = array("i")
        self._texts: list[str] = []
        self._lon: list[float] = []
        self._lat: list[float] = []
        self._devices: dict[int, str] = {}
        self._codes: dict[str, int] = {}
        self._parsed: dict[str, Address] = {}
        self._space_addresses: dict[str, Address] = {}
        districts = [clean(space.name) for space in spaces if space.kind is SpaceKind.DISTRICT]
        above = ("", "", districts[0] if len(districts) == 1 else "", "", "")
        self._home = names.above(above)[0][:3]

    def read(self, text: str) -> Address:
        """Parse a text once."""
        if (known := self._parsed.get(text)) is None:
            known = self._parsed[text] = parse(text, self._names)
        return known

    def add_space(self, space: PlacedSpace) -> None:
        """Add a space; what contains it comes before it."""
        above = self._space_addresses.get(space.parent or "", Address())
        address = self._named(space, above)
        self._space_addresses[space.code] = address
        label = clean(space.name) if address == above else label_of(address)
        row = self._add(
            address, space.name, (space.lon, space.lat), label=label, space=space.code,
            level=_KIND_LEVEL[space.kind], source=Source.SPACE,
        )  # fmt: skip
        self._codes[space.code] = row

    def _named(self, space: PlacedSpace, above: Address) -> Address:
        name = clean(space.name)
        match space.kind:
            case SpaceKind.DISTRICT:
                return replace(above, district=name)
            case SpaceKind.STREET:
                return replace(above, street=name)
            case SpaceKind.COMMUNITY:
                return replace(above, community=name)
        said = self.read(space.name)
        if not said.local:
            return above
        upper = {part: getattr(above, part) for part in (*ADMIN, "grid") if getattr(above, part)}
        return replace(with_admin(said, upper), grid=upper.get("grid", said.grid))

    def add_device(self, device: PlacedDevice) -> None:
        """Add a device under its name, at its address or else at its space."""
        address = self._space_addresses.get(device.space_code or "", Address())
        said = self.read(device.address) if device.address else Address()
        if said.ways or said.estate or said.door:
            address = said
        row = self._add(
            address, device.name, (device.lon, device.lat), label=clean(device.name),
            space=device.space_code, level=Level.DEVICE, source=Source.DEVICE,
        )  # fmt: skip
        self._devices[row] = device.device_id
        self._codes[device.device_id.upper()] = row

    def add_address(self, one: StandardAddress, space: str | None) -> None:
        """Add a standard address that lies in a space."""
        at = (one.lon, one.lat)
        if one.lon is None and space in self._number:
            there = self._spaces[self._number[space or ""]]
            at = (there.lon, there.lat)
        named = road_of(one.address) or one.address.estate
        above = self._space_addresses.get(space or "", Address())
        address = replace(
            one.address,
            street=one.address.street or above.street,
            community=one.address.community or above.community,
        )
        row = self._add(
            address, one.address.normal, at, label="" if named else label_of(one.address),
            space=space, level=level_of(one.address), source=Source.STANDARD,
        )  # fmt: skip
        if one.house_code:
            self._codes[one.house_code] = row
        if one.building_code:
            self._codes.setdefault(one.building_code, row)

    def _add(
        self,
        address: Address,
        text: str,
        at: tuple[float | None, float | None],
        *,
        label: str,
        space: str | None,
        level: Level,
        source: Source,
    ) -> int:
        door_no = _LEADING.match(address.door)
        self._rows.extend(
            (
                *(_number(self._words, getattr(address, word)) for word in WORDS),
                _number(self._roads, road_of(address)),
                _number(self._estates, estate_of(address)),
                _number(self._labels, label),
                int(door_no[0]) if door_no else -1,
                self._number.get(space, -1) if space else -1,
                LEVELS.index(level),
                SOURCES.index(source),
            )
        )
        self._texts.append(text)
        self._lon.append(np.nan if at[0] is None else at[0])
        self._lat.append(np.nan if at[1] is None else at[1])
        return len(self._texts) - 1

    def add_derived(self) -> None:
        """Add the roads, doors, estates and buildings that the standard addresses imply."""
        table = self._table()
        col = {name: table[:, i] for i, name in enumerate(_COLUMNS)}
        standard = col["source"] == SOURCES.index(Source.STANDARD)
        vocabulary = list(self._words)
        roads, estates = list(self._roads), list(self._estates)
        for level, keys in _DERIVED.items():
            have = {
                tuple(row)
                for row in table[(col["level"] == LEVELS.index(level)) & standard][
                    :, [_COLUMNS.index(k) for k in keys]
                ].tolist()
            }
            members = standard & (col[keys[-1]] >= 0) & (col["level"] > LEVELS.index(level))
            for key, rows in _groups(table, np.flatnonzero(members), keys).items():
                if key in have:
                    continue
                said = dict(zip(keys, key, strict=True))
                address = _derived_address(said, vocabulary, roads, estates)
                self._add_derived(address, level, rows, col, vocabulary)

    def _add_derived(
        self, address: Address, level: Level, rows: list[int], col: Mapping[str, IX],
        vocabulary: list[str],
    ) -> None:  # fmt: skip
        lon = np.array([self._lon[row] for row in rows])
        lat = np.array([self._lat[row] for row in rows])
        known = ~np.isnan(lon)
        if not known.any():
            return
        upper = dict(zip(("province", "city", "district"), self._home, strict=True))
        for part in ("street", "community"):
            values = set(col[part][rows].tolist())
            if len(values) == 1 and (only := values.pop()) >= 0:
                upper[part] = vocabulary[only]
        spaces = set(col["space"][rows].tolist())
        only_space = spaces.pop() if len(spaces) == 1 else -1
        address = with_admin(address, upper)
        self._add(
            address, address.normal,
            (float(lon[known].mean()), float(lat[known].mean())), label="",
            space=self._spaces[only_space].code if only_space >= 0 else None,
            level=level, source=Source.DERIVED,
        )  # fmt: skip

    def _table(self) -> IX:
        return np.array(self._rows, dtype=np.int32).reshape(-1, len(_COLUMNS))

    def finish(self) -> Index:
        """Return the index."""
        table = self._table()
        columns = {name: np.ascontiguousarray(table[:, i]) for i, name in enumerate(_COLUMNS)}
        roads, estates, labels = (
            NameTable(names) for names in (self._roads, self._estates, self._labels)
        )
        return Index(
            names=self._names.with_names((), roads.names),
            spaces=self._spaces,
            space_number=self._number,
            districts=frozenset(clean(one.name) for one in self._spaces if one.parent is None),
            words=self._words,
            vocabulary=list(self._words),
            columns=columns,
            texts=self._texts,
            lon=np.array(self._lon, dtype=np.float64),
            lat=np.array(self._lat, dtype=np.float64),
            device_ids=self._devices,
            codes=self._codes,
            sorted_codes=sorted(self._codes),
            roads=roads,
            estates=estates,
            labels=labels,
            by_road=grouped(columns["road"], columns["door_no"], len(roads.names)),
            by_estate=grouped(columns["estate"], columns["building"], len(estates.names)),
            by_label=grouped(columns["label"], columns["level"], len(labels.names)),
        )


_COLUMNS = (*WORDS, "road", "estate", "label", "door_no", "space", "level", "source")
_DERIVED = {
    Level.ROAD: ("road",),
    Level.DOOR: ("road", "door_sub", "door"),
    Level.ESTATE: ("road", "door", "door_sub", "estate"),
    Level.BUILDING: ("road", "door", "door_sub", "estate", "building"),
}


def build(
    spaces: Sequence[PlacedSpace],
    devices: Iterable[PlacedDevice] = (),
    addresses: Iterable[tuple[StandardAddress, str | None]] = (),
) -> Index:
    """Make the index.

    Args:
        spaces: those in force, in any order.
        devices: the devices.
        addresses: standard addresses, each with the code of the space it lies in; taken one by
            one, so that they need never be in memory together.
    """
    ordered = sorted(spaces, key=lambda space: (list(SpaceKind).index(space.kind), space.code))
    builder = Builder(ordered, gazetteer_of(ordered))
    for space in ordered:
        builder.add_space(space)
    for device in devices:
        builder.add_device(device)
    for one, space_code in addresses:
        builder.add_address(one, space_code)
    builder.add_derived()
    return builder.finish()


def _number(table: dict[str, int], word: str) -> int:
    return table.setdefault(word, len(table)) if word else -1


def _groups(
    table: IX, rows: npt.NDArray[np.intp], keys: Sequence[str]
) -> dict[tuple[int, ...], list[int]]:
    found: dict[tuple[int, ...], list[int]] = {}
    picked = table[rows][:, [_COLUMNS.index(key) for key in keys]].tolist()
    for row, key in zip(rows.tolist(), picked, strict=True):
        found.setdefault(tuple(key), []).append(row)
    return found


def _derived_address(
    said: Mapping[str, int], vocabulary: list[str], roads: list[str], estates: list[str]
) -> Address:
    def word(name: str) -> str:
        number = said.get(name, -1)
        return vocabulary[number] if number >= 0 else ""

    road, estate = said.get("road", -1), said.get("estate", -1)
    return Address(
        ways=(roads[road],) if road >= 0 else (),
        estate=estates[estate] if estate >= 0 else "",
        door=word("door"),
        door_sub=word("door_sub"),
        building=word("building"),
    )
