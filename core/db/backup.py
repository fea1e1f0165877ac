"""``blocktwin db backup`` and ``blocktwin db restore``."""

from __future__ import annotations

import json
import signal
import sys
from pathlib import Path

import click
import msgspec
from psycopg import ProgrammingError
from psycopg.conninfo import conninfo_to_dict

from core.config import PREFIX, DatabaseConfig, Invocation, load
from core.db import backup_dump, backup_manifest, backup_restore
from core.db.backup_manifest import Manifest, Place
from core.errors import UsageError

_JSON = click.option("--json", "as_json", is_flag=True, help="One JSON object.")
_PATH = click.Path(path_type=Path)


@click.command()
@click.argument("target", metavar="FILE|DIR", type=_PATH)
@click.option(
    "--jobs",
    type=click.IntRange(1, 64),
    default=1,
    show_default=True,
    help="Tables copied at a time; more than one only into a folder.",
)
@_JSON
@click.pass_obj
def backup(invocation: Invocation, target: Path, *, jobs: int, as_json: bool) -> None:
    """Write a backup of the database while everything runs.

    A name that ends in .dump becomes one file with a .json beside it, any other a folder. The
    .json counts every table's rows in the snapshot, and restore counts them again.
    """
    place = Place(target)
    if place.single and jobs > 1:
        raise UsageError(
            "one file is written by one job",
            remedy="name a folder (without .dump), or leave --jobs",
        )
    _end_in_order()
    cfg = invocation.load(DatabaseConfig).get(DatabaseConfig)
    manifest = backup_dump.backup(cfg, place, jobs=jobs, tell=_tell)
    if as_json:
        click.echo(json.dumps({"path": str(target), **_facts(manifest)}))
        return
    click.echo(f"{target}: {_sentence(manifest)}")


@click.command()
@click.argument("source", metavar="FILE|DIR", type=_PATH)
@click.option(
    "--into",
    metavar="DSN|FILE.toml",
    help="An empty database: a connection string without a password (PGPASSFILE and PGPASSWORD "
    "are read), or a configuration file. By default the configured database.",
)
@click.option("--dry-run", is_flag=True, help="Only check the backup and the target.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@_JSON
@click.pass_obj
def restore(
    invocation: Invocation,
    source: Path,
    *,
    into: str | None,
    dry_run: bool,
    yes: bool,
    as_json: bool,
) -> None:
    """Restore a backup into an empty database and count it.

    The files are checked first, then the target's versions and rights; after the restore every
    table must have as many rows as the snapshot had. Let no worker write to it before the end.
    """
    cfg = _target(invocation, into)
    place = Place(source)
    manifest = backup_manifest.read(place)
    _tell(f"checking {manifest.size:,} bytes of {source}")
    backup_manifest.check(place, manifest)
    do = backup_restore.plan(cfg, manifest)
    if not do.owners:
        _tell(f"there is no role {manifest.owner} here: everything will belong to {do.user}")
    if not dry_run:
        _confirm(do.database, yes=yes)
        _end_in_order()
        backup_restore.restore(cfg, place, manifest, do, tell=_tell)
    if as_json:
        facts = {"into": do.database, "dry_run": dry_run, "counted": not dry_run}
        click.echo(json.dumps(facts | _facts(manifest)))
        return
    done = "would restore into" if dry_run else "restored and counted in"
    click.echo(f"{done} {do.database}: {_sentence(manifest)}")


def _target(invocation: Invocation, into: str | None) -> DatabaseConfig:
    """Return the database to restore into; of the configured one the time limits are kept."""
    if into is None:
        return invocation.load(DatabaseConfig).get(DatabaseConfig)
    if into.endswith(".toml"):
        # That file alone says where: no variable of this environment may point elsewhere.
        outer = {key: value for key, value in invocation.env.items() if not key.startswith(PREFIX)}
        return load(Path(into), {"database": DatabaseConfig}, outer).get(DatabaseConfig)
    try:
        given = conninfo_to_dict(into)
    except ProgrammingError:
        given = {}
    if "password" in given:
        raise UsageError(
            "a password on the command line is seen by everybody on this machine",
            remedy="leave it out and set PGPASSFILE, or name a configuration file",
        )
    configured = invocation.load(DatabaseConfig).get(DatabaseConfig)
    return msgspec.structs.replace(configured, dsn=into)


def _confirm(database: str, *, yes: bool) -> None:
    if yes:
        return
    if not sys.stdin.isatty():
        raise UsageError("nobody is there to confirm the restore", remedy="add --yes")
    click.confirm(f"restore into the database {database}?", abort=True, err=True)


def _end_in_order() -> None:
    """Let SIGTERM end the command as Ctrl-C does, so that the child and half a file go too."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)


def _tell(sentence: str) -> None:
    click.echo(sentence, err=True)


def _sentence(manifest: Manifest) -> str:
    return (
        f"{sum(manifest.rows.values()):,} rows of {len(manifest.rows)} tables, "
        f"{manifest.rows.get('reading', 0):,} of them readings, as of "
        f"{manifest.taken_at:%Y-%m-%d %H:%M:%S}Z; {manifest.size:,} bytes"
    )


def _facts(manifest: Manifest) -> dict[str, object]:
    facts: dict[str, object] = msgspec.to_builtins(manifest)
    facts.pop("files")
    return facts | {"bytes": manifest.size}
