"""Alarms as the command line shows them: read from the database, and written as lines."""

from __future__ import annotations

from datetime import UTC
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

HISTORY = 1000
"""Most events and occurrences that an alarm is shown with."""

_WIDTHS = (36, 19, 6, 23, 28, 24)


def alarms(
    conn: Connection[Any],
    *,
    closed: bool | None,
    field: str | None,
    limit: int,
    hidden: bool | None = None,
) -> list[Row]:
    """Return the newest alarms; ``closed`` and ``hidden`` None mean those that are and are not."""
    parameters = {
        "closed": closed, "field": field, "hidden": hidden, "alarm": None, "limit": limit,
    }  # fmt: skip
    with conn.cursor(row_factory=dict_row) as cursor:
        return cursor.execute(_SQL["alarms"], parameters).fetchall()


def alarm(conn: Connection[Any], alarm_id: str) -> Row:
    """Return one alarm with its newest events and occurrences.

    Raises:
        AlarmUnknown: if there is no such alarm.
    """
    try:
        name = UUID(alarm_id)
    except ValueError as error:
        raise AlarmUnknown(f"{alarm_id!r} is no alarm id") from error
    parameters = {"closed": None, "field": None, "hidden": None, "alarm": name, "limit": 1}
    history = {"alarm": name, "limit": HISTORY}
    with conn.cursor(row_factory=dict_row) as cursor:
        found = cursor.execute(_SQL["alarms"], parameters).fetchone()
        if found is None:
            raise AlarmUnknown(f"there is no alarm {alarm_id}")
        return found | {
            "events": cursor.execute(_SQL["events"], history).fetchall(),
            "occurrences_list": cursor.execute(_SQL["occurrences"], history).fetchall(),
        }


def table(rows: list[Row]) -> str:
    """Return alarms as lines under a head."""
    head = _line("ALARM", "RAISED (UTC)", "LEVEL", "STATE", "SUBJECT", "RULE", "VALUE")
    return "\n".join([head, *(_row_line(row) for row in rows)])


def sheet(row: Row) -> str:
    """Return one alarm and its history."""
    name = row["name"]
    unit = judged_unit(row["quantity"], row["rule_type"], row["forecast"] or "")
    lines = [
        f"{name['zh']} / {name['en']}",
        f"{row['subject']} in {row['space'] or 'no known space'}, {row['field']}",
        f"{row['quantity'] or 'silence'} {row['value']:g}, limit {row['threshold']:g} {unit}",
        *(row["said"] or {}).values(),
        f"state: {row['state']}, occurrences: {row['occurrences']}",
        *_care(row),
        "",
        *(_event_line(event) for event in row["events"]),
    ]
    return "\n".join(lines)


def _care(row: Row) -> list[str]:
    """Who looks after it, and why the desk does not see it."""
    lines = [f"assigned to {row['assigned_to']}"] if row["assigned_to"] else []
    if row["hidden"]:
        until = row["hidden_until"]
        end = f" until {until.astimezone(UTC):%Y-%m-%d %H:%M} UTC" if until else ""
        how = row["hidden"].replace("_", " ")
        lines.append(f"{how} by {row['hidden_by']}{end}: {row['hidden_why']}")
    return lines


def _event_line(event: Row) -> str:
    value = "" if event["value"] is None else f" {event['value']:g}"
    about = f" ({event['about']})" if event["about"] else ""
    note = f": {event['note']}" if event["note"] else ""
    kind = event["kind"].replace("_", " ")
    return (
        f"{event['at']:%Y-%m-%d %H:%M:%S}  {kind} by {event['actor']},"
        f" {Severity(event['severity']).name.lower()}{value}{about}{note}"
    )


def _row_line(row: Row) -> str:
    return _line(
        row["alarm_id"],
        f"{row['raised_at']:%Y-%m-%d %H:%M:%S}",
        Severity(row["severity"]).name.lower(),
        row["state"] if row["hidden"] is None else row["hidden"].replace("_", " "),
        row["subject"],
        row["rule_id"],
        f"{row['value']:g} {judged_unit(row['quantity'], row['rule_type'], row['forecast'] or '')}",
    )


def _line(*cells: str) -> str:
    padded = [cell.ljust(width) for cell, width in zip(cells, _WIDTHS, strict=False)]
    return "  ".join([*padded, *cells[len(padded) :]]).rstrip()
