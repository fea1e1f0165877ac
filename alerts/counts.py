"""How many of the last judged values were beyond a level: the ``of_last`` of a rule.

Each value is one bit, the newest the lowest. A level that turns on or off starts counting anew,
or values from before its end would raise it again.
"""

from __future__ import annotations

import numpy as np

from alerts.ladder import Bool, Ladder
from alerts.spread import Index, Ints


class Counts:
    """The bits of every row whose level counts.

    Attributes:
        bits: one word per row; rows that do not count have none if no row counts.
    """

    __slots__ = ("_mask", "_needed", "bits")

    def __init__(self, ladder: Ladder, rows: int) -> None:
        self._needed = ladder.of_n
        self._mask = ((np.uint64(1) << ladder.of_m.astype(np.uint64)) - np.uint64(1)).astype(
            np.uint32
        )
        self.bits = np.zeros(rows if ladder.of_n.any() else 0, dtype=np.uint32)

    def __bool__(self) -> bool:
        return bool(len(self.bits))

    def see(self, rows: Index, limit: Ints, speaks: Bool, *, waits: Bool) -> Bool:
        """Take one value for each row; return which rows now speak.

        Args:
            rows: none twice; ``limit`` is the level of each.
            speaks: whether the value is beyond the level.
            waits: rows that are off and take the value in; the others keep their word.
        """
        counted = np.flatnonzero(waits & (self._needed[limit] > 0))
        some, level = rows[counted], limit[counted]
        bits = (self.bits[some] << np.uint32(1)) | speaks[counted].astype(np.uint32)
        bits &= self._mask[level]
        self.bits[some] = bits
        said = speaks.copy()
        said[counted] = np.bitwise_count(bits) >= self._needed[level]
        return said

    def clear(self, rows: Index) -> None:
        """Start counting anew."""
        self.bits[rows] = 0
