"""The alarm events as an outbox: what a channel still has to be told, and the proof that it was.

An event counts as delivered when the channel has confirmed it and that stands in the database; a
notifier killed in between delivers it again, so receivers go by the message's key.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from psycopg import Connection
from psycopg.rows import dict_row
from psycopg.types.json import Jsonb

from alerts.config import CANARY, NotifyConfig
from alerts.notify.channels import Channel, DeliveryFailed, every_field
from alerts.notify.duty import Roster
from alerts.notify.memory import Claim, Memory
from alerts.notify.message import message
from alerts.notify.routes import Occasion, Target, targets
from core.db.queries import load

_SQL = load("alerts.notify", "outbox.sql")
_ERROR_CHARS = 500
_UP = frozenset({"acknowledged", "closed"})
"""States in which somebody has taken an alarm up."""

RECHECK_PATIENCE_S = 30.0
"""How long after the time that the desk named for another look it is told without that."""

Conn = Connection[Any]
Row = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Pass:
    """What one pass over a channel's outbox came to.

    Attributes:
        delivered: messages confirmed; ``failed`` not confirmed; ``given_up`` for the last time.
        withheld: not told, because the alarm is hidden, held back or taken up.
        folded: left to a digest.
        error: why the last one failed.
        pending: deliveries still open.
        next_s: seconds until there is something to do; None if nothing is open.
        more: whether there is more to do at once.
    """

    delivered: int = 0
    failed: int = 0
    given_up: int = 0
    withheld: int = 0
    folded: int = 0
    error: str = ""
    pending: int = 0
    next_s: float | None = None
    more: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Desk:
    """What deliveries go by besides the channel itself.

    Attributes:
        cfg: bounds of batch, attempts, waits and caps; the routes.
        rosters: all there are, as read last.
        memory: what was told before it was stored.
        settle_s: seconds an event that is not of life safety waits for the desk's verdict.
    """

    cfg: NotifyConfig
    rosters: Callable[[], Sequence[Roster]] = tuple
    memory: Memory = field(default_factory=Memory)
    settle_s: float = 0.0


def claim(conn: Conn, channel: Channel) -> bool:
    """Become the one who serves a channel, on this connection; False if somebody else does."""
    row = conn.execute(_SQL["lock_channel"], {"channel": channel.name}).fetchone()
    if row is None or not row[0]:
        return False
    conn.execute(_SQL["open_channel"], {"channel": channel.name})
    return True


def serve(
    conn: Conn,
    channel: Channel,
    desk: Desk,
    stopping: Callable[[], bool],
    pressing: Callable[[], bool] = lambda: False,
) -> Pass:
    """Take new events up, and try what is due, until all is done or one fails.

    Life safety comes first, then the oldest event.

    Args:
        conn: an autocommit connection that has claimed the channel.
        channel: where to.
        desk: what it goes by.
        stopping: asked between deliveries.
        pressing: whether something has happened meanwhile; what is not urgent is then left to the
            next pass, so that life safety never waits behind more than one delivery.
    """
    fresh = _collect(conn, channel, desk)
    counts = {"delivered": 0, "failed": 0, "given_up": 0, "withheld": 0, "folded": 0}
    error = ""
    rows = _due(conn, channel, desk.cfg)
    left = False
    for number, row in enumerate(rows):
        left = number > 0 and not row["urgent"] and pressing()
        if left or stopping():
            break
        outcome, error = _settle(conn, channel, desk, row)
        if outcome in counts:
            counts[outcome] += 1
        if error:
            # What follows would most likely fail as well, each after a timeout.
            counts["failed"] = 1
            break
    parameters = {"channel": channel.name, "heeds": not channel.records}
    waiting = conn.execute(_SQL["waiting"], parameters).fetchone()
    assert waiting is not None  # an aggregate always has a row
    full = left or fresh == desk.cfg.batch or len(rows) == desk.cfg.batch
    return Pass(
        **counts,
        error=error,
        pending=waiting[0],
        next_s=waiting[1],
        more=not counts["failed"] and full,
    )


def occasion(row: Mapping[str, Any]) -> Occasion:
    """Return what routes decide by, of a row of ``fresh``."""
    return Occasion(
        kind=row["kind"],
        field=row["field"],
        severity=row["severity"],
        life_safety=row["life_safety"],
        advisory=row["advisory"],
        path=row["path"],
        at=row["at"],
    )


def receivers(
    channel: Channel, about: Occasion, rule_id: str, cfg: NotifyConfig, rosters: Sequence[Roster]
) -> list[Target]:
    """Return whom a channel tells of an event."""
    if (channel.name == CANARY) != (rule_id == CANARY):
        # A canary is heard by its own channel, and kept by those that record everything.
        return [Target()] if channel.records and channel.name != CANARY else []
    if about.field not in every_field(channel) or about.severity < channel.min_severity:
        return []
    if channel.records:
        return [Target(recipient=own) for own in channel.own]
    found: list[Target] = []
    for target in targets(channel.name, about, cfg.routes, rosters, waking=cfg.waking):
        if target.called is None:
            found += [Target(recipient=own) for own in channel.own]
        else:
            found.append(target)
    return found


def _collect(conn: Conn, channel: Channel, desk: Desk) -> int:
    """Make the deliveries of new events, and move the channel's mark past all of them."""
    cfg, name = desk.cfg, channel.name
    with conn.transaction(), conn.cursor(row_factory=dict_row) as cursor:
        mark = cursor.execute(_SQL["mark"], {"channel": name}).fetchone()
        assert mark is not None  # ``claim`` has made it
        parameters = {"mark": mark["last_event_id"], "batch": cfg.batch}
        rows = cursor.execute(_SQL["fresh"], parameters).fetchall()
        if not rows:
            return 0
        rosters = desk.rosters()
        made = [
            (row, target)
            for row in rows
            for target in receivers(channel, occasion(row), row["rule_id"], cfg, rosters)
        ]
        _add(cursor, channel, desk, made)
        cursor.execute(_SQL["pass_mark"], {"channel": name, "event": rows[-1]["event_id"]})
    return len(rows)


def _add(cursor: Any, channel: Channel, desk: Desk, made: Sequence[tuple[Row, Target]]) -> None:
    if not made:
        return
    parameters = {
        "channel": channel.name,
        "events": [row["event_id"] for row, _ in made],
        "recipients": [target.recipient for _, target in made],
        "called": [Jsonb(t.called) if t.called else None for _, t in made],
        "urgent": [channel.records or row["life_safety"] for row, _ in made],
        "settle_s": desk.settle_s,
    }
    cursor.execute(_SQL["add"], parameters)


def _settle(conn: Conn, channel: Channel, desk: Desk, row: Row) -> tuple[str, str]:
    """Deliver a message, or say why not; return what became of it, and the error of a failure."""
    why, folded = ("", "") if channel.records else _objection(conn, channel, desk.cfg, row)
    if why:
        conn.execute(_SQL["withhold"], _key(channel, row) | {"why": why})
        return "withheld", ""
    if folded:
        conn.execute(_SQL["fold"], _key(channel, row) | {"why": folded})
        return "folded", ""
    return _deliver(conn, channel, desk, row)


def _deliver(conn: Conn, channel: Channel, desk: Desk, row: Row) -> tuple[str, str]:
    made = message(row, desk.cfg.source)
    known = Claim.MINE
    if row["urgent"] and not channel.records:
        known = desk.memory.claim(channel.name, row["recipient"], made.key)
    if known is Claim.BUSY:
        conn.execute(_SQL["postpone"], _key(channel, row))
        return "", ""
    if known is Claim.MINE:
        try:
            desk.memory.telling(channel, made, keep=row["urgent"] and not channel.records)
        except DeliveryFailed as failure:
            error = str(failure)[:_ERROR_CHARS]
            return ("given_up" if _fail(conn, channel, desk.cfg, row, error) else ""), error
    conn.execute(_SQL["delivered"], _key(channel, row) | {"early": known is Claim.DONE})
    return "delivered", ""


def _objection(conn: Conn, channel: Channel, cfg: NotifyConfig, row: Row) -> tuple[str, str]:
    """Return why a message is not told at all, and why it goes into a digest; "" where it is."""
    if row["hidden"] is not None:
        return f"the alarm is {row['hidden'].replace('_', ' ')}", ""
    if row["step"] and row["alarm_state"] in _UP:
        return f"the alarm is {row['alarm_state']}", ""
    if row["urgent"]:
        return "", ""
    if not row["step"] and row["verdict"] == "hold" and not row["forsaken"]:
        return row["verdict_reason"] or "held by the desk", ""
    if not row["step"] and row["verdict"] == "digest":
        return "", row["verdict_reason"] or "left to a digest by the desk"
    parameters = _key(channel, row) | {"window_s": cfg.cap_window_s}
    lately = conn.execute(_SQL["lately"], parameters).fetchone()
    beyond = lately is not None and lately[0] >= cfg.cap_messages
    return "", "beyond the receiver's cap" if beyond else ""


def _due(conn: Conn, channel: Channel, cfg: NotifyConfig) -> list[Row]:
    parameters = {
        "channel": channel.name,
        "batch": cfg.batch,
        "heeds": not channel.records,
        "patience_s": RECHECK_PATIENCE_S,
    }
    with conn.cursor(row_factory=dict_row) as cursor:
        return cursor.execute(_SQL["due"], parameters).fetchall()


def _fail(conn: Conn, channel: Channel, cfg: NotifyConfig, row: Row, error: str) -> bool:
    parameters = _key(channel, row) | {
        "error": error,
        "first_s": cfg.retry_first_s,
        "most_s": cfg.retry_max_s,
        "attempts": cfg.max_attempts,
    }
    found = conn.execute(_SQL["failed"], parameters).fetchone()
    return bool(found and found[0])


def _key(channel: Channel, row: Row) -> Row:
    return {
        "channel": channel.name,
        "event": row["event_id"],
        "recipient": row["recipient"],
        "step": row["step"],
    }
