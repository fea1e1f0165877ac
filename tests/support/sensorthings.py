"""A small store for SensorThings tests: places that changed, readings of every quality."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg

from tests.support.small_district import small_district
from twin.store import load_district

FIRST = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
HEAT = "heat.00001"
READINGS = 12


def fill(conn: psycopg.Connection[Any]) -> None:
    """Load the small district, move one device, and store some readings of some series."""
    load_district(conn, small_district())
    conn.execute(
        "UPDATE device SET lon = lon + 0.002, space_id = NULL, placed_how = 'unplaced'"
        " WHERE device_id = 'smoke.00000'"
    )
    for series in range(1, 24, 3):
        conn.execute(
            "INSERT INTO reading SELECT %(s)s, %(at)s + n * interval '7.25 seconds',"
            " %(at)s + n * interval '7.25 seconds' + interval '40 milliseconds', n * 2.5 - %(s)s,"
            " CASE n %% 4 WHEN 0 THEN 0 ELSE n END FROM generate_series(0, %(n)s - 1) AS n",
            {"s": series, "at": FIRST, "n": READINGS},
        )
    conn.execute(
        "INSERT INTO latest SELECT DISTINCT ON (series_id) * FROM reading"
        " ORDER BY series_id, observed_at DESC"
    )


def moment(number: int) -> datetime:
    """Return the time of a reading."""
    return FIRST + timedelta(seconds=7.25 * number)
