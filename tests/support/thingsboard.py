"""A real ThingsBoard gateway in its own environment, with a field broker that it reads from."""

from __future__ import annotations

import json
import socket
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dev.places import free_port
from dev.processes import Child, Command
from dev.servers import find_program
from tests.support.servers import ROOT, plain_environment
from tests.support.waiting import wait_until

PYTHON = ROOT / ".blocktwin" / "thingsboard" / "bin" / "python"
TOKEN = "field-gateway-token"


@dataclass(frozen=True, slots=True, kw_only=True)
class FieldBroker:
    """A broker of the plant behind the gateway, not of ours: no names, no passwords."""

    port: int
    child: Child


@contextmanager
def field_broker(folder: Path) -> Iterator[FieldBroker]:
    """Run a mosquitto that anybody on this machine may use."""
    port = free_port()
    conf = folder / "field.conf"
    conf.write_text(
        f"listener {port} 127.0.0.1\nallow_anonymous true\npersistence false\n"
        f"max_queued_messages 0\n",
        encoding="ascii",
    )
    argv = [find_program("mosquitto"), "-c", str(conf)]
    child = Child(Command(name="field broker", argv=argv, log=folder / "field.log"))
    child.start()
    try:
        wait_until(lambda: _open(port), what="the field broker")
        yield FieldBroker(port=port, child=child)
    finally:
        child.kill()


def _open(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
    except OSError:
        return False
    return True


def gateway_files(folder: Path, *, door_port: int, field_port: int) -> Path:
    """Write the settings of a gateway that reads ``field/{device}`` and sends to our door."""
    config = folder / "config"
    config.mkdir()
    reading = {"type": "double", "key": "temp", "value": "${temp}", "tsField": "${ts}"}
    device = {
        "deviceNameExpressionSource": "topic",
        "deviceNameExpression": "(?<=field/)(.*)",
        "deviceProfileExpressionSource": "constant",
        "deviceProfileExpression": "heat",
    }
    model = {"type": "string", "key": "model", "value": "${model}"}
    converter = {
        "type": "json",
        "deviceInfo": device,
        "timeout": 60000,
        "attributes": [model],
        "timeseries": [reading],
    }
    connector = {
        "broker": {
            "host": "127.0.0.1",
            "port": field_port,
            "clientId": "field-connector",
            "version": 5,
            "maxMessageNumberPerWorker": 10,
            "maxNumberOfWorkers": 4,
            "security": {"type": "anonymous"},
        },
        "mapping": [{"topicFilter": "field/+", "subscriptionQos": 1, "converter": converter}],
        "requestsMapping": {},
    }
    general = {
        "thingsboard": {
            "host": "127.0.0.1",
            "port": door_port,
            "remoteShell": False,
            "remoteConfiguration": False,
            "statistics": {"enable": True, "statsSendPeriodInSeconds": 60},
            "deviceFiltering": {"enable": False},
            "maxPayloadSizeBytes": 8196,
            "minPackSendDelayMS": 50,
            "minPackSizeToSend": 500,
            "checkConnectorsConfigurationInSeconds": 60,
            "handleDeviceRenaming": True,
            "security": {"type": "accessToken", "accessToken": TOKEN},
            "qos": 1,
            "reportStrategy": {"type": "ON_RECEIVED"},
        },
        "storage": {"type": "memory", "read_records_count": 100, "max_records_count": 100000},
        "grpc": {"enabled": False},
        "connectors": [
            {"type": "mqtt", "name": "field", "configuration": "mqtt.json", "logLevel": "INFO"}
        ],
    }
    _write(config / "mqtt.json", connector)
    _write(config / "tb_gateway.json", general)
    _write(config / "logs.json", _logs())
    _write(config / "connected_devices.json", {})
    return config


def _logs() -> dict[str, Any]:
    names = ["database", "service", "connector", "converter", "tb_connection", "storage"]
    console = {"class": "logging.StreamHandler", "formatter": "plain", "stream": "ext://sys.stdout"}
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {"plain": {"format": "%(asctime)s %(levelname)s %(name)s %(message)s"}},
        "handlers": {"console": console},
        "loggers": {
            name: {"handlers": ["console"], "level": "INFO", "propagate": False} for name in names
        },
        "root": {"level": "ERROR", "handlers": ["console"]},
    }


def _write(path: Path, content: object) -> None:
    path.write_text(json.dumps(content, indent=2), encoding="utf-8")


@contextmanager
def thingsboard_gateway(folder: Path, config: Path) -> Iterator[Child]:
    """Run the gateway's own process; what it would fetch from elsewhere ends on this machine."""
    (folder / "logs").mkdir(exist_ok=True)
    nowhere = "http://127.0.0.1:9"
    env = {
        **plain_environment(),
        "TB_GW_CONFIG_DIR": f"{config}/",
        "PYTHONUNBUFFERED": "1",
        "http_proxy": nowhere,
        "https_proxy": nowhere,
        "HTTP_PROXY": nowhere,
        "HTTPS_PROXY": nowhere,
        "PIP_INDEX_URL": nowhere,
        "PIP_NO_INDEX": "1",
    }
    log = folder / "gateway.log"
    argv: Sequence[str] = [str(PYTHON), "-m", "thingsboard_gateway.tb_gateway"]
    child = Child(Command(name="thingsboard-gateway", argv=argv, log=log, env=env, cwd=folder))
    child.start()
    try:
        yield child
    finally:
        child.kill()
        sys.stdout.write(f"--- thingsboard-gateway ({child.exit_code})\n{child.tail(200)}\n")
