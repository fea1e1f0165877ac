"""Has this series shown the same value for longer than it ever does?

How long a healthy sensor repeats itself depends on its resolution and its place, so each series
learns the lengths of its own runs of equal values. A value that the quantity may rest at for ever
(a dry road, an empty lane) is no run. The rule type ``stuck`` is the one with a fixed time.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, ClassVar

import msgspec
import numpy as np

from alerts.detectors.columns import Column, Columns
from alerts.detectors.detector import US, Detector, DetectorOptions
from alerts.detectors.tail import Floor
from alerts.judges import Board, Bool, Index
from core.batch import F8, I8
from core.registry import Registry, SeriesInfo
from core.units import QUANTITIES


class StuckOptions(DetectorOptions, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Settings of ``stuck``.

    Attributes:
        hold_s: seconds for which the score is said on after the value has moved again.
        accept_s: seconds after which a stuck series is taken as at rest.
        warm: finished runs before the first score.
        tolerance: change up to which a value counts as the same, in the quantity's unit.
    """

    hold_s: Annotated[float, msgspec.Meta(ge=0, le=30 * 86_400)] = 0.0
    accept_s: Annotated[float, msgspec.Meta(ge=0, le=30 * 86_400)] = 30 * 86_400.0
    warm: Annotated[float, msgspec.Meta(ge=1, le=1_000_000)] = 50.0
    tolerance: Annotated[float, msgspec.Meta(ge=0)] = 0.0


class Runs(Columns):
    """The running run of each row: its value, and when it began (0: no reading yet)."""

    LAYOUT: ClassVar[Mapping[str, Column]] = {
        "value": Column(dtype="f8"),
        "since_us": Column(dtype="i8"),
        "last_us": Column(dtype="i8"),
    }
    RUNNING: ClassVar[frozenset[str]] = frozenset(LAYOUT)

    value: F8
    since_us: I8
    last_us: I8


class Stuck(Detector):
    """The length of the running run, in intervals, judged by the tail of the finished ones."""

    name = "stuck"
    Options: ClassVar[type[msgspec.Struct]] = StuckOptions
    # A run of fewer than six intervals is no fault of any sensor.
    FLOOR = Floor(begin=6.0, mean=1.0)
    COUNTED = ("次停留", "run of equal values")

    def __init__(
        self,
        options: Any,
        series: Sequence[SeriesInfo],
        registry: Registry,  # noqa: ARG002  every judge is given it
        levels: Sequence[float],
    ) -> None:
        super().__init__(options, series, levels)
        self.runs = Runs(len(series))
        self.blocks["runs."] = self.runs
        self._tolerance = options.tolerance
        self._interval_us = np.array([max(one.interval_s, 1e-3) * US for one in series])
        rest = [QUANTITIES[one.quantity].rest if one.quantity in QUANTITIES else None
                for one in series]  # fmt: skip
        self._rest = np.array([np.nan if one is None else one for one in rest], dtype=np.float64)

    def _judge(self, row: Index, at_us: I8, value: F8, learn: Bool, board: Board) -> F8:  # noqa: ARG002
        """Judge how long each value has stayed."""
        runs = self.runs
        begun, held = runs.since_us[row], runs.value[row]
        moved = (begun == 0) | (np.abs(value - held) > self._tolerance)
        finished = (runs.last_us[row] - begun) / self._interval_us[row]
        runs.since_us[row] = np.where(moved, at_us, begun)
        runs.value[row] = np.where(moved, value, held)
        runs.last_us[row] = at_us
        length = (at_us - runs.since_us[row]) / self._interval_us[row]
        resting = np.abs(value - self._rest[row]) <= self._tolerance  # never where there is no rest
        length = np.where(resting, 0.0, length)
        running = self.episode.since_us[row] != 0
        verdict = self._verdict(row, at_us, length, self._ready(row, self.tail.seen[row]))
        self._note(row, value, length)
        was_rest = np.abs(held - self._rest[row]) <= self._tolerance
        taught = learn & moved & (begun != 0) & ~was_rest & ~running
        self.tail.learn(row[taught], finished[taught], self.FLOOR, self._least + 1.0)
        self._lend(row[taught], self.tail.seen[row[taught]], [])
        return verdict.said

    def _note(self, row: Index, value: F8, length: F8) -> None:
        self.said.value[row] = value
        self.said.expected[row] = np.maximum(self.tail.begin[row], self.FLOOR.begin)
        self.said.scale[row] = length

    def _sentence(self, row: int) -> tuple[str, str]:
        value, unit = float(self.said.value[row]), self._unit(row)
        minutes = self.series[row].interval_s / 60.0
        long = float(self.said.scale[row]) * minutes
        usual = float(self.said.expected[row]) * minutes
        return (
            f"{value:.4g}{unit}已{long:.0f}分钟未变，以往很少超过{usual:.0f}分钟",
            (
                f"{value:.4g}{unit} unchanged for {long:.0f} min, rarely more than {usual:.0f} min "
                "before"
            ),
        )
