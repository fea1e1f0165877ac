"""``blocktwin config``: show and check the configuration. Needs no library of the server."""

from __future__ import annotations

import json
from importlib import import_module
from typing import Any

import click

from core.config import (
    PREFIX,
    Invocation,
    Loaded,
    Section,
    find_path,
    load,
)
from core.errors import UsageError
from core.fields import masked
from core.reference import render


def sections() -> dict[str, type[Section]]:
    """Return every section of the configuration, by name; this imports all packages' settings."""
    table: dict[str, str] = import_module("blocktwin").SECTIONS
    kinds: dict[str, type[Section]] = {}
    for name, target in table.items():
        module, _, attribute = target.partition(":")
        kinds[name] = getattr(import_module(module), attribute)
    return kinds


@click.group()
def config() -> None:
    """Show and check the configuration."""


@config.command()
@click.argument("section", required=False)
@click.option("--json", "as_json", is_flag=True, help="One JSON array.")
@click.pass_obj
def show(invocation: Invocation, section: str | None, *, as_json: bool) -> None:
    """Print every value and where it comes from; secrets are masked.

    With SECTION, only that one.
    """
    loaded = _load(invocation)
    if section is not None and section not in loaded.values:
        raise UsageError(
            f"there is no section [{section}]", remedy=f"one of: {', '.join(sorted(sections()))}"
        )
    rows = [row for row in _rows(loaded) if section in (None, row["section"])]
    if as_json:
        click.echo(json.dumps(rows, ensure_ascii=False))
        return
    click.echo(f"# file: {loaded.path or 'none'}")
    current = ""
    for row in rows:
        if row["section"] != current:
            current = row["section"]
            click.echo(f"\n[{current}]")
        value = json.dumps(row["value"], ensure_ascii=False)
        click.echo(f"{row['key']} = {value}  # {row['origin']}")


@config.command()
@click.option("--json", "as_json", is_flag=True, help="One JSON object.")
@click.pass_obj
def check(invocation: Invocation, *, as_json: bool) -> None:
    """Check the file and the environment; exit 2 and name the place when something is wrong."""
    loaded = _load(invocation)
    given = [source for source in loaded.sources.values() if source != "default"]
    file = str(loaded.path or "")
    if as_json:
        click.echo(json.dumps({"ok": True, "file": file, "values_set": len(given)}))
    else:
        click.echo(
            f"ok: {file or 'no file'}; {given.count('file')} values from the file, "
            f"{given.count('env')} from the environment, the rest by default"
        )


@config.command()
def reference() -> None:
    """Print the reference of all sections as Markdown."""
    click.echo(render(sections()), nl=False)


def _load(invocation: Invocation) -> Loaded:
    path = find_path(invocation.config_path, invocation.env)
    return load(path, sections(), invocation.env, absent_ok=True)


def _rows(loaded: Loaded) -> list[dict[str, Any]]:
    """Return one row for each value: where it stands, what it is, where it came from."""
    rows = []
    for section, values in loaded.values.items():
        for key, value in masked(values).items():
            source = loaded.sources[section, key]
            origin = {
                "default": "default",
                "file": f"file {loaded.path}",
                "env": f"{PREFIX}{section.upper()}__{key.upper()}",
            }[source]
            rows.append(
                {
                    "section": section,
                    "key": key,
                    "value": value,
                    "source": source,
                    "origin": origin,
                }
            )
    return rows
