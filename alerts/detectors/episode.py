"""One anomaly is one alarm: the score is held for a time, and what lasts too long is taken on.

A detector that is asked reading by reading crosses its level many times in one event. Repeats are
most of the false alarms of such scores, so from the first crossing on the highest score is said for
``hold_s`` seconds. A level that stays for ``accept_s`` seconds is the new normal: the score falls
to 0 and the detector begins anew from there; else a lasting change would be an alarm for ever,
because nothing is learned while one is active.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import numpy.typing as npt

from alerts.detectors.columns import Column, Columns
from alerts.judges import Bool, Index
from core.batch import F8, I8


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What an episode makes of raw scores, row by row.

    Attributes:
        said: the judged values.
        quiet: no episode is running, so the reading may teach.
        begins: an episode begins with this reading.
        accepted: the episode has lasted too long; the next reading that teaches ends it.
    """

    said: F8
    quiet: Bool
    begins: Bool
    accepted: Bool


class Episode(Columns):
    """The running episode of each row; ``since_us`` is 0 where there is none."""

    LAYOUT: ClassVar[Mapping[str, Column]] = {
        "since_us": Column(dtype="i8"),
        "peak": Column(dtype="f4"),
    }
    RUNNING: ClassVar[frozenset[str]] = frozenset(LAYOUT)

    since_us: I8
    peak: npt.NDArray[np.float32]

    def see(self, row: Index, at_us: I8, raw: F8, least: float, hold: tuple[int, int]) -> Verdict:
        """Take raw scores (NaN: unknown); ``hold`` is (hold, accept) in microseconds."""
        since = self.since_us[row]
        fired = raw >= least  # never for NaN
        begins = fired & (since == 0)
        since = np.where(begins, at_us, since)
        running = since != 0
        peak = np.fmax(np.where(begins, 0.0, self.peak[row]), np.where(running, raw, 0.0))
        age = at_us - since
        held = running & (age < hold[0])
        accepted = running & fired & (age >= hold[1])
        over = running & ~held & (raw < least)
        said = np.where(held, peak, raw)
        said[accepted] = 0.0
        self.since_us[row] = np.where(over, 0, since)
        self.peak[row] = np.where(running & ~over, peak, 0.0)
        return Verdict(said=said, quiet=~running | over, begins=begins, accepted=accepted)

    def end(self, row: Index) -> None:
        """End the episodes of some rows."""
        self.forget(row)
