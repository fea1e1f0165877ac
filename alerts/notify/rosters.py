"""The rosters in the database: read, written and removed; and read from TOML."""

from __future__ import annotations

import tomllib
from typing import Any

import msgspec
from psycopg import Connection
from psycopg.rows import dict_row
from psycopg.types.json import Jsonb

from alerts.notify.duty import Roster, fault
from alerts.rules import Text
from core.config import nearest
from core.db.queries import load
from core.errors import UsageError
from core.model import Severity

_SQL = load("alerts.notify", "rosters.sql")
_NOT_WAYS = frozenset({"journal", "canary"})

MOST = 5000
"""Rosters that there may be."""

Conn = Connection[Any]
Row = dict[str, Any]


class RosterInvalid(UsageError):
    """A roster cannot be used; the message names it and the key."""


class RosterUnknown(UsageError):
    """There is no such roster."""


def rosters(conn: Conn) -> list[Roster]:
    """Return all rosters, by id."""
    return [_roster(row) for row in rows(conn)]


def rows(conn: Conn) -> list[Row]:
    """Return all rosters with who changed them when."""
    with conn.cursor(row_factory=dict_row) as cursor:
        return cursor.execute(_SQL["rosters"], {"limit": MOST}).fetchall()


def put(conn: Conn, roster: Roster, by: str) -> list[str]:
    """Write a roster, new or changed; return warnings, which do not keep it from being written.

    Raises:
        RosterInvalid: if it contradicts itself, its space is unknown, or there are too many.
    """
    wrong = fault(roster)
    if wrong:
        raise RosterInvalid(f"roster {roster.roster_id!r}: {wrong}")
    if conn.execute(_SQL["space_now"], {"space": roster.space}).fetchone() is None:
        raise RosterInvalid(
            f"roster {roster.roster_id!r}: there is no space {roster.space!r}",
            remedy="name a space of the map in force, by its code",
        )
    count = conn.execute(_SQL["count"]).fetchone()
    if count is not None and count[0] >= MOST:
        raise RosterInvalid(f"there are {MOST} rosters already", remedy="remove one first")
    with conn.transaction():
        conn.execute(_SQL["set_roster"], _columns(roster) | {"by": by})
        conn.execute(_SQL["announce"], {"roster": roster.roster_id})
    return _warnings(conn, roster)


def remove(conn: Conn, roster_id: str) -> None:
    """Remove a roster.

    Raises:
        RosterUnknown: if there is none of that id.
    """
    with conn.transaction():
        if conn.execute(_SQL["remove_roster"], {"roster": roster_id}).fetchone() is None:
            known = [roster.roster_id for roster in rosters(conn)]
            raise RosterUnknown(
                f"there is no roster {roster_id!r}",
                remedy=nearest(roster_id, known) if known else "",
            )
        conn.execute(_SQL["announce"], {"roster": roster_id})


def word(row: Row) -> Row:
    """Return a row of ``rows`` as the API and ``--json`` say it: addresses masked."""
    roster = _roster(row)
    plain: Row = msgspec.to_builtins(roster)
    contacts = [
        {
            "name": contact.name,
            "channel": contact.channel,
            "address_masked": masked(contact.address),
        }
        for contact in roster.contacts
    ]
    return plain | {
        "contacts": contacts,
        "changed_at": row["changed_at"],
        "changed_by": row["changed_by"],
    }


def parse(text: str, source: str) -> list[Roster]:
    """Read the ``[[roster]]`` tables of a TOML file.

    Raises:
        RosterInvalid: naming file, roster and key of the first mistake.
    """
    try:
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise RosterInvalid(f"{source}: no valid TOML: {error}") from error
    entries = document.get("roster")
    if document.keys() != {"roster"} or not isinstance(entries, list) or not entries:
        raise RosterInvalid(
            f"{source}: rosters stand in [[roster]] tables, and nothing else",
            remedy="docs/notify.md shows one",
        )
    return [_entry(entry, number, source) for number, entry in enumerate(entries, 1)]


def masked(address: str) -> str:
    """Return an address of which only enough is left to know it again.

    Example:
        >>> masked("wang.li@duty.example"), masked("13800138000"), masked("ab"), masked("")
        ('w***@duty.example', '138***00', '***', '')
    """
    if not address:
        return ""
    name, at, host = address.partition("@")
    if at and name:
        return f"{name[0]}***@{host}"
    return f"{address[:3]}***{address[-2:]}" if len(address) >= 8 else "***"


def _entry(entry: object, number: int, source: str) -> Roster:
    named = entry.get("roster_id") if isinstance(entry, dict) else None
    place = f"{source}: roster {named!r}" if named else f"{source}: roster number {number}"
    try:
        roster = msgspec.convert(entry, Roster)
    except msgspec.ValidationError as error:
        raise RosterInvalid(f"{place}: {error}", remedy="docs/notify.md shows every key") from error
    wrong = fault(roster)
    if wrong:
        raise RosterInvalid(f"{place}: {wrong}")
    return roster


def _columns(roster: Roster) -> Row:
    plain: Row = msgspec.to_builtins(roster)
    return {
        "roster_id": roster.roster_id,
        "name_zh": roster.name.zh,
        "name_en": roster.name.en,
        "space": roster.space,
        "level": roster.level,
        "fields": list(roster.fields),
        "min_severity": int(roster.rank),
        "contacts": Jsonb(plain["contacts"]),
        "shifts": Jsonb(plain["shifts"]),
    }


def _roster(row: Row) -> Roster:
    return msgspec.convert(
        {
            "roster_id": row["roster_id"],
            "name": msgspec.to_builtins(Text(zh=row["name_zh"], en=row["name_en"])),
            "space": row["space"],
            "level": row["level"],
            "fields": row["fields"],
            "min_severity": Severity(row["min_severity"]).name.lower(),
            "contacts": row["contacts"],
            "shifts": row["shifts"],
        },
        Roster,
    )


def _warnings(conn: Conn, roster: Roster) -> list[str]:
    known = {row[0] for row in conn.execute(_SQL["channels"])} - _NOT_WAYS
    missing = sorted({contact.channel for contact in roster.contacts} - known)
    return [
        f"no notifier has had a channel {name!r} yet: nobody is reached by it" for name in missing
    ]
