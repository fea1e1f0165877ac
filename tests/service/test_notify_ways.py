"""Mail, MQTT and chat against a real mail server, broker and HTTP server."""

from __future__ import annotations

import asyncio
import email
import email.policy
import json
import ssl
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from email.message import EmailMessage
from pathlib import Path
from typing import Any, cast

import aiomqtt
import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult, Envelope, LoginPassword

from alerts.channel_config import ChatConfig, MailConfig, TopicConfig, WebhookConfig
from alerts.config import NotifyConfig
from alerts.notify.channels import Channel, DeliveryFailed
from alerts.notify.message import Message
from alerts.notify.ways import channels_of
from alerts.notify.words import Words
from core.config import MqttConfig
from core.errors import ConfigInvalid
from dev import places
from dev.servers import PrivateMosquitto
from tests.support.receiver import Receiver, receiving
from tests.support.servers import running_broker

MESSAGE = Message(
    key="k1",
    body=b'{"id":"k1"}',
    words=Words(title="【橙色】火警\r\nBcc: evil@x / [ORANGE]", text="地点 / place\n第二行"),
    recipient="li@district.example",
    topic={"field": "fire", "severity": "orange"},
)
PASSWORD = "s3cret"


@dataclass(slots=True)
class Mailbox:
    """What a mail server took, and whom it refuses."""

    letters: list[EmailMessage] = field(default_factory=list)
    refuses: str = ""

    async def handle_RCPT(  # noqa: N802 (aiosmtpd's name)
        self, _server: Any, _session: Any, envelope: Envelope, address: str, _options: Any
    ) -> str:
        if address == self.refuses:
            return "550 nobody of that name"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, _server: Any, _session: Any, envelope: Envelope) -> str:  # noqa: N802
        parsed = email.message_from_bytes(
            cast("bytes", envelope.content), policy=email.policy.default
        )
        self.letters.append(parsed)
        return "250 taken"


def authenticated(_server: Any, _session: Any, _envelope: Any, _how: str, data: Any) -> AuthResult:
    good = isinstance(data, LoginPassword) and data.password == PASSWORD.encode()
    return AuthResult(success=good, handled=False)


@contextmanager
def mail_server(box: Mailbox, **options: Any) -> Iterator[int]:
    port = places.free_port()
    server = Controller(box, hostname="127.0.0.1", port=port, **options)
    server.start()
    try:
        yield port
    finally:
        server.stop()


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A certificate for 127.0.0.1 and its key."""
    folder = tmp_path_factory.mktemp("tls")
    cert, key = folder / "cert.pem", folder / "key.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1",
         "-nodes", "-keyout", key, "-out", cert, "-days", "2", "-subj", "/CN=127.0.0.1",
         "-addext", "subjectAltName=IP:127.0.0.1"],
        check=True, capture_output=True,
    )  # fmt: skip
    return cert, key


def mail(port: int, **change: Any) -> Channel:
    plain: dict[str, Any] = {
        "name": "mail",
        "host": "127.0.0.1",
        "port": port,
        "tls": "none",
        "sender": "alarms@district.example",
    }
    (made,) = channels_of(NotifyConfig(mail=(MailConfig(**(plain | change)),), timeout_s=2.0))
    return made


def test_a_mail_is_one_letter_to_one_receiver() -> None:
    box = Mailbox()
    with mail_server(box) as port:
        mail(port).deliver(MESSAGE)
    (letter,) = box.letters
    assert letter["Subject"] == "【橙色】火警 Bcc: evil@x / [ORANGE]", (
        "a line break makes no header"
    )
    assert (letter["To"], letter["Bcc"]) == ("li@district.example", None)
    assert letter["Message-ID"] == "<k1@district.example>"
    assert letter["Auto-Submitted"] == "auto-generated"
    assert "第二行" in letter.get_content()


def test_a_login_goes_over_tls_only_to_who_is_known(certificate: tuple[Path, Path]) -> None:
    cert, key = certificate
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(cert, key)
    box = Mailbox()
    options = {
        "tls_context": context,
        "require_starttls": True,
        "auth_required": True,
        "authenticator": authenticated,
    }
    login = {"tls": "starttls", "username": "alarms"}
    with mail_server(box, **options) as port:
        known = login | {"ca_file": str(cert)}
        mail(port, **known, password=PASSWORD).deliver(MESSAGE)
        with pytest.raises(DeliveryFailed, match="answered 535"):
            mail(port, **known, password="wrong").deliver(MESSAGE)
        with pytest.raises(DeliveryFailed, match=r"no answer.*CERTIFICATE_VERIFY_FAILED"):
            mail(port, **login, password=PASSWORD).deliver(MESSAGE)
        with pytest.raises(DeliveryFailed, match="answered 530"):
            mail(port).deliver(MESSAGE)
    assert len(box.letters) == 1


def test_what_a_mail_server_refuses_is_not_delivered() -> None:
    box = Mailbox(refuses="li@district.example")
    says = "refused the receiver: 550 nobody of that name"
    with mail_server(box) as port, pytest.raises(DeliveryFailed, match=says):
        mail(port).deliver(MESSAGE)
    with pytest.raises(DeliveryFailed, match=r"no answer: .*refused"):
        mail(port).deliver(MESSAGE)
    assert box.letters == []


def test_an_authority_that_cannot_be_read_stops_the_start() -> None:
    with pytest.raises(ConfigInvalid, match="ca_file"):
        mail(25, ca_file="/no/such/file")


def mqtt_of(broker: PrivateMosquitto, user: str) -> MqttConfig:
    return MqttConfig(
        host=broker.host, port=broker.port, username=user, password=broker.password(user)
    )


async def test_an_event_is_published_where_its_field_and_severity_say() -> None:
    with running_broker(["notify", "ingest"]) as broker:
        cfg = NotifyConfig(topics=(TopicConfig(name="bus"),), timeout_s=5.0)
        (topic,) = channels_of(cfg, mqtt_of(broker, "notify"))
        listener = aiomqtt.Client(
            broker.host, broker.port, username="ingest", password=broker.password("ingest"),
            protocol=aiomqtt.ProtocolVersion.V5,
        )  # fmt: skip
        async with listener as client:
            await client.subscribe("bt/v1/notice/#", qos=1)
            await asyncio.to_thread(topic.deliver, MESSAGE)
            async with asyncio.timeout(10):
                heard = await anext(aiter(client.messages))
        assert (str(heard.topic), heard.payload) == ("bt/v1/notice/fire/orange", MESSAGE.body)
        (stranger,) = channels_of(cfg, MqttConfig(host=broker.host, port=broker.port))
        with pytest.raises(DeliveryFailed, match="the broker refuses"):
            await asyncio.to_thread(stranger.deliver, MESSAGE)
    with pytest.raises(DeliveryFailed, match="does not answer"):
        await asyncio.to_thread(topic.deliver, MESSAGE)


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as running:
        yield running


def test_a_chat_group_gets_title_and_text(receiver: Receiver) -> None:
    pytest.importorskip("apprise")
    address = receiver.url.replace("http://", "json://").partition("?")[0] + "?token=s3cret"
    cfg = NotifyConfig(chats=(ChatConfig(name="group", url=address),), timeout_s=2.0)
    (chat,) = channels_of(cfg)
    chat.deliver(MESSAGE)
    (body,) = [json.loads(raw) for raw in receiver.accepted]
    assert "火警" in body["title"]
    assert "第二行" in body["message"]
    receiver.statuses = [500]
    with pytest.raises(DeliveryFailed, match=r"^the service did not take it$"):
        chat.deliver(MESSAGE)


def test_an_address_that_a_server_repeats_stays_masked() -> None:
    class Talkative(Mailbox):
        async def handle_RCPT(self, *_: Any) -> str:  # noqa: N802 (aiosmtpd's name)
            return "550 5.1.1 <LI@district.example>: user unknown"

    with mail_server(Talkative()) as port, pytest.raises(DeliveryFailed) as said:
        mail(port).deliver(MESSAGE)
    assert (
        str(said.value) == "refused the receiver: 550 5.1.1 <l***@district.example>: user unknown"
    )


def test_a_receiver_that_cannot_be_written_to_is_a_failure_and_no_crash() -> None:
    box = Mailbox()
    with mail_server(box) as port:
        # The standard library's header parser stumbles over some of these.
        for recipient in ("a<", '"', "a,b", "x@y,z@w", ":;<", "13800138000", "\u7535\u8bdd"):
            with pytest.raises(DeliveryFailed, match="no mail address"):
                mail(port).deliver(replace(MESSAGE, recipient=recipient))


def test_an_address_in_chinese_is_posted_to() -> None:
    with receiving() as receiver:
        hook = WebhookConfig(name="duty", url=f"{receiver.url}&n=\u544a\u8b66%20x")
        (way,) = channels_of(NotifyConfig(webhooks=(hook,)))
        way.deliver(MESSAGE)
    assert receiver.accepted == [MESSAGE.body]
