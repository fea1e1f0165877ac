"""The nouns of the address service: what is known of places, and what is answered."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

from core.model import SpaceKind
from geodata.addresses.parts import Address


class Level(StrEnum):
    """How finely an answer is placed, the coarsest first; then a device, and a bare point."""

    DISTRICT = "district"
    STREET = "street"
    COMMUNITY = "community"
    GRID = "grid"
    BLOCK = "block"
    ROAD = "road"
    DOOR = "door"
    ESTATE = "estate"
    BUILDING = "building"
    UNIT = "unit"
    FLOOR = "floor"
    ROOM = "room"
    DEVICE = "device"
    POINT = "point"


class Source(StrEnum):
    """Where an answer comes from; ``derived``: from the standard addresses that it contains."""

    SPACE = "space"
    DEVICE = "device"
    STANDARD = "standard"
    DERIVED = "derived"
    TYPED = "typed"


@dataclass(frozen=True, slots=True, kw_only=True)
class PlacedSpace:
    """A space in force; lon and lat (degrees, EPSG:4490) are a point inside it."""

    code: str
    kind: SpaceKind
    name: str
    name_en: str
    parent: str | None
    lon: float
    lat: float


@dataclass(frozen=True, slots=True, kw_only=True)
class PlacedDevice:
    """A device at its place; ``space_code`` is None when unplaced."""

    device_id: str
    name: str
    address: str
    lon: float
    lat: float
    space_code: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class StandardAddress:
    """A standard address as kept.

    Attributes:
        text: as delivered; ``address`` the same taken apart.
        lon: degrees east, EPSG:4490; None where only the space is known. ``lat`` likewise.
        space_code: the space it was delivered with, None to be found by its position.
        building_code: 19 digits; ``house_code`` 25; None where not given.
        frame: the coordinate system that the position was delivered in.
        source: where it comes from.
    """

    text: str
    address: Address
    lon: float | None
    lat: float | None
    space_code: str | None = None
    building_code: str | None = None
    house_code: str | None = None
    frame: str = "EPSG:4490"
    source: str = ""


@dataclass(frozen=True, slots=True)
class Sentence:
    """One sentence in both languages."""

    zh: str
    en: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One space on the way from the district to a place."""

    code: str
    kind: SpaceKind
    name: str
    name_en: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Match:
    """A place that a text may mean.

    Attributes:
        address: its text; a standard address in normal form, a space or device with its name.
        level: how finely it is placed.
        score: 0 to 1; below ``UNSURE`` the sentence says that it is a guess.
        why: what agrees and what does not.
        path: the spaces that contain it, the district first.
        interpolated: whether the point was reckoned between two known door numbers.
    """

    address: str
    level: Level
    score: float
    space_code: str | None
    space_kind: SpaceKind | None
    lon: float
    lat: float
    why: Sentence
    source: Source
    path: tuple[Step, ...] = ()
    device_id: str | None = None
    interpolated: bool = False


UNSURE = 0.6
"""An answer with a lower score is a guess and says so."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What was understood of a text, and the places it may mean, the best first."""

    query: Address
    normalised: str
    matches: tuple[Match, ...] = ()
    note: Sentence = field(default=Sentence("", ""))
