"""What surrounds every answer: security headers, and a bound on request bodies."""

from __future__ import annotations

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from twin.api.problems import problem

CONTENT_SECURITY_POLICY = (
    "default-src 'self'; worker-src 'self' blob:; img-src 'self' data: blob:; "
    "style-src 'self' 'unsafe-inline'; connect-src 'self'; object-src 'none'; "
    "base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
)
_HEADERS = {
    "Content-Security-Policy": CONTENT_SECURITY_POLICY,
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
}


class SecurityHeaders:
    """ASGI middleware: put the security headers on every answer."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on and dress the answer."""

        async def dressed(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message).update(_HEADERS)
            await send(message)

        await self._app(scope, receive, dressed)


class Heads:
    """ASGI middleware: answer HEAD below some paths as GET without its body (RFC 9110, 9.3.2)."""

    def __init__(self, app: ASGIApp, *, below: tuple[str, ...]) -> None:
        self._app = app
        self._below = below

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, a HEAD as a GET."""
        if scope.get("method") != "HEAD" or not scope["path"].startswith(self._below):
            await self._app(scope, receive, send)
            return

        async def bare(message: Message) -> None:
            if message["type"] == "http.response.body":
                message = {**message, "body": b""}
            await send(message)

        await self._app({**scope, "method": "GET"}, receive, bare)


class BodyLimit:
    """ASGI middleware: refuse a body that is too large, announced or not.

    Args:
        limit: bytes of a body.
        files: prefixes of the paths that take files, and ``file_limit``, the bytes of one.
    """

    def __init__(
        self, app: ASGIApp, *, limit: int, files: tuple[str, ...], file_limit: int
    ) -> None:
        self._app = app
        self._limit = limit
        self._files = files
        self._file_limit = file_limit

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Read the body of a request that has one, up to the limit, and pass it on whole."""
        if scope["type"] != "http" or scope["method"] in {"GET", "HEAD", "OPTIONS"}:
            await self._app(scope, receive, send)
            return
        limit = self._file_limit if scope["path"].startswith(self._files) else self._limit
        announced = Headers(scope=scope).get("content-length", "0")
        too_large = announced.isdecimal() and int(announced) > limit
        try:
            body = None if too_large else await self._read(receive, limit)
        except ClientDisconnect:
            # Half a body is never taken for a whole one: half a table would be brought in.
            return
        if body is None:
            detail = f"the body is larger than {limit} bytes"
            await problem(413, detail, headers={"Connection": "close"})(scope, receive, send)
            return
        await self._app(scope, _replayed(body, receive), send)

    async def _read(self, receive: Receive, limit: int) -> bytes | None:
        parts, size = [], 0
        more = True
        while more:
            message = await receive()
            if message["type"] != "http.request":
                raise ClientDisconnect
            parts.append(message.get("body", b""))
            size += len(parts[-1])
            if size > limit:
                return None
            more = message.get("more_body", False)
        return b"".join(parts)


def _replayed(body: bytes, receive: Receive) -> Receive:
    """Give the body once, then what the server says: the disconnect."""
    given = False

    async def replay() -> Message:
        nonlocal given
        if given:
            return await receive()
        given = True
        return {"type": "http.request", "body": body, "more_body": False}

    return replay
