"""Provisional alarms: life-safety transitions on a connection of their own, before the commit.

Nothing that a slow database, a backlog or the readings' own sessions hold up is in their way. What
the broker has not confirmed is sent again on the next connection; who hears it twice knows it by
its key (``alerts.provisional``).
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import replace
from uuid import UUID

from alerts import book, provisional
from alerts.rules import Rule
from core.config import MqttConfig
from core.model import Transition, TransitionKind
from core.registry import Registry, SeriesInfo
from ingest.config import IngestConfig
from ingest.link import Lane
from ingest.outbox import Outbox
from ingest.source import MqttSource, waited

WARNING = Lane(name="-warn", channels=(), keep=False)

MOST_WAITING = 10_000
"""Provisional alarms kept while the broker is away; beyond it the oldest is given up."""

_MOST_ONSETS = 100_000
_AGAIN_S = 0.1


class Warner:
    """Publishes provisional alarms; ``run`` keeps it connected.

    Attributes:
        given_up: how many were lost because the broker was away for too long.
    """

    def __init__(self, mqtt: MqttConfig, ingest: IngestConfig) -> None:
        self._source = MqttSource(mqtt, ingest, WARNING, outbox=Outbox(lasting=True))
        self._waiting: deque[tuple[str, bytes]] = deque()
        self._some = asyncio.Event()
        self._onsets: dict[tuple[str, str], int] = {}
        self.given_up = 0

    @property
    def connected(self) -> bool:
        """Whether a provisional alarm would reach the broker now."""
        return self._source.connected

    @property
    def waiting(self) -> int:
        """How many the broker has not been sent yet."""
        return len(self._waiting)

    async def run(self) -> None:
        """Stay connected until cancelled, and send what could not be sent at once."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._source.run(), name="warnings")
            while True:
                await waited(self._some, 3600.0)
                while self._waiting:
                    self._send()
                    await asyncio.sleep(_AGAIN_S)
                self._some.clear()

    def remember(self, onsets: Mapping[tuple[str, str], int]) -> None:
        """Take over when the conditions under way began, by rule and subject (event time, us)."""
        self._onsets.update(onsets)

    def tell(
        self,
        transitions: Sequence[Transition],
        rules: Mapping[str, Rule],
        registry: Registry,
        now_us: int,
    ) -> int:
        """Publish the life-safety ones among some transitions; return how many.

        Args:
            transitions: in the order in which they happened.
            rules: by id; those that judged.
            registry: where the subjects are.
            now_us: our clock, microseconds since the Unix epoch.
        """
        urgent = [one for one in transitions if one.life_safety and one.rule_id in rules]
        for one in urgent:
            rule = rules[one.rule_id]
            onset_us = self._onset(one)
            payload = provisional.message(
                one,
                alarm_id=_alarm(one, onset_us),
                onset_us=onset_us,
                detected_us=now_us,
                rule=rule,
                where=_where(one, rule, registry),
            )
            self._put(provisional.topic(one.field, one.severity), payload)
        if urgent:
            self._send()
        return len(urgent)

    def _onset(self, one: Transition) -> int:
        """Return when the condition began, and keep it until it has ended."""
        key = (one.rule_id, one.subject)
        if one.kind is TransitionKind.RETURNED:
            return self._onsets.pop(key, one.at_us)
        if one.kind is TransitionKind.RAISED:
            self._onsets.pop(key, None)
            if len(self._onsets) >= _MOST_ONSETS:
                self._onsets.pop(next(iter(self._onsets)))
        return self._onsets.setdefault(key, one.at_us)

    def _put(self, topic: str, payload: bytes) -> None:
        if len(self._waiting) >= MOST_WAITING:
            self._waiting.popleft()
            self.given_up += 1
        self._waiting.append((topic, payload))

    def _send(self) -> None:
        while self._waiting and self._source.publish(*self._waiting[0]):
            self._waiting.popleft()
        if self._waiting:
            self._some.set()


def _alarm(one: Transition, onset_us: int) -> UUID:
    return book.alarm_id(replace(one, at_us=onset_us))


def _where(one: Transition, rule: Rule, registry: Registry) -> SeriesInfo | None:
    """Return a series of the subject's device; None where the subject is no device."""
    kind, _, name = one.subject.partition(":")
    if kind != "device":
        return None
    quantities = (one.quantity, rule.select.quantity, *(part.quantity for part in rule.parts))
    found = (registry.find(f"{name}:{quantity}") for quantity in quantities if quantity)
    return next((info for info in found if info is not None), None)
