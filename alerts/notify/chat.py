"""Chat groups through the package apprise: WeCom, DingTalk, Feishu and many more.

Its addresses hold the tokens, so nothing of what apprise says of a failure is kept or logged.
"""

from __future__ import annotations

import logging
import warnings
from dataclasses import dataclass, field
from typing import Any

from alerts.channel_config import ChatConfig
from alerts.notify.channels import DeliveryFailed
from alerts.notify.message import Message
from core.errors import ConfigInvalid, MissingPrerequisite
from core.model import Severity


@dataclass(frozen=True, slots=True, kw_only=True)
class Chat:
    """Sends to one address; the service's answer of success is the proof."""

    name: str
    service: Any = field(repr=False)
    fields: tuple[str, ...]
    min_severity: Severity
    records: bool = False
    own: tuple[str, ...] = ("",)

    def deliver(self, message: Message) -> None:
        """Send one message; who is called stands in its text."""
        try:
            taken = self.service.notify(title=message.words.title, body=message.words.text)
        except (OSError, TypeError, ValueError) as error:
            # From None: the address stands in what these say.
            raise DeliveryFailed(f"cannot be sent: {type(error).__name__}") from None
        if not taken:
            raise DeliveryFailed("the service did not take it")


def chat_of(cfg: ChatConfig, timeout_s: float) -> Chat:
    """Return the channel of a configuration.

    Raises:
        MissingPrerequisite: if apprise is not installed.
        ConfigInvalid: if the address cannot be read, or is none of apprise's.
    """
    address = cfg.address()
    logging.getLogger("apprise").setLevel(logging.CRITICAL + 1)
    service = _service(address, timeout_s)
    if service is None:
        raise ConfigInvalid(
            f"notify.chats {cfg.name}: the address is none that apprise knows",
            remedy="write it like wecombot://KEY, dingtalk://TOKEN/ or feishu://TOKEN",
        )
    return Chat(
        name=cfg.name,
        service=service,
        fields=tuple(cfg.fields),
        min_severity=Severity[cfg.min_severity.upper()],
    )


def _service(address: str, timeout_s: float) -> Any:
    divider = "&" if "?" in address else "?"
    bounded = f"{address}{divider}cto={timeout_s / 2:g}&rto={timeout_s / 2:g}"
    with warnings.catch_warnings():
        # It imports a module that newer Pythons lack, and is ready for that.
        warnings.simplefilter("ignore", DeprecationWarning)
        try:
            from apprise import Apprise
        except ModuleNotFoundError as error:
            raise MissingPrerequisite(
                "a chat channel needs the Python package apprise",
                remedy="pip install 'blocktwin[notify]'",
            ) from error
        return Apprise.instantiate(bounded, suppress_exceptions=True)
