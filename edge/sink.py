"""From readings to messages in the spool: gathers them, keeps them, waits when there is no room.

The sink stands between a driver, which puts readings one by one or many at once, and the spool,
whose unit is the message.
"""

from __future__ import annotations

import asyncio
import logging
import math
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field

from core.model import Channel, Reading
from core.senml import RELATIVE_BELOW_S
from edge.spool import Spool, SpoolUnwritable

_LOG = logging.getLogger(__name__)
_RETRY_S = 1.0
_LOOK_S = 0.5


@dataclass(frozen=True, slots=True)
class Signals:
    """How sink and uplink of one agent wake each other.

    Attributes:
        work: set when the uplink may have something to do; the uplink clears it.
        forgotten: set when a receipt made room; the sink clears it.
    """

    work: asyncio.Event = field(default_factory=asyncio.Event)
    forgotten: asyncio.Event = field(default_factory=asyncio.Event)


class SpoolSink:
    """The agent's ``edge.drivers.Sink``; ``run`` must run beside the driver.

    Args:
        spool: where messages go.
        signals: shared with the uplink.
        batch_readings: readings that close a message.
        flush_s: seconds after which a message is closed anyway.
        wait_at_messages: make the driver wait while the spool holds so many messages; None lets
            the spool drop its oldest, as a source that cannot wait needs.

    Attributes:
        refused: readings that cannot travel: no finite value, or a time that SenML would read as
            relative.
    """

    def __init__(
        self,
        spool: Spool,
        signals: Signals,
        *,
        batch_readings: int,
        flush_s: float,
        wait_at_messages: int | None = None,
    ) -> None:
        self._spool = spool
        self._signals = signals
        self._batch = batch_readings
        self._flush_s = flush_s
        self._wait_at = wait_at_messages
        self._open: dict[Channel, list[Reading]] = {}
        self._started = asyncio.Event()
        self._lock = asyncio.Lock()
        self.refused = 0

    @property
    def waiting(self) -> int:
        """How many readings wait for others of their message."""
        return sum(len(readings) for readings in self._open.values())

    async def run(self) -> None:
        """Close messages that have waited ``flush_s``; runs until cancelled."""
        while True:
            await self._started.wait()
            await asyncio.sleep(self._flush_s)
            await self.flush()

    async def put(self, readings: Sequence[Reading], channel: Channel = Channel.LIVE) -> None:
        """Take readings; an event is on disk when this returns, others after ``flush_s``."""
        sendable = [reading for reading in readings if self._can_travel(reading)]
        async with self._lock:
            waiting = self._open.setdefault(channel, [])
            waiting.extend(sendable)
            least = 1 if channel is Channel.EVENT else self._batch
            await self._close_messages(channel, waiting, least)
            if waiting:
                self._started.set()

    async def flush(self) -> None:
        """Return when all that was put is safe on disk."""
        async with self._lock:
            self._started.clear()
            for channel, waiting in self._open.items():
                await self._close_messages(channel, waiting, 1)

    async def settled(self, patience_s: float) -> bool:
        """Flush, then wait until nothing is pending or no receipt has come for ``patience_s``."""
        await self.flush()
        while depth := self._spool.depth:
            self._signals.forgotten.clear()
            try:
                async with asyncio.timeout(patience_s):
                    await self._signals.forgotten.wait()
            except TimeoutError:
                # A receipt may come that forgets nothing new; only silence ends the patience.
                if self._spool.depth >= depth:
                    return False
        return True

    async def _close_messages(self, channel: Channel, waiting: list[Reading], least: int) -> None:
        """Append messages until fewer than ``least`` readings wait."""
        while len(waiting) >= least:
            await self._room()
            await self._append(channel, waiting)

    async def _append(self, channel: Channel, waiting: list[Reading]) -> None:
        """Append one message, however long the disk stays full."""
        failing = False
        while True:
            try:
                await self._move(channel, waiting)
            except SpoolUnwritable as error:
                if not failing:
                    _LOG.error("%s; the driver waits until it can be written", error)
                failing = True
                await asyncio.sleep(_RETRY_S)
            else:
                break
        if failing:
            _LOG.info("spool %s can be written again", self._spool.path)

    async def _move(self, channel: Channel, waiting: list[Reading]) -> None:
        """Move the first readings of ``waiting`` to the spool, in a thread: a disk may be slow.

        The readings leave ``waiting`` when and only when they are on disk, also when this is
        cancelled meanwhile: the flush at the stop would otherwise lose them or keep them twice.
        """
        batch = waiting[: self._batch]
        loop = asyncio.get_running_loop()
        outcome = loop.run_in_executor(None, self._spool.append, channel, batch)
        try:
            await asyncio.wait([outcome])
        finally:
            if not outcome.done():
                await asyncio.wait([outcome])
            if outcome.done() and outcome.exception() is None:
                del waiting[: len(batch)]
                self._signals.work.set()
        outcome.result()

    async def _room(self) -> None:
        while self._wait_at is not None and self._spool.depth >= self._wait_at:
            self._signals.forgotten.clear()
            with suppress(TimeoutError):
                async with asyncio.timeout(_LOOK_S):
                    await self._signals.forgotten.wait()

    def _can_travel(self, reading: Reading) -> bool:
        if math.isfinite(reading.value) and RELATIVE_BELOW_S <= reading.observed_s < math.inf:
            return True
        self.refused += 1
        if self.refused == 1:
            _LOG.warning(
                "device %s gave %s %r at %r: no finite number, or a clock before 1978-07, which "
                "SenML takes for a relative time; such readings are counted, not sent",
                reading.device,
                reading.quantity,
                reading.value,
                reading.observed_s,
            )
        return False
