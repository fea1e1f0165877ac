from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID

import msgspec
import pytest

from alerts.channel_config import ChatConfig, MailConfig, RouteConfig, TopicConfig, WebhookConfig
from alerts.config import CANARY, JOURNAL, AlertsConfig, NotifyConfig
from alerts.notify.channels import Journal, Webhook, every_field
from alerts.notify.message import is_signed, message, signature
from alerts.notify.ways import channels_of
from core.config import load
from core.errors import ConfigInvalid
from core.model import Field, Severity

ROW: dict[str, Any] = {
    "event_id": 7,
    "event_key": UUID(int=9),
    "kind": "raised",
    "at": datetime(2026, 9, 1, 8, tzinfo=UTC),
    "event_at": datetime(2026, 9, 1, 7, 59, 59, 500000, tzinfo=UTC),
    "actor": "engine",
    "severity": 3,
    "state": "unacknowledged",
    "value": 61.5,
    "note": "",
    "alarm_id": UUID(int=5),
    "subject": "device:heat-1",
    "name": {"zh": "定温火警", "en": "Fixed"},
    "quantity": "temperature",
    "rule_type": "rise",
    "rule_id": "fire-heat-rise",
    "field": "fire",
    "threshold": 8.3,
}


def test_a_message_is_a_cloud_event() -> None:
    made = message(ROW, "urn:district")
    event = json.loads(made.body)
    assert made.key == str(UUID(int=9))
    assert {"specversion": "1.0", "id": made.key, "source": "urn:district"}.items() <= event.items()
    assert event["time"] == "2026-09-01T08:00:00+00:00"
    assert event["data"]["event_id"] == 7
    assert event["data"]["event_at"] == "2026-09-01T07:59:59.500000+00:00"
    assert event["data"]["provisional"] is False
    assert event["data"]["alarm"] == {
        "alarm_id": str(UUID(int=5)),
        "rule_id": "fire-heat-rise",
        "subject": "device:heat-1",
        "name": {"zh": "定温火警", "en": "Fixed"},
        "field": "fire",
        "quantity": "temperature",
        "threshold": 8.3,
        "unit": "Cel/min",
    }
    assert "定温火警" in made.body.decode()


def test_a_call_is_another_message_than_the_event_and_says_who_is_called() -> None:
    called = {"roster": "micro", "level": "micro_station", "name": "王"}
    made = message(ROW | {"step": 2, "called": called, "recipient": "138"}, "urn:district")
    event = json.loads(made.body)
    assert made.key == event["id"] == f"{UUID(int=9)}.2"
    assert event["data"]["called"] == called | {"step": 2}
    assert "138" not in made.body.decode(), "an address is nobody else's business"
    assert "呼叫 / called: 王 (微型消防站 / micro station)" in made.words.text


@pytest.mark.parametrize(
    "header", ["", "t=,v1=", "t=x,v1=00", "v1=00", "t=1000", "t=١٠٠٠,v1=é", "t=1000,v1="]
)
def test_a_signature_that_is_none_is_refused(header: str) -> None:
    assert not is_signed(header, "key", b"{}", 1000)


@pytest.mark.parametrize(("late_s", "good"), [(0, True), (300, True), (301, False), (-301, False)])
def test_a_signature_is_good_for_a_while(late_s: int, good: bool) -> None:
    assert is_signed(signature("key", b"{}", 5000), "key", b"{}", 5000 + late_s) is good


def test_channels_are_made_of_the_settings(tmp_path: Path) -> None:
    key = tmp_path / "key"
    key.write_text("s3cret\n")
    hook = WebhookConfig(
        name="duty", url="https://x/y", secret_file=str(key), fields=("fire",), min_severity="red"
    )
    journal, webhook = channels_of(NotifyConfig(journal_file="j", webhooks=(hook,)))
    assert isinstance(journal, Journal)
    assert (journal.name, every_field(journal)) == (JOURNAL, [str(field) for field in Field])
    assert isinstance(webhook, Webhook)
    assert (webhook.key, webhook.min_severity, every_field(webhook)) == (
        "s3cret",
        Severity.RED,
        ["fire"],
    )
    assert channels_of(NotifyConfig()) == []


def test_a_secret_that_cannot_be_read_stops_the_start() -> None:
    hook = WebhookConfig(name="duty", url="http://x", secret_file="/no/such/file")
    with pytest.raises(ConfigInvalid, match="duty: secret_file"):
        channels_of(NotifyConfig(webhooks=(hook,)))


def test_the_documented_sample_can_be_loaded(tmp_path: Path) -> None:
    docs = Path(__file__).parents[3] / "docs" / "notify.md"
    sample = docs.read_text(encoding="utf-8").partition("[notify]\n")[2].partition("```")[0]
    path = tmp_path / "config.toml"
    path.write_text("[notify]\n" + sample, encoding="utf-8")
    found = load(path, {"notify": NotifyConfig, "alerts": AlertsConfig}, {})
    hooks = found.get(NotifyConfig).webhooks
    assert [hook.name for hook in hooks] == ["duty-room"]
    cfg = found.get(NotifyConfig)
    named = (cfg.mail, cfg.topics, cfg.chats, cfg.routes)
    assert all(len(each) == 1 for each in named)
    assert found.get(AlertsConfig).rules_dir == ""


@pytest.mark.parametrize(
    ("hook", "says"),
    [
        ({"name": "a", "url": "ftp://x"}, "url"),
        ({"name": "A b", "url": "http://x"}, "name"),
        ({"name": "a", "url": "http://x", "min_severity": "pink"}, "min_severity"),
        ({"name": "a", "url": "http://x", "fields": ["sea"]}, "fields"),
        ({"name": "a", "url": "http://x", "secert": "k"}, "secert"),
        ({"name": "a"}, "url"),
    ],
)
def test_a_mistake_in_a_webhook_is_named(hook: dict[str, Any], says: str) -> None:
    with pytest.raises(msgspec.ValidationError, match=says):
        msgspec.convert({"webhooks": [hook]}, NotifyConfig)


@pytest.mark.parametrize("names", [("a", "a"), (JOURNAL,), (CANARY,)])
def test_names_of_channels_are_their_own(names: tuple[str, ...]) -> None:
    with pytest.raises(ValueError, match="a name of its own"):
        NotifyConfig(webhooks=tuple(WebhookConfig(name=name, url="http://x") for name in names))


def test_a_name_is_taken_once_over_all_kinds_of_channels() -> None:
    with pytest.raises(ValueError, match="a name of its own"):
        NotifyConfig(
            webhooks=(WebhookConfig(name="a", url="http://x"),), topics=(TopicConfig(name="a"),)
        )


@pytest.mark.parametrize(
    ("route", "says"),
    [
        (RouteConfig(name="r", channels=("nowhere",)), "no channel 'nowhere'"),
        (RouteConfig(name="r"), "neither channels nor rosters"),
    ],
)
def test_a_route_that_leads_nowhere_is_refused(route: RouteConfig, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        NotifyConfig(routes=(route,))


def test_a_chat_needs_an_address() -> None:
    with pytest.raises(ValueError, match="needs url or url_file"):
        NotifyConfig(chats=(ChatConfig(name="group"),))


def test_a_chat_address_that_is_none_stops_the_start_and_is_not_said() -> None:
    pytest.importorskip("apprise")
    chat = ChatConfig(name="group", url="nonsense://s3cret-token")
    with pytest.raises(ConfigInvalid, match="group") as caught:
        channels_of(NotifyConfig(chats=(chat,)))
    assert "s3cret" not in f"{caught.value} {caught.value.remedy}"


@pytest.mark.parametrize(
    "url",
    [
        "wecombot://botkey-botkey",
        "dingtalk://abcdefgh0123456789abcdef/13800138000",
        "feishu://token-abc",
    ],
)
def test_the_chats_that_people_here_use_are_known(url: str) -> None:
    pytest.importorskip("apprise")
    (chat,) = channels_of(NotifyConfig(chats=(ChatConfig(name="group", url=url),)))
    assert (chat.name, chat.own, chat.records) == ("group", ("",), False)
    assert url.partition("//")[2] not in repr(chat)


def test_every_kind_of_channel_is_made(tmp_path: Path) -> None:
    word = tmp_path / "word"
    word.write_text("s3cret\n")
    mail = MailConfig(
        name="mail",
        host="127.0.0.1",
        sender="a@b",
        to=("x@y", "z@y"),
        username="u",
        password_file=str(word),
    )
    hook = WebhookConfig(name="archive", url="http://x", records=True)
    cfg = NotifyConfig(mail=(mail,), topics=(TopicConfig(name="topic"),), webhooks=(hook,))
    made = {channel.name: channel for channel in channels_of(cfg)}
    assert made["mail"].own == ("x@y", "z@y")
    assert [name for name, channel in made.items() if channel.records] == ["archive", "topic"]
    assert made["mail"].min_severity == Severity.ORANGE
    assert "s3cret" not in repr(made["mail"])


@pytest.mark.parametrize("url", ["http://duty:99999/x", "http://[::1/x", "http://:80/x"])
def test_an_address_that_is_none_is_said_at_start_and_not_repeated(url: str) -> None:
    hooks = (WebhookConfig(name="duty", url=f"{url}?token=s3cret"),)
    with pytest.raises(ConfigInvalid, match=r"notify\.webhooks duty: url") as said:
        channels_of(NotifyConfig(webhooks=hooks))
    assert "s3cret" not in str(said.value)
