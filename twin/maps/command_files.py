"""``blocktwin map inspect``, ``import`` and ``export``: files on the command line."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click

from core.config import Invocation
from core.errors import UsageError
from core.model import SpaceKind
from twin.maps.terminal import AS_JSON, DRY_RUN, NOTE, WHO, database, say, tell, who

FORMATS = ("gpkg", "shp", "geojson", "kml", "dxf")
ANY = click.Path(exists=True, path_type=Path)
LAYER = click.option("--layer", "layers", multiple=True, help="Only this layer; may be repeated.")
ENCODING = click.option("--encoding", default="", help="How text is coded; found out if not given.")

_DECLARED = (
    click.option("--frame", default="", help="EPSG code, GCJ-02, BD-09, or a local one's TOML."),
    LAYER,
    ENCODING,
    click.option("--kind", default="", help="Field of the level, or a level: block, grid, …"),
    click.option("--code", default="", help="Field of the code."),
    click.option("--name", default="", help="Field of the Chinese name."),
    click.option("--name-en", default="", help="Field of the English name."),
    click.option("--parent", default="", help="Field of the containing space's code."),
    click.option("--height", default="", help="Field of the roof height in metres."),
    click.option(
        "--mapping",
        type=click.Path(exists=True, dir_okay=False, path_type=Path),
        help="TOML that says what the fields are; a field named here goes before it.",
    ),
    click.option("--origin", default="", help="Who made it, and under which licence."),
)


def _declared(command: Callable[..., Any]) -> Callable[..., Any]:
    for option in reversed(_DECLARED):
        command = option(command)
    return command


@click.command("inspect")
@click.argument("file", type=ANY)
@click.option("--layer", default="", help="Only this layer.")
@ENCODING
@AS_JSON
def inspect_command(file: Path, *, layer: str, encoding: str, as_json: bool) -> None:
    """Say what FILE holds: layers, fields, encoding, coordinate system. Needs no database."""
    from twin.maps import inspecting, intake

    found = intake.look(file, layer=layer, encoding=encoding)
    say(inspecting.word(found), inspecting.lines(found), as_json=as_json)


@click.command("import")
@click.argument("file", type=ANY)
@_declared
@click.option("--partial", is_flag=True, help="FILE is a part of the map: what it lacks stays.")
@click.option(
    "--within", default=None, help="FILE is the map of this space: only there can ends be."
)
@click.option("--apply", "at_once", is_flag=True, help="Apply it if nothing is found against it.")
@click.option(
    "--picture", type=click.Path(dir_okay=False, path_type=Path), help="Draw it into this PNG."
)
@DRY_RUN
@NOTE
@WHO
@AS_JSON
@click.pass_obj
def import_command(
    invocation: Invocation,
    /,
    file: Path,
    *,
    frame: str,
    dry_run: bool,
    note: str,
    actor: str,
    as_json: bool,
    **given: Any,
) -> None:
    """Make a proposal of FILE, and show what it would change; `map apply` brings it into force."""
    from twin.maps import intake, pictures, printing, proposals, words
    from twin.maps.command_frames import frame_of

    chosen = {name: given.pop(name) for name in ("partial", "within", "at_once", "picture")}
    tell(f"reading {file.name}")
    content = intake.read_map(file, frame_of(frame) if frame else None, intake.Asked(**given))
    with database(invocation) as conn:
        made = proposals.draft(
            conn, content, partial=chosen["partial"], within=chosen["within"], tell=tell
        )
        row = proposals.preview(made, who(actor), note, datetime.now(UTC))
        if chosen["picture"] is not None:
            drawn = pictures.draw(made.judged, made.current, title=file.name)
            chosen["picture"].write_bytes(drawn)
        if not dry_run:
            row = proposals.show(conn, proposals.keep(conn, made, who(actor), note))
        done = None
        if chosen["at_once"] and not dry_run and not row["errors"] and not row["warnings"]:
            done = proposals.apply(conn, row["proposal_id"], by=who(actor), note=note)
            row = proposals.show(conn, row["proposal_id"])
    told = words.proposal(row) | {"dry_run": dry_run}
    lines = [*printing.proposal(row)]
    if done is not None:
        told["applied"] = words.applied(done, dry_run=False)
        lines += printing.applied(told["applied"])
    elif chosen["at_once"]:
        lines.append("not applied: it was a dry run, or something was found against it")
    say(told, lines, as_json=as_json)
    if row["errors"]:
        raise SystemExit(1)


@click.command("export")
@click.option("--format", "format_", type=click.Choice(FORMATS), required=True)
@click.option("--frame", default="EPSG:4490", show_default=True, help="As for `import`.")
@click.option("--encoding", default="UTF-8", show_default=True, help="Of text in a Shapefile.")
@click.option(
    "--kind", "kinds", type=click.Choice([str(kind) for kind in SpaceKind]), multiple=True,
    help="Only this level; may be repeated.",
)  # fmt: skip
@click.option("--out", type=click.Path(path_type=Path), required=True, help="File to write.")
@click.option("--overwrite", is_flag=True, help="Replace what is there.")
@click.pass_obj
def export_command(
    invocation: Invocation,
    format_: str,
    frame: str,
    encoding: str,
    kinds: tuple[str, ...],
    out: Path,
    overwrite: bool,
) -> None:
    """Write the map in force to a file."""
    from twin.maps import outgoing
    from twin.maps.command_frames import frame_of

    if out.exists() and not overwrite:
        raise UsageError(f"{out} is there already", remedy="give another name, or --overwrite")
    if out.is_file():
        out.unlink()
    with database(invocation) as conn:
        written = outgoing.export(
            conn, out, format_=format_, frame=frame_of(frame), encoding=encoding,
            kinds=[SpaceKind(kind) for kind in kinds],
        )  # fmt: skip
    click.echo(f"{written:,} spaces in {frame} to {out}")
