"""Which stretches of time a batch touches, so that the rollups over them are made anew.

Readings of now mark their minutes once for all series: every series reports then anyway. A late one
marks its own series alone, unless so many series are late at once (a gateway or the whole town
comes back after an outage) that their minutes for all of them are the cheaper word.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from psycopg import Connection

from core.batch import I4, I8, Batch
from core.db.queries import load
from ingest.arrays import INT4, PG_EPOCH_US, TIMESTAMPTZ, pack_array

_SQL = load("ingest", "marks.sql")

MINUTE_US = 60_000_000
CURRENT_US = 2 * MINUTE_US
"""A reading received within this time of its device time belongs to now."""
MANY_SERIES = 200
FEW_MINUTES = 240
"""More late series than the first in no more minutes than the second: mark the minutes for all."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Marks:
    """Stretches as columns: whole minutes in microseconds since 1970, ``to_us`` excluded.

    Attributes:
        series: series id, or ALL.
    """

    series: I4
    from_us: I8
    to_us: I8

    def __len__(self) -> int:
        return len(self.series)


ALL = -1
"""In place of a series id: every series."""


def marks_of(batch: Batch) -> Marks:
    """Return the stretches that the rows of a batch touch; the rows may be in any order."""
    minute = batch.observed_us // MINUTE_US * MINUTE_US
    late = np.abs(batch.received_us - batch.observed_us) > CURRENT_US
    parts = [_for_all(minute[~late])]
    if late.any():
        parts.append(_late(batch.series[late], minute[late]))
    return Marks(
        series=np.concatenate([part.series for part in parts]),
        from_us=np.concatenate([part.from_us for part in parts]),
        to_us=np.concatenate([part.to_us for part in parts]),
    )


def save(conn: Connection[Any], marks: Marks) -> None:
    """Write the marks, in the transaction of the readings that they stand for."""
    if len(marks):
        conn.execute(
            _SQL["insert_dirty"],
            {
                "series": pack_array(marks.series, INT4),
                "from": pack_array(marks.from_us - PG_EPOCH_US, TIMESTAMPTZ),
                "to": pack_array(marks.to_us - PG_EPOCH_US, TIMESTAMPTZ),
            },
            prepare=True,
        )


def are_wanted(conn: Connection[Any]) -> bool:
    """Say whether the rollups are kept from marks; continuous aggregates need none."""
    row = conn.execute(_SQL["rollups"]).fetchone()
    return row is None or row[0] != "continuous"


def _late(series: I4, minute: I8) -> Marks:
    known, place = np.unique(series, return_inverse=True)
    if len(known) > MANY_SERIES and len(np.unique(minute)) <= FEW_MINUTES:
        return _for_all(minute)
    first = np.full(len(known), np.iinfo(np.int64).max)
    last = np.full(len(known), np.iinfo(np.int64).min)
    np.minimum.at(first, place, minute)
    np.maximum.at(last, place, minute)
    return Marks(series=known, from_us=first, to_us=last + MINUTE_US)


def _for_all(minute: I8) -> Marks:
    """Mark each run of neighbouring minutes once."""
    minutes = np.unique(minute)
    opens: npt.NDArray[np.bool_] = np.ones(len(minutes), dtype=np.bool_)
    opens[1:] = np.diff(minutes) > MINUTE_US
    closes = np.roll(opens, -1)
    closes[-1:] = True
    return Marks(
        series=np.full(int(opens.sum()), ALL, dtype=np.int32),
        from_us=minutes[opens],
        to_us=minutes[closes] + MINUTE_US,
    )
