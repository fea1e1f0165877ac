"""What the doctor sees of the database; it only reads, in one transaction that may not write."""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator
from contextlib import closing
from typing import Any

import psycopg
from psycopg import Connection
from psycopg.rows import dict_row

from core.config import DatabaseConfig
from core.db import migrate
from core.db.pool import connect
from core.db.queries import load
from core.errors import BlocktwinError
from ingest import doctor_findings as judge
from ingest.config import IMPORT, RETRY
from ingest.doctor_findings import Finding, Level

_SQL = load("ingest", "doctor.sql")
_CHUNKS = 3  # newest chunks whose size tells the growth
_LOCAL = {"", "localhost", "127.0.0.1", "::1"}


def look(cfg: DatabaseConfig) -> Iterator[Finding]:
    """Yield the findings about the database; the first that keeps it from going on is the last."""
    try:
        conn = connect(cfg, application_name="blocktwin doctor")
    except BlocktwinError as error:
        yield Finding("database", Level.FAIL, str(error), error.remedy)
        return
    with closing(conn):
        conn.read_only = True
        try:
            yield from _look(conn)
        except psycopg.errors.UndefinedTable as error:
            what = error.diag.message_primary
            yield Finding("schema", Level.FAIL, f"{what}", "run: blocktwin db upgrade")
        except psycopg.Error as error:
            text = f"the database refuses to answer: {str(error).splitlines()[0]}"
            yield Finding("database", Level.FAIL, text, "see the database's log")


def _look(conn: Connection[Any]) -> Iterator[Finding]:
    info = conn.info
    yield Finding("database", Level.OK, f"{info.dbname} at {info.host}:{info.port} answers")
    yield _clock(conn)
    with conn.cursor(row_factory=dict_row) as cursor:
        server = cursor.execute(_SQL["server"]).fetchone()
    assert server is not None  # a query without FROM has one row
    yield judge.version(server["version"])
    if server["timescaledb"] is None:
        yield from judge.timescaledb(None, "", "", preloaded=server["preloaded"])
        return
    yield from judge.timescaledb(
        server["timescaledb"], server["licence"], _rollups_by(conn), preloaded=server["preloaded"]
    )
    rows = conn.execute(_SQL["settings"]).fetchall()
    yield from judge.settings({name: (value, unit) for name, value, unit in rows})
    try:
        migrate.require_current(conn)
    except BlocktwinError as error:
        yield Finding("schema", Level.FAIL, str(error), error.remedy)
        return
    yield Finding("schema", Level.OK, "the schema is current")
    yield from _disk(conn, server)
    yield from _flow(conn)


def _clock(conn: Connection[Any]) -> Finding:
    """Compare the clocks; half of the way there and back is taken off."""
    before_s = time.time()
    row = conn.execute(_SQL["clock"]).fetchone()
    after_s = time.time()
    assert row is not None  # a query without FROM has one row
    return judge.clock(float(row[0]) - (before_s + after_s) / 2)


def _rollups_by(conn: Connection[Any]) -> str:
    try:
        with conn.transaction():
            row = conn.execute(_SQL["rollups_by"]).fetchone()
    except psycopg.errors.UndefinedTable:
        return ""
    return str(row[0]) if row is not None else ""


def _disk(conn: Connection[Any], server: dict[str, Any]) -> Iterator[Finding]:
    free = None
    folder = server["folder"]
    if conn.info.host not in _LOCAL and not conn.info.host.startswith("/"):
        yield Finding("disk", Level.SKIP, "the database's disk is on another machine: look there")
    elif folder is None:
        text = "the database does not tell this role where its data is"
        remedy = "GRANT pg_read_all_settings TO the role, or look at the disk yourself"
        yield Finding("disk", Level.SKIP, text, remedy)
    else:
        try:
            usage = shutil.disk_usage(folder)
        except OSError as error:
            yield Finding("disk", Level.SKIP, f"{folder} cannot be seen: {error.strerror}")
        else:
            free = usage.free
            yield judge.space("disk", folder, usage.free, usage.total)
    chunks = conn.execute(_SQL["chunks"], {"most": _CHUNKS}).fetchall()
    yield judge.growth(server["size_bytes"], judge.growth_per_s(chunks), free)


def _flow(conn: Connection[Any]) -> Iterator[Finding]:
    """What comes in and what waits."""
    yield from judge.workers(
        conn.execute(_SQL["workers"], {"commands": [RETRY, IMPORT]}).fetchall()
    )
    for level, age_s, waiting in conn.execute(_SQL["rollups"]).fetchall():
        yield judge.rollup(level, age_s, waiting)
    for name, judged in (
        ("rejected", judge.rejected),
        ("gateways", judge.gateways),
        ("deliveries", judge.deliveries),
    ):
        row = conn.execute(_SQL[name]).fetchone()
        assert row is not None  # sums and counts have one row
        yield judged(*row)
