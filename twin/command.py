"""The commands ``serve``, ``operator`` and ``district``; imports of the server parts are lazy."""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path
from typing import Any

import click
import msgspec

from core.config import DatabaseConfig, Invocation, LogConfig, MqttConfig
from core.errors import UsageError
from twin.config import ApiConfig, TwinConfig
from twin.operators import Role

AS_JSON = click.option("--json", "as_json", is_flag=True, help="print JSON")
EXISTING = click.Path(exists=True, dir_okay=False, path_type=Path)


@click.command()
@click.pass_obj
def serve(invocation: Invocation) -> None:
    """Serve the API and the page until SIGTERM or Ctrl-C."""
    from core import log
    from twin.api.serve import run
    from twin.kinds import Kinds
    from twin.sensorthings.config import SensorThingsConfig

    loaded = invocation.load(
        ApiConfig, DatabaseConfig, LogConfig, TwinConfig, MqttConfig, SensorThingsConfig
    )
    kinds = Kinds.read(loaded.get(TwinConfig).kinds_folder)
    log.setup(loaded.get(LogConfig), sys.stderr)
    create = loaded.get(SensorThingsConfig), loaded.get(MqttConfig)
    asyncio.run(run(loaded.get(ApiConfig), loaded.get(DatabaseConfig), kinds, create=create))


@click.group()
def operator() -> None:
    """Say who may use the API."""


@operator.command("add")
@click.argument("name")
@click.option(
    "--role",
    type=click.Choice([str(role) for role in Role]),
    default=str(Role.OPERATOR),
    show_default=True,
    help="viewer looks, operator also acts on alarms, gis also changes maps, admin does all",
)
@AS_JSON
@click.pass_obj
def operator_add(invocation: Invocation, name: str, role: str, as_json: bool) -> None:
    """Add NAME and print the new token, once; only its hash is kept."""
    from twin.operators import add

    token = add(_operators_file(invocation), name, Role(role))
    if as_json:
        click.echo(json.dumps({"name": name, "role": role, "token": token}))
    else:
        click.echo(token)


@operator.command("list")
@AS_JSON
@click.pass_obj
def operator_list(invocation: Invocation, as_json: bool) -> None:
    """List names and roles."""
    from twin.operators import read

    found = [{"name": o.name, "role": str(o.role)} for o in read(_operators_file(invocation))]
    if as_json:
        click.echo(json.dumps(found))
    for one in [] if as_json else found:
        click.echo(f"{one['name']}  {one['role']}")


@operator.command("remove")
@click.argument("name")
@click.pass_obj
def operator_remove(invocation: Invocation, name: str) -> None:
    """Remove NAME; what is logged in with its token is out at once."""
    from twin.operators import remove

    remove(_operators_file(invocation), name)
    click.echo(f"removed {name}")


@click.group()
def district() -> None:
    """Load block grids, gateways and devices."""


@district.command("load")
@click.argument("file", type=EXISTING)
@AS_JSON
@click.pass_obj
def district_load(invocation: Invocation, file: Path, as_json: bool) -> None:
    """Load FILE (JSON: spaces, gateways, devices); loading it again changes nothing."""
    from twin.district import decode

    _load(invocation, decode(file.read_bytes(), str(file)), as_json)


@district.command("register")
@click.argument("mapping", type=EXISTING)
@click.argument("csv", type=EXISTING)
@AS_JSON
@click.pass_obj
def district_register(invocation: Invocation, mapping: Path, csv: Path, as_json: bool) -> None:
    """Register the gateway and the devices that MAPPING finds in the recording CSV."""
    from edge.mapping import load_mapping
    from edge.recording import devices_in

    found = devices_in(load_mapping(mapping), csv)
    if not found.devices:
        raise UsageError(
            f"{csv} has no row that names a device of {mapping}",
            remedy=f"see why: blocktwin replay {csv} --map {mapping} --dry-run",
        )
    _load(invocation, found, as_json)


@district.command("list")
@AS_JSON
@click.pass_obj
def district_list(invocation: Invocation, as_json: bool) -> None:
    """Count what is loaded."""
    from core.db import pool
    from twin import store

    database = invocation.load(DatabaseConfig).get(DatabaseConfig)
    with pool.connect(database, autocommit=True, application_name="blocktwin district") as conn:
        found = store.summary(conn)
    if as_json:
        click.echo(json.dumps(found, ensure_ascii=False))
        return
    for one in found["districts"]:
        click.echo(f"{one['code']}  {one['name']}  {one['name_en']}")
    click.echo("  ".join(f"{kind} {number}" for kind, number in found["spaces"].items()))
    click.echo(f"gateway {found['gateways']}  series {found['series']}")
    for field, places in found["devices"].items():
        click.echo(f"{field}: " + ", ".join(f"{n} {how}" for how, n in places.items()))


def _load(invocation: Invocation, content: Any, as_json: bool) -> None:
    from core.db import migrate, pool
    from twin import store
    from twin.kinds import Kinds

    loaded = invocation.load(DatabaseConfig, TwinConfig)
    kinds = Kinds.read(loaded.get(TwinConfig).kinds_folder)
    database = loaded.get(DatabaseConfig)
    with pool.connect(database, autocommit=True, application_name="blocktwin district") as conn:
        migrate.require_current(conn)
        report = msgspec.to_builtins(store.load_district(conn, content, kinds=kinds))
    if as_json:
        click.echo(json.dumps(report, ensure_ascii=False))
        return
    unplaced = report.pop("unplaced")
    for key, number in report.items():
        click.echo(f"{key.replace('_', ' ')}: {number}")
    click.echo(f"unplaced: {len(unplaced)}")
    for device, reason in unplaced.items():
        click.echo(f"  {device}: {reason}")


def _operators_file(invocation: Invocation) -> Path:
    path = invocation.load(ApiConfig).get(ApiConfig).operators_file
    if not path:
        raise UsageError(
            "no operators file is set",
            remedy="set operators_file under [api], or BLOCKTWIN_API__OPERATORS_FILE",
        )
    return Path(path)
