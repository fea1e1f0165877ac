"""``blocktwin maintain`` as a process: it keeps the rollups, survives, and ends when told."""

from __future__ import annotations

import json
import time
import urllib.error
import urllib.request
from datetime import UTC, datetime, timedelta

import psycopg
import pytest

from core.db.upkeep import rollups
from core.db.upkeep.editions import OURS
from core.db.upkeep.editions import rollups as kept_by
from dev.servers import PrivatePostgres
from tests.oracle.rollups import Row
from tests.support import servers
from tests.support.proxy import proxy_to
from tests.support.servers import Program, Runner
from tests.support.upkeep import assert_right, insert, read
from tests.support.waiting import wait_until


def settings(dsn: str, port: int, keep_days: int = 30) -> dict[str, str]:
    return servers.settings(
        dsn,
        upkeep__http_port=port,
        upkeep__every_s=0.1,
        upkeep__coarse_every_s=0.1,
        upkeep__grace_s=0,
        upkeep__retry_max_s=0.5,
        upkeep__keep_readings_days=keep_days,
    )


def page(port: int, path: str) -> tuple[int, str]:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=5) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()
    except OSError:
        return 0, ""


def ready(port: int) -> bool:
    return page(port, "/readyz")[0] == 200


def require_ours(conn: psycopg.Connection) -> None:
    if kept_by(conn) != OURS:
        pytest.skip("continuous aggregates keep the rollups in this edition of TimescaleDB")


def stored(conn: psycopg.Connection, number: int) -> bool:
    return len(read(conn, "rollup_1m")) == number and rollups.standing(conn)["1m"].waiting == 0


def held_up(conn: psycopg.Connection) -> bool:
    """Whether the upkeep waits for a lock that somebody else has."""
    waiting = (
        "SELECT FROM pg_stat_activity"
        " WHERE application_name = 'blocktwin maintain' AND wait_event_type = 'Lock'"
    )
    return bool(conn.execute(waiting).fetchall())


def past(days: float) -> datetime:
    return datetime.now(UTC).replace(second=0, microsecond=0) - timedelta(days=days)


def test_it_refreshes_deletes_counts_and_ends_when_told(
    conn: psycopg.Connection, dsn: str, run_blocktwin: Runner, free_port: int
) -> None:
    require_ours(conn)
    rows = insert(conn, [Row(1, past(day), float(day), 0) for day in range(1, 6)])
    env = settings(dsn, free_port, keep_days=3)
    program = run_blocktwin("maintain", env=env)
    wait_until(lambda: stored(conn, 5), what="all stored")
    wait_until(lambda: ready(free_port))
    count = "SELECT count(*) FROM reading"
    wait_until(lambda: conn.execute(count).fetchone() != (5,), what="old readings deleted")
    assert_right(conn, rows)
    rows += insert(conn, [Row(2, past(2), 7.0, 0)])
    wait_until(lambda: stored(conn, 6), what="a late reading")
    wait_until(lambda: not conn.execute("SELECT FROM rollup_dirty LIMIT 1").fetchall())
    assert_right(conn, rows)
    text = page(free_port, "/metrics")[1]
    found = dict(line.rsplit(" ", 1) for line in text.splitlines() if not line.startswith("#"))
    assert float(found['blocktwin_upkeep_refreshed_rows_total{level="1m"}']) >= 6
    assert 0 <= float(found['blocktwin_upkeep_lag_seconds{level="1m"}']) < 120
    assert float(found['blocktwin_upkeep_dropped_chunks_total{table="reading"}']) >= 1
    assert float(found['blocktwin_upkeep_freed_bytes_total{table="reading"}']) > 0
    assert 'blocktwin_upkeep_marks_waiting{level="1m"}' in found
    began = time.monotonic()
    assert program.stop(10)
    assert time.monotonic() - began < 10
    assert program.exit_code == 0


def test_a_kill_at_any_time_loses_nothing(
    conn: psycopg.Connection, dsn: str, run_blocktwin: Runner, free_port: int
) -> None:
    require_ours(conn)
    rows: list[Row] = []
    for number in range(4):
        program = run_blocktwin("maintain", env=settings(dsn, free_port))
        for part in range(5):
            rows += insert(conn, [Row(s, past(1 + number + part / 9), 1.0, 0) for s in (1, 2)])
            if part == 2:
                wait_until(lambda: ready(free_port))
        program.kill()
    program = run_blocktwin("maintain", env=settings(dsn, free_port))
    minutes = len({(row.series, row.at) for row in rows})
    wait_until(lambda: stored(conn, minutes), 20, what="all stored")
    wait_until(lambda: not conn.execute("SELECT FROM rollup_dirty LIMIT 1").fetchall(), 20)
    assert_right(conn, rows)
    assert program.stop(10)


def test_it_waits_for_a_database_that_is_away_and_goes_on(
    conn: psycopg.Connection, dsn: str, postgres: PrivatePostgres, run_blocktwin: Runner,
    free_port: int,
) -> None:  # fmt: skip
    require_ours(conn)
    with proxy_to(postgres.host, postgres.port) as proxy:
        through = dsn.replace(f"port={postgres.port}", f"port={proxy.port}")
        program = run_blocktwin("maintain", env=settings(through, free_port))
        wait_until(lambda: ready(free_port))
        proxy.cut()
        wait_until(lambda: page(free_port, "/readyz")[0] == 503)
        rows = insert(conn, [Row(1, past(1), 1.0, 0)])
        proxy.heal()
        wait_until(lambda: stored(conn, 1), what="taken up again")
        wait_until(lambda: ready(free_port))
        assert_right(conn, rows)
        assert program.output().count("the upkeep waits") == 1
        assert "the upkeep goes on" in program.output()
        assert program.stop(10)


def test_it_ends_in_time_though_the_database_does_not_let_it_work(
    conn: psycopg.Connection, dsn: str, run_blocktwin: Runner, free_port: int
) -> None:
    require_ours(conn)
    program = run_blocktwin("maintain", env=settings(dsn, free_port))
    wait_until(lambda: ready(free_port))
    with conn.transaction():
        conn.execute("LOCK TABLE rollup_dirty")
        wait_until(lambda: held_up(conn))
        began = time.monotonic()
        assert program.stop(10)
        assert time.monotonic() - began < 8
    assert program.exit_code == 0


def test_it_ends_in_time_though_the_database_answers_nothing(
    conn: psycopg.Connection, dsn: str, postgres: PrivatePostgres, run_blocktwin: Runner,
    free_port: int,
) -> None:  # fmt: skip
    require_ours(conn)
    with proxy_to(postgres.host, postgres.port) as proxy:
        through = dsn.replace(f"port={postgres.port}", f"port={proxy.port}")
        program = run_blocktwin("maintain", env=settings(through, free_port))
        wait_until(lambda: ready(free_port))
        with conn.transaction():
            conn.execute("LOCK TABLE rollup_dirty")
            wait_until(lambda: held_up(conn))
            proxy.freeze()
            began = time.monotonic()
            assert program.stop(10)
            assert time.monotonic() - began < 10
    assert program.exit_code == 0


def test_once_does_what_is_due_and_says_it(
    conn: psycopg.Connection, dsn: str, run_blocktwin: Runner
) -> None:
    require_ours(conn)
    rows = insert(conn, [Row(1, past(1), 1.0, 0)])

    def once(*words: str) -> Program:
        program = run_blocktwin("maintain", "--once", *words, env=servers.settings(dsn))
        assert program.wait(30) == 0
        return program

    said = json.loads(once("--json").output())
    assert said["rows"]["1m"] == 1
    assert not said["aside"]
    assert_right(conn, rows)
    assert "rows made or changed: 0 of 1m" in once().output()


def test_without_a_database_once_says_so(run_blocktwin: Runner, free_port: int) -> None:
    env = servers.settings(f"host=127.0.0.1 port={free_port} dbname=none user=nobody")
    program = run_blocktwin("maintain", "--once", env=env)
    assert program.wait(30) == 1
    assert "cannot be reached" in program.output()
