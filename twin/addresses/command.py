"""The command ``address``; imports of the server parts are lazy."""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from core.config import DatabaseConfig, Invocation
from core.errors import Permanent, UsageError

if TYPE_CHECKING:
    from geodata.addresses.reverse import Locator
    from twin.addresses.store import Report

AS_JSON = click.option("--json", "as_json", is_flag=True, help="Print JSON.")
EXISTING = click.Path(exists=True, dir_okay=False, path_type=Path)
LARGEST_FILE = 1_073_741_824


class NothingFound(Permanent):
    """No known place is like the text; exit code 1."""


@click.group()
def address() -> None:
    """Find addresses, and say where a point is."""


@address.command()
@click.argument("text")
@click.option("--limit", type=click.IntRange(1, 50), default=8, show_default=True)
@AS_JSON
@click.pass_obj
def find(invocation: Invocation, text: str, limit: int, *, as_json: bool) -> None:
    """Find the places that TEXT may mean: an address, a code, a device id, or "LON,LAT".

    Exit code 1 when nothing is found.
    """
    from geodata.addresses.find import find as search
    from geodata.addresses.text import admit
    from twin.addresses import words

    admit(text)
    found = search(_locator(invocation), text, limit=limit)
    if as_json:
        _print(words.answer(found))
    else:
        click.echo(f"read as: {found.normalised or '-'}")
        if found.note.en:
            click.echo(f"note: {found.note.en}")
        for one in found.matches:
            code = one.device_id or one.space_code or "-"
            click.echo(f"{one.score:.2f}  {one.level:<9}  {one.address}  [{code}]")
            click.echo(f"      {one.lon:.6f}, {one.lat:.6f}  {one.why.en}")
    if not found.matches:
        raise NothingFound(f"nothing is found for {text!r}", remedy=found.note.en)


@address.command(context_settings={"ignore_unknown_options": True})
@click.argument("lon", type=float)
@click.argument("lat", type=float)
@click.option(
    "--frame", "frame_name", default="EPSG:4490", show_default=True,
    help="What LON and LAT are given in: EPSG:4547, GCJ-02, BD-09, …; east first.",
)  # fmt: skip
@AS_JSON
@click.pass_obj
def at(invocation: Invocation, lon: float, lat: float, frame_name: str, *, as_json: bool) -> None:
    """Say where the point LON LAT is: the spaces that hold it and the nearest address."""
    from geodata.frames import frame
    from twin.addresses import words

    x, y = frame(frame_name).to_degrees([[lon, lat]])[0].tolist()
    found = _locator(invocation).at(x, y)
    if as_json:
        _print(words.where(found))
        return
    click.echo(found.address or "no address")
    click.echo(" > ".join(step.name for step in found.path) or "outside every space")
    click.echo(found.why.en)


@address.command()
@click.argument("text")
@AS_JSON
def parse(text: str, *, as_json: bool) -> None:
    """Take TEXT apart and print its normal form. Needs no database."""
    from geodata.addresses.parse import parse as take_apart
    from geodata.addresses.text import admit

    found = take_apart(admit(text))
    if as_json:
        _print({"normalised": found.normal, "parts": found.parts()})
        return
    click.echo(found.normal)
    for name, value in found.parts().items():
        shown = " ".join(value) if isinstance(value, list) else value
        click.echo(f"  {name}: {shown}")


@address.command("import")
@click.argument("file", type=EXISTING)
@click.option("--frame", "frame_name", default="EPSG:4490", show_default=True,
              help="What the positions are given in.")  # fmt: skip
@click.option("--encoding", help="Of FILE; else its byte order mark, UTF-8, or GB 18030.")
@click.option("--source", default="", help="Where the addresses come from; else the file's name.")
@click.option("--column", "columns", multiple=True, metavar="WHAT=HEADING",
              help="Which column holds what, e.g. address=门牌; may be given again.")  # fmt: skip
@click.option("--dry-run", is_flag=True, help="Say what would be done, and do nothing.")
@AS_JSON
@click.pass_obj
def import_(invocation: Invocation, /, *, file: Path, as_json: bool, **given: Any) -> None:
    """Bring the standard addresses of FILE (CSV) in, by house code or normal form.

    Rows that cannot be used are kept back, counted, and printed with their line and the reason.
    """
    from twin.addresses import words

    if file.stat().st_size > LARGEST_FILE:
        raise UsageError(f"{file} is larger than {LARGEST_FILE:,} bytes", remedy="divide it")
    report = _import(invocation, file, **given)
    if as_json:
        _print(words.report(report))
        return
    would = "would be " if report.dry_run else ""
    click.echo(
        f"{report.rows:,} rows: {report.added:,} {would}added, {report.updated:,} {would}updated, "
        f"{report.same:,} the same, {report.kept_back:,} kept back"
    )
    for one in report.kept:
        click.echo(f"  line {one.line}: {one.reason}")
    if report.kept_back > len(report.kept):
        click.echo(f"  and {report.kept_back - len(report.kept):,} more")


def _import(
    invocation: Invocation, file: Path, *, frame_name: str, encoding: str | None, source: str,
    columns: tuple[str, ...], dry_run: bool,
) -> Report:  # fmt: skip
    from core.db import migrate, pool
    from geodata.addresses import table
    from geodata.frames import frame
    from twin.addresses import store
    from twin.addresses.gazetteer import names_of
    from twin.history.transfer_progress import Progress

    text, _ = table.decode(file.read_bytes(), encoding)
    progress = Progress(sys.stderr, time.monotonic)
    report = store.Report(dry_run=dry_run)
    database = invocation.load(DatabaseConfig).get(DatabaseConfig)
    with pool.connect(database, autocommit=True, application_name="blocktwin address") as conn:
        migrate.require_current(conn)
        rows = table.read(
            text,
            frame=frame(frame_name),
            names=names_of(conn),
            source=source or file.name,
            columns=_mapped(columns),
        )
        for report in store.bring_in(conn, rows, dry_run=dry_run):
            progress.tell(report.rows)
    progress.end()
    return report


def _mapped(columns: tuple[str, ...]) -> dict[str, str]:
    pairs = [one.partition("=") for one in columns]
    for what, sign, heading in pairs:
        if not (what and sign and heading):
            raise UsageError(f"--column {what}{sign}{heading} is not WHAT=HEADING")
    return {what: heading for what, _, heading in pairs}


@address.command("list")
@click.option("--begin", help="Only those whose normal form begins with this.")
@click.option("--limit", type=click.IntRange(1, 10_000), default=50, show_default=True)
@AS_JSON
@click.pass_obj
def list_(invocation: Invocation, begin: str | None, limit: int, *, as_json: bool) -> None:
    """List standard addresses in the order of their normal forms."""
    from core.db import pool
    from twin.addresses import store

    database = invocation.load(DatabaseConfig).get(DatabaseConfig)
    with pool.connect(database, autocommit=True, application_name="blocktwin address") as conn:
        found = store.listed(conn, begin=begin, limit=limit)
    if as_json:
        _print([row | {"updated_at": row["updated_at"].isoformat()} for row in found])
        return
    for row in found:
        code = row["house_code"] or row["building_code"] or row["space_code"] or "-"
        click.echo(f"{row['normal']}  [{code}]")
    if not found:
        click.echo("there are none")


def _locator(invocation: Invocation) -> Locator:
    from core.db import migrate, pool
    from twin.addresses import service

    database = invocation.load(DatabaseConfig).get(DatabaseConfig)
    with pool.connect(database, autocommit=True, application_name="blocktwin address") as conn:
        migrate.require_current(conn)
        return service.locate(conn)


def _print(word: Any) -> None:
    click.echo(json.dumps(word, ensure_ascii=False))
