"""Which messages are under way and when each is due again: pure bookkeeping, takes the time.

A message enters when it is sent and leaves when it is receipted. It is due again when the broker
has acknowledged it and no receipt came; while the broker has not, the copy under way is enough.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(slots=True)
class _Trip:
    """One message under way: when it was sent last, how often, and whether the broker has it."""

    sent_s: float
    tries: int
    at_broker: bool


class Window:
    """The messages of one connection that are sent and not yet receipted.

    Args:
        limit: how many of them stop the sending of ordinary messages; events have the same number
            of places again, so that a backlog never delays one.
        first_s: seconds after which an unreceipted message is due again.
        most_s: the pause doubles with each try, up to this.
    """

    def __init__(self, limit: int, *, first_s: float, most_s: float) -> None:
        self._limit = limit
        self._first_s = first_s
        self._most_s = most_s
        self._trips: dict[int, _Trip] = {}

    def __len__(self) -> int:
        return len(self._trips)

    def __contains__(self, seq: int) -> bool:
        return seq in self._trips

    def room(self) -> int:
        """Return how many ordinary messages may be sent now."""
        return max(0, self._limit - len(self._trips))

    def event_room(self) -> int:
        """Return how many events may be sent now."""
        return max(0, 2 * self._limit - len(self._trips))

    def sent(self, seq: int, now_s: float) -> None:
        """Note that ``seq`` goes out, for the first time or again."""
        tries = self._trips[seq].tries + 1 if seq in self._trips else 1
        self._trips[seq] = _Trip(now_s, tries, at_broker=False)

    def at_broker(self, seq: int) -> None:
        """Note that the broker has acknowledged ``seq``."""
        if seq in self._trips:
            self._trips[seq].at_broker = True

    def receipted(self, low: int, above: Iterable[int]) -> int:
        """Take out what a receipt names and return how many that were.

        A receipt that takes out some shows a worker at work, so the others are due after the first
        pause again: what is missing was lost on the way, not delayed.
        """
        gone = [seq for seq in self._trips if seq <= low]
        gone += [seq for seq in above if seq > low and seq in self._trips]
        for seq in gone:
            del self._trips[seq]
        if gone:
            for trip in self._trips.values():
                trip.tries = 1
        return len(gone)

    def lost(self, seq: int) -> None:
        """Take out a message that the spool no longer holds."""
        self._trips.pop(seq, None)

    def due(self, now_s: float) -> list[int]:
        """Return what must be sent again, in order."""
        return sorted(
            seq
            for seq, trip in self._trips.items()
            if trip.at_broker and now_s >= self._due_s(trip)
        )

    def wait_s(self, now_s: float, most_s: float) -> float:
        """Return the seconds until the next message is due, at most ``most_s``."""
        times = [self._due_s(trip) for trip in self._trips.values() if trip.at_broker]
        return min([most_s, *(max(0.0, when - now_s) for when in times)])

    def _due_s(self, trip: _Trip) -> float:
        pause = min(self._most_s, self._first_s * 2.0 ** min(trip.tries - 1, 32))
        return trip.sent_s + pause
