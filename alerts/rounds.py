"""Cutting a batch into parts that hold each series once.

Writing to an array by index keeps only one of several equal indices, so each part must have every
series once; within a part, series ascend.
"""

from __future__ import annotations

import numpy as np

from core.batch import Batch

NARROW = 16
"""Series below which a part is not worth its overhead; what is left then is judged in one go."""

_FEW = 4  # parts that are made in any case


def cut(batch: Batch, *, all_of_it: bool = False) -> tuple[list[Batch], Batch | None]:
    """Cut a batch that is sorted by series and time into parts.

    Args:
        all_of_it: also make the narrow parts.

    Returns:
        The parts, a series' readings in order of time; and the rest of a few series with many
        readings, in the order of the batch, None if there is no rest.
    """
    first = np.r_[True, batch.series[1:] != batch.series[:-1]]
    if first.all():
        return [batch], None
    place = np.arange(len(batch))
    rank = place - np.maximum.accumulate(np.where(first, place, 0))
    width = np.bincount(rank)
    parts = len(width)
    if not all_of_it:
        wide = int(np.searchsorted(-width, -NARROW, side="right"))  # widths only fall
        parts = max(wide, min(_FEW, parts))
    order = np.argsort(rank, kind="stable")
    ends = np.cumsum(width[:parts]).tolist()
    begins = [0, *ends[:-1]]
    made = [batch.take(order[b:e]) for b, e in zip(begins, ends, strict=True)]
    rest = rank >= parts
    return made, batch.take(rest) if rest.any() else None
