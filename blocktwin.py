"""The command ``blocktwin NOUN VERB``: finds the sub-command and turns errors into one line.

Sub-commands are imported when they are called, so that a gateway needs no server library and
``--help`` is quick.
"""

from __future__ import annotations

import os
import sys
from importlib import import_module
from pathlib import Path

import click

from core.config import PATH_VARIABLE, Invocation
from core.errors import BlocktwinError, MissingPrerequisite
from core.version import version

COMMANDS = {
    "address": ("twin.addresses.command:address", "Find addresses, and say where a point is."),
    "agent": ("edge.command:agent", "Run the agent of a gateway."),
    "alarm": ("alerts.command_alarm:alarm", "List and show alarms, and do what people do to them."),
    "config": ("core.command:config", "Show and check the configuration."),
    "db": ("core.db.command:db", "Migrate the database and look at its schema."),
    "device": ("twin.devices.command:device", "Look at devices; move, replace and set them."),
    "demo": ("dev.command:demo", "Run a whole synthetic district on this machine."),
    "district": ("twin.command:district", "Load a district and register devices."),
    "doctor": ("ingest.doctor:doctor", "Look for what is wrong, and say what to do about it."),
    "incident": ("alerts.command_incident:incident", "Look at incidents and the alarm report."),
    "ingest": ("ingest.command:ingest", "Run the worker; look at what it refused."),
    "intake": ("edge.intake.command:intake", "Take in gateways that speak another protocol."),
    "maintain": ("core.db.upkeep.command:maintain", "Keep rollups fresh and delete what is past."),
    "map": ("twin.maps.command:map_", "Inspect, import, compare, apply and export block maps."),
    "mesh": ("twin.scenes.command:mesh", "Make blocks and slopes in three dimensions."),
    "notify": ("alerts.command_notify:notify", "Deliver alarm events to other systems."),
    "operator": ("twin.command:operator", "Say who may use the API."),
    "reading": ("twin.history.command:reading", "Show, export and import readings."),
    "relation": ("twin.relations.command:relation", "Say what feeds what, and trace along it."),
    "replay": ("edge.command:replay", "Publish a recording through an agent."),
    "roster": ("alerts.command_notify:roster", "Say who is called for which space."),
    "rule": ("alerts.command_rule:rule", "Check, test, load, compare and try alarm rules."),
    "serve": ("twin.command:serve", "Serve the API and the page."),
    "sim": ("simulators.command:sim", "Run the simulators of a district."),
}
SECTIONS = {
    "database": "core.config:DatabaseConfig",
    "mqtt": "core.config:MqttConfig",
    "agent": "edge.config:AgentConfig",
    "ingest": "ingest.config:IngestConfig",
    "alerts": "alerts.config:AlertsConfig",
    "api": "twin.config:ApiConfig",
    "sensorthings": "twin.sensorthings.config:SensorThingsConfig",
    "twin": "twin.config:TwinConfig",
    "notify": "alerts.config:NotifyConfig",
    "desk": "alerts.desk.config:DeskConfig",
    "intake": "edge.intake.config:IntakeConfig",
    "upkeep": "core.db.upkeep.config:UpkeepConfig",
    "sim": "simulators.config:SimConfig",
    "log": "core.config:LogConfig",
}


_OWN = frozenset(target.split(".")[0] for target, _ in COMMANDS.values())


class LazyGroup(click.Group):
    """A group whose commands are imported by name when they are asked for."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 (click's signature)
        """Return all names."""
        return sorted(COMMANDS)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the list of commands from the table, importing none of them."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, COMMANDS[name][1]) for name in self.list_commands(ctx)])

    def get_command(
        self,
        ctx: click.Context,  # noqa: ARG002 (click's signature)
        cmd_name: str,
    ) -> click.Command | None:
        """Import a command.

        Raises:
            MissingPrerequisite: if a library of it is not installed.
        """
        if cmd_name not in COMMANDS:
            return None
        module, _, attribute = COMMANDS[cmd_name][0].partition(":")
        try:
            command: click.Command = getattr(import_module(module), attribute)
        except ModuleNotFoundError as error:
            if error.name and error.name.split(".")[0] in _OWN:
                raise
            raise MissingPrerequisite(
                f"blocktwin {cmd_name} needs the Python package {error.name}",
                remedy="install the server parts: pip install 'blocktwin[server]'",
            ) from error
        return command


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.option(
    "--config",
    "config_path",
    type=click.Path(path_type=Path, dir_okay=False),
    help=f"Configuration file (TOML). Default: ${PATH_VARIABLE}, then the system's.",
)
@click.option("-v", "--verbose", count=True, help="Say more; twice for the last detail.")
@click.version_option(version(), prog_name="blocktwin")
@click.pass_context
def cli(ctx: click.Context, config_path: Path | None, verbose: int) -> None:
    """Sensing and digital-twin runtime of a city district."""
    ctx.obj = Invocation(config_path=config_path, verbose=verbose, env=os.environ)


def main(arguments: list[str] | None = None) -> None:
    """Run the command line and exit: 0 ok, 1 finding or failure, 2 usage, 130 interrupted."""
    sys.exit(_run(arguments))


def _run(arguments: list[str] | None) -> int:
    try:
        code = cli.main(args=arguments, prog_name="blocktwin", standalone_mode=False)
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except (click.Abort, KeyboardInterrupt):
        click.echo("interrupted", err=True)
        return 130
    except (BlocktwinError, ExceptionGroup) as error:
        known = _on_purpose(error)
        if known is None:
            raise
        click.echo(f"error: {known}", err=True)
        if known.remedy:
            click.echo(f"  try: {known.remedy}", err=True)
        return known.exit_code
    return code if isinstance(code, int) else 0


def _on_purpose(error: Exception) -> BlocktwinError | None:
    """Return the error to print, also out of a task group; None if one of them is a defect."""
    if isinstance(error, BlocktwinError):
        return error
    if not isinstance(error, ExceptionGroup):
        return None
    found = [_on_purpose(part) for part in error.exceptions]
    return found[0] if all(part is not None for part in found) else None


if __name__ == "__main__":
    main()
