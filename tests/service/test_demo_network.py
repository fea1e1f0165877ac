"""The demo district with its networks in a real database."""

from __future__ import annotations

from typing import Any

import psycopg

from simulators import network
from simulators.district import demo_district
from twin.relations import reads
from twin.relations.graph import Direction
from twin.relations.model import RelationKind
from twin.store import load_district


async def test_the_demo_networks_load_and_a_puddle_is_traced_to_the_river_mouth(
    conn: psycopg.Connection[Any], dsn: str
) -> None:
    district = demo_district()
    load_district(conn, district)
    for _ in range(2):
        network.load(conn, district)
    assert conn.execute("SELECT count(*) FROM relation_set").fetchone() == (2,)
    puddle = next(d for d in district.devices if d.kind == "waterlogging")
    query = reads.TraceQuery(
        node=f"device:{puddle.device_id}", direction=Direction.DOWN, kind=RelationKind.DRAINAGE
    )
    async with await psycopg.AsyncConnection.connect(dsn, autocommit=True) as own:
        found = await reads.trace(own, reads.Graphs(), query)
    assert found["nodes"][-1]["sort"] == "mouth"
    assert all(node["lon"] is not None for node in found["nodes"])
