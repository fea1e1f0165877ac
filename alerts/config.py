"""The configuration sections of the rules and of the notifier."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, ClassVar, Literal

import msgspec
from msgspec import Meta

from core.config import Section, read_secret

JOURNAL = "journal"
"""Name of the channel that ``journal_file`` opens."""


class AlertsConfig(Section, frozen=True, kw_only=True):
    """Which rules judge the readings."""

    section: ClassVar[str] = "alerts"

    rules_dir: Annotated[
        str,
        Meta(
            description="folder of rule files (*.toml) that replace the packaged ones as a whole; "
            "empty means the packaged ones; a folder with a mistake in it stops the worker at start"
        ),
    ] = ""


class WebhookConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One receiver of alarm events.

    Attributes:
        name: identity of the channel: its place in the events and its proofs are kept under it.
        url: where the events are posted to.
        secret: key of the signature (HMAC-SHA256); without one the requests are not signed.
        secret_file: file whose first line is that key.
        fields: departments' fields it is told of; empty means all.
        min_severity: mildest severity it is told of.
    """

    name: Annotated[str, Meta(pattern=r"^[a-z0-9][a-z0-9._-]{0,63}$")]
    url: Annotated[str, Meta(pattern=r"^https?://[^/]+"), Meta(extra={"secret": True})]
    secret: Annotated[str, Meta(extra={"secret": True})] = ""
    secret_file: str = ""
    fields: tuple[Literal["fire", "water", "slope", "traffic", "system"], ...] = ()
    min_severity: Literal["blue", "yellow", "orange", "red"] = "blue"

    def key(self) -> str:
        """Return the signature's key, read from ``secret_file`` unless ``secret`` is set.

        Raises:
            ConfigInvalid: if the file cannot be read.
        """
        if self.secret or not self.secret_file:
            return self.secret
        return read_secret(Path(self.secret_file), f"notify.webhooks {self.name}: secret_file")


class NotifyConfig(Section, frozen=True, kw_only=True):
    """Who is told of alarm events, and how stubbornly."""

    section: ClassVar[str] = "notify"

    journal_file: Annotated[
        str,
        Meta(
            description="file that gets every alarm event as one line of JSON; empty writes none, "
            "and then only the webhooks are told"
        ),
    ] = ""
    webhooks: Annotated[
        tuple[WebhookConfig, ...],
        Meta(
            description="receivers, as [[notify.webhooks]] tables of name, url, secret or "
            "secret_file, fields and min_severity; a new name starts at the newest event"
        ),
    ] = ()
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

    def __post_init__(self) -> None:
        """Refuse two channels of one name."""
        names = [webhook.name for webhook in self.webhooks]
        if len(names) != len(set(names)) or JOURNAL in names:
            raise ValueError(f"webhooks: each needs a name of its own, and none may be {JOURNAL!r}")
