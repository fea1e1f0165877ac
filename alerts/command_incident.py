"""``blocktwin incident``."""

from __future__ import annotations

import getpass
import json
from datetime import UTC, datetime, timedelta
from typing import Any

import click
from psycopg import Connection

from alerts.desk import listing, printing
from alerts.desk.config import DeskConfig
from alerts.desk.listing import Wanted
from alerts.desk.report import alarm_report
from core.config import DatabaseConfig, Invocation
from core.db.pool import connect
from core.errors import UsageError
from core.model import Field, parse_time

_JSON = click.option("--json", "as_json", is_flag=True, help="Print JSON.")
_DAYS = 7


@click.group()
def incident() -> None:
    """List and show incidents, and report what the alarms cost."""


@incident.command("list")
@click.option("--state", type=click.Choice(["open", "closed", "all"]), default="open")
@click.option("--field", type=click.Choice([str(field) for field in Field]), default=None)
@click.option("--space", default=None, help="Code of a space: it and all that lies in it.")
@click.option("--least", type=click.IntRange(1, 10_000), default=1, help="Of so many alarms.")
@click.option("--limit", type=click.IntRange(1, 10_000), default=100, show_default=True)
@_JSON
@click.pass_obj
def list_incidents(
    invocation: Invocation, *, state: str, field: str | None, space: str | None, least: int,
    limit: int, as_json: bool,
) -> None:  # fmt: skip
    """List the newest incidents."""
    wanted = Wanted(
        state=None if state == "all" else state,
        field=field,
        space=space,
        least=least,
        limit=limit,
    )
    with _database(invocation) as conn:
        rows = listing.incidents(conn, wanted)
    click.echo(_as_json(rows) if as_json else listing.table(rows))


@incident.command()
@click.argument("incident_id")
@_JSON
@click.pass_obj
def show(invocation: Invocation, incident_id: str, *, as_json: bool) -> None:
    """Show one incident and its alarms."""
    with _database(invocation) as conn:
        row = listing.incident(conn, incident_id)
    click.echo(_as_json(row) if as_json else listing.sheet(row))


@incident.command()
@click.argument("incident_id")
@click.option("--as", "actor", default="", help="Who does it; the system's user if not given.")
@click.option("--note", default="", help="A sentence for the history.")
@click.pass_obj
def ack(invocation: Invocation, incident_id: str, actor: str, note: str) -> None:
    """Say that somebody takes care of all visible alarms of an incident."""
    with _database(invocation) as conn:
        done = listing.take_up(conn, incident_id, actor or getpass.getuser(), note)
    click.echo(f"acknowledged {done} alarms of {incident_id}")


@incident.command()
@click.option("--from", "begin", default="", help="Start, inclusive; a week before the end.")
@click.option("--to", "end", default="", help="End, exclusive, such as 2026-07-08T00:00:00+08:00.")
@click.option("--operators", type=click.IntRange(1, 1000), default=None, help="Instead of [desk].")
@_JSON
@click.pass_obj
def report(
    invocation: Invocation, *, begin: str, end: str, operators: int | None, as_json: bool
) -> None:
    """Report what the alarms cost: rates, floods, chatter, worst sources, how many were true."""
    now = datetime.now(UTC)
    until = _time(end, "--to") if end else now
    since = _time(begin, "--from") if begin else until - timedelta(days=_DAYS)
    operators = operators or invocation.load(DeskConfig).get(DeskConfig).operators
    with _database(invocation) as conn:
        found = alarm_report(conn, since, until, operators, now=now)
    click.echo(_as_json(found) if as_json else printing.text(found))


def _time(text: str, option: str) -> datetime:
    try:
        return parse_time(text).astimezone(UTC)
    except ValueError as error:
        raise UsageError(
            f"{option}: {text!r} is no time with an offset",
            remedy="write it like 2026-07-01T08:00:00+08:00",
        ) from error


def _database(invocation: Invocation) -> Connection[Any]:
    database = invocation.load(DatabaseConfig).get(DatabaseConfig)
    return connect(database, autocommit=True, application_name="blocktwin incident")


def _as_json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, default=_plain)


def _plain(value: Any) -> str:
    return str(value.isoformat()) if hasattr(value, "isoformat") else str(value)
