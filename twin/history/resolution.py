"""Which resolution answers a window of a series: fine enough to see, few enough to draw. Pure.

A plan says from which level rows are read and how wide one point is. ``plans`` gives the finest
that stays within the budget first, then what to fall back to when that one turns out to hold more
than expected, or less because retention has deleted it. ``twin.history.store`` tries them in order.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

from core.model import NOT_IN_ROLLUPS, Quality

DEFAULT_POINTS = 2000
"""As many as a wide screen has columns; more is neither seen nor drawn quickly."""

FOLD_ROWS = 15_000
"""Rows read at most to make wider points of narrower ones; they lie scattered over the disk."""

ALL_BITS = Quality(sum(int(bit) for bit in Quality))
"""Every quality bit that there is."""

_MINUTE, _HOUR, _DAY = 60, 3600, 86_400
_STEPS = (
    *(1, 2, 5, 10, 15, 20, 30),
    *(_MINUTE * n for n in (1, 2, 3, 4, 5, 6, 10, 12, 15, 20, 30)),
    *(_HOUR * n for n in (1, 2, 3, 4, 6, 8, 12)),
    *(_DAY * n for n in (1, 2, 3, 5, 7, 14, 30)),
)
"""Widths of a point in seconds that people can read off an axis; each divides the next unit."""

_UNITS = ((_DAY, "d"), (_HOUR, "h"), (_MINUTE, "m"), (1, "s"))


class Level(StrEnum):
    """What is stored: single readings and the rollups over them."""

    RAW = "raw"
    MINUTE = "1m"
    HOUR = "1h"
    DAY = "1d"

    @property
    def width_s(self) -> int:
        """Seconds that one row stands for; 0 for a single reading."""
        return _WIDTHS[self]


_WIDTHS = {Level.RAW: 0, Level.MINUTE: _MINUTE, Level.HOUR: _HOUR, Level.DAY: _DAY}


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """How a window is read.

    Attributes:
        level: whose rows are read.
        step_s: seconds that one point stands for; 0 when each point is a single reading.
    """

    level: Level
    step_s: int

    @property
    def name(self) -> str:
        """What people call it.

        Example:
            >>> [Plan(level=Level.HOUR, step_s=s).name for s in (3600, 21600, 0, 90)]
            ['1h', '6h', 'raw', '90s']
        """
        if self.step_s == 0:
            return str(Level.RAW)
        unit, sign = next(pair for pair in _UNITS if self.step_s % pair[0] == 0)
        return f"{self.step_s // unit}{sign}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Budget:
    """What a window may cost.

    Attributes:
        span_s: length of the window, seconds; 0 is one moment.
        interval_s: expected seconds between two readings of the series.
        points: how many points the answer may have at most.
        rollups: whether rollups may answer; they may not when other quality bits are to be left
            out than theirs.
    """

    span_s: float
    interval_s: float
    points: int = DEFAULT_POINTS
    rollups: bool = True

    def fits(self, step_s: int) -> bool:
        """Tell whether points of this width are few enough wherever the window begins."""
        return math.ceil(self.span_s / step_s) + 1 <= self.points

    def rows(self, level: Level) -> float:
        """Return how many rows of a level the window is expected to hold."""
        return self.span_s / max(level.width_s, self.interval_s) + 1


def plans(budget: Budget) -> tuple[Plan, ...]:
    """Return the ways to read a window, the finest first; each next one is wider.

    The widths come from a short list, so that the same window a little later is cut the same. At
    the end always stands a plan over days, unless rollups may not answer: then there may be none.

    Raises:
        ValueError: if the span is negative, the interval not positive, or points less than 2.

    Example:
        >>> hour, day = 3600, 86_400
        >>> spans = (hour, 6 * hour, day, 7 * day, 30 * day, 365 * day)
        >>> [plans(Budget(span_s=s, interval_s=10))[0].name for s in spans]
        ['raw', '20s', '1m', '6m', '1h', '6h']
    """
    if budget.span_s < 0 or budget.interval_s <= 0 or budget.points < 2:
        raise ValueError(f"no window can be read with {budget}")
    found: list[Plan] = []
    for plan in _candidates(budget):
        if not found or plan.step_s > found[-1].step_s:
            found.append(plan)
    return tuple(found)


def left_out(accept: Quality | None, plan: Plan) -> Quality:
    """Return the bits of which a reading with one does not count in the values of a plan.

    A reader who says nothing gets single readings with all their bits, to judge them itself, and
    points made of those readings that rollups are made of.
    """
    if accept is not None:
        return ALL_BITS & ~accept
    return Quality.GOOD if plan.step_s == 0 else NOT_IN_ROLLUPS


def rollups_answer(accept: Quality | None) -> bool:
    """Tell whether rollups leave out just the bits that a reader does not accept."""
    return accept is None or ALL_BITS & ~accept == NOT_IN_ROLLUPS


def quality_names(bits: Quality) -> list[str]:
    """Return the names of the bits, the smallest first.

    Example:
        >>> quality_names(Quality.STUCK | Quality.LATE)
        ['stuck', 'late']
    """
    return [bit.name.lower() for bit in Quality if bit & bits and bit.name]


def parse_quality(text: str) -> Quality:
    """Return the bits that ``all``, ``good`` or names separated by commas stand for.

    Raises:
        ValueError: names the word that is none.

    Example:
        >>> parse_quality("stuck,late") == Quality.STUCK | Quality.LATE
        True
        >>> parse_quality("good"), parse_quality("all") == ALL_BITS
        (<Quality.GOOD: 0>, True)
    """
    if text == "all":
        return ALL_BITS
    bits = Quality.GOOD
    for word in text.split(","):
        known = Quality.__members__.get(word.upper()) if word.islower() else None
        if known is None:
            raise ValueError(f"{word!r} is none of all, good, {', '.join(quality_names(ALL_BITS))}")
        bits |= known
    return bits


def _candidates(budget: Budget) -> Iterator[Plan]:
    if budget.rows(Level.RAW) <= budget.points:
        yield Plan(level=Level.RAW, step_s=0)
    step = _step(budget)
    folded = _not_below(step, 2 * budget.interval_s)
    if budget.rows(Level.RAW) <= FOLD_ROWS and (folded < _MINUTE or not budget.rollups):
        yield Plan(level=Level.RAW, step_s=folded)
    if not budget.rollups:
        return
    for level, next_width_s in ((Level.MINUTE, _HOUR), (Level.HOUR, _DAY)):
        wider = max(step, level.width_s)
        folds = wider > level.width_s
        # What the next level gives too, it gives from fewer rows.
        if wider < next_width_s and not (folds and budget.rows(level) > FOLD_ROWS):
            yield Plan(level=level, step_s=wider)
    yield Plan(level=Level.DAY, step_s=_whole_days(step))


def _step(budget: Budget) -> int:
    """The narrowest readable width that fits; beyond the list, whole days."""
    for step in _STEPS:
        if budget.fits(step):
            return step
    return _whole_days(math.ceil(budget.span_s / (budget.points - 1)))


def _not_below(step: int, least_s: float) -> int:
    """The step, or a wider one of the list when points would hold less than a pair of readings."""
    return next((wider for wider in _STEPS if wider >= max(step, least_s)), step)


def _whole_days(step: int) -> int:
    return max(math.ceil(step / _DAY), 1) * _DAY
