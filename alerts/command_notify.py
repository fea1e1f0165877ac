"""``blocktwin notify`` and ``blocktwin roster``."""

from __future__ import annotations

import asyncio
import getpass
import json
import logging
import secrets
import signal
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click
import psycopg

from alerts.config import NotifyConfig
from alerts.desk.config import DeskConfig
from alerts.desk.run import Desk
from alerts.notify import canary, deliveries, rosters, trials
from alerts.notify.canary import Heard
from alerts.notify.channels import Channel
from alerts.notify.duty import Roster, calls
from alerts.notify.keep import kept
from alerts.notify.memory import Memory
from alerts.notify.metrics import Metrics
from alerts.notify.run import Notifier
from alerts.notify.ways import channels_of
from core.config import DatabaseConfig, Invocation, LogConfig, MqttConfig, nearest
from core.db import migrate
from core.db.pool import connect
from core.errors import UsageError
from core.health import serve_health
from core.log import setup

log = logging.getLogger(__name__)

VERDICT_MARGIN_S = 2.0
"""How much longer than the desk's own time an event waits for its verdict, in seconds."""

_FILES = click.Path(exists=True, dir_okay=False, path_type=Path)
_AS = click.option("--as", "by", default=None, help="who does it; the login name when left out")
_JSON = click.option("--json", "as_json", is_flag=True, help="print JSON")
_DRY = click.option("--dry-run", is_flag=True, help="say what would be done, and do nothing")


@click.group(invoke_without_command=True)
@click.pass_context
def notify(ctx: click.Context) -> None:
    """Deliver alarm events to the configured channels until told to stop.

    Joins, hides and damps alarms (section [desk]) in the same process.
    """
    if ctx.invoked_subcommand is not None:
        return
    loaded = ctx.obj.load(NotifyConfig, DeskConfig, DatabaseConfig, MqttConfig, LogConfig)
    setup(loaded.get(LogConfig), sys.stderr)
    asyncio.run(
        _notify(
            loaded.get(NotifyConfig),
            loaded.get(DeskConfig),
            loaded.get(DatabaseConfig),
            loaded.get(MqttConfig),
        )
    )


async def _notify(
    cfg: NotifyConfig, desk: DeskConfig, database: DatabaseConfig, mqtt: MqttConfig
) -> None:
    channels = channels_of(cfg, mqtt)
    if not channels:
        log.warning("no channels in [notify]: nobody is told of alarms beyond the page")
    with connect(database, autocommit=True, application_name="blocktwin notify start") as conn:
        migrate.require_current(conn)
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    metrics = Metrics()
    notifier = Notifier(
        cfg=cfg,
        database=database,
        channels=[*channels, Heard(database=database, heard=metrics.heard)],
        stop=stop,
        mqtt=mqtt if cfg.hear_early else None,
        settle_s=desk.settle_s + VERDICT_MARGIN_S,
        memory=Memory.open(Path(cfg.memory_file)) if cfg.memory_file else Memory(),
        metrics=metrics,
    )
    checks = {"database": lambda: notifier.database_ok}
    if cfg.hear_early:
        mqtt.secret()  # a file that cannot be read is said now, not at the first alarm
        checks["broker"] = lambda: notifier.early is not None and notifier.early.connected
    async with serve_health(
        cfg.http_host, cfg.http_port, checks=checks, metrics=notifier.text
    ) as port:
        log.info("health and metrics on http://%s:%d", cfg.http_host, port)
        async with asyncio.TaskGroup() as tasks:
            keeping = kept("desk", lambda: Desk(desk, database, stop).run(), stop)
            tasks.create_task(keeping, name="desk")
            await notifier.run()


@notify.command("test")
@click.option("--channel", help="only this channel; all when left out")
@click.option("--roster", "roster_id", help="its contacts on duty, not the channels' own receivers")
@_DRY
@_AS
@_JSON
@click.pass_obj
def test_(
    invocation: Invocation,
    channel: str | None,
    roster_id: str | None,
    dry_run: bool,
    by: str | None,
    as_json: bool,
) -> None:
    """Send a test message from here; exits with 1 if somebody did not take it.

    Every receiver is told that it is a test. Nothing of it is kept.
    """
    loaded = invocation.load(NotifyConfig, DatabaseConfig, MqttConfig)
    cfg = loaded.get(NotifyConfig)
    ways = _ways(channels_of(cfg, loaded.get(MqttConfig)), channel)
    now = datetime.now(UTC)
    wanted = _wanted(loaded.get(DatabaseConfig), ways, roster_id, now)
    if not wanted:
        raise UsageError("nobody would be told", remedy="configure receivers, or name a roster")
    key = f"test.{secrets.token_hex(8)}"
    outcome: list[dict[str, Any]] = []
    for number, (way, to) in enumerate(wanted):
        error = ""
        if not dry_run:
            click.echo(f"{way.name} …", err=True)
            error = trials.send(way, f"{key}.{number}", by or _login(), now, cfg.source, to)
        state = "not sent" if dry_run else "failed" if error else "delivered"
        receiver = rosters.masked(str(to["recipient"])) if to else ""
        outcome.append(
            {"channel": way.name, "recipient_masked": receiver, "state": state, "error": error}
        )
    _print(outcome, as_json=as_json)
    sys.exit(1 if any(row["error"] for row in outcome) else 0)


@notify.command("deliveries")
@click.argument("alarm_id")
@_JSON
@click.pass_obj
def deliveries_(invocation: Invocation, alarm_id: str, as_json: bool) -> None:
    """Show who was told of an alarm, when, and who was called for it."""
    with _connection(invocation) as conn:
        found = deliveries.of_alarm(conn, alarm_id)
    if as_json:
        click.echo(json.dumps(found, ensure_ascii=False, default=str))
        return
    click.echo(deliveries.table(found))


@notify.command("canary")
@click.argument("device_id")
@_DRY
@click.pass_obj
def canary_(invocation: Invocation, device_id: str, dry_run: bool) -> None:
    """Let DEVICE carry the dead-man's canary of its gateway, and say what its agent needs."""
    with _connection(invocation) as conn, conn.transaction(force_rollback=dry_run):
        gateway = canary.register(conn, device_id)
    click.echo(f"{device_id} {'would carry' if dry_run else 'carries'} the canary of {gateway}")
    click.echo(f'set canary_device = "{device_id}" in section [agent] of its configuration')


@click.group()
def roster() -> None:
    """Say who is called for which space, and in which order."""


@roster.command("list")
@_JSON
@click.pass_obj
def list_(invocation: Invocation, as_json: bool) -> None:
    """Show the rosters, and who of each is on duty now; addresses are masked."""
    now = datetime.now(UTC)
    with _connection(invocation) as conn:
        rows = rosters.rows(conn)
        found = rosters.rosters(conn)
    if as_json:
        text = {"rosters": [rosters.word(row) for row in rows]}
        click.echo(json.dumps(text, ensure_ascii=False, default=str))
        return
    for each in found:
        names = ", ".join(contact.name for contact in each.on_duty(now)) or "nobody"
        fields = ",".join(each.fields) or "all"
        click.echo(
            f"{each.roster_id:24} {each.level:14} {each.space:20} {fields:12} "
            f"{each.min_severity:7} {each.name.zh} / {each.name.en}; on duty: {names}"
        )


@roster.command("set")
@click.argument("file", type=_FILES)
@_DRY
@_AS
@click.pass_obj
def set_(invocation: Invocation, file: Path, dry_run: bool, by: str | None) -> None:
    """Write the [[roster]] tables of FILE, new or changed; others stay as they are."""
    try:
        text = file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"cannot read {file}: {error}") from error
    found = rosters.parse(text, str(file))
    with _connection(invocation) as conn, conn.transaction(force_rollback=dry_run):
        for each in found:
            for warning in rosters.put(conn, each, by or _login()):
                click.echo(f"{each.roster_id}: {warning}", err=True)
    click.echo(f"{len(found)} {'would be written' if dry_run else 'written'}")


@roster.command("remove")
@click.argument("roster_id")
@_DRY
@click.pass_obj
def remove(invocation: Invocation, roster_id: str, dry_run: bool) -> None:
    """Remove a roster: nobody is called by it any more."""
    with _connection(invocation) as conn, conn.transaction(force_rollback=dry_run):
        rosters.remove(conn, roster_id)
    click.echo(f"{roster_id} {'would be removed' if dry_run else 'removed'}")


def _ways(channels: list[Channel], name: str | None) -> list[Channel]:
    names = [channel.name for channel in channels]
    if name is not None and name not in names:
        raise UsageError(
            f"there is no channel {name!r}",
            remedy=nearest(name, names) if names else "configure one in [notify]",
        )
    return [
        channel
        for channel in channels
        if channel.name == name or (name is None and channel.name != "journal")
    ]


def _wanted(
    database: DatabaseConfig, ways: list[Channel], roster_id: str | None, now: datetime
) -> list[tuple[Channel, dict[str, Any] | None]]:
    if roster_id is None:
        return [(way, {"recipient": own}) for way in ways for own in way.own]
    with connect(database, application_name="blocktwin notify test") as conn:
        known = rosters.rosters(conn)
    named = _named(known, roster_id)
    return [
        (way, {"recipient": call.recipient})
        for call in calls([named], now)
        for way in ways
        if way.name == call.contact.channel
    ]


def _named(known: list[Roster], roster_id: str) -> Roster:
    for each in known:
        if each.roster_id == roster_id:
            return each
    ids = [each.roster_id for each in known]
    raise UsageError(
        f"there is no roster {roster_id!r}", remedy=nearest(roster_id, ids) if ids else ""
    )


def _print(rows: list[dict[str, Any]], *, as_json: bool) -> None:
    if as_json:
        click.echo(json.dumps(rows, ensure_ascii=False))
        return
    for row in rows:
        words = f"{row['channel']} {row['recipient_masked']}".strip()
        click.echo(f"{words}: {row['state']}" + (f": {row['error']}" if row["error"] else ""))


def _connection(invocation: Invocation) -> psycopg.Connection[Any]:
    database = invocation.load(DatabaseConfig).get(DatabaseConfig)
    return connect(database, autocommit=True, application_name="blocktwin notify command")


def _login() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return "somebody"
