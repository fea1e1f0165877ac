"""OGC SensorThings API 1.1: reading anything, creating where it is switched on.

The paths are the standard's own, parsed by ``twin.sensorthings.address``; OpenAPI has no words for
them, so the landing document describes the interface, as the standard asks.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import msgspec
import psycopg
from fastapi import APIRouter, Request, Response

from twin.api import creating
from twin.api.answers import Encoded, encode, json_reply, reply
from twin.api.problems import Refused
from twin.api.runtime import Runtime, of
from twin.sensorthings import arrays, landing, newest
from twin.sensorthings.address import Address, observation_key, parse_path
from twin.sensorthings.faults import NotOffered, NotThere, QueryInvalid, TooMuch
from twin.sensorthings.options import Options, parse_query
from twin.sensorthings.read import Reader

TOO_LONG = (
    "the question takes too long: ask one Datastream's Observations, bound their phenomenonTime, "
    "expand less, or leave out $count"
)

router = APIRouter(prefix="/sta/v1.1", tags=["sensorthings"], include_in_schema=False)


@router.get("")
@router.get("/")
async def root(request: Request) -> Response:
    """Return the landing document."""
    return json_reply(
        landing.document(base_of(request), create=creating.gateway_of(request) is not None)
    )


@router.get("/{path:path}")
async def read(request: Request, path: str) -> Response:
    """Return a set, an entity, a property, its value, or links."""
    runtime = of(request)
    with answered():
        address = parse_path(path)
        options = parse_query(request.url.query, address.entity)
        async with _question(runtime), runtime.connection() as conn:
            reader = Reader(conn, base_of(request), datetime.now(UTC))
            if newest.asked(address, options):
                content: Any = await _newest(reader, options, request, runtime.live.version)
            else:
                content = await _told(reader, address, options, request)
    if isinstance(content, Response):
        return content
    if isinstance(content, bytes):
        return reply(request, await _packed(content, request))
    return reply(request, await asyncio.to_thread(encode, content))


@router.post("/{path:path}")
async def post(request: Request, path: str) -> Response:
    """Create a Thing or Observations, where creating is switched on."""
    with answered():
        return await creating.post(request, path)


@router.api_route("/{path:path}", methods=["PATCH", "PUT", "DELETE"])
async def change(request: Request, path: str) -> Response:
    """Refuse: nothing is changed or deleted here."""
    return creating.refuse(request, path)


@asynccontextmanager
async def _question(runtime: Runtime) -> AsyncIterator[None]:
    """Hold one of the few places for questions, and end a question that takes too long.

    Raises:
        Refused: 503, all places stay taken, or the time is over.
    """
    try:
        async with asyncio.timeout(runtime.cfg.database_wait_s):
            await runtime.questions.acquire()
    except TimeoutError as error:
        raise Refused(
            503, "too many questions at once; try again in a moment", headers=creating.RETRY
        ) from error
    try:
        # Every statement has its own limit; an answer takes one for each link that is expanded.
        async with asyncio.timeout(runtime.question_s):
            yield
    except TimeoutError as error:
        raise Refused(503, TOO_LONG) from error
    finally:
        runtime.questions.release()


async def _told(reader: Reader, address: Address, options: Options, request: Request) -> Any:
    try:
        return await _content(reader, address, options, request)
    except psycopg.ProgrammingError as error:
        if not options.token:
            raise
        raise QueryInvalid("$skiptoken: follow the link as it was given") from error


async def _content(reader: Reader, address: Address, options: Options, request: Request) -> Any:
    if address.leaf is not None:
        return _leaf(address, await reader.property(address))
    if not address.many:
        word, row = await reader.entity(address, options)
        if address.refs:
            return {"@iot.selfLink": word["@iot.selfLink"]}
        del row
        return word
    where = str(request.url.replace(query=""))
    if not options.array:
        return await reader.entities(address, options, where)
    names = arrays.components(options)
    if options.select is not None:
        # The id says which Datastream a row belongs to.
        options = replace(options, select=options.select | {"id"})
    answer = await reader.entities(address, options, where)
    series = [(observation_key(word["@iot.id"]) or (0, 0))[0] for word in answer["value"]]
    return arrays.arranged(answer, series, names, reader.base)


async def _newest(reader: Reader, options: Options, request: Request, version: object) -> bytes:
    """Return the newest Observation of very many Datastreams, as JSON."""
    state = request.app.state
    if not hasattr(state, "sensorthings_newest"):
        state.sensorthings_newest = newest.Newest()
    where = str(request.url.replace(query=""))
    body: bytes = await state.sensorthings_newest.answer(reader, options, where, version)
    return body


async def _packed(body: bytes, request: Request) -> Encoded:
    zipped = None
    if "gzip" in request.headers.get("accept-encoding", ""):
        zipped = await asyncio.to_thread(newest.compressed, body)
    return Encoded(body=body, compressed=zipped, etag="")


def _leaf(address: Address, value: Any) -> Any:
    if value is None:
        return Response(status_code=204)
    if not address.value:
        name = "@iot.id" if address.leaf == "id" else address.leaf
        return {address.inside[-1] if address.inside else name: value}
    if isinstance(value, str):
        return Response(value, media_type="text/plain; charset=utf-8")
    return Response(msgspec.json.encode(value), media_type="application/json")


def base_of(request: Request) -> str:
    """Return the address of the root as the client wrote it."""
    return str(request.base_url).rstrip("/") + landing.ROOT


@contextmanager
def answered() -> Iterator[None]:
    """Turn what is wrong with a request into the problem that says so."""
    try:
        yield
    except NotThere as error:
        raise Refused(404, str(error)) from error
    except NotOffered as error:
        raise Refused(501, str(error)) from error
    except (QueryInvalid, TooMuch) as error:
        raise Refused(400, str(error)) from error
    except psycopg.errors.QueryCanceled as error:
        raise Refused(503, TOO_LONG) from error
    except psycopg.DataError as error:
        raise Refused(400, "$filter: a value in it is too large to be reckoned with") from error
