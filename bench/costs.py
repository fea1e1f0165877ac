"""What the processes of a run cost: CPU seconds, children included, and peaks of memory."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field

import psutil

MB = 2**20
_LOOK_S = 0.1


@dataclass(slots=True)
class Costs:
    """CPU seconds of some processes since they were last asked for."""

    roots: Mapping[str, int]
    _last: dict[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._last = self._now()

    def take(self) -> dict[str, float]:
        """Return the seconds since the last time, by name."""
        now = self._now()
        spent = {name: now[name] - self._last[name] for name in now}
        self._last = now
        return spent

    def _now(self) -> dict[str, float]:
        return {name: cpu_s(pid) for name, pid in self.roots.items()}


def cpu_s(root: int) -> float:
    """Return what a process, its living children and its ended children have spent."""
    process = psutil.Process(root)
    spent = 0.0
    for child in process.children(recursive=True):
        # One that ends meanwhile counts among its parent's ended children below.
        with suppress(psutil.NoSuchProcess):
            spent += sum(child.cpu_times()[:2])
    return spent + float(sum(process.cpu_times()[:4]))


def per_100k(spent: Mapping[str, float], readings: int) -> dict[str, float]:
    """Return CPU seconds per 100,000 readings, with their sum."""
    each = {name: round(seconds / readings * 100_000, 2) for name, seconds in spent.items()}
    return each | {"sum": round(sum(spent.values()) / readings * 100_000, 2)}


def rss_mb(pid: int) -> float:
    """Return the resident memory of a process with its children, in MB (2**20 bytes)."""
    process = psutil.Process(pid)
    total = int(process.memory_info().rss)
    for child in process.children(recursive=True):
        with suppress(psutil.NoSuchProcess):
            total += int(child.memory_info().rss)
    return total / MB


@contextmanager
def peaks(pids: Mapping[str, Callable[[], int]]) -> Iterator[dict[str, float]]:
    """Look ten times a second; the yielded mapping holds the largest memory seen so far, in MB."""
    seen = dict.fromkeys(pids, 0.0)
    over = threading.Event()

    def look() -> None:
        while not over.wait(_LOOK_S):
            for name, pid in pids.items():
                with suppress(psutil.NoSuchProcess):
                    seen[name] = max(seen[name], rss_mb(pid()))

    looking = threading.Thread(target=look, name="peaks", daemon=True)
    looking.start()
    try:
        yield seen
    finally:
        over.set()
        looking.join()
