"""Standard addresses in the database: bring in, list, and read what the index is made from."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

import msgspec
import psycopg
from psycopg.rows import dict_row

from core.db.queries import load
from core.errors import UsageError
from geodata.addresses.parts import Address
from geodata.addresses.places import StandardAddress
from geodata.addresses.table import KeptBack, Line

SQL = load("twin.addresses", "store.sql")

Conn = psycopg.Connection[Any]
Row = dict[str, Any]

LIMIT = 500_000
"""Standard addresses kept; docs/addresses.md says what memory that takes."""

AT_ONCE = 2000
SHOWN = 100
"""Rows kept back that a report names; the rest are counted."""


@dataclass(slots=True, kw_only=True)
class Report:
    """What an import did, or with ``dry_run`` would do.

    Attributes:
        rows: rows read, headings not counted; added + updated + same + kept_back.
        kept: the first rows kept back, at most ``SHOWN``.
    """

    dry_run: bool
    rows: int = 0
    added: int = 0
    updated: int = 0
    same: int = 0
    kept_back: int = 0
    kept: list[KeptBack] = field(default_factory=list)

    def keep(self, one: KeptBack) -> None:
        """Count a row kept back."""
        self.kept_back += 1
        if len(self.kept) < SHOWN:
            self.kept.append(one)


def bring_in(conn: Conn, rows: Iterable[Line | KeptBack], *, dry_run: bool) -> Iterator[Report]:
    """Upsert addresses by house code or normal form; yield the report as it grows, then whole.

    One transaction: all rows that are not kept back, or none. With ``dry_run`` it is rolled back.

    Raises:
        UsageError: there would be more than ``LIMIT`` addresses; nothing is changed.
    """
    report = Report(dry_run=dry_run)
    iterator = iter(rows)
    with conn.transaction(force_rollback=dry_run):
        conn.execute(SQL["lock"])
        there = _count(conn)
        while batch := list(islice(iterator, AT_ONCE)):
            report.rows += len(batch)
            for one in batch:
                if isinstance(one, KeptBack):
                    report.keep(one)
            _put(conn, [one for one in batch if isinstance(one, Line)], report)
            if there + report.added > LIMIT:
                raise UsageError(
                    f"there would be more than {LIMIT:,} standard addresses; nothing was changed",
                    remedy="bring in the buildings and doors of one district, not every room",
                )
            yield report
        if not dry_run and report.added + report.updated:
            conn.execute(SQL["announce"])
    report.kept.sort(key=lambda one: one.line)
    yield report


def put(conn: Conn, addresses: Sequence[StandardAddress]) -> Report:
    """Upsert addresses that a program made."""
    report = Report(dry_run=False)
    lines = (Line(number, one) for number, one in enumerate(addresses, start=1))
    for report in bring_in(conn, lines, dry_run=False):  # noqa: B007 (the last one is the whole)
        pass
    return report


def _count(conn: Conn) -> int:
    row = conn.execute(SQL["count"]).fetchone()
    return int(row[0]) if row else 0


def _put(conn: Conn, lines: list[Line], report: Report) -> None:
    rows = [_row(one) for one in lines]
    for line, reason in _clashes(conn, rows):
        report.keep(KeptBack(line=line, reason=reason))
        rows = [row for row in rows if row["line"] != line]
    if not rows:
        return
    parameter = _json(rows)
    updated = conn.execute(SQL["update_by_house"], parameter).rowcount
    added = [row[0] for row in conn.execute(SQL["upsert"], parameter).fetchall()]
    report.added += sum(added)
    report.updated += updated + len(added) - sum(added)
    report.same += len(rows) - updated - len(added)


def _clashes(conn: Conn, rows: list[Row]) -> list[tuple[int, str]]:
    """Return the lines that the database speaks against, each with one reason."""
    found: dict[int, str] = dict(conn.execute(SQL["clashes"], _json(rows)).fetchall())
    for (line,) in conn.execute(SQL["unknown_spaces"], _json(rows)).fetchall():
        found.setdefault(line, "it has no position, and its space is not in force")
    return list(found.items())


def _row(one: Line) -> Row:
    address = one.address
    return {
        "line": one.line,
        "text": address.text,
        "normal": address.address.normal,
        "parts": address.address.parts(),
        "space_code": address.space_code,
        "lon": address.lon,
        "lat": address.lat,
        "frame": address.frame,
        "source": address.source,
        "building_code": address.building_code,
        "house_code": address.house_code,
    }


def _json(rows: list[Row]) -> dict[str, str]:
    return {"rows": msgspec.json.encode(rows).decode()}


def listed(conn: Conn, *, begin: str | None, limit: int) -> list[Row]:
    """Return addresses in the order of their normal forms; ``begin`` is what those begin with."""
    with conn.cursor(row_factory=dict_row) as cursor:
        return cursor.execute(SQL["list"], {"begin": begin, "limit": limit}).fetchall()


def standard_address(row: Row) -> StandardAddress:
    """Return a row of ``addresses`` as an address."""
    return StandardAddress(
        text=row["text"],
        address=msgspec.convert(row["parts"], Address),
        lon=row["lon"],
        lat=row["lat"],
        space_code=row["space_code"],
        building_code=row["building_code"],
        house_code=row["house_code"],
        frame=row["frame"],
        source=row["source"],
    )
