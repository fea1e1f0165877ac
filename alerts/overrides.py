"""What holds for single devices instead of what a rule says: who said so, why, and until when.

A changed override is a new row, and an ended one keeps its row, so that it can always be told what
held for a device on a day. Running workers are told in the transaction (``alerts.rulestore``).
"""

from __future__ import annotations

import logging
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
from psycopg import Connection
from psycopg.rows import dict_row
from psycopg.types.json import Jsonb

from alerts.rule_faults import LADDER, direction, level_fault, near
from alerts.rules import Level, Override, Rule, from_body
from alerts.rulestore import announce, words_fault
from core.db.queries import load as load_queries
from core.errors import UsageError
from core.model import Field
from core.registry import SeriesInfo

log = logging.getLogger(__name__)

MAX_OFF = timedelta(days=7)
"""How long at most a rule that saves lives may be off for a device."""

SQL = load_queries("alerts", "overrides.sql")

Conn = Connection[Any]


class OverrideInvalid(UsageError):
    """The override would not do what it says; the message names why."""


class OverrideUnknown(UsageError):
    """There is no override in force of this rule for this device."""


def load(conn: Conn) -> tuple[Override, ...]:
    """Return the overrides in force now, for the engine.

    A rule may have changed since somebody overrode it. A ladder that it would refuse today (another
    direction, a severity that it has no longer) would alarm all the time or never, so the rule's
    own holds; the log names the device.
    """
    found = []
    for rule_id, device_id, enabled, levels, body in conn.execute(SQL["in_force"]):
        one = Override(
            rule_id=rule_id,
            device_id=device_id,
            enabled=enabled,
            levels=msgspec.convert(levels, tuple[Level, ...]),
        )
        fault = ladder_fault(from_body(body), one)
        if fault:
            log.warning("override of rule %s for %s holds no longer: %s", rule_id, device_id, fault)
            continue
        found.append(one)
    return tuple(found)


def listed(
    conn: Conn,
    *,
    rule_id: str | None = None,
    device_id: str | None = None,
    ever: bool = False,
    before: int | None = None,
    limit: int = 200,
) -> list[dict[str, Any]]:
    """Return overrides with author, reason and times, the newest first.

    Args:
        conn: a connection.
        rule_id: of this rule only; ``device_id``: for this device only.
        device_id: see there.
        ever: also those that have ended.
        before: only those with a smaller number, for the next page.
        limit: at most so many.
    """
    parameters = {
        "rule": rule_id,
        "device": device_id,
        "ever": ever,
        "before": before,
        "limit": limit,
    }
    with conn.cursor(row_factory=dict_row) as cursor:
        return cursor.execute(SQL["listed"], parameters).fetchall()


def put(
    conn: Conn,
    override: Override,
    *,
    author: str,
    reason: str,
    until: datetime | None = None,
    dry_run: bool = False,
) -> None:
    """Let something else hold for a device, instead of what held for it before.

    Args:
        conn: a connection, in a transaction or not.
        override: what holds.
        author: who does it; ``reason`` says why.
        reason: one sentence.
        until: when it ends by itself; None: when somebody ends it.
        dry_run: only check it.

    Raises:
        OverrideInvalid: if there is no such rule or device, the rule does not judge the device, the
            ladder is none, or the end is not allowed.
    """
    with conn.transaction():
        conn.execute(SQL["lock_overrides"])
        fault = words_fault(author, "reason", reason) or _fault(conn, override, until)
        if fault:
            raise OverrideInvalid(fault)
        if dry_run:
            return
        which = {"rule": override.rule_id, "device": override.device_id}
        conn.execute(SQL["end"], which | {"by": author})
        row = which | {
            "enabled": override.enabled,
            "levels": Jsonb(msgspec.to_builtins(override.levels)),
            "author": author,
            "reason": reason,
            "until": until,
        }
        conn.execute(SQL["add"], row)
        announce(conn, "overrides")


def end(conn: Conn, rule_id: str, device_id: str, *, by: str, dry_run: bool = False) -> None:
    """End the override of a rule for a device: the rule's own ladder holds again.

    Raises:
        OverrideUnknown: if there is none in force.
    """
    with conn.transaction():
        conn.execute(SQL["lock_overrides"])
        if not listed(conn, rule_id=rule_id, device_id=device_id):
            raise OverrideUnknown(f"rule {rule_id!r} has no override for device {device_id!r}")
        if not dry_run:
            conn.execute(SQL["end"], {"rule": rule_id, "device": device_id, "by": by})
            announce(conn, "overrides")


def end_due(conn: Conn, now: datetime) -> int:
    """End those whose time is up and tell the workers; return how many. Call it now and then."""
    with conn.transaction():
        ended = conn.execute(SQL["end_due"], {"now": now}).fetchall()
        if ended:
            announce(conn, "overrides")
    return len(ended)


def _fault(conn: Conn, override: Override, until: datetime | None) -> str:
    row = conn.execute(SQL["rule"], {"rule": override.rule_id}).fetchone()
    if row is None:
        return f"there is no rule {override.rule_id!r} in force"
    rule = from_body(row[0])
    return (
        _device_fault(conn, rule, override.device_id)
        or ladder_fault(rule, override)
        or _end_fault(rule, override, until)
    )


def _device_fault(conn: Conn, rule: Rule, device_id: str) -> str:
    rows = conn.execute(SQL["series"], {"device": device_id}).fetchall()
    if not rows:
        return f"there is no device {device_id!r}"
    if any(_judges(rule, device_id, row) for row in rows if row[0] is not None):
        return ""
    return f"rule {rule.id!r} does not judge device {device_id!r}"


def _judges(rule: Rule, device_id: str, row: tuple[Any, ...]) -> bool:
    series_id, quantity, kind, field, gateway, interval_s, spaces, tags = row
    info = SeriesInfo(
        series_id=series_id,
        device_id=device_id,
        quantity=quantity,
        kind=kind,
        field=Field(field),
        gateway_id=gateway,
        interval_s=interval_s,
        spaces=tuple(spaces),
        tags=tuple(tags) if isinstance(tags, list) else (),
    )
    return rule.selects(kind=kind, field=info.field, quantity=quantity) and rule.narrows(info)


def ladder_fault(rule: Rule, override: Override) -> str:
    """Return what is wrong with an override of a rule, "" if nothing is."""
    if not override.levels:
        return "" if not override.enabled else "say levels, or that the rule is off"
    if not override.enabled:
        return "levels: a rule that is off for the device has none"
    if rule.type not in LADDER:
        return f"levels: a rule of type {rule.type!r} has no numbers to override"
    own = [level.severity for level in rule.levels]
    for level in override.levels:
        if level.severity not in own:
            return f"levels: the rule has no level {level.severity!r}{near(level.severity, own)}"
    return level_fault(override.levels, direction(rule))


def _end_fault(rule: Rule, override: Override, until: datetime | None) -> str:
    now = datetime.now(UTC)
    if until is not None and until <= now:
        return "until: lies in the past"
    if rule.life_safety and not override.enabled and (until is None or until > now + MAX_OFF):
        return (
            f"until: rule {rule.id!r} saves lives; it may be off for a device for "
            f"{MAX_OFF.days} days at most"
        )
    return ""
