"""Relations beside containment: what feeds, powers and drains what, and tracing along them."""

from __future__ import annotations

import asyncio
import re
import tempfile
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import psycopg
from fastapi import APIRouter, Query, Request, Response

from core.db import pool
from core.errors import MissingPrerequisite, UsageError
from core.model import ID_PATTERN
from twin.api import cursor
from twin.api.answers import json_reply
from twin.api.problems import Refused
from twin.api.runtime import Runtime, identity, of
from twin.api.shapes import ID, After, Time, refusals
from twin.api.words_relations import (
    ImportQuery,
    RelationList,
    RelationReportWord,
    RelationSetList,
    TraceBody,
)
from twin.history import moment
from twin.relations import reads, store
from twin.relations.files import FileOptions, read_file
from twin.relations.graph import MAX_DEPTH, MAX_NODES, Direction
from twin.relations.lines import LineOptions
from twin.relations.model import RefMalformed, RelationKind, parse_ref, stored_kind
from twin.relations.store import RelationReport, RelationsRefused, SetUnknown
from twin.state import Freshness, State

router = APIRouter(prefix="/api/v1/relations", tags=["relations"])

Conn = psycopg.Connection[Any]

PAGE = 10_000
_CHANGING = refusals(401, 403, 404, 409, 413, 422, 503)
_FILE: dict[str, Any] = {
    "requestBody": {
        "description": "the file: CSV, JSON, or a map that GDAL reads",
        "required": True,
        "content": {"application/octet-stream": {"schema": {"type": "string"}}},
    }
}

NodeQuery = Annotated[
    str, Query(max_length=80, description="device:ID, gateway:ID, space:CODE or node:ID")
]


@router.get("", response_model=RelationList, responses=refusals(401, 422, 503))
async def relations(
    request: Request,
    kind: RelationKind | None = None,
    node: NodeQuery | None = None,
    name: Annotated[str | None, Query(alias="set", pattern=ID)] = None,
    at: Time = None,
    limit: Annotated[int, Query(ge=1, le=PAGE)] = 1000,
    after: After = None,
) -> Response:
    """Return relations in order: those of a node, of a set, of a kind, or all.

    Those through gateways follow from the devices; they come, on the first page and besides the
    limit, with `kind=gateway`, or with a node when no kind is given.
    """
    ref = _ref(node) if node is not None else None
    position = _position(after) if after is not None else None
    derived = kind is RelationKind.GATEWAY or (kind is None and ref is not None and name is None)
    found: list[reads.Row] = []
    async with of(request).connection() as conn:
        first = await reads.gateway_relations(conn, node=ref, at=at) if derived else []
        if kind is not RelationKind.GATEWAY:
            found = await reads.relations(
                conn, kind=kind, set_name=name, node=ref, at=at, after=position, limit=limit + 1
            )
    last = found[limit - 1] if len(found) > limit else None
    following = cursor.encode(last["from"], last["to"], last["set"]) if last else None
    shown = found[:limit] if position else [*first, *found[:limit]]
    return json_reply({"relations": shown, "next": following})


@router.get("/sets", response_model=RelationSetList, responses=refusals(401, 422, 503))
async def sets(request: Request, kind: RelationKind | None = None, at: Time = None) -> Response:
    """Return the named sets in force, now or at a time."""
    async with of(request).connection() as conn:
        return json_reply({"sets": await reads.sets(conn, kind=kind, at=at)})


@router.get("/trace", response_model=TraceBody, responses=refusals(401, 404, 422, 503))
async def trace(
    request: Request,
    node: NodeQuery,
    kind: RelationKind,
    direction: Direction = Direction.DOWN,
    depth: Annotated[int, Query(ge=0, le=MAX_DEPTH)] = MAX_DEPTH,
    limit: Annotated[int, Query(ge=1, le=MAX_NODES)] = 2000,
    at: Annotated[Time, Query(description="a time in the past; now when left out")] = None,
) -> Response:
    """Follow the network from a node, each node with its worst alarm and whether it reports."""
    runtime = of(request)
    if at is not None and at > datetime.now(UTC):
        raise Refused(422, "at: lies in the future")
    query = reads.TraceQuery(
        node=_ref(node), direction=direction, kind=kind, depth=depth, limit=limit, at=at
    )
    try:
        async with runtime.connection() as conn:
            found = await reads.trace(conn, runtime.graphs, query)
    except reads.NodeUnknown as error:
        raise Refused(404, str(error)) from error
    state = await _state(runtime, at)
    nodes = [row | _watched(state, row["node"]) for row in found["nodes"]]
    return json_reply(found | {"nodes": nodes})


@router.post(
    "/import",
    response_model=RelationReportWord,
    responses=_CHANGING,
    openapi_extra=_FILE,
)
async def import_set(request: Request, how: Annotated[ImportQuery, Query()]) -> Response:
    """Make a named set be what the file says, in one transaction; `dry_run` only reports.

    A file with errors is refused as a whole; ask with `dry_run` to see every finding.
    """
    lines = LineOptions(
        layer=how.layer,
        tolerance_m=how.tolerance_m,
        name_field=how.name_field,
        direction_field=how.direction_field,
        reversed_value=how.reversed_value,
        node_layer=how.node_layer,
        node_id_field=how.node_id_field,
    )
    options = FileOptions(frame=how.frame, encoding=how.encoding, lines=lines, prefix=how.set_name)
    body, by, which = await request.body(), identity(request).name, stored_kind(how.kind)

    def act(conn: Conn) -> RelationReport:
        with tempfile.TemporaryDirectory(prefix="blocktwin-relations-") as folder:
            # The name people gave decides only the ending: it is never part of a path.
            suffix = re.sub(r"[^a-z0-9.]", "", Path(how.name).suffix.lower())[:12]
            path = Path(folder) / f"upload{suffix}"
            path.write_bytes(body)
            table = read_file(path, options, store.anchors(conn, which), name=how.name)
        return store.import_set(conn, how.set_name, which, table, by=by, dry_run=how.dry_run)

    return json_reply(await _act(of(request), act))


@router.delete("/sets/{set_name}", response_model=RelationReportWord, responses=_CHANGING)
async def remove_set(request: Request, set_name: str, dry_run: bool = False) -> Response:
    """End a set; what it said of the past stays."""
    if not re.fullmatch(ID_PATTERN, set_name):
        raise Refused(404, f"there is no set {set_name[:80]!r}")
    return json_reply(
        await _act(of(request), lambda conn: store.remove_set(conn, set_name, dry_run=dry_run))
    )


async def _act(runtime: Runtime, action: Callable[[Conn], RelationReport]) -> RelationReport:
    """Do it on a connection of its own; what it refuses becomes a problem."""
    async with runtime.changes:
        try:
            return await asyncio.to_thread(_commit, runtime, action)
        except SetUnknown as error:
            raise Refused(404, str(error)) from error
        except RelationsRefused as error:
            raise Refused(409, str(error)) from error
        except MissingPrerequisite as error:
            raise Refused(422, f"this server cannot read it: {error}") from error
        except UsageError as error:
            raise Refused(422, f"{error}; {error.remedy}") from error


def _commit(runtime: Runtime, action: Callable[[Conn], RelationReport]) -> RelationReport:
    with pool.connect(runtime.database, application_name="blocktwin serve action") as conn:
        return action(conn)


async def _state(runtime: Runtime, at: datetime | None) -> State:
    if at is None:
        return runtime.live.current()
    async with runtime.looking_back, runtime.connection() as conn:
        then = await moment.moment(
            conn,
            at,
            stale_intervals=runtime.cfg.stale_intervals,
            now=runtime.live.current().topology,
        )
    return then.state


def _watched(state: State, node: str) -> dict[str, Any]:
    """Return what the state says of a device or a space; nothing of other nodes."""
    ref = parse_ref(node)
    if ref.sort == "device":
        freshness, severity = state.device(ref.name)
        return {"severity": severity, "freshness": Freshness(freshness).name.lower()}
    index = state.topology.index(ref.name) if ref.sort == "space" else None
    severity_or_none = None if index is None else state.space(index)[0]
    return {"severity": severity_or_none, "freshness": None}


def _ref(text: str) -> str:
    try:
        return str(parse_ref(text))
    except RefMalformed as error:
        raise Refused(422, f"node: {error}") from error


def _position(after: str) -> tuple[str, str, str]:
    one, other, name = cursor.decode(after, 3)
    return one, other, name
