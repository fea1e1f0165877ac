"""Which rows a question to geometries means: a box in SQL, the exact test in shapely.

The database has no geometry of its own. What is found is a set of ids, which the statement then
takes as a parameter; so the test is made once for each question, not once for each row.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import psycopg
import shapely

from twin.sensorthings import shapes
from twin.sensorthings.compiler import STATEMENTS
from twin.sensorthings.expression import Near, Node, walk

Conn = psycopg.AsyncConnection[Any]


async def find(conn: Conn, filters: Iterable[Node]) -> dict[Near, Sequence[Any]]:
    """Return for each question in some filters the ids that it holds for."""
    found: dict[Near, Sequence[Any]] = {}
    for node in (part for tree in filters for part in walk(tree)):
        if isinstance(node, Near) and node not in found:
            found[node] = await _ids(conn, node)
    return found


async def _ids(conn: Conn, near: Near) -> Sequence[Any]:
    west, south, east, north = shapes.box(near.name, near.shape, near.operator, near.limit)
    if near.path.entity == "FeatureOfInterest":
        return await _features(conn, near)
    box = {"west": west, "south": south, "east": east, "north": north}
    rows = await (await conn.execute(STATEMENTS["places"], box)).fetchall()
    return await asyncio.to_thread(_points, rows, near)


async def _features(conn: Conn, near: Near) -> Sequence[Any]:
    outlines = await (await conn.execute(STATEMENTS["outlines"])).fetchall()
    loose = await (await conn.execute(STATEMENTS["loose_places"])).fetchall()
    return [
        *await asyncio.to_thread(_outlines, outlines, near),
        *await asyncio.to_thread(_points, loose, near),
    ]


def _points(rows: Sequence[Any], near: Near) -> list[Any]:
    if not rows:
        return []
    xy = np.array([row[1:3] for row in rows], dtype=np.float64)
    return _kept([row[0] for row in rows], shapely.points(xy), near)


def _outlines(rows: Sequence[Any], near: Near) -> list[Any]:
    texts = np.array([row[1] for row in rows], dtype=object)
    return _kept([row[0] for row in rows], shapely.from_geojson(texts), near) if rows else []


def _kept(ids: list[Any], geometries: Any, near: Near) -> list[Any]:
    held = shapes.meets(
        near.name,
        geometries,
        near.shape,
        swapped=near.swapped,
        pattern=near.pattern,
        limit=(near.operator, near.limit),
    )
    return [ids[i] for i in np.flatnonzero(held).tolist()]
