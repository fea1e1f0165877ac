"""``blocktwin reading``: look at readings, take them out to files, bring them in from files."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

import click

from core.config import DatabaseConfig, Invocation
from core.errors import UsageError
from core.model import Field, Severity, parse_time
from core.units import DEVICE_KINDS, QUANTITIES
from twin.config import ApiConfig
from twin.history import latest as newest
from twin.history import moment, store
from twin.history.plot import WIDTH, Curve, draw
from twin.history.resolution import DEFAULT_POINTS, Level, parse_quality, quality_names
from twin.history.transfer_command import export, import_
from twin.state import space_words, totals

T = TypeVar("T")
Work = Callable[[store.Conn], Awaitable[T]]

_AGO = re.compile(r"(\d{1,6})([smhd])")
_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86_400}
_WORST_SHOWN = 20


def when(_ctx: click.Context, _param: click.Parameter, text: str) -> datetime:
    """Read a time: RFC 3339 with its offset, ``now``, or how long ago: ``90m``, ``24h``, ``7d``."""
    now = datetime.now(UTC)
    if text == "now":
        return now
    if (ago := _AGO.fullmatch(text)) is not None:
        return now - timedelta(seconds=int(ago[1]) * _SECONDS[ago[2]])
    try:
        return parse_time(text)
    except ValueError as error:
        raise click.BadParameter(
            f"{text!r} is no time: 2026-07-01T08:00:00+08:00, now, 90m, 24h, 7d"
        ) from error


_JSON = click.option("--json", "as_json", is_flag=True, help="Print JSON.")
_LEVELS = click.Choice(["auto", *(str(level) for level in Level)])


@click.group()
def reading() -> None:
    """Show, export and import readings."""


@reading.command()
@click.argument("device")
@click.argument("quantity")
@click.option("--from", "since", metavar="TIME", callback=when, default="24h", show_default=True)
@click.option("--to", "until", metavar="TIME", callback=when, default="now", show_default=True)
@click.option("--resolution", type=_LEVELS, default="auto", show_default=True)
@click.option("--points", type=click.IntRange(2, 20_000), default=DEFAULT_POINTS, show_default=True)
@click.option("--accept", default=None, help="Quality bits that may be set: all, good, or names.")
@_JSON
@click.pass_obj
def show(invocation: Invocation, /, device: str, quantity: str, **options: Any) -> None:
    """Draw the readings of one series; at most POINTS points, as fine as they allow.

    Times are RFC 3339 with an offset, `now`, or how long ago: 90m, 24h, 7d.
    """
    as_json = options.pop("as_json")
    query = _query(**options)

    async def work(conn: store.Conn) -> tuple[store.Series, store.Answer]:
        series = await store.find(conn, device, quantity)
        if series is None:
            raise UsageError(
                f"device {device!r} measures no {quantity!r}, or does not exist",
                remedy="look at: blocktwin reading latest",
            )
        return series, await store.read(conn, series, query)

    series, answer = _run(invocation, work)
    if as_json:
        click.echo(json.dumps(_word(series, answer), ensure_ascii=False))
        return
    for line in _picture(series, query, answer):
        click.echo(line)


@reading.command()
@click.option("--field", type=click.Choice([str(field) for field in Field]), default=None)
@click.option("--kind", type=click.Choice(list(DEVICE_KINDS)), default=None)
@click.option("--gateway", default=None, help="Gateway id.")
@click.option("--space", default=None, help="Space code: it and all that lies in it.")
@_JSON
@click.pass_obj
def latest(invocation: Invocation, /, *, as_json: bool, **filters: str | None) -> None:
    """Print the newest reading of every series."""
    choice = newest.Choice(**filters)
    found = _run(invocation, lambda conn: newest.latest(conn, choice))
    if as_json:
        click.echo(json.dumps(found, ensure_ascii=False))
        return
    for i, device in enumerate(found["device"]):
        name = found["quantities"][found["quantity"][i]]
        unit = QUANTITIES[name].unit if name in QUANTITIES else ""
        marks = " ".join(quality_names(found["q"][i]))
        when = _clock(found["t"][i])
        value = f"{found['v'][i]:g} {unit}"
        click.echo(f"{found['devices'][device]:28}{name:22}{value:18}{when}  {marks}".rstrip())


@reading.command()
@click.option(
    "--at", metavar="TIME", callback=when, required=True, help="RFC 3339, or how long ago."
)
@_JSON
@click.pass_obj
def state(invocation: Invocation, at: datetime, *, as_json: bool) -> None:
    """Print the whole district as it was at a time: freshness, open alarms, values."""
    if at > datetime.now(UTC):
        raise UsageError(f"{at.isoformat()} lies in the future", remedy="give a time in the past")
    intervals = invocation.load(ApiConfig).get(ApiConfig).stale_intervals

    async def work(conn: store.Conn) -> moment.Moment:
        return await moment.moment(conn, at, stale_intervals=intervals)

    then = _run(invocation, work)
    sums, spaces = totals(then.state), space_words(then.state, 0, None)
    if as_json:
        word = {
            "at": at.isoformat(),
            "event_id": then.event_id,
            "level": then.level,
            "totals": sums,
            "spaces": spaces,
            "devices": then.state.devices_inside(0),
            "values": then.values,
        }
        click.echo(json.dumps(word, ensure_ascii=False))
        return
    for line in _summary(then, sums, spaces):
        click.echo(line)


reading.add_command(export)
reading.add_command(import_)


def _query(**options: Any) -> store.Query:
    since, until = options["since"], options["until"]
    if since > until:
        raise UsageError("--from lies after --to", remedy="exchange them")
    accept, level = options["accept"], options["resolution"]
    try:
        bits = None if accept is None else parse_quality(accept)
    except ValueError as error:
        raise UsageError(f"--accept: {error}") from error
    return store.Query(
        since=since,
        until=until,
        now=until,
        level=None if level == "auto" else Level(level),
        points=options["points"],
        accept=bits,
    )


def _run(invocation: Invocation, work: Work[T]) -> T:
    from core.db.pool import open_pool

    database = invocation.load(DatabaseConfig).get(DatabaseConfig)

    async def run() -> T:
        async with open_pool(database, "blocktwin reading") as pool, pool.connection() as conn:
            return await work(conn)

    return asyncio.run(run())


def _word(series: store.Series, answer: store.Answer) -> dict[str, Any]:
    return {
        "device_id": series.device_id,
        "quantity": series.quantity,
        "unit": series.unit,
        "resolution": answer.plan.name,
        "complete": answer.complete,
        "truncated": answer.truncated,
        "because": answer.because,
        "left_out": quality_names(answer.left_out),
        **answer.columns,
    }


def _picture(series: store.Series, query: store.Query, answer: store.Answer) -> list[str]:
    columns, single = answer.columns, answer.plan.step_s == 0
    names = ("v", "v", "v") if single else ("min", "max", "mean")
    low, high, middle = (columns[name] for name in names)
    curve = Curve(t=columns["t"], low=low, high=high, middle=middle)
    end = query.until or query.now
    begin = query.since or end
    span = (round(begin.timestamp() * 1000), round(end.timestamp() * 1000))
    lines = draw(curve, span) or ["no readings in this window"]
    first, final = _clock(span[0]), _clock(span[1])
    lines.append(f"{'':12}{first}{final:>{WIDTH - len(first)}}")
    notes = [f"{series.device_id} {series.quantity} [{series.unit}]"]
    notes.append(f"{len(columns['t'])} points, {_resolution(answer)}")
    if answer.left_out:
        notes.append(f"without: {', '.join(quality_names(answer.left_out))}")
    return [*lines, "; ".join(notes)]


def _resolution(answer: store.Answer) -> str:
    name = answer.plan.name
    text = "single readings" if name == "raw" else f"{name} each (band: least to greatest)"
    if answer.because == "deleted":
        text += "; finer ones are past their retention"
    if answer.because == "dense":
        text += "; more readings than the interval promises"
    if answer.truncated:
        text += "; only the newest"
    if not answer.complete:
        text += "; some are past their retention, ask for another resolution"
    return text


def _summary(then: moment.Moment, sums: dict[str, Any], spaces: list[dict[str, Any]]) -> list[str]:
    lines = [
        f"{then.at.isoformat()}: {len(then.values['series'])} values (from {then.level})",
        "devices {devices}: {fresh} fresh, {stale} stale, {never} without a reading".format(**sums),
        f"open alarms {sums['open']}, unacknowledged {sums['unacknowledged']}",
    ]
    worst = sorted(
        (space for space in spaces if space["open"]),
        key=lambda space: (-space["severity"], -space["open"]),
    )
    lines += [
        f"  {space['code']:24}{space['kind']:10}{Severity(space['severity']).name.lower():8}"
        f"{space['open']} open"
        for space in worst[:_WORST_SHOWN]
    ]
    if len(worst) > _WORST_SHOWN:
        lines.append(f"  and {len(worst) - _WORST_SHOWN} more spaces with open alarms")
    return lines


def _clock(ms: int) -> str:
    return datetime.fromtimestamp(ms / 1000, UTC).strftime("%Y-%m-%d %H:%M:%SZ")
