"""The commands ``agent`` and ``replay``."""

from __future__ import annotations

import asyncio
import csv
import importlib
import json
import logging
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Coroutine, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import click
import msgspec

from core.config import Invocation, LogConfig, MqttConfig
from core.errors import UsageError
from core.log import setup
from edge.agent import AgentReport, run_agent
from edge.config import AgentConfig
from edge.drivers import Driver, Idle
from edge.drivers.replay import Replay, Tally, from_options, parse_speed
from edge.link import probe
from edge.mapping import Mapping, load_mapping
from edge.recording import Recording, Refusal, Row, open_recording

_LOG = logging.getLogger(__name__)
_SHOWN_REFUSALS = 10
_REPLAY_BATCH = 500
_REPLAY_WINDOW = 500
_REPLAY_AHEAD = 2000
_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)
T = TypeVar("T")


@click.command()
@click.pass_obj
def agent(invocation: Invocation) -> None:
    """Read devices and send their readings until told to stop.

    Readings wait in the spool until the worker has receipted them. SIGTERM or Ctrl-C stops the
    driver and waits up to agent.drain_s for receipts; what is left is sent at the next start.
    """
    loaded = invocation.load(AgentConfig, MqttConfig, LogConfig)
    setup(loaded.get(LogConfig), sys.stderr)
    cfg = loaded.get(AgentConfig)
    cfg.spool_path()
    driver = open_driver(cfg)
    mqtt = loaded.get(MqttConfig)

    async def run(stop: asyncio.Event) -> AgentReport:
        return await run_agent(cfg, mqtt, driver, stop=stop)

    report, _ = _until_stopped(run)
    _LOG.info("stopped: %s", json.dumps(asdict(report)))


@click.command()
@click.argument("file", type=_FILE)
@click.option("--map", "map_path", type=_FILE, required=True, help="mapping.toml of the recording")
@click.option(
    "--speed",
    default="1",
    show_default=True,
    help="recorded seconds in one second, or max",
)
@click.option("--dry-run", is_flag=True, help="read and check everything, publish nothing")
@click.option(
    "--rejects",
    "rejects_path",
    type=click.Path(dir_okay=False, writable=True, path_type=Path),
    help="write every refused value to this CSV file",
)
@click.option(
    "--patience",
    "patience_s",
    type=click.FloatRange(min=0),
    default=60.0,
    show_default=True,
    help="seconds without a receipt after which to give up at the end",
)
@click.option("--json", "as_json", is_flag=True, help="print the summary as JSON")
@click.pass_obj
def replay(
    invocation: Invocation,
    file: Path,
    map_path: Path,
    speed: str,
    dry_run: bool,
    rejects_path: Path | None,
    patience_s: float,
    as_json: bool,
) -> None:
    """Publish the recording FILE (CSV, also gzipped) through an agent, with its own times.

    Its devices must be registered: blocktwin district register MAPPING FILE. Exits with 1 when a
    value was refused or not receipted; running it again adds nothing twice.
    """
    loaded = invocation.load(AgentConfig, MqttConfig, LogConfig)
    setup(loaded.get(LogConfig), sys.stderr)
    mapping = load_mapping(map_path)
    wanted = _speed(speed)
    with ExitStack() as stack:
        recording = stack.enter_context(open_recording(file, mapping))
        refused = stack.enter_context(_open_refusals(file, rejects_path))
        on_row = stack.enter_context(_progress(recording, quiet=as_json))

        def watch(row: Row) -> None:
            on_row(row)
            for refusal in row.refusals:
                refused.add(refusal)

        driver = Replay(
            recording,
            speed=wanted,
            max_gap_s=mapping.file.max_gap_s,
            patience_s=patience_s,
            on_row=watch,
        )
        if dry_run:
            outcome = _dry(recording, watch)
        else:
            cfg = _replay_config(loaded.get(AgentConfig), mapping)
            outcome = _publish(cfg, loaded.get(MqttConfig), driver)
    _summarise(file, outcome, refused, as_json=as_json)
    sys.exit(outcome.exit_code)


def open_driver(cfg: AgentConfig) -> Driver:
    """Return the driver that ``agent.driver`` names.

    Raises:
        UsageError: if there is none of that name.
    """
    if cfg.driver == "idle":
        return Idle()
    if cfg.driver == "replay":
        return from_options(cfg.driver_options)
    module, divider, name = cfg.driver.partition(":")
    try:
        if not divider:
            raise UsageError(f"agent.driver: unknown driver {cfg.driver!r}", remedy=_DRIVERS)
        factory = getattr(importlib.import_module(module), name)
    except (ImportError, AttributeError) as error:
        raise UsageError(f"agent.driver: {cfg.driver}: {error}", remedy=_DRIVERS) from error
    driver: Driver = factory(cfg.driver_options)
    return driver


_DRIVERS = "write idle, replay, or package.module:function of one that is installed"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Outcome:
    """How a replay ended.

    Attributes:
        tally: what was read.
        report: what the agent did; None for a dry run.
        complete: the whole file was read and, unless dry, receipted.
        stopped: by Ctrl-C or SIGTERM.
        seconds: how long it took.
    """

    tally: Tally
    report: AgentReport | None
    complete: bool
    stopped: bool
    seconds: float

    @property
    def exit_code(self) -> int:
        """Return 130 when stopped, 1 when something is missing, else 0."""
        if self.stopped:
            return 130
        return 0 if self.complete and not self.tally.refused else 1


@dataclass(slots=True, kw_only=True)
class _Refusals:
    """Where refused values go: all into the report, the first ones onto the screen."""

    path: Path
    write: Callable[[list[object]], object] | None
    first: list[Refusal] = field(default_factory=list)

    def add(self, refusal: Refusal) -> None:
        """Keep one."""
        if len(self.first) < _SHOWN_REFUSALS:
            self.first.append(refusal)
        if self.write is not None:
            place = (str(self.path), refusal.line, refusal.column or "", refusal.name)
            self.write([*place, refusal.reason, refusal.text, refusal.values])


@contextmanager
def _open_refusals(file: Path, report: Path | None) -> Iterator[_Refusals]:
    if report is None:
        yield _Refusals(path=file, write=None)
        return
    try:
        stream = report.open("w", encoding="utf-8", newline="")
    except OSError as error:
        raise UsageError(f"cannot write {report}: {error}") from error
    with stream:
        writer = csv.writer(stream)
        writer.writerow(["file", "line", "column", "name", "reason", "text", "values"])
        yield _Refusals(path=file, write=writer.writerow)


@contextmanager
def _progress(recording: Recording, *, quiet: bool) -> Iterator[Callable[[Row], None]]:
    """Show a bar over the bytes of the file, on a terminal."""
    if quiet or not sys.stderr.isatty():
        yield lambda _row: None
        return
    label = f"{recording.path.name}"
    with click.progressbar(length=recording.size, label=label, file=sys.stderr) as bar:
        yield lambda row: bar.update(row.position - bar.pos)


def _replay_config(cfg: AgentConfig, mapping: Mapping) -> AgentConfig:
    """Return the agent's settings for a recording: its gateway, large messages, no canary."""
    return msgspec.structs.replace(
        cfg,
        gateway_id=mapping.gateway.id,
        canary_device="",
        batch_readings=max(cfg.batch_readings, _REPLAY_BATCH),
        inflight_messages=max(cfg.inflight_messages, _REPLAY_WINDOW),
        http_port=0,
    )


def _publish(cfg: AgentConfig, mqtt: MqttConfig, driver: Replay) -> _Outcome:
    began_s = time.monotonic()

    async def run(stop: asyncio.Event) -> AgentReport:
        await probe(mqtt, cfg, mqtt.secret())
        return await run_agent(cfg, mqtt, driver, stop=stop, wait_at_messages=_REPLAY_AHEAD)

    # The recording itself is the store to send from again, so its spool may go with the process.
    with tempfile.TemporaryDirectory(prefix="blocktwin-replay-") as folder:
        cfg = msgspec.structs.replace(cfg, spool_dir=folder)
        report, stopped = _until_stopped(run)
    return _Outcome(
        tally=driver.tally,
        report=report,
        complete=driver.complete and report.pending == 0,
        stopped=stopped,
        seconds=time.monotonic() - began_s,
    )


def _dry(recording: Recording, watch: Callable[[Row], None]) -> _Outcome:
    began_s = time.monotonic()
    tally = Tally()
    for row in recording.rows():
        tally.add(row)
        watch(row)
    seconds = time.monotonic() - began_s
    return _Outcome(tally=tally, report=None, complete=True, stopped=False, seconds=seconds)


def _until_stopped(run: Callable[[asyncio.Event], Coroutine[Any, Any, T]]) -> tuple[T, bool]:
    """Run with an event that SIGTERM and Ctrl-C set; return the result, and whether it was set."""

    async def main() -> tuple[T, bool]:
        stop = asyncio.Event()
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, stop.set)
        return await run(stop), stop.is_set()

    return asyncio.run(main())


def _speed(text: str) -> float | None:
    try:
        return parse_speed(text)
    except ValueError as error:
        raise UsageError(f"--speed: {error}", remedy="give a positive number, or max") from error


def _summarise(file: Path, outcome: _Outcome, refused: _Refusals, *, as_json: bool) -> None:
    for refusal in refused.first:
        shown = f" ({refusal.text!r})" if refusal.text else ""
        click.echo(f"refused {refusal.spot(file)}: {refusal.reason}{shown}", err=True)
    if outcome.tally.refused > len(refused.first) and refused.write is None:
        click.echo("refused: --rejects FILE lists all of them", err=True)
    facts = _facts(file, outcome)
    if as_json:
        click.echo(json.dumps(facts, ensure_ascii=False))
    else:
        click.echo(", ".join(f"{key} {value}" for key, value in facts.items() if key != "file"))


def _facts(file: Path, outcome: _Outcome) -> dict[str, object]:
    facts: dict[str, object] = {"file": str(file), **asdict(outcome.tally)}
    if outcome.report is not None:
        report = asdict(outcome.report)
        facts |= {key: report[key] for key in ("accepted", "receipted", "pending", "resent")}
    facts |= {"complete": outcome.complete, "seconds": round(outcome.seconds, 1)}
    return facts
