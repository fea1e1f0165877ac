"""Leave out readings that can change nothing, so that the engine only sees the others; pure.

A plain limit that is long settled does not care for one more value on its good side. A reading is
*quiet* if its quality is good and it lies strictly on the good side of every ``raise`` and
``clear`` of all rules of its series. Once quiet readings have lasted so long, and been so many,
that every timer has run out and every count is full, further ones are left out until the next that
is not quiet. The engine then says the same; a test compares the two on random readings.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
import numpy.typing as npt

from alerts.rules import Level, LoadedRule, Override, Rule
from core.batch import F8, I8, Batch
from core.registry import Registry

Bool = npt.NDArray[np.bool_]

_PLAIN = frozenset({"high", "low"})
_STEPS = 4
"""Levels of a ladder; each may wait for its own clear dwell."""


class Quiet:
    """What of each series has been quiet, slice after slice."""

    def __init__(
        self, rules: Sequence[LoadedRule], registry: Registry, overrides: Iterable[Override] = ()
    ) -> None:
        """Find between which values each series is quiet: nowhere if a rule is no plain limit."""
        size = registry.size
        self._above: F8 = np.full(size, -np.inf)
        self._below: F8 = np.full(size, np.inf)
        own = {(one.rule_id, one.device_id): one.levels for one in overrides}
        self._calm_us = 0
        self._calm_count = 1
        judged = np.zeros(size, dtype=np.bool_)
        for entry in rules:
            rule = entry.rule
            self._calm_us = max(self._calm_us, round(rule.clear_dwell_s * _STEPS * 1e6))
            self._calm_count = max(self._calm_count, (rule.of_last.m if rule.of_last else 1))
            for info in registry.by_id.values():
                selected = rule.selects(kind=info.kind, field=info.field, quantity=info.quantity)
                if selected and rule.narrows(info):
                    judged[info.series_id] = True
                    levels = (*rule.levels, *own.get((rule.id, info.device_id), ()))
                    self._narrow(info.series_id, rule, levels)
        self._above[~judged] = np.inf  # something else looks at it
        self._calm_count += _STEPS
        self._settled = np.zeros(size, dtype=np.bool_)
        self._first_us = np.zeros(size, dtype=np.int64)  # 0: the last reading was not quiet
        self._count = np.zeros(size, dtype=np.int64)

    @property
    def helps(self) -> bool:
        """Whether there is a series that can be quiet."""
        return bool((self._above < self._below).any())

    def _narrow(self, series: int, rule: Rule, levels: Iterable[Level]) -> None:
        if rule.type not in _PLAIN:
            self._above[series] = np.inf
            return
        for level in levels:
            for limit in (level.raise_at, level.clear_at):
                assert limit is not None  # a plain limit has numbers
                if rule.type == "high":
                    self._below[series] = min(self._below[series], limit)
                else:
                    self._above[series] = max(self._above[series], limit)

    def needed(self, batch: Batch) -> Batch:
        """Return the rows that may change something.

        Args:
            batch: ordered by series and time, the next of what was given before.
        """
        if not len(batch) or not self.helps:
            return batch
        series = batch.series
        quiet = (batch.value > self._above[series]) & (batch.value < self._below[series])
        quiet &= batch.quality == 0
        opens = np.r_[True, series[1:] != series[:-1]]
        settled = self._settle(batch, quiet, opens)
        before = np.r_[False, settled[:-1]]
        before[opens] = self._settled[series[opens]]
        ends = np.r_[opens[1:], True]
        self._settled[series[ends]] = settled[ends]
        return batch.take(~(quiet & before))

    def _settle(self, batch: Batch, quiet: Bool, opens: Bool) -> Bool:
        """Tell after which rows a series is settled; keep what the next slice needs."""
        series, at_us = batch.series, batch.observed_us
        place = np.arange(len(batch))
        begin = np.maximum.accumulate(np.where(opens, place, 0))
        loud = np.maximum.accumulate(np.where(quiet, -1, place))
        carried = loud < begin  # nothing loud in this slice so far
        first = np.where(carried, begin, np.minimum(loud + 1, len(batch) - 1))
        first_us: I8 = at_us[first]
        count = place - first + 1
        known = carried & (self._first_us[series] > 0)
        first_us = np.where(known, self._first_us[series], first_us)
        count = np.where(known, count + self._count[series], count)
        settled: Bool = quiet & (at_us - first_us >= self._calm_us) & (count >= self._calm_count)
        settled |= quiet & carried & self._settled[series]
        ends = np.r_[opens[1:], True]
        last = series[ends]
        self._first_us[last] = np.where(quiet[ends], first_us[ends], 0)
        self._count[last] = np.where(quiet[ends], count[ends], 0)
        return settled
