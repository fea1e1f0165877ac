"""Figures of a run, read from the database and from the worker's metrics; it changes nothing."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import psycopg
from psycopg.rows import dict_row

from core.config import DatabaseConfig
from core.db import pool
from core.db.queries import load
from core.errors import DatabaseAway
from core.model import Severity
from dev.verdict import Quantiles
from ingest.metrics import quantile_from_text

COMMIT = "blocktwin_ingest_commit_seconds"
ALARM = "blocktwin_alarm_commit_seconds"
_SQL = load("dev", "demo.sql")

Conn = psycopg.Connection[dict[str, Any]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Tally:
    """Readings received, and how they ended."""

    received: int
    stored: int
    rejected: int
    duplicates: int

    def since(self, earlier: Tally) -> Tally:
        """Return what came after ``earlier``."""
        return Tally(
            received=self.received - earlier.received,
            stored=self.stored - earlier.stored,
            rejected=self.rejected - earlier.rejected,
            duplicates=self.duplicates - earlier.duplicates,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Marks:
    """Where a run begins in a database that may hold earlier ones."""

    at: datetime
    rejected_id: int
    tally: Tally


def connect(dsn: str) -> Conn:
    """Connect for reading figures.

    Raises:
        DatabaseAway: the database does not answer.
    """
    conn = pool.connect(DatabaseConfig(dsn=dsn), autocommit=True, application_name="blocktwin-demo")
    conn.row_factory = dict_row
    return conn


def begin(conn: Conn) -> Marks:
    """Mark the beginning of a run."""
    row = _one(conn, "marks")
    return Marks(at=row["at"], rejected_id=row["rejected_id"], tally=tally(conn))


def tally(conn: Conn) -> Tally:
    """Return what was received since the database was made."""
    return Tally(**_one(conn, "tally"))


def open_alarms(conn: Conn) -> int:
    """Return how many alarms are open."""
    return int(_one(conn, "open_alarms")["open"])


def rejected(conn: Conn, marks: Marks) -> dict[str, int]:
    """Return the rejected readings of the run by reason."""
    rows = conn.execute(_SQL["rejected_after"], {"rejected_id": marks.rejected_id}).fetchall()
    return {row["reason"]: row["readings"] for row in rows}


def alarms(conn: Conn, marks: Marks) -> dict[str, dict[str, int]]:
    """Return the alarms of the run by field and colour of the worst severity reached."""
    found: dict[str, dict[str, int]] = {}
    for row in conn.execute(_SQL["alarms_since"], {"at": marks.at}).fetchall():
        colour = Severity(row["severity"]).name.lower()
        found.setdefault(row["field"], {})[colour] = row["alarms"]
    return found


def timescaledb(conn: Conn) -> dict[str, str]:
    """Return version and edition of TimescaleDB as ``blocktwin db upgrade`` found them."""
    facts = {row["key"]: row["value"] for row in conn.execute(_SQL["facts"]).fetchall()}
    return {name: facts.get(f"timescaledb_{name}", "") for name in ("version", "edition")}


def quantiles(metrics: str, name: str) -> Quantiles:
    """Return median and 99th percentile of a histogram of seconds, in milliseconds."""
    seconds = [quantile_from_text(metrics, name, q) for q in (0.5, 0.99)]
    p50, p99 = (None if value is None else round(value * 1000, 1) for value in seconds)
    return Quantiles(p50=p50, p99=p99)


def published(report: Path) -> int | None:
    """Return the readings that the simulator says it published; None without a report."""
    try:
        found = json.loads(report.read_text(encoding="utf-8"))["published"]
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return int(found)


def _one(conn: Conn, name: str) -> dict[str, Any]:
    row = conn.execute(_SQL[name]).fetchone()
    if row is None:
        raise DatabaseAway(f"the statement {name} returned no row")
    return row
