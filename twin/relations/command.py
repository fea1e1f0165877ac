"""``blocktwin relation``: import what feeds what, list it, trace along it, remove it."""

from __future__ import annotations

import asyncio
import getpass
import sys
from collections.abc import Awaitable, Callable
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click
import msgspec

from core.config import DatabaseConfig, Invocation
from core.model import parse_time
from twin.relations.graph import MAX_DEPTH, MAX_NODES, Direction
from twin.relations.model import (
    STORED_KINDS,
    RefMalformed,
    RelationKind,
    parse_ref,
    set_name,
    stored_kind,
)

if TYPE_CHECKING:
    import psycopg

    from twin.relations import reads
    from twin.relations.store import RelationReport

T = TypeVar("T")

MAX_LISTED = 200_000
_SHOWN_FINDINGS = 20

_JSON = click.option("--json", "as_json", is_flag=True, help="Print JSON.")
_KINDS = click.Choice([str(kind) for kind in RelationKind])


def _time(_ctx: click.Context, _param: click.Parameter, text: str | None) -> datetime | None:
    try:
        return parse_time(text) if text else None
    except ValueError as error:
        raise click.BadParameter(f"{text!r} is no time like 2026-07-01T08:00:00+08:00") from error


def _node(_ctx: click.Context, _param: click.Parameter, text: str | None) -> str | None:
    try:
        return str(parse_ref(text)) if text else None
    except RefMalformed as error:
        raise click.BadParameter(str(error)) from error


_AT = click.option("--at", callback=_time, default=None, help="As it was then; RFC 3339.")


@click.group()
def relation() -> None:
    """Say what feeds what, and trace along it."""


@relation.command("import")
@click.argument("file", type=click.Path(exists=True, dir_okay=True, path_type=Path))
@click.option("--kind", type=click.Choice([str(kind) for kind in STORED_KINDS]), required=True)
@click.option("--set", "name", required=True, help="The set that this replaces as a whole.")
@click.option("--frame", default="EPSG:4490", show_default=True, help="Coordinate system.")
@click.option("--encoding", default="utf-8", show_default=True, help="Of a CSV table.")
@click.option("--layer", default=None, help="Of a map: the layer of lines.")
@click.option("--tolerance", "tolerance_m", type=float, default=0.5, show_default=True,
              help="Of a map: metres within which ends are one node.")  # fmt: skip
@click.option("--name-field", default=None, help="Of a map: attribute with a pipe's name.")
@click.option("--direction-field", default=None, help="Of a map: attribute with the direction.")
@click.option("--reversed-value", default="1", show_default=True,
              help="Of a map: its value that means against the digitised direction.")  # fmt: skip
@click.option("--node-layer", default=None, help="Of a map: the layer of points that are nodes.")
@click.option("--node-id-field", default=None, help="Of a map: attribute with the nodes' ids.")
@click.option("--dry-run", is_flag=True, help="Say what would change; change nothing.")
@click.option("--as", "actor", default="", help="Who does it; the system's user if not given.")
@_JSON
@click.pass_context
def import_(
    ctx: click.Context,
    /,
    file: Path,
    *,
    kind: str,
    name: str,
    dry_run: bool,
    actor: str,
    as_json: bool,
    **how: Any,
) -> None:
    """Make the set be what FILE says: CSV, JSON, or a map layer of lines.

    What is in error is refused as a whole, with rows and reasons; exit code 1.
    """
    from twin.relations import store
    from twin.relations.files import FileOptions, read_file
    from twin.relations.lines import LineOptions

    which, by = stored_kind(kind), actor or getpass.getuser()
    frame, encoding = how.pop("frame"), how.pop("encoding")
    options = FileOptions(
        frame=frame, encoding=encoding, lines=LineOptions(**how), prefix=set_name(name)
    )

    def work(conn: psycopg.Connection[Any]) -> RelationReport:
        _tell(f"reading {file.name}")
        table = read_file(file, options, store.anchors(conn, which))
        _tell(f"judging {len(table.edges):,} edges and {len(table.nodes):,} nodes")
        return store.import_set(conn, name, which, table, by=by, dry_run=dry_run)

    _finish(ctx, _write(ctx.obj, work), as_json)


@relation.command()
@click.option("--set", "name", required=True, help="The set to end.")
@click.option("--dry-run", is_flag=True, help="Say what would change; change nothing.")
@_JSON
@click.pass_context
def remove(ctx: click.Context, name: str, *, dry_run: bool, as_json: bool) -> None:
    """End a set; what it said of the past stays."""
    from twin.relations import store

    report = _write(ctx.obj, lambda conn: store.remove_set(conn, name, dry_run=dry_run))
    _finish(ctx, report, as_json)


@relation.command("list")
@click.option("--kind", type=_KINDS, default=None)
@click.option("--set", "name", default=None, help="Print the relations of this set.")
@click.option("--node", callback=_node, default=None, help="Print the relations of this node.")
@click.option("--limit", type=click.IntRange(1, MAX_LISTED), default=1000, show_default=True)
@_AT
@_JSON
@click.pass_obj
def list_relations(
    invocation: Invocation,
    /,
    kind: str | None,
    name: str | None,
    node: str | None,
    *,
    limit: int,
    at: datetime | None,
    as_json: bool,
) -> None:
    """List the sets; with --node, --set or --kind gateway the relations themselves."""
    single = node is not None or name is not None or kind == RelationKind.GATEWAY

    async def work(conn: reads.Conn) -> list[dict[str, Any]]:
        from twin.relations import reads

        if not single:
            return await reads.sets(conn, kind=kind, at=at)
        return await reads.every_relation(
            conn, kind=kind, set_name=name, node=node, at=at, limit=limit + 1
        )

    found = _read(invocation, work)
    if as_json:
        click.echo(_json(found[:limit]))
        return
    for row in found[:limit]:
        if single:
            click.echo(f"{row['kind']:9}{row['from']} → {row['to']}  {row['name']}".rstrip())
        else:
            since = f"{row['valid_from']:%Y-%m-%dT%H:%M:%S}"
            click.echo(
                f"{row['name']:24}{row['kind']:9}{row['edges']:>8,} edges{row['nodes']:>8,} nodes"
                f"  since {since} by {row['by']}, from {row['source']}"
            )
    if len(found) > limit:
        click.echo(f"… and more; give --limit up to {MAX_LISTED}", err=True)


@relation.command()
@click.argument("node", callback=_node)
@click.option("--direction", type=click.Choice([str(d) for d in Direction]), default="down")
@click.option("--kind", type=_KINDS, default="drainage", show_default=True)
@click.option("--depth", type=click.IntRange(0, MAX_DEPTH), default=MAX_DEPTH, show_default=True)
@click.option("--limit", type=click.IntRange(1, MAX_NODES), default=1000, show_default=True)
@_AT
@_JSON
@click.pass_obj
def trace(
    invocation: Invocation,
    /,
    node: str,
    direction: str,
    kind: str,
    *,
    depth: int,
    limit: int,
    at: datetime | None,
    as_json: bool,
) -> None:
    """Print what lies downstream or upstream of NODE.

    NODE is device:ID, gateway:ID, space:CODE or node:ID.
    """

    async def work(conn: reads.Conn) -> dict[str, Any]:
        from twin.relations import reads

        return await reads.trace(
            conn,
            reads.Graphs(),
            reads.TraceQuery(
                node=node,
                direction=Direction(direction),
                kind=RelationKind(kind),
                depth=depth,
                limit=limit,
                at=at,
            ),
        )

    found = _read(invocation, work)
    if as_json:
        click.echo(_json(found))
        return
    for row in found["nodes"]:
        place = "" if row["lon"] is None else f"({row['lon']:.6f}, {row['lat']:.6f})"
        click.echo(f"{row['depth']:>4}  {row['node']:40}{place:28}{row['name']}".rstrip())
    if found["cut"]:
        click.echo("… and more; raise --limit or --depth", err=True)


def _finish(ctx: click.Context, report: RelationReport, as_json: bool) -> None:
    """Print a report; a dry run that found errors is a finding: exit code 1."""
    if as_json:
        click.echo(_json(report))
    else:
        for line in _lines(report):
            click.echo(line)
    if report.errors:
        ctx.exit(1)


def _lines(report: RelationReport) -> list[str]:
    shown = report.findings[:_SHOWN_FINDINGS]
    lines = [
        f"{'error' if one.error else 'note'}: "
        + (f"row {', '.join(map(str, one.rows[:5]))}: " if one.rows else "")
        + one.detail
        for one in shown
    ]
    left = report.errors + report.warnings - len(shown)
    if left:
        lines.append(f"… and {left} more findings; --json names up to 100")
    state = "applied" if report.applied else "nothing was changed"
    lines.append(
        f"{report.kind} {report.set}: {report.edges:,} edges and {report.nodes:,} nodes;"
        f" {report.added:,} new, {report.gone:,} gone, {report.same:,} as before; {state}"
    )
    return lines


def _tell(text: str) -> None:
    if sys.stderr.isatty():
        click.echo(text, err=True)


def _json(value: Any) -> str:
    return msgspec.json.encode(value).decode()


def _read(invocation: Invocation, work: Callable[[reads.Conn], Awaitable[T]]) -> T:
    from core.db.pool import open_pool

    database = invocation.load(DatabaseConfig).get(DatabaseConfig)

    async def run() -> T:
        async with open_pool(database, "blocktwin relation") as pool, pool.connection() as conn:
            return await work(conn)

    return asyncio.run(run())


def _write(invocation: Invocation, work: Callable[[psycopg.Connection[Any]], T]) -> T:
    from core.db import migrate, pool

    database = invocation.load(DatabaseConfig).get(DatabaseConfig)
    with pool.connect(database, autocommit=True, application_name="blocktwin relation") as conn:
        migrate.require_current(conn)
        return work(conn)
