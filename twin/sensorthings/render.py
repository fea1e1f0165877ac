"""Rows to entities: control information, properties and links, as section 8.1 asks. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote

from core.model import Quality
from twin.sensorthings.address import quoted
from twin.sensorthings.model import Entity
from twin.sensorthings.options import Options

Row = Mapping[str, Any]
Word = dict[str, Any]

_SAFE = "(),'@:;*!$"


def moment(when: datetime) -> str:
    """Return a time as it is said everywhere here: UTC, to the microsecond.

    Example:
        >>> moment(datetime(2026, 1, 1, tzinfo=UTC))
        '2026-01-01T00:00:00.000000Z'
    """
    return when.astimezone(UTC).isoformat(timespec="microseconds").removesuffix("+00:00") + "Z"


def self_link(base: str, entity: Entity, key: Any) -> str:
    """Return the address of an entity."""
    return f"{base}/{quote(f'{entity.plural}({quoted(entity, key)})', safe=_SAFE)}"


def wanted(entity: Entity, options: Options) -> list[str]:
    """Return the properties that an answer needs."""
    names = [name for name in entity.properties if name != "id"]
    return names if options.select is None else [name for name in names if name in options.select]


def word(entity: Entity, row: Row, options: Options, base: str) -> Word:
    """Return an entity without what is expanded; absent properties are left out."""
    select = options.select
    link = self_link(base, entity, row["id"])
    said: Word = {}
    if select is None or "id" in select:
        said["@iot.id"] = row["id"]
    if select is None or "@iot.selfLink" in select or "id" in select:
        said["@iot.selfLink"] = link
    for name in wanted(entity, options):
        value = property_of(entity, name, row)
        if value is not None:
            said[name] = value
    for name in entity.links:
        if select is None or name in select:
            said[f"{name}@iot.navigationLink"] = f"{link}/{name}"
    return said


def property_of(entity: Entity, name: str, row: Row) -> Any:
    """Return the value of a property in the words of the standard."""
    found = entity.properties[name]
    value = row.get(found.column or name)
    if isinstance(value, datetime):
        return moment(value)
    if found.name == "resultQuality" and value is not None:
        return judgement(value["code"])
    return value


def judgement(bits: int) -> Word:
    """Return the quality bits and their names.

    Example:
        >>> judgement(0), judgement(5)["words"]
        ({'code': 0, 'words': ['good']}, ['out_of_range', 'jump'])
    """
    known = [one.name.lower() for one in Quality if one and bits & one and one.name]
    return {"code": bits, "words": known or ["good"]}
