"""``blocktwin rule``, ``blocktwin alarm`` and ``blocktwin notify``."""

from __future__ import annotations

import asyncio
import getpass
import json
import logging
import signal
import sys
from pathlib import Path
from typing import Any

import click
from psycopg import Connection

from alerts import listing, rulebook, store
from alerts.config import AlertsConfig, NotifyConfig
from alerts.notify.channels import channels_of
from alerts.notify.run import Notifier
from alerts.rules import Rule, body
from core.config import DatabaseConfig, Invocation, LogConfig
from core.db import migrate
from core.db.pool import connect
from core.health import serve_health
from core.log import setup
from core.model import CloseCause, Field

log = logging.getLogger(__name__)

_CAUSES = [str(cause) for cause in CloseCause if cause is not CloseCause.RETURNED]
_AS = click.option("--as", "actor", default="", help="Who does it; the system's user if not given.")
_NOTE = click.option("--note", default="", help="A sentence for the history.")
_JSON = click.option("--json", "as_json", is_flag=True, help="Print JSON.")


@click.group()
def rule() -> None:
    """Check and list alarm rules."""


@rule.command()
@click.argument("files", nargs=-1, type=click.Path(path_type=Path))
@_JSON
@click.pass_obj
def check(invocation: Invocation, files: tuple[Path, ...], *, as_json: bool) -> None:
    """Check rule files; without FILES the ones that the worker would load."""
    rules = rulebook.read_files(files) if files else _configured(invocation)
    if as_json:
        click.echo(json.dumps({"rules": len(rules)}))
    else:
        click.echo(f"{len(rules)} rules, all usable")


@rule.command("list")
@_JSON
@click.pass_obj
def list_rules(invocation: Invocation, *, as_json: bool) -> None:
    """List the rules that the worker would load."""
    rules = _configured(invocation)
    if as_json:
        click.echo(json.dumps([body(each) for each in rules], ensure_ascii=False))
        return
    for each in rules:
        steps = " ".join(_step(level.severity, level.raise_at) for level in each.levels)
        click.echo(f"{each.id:26}{each.field:9}{each.type:17}{steps:48}{each.name.zh}")


@click.group()
def alarm() -> None:
    """List, show, acknowledge and close alarms."""


@alarm.command("list")
@click.option("--state", type=click.Choice(["open", "closed", "all"]), default="open")
@click.option("--field", type=click.Choice([str(field) for field in Field]), default=None)
@click.option("--limit", type=click.IntRange(1, 10_000), default=100, show_default=True)
@_JSON
@click.pass_obj
def list_alarms(
    invocation: Invocation, *, state: str, field: str | None, limit: int, as_json: bool
) -> None:
    """List the newest alarms."""
    closed = {"open": False, "closed": True, "all": None}[state]
    with _database(invocation) as conn:
        rows = listing.alarms(conn, closed=closed, field=field, limit=limit)
    click.echo(_as_json(rows) if as_json else listing.table(rows))


@alarm.command()
@click.argument("alarm_id")
@_JSON
@click.pass_obj
def show(invocation: Invocation, alarm_id: str, *, as_json: bool) -> None:
    """Show one alarm and its history."""
    with _database(invocation) as conn:
        row = listing.alarm(conn, alarm_id)
    click.echo(_as_json(row) if as_json else listing.sheet(row))


@alarm.command()
@click.argument("alarm_id")
@_AS
@_NOTE
@click.pass_obj
def ack(invocation: Invocation, alarm_id: str, actor: str, note: str) -> None:
    """Say that somebody takes care of an alarm."""
    with _database(invocation) as conn:
        store.acknowledge(conn, alarm_id, actor or getpass.getuser(), note)
    click.echo(f"acknowledged {alarm_id}")


@alarm.command()
@click.argument("alarm_id")
@click.option(
    "--cause", type=click.Choice(_CAUSES), required=True, help="What it turned out to be."
)
@_AS
@_NOTE
@click.pass_obj
def close(invocation: Invocation, alarm_id: str, cause: str, actor: str, note: str) -> None:
    """Close an alarm."""
    with _database(invocation) as conn:
        store.close(conn, alarm_id, actor or getpass.getuser(), CloseCause(cause), note)
    click.echo(f"closed {alarm_id}")


@click.command()
@click.pass_obj
def notify(invocation: Invocation) -> None:
    """Deliver alarm events to the configured channels until told to stop."""
    loaded = invocation.load(NotifyConfig, DatabaseConfig, LogConfig)
    setup(loaded.get(LogConfig), sys.stderr)
    asyncio.run(_notify(loaded.get(NotifyConfig), loaded.get(DatabaseConfig)))


async def _notify(cfg: NotifyConfig, database: DatabaseConfig) -> None:
    channels = channels_of(cfg)
    if not channels:
        log.warning("no channels in [notify]: nobody is told of alarms beyond the page")
    with connect(database, autocommit=True, application_name="blocktwin notify start") as conn:
        migrate.require_current(conn)
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    notifier = Notifier(cfg=cfg, database=database, channels=channels, stop=stop)
    checks = {"database": lambda: notifier.database_ok}
    async with serve_health(
        cfg.http_host, cfg.http_port, checks=checks, metrics=notifier.metrics.text
    ) as port:
        log.info("health and metrics on http://%s:%d", cfg.http_host, port)
        await notifier.run()


def _configured(invocation: Invocation) -> list[Rule]:
    folder = invocation.load(AlertsConfig).get(AlertsConfig).rules_dir
    return rulebook.read_folder(Path(folder)) if folder else rulebook.read_packaged()


def _database(invocation: Invocation) -> Connection[Any]:
    database = invocation.load(DatabaseConfig).get(DatabaseConfig)
    return connect(database, autocommit=True, application_name="blocktwin alarm")


def _step(severity: str, raise_at: float | None) -> str:
    return severity if raise_at is None else f"{severity} {raise_at:g}"


def _as_json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, default=_plain)


def _plain(value: Any) -> str:
    return str(value.isoformat()) if hasattr(value, "isoformat") else str(value)
