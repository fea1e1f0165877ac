"""Does this series creep away in one direction, over days?

A probe that fouls, a reference that ages, a supply voltage that sags a little more each day. Means
of a day are compared with a slow mean of about two weeks: noise and the course of the day average
out, and what remains on one side adds up.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, ClassVar

import msgspec
import numpy as np

from alerts.detectors.baseline import CHINA_US
from alerts.detectors.change_point import ChangePoint
from alerts.detectors.columns import Column, Columns
from alerts.detectors.detector import US, DetectorOptions
from alerts.judges import Board, Bool, Index
from core.batch import F8, I4, I8
from core.registry import Registry, SeriesInfo


class DriftOptions(DetectorOptions, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Settings of ``drift``.

    Attributes:
        block_s: seconds of which a mean is taken; a day or a whole part of one.
        memory_s: seconds after which two thirds of the slow mean are new.
        allowance: standard deviations of a block mean that may go on without adding up.
        warm: block means before the first score.
    """

    hold_s: Annotated[float, msgspec.Meta(ge=0, le=30 * 86_400)] = 86_400.0
    accept_s: Annotated[float, msgspec.Meta(ge=0, le=30 * 86_400)] = 7 * 86_400.0
    warm: Annotated[float, msgspec.Meta(ge=1, le=1_000_000)] = 14.0
    block_s: Annotated[float, msgspec.Meta(ge=60, le=86_400)] = 86_400.0
    memory_s: Annotated[float, msgspec.Meta(ge=60, le=90 * 86_400)] = 14 * 86_400.0
    allowance: Annotated[float, msgspec.Meta(gt=0, le=3)] = 0.25


class Blocks(Columns):
    """The block of each row that is being filled: which one, its sum and count."""

    LAYOUT: ClassVar[Mapping[str, Column]] = {
        "number": Column(dtype="i8"),
        "sum": Column(dtype="f8"),
        "count": Column(dtype="i4"),
    }
    RUNNING: ClassVar[frozenset[str]] = frozenset(LAYOUT)

    number: I8
    sum: F8
    count: I4


class Drift(ChangePoint):
    """Page's test of block means against a slow mean, with a small allowance."""

    name = "drift"
    COUNTED = ("个时段", "mean")
    Options: ClassVar[type[msgspec.Struct]] = DriftOptions
    OPENING = 10

    def __init__(
        self,
        options: Any,
        series: Sequence[SeriesInfo],
        registry: Registry,
        levels: Sequence[float],
    ) -> None:
        super().__init__(options, series, registry, levels)
        self.filling = Blocks(len(series))
        self.blocks |= {"filling.": self.filling}
        self._block_us = round(options.block_s * US)
        self._gap_us = np.maximum(self._gap_us, 4 * self._block_us)

    def _judge(self, row: Index, at_us: I8, value: F8, learn: Bool, board: Board) -> F8:  # noqa: ARG002
        """Judge the mean of each block when the next one begins."""
        filling = self.filling
        number = (at_us + CHINA_US) // self._block_us
        full = (filling.count[row] > 0) & (number != filling.number[row])
        said = np.empty(len(row))
        said[full] = self._close(row[full], learn[full])
        said[~full] = self._repeat(row[~full], at_us[~full])
        filling.count[row] = np.where(full, 0, filling.count[row]) + 1
        filling.sum[row] = np.where(full, 0.0, filling.sum[row]) + value
        filling.number[row] = number
        return said

    def _close(self, row: Index, learn: Bool) -> F8:
        """Judge the block that has come to its end."""
        mean = self.filling.sum[row] / np.maximum(self.filling.count[row], 1)
        end_us = (self.filling.number[row] + 1) * self._block_us - CHINA_US
        last = self.baseline.last_us[row]
        self.baseline.pause(row, end_us, self._gap_us[row])
        rate = -np.expm1(-np.where(last > 0, end_us - last, 0) / self._memory_us)
        return self._follow(row, end_us, mean, learn, rate)

    def _repeat(self, row: Index, at_us: I8) -> F8:
        """Say again what the last block has said."""
        sums = np.maximum(self.sums.up[row], self.sums.down[row]).astype(np.float64)
        return self._verdict(row, at_us, sums, self._ready(row, self.baseline.seen[row])).said
