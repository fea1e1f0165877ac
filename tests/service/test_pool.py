"""Connections as configured, and what is said when there is none."""

import asyncio

import psycopg
import pytest

from core.config import DatabaseConfig
from core.db.pool import connect, open_pool
from core.errors import ConfigInvalid, DatabaseAway, MissingPrerequisite


def away(port: int) -> DatabaseConfig:
    dsn = f"postgresql://nobody:s3cret@127.0.0.1:{port}/x"
    return DatabaseConfig(dsn=dsn, connect_timeout_s=2)


def setting(conn: psycopg.Connection, name: str) -> str:
    row = conn.execute("SELECT current_setting(%s)", [name]).fetchone()
    assert row is not None
    return str(row[0])


def test_a_connection_is_named_bounded_and_in_utc(dsn: str) -> None:
    elsewhere = psycopg.conninfo.make_conninfo(dsn, options="-c timezone=Asia/Shanghai")
    cfg = DatabaseConfig(dsn=elsewhere, statement_timeout_s=1.5)
    with connect(cfg, application_name="blocktwin test") as conn:
        assert setting(conn, "application_name") == "blocktwin test"
        assert setting(conn, "statement_timeout") == "1500ms"
        assert setting(conn, "timezone") == "UTC"
        assert conn.autocommit is False
    with connect(cfg, autocommit=True, application_name="x") as conn:
        assert conn.autocommit is True


def test_a_statement_that_takes_too_long_is_cancelled(dsn: str) -> None:
    cfg = DatabaseConfig(dsn=dsn, statement_timeout_s=0.1)
    with connect(cfg, application_name="x") as conn, pytest.raises(psycopg.errors.QueryCanceled):
        conn.execute("SELECT pg_sleep(30)")


def test_options_of_the_dsn_are_kept(dsn: str) -> None:
    cfg = DatabaseConfig(dsn=psycopg.conninfo.make_conninfo(dsn, options="-c work_mem=7MB"))
    with connect(cfg, application_name="x") as conn:
        assert setting(conn, "work_mem") == "7MB"
        assert setting(conn, "statement_timeout") == "30s"


def test_no_dsn_is_a_missing_setting() -> None:
    with pytest.raises(MissingPrerequisite) as caught:
        connect(DatabaseConfig(), application_name="x")
    assert "BLOCKTWIN_DATABASE__DSN" in caught.value.remedy


def test_a_dsn_that_makes_no_sense_is_refused_without_showing_it() -> None:
    with pytest.raises(ConfigInvalid) as caught:
        connect(DatabaseConfig(dsn="host db s3cret"), application_name="x")
    assert "s3cret" not in str(caught.value)


async def test_a_server_that_is_not_there_is_transient_and_no_secret_is_told(
    free_port: int,
) -> None:
    with pytest.raises(DatabaseAway) as caught:
        connect(away(free_port), application_name="x")
    assert "s3cret" not in str(caught.value)
    with pytest.raises(DatabaseAway, match="cannot be reached"):
        async with open_pool(away(free_port), "x"):
            pass


async def test_a_pool_hands_out_no_more_than_its_size(dsn: str) -> None:
    cfg = DatabaseConfig(dsn=dsn, pool_size=2)
    async with open_pool(cfg, "blocktwin test") as pool:
        async with pool.connection() as first, pool.connection() as second:
            assert first.autocommit is True
            assert first is not second
            waiting = asyncio.create_task(pool.getconn(timeout=0.2))
            with pytest.raises(psycopg.OperationalError):
                await waiting
        async with pool.connection() as again:
            cursor = await again.execute("SHOW application_name")
            assert await cursor.fetchone() == ("blocktwin test",)
