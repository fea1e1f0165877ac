"""Run the whole of blocktwin on this machine, with an invented district and its story.

Starts servers and services in order, shows how the run goes, stops them in order, and says what it
came to. The parts are its neighbours' business: ``ground`` the servers, ``services`` the processes,
``figures`` the counting, ``verdict`` the judging.
"""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import FrameType

import psycopg

from core.config import DatabaseConfig
from core.db import migrate, pool
from core.errors import DatabaseAway
from dev import figures, probe
from dev.figures import Conn, Marks
from dev.ground import Ground, standing
from dev.services import Services, StopRequested
from dev.status import Sample, StatusLine
from dev.verdict import Outcome
from simulators import network
from simulators.district import demo_district
from twin.store import load_district

_SAMPLE_S = 1.0
_DRAIN_S = 20.0
_SERVICES = ("ingest", "serve", "notify", "maintain")
_STOP_S = 10.0
# Ctrl-C promises an end within 10 s: agents, then services, then servers (ground: 2.5 s).
_HASTY_DRAIN_S = 3.5
_HASTY_STOP_S = 2.5


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What the person asked for.

    Attributes:
        folder: where servers, logs and settings of the run are kept.
        seconds: how long the story runs; None: until Ctrl-C.
        port: of the page; 0 takes a free one.
    """

    folder: Path
    seconds: float | None
    port: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Ending:
    """How a run ended.

    Attributes:
        interrupted: a signal ended it.
        late: services that did not stop in time and were ended.
    """

    outcome: Outcome
    interrupted: bool
    late: list[str]


def run(options: Options, env: Mapping[str, str], line: StatusLine) -> Ending:
    """Run the demo from an empty folder to its outcome; nothing of it is left when this returns.

    Raises:
        BlocktwinError: something did not start, or a service ended by itself.
    """
    with ExitStack() as stack:
        stop = stack.enter_context(_stop_signals())
        district = demo_district()
        gateways = [gateway.gateway_id for gateway in district.gateways]
        ground = stack.enter_context(
            standing(options.folder, env, gateways, port=options.port, say=line.say)
        )
        database = DatabaseConfig(dsn=ground.dsn)
        with closing(pool.connect(database, autocommit=True, application_name="demo")) as conn:
            line.say("Bringing the database to the newest schema")
            migrate.upgrade(conn)
            line.say(f"Loading the district: {len(district.devices):,} devices")
            load_district(conn, district)
            network.load(conn, district)
        if stop.is_set():
            raise StopRequested("stopped before everything had started")
        services = Services(ground, stop)
        stack.callback(services.kill)
        conn_figures = stack.enter_context(closing(figures.connect(ground.dsn)))
        try:
            return _tell_story(options, ground, services, conn_figures, line)
        except psycopg.OperationalError as error:
            raise DatabaseAway(f"the database went away: {error}") from error


def _tell_story(
    options: Options, ground: Ground, services: Services, conn: Conn, line: StatusLine
) -> Ending:
    marks = figures.begin(conn)
    line.say("Starting worker, API, notifier and upkeep")
    _start_services(ground, services)
    line.say("Starting the agents")
    services.start("sim", "sim", "run", "--report", str(ground.report))
    line.say(f"\nThe page: {ground.page}\n")
    services.furnish()
    interrupted = _watch(options.seconds, ground, services, conn, marks, line)
    # Alarms and latencies are those of the story: at the stop every gateway goes off line, and a
    # dead one comes back with readings that are late because of it.
    alarms, still_open = figures.alarms(conn, marks), figures.open_alarms(conn)
    page_ok, api_ok = probe.page_ok(ground.api_port), probe.api_ok(ground.api_port, ground.token)
    metrics = probe.get(ground.ingest_port, "/metrics").text
    line.say("Stopping: the agents hand over what they hold")
    late = services.stop(["sim"], _HASTY_DRAIN_S if interrupted else _DRAIN_S)
    late += services.stop(_SERVICES, _HASTY_STOP_S if interrupted else _STOP_S)
    tally = figures.tally(conn).since(marks.tally)
    outcome = Outcome(
        published=figures.published(ground.report),
        received=tally.received,
        stored=tally.stored,
        rejected=figures.rejected(conn, marks),
        duplicates=tally.duplicates,
        alarms=alarms,
        open=still_open,
        commit_ms=figures.quantiles(metrics, figures.COMMIT),
        alarm_ms=figures.quantiles(metrics, figures.ALARM),
        page_ok=page_ok,
        api_ok=api_ok,
        timescaledb=figures.timescaledb(conn),
    )
    return Ending(outcome=outcome, interrupted=interrupted, late=late)


def _start_services(ground: Ground, services: Services) -> None:
    ports = {
        "ingest": ground.ingest_port,
        "serve": ground.api_port,
        "notify": ground.notify_port,
        "maintain": ground.upkeep_port,
    }
    for name in _SERVICES:
        services.start(name, name)
    for name in _SERVICES:
        services.wait_ready(name, ports[name])


def _watch(
    seconds: float | None,
    ground: Ground,
    services: Services,
    conn: Conn,
    marks: Marks,
    line: StatusLine,
) -> bool:
    """Show the run until its time is over; return whether a signal ended it before."""
    begin = earlier = time.monotonic()
    received = 0
    while True:
        left = _SAMPLE_S if seconds is None else min(_SAMPLE_S, seconds + begin - earlier)
        if left <= 0:
            return False
        if services.stop_asked.wait(left):
            return True
        services.check()
        now = time.monotonic()
        tally = figures.tally(conn).since(marks.tally)
        metrics = probe.get(ground.ingest_port, "/metrics").text
        line.show(
            Sample(
                elapsed_s=now - begin,
                per_s=(tally.received - received) / (now - earlier),
                stored=tally.stored,
                rejected=tally.rejected,
                open=figures.open_alarms(conn),
                p99_ms=figures.quantiles(metrics, figures.COMMIT).p99,
            )
        )
        earlier, received = now, tally.received


@contextmanager
def _stop_signals() -> Iterator[threading.Event]:
    """Turn Ctrl-C, SIGTERM and a closed terminal into an event; a second one ends everything."""
    asked = threading.Event()

    def ask(number: int, frame: FrameType | None) -> None:
        del number, frame
        if asked.is_set():
            raise KeyboardInterrupt
        asked.set()

    names = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    before = {name: signal.signal(name, ask) for name in names}
    try:
        yield asked
    finally:
        for name, handler in before.items():
            signal.signal(name, handler)
