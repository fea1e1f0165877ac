"""What a worker reads before its first batch: registry, rules, conditions, ledger, readings.

With a snapshot (``ingest.snapshots``) only the readings since it was taken are read, and every
timer goes on; without one the engine is shown the last ``warmup_s`` seconds.
"""

from __future__ import annotations

import logging
from collections.abc import Collection
from datetime import UTC, datetime
from typing import Any

import psycopg
from psycopg import Connection

from alerts import overrides, rulestore
from alerts.config import AlertsConfig
from alerts.engine import Engine, OpenCondition
from core.batch import Batch
from core.config import DatabaseConfig
from core.db import migrate
from core.db import registry as registries
from core.db.pool import connect
from core.db.queries import load as load_queries
from core.db.upkeep.rollups import summarise
from core.errors import DatabaseAway
from core.model import Field, Quality, Severity, Transition
from core.registry import Registry
from ingest import accounts, latest, snapshots, writer
from ingest.arrays import unpack_rows
from ingest.check import Limits, tables_of
from ingest.config import IngestConfig
from ingest.ledger import Ledger
from ingest.pipeline import Fresh, Pipeline
from ingest.quality import Delays, Marker

log = logging.getLogger(__name__)

_SQL = load_queries("ingest", "start.sql")
_MARGIN_US = 30_000_000
"""Readings this much older than a snapshot may have been stored after it was taken."""

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
    rules = rulestore.load_rules(conn, alerts.rules_dir or None)
    engine = Engine(rules, registry, now_us=now_us, overrides=overrides.load(conn))
    marker = Marker(tables, Delays(late_s=ingest.late_s, clock_skew_s=ingest.clock_skew_s))
    warmup_us = now_us - round(ingest.warmup_s * 1e6)
    taken_us = _resume(conn, ingest.worker_id, engine, marker)
    if taken_us is None:
        _warm_up(conn, engine, marker, warmup_us, now_us)
        marker.recall(_newest_outside(conn, warmup_us, now_us))
    else:
        _warm_up(conn, engine, marker, max(taken_us - _MARGIN_US, warmup_us), now_us)
    engine.outline()  # the first snapshot then waits for it no more
    known = open_conditions(conn)
    owed = engine.restore(known)
    return Pipeline(
        owed=owed,
        onsets={(one.rule_id, one.subject): one.raised_us for one in known if not one.returned},
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


def _resume(conn: Connection[Any], worker: str, engine: Engine, marker: Marker) -> int | None:
    """Take up the worker's last snapshot; return when it was taken, None if there is none."""
    try:
        kept = snapshots.load(conn, worker)
        if kept is None:
            return None
        engine.resume(kept.engine)
        marker.resume(kept.marker)
    except ValueError as error:
        log.warning("the last snapshot cannot be used (%s); reading the last readings", error)
        return None
    return kept.taken_us


def end_overrides(database: DatabaseConfig) -> int:
    """End the overrides whose time is up; return how many.

    Raises:
        DatabaseAway: if the database cannot be reached.
    """
    try:
        with connect(database, autocommit=True, application_name="blocktwin ingest rules") as conn:
            return overrides.end_due(conn, datetime.now(UTC))
    except psycopg.Error as error:
        raise DatabaseAway(f"the database went away: {error}") from error


def open_conditions(conn: Connection[Any]) -> list[OpenCondition]:
    """Return what the engine must know of the open alarms."""
    return [
        OpenCondition(
            rule_id=rule,
            subject=subject,
            severity=Severity(severity),
            returned=returned,
            raised_us=raised_us,
            rule_version=version,
            field=Field(field),
            quantity=quantity,
            latch=latch,
            life_safety=life_safety,
        )
        for (
            rule,
            subject,
            severity,
            returned,
            raised_us,
            version,
            field,
            quantity,
            latch,
            life_safety,
        ) in conn.execute(_SQL["open_conditions"])
    ]


def _newest_outside(conn: Connection[Any], from_us: int, to_us: int) -> Batch:
    span = {"from_s": from_us / 1e6, "to_s": to_us / 1e6, "backfilled": int(Quality.BACKFILLED)}
    with conn.cursor().copy(_SQL["copy_newest"], span) as copy:
        return unpack_rows(b"".join(bytes(block) for block in copy))


def _tell(registry: Registry, told: Collection[str]) -> None:
    """Say once what is registered and cannot be used."""
    for fault in registry.faults:
        if fault not in told:
            log.warning("%s; the defaults stay", fault)


def reload(database: DatabaseConfig, pipeline: Pipeline, now_us: int) -> list[Transition]:
    """Bring the pipeline's registry and rules up to date; conditions under way go on.

    Returns:
        The ends of those that nothing judges any longer.

    Raises:
        DatabaseAway: if the database cannot be reached; the pipeline is as it was.
    """
    return pipeline.renew(fetch(database, pipeline, now_us))


def fetch(database: DatabaseConfig, pipeline: Pipeline, now_us: int) -> Fresh:
    """Read registry, rules and overrides anew and lay them out; the pipeline goes on meanwhile.

    Raises:
        DatabaseAway: if the database cannot be reached.
        UsageError: if the rules cannot be used.
    """
    try:
        with connect(database, autocommit=True, application_name="blocktwin ingest reload") as conn:
            registry = registries.load(conn)
            rules = rulestore.in_force(conn)
            special = overrides.load(conn)
    except psycopg.OperationalError as error:
        raise DatabaseAway(f"the database went away: {error}") from error
    _tell(registry, pipeline.tables.registry.faults)
    tables = tables_of(registry)
    engine = Engine(rules, registry, now_us=now_us, overrides=special)
    engine.outline()
    return Fresh(
        rules=rules,
        tables=tables,
        marker=Marker(tables, pipeline.marker.delays),
        engine=engine,
    )
