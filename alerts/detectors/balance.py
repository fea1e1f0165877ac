"""Does what comes in above come out below?

The series is held against the sum of what its upstream neighbours in the drainage network said,
both smoothed over the travel time. Share and offset are learned, so an inflow without an instrument
is no fault; what is judged is a change: water that goes missing (a leak, a blockage) or appears (a
discharge in between).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, ClassVar

import msgspec
import numpy as np

from alerts.detectors.baseline import Guess
from alerts.detectors.columns import Column, Columns
from alerts.detectors.detector import US, DetectorOptions, ResidualDetector
from alerts.detectors.near import ages_us, heard
from alerts.judges import Board, Bool, Index
from core.batch import F8, I4, I8
from core.registry import Registry, SeriesInfo

SOURCES = 8
"""Upstream series of a row at most."""

_REACH = 64  # nodes without an instrument that a way upstream may lead through
_RATE = 0.005
_LEARNT = 32  # readings before the share is believed
_MOST = 10.0  # no inflow is multiplied more than tenfold on its way


class BalanceOptions(DetectorOptions, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Settings of ``balance``.

    Attributes:
        smooth_s: seconds over which both sides are smoothed; at least the travel time.
        fresh: own intervals for which an upstream reading counts.
    """

    smooth_s: Annotated[float, msgspec.Meta(ge=1, le=86_400)] = 900.0
    fresh: Annotated[float, msgspec.Meta(ge=1, le=1000)] = 3.0


class Sides(Columns):
    """Both sides smoothed, and what is learned of how they go together.

    Attributes:
        own: the series itself; ``above`` the sum upstream; ``last_us`` when they were moved.
        x: mean of the sum upstream; ``y`` of the series; ``xx`` and ``xy`` their moments around
            the means; ``seen`` readings learned.
    """

    LAYOUT: ClassVar[Mapping[str, Column]] = {
        "own": Column(dtype="f8"),
        "above": Column(dtype="f8"),
        "last_us": Column(dtype="i8"),
        "x": Column(dtype="f8"),
        "y": Column(dtype="f8"),
        "xx": Column(dtype="f8"),
        "xy": Column(dtype="f8"),
        "seen": Column(dtype="i4"),
    }
    RUNNING: ClassVar[frozenset[str]] = frozenset({"own", "above", "last_us"})

    own: F8
    above: F8
    last_us: I8
    x: F8
    y: F8
    xx: F8
    xy: F8
    seen: I4

    def smooth(self, row: Index, at_us: I8, own: F8, above: F8, over_us: float) -> None:
        """Move both sides towards what was read."""
        last = self.last_us[row]
        share = np.where(last == 0, 1.0, -np.expm1(-(at_us - last) / over_us))
        self.own[row] += share * (own - self.own[row])
        self.above[row] += share * (above - self.above[row])
        self.last_us[row] = at_us

    def expect(self, row: Index) -> F8:
        """Return what the upstream side lets expect of the series."""
        xx = self.xx[row]
        slope = np.divide(self.xy[row], xx, out=np.zeros(len(row)), where=xx > 1e-12)
        expected: F8 = self.y[row] + np.clip(slope, 0.0, _MOST) * (self.above[row] - self.x[row])
        return expected

    def learn(self, row: Index) -> None:
        """Learn how both sides go together from where they are."""
        rate = np.maximum(_RATE, 1.0 / (self.seen[row] + 1.0))
        off_x, off_y = self.above[row] - self.x[row], self.own[row] - self.y[row]
        self.x[row] += rate * off_x
        self.y[row] += rate * off_y
        keep = 1.0 - rate
        self.xx[row] = keep * (self.xx[row] + rate * off_x * off_x)
        self.xy[row] = keep * (self.xy[row] + rate * off_x * off_y)
        self.seen[row] = np.minimum(self.seen[row] + 1, 2_000_000_000)


class Balance(ResidualDetector):
    """What the upstream side does not explain, against its own baseline."""

    name = "balance"
    Options: ClassVar[type[msgspec.Struct]] = BalanceOptions
    RATE = 0.01

    def __init__(
        self,
        options: Any,
        series: Sequence[SeriesInfo],
        registry: Registry,
        levels: Sequence[float],
    ) -> None:
        super().__init__(options, series, levels)
        self.sources = _sources(self.series, registry)
        self.sides = Sides(len(series))
        self.blocks["sides."] = self.sides
        self._over_us = options.smooth_s * US
        self._age_us = ages_us(options.fresh, series)

    def _judge(self, row: Index, at_us: I8, value: F8, learn: Bool, board: Board) -> F8:
        """Judge readings against what was measured upstream."""
        theirs, fresh = heard(self.sources, row, at_us, self._age_us[row], board)
        wanted = self.sources[row] >= 0
        whole = wanted.any(axis=1) & (fresh == wanted).all(axis=1)
        on = row[whole]
        self.sides.smooth(on, at_us[whole], value[whole], theirs[whole].sum(axis=1), self._over_us)
        expected = self.sides.expect(row)
        signal = np.where(whole, self.sides.own[row] - expected, np.nan)
        speaks = self.sides.seen[row] >= _LEARNT
        said, taught = self._compare(row, at_us, signal, learn, speaks)
        idle = learn & whole & (self.episode.since_us[row] == 0)
        self.sides.learn(row[np.where(speaks, taught, idle)])
        return said

    def _note(self, row: Index, signal: F8, guess: Guess, known: Bool) -> None:
        own = self.sides.own[row]
        self.said.value[row] = own
        self.said.expected[row] = own - signal + guess.value[known]
        self.said.scale[row] = guess.scale[known]

    def _sentence(self, row: int) -> tuple[str, str]:
        value, expected = float(self.said.value[row]), float(self.said.expected[row])
        above, unit = float(self.sides.above[row]), self._unit(row)
        scale = float(self.said.scale[row])
        return (
            (
                f"（平滑）{value:.4g}{unit}，上游合计{above:.4g}{unit}，据此应为{expected:.4g}{unit}"
                f"（平时约±{scale:.2g}）"
            ),
            (
                f"(smoothed) {value:.4g}{unit}; {above:.4g}{unit} upstream lets expect "
                f"{expected:.4g}{unit} (usually within {scale:.2g})"
            ),
        )


def _sources(series: Sequence[SeriesInfo], registry: Registry) -> I4:
    """Return the series of the same quantity directly upstream of each row, -1 where fewer."""
    above: dict[str, list[str]] = {}
    for upstream, below in registry.drains.items():
        for one in below:
            above.setdefault(one, []).append(upstream)
    found = np.full((len(series), SOURCES), -1, dtype=np.int32)
    for row, info in enumerate(series):
        ids = sorted(_upstream(info, above, registry))[:SOURCES]
        found[row, : len(ids)] = ids
    widest = int((found >= 0).sum(axis=1).max(initial=1))
    return found[:, :widest]


def _upstream(info: SeriesInfo, above: Mapping[str, list[str]], registry: Registry) -> set[int]:
    """Walk upstream until an instrument of the same quantity stands on every way."""
    start = f"device:{info.device_id}"
    seen, ways, found = {start}, list(above.get(start, ())), set()
    while ways and len(seen) < _REACH:
        ref = ways.pop()
        if ref in seen:
            continue
        seen.add(ref)
        kind, _, name = ref.partition(":")
        meter = registry.find(f"{name}:{info.quantity}") if kind == "device" else None
        if meter is not None:
            found.add(meter.series_id)
        else:
            ways.extend(above.get(ref, ()))
    return found
