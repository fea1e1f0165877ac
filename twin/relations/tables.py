"""Read a network from a table: CSV with one edge a line, or JSON with nodes and edges. Pure.

CSV columns: ``from`` and ``to`` (``device:ID``, ``gateway:ID``, ``space:CODE``, ``node:ID``), and
optionally ``name`` of the pipe or cable. A network node gets its place on any line that names it,
in ``from_lon from_lat from_name from_sort`` and the same with ``to_``. JSON is
``{"nodes": [{"id", "sort", "name", "lon", "lat"}], "edges": [{"from", "to", "name"}]}``.
"""

from __future__ import annotations

import csv
import dataclasses
import io
import math
from collections.abc import Callable, Mapping

import msgspec
import numpy as np
import numpy.typing as npt

from core.errors import UsageError
from geodata.frames import OutOfFrame
from twin.relations.model import (
    MAX_EDGES,
    NetworkNode,
    RefMalformed,
    RelationEdge,
    RelationFinding,
    RelationTable,
    parse_ref,
)

ToDegrees = Callable[[npt.NDArray[np.float64]], npt.NDArray[np.float64]]
"""Brings x and y of the source to degrees EPSG:4490, longitude first; shape (n, 2)."""

_SIDES = ("from", "to")
_KNOWN = {
    "from", "to", "name",
    *(f"{side}_{what}" for side in _SIDES for what in ("lon", "lat", "name", "sort")),
}  # fmt: skip
_LONGEST_TEXT = 200
_SAME_PLACE_DEG = 1e-7


class _JsonNode(msgspec.Struct, forbid_unknown_fields=True):
    id: str
    lon: float
    lat: float
    name: str = ""
    sort: str = "node"


class _JsonEdge(msgspec.Struct, forbid_unknown_fields=True, rename={"upstream": "from"}):
    upstream: str
    to: str
    name: str = ""


class _JsonTable(msgspec.Struct, forbid_unknown_fields=True):
    edges: list[_JsonEdge]
    nodes: list[_JsonNode] = []


class _Reader:
    """Collects nodes and edges, and what is wrong with either."""

    def __init__(self) -> None:
        self.nodes: dict[str, NetworkNode] = {}
        self.edges: list[RelationEdge] = []
        self.findings: list[RelationFinding] = []

    def fault(self, row: int, detail: str, kind: str = "malformed") -> None:
        self.findings.append(RelationFinding(kind=kind, error=True, detail=detail, rows=(row,)))

    def ref(self, row: int, text: str) -> str | None:
        try:
            return str(parse_ref(text))
        except RefMalformed as error:
            self.fault(row, str(error))
            return None

    def edge(self, row: int, upstream: str, downstream: str, name: str) -> None:
        ends = [self.ref(row, upstream), self.ref(row, downstream)]
        if ends[0] is not None and ends[1] is not None:
            self.edges.append(
                RelationEdge(
                    upstream=ends[0], downstream=ends[1], name=name[:_LONGEST_TEXT], row=row
                )
            )

    def node(self, node: NetworkNode) -> None:
        """Take a node in; the same node may be said again, but not at another place."""
        if not (math.isfinite(node.lon) and math.isfinite(node.lat)):
            self.fault(node.row, f"node {node.node_id!r} has no finite position", "bad_position")
            return
        known = self.nodes.setdefault(node.node_id, node)
        if max(abs(known.lon - node.lon), abs(known.lat - node.lat)) > _SAME_PLACE_DEG:
            detail = (
                f"node {node.node_id!r} lies at ({node.lon:g}, {node.lat:g}) here and at"
                f" ({known.lon:g}, {known.lat:g}) in row {known.row}"
            )
            self.fault(node.row, detail, "bad_position")

    def table(self, source: str, to_degrees: ToDegrees | None) -> RelationTable:
        nodes = list(self.nodes.values())
        if to_degrees is not None and nodes:
            nodes = _moved(nodes, to_degrees, source)
        return RelationTable(
            nodes=tuple(nodes),
            edges=tuple(self.edges),
            source=source,
            findings=tuple(self.findings),
        )


def read_csv(text: str, source: str, *, to_degrees: ToDegrees | None = None) -> RelationTable:
    """Read a CSV table; rows are numbered as an editor does, the head being line 1.

    Raises:
        UsageError: it has no columns ``from`` and ``to``, an unknown column, or too many lines.
    """
    reader = csv.DictReader(io.StringIO(text.removeprefix("\ufeff")), strict=True)
    try:
        _check_head(list(reader.fieldnames or ()), source)
        found = _Reader()
        for line in reader:
            _line(found, reader.line_num, {k: v or "" for k, v in line.items() if k is not None})
            if None in line:
                found.fault(reader.line_num, "there are more cells than columns")
            if len(found.edges) > MAX_EDGES:
                raise _too_many(source)
    except csv.Error as error:
        raise UsageError(
            f"{source} line {reader.line_num} is no CSV: {error}",
            remedy="separate by commas and quote cells that hold a comma or a quote",
        ) from error
    return found.table(source, to_degrees)


def read_json(data: bytes, source: str, *, to_degrees: ToDegrees | None = None) -> RelationTable:
    """Read a JSON table; rows count nodes, or edges, from 1.

    Raises:
        UsageError: it is no such table, or has too many edges.
    """
    try:
        given = msgspec.json.decode(data, type=_JsonTable)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise UsageError(
            f"{source} is no table of relations: {error}",
            remedy='write {"nodes": [{"id", "lon", "lat"}], "edges": [{"from", "to"}]}',
        ) from error
    if max(len(given.edges), len(given.nodes)) > MAX_EDGES:
        raise _too_many(source)
    found = _Reader()
    for row, node in enumerate(given.nodes, start=1):
        ref = found.ref(row, f"node:{node.id}")
        if ref is not None:
            found.node(_node(node.id, node.sort, node.name, (node.lon, node.lat), row))
    for row, edge in enumerate(given.edges, start=1):
        found.edge(row, edge.upstream, edge.to, edge.name)
    return found.table(source, to_degrees)


def _check_head(head: list[str], source: str) -> None:
    missing = [name for name in _SIDES if name not in head]
    unknown = [name for name in head if name not in _KNOWN]
    if missing or unknown or len(set(head)) < len(head):
        what = (
            f"lacks the column {missing[0]!r}"
            if missing
            else f"has the unknown column {unknown[0]!r}"
            if unknown
            else "has a column twice"
        )
        raise UsageError(
            f"{source} {what}", remedy=f"columns are: {', '.join(sorted(_KNOWN))}; from and to must"
        )


def _line(found: _Reader, row: int, cells: Mapping[str, str]) -> None:
    for side in _SIDES:
        ref, lon, lat = cells[side].strip(), cells.get(f"{side}_lon"), cells.get(f"{side}_lat")
        if not lon and not lat:
            continue
        if not ref.startswith("node:"):
            found.fault(row, f"{side}_lon and {side}_lat are for nodes, and {ref[:80]!r} is none")
            continue
        try:
            at = float(lon or ""), float(lat or "")
        except ValueError:
            found.fault(row, f"({lon}, {lat}) is no position", "bad_position")
            continue
        name, sort = cells.get(f"{side}_name", ""), cells.get(f"{side}_sort", "")
        found.node(_node(ref.removeprefix("node:"), sort, name, at, row))
    found.edge(row, cells["from"], cells["to"], cells.get("name", "").strip())


def _node(node_id: str, sort: str, name: str, at: tuple[float, float], row: int) -> NetworkNode:
    return NetworkNode(
        node_id=node_id,
        sort=(sort.strip() or "node")[:_LONGEST_TEXT],
        name=name.strip()[:_LONGEST_TEXT],
        lon=at[0],
        lat=at[1],
        row=row,
    )


def _moved(nodes: list[NetworkNode], to_degrees: ToDegrees, source: str) -> list[NetworkNode]:
    try:
        xy = to_degrees(np.array([[node.lon, node.lat] for node in nodes], dtype=np.float64))
    except OutOfFrame as error:
        node = nodes[error.row]
        raise UsageError(
            f"{source} row {node.row}: node {node.node_id!r}: {error.reason}", remedy=error.remedy
        ) from error
    return [
        dataclasses.replace(node, lon=x, lat=y)
        for node, (x, y) in zip(nodes, xy.tolist(), strict=True)
    ]


def _too_many(source: str) -> UsageError:
    return UsageError(
        f"{source} has more than {MAX_EDGES:,} edges",
        remedy="divide it into several sets, for example one a catchment",
    )
