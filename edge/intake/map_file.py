"""The file that says what foreign names mean: ``map.toml``, typed and checked.

::

    [[device]]
    name = "Smoke 7F-03"          # as the foreign gateway says
    id = "smoke-7f-03"            # as it is registered here

    [[key]]
    name = "temp"                 # of every device, unless ``device`` names one
    quantity = "temperature"
    unit = "[degF]"

``door`` (thingsboard, chirpstack, sparkplug) narrows either to one protocol.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, NoReturn, TypeVar

import msgspec
from msgspec import Meta

from core.model import is_id
from core.units import QUANTITIES, conversion
from edge.intake.dictionary import Dictionary, Entry, Place
from edge.intake.words import Door
from edge.mapping import MappingInvalid, nearest

S = TypeVar("S", bound=msgspec.Struct)
Name = Annotated[str, Meta(min_length=1, max_length=1000)]


class DeviceTable(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """``[[device]]``: the id of a foreign device.

    Attributes:
        name: as the protocol says it: ThingsBoard's device name, ChirpStack's device EUI (lower
            case), Sparkplug's ``group/node`` or ``group/node/device``.
        id: the registered device.
        door: only for this protocol; absent: for any.
    """

    name: Name
    id: str
    door: Door | None = None


class KeyTable(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """``[[key]]``: what a foreign key means.

    Attributes:
        name: as the protocol says it; ChirpStack's nested values are joined by dots.
        quantity: a key of ``core.units.QUANTITIES``.
        unit: of the value after scale and offset; empty: the quantity's own.
        scale: factor of the value; offset: added after it.
        words: text to number, like ``{ on = 1, off = 0 }``; large and small letters are one.
        ignore: count it and send nothing; then no quantity is needed.
        device: only of this foreign device.
        door: only for this protocol.
    """

    name: Name
    quantity: str = ""
    unit: str = ""
    scale: float = 1.0
    offset: float = 0.0
    words: dict[str, float] = {}
    ignore: bool = False
    device: Name | None = None
    door: Door | None = None


_TABLES: dict[str, type[msgspec.Struct]] = {"device": DeviceTable, "key": KeyTable}
_SAMPLE = "the examples in examples/intake show what a map holds"


def load_map(path: Path) -> Dictionary:
    """Read and check a map.

    Raises:
        MappingInvalid: naming the file, the entry and what is wrong with it.
    """
    content = _read(path)
    for name, tables in content.items():
        if name not in _TABLES:
            _fail(path, name, "unknown table", nearest(name, sorted(_TABLES)))
        if not isinstance(tables, list):
            _fail(path, name, f"write [[{name}]]", _SAMPLE)
    devices: dict[tuple[Door | None, str], str] = {}
    for place, device in _entries(path, content, "device", DeviceTable):
        _check_device(path, place, device)
        if devices.setdefault((device.door, device.name), device.id) != device.id:
            _fail(path, place, f"{device.name!r} has another id in an earlier [[device]]")
    keys: dict[Place, Entry] = {}
    for place, key in _entries(path, content, "key", KeyTable):
        spot = (key.door, key.device, key.name)
        if spot in keys:
            _fail(path, place, f"{key.name!r} stands in an earlier [[key]] too")
        keys[spot] = _entry(path, place, key)
    return Dictionary(devices=devices, keys=keys)


def _read(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise MappingInvalid(
            f"cannot read the map {path}: {error}", remedy="give a readable file as intake.map"
        ) from error
    except tomllib.TOMLDecodeError as error:
        where = re.search(r"line (\d+), column (\d+)", str(error))
        spot = f":{where[1]}:{where[2]}" if where else ""
        raise MappingInvalid(f"{path}{spot}: no valid TOML: {error}") from error


def _entries(
    path: Path, content: dict[str, Any], name: str, kind: type[S]
) -> Iterator[tuple[str, S]]:
    for number, table in enumerate(content.get(name, []), start=1):
        place = f"[[{name}]] number {number}"
        try:
            yield place, msgspec.convert(table, kind)
        except msgspec.ValidationError as error:
            unknown = re.search(r"unknown field `(\w+)`", str(error))
            fields = [info.name for info in msgspec.structs.fields(kind)]
            _fail(path, place, str(error), nearest(unknown[1], fields) if unknown else _SAMPLE)


def _check_device(path: Path, place: str, device: DeviceTable) -> None:
    if not is_id(device.id):
        _fail(path, place, f"{device.id!r} is no device id ([a-z0-9._-], 64 at most)")


def _entry(path: Path, place: str, key: KeyTable) -> Entry:
    if key.ignore:
        return Entry(ignore=True)
    if key.quantity not in QUANTITIES:
        remedy = nearest(key.quantity, QUANTITIES)
        _fail(path, place, f"unknown quantity {key.quantity!r}", remedy)
    own = QUANTITIES[key.quantity].unit
    if key.unit and conversion(key.unit, key.quantity) is None:
        _fail(path, place, f"unit {key.unit!r} cannot be converted", f"it is kept in {own}")
    return Entry(
        quantity=key.quantity,
        unit=None if key.unit in ("", own) else key.unit,
        scale=key.scale,
        offset=key.offset,
        words={word.strip().lower(): number for word, number in key.words.items()},
    )


def _fail(path: Path, place: str, what: str, remedy: str = "") -> NoReturn:
    raise MappingInvalid(f"{path}: {place}: {what}", remedy=remedy)
