"""Check that the store agrees with itself: accounts, rollups, newest values, series, indexes.

Every check is one statement, and so sees one moment of a store that goes on working. Each says what
it compared, and what could not be compared and why; each finding names what to do about it.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from psycopg import Connection
from psycopg.sql import SQL, Identifier

from core.db.queries import load
from core.db.upkeep import rollups
from core.db.upkeep.editions import CONTINUOUS
from core.db.upkeep.editions import rollups as kept_by
from core.db.upkeep.rollups import LEVELS, MINUTES, Level, floor
from core.db.upkeep.stretches import Span, Stretch
from core.model import NOT_IN_ROLLUPS

_SQL = load("core.db.upkeep", "verification.sql")

MOST_COUNTED = 200_000_000
"""Readings that are counted one by one; more of them take longer than an answer is worth."""
MOST_LAG = timedelta(minutes=15)
"""A rollup of minutes that ends longer ago is not being kept."""

_BEGINNING = datetime.min.replace(tzinfo=UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing that is wrong, and what to do about it."""

    text: str
    remedy: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """What was looked at, with what was found wrong.

    Attributes:
        note: what was compared, or why it could not be.
    """

    name: str
    note: str
    findings: Sequence[Finding] = ()


def verify(
    conn: Connection[Any], now: datetime, *, sample: int, span: Span | None = None
) -> list[Check]:
    """Return every check, with its findings.

    Args:
        conn: prepared by ``rollups.prepare``.
        now: the present.
        sample: how many series are compared with their rollups, each on one day drawn by chance.
        span: compare all series in this time instead.
    """
    deleted = rollups.kept_from(conn)
    checks = _accounts(conn, deleted)
    parts = _parts(conn, sample, span)
    checks += [_compare(conn, level, parts, deleted) for level in LEVELS]
    checks.append(_latest(conn, deleted.get("reading", _BEGINNING)))
    checks.append(_strangers(conn))
    checks.append(_indexes(conn))
    checks.append(_lag(conn, now))
    return checks


def _accounts(conn: Connection[Any], deleted: dict[str, datetime]) -> list[Check]:
    row = conn.execute(_SQL["about"]).fetchone()
    if row is not None and row[0] > MOST_COUNTED:
        note = f"not compared: about {row[0]:,} readings are too many to count"
        return [Check(name="accounts", note=note)]
    row = conn.execute(_SQL["accounts"]).fetchone()
    stored, refused, readings, rejects = row if row is not None else (0, 0, 0, 0)
    return [
        _account("readings", stored, readings, deleted.get("reading")),
        _account("rejects", refused, rejects, deleted.get("rejected")),
    ]


def _account(name: str, said: int, there: int, deleted: datetime | None) -> Check:
    if deleted is not None:
        note = f"not comparable with the tally: what was before {deleted:%Y-%m-%d} is deleted"
        return Check(name=name, note=note)
    note = f"{said:,} in the tally of the workers, {there:,} in the table"
    if there >= said:
        # More may be there than the accounts say: a person can write too.
        return Check(name=name, note=note)
    missing = Finding(
        text=f"{said - there:,} {name} that were stored are not there",
        remedy="find out who deleted them; bring them back with blocktwin db restore",
    )
    return Check(name=name, note=note, findings=[missing])


def _parts(conn: Connection[Any], sample: int, span: Span | None) -> list[Stretch]:
    """Return what to compare: whole days, so that every level has whole buckets in it."""
    if span is not None:
        day = timedelta(days=1)
        begin = floor(span[0], day)
        end = floor(span[1] - timedelta(microseconds=1), day) + day
        return [Stretch(series, begin, end) for (series,) in conn.execute(_SQL["all_series"])]
    days = conn.execute(_SQL["days"]).fetchall()
    if not days:
        return []
    drawn = conn.execute(_SQL["some_series"], {"most": sample}).fetchall()
    return [Stretch(series, *random.choice(days)) for (series,) in drawn]


def _compare(
    conn: Connection[Any], level: Level, parts: list[Stretch], deleted: dict[str, datetime]
) -> Check:
    continuous = kept_by(conn) == CONTINUOUS
    own = f"reading_{level.name}" if continuous else level.table
    below = level.below.replace("rollup_", "reading_") if continuous else level.below
    statement = SQL(_SQL["minutes" if level is MINUTES else "buckets"]).format(
        own=Identifier(own), below=Identifier(below)
    )
    values = {
        "level": level.name,
        "width": level.width,
        "refused": int(NOT_IN_ROLLUPS),
        "kept_from": deleted.get(below, _BEGINNING),
        **rollups.columns(parts),
    }
    found = conn.execute(statement, values).fetchone()
    findings = []
    if found is not None:
        series, bucket, how, number, begin, end = found
        findings.append(
            Finding(
                text=f"{number:,} buckets of {own} are not what {below} says; the first: series "
                f"{series} at {bucket.isoformat()} {how}",
                remedy=f"run in psql: CALL refresh_continuous_aggregate('{own}', NULL, NULL)"
                if continuous
                else f"run: blocktwin maintain --rebuild {begin.isoformat()} "
                f"{(end + level.width).isoformat()}",
            )
        )
    compared = len({part.series for part in parts})
    note = f"made anew from {below} and compared for {compared:,} series"
    return Check(name=own, note=note, findings=findings)


def _latest(conn: Connection[Any], kept_from: datetime) -> Check:
    rows = conn.execute(_SQL["latest"], {"kept_from": kept_from}).fetchall()
    findings = [
        Finding(
            text=f"{number:,} newest values are not the newest reading; the first: series {series} "
            f"has {_when(said)} and should have {_when(there)}",
            remedy="stop the workers, set latest_from in one row of the table tally to "
            f"{_when(there)}, and start them: that worker makes the table good"
            if there is not None and (said is None or said <= there)
            else "bring the readings back with blocktwin db restore",
        )
        for series, said, there, number in rows[:1]
    ]
    return Check(
        name="latest", note="compared with the newest reading of every series", findings=findings
    )


def _when(when: datetime | None) -> str:
    return "none" if when is None else when.isoformat()


def _strangers(conn: Connection[Any]) -> Check:
    rows = conn.execute(_SQL["strangers"]).fetchall()
    findings = [
        Finding(
            text=f"readings belong to a series that is not known; the first: {series}",
            remedy="bring the table series back with blocktwin db restore",
        )
        for series, _ in rows[:1]
    ]
    return Check(name="series", note="every reading belongs to one that is known" if not rows
                 else "looked for ids without an entry", findings=findings)  # fmt: skip


def _indexes(conn: Connection[Any]) -> Check:
    rows = conn.execute(_SQL["indexes"]).fetchall()
    findings = [
        Finding(
            text=f"chunk {chunk} lacks index {index} of {table} ({number:,} chunks lack one)",
            remedy=f"create the index of {table} anew under another name, drop {index}, rename",
        )
        for chunk, index, table, number in rows[:1]
    ]
    return Check(name="indexes", note="looked for in every chunk", findings=findings)


def _lag(conn: Connection[Any], now: datetime) -> Check:
    if kept_by(conn) == CONTINUOUS:
        return Check(name="refresh", note="the database's own job keeps the rollups")
    level = rollups.standing(conn)[MINUTES.name]
    if level.done_to is None:
        text, behind = "the rollups have never been refreshed", True
    else:
        behind = now - level.done_to > MOST_LAG
        text = (
            f"minutes are complete to {level.done_to.isoformat()}, marks waiting: {level.waiting}"
        )
        if level.earliest is not None:
            text += f", the earliest for {level.earliest.isoformat()}"
    findings = [Finding(text=text, remedy="run: blocktwin maintain")] if behind else []
    return Check(name="refresh", note=text, findings=findings)
