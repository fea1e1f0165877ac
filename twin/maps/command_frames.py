"""``blocktwin map frames``, ``convert`` and ``fit``: coordinate systems on the command line."""

from __future__ import annotations

import csv
import io
import json
from dataclasses import fields
from pathlib import Path
from typing import Any

import click
import numpy as np

from core.errors import UsageError
from geodata import frames, frames_local
from geodata.frames import Frame
from geodata.frames_fit import Control, Fit
from geodata.frames_local import Plan
from geodata.frames_space import ELLIPSOIDS, LocalEllipsoid

MOST_ROWS = 1_000_000
MOST_BYTES = 100_000_000
_X = ("lon", "longitude", "lng", "x", "east", "easting", "经度", "东坐标")
_Y = ("lat", "latitude", "y", "north", "northing", "纬度", "北坐标")


def frame_of(name: str) -> Frame:
    """Return the system of that name, or the local one in the file of that name.

    Raises:
        UsageError: if it is neither.
    """
    if name.lower().endswith(".toml"):
        return frames.local_frame(_bytes(Path(name)))
    return frames.frame(name)


@click.command("frames")
@click.option("--json", "as_json", is_flag=True, help="One JSON array.")
def frames_command(*, as_json: bool) -> None:
    """List the coordinate systems that are known, with their accuracy.

    Every other EPSG code of a geographic or projected system works too.
    """
    rows = frames.known()
    if as_json:
        table = [{one.name: getattr(row, one.name) for one in fields(row)} for row in rows]
        click.echo(json.dumps(table, ensure_ascii=False))
        return
    for row in rows:
        first, last = row.codes[0], row.codes[-1]
        name = first if first == last else f"{first}..{last.removeprefix('EPSG:')}"
        accuracy = "unknown" if row.accuracy_m is None else f"{row.accuracy_m:g} m"
        click.echo(f"{name:16} {accuracy:>8}  {row.note}")
    click.echo("a .toml file       RMS of its points  a local system; blocktwin map fit writes it")


@click.command("convert", context_settings={"ignore_unknown_options": True})
@click.option("--from", "source", required=True, metavar="FRAME", help="System of what is given.")
@click.option("--to", "target", required=True, metavar="FRAME", help="System that is wanted.")
@click.option("--out", type=click.Path(path_type=Path), help="File for the CSV; else printed.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object for each point.")
@click.argument("what", nargs=-1, required=True)
def convert_command(
    source: str, target: str, out: Path | None, what: tuple[str, ...], *, as_json: bool
) -> None:
    """Convert a point (LON LAT or EAST NORTH) or the points of a CSV file.

    A frame is a name (see `blocktwin map frames`) or the .toml file of a local system. The CSV's
    coordinates are its columns lon and lat, x and y, or east and north; all columns are kept, and
    the converted coordinates are added as two more.
    """
    here, there = frame_of(source), frame_of(target)
    if len(what) == 1:
        _convert_file(Path(what[0]), here, there, out, as_json=as_json)
        return
    if len(what) != 2:
        raise UsageError("give two numbers, or one CSV file")
    point = np.array([[_number(text, "the point") for text in what]])
    x, y = there.from_degrees(here.to_degrees(point))[0].tolist()
    if as_json:
        click.echo(json.dumps({"from": here.name, "to": there.name, "x": x, "y": y}))
    else:
        click.echo(f"{_written(x, there)} {_written(y, there)}")


@click.command("fit")
@click.argument("points", type=click.Path(path_type=Path))
@click.option("--base", default="EPSG:4547", show_default=True, help="Projected EPSG system.")
@click.option(
    "--kind", type=click.Choice(frames_local.KINDS), default="helmert4", show_default=True
)
@click.option("--name", default="local", show_default=True, help="Name of the local system.")
@click.option("--out", type=click.Path(path_type=Path), help="File to write; else it is printed.")
@click.option(
    "--local",
    type=(click.Choice(tuple(ELLIPSOIDS)), float, float, float),
    default=("krassovsky", 114.0, 500000.0, 0.0),
    show_default=True,
    help="For bursa7: ellipsoid, central meridian, false easting and northing.",
)
@click.option("--json", "as_json", is_flag=True, help="Residuals as one JSON object.")
def fit_command(
    points: Path,
    base: str,
    kind: str,
    name: str,
    out: Path | None,
    local: tuple[str, float, float, float],
    *,
    as_json: bool,
) -> None:
    """Fit a local coordinate system to control points.

    The CSV has the columns name, x, y (local, east and north), east, north (in the base system).
    """
    ellipsoid, meridian, *false_origin = local
    ground = LocalEllipsoid(*ELLIPSOIDS[ellipsoid], meridian, 0.0, 1.0, *false_origin)
    plan = Plan(
        name=name,
        base=base,
        kind=kind,
        note="",
        local=ground if kind == "bursa7" else None,
        parameters=None,
        controls=_controls(points),
    )
    found = frames_local.fit(plan, frames.frame(base))
    if found.rms_m is not None and found.rms_m > frames_local.AGREE_M:
        _refuse(plan, found)
    text = frames_local.written(plan, found)
    if out is not None:
        _write(out, text)
    if as_json:
        click.echo(json.dumps(_said(plan, found), ensure_ascii=False))
    elif out is None:
        click.echo(text, nl=False)
    else:
        _tell(plan, found, out)


def _refuse(plan: Plan, found: Fit) -> None:
    click.echo(_residuals(plan, found), err=True)
    raise UsageError(
        f"the points lie {found.rms_m:.3f} m (RMS) off the best {plan.kind} system; "
        f"at most {frames_local.AGREE_M:g} m makes a coordinate system",
        remedy="; ".join(found.remarks) or "look whether both sides belong together",
    )


def _residuals(plan: Plan, found: Fit) -> str:
    return "\n".join(
        f"{row['name']:16} east {row['east_m']:+9.4f} m  north {row['north_m']:+9.4f} m"
        for row in _said(plan, found)["residuals"]
    )


def _tell(plan: Plan, found: Fit, out: Path) -> None:
    click.echo(_residuals(plan, found))
    click.echo(f"RMS {found.rms_m or 0:.4f} m, {found.redundancy} observations left over")
    for remark in found.remarks:
        click.echo(f"note: {remark}")
    click.echo(f"written: {out}")


def _said(plan: Plan, found: Fit) -> dict[str, Any]:
    parameters = found.parameters
    return {
        "name": f"local:{plan.name}",
        "kind": plan.kind,
        "parameters": {one.name: getattr(parameters, one.name) for one in fields(parameters)},
        "rms_m": found.rms_m,
        "redundancy": found.redundancy,
        "outlier": found.outlier,
        "remarks": list(found.remarks),
        "residuals": [
            {"name": control.name, "east_m": east, "north_m": north}
            for control, (east, north) in zip(plan.controls, found.residuals.tolist(), strict=True)
        ],
    }


def _controls(path: Path) -> tuple[Control, ...]:
    header, rows = _table(path)
    missing = [key for key in ("x", "y", "east", "north") if key not in header]
    if missing:
        raise UsageError(
            f"{path} has no column {missing[0]!r}", remedy="name, x, y, east, north are its columns"
        )
    found = []
    for number, row in enumerate(rows, start=2):
        values = dict(zip(header, row, strict=True))
        x, y, east, north = (
            _number(values[key], f"{path} line {number}, {key}")
            for key in ("x", "y", "east", "north")
        )
        name = values.get("name") or str(number - 1)
        found.append(Control(name=name, x=x, y=y, east=east, north=north))
    return tuple(found)


def _convert_file(
    path: Path, here: Frame, there: Frame, out: Path | None, *, as_json: bool
) -> None:
    header, rows = _table(path)
    x, y = _column(header, _X, path), _column(header, _Y, path)
    points = np.array(
        [
            [_number(row[i], f"{path} line {n}, {header[i]}") for i in (x, y)]
            for n, row in enumerate(rows, start=2)
        ],
        dtype=np.float64,
    ).reshape(-1, 2)
    try:
        found = there.from_degrees(here.to_degrees(points)).tolist()
    except frames.OutOfFrame as outside:
        raise UsageError(
            f"{path} line {outside.row + 2}: {outside.reason}", remedy=outside.remedy
        ) from outside
    if as_json:
        text = "".join(f"{json.dumps({'x': a, 'y': b})}\n" for a, b in found)
    else:
        text = _csv(header, rows, found, there)
    if out is None:
        click.echo(text, nl=False)
    else:
        _write(out, text)
        click.echo(f"written: {out}, {len(rows)} points")


def _csv(header: list[str], rows: list[list[str]], found: list[list[float]], there: Frame) -> str:
    held = io.StringIO()
    writer = csv.writer(held, lineterminator="\n")
    writer.writerow([*header, f"x {there.name}", f"y {there.name}"])
    for row, (x, y) in zip(rows, found, strict=True):
        writer.writerow([*row, _written(x, there), _written(y, there)])
    return held.getvalue()


def _written(value: float, there: Frame) -> str:
    return f"{value:.4f}" if there.projected else f"{value:.9f}"


def _column(header: list[str], names: tuple[str, ...], path: Path) -> int:
    for name in names:
        if name in header:
            return header.index(name)
    raise UsageError(f"{path} has none of the columns {', '.join(names)}")


def _table(path: Path) -> tuple[list[str], list[list[str]]]:
    try:
        text = _bytes(path).decode("utf-8-sig")
    except UnicodeDecodeError:
        raise UsageError(f"{path} is not UTF-8 text", remedy="save it as CSV UTF-8") from None
    try:
        rows = [row for row in csv.reader(io.StringIO(text, newline="")) if row]
    except csv.Error as wrong:
        raise UsageError(f"{path} is no CSV: {wrong}") from wrong
    if not rows:
        raise UsageError(f"{path} is empty")
    header = [name.strip().lower() for name in rows[0]]
    if len(rows) > MOST_ROWS:
        raise UsageError(f"{path} has more than {MOST_ROWS} rows")
    for number, row in enumerate(rows[1:], start=2):
        if len(row) != len(header):
            raise UsageError(f"{path} line {number} has {len(row)} columns, not {len(header)}")
    return header, rows[1:]


def _bytes(path: Path) -> bytes:
    try:
        size = path.stat().st_size
        if size > MOST_BYTES:
            raise UsageError(f"{path} has {size} bytes; at most {MOST_BYTES} are read")
        return path.read_bytes()
    except OSError as failed:
        raise UsageError(f"{path} cannot be read: {failed.strerror}") from failed


def _write(path: Path, text: str) -> None:
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as failed:
        raise UsageError(f"{path} cannot be written: {failed.strerror}") from failed


def _number(text: str, where: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise UsageError(f"{where}: {text[:50]!r} is no number") from None
