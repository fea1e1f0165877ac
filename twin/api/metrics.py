"""The API's own metrics, in a registry of each app's own, and the middleware that counts."""

from __future__ import annotations

import time

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from core.version import version
from ingest.metrics import Told
from twin.api.hub import Hub


class Metrics:
    """Counters of one app; streams are read from the hub when asked."""

    def __init__(self, hub: Hub) -> None:
        self._registry = CollectorRegistry()
        self.requests = Counter(
            "blocktwin_api_requests",
            "Requests answered.",
            ("method", "route", "status"),
            registry=self._registry,
        )
        self.seconds = Histogram(
            "blocktwin_api_request_seconds",
            "Time until the answer was complete; event streams are not in it.",
            ("route",),
            registry=self._registry,
        )
        self._gauge("streams", "Open event streams.").set_function(lambda: len(hub))
        dropped = "Streams ended because their client was too slow."
        self._registry.register(Told("blocktwin_api_streams_dropped", dropped, lambda: hub.dropped))
        build = Gauge("blocktwin_build_info", "Always 1.", ("version",), registry=self._registry)
        build.labels(version()).set(1)

    def text(self) -> bytes:
        """Return everything in the Prometheus text format."""
        return generate_latest(self._registry)

    def _gauge(self, name: str, text: str) -> Gauge:
        return Gauge(f"blocktwin_api_{name}", text, registry=self._registry)


class Counting:
    """ASGI middleware: count and time every answer by its route, never by its path."""

    def __init__(self, app: ASGIApp, *, metrics: Metrics) -> None:
        self._app = app
        self._metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on and note how it was answered."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        status, stream, started = 500, False, time.perf_counter()

        async def noting(message: Message) -> None:
            nonlocal status, stream
            if message["type"] == "http.response.start":
                status = message["status"]
                stream = (b"content-type", b"text/event-stream") in message["headers"]
            await send(message)

        try:
            await self._app(scope, receive, noting)
        finally:
            route = getattr(scope.get("route"), "path", "none")
            self._metrics.requests.labels(_method(scope["method"]), route, status).inc()
            if not stream:
                self._metrics.seconds.labels(route).observe(time.perf_counter() - started)


def _method(method: str) -> str:
    """Methods come from the client; a made-up one must not make a new time series."""
    return method if method in {"GET", "HEAD", "POST", "DELETE"} else "other"
