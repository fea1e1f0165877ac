"""From a file and what its sender says of it to a map that can be judged.

Reading is ``geodata.maps.read``'s; here is only how a person's words become its arguments, for the
command line and the API alike.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from core.errors import UsageError
from geodata.frames import Frame
from geodata.maps import fields, read
from geodata.maps.fields import ROLES, Mapping
from geodata.maps.inspection import Inspection
from geodata.maps.model import MapContent

MOST_BYTES = 100_000
"""Of a mapping."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What a person says of a file; what is empty is found out or left out.

    Attributes:
        layers: names of the layers to take; none takes all that hold areas.
        mapping: path of a TOML that says which field is what; the single fields go before it.
        kind: a field, or a level (``block``, ``网格``) when everything is of it.
        code, name, name_en, parent, height: fields of the file.
        origin: who made it and under which licence.
    """

    layers: tuple[str, ...] = ()
    encoding: str = ""
    mapping: Path | None = None
    kind: str = ""
    code: str = ""
    name: str = ""
    name_en: str = ""
    parent: str = ""
    height: str = ""
    origin: str = ""


def look(path: Path, *, layer: str = "", encoding: str = "") -> Inspection:
    """Return what a file holds.

    Raises:
        FileRefused: it is no map file, damaged, unsafe or too large.
        UsageError: there is no such layer, or the encoding does not fit.
    """
    return read.look(path, encoding=encoding or None, layer=layer or None)


def read_map(path: Path, frame: Frame | None, asked: Asked) -> MapContent:
    """Read a file as a map; fields that nobody names are found by their names.

    Raises:
        FileRefused: it is no map file, damaged, unsafe or too large, or holds no area.
        UsageError: what was said does not fit the file; no frame refuses with the evidence.
    """
    return read.read(
        path,
        frame=frame,
        layers=asked.layers or None,
        encoding=asked.encoding or None,
        mapping=_mapping(path, asked),
        origin=asked.origin,
    )


def _mapping(path: Path, asked: Asked) -> Mapping:
    if asked.mapping is not None:
        if asked.mapping.stat().st_size > MOST_BYTES:
            raise UsageError(f"{asked.mapping} is larger than {MOST_BYTES:,} bytes")
        mapping = fields.load(asked.mapping.read_bytes())
    else:
        mapping = fields.guess(look(path, encoding=asked.encoding)).mapping
    given = {role: getattr(asked, role) for role in ROLES if getattr(asked, role)}
    kind = given.get("kind", "")
    if kind and fields.kind_of(kind) is not None:
        given["kind"] = f"={kind}"
    if kind:
        mapping = replace(mapping, layers={})
    return replace(mapping, **given)
