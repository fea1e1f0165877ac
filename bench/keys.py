"""Which column should the unique key begin with? What writing and reading cost under either.

(series_id, observed_at) writes into a leaf for each series and reads a series as one stretch;
(observed_at, series_id) writes at the right edge alone, and an hour of one series lies among the
same hour of all others.
"""

from __future__ import annotations

import statistics
import time
from typing import Any

import numpy as np
import psycopg

from bench import copying
from bench.ground import Ground, say

ROUNDS = 50  # readings a series gets
HOUR_US = 3_600_000_000
LOOKS = 30
_BEGIN_US = 1_767_225_600_000_000  # 2026-01-01 UTC: all rows fall into one chunk
KEYS = {"series_time": "series_id, observed_at", "time_series": "observed_at, series_id"}


def measure(ground: Ground) -> dict[str, Any]:
    """Write the same rows under both keys, in either order of arrival, and read them."""
    count = ground.sizes.key_rows
    series = count // ROUNDS
    chance = np.random.default_rng(1)
    orders = {
        "ordered": np.arange(1, series + 1),
        "unrelated": chance.permutation(np.arange(1, series + 1)),
    }
    found: dict[str, Any] = {"rows": count, "series": series, "batch": copying.BATCH}
    dsn = ground.postgres.create_database("keys")
    with psycopg.connect(dsn) as conn:
        conn.execute("CREATE EXTENSION IF NOT EXISTS timescaledb")
        conn.commit()
        for key, columns in KEYS.items():
            for order, ids in orders.items():
                say(f"key ({columns}), {order} arrival: {count} rows of {series} series")
                found[f"{key}_{order}"] = _one(conn, key, order, ids, count)
    return found


def _one(
    conn: psycopg.Connection[Any], key: str, order: str, ids: copying.Ints, count: int
) -> dict[str, Any]:
    table = f"key_{key}_{order}"
    conn.execute(
        f"CREATE TABLE {table} (series_id integer NOT NULL, observed_at timestamptz NOT NULL,"
        " received_at timestamptz NOT NULL, value float8 NOT NULL, quality integer NOT NULL)"
    )
    conn.execute(f"SELECT create_hypertable('{table}', by_range('observed_at', INTERVAL '1 day'),"
                 " create_default_indexes => false)")  # fmt: skip
    conn.execute(f"CREATE UNIQUE INDEX ON {table} ({KEYS[key]})")
    conn.commit()
    streams = list(copying.rounds(count, ids, _BEGIN_US, HOUR_US // ROUNDS))
    before = _wal(conn)
    took_s = copying.write(conn, table, streams)
    wal = _wal(conn) - before
    conn.execute(f"ANALYZE {table}")
    conn.commit()
    size = conn.execute(
        "SELECT sum(total_bytes)::bigint, sum(index_bytes)::bigint"
        f" FROM hypertable_detailed_size('{table}')"
    ).fetchone()
    assert size is not None
    return {
        "copy_per_s": round(count / took_s),
        "wal_bytes_a_row": round(wal / count),
        "bytes_a_row": round(size[0] / count),
        "index_bytes_a_row": round(size[1] / count),
        "series_hour": _series_hour(conn, table, ids),
    }


def _wal(conn: psycopg.Connection[Any]) -> int:
    row = conn.execute("SELECT pg_wal_lsn_diff(pg_current_wal_lsn(), '0/0')::bigint").fetchone()
    assert row is not None
    return int(row[0])


def _series_hour(conn: psycopg.Connection[Any], table: str, ids: copying.Ints) -> dict[str, float]:
    """Read one hour of some series: milliseconds at the client, and pages looked at."""
    took_ms, pages = [], []
    question = (
        f"SELECT observed_at, value FROM {table} WHERE series_id = %s"
        " AND observed_at >= to_timestamp(%s) AND observed_at < to_timestamp(%s)"
        " ORDER BY observed_at"
    )
    for look in range(LOOKS):
        values = (int(ids[look * len(ids) // LOOKS]), _BEGIN_US / 1e6, (_BEGIN_US + HOUR_US) / 1e6)
        began = time.perf_counter()
        got = conn.execute(question, values).fetchall()
        took_ms.append(1000 * (time.perf_counter() - began))
        assert len(got) == ROUNDS
        plan = conn.execute(
            "EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) " + question, values
        ).fetchone()
        assert plan is not None
        node = plan[0][0]["Plan"]
        pages.append(node["Shared Hit Blocks"] + node["Shared Read Blocks"])
    conn.rollback()
    return {
        "rows": ROUNDS,
        "ms_p50": round(statistics.median(took_ms), 2),
        "pages": round(statistics.median(pages)),
    }
