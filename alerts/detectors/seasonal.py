"""Is this reading unlike what this series does at this time of day?

The level moves by a twentieth of each clipped error; the time of day adds what it usually adds.
The judged value is how rare an error of this size is on this very series.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any, ClassVar

import msgspec
import numpy as np

from alerts.detectors.detector import DetectorOptions, ResidualDetector
from alerts.judges import Board, Bool, Index
from core.batch import F8, I8
from core.registry import Registry, SeriesInfo


class SeasonalOptions(DetectorOptions, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Settings of ``seasonal``.

    Attributes:
        level_rate: share of an error by which the level follows each reading.
    """

    level_rate: Annotated[float, msgspec.Meta(gt=0, le=1)] = 0.05


class Seasonal(ResidualDetector):
    """Clipped moving level, course of the day, and the tail of the series' own errors."""

    name = "seasonal"
    Options: ClassVar[type[msgspec.Struct]] = SeasonalOptions
    DAILY = True

    def __init__(
        self,
        options: Any,
        series: Sequence[SeriesInfo],
        registry: Registry,  # noqa: ARG002  every judge is given it
        levels: Sequence[float],
    ) -> None:
        super().__init__(options, series, levels)
        self._rate = options.level_rate

    def _judge(self, row: Index, at_us: I8, value: F8, learn: Bool, board: Board) -> F8:  # noqa: ARG002
        """Judge readings against the level and the time of day."""
        said, _ = self._compare(row, at_us, value, learn, np.ones(len(row), dtype=np.bool_))
        return said

    def _sentence(self, row: int) -> tuple[str, str]:
        value, expected = float(self.said.value[row]), float(self.said.expected[row])
        off = (value - expected) / max(float(self.said.scale[row]), 1e-30)
        unit = self._unit(row)
        return (
            f"{value:.4g}{unit}，此时段通常约{expected:.4g}{unit}，偏离{off:+.1f}倍标准差",
            (
                f"{value:.4g}{unit}, usually about {expected:.4g}{unit} at this time of day, "
                f"{off:+.1f} standard deviations off"
            ),
        )
