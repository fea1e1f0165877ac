"""The alarm events as an outbox: what a channel still has to be told, and the proof that it was.

An event counts as delivered when the channel has confirmed it and that stands in the database; a
notifier killed in between delivers it again, so receivers go by the event's id.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from psycopg import Connection
from psycopg.rows import dict_row

from alerts.config import NotifyConfig
from alerts.notify.channels import Channel, DeliveryFailed, every_field
from alerts.notify.message import message
from core.db.queries import load

_SQL = load("alerts.notify", "outbox.sql")
_ERROR_CHARS = 500

Conn = Connection[Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Pass:
    """What one pass over a channel's outbox came to.

    Attributes:
        delivered: messages confirmed; ``failed`` not confirmed; ``given_up`` for the last time.
        error: why the last one failed.
        pending: deliveries still open.
        next_s: seconds until the next of them is due; None if there is none.
        more: whether there is more to do at once.
    """

    delivered: int = 0
    failed: int = 0
    given_up: int = 0
    error: str = ""
    pending: int = 0
    next_s: float | None = None
    more: bool = False


def claim(conn: Conn, channel: Channel) -> bool:
    """Become the one who serves a channel, on this connection; False if somebody else does."""
    row = conn.execute(_SQL["lock_channel"], {"channel": channel.name}).fetchone()
    if row is None or not row[0]:
        return False
    conn.execute(_SQL["open_channel"], {"channel": channel.name})
    return True


def serve(conn: Conn, channel: Channel, cfg: NotifyConfig, stopping: Callable[[], bool]) -> Pass:
    """Take new events up, and try what is due: oldest first, until all is done or one fails.

    Args:
        conn: an autocommit connection that has claimed the channel.
        channel: where to.
        cfg: bounds of batch, attempts and waits.
        stopping: asked between deliveries.
    """
    fresh = _collect(conn, channel, cfg)
    delivered = failed = given_up = 0
    error = ""
    rows = _due(conn, channel, cfg)
    for row in rows:
        if stopping():
            break
        try:
            channel.deliver(message(row, cfg.source))
        except DeliveryFailed as failure:
            # What follows would most likely fail as well, each after a timeout.
            failed, error = 1, str(failure)[:_ERROR_CHARS]
            given_up = _fail(conn, channel, cfg, row["event_id"], error)
            break
        conn.execute(_SQL["delivered"], {"channel": channel.name, "event": row["event_id"]})
        delivered += 1
    waiting = conn.execute(_SQL["waiting"], {"channel": channel.name}).fetchone()
    assert waiting is not None  # an aggregate always has a row
    return Pass(
        delivered=delivered,
        failed=failed,
        given_up=given_up,
        error=error,
        pending=waiting[0],
        next_s=waiting[1],
        more=not failed and (fresh == cfg.batch or len(rows) == cfg.batch),
    )


def _collect(conn: Conn, channel: Channel, cfg: NotifyConfig) -> int:
    parameters = {
        "channel": channel.name,
        "fields": every_field(channel),
        "severity": int(channel.min_severity),
        "batch": cfg.batch,
    }
    row = conn.execute(_SQL["collect"], parameters).fetchone()
    return int(row[0]) if row is not None else 0


def _due(conn: Conn, channel: Channel, cfg: NotifyConfig) -> list[dict[str, Any]]:
    with conn.cursor(row_factory=dict_row) as cursor:
        return cursor.execute(_SQL["due"], {"channel": channel.name, "batch": cfg.batch}).fetchall()


def _fail(conn: Conn, channel: Channel, cfg: NotifyConfig, event: int, error: str) -> int:
    parameters = {
        "channel": channel.name,
        "event": event,
        "error": error,
        "first_s": cfg.retry_first_s,
        "most_s": cfg.retry_max_s,
        "attempts": cfg.max_attempts,
    }
    row = conn.execute(_SQL["failed"], parameters).fetchone()
    return int(bool(row and row[0]))
