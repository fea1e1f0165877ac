"""A running notifier, and alarms for it, in few words."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

import msgspec
import psycopg

from alerts import store
from alerts.channel_config import WebhookConfig
from alerts.config import NotifyConfig
from alerts.notify import rosters
from alerts.notify.duty import Roster
from alerts.notify.run import Notifier
from alerts.notify.ways import channels_of
from core.config import DatabaseConfig, MqttConfig
from tests.support.alerting import S, transition
from tests.support.receiver import Receiver
from tests.support.waiting import eventually

Conn = psycopg.Connection[Any]

NOW_US = round(time.time() * S)
"""When these tests began, microseconds since the Unix epoch: nobody is called for old alarms."""


def config(receiver: Receiver, **more: Any) -> NotifyConfig:
    """Return settings with one webhook, quick retries and a high cap."""
    plain: dict[str, Any] = {
        "webhooks": (WebhookConfig(name="duty", url=receiver.url),),
        "retry_first_s": 0.05,
        "retry_max_s": 0.2,
        "poll_s": 30.0,
        "timeout_s": 2.0,
        "cap_messages": 10_000,
    }
    return NotifyConfig(**(plain | more))


@asynccontextmanager
async def running(
    dsn: str, cfg: NotifyConfig, *, mqtt: MqttConfig | None = None, **more: Any
) -> AsyncIterator[Notifier]:
    """Run a notifier until the block ends."""
    notifier = Notifier(
        cfg=cfg,
        database=DatabaseConfig(dsn=dsn),
        channels=channels_of(cfg, mqtt),
        stop=asyncio.Event(),
        mqtt=mqtt if cfg.hear_early else None,
        **more,
    )
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(notifier.run(), name="notifier")
        await eventually(lambda: notifier.database_ok)
        yield notifier
        notifier.stop.set()


def raise_alarm(conn: Conn, device: str = "heat.00001", at_s: float = 0, **change: Any) -> str:
    """Raise an alarm on a device as the worker would, and return its id."""
    plain = {"rule_id": "fire-heat-fixed", "subject": f"device:{device}"}
    made = transition(**(plain | change), at_us=NOW_US + round(at_s * S))
    with conn.transaction():
        (event,) = store.apply(conn, [made], made.at_us + S)
    row = conn.execute(
        "SELECT alarm_id::text FROM alarm_event WHERE event_id = %s", (event,)
    ).fetchone()
    assert row is not None
    return str(row[0])


def put_roster(conn: Conn, roster_id: str, **change: Any) -> None:
    """Write a roster; what is not given is one contact on channel ``duty``, for the district."""
    plain: dict[str, Any] = {
        "roster_id": roster_id,
        "name": {"zh": roster_id, "en": roster_id},
        "space": "440303",
        "level": "micro_station",
        "contacts": [{"name": roster_id, "channel": "duty", "address": f"tel-{roster_id}"}],
    }
    rosters.put(conn, msgspec.convert(plain | change, Roster), "test")


def states(conn: Conn) -> Sequence[Any]:
    """Return (recipient, step, what became of it) of every delivery, in order."""
    return conn.execute(
        """SELECT recipient, step,
                  CASE WHEN delivered_at IS NOT NULL THEN 'delivered'
                       WHEN withheld_at IS NOT NULL THEN 'withheld: ' || withheld_why
                       WHEN folded_at IS NOT NULL THEN 'folded' ELSE 'waiting' END
             FROM notify_delivery ORDER BY event_id, step, recipient"""
    ).fetchall()
