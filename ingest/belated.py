"""Readings that come by hand (rejects brought back, files) into the store, beside the workers.

They are of another time: marked as backfilled, never shown to the alarm engine, and counted under a
worker id of their own. The same decode and check judge them as on the wire; the caller owns the
transaction and keeps it small.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
from psycopg import Connection

from core.batch import Batch
from core.db import registry as registries
from core.db.queries import load
from core.model import Quality
from ingest import marks, writer
from ingest.arrays import columns, prepare
from ingest.check import Checked, Limits, Tables, check, tables_of
from ingest.config import IngestConfig
from ingest.decode import Decoded
from ingest.message import Message

_SQL = load("ingest", "belated.sql")

Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True, kw_only=True)
class Judge:
    """The registry as it is now, and the limits of the worker."""

    tables: Tables
    limits: Limits

    def check(self, decoded: Decoded, messages: Sequence[Message]) -> Checked:
        """Judge decoded rows as the worker does; what is good is marked as backfilled."""
        checked = check(decoded, messages, self.tables, self.limits)
        quality = checked.batch.quality | np.int32(Quality.BACKFILLED)
        return replace(checked, batch=replace(checked.batch, quality=quality))


def judge_of(conn: Connection[Any], cfg: IngestConfig) -> Judge:
    """Return the judge of this moment, and make the connection ready for ``store``."""
    prepare(conn)
    limits = Limits(clock_skew_s=cfg.clock_skew_s, max_future_s=cfg.max_future_s)
    return Judge(tables=tables_of(registries.load(conn)), limits=limits)


def store(conn: Connection[Any], batch: Batch, now_us: int) -> Mask:
    """Store what is not there yet, with the newest values and the marks for the rollups.

    Args:
        conn: in a transaction that the caller commits; made ready by ``judge_of``.
        batch: in any order; of equal keys in it the first is stored.
        now_us: our clock, microseconds since the Unix epoch.

    Returns:
        Of each row whether it was stored; if not, its key was there already.
    """
    order, first = _first_of_keys(batch)
    found = conn.execute(_SQL["insert_reading"], columns(batch.take(order[first])), prepare=True)
    stored = _marked(batch, order[first], found.fetchall())
    rows = batch.take(stored)
    if len(rows):
        nothing = np.full(int(rows.series.max()) + 1, writer.NEVER, dtype=np.int64)
        writer.advance_latest(conn, writer.newest_rows(rows, nothing))
        if marks.are_wanted(conn):
            arrived = np.full(len(rows), now_us, dtype=np.int64)
            marks.save(conn, marks.marks_of(replace(rows, received_us=arrived)))
    return stored


def would_store(conn: Connection[Any], batch: Batch) -> Mask:
    """Return what ``store`` would, and store nothing."""
    if not len(batch):
        return np.zeros(0, dtype=np.bool_)
    order, first = _first_of_keys(batch)
    fresh = np.zeros(len(batch), dtype=np.bool_)
    fresh[order[first]] = True
    keys = columns(batch.take(order[first]))
    wanted = {name: keys[name] for name in ("series", "observed")}
    there = conn.execute(_SQL["present"], wanted, prepare=True).fetchall()
    return fresh & ~_marked(batch, order[first], there)


def _first_of_keys(batch: Batch) -> tuple[npt.NDArray[np.intp], Mask]:
    """Return the order by key, and in that order which row is the first of its key."""
    order = np.lexsort((batch.observed_us, batch.series))
    series, observed = batch.series[order], batch.observed_us[order]
    first = np.ones(len(order), dtype=np.bool_)
    first[1:] = (np.diff(series) != 0) | (np.diff(observed) != 0)
    return order, first


def _marked(
    batch: Batch, places: npt.NDArray[np.intp], keys: list[tuple[int, int]]
) -> npt.NDArray[np.bool_]:
    """Mark, among the rows at ``places``, those whose key is one of ``keys``."""
    mask = np.zeros(len(batch), dtype=np.bool_)
    if len(keys) == len(places):
        mask[places] = True
        return mask
    wanted = set(keys)
    own = zip(batch.series[places].tolist(), batch.observed_us[places].tolist(), strict=True)
    mask[places] = [key in wanted for key in own]
    return mask
