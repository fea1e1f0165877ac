"""GeoJSON as columns, parsed here: whole numbers stay exact and no driver is asked.

RFC 7946 knows WGS 84 only; the ``crs`` member of the specification of 2008 is heeded, and so is our
own foreign member ``frame``, which names the system of a file that is not in WGS 84.
"""

from __future__ import annotations

import json
import math
import re
from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import shapely
from shapely.errors import GEOSException

from geodata.maps.archive import Opened
from geodata.maps.encoding import decoded, named
from geodata.maps.model import Finding, Weight, told
from geodata.maps.raw import Bounds, FileRefused, Loaded, RawLayer, TextFacts, Value
from geodata.said import Said

WGS84 = "EPSG:4326"
_HALVES = re.compile("[\ud800-\udfff]")
_KINDS = {
    "Point", "MultiPoint", "LineString", "MultiLineString", "Polygon", "MultiPolygon",
    "GeometryCollection",
}  # fmt: skip


def load(file: Opened, bounds: Bounds, encoding: str | None) -> Loaded:
    """Read a FeatureCollection or a Feature.

    Raises:
        FileRefused: if the text is no GeoJSON; the sentence names the place.
    """
    chosen = named(encoding) if encoding else "UTF-8"
    text = decoded(file.path.read_bytes().removeprefix(b"\xef\xbb\xbf"), chosen, file.name)
    twice: list[str] = []
    try:
        held = json.loads(text, object_pairs_hook=_noting(twice), parse_constant=_no_number)
    except json.JSONDecodeError as wrong:
        raise FileRefused(
            f"{file.name} is no JSON: {wrong.msg} in line {wrong.lineno}, column {wrong.colno}",
            remedy="the file is cut off or damaged: export it again",
        ) from wrong
    except (RecursionError, ValueError) as wrong:
        raise FileRefused(f"{file.name} is no JSON that can be read: {wrong}") from wrong
    features = _features(held, file.name)
    if len(features) > bounds.features:
        raise FileRefused(f"{file.name} has more than {bounds.features} features")
    return Loaded(
        layers=(_layer(held, features, file, bounds),),
        text=TextFacts(used=chosen, declared="UTF-8", ascii=text.isascii()),
        findings=_told_twice(twice),
    )


def _noting(twice: list[str]) -> Callable[[list[tuple[str, Any]]], dict[str, Any]]:
    """Return what makes an object of its members, and notes a name that stands there twice."""

    def made(members: list[tuple[str, Any]]) -> dict[str, Any]:
        held = dict(members)
        if len(held) < len(members):
            counted = Counter(name for name, _ in members)
            twice.append(counted.most_common(1)[0][0])
        return held

    return made


def _no_number(_: str) -> None:
    """NaN and Infinity are no JSON; programs write them where a value is missing."""


def _told_twice(twice: list[str]) -> tuple[Finding, ...]:
    if not twice:
        return ()
    name = clean_text(twice[0])[:60]
    return (
        told(
            "duplicate_member",
            Weight.ERROR,
            Said(
                f"{len(twice)} 个对象有重名成员（首个为 {name}），取后一个值",
                f"objects that name a member twice: {len(twice)} (the first is {name!r}); "
                "the last value was taken",
            ),
            Said(
                "请删去重名成员后重新导出",
                "decide which value is meant, and export the file again",
            ),
        ),
    )


def clean_text(text: str) -> str:
    """Return text that every store can keep: without NUL, halves of surrogate pairs replaced."""
    if "\x00" not in text and not _HALVES.search(text):
        return text
    return text.replace("\x00", "").encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def _features(held: Any, name: str) -> list[Any]:
    kind = held.get("type") if isinstance(held, dict) else None
    if kind == "Feature":
        return [held]
    found = held.get("features") if kind == "FeatureCollection" else None
    if not isinstance(found, list):
        raise FileRefused(
            f"{name} is JSON and no GeoJSON FeatureCollection", remedy="export it as GeoJSON"
        )
    return found


def _layer(held: Mapping[str, Any], features: list[Any], file: Opened, bounds: Bounds) -> RawLayer:
    shapes = np.full(len(features), None, dtype=object)
    columns: dict[str, list[Value]] = {}
    flat = False
    for row, feature in enumerate(features):
        if not isinstance(feature, dict) or feature.get("type") != "Feature":
            raise FileRefused(f"{file.name}: member {row + 1} of its features is no Feature")
        shapes[row], high = _shape(feature.get("geometry"), f"{file.name}, feature {row + 1}")
        flat = flat or high
        properties = feature.get("properties") or {}
        if not isinstance(properties, dict):
            raise FileRefused(f"{file.name}, feature {row + 1}: its properties are no object")
        if "id" in feature and "id" not in properties:
            properties = {**properties, "id": feature["id"]}
        for written, value in properties.items():
            key = clean_text(written)
            if key not in columns:
                if len(columns) >= bounds.fields:
                    raise FileRefused(f"{file.name} has more than {bounds.fields} properties")
                columns[key] = [None] * len(features)
            columns[key][row] = _plain(value)
    name = held.get("name")
    return RawLayer(
        name=clean_text(name) if isinstance(name, str) and name else file.title,
        shapes=shapes,
        columns=columns,
        crs=_crs(held),
        places=range(1, len(features) + 1),
        flat=flat,
    )


def _shape(geometry: object, where: str) -> tuple[Any, bool]:
    """Return a shapely geometry, and whether it had heights."""
    if geometry is None:
        return None, False
    if not isinstance(geometry, dict) or geometry.get("type") not in _KINDS:
        raise FileRefused(f"{where}: its geometry is none of GeoJSON")
    try:
        made = shapely.from_geojson(json.dumps(geometry))
    except (GEOSException, ValueError, RecursionError) as wrong:
        raise FileRefused(f"{where}: its geometry cannot be read: {str(wrong)[:200]}") from wrong
    if made is None:
        return None, False
    high = bool(shapely.has_z(made))
    return (shapely.force_2d(made) if high else made), high


def _plain(value: object) -> Value:
    if value is None:
        return value
    if isinstance(value, str):
        return clean_text(value)
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int):
        return value
    return clean_text(json.dumps(value, ensure_ascii=False))


def _crs(held: Mapping[str, Any]) -> str:
    own = held.get("frame")
    if isinstance(own, str) and own:
        return own[:200]
    legacy = held.get("crs")
    if isinstance(legacy, dict):
        properties = legacy.get("properties")
        name = properties.get("name") if isinstance(properties, dict) else None
        return str(name)[:200] if isinstance(name, str) else "an unreadable crs member"
    return WGS84
