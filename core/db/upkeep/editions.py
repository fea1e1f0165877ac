"""What an edition of TimescaleDB gets: made once after the migrations, and recorded in the store.

Readers ask ``reading_1m``, ``reading_1h`` and ``reading_1d`` in both. Under the Apache edition
these are views over tables that our own refresh keeps (``rollups`` is ``ours``); under the
Community edition they are continuous aggregates (``continuous``), which the database keeps.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from psycopg import Connection

from core.db.queries import load
from core.db.upkeep.config import UpkeepConfig
from core.errors import MigrationConflict

OURS, CONTINUOUS = "ours", "continuous"
ROLLUPS = "rollups"
"""The key under which the store records which of the two it has."""

_SQL = load("core.db.upkeep", "editions.sql")


def install(conn: Connection[Any], edition: str) -> None:
    """Make what the edition needs, unless it is there; ``conn`` must be in autocommit mode.

    A store that began under Apache keeps our rollups under Community too: they go on working, and
    what they hold of deleted readings could not be made again.

    Raises:
        MigrationConflict: if the store has continuous aggregates, which this edition cannot keep.
    """
    row = conn.execute(_SQL["has_levels"]).fetchone()
    if row is None or not row[0]:
        return
    known = rollups(conn)
    if known == CONTINUOUS and edition == "apache":
        raise MigrationConflict(
            "this store has continuous aggregates, which the Apache edition of TimescaleDB "
            "cannot keep",
            remedy="run the Community edition again (timescaledb.license = 'timescale')",
        )
    if known:
        return
    kind = OURS if edition == "apache" else CONTINUOUS
    with conn.transaction():
        conn.execute(_SQL["make_ours" if kind == OURS else "make_continuous"])
        conn.execute(_SQL["record"], {"key": ROLLUPS, "value": kind})


def rollups(conn: Connection[Any]) -> str:
    """Return who keeps the rollups: ``ours``, ``continuous``, or empty before the first upgrade."""
    row = conn.execute(_SQL["fact"], {"key": ROLLUPS}).fetchone()
    return str(row[0]) if row is not None else ""


def apply_policies(conn: Connection[Any], edition: str, cfg: UpkeepConfig) -> bool:
    """Tell a Community edition what to do by itself: compress, and refresh and delete its rollups.

    The Apache edition has no policies, and where the rollups are ours under the Community edition,
    only compression is left to the database. Nothing is touched while the settings stay the same.

    Returns:
        Whether anything was set.
    """
    if edition != "community":
        return False
    wanted = json.dumps(_settings(cfg), sort_keys=True)
    row = conn.execute(_SQL["fact"], {"key": "policies"}).fetchone()
    if row is not None and row[0] == wanted:
        return False
    with conn.transaction():
        _compress(conn, cfg)
        if rollups(conn) == CONTINUOUS:
            for view, back_days, end, every in _refreshes(cfg):
                values = {"view": view, "back_days": back_days, "end": end, "every": every}
                conn.execute(_SQL["forget_refresh"], values)
                conn.execute(_SQL["refresh_between"], values)
            for table, days in _settings(cfg)["keep"].items():
                conn.execute(_SQL["forget_retention"], {"table": table})
                if days:
                    conn.execute(_SQL["keep_days"], {"table": table, "days": days})
        conn.execute(_SQL["record"], {"key": "policies", "value": wanted})
    return True


def policies(conn: Connection[Any]) -> list[tuple[str, str]]:
    """Return what the database does by itself: the job and the table or aggregate it is for."""
    return conn.execute(_SQL["policies"]).fetchall()


def _compress(conn: Connection[Any], cfg: UpkeepConfig) -> None:
    row = conn.execute(_SQL["compressed"]).fetchone()
    if row is None or not row[0]:
        conn.execute(_SQL["enable_compression"])
    conn.execute(_SQL["forget_compression"])
    conn.execute(_SQL["compress_after"], {"days": cfg.late_horizon_days})


def _refreshes(cfg: UpkeepConfig) -> list[tuple[str, int | None, str, str]]:
    """Return for each aggregate: days back (None: all), distance of the end from now, how often."""

    def back(days: int, least: int) -> int | None:
        return max(days - 1, least) if days else None

    return [
        ("reading_1m", back(cfg.keep_readings_days, 1), "3 minutes", "1 minute"),
        ("reading_1h", back(cfg.keep_1m_days, 1), "1 hour", "15 minutes"),
        ("reading_1d", back(cfg.keep_1h_days, 4), "1 day", "1 hour"),
    ]


def _settings(cfg: UpkeepConfig) -> dict[str, Mapping[str, int]]:
    return {
        "compress": {"reading": cfg.late_horizon_days},
        "keep": {
            "reading": cfg.keep_readings_days,
            "reading_1m": cfg.keep_1m_days,
            "reading_1h": cfg.keep_1h_days,
            "reading_1d": cfg.keep_1d_days,
        },
    }
