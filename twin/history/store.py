"""Read one series at a fitting resolution; ``resolution`` decides, the statements are in the SQL.

A plan is tried and judged by what it gave. One that turned out to hold more rows than its budget is
given up for the next wider. One that gave nothing for the beginning of the window is given up when
a wider level still holds something there: then retention has deleted the narrower rows. The answer
says which plan it is and why it is not the first.

No statement over a window is prepared: the database then plans for the times it is given, and opens
only the chunks that hold them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import psycopg

from core.db.queries import load
from core.errors import UsageError
from core.model import Quality
from core.units import QUANTITIES
from twin.history.resolution import (
    DEFAULT_POINTS,
    FOLD_ROWS,
    Budget,
    Level,
    Plan,
    left_out,
    plans,
    rollups_answer,
)

SQL = load("twin.history", "store.sql")

Conn = psycopg.AsyncConnection[Any]
Columns = dict[str, list[Any]]

_LEVELS = tuple(Level)
_EVER = "-infinity"
_FOREVER = "infinity"
_GAP_INTERVALS = 3
"""A window that begins with less silence than this many intervals lacks nothing."""


class TooManyReadings(UsageError):
    """The window holds more single readings than may be read for one answer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Series:
    """A series as readers need it; ``interval_s`` is its device's expected one, in seconds."""

    series_id: int
    device_id: str
    quantity: str
    interval_s: float

    @property
    def unit(self) -> str:
        """UCUM code of its values; empty for a quantity that is no longer known."""
        known = QUANTITIES.get(self.quantity)
        return known.unit if known else ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Query:
    """Which window, how fine, and which readings.

    Attributes:
        since: first moment, inclusive; None: as far back as the points reach.
        until: last moment, inclusive; None: no end, which only single readings and ``now`` know.
        now: the caller's clock, the end of a window without one.
        level: None lets the budget decide (single readings when ``since`` is None).
        points: at most so many points.
        accept: quality bits that may be set; None leaves it to the level, see ``left_out``.
    """

    since: datetime | None
    until: datetime | None
    now: datetime
    level: Level | None = None
    points: int = DEFAULT_POINTS
    accept: Quality | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """A window of a series as columns, ascending; times are milliseconds since the Unix epoch.

    Attributes:
        plan: how it was read.
        columns: ``t``, ``v``, ``q`` of single readings, otherwise ``t`` (begin of the point),
            ``min``, ``max``, ``mean``, ``last``, ``count`` and ``good`` (share, 0 to 1); the values
            are None where no reading counts.
        left_out: readings with one of these bits do not count in the values.
        truncated: whether there was more and only the newest points are here.
        complete: whether nothing that was ever stored of the window is missing.
        because: why it is wider than its budget allows: ``deleted`` or ``dense``; else None.
    """

    plan: Plan
    columns: Columns
    left_out: Quality
    truncated: bool = False
    complete: bool = True
    because: str | None = None


async def find(conn: Conn, device: str, quantity: str) -> Series | None:
    """Return the series of a device's quantity, None if there is none."""
    cursor = await conn.execute(SQL["series"], {"device": device, "quantity": quantity})
    row = await cursor.fetchone()
    if row is None:
        return None
    return Series(series_id=row[0], device_id=row[1], quantity=row[2], interval_s=row[3])


async def read(conn: Conn, series: Series, query: Query) -> Answer:
    """Return a window of a series.

    Raises:
        TooManyReadings: if rollups may not answer and single readings are too many.
    """
    if query.level is None and query.since is not None:
        return await _fitting(conn, series, query, query.since)
    level = query.level or Level.RAW
    if level is not Level.RAW and not rollups_answer(query.accept):
        raise _too_many(f"{level} is made without regard to these quality bits")
    plan = Plan(level=level, step_s=level.width_s)
    return await _asked(conn, series, query, plan)


async def _fitting(conn: Conn, series: Series, query: Query, since: datetime) -> Answer:
    """Try the plans of the budget, the finest first."""
    until = query.until or query.now
    budget = Budget(
        span_s=max((until - since).total_seconds(), 0),
        interval_s=series.interval_s,
        points=query.points,
        rollups=rollups_answer(query.accept),
    )
    because: str | None = None
    least = 0
    for plan in plans(budget):
        if _LEVELS.index(plan.level) < least:
            continue
        bits = left_out(query.accept, plan)
        columns = await _columns(conn, series, plan, (since, until, query.points), bits)
        if columns is None:
            because = because or "dense"
            continue
        holder = await _who_holds_more(conn, series, plan, columns, (since, until))
        if holder is None or not budget.rollups:
            complete = holder is None
            return Answer(
                plan=plan, columns=columns, left_out=bits, complete=complete, because=because
            )
        because, least = "deleted", _LEVELS.index(holder)
    raise _too_many("these quality bits need single readings, and the window has too many of them")


async def _asked(conn: Conn, series: Series, query: Query, plan: Plan) -> Answer:
    """Read one level as asked for; of too many points the newest are kept."""
    bits = left_out(query.accept, plan)
    if plan.level is Level.RAW:
        since: datetime | str = query.since or _EVER
        until: datetime | str = query.until or _FOREVER
        found = await _newest(conn, series, (since, until, query.points), bits)
        truncated, rows = len(found) > query.points, found[: query.points]
        columns = _single(rows)
    else:
        end = query.until or query.now
        least = end - timedelta(seconds=plan.step_s * (query.points - 1))
        begin = max(query.since or least, least)
        columns = await _points(conn, series, plan, (begin, end, 0), bits)
        before = begin - timedelta(seconds=plan.step_s)
        more = query.since is None or query.since < before
        truncated = more and await _held(conn, plan.level, series, (query.since or _EVER, before))
    if truncated or query.since is None:
        return Answer(plan=plan, columns=columns, left_out=bits, truncated=truncated)
    window = (query.since, query.until or query.now)
    holder = await _who_holds_more(conn, series, plan, columns, window)
    return Answer(plan=plan, columns=columns, left_out=bits, complete=holder is None)


async def _columns(
    conn: Conn,
    series: Series,
    plan: Plan,
    window: tuple[datetime, datetime, int],
    bits: Quality,
) -> Columns | None:
    """Read a plan; None when it holds more rows than its budget."""
    if plan.step_s == 0:
        rows = await _newest(conn, series, window, bits)
        return _single(rows) if len(rows) <= window[2] else None
    columns = await _points(conn, series, plan, window, bits)
    if plan.level is Level.RAW and sum(columns["count"]) > FOLD_ROWS:
        return None
    return columns


async def _newest(
    conn: Conn,
    series: Series,
    window: tuple[datetime | str, datetime | str, int],
    bits: Quality,
) -> list[tuple[Any, ...]]:
    """Read one single reading more than asked for, newest first."""
    since, until, points = window
    cursor = await conn.execute(
        SQL["readings"],
        {
            "series": series.series_id,
            "since": since,
            "until": until,
            "left_out": int(bits),
            "limit": points + 1,
        },
        prepare=False,
    )
    return await cursor.fetchall()


async def _points(
    conn: Conn,
    series: Series,
    plan: Plan,
    window: tuple[datetime, datetime, int],
    bits: Quality,
) -> Columns:
    since, until, _ = window
    parameters = {
        "series": series.series_id,
        "step": plan.step_s,
        "since": since,
        "until": until,
    }
    if plan.level is Level.RAW:
        parameters |= {"left_out": int(bits), "limit": FOLD_ROWS + 1}
    cursor = await conn.execute(SQL[f"points_{plan.level}"], parameters, prepare=False)
    return _wide(await cursor.fetchall())


async def _who_holds_more(
    conn: Conn,
    series: Series,
    plan: Plan,
    columns: Columns,
    window: tuple[datetime, datetime],
) -> Level | None:
    """Return the narrowest wider level with rows before what was found, None if there is none.

    Only rows that lie whole in the hole count: a day's row may owe its existence to the hours
    before the window.
    """
    since, until = window
    first = columns["t"][0] / 1000 if columns["t"] else until.timestamp()
    hole_s = first - since.timestamp()
    if hole_s <= max(_GAP_INTERVALS * series.interval_s, plan.step_s):
        return None
    start = since + timedelta(seconds=hole_s)
    if await _held(conn, plan.level, series, (since, start)):
        # Readings are there, and their quality keeps them out of the answer.
        return None
    for level in _LEVELS[_LEVELS.index(plan.level) + 1 :]:
        end = start - timedelta(seconds=level.width_s)
        if end > since and await _held(conn, level, series, (since, end)):
            return level
    return None


async def _held(
    conn: Conn, level: Level, series: Series, stretch: tuple[datetime | str, datetime]
) -> bool:
    parameters = {"series": series.series_id, "since": stretch[0], "before": stretch[1]}
    cursor = await conn.execute(SQL[f"held_{level}"], parameters, prepare=False)
    row = await cursor.fetchone()
    return bool(row and row[0])


def _single(rows: Sequence[tuple[Any, ...]]) -> Columns:
    """Turn rows, newest first, into ascending columns."""
    kept = rows[::-1]
    return {
        "t": [round(at.timestamp() * 1000) for at, _, _ in kept],
        "v": [value for _, value, _ in kept],
        "q": [quality for _, _, quality in kept],
    }


def _wide(rows: Sequence[tuple[Any, ...]]) -> Columns:
    names = ("min", "max", "mean", "last", "count")
    columns: Columns = {"t": [round(row[0].timestamp() * 1000) for row in rows]}
    columns |= {name: [row[i] for row in rows] for i, name in enumerate(names, start=1)}
    columns["good"] = [round(row[6] / row[5], 4) if row[5] else 0.0 for row in rows]
    return columns


def _too_many(why: str) -> TooManyReadings:
    return TooManyReadings(
        why,
        remedy="ask for a shorter window or more points, or leave the quality out",
    )
