"""Rollups the slow and obvious way: every bucket from all its readings, one at a time."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from core.model import NOT_IN_ROLLUPS

Key = tuple[int, datetime]


@dataclass(frozen=True, slots=True)
class Row:
    """A reading as the store has it."""

    series: int
    at: datetime
    value: float
    quality: int


@dataclass(frozen=True, slots=True)
class Bucket:
    """What a rollup says of one series in one bucket; without a good one the last four are None."""

    count: int
    good: int
    min: float | None
    max: float | None
    sum: float | None
    last: float | None


def rollup(rows: Iterable[Row], width: timedelta) -> dict[Key, Bucket]:
    """Return every bucket that has a reading; of two readings at one time the first counts."""
    parts: dict[Key, list[Row]] = {}
    for row in rows:
        epoch = datetime.fromtimestamp(0, UTC)
        begin = epoch + (row.at - epoch) // width * width
        parts.setdefault((row.series, begin), []).append(row)
    return {key: _bucket(part) for key, part in parts.items()}


def _bucket(rows: list[Row]) -> Bucket:
    good = sorted((r for r in rows if not r.quality & NOT_IN_ROLLUPS), key=lambda r: r.at)
    values = [row.value for row in good]
    if not values:
        return Bucket(len(rows), 0, None, None, None, None)
    return Bucket(len(rows), len(good), min(values), max(values), sum(values), values[-1])
