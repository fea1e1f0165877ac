"""What a driver is: something that puts readings into a sink until its source ends.

A driver owns its link to the field and nothing else; spooling, sending and receipts are the
agent's. ``tests/contract/test_drivers.py`` runs over every driver.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Protocol

from core.model import Channel, Reading


class Sink(Protocol):
    """Where a driver puts readings; ``edge.sink.SpoolSink`` is the agent's."""

    async def put(self, readings: Sequence[Reading], channel: Channel = Channel.LIVE) -> None:
        """Take readings; waits while there is no room.

        Readings on ``Channel.EVENT`` are kept and sent at once; others are first gathered into
        messages. Those on ``Channel.BACKFILL`` are stored and never judged.
        """

    async def flush(self) -> None:
        """Return when all that was put is safe on disk."""

    async def settled(self, patience_s: float) -> bool:
        """Flush, then wait for receipts; return whether all came.

        Gives up once no receipt has come for ``patience_s``.
        """


class Driver(Protocol):
    """A source of readings."""

    async def run(self, sink: Sink) -> None:
        """Put readings into ``sink`` until the source ends; cancelled when the agent stops.

        What has been put is kept, even when this raises or is cancelled.
        """


class Idle:
    """The driver without a source: the agent only sends what its spool holds. Never ends."""

    async def run(self, sink: Sink) -> None:
        """Do nothing until cancelled."""
        del sink
        await asyncio.Event().wait()
