"""``blocktwin maintain``, ``blocktwin db retain`` and ``blocktwin db verify``."""

from __future__ import annotations

import asyncio
import json
import logging
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

import click
import psycopg
from psycopg import Connection

from core.config import DatabaseConfig, Invocation, LogConfig
from core.db import migrate
from core.db.pool import connect
from core.db.upkeep import editions, retention, rollups, verification
from core.db.upkeep.config import UpkeepConfig
from core.db.upkeep.process import Turn, Upkeep
from core.db.upkeep.retention import Freed
from core.errors import DatabaseAway, Transient, UsageError
from core.health import serve_health
from core.log import setup
from core.model import parse_time

log = logging.getLogger(__name__)

_JSON = click.option("--json", "as_json", is_flag=True, help="One JSON object.")


class _Time(click.ParamType[datetime]):
    """A time as RFC 3339 writes it, with its offset."""

    name = "time"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> datetime:
        """Return the time."""
        if isinstance(value, datetime):
            return value
        try:
            return parse_time(str(value))
        except ValueError as error:
            self.fail(str(error), param, ctx)


@click.command()
@click.option("--once", is_flag=True, help="Do what is due now, then end.")
@click.option(
    "--rebuild",
    nargs=2,
    type=_Time(),
    metavar="FROM TO",
    help="Make every rollup between two times anew from what is stored, then end.",
)
@_JSON
@click.pass_obj
def maintain(
    invocation: Invocation, *, once: bool, rebuild: tuple[datetime, datetime] | None, as_json: bool
) -> None:
    """Keep rollups fresh and delete what is past its time, until told to stop.

    A stop breaks off the statement under way; nothing of it remains, and the next start does it.
    """
    loaded = invocation.load(UpkeepConfig, DatabaseConfig, LogConfig)
    setup(loaded.get(LogConfig), sys.stderr)
    cfg, database = loaded.get(UpkeepConfig), loaded.get(DatabaseConfig)
    if rebuild is not None:
        _rebuild(invocation, rebuild, as_json=as_json)
    elif once:
        _once(Upkeep(cfg=cfg, database=database, clock=_now), as_json=as_json)
    else:
        asyncio.run(_serve(Upkeep(cfg=cfg, database=database, clock=_now)))


@click.command()
@click.option("--dry-run", is_flag=True, help="Only say what would be deleted.")
@_JSON
@click.pass_obj
def retain(invocation: Invocation, *, dry_run: bool, as_json: bool) -> None:
    """Delete what is past its time, and say what it freed."""
    cfg = invocation.load(UpkeepConfig).get(UpkeepConfig)
    with _connected(invocation) as conn:
        freed = retention.retain(conn, cfg, _now(), dry_run=dry_run)
    if as_json:
        size = sum(line.size for line in freed)
        tables = [_freed(line) for line in freed]
        click.echo(json.dumps({"dry_run": dry_run, "bytes": size, "tables": tables}))
        return
    for line in freed:
        click.echo(_sentence(line, dry_run=dry_run))
    if not freed:
        click.echo("nothing has a limit: every table is kept for ever (section [upkeep])")


@click.command()
@click.option(
    "--sample",
    type=click.IntRange(0, 1_000_000),
    default=100,
    show_default=True,
    help="How many series, each on a day drawn by chance, are made anew and compared.",
)
@click.option("--from", "from_at", type=_Time(), help="Compare all series from this time on …")
@click.option("--to", "to_at", type=_Time(), help="… up to this one, instead of a sample.")
@_JSON
@click.pass_obj
def verify(
    invocation: Invocation,
    *,
    sample: int,
    from_at: datetime | None,
    to_at: datetime | None,
    as_json: bool,
) -> None:
    """Check that the accounts and rollups agree with the readings; exit 1 when something is off."""
    if (from_at is None) != (to_at is None):
        raise UsageError("--from and --to belong together", remedy="give both, or neither")
    span = None if from_at is None or to_at is None else (from_at, to_at)
    with _connected(invocation) as conn:
        checks = verification.verify(conn, _now(), sample=sample, span=span)
    findings = [finding for check in checks for finding in check.findings]
    if as_json:
        click.echo(json.dumps({"ok": not findings, "checks": [asdict(check) for check in checks]}))
    else:
        for check in checks:
            click.echo(f"{'FAULT' if check.findings else 'ok':6}{check.name}: {check.note}")
            for finding in check.findings:
                click.echo(f"      {finding.text}\n      -> {finding.remedy}")
    raise SystemExit(1 if findings else 0)


async def _serve(upkeep: Upkeep) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    cfg = upkeep.cfg
    async with serve_health(
        cfg.http_host,
        cfg.http_port,
        checks={"database": lambda: upkeep.alive},
        metrics=upkeep.metrics.text,
    ) as port:
        log.info("health and metrics on http://%s:%d", cfg.http_host, port)
        await upkeep.run(stop)


def _once(upkeep: Upkeep, *, as_json: bool) -> None:
    try:
        done = upkeep.turn()
    except psycopg.OperationalError as error:
        raise Transient(f"the upkeep was cut off: {str(error).strip()}") from error
    finally:
        upkeep.close()
    if as_json:
        freed = [_freed(line) for line in done.freed]
        click.echo(json.dumps({"rows": done.rows, "aside": done.aside, "freed": freed}))
        return
    click.echo(_what(done))
    for line in done.freed:
        click.echo(_sentence(line, dry_run=False))


def _what(done: Turn) -> str:
    if done.aside:
        return "another process keeps the rollups just now"
    if not done.rows:
        return "the database keeps the rollups by itself"
    return "rows made or changed: " + ", ".join(
        f"{number} of {name}" for name, number in done.rows.items()
    )


def _rebuild(invocation: Invocation, span: tuple[datetime, datetime], *, as_json: bool) -> None:
    if span[0] >= span[1]:
        raise UsageError("FROM is not before TO", remedy="give the earlier time first")
    made: dict[str, int] = {}
    with _connected(invocation) as conn:
        if editions.rollups(conn) != editions.OURS:
            raise UsageError(
                "the database keeps its rollups by itself",
                remedy="run in psql: CALL refresh_continuous_aggregate('reading_1m', FROM, TO)",
            )
        for level, reached, rows in rollups.rebuild(conn, span):
            made[level] = made.get(level, 0) + rows
            log.info("%s: made anew up to %s, %d rows", level, reached.isoformat(), rows)
    if as_json:
        click.echo(json.dumps({"rows": made}))
    else:
        rows_text = ", ".join(f"{number} of {name}" for name, number in made.items())
        click.echo(f"rows made anew: {rows_text or 'none'}")


@contextmanager
def _connected(invocation: Invocation) -> Iterator[Connection[Any]]:
    """Yield a connection to a current store, on which statements may take their time."""
    database = invocation.load(DatabaseConfig).get(DatabaseConfig)
    with connect(database, autocommit=True, application_name="blocktwin db") as conn:
        try:
            migrate.require_current(conn)
            rollups.prepare(conn)
            rollups.allow(conn, 0)
            yield conn
        except psycopg.errors.LockNotAvailable as error:
            raise Transient(
                f"a table is in use: {str(error).splitlines()[0]}", remedy="try again in a minute"
            ) from error
        except psycopg.OperationalError as error:
            raise DatabaseAway(f"the database went away: {str(error).strip()}") from error


def _freed(line: Freed) -> dict[str, Any]:
    return {
        "table": line.table,
        "chunks": line.chunks,
        "rows": line.rows,
        "bytes": line.size,
        "from": line.from_at.isoformat() if line.from_at else None,
        "to": line.to_at.isoformat() if line.to_at else None,
        "held": line.held,
    }


def _sentence(line: Freed, *, dry_run: bool) -> str:
    held = f"; {line.held}" if line.held else ""
    if not line.rows and not line.chunks:
        return f"{line.table}: nothing is past its time{held}"
    about = "about " if line.chunks else ""
    span = f"{line.from_at:%Y-%m-%d} to {line.to_at:%Y-%m-%d}" if line.from_at else ""
    return (
        f"{line.table}: {'would delete' if dry_run else 'deleted'} {about}{line.rows:,} rows "
        f"({span}), {line.size / 1e6:,.1f} MB{held}"
    )


def _now() -> datetime:
    return datetime.now(UTC)
