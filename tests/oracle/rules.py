"""The alarm rules once more, slow and obvious: one reading at a time, plain objects, whole history.

What ``alerts.engine`` does with arrays must be what this does. Silence is left out: it has no
arrays worth comparing.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np

from alerts.rules import Level, LoadedRule, Rule
from core.model import Quality, Severity, TransitionKind
from core.registry import Registry, SeriesInfo

CLOCK_TOLERANCE_US = 300_000_000
BUCKETS = 11


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One reading."""

    series: int
    observed_us: int
    received_us: int
    value: float
    quality: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """What the engine is expected to say."""

    rule_id: str
    subject: str
    kind: TransitionKind
    severity: Severity
    at_us: int
    value: float
    threshold: float


@dataclass(slots=True)
class Step:
    """One level of one rule on one series: on or off, with a timer for the change."""

    on: bool = False
    since_us: int | None = None

    def see(self, wants_change: bool, wait_us: int, at_us: int) -> None:
        if not wants_change:
            self.since_us = None
            return
        if self.since_us is None:
            self.since_us = at_us
        if at_us - self.since_us >= wait_us:
            self.on = not self.on
            self.since_us = None


@dataclass(slots=True)
class Condition:
    """One rule on one series."""

    entry: LoadedRule
    info: SeriesInfo
    steps: list[Step]
    history: list[tuple[int, float]] = field(default_factory=list)

    def see(self, row: Row) -> Change | None:
        rule = self.entry.rule
        if row.quality & rule.reject_mask or not np.isfinite(row.value):
            return None
        value: float | None = row.value
        if rule.type == "rise":
            value = slope_per_minute(self.history, row, rule)
            self.history.append((row.observed_us, float(np.float32(row.value))))
        if value is None:
            return None
        before = sum(step.on for step in self.steps)
        doubtful = row.quality & (Quality.OUT_OF_RANGE | Quality.JUMP | Quality.STUCK)
        for step, level in zip(self.steps, rule.levels, strict=True):
            wait_s = rule.clear_dwell_s if step.on else rule.dwell_s
            wanted = ends(rule, level, value) if step.on else begins(rule, level, value)
            if doubtful and wanted == step.on:
                continue  # it speaks only for an alarm
            step.see(wanted, round(wait_s * 1e6), row.observed_us)
        after = sum(step.on for step in self.steps)
        return None if after == before else self.change(before, after, value, row.observed_us)

    def change(self, before: int, after: int, value: float, at_us: int) -> Change:
        levels = self.entry.rule.levels
        if after > before:
            kind = TransitionKind.ESCALATED if before else TransitionKind.RAISED
            severity, threshold = levels[after - 1].rank, levels[after - 1].raise_at
        elif after:
            kind = TransitionKind.EASED
            severity, threshold = levels[after - 1].rank, levels[after].clear_at
        else:
            kind = TransitionKind.RETURNED
            severity, threshold = levels[before - 1].rank, levels[0].clear_at
        assert threshold is not None
        return Change(
            rule_id=self.entry.rule.id,
            subject=f"device:{self.info.device_id}",
            kind=kind,
            severity=severity,
            at_us=at_us,
            value=value,
            threshold=threshold,
        )

    def forget(self) -> None:
        self.history.clear()
        for step in self.steps:
            step.since_us = None


class SlowEngine:
    """Judges readings one by one."""

    def __init__(self, rules: Iterable[LoadedRule], registry: Registry) -> None:
        self.last_us: dict[int, int] = {}
        self.conditions: dict[int, list[Condition]] = {
            info.series_id: [] for info in registry.by_id.values()
        }
        for entry in rules:
            for info in registry.by_id.values():
                select = entry.rule.select
                if info.quantity == select.quantity and info.kind in select.kind:
                    steps = [Step() for _ in entry.rule.levels]
                    self.conditions[info.series_id].append(Condition(entry, info, steps))

    def process(self, rows: Iterable[Row]) -> list[Change]:
        """Judge one batch: series by series, in order of event time."""
        changes = []
        for row in sorted(rows, key=lambda row: (row.series, row.observed_us)):
            changes += self.see(row)
        return sorted(changes, key=lambda change: (change.at_us, change.rule_id, change.subject))

    def see(self, row: Row) -> list[Change]:
        if row.series not in self.conditions:
            return []
        if row.quality & (Quality.BACKFILLED | Quality.DUPLICATE):
            return []
        conditions = self.conditions[row.series]
        last_us = self.last_us.get(row.series, 0)
        if row.observed_us <= last_us:
            if last_us <= row.received_us + CLOCK_TOLERANCE_US:
                return []
            for condition in conditions:
                condition.forget()
        self.last_us[row.series] = row.observed_us
        return [change for condition in conditions if (change := condition.see(row)) is not None]


def begins(rule: Rule, level: Level, value: float) -> bool:
    assert level.raise_at is not None
    return value <= level.raise_at if rule.type == "low" else value >= level.raise_at


def ends(rule: Rule, level: Level, value: float) -> bool:
    assert level.clear_at is not None
    return value > level.clear_at if rule.type == "low" else value < level.clear_at


def slope_per_minute(history: list[tuple[int, float]], row: Row, rule: Rule) -> float | None:
    """Return the slope over the window that ends with this reading, None if it is unknown."""
    assert rule.window_s is not None
    window_us = round(rule.window_s * 1e6)
    buckets: list[list[tuple[int, float]]] = []
    for sample in history:
        if not buckets or sample[0] - buckets[-1][0][0] >= window_us // BUCKETS:
            buckets.append([])
        buckets[-1].append(sample)
    inside = [bucket for bucket in buckets if bucket[0][0] >= row.observed_us - window_us]
    if not inside:
        return None
    samples = sum(len(bucket) for bucket in inside) + 1
    covered_us = row.observed_us - inside[0][0][0]
    if samples < 4 or covered_us < 0.8 * window_us:
        return None
    t = [float(np.mean([(at - row.observed_us) / 1e6 for at, _ in b])) for b in inside] + [0.0]
    v = [float(np.mean([value - row.value for _, value in b])) for b in inside] + [0.0]
    weight = [len(bucket) for bucket in inside] + [1]
    mean_t, mean_v = np.average(t, weights=weight), np.average(v, weights=weight)
    above = sum(w * (x - mean_t) * (y - mean_v) for w, x, y in zip(weight, t, v, strict=True))
    below = sum(w * (x - mean_t) ** 2 for w, x in zip(weight, t, strict=True))
    return float(above / below * 60.0) if below > 0 else None
