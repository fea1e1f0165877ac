"""Life-safety alarms before they are stored: heard from the broker, told at once.

The worker publishes such a transition before its commit, also while the database is away. Whom it
concerns is decided by what was last read of the rosters. What was told is remembered, and the
committed event, which has the same key, is then only marked as delivered.
"""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import aiomqtt

from alerts import provisional
from alerts.notify.channels import Channel, DeliveryFailed
from alerts.notify.directory import Directory
from alerts.notify.duty import Call
from alerts.notify.ladder import Waiting, next_step
from alerts.notify.memory import Claim
from alerts.notify.message import Message, message
from alerts.notify.outbox import Desk, receivers
from alerts.notify.routes import Occasion, Target, target
from alerts.provisional import Provisional
from core.config import MqttConfig

log = logging.getLogger(__name__)

THREADS = 16
"""Early deliveries at a time."""
MOST_WAITING = 2000
"""Early deliveries that may be under way or wait; what is beyond is told after its commit."""
PATIENCE_S = 600.0
"""How long an early delivery is tried; the outbox goes on with it then."""
_RETRY_MOST_S = 30.0

Row = dict[str, Any]


@dataclass(slots=True, kw_only=True)
class Early:
    """Hears provisional alarms and tells them until cancelled.

    Attributes:
        mqtt: the broker; the password is ``mqtt.secret()``.
        desk: routes, and the memory shared with the outbox.
        directory: rosters, rules and hidden alarms as last read.
        channels: those that wake people; records are kept by the outbox alone.
        leads: whether this process serves a channel (another notifier may).
        told: called with channel and result ("delivered", "failed") of every attempt.
        connected: whether the broker is heard.
    """

    mqtt: MqttConfig
    desk: Desk
    channels: Sequence[Channel]
    directory: Directory
    leads: Callable[[str], bool]
    told: Callable[[str, str], None]
    connected: bool = False
    _waiting: int = 0
    _threads: ThreadPoolExecutor = field(
        default_factory=lambda: ThreadPoolExecutor(THREADS, thread_name_prefix="early")
    )

    async def run(self) -> None:
        """Listen, over losses of the broker."""
        delay_s = 0.5
        try:
            async with asyncio.TaskGroup() as tasks:
                while True:
                    try:
                        async with self._client() as client:
                            await client.subscribe(provisional.FILTER, qos=1)
                            if not self.connected:
                                log.info("life-safety alarms are heard before their commit")
                            self.connected, delay_s = True, 0.5
                            async for heard in client.messages:
                                self._hear(tasks, bytes(heard.payload or b""))
                    except aiomqtt.MqttError as error:
                        if self.connected or delay_s == 0.5:
                            log.warning("the broker is away, early alarms are not heard: %s", error)
                        self.connected = False
                    await asyncio.sleep(delay_s * random.uniform(0.5, 1.0))
                    delay_s = min(delay_s * 2, _RETRY_MOST_S)
        finally:
            self._threads.shutdown(wait=False, cancel_futures=True)

    def _client(self) -> aiomqtt.Client:
        return aiomqtt.Client(
            self.mqtt.host,
            self.mqtt.port,
            username=self.mqtt.username or None,
            password=self.mqtt.secret() or None,
            protocol=aiomqtt.ProtocolVersion.V5,
            keepalive=self.mqtt.keepalive_s,
            timeout=5.0,
            # The outbox tells what comes while we are away; nothing is kept for us.
            clean_start=True,
            max_queued_incoming_messages=MOST_WAITING,
            tls_context=self.mqtt.trust(),
        )

    def _hear(self, tasks: asyncio.TaskGroup, payload: bytes) -> None:
        try:
            heard = provisional.parse(payload)
        except ValueError as error:
            log.warning("a provisional alarm cannot be read: %s", error)
            return
        for channel, row in self._deliveries(heard):
            if self._waiting >= MOST_WAITING:
                log.warning("too many early alarms at once; the rest is told after its commit")
                return
            self._waiting += 1
            made = message(row, self.desk.cfg.source)
            tasks.create_task(self._tell(channel, made), name=f"early {made.key} {channel.name}")

    def _deliveries(self, heard: Provisional) -> list[tuple[Channel, Row]]:
        """Return to whom it is told: as the outbox would, and the first call of the escalation."""
        if (heard.rule_id, heard.subject) in self.directory.hidden:
            return []
        about, rosters = occasion(heard), self.directory.rosters
        rule_type = self.directory.rule_types.get(heard.rule_id, "")
        calls = self._first_call(about) if heard.kind == "raised" else ()
        found: list[tuple[Channel, Row]] = []
        for channel in self.channels:
            if channel.records or not self.leads(channel.name):
                continue
            own = receivers(channel, about, heard.rule_id, self.desk.cfg, rosters)
            found += [(channel, row_of(heard, each, 0, rule_type)) for each in own]
            called = [target(call) for call in calls if call.contact.channel == channel.name]
            found += [(channel, row_of(heard, each, 1, rule_type)) for each in called]
        return found

    def _first_call(self, about: Occasion) -> tuple[Call, ...]:
        waiting = Waiting(
            field=about.field, severity=about.severity, life_safety=True, path=about.path
        )
        reachable = frozenset(each.name for each in self.channels if not each.records)
        return next_step(waiting, self.directory.rosters, datetime.now(UTC), reachable).calls

    async def _tell(self, channel: Channel, made: Message) -> None:
        """Tell one, again and again for a while; stop when the outbox has told it."""
        memory = self.desk.memory
        loop = asyncio.get_running_loop()
        delay_s, deadline = self.desk.cfg.retry_first_s, loop.time() + PATIENCE_S
        try:
            while loop.time() < deadline:
                known = memory.claim(channel.name, made.recipient, made.key)
                if known is Claim.DONE:
                    return
                if known is Claim.MINE and await loop.run_in_executor(
                    self._threads, self._try, channel, made
                ):
                    return
                await asyncio.sleep(delay_s * random.uniform(0.8, 1.2))
                delay_s = min(delay_s * 2, _RETRY_MOST_S)
        finally:
            self._waiting -= 1

    def _try(self, channel: Channel, made: Message) -> bool:
        try:
            channel.deliver(made)
        except DeliveryFailed as failure:
            self.desk.memory.drop(channel.name, made.recipient, made.key)
            log.warning("%s: %s; tried again", channel.name, failure)
            self.told(channel.name, "failed")
            return False
        self.desk.memory.keep(channel.name, made.recipient, made.key)
        self.told(channel.name, "delivered")
        return True


def occasion(heard: Provisional) -> Occasion:
    """Return what routes decide by, of a provisional alarm."""
    return Occasion(
        kind=heard.kind,
        field=heard.field,
        severity=int(heard.rank),
        life_safety=True,
        advisory=False,
        path=heard.spaces,
        at=_moment(heard.at_us),
    )


def row_of(heard: Provisional, receiver: Target, step: int, rule_type: str) -> Row:
    """Return a provisional alarm as a row of the outbox, without what only the database knows."""
    subject, _, name = heard.subject.partition(":")
    return {
        "event_id": None,
        "event_key": heard.event_key,
        "kind": heard.kind,
        "at": _moment(heard.detected_us),
        "event_at": _moment(heard.at_us),
        "actor": "engine",
        "severity": int(heard.rank),
        "state": None,
        "value": heard.value,
        "note": "",
        "alarm_id": heard.alarm_id,
        "rule_id": heard.rule_id,
        "rule_version": heard.rule_version,
        "name": {"zh": heard.name.zh, "en": heard.name.en},
        "advice": {"zh": heard.advice.zh, "en": heard.advice.en},
        "rule_type": rule_type,
        "field": str(heard.field),
        "subject": heard.subject,
        "device_id": name if subject == "device" else None,
        "gateway_id": name if subject == "gateway" else None,
        "space": heard.spaces[-1] if heard.spaces else None,
        "lon": heard.lon,
        "lat": heard.lat,
        "quantity": heard.quantity,
        "threshold": heard.threshold,
        "said": dict(zip(("zh", "en"), heard.said, strict=True)),
        "life_safety": True,
        "advisory": False,
        "raised_at": _moment(heard.onset_us),
        "provisional": True,
        "recipient": receiver.recipient,
        "called": receiver.called,
        "step": step,
    }


def _moment(at_us: int) -> datetime:
    return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=at_us)
