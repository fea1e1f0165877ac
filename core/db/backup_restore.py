"""Restore a backup into an empty database, and count what has arrived against the manifest."""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from typing import Any

import psycopg
from msgspec.structs import replace
from psycopg import Connection, sql

from core.config import DatabaseConfig
from core.db.backup_dump import count_chunks, count_rows, edition_of
from core.db.backup_manifest import Manifest, Place
from core.db.backup_programs import Program, ProgramFailed, environment, find, running
from core.db.pool import connect
from core.db.queries import load
from core.errors import DatabaseAway, MissingPrerequisite, Permanent, UsageError

Tell = Callable[[str], None]

_SQL = load("core.db", "backup.sql")
_NAME = "blocktwin db restore"


class RestoreIncomplete(Permanent):
    """What arrived is not what the manifest counts."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """A restore that can be done.

    Attributes:
        database: name of the target.
        extension: whether TimescaleDB is there already.
        owners: whether the objects keep their owner; otherwise all belong to ``user``.
        user: whom we are connected as.
        program: the pg_restore to use.
    """

    database: str
    extension: bool
    owners: bool
    user: str
    program: Program


def plan(cfg: DatabaseConfig, manifest: Manifest) -> Plan:
    """Check that the backup can go into this database; nothing is changed.

    Raises:
        UsageError: if the database is not empty.
        MissingPrerequisite: if a version, the edition or a right does not fit.
        DatabaseAway: if the database cannot be reached.
    """
    with closing(connect(cfg, autocommit=True, application_name=_NAME)) as conn:
        row = conn.execute(_SQL["target"], {"owner": manifest.owner}).fetchone()
        assert row is not None  # a query without FROM has one row
        database, number, superuser, user, extension, preloaded, licence, offered, has_owner = row
        _require_empty(conn, database)
    _require_server(database, number // 10_000, manifest, superuser=superuser, user=user)
    _require_timescaledb(extension, offered, manifest, preloaded=preloaded)
    if extension is not None:
        _require_edition(licence, manifest)
    return Plan(
        database=database,
        extension=extension is not None,
        owners=has_owner,
        user=user,
        program=find("pg_restore", manifest.pg_dump),
    )


def restore(cfg: DatabaseConfig, place: Place, manifest: Manifest, do: Plan, *, tell: Tell) -> None:
    """Carry out a plan; the files must have been checked.

    One table at a time: several at once would fill TimescaleDB's catalog in a wrong order.

    Raises:
        ProgramFailed: if pg_restore fails; the target is then useless and says so.
        RestoreIncomplete: if the counts differ from the manifest's.
        DatabaseAway: if the database goes away meanwhile.
    """
    try:
        _prepare(cfg, manifest, do)
        tell(f"copying {manifest.size:,} bytes into {do.database} with {do.program.path}")
        _copy(cfg, place, do, tell)
        with closing(_connect(cfg)) as conn:
            conn.execute(_SQL["post_restore"])
        tell("collecting statistics")
        # A connection of its own: the one before knows the catalog as it was while restoring.
        with closing(_connect(cfg)) as conn:
            conn.execute(_SQL["analyze"])
            tell("counting")
            compare(conn, manifest)
    except psycopg.OperationalError as error:
        raise DatabaseAway(f"the restore was cut off: {error}", remedy=_again(do)) from error
    except psycopg.errors.InsufficientPrivilege as error:
        raise MissingPrerequisite(
            f"the restore was refused: {error.diag.message_primary}",
            remedy="restore as a superuser; TimescaleDB's catalog belongs to one",
        ) from error


def compare(conn: Connection[Any], manifest: Manifest) -> None:
    """Check that every table has the rows, every hypertable the chunks of the manifest.

    Raises:
        RestoreIncomplete: naming the first tables that differ.
    """
    differences = [
        f"{name}: {there.get(name, 'none')} instead of {wanted.get(name, 'none')} {what}"
        for what, wanted, there in (
            ("rows", manifest.rows, count_rows(conn)),
            ("chunks", manifest.chunks, count_chunks(conn)),
        )
        for name in sorted(wanted.keys() | there.keys())
        if wanted.get(name) != there.get(name)
    ]
    if differences:
        raise RestoreIncomplete(
            f"what was restored is not what was backed up: {'; '.join(differences[:5])}",
            remedy="do not use this database; let nobody write to it before the restore has ended",
        )


def _prepare(cfg: DatabaseConfig, manifest: Manifest, do: Plan) -> None:
    if not do.extension:
        with closing(_connect(cfg)) as conn:
            statement = sql.SQL(_SQL["create_extension"])
            conn.execute(statement.format(version=sql.Literal(manifest.timescaledb)))
    with closing(_connect(cfg)) as conn:
        row = conn.execute(_SQL["licence"]).fetchone()
        assert row is not None  # a query without FROM has one row
        _require_edition(row[0], manifest)
        conn.execute(_SQL["pre_restore"])


def _copy(cfg: DatabaseConfig, place: Place, do: Plan, tell: Tell) -> None:
    arguments = [
        f"--dbname={do.database}",
        "--exit-on-error",
        "--no-password",
        *([] if do.owners else ["--no-owner", "--no-privileges"]),
        str(place.dump),
    ]
    try:
        with running(do.program, arguments, environment(cfg.dsn, os.environ)) as wait:
            wait(lambda: tell("still copying"))
    except ProgramFailed as error:
        raise ProgramFailed(str(error), remedy=_again(do)) from error


def _again(do: Plan) -> str:
    return f"drop the database {do.database}, create it empty, and restore again"


def _connect(cfg: DatabaseConfig) -> Connection[Any]:
    # Counting a large table is slow by nature, and no finding.
    conn = connect(replace(cfg, slow_query_s=0), autocommit=True, application_name=_NAME)
    conn.execute(_SQL["unbound"])
    return conn


def _require_empty(conn: Connection[Any], database: str) -> None:
    tables = conn.execute(_SQL["tables"]).fetchall()
    if tables:
        named = ", ".join(name for _, name in tables[:3])
        raise UsageError(
            f"the database {database} is not empty: it has {len(tables)} tables ({named}, …)",
            remedy="create an empty one (createdb NAME) and restore into that",
        )


def _require_server(
    database: str, major: int, manifest: Manifest, *, superuser: bool, user: str
) -> None:
    if major < manifest.postgresql:
        raise MissingPrerequisite(
            f"the backup is of PostgreSQL {manifest.postgresql}, this server is {major}",
            remedy=f"restore into PostgreSQL {manifest.postgresql} or newer",
        )
    if not superuser:
        raise MissingPrerequisite(
            f"{user} is no superuser of {database}, and TimescaleDB's catalog belongs to one",
            remedy=f"restore as a superuser; everything will belong to {manifest.owner}, "
            "if that role exists",
        )


def _require_timescaledb(
    extension: str | None, offered: list[str], manifest: Manifest, *, preloaded: bool
) -> None:
    wanted = manifest.timescaledb
    if extension not in (None, wanted):
        raise MissingPrerequisite(
            f"the backup is of TimescaleDB {wanted}, the target database has {extension}",
            remedy="create the database from template0, so that the restore can choose the version",
        )
    if wanted not in offered:
        listed = ", ".join(offered) or "none"
        raise MissingPrerequisite(
            f"the backup is of TimescaleDB {wanted}; this server offers {listed}",
            remedy=f"install TimescaleDB {wanted} there, restore, and update the extension after",
        )
    if not preloaded:
        raise MissingPrerequisite(
            "TimescaleDB is installed, but not preloaded",
            remedy="set shared_preload_libraries = 'timescaledb' and restart the server",
        )


def _require_edition(licence: str, manifest: Manifest) -> None:
    """Refuse a smaller edition; a database without the extension does not tell its server's."""
    if manifest.edition == "community" and edition_of(licence) == "apache":
        raise MissingPrerequisite(
            "the backup is of TimescaleDB's Community edition, this server runs Apache's, which "
            "cannot keep its aggregates and compressed chunks",
            remedy="restore into a server of the Community edition",
        )
