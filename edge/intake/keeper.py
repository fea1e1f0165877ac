"""Takes what the doors translated and tells them when it is safe on disk: group commits.

All doors share one keeper, and through it one spool. Messages that come within ``gather_s`` go to
the disk together, so that a write costs each of them little. A door acknowledges a message when the
``Commit`` it was given is done, and not before.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

from core.model import Channel, Reading
from edge.drivers import Sink
from edge.intake.aside import AsideFile, lines_of
from edge.intake.dictionary import Dictionary
from edge.intake.words import Door, Translation


@dataclass(slots=True)
class Commit:
    """What goes to the disk together; ``done`` is set once it is there."""

    done: asyncio.Event = field(default_factory=asyncio.Event)
    readings: dict[Channel, list[Reading]] = field(default_factory=dict)
    lines: list[bytes] = field(default_factory=list)
    size: int = 0


@dataclass(slots=True)
class Figures:
    """Counts since the start, by door.

    Attributes:
        messages: taken.
        readings: of them.
        joined: foreign devices said to be there; ``left`` gone.
    """

    messages: Counter[Door] = field(default_factory=Counter)
    readings: Counter[Door] = field(default_factory=Counter)
    joined: Counter[Door] = field(default_factory=Counter)
    left: Counter[Door] = field(default_factory=Counter)


class Keeper:
    """The one way from the doors to the spool; ``run`` must run beside them.

    Args:
        sink: the agent's.
        dictionary: what foreign names mean.
        aside: where the rest goes.
        gather_s: seconds between two commits.
        most: readings and lines that may wait; ``take`` waits beyond.
        clock: seconds since the Unix epoch.

    Attributes:
        figures: counts since the start.
    """

    def __init__(
        self,
        sink: Sink,
        dictionary: Dictionary,
        aside: AsideFile,
        *,
        gather_s: float,
        most: int,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._sink = sink
        self._dictionary = dictionary
        self._aside = aside
        self._gather_s = gather_s
        self._most = most
        self._open = Commit()
        self._under_way: list[Commit] = []
        self._work = asyncio.Event()
        self._room = asyncio.Event()
        self._room.set()
        self._pending = 0
        self.clock = clock
        self.figures = Figures()

    @property
    def pending(self) -> int:
        """Readings and lines that are not on disk yet."""
        return self._pending

    async def take(self, door: Door, topic: str, payload: bytes, said: Translation) -> Commit:
        """Take what one message says; waits while too much is not on disk yet."""
        while self._pending >= self._most:
            self._room.clear()
            await self._room.wait()
        found, asides = self._dictionary.readings(door, said.samples)
        asides = [*said.asides, *asides]
        self._aside.count(door, asides)
        commit = self._open
        for channel, reading in found:
            commit.readings.setdefault(channel, []).append(reading)
        lines = lines_of(door, topic, payload, asides, self.clock())
        commit.lines += lines
        size = len(found) + len(lines)
        commit.size += size
        self._pending += size
        self._count(door, said, len(found))
        self._work.set()
        return commit

    async def run(self) -> None:
        """Commit until cancelled; what was taken and not committed is not acknowledged."""
        while True:
            await self._work.wait()
            await asyncio.sleep(self._gather_s)
            self._work.clear()
            commit, self._open = self._open, Commit()
            self._under_way = [commit]
            await self._commit(commit)

    async def finish(self) -> None:
        """Commit what was taken, once ``run`` has been cancelled."""
        commits, self._open = [*self._under_way, self._open], Commit()
        for commit in commits:
            await self._commit(commit)

    async def _commit(self, commit: Commit) -> None:
        while commit.readings:
            channel = next(iter(commit.readings))
            await self._sink.put(commit.readings[channel], channel)
            # After it: when cancelled in between it is put again, and a repeat adds no row.
            del commit.readings[channel]
        await self._sink.flush()
        if commit.lines:
            await asyncio.to_thread(self._aside.write, commit.lines)
        self._under_way = []
        commit.done.set()
        self._pending -= commit.size
        self._room.set()

    def _count(self, door: Door, said: Translation, readings: int) -> None:
        self.figures.messages[door] += 1
        self.figures.readings[door] += readings
        for presence in said.presences:
            (self.figures.joined if presence.online else self.figures.left)[door] += 1
