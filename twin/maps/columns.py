"""Cells as the JSON that a proposal keeps of them, and back."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
import numpy as np
import shapely

from core.model import SpaceKind
from geodata.maps.model import Cells, Shapes

DECIMALS = 9
"""Of degrees; a tenth of a millimetre. What is checked is what is kept."""


class _Row(msgspec.Struct, kw_only=True):
    code: str
    kind: str
    name: str
    name_en: str
    parent: str
    parent_given: str
    height_m: float | None
    where: str
    outline: msgspec.Raw


def rounded(outlines: Shapes) -> Shapes:
    """Return outlines with coordinates of ``DECIMALS`` places."""
    done: Shapes = shapely.transform(outlines, lambda xy: np.round(xy, DECIMALS))
    return done


def pack(cells: Cells, parents: Sequence[str]) -> str:
    """Return cells as the file has them as JSON, with the ``parents`` that were found for them."""
    outlines = shapely.to_geojson(cells.outlines)
    rows = [
        _Row(
            code=cells.codes[i],
            kind=str(cells.kinds[i]),
            name=cells.names[i],
            name_en=cells.names_en[i],
            parent=parents[i],
            parent_given=cells.parents[i],
            height_m=None if np.isnan(cells.heights_m[i]) else float(cells.heights_m[i]),
            where=cells.wheres[i],
            outline=msgspec.Raw(b"null" if outlines[i] is None else str(outlines[i]).encode()),
        )
        for i in range(len(cells))
    ]
    return msgspec.json.encode(rows).decode()


def unpack(packed: str, *, as_given: bool = False) -> Cells:
    """Return the cells of such JSON; ``as_given`` with the parents that the file named."""
    rows = msgspec.json.decode(packed, type=list[_Row])
    texts = np.array([_text(row) for row in rows], dtype=object)
    return Cells(
        codes=tuple(row.code for row in rows),
        kinds=tuple(SpaceKind(row.kind) for row in rows),
        names=tuple(row.name for row in rows),
        names_en=tuple(row.name_en for row in rows),
        parents=tuple(row.parent_given if as_given else row.parent for row in rows),
        heights_m=np.array(
            [np.nan if row.height_m is None else row.height_m for row in rows], dtype=np.float64
        ),
        outlines=np.asarray(shapely.from_geojson(texts), dtype=object),
        wheres=tuple(row.where for row in rows),
    )


def _text(row: _Row) -> str | None:
    text = bytes(row.outline).decode()
    return None if text == "null" else text
