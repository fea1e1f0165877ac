"""Large answers: encoded once, in both codings, with a tag."""

from __future__ import annotations

import asyncio
import gzip
import math

import pytest
from fastapi import Request

from twin.api.answers import Cache, encode, reply


def request(**headers: str) -> Request:
    raw = [(k.replace("_", "-").encode(), v.encode()) for k, v in headers.items()]
    return Request({"type": "http", "method": "GET", "path": "/", "headers": raw})


def test_not_a_number_is_null() -> None:
    assert encode([math.nan, math.inf, 1.5]).body == b"[null,null,1.5]"


def test_the_codings_hold_the_same() -> None:
    encoded = encode(["x" * 5000])
    assert encoded.compressed is not None
    assert gzip.decompress(encoded.compressed) == encoded.body
    plain = reply(request(), encoded)
    packed = reply(request(accept_encoding="br, gzip"), encoded)
    assert plain.body == encoded.body
    assert packed.body == encoded.compressed
    assert packed.headers["content-encoding"] == "gzip"
    assert encode("short").compressed is None


def test_a_client_that_has_it_gets_304() -> None:
    encoded = encode([1])
    for header in (encoded.etag, f'"other", {encoded.etag}', encoded.etag[2:], "*"):
        assert reply(request(if_none_match=header), encoded, tag=True).status_code == 304
    assert reply(request(if_none_match='"other"'), encoded, tag=True).status_code == 200
    assert reply(request(if_none_match=encoded.etag), encoded).status_code == 200


async def test_the_cache_makes_an_answer_once_and_forgets_the_oldest() -> None:
    cache, made = Cache(entries=2), []

    async def make() -> list[int]:
        made.append(1)
        await asyncio.sleep(0)
        return [len(made)]

    async with asyncio.TaskGroup() as tasks:
        found = [tasks.create_task(cache.get("a", make), name="get") for _ in range(5)]
    assert {task.result().body for task in found} == {b"[1]"}
    for key in ("b", "c", "a"):
        await cache.get(key, make)
    assert len(made) == 4


async def test_an_answer_in_the_making_holds_up_only_those_who_want_it() -> None:
    cache, go = Cache(entries=4), asyncio.Event()

    async def slow() -> str:
        await go.wait()
        return "slow"

    async def quick() -> str:
        return "quick"

    async with asyncio.TaskGroup() as tasks:
        first = tasks.create_task(cache.get("a", slow), name="first")
        same = tasks.create_task(cache.get("a", quick), name="same")
        async with asyncio.timeout(5):
            assert (await cache.get("b", quick)).body == b'"quick"'
        assert not first.done()
        go.set()
    assert first.result().body == same.result().body == b'"slow"'


async def test_only_so_many_answers_are_made_at_once() -> None:
    cache, running, most = Cache(entries=9, at_once=2), 0, 0

    async def make() -> None:
        nonlocal running, most
        running += 1
        most = max(most, running)
        for _ in range(5):
            await asyncio.sleep(0)
        running -= 1

    async with asyncio.TaskGroup() as tasks:
        for key in range(6):
            tasks.create_task(cache.get(key, make), name=str(key))
    assert most == 2


async def test_a_failed_answer_is_made_again() -> None:
    cache = Cache(entries=2)

    async def broken() -> None:
        raise LookupError

    async def whole() -> int:
        return 1

    with pytest.raises(LookupError):
        await cache.get("a", broken)
    assert (await cache.get("a", whole)).body == b"1"
