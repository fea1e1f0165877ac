"""Digests: one message for what was beyond a receiver's cap, or that the desk left to one."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from psycopg import Connection
from psycopg.rows import dict_row

from alerts.config import NotifyConfig
from alerts.notify.channels import Channel, DeliveryFailed
from alerts.notify.message import Message, digest
from alerts.notify.words import digest_words
from core.db.queries import load

_SQL = load("alerts.notify", "digests.sql")
_SHOWN = 10
_ERROR_CHARS = 500

Conn = Connection[Any]


def serve(
    conn: Conn, channel: Channel, cfg: NotifyConfig, pressing: Callable[[], bool] = lambda: False
) -> str:
    """Make the digests whose time has come and try to deliver them; return the error of a failure.

    The deliveries that a digest stands for point to it, so its proof is theirs. None is begun
    while something else is ``pressing``.
    """
    parameters = {
        "channel": channel.name,
        "gather_s": cfg.digest_s,
        "window_s": cfg.cap_window_s,
        "batch": cfg.batch,
    }
    conn.execute(_SQL["gather"], parameters)
    with conn.cursor(row_factory=dict_row) as cursor:
        rows = cursor.execute(_SQL["due"], parameters).fetchall()
    for row in rows:
        if pressing():
            return ""
        try:
            channel.deliver(_message(conn, channel, cfg, row))
        except DeliveryFailed as failure:
            error = str(failure)[:_ERROR_CHARS]
            bounds = {
                "first_s": cfg.retry_first_s,
                "most_s": cfg.retry_max_s,
                "attempts": cfg.max_attempts,
            }
            conn.execute(_SQL["failed"], bounds | {"digest": row["digest_id"], "error": error})
            return error
        conn.execute(_SQL["delivered"], {"digest": row["digest_id"]})
    return ""


def next_s(conn: Conn, channel: Channel, cfg: NotifyConfig) -> float | None:
    """Return in how many seconds there is a digest to make or to try, None if there is none."""
    parameters = {
        "channel": channel.name,
        "gather_s": cfg.digest_s,
        "window_s": cfg.cap_window_s,
    }
    row = conn.execute(_SQL["next"], parameters).fetchone()
    return row[0] if row is not None else None


def _message(conn: Conn, channel: Channel, cfg: NotifyConfig, row: dict[str, Any]) -> Message:
    parameters = {"channel": channel.name, "digest": row["digest_id"], "shown": _SHOWN}
    with conn.cursor(row_factory=dict_row) as cursor:
        counts = cursor.execute(_SQL["counts"], parameters).fetchall()
        worst = cursor.execute(_SQL["worst"], parameters).fetchall()
    shown = [
        {name: each[name] for name in ("event_key", "alarm_id", "kind", "severity", "subject")}
        | {"name": each["name"]}
        for each in worst
    ]
    facts = row | {"counts": counts, "worst": shown}
    return digest(facts, digest_words(worst, row["events"]), cfg.source)
