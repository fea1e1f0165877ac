"""Who stands near whom, and what they said last."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from alerts.judges import Board, Bool, Index
from alerts.spread import spread
from core.batch import F8, I4, I8
from core.registry import SeriesInfo

_METRES_PER_DEGREE = 111_320.0
_HALVED = 10  # the first circle has the radius halved so many times
_PAIRS = 1_000_000  # compared at a time: some 100 MB
_LINE = 1 << 32  # more than there are columns


def nearest(
    series: Sequence[SeriesInfo],
    candidates: Iterable[SeriesInfo],
    radius_m: float,
    most: int,
) -> I4:
    """Return the series ids of the nearest candidates of each series, -1 where there are fewer.

    Of another device and within ``radius_m``; a series without a position takes those of its own
    smallest space. Distances are on a plane, good to a thousandth over some kilometres.
    """
    found = np.full((len(series), most), -1, dtype=np.int32)
    placed, homeless = _apart(candidates)
    for row, info in enumerate(series):
        if math.isnan(info.lon):
            others = (
                one.series_id
                for one in homeless.get(info.spaces[-1:], ())
                if one.device_id != info.device_id
            )
            ids = list(itertools.islice(others, most))
            found[row, : len(ids)] = ids
    rows = np.array([n for n, one in enumerate(series) if not math.isnan(one.lon)], dtype=np.intp)
    devices: dict[str, int] = {}
    points = _Points.of(_spare(placed, most), devices)
    asking = _Points.of([series[row] for row in rows.tolist()], devices)
    open_rows = np.arange(len(rows))
    for halved in range(_HALVED, -1, -1):
        if not len(open_rows) or not len(points.series):
            break
        # Who has enough within a small circle has the nearest ones in it.
        near, full = _within(asking, open_rows, points, radius_m / 2**halved, most)
        done = full if halved else np.ones(len(full), dtype=np.bool_)
        found[rows[open_rows[done]]] = near[done]
        open_rows = open_rows[~done]
    return found


def heard(ids: I4, row: Index, at_us: I8, age_us: I8, board: Board) -> tuple[F8, Bool]:
    """Return what the others of some rows said last, and which of it is not older than ``age_us``.

    Unknown values are 0.
    """
    who = ids[row]
    last_us = board.at_us[who]
    value = board.value[who]
    fresh = (who >= 0) & (last_us > 0) & np.isfinite(value)
    fresh &= np.abs(at_us[:, None] - last_us) <= age_us[:, None]
    return np.where(fresh, value, 0.0), fresh


def _apart(
    candidates: Iterable[SeriesInfo],
) -> tuple[list[SeriesInfo], dict[tuple[str, ...], list[SeriesInfo]]]:
    """Return those with a position, and the others by smallest space, by series id."""
    placed: list[SeriesInfo] = []
    homeless: dict[tuple[str, ...], list[SeriesInfo]] = {}
    for info in sorted(candidates, key=_series_id):
        if not math.isnan(info.lon):
            placed.append(info)
        elif info.spaces:
            homeless.setdefault(info.spaces[-1:], []).append(info)
    return placed, homeless


def _series_id(info: SeriesInfo) -> int:
    return info.series_id


def _spare(placed: Sequence[SeriesInfo], most: int) -> list[SeriesInfo]:
    """Leave out of those at one point who can never be among the nearest: others come before.

    A thousand devices that stand where their gateway does would otherwise all be compared.
    """
    seen: dict[tuple[float, float], set[str]] = {}
    kept = []
    for info in placed:
        devices = seen.setdefault((info.lon, info.lat), set())
        if len(devices) <= most or info.device_id in devices:
            devices.add(info.device_id)
            kept.append(info)
    return kept


@dataclass(frozen=True, slots=True, kw_only=True)
class _Points:
    """Series with a position, as columns; equal numbers in ``device`` are one device."""

    series: I4
    device: I4
    lon: F8
    lat: F8

    @classmethod
    def of(cls, infos: Sequence[SeriesInfo], devices: dict[str, int]) -> _Points:
        """Lay the columns out; devices get numbers in the order in which they come."""
        number = [devices.setdefault(one.device_id, len(devices)) for one in infos]
        return cls(
            series=np.array([one.series_id for one in infos], dtype=np.int32),
            device=np.array(number, dtype=np.int32),
            lon=np.array([one.lon for one in infos], dtype=np.float64),
            lat=np.array([one.lat for one in infos], dtype=np.float64),
        )

    def squares(self, side_m: float) -> tuple[I8, I8]:
        """Return the column and the line of the square that each lies in.

        Columns are counted with half of a degree's length at the equator: up to 60 degrees north
        none is then narrower than ``side_m``, so that a square and the eight around it hold all
        that is near. China ends at 54.
        """
        scale = _METRES_PER_DEGREE / side_m
        column = np.floor(self.lon * (0.5 * scale)).astype(np.int64)
        return column, np.floor(self.lat * scale).astype(np.int64)


def _within(
    asking: _Points, rows: Index, points: _Points, radius_m: float, most: int
) -> tuple[I4, Bool]:
    """Return the nearest points of some rows within a radius, and which rows have ``most``."""
    column, line = points.squares(radius_m)
    order = np.argsort(line * _LINE + column, kind="stable")
    key = (line * _LINE + column)[order]
    column, line = (one[rows] for one in asking.squares(radius_m))
    # The three squares of a line lie one after the other.
    lines = (line[:, None] + np.array([-1, 0, 1])) * _LINE + column[:, None]
    begin = np.searchsorted(key, lines - 1, side="left")
    count = np.searchsorted(key, lines + 1, side="right") - begin
    found = np.full((len(rows), most), -1, dtype=np.int32)
    ends = np.cumsum(count.sum(axis=1))
    first = 0
    while first < len(rows):
        done = int(ends[first - 1]) if first else 0
        last = max(first + 1, int(np.searchsorted(ends, done + _PAIRS, side="right")))
        part = slice(first, last)
        at, of = spread(begin[part].ravel(), count[part].ravel(), np.arange(3 * (last - first)))
        _choose(asking, rows[part], points, order[at], of // 3, radius_m, found[part])
        first = last
    return found, found[:, -1] >= 0


def _choose(
    asking: _Points,
    rows: Index,
    points: _Points,
    other: Index,
    of: Index,
    radius_m: float,
    found: I4,
) -> None:
    """Write the nearest of the pairs of a row (``of``) and a point (``other``) to ``found``."""
    row = rows[of]
    east = (points.lon[other] - asking.lon[row]) * np.cos(np.radians(asking.lat))[row]
    apart = np.hypot(east, points.lat[other] - asking.lat[row]) * _METRES_PER_DEGREE
    near = (apart <= radius_m) & (points.device[other] != asking.device[row])
    other, of, apart = other[near], of[near], apart[near]
    order = np.lexsort((points.series[other], apart, of))
    other, of = other[order], of[order]
    rank = np.arange(len(of)) - np.searchsorted(of, of, side="left")
    some = rank < found.shape[1]
    found[of[some], rank[some]] = points.series[other[some]]


def ages_us(intervals: float, series: Sequence[SeriesInfo]) -> npt.NDArray[np.int64]:
    """Return how old another's value may be: ``intervals`` of the row's own, at least a minute."""
    return np.array(
        [round(max(60.0, intervals * info.interval_s) * 1e6) for info in series], dtype=np.int64
    )
