"""Walk the relations in force, now or at a time: lists, graphs, and where their nodes are."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import psycopg
import shapely
from psycopg.rows import dict_row

from core.errors import UsageError
from twin.relations.graph import MAX_DEPTH, MAX_NODES, Direction, Graph
from twin.relations.model import RelationKind
from twin.relations.store import SQL, ids_by_sort

Conn = psycopg.AsyncConnection[Any]
Row = dict[str, Any]

GRAPHS_KEPT = 8


class Graphs:
    """Graphs of the last few networks asked for. A set never changes, so its ids are the key."""

    def __init__(self) -> None:
        self._kept: OrderedDict[tuple[int, ...], Graph] = OrderedDict()

    async def of(self, conn: Conn, kind: RelationKind, at: datetime | None) -> Graph:
        """Return the network of a kind as it is now, or was at a time."""
        if kind is RelationKind.GATEWAY:
            return Graph(await _edges(conn, "gateway_edges", at=at, node=None))
        cursor = await conn.execute(SQL["set_ids"], {"kind": kind, "at": at})
        sets = tuple(row[0] for row in await cursor.fetchall())
        if (known := self._kept.get(sets)) is not None:
            self._kept.move_to_end(sets)
            return known
        graph = Graph(await _edges(conn, "edges_of_sets", sets=list(sets)))
        self._kept[sets] = graph
        while len(self._kept) > GRAPHS_KEPT:
            self._kept.popitem(last=False)
        return graph


async def sets(conn: Conn, *, kind: str | None, at: datetime | None) -> list[Row]:
    """Return the sets in force, by name."""
    return await _rows(conn, "sets", kind=kind, at=at)


async def relations(
    conn: Conn,
    *,
    kind: RelationKind | None,
    set_name: str | None,
    node: str | None,
    at: datetime | None,
    after: tuple[str, str, str] | None,
    limit: int,
) -> list[Row]:
    """Return stored relations in order, from after a position on."""
    after_from, after_to, after_set = after or (None, None, None)
    return await _rows(
        conn,
        "relations",
        kind=kind,
        set=set_name,
        node=node,
        at=at,
        after_from=after_from,
        after_to=after_to,
        after_set=after_set,
        limit=limit,
    )


async def gateway_relations(conn: Conn, *, node: str | None, at: datetime | None) -> list[Row]:
    """Return who reports through whom; those that touch a node, or all."""
    return [
        {"kind": "gateway", "set": None, "from": upstream, "to": downstream, "name": ""}
        for upstream, downstream in await _edges(conn, "gateway_edges", at=at, node=node)
    ]


async def every_relation(
    conn: Conn,
    *,
    kind: str | None,
    set_name: str | None,
    node: str | None,
    at: datetime | None,
    limit: int,
) -> list[Row]:
    """Return the relations of a node or a set, those through gateways included."""
    found: list[Row] = []
    if kind in (None, RelationKind.GATEWAY) and set_name is None:
        found = await gateway_relations(conn, node=node, at=at)
    if kind != RelationKind.GATEWAY:
        stored = None if kind is None else RelationKind(kind)
        found += await relations(
            conn, kind=stored, set_name=set_name, node=node, at=at, after=None, limit=limit
        )
    return found[:limit]


@dataclass(frozen=True, slots=True, kw_only=True)
class TraceQuery:
    """What to trace: from which node, which way, along which relations, how far, and when."""

    node: str
    direction: Direction
    kind: RelationKind
    depth: int = MAX_DEPTH
    limit: int = MAX_NODES
    at: datetime | None = None


class NodeUnknown(UsageError):
    """There is no such node, now or at the time asked for."""


async def trace(conn: Conn, graphs: Graphs, query: TraceQuery) -> Row:
    """Follow the network from a node; each node with its place, name and number of steps.

    Raises:
        NodeUnknown: there is no such node.
    """
    graph = await graphs.of(conn, query.kind, query.at)
    found = graph.trace(query.node, query.direction, depth=query.depth, limit=query.limit)
    known = await places(conn, found.depths, query.at)
    if query.node not in known:
        raise NodeUnknown(f"there is no {query.node}", remedy="look at: blocktwin relation list")
    nodes = [
        {
            "node": node,
            "device_id": node.removeprefix("device:") if node.startswith("device:") else None,
            "depth": depth,
            **{key: known.get(node, _NOWHERE)[key] for key in ("lon", "lat", "name", "sort")},
        }
        for node, depth in found.depths.items()
    ]
    edges = [{"from": up, "to": down, "kind": str(query.kind)} for up, down in found.edges]
    return {"nodes": nodes, "edges": edges, "cut": found.cut}


_NOWHERE: Row = {"lon": None, "lat": None, "name": "", "sort": ""}
"""What is said of a space that has ended while a set in force still names it."""


async def places(conn: Conn, refs: Iterable[str], at: datetime | None) -> dict[str, Row]:
    """Return node -> lon, lat (degrees EPSG:4490), name and sort; unknown ones are missing.

    A space's place is a point inside it.
    """
    found = await _rows(conn, "places", **ids_by_sort(refs), at=at)
    for row in found:
        outline = row.pop("outline")
        if outline is not None:
            inside = shapely.point_on_surface(shapely.from_geojson(outline))
            row["lon"], row["lat"] = round(inside.x, 7), round(inside.y, 7)
    return {row["node"]: row for row in found}


async def _edges(conn: Conn, name: str, **parameters: Any) -> list[tuple[str, str]]:
    cursor = await conn.execute(SQL[name], parameters)
    return [(upstream, downstream) for upstream, downstream in await cursor.fetchall()]


async def _rows(conn: Conn, statement: str, /, **parameters: Any) -> list[Row]:
    async with conn.cursor(row_factory=dict_row) as cursor:
        await cursor.execute(SQL[statement], parameters)
        return await cursor.fetchall()
