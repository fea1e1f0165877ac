"""A real HTTP server that takes webhooks: it can refuse, dawdle, and keeps what came."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass(slots=True)
class Receiver:
    """What the server does, and what it was sent.

    Attributes:
        statuses: answers to give next, in order; 204 when there are none left.
        hold: while clear, requests are taken but not answered.
        accepted: bodies that were answered with 2xx; ``refused`` the others.
        headers: of every request.
    """

    statuses: list[int] = field(default_factory=list)
    hold: threading.Event = field(default_factory=threading.Event)
    accepted: list[bytes] = field(default_factory=list)
    refused: list[bytes] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)
    url: str = ""

    def ids(self) -> list[int]:
        """Return the event numbers accepted, in order of arrival."""
        return [int(event["data"]["event_id"]) for event in self.events()]

    def events(self) -> list[dict[str, Any]]:
        """Return the CloudEvents accepted."""
        return [json.loads(body) for body in self.accepted]


@contextmanager
def receiving(port: int = 0) -> Iterator[Receiver]:
    """Run a receiver on a free loopback port, or a given one."""
    state = Receiver()
    state.hold.set()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            state.headers.append({key.lower(): value for key, value in self.headers.items()})
            state.hold.wait(30)
            status = state.statuses.pop(0) if state.statuses else 204
            (state.accepted if 200 <= status < 300 else state.refused).append(body)
            self.send_response(status)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    state.url = f"http://127.0.0.1:{server.server_address[1]}/hook?a=b"
    try:
        yield state
    finally:
        state.hold.set()
        server.shutdown()
        thread.join()
        server.server_close()
