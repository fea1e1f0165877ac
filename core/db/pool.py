"""Open connections to the database; a failure to get one is ``DatabaseAway`` from here on."""

from __future__ import annotations

import math
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import psycopg
from psycopg import AsyncConnection, Connection
from psycopg.conninfo import conninfo_to_dict, make_conninfo
from psycopg_pool import AsyncConnectionPool, PoolTimeout

from core.config import DatabaseConfig
from core.db import slow
from core.errors import ConfigInvalid, DatabaseAway, MissingPrerequisite

Pool = AsyncConnectionPool[AsyncConnection[Any]]

MAX_WAITING = 1000
"""Requests that may wait for a connection of a pool; one more fails at once."""
_REMEDY = "check that PostgreSQL runs and that BLOCKTWIN_DATABASE__DSN names it"


def connect(
    cfg: DatabaseConfig, *, autocommit: bool = False, application_name: str
) -> Connection[Any]:
    """Return an open connection; the caller closes it.

    Raises:
        MissingPrerequisite: if no DSN is configured.
        ConfigInvalid: if the DSN cannot be read.
        DatabaseAway: if the server cannot be reached or refuses.
    """
    conninfo = _conninfo(cfg, application_name)
    try:
        return psycopg.connect(
            conninfo,
            autocommit=autocommit,
            cursor_factory=slow.cursors(cfg.slow_query_s).of_connection,
        )
    except psycopg.OperationalError as error:
        raise _away(error) from error


@asynccontextmanager
async def open_pool(cfg: DatabaseConfig, application_name: str) -> AsyncIterator[Pool]:
    """Yield a pool of autocommit connections; at least one has been opened.

    Raises:
        MissingPrerequisite: if no DSN is configured.
        ConfigInvalid: if the DSN cannot be read.
        DatabaseAway: if the first connection does not come in time.
    """
    conninfo = _conninfo(cfg, application_name)
    await _probe(conninfo)
    pool: Pool = AsyncConnectionPool(
        conninfo,
        kwargs={
            "autocommit": True,
            "cursor_factory": slow.cursors(cfg.slow_query_s).of_pool,
        },
        min_size=1,
        max_size=cfg.pool_size,
        timeout=cfg.connect_timeout_s,
        max_waiting=MAX_WAITING,
        check=AsyncConnectionPool.check_connection,
        open=False,
        name=application_name,
    )
    try:
        await pool.open(wait=True, timeout=cfg.connect_timeout_s)
        yield pool
    except PoolTimeout as error:
        raise _away(error) from error
    finally:
        await pool.close(timeout=2.0)


async def _probe(conninfo: str) -> None:
    """Connect once, because a pool hides why it cannot."""
    try:
        conn = await AsyncConnection.connect(conninfo)
    except psycopg.OperationalError as error:
        raise _away(error) from error
    await conn.close()


def _conninfo(cfg: DatabaseConfig, application_name: str) -> str:
    if not cfg.dsn:
        raise MissingPrerequisite(
            "no database is configured",
            remedy="set BLOCKTWIN_DATABASE__DSN, or dsn in the [database] section of the file",
        )
    try:
        given = conninfo_to_dict(cfg.dsn)
    except psycopg.ProgrammingError as error:
        raise ConfigInvalid(
            "database.dsn is no connection string",
            remedy="write postgresql://USER@HOST:PORT/NAME, or host=HOST dbname=NAME user=USER",
        ) from error
    options = f"-c statement_timeout={round(cfg.statement_timeout_s * 1000)} -c timezone=UTC"
    # A peer that vanished without a word is noticed within the time a statement may take.
    network: dict[str, Any] = {
        "keepalives_idle": 10,
        "keepalives_interval": 5,
        "keepalives_count": 3,
        "tcp_user_timeout": round(cfg.statement_timeout_s * 1000),
    }
    given["options"] = f"{given.get('options', '')} {options}".strip()
    return make_conninfo(
        **(network | given),
        application_name=application_name,
        connect_timeout=max(2, math.ceil(cfg.connect_timeout_s)),
    )


def _away(error: Exception) -> DatabaseAway:
    lines = str(error).strip().splitlines()
    cause = lines[0] if lines else type(error).__name__
    return DatabaseAway(f"the database cannot be reached: {cause}", remedy=_REMEDY)
