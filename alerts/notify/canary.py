"""The dead-man's canary: what a gateway sends every few minutes, and the alarm when none comes.

A canary travels the way of every alarm: the agent's reading, the rule ``canary``, the outbox, and a
channel whose other end is this notifier. Hearing it measures the whole way; it is then
acknowledged, so that it ends with its reading and lies on nobody's desk.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from psycopg import Connection, OperationalError
from psycopg.rows import dict_row

from alerts import store
from alerts.config import CANARY, NotifyConfig
from alerts.notify.channels import DeliveryFailed
from alerts.notify.message import Message
from core.config import DatabaseConfig
from core.db.pool import connect
from core.db.queries import load
from core.errors import DatabaseAway, UsageError
from core.model import Field, Severity, Transition, TransitionKind

_SQL = load("alerts.notify", "canary.sql")
LATE = "canary-late"
MOST_GATEWAYS = 10_000
_BATCH = 1000

Conn = Connection[Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Heard:
    """The other end of the canaries' channel.

    Attributes:
        database: where a canary is acknowledged.
        heard: called with the gateway and the seconds from reading to here.
    """

    database: DatabaseConfig
    heard: Callable[[str, float], None]
    name: str = CANARY
    fields: tuple[str, ...] = ()
    min_severity: Severity = Severity.BLUE
    records: bool = True
    own: tuple[str, ...] = ("",)

    def deliver(self, message: Message) -> None:
        """Measure a canary, and acknowledge its alarm."""
        if message.kind != "raised":
            return
        self.heard(message.gateway, max(0.0, time.time() - message.observed_us / 1e6))
        try:
            with connect(self.database, application_name="blocktwin notify canary") as conn:
                store.acknowledge(conn, message.alarm_id, CANARY)
        except (store.AlarmUnknown, store.InvalidAction):
            return  # it is over already
        except (DatabaseAway, OperationalError) as error:
            raise DeliveryFailed(f"the database is away: {error}") from error


@dataclass(slots=True, kw_only=True)
class Watch:
    """Raises and ends the alarms of gateways whose canary fails to come.

    Attributes:
        since: when this process began to watch; before it nothing is late.
        heard: gateway -> when its last canary came, as of the last look.
    """

    since: datetime
    heard: dict[str, datetime] = field(default_factory=dict)

    def look(self, conn: Conn, cfg: NotifyConfig, now: datetime) -> list[int]:
        """Look at all gateways once; return the numbers of the alarm events written.

        Args:
            conn: an autocommit connection.
            cfg: how late is late.
            now: our clock.
        """
        parameters = {"most": MOST_GATEWAYS}
        with conn.cursor(row_factory=dict_row) as cursor:
            rows = cursor.execute(_SQL["gateways"], parameters).fetchall()
        known = {subject for (subject,) in conn.execute(_SQL["late_open"])}
        said: list[Transition] = []
        heard: dict[str, datetime] = {}
        for row in rows:
            last = max(row["heard_at"] or self.since, self.since)
            age = (now - last).total_seconds()
            heard[row["gateway_id"]] = last
            subject, late = f"gateway:{row['gateway_id']}", age > cfg.canary_late_s
            if late != (subject in known):
                said.append(_transition(subject, age, cfg.canary_late_s, now, late=late))
        self.heard = heard
        if not said:
            return []
        with conn.transaction():
            return store.apply(conn, said, round(now.timestamp() * 1e6))

    def ages(self, now: datetime) -> dict[str, float]:
        """Return the seconds since each gateway's last canary; they grow without a look as well."""
        return {gateway: (now - at).total_seconds() for gateway, at in self.heard.copy().items()}


def register(conn: Conn, device_id: str) -> str:
    """Give a device the series of a canary; return its gateway.

    Raises:
        UsageError: if there is no such device.
    """
    found = conn.execute(_SQL["gateway_of"], {"device": device_id}).fetchone()
    if found is None:
        raise UsageError(
            f"there is no device {device_id!r}",
            remedy="name a registered device of the gateway, best one that is always powered",
        )
    with conn.transaction():
        conn.execute(_SQL["register"], {"device": device_id})
        conn.execute(_SQL["announce_registry"])
    return str(found[0])


def claim(conn: Conn) -> bool:
    """Become the one who watches, on this connection; False if somebody else does."""
    row = conn.execute(_SQL["lock"]).fetchone()
    return bool(row and row[0])


def forget(conn: Conn, keep_h: float) -> int:
    """Delete old alarms of canaries with all that belongs to them; return how many."""
    rows = conn.execute(_SQL["past"], {"keep_s": keep_h * 3600, "batch": _BATCH}).fetchall()
    if rows:
        alarms = {"alarms": [row[0] for row in rows]}
        with conn.transaction():
            for name in ("deliveries", "calls", "occurrences", "events", "alarms"):
                conn.execute(_SQL[f"forget_{name}"], alarms)
    return len(rows)


def _transition(
    subject: str, age_s: float, late_s: float, now: datetime, *, late: bool
) -> Transition:
    minutes = age_s / 60
    return Transition(
        rule_id=LATE,
        rule_version=1,
        subject=subject,
        field=Field.SYSTEM,
        kind=TransitionKind.RAISED if late else TransitionKind.RETURNED,
        severity=Severity.ORANGE,
        at_us=round(now.timestamp() * 1e6),
        value=age_s,
        threshold=late_s,
        quantity="",
        latch=False,
        said=(
            f"该网关已有 {minutes:.1f} 分钟没有巡检信号到达，报警可能送不到",
            f"no canary of this gateway has arrived for {minutes:.1f} min: alarms may not either",
        )
        if late
        else ("", ""),
    )
