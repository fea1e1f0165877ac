"""When a worker's snapshots are taken: between two batches, now and then, and at an orderly end."""

from __future__ import annotations

import asyncio
import logging
import time

from core.config import DatabaseConfig
from core.errors import DatabaseAway
from ingest.config import IngestConfig
from ingest.metrics import Metrics
from ingest.pipeline import Pipeline
from ingest.snapshots import Kept, Shelf

log = logging.getLogger(__name__)


class Keeper:
    """Takes snapshots of a pipeline and has them written beside the batches.

    Whoever calls it sees to it that everything that was judged is committed.
    """

    def __init__(self, database: DatabaseConfig, ingest: IngestConfig, metrics: Metrics) -> None:
        self._every_s = ingest.snapshot_every_s
        self._shelf = Shelf(database, ingest.worker_id)
        self._metrics = metrics
        self._taken_s = time.monotonic()
        self._writing: asyncio.Task[None] | None = None

    @property
    def due(self) -> bool:
        """Whether it is time for one, and the last one is written."""
        writing = self._writing is not None and not self._writing.done()
        return not writing and time.monotonic() - self._taken_s >= self._every_s

    async def keep(self, pipeline: Pipeline, tasks: asyncio.TaskGroup) -> None:
        """Take a snapshot; it is written by one of ``tasks`` while the next batches go on."""
        kept = await self._take(pipeline)
        self._writing = tasks.create_task(self._write(kept), name="snapshot")

    async def finish(self, pipeline: Pipeline | None) -> None:
        """Wait for what is being written; take a last one of ``pipeline``, if there is one."""
        if self._writing is not None:
            await self._writing
        if pipeline is not None:
            await self._write(await self._take(pipeline))

    def abort(self) -> None:
        """Let nothing wait for a database that does not answer."""
        self._shelf.abort()

    async def _take(self, pipeline: Pipeline) -> Kept:
        self._taken_s = time.monotonic()
        taken_us = time.time_ns() // 1000
        engine = await asyncio.to_thread(pipeline.engine.snapshot)
        kept = Kept(taken_us=taken_us, engine=engine, marker=pipeline.marker.state())
        self._metrics.snapshot_s.observe(time.monotonic() - self._taken_s)
        return kept

    async def _write(self, kept: Kept) -> None:
        try:
            size = await asyncio.to_thread(self._shelf.save, kept)
        except DatabaseAway as error:
            log.debug("%s; the next one comes", error)
            return
        self._metrics.snapshot_bytes.set(size)
        if not size:
            log.error("a snapshot is too large to be written; a restart will forget timers")
