"""The uplink: keeps an agent connected to the broker, from one session to the next.

It reconnects for ever, with jittered pauses; a broker that fails is logged once, and so is its
recovery. What happens within a connection is ``edge.session``'s.
"""

from __future__ import annotations

import asyncio
import logging
import random
import time
from contextlib import suppress

import aiomqtt

from core.cancel import heed_cancel
from core.config import MqttConfig
from edge.config import AgentConfig
from edge.link import LinkControl, connected
from edge.session import LinkCut, Session
from edge.sink import Signals
from edge.spool import Spool

_LOG = logging.getLogger(__name__)
_STEADY_S = 5.0
_LOOK_S = 0.1


class Uplink:
    """The way of one agent's messages to the broker.

    Args:
        mqtt: where the broker is.
        agent: gateway id and bounds.
        spool: what is sent; the caller opens and closes it.
        signals: shared with the sink.
        password: of the broker user.
        link: a switch for simulated partitions.

    Attributes:
        connected: whether the agent is connected now.
        resent: messages that went out again within a connection.
        sessions: how many connections there have been.
    """

    def __init__(
        self,
        mqtt: MqttConfig,
        agent: AgentConfig,
        spool: Spool,
        signals: Signals,
        *,
        password: str = "",
        link: LinkControl | None = None,
    ) -> None:
        self._mqtt = mqtt
        self._agent = agent
        self._spool = spool
        self._signals = signals
        self._password = password
        self._link = link or LinkControl()
        self._finish = asyncio.Event()
        self._deadline_s = float("inf")
        self._away_since_s: float | None = None
        self.connected = False
        self.resent = 0
        self.sessions = 0

    async def run(self) -> None:
        """Send until ``finish`` was called and all is receipted, or ``drain_s`` have passed.

        When cancelled, the connection is closed without a DISCONNECT: the Last Will appears.
        """
        pause_s = self._agent.reconnect_first_s
        while not self._finished():
            heed_cancel()
            if self._link.is_cut:
                await self._pause(_LOOK_S)
                continue
            began_s = time.monotonic()
            try:
                await self._session()
            except* (aiomqtt.MqttError, OSError, LinkCut) as failures:
                self._tell_away(_cause(failures))
            if time.monotonic() - began_s > _STEADY_S:
                pause_s = self._agent.reconnect_first_s
            # Jitter: the gateways of a broker that comes back must not all return at once.
            await self._pause(pause_s * random.uniform(0.5, 1.0))
            pause_s = min(self._agent.reconnect_most_s, 2 * pause_s)

    def finish(self) -> None:
        """Make ``run`` end: when the spool is empty, after ``drain_s`` at the latest."""
        self._deadline_s = time.monotonic() + self._agent.drain_s
        self._finish.set()
        self._signals.work.set()

    def _finished(self) -> bool:
        if not self._finish.is_set():
            return False
        return self._spool.depth == 0 or time.monotonic() >= self._deadline_s

    async def _session(self) -> None:
        async with connected(self._mqtt, self._agent, self._password) as client:
            session = Session(
                client,
                self._agent,
                self._spool,
                self._signals,
                link=self._link,
                finished=self._finished,
            )
            self._tell_back()
            try:
                await session.run()
            finally:
                self.connected = self._link.connected = False
                self.resent += session.resent

    async def _pause(self, pause_s: float) -> None:
        """Wait; less long when the agent is to finish meanwhile."""
        if self._finished():
            return
        if self._finish.is_set():
            await asyncio.sleep(min(pause_s, self._deadline_s - time.monotonic()))
            return
        with suppress(TimeoutError):
            async with asyncio.timeout(pause_s):
                await self._finish.wait()

    def _tell_away(self, cause: BaseException) -> None:
        first = self._away_since_s is None
        if first:
            self._away_since_s = time.monotonic()
        _LOG.log(
            logging.WARNING if first else logging.DEBUG,
            "gateway %s: broker %s:%d is away (%s); readings stay in the spool",
            self._agent.gateway_id,
            self._mqtt.host,
            self._mqtt.port,
            str(cause) or type(cause).__name__,
        )

    def _tell_back(self) -> None:
        self.connected = self._link.connected = True
        self.sessions += 1
        if self._away_since_s is not None:
            _LOG.info(
                "gateway %s: broker %s:%d is back after %.1f s",
                self._agent.gateway_id,
                self._mqtt.host,
                self._mqtt.port,
                time.monotonic() - self._away_since_s,
            )
            self._away_since_s = None


def _cause(group: BaseExceptionGroup[BaseException]) -> BaseException:
    """Return the first exception of a group that is no group itself."""
    first = group.exceptions[0]
    return _cause(first) if isinstance(first, BaseExceptionGroup) else first
