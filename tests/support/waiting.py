"""Wait for a condition with a deadline; the only place in the tests that sleeps."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import TypeVar

T = TypeVar("T")

_POLL_S = 0.02


def wait_until(predicate: Callable[[], T], timeout_s: float = 10.0, *, what: str = "") -> T:
    """Return the first truthy value of ``predicate``.

    Raises:
        AssertionError: if there is none within ``timeout_s``.
    """
    deadline = time.monotonic() + timeout_s
    while not (value := predicate()):
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {timeout_s} s: {what or predicate}")
        time.sleep(_POLL_S)
    return value


async def eventually(
    predicate: Callable[[], T | Awaitable[T]], timeout_s: float = 10.0, *, what: str = ""
) -> T:
    """Return the first truthy value of ``predicate``, letting the event loop run meanwhile.

    Raises:
        AssertionError: if there is none within ``timeout_s``.
    """
    deadline = time.monotonic() + timeout_s
    while True:
        value = predicate()
        if isinstance(value, Awaitable):
            value = await value
        if value:
            return value
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {timeout_s} s: {what or predicate}")
        await asyncio.sleep(_POLL_S)
