from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID

import msgspec
import pytest

from alerts.config import JOURNAL, AlertsConfig, NotifyConfig, WebhookConfig
from alerts.notify.channels import Journal, Webhook, channels_of, every_field
from alerts.notify.message import is_signed, message, signature
from core.config import load
from core.errors import ConfigInvalid
from core.model import Field, Severity

ROW: dict[str, Any] = {
    "event_id": 7,
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
}


def test_a_message_is_a_cloud_event() -> None:
    made = message(ROW, "urn:district")
    event = json.loads(made.body)
    assert made.event_id == 7
    assert {"specversion": "1.0", "id": "7", "source": "urn:district"}.items() <= event.items()
    assert event["time"] == "2026-09-01T08:00:00+00:00"
    assert event["data"]["event_at"] == "2026-09-01T07:59:59.500000+00:00"
    assert event["data"]["alarm"] == {
        "alarm_id": str(UUID(int=5)),
        "subject": "device:heat-1",
        "name": {"zh": "定温火警", "en": "Fixed"},
        "quantity": "temperature",
        "unit": "Cel/min",
    }
    assert "定温火警" in made.body.decode()


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
    docs = Path(__file__).parents[3] / "docs" / "alarms.md"
    sample = docs.read_text(encoding="utf-8").partition("[notify]\n")[2].partition("```")[0]
    path = tmp_path / "config.toml"
    path.write_text("[notify]\n" + sample, encoding="utf-8")
    found = load(path, {"notify": NotifyConfig, "alerts": AlertsConfig}, {})
    hooks = found.get(NotifyConfig).webhooks
    assert [hook.name for hook in hooks] == ["duty-room"]
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


@pytest.mark.parametrize("names", [("a", "a"), (JOURNAL,)])
def test_names_of_channels_are_their_own(names: tuple[str, ...]) -> None:
    with pytest.raises(ValueError, match="a name of its own"):
        NotifyConfig(webhooks=tuple(WebhookConfig(name=name, url="http://x") for name in names))
