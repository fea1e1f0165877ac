"""``blocktwin doctor``: what is wrong with this installation, and what to do about it."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from dataclasses import asdict

import click

from core.config import DatabaseConfig, Invocation, MqttConfig
from edge.config import AgentConfig
from ingest import doctor_broker, doctor_database, doctor_host
from ingest.doctor_findings import Finding, Level


@click.command()
@click.option("--json", "as_json", is_flag=True, help="One JSON object.")
@click.pass_obj
def doctor(invocation: Invocation, *, as_json: bool) -> None:
    """Look at broker, database, clock, disk and lag; each finding with its remedy.

    Changes nothing. Exit 0 when nothing fails, 1 when something does, 2 when the configuration
    cannot be read.
    """
    loaded = invocation.load(DatabaseConfig, MqttConfig, AgentConfig)
    where = f"read from {loaded.path}" if loaded.path else "no file, only the environment"
    findings = [
        Finding("configuration", Level.OK, where),
        *asyncio.run(doctor_broker.look(loaded.get(MqttConfig))),
        *doctor_database.look(loaded.get(DatabaseConfig)),
        *doctor_host.look(loaded.get(AgentConfig)),
    ]
    failed = any(finding.level is Level.FAIL for finding in findings)
    if as_json:
        listed = [asdict(finding) for finding in findings]
        click.echo(json.dumps({"ok": not failed, "findings": listed}))
    else:
        _show(findings)
    raise SystemExit(1 if failed else 0)


def _show(findings: list[Finding]) -> None:
    for finding in findings:
        click.echo(f"{finding.level.value:5} {finding.about}: {finding.text}")
        if finding.remedy:
            click.echo(f"      -> {finding.remedy}")
    sums = Counter(finding.level for finding in findings)
    click.echo(", ".join(f"{sums[level]} {level.value}" for level in Level))
