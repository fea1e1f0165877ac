"""Coordinate systems with an EPSG code, through PROJ.

WGS 84 and CGCS2000 are taken as equal: they differ by centimetres to decimetres, less than any
block map knows. Everything on one of the two is projected and unprojected only. A system on
another datum is converted by the published transformation that PROJ holds best; a mere renaming of
the datum is refused, and so are Beijing 1954 and Xian 1980: what is published for them holds for a
few basins and seas, and elsewhere, Shenzhen included, may be wrong by tens of metres.

Pure: PROJ's network is off, and its grids are those on the disk.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from pyproj import CRS, Transformer
from pyproj.exceptions import CRSError, ProjError

from geodata.frames_words import Frame, FrameUnknown, Points

SAME = "WGS 84 and CGCS2000 are taken as equal; they differ by centimetres to decimetres"
_CGCS2000_TITLES = ("China 2000", "China_2000", "China Geodetic Coordinate System 2000")
_WGS84_TITLES = ("World Geodetic System 1984",)
_OLD_CHINA = ("Beijing 1954", "New Beijing", "Xian 1980")
_ROOM_DEG = 1.0
"""How far outside its zone a projection is still let be used: maps overlap their neighbours'."""
_NUMERIC_M = 0.001
_REALISATIONS_M = 0.5


@lru_cache(maxsize=256)
def epsg(code: int) -> Frame:
    """Return the system with that code.

    Raises:
        FrameUnknown: if PROJ does not know it, or it is neither geographic nor projected.
    """
    try:
        crs = CRS.from_epsg(code)
    except CRSError as unknown:
        raise FrameUnknown(
            f"EPSG:{code} is no code that PROJ knows", remedy="blocktwin map frames lists ours"
        ) from unknown
    if crs.is_compound or not (crs.is_geographic or crs.is_projected):
        raise FrameUnknown(
            f"EPSG:{code} ({crs.name}) is a {crs.type_name}, which has no two coordinates of a map",
            remedy="declare the geographic or projected system itself, e.g. EPSG:4490 or EPSG:4547",
        )
    return _known_datum(code, crs) if same_datum(crs) else _other_datum(code, crs)


def same_datum(crs: CRS) -> bool:
    """Tell whether a system stands on WGS 84 or CGCS2000."""
    return _datum(crs).startswith(_WGS84_TITLES + _CGCS2000_TITLES)


def _datum(crs: CRS) -> str:
    datum = crs.datum
    return "" if datum is None else str(datum.name)


def _known_datum(code: int, crs: CRS) -> Frame:
    own = _datum(crs).startswith(_CGCS2000_TITLES)
    ground = crs.geodetic_crs
    convert = _Same() if ground is None or crs.is_geographic else _Proj(crs, ground)
    return Frame(
        name=f"EPSG:{code}",
        projected=crs.is_projected,
        accuracy_m=_NUMERIC_M if own else _REALISATIONS_M,
        note=f"{crs.name}" if own else f"{crs.name}; {SAME}",
        title=crs.name,
        bounds=_bounds(crs),
        _to=convert.there,
        _from=convert.back,
    )


def _other_datum(code: int, crs: CRS) -> Frame:
    if _datum(crs).startswith(_OLD_CHINA):
        raise FrameUnknown(
            f"EPSG:{code} ({crs.name}) has no transformation to CGCS2000 that is published and "
            "holds for a city",
            remedy="fit a local system to control points: blocktwin map fit",
        )
    convert = _Proj(crs, CRS.from_epsg(4326))
    accuracy = convert.accuracy
    return Frame(
        name=f"EPSG:{code}",
        projected=crs.is_projected,
        accuracy_m=accuracy,
        note=f"{crs.name}, on the datum {_datum(crs)}: converted by a published transformation; "
        "a local system fitted to control points is better",
        title=crs.name,
        bounds=_bounds(crs),
        _to=convert.there,
        _from=convert.back,
    )


def _bounds(crs: CRS) -> tuple[float, float, float, float]:
    area = crs.area_of_use
    if crs.is_geographic or area is None or area.west > area.east:
        return (-180.0, -90.0, 180.0, 90.0)
    return (
        max(-180.0, area.west - _ROOM_DEG),
        max(-90.0, area.south - _ROOM_DEG),
        min(180.0, area.east + _ROOM_DEG),
        min(90.0, area.north + _ROOM_DEG),
    )


class _Same:
    """Degrees of a datum that is taken as equal."""

    def there(self, points: Points) -> Points:
        return points.copy()

    back = there


class _Proj:
    """A transformer kept for use; pyproj's are safe in threads."""

    def __init__(self, crs: CRS, target: CRS) -> None:
        try:
            self._transformer = Transformer.from_crs(
                crs, target, always_xy=True, allow_ballpark=same_datum(crs)
            )
        except ProjError as missing:
            raise FrameUnknown(
                f"{crs.name} has no published transformation to CGCS2000",
                remedy="fit a local system to control points: blocktwin map fit",
            ) from missing

    @property
    def accuracy(self) -> float | None:
        metres = float(self._transformer.accuracy)
        return metres if metres >= 0 else None

    def there(self, points: Points) -> Points:
        x, y = self._transformer.transform(points[:, 0], points[:, 1])
        return np.column_stack((x, y))

    def back(self, points: Points) -> Points:
        x, y = self._transformer.transform(points[:, 0], points[:, 1], direction="INVERSE")
        return np.column_stack((x, y))
