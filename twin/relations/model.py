"""The words of relations beside containment: references, tables of edges, findings. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from core.errors import UsageError
from core.model import ID_PATTERN, is_id

MAX_EDGES = 200_000
"""Edges of one set at most; a district's storm and foul sewers are some tens of thousands."""

MAX_FINDINGS = 100
"""Findings of one table that are named; the rest is counted."""

_CODE = re.compile(r"[^\x00-\x20/\\?#%&,\x7f]{1,64}")
_NODE_ID = re.compile(r"[^\x00-\x20\x7f/\\?#%&,]{1,64}")


class RelationKind(StrEnum):
    """What a relation says: who reports through whom, who feeds whom, what flows where."""

    GATEWAY = "gateway"
    POWER = "power"
    DRAINAGE = "drainage"


STORED_KINDS = (RelationKind.POWER, RelationKind.DRAINAGE)
"""Kinds that are imported; who reports through which gateway is known from the devices."""

ENDS: Mapping[RelationKind, tuple[frozenset[str], frozenset[str]]] = {
    RelationKind.GATEWAY: (frozenset({"gateway"}), frozenset({"device"})),
    RelationKind.POWER: (
        frozenset({"node", "device", "gateway"}),
        frozenset({"node", "device", "gateway"}),
    ),
    RelationKind.DRAINAGE: (
        frozenset({"node", "device", "space"}),
        frozenset({"node", "device", "space"}),
    ),
}
"""What may stand upstream and downstream in each kind."""


class RefMalformed(ValueError):
    """A reference to a node that cannot be read; the sentence says why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeRef:
    """A node named by its sort and id; as text ``device:ID``."""

    sort: str
    name: str

    def __str__(self) -> str:
        return f"{self.sort}:{self.name}"


def parse_ref(text: str) -> NodeRef:
    """Read ``device:ID``, ``gateway:ID``, ``space:CODE`` or ``node:ID``.

    Raises:
        RefMalformed: names what is wrong with it.

    Example:
        >>> parse_ref("node:YS-0017").name
        'YS-0017'
    """
    sort, colon, name = text.strip().partition(":")
    if not colon or sort not in _PATTERNS:
        raise RefMalformed(
            f"{text[:80]!r} is no node: write device:ID, gateway:ID, space:CODE or node:ID"
        )
    if not _PATTERNS[sort].fullmatch(name):
        raise RefMalformed(f"{text[:80]!r}: {name[:64]!r} cannot be the id of a {sort}")
    return NodeRef(sort=sort, name=name)


_PATTERNS = {"device": ID_PATTERN, "gateway": ID_PATTERN, "space": _CODE, "node": _NODE_ID}


@dataclass(frozen=True, slots=True, kw_only=True)
class NetworkNode:
    """A manhole, an outfall, a pipe's end, a transformer. Degrees, EPSG:4490, longitude first.

    Attributes:
        node_id: unique in the whole store, without the word ``node:``.
        sort: ``manhole``, ``outfall``, ``pipe_end``, ``transformer``, … as the source calls it.
        row: where it stands in the source.
    """

    node_id: str
    sort: str
    name: str
    lon: float
    lat: float
    row: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class RelationEdge:
    """One step down, from what feeds to what is fed; both as text.

    Attributes:
        name: of the pipe or cable, possibly empty.
        row: where it stands in the source: line of a table, index of a feature plus one.
    """

    upstream: str
    downstream: str
    name: str = ""
    row: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class RelationFinding:
    """Something wrong with a table, or worth a look.

    Attributes:
        kind: ``malformed``, ``unknown_node``, ``self_loop``, ``duplicate``, ``cycle``,
            ``wrong_end``, ``bad_position``, ``used_elsewhere``, ``unused_node``.
        error: an error stops the import, anything else is for a person's eye.
        rows: where in the source; empty for the whole of it.
        detail: one sentence.
        nodes: the nodes concerned; of a cycle all of them, in the order of the flow.
    """

    kind: str
    error: bool
    detail: str
    rows: tuple[int, ...] = ()
    nodes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class RelationTable:
    """A network as read: its nodes and edges, where it came from, and what was wrong on the way."""

    nodes: tuple[NetworkNode, ...]
    edges: tuple[RelationEdge, ...]
    source: str
    findings: tuple[RelationFinding, ...] = field(default=())


def stored_kind(text: str) -> RelationKind:
    """Return a kind that can be imported.

    Raises:
        UsageError: for any other word.
    """
    if text not in STORED_KINDS:
        raise UsageError(
            f"relations of kind {text!r} cannot be imported",
            remedy="use power or drainage; gateway relations follow from the devices",
        )
    return RelationKind(text)


def set_name(text: str) -> str:
    """Return the name of a set.

    Raises:
        UsageError: if it is no id.
    """
    if not is_id(text):
        raise UsageError(
            f"a set cannot be called {text[:80]!r}",
            remedy="use 1 to 64 of a-z 0-9 . _ -, the first a letter or digit",
        )
    return text
