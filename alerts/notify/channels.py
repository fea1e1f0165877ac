"""The ways out: a journal file and webhooks. Each delivers one message or says why it could not.

They block, with a bound; the notifier calls them in a thread.
"""

from __future__ import annotations

import http.client
import os
import socket
import ssl
import threading
import time
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol
from urllib.parse import urlsplit

from alerts.config import JOURNAL, NotifyConfig, WebhookConfig
from alerts.notify.message import CONTENT_TYPE, SIGNATURE_HEADER, Message, signature
from core.errors import Transient
from core.model import Field, Severity
from core.version import version


class DeliveryFailed(Transient):
    """A channel did not take a message; the sentence is kept with the delivery."""


class Channel(Protocol):
    """A way out.

    Attributes:
        name: its place in the events and its proofs are kept under it.
        fields: fields it is told of; empty means all.
        min_severity: mildest severity it is told of.
    """

    @property
    def name(self) -> str: ...  # noqa: D102 (described above)

    @property
    def fields(self) -> tuple[str, ...]: ...  # noqa: D102

    @property
    def min_severity(self) -> Severity: ...  # noqa: D102

    def deliver(self, message: Message) -> None:
        """Hand a message over.

        Raises:
            DeliveryFailed: if the other side has not confirmed it.
        """
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Journal:
    """Appends messages to a file, one line each; a line is on the disk before it counts."""

    path: Path
    name: str = JOURNAL
    fields: tuple[str, ...] = ()
    min_severity: Severity = Severity.BLUE

    def deliver(self, message: Message) -> None:
        """Append one line."""
        try:
            with self.path.open("a+b") as file:
                # A process killed in the middle of a line must not spoil the next one.
                torn = file.tell() > 0 and not _ends_in_newline(file.fileno())
                file.write(b"\n" * torn + message.body + b"\n")
                file.flush()
                os.fsync(file.fileno())
        except OSError as error:
            raise DeliveryFailed(f"cannot write {self.path}: {error.strerror}") from error


@dataclass(frozen=True, slots=True, kw_only=True)
class Webhook:
    """Posts messages to an address; any 2xx answer confirms, redirects are not followed."""

    name: str
    url: str
    key: str
    timeout_s: float
    fields: tuple[str, ...] = ()
    min_severity: Severity = Severity.BLUE

    def deliver(self, message: Message) -> None:
        """Post one message."""
        try:
            status, reason = self._post(message.body)
        except (OSError, http.client.HTTPException) as error:
            raise DeliveryFailed(f"no answer: {str(error) or type(error).__name__}") from error
        if not 200 <= status < 300:
            raise DeliveryFailed(f"answered {status} {reason}")

    def _post(self, body: bytes) -> tuple[int, str]:
        with closing(self._connection()) as connection:
            connection.connect()
            # The timeout of a socket is per call: a peer that dribbles would never meet it.
            deadline = threading.Timer(self.timeout_s, _hang_up, [connection.sock])
            deadline.daemon = True
            deadline.start()
            try:
                connection.request("POST", self._target(), body, self._headers(body))
                answer = connection.getresponse()
                return answer.status, answer.reason
            finally:
                deadline.cancel()

    def _connection(self) -> http.client.HTTPConnection:
        parts = urlsplit(self.url)
        host = parts.hostname or ""
        if parts.scheme == "https":
            context = ssl.create_default_context()
            return http.client.HTTPSConnection(
                host, parts.port, timeout=self.timeout_s, context=context
            )
        return http.client.HTTPConnection(host, parts.port, timeout=self.timeout_s)

    def _target(self) -> str:
        parts = urlsplit(self.url)
        return (parts.path or "/") + (f"?{parts.query}" if parts.query else "")

    def _headers(self, body: bytes) -> dict[str, str]:
        headers = {"Content-Type": CONTENT_TYPE, "User-Agent": f"blocktwin/{version()}"}
        if self.key:
            headers[SIGNATURE_HEADER] = signature(self.key, body, int(time.time()))
        return headers


def channels_of(cfg: NotifyConfig) -> list[Channel]:
    """Return the configured channels.

    Raises:
        ConfigInvalid: if a secret's file cannot be read.
    """
    found: list[Channel] = []
    if cfg.journal_file:
        found.append(Journal(path=Path(cfg.journal_file)))
    return found + [_webhook(webhook, cfg.timeout_s) for webhook in cfg.webhooks]


def every_field(channel: Channel) -> list[str]:
    """Return the fields that a channel is told of, spelled out."""
    return list(channel.fields) or [str(field) for field in Field]


def _webhook(cfg: WebhookConfig, timeout_s: float) -> Webhook:
    return Webhook(
        name=cfg.name,
        url=cfg.url,
        key=cfg.key(),
        timeout_s=timeout_s,
        fields=tuple(cfg.fields),
        min_severity=Severity[cfg.min_severity.upper()],
    )


def _ends_in_newline(descriptor: int) -> bool:
    size = os.fstat(descriptor).st_size
    return os.pread(descriptor, 1, size - 1) == b"\n"


def _hang_up(sock: socket.socket | None) -> None:
    if sock is not None:
        with suppress(OSError):
            sock.shutdown(socket.SHUT_RDWR)
