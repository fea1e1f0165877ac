"""MQTT topics of the wire: ``bt/v1/{shard}/{gateway}/{channel}``.

The shard is a stable hash of the gateway id, so that workers divide the work by subscription. It
must never change: a gateway would move to another worker.
"""

from __future__ import annotations

from dataclasses import dataclass
from zlib import crc32

from core.model import Channel, is_id

ROOT = "bt/v1"
SHARDS = 64
_CHANNELS = frozenset(str(channel) for channel in Channel)


@dataclass(frozen=True, slots=True)
class Topic:
    """A parsed topic."""

    shard: str
    gateway: str
    channel: Channel


def shard_of(gateway: str) -> str:
    """Return the shard of a gateway: two hex digits, 00 to 3f (CRC-32 of the id, modulo 64).

    Example:
        >>> shard_of("gw-01")
        '1f'
    """
    return f"{crc32(gateway.encode()) % SHARDS:02x}"


def topic(gateway: str, channel: Channel) -> str:
    """Return the topic of a gateway's channel.

    Raises:
        ValueError: if the gateway id is not a valid id.
    """
    if not is_id(gateway):
        raise ValueError(f"gateway id {gateway!r} must match [a-z0-9][a-z0-9._-]{{0,63}}")
    return f"{ROOT}/{shard_of(gateway)}/{gateway}/{channel}"


def parse(text: str) -> Topic | None:
    """Return the parts of a topic, or None when it is not one of ours.

    A topic whose shard does not belong to its gateway is not one of ours: a worker that listens to
    the right shard would never see it.
    """
    parts = text.split("/")
    if len(parts) != 5 or f"{parts[0]}/{parts[1]}" != ROOT:
        return None
    shard, gateway, channel = parts[2:]
    if not is_id(gateway) or shard != shard_of(gateway) or channel not in _CHANNELS:
        return None
    return Topic(shard, gateway, Channel(channel))


def all_filters() -> set[str]:
    """Return every filter that a worker, however it is set up, may have subscribed to."""
    shards = ["+", *(f"{number:02x}" for number in range(SHARDS))]
    return {filter_ for channel in Channel for filter_ in filters(shards, channel)}


def filters(shards: list[str] | None, channel: Channel) -> list[str]:
    """Return the subscription filters for one channel of some shards (None: of all)."""
    return [f"{ROOT}/{shard}/+/{channel}" for shard in (shards if shards is not None else ["+"])]
