"""What a worker reads before its first batch: registry, rules, conditions, ledger, readings."""

from __future__ import annotations

from typing import Any

import psycopg
from psycopg import Connection

from alerts import store as alarms
from alerts.config import AlertsConfig
from alerts.engine import Engine
from core.config import DatabaseConfig
from core.db import migrate
from core.db import registry as registries
from core.db.pool import connect
from core.errors import DatabaseAway
from ingest import accounts, writer
from ingest.check import Limits, tables_of
from ingest.config import IngestConfig
from ingest.ledger import Ledger
from ingest.pipeline import Pipeline

_SLICE_US = 60_000_000  # a minute at 24,000 readings/s is 46 MB of rows


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
    registry = registries.load(conn)
    rules = alarms.load_rules(conn, alerts.rules_dir or None)
    engine = Engine(rules, registry, now_us=now_us)
    _warm_up(conn, engine, now_us - round(ingest.warmup_s * 1e6), now_us)
    engine.restore(alarms.open_conditions(conn))
    return Pipeline(
        rules=rules,
        tables=tables_of(registry),
        engine=engine,
        ledger=Ledger(accounts.load_spools(conn), above_bound=ingest.spool_gaps),
        limits=Limits(clock_skew_s=ingest.clock_skew_s, max_future_s=ingest.max_future_s),
    )


def _warm_up(conn: Connection[Any], engine: Engine, from_us: int, to_us: int) -> None:
    """Show the engine what it has seen before; its transitions are in the alarm table already."""
    for begin_us in range(from_us, to_us, _SLICE_US):
        batch = writer.readings_between(conn, begin_us, min(begin_us + _SLICE_US, to_us))
        if len(batch):
            engine.process(batch)


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
    tables = tables_of(registry)
    engine = Engine(pipeline.rules, registry, now_us=now_us)
    engine.adopt(pipeline.engine)
    pipeline.tables, pipeline.engine = tables, engine
