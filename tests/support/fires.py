"""The recorded compartment fires as readings of one registry: every thermocouple a heat detector.

The recordings are ``fsri-compartments-2018`` of the Fire Safety Research Institute (MIT licence);
each experiment is a building of its own, so its sensors may confirm each other.
"""

from __future__ import annotations

import csv
import gzip
from collections import defaultdict
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from core.batch import Batch, of
from core.model import Field
from core.registry import Registry, SeriesInfo

RECORDINGS = Path(__file__).parents[3] / "shared" / "data" / "fire_compartments"

QUIET_STEP_CEL = 1.05
"""Standard deviation between two readings a second apart above which a thermocouple is broken: with
nothing burning, one of the twelve jumps by up to 8 degrees in some recordings, the others never."""

Channel = tuple[str, str]
"""Experiment and column, such as ``("100kW_Open_Back_1", "T_A_ceil_C")``."""


class Fires:
    """All channels of all experiments.

    Args:
        path: the gzipped table of temperatures.
        every: one of so many readings of a channel is taken (they are a second apart).

    Attributes:
        channels: series id -> channel; the device is ``heat-`` and the series id.
        ignited_us: experiment -> ignition.
        before: channel -> temperatures before ignition, degC.
    """

    def __init__(self, path: Path = RECORDINGS / "temperatures.csv.gz", *, every: int = 1) -> None:
        self.ignited_us: dict[str, int] = {}
        self.before: dict[Channel, list[float]] = defaultdict(list)
        ids: dict[Channel, int] = {}
        rows: list[tuple[int, int, float]] = []
        with gzip.open(path, "rt", encoding="utf-8") as file:
            for number, line in enumerate(csv.DictReader(file)):
                self._take(line, ids, rows, keep=number % every == 0)
        self.channels = {number: channel for channel, number in ids.items()}
        series, at_us, value = zip(*rows, strict=True)
        self.batch = of(series, at_us, at_us, value, np.zeros(len(series)))

    def _take(
        self,
        line: dict[str, str],
        ids: dict[Channel, int],
        rows: list[tuple[int, int, float]],
        *,
        keep: bool,
    ) -> None:
        when = datetime.fromisoformat(line["timestamp"]).replace(tzinfo=UTC)
        at_us, burning_s = round(when.timestamp() * 1e6), float(line["t_rel_s"])
        if burning_s == 0:  # rows are counted, and now and then a second is left out
            self.ignited_us[line["experiment"]] = at_us
        for column, text in line.items():
            if not column.startswith("T_") or not text:
                continue
            channel = (line["experiment"], column)
            if keep:
                rows.append((ids.setdefault(channel, len(ids) + 1), at_us, float(text)))
            if burning_s < 0:
                self.before[channel].append(float(text))

    @property
    def registry(self) -> Registry:
        """Every channel as a heat detector."""
        return Registry(
            SeriesInfo(
                series_id=number,
                device_id=f"heat-{number}",
                quantity="temperature",
                kind="heat",
                field=Field.FIRE,
                gateway_id="gw-a",
                interval_s=1.0,
                spaces=("440303", "street", "community", "grid", "block", experiment),
            )
            for number, (experiment, _) in self.channels.items()
        )

    def parts(self, size: int) -> Iterator[Batch]:
        """Yield the readings in their order, some at a time."""
        for begin in range(0, len(self.batch), size):
            yield self.batch.take(np.arange(begin, min(begin + size, len(self.batch))))

    def channel(self, subject: str) -> Channel:
        """Return the channel of an alarm's subject."""
        return self.channels[int(subject.removeprefix("device:heat-"))]

    def is_quiet(self, channel: Channel) -> bool:
        """Tell whether a thermocouple was sound before anything burned."""
        return float(np.std(np.diff(self.before[channel]))) <= QUIET_STEP_CEL
