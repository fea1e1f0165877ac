"""What a reading is after those before it, once more, slow and obvious: one reading at a time.

What ``ingest.quality`` does with arrays must be what this does.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from core.model import Quality
from core.plausible import Plausible
from tests.oracle.rules import Row

UNFIT = Quality.OUT_OF_RANGE | Quality.CALIBRATING | Quality.DEVICE_FAULT


@dataclass(slots=True)
class Past:
    """What is known of one series."""

    newest_us: int | None = None
    at_us: int | None = None
    value: float = math.nan
    since_us: int = 0


class SlowMarker:
    """Marks readings one by one."""

    def __init__(
        self, plausible: dict[int, Plausible], interval_s: float, late_s: float, skew_s: float
    ) -> None:
        self.plausible = plausible
        self.interval_s = interval_s
        self.late_us = round(late_s * 1e6)
        self.skew_us = round(skew_s * 1e6)
        self.pasts = {series: Past() for series in plausible}

    def mark(self, rows: Sequence[Row]) -> list[int]:
        """Return the bits of each row of one batch, in the rows' order."""
        newest_us = {series: past.newest_us for series, past in self.pasts.items()}
        bits = [0] * len(rows)
        in_time = sorted(range(len(rows)), key=lambda n: (rows[n].series, rows[n].observed_us))
        for n in in_time:
            row, known = rows[n], newest_us[rows[n].series]
            live = not row.quality & Quality.BACKFILLED
            twins = [
                other
                for other in rows[:n]
                if (other.series, other.observed_us) == (row.series, row.observed_us)
                and not (live and other.quality & Quality.BACKFILLED)
            ]
            found = Quality.GOOD
            if twins or row.observed_us == known:
                found |= Quality.DUPLICATE
            if live:
                old = known is not None and row.observed_us < known
                set_right = old and known is not None and known > row.received_us + self.skew_us
                if (old and not set_right) or row.received_us - row.observed_us > self.late_us:
                    found |= Quality.LATE
                if not found & Quality.DUPLICATE and (not old or set_right):
                    found |= self.follow(row)
            bits[n] = int(found) | row.quality
        return bits

    def follow(self, row: Row) -> Quality:
        """Take a live reading as the newest of its series; return what it is after the last."""
        past, limits = self.pasts[row.series], self.plausible[row.series]
        past.newest_us = row.observed_us
        if row.quality & UNFIT or not math.isfinite(row.value):
            return Quality.GOOD
        found = Quality.GOOD
        since_us = row.observed_us
        if past.at_us is not None and past.at_us < row.observed_us:
            apart_us = row.observed_us - past.at_us
            if abs(row.value - past.value) > limits.jump + limits.jump_per_s * apart_us * 1e-6:
                found |= Quality.JUMP
            if row.value == past.value and apart_us <= round(self.gap_s(limits) * 1e6):
                since_us = past.since_us
                if row.observed_us - since_us >= self.stuck_s(limits) * 1e6:
                    found |= Quality.GOOD if row.value == limits.rest else Quality.STUCK
        past.at_us, past.value, past.since_us = row.observed_us, row.value, since_us
        return found

    def stuck_s(self, limits: Plausible) -> float:
        if limits.own_stuck_s:
            return limits.stuck_s
        return max(limits.stuck_s, 12 * self.interval_s)

    def gap_s(self, limits: Plausible) -> float:
        return min(max(self.stuck_s(limits) / 4, 3 * self.interval_s), 1e12)
