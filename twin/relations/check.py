"""Judge a table of relations against what is known: what is refused, what is worth a look. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import chain

from twin.relations.graph import Edge, Graph
from twin.relations.model import (
    ENDS,
    RelationEdge,
    RelationFinding,
    RelationKind,
    RelationTable,
    parse_ref,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    """What a table may refer to.

    Attributes:
        known: sort -> ids of the devices, gateways and spaces that exist, as far as the table names
            them.
        nodes: network node id -> the other set that has it.
        edges: edge -> the other set that has it; all of the same kind.
        leaning: nodes of the set that is replaced which edges of other sets use -> such a set.
    """

    known: Mapping[str, frozenset[str]]
    nodes: Mapping[str, str]
    edges: Mapping[Edge, str]
    leaning: Mapping[str, str]


def judge(table: RelationTable, kind: RelationKind, world: World) -> list[RelationFinding]:
    """Return everything found, what was found on reading first.

    Cycles are looked for among this table and all other sets of the kind together, and only when
    nothing else is wrong: an edge that is refused anyway would make one up.
    """
    found = [
        *table.findings,
        *_positions(table),
        *_edges(table, kind, world),
        *_nodes(table, world),
    ]
    if not any(finding.error for finding in found):
        found += _cycles(table, world)
    return found


def _positions(table: RelationTable) -> Iterator[RelationFinding]:
    for node in table.nodes:
        if not (-180 <= node.lon <= 180 and -90 <= node.lat <= 90):
            yield _error(
                "bad_position",
                f"node {node.node_id!r} lies at ({node.lon:g}, {node.lat:g}), nowhere on the earth;"
                " name its coordinate system",
                node.row,
            )


def _edges(table: RelationTable, kind: RelationKind, world: World) -> Iterator[RelationFinding]:
    own = frozenset(node.node_id for node in table.nodes)
    seen: dict[Edge, int] = {}
    for edge in table.edges:
        ends = (edge.upstream, edge.downstream)
        if edge.upstream == edge.downstream:
            yield _error("self_loop", f"{edge.upstream} leads to itself", edge.row)
            continue
        if (first := seen.setdefault(ends, edge.row)) != edge.row:
            yield RelationFinding(
                kind="duplicate",
                error=True,
                detail=f"{edge.upstream} → {edge.downstream} stands in row {first} already",
                rows=(first, edge.row),
            )
        elif ends in world.edges:
            detail = f"{edge.upstream} → {edge.downstream} is in the set {world.edges[ends]!r} too"
            yield _error("duplicate", detail, edge.row)
        yield from _ends(edge, kind, own, world)


def _ends(
    edge: RelationEdge, kind: RelationKind, own: frozenset[str], world: World
) -> Iterator[RelationFinding]:
    for side, text in enumerate((edge.upstream, edge.downstream)):
        ref = parse_ref(text)
        if ref.sort not in ENDS[kind][side]:
            yield _error("wrong_end", f"a {ref.sort} has no place in {kind}: {text}", edge.row)
        elif ref.sort == "node":
            if ref.name not in own and ref.name not in world.nodes:
                detail = f"{text} is unknown: no row gives its place, and no other set has it"
                yield _error("unknown_node", detail, edge.row, text)
        elif ref.name not in world.known[ref.sort]:
            yield _error("unknown_node", f"there is no {ref.sort} {ref.name!r}", edge.row, text)


def _nodes(table: RelationTable, world: World) -> Iterator[RelationFinding]:
    used = {end for edge in table.edges for end in (edge.upstream, edge.downstream)}
    for node in table.nodes:
        if node.node_id in world.nodes:
            detail = f"node {node.node_id!r} belongs to the set {world.nodes[node.node_id]!r}"
            yield _error("duplicate", detail, node.row)
        if f"node:{node.node_id}" not in used:
            yield RelationFinding(
                kind="unused_node",
                error=False,
                detail=f"node {node.node_id!r} is part of no edge",
                rows=(node.row,),
                nodes=(f"node:{node.node_id}",),
            )
    own = {node.node_id for node in table.nodes}
    for name, other in sorted(world.leaning.items()):
        if name not in own:
            yield RelationFinding(
                kind="used_elsewhere",
                error=True,
                detail=f"node {name!r} would be gone, but the set {other!r} leads to or from it",
                nodes=(f"node:{name}",),
            )


def _cycles(table: RelationTable, world: World) -> Iterator[RelationFinding]:
    own = {(edge.upstream, edge.downstream): edge.row for edge in table.edges}
    ring = Graph(chain(own, world.edges)).cycle()
    if ring is None:
        return
    steps = zip(ring, [*ring[1:], ring[0]], strict=True)
    yield RelationFinding(
        kind="cycle",
        error=True,
        detail=f"these lead in a circle: {' → '.join([*ring, ring[0]])}",
        rows=tuple(own[step] for step in steps if step in own),
        nodes=tuple(ring),
    )


def _error(kind: str, detail: str, row: int, *nodes: str) -> RelationFinding:
    return RelationFinding(kind=kind, error=True, detail=detail, rows=(row,), nodes=nodes)
