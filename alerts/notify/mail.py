"""Mail: one message to one address over SMTP, accepted by the server or not delivered."""

from __future__ import annotations

import re
import smtplib
import ssl
from dataclasses import dataclass, field
from email.message import EmailMessage
from email.utils import formatdate

from alerts.channel_config import MailConfig
from alerts.notify.channels import DeliveryFailed, at_most
from alerts.notify.message import Message
from alerts.notify.rosters import masked
from alerts.notify.words import one_line
from core.errors import ConfigInvalid
from core.model import Severity

# What the standard library's header parser takes without stumbling; RFC 5322 allows a little more.
_ADDRESS = re.compile(r"[\w.!#$%&'*+/=?^`{|}~-]+@[\w.-]+")


@dataclass(frozen=True, slots=True, kw_only=True)
class Mail:
    """Sends through one server; its answer to the message (RFC 5321, 4.2: 250) is the proof."""

    cfg: MailConfig
    password: str = field(repr=False)
    context: ssl.SSLContext
    timeout_s: float
    fields: tuple[str, ...]
    min_severity: Severity
    records: bool = False

    @property
    def name(self) -> str:
        """Its identity."""
        return self.cfg.name

    @property
    def own(self) -> tuple[str, ...]:
        """The addresses of the configuration."""
        return self.cfg.to

    def deliver(self, message: Message) -> None:
        """Send one message."""
        to = message.recipient
        if not _ADDRESS.fullmatch(to):
            raise DeliveryFailed("the receiver's address is no mail address")
        try:
            letter = letter_of(message, self.cfg.sender, to)
            with self._server() as server, at_most(self.timeout_s, lambda: server.sock):
                if self.cfg.tls == "starttls":
                    server.starttls(context=self.context)
                if self.cfg.username:
                    server.login(self.cfg.username, self.password)
                server.send_message(letter)
        except smtplib.SMTPResponseException as error:
            # The server's own words; they do not repeat what we logged in with.
            raise DeliveryFailed(
                f"answered {error.smtp_code} {_said(error.smtp_error, to)}"
            ) from error
        except smtplib.SMTPRecipientsRefused as error:
            code, words = next(iter(error.recipients.values()))
            raise DeliveryFailed(f"refused the receiver: {code} {_said(words, to)}") from error
        except (OSError, smtplib.SMTPException, ValueError) as error:
            raise DeliveryFailed(
                f"no answer: {_said(str(error), to) or type(error).__name__}"
            ) from error

    def _server(self) -> smtplib.SMTP:
        host, port = self.cfg.host, self.cfg.port
        if self.cfg.tls == "tls":
            return smtplib.SMTP_SSL(host, port, timeout=self.timeout_s, context=self.context)
        return smtplib.SMTP(host, port, timeout=self.timeout_s)


def letter_of(message: Message, sender: str, to: str) -> EmailMessage:
    """Return the mail of a message; its Message-ID is the message's key, so a copy is known."""
    letter = EmailMessage()
    letter["Subject"] = one_line(message.words.title)
    letter["From"] = sender
    letter["To"] = to
    letter["Date"] = formatdate()
    letter["Message-ID"] = f"<{message.key}@{sender.partition('@')[2]}>"
    # RFC 3834, 5: no machine shall answer this.
    letter["Auto-Submitted"] = "auto-generated"
    letter.set_content(message.words.text, charset="utf-8")
    return letter


def mail_of(cfg: MailConfig, timeout_s: float) -> Mail:
    """Return the channel of a configuration.

    Raises:
        ConfigInvalid: if a file that it names cannot be read, or an address is none.
    """
    for address in (cfg.sender, *cfg.to):
        if not _ADDRESS.fullmatch(address):
            raise ConfigInvalid(
                f"notify.mail {cfg.name}: {masked(address)} is no mail address",
                remedy="write it like duty@district.example, without a name",
            )
    try:
        context = ssl.create_default_context(cafile=cfg.ca_file or None)
    except OSError as error:
        raise ConfigInvalid(
            f"notify.mail {cfg.name}: ca_file: cannot read {cfg.ca_file}: {error.strerror}",
            remedy="name a PEM file, or leave ca_file out for the system's list",
        ) from error
    return Mail(
        cfg=cfg,
        password=cfg.secret(),
        context=context,
        timeout_s=timeout_s,
        fields=tuple(cfg.fields),
        min_severity=Severity[cfg.min_severity.upper()],
    )


def _said(words: bytes | str, to: str) -> str:
    """Return what a server said; it likes to repeat the receiver's address, which stays masked."""
    text = one_line(words if isinstance(words, str) else words.decode("utf-8", "replace"))
    return re.sub(re.escape(to), lambda _: masked(to), text, flags=re.IGNORECASE) if to else text
