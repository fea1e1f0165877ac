"""The ways out: what each is, and the two plainest, a journal file and webhooks.

Each delivers one message or says why it could not. They block, with a bound; the notifier calls
them in a thread.
"""

from __future__ import annotations

import http.client
import os
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol
from urllib.parse import quote, urlsplit

from alerts.channel_config import WebhookConfig
from alerts.config import JOURNAL
from alerts.notify.message import (
    CONTENT_TYPE,
    KEY_HEADER,
    SIGNATURE_HEADER,
    Message,
    signature,
)
from core.errors import ConfigInvalid, Transient
from core.model import Field, Severity
from core.version import version

_SAFE = "%/?:@!$&'()*+,;=~[]"
"""Signs of an address that stay as they are."""


class DeliveryFailed(Transient):
    """A channel did not take a message; the sentence is kept with the delivery."""


class Channel(Protocol):
    """A way out.

    Attributes:
        name: its place in the events and its proofs are kept under it.
        fields: fields it is told of; empty means all.
        min_severity: mildest severity it is told of.
        records: it wakes nobody: told of everything, at once, whatever routes and desk say.
        own: its own receivers; ("",) where it has one and needs no address, () where only
            rosters name its receivers.
    """

    @property
    def name(self) -> str: ...  # noqa: D102 (described above)

    @property
    def fields(self) -> tuple[str, ...]: ...  # noqa: D102

    @property
    def min_severity(self) -> Severity: ...  # noqa: D102

    @property
    def records(self) -> bool: ...  # noqa: D102

    @property
    def own(self) -> tuple[str, ...]: ...  # noqa: D102

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
    records: bool = True
    own: tuple[str, ...] = ("",)

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
    url: str = field(repr=False)
    key: str = field(repr=False)
    timeout_s: float
    fields: tuple[str, ...] = ()
    min_severity: Severity = Severity.BLUE
    records: bool = False
    own: tuple[str, ...] = ("",)

    def deliver(self, message: Message) -> None:
        """Post one message."""
        try:
            status, reason = self._post(message)
        except (OSError, ValueError, http.client.HTTPException) as error:
            raise DeliveryFailed(f"no answer: {str(error) or type(error).__name__}") from error
        if not 200 <= status < 300:
            raise DeliveryFailed(f"answered {status} {reason}")

    def _post(self, message: Message) -> tuple[int, str]:
        with closing(self._connection()) as connection:
            connection.connect()
            with at_most(self.timeout_s, lambda: connection.sock):
                connection.request("POST", self._target(), message.body, self._headers(message))
                answer = connection.getresponse()
                return answer.status, answer.reason

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
        target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        return quote(target, safe=_SAFE)  # people also write addresses in Chinese

    def _headers(self, message: Message) -> dict[str, str]:
        headers = {
            "Content-Type": CONTENT_TYPE,
            "User-Agent": f"blocktwin/{version()}",
            KEY_HEADER: message.key,
        }
        if self.key:
            headers[SIGNATURE_HEADER] = signature(self.key, message.body, int(time.time()))
        return headers


def webhook_of(cfg: WebhookConfig, timeout_s: float) -> Webhook:
    """Return the webhook of a configuration.

    Raises:
        ConfigInvalid: if its secret's file cannot be read, or its address is none.
    """
    try:
        parts = urlsplit(cfg.url)
        wrong = not parts.hostname or parts.port == 0 or not parts.hostname.encode("idna")
    except ValueError:
        wrong = True
    if wrong:
        # Without the address: it may hold a token.
        raise ConfigInvalid(
            f"notify.webhooks {cfg.name}: url: this is no address",
            remedy="write it like https://duty.example:8443/alarms",
        )
    return Webhook(
        name=cfg.name,
        url=cfg.url,
        key=cfg.key(),
        timeout_s=timeout_s,
        fields=tuple(cfg.fields),
        min_severity=Severity[cfg.min_severity.upper()],
        records=cfg.records,
    )


def every_field(channel: Channel) -> list[str]:
    """Return the fields that a channel is told of, spelled out."""
    return list(channel.fields) or [str(field) for field in Field]


@contextmanager
def at_most(seconds: float, sock: Callable[[], socket.socket | None]) -> Iterator[None]:
    """Hang up when the time is over; ``sock`` gives the connection as it is then.

    The timeout of a socket is per call: a peer that dribbles would never meet it.
    """
    deadline = threading.Timer(seconds, _hang_up, [sock])
    deadline.daemon = True
    deadline.start()
    try:
        yield
    finally:
        deadline.cancel()


def _ends_in_newline(descriptor: int) -> bool:
    size = os.fstat(descriptor).st_size
    return os.pread(descriptor, 1, size - 1) == b"\n"


def _hang_up(sock: Callable[[], socket.socket | None]) -> None:
    open_sock = sock()
    if open_sock is not None:
        with suppress(OSError):
            open_sock.shutdown(socket.SHUT_RDWR)
