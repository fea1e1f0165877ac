"""Keep the rollups of minutes, hours and days in step with the readings, where they are ours.

The worker marks the minutes that a batch touches in the batch's transaction. A refresh takes marks
out, makes their buckets anew from the level below, and marks the level above, all in one
transaction: a reader sees what was before or what is after, and a kill in between leaves the marks.
A batch that commits after its minute was stored as complete has left a mark, and the next refresh
takes it. Only one refresh runs at a time; a second one stands aside.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
from psycopg import Connection, IsolationLevel
from psycopg.sql import SQL, Composed, Identifier

from core.db.queries import load
from core.db.upkeep.stretches import Plan, Span, Stretch, plan
from core.model import NOT_IN_ROLLUPS

_SQL = load("core.db.upkeep", "rollups.sql")

MOST_MARKS = 20_000
"""Marks that one transaction takes."""
MOST_BUCKETS_ALONE = 100_000
"""Buckets, summed over series, that one transaction makes for single series."""
MANY_SERIES = 2_000
"""More changed series than this mark a bucket of the level above for all."""

_BEGINNING = datetime.min.replace(tzinfo=UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class Level:
    """A level of rollups.

    Attributes:
        table: its own; ``below`` the one that it is made from.
        most_all: most buckets of all series in one transaction, however fast they go.
    """

    name: str
    width: timedelta
    table: str
    below: str
    most_all: int


MINUTES = Level(
    name="1m", width=timedelta(minutes=1), table="rollup_1m", below="reading", most_all=1440
)
HOURS = Level(name="1h", width=timedelta(hours=1), table="rollup_1h", below=MINUTES.table,
              most_all=720)  # fmt: skip
DAYS = Level(name="1d", width=timedelta(days=1), table="rollup_1d", below=HOURS.table,
             most_all=366)  # fmt: skip
LEVELS = (MINUTES, HOURS, DAYS)


@dataclass(slots=True)
class Pace:
    """How many buckets of all series one transaction makes: few when they are dear, else more.

    A transaction should take a second or so: long ones keep the next mark waiting, short ones cost
    more for their beginning and end than for their work.
    """

    buckets: dict[str, int] = field(default_factory=dict)

    def of(self, level: Level) -> int:
        """Return the number for this level."""
        return self.buckets.get(level.name, 1)

    def learn(self, level: Level, took_s: float) -> None:
        """Take more after a quick transaction, fewer after a slow one."""
        now = self.of(level)
        if took_s < 0.5:
            self.buckets[level.name] = min(now * 2, level.most_all)
        elif took_s > 2.0:
            self.buckets[level.name] = max(now // 2, 1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Round:
    """What one transaction of a refresh did.

    Attributes:
        rows: rows of the rollup that are new or changed.
        marks: marks that were taken up.
        more: whether marks that could be done now are left.
    """

    rows: int
    marks: int
    more: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """How far a level is.

    Attributes:
        done_to: end of what is complete; None before the first refresh.
        waiting: marks that are not taken up yet; ``earliest`` the first of them.
    """

    done_to: datetime | None
    waiting: int
    earliest: datetime | None


def prepare(conn: Connection[Any]) -> None:
    """Set up a connection in autocommit mode for the statements here.

    Statements are planned for their values every time: a plan for any stretch of time would open
    every chunk. Each must see what was committed before it began, and no older snapshot.
    """
    conn.prepare_threshold = None
    conn.isolation_level = IsolationLevel.READ_COMMITTED


def allow(conn: Connection[Any], timeout_s: float) -> None:
    """Let statements of this session take so long; upkeep takes longer than any honest query."""
    conn.execute(_SQL["statement_timeout"], {"timeout": f"{round(timeout_s * 1000)}ms"})


def standing(conn: Connection[Any]) -> dict[str, Standing]:
    """Return how far each level is, by its name."""
    waiting = {name: rest for name, *rest in conn.execute(_SQL["waiting"])}
    found = {}
    for name, done_to in conn.execute(_SQL["levels"]):
        number, earliest = waiting.get(name, (0, None))
        found[name] = Standing(done_to=done_to, waiting=number, earliest=earliest)
    return found


def kept_from(conn: Connection[Any]) -> dict[str, datetime]:
    """Return, for each table of which something was deleted, from when on it has all."""
    return dict(conn.execute(_SQL["kept_from"]).fetchall())


def record_kept_from(conn: Connection[Any], table: str, when: datetime) -> None:
    """Record that ``table`` has lost what was before ``when``."""
    conn.execute(_SQL["record_kept_from"], {"table": table, "from": when})


@contextmanager
def locked(conn: Connection[Any], *, wait: str = "300s") -> Iterator[None]:
    """Open a transaction during which nothing else refreshes or deletes.

    Args:
        conn: prepared by ``prepare``.
        wait: how long, in PostgreSQL's words, for the turn and for each table.

    Raises:
        psycopg.errors.LockNotAvailable: if it takes longer.
    """
    with conn.transaction():
        conn.execute(_SQL["lock_wait"], {"timeout": wait})
        conn.execute(_SQL["lock"])
        yield


def refresh(
    conn: Connection[Any], level: Level, *, now: datetime, grace: timedelta, most_all: int
) -> Round | None:
    """Do one transaction's worth of a level; None when another refresh is under way.

    Args:
        conn: prepared by ``prepare``.
        level: MINUTES before HOURS before DAYS, so that what follows is done in one go.
        now: the present; buckets of the future wait.
        grace: how long after its end a minute is still left to come together.
        most_all: most buckets to be made for every series.
    """
    with conn.transaction():
        row = conn.execute(_SQL["try_lock"]).fetchone()
        if row is None or not row[0]:
            return None
        ready_to = _ready_to(conn, level, now, grace)
        if ready_to is None:
            return Round(rows=0, marks=0, more=False)
        marks = _take(conn, level, ready_to)
        todo = plan(marks, ready_to, level.width, most_all=most_all, most_one=MOST_BUCKETS_ALONE)
        rows = _make(conn, level, todo)
        _put(conn, level, todo.left)
        conn.execute(_SQL["advance"], {"level": level.name, "ready_to": ready_to})
        left = len(marks) == MOST_MARKS or any(part.from_at < ready_to for part in todo.left)
        return Round(rows=rows, marks=len(marks), more=left)


def rebuild(conn: Connection[Any], span: Span) -> Iterator[tuple[str, datetime, int]]:
    """Make every bucket of a span anew, whatever is stored; yields level, reached time, rows.

    One transaction makes an hour of minutes, a day of hours or a month of days. What lies outside
    of the level below, because it was deleted there, is left as it is.
    """
    limits = kept_from(conn)
    for level, step in ((MINUTES, HOURS.width), (HOURS, DAYS.width), (DAYS, 30 * DAYS.width)):
        done_to = standing(conn)[level.name].done_to
        if done_to is None:
            continue
        begin = max(floor(span[0], level.width), limits.get(level.below, _BEGINNING))
        end = min(floor(span[1] - timedelta(microseconds=1), level.width) + level.width, done_to)
        while begin < end:
            reach = min(floor(begin, step) + step, end)
            with locked(conn):
                part = {"from": begin, "to": reach}
                conn.execute(_for(level, "forget"), part)
                rows = _make(conn, level, Plan(of_all=[(begin, reach)], of_one=[], left=[]))
                conn.execute(_SQL["drop_marks"], {"level": level.name, **part})
            yield level.name, reach, rows
            begin = reach


def summarise(conn: Connection[Any], now: datetime) -> int:
    """Bring the newest pages into the indexes over time; return how many ranges were new.

    Nothing is done, and nothing waits, while the server vacuums one of the chunks.
    """
    tables = ["reading", *(level.table for level in LEVELS)]
    try:
        with conn.transaction():
            conn.execute(_SQL["lock_wait"], {"timeout": "100ms"})
            row = conn.execute(_SQL["summarise"], {"tables": tables, "now": now}).fetchone()
    except psycopg.errors.LockNotAvailable:
        return 0
    return int(row[0]) if row is not None else 0


def floor(when: datetime, width: timedelta) -> datetime:
    """Return the beginning of the bucket (in UTC) that ``when`` lies in.

    Example:
        >>> floor(datetime(2026, 7, 1, 8, 59, tzinfo=UTC), timedelta(hours=1)).isoformat()
        '2026-07-01T08:00:00+00:00'
    """
    epoch = datetime.fromtimestamp(0, UTC)
    return epoch + (when - epoch) // width * width


def _ready_to(
    conn: Connection[Any], level: Level, now: datetime, grace: timedelta
) -> datetime | None:
    """Return until when buckets are complete, None when the levels below have not begun."""
    done: dict[str, datetime | None] = dict(conn.execute(_SQL["levels"]).fetchall())
    own = done[level.name]
    if level is MINUTES:
        ready_to = floor(now - grace, level.width)
        if own is None:
            conn.execute(_SQL["begin_levels"], {"ready_to": ready_to})
            return ready_to
    else:
        below = done[LEVELS[LEVELS.index(level) - 1].name]
        if below is None or own is None:
            return None
        ready_to = floor(below, level.width)
    # What is once complete stays so, though the clock be set back or the grace made longer.
    return max(ready_to, own)


def _take(conn: Connection[Any], level: Level, ready_to: datetime) -> list[Stretch]:
    values = {"level": level.name, "ready_to": ready_to, "most": MOST_MARKS}
    return [Stretch(*row) for row in conn.execute(_SQL["take_marks"], values)]


def _put(conn: Connection[Any], level: Level, left: Sequence[Stretch]) -> None:
    if left:
        conn.execute(_SQL["put_marks"], {"level": level.name, **columns(left)})


def _make(conn: Connection[Any], level: Level, todo: Plan) -> int:
    """Make the buckets of a plan; return how many are new or other than they were."""
    done = dict(conn.execute(_SQL["levels"]).fetchall())
    above = LEVELS[LEVELS.index(level) + 1].name if level is not DAYS else level.name
    values: dict[str, Any] = {
        "level": level.name,
        "width": level.width,
        "many": MANY_SERIES,
        "refused": int(NOT_IN_ROLLUPS),
        "kept_from": kept_from(conn).get(level.below, _BEGINNING),
        "above_done_to": done[above],
    }
    kind = "minutes" if level is MINUTES else "buckets"
    made = 0
    if todo.of_one:
        part = {**values, **columns(todo.of_one)}
        made += _count(conn, _for(level, f"{kind}_of_one"), part)
    if todo.of_all:
        conn.execute(_SQL["by_time"])
    for begin, end in todo.of_all:
        part = {**values, "from": begin, "to": end}
        made += _count(conn, _for(level, f"{kind}_of_all"), part)
    return made


def _for(level: Level, name: str) -> Composed:
    """Return a statement over this level's tables, whose names are ours."""
    own, below = Identifier(level.table), Identifier(level.below)
    return SQL(_SQL[name]).format(own=own, below=below)


def _count(conn: Connection[Any], statement: Composed, values: Mapping[str, Any]) -> int:
    row = conn.execute(statement, values).fetchone()
    return int(row[0]) if row is not None else 0


def columns(stretches: Sequence[Stretch]) -> dict[str, list[Any]]:
    """Return the stretches as the arrays that the statements take."""
    return {
        "series": [part.series for part in stretches],
        "from": [part.from_at for part in stretches],
        "to": [part.to_at for part in stretches],
    }
