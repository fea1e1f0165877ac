"""``blocktwin sim``: run the gateways of the demo district, or list what will happen there."""

from __future__ import annotations

import asyncio
import json
import logging
import signal
import sys
import time
from pathlib import Path

import click
import msgspec

from core.config import Invocation, LogConfig, MqttConfig
from core.log import setup
from simulators import story, truth
from simulators.config import SimConfig
from simulators.district import demo_district
from simulators.fleet import FleetReport, run_fleet, write_report

_LOG = logging.getLogger(__name__)


@click.group()
def sim() -> None:
    """Run the simulators of a district."""


@sim.command()
@click.option(
    "--seconds", type=click.FloatRange(min=1), help="Stop by itself after so many seconds."
)
@click.option("--seed", type=click.IntRange(min=0), help="Of the district and its story.")
@click.option(
    "--speed",
    type=click.FloatRange(min=0.1, max=20),
    default=1.0,
    show_default=True,
    help="How many times as fast the story goes; devices report as many times as often.",
)
@click.option(
    "--report",
    "report_path",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Write counts and truth to this file as JSON at the end.",
)
@click.option("--json", "as_json", is_flag=True, help="Print the same as the last line.")
@click.pass_obj
def run(
    invocation: Invocation,
    *,
    seconds: float | None,
    seed: int | None,
    speed: float,
    report_path: Path | None,
    as_json: bool,
) -> None:
    """Let every gateway of the district run until stopped, then hand over what they hold.

    SIGTERM or Ctrl-C stops the devices, brings a dead gateway back and waits up to sim.drain_s for
    receipts. What is left then stays in the spools for the next run.
    """
    loaded = invocation.load(SimConfig, MqttConfig, LogConfig)
    setup(loaded.get(LogConfig), sys.stderr)
    cfg = loaded.get(SimConfig)
    if seed is not None:
        cfg = msgspec.structs.replace(cfg, seed=seed)
    report = asyncio.run(_until_stopped(cfg, loaded.get(MqttConfig), seconds, speed))
    text = json.dumps(report.plain(), ensure_ascii=False)
    if report_path is not None:
        write_report(report_path, text + "\n")
    click.echo(text if as_json else _summary(report))


@sim.command(name="list")
@click.option("--seed", type=click.IntRange(min=0), help="Of the district and its story.")
@click.option(
    "--rounds", type=click.IntRange(1, 100), default=1, show_default=True, help="How many rounds."
)
@click.option("--json", "as_json", is_flag=True, help="One JSON array.")
@click.pass_obj
def list_events(invocation: Invocation, *, seed: int | None, rounds: int, as_json: bool) -> None:
    """List what will happen in the district, round by round, if the story begins now."""
    chosen = invocation.load(SimConfig).get(SimConfig).seed if seed is None else seed
    district = demo_district(chosen)
    now = time.time()
    events = [event for n in range(rounds) for event in story.events_of(district, chosen, n)]
    if as_json:
        click.echo(json.dumps(truth.records(events, story_began_s=now), ensure_ascii=False))
        return
    for event in events:
        first = min(event.must_alarm.values(), default=0.0)
        click.echo(
            f"{event.begins_s:7.1f} s  {event.kind:<8} {event.site:<14} {event.space or '-':<20} "
            f"{len(event.must_alarm):3} must alarm, the first {first:.1f} s after the begin"
        )


async def _until_stopped(
    cfg: SimConfig, mqtt: MqttConfig, seconds: float | None, speed: float
) -> FleetReport:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for name in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(name, stop.set)
    return await run_fleet(cfg, mqtt, stop, speed=speed, seconds=seconds)


def _summary(report: FleetReport) -> str:
    wrong = ", ".join(f"{count} {name}" for name, count in report.expected.items())
    return (
        f"{report.published} readings published, {report.pending} pending, "
        f"{report.dropped} dropped in {report.seconds:.0f} s "
        f"({report.cpu_s / max(report.seconds, 0.1):.2f} of a core)\n"
        f"wrong on purpose: {wrong or 'none'}\n"
        f"{len(report.truth)} events; --report FILE writes them down"
    )
