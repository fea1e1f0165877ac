"""``blocktwin ingest rejected``: what was refused, why, and bringing it back."""

from __future__ import annotations

import base64
import json
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime
from typing import Any

import click
import psycopg
from psycopg import Connection

from core.config import DatabaseConfig, Invocation
from core.db import migrate
from core.db.pool import connect
from core.errors import DatabaseAway, UsageError
from core.model import RejectReason, parse_time
from ingest import belated, rejected_listing
from ingest.config import IngestConfig
from ingest.rejected_choice import Choice
from ingest.rejected_retry import Report, Retry, drop

_JSON = click.option("--json", "as_json", is_flag=True, help="Print JSON.")
_STATE = click.option(
    "--state",
    type=click.Choice(["open", "resolved", "all"]),
    default="open",
    show_default=True,
    help="Open ones, those brought back or dropped, or all.",
)
_DRY = click.option("--dry-run", "dry", is_flag=True, help="Change nothing; say what would happen.")
_TELL_S = 5.0


def _moment(
    ctx: click.Context,  # noqa: ARG001 (click's signature)
    param: click.Parameter,  # noqa: ARG001 (click's signature)
    value: str | None,
) -> datetime | None:
    """Return an option's time; click words the refusal."""
    try:
        return None if value is None else parse_time(value)
    except ValueError as error:
        raise click.BadParameter(str(error)) from error


def _choosing(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command the filters, as one argument ``choice``."""

    def gather(
        reason: str | None,
        topic: str | None,
        gateway: str | None,
        device: str | None,
        since: datetime | None,
        **others: Any,
    ) -> None:
        choice = Choice(reason=reason, topic=topic, gateway=gateway, device=device, since=since)
        command(choice=choice, **others)

    gather.__name__, gather.__doc__ = command.__name__, command.__doc__
    gather.__click_params__ = getattr(command, "__click_params__", [])  # type: ignore[attr-defined]
    for option in (
        click.option("--since", callback=_moment, help="Received at this time or later, RFC 3339."),
        click.option("--device", help="Of this device."),
        click.option("--gateway", help="Sent by this gateway."),
        click.option("--topic", help="Whose topic begins like this."),
        click.option(
            "--reason", type=click.Choice([str(r) for r in RejectReason]), help="With this reason."
        ),
    ):
        gather = option(gather)
    return gather


@click.group()
def rejected() -> None:
    """List, show, retry and drop what was refused."""


@rejected.command("list")
@_choosing
@click.option("--each", is_flag=True, help="Single rejects, the newest first, not groups.")
@click.option("--unknown", is_flag=True, help="Names heard of that are not registered.")
@click.option("--limit", type=click.IntRange(1, 100_000), default=100, show_default=True)
@_STATE
@_JSON
@click.pass_obj
def list_rejected(
    invocation: Invocation,
    *,
    choice: Choice,
    each: bool,
    unknown: bool,
    limit: int,
    state: str,
    as_json: bool,
) -> None:
    """List what was refused, grouped by reason and device or topic."""
    if each and unknown:
        raise UsageError("--each and --unknown are two different lists", remedy="give one of them")
    choice = replace(choice, state=state)
    with _database(invocation) as conn:
        # One more than is shown tells whether there are more.
        if each:
            rows, table = (
                rejected_listing.each(conn, choice, limit + 1),
                rejected_listing.each_table,
            )
        elif unknown:
            rows, table = (
                rejected_listing.unknown(conn, choice, limit + 1),
                rejected_listing.unknown_table,
            )
        else:
            rows, table = (
                rejected_listing.overview(conn, choice, limit + 1),
                rejected_listing.overview_table,
            )
    if as_json:
        click.echo(_as_json(rows[:limit]))
    elif rows:
        click.echo(table(rows[:limit]))
        if len(rows) > limit:
            click.echo(f"… and more than these {limit}: raise --limit, or filter")
    else:
        click.echo("nothing")


@rejected.command()
@click.argument("rejected_id", type=int)
@click.option("--full", is_flag=True, help="All of the payload and every record.")
@click.option("--raw", is_flag=True, help="Write the payload's bytes and nothing else.")
@_JSON
@click.pass_obj
def show(invocation: Invocation, rejected_id: int, *, full: bool, raw: bool, as_json: bool) -> None:
    """Show everything that is known of one reject."""
    with _database(invocation) as conn:
        row = rejected_listing.one(conn, rejected_id)
    if raw:
        sys.stdout.buffer.write(row["payload"])
        return
    if not as_json:
        click.echo(rejected_listing.sheet(row, full=full))
        return
    payload = row.pop("payload")
    records = rejected_listing.decoded(payload, row["content_type"], row["received_at"])
    row["payload"] = rejected_listing.escaped(payload)
    row["payload_base64"] = base64.b64encode(payload).decode()
    row["records"] = records if isinstance(records, list) else None
    click.echo(_as_json(row))


@rejected.command()
@_choosing
@click.option("--id", "ids", type=int, multiple=True, help="This one; may be given again.")
@click.option("--all", "everything", is_flag=True, help="All that is open.")
@_DRY
@_JSON
@click.pass_obj
def retry(
    invocation: Invocation,
    *,
    choice: Choice,
    ids: tuple[int, ...],
    everything: bool,
    dry: bool,
    as_json: bool,
) -> None:
    """Read open rejects again with today's registry and store what is good now.

    The readings are stored as backfill and raise no alarm. What is still bad stays.
    """
    choice = replace(choice, ids=ids)
    if choice.is_everything != everything:
        raise UsageError(
            "say which rejects are meant", remedy="give a filter such as --device, or --all alone"
        )
    cfg = invocation.load(IngestConfig).get(IngestConfig)
    with _database(invocation) as conn:
        judge = belated.judge_of(conn, cfg)
        work = Retry(conn=conn, judge=judge, now_us=lambda: time.time_ns() // 1000, dry=dry)
        report = work.run(choice, _teller())
    still = dict(sorted(report.still.items()))
    if as_json:
        found = {
            "rejects": report.rejects,
            "stored": report.stored,
            "duplicates": report.duplicates,
            "still_rejected": still,
            "dry_run": dry,
        }
        click.echo(json.dumps(found))
        return
    kept = ", ".join(f"{number} {reason}" for reason, number in still.items())
    click.echo(
        f"{_would(dry)}{report.rejects} rejects read again: {report.stored} readings stored, "
        f"{report.duplicates} there already, {report.still.total()} still rejected"
        + (f" ({kept})" if kept else "")
    )


@rejected.command("drop")
@_choosing
@click.option("--id", "ids", type=int, multiple=True, help="This one; may be given again.")
@_DRY
@_JSON
@click.pass_obj
def drop_rejected(
    invocation: Invocation, *, choice: Choice, ids: tuple[int, ...], dry: bool, as_json: bool
) -> None:
    """Give up open rejects; the rows stay until retention deletes them."""
    choice = replace(choice, ids=ids)
    if choice.is_everything:
        raise UsageError("say which rejects are to be dropped", remedy="give at least one filter")
    with _database(invocation) as conn:
        rejects, readings = drop(conn, choice, dry=dry)
    if as_json:
        click.echo(json.dumps({"rejects": rejects, "readings": readings, "dry_run": dry}))
    else:
        click.echo(f"{_would(dry)}{rejects} rejects dropped, of {readings} readings")


@contextmanager
def _database(invocation: Invocation) -> Iterator[Connection[Any]]:
    database = invocation.load(DatabaseConfig).get(DatabaseConfig)
    with connect(database, autocommit=True, application_name="blocktwin ingest rejected") as conn:
        migrate.require_current(conn)
        try:
            yield conn
        except psycopg.OperationalError as error:
            raise DatabaseAway(f"the database went away: {error}") from error


def _teller() -> Callable[[Report], None]:
    """Return what says every few seconds how far it is."""
    told = time.monotonic()

    def tell(report: Report) -> None:
        nonlocal told
        if time.monotonic() - told >= _TELL_S:
            told = time.monotonic()
            click.echo(f"{report.rejects} rejects, {report.stored} readings stored …", err=True)

    return tell


def _would(dry: bool) -> str:
    return "dry run, nothing changed: " if dry else ""


def _as_json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, default=_plain)


def _plain(value: Any) -> str:
    return str(value.isoformat()) if hasattr(value, "isoformat") else str(value)
