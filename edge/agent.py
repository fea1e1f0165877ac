"""One agent: a driver, its sink, the spool and the uplink, from start to drained stop.

This is what other code runs; the rest of ``edge`` is how it works::

    stop = asyncio.Event()
    report = await run_agent(agent_cfg, mqtt_cfg, driver, password="…", stop=stop)

- **Stop** it by setting ``stop``: the driver is cancelled, everything put is spooled, the uplink
  waits up to ``drain_s`` for receipts, says ``{"online": false}`` and disconnects. It also stops by
  itself when its driver ends.
- **Kill** it by cancelling its task: the connection vanishes without a DISCONNECT, and the broker
  publishes the Last Will after ``will_delay_s``. Readings that were put and not yet spooled (those
  of the last ``flush_s``) are lost, as with a power cut; no sequence is lost or used twice. Start
  it again with the same ``agent_cfg``: it goes on with the spool it left. ``await`` the cancelled
  task first, since two agents cannot hold one spool.
- **Cut** its way to the broker with a ``LinkControl``, and heal it: a partition, while it runs on.
- Many agents may run in one event loop; each needs its own ``gateway_id``.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass

from core.config import MqttConfig
from core.health import serve_health
from edge.canary import WithCanary
from edge.config import AgentConfig
from edge.drivers import Driver
from edge.link import LinkControl
from edge.sink import Signals, SpoolSink
from edge.spool import Spool
from edge.uplink import Uplink

__all__ = ["AgentReport", "LinkControl", "run_agent"]

_LOG = logging.getLogger(__name__)
_FLUSH_S = 2.0


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentReport:
    """What one run did, in readings: carried + accepted = receipted + dropped + pending.

    Attributes:
        carried: what the spool held at the start, from earlier runs.
        accepted: taken from the driver and safe on disk.
        receipted: committed by the worker, of those carried and accepted.
        dropped: gone because the spool was full.
        pending: still in the spool; sent at the next start.
        refused: not accepted, because they cannot travel (see ``SpoolSink``).
        resent: messages that went out again within a connection.
        sessions: connections to the broker.
    """

    carried: int
    accepted: int
    receipted: int
    dropped: int
    pending: int
    refused: int
    resent: int
    sessions: int


async def run_agent(
    agent: AgentConfig,
    mqtt: MqttConfig,
    driver: Driver,
    *,
    password: str | None = None,
    stop: asyncio.Event | None = None,
    link: LinkControl | None = None,
    wait_at_messages: int | None = None,
    figures: Callable[[], str] | None = None,
) -> AgentReport:
    """Run an agent until ``stop`` is set or its driver ends, and say what it did.

    Args:
        agent: its settings; the spool lies at ``agent.spool_path()``.
        mqtt: where the broker is; an empty user name means the gateway id.
        driver: where readings come from.
        password: of the broker user; None means ``mqtt.secret()``.
        stop: set it to stop.
        link: a switch for simulated partitions.
        wait_at_messages: make the driver wait while so many messages are pending, for a source
            that can wait (a recording); None drops the oldest when the spool is full.
        figures: the driver's own, in Prometheus' text format, for the metrics page.

    Raises:
        SpoolBusy: if another agent holds the spool.
        ConfigInvalid: if a setting cannot be used.
        BaseException: what the driver raised; what it had put is in the spool.
    """
    secret = mqtt.secret() if password is None else password
    if agent.canary_device:
        driver = WithCanary(driver=driver, device=agent.canary_device, every_s=agent.canary_every_s)
    spool = await asyncio.to_thread(Spool.open, agent.spool_path(), agent.spool_max_messages)
    with spool:
        signals = Signals()
        sink = SpoolSink(
            spool,
            signals,
            batch_readings=agent.batch_readings,
            flush_s=agent.flush_s,
            wait_at_messages=wait_at_messages,
        )
        uplink = Uplink(mqtt, agent, spool, signals, password=secret, link=link)
        before = spool.counts
        _LOG.info(
            "gateway %s: %d readings wait in %s", agent.gateway_id, before.pending, spool.path
        )
        try:
            async with _health(agent, spool, uplink, figures):
                await _run(agent, driver, sink, uplink, stop or asyncio.Event())
        except BaseExceptionGroup as failures:
            raise _plain(failures) from failures
        done = spool.counts.since(before)
        return AgentReport(
            carried=before.pending,
            accepted=done.accepted,
            receipted=done.receipted,
            dropped=done.dropped,
            pending=done.pending,
            refused=sink.refused,
            resent=uplink.resent,
            sessions=uplink.sessions,
        )


@asynccontextmanager
async def _health(
    agent: AgentConfig, spool: Spool, uplink: Uplink, figures: Callable[[], str] | None
) -> AsyncIterator[None]:
    """Serve the health page, if a port is set."""
    if not agent.http_port:
        yield
        return
    checks = {
        "broker": lambda: uplink.connected,
        "spool": lambda: spool.depth < spool.max_messages,
    }

    def page() -> str:
        return metrics(spool, uplink) + (figures() if figures is not None else "")

    async with serve_health(agent.http_host, agent.http_port, checks=checks, metrics=page):
        yield


def metrics(spool: Spool, uplink: Uplink) -> str:
    """Return the agent's figures in Prometheus' text format; readings unless the name says else."""
    counts = spool.counts
    figures = {
        "accepted_total": (counts.accepted, "Readings taken from the driver, safe on disk."),
        "receipted_total": (counts.receipted, "Readings that the worker has committed."),
        "dropped_total": (counts.dropped, "Readings gone because the spool was full."),
        "pending": (counts.pending, "Readings in the spool."),
        "spool_messages": (spool.depth, "Messages in the spool."),
        "spool_max_messages": (spool.max_messages, "Messages the spool can hold."),
        "connected": (int(uplink.connected), "Whether there is a connection to the broker."),
        "sessions_total": (uplink.sessions, "Connections made to the broker."),
    }
    return "".join(
        f"# HELP blocktwin_agent_{name} {words}\n"
        f"# TYPE blocktwin_agent_{name} {'counter' if name.endswith('_total') else 'gauge'}\n"
        f"blocktwin_agent_{name} {value}\n"
        for name, (value, words) in figures.items()
    )


async def _run(
    agent: AgentConfig, driver: Driver, sink: SpoolSink, uplink: Uplink, stop: asyncio.Event
) -> None:
    async with asyncio.TaskGroup() as group:
        group.create_task(uplink.run(), name=f"uplink {agent.gateway_id}")
        flushing = group.create_task(sink.run(), name=f"sink {agent.gateway_id}")
        try:
            await _drive(agent.gateway_id, driver, sink, stop)
        except BaseExceptionGroup:
            await _last_flush(sink)
            raise
        flushing.cancel()
        await _last_flush(sink)
        uplink.finish()


async def _drive(gateway_id: str, driver: Driver, sink: SpoolSink, stop: asyncio.Event) -> None:
    """Run the driver until it ends or ``stop`` is set."""
    async with asyncio.TaskGroup() as group:
        driving = group.create_task(driver.run(sink), name=f"driver {gateway_id}")
        stopping = group.create_task(stop.wait(), name=f"stop {gateway_id}")
        await asyncio.wait((driving, stopping), return_when=asyncio.FIRST_COMPLETED)
        driving.cancel()
        stopping.cancel()


async def _last_flush(sink: SpoolSink) -> None:
    """Spool what was put; a disk that stays full must not keep the agent from stopping."""
    try:
        async with asyncio.timeout(_FLUSH_S):
            await sink.flush()
    except TimeoutError:
        _LOG.error("the last %d readings could not be spooled and are lost", sink.waiting)


def _plain(failures: BaseExceptionGroup[BaseException]) -> BaseException:
    """Return the one exception of a group of one, however deep, else the group itself."""
    inner: BaseException = failures
    while isinstance(inner, BaseExceptionGroup) and len(inner.exceptions) == 1:
        inner = inner.exceptions[0]
    return failures if isinstance(inner, BaseExceptionGroup) else inner
