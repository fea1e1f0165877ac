"""What a series usually does: a clipped moving level, its spread, and its course of the day.

What a reading may teach is clipped at three standard deviations, so that an anomaly cannot teach
itself; the spread has a floor, so that a quiet or coarse sensor has no infinite scores. The rates
are those that did best on the NAB benchmark.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import numpy.typing as npt

from alerts.detectors.columns import Column, Columns
from alerts.judges import Bool, Index
from core.batch import F8, I4, I8

SLOTS = 96
"""Quarters of an hour in the course of a day."""

OPEN = 32
"""First readings of a row that are not clipped: nothing is known to clip them with."""

SETTLE = 10
"""Readings in which a level is found anew, after a gap or a lasting change."""

_OF_DAY = frozenset({"unit", "course", "visits"})
_SLOT_US = 900_000_000
CHINA_US = 28_800_000_000  # UTC+8, China Standard Time, has no summer time
_CLIP = 3.0
_VARIANCE_RATE = 0.003
_LONG_RATE = 0.0005
_PROFILE_RATE = 0.1
_FAR = 1000.0  # no offset of the day's course is larger, in units of the usual deviation


@dataclass(frozen=True, slots=True, kw_only=True)
class Guess:
    """What was expected of some readings: the value, and its standard deviation."""

    value: F8
    scale: F8


class Baseline(Columns):
    """Level, spread and course of the day of each row.

    Attributes:
        level: where the series is now, without the course of the day.
        mean: where it is in the long run; ``absdev`` its mean absolute deviation from there.
        var: variance of the clipped errors.
        seen: readings learned; ``settling`` readings still to go until the level is found.
        last_us: event time of the last reading, 0: none.
        unit: what offsets are counted in: ``absdev`` as it was, to within a factor of four.
        course: offset of each quarter of an hour, in units; ``visits`` how often it was learned.
    """

    LAYOUT: ClassVar[Mapping[str, Column]] = {
        "level": Column(dtype="f8"),
        "mean": Column(dtype="f8"),
        "var": Column(dtype="f4"),
        "absdev": Column(dtype="f4"),
        "seen": Column(dtype="i4"),
        "settling": Column(dtype="u1"),
        "last_us": Column(dtype="i8"),
        "unit": Column(dtype="f4"),
        "course": Column(dtype="f2", width=SLOTS),
        "visits": Column(dtype="u1", width=SLOTS),
    }
    RUNNING: ClassVar[frozenset[str]] = frozenset({"last_us", "settling"})

    level: F8
    mean: F8
    var: npt.NDArray[np.float32]
    absdev: npt.NDArray[np.float32]
    seen: I4
    settling: npt.NDArray[np.uint8]
    last_us: I8
    unit: npt.NDArray[np.float32]
    course: npt.NDArray[np.float16]
    visits: npt.NDArray[np.uint8]

    def __init__(self, rows: int, *, floor: F8, daily: bool, opening: int = OPEN) -> None:
        """Lay it out; ``floor`` is each row's least standard deviation."""
        super().__init__(rows, without=frozenset() if daily else _OF_DAY)
        self._floor = floor
        self._daily = daily
        self.opening = opening

    def guess(self, row: Index, at_us: I8) -> Guess:
        """Return what is expected of some rows now."""
        mean, absdev = self.mean[row], self.absdev[row].astype(np.float64)
        # 0.1 x the standard deviation of a normal with this deviation, and one in a thousand.
        scale = np.maximum(np.sqrt(self.var[row].astype(np.float64)), 0.125 * absdev)
        scale = np.maximum(scale, 0.001 * np.abs(mean))
        value = self.level[row]
        if self._daily:
            offset = self.course[row, slot_of(at_us)].astype(np.float64)
            value = value + offset * self.unit[row]
        return Guess(value=value, scale=np.maximum(scale, self._floor[row]))

    def pause(self, row: Index, at_us: I8, gap_us: I8) -> None:
        """Note the time; a row that was silent for longer than ``gap_us`` finds its level anew."""
        last = self.last_us[row]
        gone = (last != 0) & (at_us - last > gap_us)
        self.last_us[row] = at_us
        if gone.any():
            self.restart(row[gone])

    def restart(self, row: Index) -> None:
        """Let some rows find their level anew; all else that they learned stays."""
        self.settling[row] = SETTLE

    def settled(self, row: Index) -> Bool:
        """Tell which rows have found their level."""
        found: Bool = self.settling[row] == 0
        return found

    def learn(self, row: Index, at_us: I8, value: F8, guess: Guess, rate: F8 | float) -> None:
        """Learn one reading for each of some rows; ``rate`` is the share the level moves."""
        seen = self.seen[row]
        first = 1.0 / (seen.astype(np.float64) + 1.0)
        error = value - guess.value
        settling = self.settling[row]
        open_ = (seen < self.opening) | (settling > 0)
        clipped = np.where(open_, error, np.clip(error, -_CLIP * guess.scale, _CLIP * guess.scale))
        anew = np.where(settling > 0, 1.0 / (SETTLE + 1.0 - settling), 0.0)
        self.level[row] += np.maximum(np.maximum(rate, first), anew) * clipped
        spread = np.where(settling > 0, np.clip(error, -guess.scale, guess.scale), clipped)
        spread = np.where(seen == 0, 0.0, spread)  # there was nothing to be wrong about
        # Twice the rate of a plain mean: the first readings, badly guessed, are soon outweighed.
        early = 2.0 / (seen.astype(np.float64) + 2.0)
        self._spread(row, np.where(seen == 0, value, guess.value + spread), spread, early)
        if self._daily:
            daily = (seen >= self.opening) & (settling == 0)
            self._learn_course(row[daily], at_us[daily], clipped[daily])
        self.settling[row] = settling - (settling > 0)
        self.seen[row] = np.minimum(seen + 1, 2_000_000_000)

    def borrow(self, row: Index, donors: Index) -> None:
        """Begin some rows with the typical course of the day of others of their kind."""
        if self._daily:
            self._fit_unit(row)
            self.course[row] = np.median(self.course[donors].astype(np.float32), axis=0)
            self.visits[row] = 1

    def _spread(self, row: Index, value: F8, error: F8, early: F8) -> None:
        var, absdev = self.var[row], self.absdev[row]
        self.var[row] = var + np.maximum(_VARIANCE_RATE, early) * (error * error - var)
        long = np.maximum(_LONG_RATE, early)
        mean = self.mean[row] + long * (value - self.mean[row])
        self.mean[row] = mean
        self.absdev[row] = absdev + long * (np.abs(value - mean) - absdev)

    def _learn_course(self, row: Index, at_us: I8, error: F8) -> None:
        self._fit_unit(row)
        slot = slot_of(at_us)
        visits = self.visits[row, slot]
        rate = np.maximum(_PROFILE_RATE, 1.0 / (visits + 2.0))
        offset = self.course[row, slot].astype(np.float64) + rate * error / self.unit[row]
        self.course[row, slot] = np.clip(offset, -_FAR, _FAR)
        self.visits[row, slot] = np.minimum(visits, 254) + 1

    def _fit_unit(self, row: Index) -> None:
        """Count the offsets of some rows in another unit, where the deviation has left the old."""
        now = np.maximum(self.absdev[row].astype(np.float64), self._floor[row])
        unit = self.unit[row]
        far = (now > 4.0 * unit) | (now < 0.25 * unit)
        if far.any():
            rows, ratio = row[far], unit[far] / now[far]
            offset = self.course[rows].astype(np.float64) * ratio[:, None]
            self.course[rows] = np.clip(offset, -_FAR, _FAR)
            self.unit[rows] = now[far]


def slot_of(at_us: I8) -> Index:
    """Return the quarter of an hour of the day, China Standard Time, of each event time."""
    return ((at_us + CHINA_US) // _SLOT_US % SLOTS).astype(np.intp)
