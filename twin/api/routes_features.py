"""OGC API - Features: spaces, devices and alarms for map programs, as ``twin.features`` says them.

Not in the API's own OpenAPI document: the standard asks for one of its own, ``/ogc/features/api``.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Any, TypeVar
from urllib.parse import urlencode

from fastapi import APIRouter, Request, Response

from core.errors import UsageError
from twin.api.answers import encode, reply
from twin.api.problems import Refused
from twin.api.runtime import Runtime, of
from twin.features import document, items, store
from twin.features.collections import COLLECTIONS, Collection
from twin.features.crs import Crs
from twin.features.document import GEOJSON, HTML, JSON, OPENAPI, link
from twin.features.outlines import Outlines
from twin.features.query import BadParameter, Query, parse, parse_none, parse_one

router = APIRouter(prefix="/ogc/features", include_in_schema=False)

Row = dict[str, Any]
T = TypeVar("T")


@router.get("")
@router.get("/")
async def landing(request: Request) -> Response:
    """Say what is here."""
    return await _plain(request, document.landing(_base(request)))


@router.get("/conformance")
async def conformance(request: Request) -> Response:
    """Say what is claimed."""
    return await _plain(request, document.conformance())


@router.get("/api")
async def api(request: Request) -> Response:
    """Return the API definition as OpenAPI 3.0."""
    return await _plain(request, document.definition(_base(request)), OPENAPI)


@router.get("/api.html")
async def api_page(request: Request) -> Response:
    """Return the API definition for people."""
    _checked(lambda: parse_none(_parameters(request)))
    return Response(document.page(_base(request)), media_type=HTML)


@router.get("/collections")
async def collections(request: Request) -> Response:
    """Return the collections."""
    words = [await _describe(request, one) for one in COLLECTIONS.values()]
    return await _plain(request, document.collections(_base(request), words))


@router.get("/collections/{name}")
async def collection(request: Request, name: str) -> Response:
    """Return one collection."""
    return await _plain(request, await _describe(request, _collection(name)))


@router.get("/collections/{name}/items")
async def features(request: Request, name: str) -> Response:
    """Return features, page by page."""
    one = _collection(name)
    query = _checked(lambda: parse(_parameters(request), one))
    found, matched, after = await _page(of(request), one, query)
    here = f"{_base(request)}/collections/{name}"
    links = [
        link(str(request.url), "self", GEOJSON, "this document"),
        link(here, "collection", JSON, one.title),
    ]
    if after is not None:
        rest = [pair for pair in _parameters(request) if pair[0] != "after"]
        following = f"{here}/items?{urlencode([*rest, ('after', after)])}"
        links.append(link(following, "next", GEOJSON, "the next page"))
    body = {
        "type": "FeatureCollection",
        "links": links,
        "timeStamp": datetime.now(UTC),
        "numberReturned": len(found),
        "features": found,
    } | ({"numberMatched": matched} if matched is not None else {})
    return await _features(request, body, query.crs)


@router.get("/collections/{name}/items/{feature:path}")
async def feature(request: Request, name: str, feature: str) -> Response:
    """Return one feature."""
    one = _collection(name)
    crs = _checked(lambda: parse_one(_parameters(request)))
    query = Query(limit=1, crs=crs, filters={})
    found = await _one(of(request), one, query, feature)
    if not found:
        raise Refused(404, f"there is no {feature!r} in {name}")
    here = f"{_base(request)}/collections/{name}"
    links = [
        link(str(request.url), "self", GEOJSON, "this document"),
        link(here, "collection", JSON, one.title),
    ]
    return await _features(request, found[0] | {"links": links}, crs)


async def _page(
    runtime: Runtime, one: Collection, query: Query
) -> tuple[list[Row], int | None, str | None]:
    """Return the features of a page, how many match in all, and where the next one goes on."""
    state = runtime.live.current()
    if one.name in {"spaces", "space-versions"}:
        outlines = await _outlines(runtime, one.name)
        chosen = await asyncio.to_thread(outlines.select, query)
        page = outlines.page(chosen, query).tolist()
        more = bool(page) and page[-1] != chosen[-1]
        found = await _drawn(lambda: items.spaces(outlines, page, query.crs, state))
        return found, len(chosen), outlines.ids[page[-1]] if more else None
    async with runtime.connection() as conn:
        if one.name == "devices":
            rows = await store.devices(conn, query, more=1)
            matched: int | None = await store.device_count(conn, query)
        else:
            rows = await _awaited(store.alarms(conn, query, more=1))
            matched = await store.alarm_count(conn, query)
    page_rows = rows[: query.limit]
    if one.name == "devices":
        found = await _drawn(lambda: items.devices(page_rows, query.crs, state))
        following = page_rows[-1]["id"] if len(rows) > query.limit else None
    else:
        found = await _drawn(lambda: items.alarms(page_rows, query.crs))
        following = store.alarm_cursor(page_rows[-1]) if len(rows) > query.limit else None
    return found, matched, following


async def _one(runtime: Runtime, one: Collection, query: Query, feature: str) -> list[Row]:
    if "\0" in feature:
        return []
    state = runtime.live.current()
    if one.name in {"spaces", "space-versions"}:
        outlines = await _outlines(runtime, one.name)
        at = outlines.find(feature)
        chosen = [at] if at is not None else []
        return await _drawn(lambda: items.spaces(outlines, chosen, query.crs, state))
    async with runtime.connection() as conn:
        if one.name == "devices":
            rows = await store.device(conn, query, feature)
            return await _drawn(lambda: items.devices(rows, query.crs, state))
        rows = await store.alarm(conn, query, feature)
        return await _drawn(lambda: items.alarms(rows, query.crs))


async def _outlines(runtime: Runtime, name: str) -> Outlines:
    """Return the outlines as of the newest registry, read once for each."""
    version = runtime.live.version
    known = runtime.outlines.get(name)
    if known is not None and known[0] == version:
        return known[1]
    async with runtime.connection() as conn:
        rows = await store.outlines(conn, name)
    outlines = await asyncio.to_thread(Outlines, rows)
    runtime.outlines[name] = (version, outlines)
    return outlines


async def _describe(request: Request, one: Collection) -> Row:
    runtime = of(request)
    if one.name in {"spaces", "space-versions"}:
        outlines = await _outlines(runtime, one.name)
        box, since = outlines.bounds, outlines.since
    else:
        async with runtime.connection() as conn:
            box, since = await store.extent(conn, one.name)
    return document.collection(_base(request), one, box, since)


def _collection(name: str) -> Collection:
    if name not in COLLECTIONS:
        raise Refused(404, f"there is no collection {name!r}; see /ogc/features/collections")
    return COLLECTIONS[name]


def _base(request: Request) -> str:
    return f"{str(request.base_url).rstrip('/')}/ogc/features"


def _parameters(request: Request) -> list[tuple[str, str]]:
    return request.query_params.multi_items()


def _checked(make: Callable[[], T]) -> T:
    """Run a parser; what it refuses is 400, as the standard asks."""
    try:
        return make()
    except BadParameter as error:
        raise Refused(400, str(error)) from error


async def _awaited(rows: Awaitable[list[Row]]) -> list[Row]:
    try:
        return await rows
    except BadParameter as error:
        raise Refused(400, str(error)) from error


async def _drawn(make: Callable[[], list[Row]]) -> list[Row]:
    """Make features in a thread; coordinates that the system cannot hold are 400."""
    try:
        return await asyncio.to_thread(make)
    except (UsageError, ValueError) as error:
        raise Refused(400, f"crs: {error}") from error


async def _plain(request: Request, body: Row, media_type: str = JSON) -> Response:
    _checked(lambda: parse_none(_parameters(request)))
    return reply(request, await asyncio.to_thread(encode, body), media_type=media_type)


async def _features(request: Request, body: Row, crs: Crs) -> Response:
    response = reply(request, await asyncio.to_thread(encode, body), media_type=GEOJSON)
    response.headers["Content-Crs"] = f"<{crs.uri}>"
    return response
