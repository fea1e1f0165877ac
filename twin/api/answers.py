"""Answers as bytes: encoded and compressed once, in a thread, and kept while nothing changed."""

from __future__ import annotations

import asyncio
import gzip
import hashlib
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Hashable
from dataclasses import dataclass
from typing import Any
from weakref import WeakValueDictionary

import msgspec
from fastapi import Request, Response
from fastapi.responses import JSONResponse

GEOJSON = "application/geo+json"
SMALLEST_GZIP = 1400
"""One packet; below it compressing saves nothing."""

GZIP_LEVEL = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Encoded:
    """A body in both codings; ``etag`` is weak because the codings differ in bytes."""

    body: bytes
    compressed: bytes | None
    etag: str


class GeoJson(JSONResponse):
    """A GeoJSON answer, so that OpenAPI names its media type."""

    media_type = GEOJSON


def encode(content: Any) -> Encoded:
    """Encode as JSON; times carry their offset, NaN becomes null."""
    body = msgspec.json.encode(content)
    large = len(body) >= SMALLEST_GZIP
    return Encoded(
        body=body,
        compressed=gzip.compress(body, GZIP_LEVEL, mtime=0) if large else None,
        etag=f'W/"{hashlib.sha256(body).hexdigest()[:32]}"',
    )


def reply(
    request: Request, encoded: Encoded, *, media_type: str = "application/json", tag: bool = False
) -> Response:
    """Answer with the body, compressed if the client likes; with ``tag`` 304 when it has it."""
    headers = {
        "Cache-Control": "private, no-cache" if tag else "no-store",
        "Vary": "Accept-Encoding",
    }
    if tag:
        headers["ETag"] = encoded.etag
        if _has(request.headers.get("if-none-match", ""), encoded.etag):
            return Response(status_code=304, headers=headers)
    body = encoded.body
    if encoded.compressed is not None and "gzip" in request.headers.get("accept-encoding", ""):
        body = encoded.compressed
        headers["Content-Encoding"] = "gzip"
    return Response(body, media_type=media_type, headers=headers)


def json_reply(content: Any, *, status: int = 200) -> Response:
    """Answer with a small JSON body."""
    return Response(
        msgspec.json.encode(content),
        status_code=status,
        media_type="application/json",
        headers={"Cache-Control": "no-store"},
    )


class Cache:
    """The last few large answers; a key carries the version of what it was made from.

    One that is being made is waited for by those who want the same, and by nobody else; at most
    ``at_once`` are made at a time, which bounds the memory and the database's work.
    """

    def __init__(self, *, entries: int, at_once: int = 3) -> None:
        self._entries = entries
        self._kept: OrderedDict[Hashable, Encoded] = OrderedDict()
        self._making: WeakValueDictionary[Hashable, asyncio.Lock] = WeakValueDictionary()
        self._at_once = asyncio.Semaphore(at_once)

    async def get(self, key: Hashable, make: Callable[[], Awaitable[Any]]) -> Encoded:
        """Return the answer for ``key``, made at most once at a time; ``make`` may encode it."""
        if (known := self._kept.get(key)) is not None:
            self._kept.move_to_end(key)
            return known
        # Whoever waits holds the lock alive; the last one to leave lets it go.
        lock = self._making.setdefault(key, asyncio.Lock())
        async with lock, self._at_once:
            if (known := self._kept.get(key)) is None:
                made = await make()
                known = made if isinstance(made, Encoded) else await asyncio.to_thread(encode, made)
                self._kept[key] = known
                while len(self._kept) > self._entries:
                    self._kept.popitem(last=False)
        return known


def _has(header: str, etag: str) -> bool:
    tags = [tag.strip().removeprefix("W/") for tag in header.split(",")]
    return "*" in tags or etag.removeprefix("W/") in tags
