"""Provisional alarms on the page: heard at the broker, told to the streams before they are stored.

The same event comes again as ``alarm`` when it is committed; ``event_key`` tells that it is the
same. Until then a new stream begins with those that still wait.
"""

from __future__ import annotations

import asyncio
import logging
import math
import random
from collections.abc import Callable
from uuid import UUID, uuid4

import aiomqtt

from alerts import provisional
from alerts.provisional import Provisional
from core.config import MqttConfig
from core.errors import ConfigInvalid
from twin.api.hub import Frame, Hub, frame

log = logging.getLogger(__name__)

EVENT = "provisional"
"""Name of the server-sent event; its data is the message of ``alerts.provisional``."""

MOST_WAITING = 500
"""Provisional alarms remembered until their commit; beyond it the oldest is forgotten."""

LONGEST_WAIT_S = 3600.0
"""A provisional alarm older than this is no news for a new stream."""

_FIRST_PAUSE_S = 0.2
_LONGEST_PAUSE_S = 10.0


class Waiting:
    """Provisional alarms whose commit has not been seen yet, each once.

    Args:
        clock: our clock, seconds since the Unix epoch.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._waiting: dict[UUID, tuple[float, Frame]] = {}
        self._done: dict[UUID, None] = {}

    def __len__(self) -> int:
        return len(self._waiting)

    def put(self, told: Provisional) -> Frame | None:
        """Note one and return what the streams are told; None when it is known already."""
        key = told.event_key
        if key in self._waiting or key in self._done:
            return None
        if len(self._waiting) >= MOST_WAITING:
            self._waiting.pop(next(iter(self._waiting)))
        found = frame(EVENT, told)
        self._waiting[key] = (self._clock(), found)
        return found

    def committed(self, key: UUID) -> None:
        """Forget the one that an alarm event is the commit of, also if it is heard later."""
        self._waiting.pop(key, None)
        if len(self._done) >= MOST_WAITING:
            self._done.pop(next(iter(self._done)))
        self._done[key] = None

    def frames(self) -> list[Frame]:
        """Return those that still wait, the oldest first."""
        old_s = self._clock() - LONGEST_WAIT_S
        for key in [key for key, (at_s, _) in self._waiting.items() if at_s < old_s]:
            del self._waiting[key]
        return [found for _, found in self._waiting.values()]


class Ear:
    """Listens at the broker; a page without one gets every alarm at its commit."""

    def __init__(self, mqtt: MqttConfig, waiting: Waiting, hub: Hub) -> None:
        self._mqtt = mqtt
        self._waiting = waiting
        self._hub = hub
        self._name = f"blocktwin-serve-{uuid4().hex[:12]}"
        self._told = False
        self.listening = False

    async def run(self) -> None:
        """Listen until cancelled; a broker that is away is waited for."""
        pause_s = _FIRST_PAUSE_S
        while True:
            try:
                await self._listen()
            except (aiomqtt.MqttError, ConfigInvalid) as error:
                if self.listening:
                    pause_s = _FIRST_PAUSE_S
                self.listening = False
                self._tell(error)
            await asyncio.sleep(pause_s * random.uniform(0.5, 1.0))
            pause_s = min(pause_s * 2, _LONGEST_PAUSE_S)

    async def _listen(self) -> None:
        async with self._client() as client:
            for wanted in provisional.FILTERS:
                await client.subscribe(wanted, qos=1)
            self.listening = True
            self._told = False
            log.info("hearing provisional alarms at %s:%d", self._mqtt.host, self._mqtt.port)
            async for message in client.messages:
                self.hear(bytes(message.payload) if message.payload else b"")

    def hear(self, payload: bytes) -> None:
        """Tell the streams what a message says, if it says something new."""
        try:
            told = provisional.parse(payload)
        except ValueError as error:
            log.debug("no provisional alarm: %s", error)
            return
        found = self._waiting.put(told)
        if found is not None:
            self._hub.publish(found)

    def _tell(self, error: Exception) -> None:
        """Say once that the broker is away."""
        if not self._told:
            self._told = True
            log.info("no provisional alarms: %s; alarms come at their commit", error)

    def _client(self) -> aiomqtt.Client:
        cfg = self._mqtt
        return aiomqtt.Client(
            cfg.host,
            cfg.port,
            identifier=self._name,
            username=cfg.username or None,
            password=cfg.secret() if cfg.username else None,
            protocol=aiomqtt.ProtocolVersion.V5,
            tls_context=cfg.trust(),
            keepalive=cfg.keepalive_s,
            timeout=math.ceil(_LONGEST_PAUSE_S),
            max_queued_incoming_messages=MOST_WAITING,
        )
