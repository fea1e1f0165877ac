"""What was seen in a map file: layers, fields, and the evidence for its encoding and its frame."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from geodata.maps.raw import TextFacts


@dataclass(frozen=True, slots=True, kw_only=True)
class FieldSeen:
    """A field: ``type`` is text, whole, number or empty; ``filled`` counts rows with a value."""

    name: str
    type: str
    filled: int
    samples: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class LayerSeen:
    """A layer.

    Attributes:
        geometry_types: how many features of each; "none" is an empty geometry.
        bounds: least x, y and greatest x, y in the file's own coordinates; None without vertices.
    """

    name: str
    features: int
    geometry_types: Mapping[str, int]
    fields: tuple[FieldSeen, ...]
    bounds: tuple[float, float, float, float] | None
    crs: str


@dataclass(frozen=True, slots=True, kw_only=True)
class FrameSeen:
    """What speaks for which coordinate system.

    Attributes:
        declared: what the file says, as text; "" if nothing.
        named: the same as a name of ``geodata.frames``; "" if it could not be named.
        possible: names that fit the size of the coordinates, likeliest first.
        sentences: the evidence for a person.
    """

    declared: str
    named: str
    possible: tuple[str, ...]
    sentences: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Inspection:
    """Everything that a person should see before declaring how to read a file."""

    name: str
    driver: str
    size: int
    sha256: str
    layers: tuple[LayerSeen, ...]
    encoding: TextFacts
    frame: FrameSeen

    @property
    def crs(self) -> str:
        """Return what the file says of its coordinate system."""
        return self.frame.declared

    def as_json(self) -> dict[str, Any]:
        """Return it as JSON has it."""
        return asdict(self)
