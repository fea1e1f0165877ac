"""Which receipts are due: at most one per spool in a while, at once when a gateway sends again."""

from __future__ import annotations

from collections.abc import Iterable

from ingest.ledger import Key


class Receipts:
    """The spools whose committed sequences have grown since their last receipt."""

    def __init__(self, every_s: float) -> None:
        self._every_s = every_s
        self._due: dict[Key, float] = {}
        self._sent: dict[Key, float] = {}

    def note(self, keys: Iterable[Key], now_s: float) -> None:
        """Note that more is committed of these spools; ``now_s`` runs steadily."""
        for key in keys:
            earliest = self._sent.get(key, float("-inf")) + self._every_s
            self._due.setdefault(key, max(now_s, earliest))

    def hurry(self, keys: Iterable[Key], now_s: float) -> None:
        """Note that these spools sent again what is committed: they missed a receipt."""
        for key in keys:
            self._due[key] = now_s

    def take(self, now_s: float) -> list[Key]:
        """Return the spools whose receipt is due, and count it as sent."""
        keys = [key for key, due in self._due.items() if due <= now_s]
        for key in keys:
            del self._due[key]
            self._sent[key] = now_s
        return keys

    def wait_s(self, now_s: float, most_s: float) -> float:
        """Return the seconds until the next one is due, at most ``most_s``."""
        return min([most_s, *(max(0.0, due - now_s) for due in self._due.values())])

    def put_back(self, key: Key, now_s: float) -> None:
        """Note that a receipt could not be sent; it is due again after the usual while."""
        self._due[key] = now_s + self._every_s
