"""The small HTTP server of the processes that are no web server, over real loopback sockets."""

import asyncio

import pytest

from core.health import MAX_CLIENTS, MAX_HEAD_BYTES, serve_health
from core.version import version


async def ask(port: int, request: bytes) -> tuple[bytes, bytes]:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(request)
    answer = await asyncio.wait_for(reader.read(), 10)
    writer.close()
    await writer.wait_closed()
    head, _, body = answer.partition(b"\r\n\r\n")
    return head, body


async def get(port: int, target: str, method: str = "GET") -> tuple[int, str]:
    head, body = await ask(port, f"{method} {target} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
    return int(head.split(b" ")[1]), body.decode()


async def test_a_well_process_says_so() -> None:
    checks = {"broker": lambda: True, "database": lambda: True}
    async with serve_health("127.0.0.1", 0, checks=checks, metrics=lambda: "up 1\n") as port:
        assert await get(port, "/livez") == (200, "ok\n")
        assert await get(port, "/readyz") == (200, "ready\n")
        assert await get(port, "/healthz") == (200, "ready\n")
        assert await get(port, "/readyz?verbose") == (200, "ok broker\nok database\nready\n")
        assert await get(port, "/metrics") == (200, "up 1\n")
        assert await get(port, "/version") == (200, version() + "\n")


async def test_a_failing_check_is_named_and_heals() -> None:
    well = {"database": False}
    checks = {"broker": lambda: True, "database": lambda: well["database"]}
    async with serve_health("127.0.0.1", 0, checks=checks) as port:
        assert await get(port, "/readyz") == (503, "failed database\nnot ready\n")
        assert await get(port, "/livez") == (200, "ok\n")
        well["database"] = True
        assert await get(port, "/readyz") == (200, "ready\n")


@pytest.mark.parametrize(
    ("method", "target", "status"),
    [("GET", "/", 404), ("GET", "/metrics", 404), ("POST", "/livez", 405), ("GET", "*", 404)],
)
async def test_what_is_not_there_is_refused(method: str, target: str, status: int) -> None:
    async with serve_health("127.0.0.1", 0, checks={}) as port:
        assert (await get(port, target, method))[0] == status


async def test_head_has_the_length_and_no_body() -> None:
    async with serve_health("127.0.0.1", 0, checks={}) as port:
        head, body = await ask(port, b"HEAD /livez HTTP/1.1\r\n\r\n")
    assert b"Content-Length: 3" in head
    assert body == b""


@pytest.mark.parametrize(
    ("request_head", "status"),
    [
        (b"nonsense\r\n\r\n", b"400"),
        (b"GET / HTTP/2\r\n\r\n", b"400"),
        (b"GET /livez HTTP/1.1\r\nX: " + b"a" * 2 * MAX_HEAD_BYTES + b"\r\n\r\n", b"431"),
    ],
)
async def test_bad_requests_are_answered_and_harm_nobody(
    request_head: bytes, status: bytes
) -> None:
    async with serve_health("127.0.0.1", 0, checks={}) as port:
        head, _ = await ask(port, request_head)
        assert head.split(b" ")[1] == status
        assert (await get(port, "/livez"))[0] == 200


async def test_a_client_that_hangs_up_early_harms_nobody() -> None:
    async with serve_health("127.0.0.1", 0, checks={}) as port:
        _, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"GET /li")
        writer.close()
        await writer.wait_closed()
        assert (await get(port, "/livez"))[0] == 200


async def test_one_client_too_many_is_closed_and_the_end_does_not_wait_for_the_idle() -> None:
    async with asyncio.timeout(3):
        async with serve_health("127.0.0.1", 0, checks={}) as port:
            idle = [await asyncio.open_connection("127.0.0.1", port) for _ in range(MAX_CLIENTS)]
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            assert await reader.read() == b""
    for _, each in [*idle, (reader, writer)]:
        each.close()


async def test_a_taken_port_is_an_error() -> None:
    async with serve_health("127.0.0.1", 0, checks={}) as port:
        with pytest.raises(OSError, match="address already in use"):
            async with serve_health("127.0.0.1", port, checks={}):
                pass
