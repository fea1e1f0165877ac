"""Play a back-test: readings from the database, slice by slice, through one engine."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing
from datetime import datetime, timedelta
from typing import Any

import msgspec
import numpy as np
from psycopg import Connection

from alerts import overrides, rulebook, rulestore
from alerts.backtest import plan as plans
from alerts.backtest import readings
from alerts.backtest.plan import MAX_READINGS, Plan, TooMuch, Window
from alerts.backtest.quiet import Quiet
from alerts.backtest.tally import Place, Result, Tally
from alerts.engine import Engine
from alerts.rules import Rule
from core.batch import Batch
from core.db import registry
from core.errors import UsageError
from core.model import Transition

_SILENT = frozenset({"missing", "gateway_offline"})
_TICK_US = 10_000_000

SLICE_S = 120.0
"""Seconds that one slice's readings may take to be read; from a cold disk they are slow."""

_MOST_TICKS = 500_000
_SECOND_US = 1_000_000

Report = Callable[[float, int], None]
"""Told the share that is done and the readings played."""


class Request(msgspec.Struct, frozen=True, kw_only=True):
    """What is asked: a rule by its id in force, or as TOML (then ``rule_id`` picks one of it)."""

    since: datetime
    until: datetime
    rule_id: str = ""
    toml: str = ""
    space: str | None = None
    backfilled: bool = False


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """What came of it; ``same`` says that the tried rule is the one in force."""

    rule_id: str
    since: datetime = msgspec.field(name="from")
    until: datetime = msgspec.field(name="to")
    space: str | None
    series: int
    readings: int
    seconds: float
    same: bool
    candidate: Result
    in_force: Result | None


def backtest(
    conn: Connection[Any],
    request: Request,
    report: Report | None = None,
    *,
    beside: Connection[Any] | None = None,
) -> Answer:
    """Try a rule on stored readings.

    Args:
        conn: an autocommit connection of its own.
        request: what is asked.
        report: told about once a slice how far it is.
        beside: another such connection, over which every second slice is read.

    Raises:
        UsageError: if the rule, the window or the space cannot be used; ``TooMuch`` if it is more
            than one back-test may read.
        DatabaseAway: if the database goes away.
    """
    begun = time.monotonic()
    known = {entry.rule.id: entry.rule for entry in rulestore.in_force(conn)}
    candidate, given = _candidate(request, known)
    laid = plans.make(
        candidate,
        given | known,
        registry.load(conn),
        Window(since=request.since, until=request.until),
        overrides=overrides.load(conn),
        space=request.space,
    )
    conns = [conn] if beside is None else [conn, beside]
    tallies, played = play(conns, laid, report, backfilled=request.backfilled)
    devices = sorted({device for tally in tallies.values() for device in tally.devices()})
    places = _places(conn, devices)
    tried = tallies[laid.tried_id].result(places)
    current = tallies.get(candidate.id)
    return Answer(
        rule_id=candidate.id,
        since=request.since,
        until=request.until,
        space=request.space,
        series=laid.judged,
        readings=played,
        seconds=round(time.monotonic() - begun, 3),
        same=laid.same,
        candidate=tried,
        in_force=tried if laid.same else current.result(places) if current else None,
    )


def play(
    conns: Sequence[Connection[Any]],
    laid: Plan,
    report: Report | None = None,
    *,
    backfilled: bool = False,
) -> tuple[dict[str, Tally], int]:
    """Play a plan; return what its counted rules said by id in the engine, and the readings."""
    tallies = {laid.tried_id: Tally(laid.candidate, laid.window)}
    if laid.current is not None and not laid.same:
        tallies[laid.current.id] = Tally(laid.current, laid.window)
    begin = laid.window.since - laid.window.lead
    span = laid.window.until - begin
    begin_us = round(begin.timestamp() * _SECOND_US)
    engine = Engine(laid.rules, laid.registry, now_us=begin_us, overrides=laid.overrides)
    step_us = _step_us(laid, span)
    played = 0
    quiet = Quiet(laid.rules, laid.registry, laid.overrides)
    slices = readings.batches_of(
        conns, sorted(laid.registry.by_id), laid.slices(), backfilled=backfilled
    )
    with closing(slices):
        for piece, batch in slices:
            count = len(batch)
            needed = batch if step_us else quiet.needed(batch)
            for transition in _said(engine, needed, piece, step_us):
                tally = tallies.get(transition.rule_id)
                if tally is not None:
                    tally.take(transition)
            played += count
            if played > MAX_READINGS:
                raise TooMuch(
                    f"there are more than {MAX_READINGS // 1_000_000} million readings",
                    remedy="choose a shorter time or a space",
                )
            if report is not None:
                report((piece[1] - begin) / span, played)
    return tallies, played


def _step_us(laid: Plan, span: timedelta) -> int:
    """Return how far the engine goes at a time, 0 where a slice may be played at once.

    It stops to look for silence. And it gives each series one reading after the other, whatever
    their times: one that looks at others would find those of another rate hours off.
    """
    steps = [_TICK_US] if any(entry.rule.type in _SILENT for entry in laid.rules) else []
    if laid.looks_around:
        steps.append(
            round(min(info.interval_s for info in laid.registry.by_id.values()) * _SECOND_US)
        )
    if not steps:
        return 0
    return max(_SECOND_US, min(steps), round(span.total_seconds() * _SECOND_US / _MOST_TICKS))


def _said(
    engine: Engine, batch: Batch, piece: readings.Slice, step_us: int
) -> Iterable[Transition]:
    """Play a slice: at once, or in steps of event time with a look for silence after each."""
    return _in_steps(engine, batch, piece, step_us) if step_us else engine.process(batch)


def _in_steps(
    engine: Engine, batch: Batch, piece: readings.Slice, step_us: int
) -> Iterator[Transition]:
    batch = batch.take(np.argsort(batch.observed_us, kind="stable"))
    begin_us, end_us = (round(at.timestamp() * _SECOND_US) for at in piece)
    moments = np.arange(begin_us + step_us, end_us + 1, step_us)
    begin = 0
    for moment in moments.tolist():
        stop = int(np.searchsorted(batch.observed_us, moment))
        if stop > begin:
            yield from engine.process(batch.take(np.arange(begin, stop)))
            begin = stop
        yield from engine.tick(moment)
    if begin < len(batch):
        yield from engine.process(batch.take(np.arange(begin, len(batch))))


def _candidate(request: Request, known: dict[str, Rule]) -> tuple[Rule, dict[str, Rule]]:
    """Return the tried rule, and the rules that come with it."""
    if not request.toml:
        if request.rule_id not in known:
            raise UsageError(
                f"there is no rule {request.rule_id!r} in force",
                remedy="`blocktwin rule list --in-force` shows them; a file may be tried as well",
            )
        return known[request.rule_id], {}
    given = {rule.id: rule for rule in rulebook.text(request.toml, "the rule", known).rules}
    if not request.rule_id and len(given) == 1:
        return next(iter(given.values())), given
    if request.rule_id not in given:
        raise UsageError(
            f"the text holds {len(given)} rules and none {request.rule_id!r}",
            remedy=f"say which is tried: {', '.join(given)}",
        )
    return given[request.rule_id], given


def _places(conn: Connection[Any], devices: list[str]) -> dict[str, Place]:
    return {
        row[0]: Place(name=row[1], lon=row[2], lat=row[3], space=row[4])
        for row in readings.places(conn, devices)
    }
