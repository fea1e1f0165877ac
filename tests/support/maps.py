"""Maps for tests: the little district as a file would have delivered it, with changes."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import shapely
from shapely.geometry import mapping

from core.model import Space
from geodata.maps.model import MapContent, Source, cells_of
from geodata.placement import parse

SOURCE = Source(
    name="blocks.gpkg",
    sha256="0" * 64,
    size=1,
    driver="gpkg",
    layers=("blocks",),
    encoding="UTF-8",
    frame="EPSG:4547",
    origin="the survey office, for this test",
)


def content(spaces: Sequence[Space], source: Source = SOURCE) -> MapContent:
    """Return spaces as a map that was read."""
    shapes = parse([space.code for space in spaces], [space.outline for space in spaces])
    return MapContent(cells=cells_of(spaces, shapes), source=source)


def shape(space: Space) -> Any:
    """Return the outline of a space as a geometry."""
    return shapely.geometry.shape(space.outline)


def outline(geometry: Any) -> dict[str, Any]:
    """Return a geometry as GeoJSON."""
    found: dict[str, Any] = mapping(geometry)
    return found


def by_code(spaces: Iterable[Space]) -> dict[str, Space]:
    """Return spaces by their codes."""
    return {space.code: space for space in spaces}
