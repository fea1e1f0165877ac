"""What a file held before anybody judged it: layers of shapes and columns, and the file limits.

The readers of the formats make these; ``read`` turns them into cells.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from core.errors import UsageError
from geodata.maps.model import Finding, Shapes


class FileRefused(UsageError):
    """The file cannot be taken as a map; the sentence names it and the reason."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Bounds:
    """How much a file may hold; whoever wants more sets others.

    Attributes:
        file_bytes: of the file as delivered; ``text_bytes`` of GeoJSON, KML and DXF, which are held
            in memory several times over while they are parsed.
        unpacked_bytes: of an archive, all members together.
        ratio: unpacked to packed, from a megabyte on.
        members: files in an archive or folder.
        layers, fields, features: of a file, of a layer, of a file.
        feature_vertices, vertices: of one feature, of a file.
        text_length: signs of one field.
    """

    file_bytes: int = 512_000_000
    text_bytes: int = 200_000_000
    unpacked_bytes: int = 1_000_000_000
    ratio: float = 200.0
    members: int = 2_000
    layers: int = 500
    fields: int = 500
    features: int = 500_000
    feature_vertices: int = 1_000_000
    vertices: int = 20_000_000
    text_length: int = 4_000


DEFAULT = Bounds()

Value = str | int | float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class RawLayer:
    """A layer as it stands in the file.

    Attributes:
        shapes: shapely geometries in the file's own coordinates, two dimensions; None where empty.
        columns: values by field name; numbers as numbers, so that it can be seen what was a number.
        crs: what the file says of its coordinate system: a name or WKT; "" if nothing.
        places: number of each row in the file, for findings.
        flat: whether heights or measures were dropped.
    """

    name: str
    shapes: Shapes
    columns: Mapping[str, Sequence[Value]]
    crs: str = ""
    places: Sequence[int] = ()
    flat: bool = False

    def where(self, row: int) -> str:
        """Return the place of a row for a person."""
        number = self.places[row] if row < len(self.places) else row + 1
        return f"layer {self.name}, feature {number}"


@dataclass(frozen=True, slots=True, kw_only=True)
class TextFacts:
    """How the text of a file is, or may be, encoded.

    Attributes:
        used: how it was decoded here.
        declared: what the file says of it; "" if nothing.
        ascii: no byte of its text needs an encoding.
        sure: nobody has to be asked.
        candidates: encodings in which the text has a meaning, each with a sample.
        remarks: sentences for a person.
    """

    used: str
    declared: str = ""
    ascii: bool = True
    sure: bool = True
    candidates: tuple[tuple[str, str], ...] = ()
    remarks: tuple[str, ...] = ()


PLAIN_UTF8 = TextFacts(used="UTF-8", declared="UTF-8")


@dataclass(frozen=True, slots=True, kw_only=True)
class Loaded:
    """All layers of a file."""

    layers: tuple[RawLayer, ...]
    text: TextFacts = PLAIN_UTF8
    findings: tuple[Finding, ...] = field(default=())
