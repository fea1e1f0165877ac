"""The entities of SensorThings 1.1 as this store has them: properties, links, and their columns.

A column belongs to the entity's relation, a statement of ``relations.sql``. Pure tables; reading is
``twin.sensorthings.read``'s work.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum


class Type(StrEnum):
    """What a value is, for the filter; JSON becomes what it is compared with."""

    TEXT = "text"
    NUMBER = "number"
    TIME = "time"
    INTERVAL = "interval"
    DURATION = "duration"
    BOOL = "boolean"
    GEO = "geometry"
    JSON = "json"
    NULL = "null"


@dataclass(frozen=True, slots=True, kw_only=True)
class Property:
    """A property: its name in the standard, its type, its column.

    Attributes:
        column: None for one that is made after reading and cannot be filtered or ordered by.
        nullable: an order by it cannot be continued by value.
    """

    name: str
    type: Type
    column: str | None
    nullable: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Link:
    """A navigation: rows of ``target`` whose column ``there`` equals ours in ``here``."""

    name: str
    target: str
    many: bool
    here: str
    there: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Entity:
    """An entity type.

    Attributes:
        name: singular; ``plural`` names its set in paths.
        keys: columns that order it when nothing else does, and tell two rows apart.
        numbered: whether its ids are numbers; others are text.
        place: column of the rows that ``twin.sensorthings.places`` finds by geometry.
    """

    name: str
    plural: str
    keys: tuple[str, ...]
    numbered: bool
    properties: Mapping[str, Property]
    links: Mapping[str, Link]
    place: str | None = None


def _p(*columns: str) -> dict[str, Property]:
    """Properties from ``name:type[:column][?]``; the column is the name in lower case if left out.

    A trailing ``?`` says that it may be null, a column ``-`` that there is none.
    """
    found = {}
    for text in columns:
        name, kind, *rest = text.rstrip("?").split(":")
        column = rest[0] if rest else name.lower()
        found[name] = Property(
            name=name,
            type=Type(kind),
            column=None if column == "-" else column,
            nullable=text.endswith("?"),
        )
    return found


def _l(*links: str) -> dict[str, Link]:
    """Links from ``Name>Target:here=there``; a name that is its target's set leads to many."""
    found = {}
    for text in links:
        name, _, rest = text.partition(">")
        target, _, columns = rest.partition(":")
        here, _, there = columns.partition("=")
        many = name != target
        found[name] = Link(name=name, target=target, many=many, here=here, there=there)
    return found


def _e(
    name: str,
    plural: str,
    properties: dict[str, Property],
    links: dict[str, Link],
    *,
    keys: tuple[str, ...] = ("id",),
    numbered: bool = False,
    place: str | None = None,
) -> Entity:
    return Entity(
        name=name,
        plural=plural,
        keys=keys,
        numbered=numbered,
        properties=properties,
        links=links,
        place=place,
    )


_NAMED = ("name:text", "description:text")

ENTITIES: dict[str, Entity] = {
    entity.name: entity
    for entity in (
        _e(
            "Thing",
            "Things",
            _p("id:text", *_NAMED, "properties:json"),
            _l(
                "Locations>Location:id=current_thing_id",
                "HistoricalLocations>HistoricalLocation:id=thing_id",
                "Datastreams>Datastream:id=thing_id",
            ),
        ),
        _e(
            "Location",
            "Locations",
            _p(
                "id:number", *_NAMED, "encodingType:text:encoding", "location:geometry",
                "properties:json",
            ),
            _l(
                "Things>Thing:current_thing_id=id",
                "HistoricalLocations>HistoricalLocation:id=id",
            ),
            numbered=True,
            place="id",
        ),
        _e(
            "HistoricalLocation",
            "HistoricalLocations",
            _p("id:number", "time:time"),
            _l("Thing>Thing:thing_id=id", "Locations>Location:id=id"),
            numbered=True,
        ),
        _e(
            "Datastream",
            "Datastreams",
            _p(
                "id:number", *_NAMED, "observationType:text:observation_type",
                "unitOfMeasurement:json:unit", "observedArea:geometry:area",
                "phenomenonTime:interval:-?", "properties:json",
            ),
            _l(
                "Thing>Thing:thing_id=id",
                "Sensor>Sensor:sensor_id=id",
                "ObservedProperty>ObservedProperty:property_id=id",
                "Observations>Observation:id=series_id",
            ),
            numbered=True,
            place="place_id",
        ),
        _e(
            "Sensor",
            "Sensors",
            _p(
                "id:text", *_NAMED, "encodingType:text:encoding", "metadata:text",
                "properties:json",
            ),
            _l("Datastreams>Datastream:id=sensor_id"),
        ),
        _e(
            "ObservedProperty",
            "ObservedProperties",
            _p("id:text", "name:text", "definition:text", "description:text", "properties:json"),
            _l("Datastreams>Datastream:id=property_id"),
        ),
        _e(
            "Observation",
            "Observations",
            _p(
                "id:text", "phenomenonTime:time:observed_at", "resultTime:time:received_at",
                "result:number:value", "resultQuality:json:judgement", "parameters:json",
            ),
            _l(
                "Datastream>Datastream:series_id=id",
                "FeatureOfInterest>FeatureOfInterest:feature_id=id",
            ),
            keys=("series_id", "observed_at"),
        ),
        _e(
            "FeatureOfInterest",
            "FeaturesOfInterest",
            _p(
                "id:text", *_NAMED, "encodingType:text:encoding", "feature:geometry",
                "properties:json",
            ),
            _l("Observations>Observation:id=feature_id"),
            place="id",
        ),
    )
}  # fmt: skip

SETS: dict[str, Entity] = {entity.plural: entity for entity in ENTITIES.values()}
