"""The metrics of all services by one convention, and the alert rules that are made of them."""

from __future__ import annotations

import asyncio
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml
from prometheus_client import CollectorRegistry, generate_latest

from alerts.config import AlertsConfig
from alerts.notify.run import Metrics as NotifyMetrics
from core.config import DatabaseConfig, MqttConfig
from core.db.upkeep.process import Metrics as UpkeepMetrics
from core.model import RejectReason
from edge import agent
from edge.config import AgentConfig
from edge.sink import Signals
from edge.spool import Spool
from edge.uplink import Uplink
from ingest.command import build
from ingest.config import IngestConfig
from twin.api.hub import Hub
from twin.api.metrics import Metrics as ApiMetrics

ROOT = Path(__file__).parents[2]
RULES = ROOT / "deploy" / "prometheus" / "blocktwin.rules.yml"
NAME = re.compile(r"(blocktwin_[a-z]+|process)(_[a-z0-9]+)+")
UNITS = {"ms", "milliseconds", "minutes", "minute", "hours", "days", "kb", "mb", "gb", "percent"}
LABELS = {"result", "reason", "kind", "level", "table", "channel", "method", "route", "status",
          "version"}  # fmt: skip
"""Labels of few values; none may name a device, gateway, series or topic.

Canaries alone are told apart by their gateway: each is one value, and its gateway is the question.
"""
FOREIGN = ("up", "node_filesystem_avail_bytes", "node_filesystem_size_bytes")


def registries() -> dict[str, CollectorRegistry]:
    worker = build(IngestConfig(), MqttConfig(), DatabaseConfig(), AlertsConfig(), asyncio.Event())
    return {
        "ingest": worker.metrics.registry,
        "maintain": UpkeepMetrics().registry,
        "notify": NotifyMetrics().registry,
        "serve": ApiMetrics(Hub(streams=1, queue=1))._registry,
    }


def texts(folder: Path) -> dict[str, str]:
    found = {name: generate_latest(each).decode() for name, each in registries().items()}
    cfg = AgentConfig(gateway_id="gw-a", spool_dir=str(folder))
    spool = Spool.open(folder / "spool.db", 10)
    try:
        found["agent"] = agent.metrics(spool, Uplink(MqttConfig(), cfg, spool, Signals()))
    finally:
        spool.close()
    return found


def families(text: str) -> Iterator[tuple[str, str]]:
    yield from re.findall(r"^# TYPE (\S+) (\S+)$", text, re.MULTILINE)


def test_names_say_whose_they_are_what_they_count_and_in_which_unit(tmp_path: Path) -> None:
    for service, text in texts(tmp_path).items():
        found = list(families(text))
        assert found, service
        for name, kind in found:
            place = f"{service}: {name}"
            assert NAME.fullmatch(name), place
            assert not UNITS & set(name.split("_")), f"{place}: a base unit: seconds, bytes"
            # prometheus_client shows when a counter began under a name of its own.
            if not name.endswith("_created"):
                assert (kind == "counter") == name.endswith("_total"), place


def test_every_metric_says_what_it_is(tmp_path: Path) -> None:
    for service, text in texts(tmp_path).items():
        for name, _ in families(text):
            assert re.search(rf"^# HELP {name} \S+ ?", text, re.MULTILINE), f"{service}: {name}"


def test_no_label_has_as_many_values_as_there_are_devices() -> None:
    for service, registry in registries().items():
        for collector in registry._collector_to_names:
            known = LABELS | ({"gateway"} if "blocktwin_canary_" in str(collector) else set())
            strange = set(getattr(collector, "_labelnames", ())) - known
            assert strange == set(), f"{service}: {collector}"


def test_the_worker_shows_every_reason_from_the_start(tmp_path: Path) -> None:
    text = texts(tmp_path)["ingest"]
    for reason in RejectReason:
        line = f'blocktwin_ingest_rejected_readings_total{{reason="{reason.value}"}} 0.0'
        assert line in text
    for name in ("blocktwin_ingest_lag_seconds", "blocktwin_ingest_in_flight_messages",
                 "blocktwin_mqtt_reconnects_total", "blocktwin_ingest_queue_messages"):  # fmt: skip
        assert f"\n{name} 0.0\n" in text
    assert "\nprocess_resident_memory_bytes " in text
    assert "python_gc" not in text


def alert_rules() -> list[dict[str, Any]]:
    groups = yaml.safe_load(RULES.read_text(encoding="utf-8"))["groups"]
    return [rule for group in groups for rule in group["rules"]]


def test_every_alert_says_what_is_wrong_and_what_to_do() -> None:
    names = [rule["alert"] for rule in alert_rules()]
    assert len(set(names)) == len(names) >= 10
    for rule in alert_rules():
        assert rule.keys() <= {"alert", "expr", "for", "labels", "annotations"}, rule["alert"]
        assert re.fullmatch(r"Blocktwin[A-Z][A-Za-z]+", rule["alert"])
        assert rule["labels"]["severity"] in {"warning", "critical"}
        assert rule["annotations"].keys() == {"summary", "remedy"}


def test_every_metric_of_an_alert_is_shown_by_a_service(tmp_path: Path) -> None:
    shown = {name for text in texts(tmp_path).values() for name, _ in families(text)}
    for rule in alert_rules():
        used = re.findall(r"\b(?:up|(?:blocktwin|node|process)_\w+)\b(?=[\[{ )])", rule["expr"])
        assert used, rule["expr"]
        assert [name for name in used if name not in shown and name not in FOREIGN] == []


def test_prometheus_itself_takes_the_rules() -> None:
    argv = [str(ROOT / ".blocktwin/tools/promtool"), "check", "rules", str(RULES)]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=30, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
