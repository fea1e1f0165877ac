"""A store that already has devices gets their places and instruments with the upgrade."""

from __future__ import annotations

from datetime import UTC, datetime

import psycopg

from core.db import migrate

DEVICES = """
INSERT INTO device (device_id, kind, field, name, lon, lat, gateway_id, interval_s, placed_how,
                    attributes)
VALUES ('a', 'heat', 'fire', 'a', 114, 22, 'gw', 10, 'unplaced',
        '{"serial": "S1", "installed_at": "2026-01-02T03:04:05Z"}'),
       ('b', 'heat', 'fire', 'b', 114, 22, 'gw', 10, 'unplaced', '{"installed_at": "spring"}'),
       ('c', 'heat', 'fire', 'c', 114, 22, 'gw', 10, 'unplaced', '{}')
"""


def test_devices_registered_before_are_taken_over(empty_dsn: str) -> None:
    with psycopg.connect(empty_dsn, autocommit=True) as conn:
        shipped = migrate.migrations()
        migrate.upgrade(conn, shipped[:6])
        conn.execute("INSERT INTO gateway (gateway_id, name, lon, lat) VALUES ('gw', '', 114, 22)")
        conn.execute(DEVICES)
        migrate.upgrade(conn, shipped)
        placed = conn.execute("SELECT count(*), count(from_at) FROM device_place").fetchone()
        assert placed == (3, 0)
        rows = conn.execute(
            "SELECT device_id, serial, from_at FROM device_installation ORDER BY device_id"
        ).fetchall()
    begun = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
    assert [(row[0], row[1], row[2]) for row in rows] == [
        ("a", "S1", begun),
        ("b", "", None),
        ("c", "", None),
    ]
