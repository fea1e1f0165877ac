"""A cancellation that a library has swallowed, raised after all."""

from __future__ import annotations

import asyncio


def heed_cancel() -> None:
    """Raise a cancellation that an awaited call has swallowed.

    aiomqtt and psycopg's pool wait with asyncio.wait_for, which before Python 3.12 returns its
    result instead of raising when both come in one turn of the event loop; a task that was told to
    end would then run on for ever. Loops around such calls ask here once a turn.
    """
    task = asyncio.current_task()
    if task is not None and task.cancelling():
        raise asyncio.CancelledError
