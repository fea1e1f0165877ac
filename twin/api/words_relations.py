"""The bodies of relations beside containment."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

from pydantic import ConfigDict, Field

from core.model import ID_PATTERN
from twin.api.words import NO_NUL, Count, SeverityOrNone, Word
from twin.relations.model import RelationKind

NodeText = Annotated[str, Field(description="device:ID, gateway:ID, space:CODE or node:ID")]


class RelationEdgeWord(Word):
    """One step down, from what feeds to what is fed."""

    from_: Annotated[str, Field(alias="from")]
    to: str
    kind: RelationKind


class RelationRow(RelationEdgeWord):
    """A relation as stored; `set` is null for one through a gateway, which is derived."""

    set: str | None
    name: str


class RelationList(Word):
    """A page of relations in order; `next` is the cursor of the following page or null."""

    relations: list[RelationRow]
    next: str | None


class RelationSetWord(Word):
    """A named set as it was imported."""

    set_id: int
    name: str
    kind: RelationKind
    source: str
    by: str
    valid_from: datetime
    valid_to: datetime | None
    nodes: Count
    edges: Count


class RelationSetList(Word):
    """The sets in force."""

    sets: list[RelationSetWord]


class TraceNode(Word):
    """A node that was reached; severity is null where nothing is watched."""

    node: NodeText
    lon: float | None
    lat: float | None
    name: str
    sort: Annotated[str, Field(description="device kind, level of the space, or sort of the node")]
    depth: Count
    device_id: str | None
    severity: SeverityOrNone | None
    freshness: Literal["never", "fresh", "stale"] | None


class TraceBody(Word):
    """What lies upstream or downstream, the start first; `cut`: limit or depth kept some out."""

    nodes: list[TraceNode]
    edges: list[RelationEdgeWord]
    cut: bool


class RelationFindingWord(Word):
    """Something wrong with a table, or worth a look."""

    kind: str
    error: bool
    detail: str
    rows: list[int]
    nodes: list[str]


class RelationReportWord(Word):
    """What an import would change, or has changed; the findings are the first hundred."""

    set: str
    kind: RelationKind
    source: str
    nodes: Count
    edges: Count
    added: Count
    gone: Count
    same: Count
    errors: Count
    warnings: Count
    findings: list[RelationFindingWord]
    applied: bool


Attribute = Annotated[str | None, Field(max_length=100, pattern=NO_NUL)]


class ImportQuery(Word):
    """How a file is to become a set; what concerns lines is for maps only."""

    model_config = ConfigDict(extra="forbid", populate_by_name=True)

    kind: Literal["power", "drainage"]
    set_name: Annotated[str, Field(alias="set", pattern=f"^{ID_PATTERN.pattern}$")]
    name: Annotated[
        str,
        Field(
            pattern=r"^[^/\\\x00-\x1f\x7f]{1,200}$",
            description="of the file; its ending says the format: csv, json, else a map",
        ),
    ]
    frame: Annotated[str, Field(min_length=1, max_length=64, pattern=NO_NUL)] = "EPSG:4490"
    encoding: Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]{1,32}$")] = "utf-8"
    layer: Attribute = None
    tolerance_m: Annotated[float, Field(gt=0, le=100)] = 0.5
    name_field: Attribute = None
    direction_field: Attribute = None
    reversed_value: Annotated[str, Field(max_length=100)] = "1"
    node_layer: Attribute = None
    node_id_field: Attribute = None
    dry_run: bool = False
