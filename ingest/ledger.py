"""Which messages of a gateway's spool are committed: pure interval logic, no database.

A spool numbers its messages 1, 2, 3, … and sends again what is not receipted. The ledger says of a
message whether it is committed already, and what a receipt says. It is changed only after a commit:
what a batch would add is a ``Draft``, written in the batch's transaction and adopted afterwards.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from heapq import nsmallest

from ingest.decode import SpoolMark

Key = tuple[str, int]
"""Gateway id and spool epoch."""

LISTED = 1000
"""How many sequences above the low mark a receipt lists at most; the next receipt has the rest."""


@dataclass(slots=True)
class Committed:
    """The committed sequences of one spool: all up to ``low``, and those in ``above``.

    Attributes:
        version: how often the database has written it; 0 means never.
    """

    low: int = 0
    above: set[int] = field(default_factory=set)
    version: int = 0

    def __contains__(self, seq: int) -> bool:
        return seq <= self.low or seq in self.above

    def add(self, seq: int) -> None:
        """Note that ``seq`` is committed."""
        if seq > self.low:
            self.above.add(seq)
            self._close()

    def raise_low(self, low: int) -> None:
        """Note that the spool holds nothing up to ``low`` any more: it never comes."""
        if low > self.low:
            self.low = low
            self.above = {seq for seq in self.above if seq > low}
            self._close()

    def _close(self) -> None:
        while self.low + 1 in self.above:
            self.low += 1
            self.above.discard(self.low)

    def copy(self) -> Committed:
        """Return an independent copy."""
        return Committed(self.low, set(self.above), self.version)

    def trim(self, bound: int) -> None:
        """Keep at most ``bound`` entries above the low mark, the smallest.

        What is cut is committed but will not be receipted, so its spool sends it again; the key of
        the readings then makes duplicates of it. Nothing is lost, and memory stays bounded.
        """
        if len(self.above) > bound:
            self.above = set(nsmallest(bound, self.above))

    def receipt(self, epoch: int) -> dict[str, object]:
        """Return the body of a receipt."""
        return {"ep": epoch, "low": self.low, "above": nsmallest(LISTED, self.above)}


@dataclass(frozen=True, slots=True)
class Draft:
    """What one batch changes.

    Attributes:
        spools: the changed ledgers, to be written with the batch.
        repeated: positions of messages that are committed already, or stand earlier in the batch.
    """

    spools: Mapping[Key, Committed]
    repeated: frozenset[int]


class Ledger:
    """The committed sequences of all spools that this worker has heard of."""

    def __init__(self, spools: Mapping[Key, Committed], *, above_bound: int) -> None:
        self._spools = dict(spools)
        self._bound = above_bound

    def draft(self, marks: Iterable[SpoolMark | None]) -> Draft:
        """Say which messages are repeated, and what the ledger is once the others are committed."""
        spools: dict[Key, Committed] = {}
        repeated = set()
        for position, mark in enumerate(marks):
            if mark is None:
                continue
            key = (mark.gateway, mark.epoch)
            spool = spools.get(key)
            if spool is None:
                spool = spools[key] = self._spools.get(key, Committed()).copy()
            if mark.seq in spool:
                repeated.add(position)
            # The low mark counts even in a repeated message, but never past what it sends itself.
            spool.raise_low(mark.low - 1)
            spool.add(mark.seq)
        for spool in spools.values():
            spool.trim(self._bound)
        return Draft(spools, frozenset(repeated))

    def adopt(self, draft: Draft) -> None:
        """Take over a committed draft."""
        for spool in draft.spools.values():
            spool.version += 1
        self._spools.update(draft.spools)

    def replace(self, spools: Mapping[Key, Committed]) -> None:
        """Take over what the database knows of these spools: another worker has written them."""
        self._spools.update(spools)

    def receipt(self, key: Key) -> dict[str, object]:
        """Return the receipt of one spool."""
        return self._spools[key].receipt(key[1])
