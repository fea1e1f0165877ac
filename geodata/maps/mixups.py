"""Mix-ups of coordinate systems: what a file may be in instead of what it was declared as.

Each can be undone in degrees: back into the numbers that stood in the file, and read these anew.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from geodata.frames import Frame, FrameUnknown, OutOfFrame, frame
from geodata.maps.plane import F8
from geodata.said import Said

_DEGREES = "EPSG:4490"
_SHIFTED = ("GCJ-02", "BD-09")
_MOST_STRAYS = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Mixup:
    """One system taken for another.

    Attributes:
        true: what the file would be in, as ``geodata.frames`` names it.
        read_as: what it was read as.
        exchanged: whether the two numbers of each vertex stand in the other order.
        projected: whether a program put these degrees into metres, taking them for the others.
    """

    true: str
    read_as: str
    exchanged: bool = False
    projected: bool = False

    @property
    def words(self) -> Said:
        """The cause as the end of a sentence."""
        if self.exchanged:
            order = (
                Said("纬度在经度之前", "latitude before longitude")
                if self.true == _DEGREES
                else Said("北坐标在东坐标之前", "north before east")
            )
            return Said(f"坐标轴颠倒（{order.zh}）", f"its axes are exchanged ({order.en})")
        true, read_as = _called(self.true), _called(self.read_as)
        if self.projected:
            return Said(
                f"其经纬度实为 {true.zh}，投影时却当作 {read_as.zh}",
                f"its degrees were {true.en}, and were projected as {read_as.en}",
            )
        return Said(
            f"坐标实为 {true.zh}，却按 {read_as.zh} 读取",
            f"its coordinates are {true.en}, read as {read_as.en}",
        )

    @property
    def mend(self) -> Said:
        """What to do about it."""
        if self.exchanged:
            return Said(
                "请对调每个节点的两个坐标值，再重新读取文件",
                "exchange the two numbers of each vertex, then read the file again",
            )
        if self.projected:
            return Said(
                f"请将地图导出为经纬度（{self.read_as}），再声明坐标系为 {self.true}",
                f"export the map in degrees ({self.read_as}), then declare {self.true}",
            )
        return Said(
            f"请声明坐标系为 {self.true}，再重新读取文件",
            f"read the file again and declare {self.true}",
        )

    def undo(self, lonlat: F8) -> F8 | None:
        """Return the degrees that the file means, NaN for points that cannot be meant so.

        None where the guess leads too many points off the map of its system.
        """
        meant = np.full_like(lonlat, np.nan)
        rows = np.flatnonzero(np.isfinite(lonlat).all(axis=1))
        for _ in range(min(_MOST_STRAYS, 2 + len(rows) // 100)):
            try:
                meant[rows] = self._convert(lonlat[rows])
            except OutOfFrame as outside:
                rows = np.delete(rows, outside.row)
            else:
                return meant if len(rows) else None
        return None

    def _convert(self, lonlat: F8) -> F8:
        raw = lonlat if self.read_as == _DEGREES else frame(self.read_as).from_degrees(lonlat)
        if self.exchanged:
            raw = raw[:, ::-1]
        return raw if self.true == _DEGREES else frame(self.true).to_degrees(raw)


def mixups(declared: str, middle: tuple[float, float]) -> Iterator[Mixup]:
    """Yield what may have been mixed up, the likeliest first.

    Args:
        declared: what the file was read as; empty if unknown, then every usual one is thought of.
        middle: where the district lies, degrees; it says which zones are near.
    """
    told = _known(declared)
    if told is None or not told.projected:
        as_degrees = told.name if told and told.name in _SHIFTED else _DEGREES
        yield from _degrees("" if told is None else as_degrees)
    if told is None or told.projected:
        yield from _projected(told.name if told else "", middle)
    if told is not None and told.projected:
        yield from (Mixup(true=one, read_as=_DEGREES, projected=True) for one in _SHIFTED)


def _known(declared: str) -> Frame | None:
    try:
        return frame(declared) if declared else None
    except FrameUnknown:
        # A system of the owner's own is known by its file only, which is not at hand here.
        return None


def _degrees(read_as: str) -> Iterator[Mixup]:
    names = (_DEGREES, *_SHIFTED)
    for told in names:
        if read_as in ("", told):
            yield from (
                Mixup(true=one, read_as=told) for one in (*_SHIFTED, _DEGREES) if one != told
            )
            yield Mixup(true=told, read_as=told, exchanged=True)


def _projected(read_as: str, middle: tuple[float, float]) -> Iterator[Mixup]:
    near = _near(middle[0])
    for told in (read_as,) if read_as else near:
        yield from (Mixup(true=one, read_as=told) for one in near if one != told)
        yield Mixup(true=told, read_as=told, exchanged=True)


def _near(lon: float) -> tuple[str, ...]:
    """Return the projected systems in use around a longitude; the zone of 3 degrees first."""
    three, six = round(lon / 3), int(lon // 6) + 1
    threes = [zone for zone in (three, three - 1, three + 1) if 25 <= zone <= 45]
    sixes = [zone for zone in (six, six - 1, six + 1) if 13 <= zone <= 23]
    codes = [4534 + zone - 25 for zone in threes] + [4513 + zone - 25 for zone in threes]
    codes += [4502 + zone - 13 for zone in sixes] + [4491 + zone - 13 for zone in sixes]
    codes += [32630 + zone for zone in sixes]
    return tuple(f"EPSG:{code}" for code in codes)


def _called(name: str) -> Said:
    """Return a system's name with what sets it apart from its neighbours."""
    if name == _DEGREES:
        return Said("WGS 84 或 CGCS2000", "WGS 84 or CGCS2000")
    words = _zone(int(name[5:])) if name.startswith("EPSG:") else None
    if words is None:
        return Said(name, name)
    return Said(f"{name}（{words.zh}）", f"{name} ({words.en})")


def _zone(code: int) -> Said | None:
    """Return the zone that an EPSG code stands for, None if it is of no zone that is tried here."""
    if 4534 <= code <= 4554:
        return _by_meridian(3, 75 + (code - 4534) * 3)
    if 4513 <= code <= 4533:
        return _by_number(3, 25 + code - 4513)
    if 4502 <= code <= 4512:
        return _by_meridian(6, 75 + (code - 4502) * 6)
    if 4491 <= code <= 4501:
        return _by_number(6, 13 + code - 4491)
    if 32601 <= code <= 32660:
        return Said(f"UTM {code - 32600} 带", f"UTM zone {code - 32600}")
    return None


def _by_meridian(width: int, degrees: int) -> Said:
    return Said(
        f"{width} 度带，中央子午线 {degrees} 度", f"zone of {width} degrees, meridian {degrees}"
    )


def _by_number(width: int, zone: int) -> Said:
    return Said(
        f"{width} 度带第 {zone} 带，横坐标含带号",
        f"zone {zone} of {width} degrees, its number in the easting",
    )
