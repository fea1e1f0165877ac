"""The command ``blocktwin demo``."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import click

from core.config import Invocation
from core.errors import MissingPrerequisite
from dev.places import state_folder
from dev.status import StatusLine


@click.command()
@click.option(
    "--seconds",
    type=click.FloatRange(min=1),
    help="Stop by itself after this time, and exit 1 unless everything went as it should.",
)
@click.option("--port", default=0, type=click.IntRange(0, 65535), help="Port of the page; 0: free.")
@click.option(
    "--folder",
    type=click.Path(path_type=Path, file_okay=False),
    help="Where servers and logs of the run are kept; default .blocktwin in this folder.",
)
@click.option("--json", "as_json", is_flag=True, help="Standard output holds the JSON line alone.")
@click.pass_obj
def demo(
    invocation: Invocation, seconds: float | None, port: int, folder: Path | None, *, as_json: bool
) -> None:
    """Run everything on this machine, with an invented district and its story.

    Private servers are started in a folder, each start anew. To use your own, set
    BLOCKTWIN_DATABASE__DSN, or BLOCKTWIN_MQTT__HOST, __PORT, __USERNAME and __PASSWORD.
    Ends with one line of JSON.
    """
    try:
        from dev.demo import Options, run
        from dev.verdict import unmet
    except ModuleNotFoundError as missing:
        raise MissingPrerequisite(
            f"the demo needs the Python package {missing.name}",
            remedy="install blocktwin[server], or run: make setup",
        ) from missing
    stream = sys.stderr if as_json else sys.stdout
    line = StatusLine(stream, terminal=stream.isatty())
    chosen = (folder or _default_folder(line)).resolve()
    ending = run(Options(folder=chosen, seconds=seconds, port=port), invocation.env, line)
    for name in ending.late:
        click.echo(f"{name} did not stop in time and was ended", err=True)
    faults = [] if seconds is None or ending.interrupted else unmet(ending.outcome)
    for fault in faults:
        click.echo(f"not met: {fault}", err=True)
    click.echo(ending.outcome.line())
    sys.exit(130 if ending.interrupted and seconds is not None else int(bool(faults)))


def _default_folder(line: StatusLine) -> Path:
    project = Path.cwd()
    folder = state_folder(project, as_root=os.geteuid() == 0)
    if folder.parent != project:
        line.say(f"{project} is closed to the servers' accounts; their data is in {folder}")
    return folder
