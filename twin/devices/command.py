"""``blocktwin device``: look at devices; move, replace and set them; and look at their kinds."""

from __future__ import annotations

import asyncio
import getpass
import json
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, TypeVar

import click
import msgspec

from core.config import DatabaseConfig, Invocation
from core.errors import UsageError
from core.model import parse_time
from twin.config import ApiConfig, TwinConfig

if TYPE_CHECKING:
    import psycopg

    from twin.devices import reads
    from twin.kinds import Kinds

T = TypeVar("T")
Row = dict[str, Any]

MAX_LISTED = 100_000

_JSON = click.option("--json", "as_json", is_flag=True, help="Print JSON.")
_AS = click.option("--as", "actor", default="", help="Who does it; the system's user if not given.")


def _time(_ctx: click.Context, _param: click.Parameter, text: str | None) -> datetime | None:
    try:
        return parse_time(text) if text else None
    except ValueError as error:
        raise click.BadParameter(f"{text!r} is no time like 2026-07-01T08:00:00+08:00") from error


_AT = click.option("--at", callback=_time, default=None, help="RFC 3339 with offset; now if not.")


@click.group()
def device() -> None:
    """Look at devices; move, replace and set them."""


@device.command("list")
@click.option("--space", default=None, help="Space code: it and all that lies in it.")
@click.option("--kind", default=None, help="Device kind.")
@click.option("--stale", is_flag=True, help="Only those that are silent, or never reported.")
@click.option("--limit", type=click.IntRange(1, MAX_LISTED), default=1000, show_default=True)
@_JSON
@click.pass_obj
def list_devices(invocation: Invocation, /, *, as_json: bool, limit: int, **choice: Any) -> None:
    """List devices by id, with when they were last heard."""
    intervals = invocation.load(ApiConfig).get(ApiConfig).stale_intervals

    async def work(conn: reads.Conn) -> list[Row]:
        from twin.devices import reads

        return await reads.devices(conn, stale_intervals=intervals, limit=limit + 1, **choice)

    found = _read(invocation, work)
    if as_json:
        click.echo(_json(found[:limit]))
        return
    for row in found[:limit]:
        heard = _clock(row["heard_at"]) or "never"
        click.echo(
            f"{row['device_id']:28}{row['kind']:18}{row['space'] or '-':22}"
            f"{row['freshness']:7}{heard:21}{row['name']}"
        )
    if len(found) > limit:
        click.echo(f"… and more; give --limit up to {MAX_LISTED}", err=True)


@device.command()
@click.argument("device_id")
@_JSON
@click.pass_obj
def show(invocation: Invocation, device_id: str, *, as_json: bool) -> None:
    """Show one device: where it stands, what is wished for, what it reports, what differs."""

    async def work(conn: reads.Conn) -> Row:
        from twin.devices import reads

        row = await _found(conn, device_id)
        history = await reads.history(conn, device_id)
        sides = reads.sides(await reads.attributes(conn, device_id))
        installed = history["installations"]
        return row | {"installation": installed[-1] if installed else None} | sides

    found = _read(invocation, work)
    if as_json:
        click.echo(_json(found))
        return
    for line in _sheet(found):
        click.echo(line)


@device.command()
@click.argument("device_id")
@_JSON
@click.pass_obj
def history(invocation: Invocation, device_id: str, *, as_json: bool) -> None:
    """Show which instruments stood behind DEVICE_ID, and where it was when."""

    async def work(conn: reads.Conn) -> Row:
        from twin.devices import reads

        await _found(conn, device_id)
        return await reads.history(conn, device_id)

    found = _read(invocation, work)
    if as_json:
        click.echo(_json(found))
        return
    click.echo("instruments, the oldest first")
    for one in found["installations"]:
        plate = " ".join(one[key] for key in ("vendor", "model", "serial") if one[key])
        click.echo(f"  {_span(one)}  {plate or 'not known'}{_why(one)}")
    click.echo("places, the newest first")
    for one in found["places"]:
        space = one["space"] or f"unplaced: {one['placed_note']}"
        at = f"({one['lon']:.6f}, {one['lat']:.6f})"
        click.echo(f"  {_span(one)}  {at} {space} via {one['gateway_id']}{_why(one)}")
    if found["more"]:
        click.echo("  … older places are left out")


@device.command()
@click.argument("device_id")
@click.option("--lon", "x", type=float, required=True, help="Longitude, or east in the frame.")
@click.option("--lat", "y", type=float, required=True, help="Latitude, or north in the frame.")
@click.option("--frame", default="EPSG:4490", show_default=True, help="Coordinate system.")
@click.option("--height", "height_m", type=float, default=None, help="Metres above ground.")
@click.option("--gateway", default=None, help="Through which it reports from now on.")
@click.option("--reason", required=True, help="A sentence for the history.")
@click.option("--dry-run", is_flag=True, help="Say where it would belong; change nothing.")
@_AS
@_JSON
@click.pass_obj
def move(
    invocation: Invocation,
    /,
    device_id: str,
    *,
    reason: str,
    dry_run: bool,
    actor: str,
    as_json: bool,
    **where: Any,
) -> None:
    """Put a device at another place; its id, series and readings stay."""
    from twin.devices.places import Target
    from twin.devices.places import move as put

    target = Target(**where)
    by = actor or getpass.getuser()
    moved = _write(
        invocation,
        lambda conn: put(conn, device_id, target, reason=reason, by=by, dry_run=dry_run),
    )
    if as_json:
        click.echo(_json(msgspec.to_builtins(moved)))
        return
    for label, place in (("from", moved.before), ("to", moved.after)):
        space = place["space"] or f"unplaced: {place['placed_note']}"
        at = f"({place['lon']:.6f}, {place['lat']:.6f})"
        click.echo(f"{label:5}{at} {space} via {place['gateway_id']}")
    click.echo("nothing was changed" if dry_run else f"moved {device_id}")


@device.command()
@click.argument("device_id")
@click.option("--serial", required=True, help="Serial number of the new instrument.")
@click.option("--vendor", default="", help="Who made it.")
@click.option("--model", default="", help="Its type.")
@click.option("--reason", required=True, help="A sentence for the history.")
@_AT
@_AS
@_JSON
@click.pass_obj
def replace(
    invocation: Invocation,
    /,
    device_id: str,
    *,
    reason: str,
    at: datetime | None,
    actor: str,
    as_json: bool,
    **plate: str,
) -> None:
    """Record that another instrument stands behind DEVICE_ID; series and readings go on."""
    from twin.devices.places import Instrument
    from twin.devices.places import replace as put

    now, by = datetime.now(UTC), actor or getpass.getuser()
    instrument = Instrument(**plate)
    found = _write(
        invocation,
        lambda conn: put(conn, device_id, instrument, at=at or now, now=now, reason=reason, by=by),
    )
    if as_json:
        click.echo(_json(found))
        return
    click.echo(f"{device_id} has had {len(found)} instruments; the new one is {instrument.serial}")


@device.command("set")
@click.argument("device_id")
@click.argument("values", nargs=-1, required=True, metavar="NAME=VALUE…")
@click.option("--if-version", type=click.IntRange(0), default=None, help="Only at this version.")
@_AS
@_JSON
@click.pass_obj
def set_(
    invocation: Invocation,
    device_id: str,
    values: tuple[str, ...],
    if_version: int | None,
    actor: str,
    as_json: bool,
) -> None:
    """Wish for values, as JSON or plain text; NAME=null removes a wish.

    A wish holds when the device, or a program that reads it, reports it; nothing here sends it to
    the gateway.
    """
    from twin.devices.attributes import set_desired

    kinds, given, by = _kinds(invocation), _values(values), actor or getpass.getuser()
    found = _write(
        invocation,
        lambda conn: set_desired(conn, device_id, given, kinds=kinds, by=by, expected=if_version),
    )
    _say_sides(found, as_json)


@device.command()
@click.argument("device_id")
@click.argument("values", nargs=-1, required=True, metavar="NAME=VALUE…")
@_AT
@_AS
@_JSON
@click.pass_obj
def report(
    invocation: Invocation,
    device_id: str,
    values: tuple[str, ...],
    at: datetime | None,
    actor: str,
    as_json: bool,
) -> None:
    """Record what the device says of its attributes, as JSON or plain text; for programs."""
    from twin.devices.attributes import report as take

    now, given, by = datetime.now(UTC), _values(values), actor or getpass.getuser()
    found = _write(
        invocation, lambda conn: take(conn, device_id, given, by=by, at=at or now, now=now)
    )
    _say_sides(found, as_json)


@device.command("kinds")
@click.argument("kind", required=False)
@_JSON
@click.pass_obj
def list_kinds(invocation: Invocation, kind: str | None, *, as_json: bool) -> None:
    """List the kinds of devices; with KIND, what may be said of one and what can be set on it."""
    from twin.devices.reads import kind_words

    kinds = _kinds(invocation)
    if kind is None:
        words = kind_words(kinds)
        if as_json:
            click.echo(_json(words))
            return
        for word in words:
            mark = "" if word["built_in"] else "  own"
            click.echo(f"{word['kind']:20}{word['field']:9}{word['zh']} / {word['en']}{mark}")
        return
    schema = kinds.schemas.get(kind)
    if schema is None:
        raise UsageError(
            f"there is no kind {kind!r}", remedy=f"one of: {', '.join(sorted(kinds.schemas))}"
        )
    if as_json:
        click.echo(_json(schema))
        return
    for name, one in schema["properties"].items():
        what = one.get("type") or "|".join(map(str, one.get("enum", [])))
        bounds = f" {one['minimum']:g} to {one['maximum']:g}" if "minimum" in one else ""
        click.echo(
            f"{name:24}{one.get('side', ''):14}{what}{bounds} {one.get('unit', '')}".rstrip()
            + f"  {one.get('title', '')} / {one.get('titleEn', '')}"
        )


def _say_sides(found: Any, as_json: bool) -> None:
    from twin.devices.reads import sides

    if as_json:
        click.echo(_json(sides(found)))
        return
    for line in _sides(sides(found)):
        click.echo(line)


def _values(words: tuple[str, ...]) -> Row:
    found: Row = {}
    for word in words:
        name, equals, text = word.partition("=")
        if not equals or not name:
            raise UsageError(f"{word!r} is no NAME=VALUE", remedy="write interval_s=30")
        if name in found:
            raise UsageError(f"{name} stands twice", remedy="give each name once")
        try:
            found[name] = json.loads(text)
        except ValueError:
            found[name] = text
    return found


def _sheet(found: Row) -> list[str]:
    installed = found["installation"] or {}
    plate = " ".join(filter(None, map(installed.get, ("vendor", "model", "serial"))))
    space = found["space"] or f"unplaced: {found['placed_note']}"
    return [
        f"{found['device_id']}  {found['name']}",
        f"{found['kind']} via {found['gateway_id']}, every {found['interval_s']:g} s",
        f"at ({found['lon']:.7f}, {found['lat']:.7f}), given in {found['frame']}; {space}",
        f"instrument: {plate or 'not known'}",
        *(f"  {name} = {_json(value)}" for name, value in found["attributes"].items()),
        *_sides(found),
    ]


def _sides(found: Row) -> list[str]:
    lines = []
    for side in ("desired", "reported"):
        lines.append(f"{side}, version {found[side]['version']}")
        for name, one in found[side]["values"].items():
            lines.append(f"  {name} = {_json(one['value'])}  {_clock(one['at'])} by {one['by']}")
    for name, one in found["delta"].items():
        said = "nothing" if one["reported"] is None else _json(one["reported"])
        lines.append(f"not yet reported: {name} = {_json(one['desired'])}, the device says {said}")
    return lines


def _span(row: Row) -> str:
    return f"{_clock(row['from_at']) or 'ever':19} to {_clock(row['to_at']) or 'now':19}"


def _why(row: Row) -> str:
    words = "; ".join(part for part in (row["reason"], row["by"] and f"by {row['by']}") if part)
    return f"  ({words})" if words else ""


def _clock(when: datetime | None) -> str:
    return f"{when.astimezone(UTC):%Y-%m-%dT%H:%M:%S}" if when is not None else ""


def _json(value: Any) -> str:
    return msgspec.json.encode(value).decode()


def _kinds(invocation: Invocation) -> Kinds:
    from twin.kinds import Kinds

    return Kinds.read(invocation.load(TwinConfig).get(TwinConfig).kinds_folder)


async def _found(conn: reads.Conn, device_id: str) -> Row:
    from twin.devices import reads
    from twin.devices.places import DeviceUnknown

    row = await reads.device(conn, device_id)
    if row is None:
        raise DeviceUnknown(device_id)
    return row


def _read(invocation: Invocation, work: Callable[[reads.Conn], Awaitable[T]]) -> T:
    from core.db.pool import open_pool

    database = invocation.load(DatabaseConfig).get(DatabaseConfig)

    async def run() -> T:
        async with open_pool(database, "blocktwin device") as pool, pool.connection() as conn:
            return await work(conn)

    return asyncio.run(run())


def _write(invocation: Invocation, work: Callable[[psycopg.Connection[Any]], T]) -> T:
    from core.db import migrate, pool

    database = invocation.load(DatabaseConfig).get(DatabaseConfig)
    with pool.connect(database, autocommit=True, application_name="blocktwin device") as conn:
        migrate.require_current(conn)
        return work(conn)
