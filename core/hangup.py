"""End a connection at once, or in order, whatever its transport has been through."""

from __future__ import annotations

import asyncio
from contextlib import suppress


def hang_up(transport: asyncio.BaseTransport) -> None:
    """Close in order; a second time does nothing.

    Python 3.11's TLS transport forgets its inside when it is closed twice, and fails at every later
    call (``asyncio.sslproto``, seen in 3.11.2, Debian 12's own).
    """
    if not transport.is_closing():
        transport.close()


def cut(transport: asyncio.WriteTransport) -> None:
    """Close at once; of a transport that was closed twice nothing is left to cut."""
    with suppress(AttributeError):
        transport.abort()
