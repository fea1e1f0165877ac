"""The ThingsBoard door with real clients, and with clients that do what they must not."""

from __future__ import annotations

import asyncio
import json
import logging
import random
import re
import ssl
import subprocess
from contextlib import suppress
from pathlib import Path
from typing import Any

import aiomqtt
import pytest

from core.config import MqttConfig
from core.errors import ConfigInvalid, UsageError
from core.mqtt.packets import (
    Connack,
    Connect,
    Disconnect,
    Level,
    MqttError,
    Pingreq,
    Pingresp,
    Puback,
    Publish,
    Reason,
    Suback,
    Subscribe,
    Subscription,
    Unsuback,
    Unsubscribe,
    encode,
)
from edge.intake.config import IntakeConfig
from edge.intake.dictionary import Dictionary
from edge.intake.door import open_tokens, tls_context
from edge.intake.driver import HELP, Intake
from edge.intake.tokens import Owner, Tokens
from edge.sink import Signals, SpoolSink
from edge.spool import Spool
from tests.support.intake import (
    DEVICE_TOKEN,
    GATEWAY_TOKEN,
    House,
    asides_in,
    bare_client,
    in_spool,
    open_house,
)
from tests.support.waiting import eventually

OWN = "v1/devices/me/telemetry"
BEHIND = "v1/gateway/telemetry"
VERSIONS = [aiomqtt.ProtocolVersion.V311, aiomqtt.ProtocolVersion.V5]
LEVELS = [Level.V311, Level.V5]


def paho(
    house: House, version: aiomqtt.ProtocolVersion, token: str = GATEWAY_TOKEN, **more: Any
) -> aiomqtt.Client:
    more = {"timeout": 5, **more}
    return aiomqtt.Client("127.0.0.1", house.port, username=token, protocol=version, **more)


@pytest.mark.parametrize("version", VERSIONS)
async def test_paho_delivers_and_what_is_acknowledged_is_on_disk(
    tmp_path: Path, version: aiomqtt.ProtocolVersion
) -> None:
    async with open_house(tmp_path) as house:
        async with paho(house, version) as client:
            body = {"kiln-1": [{"temp": 20.5}], "kiln-2": [{"ts": 1_780_000_000_000, "values": {}}]}
            await client.publish(BEHIND, json.dumps(body), qos=1)
            assert house.readings() == [("kiln-1", "temp", 20.5)]
            await client.publish(BEHIND, json.dumps({"kiln-2": {"temp": 21}}), qos=0)
            await client.publish("v1/gateway/connect", '{"device":"kiln-1"}', qos=1)
        async with paho(house, version, DEVICE_TOKEN) as client:
            await client.publish(OWN, '{"temp": 22, "text": "ok"}', qos=1)
        assert house.readings() == [
            ("kiln-1", "temp", 20.5),
            ("kiln-2", "temp", 21),
            ("kiln-1", "temp", 22),
        ]
        assert [(one["why"], one["key"]) for one in house.asides()] == [("text", "text")]
        await eventually(lambda: house.door.connections == 0)


@pytest.mark.parametrize("version", VERSIONS)
async def test_paho_with_a_wrong_token_is_not_let_in_and_the_token_is_not_logged(
    tmp_path: Path, version: aiomqtt.ProtocolVersion, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    async with open_house(tmp_path) as house:
        for _ in range(2):
            with pytest.raises(aiomqtt.MqttError, match=r"(?i)not authori[sz]ed"):
                async with paho(house, version, "token-of-nobody"):
                    pass
        await eventually(lambda: house.door.refused["bad_token"] == 2)
    told = [record for record in caplog.records if "bad_token" in record.getMessage()]
    assert len(told) == 1
    assert "token-of-nobody" not in caplog.text


async def test_a_thousand_messages_of_one_client_are_all_there_in_order(tmp_path: Path) -> None:
    async with open_house(tmp_path, max_unacknowledged=50) as house:
        async with paho(house, aiomqtt.ProtocolVersion.V311) as client:
            client.pending_calls_threshold = 2000
            async with asyncio.TaskGroup() as group:
                for number in range(1000):
                    body = json.dumps({"kiln-1": {"n": number}})
                    group.create_task(
                        client.publish(BEHIND, body, qos=1, timeout=30), name=f"{number}"
                    )
        assert [value for _, _, value in house.readings()] == list(range(1000))
        # Group commits: far fewer messages in the spool than came.
        assert house.spool.depth < 500


@pytest.mark.parametrize("level", LEVELS)
async def test_nothing_is_acknowledged_before_it_is_on_disk(tmp_path: Path, level: Level) -> None:
    async with open_house(tmp_path) as house:
        house.gate.open.clear()
        async with bare_client(house.port, level=level) as client:
            for packet in (1, 2, 3):
                await client.publish(BEHIND, {"kiln-1": {"n": packet}}, packet)
            await client.send(Pingreq())
            assert await client.receive() == Pingresp()
            assert house.readings() == []
            house.gate.open.set()
            got = [await client.receive() for _ in range(3)]
        assert got == [Puback(packet=packet) for packet in (1, 2, 3)]
        assert len(house.readings()) == 3


async def test_while_the_disk_is_behind_the_door_stops_reading_and_loses_nothing(
    tmp_path: Path,
) -> None:
    async with open_house(tmp_path, max_unacknowledged=10, pending_readings=100) as house:
        house.gate.open.clear()
        async with bare_client(house.port) as client:
            padding = "x" * 100_000
            sent = 0
            with suppress(TimeoutError):
                async with asyncio.timeout(1.0):
                    while sent < 60_000:
                        body = {"kiln-1": {"n": sent, "text": padding}}
                        sent += 1
                        await client.publish(BEHIND, body, sent)
            assert sent < 1000
            assert house.keeper.figures.messages.total() <= 12
            house.gate.open.set()
            for packet in range(1, sent):
                assert await client.receive() == Puback(packet=packet)
        assert [value for _, _, value in house.readings()][: sent - 1] == list(range(sent - 1))


@pytest.mark.parametrize("level", LEVELS)
async def test_questions_are_answered_and_subscriptions_bounded(
    tmp_path: Path, level: Level
) -> None:
    async with open_house(tmp_path) as house, bare_client(house.port, level=level) as client:
        wanted = ("v1/devices/me/attributes", "#", "v1/devices/me/rpc/response/+")
        subscriptions = tuple(Subscription(filter=name, qos=2) for name in wanted)
        await client.send(Subscribe(packet=5, subscriptions=subscriptions))
        no = 0x80 if level is Level.V311 else Reason.NOT_AUTHORIZED
        assert await client.receive() == Suback(packet=5, reasons=(1, no, 1))
        await client.publish("v1/devices/me/attributes/request/9", {"clientKeys": "a"})
        answer = await client.receive()
        assert isinstance(answer, Publish)
        assert (answer.topic, answer.payload) == ("v1/devices/me/attributes/response/9", b"{}")
        await client.publish("v1/gateway/rpc", {"device": "kiln-1", "id": 1, "data": {}}, 6)
        assert await client.receive() == Puback(packet=6)
        await client.send(Unsubscribe(packet=7, filters=("v1/devices/me/attributes", "a")))
        gone = () if level is Level.V311 else (0, Reason.NO_SUBSCRIPTION_EXISTED)
        assert await client.receive() == Unsuback(packet=7, reasons=gone)
        await client.send(Disconnect())
        assert await client.receive() is None


async def test_what_is_not_of_the_api_is_kept_aside_and_said_to_a_client_that_can_hear_it(
    tmp_path: Path,
) -> None:
    async with open_house(tmp_path) as house:
        async with bare_client(house.port) as client:
            await client.publish("any/topic", {"a": 1}, 1)
            assert await client.receive() == Puback(packet=1, reason=Reason.NOT_AUTHORIZED)
        async with bare_client(house.port, token=DEVICE_TOKEN, level=Level.V311) as client:
            await client.publish(BEHIND, {"other": {"a": 1}}, 2)
            assert await client.receive() == Puback(packet=2)
        assert [(one["why"], one["topic"]) for one in house.asides()] == [
            ("bad_topic", "any/topic"),
            ("bad_topic", BEHIND),
        ]
        assert house.readings() == []


def publish_at_qos_2(level: Level) -> bytes:
    plain = encode(Publish(topic=OWN, payload=b"{}", qos=1, packet=1), level)
    return bytes([plain[0] ^ 0b110]) + plain[1:]


@pytest.mark.parametrize(
    ("bad", "reason", "why"),
    [
        (publish_at_qos_2(Level.V5), Reason.QOS_NOT_SUPPORTED, "qos_2"),
        (b"\x00\x00", Reason.MALFORMED_PACKET, "malformed"),
        (b"\x30\xff\xff\xff\xff\x01", Reason.MALFORMED_PACKET, "malformed"),
        (b"\x30\xff\xff\xff\x7f", Reason.PACKET_TOO_LARGE, "malformed"),
        (b"\x62\x02\x00\x01", Reason.PROTOCOL_ERROR, "malformed"),
        (encode(Pingresp(), 5), Reason.PROTOCOL_ERROR, "malformed"),
        (encode(Connect(client_id="again"), 5), Reason.PROTOCOL_ERROR, "malformed"),
        (
            encode(Publish(topic=OWN, payload=b"{}", retain=True), 5),
            Reason.RETAIN_NOT_SUPPORTED,
            "retain",
        ),
    ],
)
async def test_what_is_forbidden_ends_the_connection_with_its_reason_and_is_logged_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, bad: bytes, reason: int, why: str
) -> None:
    async with open_house(tmp_path) as house:
        for _ in range(2):
            async with bare_client(house.port) as client:
                await client.publish(BEHIND, {"kiln-1": {"n": 1}}, 1)
                assert await client.receive() == Puback(packet=1)
                await client.send_bytes(bad)
                assert await client.receive() == Disconnect(reason=reason)
                assert await client.receive() is None
        await eventually(lambda: house.door.refused[why] == 2)
        async with bare_client(house.port) as other:
            await other.send(Pingreq())
            assert await other.receive() == Pingresp()
        assert len(house.readings()) == 2
    assert caplog.text.count(f"plant-3: {why}") == 1


async def test_qos_2_of_an_older_client_closes_without_a_word(tmp_path: Path) -> None:
    async with open_house(tmp_path) as house:
        async with bare_client(house.port, level=Level.V311) as client:
            await client.send_bytes(publish_at_qos_2(Level.V311))
            assert await client.receive() is None
        await eventually(lambda: house.door.refused["qos_2"] == 1)


@pytest.mark.parametrize(
    "first",
    [
        b"GET / HTTP/1.1\r\n\r\n",
        b"\x16\x03\x01\x02\x00",
        encode(Pingreq(), 4),
        encode(Publish(topic=OWN, payload=b"{}"), 4),
        b"\x10\x0c\x00\x04MQTT\x03\x02\x00\x3c\x00\x00",
    ],
)
async def test_who_does_not_begin_with_a_connect_is_not_let_in(
    tmp_path: Path, first: bytes
) -> None:
    async with open_house(tmp_path, connect_timeout_s=0.5) as house:
        async with bare_client(house.port, token=None) as client:
            await client.send_bytes(first)
            answer = await client.receive()
            assert answer is None or isinstance(answer, Connack)
            assert answer is None or await client.receive() is None
        await eventually(lambda: sum(house.door.refused.values()) == 1)
        assert house.readings() == []


async def test_who_says_nothing_is_sent_away(tmp_path: Path) -> None:
    async with open_house(tmp_path, connect_timeout_s=0.1) as house:
        async with bare_client(house.port, token=None) as client:
            assert await client.receive() is None
        async with bare_client(house.port, keepalive_s=1) as client:
            began_s = asyncio.get_running_loop().time()
            assert await client.receive() is None
            assert 1.3 < asyncio.get_running_loop().time() - began_s < 4
        assert house.door.refused["lost"] == 2


async def test_a_stranger_cannot_fill_the_memory_before_it_is_known(tmp_path: Path) -> None:
    async with open_house(tmp_path) as house:
        async with bare_client(house.port, token=None) as client:
            # A CONNECT of a megabyte, of which all but the end comes.
            with suppress(ConnectionError):
                await client.send_bytes(b"\x10\x80\x80\x20" + bytes(100_000))
            assert await client.receive() is None
        await eventually(lambda: house.door.refused["lost"] == 1)


async def test_one_connection_too_many_is_closed_at_once(tmp_path: Path) -> None:
    async with open_house(tmp_path, max_connections=1) as house:
        async with bare_client(house.port) as first:
            async with bare_client(house.port, token=None) as second:
                assert await second.receive() is None
            await first.send(Pingreq())
            assert await first.receive() == Pingresp()
        assert house.door.refused["too_many_connections"] == 1


async def test_a_client_that_comes_again_takes_the_place_of_its_older_self(tmp_path: Path) -> None:
    async with (
        open_house(tmp_path) as house,
        bare_client(house.port, client_id="c") as older,
        bare_client(house.port, client_id="c") as newer,
        bare_client(house.port, client_id="c", token=DEVICE_TOKEN) as other,
    ):
        assert await older.receive() is None
        for client in (newer, other):
            await client.send(Pingreq())
            assert await client.receive() == Pingresp()


@pytest.fixture
def certificate(tmp_path: Path) -> tuple[Path, Path]:
    """A certificate of this machine's loopback address, signed by itself, and its key."""
    cert, key = tmp_path / "cert.pem", tmp_path / "key.pem"
    words = "req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=localhost"
    names = ["-addext", "subjectAltName=IP:127.0.0.1", "-keyout", str(key), "-out", str(cert)]
    command = ["openssl", *words.split(), *names]
    subprocess.run(command, check=True, capture_output=True, timeout=60)
    return cert, key


async def test_the_door_speaks_tls(tmp_path: Path, certificate: tuple[Path, Path]) -> None:
    cert, key = certificate
    files: dict[str, Any] = {"tls_cert_file": str(cert), "tls_key_file": str(key)}
    async with open_house(tmp_path, **files) as house:
        trust = ssl.create_default_context(cafile=str(cert))
        client = paho(house, aiomqtt.ProtocolVersion.V5, tls_context=trust)
        async with client:
            await client.publish(BEHIND, '{"kiln-1": {"n": 1}}', qos=1)
        assert house.readings() == [("kiln-1", "n", 1)]
        with pytest.raises(aiomqtt.MqttError):
            async with paho(house, aiomqtt.ProtocolVersion.V5, timeout=0.5):
                pass


async def test_a_port_that_is_taken_and_files_that_are_missing_are_said(tmp_path: Path) -> None:
    async with open_house(tmp_path) as house:
        with pytest.raises(BaseExceptionGroup) as caught:
            async with open_house(tmp_path / "other", thingsboard_port=house.port):
                pass
        [error] = caught.value.exceptions
        assert isinstance(error, UsageError)
        assert "intake.thingsboard_port" in error.remedy
    with pytest.raises(ConfigInvalid, match=r"tls_cert_file"):
        tls_context(IntakeConfig(tls_cert_file=str(tmp_path / "none.pem")))
    with pytest.raises(ConfigInvalid, match=r"tokens_file"):
        open_tokens(IntakeConfig())


async def test_what_came_at_qos_0_is_kept_when_the_intake_is_told_to_stop(tmp_path: Path) -> None:
    cfg = IntakeConfig(spool_dir=str(tmp_path), thingsboard=True, thingsboard_port=0, gather_s=5.0)
    tokens = Tokens({GATEWAY_TOKEN: Owner(name="plant-3", is_gateway=True)})
    driver = Intake(
        cfg, MqttConfig(), dictionary=Dictionary(), tokens=tokens, folder=tmp_path / "aside"
    )
    with Spool.open(tmp_path / "spool.db", 1000) as spool:
        sink = SpoolSink(spool, Signals(), batch_readings=500, flush_s=60)
        async with asyncio.TaskGroup() as group:
            running = group.create_task(driver.run(sink), name="driver")
            await eventually(lambda: driver.door is not None and driver.door.port)
            assert driver.door is not None
            async with bare_client(driver.door.port) as client:
                await client.publish(BEHIND, {"kiln-1": {"n": 1, "text": "on"}})
                await client.publish(BEHIND, {"kiln-1": {"n": 2}}, 1)
                await client.send(Pingreq())
                assert await client.receive() == Pingresp()
                assert spool.depth == 0
                running.cancel()
                # The connection is closed, and what is kept too late for it is not acknowledged.
                assert await client.receive() is None
        assert [value for _, _, value in in_spool(spool)] == [1, 2]
    assert [one["why"] for one in asides_in(tmp_path / "aside")] == ["text"]
    text = driver.metrics()
    assert 'blocktwin_intake_readings_total{door="thingsboard"} 2\n' in text
    assert 'blocktwin_intake_aside_total{door="thingsboard",why="text"} 1\n' in text
    assert "# TYPE blocktwin_intake_pending gauge\nblocktwin_intake_pending 0\n" in text
    shown = re.findall(r"^# TYPE blocktwin_intake_(\S+)", text, re.MULTILINE)
    told = re.findall(r"^# HELP blocktwin_intake_(\S+) \S", text, re.MULTILINE)
    assert shown == told
    assert set(shown) <= HELP.keys()


async def test_clients_that_send_nonsense_harm_nobody(tmp_path: Path) -> None:
    chance = random.Random(7)
    hello = encode(Connect(client_id="", username=GATEWAY_TOKEN, level=Level.V311), 4)
    data = encode(Publish(topic=BEHIND, payload=b'{"k": {"n": 1}}', qos=1, packet=9), 4)
    async with open_house(tmp_path, connect_timeout_s=0.2) as house:
        for number in range(150):
            async with bare_client(house.port, token=None, level=Level.V311) as client:
                noise = bytearray(chance.randbytes(chance.randrange(200)))
                if number % 3:
                    noise = bytearray(hello + data * 2)
                    for _ in range(number % 5):
                        noise[chance.randrange(len(noise))] = chance.randrange(256)
                with suppress(ConnectionError):
                    await client.send_bytes(bytes(noise) + b"\xe0\x00")
                with suppress(ConnectionError, MqttError, TimeoutError):
                    while await client.receive(2) is not None:
                        pass
        async with bare_client(house.port) as client:
            await client.publish(BEHIND, {"kiln-1": {"n": 5}}, 1)
            assert await client.receive() == Puback(packet=1)
        assert house.readings()[-1] == ("kiln-1", "n", 5)
        await eventually(lambda: house.door.connections == 0)
