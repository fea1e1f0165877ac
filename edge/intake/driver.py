"""The intake as a driver of an agent: its doors stand open while the agent runs."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import AsyncExitStack
from pathlib import Path

from core.config import MqttConfig
from edge.drivers import Sink
from edge.intake.aside import ASIDE_FILE, AsideFile
from edge.intake.config import IntakeConfig
from edge.intake.dictionary import Dictionary
from edge.intake.door import ThingsBoardDoor
from edge.intake.keeper import Keeper
from edge.intake.subscriber import Subscriber
from edge.intake.tokens import Tokens

_LOG = logging.getLogger(__name__)
_LAST_S = 3.0
_MIB = 1 << 20
Row = tuple[str, str, str, float]
"""Figure, kind, labels, value."""


HELP = {
    "messages_total": "Messages taken in, by door.",
    "readings_total": "Readings made of them, by door.",
    "devices_joined_total": "Devices that said they came, by door.",
    "devices_left_total": "Devices that said they left, or whose node died, by door.",
    "pending": "Readings taken in and not yet safe on disk.",
    "aside_total": "What could not become a reading, by door and cause.",
    "aside_unwritten_total": "Of those, what the disk did not take.",
    "thingsboard_connections": "Open connections of the ThingsBoard door.",
    "thingsboard_connections_total": "Connections that the ThingsBoard door has let in.",
    "thingsboard_refused_total": "Connections that it has refused or ended, by cause.",
    "broker_connected": "Whether the foreign topics of the broker are being read.",
    "broker_sessions_total": "Connections made to the broker to read them.",
    "sparkplug_births_total": "Births of nodes and devices.",
    "sparkplug_deaths_total": "Deaths of nodes and devices.",
    "sparkplug_gaps_total": "Sequence numbers that were missing.",
    "sparkplug_rebirths_asked_total": "Births that were asked for.",
    "sparkplug_recovered_total": "Messages held for a birth and read after it.",
}
"""What each figure is, by its name behind ``blocktwin_intake_``."""


class Intake:
    """An ``edge.drivers.Driver``: puts what the doors take into the agent's sink.

    Args:
        cfg: which doors are open.
        mqtt: the broker of ChirpStack and Sparkplug.
        dictionary: what foreign names mean.
        tokens: of the ThingsBoard door; None when it is closed.
        folder: where the file of asides goes.
        clock: seconds since the Unix epoch.

    Attributes:
        door: the ThingsBoard door, if it is open.
        subscriber: the reader at the broker, if there is one.
    """

    def __init__(
        self,
        cfg: IntakeConfig,
        mqtt: MqttConfig,
        *,
        dictionary: Dictionary,
        tokens: Tokens | None,
        folder: Path,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._cfg = cfg
        self._mqtt = mqtt
        self._dictionary = dictionary
        self._tokens = tokens
        self._clock = clock
        self._aside = AsideFile(folder / ASIDE_FILE, cfg.aside_mib * _MIB)
        self._keeper: Keeper | None = None
        self.door: ThingsBoardDoor | None = None
        self.subscriber: Subscriber | None = None

    async def run(self, sink: Sink) -> None:
        """Keep the doors open until cancelled.

        Raises:
            UsageError: if the ThingsBoard door cannot listen where it should.
        """
        keeper = Keeper(
            sink,
            self._dictionary,
            self._aside,
            gather_s=self._cfg.gather_s,
            most=self._cfg.pending_readings,
            clock=self._clock,
        )
        self._keeper = keeper
        try:
            async with AsyncExitStack() as stack, asyncio.TaskGroup() as group:
                group.create_task(keeper.run(), name="intake keeper")
                if self._tokens is not None:
                    self.door = ThingsBoardDoor(self._cfg, keeper, self._tokens)
                    await stack.enter_async_context(self.door.serving())
                if self._cfg.chirpstack or self._cfg.sparkplug:
                    self.subscriber = Subscriber(self._mqtt, self._cfg, keeper)
                    group.create_task(self.subscriber.run(), name="intake subscriber")
        finally:
            # What came at QoS 0 is sent by nobody again.
            await self._finish(keeper)

    async def _finish(self, keeper: Keeper) -> None:
        try:
            async with asyncio.timeout(_LAST_S):
                await keeper.finish()
        except TimeoutError:
            _LOG.error("the last %d readings could not be kept", keeper.pending)

    def metrics(self) -> str:
        """Return the intake's figures in Prometheus' text format."""
        text: list[str] = []
        told: set[str] = set()
        for name, kind, labels, value in self._rows():
            if name not in told:
                told.add(name)
                text.append(f"# HELP blocktwin_intake_{name} {HELP[name]}\n")
                text.append(f"# TYPE blocktwin_intake_{name} {kind}\n")
            text.append(f"blocktwin_intake_{name}{labels} {value:g}\n")
        return "".join(text)

    def _rows(self) -> Iterator[Row]:
        if self._keeper is not None:
            figures = self._keeper.figures
            for name, counts in (
                ("messages_total", figures.messages),
                ("readings_total", figures.readings),
                ("devices_joined_total", figures.joined),
                ("devices_left_total", figures.left),
            ):
                for door, count in sorted(counts.items()):
                    yield name, "counter", f'{{door="{door}"}}', count
            yield "pending", "gauge", "", self._keeper.pending
        for (door, why), count in sorted(self._aside.counts.items()):
            yield "aside_total", "counter", f'{{door="{door}",why="{why}"}}', count
        yield "aside_unwritten_total", "counter", "", self._aside.unwritten
        if self.door is not None:
            yield "thingsboard_connections", "gauge", "", self.door.connections
            yield "thingsboard_connections_total", "counter", "", self.door.accepted
            for why, count in sorted(self.door.refused.items()):
                yield "thingsboard_refused_total", "counter", f'{{why="{why}"}}', count
        if self.subscriber is not None:
            yield from _subscribed(self.subscriber)


def _subscribed(subscriber: Subscriber) -> Iterable[Row]:
    figures = subscriber.host.figures
    return [
        ("broker_connected", "gauge", "", int(subscriber.connected)),
        ("broker_sessions_total", "counter", "", subscriber.sessions),
        ("sparkplug_births_total", "counter", "", figures.births),
        ("sparkplug_deaths_total", "counter", "", figures.deaths),
        ("sparkplug_gaps_total", "counter", "", figures.gaps),
        ("sparkplug_rebirths_asked_total", "counter", "", figures.asked),
        ("sparkplug_recovered_total", "counter", "", figures.recovered),
    ]
