"""The source over TLS, with certificates made for the test."""

from __future__ import annotations

import asyncio
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from core.config import MqttConfig
from core.errors import BrokerAway
from core.model import Channel
from core.topics import topic
from dev.places import account_for, free_port, make_private, write_private
from dev.processes import Child, Command
from dev.servers import find_program
from ingest.config import IngestConfig
from ingest.source import MqttSource
from tests.support.servers import open_folder
from tests.support.waiting import wait_until

STATUS = topic("gw-a", Channel.STATUS)

pytestmark = pytest.mark.skipif(
    shutil.which("openssl") is None, reason="the openssl program makes the certificates"
)


def openssl(folder: Path, *words: str) -> None:
    subprocess.run(["openssl", *words], cwd=folder, check=True, capture_output=True, timeout=60)


def make_certificates(folder: Path) -> None:
    """Make an authority, and a certificate of it for localhost."""
    elliptic = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")
    openssl(
        folder, "req", "-x509", *elliptic, "-keyout", "ca.key", "-out", "ca.pem", "-days", "2",
        "-subj", "/CN=test authority", "-addext", "keyUsage=critical,keyCertSign",
    )  # fmt: skip
    openssl(
        folder, "req", *elliptic, "-keyout", "server.key", "-out", "server.csr",
        "-subj", "/CN=localhost",
    )  # fmt: skip
    (folder / "names").write_text("subjectAltName=DNS:localhost\n", encoding="ascii")
    openssl(
        folder, "x509", "-req", "-in", "server.csr", "-CA", "ca.pem", "-CAkey", "ca.key",
        "-CAcreateserial", "-out", "server.pem", "-days", "2", "-extfile", "names",
    )  # fmt: skip


@pytest.fixture(scope="module")
def tls_broker() -> Iterator[tuple[int, Path]]:
    """A mosquitto that speaks TLS only, and its authority's certificate; everybody may log in."""
    with open_folder() as folder:
        make_certificates(folder)
        account = account_for("mosquitto")
        private = folder / "private"
        make_private(private, account)
        for name in ["server.key", "server.pem"]:
            write_private(private / name, (folder / name).read_text(encoding="ascii"), account)
        port = free_port()
        conf = write_private(
            private / "mosquitto.conf",
            f"listener {port} 127.0.0.1\n"
            f"certfile {private}/server.pem\nkeyfile {private}/server.key\n"
            "allow_anonymous true\n",
            account,
        )
        child = Child(
            Command(
                name="mosquitto",
                argv=[find_program("mosquitto"), "-c", str(conf)],
                log=folder / "mosquitto.log",
                cwd=Path("/"),
                account=account,
            )
        )
        child.start()
        try:
            wait_until(lambda: "running" in child.tail(20))
            yield port, folder / "ca.pem"
        finally:
            child.stop(5)


def source_at(port: int, **more: object) -> MqttSource:
    given = {"host": "localhost", "port": port, "tls": True, **more}
    return MqttSource(
        MqttConfig(**given),  # type: ignore[arg-type]
        IngestConfig(batch_s=0.02, connect_timeout_s=5, queue_messages=50, batch_readings=10),
    )


async def test_messages_and_acknowledgements_travel_encrypted(
    tls_broker: tuple[int, Path],
) -> None:
    port, ca_file = tls_broker
    source = source_at(port, ca_file=str(ca_file))
    await source.connect()
    number = 300
    large = bytes(range(256)) * 400
    # What the source sends it hears itself: it may write anywhere here.
    sent = 0
    got: list[bytes] = []
    async with asyncio.timeout(60):
        while len(got) < number:
            while sent < number and source.publish(STATUS, b"%d " % sent + large):
                sent += 1
            messages = await source.next_batch(0.2)
            assert source.backlog < 300
            source.acknowledge(messages)
            got += [m.payload for m in messages]
    assert got == [b"%d " % n + large for n in range(number)]
    await source.close()
    await source.connect()
    assert await source.next_batch(0.2) == []
    await source.close()


@pytest.mark.parametrize(
    ("more", "told", "remedy"),
    [
        ({}, "certificate verify failed", "mqtt.ca_file"),
        ({"ca_file": "/nowhere/ca.pem"}, "/nowhere/ca.pem", "PEM file"),
        ({"tls": False}, "closed the connection|reset by peer", "tls of section"),
    ],
)
async def test_a_broker_that_is_not_trusted_is_refused_with_a_remedy(
    tls_broker: tuple[int, Path], more: dict[str, object], told: str, remedy: str
) -> None:
    source = source_at(tls_broker[0], **more)
    with pytest.raises(BrokerAway, match=told) as refused:
        await source.connect()
    assert remedy in refused.value.remedy
    assert not source.connected


async def test_a_certificate_for_another_name_is_refused(tls_broker: tuple[int, Path]) -> None:
    port, ca_file = tls_broker
    source = source_at(port, ca_file=str(ca_file), host="127.0.0.1")
    with pytest.raises(BrokerAway, match=r"certificate is not valid for '127\.0\.0\.1'"):
        await source.connect()
