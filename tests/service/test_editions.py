"""What each edition of TimescaleDB gets, and what is said when the edition changes."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import psycopg
import pytest

from core.db import migrate
from core.db.upkeep import editions, rollups
from core.db.upkeep.config import UpkeepConfig
from core.errors import MigrationConflict
from tests.oracle.rollups import Row
from tests.support import servers
from tests.support.upkeep import T0, assert_right, insert

VIEWS = ("reading_1m", "reading_1h", "reading_1d")


@pytest.fixture
def community(dsn: str) -> Iterator[psycopg.Connection]:
    """A connection to a store of the Community edition."""
    with psycopg.connect(dsn, autocommit=True) as conn:
        if migrate.edition(conn)[1] != "community":
            pytest.skip("this TimescaleDB is the Apache edition")
        rollups.prepare(conn)
        yield conn


def test_the_readers_names_and_columns_are_the_same_in_every_edition(
    conn: psycopg.Connection,
) -> None:
    for view in VIEWS:
        columns = conn.execute(
            "SELECT attname, format_type(atttypid, atttypmod) FROM pg_attribute"
            " WHERE attrelid = %s::regclass AND attnum > 0 ORDER BY attnum",
            (view,),
        ).fetchall()
        assert dict(columns) == {
            "series_id": "integer",
            "bucket": "timestamp with time zone",
            "count": "bigint",
            "good": "bigint",
            **dict.fromkeys(("min", "max", "sum", "last"), "double precision"),
        }


def test_an_upgrade_records_who_keeps_the_rollups_and_makes_them_once(
    conn: psycopg.Connection,
) -> None:
    kind = {"apache": editions.OURS, "community": editions.CONTINUOUS}[migrate.edition(conn)[1]]
    assert editions.rollups(conn) == kind
    rows = insert(conn, [Row(1, T0, 2.0, 0), Row(1, T0 + timedelta(hours=2), 4.0, 1)])
    assert migrate.upgrade(conn) == []
    assert editions.rollups(conn) == kind
    assert_right(conn, rows)


def test_what_is_half_made_is_not_there_and_is_made_by_the_next_upgrade(
    empty_dsn: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken = dict(editions._SQL)
    broken["record"] = "SELECT 1 / 0 WHERE %(key)s <> %(value)s"
    with psycopg.connect(empty_dsn, autocommit=True) as conn:
        with monkeypatch.context() as patch:
            patch.setattr(editions, "_SQL", broken)
            with pytest.raises(psycopg.errors.DivisionByZero):
                migrate.upgrade(conn)
        assert conn.execute("SELECT to_regclass('reading_1m')").fetchone() == (None,)
        migrate.upgrade(conn)
        assert editions.rollups(conn)


def test_aggregates_that_the_edition_cannot_keep_are_refused_with_the_way_out(
    conn: psycopg.Connection,
) -> None:
    conn.execute("UPDATE store_fact SET value = 'continuous' WHERE key = 'rollups'")
    with pytest.raises(MigrationConflict) as caught:
        editions.install(conn, "apache")
    assert "timescaledb.license" in caught.value.remedy


def test_a_store_begun_under_apache_goes_on_under_community(conn: psycopg.Connection) -> None:
    if editions.rollups(conn) != editions.OURS:
        pytest.skip("this store was begun under the Community edition")
    editions.install(conn, "community")
    assert editions.rollups(conn) == editions.OURS


def test_the_apache_edition_is_given_no_policies(conn: psycopg.Connection) -> None:
    assert not editions.apply_policies(conn, "apache", UpkeepConfig())


def test_the_commands_say_who_keeps_the_rollups(
    dsn: str, conn: psycopg.Connection, run_blocktwin: servers.Runner
) -> None:
    kind = editions.rollups(conn)
    env = servers.settings(dsn)
    status = run_blocktwin("db", "status", "--json", env=env)
    assert status.wait(30) == 0
    assert json.loads(status.output())["rollups"] == kind
    upgrade = run_blocktwin("db", "upgrade", "--json", env=env)
    assert upgrade.wait(30) == 0
    assert json.loads(upgrade.output())["rollups"] == kind
    plain = run_blocktwin("db", "status", env=env)
    assert plain.wait(30) == 0
    assert "rollups: " in plain.output()


def test_an_empty_database_has_a_status_too(empty_dsn: str, run_blocktwin: servers.Runner) -> None:
    status = run_blocktwin("db", "status", "--json", env=servers.settings(empty_dsn))
    assert status.wait(30) == 1
    said = json.loads(status.output())
    assert (said["rollups"], said["jobs"]) == ("", [])


def test_community_aggregates_show_new_and_refreshed_readings(
    community: psycopg.Connection,
) -> None:
    rows = insert(community, [Row(1, T0 - timedelta(days=d), float(d), d % 2) for d in range(9)])
    assert_right(community, rows)
    for view in VIEWS:
        community.execute("CALL refresh_continuous_aggregate(%s, NULL, NULL)", (view,))
    assert_right(community, rows)
    rows += insert(community, [Row(1, T0 - timedelta(days=4, hours=3), 7.0, 0)])
    for view in VIEWS:
        community.execute("CALL refresh_continuous_aggregate(%s, NULL, NULL)", (view,))
    assert_right(community, rows)


def test_community_policies_follow_the_settings(community: psycopg.Connection) -> None:
    cfg = UpkeepConfig(keep_readings_days=40, keep_1d_days=0)
    assert editions.apply_policies(community, "community", cfg)
    assert not editions.apply_policies(community, "community", cfg)
    jobs = editions.policies(community)
    assert {table for job, table in jobs if job == "policy_refresh_continuous_aggregate"} == set(
        VIEWS
    )
    assert ("policy_compression", "reading") in jobs
    assert {table for job, table in jobs if job == "policy_retention"} == {
        "reading", "reading_1m", "reading_1h",
    }  # fmt: skip
    assert editions.apply_policies(community, "community", UpkeepConfig(keep_readings_days=0))
    kept = {table for job, table in editions.policies(community) if job == "policy_retention"}
    assert kept == {"reading_1m", "reading_1h"}


def test_community_readings_past_the_horizon_are_compressed_and_stay_readable(
    community: psycopg.Connection,
) -> None:
    rows = insert(community, [Row(1, T0 - timedelta(days=d), float(d), 0) for d in range(30)])
    editions.apply_policies(community, "community", UpkeepConfig())
    community.execute("SELECT compress_chunk(c) FROM show_chunks('reading') c")
    rows += insert(community, [Row(1, T0 - timedelta(days=20, hours=1), 5.0, 0)])
    assert community.execute("SELECT count(*) FROM reading").fetchone() == (len(rows),)


def test_the_queries_of_the_aggregates_say_what_the_oracle_says(conn: psycopg.Connection) -> None:
    """As plain views, which every edition has."""
    text = (
        editions._SQL["make_continuous"]
        .replace("WITH NO DATA", "")
        .replace("WITH (timescaledb.continuous, timescaledb.materialized_only = false)", "")
    )
    rows = insert(conn, [Row(s, T0 + timedelta(minutes=17 * n), float(n), n % 3) for s in (1, 2)
                         for n in range(200)])  # fmt: skip
    conn.execute("CREATE SCHEMA shadow")
    conn.execute("SET search_path = shadow, public")
    conn.execute(text.replace("MATERIALIZED ", "").encode())
    assert conn.execute("SELECT to_regclass('reading_1d')::text").fetchone() == ("reading_1d",)
    assert conn.execute("SELECT to_regclass('shadow.reading_1d') IS NOT NULL").fetchone() == (True,)
    assert_right(conn, rows)


POLICIES: dict[str, dict[str, Any]] = {
    "enable_compression": {},
    "forget_compression": {},
    "compress_after": {"days": 7},
    "forget_refresh": {"view": "reading"},
    "refresh_between": {"view": "reading", "back_days": 7, "end": "1 hour", "every": "1 hour"},
    "forget_retention": {"table": "reading"},
    "keep_days": {"table": "reading", "days": 7},
}


@pytest.mark.parametrize("name", POLICIES)
def test_the_apache_edition_knows_the_policies_and_only_lacks_them(
    conn: psycopg.Connection, name: str
) -> None:
    """A wrong name or argument would be another error, so their spelling is tested here too."""
    if migrate.edition(conn)[1] != "apache":
        pytest.skip("this TimescaleDB is the Community edition")
    with pytest.raises(psycopg.errors.FeatureNotSupported):
        conn.execute(editions._SQL[name].encode(), POLICIES[name] or None)
