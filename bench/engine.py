"""The alarm engine alone, with the packaged rules: a tick of every series, memory, snapshots.

    python bench/engine.py

Times are of one core (this process's CPU time), the median of some ticks. ``heat`` is the worst
case for slopes: every series has one. ``district`` has every kind of device in equal number, some
110 m apart; ``no_judges`` is the same without anomaly and forecast rules, which ask for more of
each reading. ``build``: an engine from rules and registry; ``reload``: it takes over another's
state. ``of one``: milliseconds for a batch of 1,000 readings of one series.
"""

from __future__ import annotations

import json
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

# Run as a script, this folder would stand first and hide packages behind files of the same name.
if __name__ == "__main__":
    sys.path[0] = str(Path(__file__).resolve().parent.parent)

import numpy as np

from alerts.engine import Engine
from alerts.rulebook import read_packaged
from alerts.rules import LoadedRule
from bench.ground import say
from core.batch import Batch, of
from core.model import Field
from core.registry import Registry, SeriesInfo
from core.units import DEVICE_KINDS

SERIES = 240_000
TICKS = 45
MEASURED = 9
PER_GATEWAY = 200
T0_US = 1_790_000_000_000_000
S = 1_000_000
LONG = 1_000
_JUDGED = ("anomaly", "forecast")
_HEAD = (
    "  of              tick ms  B/series  silence ms  build s  reload s  snapshot MB  write s"
    "  read s  of one ms"
)


def measure() -> dict[str, Any]:
    """Measure the engine; seconds and milliseconds are of one core."""
    rules = [LoadedRule(rule=rule, version=1) for rule in read_packaged()]
    plain = [entry for entry in rules if entry.rule.type not in _JUDGED]
    return {
        "series": SERIES,
        "rules": len(rules),
        "heat": _mix(rules, ("heat",)),
        "no_judges": _mix(plain, tuple(DEVICE_KINDS)),
        "district": _mix(rules, tuple(DEVICE_KINDS)),
    }


def table(result: dict[str, Any]) -> list[str]:
    """Return the figures as lines."""
    lines = [
        f"the alarm engine: {result['series']:,} series, {result['rules']} rules, one core",
        _HEAD,
    ]
    for name in ("heat", "no_judges", "district"):
        one = result[name]
        lines.append(
            f"  {name:14} {one['tick_ms']:8.1f} {one['bytes_per_series']:9.0f}"
            f" {one['silence_ms']:11.1f} {one['build_s']:8.2f} {one['reload_s']:9.2f}"
            f" {one['snapshot_mb']:12.1f} {one['snapshot_s']:8.2f}"
            f" {one['resume_s']:7.2f} {one['thousand_of_one_ms']:10.1f}"
        )
    return lines


def _mix(rules: Sequence[LoadedRule], kinds: tuple[str, ...]) -> dict[str, float]:
    say(f"the engine with {len(rules)} rules on {len(kinds)} kinds of device")
    registry = _registry(kinds)
    built, engine = _timed(lambda: Engine(rules, registry, now_us=T0_US))
    series = np.array(sorted(registry.by_id), dtype=np.int32)
    centre = np.array([_quiet(registry.by_id[one]) for one in series.tolist()])
    chance = np.random.default_rng(7)
    ticks = []
    for second in range(TICKS):
        batch = _tick(series, centre * (1 + 0.01 * chance.standard_normal(len(series))), second)
        ticks.append(_timed(lambda batch=batch: engine.process(batch))[0])  # type: ignore[misc]
    silence = [_timed(lambda: engine.tick(T0_US + TICKS * S))[0] for _ in range(5)]
    snapshot_s, blob = _timed(engine.snapshot)
    again = Engine(rules, registry, now_us=T0_US)
    resume_s, _ = _timed(lambda: again.resume(blob))
    again = Engine(rules, registry, now_us=T0_US)
    reload_s, _ = _timed(lambda: again.adopt(engine))
    burst = np.full(LONG, series[0])
    at = T0_US + (100 * S + np.arange(LONG) * S // 10).astype(np.int64)
    many = of(burst, at, at, np.full(LONG, centre[0]), np.zeros(LONG))
    burst_s, _ = _timed(lambda: engine.process(many))
    return {
        "build_s": round(built, 2),
        "reload_s": round(reload_s, 3),
        "tick_ms": round(statistics.median(ticks[-MEASURED:]) * 1e3, 1),
        "bytes_per_series": round(engine.nbytes / len(series), 1),
        "silence_ms": round(statistics.median(silence) * 1e3, 2),
        "snapshot_mb": round(len(blob) / 1e6, 1),
        "snapshot_s": round(snapshot_s, 3),
        "resume_s": round(resume_s, 3),
        "thousand_of_one_ms": round(burst_s * 1e3, 1),
    }


def _timed(work: Callable[[], Any]) -> tuple[float, Any]:
    begin = time.process_time()
    found = work()
    return time.process_time() - begin, found


def _registry(kinds: tuple[str, ...]) -> Registry:
    infos: list[SeriesInfo] = []
    device = 0
    while len(infos) < SERIES:
        kind = kinds[device % len(kinds)]
        for quantity in DEVICE_KINDS[kind].quantities[: SERIES - len(infos)]:
            building = f"b{device // 20}"
            infos.append(
                SeriesInfo(
                    series_id=len(infos) + 1,
                    device_id=f"{kind}-{device}",
                    quantity=quantity,
                    kind=kind,
                    field=Field(DEVICE_KINDS[kind].field),
                    gateway_id=f"gw-{device // PER_GATEWAY}",
                    interval_s=10.0,
                    spaces=("d", "s", "c", "g", f"k{device // 400}", building),
                    lon=114.0 + device % 400 / 1_000,
                    lat=22.5 + device // 400 / 1_000,
                )
            )
        device += 1
    return Registry(infos)


def _quiet(info: SeriesInfo) -> float:
    """Return a value at which no rule is active."""
    usual = {"voltage": 220.0, "temperature": 20.0, "ph": 7.0, "dissolved_oxygen": 8.0}
    usual |= {"speed": 40.0, "water_temperature": 18.0, "conductivity": 400.0, "flow": 1.0}
    return usual.get(info.quantity, 0.0)


def _tick(series: np.ndarray[Any, Any], value: np.ndarray[Any, Any], second: int) -> Batch:
    at = np.full(len(series), T0_US + second * S)
    return of(series, at, at, value, np.zeros(len(series)))


def main() -> None:
    """Measure and print; the last line is the result as JSON."""
    result = measure()
    say("\n".join(table(result)))
    print(json.dumps(result))


if __name__ == "__main__":
    main()
