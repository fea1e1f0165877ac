"""The words of a block map on its way in: cells as columns, findings, and where they came from.

Pure: reading files is the neighbours' work (``read``, ``dxf``), judging that of ``check`` and
``diff``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
import numpy.typing as npt

from core.model import Space, SpaceKind
from geodata.said import NOTHING, Said

Shapes = npt.NDArray[np.object_]
"""Shapely geometries."""


class Weight(StrEnum):
    """How much a finding matters: an error stops the import, a warning asks for a person's look."""

    ERROR = "error"
    WARNING = "warning"
    NOTE = "note"


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """Something a person should know of a map.

    Attributes:
        kind: one word of a closed list, e.g. ``invalid_geometry``, ``overlap``, ``gap``,
            ``duplicate_code``, ``malformed_code``, ``orphan``, ``shift``, ``frame``, ``encoding``.
        codes: the spaces concerned; empty for the whole file.
        where: the place in the file, e.g. ``layer blocks, feature 12``; empty if it is none of it.
        detail: one sentence with the figures.
        mend: one sentence: what would make it good, and what that would change; empty if nothing.
        detail_zh: the same in Chinese, with the same figures; empty in reports kept from before.
        mend_zh: the same in Chinese; empty where ``mend`` is, and in reports from before.
        area_m2: of an overlap, a gap or a sliver; None for others.
        at: a point in it, degrees EPSG:4490, longitude first; None if it has no place.
    """

    kind: str
    weight: Weight
    codes: tuple[str, ...]
    detail: str
    where: str = ""
    mend: str = ""
    area_m2: float | None = None
    at: tuple[float, float] | None = None
    detail_zh: str = ""
    mend_zh: str = ""


def told(
    kind: str,
    weight: Weight,
    detail: Said,
    mend: Said = NOTHING,
    *,
    codes: tuple[str, ...] = (),
    where: str = "",
    area_m2: float | None = None,
    at: tuple[float, float] | None = None,
) -> Finding:
    """Return a finding whose sentences stand in both languages."""
    return Finding(
        kind=kind,
        weight=weight,
        codes=codes,
        detail=detail.en,
        where=where,
        mend=mend.en,
        area_m2=area_m2,
        at=at,
        detail_zh=detail.zh,
        mend_zh=mend.zh,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """Where a map came from; kept with the proposal.

    Attributes:
        name: file name without its folder; ``sha256`` and ``size`` of the file in bytes.
        driver: the format, as ``read.FORMATS`` names it.
        layers: the layers taken.
        encoding: how text was decoded.
        frame: the declared coordinate system, as ``geodata.frames`` names it.
        origin: who made it and under which licence, as declared; empty if nobody said.
    """

    name: str
    sha256: str
    size: int
    driver: str
    layers: tuple[str, ...]
    encoding: str
    frame: str
    origin: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cells:
    """The spaces of a map as columns of equal length.

    Attributes:
        outlines: shapely Polygons or MultiPolygons in degrees EPSG:4490, longitude first; they may
            be invalid, ``check`` says so.
        parents: code of the containing space; "" where the file does not say, then ``check`` finds
            it by code and by place.
        heights_m: roof height above ground, NaN where unknown.
        wheres: the place in the file, for findings.
    """

    codes: tuple[str, ...]
    kinds: tuple[SpaceKind, ...]
    names: tuple[str, ...]
    names_en: tuple[str, ...]
    parents: tuple[str, ...]
    heights_m: npt.NDArray[np.float64]
    outlines: Shapes
    wheres: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.codes)


@dataclass(frozen=True, slots=True, kw_only=True)
class MapContent:
    """A map that was read: its cells, where they came from, and what was noticed on the way."""

    cells: Cells
    source: Source
    findings: tuple[Finding, ...] = ()


def cells_of(spaces: Sequence[Space], outlines: Shapes) -> Cells:
    """Return spaces as columns; ``outlines`` are theirs, parsed."""
    return Cells(
        codes=tuple(s.code for s in spaces),
        kinds=tuple(s.kind for s in spaces),
        names=tuple(s.name for s in spaces),
        names_en=tuple(s.name_en for s in spaces),
        parents=tuple(s.parent or "" for s in spaces),
        heights_m=np.array(
            [np.nan if s.height_m is None else s.height_m for s in spaces], dtype=np.float64
        ),
        outlines=outlines,
        wheres=("",) * len(spaces),
    )
