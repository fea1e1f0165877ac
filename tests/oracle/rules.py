"""The alarm rules once more, slow and obvious: one reading at a time, plain objects, whole history.

What ``alerts.engine`` does with arrays must be what this does. What conditions do to each other is
in ``tests.oracle.links``, silence in ``tests.oracle.silence``. Detectors and forecasts have oracles
of their own; the ladder that their values climb is the one here.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta, timezone

import numpy as np

from alerts.rules import Hours, Level, LoadedRule, Override, Part, Rule
from core.model import Quality, Severity, TransitionKind
from core.registry import Registry, SeriesInfo

CLOCK_TOLERANCE_US = 300_000_000
BUCKETS = 11
CHINA = timezone(timedelta(hours=8))
DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
DOUBTFUL = Quality.OUT_OF_RANGE | Quality.JUMP | Quality.STUCK


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
    """One level of one rule on one subject: on or off, with a timer for the change.

    ``seen`` is, for a rule that counts, whether each value since the last change was beyond it.
    """

    on: bool = False
    since_us: int | None = None
    seen: list[bool] = field(default_factory=list)

    def see(self, wants_change: bool, wait_us: int, at_us: int, *, shut: bool = False) -> None:
        if not wants_change:
            self.since_us = None
            return
        if self.since_us is None:
            self.since_us = at_us
        if at_us - self.since_us >= wait_us and not (shut and not self.on):
            self.on = not self.on
            self.since_us = None
            self.seen.clear()


@dataclass(slots=True)
class Ladder:
    """The steps of one rule on one subject."""

    rule: Rule
    levels: tuple[Level, ...]
    steps: list[Step]

    @property
    def level(self) -> int:
        return sum(step.on for step in self.steps)

    def see(self, value: float, at_us: int, *, doubtful: bool) -> tuple[int, int]:
        """Judge a value; return how many levels were on before and are now."""
        rule = self.rule
        before = self.level
        ended = False
        shut = before == 0 and bool(rule.hours) and not in_hours(rule.hours, at_us)
        for step, level in zip(self.steps, self.levels, strict=True):
            wait_s = rule.clear_dwell_s if step.on else rule.dwell_s
            wanted = ends(rule, level, value) if step.on else begins(rule, level, value)
            if doubtful and wanted == step.on:
                continue  # it speaks only for an alarm
            beyond = wanted
            if rule.of_last is not None and not step.on:
                step.seen.append(beyond)
                wanted = sum(step.seen[-rule.of_last.m :]) >= rule.of_last.n
            was_on = step.on
            step.see(wanted, round(wait_s * 1e6), at_us, shut=shut or not beyond)
            ended = ended or (was_on and not step.on)
        if ended and rule.of_last is not None:
            for step in self.steps:
                if not step.on:  # all counts begin anew
                    step.since_us = None
                    step.seen.clear()
        return before, self.level

    def change(self, before: int, after: int) -> tuple[TransitionKind, Severity, float]:
        if after > before:
            kind = TransitionKind.ESCALATED if before else TransitionKind.RAISED
            return kind, self.levels[after - 1].rank, limits(self.rule, self.levels[after - 1])[0]
        threshold = limits(self.rule, self.levels[after])[1]
        if after:
            return TransitionKind.EASED, self.levels[after - 1].rank, threshold
        return TransitionKind.RETURNED, self.levels[before - 1].rank, threshold

    def forget(self) -> None:
        for step in self.steps:
            step.since_us = None
            step.seen.clear()


def ladder(rule: Rule, levels: tuple[Level, ...]) -> Ladder:
    return Ladder(rule=rule, levels=levels, steps=[Step() for _ in levels])


@dataclass(slots=True)
class Condition:
    """One rule on one series."""

    entry: LoadedRule
    info: SeriesInfo
    ladder: Ladder
    history: list[tuple[int, float]] = field(default_factory=list)
    ended_runs: list[float] = field(default_factory=list)
    run: tuple[int, float] | None = None

    def see(self, row: Row) -> Change | None:
        rule = self.entry.rule
        if row.quality & rule.reject_mask or not np.isfinite(row.value):
            return None
        value = self.judged(row)
        if value is None:
            return None
        before, after = self.ladder.see(
            value, row.observed_us, doubtful=bool(row.quality & DOUBTFUL)
        )
        if before == after:
            return None
        kind, severity, threshold = self.ladder.change(before, after)
        return Change(
            rule_id=rule.id,
            subject=f"device:{self.info.device_id}",
            kind=kind,
            severity=severity,
            at_us=row.observed_us,
            value=value,
            threshold=threshold,
        )

    def judged(self, row: Row) -> float | None:
        rule = self.entry.rule
        if rule.type in ("rise", "fall"):
            slope = slope_per_minute(self.history, row, rule)
            self.history.append((row.observed_us, float(np.float32(row.value))))
            return -slope if rule.type == "fall" and slope is not None else slope
        if rule.type == "stuck":
            return self.run_length(row)
        return row.value

    def run_length(self, row: Row) -> float | None:
        options = self.entry.rule.options
        tolerance = float(options.get("tolerance", 0.0))
        if self.run is not None and abs(row.value - self.run[1]) > tolerance:
            if not self.ladder.level:
                self.ended_runs.append((row.observed_us - self.run[0]) / 1e6)
            self.run = None
        if self.run is None:
            self.run = row.observed_us, row.value
        length = (row.observed_us - self.run[0]) / 1e6
        if not options.get("learn"):
            return length
        if len(self.ended_runs) < 20:
            return None
        usual = 0.0
        for ended in self.ended_runs:
            usual = max(usual * 0.995, ended)
        return length / usual if usual else None

    def forget(self) -> None:
        self.history.clear()
        self.run = None
        self.ladder.forget()


@dataclass(slots=True)
class Together:
    """One ``all`` or ``any`` rule on one device."""

    entry: LoadedRule
    device: str
    ladder: Ladder
    true: list[bool]
    last_us: int = 0

    def see(self, rows: list[tuple[str, Row]]) -> Change | None:
        """Judge readings (quantity, reading) of one time."""
        rule = self.entry.rule
        taken = [self.take(n, row) for q, row in rows for n in self.parts(q)]
        if not any(taken):
            return None
        self.last_us = max(self.last_us, rows[0][1].observed_us)
        count = sum(self.true)
        before, after = self.ladder.see(count, self.last_us, doubtful=False)
        if before == after:
            return None
        kind, severity, threshold = self.ladder.change(before, after)
        return Change(
            rule_id=rule.id,
            subject=f"device:{self.device}",
            kind=kind,
            severity=severity,
            at_us=self.last_us,
            value=count,
            threshold=threshold,
        )

    def parts(self, quantity: str) -> list[int]:
        parts = self.entry.rule.parts
        return [n for n, part in enumerate(parts) if part.quantity == quantity]

    def take(self, number: int, row: Row) -> bool:
        """Let a part see a reading; tell whether it took it in."""
        rule = self.entry.rule
        part = rule.parts[number]
        if row.quality & rule.reject_mask or not np.isfinite(row.value):
            return False
        true = holds(part, row.value, self.true[number])
        if row.quality & DOUBTFUL and not true:
            return False
        self.true[number] = true
        return True


class SlowEngine:
    """Judges readings one by one."""

    def __init__(
        self,
        rules: Iterable[LoadedRule],
        registry: Registry,
        overrides: Iterable[Override] = (),
    ) -> None:
        self.registry = registry
        self.overrides = {(one.rule_id, one.device_id): one for one in overrides}
        self.last_us: dict[int, int] = {}
        self.conditions: dict[int, list[Condition]] = {
            info.series_id: [] for info in registry.by_id.values()
        }
        self.together: list[Together] = []
        for entry in rules:
            if entry.rule.type in ("all", "any"):
                self.lay_together(entry)
            elif entry.rule.type not in ("missing", "gateway_offline"):
                self.lay(entry)

    def lay(self, entry: LoadedRule) -> None:
        for info in self.registry.by_id.values():
            levels = self.levels(entry.rule, info, entry.rule.select.quantity)
            if levels:
                condition = Condition(entry, info, ladder(entry.rule, levels))
                self.conditions[info.series_id].append(condition)

    def lay_together(self, entry: LoadedRule) -> None:
        rule = entry.rule
        for device in sorted(self.registry.devices):
            infos = [self.registry.find(f"{device}:{part.quantity}") for part in rule.parts]
            found = [
                self.levels(rule, info, info.quantity) if info is not None else () for info in infos
            ]
            if all(found) if rule.type == "all" else any(found):
                levels = next(filter(None, found))
                false = [False] * len(rule.parts)
                self.together.append(Together(entry, device, ladder(rule, levels), false))

    def levels(self, rule: Rule, info: SeriesInfo, quantity: str) -> tuple[Level, ...]:
        """Return the ladder that a series is judged by, none if it is not judged."""
        select = rule.select
        if info.quantity != quantity or (select.kind and info.kind not in select.kind):
            return ()
        if select.device and info.device_id not in select.device:
            return ()
        if select.space and not any(code in select.space for code in info.spaces):
            return ()
        if any(tag not in info.tags for tag in select.tags):
            return ()
        override = self.overrides.get((rule.id, info.device_id))
        if override is None:
            return rule.levels
        return (override.levels or rule.levels) if override.enabled else ()

    def process(self, rows: Iterable[Row]) -> list[Change]:
        """Judge one batch: series by series, in order of event time."""
        changes: list[Change] = []
        fresh: list[Row] = []
        for row in sorted(rows, key=lambda row: (row.series, row.observed_us)):
            if self.is_fresh(row):
                fresh.append(row)
                seen = (condition.see(row) for condition in self.conditions[row.series])
                changes += filter(None, seen)
        changes += self.see_together(fresh)
        return sorted(changes, key=lambda change: (change.at_us, change.rule_id, change.subject))

    def see_together(self, rows: list[Row]) -> list[Change]:
        changes = []
        for one in self.together:
            mine: dict[int, list[tuple[str, Row]]] = {}
            for row in rows:
                info = self.registry.by_id[row.series]
                if info.device_id == one.device and one.parts(info.quantity):
                    mine.setdefault(row.observed_us, []).append((info.quantity, row))
            changes += [change for _, group in sorted(mine.items()) if (change := one.see(group))]
        return changes

    def is_fresh(self, row: Row) -> bool:
        if row.series not in self.conditions:
            return False
        if row.quality & (Quality.BACKFILLED | Quality.DUPLICATE):
            return False
        last_us = self.last_us.get(row.series, 0)
        if row.observed_us <= last_us:
            if row.observed_us == last_us or last_us <= row.received_us + CLOCK_TOLERANCE_US:
                return False
            for condition in self.conditions[row.series]:
                condition.forget()
            info = self.registry.by_id[row.series]
            for one in self.together:
                if one.device == info.device_id and one.parts(info.quantity):
                    one.last_us = 0
                    one.ladder.forget()
        self.last_us[row.series] = row.observed_us
        return True


def limits(rule: Rule, level: Level) -> tuple[float, float]:
    if level.raise_at is None or level.clear_at is None:
        needed = float(len(rule.parts)) if rule.type == "all" else 1.0
        return needed, needed
    return level.raise_at, level.clear_at


def begins(rule: Rule, level: Level, value: float) -> bool:
    raise_at = limits(rule, level)[0]
    return value <= raise_at if rule.type == "low" else value >= raise_at


def ends(rule: Rule, level: Level, value: float) -> bool:
    clear_at = limits(rule, level)[1]
    return value > clear_at if rule.type == "low" else value < clear_at


def holds(part: Part, value: float, now: bool) -> bool:
    if part.type == "low":
        return value <= (part.clear_at if now else part.raise_at)
    return value >= (part.clear_at if now else part.raise_at)


def in_hours(hours: tuple[Hours, ...], at_us: int) -> bool:
    at = datetime.fromtimestamp(at_us / 1e6, UTC).astimezone(CHINA)
    minute = at.hour * 60 + at.minute
    today, yesterday = DAYS[at.weekday()], DAYS[at.weekday() - 1]
    for one in hours:
        begin, end = (int(t[:2]) * 60 + int(t[3:]) for t in (one.begin, one.end))
        days = one.days or DAYS
        over_midnight = end <= begin
        if today in days and begin <= minute and (over_midnight or minute < end):
            return True
        if over_midnight and yesterday in days and minute < end:
            return True
    return False


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
