"""Has this series moved to another level, however little, and stayed there?

A leak that fills the night minimum, a pump that runs where none did: no single reading is odd. The
sum of small errors against a slow mean is (``alerts.detectors.cusum``), judged by the peaks of the
series' own sums, so that one which swings from day to day has to move further.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any, ClassVar

import msgspec
import numpy as np

from alerts.detectors.baseline import OPEN, Baseline, Guess
from alerts.detectors.cusum import SUMS, Cusum
from alerts.detectors.detector import (
    US,
    Detector,
    DetectorOptions,
    gaps_us,
    resolution,
)
from alerts.judges import Board, Bool, Index
from core.batch import F8, I8
from core.registry import Registry, SeriesInfo


class ChangePointOptions(DetectorOptions, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Settings of ``change_point``.

    Attributes:
        memory_s: seconds after which two thirds of the mean are new.
        allowance: standard deviations by which an error may go on without adding up.
    """

    accept_s: Annotated[float, msgspec.Meta(ge=0, le=30 * 86_400)] = 2 * 86_400.0
    memory_s: Annotated[float, msgspec.Meta(ge=60, le=90 * 86_400)] = 86_400.0
    allowance: Annotated[float, msgspec.Meta(gt=0, le=3)] = 1.0


class ChangePoint(Detector):
    """Page's test of a series against its own slow mean."""

    name = "change_point"
    Options: ClassVar[type[msgspec.Struct]] = ChangePointOptions
    FLOOR = SUMS
    OPENING: ClassVar[int] = OPEN

    def __init__(
        self,
        options: Any,
        series: Sequence[SeriesInfo],
        registry: Registry,  # noqa: ARG002  every judge is given it
        levels: Sequence[float],
    ) -> None:
        super().__init__(options, series, levels)
        self.baseline = Baseline(
            len(series), floor=resolution(series), daily=False, opening=self.OPENING
        )
        self.sums = Cusum(len(series))
        self.blocks |= {"baseline.": self.baseline, "sums.": self.sums}
        self._memory_us = options.memory_s * US
        self._allowance = options.allowance
        self._gap_us = gaps_us(options.gap_s, series)

    def _judge(self, row: Index, at_us: I8, value: F8, learn: Bool, board: Board) -> F8:  # noqa: ARG002
        """Judge readings by the sum of errors."""
        last = self.baseline.last_us[row]
        self.baseline.pause(row, at_us, self._gap_us[row])
        rate = -np.expm1(-np.where(last > 0, at_us - last, 0) / self._memory_us)
        return self._follow(row, at_us, value, learn, rate)

    def _follow(self, row: Index, at_us: I8, value: F8, learn: Bool, rate: F8) -> F8:
        """Judge values of some rows; the mean moves by ``rate`` of each clipped error."""
        guess = self.baseline.guess(row, at_us)
        moved = (self.baseline.seen[row] >= self.OPENING) & self.baseline.settled(row)
        z = np.where(moved, (value - guess.value) / guess.scale, 0.0)
        sums, ended = self.sums.add(row, at_us, z, self._allowance)
        verdict = self._verdict(row, at_us, sums, self._ready(row, self.baseline.seen[row]))
        self.said.value[row], self.said.expected[row] = value, guess.value
        self.said.scale[row] = guess.scale
        counted = learn & moved & (verdict.quiet | verdict.begins)
        peak = np.where(verdict.begins, sums, ended)
        self.tail.learn(row[counted], peak[counted], self.FLOOR, self._least + 1.0)
        quiet = np.flatnonzero(learn & verdict.quiet)
        part = Guess(value=guess.value[quiet], scale=guess.scale[quiet])
        self.baseline.learn(row[quiet], at_us[quiet], value[quiet], part, rate[quiet])
        self._lend(row[quiet], self.baseline.seen[row[quiet]], [])
        anew = row[learn & verdict.accepted]
        if len(anew):
            self.baseline.restart(anew)
            self.sums.forget(anew)
            self.episode.end(anew)
        return verdict.said

    def _sentence(self, row: int) -> tuple[str, str]:
        value, mean = float(self.said.value[row]), float(self.said.expected[row])
        above, since_us = self.sums.side(row)
        hours = max(int(self.baseline.last_us[row]) - since_us, 0) / US / 3600 if since_us else 0.0
        unit, size = self._unit(row), max(float(self.sums.up[row]), float(self.sums.down[row]))
        return (
            (
                f"{value:.4g}{unit}，{hours:.1f}小时以来持续{'高' if above else '低'}于"
                f"慢均值{mean:.4g}{unit}，累计偏离{size:.1f}倍标准差"
            ),
            (
                f"{value:.4g}{unit}, {'above' if above else 'below'} its slow mean of "
                f"{mean:.4g}{unit} for {hours:.1f} h, {size:.1f} standard deviations in all"
            ),
        )
