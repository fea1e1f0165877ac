"""The gateway that the API is for what SensorThings clients create: spool, uplink, receipts.

An Observation takes the way of every reading: into a spool, through the broker, to the worker, and
is there only when the worker's receipt is. What had no receipt in time stays in the spool and is
sent again, also after a restart.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import msgspec

from core.config import MqttConfig, read_secret
from core.errors import ConfigInvalid
from core.model import Channel, Reading
from edge.config import AgentConfig
from edge.sink import Signals
from edge.spool import Spool
from edge.uplink import Uplink
from twin.sensorthings.config import SensorThingsConfig

BATCH = 100
_DRAIN_S = 1.0
_LOOKS, _LOOK_S = 10, 0.1


class ReceiptLate(Exception):
    """No receipt came in time; the readings stay in the spool and may still be stored."""


class BrokerMissing(Exception):
    """The broker is not connected; nothing was sent."""


class Gateway:
    """Sends readings and waits for their receipts; ``run`` must run meanwhile.

    Raises:
        ConfigInvalid: the section lacks what creating needs.
    """

    def __init__(self, cfg: SensorThingsConfig, mqtt: MqttConfig) -> None:
        if not cfg.spool_dir:
            raise ConfigInvalid(
                "sensorthings.create needs sensorthings.spool_dir",
                remedy="set spool_dir under [sensorthings] to a folder that survives a restart",
            )
        self.cfg = cfg
        self._agent = AgentConfig(
            gateway_id=cfg.gateway, spool_dir=cfg.spool_dir, drain_s=_DRAIN_S, reconnect_most_s=2.0
        )
        self._mqtt, self._password = _credentials(cfg, mqtt)
        self._signals = Signals()
        self._settled = asyncio.Condition()
        self._spool: Spool | None = None
        self._uplink: Uplink | None = None
        self.waiting = 0

    @property
    def connected(self) -> bool:
        """Whether the broker is there."""
        return self._uplink is not None and self._uplink.connected

    async def run(self) -> None:
        """Hold the spool open and the broker connected until ``finish``.

        Raises:
            SpoolBusy: another process uses the spool.
        """
        path = self._agent.spool_path()
        with await asyncio.to_thread(Spool.open, path, self._agent.spool_max_messages) as spool:
            uplink = Uplink(self._mqtt, self._agent, spool, self._signals, password=self._password)
            self._spool, self._uplink = spool, uplink
            try:
                async with asyncio.TaskGroup() as tasks:
                    waking = tasks.create_task(self._wake(), name="sensorthings receipts")
                    await uplink.run()
                    waking.cancel()
            finally:
                self._spool = self._uplink = None

    def finish(self) -> None:
        """Make ``run`` end, with a word to the broker."""
        if self._uplink is not None:
            self._uplink.finish()

    @contextmanager
    def counted(self) -> Iterator[None]:
        """Count one more request that waits."""
        self.waiting += 1
        try:
            yield
        finally:
            self.waiting -= 1

    async def send(self, readings: Sequence[Reading]) -> None:
        """Send readings and return when all are settled: committed, or rejected with a reason.

        Raises:
            BrokerMissing: there is no broker now; nothing was kept.
            ReceiptLate: no receipt within ``wait_s``.
        """
        await self._broker()
        spool = self._spool
        if spool is None:
            raise BrokerMissing
        seqs = [
            await asyncio.to_thread(spool.append, Channel.LIVE, readings[i : i + BATCH])
            for i in range(0, len(readings), BATCH)
        ]
        self._signals.work.set()
        try:
            async with asyncio.timeout(self.cfg.wait_s), self._settled:
                while await asyncio.to_thread(spool.some, seqs):
                    await self._settled.wait()
        except TimeoutError as error:
            raise ReceiptLate from error

    async def _broker(self) -> None:
        """Give a connection that just breaks or begins a moment."""
        for _ in range(_LOOKS):
            if self.connected:
                return
            await asyncio.sleep(_LOOK_S)
        raise BrokerMissing

    async def _wake(self) -> None:
        """Wake those who wait whenever a receipt came."""
        while True:
            await self._signals.forgotten.wait()
            self._signals.forgotten.clear()
            async with self._settled:
                self._settled.notify_all()


def _credentials(cfg: SensorThingsConfig, mqtt: MqttConfig) -> tuple[MqttConfig, str]:
    if not cfg.password_file:
        return mqtt, mqtt.secret()
    password = read_secret(Path(cfg.password_file), "sensorthings.password_file")
    return msgspec.structs.replace(mqtt, username=cfg.gateway), password
