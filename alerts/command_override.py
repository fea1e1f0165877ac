"""``blocktwin rule override``: what holds for single devices."""

from __future__ import annotations

import getpass
from typing import Any

import click
import msgspec
from psycopg import Connection

from alerts import overrides, rule_listing
from alerts.rules import Level, Override
from core.config import DatabaseConfig, Invocation
from core.db.pool import connect
from core.errors import UsageError
from core.model import parse_time

_JSON = click.option("--json", "as_json", is_flag=True, help="Print JSON.")
_AS = click.option(
    "--as", "author", default="", help="Who does it; the system's user if not given."
)
_DRY = click.option("--dry-run", is_flag=True, help="Only check it.")


@click.group()
def override() -> None:
    """Say what holds for single devices instead of what a rule says."""


@override.command("list")
@click.option("--rule", "rule_id", default=None, help="Of this rule only.")
@click.option("--device", default=None, help="For this device only.")
@click.option("--ever", is_flag=True, help="Also those that have ended.")
@click.option("--limit", type=click.IntRange(1, 10_000), default=200, show_default=True)
@_JSON
@click.pass_obj
def list_overrides(
    invocation: Invocation,
    *,
    rule_id: str | None,
    device: str | None,
    ever: bool,
    limit: int,
    as_json: bool,
) -> None:
    """List overrides, the newest first."""
    with _database(invocation) as conn:
        rows = overrides.listed(conn, rule_id=rule_id, device_id=device, ever=ever, limit=limit)
    if as_json:
        words = [rule_listing.override_word(row) for row in rows]
        click.echo(msgspec.json.encode({"overrides": words}).decode())
    else:
        for line in rule_listing.override_lines(rows):
            click.echo(line)


@override.command("set")
@click.argument("pair", nargs=2, metavar="RULE_ID DEVICE_ID")
@click.option(
    "--level",
    "levels",
    multiple=True,
    metavar="SEVERITY:RAISE:CLEAR",
    help="One step of the ladder that holds instead, as in orange:62:55; repeat it.",
)
@click.option("--off", is_flag=True, help="The rule does not judge the device at all.")
@click.option("--reason", required=True, help="Why this device is different.")
@click.option("--until", default=None, help="When it ends by itself, RFC 3339 with offset.")
@_AS
@_DRY
@click.pass_obj
def set_override(
    invocation: Invocation,
    pair: tuple[str, str],
    *,
    levels: tuple[str, ...],
    off: bool,
    reason: str,
    until: str | None,
    author: str,
    dry_run: bool,
) -> None:
    """Let other limits hold for a device, or none; running workers take it over at once."""
    rule_id, device_id = pair
    what = Override(
        rule_id=rule_id,
        device_id=device_id,
        levels=tuple(map(_level, levels)),
        enabled=not off,
    )
    try:
        end = parse_time(until) if until else None
    except ValueError as error:
        raise UsageError(f"--until: {error}") from error
    with _database(invocation) as conn:
        overrides.put(
            conn,
            what,
            author=author or getpass.getuser(),
            reason=reason,
            until=end,
            dry_run=dry_run,
        )
    click.echo(f"{'would hold' if dry_run else 'holds'} for {device_id}: rule {rule_id}")


@override.command("clear")
@click.argument("rule_id")
@click.argument("device_id")
@_AS
@_DRY
@click.pass_obj
def clear_override(
    invocation: Invocation, rule_id: str, device_id: str, *, author: str, dry_run: bool
) -> None:
    """End an override: the rule's own ladder holds again."""
    with _database(invocation) as conn:
        overrides.end(conn, rule_id, device_id, by=author or getpass.getuser(), dry_run=dry_run)
    click.echo(f"{'would end' if dry_run else 'ended'} for {device_id}: rule {rule_id}")


def _level(said: str) -> Level:
    """Read one ``SEVERITY:RAISE:CLEAR``."""
    try:
        severity, raise_at, clear_at = said.split(":")
        plain = {"severity": severity, "raise": float(raise_at), "clear": float(clear_at)}
        return msgspec.convert(plain, Level)
    except (ValueError, msgspec.ValidationError) as error:
        raise UsageError(
            f"--level {said!r} is no SEVERITY:RAISE:CLEAR", remedy="write it like orange:62:55"
        ) from error


def _database(invocation: Invocation) -> Connection[Any]:
    database = invocation.load(DatabaseConfig).get(DatabaseConfig)
    return connect(database, autocommit=True, application_name="blocktwin rule override")
