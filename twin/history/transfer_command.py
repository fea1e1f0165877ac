"""``blocktwin reading export`` and ``blocktwin reading import``."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import click
import psycopg
from psycopg import Connection

from core.config import DatabaseConfig, Invocation
from core.db import migrate
from core.db import registry as registries
from core.db.pool import connect
from core.errors import DatabaseAway, UsageError
from core.model import NOT_IN_ROLLUPS, Field, Quality, parse_time
from ingest import belated
from ingest.config import IngestConfig
from ingest.rejected_listing import printable
from twin.history import transfer_csv, transfer_files, transfer_parquet
from twin.history.resolution import (
    ALL_BITS,
    Level,
    parse_quality,
    quality_names,
    rollups_answer,
)
from twin.history.transfer_choice import Filters, choose
from twin.history.transfer_in import Import, Report
from twin.history.transfer_out import Span, blocks
from twin.history.transfer_progress import Progress

_JSON = click.option("--json", "as_json", is_flag=True, help="One JSON object at the end.")


def _moment(
    ctx: click.Context,  # noqa: ARG001 (click's signature)
    param: click.Parameter,  # noqa: ARG001 (click's signature)
    value: str | None,
) -> datetime | None:
    try:
        return None if value is None else parse_time(value)
    except ValueError as error:
        raise click.BadParameter(str(error)) from error


def _accepted(
    ctx: click.Context,  # noqa: ARG001 (click's signature)
    param: click.Parameter,  # noqa: ARG001 (click's signature)
    value: str | None,
) -> Quality | None:
    try:
        return None if value is None else parse_quality(value)
    except ValueError as error:
        raise click.BadParameter(str(error)) from error


def _zone(
    ctx: click.Context,  # noqa: ARG001 (click's signature)
    param: click.Parameter,  # noqa: ARG001 (click's signature)
    value: str | None,
) -> ZoneInfo | None:
    try:
        return None if value is None else ZoneInfo(value)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise click.BadParameter(f"{value!r} is no time zone like Asia/Shanghai") from error


@click.command()
@click.argument("file")
@click.option("--device", "devices", multiple=True, help="Of this device; may be given again.")
@click.option("--quantity", "quantities", multiple=True, help="Of this quantity; likewise.")
@click.option(
    "--field", "fields", multiple=True, type=click.Choice([str(f) for f in Field if f != "system"])
)
@click.option("--kind", "kinds", multiple=True, help="Of devices of this kind; likewise.")
@click.option("--space", "spaces", multiple=True, help="In this space or below it; its code.")
@click.option("--from", "begin", callback=_moment, help="From this device time on, RFC 3339.")
@click.option("--to", "end", callback=_moment, help="Before this device time.")
@click.option(
    "--resolution",
    "level",
    type=click.Choice([str(level) for level in Level]),
    default=str(Level.RAW),
    show_default=True,
    help="Readings, or their rollups.",
)
@click.option(
    "--accept",
    callback=_accepted,
    help="Quality bits that an exported reading may have: all (the default), good, or names with "
    "commas. Rollups have their own rule.",
)
@click.option("--force", is_flag=True, help="Overwrite FILE.")
@_JSON
@click.pass_obj
def export(
    invocation: Invocation,
    /,
    *,
    file: str,
    begin: datetime | None,
    end: datetime | None,
    level: str,
    accept: Quality | None,
    force: bool,
    as_json: bool,
    **words: tuple[str, ...],
) -> None:
    """Write readings to FILE (.csv, .csv.gz or .parquet; - is CSV on standard output).

    The rows come by series, then by device time. FILE appears when it is complete.
    """
    kind = transfer_files.kind_of(file)
    span = _span(Level(level), begin, end, accept)
    if kind == ".parquet":
        transfer_parquet.pyarrow()
    progress = Progress(sys.stderr, time.monotonic)
    about = _about(span)
    rows = 0
    with _database(invocation, "blocktwin reading export") as conn:
        series = choose(registries.load(conn), Filters(**words))
        with transfer_files.replacing(file, force=force) as out:
            writer = transfer_files.writer(out, kind, series, about)
            for block, complete in blocks(conn, series, span):
                writer.write(block)
                rows += len(block)
                progress.tell(rows, f", {complete} of {len(series)} series")
            writer.close()
    progress.end()
    found = {"file": file, "rows": rows, "series": len(series), **about}
    found["seconds"] = round(progress.seconds, 3)
    sentence = (
        f"{file}: {rows:,} rows of {len(series):,} series in {progress.seconds:.1f} s "
        f"({progress.rate(rows):,.0f}/s)"
    )
    # Standard output holds the rows when they went there.
    click.echo(json.dumps(found) if as_json else sentence, err=file == transfer_files.STDOUT)


@click.command(name="import")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option(
    "--map", "mapped", multiple=True, help="device=COLUMN: what the file calls a column of ours."
)
@click.option("--tz", "zone", callback=_zone, help="Zone of times that carry no offset.")
@click.option(
    "--encoding",
    type=click.Choice(transfer_csv.ENCODINGS),
    default="utf-8",
    show_default=True,
    help="Of a CSV.",
)
@click.option("--dry-run", "dry", is_flag=True, help="Store nothing; say what would happen.")
@_JSON
@click.pass_obj
def import_(
    invocation: Invocation,
    *,
    file: Path,
    mapped: tuple[str, ...],
    zone: ZoneInfo | None,
    encoding: str,
    dry: bool,
    as_json: bool,
) -> None:
    """Store the readings of FILE (.csv, .csv.gz or .parquet) as backfill; they raise no alarm.

    Columns: device, quantity, time, value, and if there are any unit and quality. What is stored
    already counts as duplicate, so the same file may be imported again. Exits with 1 when a line
    was rejected.
    """
    kind = transfer_files.kind_of(str(file))
    columns = transfer_csv.mapping(mapped)
    how = transfer_csv.Reading(columns=columns, zone=zone, encoding=encoding)
    parts = (transfer_parquet if kind == ".parquet" else transfer_csv).read(file, how)
    progress = Progress(sys.stderr, time.monotonic)
    cfg = invocation.load(IngestConfig).get(IngestConfig)
    with _database(invocation, "blocktwin reading import") as conn:
        judge = belated.judge_of(conn, cfg)
        work = Import(conn=conn, judge=judge, now_us=lambda: time.time_ns() // 1000, dry=dry)
        report = work.run(parts, lambda so_far: progress.tell(so_far.read))
    progress.end()
    if as_json:
        click.echo(json.dumps(_result(file, report, progress.seconds, dry=dry)))
    else:
        _tell(report, progress.rate(report.read), dry=dry)
    if report.rejected:
        click.get_current_context().exit(1)


def _span(
    level: Level, begin: datetime | None, end: datetime | None, accept: Quality | None
) -> Span:
    if begin is not None and end is not None and begin >= end:
        raise UsageError("--from is not before --to")
    if level is not Level.RAW and not rollups_answer(accept):
        raise UsageError(
            f"rollups leave out {', '.join(quality_names(NOT_IN_ROLLUPS))} and nothing else",
            remedy="leave --accept away, or take --resolution raw",
        )
    accepted = ALL_BITS if accept is None else accept
    return Span(level=level, begin=begin, end=end, left_out=ALL_BITS & ~accepted)


def _about(span: Span) -> dict[str, Any]:
    """Return what an export says of itself."""
    left_out = span.left_out if span.level is Level.RAW else NOT_IN_ROLLUPS
    return {
        "resolution": str(span.level),
        "from": span.begin.isoformat() if span.begin else None,
        "to": span.end.isoformat() if span.end else None,
        "left_out": quality_names(left_out),
    }


def _tell(report: Report, rate: float, *, dry: bool) -> None:
    for reason, number in sorted(report.reasons.items()):
        first = report.first[reason]
        place = first.topic.partition("/")[2]
        click.echo(f"{reason}: {number}, first {printable(f'{place}: {first.detail}')}")
    click.echo(
        f"{'dry run, nothing stored: ' if dry else ''}{report.read} read = {report.stored} stored "
        f"+ {report.rejected} rejected + {report.duplicates} duplicates ({rate:,.0f}/s)"
    )


def _result(file: Path, report: Report, seconds: float, *, dry: bool) -> dict[str, Any]:
    return {
        "file": str(file),
        "read": report.read,
        "stored": report.stored,
        "rejected": report.rejected,
        "duplicates": report.duplicates,
        "reasons": report.reasons,
        "first": {reason: reject.topic for reason, reject in report.first.items()},
        "seconds": round(seconds, 3),
        "dry_run": dry,
    }


@contextmanager
def _database(invocation: Invocation, name: str) -> Iterator[Connection[Any]]:
    database = invocation.load(DatabaseConfig).get(DatabaseConfig)
    with connect(database, autocommit=True, application_name=name) as conn:
        try:
            migrate.require_current(conn)
            yield conn
        except psycopg.OperationalError as error:
            raise DatabaseAway(f"the database went away: {error}") from error
