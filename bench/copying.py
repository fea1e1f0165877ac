"""Binary COPY as plainly as it can be done: the ceiling of every writer, and the key's question."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt
import psycopg

BATCH = 5_000
_PG_EPOCH_US = 946_684_800_000_000  # 2000-01-01 UTC, from which PostgreSQL counts
_HEAD, _TAIL = b"PGCOPY\n\xff\r\n\0" + bytes(8), b"\xff\xff"
_ROW = np.dtype(
    [
        ("fields", ">i2"),
        ("l1", ">i4"), ("series", ">i4"),
        ("l2", ">i4"), ("observed", ">i8"),
        ("l3", ">i4"), ("received", ">i8"),
        ("l4", ">i4"), ("value", ">f8"),
        ("l5", ">i4"), ("quality", ">i4"),
    ]
)  # fmt: skip
Ints = npt.NDArray[np.int64]


def stream(series: Ints, observed_us: Ints, received_us: int) -> bytes:
    """Return rows as the stream of a binary COPY, sorted by series and time."""
    order = np.lexsort((observed_us, series))
    table = np.zeros(len(series), dtype=_ROW)
    table["fields"] = 5
    for name, size in (("l1", 4), ("l2", 8), ("l3", 8), ("l4", 8), ("l5", 4)):
        table[name] = size
    table["series"] = series[order]
    table["observed"] = observed_us[order] - _PG_EPOCH_US
    table["received"] = received_us - _PG_EPOCH_US
    table["value"] = 20 + np.arange(len(series)) % 7 / 10
    return b"".join((_HEAD, table.tobytes(), _TAIL))


def rounds(
    count: int, order: Ints, start_us: int, step_us: int, *, size: int = BATCH
) -> Iterator[bytes]:
    """Yield ``count`` rows in batches: the series report in turn, ``step_us`` between rounds."""
    for first in range(0, count, size):
        n = np.arange(first, min(first + size, count))
        yield stream(order[n % len(order)], start_us + n // len(order) * step_us, start_us)


def write(conn: psycopg.Connection[Any], table: str, streams: list[bytes]) -> float:
    """Write each stream by a COPY and a commit of its own; return the seconds it took."""
    began = time.monotonic()
    for data in streams:
        with conn.cursor().copy(f"COPY {table} FROM STDIN (FORMAT binary)") as copy:
            copy.write(data)
        conn.commit()
    return time.monotonic() - began
