"""The typed tree of a filter. Pure; ``parser`` makes it, ``compiler`` turns it into SQL."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from twin.sensorthings.model import Link, Property, Type


@dataclass(frozen=True, slots=True)
class Literal:
    """A value that stands in the filter; an interval is a pair, a geometry is shapely's."""

    value: Any
    type: Type


@dataclass(frozen=True, slots=True)
class Path:
    """A property, over any number of links, and keys inside it where it is JSON."""

    links: tuple[Link, ...]
    leaf: Property
    inside: tuple[str, ...]
    entity: str

    @property
    def type(self) -> Type:
        """What it is; a part of an object may be anything."""
        return self.leaf.type


@dataclass(frozen=True, slots=True)
class Cast:
    """A part of an object, taken as what it is compared with; null when it is something else."""

    path: Path
    type: Type


@dataclass(frozen=True, slots=True)
class Apply:
    """An operator or a function, by the name of its template in ``functions.sql``."""

    name: str
    arguments: tuple[Node, ...]
    type: Type


@dataclass(frozen=True, slots=True)
class Near:
    """A question to a geometry: decided with shapely, and then a set of rows.

    Attributes:
        name: the function; ``distance`` compares metres by ``operator`` with ``limit``.
        swapped: the geometry of the filter stands first.
        pattern: of ``st_relate``.
    """

    name: str
    path: Path
    shape: Any
    swapped: bool = False
    operator: str = ""
    limit: float = 0.0
    pattern: str = ""

    @property
    def type(self) -> Type:
        """It is true or false."""
        return Type.BOOL


@dataclass(frozen=True, slots=True)
class Distance:
    """``geo.distance`` before it is compared."""

    path: Path
    shape: Any

    @property
    def type(self) -> Type:
        """Metres."""
        return Type.NUMBER


Node = Literal | Path | Cast | Apply | Near | Distance

Value = str | float | int | bool | datetime | timedelta | None


def walk(node: Node) -> Iterator[Node]:
    """Yield a node and all below it."""
    yield node
    if isinstance(node, Apply):
        for argument in node.arguments:
            yield from walk(argument)


def paths(node: Node) -> Iterator[Path]:
    """Yield every path of a tree."""
    for found in walk(node):
        if isinstance(found, Path):
            yield found
        elif isinstance(found, Cast | Near | Distance):
            yield found.path
