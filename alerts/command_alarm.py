"""``blocktwin alarm``."""

from __future__ import annotations

import getpass
import json
from datetime import timedelta
from typing import Any

import click
from psycopg import Connection

from alerts import listing, store
from alerts.book import LONGEST_SHELF
from core.config import DatabaseConfig, Invocation
from core.db.pool import connect
from core.model import CloseCause, Field

_CAUSES = [str(cause) for cause in CloseCause if cause is not CloseCause.RETURNED]
_LONGEST_MIN = LONGEST_SHELF // timedelta(minutes=1)
_AS = click.option("--as", "actor", default="", help="Who does it; the system's user if not given.")
_NOTE = click.option("--note", default="", help="A sentence for the history.")
_WHY = click.option("--why", required=True, help="The reason, for the history.")
_JSON = click.option("--json", "as_json", is_flag=True, help="Print JSON.")
_ID = click.argument("alarm_id")


@click.group()
def alarm() -> None:
    """List and show alarms, and do what people do to them."""


@alarm.command("list")
@click.option("--state", type=click.Choice(["open", "closed", "all"]), default="open")
@click.option("--field", type=click.Choice([str(field) for field in Field]), default=None)
@click.option(
    "--hidden",
    type=click.Choice(["no", "only", "any"]),
    default="any",
    show_default=True,
    help="Those that are shelved, suppressed or out of service.",
)
@click.option("--limit", type=click.IntRange(1, 10_000), default=100, show_default=True)
@_JSON
@click.pass_obj
def list_alarms(
    invocation: Invocation, *, state: str, field: str | None, hidden: str, limit: int, as_json: bool
) -> None:
    """List the newest alarms."""
    closed = {"open": False, "closed": True, "all": None}[state]
    unseen = {"no": False, "only": True, "any": None}[hidden]
    with _database(invocation) as conn:
        rows = listing.alarms(conn, closed=closed, field=field, hidden=unseen, limit=limit)
    click.echo(_as_json(rows) if as_json else listing.table(rows))


@alarm.command()
@_ID
@_JSON
@click.pass_obj
def show(invocation: Invocation, alarm_id: str, *, as_json: bool) -> None:
    """Show one alarm and its history."""
    with _database(invocation) as conn:
        row = listing.alarm(conn, alarm_id)
    click.echo(_as_json(row) if as_json else listing.sheet(row))


@alarm.command()
@click.argument("alarm_ids", nargs=-1, required=True)
@_AS
@_NOTE
@click.pass_obj
def ack(invocation: Invocation, alarm_ids: tuple[str, ...], actor: str, note: str) -> None:
    """Say that somebody takes care of one or more alarms.

    Of several those that can be are acknowledged; exit code 1 if any could not be.
    """
    with _database(invocation) as conn:
        became = store.acknowledge_all(conn, alarm_ids, _who(actor), note)
    for name in became.done:
        click.echo(f"acknowledged {name}")
    for name, why in became.refused.items():
        click.echo(f"error: {name}: {why}", err=True)
    if became.refused:
        raise click.exceptions.Exit(1)


@alarm.command()
@_ID
@click.option("--to", required=True, help="Who is to look after it; empty: nobody any more.")
@_AS
@_NOTE
@click.pass_obj
def assign(invocation: Invocation, alarm_id: str, to: str, actor: str, note: str) -> None:
    """Say who is to look after an alarm."""
    with _database(invocation) as conn:
        store.assign(conn, alarm_id, _who(actor), to, note)
    click.echo(f"assigned {alarm_id} to {to or 'nobody'}")


@alarm.command()
@_ID
@_AS
@click.option("--note", required=True, help="The sentence.")
@click.pass_obj
def comment(invocation: Invocation, alarm_id: str, actor: str, note: str) -> None:
    """Add a sentence to the history of an alarm."""
    with _database(invocation) as conn:
        store.comment(conn, alarm_id, _who(actor), note)
    click.echo(f"commented on {alarm_id}")


@alarm.command()
@_ID
@click.option(
    "--minutes", type=click.IntRange(1, _LONGEST_MIN), required=True, help="For how long."
)
@_WHY
@_AS
@click.pass_obj
def shelve(invocation: Invocation, alarm_id: str, minutes: int, why: str, actor: str) -> None:
    """Hide an alarm for a while; it comes back earlier if it gets worse."""
    with _database(invocation) as conn:
        store.shelve(conn, alarm_id, _who(actor), timedelta(minutes=minutes), why)
    click.echo(f"shelved {alarm_id} for {minutes} min")


@alarm.command()
@_ID
@_AS
@_NOTE
@click.pass_obj
def unshelve(invocation: Invocation, alarm_id: str, actor: str, note: str) -> None:
    """Show a shelved alarm again."""
    with _database(invocation) as conn:
        store.unshelve(conn, alarm_id, _who(actor), note)
    click.echo(f"unshelved {alarm_id}")


@alarm.command()
@_ID
@click.option("--by", required=True, help="What it follows from: gateway:ID, alarm:UUID, …")
@_WHY
@_AS
@click.pass_obj
def suppress(invocation: Invocation, alarm_id: str, by: str, why: str, actor: str) -> None:
    """Hide an alarm that is the consequence of something else."""
    with _database(invocation) as conn:
        store.suppress(conn, alarm_id, by, why, actor=_who(actor))
    click.echo(f"suppressed {alarm_id}")


@alarm.command()
@_ID
@_AS
@_NOTE
@click.pass_obj
def unsuppress(invocation: Invocation, alarm_id: str, actor: str, note: str) -> None:
    """Show a suppressed alarm again; one that has returned is closed."""
    with _database(invocation) as conn:
        store.unsuppress(conn, alarm_id, actor=_who(actor), note=note)
    click.echo(f"unsuppressed {alarm_id}")


@alarm.command("out-of-service")
@_ID
@click.option("--work-order", required=True, help="Under which the device is worked on.")
@_WHY
@_AS
@click.pass_obj
def out_of_service(
    invocation: Invocation, alarm_id: str, work_order: str, why: str, actor: str
) -> None:
    """Hide an alarm while its device is worked on."""
    with _database(invocation) as conn:
        store.take_out_of_service(conn, alarm_id, _who(actor), work_order, why)
    click.echo(f"took {alarm_id} out of service")


@alarm.command("in-service")
@_ID
@_AS
@_NOTE
@click.pass_obj
def in_service(invocation: Invocation, alarm_id: str, actor: str, note: str) -> None:
    """Show an alarm again whose device is back in service."""
    with _database(invocation) as conn:
        store.put_in_service(conn, alarm_id, _who(actor), note)
    click.echo(f"put {alarm_id} back in service")


@alarm.command()
@_ID
@click.option(
    "--cause", type=click.Choice(_CAUSES), required=True, help="What it turned out to be."
)
@_AS
@_NOTE
@click.pass_obj
def close(invocation: Invocation, alarm_id: str, cause: str, actor: str, note: str) -> None:
    """Close an alarm."""
    with _database(invocation) as conn:
        store.close(conn, alarm_id, _who(actor), CloseCause(cause), note)
    click.echo(f"closed {alarm_id}")


def _who(actor: str) -> str:
    return actor or getpass.getuser()


def _database(invocation: Invocation) -> Connection[Any]:
    database = invocation.load(DatabaseConfig).get(DatabaseConfig)
    return connect(database, autocommit=True, application_name="blocktwin alarm")


def _as_json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, default=_plain)


def _plain(value: Any) -> str:
    return str(value.isoformat()) if hasattr(value, "isoformat") else str(value)
