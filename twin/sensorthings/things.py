"""A Thing with what is inserted with it, out of JSON, as a device to register. Pure."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from core.model import Device, is_id
from core.units import DEVICE_KINDS, QUANTITIES
from twin.sensorthings.catalogue import quantities
from twin.sensorthings.wishes import Unfit

INTERVAL_S = 60.0
"""Expected seconds between two Observations of a Thing that does not say."""

_OWN = frozenset({"kind", "interval_s", "address", "device_id"})
_KNOWN = frozenset({"@iot.id", "name", "description", "properties", "Locations", "Datastreams"})
_DEFINITIONS = {one["definition"]: one["id"] for one in reversed(quantities())}


@dataclass(frozen=True, slots=True, kw_only=True)
class Position:
    """Where it stands: a point, or an existing Location to take the point of."""

    lon: float = math.nan
    lat: float = math.nan
    height_m: float | None = None
    location: int | None = None


def position(body: Any) -> Position:
    """Return where a Thing shall stand.

    Raises:
        Unfit: it has not exactly one Location that is a point.
    """
    said = _object(body, "a Thing")
    places = said.get("Locations")
    if not isinstance(places, list) or len(places) != 1:
        raise Unfit("a Thing is created with one Location, a GeoJSON Point")
    place = _object(places[0], "a Location")
    if "@iot.id" in place:
        number = place["@iot.id"]
        if isinstance(number, bool) or not isinstance(number, int):
            raise Unfit("the id of a Location is a number")
        return Position(location=number)
    shape = _object(place.get("location"), "location")
    if shape.get("type") == "Feature":
        shape = _object(shape.get("geometry"), "geometry")
    return _point(shape)


def device(body: Any, where: Position, gateway: str, fresh_id: str) -> Device:
    """Return the device that a Thing means.

    Args:
        where: its position, already a point.
        gateway: through which it reports.
        fresh_id: its id when it names none.

    Raises:
        Unfit: something is missing, or could not be kept.
    """
    said = _object(body, "a Thing")
    strange = sorted(said.keys() - _KNOWN)
    if strange:
        raise Unfit(f"{', '.join(strange)}: cannot be created with a Thing")
    properties = _object(said.get("properties") or {}, "properties")
    kind = properties.get("kind")
    if kind not in DEVICE_KINDS:
        raise Unfit(f"properties.kind is one of {', '.join(DEVICE_KINDS)}, not {kind!r:.60}")
    name = said.get("name")
    if not isinstance(name, str) or not 1 <= len(name) <= 200:
        raise Unfit("a Thing has a name of 1 to 200 signs")
    number = said.get("@iot.id", properties.get("device_id", fresh_id))
    if not isinstance(number, str) or not is_id(number):
        raise Unfit("the id of a Thing matches [a-z0-9][a-z0-9._-]{0,63}")
    return Device(
        device_id=number,
        kind=kind,
        name=name,
        lon=where.lon,
        lat=where.lat,
        height_m=where.height_m,
        address=_text(properties.get("address", ""), "properties.address"),
        gateway_id=gateway,
        interval_s=_seconds(properties.get("interval_s", INTERVAL_S)),
        quantities=_quantities(said.get("Datastreams") or [], kind),
        attributes=_attributes(said, properties),
    )


def _attributes(said: Mapping[str, Any], properties: Mapping[str, Any]) -> dict[str, Any]:
    kept = {key: value for key, value in properties.items() if key not in _OWN}
    description = said.get("description")
    if description:
        kept["description"] = _text(description, "description")
    return kept


def _quantities(body: Any, kind: str) -> tuple[str, ...]:
    if not isinstance(body, list) or len(body) > len(QUANTITIES):
        raise Unfit(f"Datastreams is a list of at most {len(QUANTITIES)}")
    found = [_quantity(_object(one, "a Datastream"), kind) for one in body]
    if len(set(found)) < len(found):
        raise Unfit("two Datastreams have the same ObservedProperty")
    return tuple(found)


def _quantity(stream: Mapping[str, Any], kind: str) -> str:
    seen = _object(stream.get("ObservedProperty"), "ObservedProperty of a Datastream")
    name = seen.get("@iot.id") or _DEFINITIONS.get(str(seen.get("definition"))) or seen.get("name")
    if name not in QUANTITIES:
        raise Unfit(f"ObservedProperty: {name!r:.60} is none of {', '.join(QUANTITIES)}")
    unit = stream.get("unitOfMeasurement")
    symbol = unit.get("symbol") if isinstance(unit, dict) else None
    if symbol is not None and symbol != QUANTITIES[name].unit:
        raise Unfit(f"{name} is measured in {QUANTITIES[name].unit}, not in {symbol!r:.60}")
    sensor = stream.get("Sensor")
    named = sensor.get("@iot.id") if isinstance(sensor, dict) else None
    if named is not None and named != kind:
        raise Unfit(f"the Sensor of a {kind} is {kind!r}, not {named!r:.60}")
    if stream.get("Observations"):
        raise Unfit("create Observations after their Datastream")
    return str(name)


def _point(shape: Mapping[str, Any]) -> Position:
    numbers = shape.get("coordinates")
    good = (
        shape.get("type") == "Point"
        and isinstance(numbers, list)
        and 2 <= len(numbers) <= 3
        and all(isinstance(n, int | float) and not isinstance(n, bool) for n in numbers)
        and all(abs(n) < 1e6 for n in numbers)
    )
    if not good or not isinstance(numbers, list) or abs(numbers[0]) > 180 or abs(numbers[1]) > 90:
        raise Unfit(
            "location is a GeoJSON Point: degrees, longitude first, then metres above ground"
        )
    height = float(numbers[2]) if len(numbers) == 3 else None
    return Position(lon=float(numbers[0]), lat=float(numbers[1]), height_m=height)


def _seconds(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value <= 1e7:
        raise Unfit("properties.interval_s is a number of seconds above 0")
    return float(value)


def _text(value: Any, what: str) -> str:
    if not isinstance(value, str) or len(value) > 1000:
        raise Unfit(f"{what} is text of at most 1000 signs")
    return value


def _object(body: Any, what: str) -> Mapping[str, Any]:
    if not isinstance(body, dict):
        raise Unfit(f"{what} is a JSON object")
    return body
