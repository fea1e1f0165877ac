"""What surrounds an answer: the bound on a body, announced or not, for files and for the rest."""

from __future__ import annotations

import pytest
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route
from starlette.testclient import TestClient
from starlette.types import Message, Receive, Scope, Send

from twin.api.bounds import BodyLimit


async def _length(request: Request) -> PlainTextResponse:
    return PlainTextResponse(str(len(await request.body())))


@pytest.fixture
def client() -> TestClient:
    routes = [Route(path, _length, methods=["POST"]) for path in ("/plain", "/files/one")]
    bound = Middleware(BodyLimit, limit=10, files=("/files",), file_limit=100)
    return TestClient(Starlette(routes=routes, middleware=[bound]))


@pytest.mark.parametrize(
    ("path", "size", "status"),
    [("/plain", 10, 200), ("/plain", 11, 413), ("/files/one", 100, 200), ("/files/one", 101, 413)],
)
def test_a_file_may_be_larger_than_another_body(
    client: TestClient, path: str, size: int, status: int
) -> None:
    announced = client.post(path, content=b"x" * size)
    assert announced.status_code == status
    streamed = client.post(path, content=(b"x" for _ in range(size)))
    assert streamed.status_code == status
    if status == 200:
        assert announced.text == streamed.text == str(size)
    else:
        assert streamed.json()["detail"].startswith("the body is larger than")


async def test_half_a_body_is_never_taken_for_a_whole_one() -> None:
    seen: list[bytes] = []
    sent: list[Message] = []
    coming: list[Message] = [
        {"type": "http.request", "body": b"half a ", "more_body": True},
        {"type": "http.disconnect"},
    ]

    async def app(_scope: Scope, receive: Receive, _send: Send) -> None:
        seen.append((await receive())["body"])

    async def receive() -> Message:
        return coming.pop(0)

    async def send(message: Message) -> None:
        sent.append(message)

    bounded = BodyLimit(app, limit=100, files=("/files",), file_limit=100)
    scope = {"type": "http", "method": "POST", "path": "/files/one", "headers": []}
    await bounded(scope, receive, send)
    assert (seen, sent) == ([], [])
