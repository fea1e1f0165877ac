"""The configuration sections of the rules and of the notifier."""

from __future__ import annotations

from typing import Annotated, ClassVar

from msgspec import Meta

from alerts.channel_config import (
    ChatConfig,
    MailConfig,
    RouteConfig,
    TopicConfig,
    WebhookConfig,
)
from core.config import Section

JOURNAL = "journal"
"""Name of the channel that ``journal_file`` opens."""

CANARY = "canary"
"""Name of the channel on which the notifier hears the canaries of the gateways."""

RESERVED = frozenset({JOURNAL, CANARY})


class AlertsConfig(Section, frozen=True, kw_only=True):
    """Which rules judge the readings."""

    section: ClassVar[str] = "alerts"

    rules_dir: Annotated[
        str,
        Meta(
            description="folder of rule files (*.toml) that replace the packaged ones as a whole; "
            "empty means the packaged ones; a start loads what has changed since the last start, "
            "and a mistake in it stops the worker there"
        ),
    ] = ""


class NotifyConfig(Section, frozen=True, kw_only=True):
    """Who is told of alarm events, and how stubbornly."""

    section: ClassVar[str] = "notify"

    journal_file: Annotated[
        str,
        Meta(
            description="file that gets every alarm event as one line of JSON; empty writes none, "
            "and then only the other channels are told"
        ),
    ] = ""
    webhooks: Annotated[
        tuple[WebhookConfig, ...],
        Meta(
            description="receivers, as [[notify.webhooks]] tables of name, url, secret or "
            "secret_file, fields, min_severity and records; a new name starts at the newest event"
        ),
    ] = ()
    mail: Annotated[
        tuple[MailConfig, ...],
        Meta(
            description="mail servers, as [[notify.mail]] tables of name, host, port, tls, "
            "username, password or password_file, sender, to, fields and min_severity"
        ),
    ] = ()
    topics: Annotated[
        tuple[TopicConfig, ...],
        Meta(
            description="MQTT topics at the broker of [mqtt], as [[notify.topics]] tables of name, "
            "topic, fields and min_severity; they get every event, also what wakes nobody"
        ),
    ] = ()
    chats: Annotated[
        tuple[ChatConfig, ...],
        Meta(
            description="WeCom, DingTalk, Feishu and others through apprise (extra `notify`), as "
            "[[notify.chats]] tables of name, url or url_file, fields and min_severity"
        ),
    ] = ()
    routes: Annotated[
        tuple[RouteConfig, ...],
        Meta(
            description="who is told what, as [[notify.routes]] tables of name, fields, spaces, "
            "min_severity, kinds, hours, channels and rosters; none: every channel is told of "
            "everything; what is orange, red or of life safety and fits no route goes to all"
        ),
    ] = ()
    hear_early: Annotated[
        bool,
        Meta(
            description="hear life-safety alarms from the broker of [mqtt] before they are stored; "
            "without it they are told after the commit, and not while the database is away"
        ),
    ] = False
    memory_file: Annotated[
        str,
        Meta(
            description="file that remembers what was told before it was stored; empty keeps that "
            "in memory, and a restart in between may tell it twice"
        ),
    ] = ""
    cap_messages: Annotated[
        int,
        Meta(
            ge=1,
            le=10_000,
            description="messages a recipient gets within cap_window_s, life safety not counted; "
            "more are put into a digest",
        ),
    ] = 10
    cap_window_s: Annotated[
        float, Meta(ge=1, le=86_400, description="seconds that cap_messages hold for")
    ] = 600.0
    digest_s: Annotated[
        float,
        Meta(
            ge=0,
            le=3600,
            description="seconds in which what is beyond the cap is gathered before the first "
            "digest; the next ones come a cap_window_s apart",
        ),
    ] = 60.0
    ack_within_s: Annotated[
        float,
        Meta(
            ge=10,
            le=86_400,
            description="seconds an alarm may stay unacknowledged before the next level is called, "
            "where its rule says nothing",
        ),
    ] = 300.0
    escalation_steps: Annotated[
        int,
        Meta(
            ge=1,
            le=100,
            description="most calls for one alarm; after the last level the last is called again",
        ),
    ] = 12
    canary_late_s: Annotated[
        float,
        Meta(
            ge=1,
            le=86_400,
            description="seconds without a canary after which a gateway's way to the duty room "
            "counts as broken; must be well above agent.canary_every_s",
        ),
    ] = 900.0
    canary_keep_h: Annotated[
        float,
        Meta(gt=0, le=8784, description="hours that the alarms of canaries are kept"),
    ] = 24.0
    source: Annotated[
        str,
        Meta(
            min_length=1,
            description="source attribute of the CloudEvents; receivers tell districts apart by it",
        ),
    ] = "urn:blocktwin"
    timeout_s: Annotated[
        float,
        Meta(
            gt=0,
            le=120,
            description="seconds a delivery may take; a slow receiver beyond it is tried again, "
            "and so must tolerate the same event twice",
        ),
    ] = 5.0
    retry_first_s: Annotated[
        float, Meta(gt=0, le=3600, description="seconds before the second attempt; doubles after")
    ] = 1.0
    retry_max_s: Annotated[
        float, Meta(gt=0, le=86_400, description="most seconds between two attempts")
    ] = 300.0
    max_attempts: Annotated[
        int,
        Meta(
            ge=1,
            le=10_000,
            description="attempts after which an event is given up for that channel; too few lose "
            "events over a receiver's night of maintenance",
        ),
    ] = 100
    batch: Annotated[
        int,
        Meta(
            ge=1,
            le=10_000,
            description="events taken from the outbox, and deliveries tried, in one go",
        ),
    ] = 100
    poll_s: Annotated[
        float,
        Meta(
            gt=0,
            le=60,
            description="most seconds between two looks at the outbox; new events are announced at "
            "once, so this only bounds what a lost announcement costs",
        ),
    ] = 5.0
    http_host: Annotated[
        str, Meta(description="address of /livez, /readyz and /metrics; they ask for no password")
    ] = "127.0.0.1"
    http_port: Annotated[
        int, Meta(ge=0, le=65535, description="their TCP port; 0 takes a free one and logs it")
    ] = 9102

    @property
    def waking(self) -> frozenset[str]:
        """Names of the channels that wake people."""
        hooks = [hook.name for hook in self.webhooks if not hook.records]
        mail, chats = [way.name for way in self.mail], [way.name for way in self.chats]
        return frozenset(hooks + mail + chats)

    def __post_init__(self) -> None:
        """Refuse names that stand twice, and routes to channels that do not exist."""
        names = [
            *(way.name for way in self.webhooks),
            *(way.name for way in self.mail),
            *(way.name for way in self.topics),
            *(way.name for way in self.chats),
        ]
        if len(names) != len(set(names)) or RESERVED & set(names):
            raise ValueError(
                "webhooks, mail, topics, chats: each needs a name of its own, and none may be "
                + " or ".join(repr(name) for name in sorted(RESERVED))
            )
        for chat in self.chats:
            if not chat.url and not chat.url_file:
                raise ValueError(f"chats: {chat.name} needs url or url_file")
        for route in self.routes:
            unknown = sorted(set(route.channels) - set(names))
            if unknown:
                raise ValueError(f"routes: {route.name}: there is no channel {unknown[0]!r}")
            if not route.channels and not route.rosters:
                raise ValueError(f"routes: {route.name} names neither channels nor rosters")
