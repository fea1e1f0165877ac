"""Take a backup: one snapshot that pg_dump copies and that is counted at the same time."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

import psycopg
from msgspec.structs import replace
from psycopg import Connection, IsolationLevel, sql

from core.config import DatabaseConfig
from core.db.backup_manifest import Manifest, Place, entries, save, writing
from core.db.backup_programs import environment, find, running
from core.db.pool import connect
from core.db.queries import load
from core.errors import DatabaseAway, MissingPrerequisite, SchemaTooOld
from core.version import version

Tell = Callable[[str], None]

_SQL = load("core.db", "backup.sql")


def backup(cfg: DatabaseConfig, place: Place, *, jobs: int, tell: Tell) -> Manifest:
    """Write a backup of the configured database to ``place`` and return its manifest.

    Whoever writes meanwhile is not held up; what is committed after the start is not in it.

    Args:
        cfg: the database.
        place: where to; must not be there yet.
        jobs: tables copied at a time; more than one only into a folder.
        tell: hears of the progress, a sentence at a time.

    Raises:
        UsageError: if there is something at ``place`` already.
        MissingPrerequisite: if there is no pg_dump for this server, or no TimescaleDB.
        SchemaTooOld: if the database is none of ours.
        DatabaseAway: if the database goes away meanwhile.
        ProgramFailed: if pg_dump fails.
    """
    # Counting a large table is slow by nature, and no finding.
    conn = connect(replace(cfg, slow_query_s=0), application_name="blocktwin db backup")
    try:
        conn.isolation_level = IsolationLevel.REPEATABLE_READ
        conn.read_only = True
        conn.execute(_SQL["unbound"])
        return _write(conn, cfg, place, jobs=jobs, tell=tell)
    except psycopg.OperationalError as error:
        raise DatabaseAway(f"the backup was cut off: {error}") from error
    except psycopg.errors.InsufficientPrivilege as error:
        raise MissingPrerequisite(
            f"the backup was refused: {error.diag.message_primary}",
            remedy="back up as the owner of the database, or as a superuser",
        ) from error
    finally:
        conn.close()


def count_rows(conn: Connection[Any]) -> dict[str, int]:
    """Return the rows of every table of ours, in the snapshot of ``conn``."""
    counted = {}
    for schema, name in conn.execute(_SQL["tables"]).fetchall():
        table = sql.Identifier(schema, name)
        row = conn.execute(sql.SQL(_SQL["count"]).format(table=table)).fetchone()
        counted[_title(schema, name)] = int(row[0]) if row is not None else 0
    return counted


def count_chunks(conn: Connection[Any]) -> dict[str, int]:
    """Return the number of chunks of every hypertable of ours."""
    rows = conn.execute(_SQL["chunks"]).fetchall()
    return {_title(schema, name): number for schema, name, number in rows}


def edition_of(licence: str) -> str:
    """Return the edition under a licence setting."""
    return "apache" if licence == "apache" else "community"


def _title(schema: str, name: str) -> str:
    return name if schema == "public" else f"{schema}.{name}"


def _write(
    conn: Connection[Any], cfg: DatabaseConfig, place: Place, *, jobs: int, tell: Tell
) -> Manifest:
    row = conn.execute(_SQL["source"]).fetchone()
    assert row is not None  # one is always connected to a database
    database, owner, number, extension, licence, taken_at = row
    migration = _migration(conn)
    if extension is None:
        raise MissingPrerequisite(
            f"the database {database} has no TimescaleDB", remedy="run: blocktwin db upgrade"
        )
    program = find("pg_dump", number // 10_000)
    found = conn.execute(_SQL["snapshot"]).fetchone()
    assert found is not None
    with writing(place) as passing:
        arguments = [
            f"--snapshot={found[0]}",
            f"--format={'custom' if place.single else 'directory'}",
            f"--file={passing.dump}",
            "--no-password",
            *([] if place.single else [f"--jobs={jobs}"]),
        ]
        tell(f"copying {database} with {program.path}")
        with running(program, arguments, environment(cfg.dsn, os.environ)) as wait:
            rows, chunks = count_rows(conn), count_chunks(conn)
            tell(f"counted {sum(rows.values()):,} rows of {len(rows)} tables in the same snapshot")
            wait(lambda: tell(f"copied {_bytes(passing):,} bytes"))
        conn.rollback()
        manifest = Manifest(
            blocktwin=version(),
            taken_at=taken_at,
            database=database,
            owner=owner,
            migration=migration,
            postgresql=number // 10_000,
            pg_dump=program.major,
            timescaledb=extension,
            edition=edition_of(licence),
            rows=rows,
            chunks=chunks,
            files=_named(place, passing),
        )
        save(passing, manifest)
    return manifest


def _named(place: Place, passing: Place) -> Any:
    found = entries(passing)
    return {place.path.name: next(iter(found.values()))} if place.single else found


def _migration(conn: Connection[Any]) -> str:
    try:
        row = conn.execute(_SQL["schema"]).fetchone()
    except psycopg.errors.UndefinedTable:
        row = None
    if row is None:
        raise SchemaTooOld(
            "this database is none of blocktwin's: it has no migrations",
            remedy="check database.dsn, or run: blocktwin db upgrade",
        )
    return f"{row[0]:04}_{row[1]}"


def _bytes(place: Place) -> int:
    paths = [place.dump] if place.single else list(place.dump.glob("*"))
    return sum(path.stat().st_size for path in paths if path.exists())
