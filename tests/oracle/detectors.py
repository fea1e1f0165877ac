"""The detectors once more, slow and obvious: one series, one reading at a time, plain numbers.

What ``alerts.detectors`` does with arrays must be what this does. Numbers are rounded where the
arrays keep them in fewer bytes, so that both can be compared to the last digits. What a new series
borrows from its kind is left out: it is compared with the donors in a test of its own.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

NAN = math.nan
LN10 = math.log(10.0)
Heard = tuple[int, float]  # (event time in us, value) of another series, its last word


def f4(number: float) -> float:
    return float(np.float32(number))


def f2(number: float) -> float:
    return float(np.float16(number))


@dataclass(slots=True)
class Tail:
    floor_begin: float = 3.0
    floor_mean: float = 0.4
    assumed: float = 0.0
    weight: float = 0.0
    top: list[float] = field(default_factory=list)
    begin: float = 0.0
    seen: int = 0

    def beyond(self) -> tuple[float, float, float]:
        u = max(self.begin, self.floor_begin)
        over = [x - u for x in self.top if x > u]
        k = max(len(over), 1)
        mean = (sum(over) + self.weight * self.assumed) / (k + self.weight)
        return u, math.log10(max(self.seen, k) / k), max(mean, self.floor_mean)

    def score(self, x: float) -> float:
        u, rare, mean = self.beyond()
        return min(rare + (x - u) / (mean * LN10), 20.0) if x > u else 0.0

    def learn(self, x: float, most: float) -> None:
        if x > self.begin:
            u, rare, mean = self.beyond()
            if self.seen >= 100:
                x = min(x, u + max(most - rare, 0.5) * mean * LN10)
            if len(self.top) == 24:
                self.top.remove(min(self.top))
            self.top.append(f4(x))
            if len(self.top) == 24:
                self.begin = min(self.top)
        self.seen += 1


@dataclass(slots=True)
class Episode:
    hold_us: int
    accept_us: int
    least: float
    since: int | None = None
    peak: float = 0.0
    begins: bool = False
    accepted: bool = False

    @property
    def quiet(self) -> bool:
        return self.since is None

    def see(self, at: int, raw: float) -> float:
        fired = raw >= self.least
        self.begins = fired and self.since is None
        if self.begins:
            self.since, self.peak = at, 0.0
        self.accepted = False
        if self.since is None:
            return raw
        age = at - self.since
        peak = self.peak if math.isnan(raw) else max(self.peak, raw)
        self.peak = f4(peak)
        if fired and age >= self.accept_us:
            self.accepted = True
            return 0.0
        if age < self.hold_us:
            return peak
        if raw < self.least:
            self.since = None
        return raw


@dataclass(slots=True)
class Baseline:
    floor: float
    daily: bool
    opening: int = 32
    level: float = 0.0
    mean: float = 0.0
    var: float = 0.0
    absdev: float = 0.0
    unit: float = 0.0
    seen: int = 0
    settling: int = 0
    last: int | None = None
    course: list[float] = field(default_factory=lambda: [0.0] * 96)
    visits: list[int] = field(default_factory=lambda: [0] * 96)

    @staticmethod
    def slot(at: int) -> int:
        return (at + 8 * 3_600_000_000) // 900_000_000 % 96

    def pause(self, at: int, gap_us: int) -> None:
        if self.last is not None and at - self.last > gap_us:
            self.settling = 10
        self.last = at

    def value(self, at: int) -> float:
        return self.level + (self.course[self.slot(at)] * self.unit if self.daily else 0.0)

    def scale(self) -> float:
        return max(math.sqrt(self.var), 0.125 * self.absdev, 0.001 * abs(self.mean), self.floor)

    def learn(self, at: int, value: float, guess: float, scale: float, rate: float) -> None:
        first = 1.0 / (self.seen + 1)
        error = value - guess
        clipped = max(-3.0 * scale, min(3.0 * scale, error))
        spread = clipped
        if self.seen < self.opening or self.settling:
            clipped = error
            spread = error
        if self.settling:
            spread = max(-scale, min(scale, error))
            rate = max(rate, 1.0 / (11 - self.settling))
        self.level += max(rate, first) * clipped
        seen = guess + spread
        if self.seen == 0:
            seen, spread = value, 0.0
        early = 2.0 / (self.seen + 2)
        self.var = f4(self.var + max(0.003, early) * (spread * spread - self.var))
        long = max(0.0005, early)
        self.mean += long * (seen - self.mean)
        self.absdev = f4(self.absdev + long * (abs(seen - self.mean) - self.absdev))
        if self.daily and self.seen >= self.opening and not self.settling:
            self.learn_course(at, clipped)
        self.settling = max(self.settling - 1, 0)
        self.seen += 1

    def learn_course(self, at: int, error: float) -> None:
        now = max(self.absdev, self.floor)
        if now > 4 * self.unit or now < 0.25 * self.unit:
            self.course = [f2(max(-1000, min(1000, x * (self.unit / now)))) for x in self.course]
            self.unit = f4(now)
        slot = self.slot(at)
        rate = max(0.1, 1.0 / (self.visits[slot] + 2))
        self.course[slot] = f2(max(-1000, min(1000, self.course[slot] + rate * error / self.unit)))
        self.visits[slot] = min(self.visits[slot] + 1, 255)


@dataclass(slots=True)
class Setting:
    hold_us: int
    accept_us: int
    gap_us: int
    warm: int
    least: float = 4.0
    floor: float = 0.01


class Residual:
    """A signal against its own baseline."""

    side, rate, daily, surely = 0, 0.05, False, False

    def __init__(self, setting: Setting) -> None:
        self.set = setting
        self.tail = Tail()
        self.episode = Episode(setting.hold_us, setting.accept_us, setting.least)
        self.base = Baseline(setting.floor, self.daily)

    def compare(
        self, at: int, signal: float, learn: bool, speaks: bool, certain: bool = False
    ) -> tuple[float, bool]:
        base = self.base
        base.pause(at, self.set.gap_us)
        known = not math.isnan(signal)
        guess, scale = base.value(at), base.scale()
        off = (signal - guess) / scale if known else 0.0
        odd = max(off, 0.0) if self.side > 0 else abs(off)
        settled = base.settling == 0
        raw = NAN
        if known and max(base.seen, self.tail.seen) >= self.set.warm:
            raw = self.tail.score(odd if speaks and settled else 0.0)
        if self.episode.since is not None and known and math.isnan(raw) and self.surely:
            raw = 0.0
        if certain:
            raw = self.set.least if math.isnan(raw) else max(raw, self.set.least)
        said = self.episode.see(at, raw)
        taught = learn and known and speaks
        if taught and settled and base.seen >= 32 and (self.episode.quiet or self.episode.begins):
            self.tail.learn(odd, self.set.least + 1)
        if taught and self.episode.quiet:
            base.learn(at, signal, guess, scale, self.rate)
        quiet = self.episode.quiet
        if taught and self.episode.accepted:
            base.settling = 10
            self.episode.since, self.episode.peak = None, 0.0
        return said, taught and quiet


class Seasonal(Residual):
    daily = True

    def judge(self, at: int, value: float, learn: bool, others: Sequence[Heard] = ()) -> float:
        return self.compare(at, value, learn, True)[0]


class Neighbour(Residual):
    rate = 0.01

    def __init__(self, setting: Setting, *, least: int = 2, age_us: int = 0) -> None:
        super().__init__(setting)
        self.least, self.age_us = least, age_us
        self.offsets: dict[int, tuple[float, int]] = {}

    def judge(self, at: int, value: float, learn: bool, others: Sequence[Heard] = ()) -> float:
        fresh = {n: x for n, (t, x) in enumerate(others) if t and abs(at - t) <= self.age_us}
        unusual = [value - x - self.offsets[n][0] for n, x in fresh.items() if n in self.offsets]
        enough = len(unusual) >= self.least
        begun = self.episode.since is not None
        signal = statistics.median(unusual) if enough else NAN
        said, taught = self.compare(at, signal, learn, True)
        if taught or (learn and not enough and not begun):
            for n, x in fresh.items():
                offset, seen = self.offsets.get(n, (0.0, 0))
                rate = max(0.01, 1.0 / (seen + 1))
                offset = f4(offset + rate * (value - x - offset))
                self.offsets[n] = (offset, min(seen + 1, 255))
        return said


class Balance(Residual):
    rate = 0.01

    def __init__(self, setting: Setting, *, smooth_us: int = 0, age_us: int = 0) -> None:
        super().__init__(setting)
        self.smooth_us, self.age_us = smooth_us, age_us
        self.own = self.above = self.x = self.y = self.xx = self.xy = 0.0
        self.moved: int | None = None
        self.count = 0

    def judge(self, at: int, value: float, learn: bool, others: Sequence[Heard] = ()) -> float:
        whole = bool(others) and all(t and abs(at - t) <= self.age_us for t, _ in others)
        if whole:
            share = 1.0
            if self.moved is not None:
                share = -math.expm1(-(at - self.moved) / self.smooth_us)
            self.own += share * (value - self.own)
            self.above += share * (sum(x for _, x in others) - self.above)
            self.moved = at
        slope = self.xy / self.xx if self.xx > 1e-12 else 0.0
        expected = self.y + max(0.0, min(10.0, slope)) * (self.above - self.x)
        speaks = self.count >= 32
        said, taught = self.compare(at, self.own - expected if whole else NAN, learn, speaks)
        if taught if speaks else learn and whole and self.episode.since is None:
            rate = max(0.005, 1.0 / (self.count + 1))
            dx, dy = self.above - self.x, self.own - self.y
            self.x += rate * dx
            self.y += rate * dy
            self.xx = (1 - rate) * (self.xx + rate * dx * dx)
            self.xy = (1 - rate) * (self.xy + rate * dx * dy)
            self.count += 1
        return said


def rain_over(at: int, others: Sequence[Heard], age_us: int) -> float | None:
    heard = [max(x, 0.0) for t, x in others if t and abs(at - t) <= age_us]
    return sum(heard) / len(heard) if heard else None


class DryWeather(Residual):
    side, daily = 1, True

    def __init__(self, setting: Setting, *, dry_us: int = 0, age_us: int = 0) -> None:
        super().__init__(setting)
        self.dry_us, self.age_us = dry_us, age_us
        self.wet: int | None = None

    def judge(self, at: int, value: float, learn: bool, others: Sequence[Heard] = ()) -> float:
        rain = rain_over(at, others, self.age_us)
        if rain is None or rain > 0.1 or self.wet is None:
            self.wet = at
        dry = rain is not None and at - self.wet >= self.dry_us
        return self.compare(at, NAN if rain is None else value, learn, dry)[0]


class RainExplained(Residual):
    rate, surely = 0.01, True
    taus = (900.0, 3600.0, 14_400.0)

    def __init__(self, setting: Setting, *, age_us: int = 0, step: float = 0.0) -> None:
        super().__init__(setting)
        self.age_us, self.step = age_us, step
        self.stored = np.zeros(3)
        self.filled: int | None = None
        self.dry = self.usual = 0.0
        self.dry_seen = self.wet_seen = self.stopped = 0
        self.square, self.side_ = np.zeros((3, 3)), np.zeros(3)

    def shares(self) -> np.ndarray[tuple[int, ...], np.dtype[np.float64]]:
        ridge = 1e-3 * np.trace(self.square) / 3 + 1e-6
        return np.maximum(np.linalg.solve(self.square + ridge * np.eye(3), self.side_), 0.0)

    def judge(self, at: int, value: float, learn: bool, others: Sequence[Heard] = ()) -> float:
        rain = rain_over(at, others, self.age_us)
        if self.filled is not None:
            for n, tau in enumerate(self.taus):
                share = -math.expm1(-(at - self.filled) / 1e6 / tau)
                self.stored[n] += share * ((rain or 0.0) - self.stored[n])
        self.filled = at
        wet = rain is not None and max(self.stored[0], self.stored[1]) >= 0.5
        dried = rain is not None and max(self.stored) < 0.05
        speaks = wet and self.wet_seen >= 64
        explained = float(self.shares() @ self.stored) if speaks else 0.0
        expected = self.dry + explained
        whole = max(explained + 0.2 * self.usual + abs(self.dry), 1e-9)
        signal = (value - expected) / whole if speaks else 0.0
        burst = value <= min(0.01 * expected, self.step) and self.stored[1] >= 5.0
        self.stopped = self.stopped + 1 if burst else 0
        known = speaks or self.dry_seen >= 64
        certain = rain is not None and self.stopped >= 3 and known and expected > 5 * self.step
        shown = NAN if rain is None else signal
        said, taught = self.compare(at, shown, learn, speaks, certain)
        may = taught if speaks else learn and self.episode.since is None
        if wet and may:
            flow = value
            if speaks and self.base.seen >= self.base.opening:
                most = 3.0 * self.base.scale()
                flow = expected + max(-most, min(most, signal)) * whole
            self.learn_wet(flow - self.dry)
        if dried and may:
            self.dry += max(0.02, 1.0 / (self.dry_seen + 1)) * (value - self.dry)
            self.dry_seen += 1
        return said

    def learn_wet(self, flow: float) -> None:
        self.square = 0.998 * self.square + np.outer(self.stored, self.stored)
        self.side_ = 0.998 * self.side_ + self.stored * flow
        self.usual += max(0.002, 1.0 / (self.wet_seen + 1)) * (abs(flow) - self.usual)
        self.wet_seen += 1


class ChangePoint:
    opening = 32

    def __init__(self, setting: Setting, *, memory_us: float, allowance: float) -> None:
        self.set, self.memory_us, self.allowance = setting, memory_us, allowance
        self.tail = Tail(3.0, 1.0, 5.0, 4.0)
        self.episode = Episode(setting.hold_us, setting.accept_us, setting.least)
        self.base = Baseline(setting.floor, daily=False, opening=self.opening)
        self.up = self.down = 0.0
        self.up_peak = self.down_peak = 0.0

    def judge(self, at: int, value: float, learn: bool, others: Sequence[Heard] = ()) -> float:
        return self.follow(at, value, learn)

    def raw(self, sums: float) -> float:
        ready = max(self.base.seen, self.tail.seen) >= self.set.warm
        return self.tail.score(sums) if ready else NAN

    def follow(self, at: int, value: float, learn: bool) -> float:
        base, last = self.base, self.base.last
        base.pause(at, self.set.gap_us)
        rate = 0.0 if last is None else -math.expm1(-(at - last) / self.memory_us)
        guess, scale = base.value(at), base.scale()
        moved = base.seen >= self.opening and base.settling == 0
        z = max(-3.0, min(3.0, (value - guess) / scale)) if moved else 0.0
        up = max(self.up + z - self.allowance, 0.0)
        down = max(self.down - z - self.allowance, 0.0)
        self.up, self.down = f4(up), f4(down)
        ended = max(0.0 if up else self.up_peak, 0.0 if down else self.down_peak)
        self.up_peak = f4(max(self.up_peak, up)) if up else 0.0
        self.down_peak = f4(max(self.down_peak, down)) if down else 0.0
        said = self.episode.see(at, self.raw(max(up, down)))
        if learn and moved and (self.episode.quiet or self.episode.begins):
            peak = max(up, down) if self.episode.begins else ended
            self.tail.learn(peak, self.set.least + 1)
        if learn and self.episode.quiet:
            base.learn(at, value, guess, scale, rate)
        if learn and self.episode.accepted:
            base.settling = 10
            self.up = self.down = self.up_peak = self.down_peak = 0.0
            self.episode.since, self.episode.peak = None, 0.0
        return said


class Drift(ChangePoint):
    opening = 10

    def __init__(
        self, setting: Setting, *, memory_us: float, allowance: float, block_us: int
    ) -> None:
        super().__init__(setting, memory_us=memory_us, allowance=allowance)
        self.block_us = block_us
        self.number = 0
        self.block: list[float] = []

    def judge(self, at: int, value: float, learn: bool, others: Sequence[Heard] = ()) -> float:
        china = 8 * 3_600_000_000
        number = (at + china) // self.block_us
        if self.block and number != self.number:
            mean = sum(self.block) / len(self.block)
            said = self.follow((self.number + 1) * self.block_us - china, mean, learn)
            self.block = []
        else:
            said = self.episode.see(at, self.raw(max(self.up, self.down)))
        self.block.append(value)
        self.number = number
        return said


class Stuck:
    def __init__(self, setting: Setting, *, interval_us: float, rest: float | None) -> None:
        self.set, self.interval_us, self.rest = setting, interval_us, rest
        self.tail = Tail(6.0, 1.0)
        self.episode = Episode(setting.hold_us, setting.accept_us, setting.least)
        self.value: float | None = None
        self.since = self.last = 0

    def judge(self, at: int, value: float, learn: bool, others: Sequence[Heard] = ()) -> float:
        held, finished = self.value, (self.last - self.since) / self.interval_us
        moved = held is None or value != held
        if moved:
            self.value, self.since = value, at
        self.last = at
        length = 0.0 if value == self.rest else (at - self.since) / self.interval_us
        begun = self.episode.since is not None
        raw = self.tail.score(length) if self.tail.seen >= self.set.warm else NAN
        said = self.episode.see(at, raw)
        if learn and moved and held is not None and held != self.rest and not begun:
            self.tail.learn(finished, self.set.least + 1)
        return said
