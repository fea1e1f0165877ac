"""How long OGC API - Features answers take: whole collections page by page, boxes, systems.

A store of 20,000 devices and 10,000 blocks with a building in each, and a real `blocktwin serve` on
loopback. `measure` is for bench/map.py.
"""

from __future__ import annotations

import json
from typing import Any

import psycopg

from bench.ground import say
from bench.sensorthings import Client, serving
from bench.table import grid
from core.db.migrate import upgrade

BLOCKS = 100
"""On each side; 10,000 in all."""

DEVICES = 20_000
ROUNDS = 20
EPSG_4547 = "http://www.opengis.net/def/crs/EPSG/0/4547"

_FILL = (
    """INSERT INTO space (code, kind, name, parent_id, outline, source)
       SELECT '440303', 'district', 'bench', NULL, jsonb_build_object('type', 'Polygon',
              'coordinates', '[[[114.0,22.5],[114.1,22.5],[114.1,22.6],[114.0,22.6],[114.0,22.5]]]'
              ::jsonb), 'synthetic'""",
    """INSERT INTO space (code, kind, name, parent_id, outline, source)
       SELECT 'b' || to_char(n, 'FM00000'), 'block', 'block ' || n, 1,
              jsonb_build_object('type', 'Polygon', 'coordinates', jsonb_build_array(
                jsonb_build_array(jsonb_build_array(x, y), jsonb_build_array(x + 0.0009, y),
                  jsonb_build_array(x + 0.0009, y + 0.0009), jsonb_build_array(x, y + 0.0009),
                  jsonb_build_array(x, y)))), 'synthetic'
         FROM (SELECT n, 114.0 + n % 100 * 0.001 AS x, 22.5 + n / 100 * 0.001 AS y
                 FROM generate_series(0, 9999) AS n) cells""",
    "INSERT INTO gateway (gateway_id, name, lon, lat) VALUES ('gw', 'bench', 114.05, 22.55)",
    """INSERT INTO device (device_id, kind, field, name, lon, lat, gateway_id, interval_s, space_id,
                           placed_how)
       SELECT 'heat-' || to_char(n, 'FM000000'), 'heat', 'fire', 'heat ' || n,
              114.0 + n % 100 * 0.001 + 0.0004, 22.5 + n / 2 % 10000 / 100 * 0.001 + 0.0004, 'gw',
              60, 2 + n % 10000, 'within'
         FROM generate_series(0, 19999) AS n""",
    "ANALYZE",
)


def measure(ground: Any) -> dict[str, Any]:
    """Return the figures; needs ``postgres`` and ``folder`` of a ground."""
    dsn = ground.postgres.create_database("features")
    say(f"building {DEVICES} devices in {BLOCKS * BLOCKS} blocks")
    with psycopg.connect(dsn, autocommit=True) as conn:
        upgrade(conn)
        for statement in _FILL:
            conn.execute(statement)
    box = "bbox=114.02,22.52,114.03,22.53"
    with serving(dsn, ground.folder, base="/ogc/features") as client:
        return {
            "devices": DEVICES,
            "spaces": BLOCKS * BLOCKS + 1,
            "devices_pages_of_1000": paged(client, "devices", 1_000),
            "devices_pages_of_10000": paged(client, "devices", 10_000),
            "spaces_pages_of_1000": paged(client, "spaces", 1_000),
            "devices_in_a_box": asked(client, f"/collections/devices/items?{box}"),
            "spaces_in_a_box": asked(client, f"/collections/spaces/items?{box}"),
            "spaces_in_4547": asked(client, f"/collections/spaces/items?crs={EPSG_4547}"),
            "one_device": asked(client, "/collections/devices/items/heat-010000"),
        }


def table(found: dict[str, Any]) -> list[str]:
    """Return the figures for people."""
    title = (
        f"OGC API - Features, {found['devices']:,} devices, {found['spaces']:,} spaces "
        "(milliseconds a request, over loopback)"
    )
    rows = [
        [name, one["features"], one.get("pages", 1), one.get("first_ms"), one["p50_ms"],
         one["slowest_ms"], one.get("whole_ms"), one["bytes"]]
        for name, one in found.items()
        if isinstance(one, dict)
    ]  # fmt: skip
    head = ["", "features", "pages", "first", "p50", "slowest", "all pages", "bytes"]
    return [title, *grid(head, rows)]


def asked(client: Client, path: str) -> dict[str, Any]:
    """Ask one question ``ROUNDS`` times; the first is told apart."""
    first, body = client.get(path)
    times = sorted(client.get(path)[0] for _ in range(ROUNDS))
    found = json.loads(body)
    return {
        "first_ms": round(first, 1),
        "p50_ms": round(times[len(times) // 2], 1),
        "slowest_ms": round(times[-1], 1),
        "bytes": len(body),
        "features": found.get("numberReturned", 1),
    }


def paged(client: Client, collection: str, limit: int) -> dict[str, Any]:
    """Go through a whole collection by its next links."""
    path = f"/collections/{collection}/items?limit={limit}"
    times, found, size = [], 0, 0
    while path:
        took, body = client.get(path)
        answer = json.loads(body)
        times.append(took)
        size += len(body)
        found += answer["numberReturned"]
        following = [one["href"] for one in answer["links"] if one["rel"] == "next"]
        path = following[0].partition("/ogc/features")[2] if following else ""
    ordered = sorted(times)
    return {
        "features": found,
        "pages": len(times),
        "p50_ms": round(ordered[len(ordered) // 2], 1),
        "slowest_ms": round(ordered[-1], 1),
        "last_ms": round(times[-1], 1),
        "whole_ms": round(sum(times), 1),
        "bytes": size,
    }
