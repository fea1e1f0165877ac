"""Missing data once more, slow and obvious: every arrival of a device is kept and looked at."""

from __future__ import annotations

from dataclasses import dataclass, field

STEP, SAME_REPORT, MOST, MIN_GAPS = 0.05, 0.1, 10.0, 16
NOT_LISTENING_S = 120.0


@dataclass(slots=True)
class Device:
    """One device under one ``missing`` rule, behind a gateway of its own."""

    interval_s: float
    intervals: float
    learns: bool
    start_s: float
    heard_s: list[float] = field(default_factory=list)
    missing: bool = False
    now_s: float = 0.0
    gaps: list[float] = field(default_factory=list)
    report_s: float | None = None

    def limit_s(self) -> float:
        usual = self.interval_s
        if self.learns and len(self.gaps) >= MIN_GAPS:
            for gap in self.gaps:
                if gap > usual:
                    usual = min(usual * (1 + STEP), gap)
                elif gap < usual:
                    usual = max(usual * (1 - STEP), gap)
        return max(3.0, self.intervals * usual)

    def hear(self, at_s: float) -> list[tuple[str, float]]:
        gap = None if self.report_s is None else at_s - self.report_s
        if gap is None or gap >= SAME_REPORT * self.interval_s:
            if gap is not None and gap <= MOST * self.interval_s and not self.missing:
                self.gaps.append(gap)
            self.report_s = at_s
        self.heard_s.append(at_s)
        self.go_on(at_s)
        if self.missing and self.now_s < max(self.heard_s) + self.limit_s():
            self.missing = False
            return [("returned", self.now_s)]
        return []

    def go_on(self, now_s: float) -> None:
        if now_s >= self.now_s + NOT_LISTENING_S:
            self.start_s = now_s
        self.now_s = max(self.now_s, now_s)

    def tick(self, now_s: float) -> list[tuple[str, float]]:
        self.go_on(now_s)
        since_s = max([self.start_s, *self.heard_s])
        if not self.missing and self.now_s >= since_s + self.limit_s():
            self.missing = True
            return [("raised", since_s + self.limit_s())]
        return []
