"""Delete what is past its time, and say what that frees.

Readings and rollups go by whole chunks, which gives their room back to the disk at once. A chunk
stays as long as something in it is not yet taken up by the level above, however old it is. Rejects
are rows of one table and go in small batches; their room is used again by later ones.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from psycopg import Connection

from core.db.queries import load
from core.db.upkeep import rollups
from core.db.upkeep.config import UpkeepConfig
from core.db.upkeep.editions import CONTINUOUS
from core.db.upkeep.editions import rollups as kept_by
from core.db.upkeep.rollups import DAYS, HOURS, MINUTES, Standing

_SQL = load("core.db.upkeep", "retention.sql")

REJECTS_AT_A_TIME = 5_000
"""Rejects that one transaction deletes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Freed:
    """What was, or would be, deleted of one table.

    Attributes:
        chunks: whole pieces of a table; 0 for rejects.
        rows: estimated by the server's statistics for chunks, counted for rejects.
        size: bytes on disk with indexes; for rejects those of their rows.
        from_at: begin of the oldest, None when there is nothing; ``to_at`` the end of the newest.
        held: why something past its time stays, or empty.
    """

    table: str
    chunks: int
    rows: int
    size: int
    from_at: datetime | None
    to_at: datetime | None
    held: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Table:
    """A table of chunks: its name in this edition, and the level that must have taken it up."""

    name: str
    days: int
    above: str | None


def retain(
    conn: Connection[Any],
    cfg: UpkeepConfig,
    now: datetime,
    *,
    dry_run: bool = False,
    stop: Callable[[], bool] = lambda: False,
) -> list[Freed]:
    """Delete what is past its time; return what it came to, a line a table with a limit.

    Args:
        conn: prepared by ``rollups.prepare``.
        cfg: how long each is kept.
        now: the present.
        dry_run: only say what would be deleted.
        stop: asked between two tables and two batches.

    Raises:
        psycopg.errors.LockNotAvailable: if a table was in use, by a backup perhaps; come again.
    """
    continuous = kept_by(conn) == CONTINUOUS
    freed: list[Freed] = []
    for table in _tables(cfg, continuous=continuous):
        if stop():
            return freed
        freed.append(_drop(conn, table, now, dry_run=dry_run, continuous=continuous))
    if cfg.keep_rejected_days:
        before = now - timedelta(days=cfg.keep_rejected_days)
        freed.append(_look(conn, before) if dry_run else _delete(conn, before, stop))
    return freed


def _tables(cfg: UpkeepConfig, *, continuous: bool) -> Sequence[_Table]:
    names = [f"reading_{level.name}" if continuous else level.table for level in rollups.LEVELS]
    known = [
        _Table(name="reading", days=cfg.keep_readings_days, above=MINUTES.name),
        _Table(name=names[0], days=cfg.keep_1m_days, above=HOURS.name),
        _Table(name=names[1], days=cfg.keep_1h_days, above=DAYS.name),
        _Table(name=names[2], days=cfg.keep_1d_days, above=None),
    ]
    return [table for table in known if table.days]


def _drop(
    conn: Connection[Any], table: _Table, now: datetime, *, dry_run: bool, continuous: bool
) -> Freed:
    past = now - timedelta(days=table.days)
    with rollups.locked(conn, wait="10s"):
        before = past if continuous else min(past, _taken_up(conn, table, past))
        found = _chunks(conn, table.name, before)
        held = len(_chunks(conn, table.name, past)) - len(found)
        if found and not dry_run:
            conn.execute(_SQL["wait_briefly"])
            conn.execute(_SQL["drop"], {"table": table.name, "before": before})
            rollups.record_kept_from(conn, table.name, found[-1][1])
    return Freed(
        table=table.name,
        chunks=len(found),
        rows=sum(row[3] for row in found),
        size=sum(row[2] for row in found),
        from_at=found[0][0] if found else None,
        to_at=found[-1][1] if found else None,
        held=f"{held} chunks are not yet taken up by the rollups: run blocktwin maintain"
        if held
        else "",
    )


def _taken_up(conn: Connection[Any], table: _Table, past: datetime) -> datetime:
    """Return until when the level above has taken everything up."""
    if table.above is None:
        return past
    level = rollups.standing(conn).get(
        table.above, Standing(done_to=None, waiting=0, earliest=None)
    )
    if level.done_to is None:
        return datetime.min.replace(tzinfo=past.tzinfo)
    return min(level.done_to, level.earliest or level.done_to)


def _chunks(conn: Connection[Any], table: str, before: datetime) -> list[tuple[Any, ...]]:
    row = conn.execute(_SQL["hypertable"], {"table": table}).fetchone()
    schema, hypertable = row if row is not None else ("public", table)
    values = {"schema": schema, "hypertable": hypertable, "before": before}
    return conn.execute(_SQL["chunks"], values).fetchall()


def _look(conn: Connection[Any], before: datetime) -> Freed:
    row = conn.execute(_SQL["rejects"], {"before": before}).fetchone()
    rows, size, first, last = row if row is not None else (0, 0, None, None)
    return Freed(table="rejected", chunks=0, rows=rows, size=int(size), from_at=first, to_at=last)


def _delete(conn: Connection[Any], before: datetime, stop: Callable[[], bool]) -> Freed:
    seen = _look(conn, before)
    rows = size = 0
    while not stop():
        values = {"before": before, "most": REJECTS_AT_A_TIME}
        row = conn.execute(_SQL["delete_rejects"], values).fetchone()
        number, bytes_ = row if row is not None else (0, 0)
        rows, size = rows + number, size + int(bytes_)
        if number < REJECTS_AT_A_TIME:
            break
    if rows:
        rollups.record_kept_from(conn, "rejected", before)
    return Freed(
        table="rejected", chunks=0, rows=rows, size=size, from_at=seen.from_at, to_at=seen.to_at
    )
