"""``blocktwin ingest``: run one worker until it is told to stop."""

from __future__ import annotations

import asyncio
import logging
import signal
import sys

import click

from alerts import store as alarms
from alerts.config import AlertsConfig
from core.config import DatabaseConfig, Invocation, LogConfig, MqttConfig
from core.health import serve_health
from core.log import setup
from ingest.config import IngestConfig
from ingest.lanes import TwoLanes
from ingest.metrics import Metrics
from ingest.rejected_command import rejected
from ingest.store import Store
from ingest.warn import Warner
from ingest.worker import Worker

log = logging.getLogger(__name__)


@click.group(invoke_without_command=True)
@click.pass_context
def ingest(ctx: click.Context) -> None:
    """Store what the gateways send, and raise alarms on it.

    Reads every gateway of its shards from the broker, and writes readings, rejects, alarms and the
    accounts in one transaction per batch. Ends on SIGTERM or Ctrl-C after the batch under way.
    """
    if ctx.invoked_subcommand is not None:
        return
    invocation: Invocation = ctx.obj
    loaded = invocation.load(IngestConfig, MqttConfig, DatabaseConfig, AlertsConfig, LogConfig)
    setup(loaded.get(LogConfig), sys.stderr)
    asyncio.run(
        _serve(
            loaded.get(IngestConfig),
            loaded.get(MqttConfig),
            loaded.get(DatabaseConfig),
            loaded.get(AlertsConfig),
        )
    )


ingest.add_command(rejected)


async def _serve(
    ingest: IngestConfig, mqtt: MqttConfig, database: DatabaseConfig, alerts: AlertsConfig
) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    worker = build(ingest, mqtt, database, alerts, stop)
    checks = {
        "broker": lambda: worker.source.connected,
        "database": lambda: worker.database_ok,
    }
    async with serve_health(
        ingest.http_host, ingest.http_port, checks=checks, metrics=worker.metrics.text
    ) as port:
        log.info("health and metrics on http://%s:%d", ingest.http_host, port)
        await worker.run()


def build(
    ingest: IngestConfig,
    mqtt: MqttConfig,
    database: DatabaseConfig,
    alerts: AlertsConfig,
    stop: asyncio.Event,
) -> Worker:
    """Return a worker over MQTT, not yet running."""
    metrics = Metrics()
    source = TwoLanes(mqtt, ingest)
    metrics.show(
        "blocktwin_ingest_queue_messages",
        "Messages received and not yet taken; at the bound the socket is not read.",
        lambda: source.backlog,
    )
    metrics.show(
        "blocktwin_ingest_connects",
        "Connections made to the broker since the start; more than one means it went away.",
        lambda: source.connects,
    )
    metrics.follow(
        "blocktwin_mqtt_reconnects",
        "Connections made to the broker after the first one.",
        lambda: max(0, source.connects - 1),
    )
    warner = Warner(mqtt, ingest)
    metrics.follow(
        "blocktwin_ingest_warnings_given_up",
        "Provisional alarms lost because the broker was away for too long.",
        lambda: warner.given_up,
    )
    worker = Worker(
        ingest=ingest,
        mqtt=mqtt,
        database=database,
        alerts=alerts,
        source=source,
        store=Store(database, ingest.worker_id, alarms.apply),
        warner=warner,
        metrics=metrics,
        stop=stop,
    )
    metrics.follow(
        "blocktwin_ingest_transitions_dropped",
        "Alarm transitions dropped because too many waited for the database.",
        lambda: worker.lookout.held.lost,
    )
    metrics.show(
        "blocktwin_ingest_watching",
        "1 while readings are judged that cannot be stored now, 0 otherwise.",
        lambda: worker.lookout.stands,
    )
    metrics.show(
        "blocktwin_ingest_transitions_held",
        "Alarm transitions judged and not yet committed.",
        lambda: len(worker.lookout.held),
    )
    return worker
