"""Transitions that are judged and not yet committed: what the watch found while the store was away.

Bounded. Beyond the bound the oldest that endangers nobody goes first; that is counted, and a
provisional alarm has been published of each of the others before.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence

from core.model import Transition

MOST_HELD = 100_000
"""Transitions kept for the store; about 50 MB."""

_TOGETHER_US = 1_000_000  # transitions judged within a second are committed together


class Held:
    """In the order in which they were judged, with our clock at that moment.

    Attributes:
        lost: how many were dropped at the bound.
    """

    def __init__(self, most: int = MOST_HELD) -> None:
        self._most = most
        self._usual: deque[tuple[int, int, Transition]] = deque()
        self._urgent: deque[tuple[int, int, Transition]] = deque()
        self._number = 0
        self.lost = 0

    def __len__(self) -> int:
        return len(self._usual) + len(self._urgent)

    def add(self, transitions: Sequence[Transition], judged_us: int) -> None:
        """Keep transitions (``judged_us``: our clock, microseconds since the Unix epoch)."""
        for one in transitions:
            if len(self) >= self._most:
                (self._usual or self._urgent).popleft()
                self.lost += 1
            self._number += 1
            (self._urgent if one.life_safety else self._usual).append(
                (self._number, judged_us, one)
            )

    def take(self) -> list[tuple[int, list[Transition]]]:
        """Return all, in order, those of about one second together; nothing is kept."""
        found: list[tuple[int, list[Transition]]] = []
        for _, judged_us, one in sorted([*self._usual, *self._urgent], key=lambda each: each[0]):
            if not found or judged_us - found[-1][0] > _TOGETHER_US:
                found.append((judged_us, []))
            found[-1][1].append(one)
        self._usual.clear()
        self._urgent.clear()
        return found
