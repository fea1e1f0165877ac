"""The slow-query log: statements that take long are named in the log and counted.

A statement is told by its file and name, with its time and its rows, never with its parameters.
COMMIT and named (server-side) cursors are not timed; of a COPY the caller's own work between the
blocks counts too. The server's own view, over all programs, is ``pg_stat_statements``.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import AsyncIterator, Iterable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, NamedTuple

from psycopg import AsyncCopy, AsyncCursor, Copy, Cursor, sql
from psycopg.abc import Params, Query

from core.db.queries import title_of

log = logging.getLogger(__name__)

QUIET_S = 10.0
"""After a line about a statement, how long its further slow runs are only counted."""
_SHOWN = 60  # characters of a statement that has no name
_KNOWN = 1000  # statements remembered; beyond it the oldest is forgotten


@dataclass(slots=True)
class Tally:
    """How many statements were slow in this process, and which were logged when."""

    total: int = 0
    _logged: dict[str, tuple[float, int]] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def note(self, title: str, now_s: float) -> int | None:
        """Count one; return how many were not logged since the last line, None to log nothing."""
        with self._lock:
            self.total += 1
            last_s, silent = self._logged.pop(title, (float("-inf"), 0))
            quiet = now_s - last_s < QUIET_S
            self._logged[title] = (last_s, silent + 1) if quiet else (now_s, 0)
            while len(self._logged) > _KNOWN:
                del self._logged[next(iter(self._logged))]
            return None if quiet else silent


TALLY = Tally()
"""Of this process; a service shows ``total`` among its metrics."""


class Cursors(NamedTuple):
    """The cursor classes of a connection and of a pool."""

    of_connection: type[Cursor[Any]]
    of_pool: type[AsyncCursor[Any]]


@lru_cache(maxsize=8)
def cursors(slow_s: float) -> Cursors:
    """Return cursors that log what takes ``slow_s`` seconds or longer; 0 logs nothing."""
    if slow_s <= 0:
        return Cursors(Cursor, AsyncCursor)
    return Cursors(
        type("TimedCursor", (_TimedCursor,), {"slow_s": slow_s}),
        type("TimedAsyncCursor", (_TimedAsyncCursor,), {"slow_s": slow_s}),
    )


class _TimedCursor(Cursor[Any]):
    """A cursor that looks at the clock before and after."""

    slow_s: float

    def execute(self, query: Any, params: Params | None = None, **options: Any) -> Any:
        began_s = time.perf_counter()
        try:
            return super().execute(query, params, **options)
        finally:
            if (took_s := time.perf_counter() - began_s) >= self.slow_s:
                tell(query, took_s, self.rowcount)

    def executemany(self, query: Query, params_seq: Iterable[Params], **options: Any) -> None:
        began_s = time.perf_counter()
        try:
            super().executemany(query, params_seq, **options)
        finally:
            if (took_s := time.perf_counter() - began_s) >= self.slow_s:
                tell(query, took_s, self.rowcount)

    @contextmanager
    def copy(
        self, statement: Query, params: Params | None = None, **options: Any
    ) -> Iterator[Copy]:
        began_s = time.perf_counter()
        try:
            with super().copy(statement, params, **options) as copy:
                yield copy
        finally:
            if (took_s := time.perf_counter() - began_s) >= self.slow_s:
                tell(statement, took_s, self.rowcount)


class _TimedAsyncCursor(AsyncCursor[Any]):
    """The same for pools."""

    slow_s: float

    async def execute(self, query: Any, params: Params | None = None, **options: Any) -> Any:
        began_s = time.perf_counter()
        try:
            return await super().execute(query, params, **options)
        finally:
            if (took_s := time.perf_counter() - began_s) >= self.slow_s:
                tell(query, took_s, self.rowcount)

    async def executemany(self, query: Query, params_seq: Iterable[Params], **options: Any) -> None:
        began_s = time.perf_counter()
        try:
            await super().executemany(query, params_seq, **options)
        finally:
            if (took_s := time.perf_counter() - began_s) >= self.slow_s:
                tell(query, took_s, self.rowcount)

    @asynccontextmanager
    async def copy(
        self, statement: Query, params: Params | None = None, **options: Any
    ) -> AsyncIterator[AsyncCopy]:
        began_s = time.perf_counter()
        try:
            async with super().copy(statement, params, **options) as copy:
                yield copy
        finally:
            if (took_s := time.perf_counter() - began_s) >= self.slow_s:
                tell(statement, took_s, self.rowcount)


def tell(query: Query, took_s: float, rows: int) -> None:
    """Count a slow statement and log it, unless it was logged a moment ago."""
    title = name(query)
    silent = TALLY.note(title, time.monotonic())
    if silent is not None:
        more = f"; {silent} more since the last such line" if silent else ""
        many = f"{rows} rows" if rows >= 0 else "no rows"
        log.warning("slow statement %s: %.0f ms, %s%s", title, took_s * 1000, many, more)


def name(query: Query) -> str:
    """Return what to call a statement: its file and name, else its beginning.

    Of a statement put together at run time only the fixed parts are told.
    """
    if isinstance(query, sql.Composed):
        parts = [part.as_string(None) for part in query if isinstance(part, sql.SQL)]
        return _beginning("…".join(parts))
    if isinstance(query, sql.Composable):
        query = query.as_string(None)
    text = query.decode(errors="replace") if isinstance(query, bytes) else str(query)
    return title_of(text) or _beginning(text)


def _beginning(text: str) -> str:
    lines = [line for line in text.splitlines() if not line.lstrip().startswith("--")]
    return " ".join(" ".join(lines).split())[:_SHOWN] or "an empty statement"
