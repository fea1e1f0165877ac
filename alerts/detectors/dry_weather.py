"""Does more run here than on a dry day at this hour?

A storm drain that runs without rain carries what should be in the foul sewer, or a leak. Only dry
time is judged and learned: no rain at the nearest gauges for some hours.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, ClassVar

import msgspec
import numpy as np

from alerts.detectors import rain
from alerts.detectors.columns import Column, Columns
from alerts.detectors.detector import US, DetectorOptions, ResidualDetector
from alerts.judges import Board, Bool, Index
from core.batch import F8, I8
from core.registry import Registry, SeriesInfo


class DryWeatherOptions(DetectorOptions, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Settings of ``dry_weather``.

    Attributes:
        dry_s: seconds without rain after which it is dry weather.
        radius_m: how far a rain gauge may be.
        fresh_s: seconds for which a rain gauge's reading counts.
    """

    dry_s: Annotated[float, msgspec.Meta(ge=60, le=7 * 86_400)] = 6 * 3600.0
    radius_m: Annotated[float, msgspec.Meta(gt=0, le=100_000)] = 5000.0
    fresh_s: Annotated[float, msgspec.Meta(ge=1, le=86_400)] = 1800.0


class Wet(Columns):
    """When it last rained over each row, or since when this is known (0: not yet)."""

    LAYOUT: ClassVar[Mapping[str, Column]] = {"last_us": Column(dtype="i8")}
    RUNNING: ClassVar[frozenset[str]] = frozenset(LAYOUT)

    last_us: I8


class DryWeather(ResidualDetector):
    """More than the level and the time of day let expect, in dry weather alone."""

    name = "dry_weather"
    Options: ClassVar[type[msgspec.Struct]] = DryWeatherOptions
    SIDE = 1
    DAILY = True

    def __init__(
        self,
        options: Any,
        series: Sequence[SeriesInfo],
        registry: Registry,
        levels: Sequence[float],
    ) -> None:
        super().__init__(options, series, levels)
        self.gauges = rain.gauges(self.series, registry, options.radius_m)
        self.wet = Wet(len(series))
        self.blocks["wet."] = self.wet
        self._dry_us = round(options.dry_s * US)
        self._age_us = np.full(len(series), round(options.fresh_s * US), dtype=np.int64)

    def _judge(self, row: Index, at_us: I8, value: F8, learn: Bool, board: Board) -> F8:
        """Judge readings in dry weather."""
        mm_h, known = rain.over(self.gauges, row, at_us, self._age_us[row], board)
        last = self.wet.last_us[row]
        # Who has heard no gauge for long does not know how long it has been dry.
        last = np.where((mm_h > rain.DRY_MM_H) | (last == 0) | ~known, at_us, last)
        self.wet.last_us[row] = last
        dry = known & (at_us - last >= self._dry_us)
        said, _ = self._compare(row, at_us, np.where(known, value, np.nan), learn, dry)
        return said

    def _sentence(self, row: int) -> tuple[str, str]:
        value, expected = float(self.said.value[row]), float(self.said.expected[row])
        unit = self._unit(row)
        hours = max(int(self.baseline.last_us[row] - self.wet.last_us[row]), 0) / US / 3600
        return (
            f"{value:.4g}{unit}，已{hours:.0f}小时无雨，旱天此时段通常约{expected:.4g}{unit}",
            (
                f"{value:.4g}{unit} after {hours:.0f} h without rain, usually about "
                f"{expected:.4g}{unit} at this time of a dry day"
            ),
        )
