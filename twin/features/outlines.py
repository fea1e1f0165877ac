"""The outlines of the block grid held in memory, so that a box and a time select among them."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import numpy as np
import numpy.typing as npt
import shapely
from shapely import STRtree

from twin.features.query import Query, Window

Row = dict[str, Any]
IX = npt.NDArray[np.intp]

_NEVER_US = np.iinfo(np.int64).max


class Outlines:
    """Spaces as columns, ordered by id. About 3 kB each.

    Attributes:
        ids: in ascending order of their signs.
        rows: what is known of each, the outline as GeoJSON text included.
        shapes: the outlines, degrees EPSG:4490.
    """

    def __init__(self, rows: Sequence[Row]) -> None:
        self.rows = tuple(rows)
        self.ids = tuple(row["id"] for row in rows)
        texts = np.array([row["outline"] for row in rows], dtype=object)
        self.shapes: npt.NDArray[np.object_] = np.asarray(shapely.from_geojson(texts))
        self._tree = STRtree(self.shapes)
        self._from = _microseconds(row["valid_from"] for row in rows)
        self._to = _microseconds(row["valid_to"] for row in rows)
        self._columns: dict[str, npt.NDArray[np.object_]] = {}

    @property
    def bounds(self) -> list[float] | None:
        """West, south, east, north in degrees; None if there is no space."""
        return shapely.total_bounds(self.shapes).tolist() if self.ids else None

    @property
    def since(self) -> datetime | None:
        """When the oldest of them came into force."""
        return min((row["valid_from"] for row in self.rows), default=None)

    def find(self, feature: str) -> int | None:
        """Return the index of an id, None if there is none."""
        at = bisect_right(self.ids, feature) - 1
        return at if at >= 0 and self.ids[at] == feature else None

    def select(self, query: Query) -> IX:
        """Return the indexes of all that a query asks for, whatever its page."""
        mask = np.ones(len(self.ids), dtype=np.bool_)
        if query.boxes is not None:
            mask &= self._in(query.boxes)
        if query.window is not None:
            mask &= self._during(query.window)
        for name, value in query.filters.items():
            mask &= self._column(name) == value
        return np.flatnonzero(mask)

    def page(self, chosen: IX, query: Query) -> IX:
        """Return the chosen ones of this page."""
        if query.after is not None:
            chosen = chosen[chosen >= bisect_right(self.ids, query.after)]
        return chosen[: query.limit]

    def _in(self, boxes: tuple[tuple[float, float, float, float], ...]) -> npt.NDArray[np.bool_]:
        mask = np.zeros(len(self.ids), dtype=np.bool_)
        for box in boxes:
            mask[self._tree.query(shapely.box(*box), predicate="intersects")] = True
        return mask

    def _during(self, window: Window) -> npt.NDArray[np.bool_]:
        start = _microsecond(window.start) if window.start is not None else -_NEVER_US
        end = _microsecond(window.end) if window.end is not None else _NEVER_US
        during: npt.NDArray[np.bool_] = (self._from <= end) & (self._to >= start)
        return during

    def _column(self, name: str) -> npt.NDArray[np.object_]:
        if name not in self._columns:
            self._columns[name] = np.array([row[name] for row in self.rows], dtype=object)
        return self._columns[name]


def properties(row: Row, state: Mapping[str, tuple[int, int, int]]) -> Row:
    """Return a space's properties; ``state`` is code -> (severity, open, unacknowledged) now.

    A version that is not in force has no state.
    """
    keys = ("code", "kind", "name", "name_en", "parent", "height_m", "source", "frame")
    word = {key: row[key] for key in keys} | {
        key: when.astimezone(UTC) if (when := row[key]) is not None else None
        for key in ("valid_from", "valid_to")
    }
    if row["valid_to"] is None:
        severity, opened, unseen = state.get(row["code"], (0, 0, 0))
        word |= {"severity": severity, "open_alarms": opened, "unacknowledged": unseen}
    return word


def _microseconds(times: Any) -> npt.NDArray[np.int64]:
    return np.array([_microsecond(t) if t is not None else _NEVER_US for t in times], np.int64)


def _microsecond(when: datetime) -> int:
    return round((when - datetime.fromtimestamp(0, UTC)).total_seconds() * 1e6)
