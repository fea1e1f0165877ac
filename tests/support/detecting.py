"""A small catchment for tests of detectors: drains in a chain, side by side, under one rain."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
import numpy as np

from alerts.detectors import DETECTORS
from alerts.detectors.detector import Detector
from alerts.judges import Board, Bool, Index
from core.batch import F8
from core.model import Field
from core.registry import Registry, SeriesInfo

T0_US = 1_790_006_400_000_000
STEP_US = 900_000_000
ROWS = 6
"""Judged drains, series ids 1 to 6; 11 to 16 stand upstream of each, 21 and 22 are rain gauges."""

OPTIONS: dict[str, dict[str, Any]] = {
    "seasonal": {"warm": 100},
    "change_point": {"warm": 100, "memory_s": 86_400.0},
    "stuck": {"warm": 30},
    "drift": {"warm": 48, "memory_s": 172_800.0, "block_s": 3600.0, "hold_s": 7200.0},
    "neighbour": {"warm": 100},
    "balance": {"warm": 100},
    "rain_explained": {"warm": 32},
    "dry_weather": {"warm": 60, "dry_s": 14_400.0},
}
"""Options under which each detector is warm within some days, so that tests are short."""


def drain(series_id: int, name: str, *, kind: str = "pipe_flow") -> SeriesInfo:
    return SeriesInfo(
        series_id=series_id,
        device_id=name,
        quantity="rain_intensity" if kind == "rain_gauge" else "flow",
        kind=kind,
        field=Field.WATER,
        gateway_id="gw-1",
        interval_s=STEP_US / 1e6,
        spaces=("440303",),
        lon=114.1 + 0.001 * (series_id % 10),
        lat=22.55,
    )


def catchment() -> Registry:
    """Return the registry of all series of the catchment."""
    judged = [drain(n, f"drain-{n}") for n in range(1, ROWS + 1)]
    above = [drain(10 + n, f"upper-{n}", kind="outfall_flow") for n in range(1, ROWS + 1)]
    rain = [drain(20 + n, f"rain-{n}", kind="rain_gauge") for n in (1, 2)]
    drains = {f"device:upper-{n}": (f"node:{n}",) for n in range(1, ROWS + 1)}
    drains |= {f"node:{n}": (f"device:drain-{n}",) for n in range(1, ROWS + 1)}
    return Registry([*judged, *above, *rain], drains=drains)


@dataclass(slots=True)
class Weather:
    """Values of every series by step (axis 0) and series id (axis 1), and their times."""

    at_us: Any
    value: F8

    def __len__(self) -> int:
        return len(self.at_us)


def weather(steps: int, seed: int = 1, *, storms: bool = True) -> Weather:
    """Make days of rain and flow: fronts of three storms, dry days, noise, a course of the day."""
    chance = np.random.default_rng(seed)
    at_us = T0_US + STEP_US * np.arange(steps)
    value = np.zeros((steps, 23))
    rain, wet = np.zeros(steps), np.zeros(steps)
    for front in range(40, steps if storms else 0, 190):
        for begin in range(front, min(front + 90, steps), 30):
            rain[begin : begin + 4] = chance.uniform(8, 30)
    for n in range(1, steps):
        wet[n] = wet[n - 1] + 0.3 * (rain[n] - wet[n - 1])
    day = 0.1 * np.sin(2 * np.pi * np.arange(steps) / 96)
    common = 1.0 + day + 0.05 * wet + 0.01 * chance.standard_normal(steps).cumsum() * 0.1
    for n in range(1, ROWS + 1):
        value[:, 10 + n] = common + 0.01 * chance.standard_normal(steps)
        value[:, n] = value[:, 10 + n] + 0.2 * n + 0.01 * chance.standard_normal(steps)
    value[:, 21:23] = rain[:, None]
    return Weather(at_us=at_us, value=value)


def judge_of(
    name: str,
    *,
    series: Sequence[SeriesInfo] | None = None,
    registry: Registry | None = None,
    level: float = 4.0,
    **more: Any,
) -> Detector:
    """Make a detector over the judged drains, in the order of ``series``."""
    registry = registry or catchment()
    if series is None:
        series = [registry.by_id[n] for n in range(1, ROWS + 1)]
    kind = DETECTORS[name]
    options = msgspec.convert(OPTIONS[name] | more, kind.Options)
    judge = kind(options, series, registry, [level])
    assert isinstance(judge, Detector)
    return judge


def board_of(registry: Registry) -> Board:
    return Board(
        at_us=np.zeros(registry.size, dtype=np.int64), value=np.full(registry.size, np.nan)
    )


def play(
    judge: Detector,
    days: Weather,
    *,
    begin: int = 0,
    learn: Callable[[int], bool] | None = None,
    parts: Callable[[int, Index], list[Index]] | None = None,
    board: Board | None = None,
) -> F8:
    """Feed step by step; return the judged values by step and row.

    Args:
        judge: its rows may stand in any order.
        days: what is read.
        begin: first step.
        learn: whether a step teaches; without it a row teaches unless its score is 4 or more.
        parts: how a round's rows are cut; without it, all at once.
        board: what the others said before.
    """
    board = board or board_of(catchment())
    ids = np.array([info.series_id for info in judge.series])
    said = np.full((len(days) - begin, len(ids)), np.nan)
    alarmed: Bool = np.zeros(len(ids), dtype=np.bool_)
    everyone = np.arange(len(ids))
    for step in range(begin, len(days)):
        at_us, value = days.at_us[step], days.value[step]
        board.at_us[1:23], board.value[1:23] = at_us, value[1:23]
        teaches = ~alarmed if learn is None else np.full(len(ids), learn(step))
        for row in parts(step, everyone) if parts else [everyone]:
            said[step - begin, row] = judge.judge(
                row, np.full(len(row), at_us), value[ids[row]], teaches[row], board
            )
        alarmed = said[step - begin] >= 4.0
    return said
