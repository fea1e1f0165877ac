"""``blocktwin intake``: take in gateways that speak ThingsBoard, ChirpStack or Sparkplug B."""

from __future__ import annotations

import asyncio
import json
import logging
import signal
import sys
from dataclasses import asdict
from pathlib import Path

import click
import msgspec

from core.config import Invocation, LogConfig, MqttConfig
from core.errors import ConfigInvalid
from core.log import setup
from edge.agent import AgentReport, run_agent
from edge.config import AgentConfig
from edge.intake.config import IntakeConfig
from edge.intake.dictionary import Dictionary
from edge.intake.door import open_tokens, tls_context
from edge.intake.driver import Intake
from edge.intake.map_file import load_map
from edge.intake.tokens import Tokens

_LOG = logging.getLogger(__name__)
_BATCH = 500
_WINDOW = 500


@click.command()
@click.option("--check", is_flag=True, help="Read settings, map and tokens, say what is open, end.")
@click.option("--json", "as_json", is_flag=True, help="With --check: one JSON object.")
@click.pass_obj
def intake(invocation: Invocation, *, check: bool, as_json: bool) -> None:
    """Take readings from foreign gateways until told to stop.

    They come in by the doors that section [intake] opens, wait in the spool, and go to the worker
    as readings of the gateway intake.gateway_id. SIGTERM or Ctrl-C closes the doors.
    """
    loaded = invocation.load(IntakeConfig, AgentConfig, MqttConfig, LogConfig)
    setup(loaded.get(LogConfig), sys.stderr)
    cfg, mqtt = loaded.get(IntakeConfig), loaded.get(MqttConfig)
    dictionary = load_map(Path(cfg.map)) if cfg.map else Dictionary()
    tokens = open_tokens(cfg) if cfg.thingsboard else None
    tls_context(cfg)
    _require_a_door(cfg)
    if check:
        _tell(cfg, dictionary, tokens, as_json=as_json)
        return
    agent = agent_config(cfg, loaded.get(AgentConfig))
    driver = Intake(
        cfg, mqtt, dictionary=dictionary, tokens=tokens, folder=agent.spool_path().parent
    )

    async def run() -> AgentReport:
        stop = asyncio.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, stop.set)
        return await run_agent(
            agent,
            mqtt,
            driver,
            stop=stop,
            wait_at_messages=agent.spool_max_messages,
            figures=driver.metrics,
        )

    report = asyncio.run(run())
    _LOG.info("stopped: %s", json.dumps(asdict(report)))


def agent_config(cfg: IntakeConfig, agent: AgentConfig) -> AgentConfig:
    """Return the settings of the agent below: those of section [agent], in the intake's place.

    Raises:
        ConfigInvalid: if the folder of the spool is not set.
    """
    if not cfg.spool_dir:
        raise ConfigInvalid(
            "intake.spool_dir is not set",
            remedy="set spool_dir in section [intake], or BLOCKTWIN_INTAKE__SPOOL_DIR",
        )
    return msgspec.structs.replace(
        agent,
        gateway_id=cfg.gateway_id,
        spool_dir=cfg.spool_dir,
        spool_max_messages=cfg.spool_max_messages,
        batch_readings=max(agent.batch_readings, _BATCH),
        inflight_messages=max(agent.inflight_messages, _WINDOW),
        http_host=cfg.http_host,
        http_port=cfg.http_port,
    )


def _require_a_door(cfg: IntakeConfig) -> None:
    if not (cfg.thingsboard or cfg.chirpstack or cfg.sparkplug):
        raise ConfigInvalid(
            "no door of the intake is open",
            remedy="set thingsboard, chirpstack or sparkplug to true in section [intake]",
        )


def _tell(
    cfg: IntakeConfig, dictionary: Dictionary, tokens: Tokens | None, *, as_json: bool
) -> None:
    facts: dict[str, object] = {
        "gateway": cfg.gateway_id,
        "thingsboard": f"{cfg.thingsboard_host}:{cfg.thingsboard_port}" if tokens else None,
        "tokens": len(tokens) if tokens else 0,
        "tls": bool(cfg.tls_cert_file),
        "chirpstack": cfg.chirpstack,
        "sparkplug": cfg.sparkplug,
        "mapped_devices": len(dictionary.devices),
        "mapped_keys": len(dictionary.keys),
    }
    if as_json:
        click.echo(json.dumps(facts, ensure_ascii=False))
    else:
        click.echo("ok: " + ", ".join(f"{key} {value}" for key, value in facts.items()))
