"""From keys to what lies sorted by them."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

Index = npt.NDArray[np.intp]
Ints = npt.NDArray[Any]
"""Whole numbers of any width: columns are as narrow as what they hold allows."""


def spread(start: Ints, count: Ints, key: Ints) -> tuple[Index, Index]:
    """Return every entry of some keys, and for each of them the position of its key.

    Args:
        start: of each key, its first entry; ``count`` how many it has.
        key: keys in any order.

    Example:
        >>> start, count = np.array([0, 0, 2]), np.array([0, 2, 1])
        >>> [part.tolist() for part in spread(start, count, np.array([2, 1]))]
        [[2, 0, 1], [0, 1, 1]]
    """
    many = count[key].astype(np.intp)
    total = int(many.sum())
    of = np.repeat(np.arange(len(key)), many)
    begin = start[key] - (np.cumsum(many) - many)
    return np.arange(total) + begin[of], of
