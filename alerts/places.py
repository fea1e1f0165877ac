"""Where the subjects of conditions are: what two of them have in common, and how far apart."""

from __future__ import annotations

import math

from core.registry import Registry, SeriesInfo

_DEPTH = {"district": 0, "street": 1, "community": 2, "grid": 3, "block": 4, "building": 5}
_METRES_PER_DEGREE = 111_195.0  # of latitude, on the mean sphere


class Places:
    """The devices of a registry by id.

    A device is looked up on demand: the registry has hundreds of thousands, alarms concern few.
    """

    def __init__(self, registry: Registry) -> None:
        self._registry = registry
        self._infos: dict[str, SeriesInfo] | None = None

    def find(self, subject: str) -> SeriesInfo | None:
        """Return a series of a subject ``device:ID``, None if it is another thing or unknown."""
        kind, _, name = subject.partition(":")
        if kind != "device":
            return None
        if self._infos is None:
            self._infos = {info.device_id: info for info in self._registry.by_id.values()}
        return self._infos.get(name)

    def of(self, subject: str, inside: str) -> str:
        """Return the id of the thing of kind ``inside`` that a subject is or lies in, "" if none.

        A space is told by its depth in the tree, so a tree must have every kind above it.
        """
        kind, _, name = subject.partition(":")
        if kind == inside:
            return name
        info = self.find(subject)
        if info is None:
            return ""
        if inside == "device":
            return info.device_id
        if inside == "gateway":
            return info.gateway_id
        depth = _DEPTH[inside]
        return info.spaces[depth] if depth < len(info.spaces) else ""

    def cell(self, subject: str, size_m: float) -> tuple[int, int] | None:
        """Return the square that a subject lies in, None if its position is unknown.

        Squares are at least ``size_m`` wide up to 60 degrees of latitude: what is nearer than that
        lies in the same one or in one of its eight neighbours.
        """
        info = self.find(subject)
        if info is None or not (math.isfinite(info.lon) and math.isfinite(info.lat)):
            return None
        side = size_m / _METRES_PER_DEGREE
        return math.floor(info.lat / side), math.floor(info.lon / (2.0 * side))

    def apart_m(self, one: str, other: str) -> float:
        """Return the distance of two subjects in metres, infinite if one's position is unknown."""
        a, b = self.find(one), self.find(other)
        if a is None or b is None:
            return math.inf
        lat = math.radians((a.lat + b.lat) / 2)
        east = (a.lon - b.lon) * math.cos(lat)
        metres = math.hypot(east, a.lat - b.lat) * _METRES_PER_DEGREE
        return metres if math.isfinite(metres) else math.inf
