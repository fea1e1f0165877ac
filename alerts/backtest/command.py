"""``blocktwin rule backtest``."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import click
import msgspec
from msgspec.structs import replace

from alerts.backtest.run import SLICE_S, Answer, Request, backtest
from alerts.backtest.tally import Result
from core.config import DatabaseConfig, Invocation
from core.db.pool import connect
from core.errors import UsageError
from core.model import parse_time

_DAYS = 30


@click.command("backtest")
@click.argument("rule", metavar="RULE_ID|FILE")
@click.option("--from", "since", default="", help="Begin, RFC 3339; 30 days before the end.")
@click.option("--to", "until", default="", help="End, exclusive, RFC 3339; now if not given.")
@click.option("--space", default=None, help="Only devices in this space, by its code.")
@click.option("--rule", "rule_id", default="", help="Which rule of a FILE with several.")
@click.option("--backfilled", is_flag=True, help="Let readings speak that came as backfill.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.pass_obj
def backtest_command(
    invocation: Invocation, /, rule: str, *, since: str, until: str, as_json: bool, **more: str
) -> None:
    """Try a rule on stored readings: how many alarms, where, how many people woken.

    A FILE is compared with the rule of the same id that is in force.
    """
    request = _request(rule, since, until, more)
    database = invocation.load(DatabaseConfig).get(DatabaseConfig)
    database = replace(database, statement_timeout_s=max(SLICE_S, database.statement_timeout_s))
    name = "blocktwin rule backtest"
    with (
        connect(database, autocommit=True, application_name=name) as conn,
        connect(database, autocommit=True, application_name=name) as beside,
        click.progressbar(length=1000, label="playing", file=sys.stderr) as bar,
    ):

        def report(share: float, _: int) -> None:
            bar.update(round(share * 1000) - bar.pos)

        answer = backtest(conn, request, report, beside=beside)
    if as_json:
        click.echo(msgspec.json.encode(answer).decode())
        return
    for line in _lines(answer):
        click.echo(line)


def _request(rule: str, since: str, until: str, more: dict[str, str]) -> Request:
    end = _time("--to", until) or datetime.now(UTC)
    begin = _time("--from", since) or end - timedelta(days=_DAYS)
    path = Path(rule)
    toml = ""
    if rule.endswith(".toml"):
        try:
            toml = path.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise UsageError(f"cannot read {path}: {error}") from error
    return Request(
        since=begin,
        until=end,
        rule_id=more["rule_id"] if toml else rule,
        toml=toml,
        space=more["space"],
        backfilled=bool(more["backfilled"]),
    )


def _time(option: str, said: str) -> datetime | None:
    try:
        return parse_time(said) if said else None
    except ValueError as error:
        raise UsageError(f"{option}: {error}") from error


def _lines(answer: Answer) -> Iterator[str]:
    yield (
        f"{answer.rule_id}: {answer.series} series, {answer.readings:,} readings from "
        f"{answer.since.isoformat(timespec='minutes')} to "
        f"{answer.until.isoformat(timespec='minutes')}, {answer.seconds} s"
    )
    now = answer.in_force
    yield f"{'':26}{'tried':>10}{'in force':>10}"
    rows = [
        ("alarms", "alarms"),
        ("times somebody is woken", "woken"),
        ("most in 10 minutes", "peak_10min"),
    ]
    for title, key in rows:
        yield _row(title, getattr(answer.candidate, key), getattr(now, key) if now else None)
    for severity, count in answer.candidate.by_severity.items():
        yield _row(f"  {severity}", count, now.by_severity[severity] if now else None)
    if answer.same:
        yield "the tried rule is the one in force"
    yield from _where(answer.candidate)


def _row(title: str, tried: int, now: int | None) -> str:
    return f"{title:26}{tried:>10}{'-' if now is None else now:>10}"


def _where(result: Result) -> Iterator[str]:
    if result.by_space:
        spaces = Counter({one.space or "(no space)": one.alarms for one in result.by_space})
        places = ", ".join(f"{code} {count}" for code, count in spaces.most_common(10))
        yield f"most in: {places}"
    for one in result.devices[:10]:
        yield f"  {one.device_id:28}{one.alarms:>6} {one.worst:8}{one.name}"
