"""When a worker's snapshots are taken: between two batches, now and then, and at an orderly end.

The next batch waits for a copy of the arrays and for nothing else: it is packed and written beside.
"""

from __future__ import annotations

import asyncio
import logging
import time
from dataclasses import dataclass

from alerts.snapshot import Kept as Knowledge
from alerts.snapshot import pack
from core.config import DatabaseConfig
from core.errors import DatabaseAway
from ingest.config import IngestConfig
from ingest.metrics import Metrics
from ingest.pipeline import Pipeline
from ingest.snapshots import Kept, Shelf

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Picture:
    """What becomes a snapshot (``ingest.snapshots.Kept``): copies, not packed yet."""

    taken_us: int
    engine: Knowledge
    marker: dict[str, bytes]


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

    def keep(self, pipeline: Pipeline, tasks: asyncio.TaskGroup) -> None:
        """Take a snapshot; it is written by one of ``tasks`` while the next batches go on."""
        self._writing = tasks.create_task(self._write(self._take(pipeline)), name="snapshot")

    async def finish(self, pipeline: Pipeline | None) -> None:
        """Wait for what is being written; take a last one of ``pipeline``, if there is one."""
        if self._writing is not None:
            await self._writing
        if pipeline is not None:
            await self._write(self._take(pipeline))

    def abort(self) -> None:
        """Let nothing wait for a database that does not answer."""
        self._shelf.abort()

    def _take(self, pipeline: Pipeline) -> Picture:
        # Not in a thread: nothing is judged meanwhile, and nobody else has the interpreter.
        self._taken_s = time.monotonic()
        taken = Picture(
            taken_us=time.time_ns() // 1000,
            engine=pipeline.engine.picture(),
            marker=pipeline.marker.state(),
        )
        self._metrics.snapshot_s.observe(time.monotonic() - self._taken_s)
        return taken

    async def _write(self, taken: Picture) -> None:
        try:
            size = await asyncio.to_thread(self._save, taken)
        except DatabaseAway as error:
            log.debug("%s; the next one comes", error)
            return
        self._metrics.snapshot_bytes.set(size)
        if not size:
            log.error("a snapshot is too large to be written; a restart will forget timers")

    def _save(self, taken: Picture) -> int:
        kept = Kept(taken_us=taken.taken_us, engine=pack(taken.engine), marker=taken.marker)
        return self._shelf.save(kept)
