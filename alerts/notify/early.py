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
from alerts.notify.ladder import Step, Waiting, next_step
from alerts.notify.memory import Claim
from alerts.notify.message import Message, message
from alerts.notify.outbox import Desk, receivers
from alerts.notify.routes import Occasion, Target, target
from alerts.provisional import Provisional
from core.config import MqttConfig

log = logging.getLogger(__name__)

THREADS = 4
"""Early deliveries at a time to one channel; one that hangs holds up no other."""
MOST_CALLED = 10_000
"""Conditions of which it is remembered that somebody was called for them early."""
MOST_WAITING = 2000
"""Early deliveries that may be under way or wait; what is beyond is told after its commit."""
PATIENCE_S = 600.0
"""How long an early delivery is tried; the outbox goes on with it then."""
_RETRY_MOST_S = 30.0
_REFUSED = 0x80  # MQTT 5, 3.9.3: reason codes from here on are refusals

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
        stored: whether the database can be read, so that the outbox calls the next level.
        connected: whether the broker is heard.
    """

    mqtt: MqttConfig
    desk: Desk
    channels: Sequence[Channel]
    directory: Directory
    leads: Callable[[str], bool]
    told: Callable[[str, str], None]
    stored: Callable[[], bool]
    connected: bool = False
    _waiting: int = 0
    _called: dict[tuple[str, str], float] = field(default_factory=dict)
    _threads: dict[str, ThreadPoolExecutor] = field(default_factory=dict)

    async def run(self) -> None:
        """Listen, over losses of the broker."""
        delay_s = 0.5
        try:
            async with asyncio.TaskGroup() as tasks:
                while True:
                    try:
                        async with self._client() as client:
                            await _subscribe(client)
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
            for threads in self._threads.values():
                threads.shutdown(wait=False, cancel_futures=True)
            self._threads = {}

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
        if (heard.rule_id, heard.subject) in self.directory.hidden:
            return
        about = occasion(heard)
        for channel in self._led():
            rosters = self.directory.rosters
            for each in receivers(channel, about, heard.rule_id, self.desk.cfg, rosters):
                self._begin(tasks, channel, heard, each, 0)
        if self._calls(heard):
            step = self._call(tasks, heard, 1, None)
            if self._waiting < MOST_WAITING:
                self._waiting += 1
                tasks.create_task(self._climb(tasks, heard, step.level), name="early calls")

    def _led(self) -> list[Channel]:
        """Return the channels that wake people and that this process serves."""
        return [each for each in self.channels if not each.records and self.leads(each.name)]

    def _calls(self, heard: Provisional) -> bool:
        """Tell whether somebody is to be called: not when that was done and nobody has answered."""
        if heard.kind != "raised":
            return False
        about = (heard.rule_id, heard.subject)
        now = asyncio.get_running_loop().time()
        lately = self._called.get(about, float("-inf")) > now - self.desk.cfg.ack_within_s
        if lately or about in self.directory.asked:
            return False
        self._called.pop(about, None)
        self._called[about] = now
        while len(self._called) > MOST_CALLED:
            del self._called[next(iter(self._called))]
        return True

    def _call(
        self, tasks: asyncio.TaskGroup, heard: Provisional, number: int, level: str | None
    ) -> Step:
        """Call the level after ``level``, as the outbox would."""
        about = occasion(heard)
        waiting = Waiting(
            field=about.field,
            severity=about.severity,
            life_safety=True,
            path=about.path,
            level=level,
        )
        reachable = frozenset(each.name for each in self.channels if not each.records)
        step = next_step(waiting, self.directory.rosters, datetime.now(UTC), reachable)
        for channel in self._led():
            for call in step.calls:
                if call.contact.channel == channel.name:
                    self._begin(tasks, channel, heard, target(call), number)
        return step

    async def _climb(self, tasks: asyncio.TaskGroup, heard: Provisional, level: str) -> None:
        """Call level after level while the database is away: nobody can acknowledge then.

        Once it is back, the outbox goes on; the steps have its keys, so none is told twice.
        """
        try:
            for number in range(2, self.desk.cfg.escalation_steps + 1):
                await asyncio.sleep(self.desk.cfg.ack_within_s)
                if self.stored() or not level:
                    return
                level = self._call(tasks, heard, number, level).level
        finally:
            self._waiting -= 1

    def _begin(
        self,
        tasks: asyncio.TaskGroup,
        channel: Channel,
        heard: Provisional,
        to: Target,
        step: int,
    ) -> None:
        if self._waiting >= MOST_WAITING:
            log.warning("too many early alarms at once; the rest is told after its commit")
            return
        self._waiting += 1
        rule_type = self.directory.rule_types.get(heard.rule_id, "")
        made = message(row_of(heard, to, step, rule_type), self.desk.cfg.source)
        tasks.create_task(self._tell(channel, made), name=f"early {made.key} {channel.name}")

    async def _tell(self, channel: Channel, made: Message) -> None:
        """Tell one, again and again for a while; stop when the outbox has told it."""
        loop = asyncio.get_running_loop()
        delay_s, deadline = self.desk.cfg.retry_first_s, loop.time() + PATIENCE_S
        try:
            while loop.time() < deadline:
                threads = self._threads_of(channel.name)
                if await loop.run_in_executor(threads, self._try, channel, made):
                    return
                await asyncio.sleep(delay_s * random.uniform(0.8, 1.2))
                delay_s = min(delay_s * 2, _RETRY_MOST_S)
        finally:
            self._waiting -= 1

    def _threads_of(self, channel: str) -> ThreadPoolExecutor:
        if channel not in self._threads:
            self._threads[channel] = ThreadPoolExecutor(
                THREADS, thread_name_prefix=f"early {channel}"
            )
        return self._threads[channel]

    def _try(self, channel: Channel, made: Message) -> bool:
        """Tell it now, in a thread; False: it must be tried again."""
        # Claimed only now: what waits for a thread may be told by the outbox meanwhile.
        known = self.desk.memory.claim(channel.name, made.recipient, made.key)
        if known is not Claim.MINE:
            return known is Claim.DONE
        try:
            self.desk.memory.telling(channel, made, keep=True)
        except DeliveryFailed as failure:
            log.warning("%s: %s; tried again", channel.name, failure)
            self.told(channel.name, "failed")
            return False
        self.told(channel.name, "delivered")
        return True


async def _subscribe(client: aiomqtt.Client) -> None:
    """Ask for the provisional alarms; a refusal is an error like any other of the broker's."""
    for wanted in provisional.FILTERS:
        for code in await client.subscribe(wanted, qos=1):
            if (code if isinstance(code, int) else code.value) >= _REFUSED:
                raise aiomqtt.MqttError("it refuses the subscription")


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
