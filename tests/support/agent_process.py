"""A driver for an agent in its own process: counts up until it is stopped or killed."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping

from core.model import Reading
from edge.drivers import Sink


class Counting:
    """Puts 1, 2, 3, … every ``pause_s``; each process begins at ``start``."""

    def __init__(self, *, start: int, pause_s: float, each: int) -> None:
        self._start = start
        self._pause_s = pause_s
        self._each = each

    async def run(self, sink: Sink) -> None:
        value = self._start
        while True:
            now_s = time.time()
            readings = [
                Reading(
                    device=f"d{n}", quantity="temperature", observed_s=now_s, value=float(value)
                )
                for n in range(self._each)
            ]
            await sink.put(readings)
            value += 1
            await asyncio.sleep(self._pause_s)


def counting(options: Mapping[str, str]) -> Counting:
    """Return the driver that ``agent.driver_options`` describe."""
    return Counting(
        start=int(options["start"]),
        pause_s=float(options["pause_s"]),
        each=int(options.get("each", "1")),
    )
