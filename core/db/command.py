"""``blocktwin db``: migrate the database and look at its schema."""

from __future__ import annotations

import json
from contextlib import closing
from typing import Any

import click
from psycopg import Connection

from core.config import DatabaseConfig, Invocation
from core.db import backup as backups
from core.db import migrate
from core.db.describe import describe
from core.db.pool import connect
from core.db.upkeep import editions
from core.db.upkeep.command import retain, verify
from core.db.upkeep.config import UpkeepConfig


@click.group()
def db() -> None:
    """Migrate the database and look at its schema."""


@db.command()
@click.option("--dry-run", is_flag=True, help="Only say what would be applied.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object.")
@click.pass_obj
def upgrade(invocation: Invocation, *, dry_run: bool, as_json: bool) -> None:
    """Apply pending migrations and make what the TimescaleDB edition offers."""
    upkeep = invocation.load(UpkeepConfig).get(UpkeepConfig)
    with closing(_connect(invocation)) as conn:
        if dry_run:
            names = [row.title for row in migrate.status(conn) if row.applied_at is None]
        else:
            # A migration may take longer than any honest query.
            conn.execute("SET statement_timeout = 0")
            names = migrate.upgrade(conn)
            editions.apply_policies(conn, migrate.edition(conn)[1], upkeep)
        version, edition = migrate.edition(conn)
        kept_by = "" if dry_run else editions.rollups(conn)
    if as_json:
        store = {"version": version, "edition": edition}
        said = {"applied": names, "dry_run": dry_run, "timescaledb": store, "rollups": kept_by}
        click.echo(json.dumps(said))
        return
    for name in names:
        click.echo(f"{'would apply' if dry_run else 'applied'} {name}")
    if not dry_run:
        click.echo(f"schema is current; TimescaleDB {version}, {edition} edition")
        click.echo(_kept_by(kept_by, edition))


@db.command(name="status")
@click.option("--json", "as_json", is_flag=True, help="One JSON object.")
@click.pass_obj
def show_status(invocation: Invocation, *, as_json: bool) -> None:
    """List the migrations; exit 1 when some are pending."""
    with closing(_connect(invocation)) as conn:
        rows = migrate.status(conn)
        version, edition = migrate.edition(conn)
        pending = sum(row.applied_at is None for row in rows)
        # The table of facts is the first migration's.
        kept_by = "" if pending else editions.rollups(conn)
        jobs = editions.policies(conn) if kept_by else []
    if as_json:
        listed = [
            {
                "version": row.version,
                "name": row.name,
                "applied_at": row.applied_at.isoformat() if row.applied_at else None,
            }
            for row in rows
        ]
        store = {"version": version, "edition": edition}
        click.echo(
            json.dumps(
                {
                    "pending": pending,
                    "migrations": listed,
                    "timescaledb": store,
                    "rollups": kept_by,
                    "jobs": [{"job": job, "table": table} for job, table in jobs],
                }
            )
        )
    else:
        for row in rows:
            click.echo(f"{row.title}: {row.applied_at or 'pending'}")
        click.echo(f"TimescaleDB: {f'{version}, {edition} edition' if version else 'none yet'}")
        if kept_by:
            click.echo(_kept_by(kept_by, edition))
        for job, table in jobs:
            click.echo(f"job: {job} of {table}")
    raise SystemExit(1 if pending else 0)


@db.command()
@click.pass_obj
def schema(invocation: Invocation) -> None:
    """Print the schema of the database as text, for reading and comparing."""
    with closing(_connect(invocation)) as conn:
        click.echo(describe(conn), nl=False)


def _kept_by(kept_by: str, edition: str) -> str:
    """Say who keeps the rollups, and what an edition that has changed since means."""
    if kept_by == editions.CONTINUOUS:
        return "rollups: the database keeps them (continuous aggregates)"
    text = "rollups: blocktwin maintain keeps them"
    if edition == "community":
        text += (
            "; they were begun under the Apache edition and stay so, compression is the database's"
        )
    return text


for command in (retain, verify, backups.backup, backups.restore):
    db.add_command(command)


def _connect(invocation: Invocation) -> Connection[Any]:
    database = invocation.load(DatabaseConfig).get(DatabaseConfig)
    return connect(database, autocommit=True, application_name="blocktwin db")
