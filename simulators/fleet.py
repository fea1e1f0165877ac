"""All gateways of the district in one process: each runs the real agent, one at a time dies.

A gateway that dies is killed: its connection vanishes, the broker publishes its Last Will, its
devices are silent. Later, or when the fleet stops, it starts again on the spool it left.
"""

from __future__ import annotations

import asyncio
import logging
import resource
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import msgspec

from core.config import MqttConfig, read_secret
from core.errors import ConfigInvalid
from core.model import District
from edge.agent import run_agent
from edge.config import AgentConfig
from edge.spool import Counts, Spool
from simulators import story, truth
from simulators.config import SimConfig
from simulators.district import demo_district
from simulators.driver import GatewayDriver, StoryClock
from simulators.events import Event
from simulators.faults import Faults
from simulators.reporting import Reporter
from simulators.world import World

_LOG = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class FleetReport:
    """What a run came to, in readings unless the name says else.

    ``published = carried + accepted - dropped - pending``: what the worker must have received.

    Attributes:
        carried: what the spools held from runs before.
        accepted: taken from the devices and safe on disk; ``receipted``: committed by the worker.
        dropped: lost to full spools; ``pending``: still in the spools.
        expected: outcome -> wrong readings sent on purpose.
        truth: what really happened.
        seconds: how long it ran, and ``cpu_s`` what it took of a processor meanwhile.
    """

    seed: int
    published: int
    carried: int
    accepted: int
    receipted: int
    dropped: int
    pending: int
    expected: Mapping[str, int]
    truth: list[dict[str, Any]]
    seconds: float
    cpu_s: float

    def plain(self) -> dict[str, Any]:
        """Return it as JSON-ready data."""
        return asdict(self)


async def run_fleet(
    sim: SimConfig,
    mqtt: MqttConfig,
    stop: asyncio.Event,
    *,
    speed: float = 1.0,
    seconds: float | None = None,
) -> FleetReport:
    """Run the district until ``stop`` is set, then drain the spools.

    Args:
        sim: which district.
        mqtt: where the broker is.
        stop: set it to stop; set by this when ``seconds`` are over.
        speed: seconds of the story in one of ours.
        seconds: how long to run; None for until ``stop`` is set.

    Raises:
        ConfigInvalid: if a setting or a gateway's password is missing.
        SpoolBusy: if another fleet holds the spools.
    """
    district = await asyncio.to_thread(demo_district, sim.seed)
    fleet = _Fleet(sim, mqtt, district, stop, speed)
    before = await asyncio.to_thread(fleet.counts)
    cpu_before, begin = _cpu_s(), time.monotonic()
    await fleet.run(seconds)
    seconds = time.monotonic() - begin
    after = await asyncio.to_thread(fleet.counts)
    done = after.since(before)
    return FleetReport(
        seed=sim.seed,
        published=before.pending + done.accepted - done.dropped - done.pending,
        carried=before.pending,
        accepted=done.accepted,
        receipted=done.receipted,
        dropped=done.dropped,
        pending=done.pending,
        expected=fleet.expected(),
        truth=fleet.truth(),
        seconds=round(seconds, 1),
        cpu_s=round(_cpu_s() - cpu_before, 2),
    )


class _Fleet:
    """The gateways of one run."""

    def __init__(
        self,
        sim: SimConfig,
        mqtt: MqttConfig,
        district: District,
        stop: asyncio.Event,
        speed: float,
    ) -> None:
        self._sim = sim
        self._mqtt = mqtt
        self._stop = stop
        self._speed = speed
        self._gateways = [gateway.gateway_id for gateway in district.gateways]
        self._passwords = {gateway: self._password(gateway) for gateway in self._gateways}
        self._faulty = self._gateways[sim.seed % len(self._gateways)]
        spared = frozenset({self._faulty} if sim.faults else ())
        self._world = World(
            district,
            sim.seed,
            plot=(lambda n: story.events_of(district, sim.seed, n, spared=spared))
            if sim.story
            else None,
            round_s=story.ROUND_S,
        )
        self._clock = StoryClock.start(speed)
        self._began_unix_s = time.time()
        self._stopped_story_s = 0.0
        self._faults = Faults(self._world.devices_of(self._faulty)) if sim.faults else None

    async def run(self, seconds: float | None) -> None:
        """Run every gateway until the stop or so many seconds, and drain."""
        self._clock = StoryClock.start(self._speed)
        self._began_unix_s = time.time()
        async with asyncio.TaskGroup() as group:
            for number, gateway in enumerate(self._gateways):
                life = _Life(self, gateway, self._driver(gateway, number))
                group.create_task(life.run(), name=f"gateway {gateway}")
            with suppress(TimeoutError):
                async with asyncio.timeout(seconds):
                    await self._stop.wait()
            self._stop.set()
            self._stopped_story_s = self._clock.story_s()

    def counts(self) -> Counts:
        """Return the sums over all spools; blocks."""
        found = []
        for gateway in self._gateways:
            cfg = self._agent_config(gateway)
            with Spool.open(cfg.spool_path(), cfg.spool_max_messages) as spool:
                found.append(spool.counts)
        return Counts(
            accepted=sum(counts.accepted for counts in found),
            receipted=sum(counts.receipted for counts in found),
            dropped=sum(counts.dropped for counts in found),
            pending=sum(counts.pending for counts in found),
        )

    def expected(self) -> dict[str, int]:
        """Return how many readings were wrong on purpose, by what must become of them."""
        return dict(self._faults.expected) if self._faults is not None else {}

    def truth(self) -> list[dict[str, Any]]:
        """Return what happened until the stop."""
        return truth.records(
            self._world.events(self._stopped_story_s),
            story_began_s=self._began_unix_s,
            speed=self._speed,
        )

    async def run_agent(self, gateway: str, driver: GatewayDriver) -> None:
        """Run the agent of a gateway until the stop; cancelling it is the gateway's death."""
        report = await run_agent(
            self._agent_config(gateway),
            self._mqtt_of(gateway),
            driver,
            password=self._passwords[gateway],
            stop=self._stop,
        )
        if report.pending:
            _LOG.warning("gateway %s keeps %d readings in its spool", gateway, report.pending)

    async def next_death(self, gateway: str) -> Event:
        """Return the next time this gateway dies, as it happens."""
        while True:
            now = self._clock.story_s()
            number = int(now // story.ROUND_S)
            for event in self._world.plan(number):
                if event.kind == "outage" and event.site == gateway and event.ends_s > now:
                    await asyncio.sleep(self._clock.until(event.begins_s))
                    return event
            await asyncio.sleep(self._clock.until((number + 1) * story.ROUND_S))

    async def until(self, story_s: float) -> None:
        """Return when the story gets there, or at the stop."""
        try:
            async with asyncio.timeout(self._clock.until(story_s)):
                await self._stop.wait()
        except TimeoutError:
            return

    @property
    def stopping(self) -> bool:
        """Whether the fleet is to stop."""
        return self._stop.is_set()

    def _driver(self, gateway: str, number: int) -> GatewayDriver:
        tick_s = self._sim.tick_s
        return GatewayDriver(
            Reporter(self._world, gateway, speed=self._speed),
            self._clock,
            tick_s=tick_s,
            offset_s=tick_s * number / len(self._gateways),
            faults=self._faults if gateway == self._faulty else None,
        )

    def _agent_config(self, gateway: str) -> AgentConfig:
        if not self._sim.spool_dir:
            raise ConfigInvalid(
                "sim.spool_dir is not set",
                remedy="set spool_dir under [sim], or BLOCKTWIN_SIM__SPOOL_DIR, to a folder",
            )
        return AgentConfig(
            gateway_id=gateway,
            spool_dir=str(Path(self._sim.spool_dir)),
            flush_s=self._sim.flush_s,
            drain_s=self._sim.drain_s,
        )

    def _mqtt_of(self, gateway: str) -> MqttConfig:
        if not self._sim.credentials_dir:
            return self._mqtt
        return msgspec.structs.replace(self._mqtt, username=gateway)

    def _password(self, gateway: str) -> str:
        if not self._sim.credentials_dir:
            return self._mqtt.secret()
        return read_secret(Path(self._sim.credentials_dir) / gateway, "sim.credentials_dir")


class _Life:
    """One gateway from start to stop, through its deaths."""

    def __init__(self, fleet: _Fleet, gateway: str, driver: GatewayDriver) -> None:
        self._fleet = fleet
        self._gateway = gateway
        self._driver = driver

    async def run(self) -> None:
        """Run the agent, let it die when its hour comes, and bring it back."""
        while True:
            death = await self._live()
            if death is None:
                return
            _LOG.info("gateway %s is dead", self._gateway)
            await self._fleet.until(death.ends_s)
            _LOG.info("gateway %s starts again", self._gateway)

    async def _live(self) -> Event | None:
        """Run the agent until it dies (returns the event) or is stopped (returns None)."""
        async with asyncio.TaskGroup() as group:
            agent = group.create_task(
                self._fleet.run_agent(self._gateway, self._driver), name=f"agent {self._gateway}"
            )
            death = group.create_task(
                self._fleet.next_death(self._gateway), name=f"fate {self._gateway}"
            )
            await asyncio.wait((agent, death), return_when=asyncio.FIRST_COMPLETED)
            dies = death.done() and not agent.done() and not self._fleet.stopping
            if dies:
                agent.cancel()
            else:
                death.cancel()
        return death.result() if dies else None


def _cpu_s() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def write_report(path: Path, text: str) -> None:
    """Write a report so that a reader finds the old one or the new one, never half of it."""
    part = path.with_name(path.name + ".part")
    part.write_text(text, encoding="utf-8")
    part.replace(path)
