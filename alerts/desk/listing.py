"""Incidents as people read them: asked of the database, and written as lines."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from psycopg import Connection
from psycopg.rows import dict_row

from alerts.store import InvalidAction, acknowledge
from core.db.queries import load
from core.errors import BlocktwinError
from core.model import Severity

SQL = load("alerts.desk", "listing.sql")

MOST_MEMBERS = 1000
"""Alarms of one incident that an answer names."""

Row = dict[str, Any]

_WIDTHS = (36, 19, 6, 6, 6, 6)


class IncidentUnknown(BlocktwinError):
    """There is no incident of this id."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """Which incidents; None means any.

    Attributes:
        least: how many alarms it has at least.
        after_at: ``opened_at`` of the last one seen, and ``after_id`` its id.
    """

    incident: UUID | None = None
    state: str | None = None
    field: str | None = None
    space: str | None = None
    least: int = 1
    after_at: datetime | None = None
    after_id: str | None = None
    limit: int = 100

    def parameters(self) -> Row:
        """Return the parameters of the statement ``incidents``."""
        return asdict(self)


def incidents(conn: Connection[Any], wanted: Wanted) -> list[Row]:
    """Return incidents, the newest first."""
    with conn.cursor(row_factory=dict_row) as cursor:
        return cursor.execute(SQL["incidents"], wanted.parameters()).fetchall()


def incident(conn: Connection[Any], incident_id: str) -> Row:
    """Return one incident with its alarms.

    Raises:
        IncidentUnknown: if there is no such incident.
    """
    name = _id(incident_id)
    found = incidents(conn, Wanted(incident=name, limit=1))
    if not found:
        raise IncidentUnknown(f"there is no incident {incident_id}")
    with conn.cursor(row_factory=dict_row) as cursor:
        asked = {"incident": name, "limit": MOST_MEMBERS}
        members = cursor.execute(SQL["member_rows"], asked).fetchall()
    return found[0] | {"alarm_list": members}


def take_up(conn: Connection[Any], incident_id: str, actor: str, note: str) -> int:
    """Acknowledge the visible alarms of an incident; return how many.

    Each is a transaction of its own, so that the worker's commits never wait for all of them; one
    that somebody else takes up meanwhile is passed over.

    Raises:
        IncidentUnknown: if there is no such incident.
    """
    name = _id(incident_id)
    if not incidents(conn, Wanted(incident=name, limit=1)):
        raise IncidentUnknown(f"there is no incident {incident_id}")
    asked = {"incident": name, "limit": MOST_MEMBERS}
    done = 0
    for (alarm,) in conn.execute(SQL["unacknowledged"], asked).fetchall():
        try:
            acknowledge(conn, alarm, actor, note)
        except InvalidAction:
            continue
        done += 1
    return done


def table(rows: list[Row]) -> str:
    """Return incidents as lines under a head."""
    head = _line("INCIDENT", "OPENED (UTC)", "LEVEL", "STATE", "ALARMS", "UNACK", "WHAT")
    return "\n".join([head, *(_row_line(row) for row in rows)])


def sheet(row: Row) -> str:
    """Return one incident and its alarms."""
    title = row["title"]
    lines = [
        f"{title['zh']}",
        f"{title['en']}",
        f"{row['state']}, {Severity(row['severity']).name.lower()}",
        f"fields: {', '.join(row['fields'])}; space: {row['space'] or 'none known'}",
        f"opened {row['opened_at']:%Y-%m-%d %H:%M:%S} UTC, last {row['last_at']:%H:%M:%S}",
        f"alarms: {row['alarms']}, unacknowledged: {row['unacknowledged']}",
        "",
    ]
    for one in row["alarm_list"]:
        why = f" ({one['hidden']}: {one['hidden_why']})" if one["hidden"] else ""
        lines.append(
            f"{one['raised_at']:%Y-%m-%d %H:%M:%S}  {one['alarm_id']}  "
            f"{Severity(one['severity']).name.lower()} {one['state']} "
            f"{one['subject']} {one['rule_id']}{why}"
        )
    return "\n".join(lines)


def _id(incident_id: str) -> UUID:
    try:
        return UUID(incident_id)
    except ValueError as error:
        raise IncidentUnknown(f"{incident_id!r} is no incident id") from error


def _row_line(row: Row) -> str:
    return _line(
        row["incident_id"],
        f"{row['opened_at']:%Y-%m-%d %H:%M:%S}",
        Severity(row["severity"]).name.lower(),
        row["state"],
        str(row["alarms"]),
        str(row["unacknowledged"]),
        f"{row['title']['zh']} / {row['title']['en']}",
    )


def _line(*cells: str) -> str:
    padded = [cell.ljust(width) for cell, width in zip(cells, _WIDTHS, strict=False)]
    return "  ".join([*padded, *cells[len(padded) :]]).rstrip()
