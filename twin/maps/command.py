"""``blocktwin map``: from a file to a map in force, and back; server parts are imported late."""

from __future__ import annotations

from pathlib import Path

import click

from core.config import Invocation
from twin.maps.command_files import export_command, import_command, inspect_command
from twin.maps.command_frames import convert_command, fit_command, frames_command
from twin.maps.terminal import AS_JSON, DRY_RUN, NOTE, WHO, database, say, tell, who

STATES = ("open", "applied", "withdrawn", "superseded")


@click.group("map")
def map_() -> None:
    """Inspect, import, compare, apply and export block maps."""


for command in (inspect_command, import_command, export_command):
    map_.add_command(command)
for command in (frames_command, convert_command, fit_command):
    map_.add_command(command)


@map_.command("list")
@click.option("--state", type=click.Choice(STATES), default=None, help="Only those in this state.")
@click.option("--limit", type=click.IntRange(1, 1000), default=50, show_default=True)
@AS_JSON
@click.pass_obj
def list_proposals(invocation: Invocation, state: str | None, limit: int, as_json: bool) -> None:
    """List proposals, the newest first."""
    from twin.maps import printing, proposals

    with database(invocation) as conn:
        rows = proposals.listed(conn, state=state, limit=limit)
    say(rows, printing.proposals(rows), as_json=as_json)


@map_.command("diff")
@click.argument("proposal", type=int)
@click.option("--again", is_flag=True, help="Compare with the map in force now, as a new proposal.")
@click.option(
    "--picture", type=click.Path(dir_okay=False, path_type=Path), help="Draw it into this PNG."
)
@WHO
@AS_JSON
@click.pass_obj
def diff_proposal(
    invocation: Invocation,
    proposal: int,
    again: bool,
    picture: Path | None,
    actor: str,
    as_json: bool,
) -> None:
    """Show what PROPOSAL changes: report, cells, and who gets another owner."""
    from twin.maps import pictures, printing, proposals, words

    with database(invocation) as conn:
        if again:
            proposal = proposals.again(conn, proposal, by=who(actor), tell=tell)
        row = words.proposal(proposals.show(conn, proposal))
        raw = proposals.show(conn, proposal)
        if picture is not None:
            picture.write_bytes(pictures.draw(*proposals.judged_of(conn, proposal)))
    say(row, printing.proposal(raw), as_json=as_json)
    if raw["errors"]:
        raise SystemExit(1)


@map_.command("apply")
@click.argument("proposal", type=int)
@click.option("--accept-warnings", is_flag=True, help="Say that its warnings are right.")
@DRY_RUN
@NOTE
@WHO
@AS_JSON
@click.pass_obj
def apply_proposal(
    invocation: Invocation,
    proposal: int,
    accept_warnings: bool,
    dry_run: bool,
    note: str,
    actor: str,
    as_json: bool,
) -> None:
    """Bring PROPOSAL into force, whole or not at all."""
    from twin.maps import printing, proposals, words

    with database(invocation) as conn:
        done = proposals.apply(
            conn,
            proposal,
            by=who(actor),
            note=note,
            accept_warnings=accept_warnings,
            dry_run=dry_run,
        )
    row = words.applied(done, dry_run=dry_run)
    say(row, printing.applied(row), as_json=as_json)


@map_.command("withdraw")
@click.argument("proposal", type=int)
@NOTE
@WHO
@click.pass_obj
def withdraw_proposal(invocation: Invocation, proposal: int, note: str, actor: str) -> None:
    """Take PROPOSAL back; it stays on record."""
    from twin.maps import proposals

    with database(invocation) as conn:
        proposals.withdraw(conn, proposal, by=who(actor), note=note)
    click.echo(f"proposal {proposal} is withdrawn")


@map_.command("versions")
@click.argument("version", type=int, required=False)
@click.option("--limit", type=click.IntRange(1, 1000), default=50, show_default=True)
@AS_JSON
@click.pass_obj
def list_versions(invocation: Invocation, version: int | None, limit: int, as_json: bool) -> None:
    """List the versions of the map, the newest first; of VERSION also who got another owner."""
    from twin.maps import history, printing, words

    with database(invocation) as conn:
        if version is None:
            rows = history.listed(conn, limit=limit)
            say(rows, printing.versions(rows), as_json=as_json)
            return
        row = history.show(conn, version)
    lines = [
        *printing.versions([row | {"moves": len(row["moves"])}]),
        *printing.moves(row["moves"]),
    ]
    say(words.version(row), lines, as_json=as_json)


@map_.command("rollback")
@click.argument("version", type=int)
@DRY_RUN
@NOTE
@WHO
@AS_JSON
@click.pass_obj
def rollback_version(
    invocation: Invocation, version: int, dry_run: bool, note: str, actor: str, as_json: bool
) -> None:
    """Bring back what was in force before VERSION, as a new version."""
    from twin.maps import history, printing, words

    with database(invocation) as conn:
        done = history.rollback(conn, version, by=who(actor), note=note, dry_run=dry_run)
    row = words.applied(done, dry_run=dry_run)
    say(row, printing.applied(row), as_json=as_json)
