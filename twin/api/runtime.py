"""What the routes of one app share; made once by ``create_app``, found by ``of(request)``."""

from __future__ import annotations

import asyncio
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field

from fastapi import Request
from psycopg_pool import AsyncConnectionPool

from core.config import DatabaseConfig
from twin.api.answers import Cache
from twin.api.guard import Gatekeeper, Identity
from twin.api.hub import Hub
from twin.api.live import Live
from twin.api.metrics import Metrics
from twin.api.reads import Conn
from twin.config import ApiConfig
from twin.features.outlines import Outlines
from twin.kinds import BUILT_IN, Kinds
from twin.relations.reads import Graphs

MAPS_AT_ONCE = 2
"""A file of the largest size takes several times its size in memory while it is judged."""

CHANGES_AT_ONCE = 2
"""They wait for each other in the database anyway; an acknowledgement must not wait with them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Runtime:
    """The parts of one running API.

    Attributes:
        cache: answers that stand until the registry changes.
        fleeting: those that change with every look at the readings.
        database: for the alarm actions, which run synchronously on connections of their own.
        actions: how many of them may run at once.
        looking_back: how many states of the past may be made at once.
        questions: how many SensorThings questions may be put at once; they leave the other half
            of the database's connections to the page.
        question_s: seconds that one of them may take in all.
        outlines: collection of spaces -> (version of the registry, the outlines as of it).
        imports: how many map files may be read and judged at once.
        changes: how many changes of the registry (the map, devices, relations, addresses) may be
            asked of the database at once.
        graphs: networks walked lately; ``kinds``: what may be said of each kind of device.
    """

    cfg: ApiConfig
    database: DatabaseConfig
    pool: AsyncConnectionPool[Conn]
    hub: Hub
    live: Live
    gatekeeper: Gatekeeper
    cache: Cache
    fleeting: Cache
    metrics: Metrics
    actions: asyncio.Semaphore
    looking_back: asyncio.Semaphore
    questions: asyncio.Semaphore
    question_s: float
    outlines: dict[str, tuple[int, Outlines]] = field(default_factory=dict)
    imports: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(MAPS_AT_ONCE))
    changes: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(CHANGES_AT_ONCE))
    graphs: Graphs = field(default_factory=Graphs)
    kinds: Kinds = BUILT_IN

    def connection(self) -> AbstractAsyncContextManager[Conn]:
        """Return a database connection for one request.

        Raises:
            DatabaseAway: at once while the follower knows that there is none.
        """
        self.live.current()
        return self.pool.connection(timeout=self.cfg.database_wait_s)


def of(request: Request) -> Runtime:
    """Return the runtime of the app that a request came to."""
    runtime: Runtime = request.app.state.runtime
    return runtime


def identity(request: Request) -> Identity:
    """Return who is asking; the guard lets nobody else through to a route that calls this."""
    found: Identity = request.state.identity
    return found
