"""The bodies of the address service."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field

from core.model import SpaceKind
from geodata.addresses.places import Level, Source
from twin.api.words import Count, PathStep, Text, Word

Share = Annotated[float, Field(ge=0, le=1)]
Metres = Annotated[float, Field(ge=0)]


class AddressQuery(Word):
    """What was understood of the text; parts are named as in docs/addresses.md."""

    normalised: str
    parts: dict[str, Any]
    note: Text


class AddressMatch(Word):
    """A place that the text may mean; `why` says what agrees and what does not."""

    address: str
    level: Level
    score: Annotated[Share, Field(description="1 is exact; below 0.6 it is a guess and says so")]
    space_code: str | None
    space_kind: SpaceKind | None
    lon: float
    lat: float
    device_id: str | None
    interpolated: Annotated[bool, Field(description="reckoned between two known door numbers")]
    source: Source
    why: Text
    path: list[PathStep]


class AddressFound(Word):
    """The places, the best first."""

    query: AddressQuery
    matches: list[AddressMatch]


class NearestPlace(Word):
    """The nearest known place, and in which direction from it the point lies."""

    address: str
    level: Level
    distance_m: Metres
    direction: Text
    lon: float
    lat: float


class AddressAt(Word):
    """Where a point is; lon and lat are EPSG:4490, whatever frame was asked in."""

    lon: float
    lat: float
    address: str | None
    level: Level | None
    space_code: str | None
    how: Annotated[str, Field(description="within, snapped or unplaced")]
    distance_m: Annotated[Metres | None, Field(description="to the address; null if of spaces")]
    nearest: NearestPlace | None
    why: Text
    path: list[PathStep]


class KeptBackRow(Word):
    """A row that was not taken."""

    line: Count
    reason: str


class AddressImport(Word):
    """What an import did; rows = added + updated + same + kept_back."""

    dry_run: bool
    rows: Count
    added: Count
    updated: Count
    same: Count
    kept_back: Count
    kept: Annotated[list[KeptBackRow], Field(description="the first 100 of them")]
