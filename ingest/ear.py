"""Hears what the database announces: that the registry or the rules have changed."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import psycopg

from core.config import DatabaseConfig
from core.db.queries import load
from core.errors import DatabaseAway
from ingest.config import IngestConfig
from ingest.queue import waited
from ingest.store import break_off

_SQL = load("ingest", "ear.sql")


class Ear:
    """One listening connection, made again when it is lost.

    Attributes:
        changed: set when something was announced, or may have been while nobody listened.
    """

    def __init__(self, database: DatabaseConfig, ingest: IngestConfig) -> None:
        self._database = database
        self._ingest = ingest
        self._conn: psycopg.AsyncConnection[Any] | None = None
        self.changed = asyncio.Event()

    async def open(self) -> None:
        """Listen from now on.

        Raises:
            DatabaseAway: if the database cannot be reached.
        """
        try:
            self._conn = await self._connect()
        except psycopg.OperationalError as error:
            raise DatabaseAway(f"the database cannot be reached: {error}") from error

    async def close(self) -> None:
        """Listen no more."""
        if self._conn is not None:
            await self._conn.close()

    def break_off(self) -> None:
        """Break the connection: cancelled in a query, psycopg would wait for a silent server."""
        if self._conn is not None:
            break_off(self._conn)

    async def run(self, over: Callable[[], bool], stop: asyncio.Event) -> None:
        """Listen until ``over``."""
        while not over():
            with suppress(psycopg.OperationalError):
                if self._conn is None or self._conn.closed:
                    self._conn = await self._connect()
                    # A change while we did not listen was not heard.
                    self.changed.set()
                async with self._conn as conn:
                    async for _ in conn.notifies():
                        self.changed.set()
            await waited(stop, self._ingest.retry_max_s * random.uniform(0.5, 1.0))

    async def _connect(self) -> psycopg.AsyncConnection[Any]:
        conn = await psycopg.AsyncConnection.connect(
            self._database.dsn,
            autocommit=True,
            connect_timeout=max(2, round(self._database.connect_timeout_s)),
            application_name=f"blocktwin ingest {self._ingest.worker_id} listener",
        )
        await conn.execute(_SQL["registry"])
        await conn.execute(_SQL["rules"])
        return conn
