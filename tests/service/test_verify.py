"""``blocktwin db verify`` finds each fault that is planted, and none in a store that is well."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import psycopg
import pytest

from core.db.upkeep import rollups
from core.db.upkeep.editions import OURS
from core.db.upkeep.editions import rollups as kept_by
from core.db.upkeep.verification import Check, verify
from tests.oracle.rollups import Row
from tests.support import servers
from tests.support.small_district import small_district
from tests.support.upkeep import T0, insert, refresh_all
from twin.store import load_district

DAY = timedelta(days=1)


def healthy(conn: psycopg.Connection, now: datetime) -> None:
    """Store a few days of some series, with the accounts and newest values that belong to it."""
    load_district(conn, small_district())
    series = [s for (s,) in conn.execute("SELECT series_id FROM series ORDER BY 1 LIMIT 3")]
    rows = [
        Row(s, now - timedelta(hours=7 * n, seconds=s), float(n), 0)
        for s in series
        for n in range(1, 12)
    ]
    insert(conn, rows)
    conn.execute("INSERT INTO tally (worker_id, received, stored) VALUES ('w', 33, 33)")
    conn.execute(
        "INSERT INTO latest SELECT DISTINCT ON (series_id) * FROM reading"
        " ORDER BY series_id, observed_at DESC"
    )
    refresh_all(conn, now)


@pytest.fixture
def own(dsn: str) -> Iterator[psycopg.Connection]:
    """A connection to a store that is well."""
    with psycopg.connect(dsn, autocommit=True) as conn:
        if kept_by(conn) != OURS:
            pytest.skip("continuous aggregates keep the rollups in this edition of TimescaleDB")
        rollups.prepare(conn)
        healthy(conn, T0)
        yield conn


def faults(conn: psycopg.Connection, *, sampled: bool = False) -> dict[str, str]:
    """Return what is wrong, by check, over all that is stored."""
    span = None if sampled else (T0 - 9 * DAY, T0 + DAY)
    return texts(verify(conn, T0, sample=1000, span=span))


def texts(checks: list[Check]) -> dict[str, str]:
    for check in checks:
        for finding in check.findings:
            assert finding.remedy
    return {check.name: check.findings[0].text for check in checks if check.findings}


@pytest.mark.parametrize("sampled", [True, False])
def test_a_store_that_is_well_has_no_finding(own: psycopg.Connection, sampled: bool) -> None:
    checks = verify(own, T0, sample=1000, span=None if sampled else (T0 - 9 * DAY, T0))
    assert texts(checks) == {}
    assert [check.name for check in checks] == [
        *("readings", "rejects", "rollup_1m", "rollup_1h", "rollup_1d"),
        *("latest", "series", "indexes", "refresh"),
    ]


def test_readings_that_the_tally_knows_and_the_store_has_not(own: psycopg.Connection) -> None:
    own.execute("UPDATE tally SET stored = 40, received = 40")
    assert faults(own) == {"readings": "7 readings that were stored are not there"}


def test_rejects_that_the_tally_knows_and_the_store_has_not(own: psycopg.Connection) -> None:
    own.execute("UPDATE tally SET rejected = 2, received = 35")
    assert faults(own) == {"rejects": "2 rejects that were stored are not there"}


def test_after_a_deletion_the_tally_is_not_comparable(own: psycopg.Connection) -> None:
    own.execute("UPDATE tally SET stored = 40, received = 40")
    rollups.record_kept_from(own, "reading", T0 - 9 * DAY)
    checks = verify(own, T0, sample=0)
    assert texts(checks) == {}
    assert "not comparable" in checks[0].note


@pytest.mark.parametrize(
    ("statement", "words"),
    [
        ("UPDATE {} SET max = max + 1", "differs"),
        ("UPDATE {} SET sum = sum + 1e-3", "differs"),
        ("UPDATE {} SET last = NULL", "differs"),
        ("DELETE FROM {}", "is missing"),
        ("UPDATE {} SET good = good - 1", "differs"),
    ],
)
@pytest.mark.parametrize("table", ["rollup_1m", "rollup_1h", "rollup_1d"])
def test_a_rollup_that_is_not_what_it_is_made_of(
    own: psycopg.Connection, table: str, statement: str, words: str
) -> None:
    done = rollups.standing(own)[table.removeprefix("rollup_")].done_to
    assert done is not None
    where = " WHERE bucket = (SELECT min(bucket) FROM " + table + ")"
    own.execute((statement.format(table) + where).encode())
    found = faults(own)
    assert found.keys() >= {table}
    assert words in found[table]
    list(rollups.rebuild(own, (T0 - 9 * DAY, T0 + DAY)))
    assert faults(own) == {}


def test_a_bucket_without_a_source(own: psycopg.Connection) -> None:
    own.execute(
        "INSERT INTO rollup_1m SELECT %s, series_id, 1, 1, 0, 0, 0, 0 FROM series LIMIT 1",
        (T0 - 2 * DAY + timedelta(minutes=17),),
    )
    assert "has no source" in faults(own)["rollup_1m"]


def test_what_is_marked_and_not_yet_made_is_no_fault(own: psycopg.Connection) -> None:
    (series,) = own.execute("SELECT min(series_id) FROM series").fetchone() or (0,)
    insert(own, [Row(series, T0 - 2 * DAY - timedelta(minutes=3), 5.0, 0)])
    assert faults(own) == {}
    own.execute("DELETE FROM rollup_dirty")
    assert faults(own).keys() == {"rollup_1m"}


def test_a_newest_value_that_is_not_the_newest_reading(own: psycopg.Connection) -> None:
    own.execute("UPDATE latest SET observed_at = observed_at - interval '1 hour'")
    assert "3 newest values are not the newest reading" in faults(own)["latest"]
    own.execute("UPDATE tally SET latest_from = %s", (T0 - 9 * DAY,))
    assert faults(own) == {}  # a worker is about to write them


def test_a_newest_value_whose_reading_is_gone(own: psycopg.Connection) -> None:
    own.execute("UPDATE latest SET observed_at = observed_at + interval '1 hour'")
    assert "latest" in faults(own)


def test_a_series_with_readings_and_no_newest_value(own: psycopg.Connection) -> None:
    own.execute("DELETE FROM latest")
    assert "has none" in faults(own)["latest"]


@pytest.mark.parametrize("series", [-5, 0, 2_000_000_000])
def test_readings_of_a_series_that_nobody_knows(own: psycopg.Connection, series: int) -> None:
    insert(own, [Row(series, T0 - DAY, 1.0, 0)])
    refresh_all(own, T0)
    assert faults(own) == {
        "series": f"readings belong to a series that is not known; the first: {series}"
    }


@pytest.mark.parametrize(
    ("index", "table"), [("reading_key", "reading"), ("rollup_1m_when", "rollup_1m")]
)
def test_a_chunk_without_an_index(own: psycopg.Connection, index: str, table: str) -> None:
    (name,) = own.execute(
        "SELECT indexrelid::regclass::text FROM pg_index"
        " WHERE indexrelid::regclass::text LIKE %s ORDER BY 1 LIMIT 1",
        (f"\\_timescaledb\\_internal.%{index}",),
    ).fetchone() or ("",)
    own.execute(f"DROP INDEX {name}".encode())
    text = faults(own)["indexes"]
    assert f"lacks index {index} of {table}" in text


def test_rollups_that_nobody_refreshes(own: psycopg.Connection) -> None:
    assert texts(verify(own, T0 + timedelta(minutes=14), sample=0)) == {}
    assert texts(verify(own, T0 + timedelta(hours=1), sample=0)).keys() == {"refresh"}
    own.execute("UPDATE rollup_level SET done_to = '-infinity'")
    assert "never" in texts(verify(own, T0, sample=0))["refresh"]


def test_the_command_ends_with_one_and_the_remedy_mends_it(
    dsn: str, run_blocktwin: servers.Runner
) -> None:
    env = servers.settings(dsn)
    now = datetime.now(UTC)
    with psycopg.connect(dsn, autocommit=True) as conn:
        if kept_by(conn) != OURS:
            pytest.skip("continuous aggregates keep the rollups in this edition of TimescaleDB")
        rollups.prepare(conn)
        healthy(conn, now)
        well = run_blocktwin("db", "verify", env=env)
        assert well.wait(30) == 0
        assert "FAULT" not in well.output()
        conn.execute("UPDATE rollup_1m SET max = 1e9")
    span = ("--from", (now - 9 * DAY).isoformat(), "--to", now.isoformat())
    ill = run_blocktwin("db", "verify", "--json", *span, env=env)
    assert ill.wait(30) == 1
    said = json.loads(ill.output())
    found = {check["name"]: check["findings"][0] for check in said["checks"] if check["findings"]}
    assert found.keys() == {"rollup_1m", "rollup_1h"}  # the days still say what the hours do
    words = found["rollup_1m"]["remedy"].removeprefix("run: blocktwin ").split()
    assert words[:2] == ["maintain", "--rebuild"]
    mend = run_blocktwin(*words, "--json", env=env)
    assert mend.wait(30) == 0
    assert json.loads(mend.output().splitlines()[-1])["rows"]["1m"] > 0
    again = run_blocktwin("db", "verify", *span, env=env)
    assert again.wait(30) == 0


def test_half_a_span_is_refused(dsn: str, run_blocktwin: servers.Runner) -> None:
    env = servers.settings(dsn)
    program = run_blocktwin("db", "verify", "--from", "2026-01-01T00:00:00Z", env=env)
    assert program.wait(30) == 2
    program = run_blocktwin("db", "verify", "--from", "2026-01-01T00:00:00", env=env)
    assert program.wait(30) == 2
    assert "offset" in program.output()
