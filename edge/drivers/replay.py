"""The replay driver: publishes a recording with its own times, as fast as asked."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from core.errors import UsageError
from edge.drivers import Sink
from edge.mapping import load_mapping
from edge.recording import Recording, Row, open_recording

_YIELD_ROWS = 100


@dataclass(slots=True, kw_only=True)
class Tally:
    """What a replay has read so far: rows, and values by what became of them."""

    rows: int = 0
    readings: int = 0
    refused: int = 0
    empty: int = 0

    def add(self, row: Row) -> None:
        """Count a row."""
        self.rows += 1
        self.readings += len(row.readings)
        self.refused += sum(refusal.values for refusal in row.refusals)
        self.empty += row.empty


class Pace:
    """When each row is due; pure.

    Args:
        speed: recorded seconds in one second; None: as fast as it goes.
        max_gap_s: a longer pause in the recording is skipped; 0: none is. A step back in time, as
            between two experiments in one file, always is.
        start_s: our clock at the first row.
    """

    def __init__(self, speed: float | None, *, max_gap_s: float, start_s: float) -> None:
        self._speed = speed
        self._max_gap_s = max_gap_s
        self._due_s = start_s
        self._last_s: float | None = None

    def wait_s(self, at_s: float, now_s: float) -> float:
        """Return how long to wait before the row of recorded time ``at_s``."""
        if self._speed is None:
            return 0.0
        gap = at_s - (at_s if self._last_s is None else self._last_s)
        self._last_s = at_s
        if gap > 0 and not 0 < self._max_gap_s < gap:
            self._due_s += gap / self._speed
        return max(0.0, self._due_s - now_s)


class Replay:
    """Driver of one recording.

    Args:
        recording: open.
        speed: recorded seconds in one second; None: as fast as it goes.
        max_gap_s: a longer pause in the recording is skipped; 0: none is.
        patience_s: at the end, wait for receipts as long as one comes within this time.
        on_row: called with every row.

    Attributes:
        tally: what has been read.
        complete: whether the whole file was put and receipted.
    """

    def __init__(
        self,
        recording: Recording,
        *,
        speed: float | None,
        max_gap_s: float = 0.0,
        patience_s: float = 60.0,
        on_row: Callable[[Row], None] = lambda _row: None,
    ) -> None:
        self._recording = recording
        self._speed = speed
        self._max_gap_s = max_gap_s
        self._patience_s = patience_s
        self._on_row = on_row
        self.tally = Tally()
        self.complete = False

    async def run(self, sink: Sink) -> None:
        """Put every row; ends when the last one is receipted or patience is over."""
        pace = Pace(self._speed, max_gap_s=self._max_gap_s, start_s=time.monotonic())
        for row in self._recording.rows():
            wait_s = pace.wait_s(row.at_s, time.monotonic()) if row.at_s is not None else 0.0
            if wait_s > 0 or self.tally.rows % _YIELD_ROWS == 0:
                await asyncio.sleep(wait_s)
            if row.readings:
                await sink.put(row.readings)
            self.tally.add(row)
            self._on_row(row)
        self.complete = await sink.settled(self._patience_s)


class ReplayFile:
    """The replay driver as ``[agent] driver = "replay"`` starts it: opens its file when it runs."""

    def __init__(self, *, file: Path, map_: Path, speed: float | None) -> None:
        self._file = file
        self._map = map_
        self._speed = speed

    async def run(self, sink: Sink) -> None:
        """Put every row."""
        mapping = load_mapping(self._map)
        with open_recording(self._file, mapping) as recording:
            driver = Replay(recording, speed=self._speed, max_gap_s=mapping.file.max_gap_s)
            await driver.run(sink)


def parse_speed(text: str) -> float | None:
    """Return recorded seconds in one second, None for ``max``.

    Raises:
        ValueError: if the text is neither ``max`` nor a positive number.

    Example:
        >>> parse_speed("60"), parse_speed("max")
        (60.0, None)
    """
    if text == "max":
        return None
    speed = float(text)
    if not 0 < speed < float("inf"):
        raise ValueError(f"{text} is no positive number")
    return speed


def from_options(options: Mapping[str, str]) -> ReplayFile:
    """Return the driver that ``agent.driver_options`` (file, map, speed) describe.

    Raises:
        UsageError: if one is missing, unknown or wrong.
    """
    unknown = set(options) - {"file", "map", "speed"}
    missing = {"file", "map"} - set(options)
    if unknown or missing:
        raise UsageError(
            f"agent.driver_options: {'unknown' if unknown else 'missing'} "
            f"{', '.join(sorted(unknown or missing))}",
            remedy="the replay driver takes file, map and speed (a number or max)",
        )
    try:
        speed = parse_speed(options.get("speed", "1"))
    except ValueError as error:
        raise UsageError(f"agent.driver_options: speed: {error}") from error
    return ReplayFile(file=Path(options["file"]), map_=Path(options["map"]), speed=speed)
