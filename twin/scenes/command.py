"""``blocktwin mesh``: blocks and slopes in three dimensions, surveys, and the judging of files."""

from __future__ import annotations

import getpass
import json
import sys
import time
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any, TypeVar

import click

from core.config import DatabaseConfig, Invocation
from core.db import migrate, pool
from core.errors import UsageError
from core.model import parse_time
from geodata import frames
from geodata.mesh import files
from geodata.mesh.judge import judge
from geodata.mesh.words import MeshRefused, Weight
from twin.scenes import scenes, surfaces
from twin.scenes.extra import needed
from twin.scenes.surfaces import Conn, Deed, Row

T = TypeVar("T")

MAX_SURVEY_BYTES = 268_435_456

_JSON = click.option("--json", "as_json", is_flag=True, help="Print JSON.")
_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)
_OUT = click.option(
    "--out", type=click.Path(dir_okay=False, path_type=Path), required=True, help="GLB to write."
)


@click.group()
def mesh() -> None:
    """Make blocks and slopes in three dimensions."""


@mesh.command()
@click.argument("code")
@_OUT
@_JSON
@click.pass_obj
def block(invocation: Invocation, code: str, out: Path, *, as_json: bool) -> None:
    """Write the scene of the space CODE as GLB: its ground, buildings and devices."""
    told = _with_database(invocation, lambda conn: scenes.of_space(conn, code), "making the scene")
    _write_scene(told, out, as_json=as_json)


@mesh.group()
def surface() -> None:
    """Keep surveys of slopes."""


@surface.command("import")
@click.argument("file", type=_FILE)
@click.option("--name", required=True, help="What people call the survey.")
@click.option("--frame", required=True, help="Coordinate system of its x and y, e.g. EPSG:4547.")
@click.option("--space", required=True, help="Code of the space it lies in.")
@click.option("--surveyed-at", required=True, metavar="TIME", help="RFC 3339 with offset.")
@click.option("--height-datum", default="not said", help="What heights are counted from.")
@click.option("--source", default="not said", help="Who measured, under which licence.")
@click.option("--dry-run", is_flag=True, help="Say what is in it and keep nothing.")
@_JSON
@click.pass_obj
def import_surface(  # noqa: PLR0913 (one for each option)
    invocation: Invocation,
    file: Path,
    *,
    name: str,
    frame: str,
    space: str,
    surveyed_at: str,
    height_datum: str,
    source: str,
    dry_run: bool,
    as_json: bool,
) -> None:
    """Keep the survey FILE: an ESRI ASCII grid or a list of x, y, z."""
    deed = Deed(
        name=name,
        space=space,
        surveyed_at=_time(surveyed_at),
        height_datum=height_datum,
        source=source,
        file_name=file.name,
    )
    data = _bytes(file, MAX_SURVEY_BYTES)
    known = _frame(frame)
    actor = getpass.getuser()
    taken = _with_database(
        invocation,
        lambda conn: surfaces.take(conn, data, known, deed, actor=actor, dry_run=dry_run),
        "making the surface",
    )
    said = "was there already" if taken.known else "would be kept" if dry_run else "kept"
    findings = [finding.word() for finding in taken.findings]
    if as_json:
        _print(taken.row | {"said": said, "findings": findings})
        return
    click.echo(f"{said}: {taken.row['surface_id']}")
    _print_row(taken.row)
    _print_findings(findings)


@surface.command("list")
@click.option("--space", default=None, help="Only those in this space.")
@_JSON
@click.pass_obj
def list_surfaces(invocation: Invocation, *, space: str | None, as_json: bool) -> None:
    """List the surveys, the newest first."""
    found = _with_database(invocation, lambda conn: surfaces.listed(conn, space))
    if as_json:
        _print(found)
        return
    for row in found:
        when = row["surveyed_at"]
        size = f"{row['area_m2']:>10,.0f} m²  {row['facet_count']:>7,} facets"
        click.echo(f"{row['surface_id']}  {when:%Y-%m-%d}  {row['space']}  {size}  {row['name']}")


@surface.command("show")
@click.argument("surface_id")
@_JSON
@click.pass_obj
def show_surface(invocation: Invocation, surface_id: str, *, as_json: bool) -> None:
    """Show a survey: what was declared, what is in it, and what was found at the import."""
    row = _with_database(invocation, lambda conn: surfaces.surface(conn, surface_id))
    facts = {key: value for key, value in row.items() if key not in surfaces.HIDDEN}
    if as_json:
        _print(facts)
        return
    report = facts.pop("report")
    _print_row(facts)
    _print_findings(report)


@surface.command("export")
@click.argument("surface_id")
@_OUT
@_JSON
@click.pass_obj
def export_surface(invocation: Invocation, surface_id: str, out: Path, *, as_json: bool) -> None:
    """Write a survey as GLB, its facets coloured by steepness, with the sensors around it."""
    told = _with_database(
        invocation, lambda conn: scenes.of_surface(conn, surface_id), "making the surface"
    )
    _write_scene(told, out, as_json=as_json)


@surface.command("remove")
@click.argument("surface_id")
@click.option("--dry-run", is_flag=True, help="Say what would go and remove nothing.")
@_JSON
@click.pass_obj
def remove_surface(
    invocation: Invocation, surface_id: str, *, dry_run: bool, as_json: bool
) -> None:
    """Remove a survey for good; the file it came from can be imported again."""
    row = _with_database(
        invocation, lambda conn: surfaces.remove(conn, surface_id, dry_run=dry_run)
    )
    if as_json:
        _print({"surface_id": surface_id, "name": row["name"], "removed": not dry_run})
        return
    click.echo(f"{'would remove' if dry_run else 'removed'} {surface_id}  {row['name']}")


@mesh.command()
@click.argument("device_id")
@_JSON
@click.pass_obj
def slope(invocation: Invocation, device_id: str, *, as_json: bool) -> None:
    """Print the slope angle and aspect of the facet that DEVICE_ID stands on."""
    word = _with_database(invocation, lambda conn: scenes.facet_of(conn, device_id))
    if as_json:
        _print(word)
        return
    click.echo(f"{device_id}  {word['name']}")
    if word["slope_deg"] is not None:
        click.echo(f"  slope   {word['slope_deg']:.2f}° from the horizontal")
    if word["aspect_deg"] is not None:
        click.echo(f"  aspect  {word['aspect_deg']:.1f}° clockwise from north, downslope")
    if word["ground_m"] is not None:
        click.echo(f"  ground  {word['ground_m']:.3f} m")
    if word["reason"]:
        click.echo(f"  {word['reason']}")
    if word["surveyed_at"]:
        click.echo(f"  survey  {word['surface_id']} of {word['surveyed_at']:%Y-%m-%d}")


@mesh.command()
@click.argument("before")
@click.argument("after")
@click.option(
    "--least",
    type=click.FloatRange(0, 100),
    default=0.0,
    show_default=True,
    help="Metres; smaller changes of height are the surveys' own error and do not count.",
)
@_JSON
@click.pass_obj
def volume(invocation: Invocation, before: str, after: str, *, least: float, as_json: bool) -> None:
    """Print what was cut and filled between the surveys BEFORE and AFTER."""
    one, other, found = _with_database(
        invocation,
        lambda conn: surfaces.volume(conn, before, after, least_m=least),
        "laying one survey over the other",
    )
    if as_json:
        dates = {"before": before, "after": after}
        _print(dates | found.word())
        return
    click.echo(f"{one['name']} ({one['surveyed_at']:%Y-%m-%d})")
    click.echo(f"{other['name']} ({other['surveyed_at']:%Y-%m-%d})")
    click.echo(f"  cut   {found.cut_m3:14,.1f} m³   down to {found.lowered_m:.2f} m lower")
    click.echo(f"  fill  {found.fill_m3:14,.1f} m³   up to {found.raised_m:.2f} m higher")
    click.echo(f"  net   {found.net_m3:14,.1f} m³")
    click.echo(
        f"  compared over {found.area_m2:,.0f} m² of {found.before_m2:,.0f} and "
        f"{found.after_m2:,.0f} m²; changed by more than {least:g} m on {found.changed_m2:,.0f} m²"
    )


@mesh.command()
@click.argument("file", type=_FILE)
@click.option("--open", "is_open", is_flag=True, help="A surface such as ground: need not close.")
@_JSON
def check(file: Path, *, is_open: bool, as_json: bool) -> None:
    """Judge the meshes of FILE (GLB, OBJ, PLY or STL); exit 1 when one has an error."""
    data = _bytes(file, files.MAX_FILE_BYTES)
    try:
        with needed():
            meshes = files.read(data, file.name)
    except MeshRefused as error:
        raise UsageError(str(error)) from error
    judged = {name: judge(one, closed=not is_open, about=name) for name, one in meshes.items()}
    wrong = any(f.weight is Weight.ERROR for one in judged.values() for f in one.findings)
    if as_json:
        _print({"file": file.name, "meshes": {name: one.word() for name, one in judged.items()}})
    for name, one in judged.items() if not as_json else ():
        closed = "watertight" if one.watertight else "open"
        volume_m3 = "" if one.volume_m3 is None else f", {one.volume_m3:,.3f} m³"
        click.echo(f"{name}: {one.faces:,} faces, {closed}, {one.area_m2:,.3f} m²{volume_m3}")
        _print_findings([finding.word() for finding in one.findings])
    sys.exit(1 if wrong else 0)


def _with_database(invocation: Invocation, work: Callable[[Conn], T], doing: str = "") -> T:
    """Run it on a connection; what may take longer says on a terminal that it is at work."""
    database = invocation.load(DatabaseConfig).get(DatabaseConfig)
    began = time.monotonic()
    with (
        needed(),
        pool.connect(database, autocommit=True, application_name="blocktwin mesh") as conn,
    ):
        migrate.require_current(conn)
        if doing and sys.stderr.isatty():
            click.echo(f"{doing} …", err=True)
        found = work(conn)
    if doing and time.monotonic() - began > 1 and sys.stderr.isatty():
        click.echo(f"{doing}: {time.monotonic() - began:.1f} s", err=True)
    return found


def _write_scene(told: scenes.Told, out: Path, *, as_json: bool) -> None:
    try:
        data = told.scene.glb()
        out.write_bytes(data)
    except MeshRefused as error:
        raise UsageError(str(error)) from error
    except OSError as error:
        raise UsageError(f"{out} cannot be written: {error.strerror}") from error
    word = told.word()
    if as_json:
        _print(word | {"file": str(out), "bytes": len(data)})
        return
    kinds = [node["kind"] for node in word["nodes"]]
    counts = ", ".join(f"{kinds.count(kind)} {kind}" for kind in dict.fromkeys(kinds))
    click.echo(f"{out}: {len(data):,} bytes; {counts}")
    _print_findings(word["report"])


def _time(text: str) -> datetime:
    try:
        return parse_time(text)
    except ValueError as error:
        raise UsageError(f"--surveyed-at: {error}") from error


def _frame(name: str) -> frames.Frame:
    try:
        return frames.frame(name)
    except frames.FrameUnknown as error:
        raise UsageError(f"--frame: {error}") from error


def _bytes(file: Path, limit: int) -> bytes:
    size = file.stat().st_size
    if size > limit:
        raise UsageError(f"{file} has {size:,} bytes, more than {limit:,}")
    return file.read_bytes()


def _print(word: Any) -> None:
    click.echo(json.dumps(word, ensure_ascii=False, default=_text))


def _text(value: Any) -> str:
    return value.isoformat() if isinstance(value, datetime) else str(value)


def _print_row(row: Row) -> None:
    for key, value in row.items():
        click.echo(f"  {key.replace('_', ' '):14}{_text(value) if value is not None else '-'}")


def _print_findings(findings: list[dict[str, Any]]) -> None:
    for finding in findings:
        about = f"{finding['about']}: " if finding["about"] else ""
        click.echo(f"  {finding['weight']}: {about}{finding['detail']}")
