"""The tables below ``[notify]``: one struct for each way out, and for who is told what."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from alerts.rules import Hours
from core.config import read_secret

FieldName = Literal["fire", "water", "slope", "traffic", "system"]
SeverityName = Literal["blue", "yellow", "orange", "red"]
KindName = Literal[
    "raised", "escalated", "eased", "returned", "acknowledged", "commented", "closed", "assigned",
    "shelved", "unshelved", "suppressed", "unsuppressed", "out_of_service", "in_service", "overdue",
    "re_alarmed",
]  # fmt: skip
ChannelName = Annotated[str, Meta(pattern=r"^[a-z0-9][a-z0-9._-]{0,63}$")]
Secret = Annotated[str, Meta(extra={"secret": True})]
_Code = Annotated[str, Meta(min_length=1, max_length=64)]


class WebhookConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One receiver of alarm events.

    Attributes:
        name: identity of the channel: its place in the events and its proofs are kept under it.
        url: where the events are posted to.
        secret: key of the signature (HMAC-SHA256); without one the requests are not signed.
        secret_file: file whose first line is that key.
        fields: departments' fields it is told of; empty means all.
        min_severity: mildest severity it is told of.
        records: its receiver is a system that wakes nobody: told of everything at once, whatever
            routes, desk and cap say.
    """

    name: ChannelName
    url: Annotated[str, Meta(pattern=r"^https?://[^/]+"), Meta(extra={"secret": True})]
    secret: Secret = ""
    secret_file: str = ""
    fields: tuple[FieldName, ...] = ()
    min_severity: SeverityName = "blue"
    records: bool = False

    def key(self) -> str:
        """Return the signature's key, read from ``secret_file`` unless ``secret`` is set.

        Raises:
            ConfigInvalid: if the file cannot be read.
        """
        if self.secret or not self.secret_file:
            return self.secret
        return read_secret(Path(self.secret_file), f"notify.webhooks {self.name}: secret_file")


class MailConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One mail server to send through.

    Attributes:
        name: identity of the channel.
        host: name or address of the server; ``port``: 25, 465 or 587 as a rule.
        tls: ``starttls`` and ``tls`` check the server's certificate; ``none`` sends in the clear.
        ca_file: PEM file of the authority that signed it; empty: the system's list.
        username: login name; empty: no login.
        password: of the login; ``password_file``: file whose first line it is.
        sender: address in From.
        to: addresses that are told of everything the channel is; those of rosters come besides.
        fields: departments' fields it is told of; empty means all.
        min_severity: mildest severity it is told of.
    """

    name: ChannelName
    host: Annotated[str, Meta(min_length=1)]
    port: Annotated[int, Meta(ge=1, le=65535)] = 587
    tls: Literal["starttls", "tls", "none"] = "starttls"
    ca_file: str = ""
    username: str = ""
    password: Secret = ""
    password_file: str = ""
    sender: Annotated[str, Meta(pattern=r"^[^@\s]+@[^@\s]+$")]
    to: Annotated[
        tuple[Annotated[str, Meta(pattern=r"^[^@\s]+@[^@\s]+$")], ...], Meta(max_length=100)
    ] = ()
    fields: tuple[FieldName, ...] = ()
    min_severity: SeverityName = "orange"

    def secret(self) -> str:
        """Return the password, read from ``password_file`` unless ``password`` is set.

        Raises:
            ConfigInvalid: if the file cannot be read.
        """
        if self.password or not self.password_file:
            return self.password
        return read_secret(Path(self.password_file), f"notify.mail {self.name}: password_file")


class TopicConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One MQTT topic, at the broker of ``[mqtt]``, that gets every alarm event.

    Attributes:
        name: identity of the channel.
        topic: ``{field}`` and ``{severity}`` are filled in.
        fields: departments' fields it is told of; empty means all.
        min_severity: mildest severity it is told of.
    """

    name: ChannelName
    topic: Annotated[str, Meta(pattern=r"^[^#+\x00]{1,200}$")] = "bt/v1/notice/{field}/{severity}"
    fields: tuple[FieldName, ...] = ()
    min_severity: SeverityName = "blue"


class ChatConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One chat group or messenger that the package apprise can reach: WeCom, DingTalk, Feishu, ….

    Attributes:
        name: identity of the channel.
        url: apprise's address, which is a secret; ``url_file``: file whose first line it is.
        fields: departments' fields it is told of; empty means all.
        min_severity: mildest severity it is told of.
    """

    name: ChannelName
    url: Secret = ""
    url_file: str = ""
    fields: tuple[FieldName, ...] = ()
    min_severity: SeverityName = "orange"

    def address(self) -> str:
        """Return the address, read from ``url_file`` unless ``url`` is set.

        Raises:
            ConfigInvalid: if the file cannot be read.
        """
        if self.url:
            return self.url
        return read_secret(Path(self.url_file), f"notify.chats {self.name}: url_file")


class RouteConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Who is told of which alarm events; every route that fits adds its receivers.

    Attributes:
        name: what proofs call it.
        fields: of these; empty: all. spaces: in one of these codes or below; empty: anywhere.
        min_severity: mildest severity (the alarm's worst so far).
        kinds: kinds of events (``raised``, …); empty: all.
        hours: when, in China Standard Time of the event; empty: always.
        channels: names of channels; rosters: whoever is on duty there.
    """

    name: ChannelName
    fields: tuple[FieldName, ...] = ()
    spaces: Annotated[tuple[_Code, ...], Meta(max_length=1000)] = ()
    min_severity: SeverityName = "blue"
    kinds: tuple[KindName, ...] = ()
    hours: Annotated[tuple[Hours, ...], Meta(max_length=50)] = ()
    channels: tuple[ChannelName, ...] = ()
    rosters: tuple[ChannelName, ...] = ()
