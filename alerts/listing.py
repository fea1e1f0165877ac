"""Alarms as the command line shows them: read from the database, and written as lines."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from psycopg import Connection
from psycopg.rows import dict_row

from alerts.store import AlarmUnknown
from core.db.queries import load
from core.model import Severity
from core.units import judged_unit

_SQL = load("alerts", "listing.sql")

Row = dict[str, Any]

_WIDTHS = (36, 19, 6, 23, 28, 24)


def alarms(
    conn: Connection[Any], *, closed: bool | None, field: str | None, limit: int
) -> list[Row]:
    """Return the newest alarms; ``closed`` None means open and closed ones."""
    parameters = {"closed": closed, "field": field, "alarm": None, "limit": limit}
    with conn.cursor(row_factory=dict_row) as cursor:
        return cursor.execute(_SQL["alarms"], parameters).fetchall()


def alarm(conn: Connection[Any], alarm_id: str) -> Row:
    """Return one alarm with its events.

    Raises:
        AlarmUnknown: if there is no such alarm.
    """
    try:
        name = UUID(alarm_id)
    except ValueError as error:
        raise AlarmUnknown(f"{alarm_id!r} is no alarm id") from error
    parameters = {"closed": None, "field": None, "alarm": name, "limit": 1}
    with conn.cursor(row_factory=dict_row) as cursor:
        found = cursor.execute(_SQL["alarms"], parameters).fetchone()
        if found is None:
            raise AlarmUnknown(f"there is no alarm {alarm_id}")
        return found | {"events": cursor.execute(_SQL["events"], {"alarm": name}).fetchall()}


def table(rows: list[Row]) -> str:
    """Return alarms as lines under a head."""
    head = _line("ALARM", "RAISED (UTC)", "LEVEL", "STATE", "SUBJECT", "RULE", "VALUE")
    return "\n".join([head, *(_row_line(row) for row in rows)])


def sheet(row: Row) -> str:
    """Return one alarm and its history."""
    name = row["name"]
    unit = judged_unit(row["quantity"], row["rule_type"])
    lines = [
        f"{name['zh']} / {name['en']}",
        f"{row['subject']} in {row['space'] or 'no known space'}, {row['field']}",
        f"{row['quantity'] or 'silence'} {row['value']:g}, limit {row['threshold']:g} {unit}",
        f"state: {row['state']}, occurrences: {row['occurrences']}",
        "",
    ]
    for event in row["events"]:
        value = "" if event["value"] is None else f" {event['value']:g}"
        note = f": {event['note']}" if event["note"] else ""
        lines.append(
            f"{event['at']:%Y-%m-%d %H:%M:%S}  {event['kind']} by {event['actor']},"
            f" {Severity(event['severity']).name.lower()}{value}{note}"
        )
    return "\n".join(lines)


def _row_line(row: Row) -> str:
    return _line(
        row["alarm_id"],
        f"{row['raised_at']:%Y-%m-%d %H:%M:%S}",
        Severity(row["severity"]).name.lower(),
        row["state"],
        row["subject"],
        row["rule_id"],
        f"{row['value']:g} {judged_unit(row['quantity'], row['rule_type'])}",
    )


def _line(*cells: str) -> str:
    padded = [cell.ljust(width) for cell, width in zip(cells, _WIDTHS, strict=False)]
    return "  ".join([*padded, *cells[len(padded) :]]).rstrip()
