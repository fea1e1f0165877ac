"""The map in force as columns, with what the columns of a file do not have: sources and frames."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import psycopg
from psycopg.rows import dict_row

from core.db.queries import load
from core.model import Space, SpaceKind
from geodata.maps.model import Cells
from geodata.placement import parse_texts
from twin import versions

SQL = load("twin.maps", "store.sql")

Conn = psycopg.Connection[Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class InForce:
    """The spaces in force, by code.

    Attributes:
        cells: the spaces; ``texts`` their outlines as GeoJSON.
        version: the number of the map, None if there never was one.
    """

    cells: Cells
    sources: tuple[str, ...]
    frames: tuple[str, ...]
    texts: tuple[str, ...]
    version: int | None

    def index(self) -> dict[str, int]:
        """Return code -> place in the columns."""
        return {code: i for i, code in enumerate(self.cells.codes)}

    def space(self, i: int) -> Space:
        """Return one as a space."""
        height = float(self.cells.heights_m[i])
        return Space(
            code=self.cells.codes[i],
            kind=self.cells.kinds[i],
            name=self.cells.names[i],
            name_en=self.cells.names_en[i],
            parent=self.cells.parents[i] or None,
            outline=json.loads(self.texts[i]),
            height_m=None if np.isnan(height) else height,
            source=self.sources[i],
            frame=self.frames[i],
        )


def read(conn: Conn) -> InForce:
    """Read the map in force; a caller that wants it to stay so holds the lock of ``versions``."""
    with conn.cursor(row_factory=dict_row) as cursor:
        rows = cursor.execute(SQL["spaces_in_force"]).fetchall()
    codes = [row["code"] for row in rows]
    texts = [row["outline"] for row in rows]
    heights = [np.nan if row["height_m"] is None else row["height_m"] for row in rows]
    cells = Cells(
        codes=tuple(codes),
        kinds=tuple(SpaceKind(row["kind"]) for row in rows),
        names=tuple(row["name"] for row in rows),
        names_en=tuple(row["name_en"] for row in rows),
        parents=tuple(row["parent"] or "" for row in rows),
        heights_m=np.array(heights, dtype=np.float64),
        outlines=parse_texts(codes, texts),
        wheres=("",) * len(rows),
    )
    return InForce(
        cells=cells,
        sources=tuple(row["source"] for row in rows),
        frames=tuple(row["frame"] for row in rows),
        texts=tuple(texts),
        version=versions.newest(conn),
    )


def taken(cells: Cells, keep: list[int]) -> Cells:
    """Return the cells at some places, in that order."""
    return replace(
        cells,
        codes=tuple(cells.codes[i] for i in keep),
        kinds=tuple(cells.kinds[i] for i in keep),
        names=tuple(cells.names[i] for i in keep),
        names_en=tuple(cells.names_en[i] for i in keep),
        parents=tuple(cells.parents[i] for i in keep),
        heights_m=cells.heights_m[keep],
        outlines=cells.outlines[keep],
        wheres=tuple(cells.wheres[i] for i in keep),
    )
