"""What the ``map`` commands share: options, the database, and how they speak."""

from __future__ import annotations

import getpass
import json
from collections.abc import Iterable
from typing import Any

import click

from core.config import DatabaseConfig, Invocation

AS_JSON = click.option("--json", "as_json", is_flag=True, help="One JSON value.")
DRY_RUN = click.option("--dry-run", is_flag=True, help="Say what would be done, and do nothing.")
NOTE = click.option("--note", default="", help="One sentence for those who look later.")
WHO = click.option("--as", "actor", default="", help="Who does it; the system's user if not given.")


def database(invocation: Invocation) -> Any:
    """Return an autocommit connection to a database of the right schema."""
    from core.db import migrate, pool

    cfg = invocation.load(DatabaseConfig).get(DatabaseConfig)
    conn = pool.connect(cfg, autocommit=True, application_name="blocktwin map")
    migrate.require_current(conn)
    return conn


def who(actor: str) -> str:
    """Return who does it."""
    return actor or getpass.getuser()


def tell(text: str) -> None:
    """Say to the person who waits how far it is."""
    click.echo(text, err=True)


def say(content: Any, lines: Iterable[str], *, as_json: bool) -> None:
    """Print as JSON or as text."""
    if as_json:
        click.echo(json.dumps(content, ensure_ascii=False, default=str))
        return
    for line in lines:
        click.echo(line)
