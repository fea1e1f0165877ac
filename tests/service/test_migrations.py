"""Migrations on a real TimescaleDB: what they leave, what they refuse, and two at a time."""

import threading
from pathlib import Path

import psycopg
import pytest

from core.db import migrate
from core.db.describe import describe
from core.db.migrate import Migration
from core.errors import DatabaseAway, MigrationConflict, MissingPrerequisite, SchemaTooOld
from dev.servers import PrivatePostgres

SCHEMA = Path(__file__).parents[2] / "core" / "db" / "schema.sql"


def connect(dsn: str) -> psycopg.Connection:
    return psycopg.connect(dsn, autocommit=True)


def plan(*texts: str) -> list[Migration]:
    return [
        Migration(version=number, name=f"make_{number}", text=text)
        for number, text in enumerate(texts, start=1)
    ]


BASE = "CREATE EXTENSION timescaledb; CREATE TABLE store_fact (key text PRIMARY KEY, value text);"


def tables(conn: psycopg.Connection) -> set[str]:
    found = conn.execute("SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace")
    return {name for (name,) in found}


def test_a_migrated_database_is_the_one_that_schema_sql_describes(
    conn: psycopg.Connection,
) -> None:
    if migrate.edition(conn)[1] != "apache":
        pytest.skip("schema.sql shows what the Apache edition gets")
    assert describe(conn) == SCHEMA.read_text(encoding="utf-8"), (
        "run on a migrated database: blocktwin db schema > core/db/schema.sql"
    )


def test_the_description_sees_a_change(conn: psycopg.Connection) -> None:
    before = describe(conn)
    for statement in (
        "ALTER TABLE device ALTER name DROP NOT NULL",
        "CREATE INDEX ON device (name)",
        "CREATE VIEW device_names AS SELECT name FROM device",
        "CREATE FUNCTION one() RETURNS int LANGUAGE sql AS 'SELECT 1'",
    ):
        conn.execute(statement.encode())
        assert describe(conn) != before, statement
        before = describe(conn)


def test_an_upgrade_applies_all_once_and_notes_the_edition(empty_dsn: str) -> None:
    with connect(empty_dsn) as conn:
        assert [row.applied_at for row in migrate.status(conn)] == [None] * len(
            migrate.migrations()
        )
        applied = migrate.upgrade(conn)
        assert applied[0] == "0001_create_base"
        assert len(applied) == len(migrate.migrations())
        assert migrate.upgrade(conn) == []
        assert all(row.applied_at for row in migrate.status(conn))
        migrate.require_current(conn)
        facts: dict[str, str] = dict(conn.execute("SELECT key, value FROM store_fact").fetchall())
    assert facts["timescaledb_edition"] in ("apache", "community")
    assert facts["timescaledb_version"].startswith("2.")


def test_an_old_schema_is_refused_with_the_way_out(empty_dsn: str) -> None:
    with connect(empty_dsn) as conn, pytest.raises(SchemaTooOld) as caught:
        migrate.require_current(conn)
    assert caught.value.remedy == "run: blocktwin db upgrade"


def test_an_edited_migration_is_a_conflict(conn: psycopg.Connection) -> None:
    conn.execute("UPDATE schema_migration SET checksum = 'other' WHERE version = 1")
    for call in (migrate.status, migrate.require_current, migrate.upgrade):
        with pytest.raises(MigrationConflict, match="0001 create_base"):
            call(conn)


def test_a_schema_from_the_future_is_a_conflict(conn: psycopg.Connection) -> None:
    conn.execute("INSERT INTO schema_migration VALUES (9999, 'fly_cars', 'x')")
    with pytest.raises(MigrationConflict, match="9999 fly_cars"):
        migrate.upgrade(conn)


def test_a_failing_migration_leaves_nothing_of_itself_and_can_be_tried_again(
    empty_dsn: str,
) -> None:
    bad = plan(BASE, "CREATE TABLE half (id int); SELECT 1 / 0;")
    with connect(empty_dsn) as conn:
        with pytest.raises(psycopg.errors.DivisionByZero):
            migrate.upgrade(conn, bad)
        assert "half" not in tables(conn)
        good = plan(BASE, "CREATE TABLE half (id int);")
        assert migrate.upgrade(conn, good) == ["0002_make_2"]
        assert "half" in tables(conn)


def test_a_migration_that_refuses_a_transaction_runs_outside_one(empty_dsn: str) -> None:
    with connect(empty_dsn) as conn:
        with pytest.raises(psycopg.errors.ActiveSqlTransaction):
            migrate.upgrade(conn, plan(BASE, "VACUUM store_fact"))
        bare = plan(BASE, "-- transaction: none\nVACUUM store_fact")
        assert migrate.upgrade(conn, bare) == ["0002_make_2"]


def test_two_upgrades_at_once_apply_each_migration_once(empty_dsn: str) -> None:
    applied: list[str] = []
    # The pause keeps the first one inside its transaction while the second one starts.
    slow = plan(BASE, "CREATE TABLE once (id int); SELECT pg_sleep(0.3);")

    def run() -> None:
        with connect(empty_dsn) as conn:
            applied.extend(migrate.upgrade(conn, slow))

    threads = [threading.Thread(target=run) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert sorted(applied) == ["0001_make_1", "0002_make_2"]


def test_an_upgrade_needs_autocommit(dsn: str) -> None:
    with psycopg.connect(dsn) as conn, pytest.raises(ValueError, match="autocommit"):
        migrate.upgrade(conn)


def test_a_connection_cut_in_the_middle_is_transient(empty_dsn: str) -> None:
    cut = plan(BASE, "SELECT pg_terminate_backend(pg_backend_pid())")
    conn = connect(empty_dsn)
    with pytest.raises(DatabaseAway, match="make_2"):
        migrate.upgrade(conn, cut)
    conn.close()


def test_a_role_without_rights_is_told_what_to_ask_for(
    postgres: PrivatePostgres, empty_dsn: str
) -> None:
    with connect(empty_dsn) as conn:
        conn.execute("GRANT CREATE ON SCHEMA public TO PUBLIC")
        conn.execute("DROP ROLE IF EXISTS plain")
        conn.execute("CREATE ROLE plain")
        try:
            conn.execute("SET ROLE plain")
            with pytest.raises(MissingPrerequisite, match="create_base was refused"):
                migrate.upgrade(conn)
        finally:
            conn.execute("RESET ROLE")
            conn.execute("DROP OWNED BY plain")
            conn.execute("DROP ROLE plain")
