"""Detectors: one file each, all under one suite of conformance; a high score means anomalous.

Every detector is an ``alerts.judges.Judge`` whose judged value is ``-log10`` of the share of
readings as odd as this one, so that one ladder (4: one in ten thousand) fits all series.
"""

from __future__ import annotations

from alerts.detectors.balance import Balance
from alerts.detectors.change_point import ChangePoint
from alerts.detectors.drift import Drift
from alerts.detectors.dry_weather import DryWeather
from alerts.detectors.neighbour import Neighbour
from alerts.detectors.rain_explained import RainExplained
from alerts.detectors.seasonal import Seasonal
from alerts.detectors.stuck import Stuck
from alerts.judges import Judge

DETECTORS: dict[str, type[Judge]] = {
    kind.name: kind
    for kind in (
        Seasonal, ChangePoint, Stuck, Drift, Neighbour, Balance, RainExplained, DryWeather
    )
}  # fmt: skip
"""Every detector by the name that rules give it."""
