"""Health and metrics over HTTP for processes that are no web server; small and bounded.

``/livez`` answers while the event loop turns; ``/readyz`` (alias ``/healthz``) asks the checks and
lists them with ``?verbose``; ``/metrics`` and ``/version`` speak for themselves.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager, suppress

from core.version import version

Check = Callable[[], bool]
Metrics = Callable[[], str]

MAX_HEAD_BYTES = 8192
"""Longest request head that is read."""
MAX_CLIENTS = 32
"""Connections at a time; one more is closed at once."""
TIMEOUT_S = 5.0
"""How long a client may take to ask and to read the answer."""

_TEXT = "text/plain; charset=utf-8"
_EXPOSITION = "text/plain; version=0.0.4; charset=utf-8"
_REASONS = {
    200: "OK",
    400: "Bad Request",
    404: "Not Found",
    405: "Method Not Allowed",
    431: "Request Header Fields Too Large",
    503: "Service Unavailable",
}


@asynccontextmanager
async def serve_health(
    host: str, port: int, *, checks: Mapping[str, Check], metrics: Metrics | None = None
) -> AsyncIterator[int]:
    """Serve while the context is open; yields the bound port (``port`` 0 takes a free one).

    Raises:
        OSError: if the address cannot be bound.
    """
    clients: set[asyncio.StreamWriter] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if len(clients) >= MAX_CLIENTS:
            writer.close()
            return
        clients.add(writer)
        try:
            # A client that hangs up or dawdles has nothing more coming to it.
            with suppress(OSError, TimeoutError, asyncio.IncompleteReadError):
                async with asyncio.timeout(TIMEOUT_S):
                    writer.write(await _answer(reader, checks, metrics))
                    await writer.drain()
        finally:
            clients.discard(writer)
            writer.close()

    server = await asyncio.start_server(serve, host, port, limit=MAX_HEAD_BYTES)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        for writer in clients:
            writer.transport.abort()


async def _answer(
    reader: asyncio.StreamReader, checks: Mapping[str, Check], metrics: Metrics | None
) -> bytes:
    try:
        head = await reader.readuntil(b"\r\n\r\n")
    except asyncio.LimitOverrunError:
        return _message(431, "the request head is too long\n")
    parts = head.split(b"\r\n", 1)[0].decode("latin-1").split(" ")
    if len(parts) != 3 or not parts[2].startswith("HTTP/1."):
        return _message(400, "bad request line\n")
    method, target, _ = parts
    if method not in ("GET", "HEAD"):
        return _message(405, "only GET and HEAD\n", extra="Allow: GET, HEAD\r\n")
    answer = _page(target, checks, metrics)
    return answer if method == "GET" else answer.partition(b"\r\n\r\n")[0] + b"\r\n\r\n"


def _page(target: str, checks: Mapping[str, Check], metrics: Metrics | None) -> bytes:
    path, _, query = target.partition("?")
    if path == "/livez":
        return _message(200, "ok\n")
    if path in ("/readyz", "/healthz"):
        return _ready(checks, verbose="verbose" in query)
    if path == "/version":
        return _message(200, version() + "\n")
    if path == "/metrics" and metrics is not None:
        return _message(200, metrics(), kind=_EXPOSITION)
    return _message(404, "no such page\n")


def _ready(checks: Mapping[str, Check], *, verbose: bool) -> bytes:
    results = {name: check() for name, check in checks.items()}
    ready = all(results.values())
    lines = [
        f"{'ok' if good else 'failed'} {name}"
        for name, good in results.items()
        if verbose or not good
    ]
    lines.append("ready" if ready else "not ready")
    return _message(200 if ready else 503, "\n".join(lines) + "\n")


def _message(status: int, body: str, *, kind: str = _TEXT, extra: str = "") -> bytes:
    data = body.encode()
    head = (
        f"HTTP/1.1 {status} {_REASONS[status]}\r\n"
        f"Content-Type: {kind}\r\n"
        f"Content-Length: {len(data)}\r\n"
        f"Cache-Control: no-store\r\n"
        f"{extra}Connection: close\r\n\r\n"
    )
    return head.encode() + data
