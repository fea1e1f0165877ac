"""What a worker knows of its series, kept in the database, so that a restart forgets no timer.

A snapshot is taken between two batches, when everything that was judged is committed; it is packed
and written beside them, on a connection of its own. At start the newest one is taken up, and only
the readings since then are read again.
"""

from __future__ import annotations

import threading
import zlib
from typing import Any

import msgspec
import psycopg
from psycopg import Connection

from core.config import DatabaseConfig
from core.db.pool import connect
from core.db.queries import load as load_queries
from core.errors import DatabaseAway
from ingest.store import break_off

FORMAT = 1
"""Changes with the shape of ``Kept``; the engine's part has a version of its own."""

MOST_BYTES = 900_000_000
"""Largest packed snapshot that is written; PostgreSQL takes a value of 1 GB."""

_MOST_UNPACKED = 4_000_000_000
_LEVEL = 1  # the arrays of a quiet district shrink to a tenth at once; more costs seconds
_SQL = load_queries("ingest", "snapshots.sql")


class Kept(msgspec.Struct, frozen=True, kw_only=True):
    """A snapshot.

    Attributes:
        taken_us: our clock, microseconds since the Unix epoch; what was judged until then is in it.
        engine: ``alerts.engine.Engine.snapshot``.
        marker: ``ingest.quality.Marker.state``.
    """

    taken_us: int
    engine: bytes
    marker: dict[str, bytes]


_DECODER = msgspec.msgpack.Decoder(Kept)


def pack(kept: Kept) -> bytes:
    """Return a snapshot as bytes."""
    return zlib.compress(msgspec.msgpack.encode(kept), _LEVEL)


def unpack(body: bytes) -> Kept:
    """Return the snapshot of some bytes.

    Raises:
        ValueError: if they are none.
    """
    unzip = zlib.decompressobj()
    try:
        plain = unzip.decompress(body, _MOST_UNPACKED)
    except zlib.error as error:
        raise ValueError(f"not packed as a snapshot: {error}") from error
    if not unzip.eof:
        raise ValueError("a snapshot that does not end")
    return _DECODER.decode(plain)


def load(conn: Connection[Any], worker: str) -> Kept | None:
    """Return the newest snapshot of a worker; None when there is none of this format.

    Raises:
        ValueError: if it cannot be read.
    """
    row = conn.execute(_SQL["newest"], {"worker": worker, "format": FORMAT}, binary=True).fetchone()
    return None if row is None else unpack(row[0])


class Shelf:
    """Writes snapshots; used from a thread, one at a time."""

    def __init__(self, database: DatabaseConfig, worker: str) -> None:
        self._database = database
        self._worker = worker
        self._conn: Connection[Any] | None = None
        self._guard = threading.Lock()

    def save(self, kept: Kept) -> int:
        """Write a snapshot in place of the last one; return its bytes, 0 if it is too large.

        Raises:
            DatabaseAway: if it is not known to be written.
        """
        body = pack(kept)
        if len(body) > MOST_BYTES:
            return 0
        with self._guard:
            name = f"blocktwin ingest {self._worker} snapshot"
            conn = self._conn = connect(self._database, autocommit=True, application_name=name)
            try:
                conn.execute(
                    _SQL["save"],
                    {
                        "worker": self._worker,
                        "taken_s": kept.taken_us / 1e6,
                        "format": FORMAT,
                        "body": body,
                    },
                )
            except psycopg.Error as error:
                raise DatabaseAway(f"the snapshot is not written: {error}") from error
            finally:
                self._conn = None
                conn.close()
        return len(body)

    def abort(self) -> None:
        """Break the connection, from any thread: what waits on it fails at once."""
        conn = self._conn
        if conn is not None:
            break_off(conn)
