"""The books of ingest (committed sequences, gateway status, sums), in the caller's transaction."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from psycopg import Connection
from psycopg.types.json import Jsonb

from core.db.queries import load
from core.errors import Transient
from ingest.ledger import Committed, Key

_SQL = load("ingest", "accounts.sql")


@dataclass(frozen=True, slots=True, kw_only=True)
class GatewayWord:
    """What a gateway said on its status topic; ``at_us`` is our clock unless it named its own."""

    gateway: str
    online: bool
    at_us: int
    report: Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Tally:
    """Readings by what became of them; ``redelivered`` counts messages, outside the sum."""

    received: int = 0
    stored: int = 0
    rejected: int = 0
    duplicates: int = 0
    redelivered: int = 0


class LedgerStale(Transient):
    """Another worker has written to one of these spools since it was read: read it and come again.

    Attributes:
        keys: the spools that the batch would have written.
    """

    def __init__(self, keys: Collection[Key]) -> None:
        super().__init__("another worker has written the same spool")
        self.keys = keys


def load_spools(conn: Connection[Any], keys: Collection[Key] | None = None) -> dict[Key, Committed]:
    """Return what is committed of every spool, or of those in ``keys``."""
    wanted = None if keys is None else sorted({gateway for gateway, _ in keys})
    return {
        (gateway, epoch): Committed(low, set(above), version)
        for gateway, epoch, low, above, version in conn.execute(
            _SQL["uplinks"], {"gateways": wanted}
        )
        if keys is None or (gateway, epoch) in keys
    }


def save_spools(conn: Connection[Any], spools: Mapping[Key, Committed]) -> None:
    """Write the changed spools.

    Raises:
        LedgerStale: if one of them was written by somebody else; the transaction must be undone.
    """
    if not spools:
        return
    rows = [
        {
            "gateway": gateway,
            "epoch": epoch,
            "low": spool.low,
            "above": sorted(spool.above),
            "version": spool.version,
        }
        for (gateway, epoch), spool in sorted(spools.items())
    ]
    with conn.cursor() as cursor:
        cursor.executemany(_SQL["save_uplink"], rows)
        if cursor.rowcount != len(rows):
            raise LedgerStale(list(spools))


def save_words(conn: Connection[Any], words: Iterable[GatewayWord]) -> None:
    """Write the last word of each gateway."""
    rows = {
        word.gateway: {
            "gateway": word.gateway,
            "online": word.online,
            "at_s": word.at_us / 1e6,
            "report": Jsonb(word.report),
        }
        for word in words
    }
    if rows:
        with conn.cursor() as cursor:
            cursor.executemany(_SQL["save_gateway_status"], [rows[key] for key in sorted(rows)])


def add_tally(
    conn: Connection[Any], worker: str, tally: Tally, latest_from_us: int | None = None
) -> str:
    """Add to the worker's sums; return the number of this transaction.

    Args:
        latest_from_us: the oldest device time that ``latest`` has still to follow; None: nothing.
    """
    row = conn.execute(
        _SQL["add_tally"],
        {
            "worker": worker,
            "received": tally.received,
            "stored": tally.stored,
            "rejected": tally.rejected,
            "duplicates": tally.duplicates,
            "redelivered": tally.redelivered,
            "latest_from_us": latest_from_us,
        },
        prepare=True,
    ).fetchone()
    assert row is not None  # an upsert that updates or inserts returns its row
    return str(row[0])


def was_committed(conn: Connection[Any], number: str) -> bool:
    """Say how a transaction ended whose COMMIT was sent and not answered."""
    row = conn.execute(_SQL["outcome"], {"number": number}).fetchone()
    return row is not None and row[0] == "committed"


def lock_worker(conn: Connection[Any], worker: str) -> None:
    """Take the worker's lock for the session; waits for a killed predecessor to be gone."""
    conn.execute(_SQL["lock_worker"], {"worker": worker})
