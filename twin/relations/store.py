"""Put relations into the database: a named set is replaced as a whole, or not at all.

The version before stays with its end, so that the network of last year can be walked. Reading is
``twin.relations.reads``; what is refused is judged by ``check``.
"""

from __future__ import annotations

import dataclasses
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
import numpy as np
import psycopg

from core.db.queries import load
from core.errors import BlocktwinError, UsageError
from core.model import Field
from twin.relations.check import World, judge
from twin.relations.lines import Anchors
from twin.relations.model import (
    MAX_FINDINGS,
    NetworkNode,
    RelationEdge,
    RelationFinding,
    RelationKind,
    RelationTable,
    parse_ref,
    set_name,
)

SQL = load("twin.relations", "store.sql")

Conn = psycopg.Connection[Any]

_MET_BY_LINES = {
    RelationKind.DRAINAGE: (Field.WATER,),
    RelationKind.POWER: tuple(Field),
}
"""Whose devices an end of a line may be."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RelationReport:
    """What an import would change, or has changed.

    Attributes:
        added: edges that are new; ``gone`` that end, ``same`` that stay.
        findings: the first of them; ``errors`` and ``warnings`` count all.
        applied: whether the set is now as the source says.
    """

    set: str
    kind: str
    source: str
    nodes: int
    edges: int
    added: int
    gone: int
    same: int
    errors: int
    warnings: int
    findings: tuple[RelationFinding, ...]
    applied: bool


class RelationsRefused(BlocktwinError):
    """A table has errors; nothing was changed. ``report`` names them."""

    def __init__(self, report: RelationReport) -> None:
        errors = [finding for finding in report.findings if finding.error]
        first = "; ".join(_said(finding) for finding in errors[:3])
        more = f"; and {report.errors - 3} more" if report.errors > 3 else ""
        super().__init__(
            f"{report.source} cannot become the set {report.set!r}: {first}{more}",
            remedy="correct the table; nothing was changed",
        )
        self.report = report


class SetUnknown(UsageError):
    """There is no set of this name in force."""


def import_set(
    conn: Conn, name: str, kind: RelationKind, table: RelationTable, *, by: str, dry_run: bool
) -> RelationReport:
    """Make a named set be what the table says, in one transaction.

    A table that says what is in force already changes nothing.

    Raises:
        UsageError: the name is no name, or the set in force is of another kind.
        RelationsRefused: the table has errors; with ``dry_run`` the report only says so.
    """
    set_name(name)
    with conn.transaction():
        conn.execute(SQL["lock"])
        before = _before(conn, name, kind)
        findings = judge(table, kind, _world(conn, name, kind, table))
        report = _report(name, kind, table, findings, before)
        if dry_run:
            return report
        if report.errors:
            raise RelationsRefused(report)
        if not _is_same(table, before):
            _replace(conn, name, kind, table, by)
    return dataclasses.replace(report, applied=True)


def remove_set(conn: Conn, name: str, *, dry_run: bool) -> RelationReport:
    """End a named set; what it said of the past stays.

    Raises:
        SetUnknown: there is none.
        RelationsRefused: other sets lead to or from its nodes.
    """
    with conn.transaction():
        conn.execute(SQL["lock"])
        row = conn.execute(SQL["set_in_force"], {"name": name}).fetchone()
        if row is None:
            raise SetUnknown(f"there is no set {name!r}", remedy="look at: blocktwin relation list")
        kind = RelationKind(row[1])
        empty = RelationTable(nodes=(), edges=(), source=f"the end of {name}")
        findings = judge(empty, kind, _world(conn, name, kind, empty))
        report = _report(name, kind, empty, findings, _before(conn, name, kind))
        if dry_run:
            return report
        if report.errors:
            raise RelationsRefused(report)
        conn.execute(SQL["end_set"], {"name": name})
        conn.execute(SQL["announce"])
    return dataclasses.replace(report, applied=True)


def anchors(conn: Conn, kind: RelationKind) -> Anchors:
    """Return the devices that ends of lines of a kind may be."""
    fields = [str(field) for field in _MET_BY_LINES[kind]]
    rows = conn.execute(SQL["device_places"], {"fields": fields}).fetchall()
    at = np.array([row[1:] for row in rows], dtype=np.float64).reshape(-1, 2)
    return Anchors(refs=tuple(f"device:{row[0]}" for row in rows), at=at)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Before:
    """The set in force; empty if there is none."""

    exists: bool
    nodes: frozenset[tuple[Any, ...]]
    edges: frozenset[tuple[Any, ...]]


def _before(conn: Conn, name: str, kind: RelationKind) -> _Before:
    row = conn.execute(SQL["set_in_force"], {"name": name}).fetchone()
    if row is None:
        return _Before(exists=False, nodes=frozenset(), edges=frozenset())
    if row[1] != kind:
        raise UsageError(
            f"the set {name!r} is of kind {row[1]}, not {kind}",
            remedy="choose another name, or remove that set first",
        )
    own = {"set": row[0]}
    return _Before(
        exists=True,
        nodes=frozenset(conn.execute(SQL["nodes_of"], own).fetchall()),
        edges=frozenset(conn.execute(SQL["edges_of"], own).fetchall()),
    )


def _world(conn: Conn, name: str, kind: RelationKind, table: RelationTable) -> World:
    own = {"name": name, "kind": kind}
    named = ids_by_sort(end for edge in table.edges for end in (edge.upstream, edge.downstream))
    known: dict[str, set[str]] = {"device": set(), "gateway": set(), "space": set()}
    for sort, found in conn.execute(SQL["known"], named).fetchall():
        known[sort].add(found)
    edges = conn.execute(SQL["other_edges"], own).fetchall()
    return World(
        known={sort: frozenset(ids) for sort, ids in known.items()},
        nodes=dict(conn.execute(SQL["other_nodes"], own).fetchall()),
        edges={(upstream, downstream): other for upstream, downstream, other in edges},
        leaning=dict(conn.execute(SQL["leaning"], own).fetchall()),
    )


def ids_by_sort(refs: Iterable[str]) -> dict[str, list[str]]:
    """Return the ids among references, by sort; every sort is there."""
    found: defaultdict[str, set[str]] = defaultdict(set)
    for text in refs:
        ref = parse_ref(text)
        found[ref.sort].add(ref.name)
    return {sort: sorted(found[sort]) for sort in ("device", "gateway", "space", "node")}


def _report(
    name: str,
    kind: RelationKind,
    table: RelationTable,
    findings: Sequence[RelationFinding],
    before: _Before,
) -> RelationReport:
    old = {edge[:2] for edge in before.edges}
    new = {(edge.upstream, edge.downstream) for edge in table.edges}
    errors = sum(finding.error for finding in findings)
    worst_first = sorted(findings, key=lambda finding: not finding.error)
    return RelationReport(
        set=name,
        kind=str(kind),
        source=table.source,
        nodes=len(table.nodes),
        edges=len(new),
        added=len(new - old),
        gone=len(old - new),
        same=len(old & new),
        errors=errors,
        warnings=len(findings) - errors,
        findings=tuple(worst_first[:MAX_FINDINGS]),
        applied=False,
    )


def _is_same(table: RelationTable, before: _Before) -> bool:
    nodes = frozenset(_node_row(node) for node in table.nodes)
    edges = frozenset((edge.upstream, edge.downstream, edge.name) for edge in table.edges)
    return before.exists and (nodes, edges) == (before.nodes, before.edges)


def _replace(conn: Conn, name: str, kind: RelationKind, table: RelationTable, by: str) -> None:
    conn.execute(SQL["end_set"], {"name": name})
    row = conn.execute(
        SQL["insert_set"], {"name": name, "kind": kind, "source": table.source, "by": by}
    ).fetchone()
    assert row is not None
    conn.execute(SQL["insert_nodes"], {"set": row[0], "rows": _json(table.nodes)})
    conn.execute(SQL["insert_edges"], {"set": row[0], "rows": _json(table.edges)})
    conn.execute(SQL["announce"])


def _json(things: Sequence[NetworkNode | RelationEdge]) -> str:
    return msgspec.json.encode(things).decode()


def _node_row(node: NetworkNode) -> tuple[Any, ...]:
    return node.node_id, node.sort, node.name, node.lon, node.lat


def _said(finding: RelationFinding) -> str:
    rows = ", ".join(str(row) for row in finding.rows[:5])
    return f"row {rows}: {finding.detail}" if rows else finding.detail
