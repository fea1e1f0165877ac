"""An MQTT topic: each event is published at QoS 1, and the broker's PUBACK is the proof."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, field
from threading import Event

from paho.mqtt.client import Client, MQTTv5
from paho.mqtt.enums import CallbackAPIVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from alerts.channel_config import TopicConfig
from alerts.notify.channels import DeliveryFailed
from alerts.notify.message import CONTENT_TYPE, Message
from core.config import MqttConfig
from core.model import Severity


@dataclass(frozen=True, slots=True, kw_only=True)
class Topic:
    """Publishes with a connection of its own for each message: alarms are few."""

    cfg: TopicConfig
    mqtt: MqttConfig
    password: str = field(repr=False)
    timeout_s: float
    fields: tuple[str, ...]
    min_severity: Severity
    records: bool = True
    own: tuple[str, ...] = ("",)

    @property
    def name(self) -> str:
        """Its identity."""
        return self.cfg.name

    def deliver(self, message: Message) -> None:
        """Publish one message."""
        answered = Event()
        refusal: list[str] = []
        client = Client(CallbackAPIVersion.VERSION2, protocol=MQTTv5)
        client.connect_timeout = self.timeout_s
        client.username_pw_set(self.mqtt.username or None, self.password or None)
        trust = self.mqtt.trust()
        if trust is not None:
            client.tls_set_context(trust)

        def connected(_c: object, _u: object, _f: object, code: object, _p: object) -> None:
            if code != "Success":
                refusal.append(str(code))
                answered.set()
                return
            client.publish(self._topic(message), message.body, qos=1, properties=_properties())

        def published(_c: object, _u: object, _m: object, code: object, _p: object) -> None:
            # 16: nobody listens; the message is the broker's all the same (MQTT 5, 3.4.2.1).
            if str(code) not in {"Success", "No matching subscribers"}:
                refusal.append(str(code))
            answered.set()

        client.on_connect = connected
        client.on_publish = published
        try:
            client.connect(self.mqtt.host, self.mqtt.port, keepalive=self.mqtt.keepalive_s)
            client.loop_start()
            done = answered.wait(self.timeout_s)
        except (OSError, ValueError) as error:
            raise DeliveryFailed(f"the broker does not answer: {error}") from error
        finally:
            with suppress(OSError, ValueError):
                client.disconnect()
            client.loop_stop()
        if refusal:
            raise DeliveryFailed(f"the broker refuses: {refusal[0]}")
        if not done:
            raise DeliveryFailed("the broker does not acknowledge")

    def _topic(self, message: Message) -> str:
        text = self.cfg.topic
        for name, word in message.topic.items():
            text = text.replace("{" + name + "}", word)
        return text


def topic_of(cfg: TopicConfig, mqtt: MqttConfig, timeout_s: float) -> Topic:
    """Return the channel of a configuration.

    Raises:
        ConfigInvalid: if the broker's password cannot be read.
    """
    return Topic(
        cfg=cfg,
        mqtt=mqtt,
        password=mqtt.secret(),
        timeout_s=timeout_s,
        fields=tuple(cfg.fields),
        min_severity=Severity[cfg.min_severity.upper()],
    )


def _properties() -> Properties:
    made = Properties(PacketTypes.PUBLISH)  # type: ignore[no-untyped-call]  # paho gives no types
    made.ContentType = CONTENT_TYPE
    return made
