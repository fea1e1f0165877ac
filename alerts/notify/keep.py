"""Keeping a part of the notifier at work: a fault in one must not silence the others."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine
from contextlib import suppress
from typing import Any

log = logging.getLogger(__name__)

AGAIN_S = 5.0
"""Seconds from a fault to the next beginning."""


async def kept(
    name: str,
    work: Callable[[], Coroutine[Any, Any, None]],
    stop: asyncio.Event,
    *,
    faulty: Callable[[], None] = lambda: None,
    again_s: float = AGAIN_S,
) -> None:
    """Do ``work`` until it ends by itself; when a fault ends it, log that and begin again.

    Args:
        name: what the log calls it.
        work: makes the coroutine, anew each time.
        stop: when set nothing is begun again.
        faulty: called after each fault.
        again_s: seconds from a fault to the next beginning.
    """
    while not stop.is_set():
        try:
            await work()
        except Exception:
            log.exception("%s: ended by a fault, begun again", name)
        else:
            return
        faulty()
        with suppress(TimeoutError):
            await asyncio.wait_for(stop.wait(), timeout=again_s)
