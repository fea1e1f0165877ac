"""What a gateway says on its status topic, as a typed value; nonsense is None."""

from __future__ import annotations

import msgspec

from core import topics
from core.model import Channel
from ingest.accounts import GatewayWord
from ingest.message import Message
from ingest.rejects import readable

_LATEST_S = 253_402_300_799.0  # 9999-12-31, the last day every tool can show


class _Report(msgspec.Struct):
    """The labels of a status message; a Last Will has only the first."""

    online: bool
    at: float | None = None
    version: str = ""
    spooled: int = 0
    accepted: int = 0
    receipted: int = 0
    dropped: int = 0


_DECODER = msgspec.json.Decoder(_Report)


def is_status(message: Message) -> bool:
    """Say whether the message came on a status topic."""
    return message.topic.endswith(f"/{Channel.STATUS}")


def word_of(message: Message) -> GatewayWord | None:
    """Return what the gateway says, or None when the topic or the payload is not as agreed."""
    place = topics.parse(message.topic)
    if place is None or place.channel is not Channel.STATUS:
        return None
    try:
        report = _DECODER.decode(message.payload)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    at_us = message.received_us
    if report.at is not None and 0 <= report.at <= _LATEST_S:
        at_us = round(report.at * 1e6)
    body = msgspec.structs.asdict(report) | {"version": readable(report.version)}
    return GatewayWord(gateway=place.gateway, online=report.online, at_us=at_us, report=body)
