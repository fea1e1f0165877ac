"""The rain over a series: the nearest gauges, and how long ago it rained there."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from alerts.detectors.near import heard, nearest
from alerts.judges import Board, Bool, Index
from core.batch import F8, I4, I8
from core.registry import Registry, SeriesInfo

GAUGES = 3
"""Rain gauges that are asked for a series at most."""

DRY_MM_H = 0.1
"""Rain up to this is none: what a 0.2 mm tipping bucket says once in two hours."""


def gauges(series: Sequence[SeriesInfo], registry: Registry, radius_m: float) -> I4:
    """Return the nearest rain gauges of each row, -1 where there are fewer."""
    known = [one for one in registry.by_id.values() if one.quantity == "rain_intensity"]
    return nearest(series, known, radius_m, GAUGES)


def over(ids: I4, row: Index, at_us: I8, age_us: I8, board: Board) -> tuple[F8, Bool]:
    """Return the mean rain in mm/h over some rows, and whether any gauge was heard."""
    said, fresh = heard(ids, row, at_us, age_us, board)
    count = fresh.sum(axis=1)
    mean: F8 = np.maximum(said, 0.0).sum(axis=1) / np.maximum(count, 1)
    return mean, count > 0
