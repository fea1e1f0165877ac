"""All configured channels, made once at start: a mistake in one of them is said then."""

from __future__ import annotations

from pathlib import Path

from alerts.config import NotifyConfig
from alerts.notify.channels import Channel, Journal, webhook_of
from core.config import MqttConfig


def channels_of(cfg: NotifyConfig, mqtt: MqttConfig | None = None) -> list[Channel]:
    """Return the configured channels.

    Args:
        cfg: their settings.
        mqtt: the broker of the MQTT topics; only needed where there are some.

    Raises:
        ConfigInvalid: if a secret's file cannot be read, or a chat's address is none.
        MissingPrerequisite: if a channel needs a package that is not installed.
    """
    found: list[Channel] = []
    if cfg.journal_file:
        found.append(Journal(path=Path(cfg.journal_file)))
    found += [webhook_of(hook, cfg.timeout_s) for hook in cfg.webhooks]
    if cfg.mail:
        from alerts.notify.mail import mail_of

        found += [mail_of(mail, cfg.timeout_s) for mail in cfg.mail]
    if cfg.topics:
        from alerts.notify.topic import topic_of

        found += [topic_of(topic, mqtt or MqttConfig(), cfg.timeout_s) for topic in cfg.topics]
    if cfg.chats:
        from alerts.notify.chat import chat_of

        found += [chat_of(chat, cfg.timeout_s) for chat in cfg.chats]
    return found
