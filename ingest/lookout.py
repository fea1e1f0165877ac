"""Notices that the store is in trouble, and has readings judged without it until it keeps up.

In trouble is a store that was found away, that owes an answer for longer than ``watch_after_s``, or
for so long that a third of what the broker sends unacknowledged has come meanwhile: the second
session must stand before the rest is used up, or what comes between is judged late.
"""

from __future__ import annotations

import asyncio
import logging
import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from core.batch import Batch
from core.config import MqttConfig
from core.model import Transition
from ingest.config import IngestConfig
from ingest.held import Held
from ingest.lanes import Seen
from ingest.message import Message
from ingest.pipeline import Opened, Pipeline, age_us
from ingest.watch import Eyes, watch

log = logging.getLogger(__name__)

_GLANCE_S = 0.05  # how often it asks whether the store is in trouble
_CALM_S = 2.0  # the watch ends when the store has kept up for this long
_BEHIND_US = 1_000_000.0
_SHARE = 1 / 3


class Holding(Protocol):
    """What holds messages that were received and not taken."""

    @property
    def backlog(self) -> int:
        """Messages received and not yet taken."""
        ...

    def peek(self, after: Seen) -> tuple[list[Message], Seen]:
        """Return what waits and came after what was seen, without taking it."""
        ...


@dataclass(slots=True, kw_only=True)
class Lookout:
    """What is known of the store's trouble; the worker tells, ``run`` acts.

    Attributes:
        source: holds what was received and not taken.
        warn: publishes what must not wait; returns our clock at that moment, microseconds.
        held: what was found while watching, and is not committed yet.
        taken: the batch that was taken and is not judged yet.
        away: whether the database was away when it was last asked.
        watching: whether readings are being judged without the store.
        stands: whether then everything that comes is seen.
        age_us: how old the readings of the last usual batch were when they came; ``aged_s``: when
            that was.
    """

    ingest: IngestConfig
    mqtt: MqttConfig
    source: Holding
    warn: Callable[[Sequence[Transition]], int]
    held: Held = field(default_factory=Held)
    taken: Opened | None = None
    away: bool = False
    watching: bool = False
    stands: bool = False
    age_us: float | None = None
    aged_s: float = 0.0
    _asked_s: float | None = None  # since when the store has been owing an answer (monotonic)
    _most: float = math.inf  # how many messages may wait until it has answered

    def asks(self, *, stalled_s: float) -> None:
        """Note that the store is asked, and owes an answer until ``answered``.

        Args:
            stalled_s: when messages last waited without fault of the store (monotonic). While a
                backlog is read, many come at once, and are to be judged in their order.
        """
        self._asked_s = time.monotonic()
        calm = self._asked_s - stalled_s >= _CALM_S
        self._most = self._waiting + self._room * _SHARE if calm else math.inf

    def answered(self) -> None:
        """Note that it owes none, whatever it said."""
        self._asked_s = None

    def note(self, batch: Batch) -> None:
        """Note how old a batch of the usual sessions was when it came."""
        self.age_us = age_us(batch, self.age_us)
        self.aged_s = time.monotonic()

    @property
    def in_trouble(self) -> bool:
        """Whether the store takes nothing at the moment."""
        if self.away or self._asked_s is None:
            return self.away
        slow = time.monotonic() - self._asked_s > self.ingest.watch_after_s
        return slow or self._waiting >= self._most

    @property
    def _waiting(self) -> int:
        """Messages received and not judged yet."""
        return self.source.backlog + (len(self.taken.messages) if self.taken else 0)

    @property
    def _room(self) -> int:
        """Messages that come before the first of them is acknowledged."""
        return min(self.mqtt.receive_maximum, self.ingest.queue_messages)

    async def run(self, pipeline: Pipeline) -> None:
        """Watch whenever the store is in trouble, until cancelled."""
        while True:
            await asyncio.sleep(_GLANCE_S)
            if self.in_trouble:
                await self._watch(pipeline)

    async def _watch(self, pipeline: Pipeline) -> None:
        log.info("the store is not keeping up; readings are judged without it")
        self.watching = True
        try:
            await watch(self.mqtt, self.ingest, pipeline, _Look(self).eyes)
        finally:
            self.watching = self.stands = False
        log.info("the store keeps up again")


class _Look:
    """One watch: what it has seen of the messages held here, and since when all is calm."""

    def __init__(self, lookout: Lookout) -> None:
        self._lookout = lookout
        self._seen: Seen = (0, 0)
        self._taken: Opened | None = None
        self._calm_s = math.inf

    @property
    def eyes(self) -> Eyes:
        """What the watch sees through."""
        return Eyes(held=self._held, tell=self._tell, stands=self._stand, over=self._over)

    def _held(self) -> list[Message]:
        """Return the messages that are held and were not returned before, the taken ones first."""
        found, self._seen = self._lookout.source.peek(self._seen)
        taken = self._lookout.taken
        if taken is None or taken is self._taken:
            return found
        self._taken = taken
        return [*taken.messages, *found]

    def _tell(self, transitions: list[Transition]) -> None:
        if transitions:
            self._lookout.held.add(transitions, self._lookout.warn(transitions))

    def _stand(self, stands: bool) -> None:
        self._lookout.stands = stands

    def _over(self, seen_us: float | None) -> bool:
        now_s = time.monotonic()
        if self._lookout.in_trouble or self._behind(seen_us, now_s):
            self._calm_s = math.inf
        else:
            self._calm_s = min(self._calm_s, now_s)
        return now_s - self._calm_s >= _CALM_S

    def _behind(self, seen_us: float | None, now_s: float) -> bool:
        """Whether the usual sessions still bring old readings: most of them wait at the broker.

        What the two sessions bring is compared, not with our clock: a recording is old in both.
        """
        lookout = self._lookout
        if lookout.source.backlog > lookout.ingest.batch_readings:
            return True
        if lookout.age_us is None or seen_us is None or now_s - lookout.aged_s > _CALM_S:
            return False
        return lookout.age_us - seen_us > _BEHIND_US
