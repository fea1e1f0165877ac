"""Does the rain explain this flow?

Rain runs through three reservoirs (a quarter of an hour, an hour, four hours); how much of each
arrives here is learned by least squares in wet weather, on top of the dry flow. What is judged is
the part of the flow that this leaves over, in proportion: too little in rain is a blockage, too
much an inflow that does not belong. Dry weather is left to ``dry_weather``.

Where nothing at all runs in a real burst of rain though something always did, no statistics are
waited for: that is a blockage, or the meter is dead, from the first storms on.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, ClassVar

import msgspec
import numpy as np
import numpy.typing as npt

from alerts.detectors import rain
from alerts.detectors.columns import Column, Columns
from alerts.detectors.detector import US, DetectorOptions, ResidualDetector, resolution
from alerts.judges import Board, Bool, Index
from core.batch import F8, I4, I8
from core.registry import Registry, SeriesInfo

RESERVOIRS_S = (900.0, 3600.0, 14_400.0)
"""Seconds after which two thirds of each reservoir have run out."""

WET_MM_H = 0.5
"""A reservoir above this makes wet weather; ``DRIED_MM_H`` for all of them makes dry weather."""

DRIED_MM_H = 0.05

_COUNT = len(RESERVOIRS_S)
_UPPER = np.triu_indices(_COUNT)
_FORGET = 0.998
_DRY_RATE = 0.02
_LEARNT = 64  # wet readings before the shares of the reservoirs are believed
_PART = 0.2  # of the usual wet flow is added to what a residual is a share of
_BURST_MM_H = 5.0  # in the reservoir of an hour: some 5 mm have fallen
_STOPPED = 3  # readings in a row with nothing; one may be a false echo
_NOTHING = 0.01  # share of what is expected that is nothing, and at most the step below
_MEASURABLE = 5.0  # steps of 1e-5 of what is plausible that must be expected: 0.01 m3/s of flow
_LEAST_SHARE = 0.02  # standard deviation of that share at least: no flow meter is better


class RainExplainedOptions(DetectorOptions, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Settings of ``rain_explained``.

    Attributes:
        warm: readings in wet weather before the first score.
        radius_m: how far a rain gauge may be.
        fresh_s: seconds for which a rain gauge's reading counts.
    """

    radius_m: Annotated[float, msgspec.Meta(gt=0, le=100_000)] = 5000.0
    fresh_s: Annotated[float, msgspec.Meta(ge=1, le=86_400)] = 1800.0


class Runoff(Columns):
    """The reservoirs of each row and what is learned of them.

    Attributes:
        stored: mm/h in each reservoir; ``last_us`` when they were filled.
        dry: flow in dry weather; ``dry_seen`` readings of it.
        square: upper half of the matrix of the normal equations; ``side`` their right side.
        usual: mean wet flow beyond the dry one; ``seen`` wet readings.
    """

    LAYOUT: ClassVar[Mapping[str, Column]] = {
        "stored": Column(dtype="f8", width=_COUNT),
        "last_us": Column(dtype="i8"),
        "dry": Column(dtype="f8"),
        "dry_seen": Column(dtype="i4"),
        "square": Column(dtype="f8", width=len(_UPPER[0])),
        "side": Column(dtype="f8", width=_COUNT),
        "usual": Column(dtype="f8"),
        "seen": Column(dtype="i4"),
    }
    RUNNING: ClassVar[frozenset[str]] = frozenset({"stored", "last_us"})

    stored: F8
    last_us: I8
    dry: F8
    dry_seen: I4
    square: F8
    side: F8
    usual: F8
    seen: I4

    def fill(self, row: Index, at_us: I8, mm_h: F8) -> F8:
        """Let it rain into the reservoirs; return what they hold."""
        last = self.last_us[row]
        passed_s = np.where(last == 0, 0.0, (at_us - last) / US)
        share = -np.expm1(-passed_s[:, None] / np.array(RESERVOIRS_S))
        stored: F8 = self.stored[row] + share * (mm_h[:, None] - self.stored[row])
        self.stored[row] = stored
        self.last_us[row] = at_us
        return stored

    def explain(self, row: Index, stored: F8) -> F8:
        """Return the flow that the rain explains, without the dry flow."""
        square = np.zeros((len(row), _COUNT, _COUNT))
        square[:, _UPPER[0], _UPPER[1]] = self.square[row]
        square[:, _UPPER[1], _UPPER[0]] = self.square[row]
        # Reservoirs that always hold the same cannot be told apart: a little ridge shares them out.
        ridge = 1e-3 * np.einsum("nii->n", square) / _COUNT + 1e-6
        square += ridge[:, None, None] * np.eye(_COUNT)
        share = np.linalg.solve(square, self.side[row][:, :, None])[:, :, 0]
        flow: F8 = (np.maximum(share, 0.0) * stored).sum(axis=1)
        return flow

    def learn_wet(self, row: Index, stored: F8, flow: F8) -> None:
        """Learn the flow beyond the dry one that came with what the reservoirs hold."""
        products = stored[:, _UPPER[0]] * stored[:, _UPPER[1]]
        self.square[row] = _FORGET * self.square[row] + products
        self.side[row] = _FORGET * self.side[row] + stored * flow[:, None]
        seen = self.seen[row]
        rate = np.maximum(1.0 - _FORGET, 1.0 / (seen + 1.0))
        self.usual[row] += rate * (np.abs(flow) - self.usual[row])
        self.seen[row] = np.minimum(seen + 1, 2_000_000_000)

    def learn_dry(self, row: Index, flow: F8) -> None:
        """Learn the flow in dry weather."""
        seen = self.dry_seen[row]
        self.dry[row] += np.maximum(_DRY_RATE, 1.0 / (seen + 1.0)) * (flow - self.dry[row])
        self.dry_seen[row] = np.minimum(seen + 1, 2_000_000_000)


class RainExplained(ResidualDetector):
    """The share of the flow that neither dry weather nor the rain explains, in wet weather."""

    name = "rain_explained"
    Options: ClassVar[type[msgspec.Struct]] = RainExplainedOptions
    RATE = 0.01

    def __init__(
        self,
        options: Any,
        series: Sequence[SeriesInfo],
        registry: Registry,
        levels: Sequence[float],
    ) -> None:
        super().__init__(options, series, levels, floor=np.full(len(series), _LEAST_SHARE))
        self.gauges = rain.gauges(self.series, registry, options.radius_m)
        self.runoff = Runoff(len(series))
        self.flow = Flow(len(series))
        self.blocks |= {"runoff.": self.runoff, "flow.": self.flow}
        self._step = resolution(series)
        self._age_us = np.full(len(series), round(options.fresh_s * US), dtype=np.int64)

    def _judge(self, row: Index, at_us: I8, value: F8, learn: Bool, board: Board) -> F8:
        """Judge flows in wet weather."""
        runoff = self.runoff
        mm_h, known = rain.over(self.gauges, row, at_us, self._age_us[row], board)
        stored = runoff.fill(row, at_us, mm_h)
        wet = known & (stored[:, :2].max(axis=1) >= WET_MM_H)
        dried = known & (stored.max(axis=1) < DRIED_MM_H)
        speaks = wet & (runoff.seen[row] >= _LEARNT)
        explained = np.zeros(len(row))
        explained[speaks] = runoff.explain(row[speaks], stored[speaks])
        expected = runoff.dry[row] + explained
        whole = np.maximum(explained + _PART * runoff.usual[row] + np.abs(runoff.dry[row]), 1e-9)
        signal = np.where(speaks, (value - expected) / whole, 0.0)
        said, taught = self._compare(
            row, at_us, np.where(known, signal, np.nan), learn, speaks,
            certain=known & self._stopped(row, value, expected, stored, speaks),
        )  # fmt: skip
        self._remember(row, value, expected, stored)
        idle = learn & (self.episode.since_us[row] == 0)
        quiet = np.where(speaks, taught, idle)
        held = self._held(row, signal, whole, expected, value, speaks)
        now = wet & quiet
        runoff.learn_wet(row[now], stored[now], (held - runoff.dry[row])[now])
        now = dried & quiet
        runoff.learn_dry(row[now], value[now])
        return said

    def _stopped(self, row: Index, value: F8, expected: F8, stored: F8, speaks: Bool) -> Bool:
        """Tell where nothing has run for some readings in a burst of rain, though it should."""
        run = self.flow.stopped[row]
        nothing = value <= np.minimum(_NOTHING * expected, self._step[row])
        burst = stored[:, 1] >= _BURST_MM_H
        run = np.where(nothing & burst, np.minimum(run, 254) + 1, 0).astype(np.uint8)
        self.flow.stopped[row] = run
        always = speaks | (self.runoff.dry_seen[row] >= _LEARNT)
        told: Bool = (run >= _STOPPED) & always & (expected > _MEASURABLE * self._step[row])
        return told

    def _held(self, row: Index, signal: F8, whole: F8, expected: F8, value: F8, speaks: Bool) -> F8:
        """Return the flows as far as they may teach: within three standard deviations."""
        scale = 3.0 * self.baseline.guess(row, self.runoff.last_us[row]).scale
        open_ = ~speaks | (self.baseline.seen[row] < self.baseline.opening)
        return np.where(open_, value, expected + np.clip(signal, -scale, scale) * whole)

    def _remember(self, row: Index, value: F8, expected: F8, stored: F8) -> None:
        self.flow.value[row], self.flow.expected[row] = value, expected
        self.flow.mm_h[row] = stored[:, 1]

    def _sentence(self, row: int) -> tuple[str, str]:
        value, expected = float(self.flow.value[row]), float(self.flow.expected[row])
        mm_h, unit = float(self.flow.mm_h[row]), self._unit(row)
        run = int(self.flow.stopped[row])
        zh, en = ("", "")
        if run >= _STOPPED:
            zh, en = f"（强降雨中连续{run}次）", f" in {run} readings of a burst of rain"
        return (
            f"{value:.4g}{unit}{zh}，近1小时雨强约{mm_h:.1f} mm/h，应有{expected:.4g}{unit}",
            (
                f"{value:.4g}{unit}{en}; with about {mm_h:.1f} mm/h of rain in the last hour "
                f"{expected:.4g}{unit} is explained"
            ),
        )


class Flow(Columns):
    """The last flow of each row, what was expected, and the rain, for the sentence.

    ``stopped`` counts the readings in a row with nothing in a burst of rain.
    """

    LAYOUT: ClassVar[Mapping[str, Column]] = {
        "value": Column(dtype="f4"),
        "expected": Column(dtype="f4"),
        "mm_h": Column(dtype="f4"),
        "stopped": Column(dtype="u1"),
    }
    RUNNING: ClassVar[frozenset[str]] = frozenset(LAYOUT)

    value: npt.NDArray[np.float32]
    expected: npt.NDArray[np.float32]
    mm_h: npt.NDArray[np.float32]
    stopped: npt.NDArray[np.uint8]
