"""The conditions of rules that judge a series' own values, and what all conditions can do."""

from __future__ import annotations

import numpy as np

from alerts import stretch
from alerts.keeping import State, Told, state_of, take
from alerts.limits import Limits, Moves
from alerts.rules import LoadedRule
from alerts.spread import Index
from core.batch import I4, Batch
from core.registry import Registry, SeriesInfo

Sentence = tuple[str, str]
NOTHING_MORE: Sentence = ("", "")


class Conditions:
    """Conditions keyed by series.

    Attributes:
        limits: their state, and the machine.
    """

    def __init__(self, rules: tuple[LoadedRule, ...], registry: Registry, limits: Limits) -> None:
        self._rules = rules
        self._registry = registry
        self.limits = limits

    @property
    def nbytes(self) -> int:
        """Bytes of all arrays."""
        return self.limits.nbytes

    def step(self, part: Batch) -> Moves:
        """Judge readings of different series, each newer than its series' last."""
        return self.limits.step(part.series, part.observed_us, part.value, part.quality)

    def run(self, rest: Batch) -> Moves:
        """Judge any number of readings of a few series; see ``alerts.stretch.run``."""
        return stretch.run(self.limits, rest)

    def concerns(self, series: I4) -> bool:
        """Tell whether any of some series is judged."""
        return bool(len(self.limits)) and bool(self.limits.row_count[series].any())

    def forget(self, series: I4) -> None:
        """Begin anew for series whose clock was set back; active conditions stay."""
        self.limits.forget(series)

    def info(self, condition: int) -> SeriesInfo:
        """Return the series that a condition is known by."""
        return self._registry.by_id[int(self.limits.key[condition])]

    def quantity(self, condition: int) -> str:
        """Return the quantity that is judged, "" if there are several."""
        return self.info(condition).quantity

    def said(self, condition: int, value: float) -> Sentence:
        """Say what was judged, Chinese and English, where value and threshold do not."""
        rule = self._rules[int(self.limits.rule[condition])].rule
        if rule.type != "stuck":
            return NOTHING_MORE
        if rule.options.get("learn"):
            return (
                f"数值不变的时间是平常最长的 {value:.3g} 倍",
                f"The value has not changed for {value:.3g} times the longest usual run",
            )
        return f"数值已 {value:.0f} 秒未变", f"The value has not changed for {value:.0f} s"

    def rows(self, number: int) -> tuple[Index, I4]:
        """Return the conditions of a rule and the series that each is known by."""
        condition = np.flatnonzero(self.limits.rule == number)
        return condition, self.series(condition)

    def series(self, condition: Index) -> I4:
        """Return the series that conditions are known by."""
        return self.limits.key[condition]

    def find(self, number: int, series: int) -> int | None:
        """Return the condition of a rule that is known by a series, None if there is none."""
        return self.limits.find(series, number)

    def state(self, number: int, condition: Index) -> State:
        """Return what a snapshot keeps of the conditions of a rule."""
        del number
        return state_of(self.limits, condition)

    def take(self, mine: Index, state: Told, theirs: Index, *, same: bool) -> None:
        """Take over rows ``theirs`` of a ``state`` as ``mine``; see ``alerts.keeping.take``."""
        take(self.limits, mine, state, theirs, same=same)
        if same:
            self.limits.past.take(mine, state, theirs)
