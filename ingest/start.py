"""What a worker reads before its first batch: registry, rules, conditions, ledger, readings."""

from __future__ import annotations

import logging
from collections.abc import Collection
from datetime import UTC, datetime
from typing import Any

import psycopg
from psycopg import Connection

from alerts import store as alarms
from alerts.config import AlertsConfig
from alerts.engine import Engine
from core.batch import Batch
from core.config import DatabaseConfig
from core.db import migrate
from core.db import registry as registries
from core.db.pool import connect
from core.db.queries import load as load_queries
from core.db.upkeep.rollups import summarise
from core.errors import DatabaseAway
from core.model import Quality
from core.registry import Registry
from ingest import accounts, latest, writer
from ingest.arrays import unpack_rows
from ingest.check import Limits, tables_of
from ingest.config import IngestConfig
from ingest.ledger import Ledger
from ingest.pipeline import Pipeline
from ingest.quality import Delays, Marker

log = logging.getLogger(__name__)

_SQL = load_queries("ingest", "start.sql")
_SLICE_US = 10_000_000  # ten seconds at 24,000 readings/s are 10 MB of rows


def load(
    database: DatabaseConfig, ingest: IngestConfig, alerts: AlertsConfig, now_us: int
) -> Pipeline:
    """Return a pipeline that goes on where the last worker ended.

    Raises:
        DatabaseAway: if the database cannot be reached; try again.
        SchemaTooOld: if it lacks migrations.
        UsageError: if the rules cannot be used.
    """
    try:
        with connect(database, autocommit=True, application_name="blocktwin ingest start") as conn:
            return _load(conn, ingest, alerts, now_us)
    except psycopg.OperationalError as error:
        raise DatabaseAway(f"the database went away: {error}") from error


def _load(
    conn: Connection[Any], ingest: IngestConfig, alerts: AlertsConfig, now_us: int
) -> Pipeline:
    migrate.require_current(conn)
    with conn.transaction():
        latest.repair(conn, ingest.worker_id)
    summarise(conn, datetime.fromtimestamp(now_us / 1e6, UTC))
    registry = registries.load(conn)
    _tell(registry, ())
    tables = tables_of(registry)
    rules = alarms.load_rules(conn, alerts.rules_dir or None)
    engine = Engine(rules, registry, now_us=now_us)
    marker = Marker(tables, Delays(late_s=ingest.late_s, clock_skew_s=ingest.clock_skew_s))
    _warm_up(conn, engine, marker, now_us - round(ingest.warmup_s * 1e6), now_us)
    engine.restore(alarms.open_conditions(conn))
    return Pipeline(
        rules=rules,
        tables=tables,
        marker=marker,
        engine=engine,
        ledger=Ledger(accounts.load_spools(conn), above_bound=ingest.spool_gaps),
        limits=Limits(clock_skew_s=ingest.clock_skew_s, max_future_s=ingest.max_future_s),
    )


def _warm_up(
    conn: Connection[Any], engine: Engine, marker: Marker, from_us: int, to_us: int
) -> None:
    """Show engine and marker what they have seen before.

    The transitions of the one are in the alarm table already, the bits of the other in the rows.
    """
    for begin_us in range(from_us, to_us, _SLICE_US):
        batch = writer.readings_between(conn, begin_us, min(begin_us + _SLICE_US, to_us))
        if len(batch):
            marker.recall(batch)
            engine.process(batch)
    marker.recall(_newest_outside(conn, from_us, to_us))


def _newest_outside(conn: Connection[Any], from_us: int, to_us: int) -> Batch:
    span = {"from_s": from_us / 1e6, "to_s": to_us / 1e6, "backfilled": int(Quality.BACKFILLED)}
    with conn.cursor().copy(_SQL["copy_newest"], span) as copy:
        return unpack_rows(b"".join(bytes(block) for block in copy))


def _tell(registry: Registry, told: Collection[str]) -> None:
    """Say once what is registered and cannot be used."""
    for fault in registry.faults:
        if fault not in told:
            log.warning("%s; the defaults stay", fault)


def reload(database: DatabaseConfig, pipeline: Pipeline, now_us: int) -> None:
    """Bring the pipeline's registry up to date; conditions under way go on.

    Raises:
        DatabaseAway: if the database cannot be reached; the pipeline is as it was.
    """
    try:
        with connect(database, autocommit=True, application_name="blocktwin ingest reload") as conn:
            registry = registries.load(conn)
    except psycopg.OperationalError as error:
        raise DatabaseAway(f"the database went away: {error}") from error
    _tell(registry, pipeline.tables.registry.faults)
    tables = tables_of(registry)
    engine = Engine(pipeline.rules, registry, now_us=now_us)
    engine.adopt(pipeline.engine)
    marker = Marker(tables, pipeline.marker.delays)
    marker.adopt(pipeline.marker)
    pipeline.tables, pipeline.engine, pipeline.marker = tables, engine, marker
