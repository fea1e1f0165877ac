"""The kinds of devices with their schemas: those built in, and own ones from a folder.

An own kind is a file ``KIND.json``: ``{"field", "quantities", "zh", "en", "schema"}``, where
``schema`` is a JSON Schema (draft 2020-12) of the device's attributes; the properties common to all
kinds are added. A file named like a built-in kind may hold only ``schema``, which adds to that one.

``Kinds.read`` makes own kinds known to the whole process, through ``core.units.DEVICE_KINDS``; call
it once at the start.
"""

from __future__ import annotations

import difflib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
from jsonschema import Draft202012Validator, FormatChecker
from jsonschema.exceptions import SchemaError, ValidationError

from core.errors import ConfigInvalid
from core.kinds import CONFIGURATION, DRAFT, INSTALLATION, KINDS, Schema, common_properties
from core.model import Field, is_id, parse_time
from core.units import DEVICE_KINDS, QUANTITIES, DeviceKind

MAX_KINDS = 500
"""Own kinds at most."""

MAX_FILE_BYTES = 262_144
"""Bytes of one kind's file at most."""

MAX_FAULTS = 20
"""Faults that are named of one device at most."""

_FORMATS = FormatChecker(formats=("date",))


@_FORMATS.checks("date-time", raises=ValueError)
def _is_time(value: object) -> bool:
    """RFC 3339 with an offset, as everywhere here; jsonschema's own check needs another package."""
    return not isinstance(value, str) or parse_time(value) is not None


class _File(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    schema: dict[str, Any]
    field: Field | None = None
    quantities: list[str] | None = None
    zh: str = ""
    en: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class AttributeFault:
    """What is wrong with one attribute: its name (empty for the whole), and a sentence."""

    name: str
    detail: str

    def __str__(self) -> str:
        return f"attributes{'.' if self.name else ''}{self.name}: {self.detail}"


class Kinds:
    """Every kind that is known, with a validator for each, made when first needed."""

    def __init__(self, schemas: Mapping[str, Schema]) -> None:
        self.schemas = dict(schemas)
        self._whole: dict[str, Draft202012Validator] = {}
        self._single: dict[tuple[str, str], Draft202012Validator] = {}

    @classmethod
    def read(cls, folder: str) -> Kinds:
        """Return the built-in kinds and those of a folder; "" is none.

        Raises:
            ConfigInvalid: names the file and what is wrong in it.
        """
        schemas = dict(KINDS)
        own: dict[str, DeviceKind] = {}
        for path in _files(folder):
            kind, described, schema = _read(path)
            schemas[kind] = schema
            if described is not None:
                own[kind] = described
        DEVICE_KINDS.update(own)
        return cls(schemas)

    def faults(self, kind: str, attributes: Mapping[str, Any]) -> Iterator[AttributeFault]:
        """Yield what is wrong with a device's attributes; nothing for a kind without a schema."""
        if kind not in self.schemas:
            return
        if kind not in self._whole:
            self._whole[kind] = _validator(self.schemas[kind])
        for count, error in enumerate(self._whole[kind].iter_errors(dict(attributes))):
            if count == MAX_FAULTS:
                return
            yield AttributeFault(name=".".join(map(str, error.absolute_path)), detail=_said(error))

    def unknown(self, kind: str, attributes: Mapping[str, Any]) -> list[str]:
        """Return the attributes that the kind's schema does not name; they are allowed."""
        known = self.schemas.get(kind, {}).get("properties", {})
        return [name for name in attributes if name not in known]

    def configuration(self, kind: str) -> dict[str, Schema]:
        """Return what can be set on a device of this kind."""
        properties: dict[str, Schema] = self.schemas.get(kind, {}).get("properties", {})
        return {n: s for n, s in properties.items() if s.get("side") == CONFIGURATION}

    def desired_fault(self, kind: str, name: str, value: object) -> AttributeFault | None:
        """Say why a value may not be wished for; None if it may."""
        settable = self.configuration(kind)
        if name not in settable:
            near = difflib.get_close_matches(name, settable, n=1)
            hint = f"; did you mean {near[0]}?" if near else f"; {', '.join(settable)} can"
            return AttributeFault(name=name, detail=f"cannot be set on a {kind}{hint}")
        key = (kind, name)
        if key not in self._single:
            self._single[key] = _validator({"$schema": DRAFT} | settable[name])
        error = next(iter(self._single[key].iter_errors(value)), None)
        return AttributeFault(name=name, detail=_said(error)) if error is not None else None


BUILT_IN = Kinds(KINDS)
"""What holds where no folder of own kinds is configured."""


def _validator(schema: Schema) -> Draft202012Validator:
    return Draft202012Validator(schema, format_checker=_FORMATS)


def _said(error: ValidationError) -> str:
    unit = error.schema.get("unit") if isinstance(error.schema, dict) else None
    text = error.message if len(error.message) <= 300 else f"{error.message[:300]}…"
    return f"{text} ({unit})" if unit and unit != "1" else text


def _files(folder: str) -> list[Path]:
    if not folder:
        return []
    path = Path(folder)
    if not path.is_dir():
        raise ConfigInvalid(
            f"twin.kinds_folder: {folder} is no folder",
            remedy="make it, or leave the setting out",
        )
    found = sorted(path.glob("*.json"))
    if len(found) > MAX_KINDS:
        raise ConfigInvalid(
            f"{folder} holds {len(found)} kinds, more than {MAX_KINDS}",
            remedy="name a folder that holds kinds of devices only",
        )
    return found


def _read(path: Path) -> tuple[str, DeviceKind | None, Schema]:
    """Return kind, what it measures (None: as built in), and its schema."""
    kind = path.stem
    if not is_id(kind):
        raise _wrong(path, f"{kind!r} cannot be the name of a kind")
    if path.stat().st_size > MAX_FILE_BYTES:
        raise _wrong(path, f"it has more than {MAX_FILE_BYTES:,} bytes")
    try:
        given = msgspec.json.decode(path.read_bytes(), type=_File)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise _wrong(path, str(error)) from error
    built_in = KINDS.get(kind)
    described = _described(path, given) if built_in is None else None
    if built_in is not None and (given.field is not None or given.quantities is not None):
        raise _wrong(path, f"{kind} is built in; give only its schema")
    properties = {} if built_in is None else built_in["properties"]
    schema = {
        "$schema": DRAFT,
        "$id": f"urn:blocktwin:kind:{kind}",
        "title": given.zh or (built_in or {}).get("title", ""),
        "titleEn": given.en or (built_in or {}).get("titleEn", ""),
        "type": "object",
        **{key: value for key, value in given.schema.items() if key != "properties"},
        "properties": common_properties() | properties | _properties(path, given.schema),
    }
    _check_schema(path, schema)
    return kind, described, schema


def _described(path: Path, given: _File) -> DeviceKind:
    if given.field is None or not given.quantities or not given.zh or not given.en:
        raise _wrong(path, "a new kind needs field, quantities, zh and en")
    unknown = [name for name in given.quantities if name not in QUANTITIES]
    if unknown:
        raise _wrong(path, f"quantity {unknown[0]!r} is unknown")
    return DeviceKind(
        field=given.field, quantities=tuple(given.quantities), zh=given.zh, en=given.en
    )


def _properties(path: Path, schema: Schema) -> Schema:
    properties = schema.get("properties", {})
    if not isinstance(properties, dict):
        raise _wrong(path, "schema.properties must be an object")
    for name, one in properties.items():
        if not isinstance(one, dict):
            raise _wrong(path, f"schema.properties.{name} must be an object")
        if one.setdefault("side", INSTALLATION) not in (INSTALLATION, CONFIGURATION):
            raise _wrong(
                path, f"schema.properties.{name}.side must be {INSTALLATION} or {CONFIGURATION}"
            )
        if not isinstance(one.get("unit", ""), str):
            raise _wrong(path, f"schema.properties.{name}.unit must be a UCUM code as text")
    return properties


def _check_schema(path: Path, schema: Schema) -> None:
    try:
        Draft202012Validator.check_schema(schema)
    except SchemaError as error:
        place = ".".join(map(str, error.absolute_path)) or "schema"
        raise _wrong(path, f"{place}: {error.message}") from error
    # A reference out of the file would be fetched from the network while a device is loaded.
    if any(key in ("$ref", "$dynamicRef") and not str(value).startswith("#")
           for key, value in _members(schema)):  # fmt: skip
        raise _wrong(path, "a $ref may lead only to places in the same file (#/…)")


def _members(value: object) -> Iterator[tuple[str, object]]:
    if isinstance(value, dict):
        for key, inner in value.items():
            yield key, inner
            yield from _members(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _members(inner)


def _wrong(path: Path, reason: str) -> ConfigInvalid:
    return ConfigInvalid(
        f"the kind in {path} cannot be used: {reason}",
        remedy="see docs/twin.md, Own kinds",
    )


def as_json(schema: Schema) -> str:
    """Return a schema as text that a person can read and a file can hold."""
    return json.dumps(schema, ensure_ascii=False, indent=2)
