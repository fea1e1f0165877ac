"""Bring a database to the schema this program needs: numbered SQL files, forward only.

A file is never edited once released; its SHA-256 is kept and compared. Each runs in one transaction
that inserts its own row first, under an advisory lock, so that two starting processes cannot both
run it. A file headed ``-- transaction: none`` holds one statement that refuses a transaction.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from importlib.resources import files
from typing import Any

import psycopg
from psycopg import Connection

from core.db.queries import load
from core.db.upkeep import editions
from core.errors import (
    DatabaseAway,
    MigrationConflict,
    MissingPrerequisite,
    SchemaTooOld,
    Transient,
)

LOCK_WAIT_S = 60
"""How long an upgrade waits for another one to end, and a migration for a table that is in use."""

_SQL = load("core.db", "migrate.sql")
_FILE = re.compile(r"(\d{4})_([a-z0-9]+(?:_[a-z0-9]+)+)\.sql")
_BARE = "-- transaction: none"


@dataclass(frozen=True, slots=True, kw_only=True)
class Migration:
    """A migration file: its number, its name, its text."""

    version: int
    name: str
    text: str

    @property
    def checksum(self) -> str:
        """SHA-256 of the text, hexadecimal."""
        return hashlib.sha256(self.text.encode()).hexdigest()

    @property
    def bare(self) -> bool:
        """Whether it must run outside a transaction."""
        return self.text.startswith(_BARE)


@dataclass(frozen=True, slots=True, kw_only=True)
class MigrationRow:
    """One line of the status: ``applied_at`` None means pending."""

    version: int
    name: str
    applied_at: datetime | None

    @property
    def title(self) -> str:
        """The file's name without its ending."""
        return f"{self.version:04}_{self.name}"


def migrations(package: str = "core.db.migrations") -> list[Migration]:
    """Return the shipped migrations in order.

    Raises:
        ValueError: if a file name is off, or a number is missing or stands twice.
    """
    found = []
    for entry in files(package).iterdir():
        if not entry.name.endswith(".sql"):
            continue
        match = _FILE.fullmatch(entry.name)
        if match is None:
            raise ValueError(f"migration {entry.name!r} is not named NNNN_verb_noun.sql")
        text = entry.read_text(encoding="utf-8")
        found.append(Migration(version=int(match[1]), name=match[2], text=text))
    found.sort(key=lambda migration: migration.version)
    if [migration.version for migration in found] != list(range(1, len(found) + 1)):
        raise ValueError("migrations are not numbered 1, 2, 3, … without gaps")
    return found


def upgrade(conn: Connection[Any], shipped: list[Migration] | None = None) -> list[str]:
    """Apply what is pending, then make what the edition needs; return the migrations' names.

    ``conn`` must be in autocommit mode.

    Raises:
        ValueError: if it is not: nothing would be committed.
        Transient: if another upgrade keeps the lock.
        MigrationConflict: if an applied migration differs from its file, or is unknown here.
        MissingPrerequisite: if the server has no TimescaleDB.
    """
    if not conn.autocommit:
        raise ValueError("an upgrade needs a connection in autocommit mode")
    plan = migrations() if shipped is None else shipped
    with _locked(conn):
        conn.execute(_SQL["create_table"])
        _require_extension(conn)
        done = _applied(conn, plan)
        names = [_apply(conn, migration) for migration in plan if migration.version not in done]
        _record_store(conn)
        editions.install(conn, edition(conn)[1])
    return names


def status(conn: Connection[Any]) -> list[MigrationRow]:
    """Return every shipped migration and when it was applied.

    Raises:
        MigrationConflict: if an applied migration differs from its file, or is unknown here.
    """
    plan = migrations()
    done = _applied(conn, plan) if _has_table(conn) else {}
    return [
        MigrationRow(version=m.version, name=m.name, applied_at=done.get(m.version)) for m in plan
    ]


def require_current(conn: Connection[Any]) -> None:
    """Check that nothing is pending.

    Raises:
        SchemaTooOld: if something is.
        MigrationConflict: if the database is not of this program's making.
    """
    pending = [row.name for row in status(conn) if row.applied_at is None]
    if pending:
        raise SchemaTooOld(
            f"the database lacks {len(pending)} migrations, the first is {pending[0]}",
            remedy="run: blocktwin db upgrade",
        )


def edition(conn: Connection[Any]) -> tuple[str, str]:
    """Return the version of TimescaleDB and its edition, ``apache`` or ``community``.

    Both are empty where this database has no TimescaleDB.
    """
    row = conn.execute(_SQL["store"]).fetchone()
    version, licence = row if row is not None else (None, None)
    if version is None:
        return "", ""
    return version, "apache" if licence == "apache" else "community"


@contextmanager
def _locked(conn: Connection[Any]) -> Iterator[None]:
    conn.execute(_SQL["lock_wait"], {"timeout": f"{LOCK_WAIT_S}s"})
    try:
        conn.execute(_SQL["lock"])
    except psycopg.errors.LockNotAvailable as error:
        raise Transient(
            f"another upgrade has held its lock for {LOCK_WAIT_S} seconds",
            remedy="wait for it to end, then try again",
        ) from error
    try:
        yield
    finally:
        if not conn.closed:
            conn.execute(_SQL["unlock"])
            conn.execute(_SQL["lock_wait"], {"timeout": "0"})


def _has_table(conn: Connection[Any]) -> bool:
    row = conn.execute(_SQL["has_table"]).fetchone()
    return row is not None and bool(row[0])


def _applied(conn: Connection[Any], plan: list[Migration]) -> dict[int, datetime]:
    shipped = {migration.version: migration for migration in plan}
    done = {}
    for version, name, checksum, applied_at in conn.execute(_SQL["applied"]):
        known = shipped.get(version)
        if known is None:
            raise MigrationConflict(
                f"the database has migration {version:04} {name}, which this program does not know",
                remedy="install the blocktwin version that upgraded it, or a newer one",
            )
        if known.checksum != checksum:
            raise MigrationConflict(
                f"migration {version:04} {name} was applied with another text than the file here",
                remedy="restore the released file; changes go into a new migration",
            )
        done[version] = applied_at
    return done


def _apply(conn: Connection[Any], migration: Migration) -> str:
    statement = migration.text.encode()  # bytes: text of ours, with no parameters in it
    row = {
        "version": migration.version,
        "name": migration.name,
        "checksum": migration.checksum,
    }
    try:
        if migration.bare:
            conn.execute(statement)
            conn.execute(_SQL["insert"], row)
        else:
            with conn.transaction():
                conn.execute(_SQL["insert"], row)
                conn.execute(statement)
    except psycopg.OperationalError as error:
        raise DatabaseAway(f"migration {migration.name} was cut off: {error}") from error
    except psycopg.errors.InsufficientPrivilege as error:
        raise MissingPrerequisite(
            f"migration {migration.name} was refused: {str(error).splitlines()[0]}",
            remedy="let a superuser run: CREATE EXTENSION timescaledb; and own the database",
        ) from error
    return f"{migration.version:04}_{migration.name}"


def _require_extension(conn: Connection[Any]) -> None:
    row = conn.execute(_SQL["extension"]).fetchone()
    available, preloaded = row if row is not None else (False, False)
    if not available:
        raise MissingPrerequisite(
            "this PostgreSQL server has no TimescaleDB",
            remedy="install it (docs/operations.md), or use the image in compose.yaml",
        )
    if not preloaded:
        raise MissingPrerequisite(
            "TimescaleDB is installed, but not preloaded",
            remedy="set shared_preload_libraries = 'timescaledb' and restart the server",
        )


def _record_store(conn: Connection[Any]) -> None:
    version, kind = edition(conn)
    for key, value in (("timescaledb_version", version), ("timescaledb_edition", kind)):
        conn.execute(_SQL["record_fact"], {"key": key, "value": value})
